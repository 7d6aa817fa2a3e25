//! `cofferdam-sim FIRST COUNT`: plays that many seeds. A seed that breaks a rule is named with the command that plays it
//! again, and ends the program with 1. One seed alone tells all that happens.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for people")]

use std::process::ExitCode;

use cofferdam_sim::{Settings, simulate};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(first)), Some(Ok(count)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
        eprintln!("usage: cofferdam-sim FIRST COUNT");
        return ExitCode::from(2);
    };
    let (mut events, mut lost, mut again, mut broken) = (0, 0, 0, 0);
    for seed in first..first.saturating_add(count) {
        match simulate(Settings { seed, bug: None, trace: count == 1 }) {
            Ok(outcome) => {
                events += outcome.events;
                lost += outcome.lost;
                again += outcome.again;
            }
            Err(rule) => {
                broken += 1;
                eprintln!("seed {seed}: {rule}\n  cargo run -p cofferdam-sim -- {seed} 1");
            }
        }
    }
    println!(
        "{count} seeds, {events} events, {lost} attempts lost, {again} steps opened again, {broken} seeds broke a rule"
    );
    if broken > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
