//! A cell for this crate's own tests, which need a program to start: `cell run` or `cell compile`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("run") => cofferdam_cell::run(),
        Some("compile") => cofferdam_cell::compile(),
        _ => ExitCode::from(2),
    }
}
