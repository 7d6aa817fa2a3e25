//! Runs guests: compiles components, and runs each attempt in an instance of its own, under limits.
//!
//! The only crate that names wasmtime. It does not know where bytes come from or go to: compiled
//! libraries are files that the caller vouches for, large values go through [`StepIo`].
//!
//! ```text
//! admit(bytes)            static check, without wasmtime
//! Sandbox::new            one engine: settings, pool, ticker
//!   .compile(bytes)       ► artefact (in a process that may die)
//!   .load(file)           ► Library
//!      .describe()        ► LibrarySpec
//!      .run(attempt, io)  ► Ended
//! ```

mod admit;
mod attempt;
mod bindings;
mod clock;
mod context;
mod describe;
mod error;
mod failure;
mod library;
mod limiter;
mod link;
mod log;
mod metadata;
mod outputs;
mod plain;
mod resources;
mod sandbox;
#[cfg(test)]
mod spec;
mod state;
mod text;
mod ticker;
mod values;

pub use admit::{Admitted, admit};
pub use attempt::{
    Attempt, Completion, Content, Emitted, EmittedContent, Ended, Input, InputValue, IoError, StepIo, Value,
};
pub use error::{Error, Refusal};
pub use library::Library;
pub use resources::RESOURCE_BYTES_MAX;
pub use sandbox::{Sandbox, Settings};
pub use ticker::ticks;

/// Progress calls closer together than this are merged into one: a person cannot read more.
pub const PROGRESS_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
