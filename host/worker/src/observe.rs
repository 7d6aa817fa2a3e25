//! Who looks on: told what the worker does, and asked nothing.

use std::fmt;

use cofferdam_model::{Assignment, Outcome, Usage};

/// Called by the loop, which waits for it: a method only takes note.
pub trait Observer: Send + Sync + fmt::Debug {
    /// An attempt was given to the worker.
    fn received(&self);

    /// An attempt has its compiled library, or one that was announced is ready.
    fn library(&self, got: Got);

    /// A cell has been started.
    fn cell_started(&self);

    /// A cell has ended, by itself or killed, while the worker goes on.
    fn cell_died(&self);

    /// The end of an attempt is reported.
    fn ended(&self, assignment: &Assignment, outcome: &Outcome, usage: &Usage);
}

/// Where a compiled library came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// It was loaded already.
    Memory,
    /// It had been compiled earlier.
    Cache,
    /// It was compiled now.
    Compiler,
    /// It was compiled by another host now, or taken from there.
    Elsewhere,
}
