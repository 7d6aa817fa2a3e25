//! The types of SDKs, as the checkers of their languages see them: what is there is right, and wrong uses are refused on
//! the line where they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_e2e::{Ended, program, workspace};
use cofferdam_kit::tools::programs;

/// What marks a line that a checker has to refuse.
const REFUSED: &str = "# refused";

fn sdk() -> PathBuf {
    workspace().join("guest-sdk/python")
}

/// What mypy says of this place, with all that is strict.
fn mypy(folder: &Path, args: &[&str]) -> Ended {
    let cache = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(programs().join("mypy"));
    command.args(["--strict", "--no-error-summary", "--cache-dir"]).arg(cache.path()).args(args);
    command.current_dir(folder).env("MYPYPATH", sdk().join("src"));
    command.output().expect("mypy can be started").into()
}

fn accepted(folder: &Path, args: &[&str]) {
    let ended = mypy(folder, args);
    assert_eq!((ended.exit, ended.stdout.as_str()), (0, ""), "{}: {ended:#?}", folder.display());
}

#[test]
fn the_sdk_and_the_client_for_python_and_ops_pass_mypy_strict() {
    accepted(&sdk(), &["--config-file", "pyproject.toml"]);
    accepted(&workspace().join("host/client/python"), &["--config-file", "pyproject.toml"]);
    for ops in ["examples/polyglot/statistics", "examples/flights/seasons", "tests/conformance/guests/python"]
    {
        accepted(&workspace().join(ops), &["."]);
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let new = ["new", "greetings", "--lang", "python"];
    let made = Command::new(program()).args(new).current_dir(folder.path()).output();
    Ended::from(made.expect("it can be started")).expect(0);
    accepted(&folder.path().join("greetings/ops"), &["."]);
}

#[test]
fn wrong_uses_of_the_sdk_for_python_are_refused_by_mypy_on_their_lines() {
    let text = r#"from cofferdam_op import Config, Context, Dynamic, Failure, Keyvalue, Many, Outputs, Reader, op


class Wanted(Config):
    least: int = 1


class Split(Outputs):
    each: Dynamic[str]
    n: int


@op
def split(ctx: Context, text: str, config: Wanted) -> Split:
    each: Dynamic[str] = Dynamic()
    each.add("a", 1)  # refused
    ctx.log.info("%s", config.most)  # refused
    ctx.progress("half", 2)  # refused
    if not text:
        raise Failure("nothing", retry_after="soon")  # refused
    return Split(each=each, n="1")  # refused


@op
def joined(words: Many[str], store: Keyvalue, file: Reader) -> int:
    store.set("a", 1)  # refused
    return ",".join(words)  # refused


split(Context.test(), 5, Wanted())  # refused
split(Context.test(), "a", Wanted(least="a"))  # refused
split(Context.test(), "a", Wanted()).all  # refused
counted: str = joined(Many(["a"]), Keyvalue.test(), Reader.test(b""))  # refused
"#;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("ops.py"), text).expect("a file can be written");
    let said = mypy(folder.path(), &["ops.py"]).expect(1).stdout;
    let place =
        |line: &str| line.strip_prefix("ops.py:").and_then(|rest| rest.split(':').next()?.parse().ok());
    let mut found: Vec<usize> =
        said.lines().filter(|line| line.contains(": error:")).filter_map(place).collect();
    found.dedup();
    let expected = text.lines().enumerate().filter(|(_, line)| line.ends_with(REFUSED));
    assert_eq!(found, expected.map(|(at, _)| at + 1).collect::<Vec<_>>(), "{said}");
}
