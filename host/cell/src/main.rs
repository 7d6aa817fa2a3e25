//! A cell as a program of its own: `cofferdam-cell run` or `cofferdam-cell compile`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("run") => cofferdam_cell::run(),
        Some("compile") => cofferdam_cell::compile(),
        _ => {
            eprintln!("usage: cofferdam-cell run|compile, started by a supervisor");
            ExitCode::from(2)
        }
    }
}
