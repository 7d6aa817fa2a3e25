//! A whole cluster in one process: a scheduler, workers and a client with a network between them that delays, breaks and
//! falls silent, in virtual time, every choice drawn from one seed.
//!
//! What decides is the real thing: the scheduler's core with its engine and sessions, the run log's store in memory, what
//! a worker remembers over a broken stream, and the codec between them. Simulated are clocks, the network, processes and
//! the ops. After each append the rules of SAFETY.md 3d are checked.

mod bug;
mod check;
mod cluster;
mod network;
mod plans;
mod scheduler;
mod worker;

pub use bug::Bug;
pub use cluster::{Fault, Outcome, Settings, simulate};
