//! Why the sandbox says no: to a component before it runs ([`Refusal`]), or because of the machine it runs
//! on ([`Error`]).

use std::path::PathBuf;

/// A component that is not let in. The text tells its author what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("not a component: {found}; expected a WebAssembly component in the binary format")]
    NotAComponent { found: String },
    #[error("damaged at byte {offset}: {message}")]
    Malformed { offset: usize, message: String },
    #[error("cannot be checked: it breaks the validator; build it with other tools, or in a simpler form")]
    Unchecked,
    #[error("uses {feature}, which Cofferdam does not run: {message}")]
    Feature { feature: &'static str, message: String },
    #[error("too large: {found} {what}, at most {max} are allowed")]
    TooLarge { what: &'static str, found: u64, max: u64 },
    #[error("does not export the world `cofferdam:op/library`: missing {}", .missing.join(", "))]
    World { missing: Vec<String> },
    #[error("imports what is not offered: {}", .unknown.join(", "))]
    Imports { unknown: Vec<String> },
    #[error("cannot be compiled: {0}")]
    Compile(String),
}

/// The sandbox itself cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// Foreign, damaged or of another engine: compile the component again.
    #[error("cannot load the compiled library `{}`: {reason}", .path.display())]
    Load { path: PathBuf, reason: String },
}
