//! The loop that drives the engine: it takes what has happened, lets the engine decide, makes the decisions
//! durable, and only then lets orders leave. It decides nothing itself.
//!
//! One task owns the engine; everybody else reaches it through [`Scheduler`]. Whatever is waiting is taken as
//! one batch, so that many reports share one append.

pub mod again;
mod ahead;
mod core;
mod driver;
mod explain;
mod handle;
mod observe;
mod recovery;
mod retries;
mod sessions;
mod standing;
mod turn;
mod updates;
mod why;
mod worker;

pub use cofferdam_engine::{Census, Present, Quotas, Under};
pub use core::{Core, Now, Settings};
pub use explain::{Explanation, explain};
pub use handle::{Clock, Error, Scheduler, Submission, WorkerOffer, system_clock, system_time};
pub use observe::Observer;
pub use recovery::Recovery;
pub use retries::Retries;
pub use sessions::{Attached, Connection, Patience, Visit};
pub use turn::Turn;
pub use updates::{Update, Updates};
