//! Who looks on: told what is decided and how long it took to make it durable, and asked nothing.

use std::fmt;
use std::time::Duration;

use cofferdam_model::{Recorded, RunId};

/// Called by the loop, which waits for it: a method only takes note.
pub trait Observer: Send + Sync + fmt::Debug {
    /// These events of a run are about to be appended. If that fails the scheduler stops.
    fn events(&self, run: RunId, events: &[Recorded]);

    /// An append of so many events, of one run or several, is durable.
    fn appended(&self, n_events: usize, took: Duration);

    /// So many log lines were kept, or could not be.
    fn lines(&self, n_lines: usize, kept: bool);
}
