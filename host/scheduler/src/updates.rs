//! What somebody who watches a run is told.

use std::collections::VecDeque;
use std::sync::Arc;

use cofferdam_model::{Progress, Recorded, StepKey, Why};
use cofferdam_runlog::LogRecord;
use tokio::sync::broadcast;

/// Updates that a watcher may lag behind before it misses some. It costs memory only while somebody lags.
pub(crate) const LAG_MAX: usize = 4096;

/// News of one run.
#[derive(Debug, Clone)]
pub enum Update {
    /// Durable events, in order.
    Events(Arc<[Recorded]>),
    /// Log lines of its attempts, already kept.
    Logs(Arc<[LogRecord]>),
    /// How far an attempt has come; kept nowhere.
    Progress { step: StepKey, attempt: u32, progress: Progress },
    /// No worker that can be heard offers what this step asks for, and why; without a reason, one does again. Of all
    /// steps that ask for the same, the first that is still to run. Kept nowhere.
    Waits { step: StepKey, why: Option<Why> },
    /// The watcher was too slow and missed this many updates; events and logs are in the run log.
    Missed(u64),
}

/// The updates of one run from its first event on. Ends when the run has ended or is driven no longer.
#[derive(Debug)]
pub struct Updates {
    pub(crate) past: VecDeque<Update>,
    pub(crate) live: Option<broadcast::Receiver<Update>>,
}

impl Updates {
    /// The next one; none after the last. A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Update> {
        if let Some(update) = self.past.pop_front() {
            return Some(update);
        }
        match self.live.as_mut()?.recv().await {
            Ok(update) => Some(update),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Update::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
