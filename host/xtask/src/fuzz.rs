//! `cargo xtask fuzz`: libFuzzer over what reads the bytes of strangers (`tests/hostile`), for as long as one likes. What
//! it finds on the way stays in `target/fuzz`; an input that broke something belongs into `tests/fuzz/corpus`, which every
//! run of the tests replays.

use std::path::{Path, PathBuf};

use crate::shell::{self, Failure, Shell};

/// The kept inputs: a folder for each target.
const CORPUS: &str = "tests/fuzz/corpus";
const MANIFEST: &str = "tests/fuzz/Cargo.toml";
/// Targets that need the engine of the sandbox. They are built apart: the counters of its compiler would slow the others.
const ENGINE: [&str; 5] = ["artefact", "component", "frames", "library", "values"];
/// For each target, where nobody says how long.
const SECONDS: u64 = 180;
/// Longest input, and the most memory for one.
const INPUT_BYTES_MAX: u32 = 4096;
const MEMORY_MIB_MAX: u32 = 4096;
/// Counters of edges and of what is compared, as libFuzzer wants them; the stable compiler has them too.
const COUNTERS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// `[TARGET] [--seconds N]`.
pub(crate) fn fuzz(shell: &mut Shell, arguments: &[&str]) -> Result<(), Failure> {
    let targets = targets(&shell.root)?;
    let (chosen, seconds) = parse(arguments, &targets)?;
    for engine in [false, true] {
        let part = chosen.iter().filter(|target| ENGINE.contains(&target.as_str()) == engine);
        let mut program = None;
        for target in part {
            let program = match &program {
                Some(program) => program,
                None => program.insert(build(shell, engine)?),
            };
            search(shell, program, target, seconds)?;
        }
    }
    shell.finish("fuzz");
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let corpus = root.join(CORPUS);
    let unreadable = |error| Failure::Step(format!("failed to read {}: {error}", corpus.display()));
    let folders = corpus.read_dir().map_err(unreadable)?.flatten();
    let mut names: Vec<String> =
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn parse(arguments: &[&str], targets: &[String]) -> Result<(Vec<String>, u64), Failure> {
    let (named, seconds) = match arguments {
        [named @ .., "--seconds", seconds] => (named, seconds.parse().ok().filter(|seconds| *seconds > 0)),
        named => (named, Some(SECONDS)),
    };
    let usage =
        |text: String| Failure::Usage(format!("{text}\nusage: cargo xtask fuzz [TARGET] [--seconds N]"));
    let seconds = seconds.ok_or_else(|| usage("`--seconds` wants a number of at least 1".to_owned()))?;
    match named {
        [] => Ok((targets.to_vec(), seconds)),
        [one] if targets.iter().any(|target| target == one) => Ok((vec![(*one).to_owned()], seconds)),
        [one] => Err(usage(format!("there is no target `{one}`: it is one of {}", targets.join(", ")))),
        _ => Err(usage("one target, or none for all of them".to_owned())),
    }
}

fn build(shell: &mut Shell, engine: bool) -> Result<PathBuf, Failure> {
    // Named, so that the counters are not in what runs while it is built.
    let host = shell::output(shell.command("rustc").args(["--print", "host-tuple"]))?;
    let folder = shell.target_dir().join("fuzz");
    let mut cargo = shell.command("cargo");
    cargo.args(["build", "--quiet", "--manifest-path", MANIFEST, "--target", host.trim(), "--target-dir"]);
    cargo.arg(&folder).env("RUSTFLAGS", COUNTERS.join(" "));
    let name = if engine { "build the targets that need the engine" } else { "build the targets" };
    if engine {
        cargo.args(["--features", "engine"]);
    }
    shell.run(name, &mut cargo)?;
    Ok(folder.join(host.trim()).join("debug").join("cofferdam-fuzz"))
}

fn search(shell: &mut Shell, program: &Path, target: &str, seconds: u64) -> Result<(), Failure> {
    let folder = shell.target_dir().join("fuzz");
    let (found, broke) = (folder.join("corpus").join(target), folder.join("broke"));
    for made in [&found, &broke] {
        std::fs::create_dir_all(made)
            .map_err(|error| Failure::Step(format!("failed to make {}: {error}", made.display())))?;
    }
    let mut search = shell.command(program);
    search.env("COFFERDAM_FUZZ_TARGET", target).arg(&found).arg(shell.root.join(CORPUS).join(target));
    search.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    search.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}")).args(["-print_final_stats=1", "-verbosity=0"]);
    search.arg(format!("-artifact_prefix={}/{target}-", broke.display()));
    shell.run(&format!("search {target} for {seconds} s"), &mut search)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Vec<String>, u64), String> {
        let targets = ["calls".to_owned(), "forms".to_owned()];
        parse(arguments, &targets).map_err(|failure| failure.to_string())
    }

    #[test]
    fn one_target_or_all_are_searched_for_as_long_as_is_said() {
        assert_eq!(parsed(&[]), Ok((vec!["calls".to_owned(), "forms".to_owned()], SECONDS)));
        assert_eq!(parsed(&["forms", "--seconds", "5"]), Ok((vec!["forms".to_owned()], 5)));
        assert!(parsed(&["form"]).unwrap_err().contains("it is one of calls, forms"));
        assert!(parsed(&["--seconds", "0"]).unwrap_err().contains("at least 1"));
        assert!(parsed(&["calls", "forms"]).unwrap_err().contains("one target"));
    }

    #[test]
    fn every_target_that_needs_the_engine_is_there() {
        let targets = targets(&shell::root()).unwrap();
        assert!(ENGINE.iter().all(|name| targets.iter().any(|target| target == name)), "{targets:?}");
    }
}
