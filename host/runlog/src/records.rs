//! What goes in and out of the log, other than the model's own types.

use std::collections::BTreeMap;

use cofferdam_model::{
    Known, LogLevel, LogLine, Name, Origin, Recorded, RunId, RunStatus, StepKey, Term, Timestamp, ValueDigest,
};

use crate::RunSummary;

/// A run to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub run: RunId,
    pub job: Name,
    /// Stored form of the plan; kept once for all runs that share it.
    pub plan: Vec<u8>,
    /// Digest of `plan`; the caller has computed it.
    pub digest: ValueDigest,
    pub tags: BTreeMap<String, String>,
    pub created_at: Timestamp,
    /// A second run with the same key is not made.
    pub idempotency_key: Option<String>,
    /// Of a re-execution.
    pub origin: Option<Origin>,
    /// What it takes over.
    pub known: Known,
}

/// Events to append to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub run: RunId,
    /// Sequence number of the run's last event before this batch; 0 if it has none.
    pub expected_seq: u64,
    /// The writer's time in office.
    pub term: Term,
    /// In order, numbered from `expected_seq + 1`.
    pub events: Vec<Recorded>,
}

/// A log line on its way in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogRecord {
    pub run: RunId,
    pub step: StepKey,
    pub attempt: u32,
    pub line: LogLine,
}

/// A log line that is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredLog {
    /// Grows with arrival; the next page starts at the last one plus 1.
    pub number: u64,
    pub step: StepKey,
    pub attempt: u32,
    pub line: LogLine,
}

/// Which log lines; everything by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogFilter {
    /// A step key, exactly; or a key without mapping keys, which stands for all of its copies.
    pub step: Option<StepKey>,
    pub attempt: Option<u32>,
    /// This level and above.
    pub level: Option<LogLevel>,
}

impl LogFilter {
    pub(crate) fn accepts(&self, step: &StepKey, attempt: u32, level: LogLevel) -> bool {
        let copy_of = |wanted: &StepKey| {
            let rest = step.as_str().strip_prefix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        self.step.as_ref().is_none_or(copy_of)
            && self.attempt.is_none_or(|wanted| wanted == attempt)
            && self.level.is_none_or(|least| level >= least)
    }
}

/// Which runs; the newest ones by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunFilter {
    pub job: Option<Name>,
    pub status: Option<RunStatus>,
    /// Only re-executions of this run.
    pub parent: Option<RunId>,
    /// Only this run and re-executions that go back to it.
    pub root: Option<RunId>,
    /// At most this many; none means [`crate::PAGE_ROWS_MAX`].
    pub limit: Option<usize>,
    /// Only runs created before this one, for the next page.
    pub before: Option<RunId>,
}

impl RunFilter {
    pub(crate) fn accepts(&self, run: &RunSummary) -> bool {
        self.job.as_ref().is_none_or(|job| *job == run.job)
            && self.status.is_none_or(|status| status == run.status)
            && self.parent.is_none_or(|parent| run.origin.as_ref().is_some_and(|from| from.parent == parent))
            && self.root.is_none_or(|root| run.origin.as_ref().map_or(run.run, |from| from.root) == root)
            && self.before.is_none_or(|before| run.run < before)
    }
}
