//! What a process tells of itself: metrics, each with a name that stays, and the listener where they can be read. It
//! counts what it is told and asks nobody; who tells it is joined to it where the program is wired together.
//!
//! No label names a run, a step, a host or anything else that a user chooses: their number would have no bound, and
//! their names are nobody's business who may only look at numbers.

mod catalog;
mod listen;
mod process;
mod registry;
mod scheduler;
mod worker;

pub use catalog::table;
pub use listen::{Listening, Refresh, listen};
pub use registry::Exposed;
pub use scheduler::SchedulerMetrics;
pub use worker::{Got, NearCounts, WorkerMetrics};
