//! `cargo xtask test`: everything that must pass, the quick checks first.

use crate::counts::Counts;
use crate::shell::{self, Failure, Shell, say};
use crate::{audit, guests, setup, tidy};
use std::process::Command;

/// The host's workspace, the fuzzer's and those of the guests, which another compiler builds. [`NATIVE_OPS`] have theirs.
const WORKSPACES: [&str; 4] = [
    "Cargo.toml",
    "tests/fuzz/Cargo.toml",
    "tests/guests/Cargo.toml",
    "tests/conformance/guests/rust/Cargo.toml",
];

/// Ops whose tests run natively, as their authors run them.
const NATIVE_OPS: [&str; 6] = [
    "examples/flights/ops/Cargo.toml",
    "examples/tutorial/ops/Cargo.toml",
    "examples/dbt/ops/Cargo.toml",
    "examples/array/ops/Cargo.toml",
    "examples/polyglot/parse/Cargo.toml",
    "examples/plain/planes/Cargo.toml",
];

/// Runs it all. The tests run to their end even if some fail; a test that was skipped is a failure.
pub(crate) fn test(shell: &mut Shell) -> Result<(), Failure> {
    let toolchain = setup::setup(shell)?;
    for manifest in WORKSPACES.iter().chain(&NATIVE_OPS) {
        let mut fmt = cargo(shell, &["fmt", "--all", "--manifest-path", manifest, "--", "--check", "-l"]);
        shell.run(&format!("formatting of {manifest} (`cargo fmt --all` mends it)"), &mut fmt)?;
    }
    tidy::command(shell)?;
    let mut build = shell.command("cargo");
    // With the tests, so that what they depend on is compiled once, with one set of features.
    let all = ["build", "--workspace", "--bins", "--tests"];
    shell.run("build the program and the tests", build.args(all))?;
    audit::audit(shell)?;
    guests::build(shell, &toolchain)?;
    let mut clippy = shell.command("cargo");
    clippy.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    shell.run("lints", &mut clippy)?;

    let mut sum = Counts::default();
    let mut broken = Vec::new();
    let mut suite =
        |shell: &mut Shell, name: &str, command: &mut Command, read: fn(&[String]) -> Option<Counts>| {
            let (lines, success) = shell.step(name, |_| shell::watch(command))?;
            match read(&lines) {
                Some(counts) => {
                    sum += counts;
                    if !success || counts.failed > 0 || counts.skipped > 0 {
                        broken.push(format!("{name}: {counts}"));
                    }
                }
                None => broken.push(format!("{name}: no test ran")),
            }
            Ok(())
        };
    let mut tests = cargo(shell, &["nextest", "run", "--workspace", "--color", "never"]);
    suite(shell, "tests", &mut tests, Counts::of_nextest)?;
    let mut doctests = cargo(shell, &["test", "--quiet", "--doc", "--workspace"]);
    suite(shell, "doc tests", &mut doctests, Counts::of_libtest)?;
    for manifest in NATIVE_OPS {
        let mut native = cargo(shell, &["test", "--quiet", "--manifest-path", manifest]);
        suite(shell, &format!("native tests of {manifest}"), &mut native, Counts::of_libtest)?;
    }

    shell.finish("test");
    say(&format!("{sum}"));
    if broken.is_empty() {
        Ok(())
    } else {
        Err(Failure::Step(format!("tests failed\n  {}", broken.join("\n  "))))
    }
}

fn cargo(shell: &Shell, arguments: &[&str]) -> Command {
    let mut command = shell.command("cargo");
    command.args(arguments);
    command.env("COFFERDAM_TEST_GUESTS", guests::folder(&shell.root)).env("COFFERDAM_BIN", shell.program());
    command
}
