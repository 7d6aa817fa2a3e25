//! Rust: a `rustc` that has std for `wasm32-wasip2`, and cargo to build with it.
//!
//! Three sources of the compiler: the target in the rustup toolchain, a private sysroot built once from Debian's
//! packages (for places that reach package mirrors and nothing else), or a compiler that the user names. The choice is
//! made in `choice.rs` from plain facts; `facts.rs` collects them; `debian.rs` builds.

mod build;
mod choice;
mod debian;
mod facts;
mod guest;

pub use build::{build, test};
pub use choice::{Choice, VARIABLE};
pub use guest::{GuestToolchain, RUSTFLAGS, TARGET};

use crate::{Error, run};
use choice::{Decision, Installer};

/// The guest compiler, if it is already here. Changes nothing.
///
/// `None` means that [`prepare`] would install one. Fails when the choice cannot be met on this machine at all.
pub fn find(choice: &Choice) -> Result<Option<GuestToolchain>, Error> {
    match choice::decide(choice, &facts::gather(choice)?)? {
        Decision::Ready(toolchain) => Ok(Some(toolchain)),
        Decision::Install(_) => Ok(None),
    }
}

/// What [`prepare`] would install, in words, in the order in which it would try. Empty when nothing is needed.
pub fn plan(choice: &Choice) -> Result<Vec<String>, Error> {
    match choice::decide(choice, &facts::gather(choice)?)? {
        Decision::Ready(_) => Ok(Vec::new()),
        Decision::Install(installers) => Ok(installers.iter().map(Installer::describe).collect()),
    }
}

/// The guest compiler, installed first if it is not here yet. Tells `progress` each thing before it is done.
///
/// With several ways to install, the next is tried when one fails. A failure leaves nothing half made behind: the
/// private sysroot gets its name only once it is complete.
pub fn prepare(choice: &Choice, progress: &mut dyn FnMut(&str)) -> Result<GuestToolchain, Error> {
    let facts = facts::gather(choice)?;
    let installers = match choice::decide(choice, &facts)? {
        Decision::Ready(toolchain) => return Ok(toolchain),
        Decision::Install(installers) => installers,
    };
    let mut failures = Vec::new();
    for installer in installers {
        progress(&installer.describe());
        let outcome = match installer {
            Installer::RustupTarget => install_rustup_target(),
            Installer::DebianSysroot => debian::install(&facts, progress),
        };
        match outcome {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => {
                progress(&format!("that failed: {error}"));
                failures.push(error);
            }
        }
    }
    Err(failures.pop().expect("a decision to install names at least one way"))
}

fn install_rustup_target() -> Result<GuestToolchain, Error> {
    run::output("rustup", std::process::Command::new("rustup").args(["target", "add", TARGET]))?;
    let again = facts::gather(&Choice::Rustup)?;
    match choice::decide(&Choice::Rustup, &again)? {
        Decision::Ready(toolchain) => Ok(toolchain),
        Decision::Install(_) => Err(Error::TargetStillMissing { sysroot: again.host.sysroot }),
    }
}
