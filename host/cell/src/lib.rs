//! Cells: the child processes in which guests run and libraries are compiled, and how a supervisor holds them.
//!
//! ```text
//! supervisor                              children
//! Cell ── frames over a socket pair ────► run()      attempts, one after another
//! Artefacts ── bytes in, bytes out ─────► compile()  one library, under resource limits, then the end
//! ```
//!
//! Knows no scheduler, no storage and no network: what a guest reads and writes goes through frames.

mod artefacts;
mod child;
mod compile;
mod engines;
mod frames;
mod handle;
mod held;
mod jail;
mod wire;

pub use artefacts::{Artefact, Artefacts, Origin, Source};
pub use child::run;
pub use compile::compile;
pub use engines::Target;
pub use frames::{
    CellAttempt, CellCompletion, CellContent, CellDeclared, CellInput, CellInputValue, CellOutput,
    CellOutputContent, CellUsage, CellValue, FromCell, IoFault, Ticket, ToCell,
};
pub use handle::{Cell, CellCommand, CellEvent, Replies};
pub use jail::{Wall, close as close_wall};
