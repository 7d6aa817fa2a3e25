//! Who looks on: told what is decided and how long it took to make it durable, and asked nothing.

use std::fmt;
use std::time::Duration;

use cofferdam_model::{Plan, Recorded, RunId};

/// Called by the loop, which waits for it: a method only takes note.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A run is driven from now on: it was submitted, or taken over from the log.
    fn run(&self, run: RunId, plan: &Plan);

    /// These events of a run are about to be appended. If that fails the scheduler stops.
    fn events(&self, run: RunId, events: &[Recorded]);

    /// An append of so many events, of one run or several, is durable.
    fn appended(&self, n_events: usize, took: Duration);

    /// So many log lines were kept, or could not be.
    fn lines(&self, n_lines: usize, kept: bool);
}
