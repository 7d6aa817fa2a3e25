//! `cargo xtask`: sets the workspace up, runs the demo, the tests and the tidy checks, and counts the rows shown.
//!
//! Talks on stderr, one line a step; what was asked for goes to stdout. Few dependencies, because everyone's first
//! build waits for it. Exit codes: 0, 1 a step failed, 2 usage, 4 a prerequisite is missing.

mod bench;
mod counts;
mod demo;
mod guests;
mod postgres;
mod rows;
mod servers;
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
  tidy     check the crate map, the top level, files, licences
  rows     say which rows of tests/rows.toml the last test run showed
  help     print this

COFFERDAM_GUEST_TOOLCHAIN=auto|rustup|debian|PATH chooses the compiler for ops in Rust.
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
