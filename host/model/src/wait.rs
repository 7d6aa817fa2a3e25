//! What a step waits for although it has all that it reads: a time, or somebody's approval. It holds no slot meanwhile, and
//! the wait outlives every process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a step waits for before it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// This time must pass.
    For(Duration),
    /// Somebody whose role lets them must approve it. With a timeout, no answer by then fails the step.
    Approval { timeout: Option<Duration> },
}

impl Wait {
    /// How long it takes at most.
    pub fn at_most(self) -> Option<Duration> {
        match self {
            Wait::For(time) => Some(time),
            Wait::Approval { timeout } => timeout,
        }
    }

    /// How it ends if nobody says anything until the time is over.
    pub fn ends_by_time(self) -> WaitEnd {
        match self {
            Wait::For(_) => WaitEnd::Elapsed,
            Wait::Approval { .. } => WaitEnd::TimedOut,
        }
    }

    pub fn is_approval(self) -> bool {
        matches!(self, Wait::Approval { .. })
    }
}

/// How the wait of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitEnd {
    /// The time has passed: the step may run.
    Elapsed,
    /// It may run.
    Approved,
    /// It fails.
    Rejected,
    /// Nobody said anything in time: it fails.
    TimedOut,
}

impl WaitEnd {
    /// Whether the step may run.
    pub fn goes_on(self) -> bool {
        matches!(self, WaitEnd::Elapsed | WaitEnd::Approved)
    }
}

/// What somebody says of a step that waits to be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub approved: bool,
    /// Who said so, as far as that is known.
    pub by: Option<String>,
    /// What was said about it.
    pub note: Option<String>,
}

/// Longest note about an approval, in bytes: it is kept with the events of the run.
pub const NOTE_BYTES_MAX: usize = 4 << 10;

impl Review {
    pub fn end(&self) -> WaitEnd {
        if self.approved { WaitEnd::Approved } else { WaitEnd::Rejected }
    }
}

/// How a wait ended, as a person reads it: `approved by ana: looks right`.
pub fn told(end: WaitEnd, by: Option<&str>, note: Option<&str>) -> String {
    let what = match end {
        WaitEnd::Elapsed => "its wait is over",
        WaitEnd::Approved => "approved",
        WaitEnd::Rejected => "rejected",
        WaitEnd::TimedOut => "nobody approved it in time",
    };
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    format!("{what}{by}{note}")
}
