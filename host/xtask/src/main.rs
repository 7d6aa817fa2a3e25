//! `cargo xtask`: sets the workspace up, runs the demo, the tests and the tidy checks, and counts the rows shown.
//!
//! Talks on stderr, one line a step; what was asked for goes to stdout. Few dependencies, because everyone's first
//! build waits for it. Exit codes: 0, 1 a step failed, 2 usage, 4 a prerequisite is missing.

mod arm64;
mod audit;
mod bench;
mod counts;
mod debian;
mod demo;
mod fuzz;
mod guests;
mod pages;
mod programs;
mod registry;
mod rows;
mod setup;
mod shell;
mod test;
mod tidy;

use shell::{Failure, Shell};
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  setup    prepare what the other commands need, saying first what will be installed
  doctor   say what is here and what setup would install; change nothing
  demo     set up, build the program and the flights ops, run the job `delays`
  test     run everything that must pass: formatting, lints, tidy, all tests
  bench    measure whole runs of no-op steps; arguments go to cofferdam-bench
  fuzz     search for inputs that break what reads the bytes of strangers: [TARGET] [--seconds N]
  arm64    build the program for arm64 too, and run one cluster of both kinds (Debian on x86-64; a machine is emulated)
  audit    compare the lock files with the public database of security advisories
  tidy     check the crate map, the top level, files, licences
  rows     say which rows of tests/rows.toml the last test run showed
  help     print this

COFFERDAM_GUEST_TOOLCHAIN=auto|rustup|debian|PATH chooses the compiler for ops in Rust.
COFFERDAM_ADVISORY_DB=PATH names a copy of the database of advisories, for machines without the internet.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(words: &[&str]) -> Result<(), Failure> {
    let mut shell = Shell::new()?;
    match words {
        ["setup"] => setup::setup(&mut shell).map(|_| shell.finish("setup")),
        ["doctor"] => setup::doctor(),
        ["demo"] => demo::demo(&mut shell),
        ["test"] => test::test(&mut shell),
        ["bench", arguments @ ..] => bench::bench(&mut shell, arguments),
        ["fuzz", arguments @ ..] => fuzz::fuzz(&mut shell, arguments),
        ["arm64"] => arm64::command(&mut shell),
        ["audit"] => audit::audit(&mut shell).map(|()| shell.finish("audit")),
        ["tidy"] => tidy::command(&mut shell),
        ["rows"] => rows::command(&shell.root),
        ["help" | "--help" | "-h"] => shell::print(HELP),
        [] => Err(Failure::Usage(format!("no command given\n{HELP}"))),
        [command, ..] => {
            Err(Failure::Usage(format!("`{}` is not understood\n{HELP}", with_rest(command, words))))
        }
    }
}

fn with_rest(command: &str, words: &[&str]) -> String {
    if words.len() > 1 { words.join(" ") } else { command.to_owned() }
}
