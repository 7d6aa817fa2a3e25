//! How far a backfill is: what may start, what never will, and its status as a whole.

use crate::{Backfill, Subset};

/// What has become of a run of a backfill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunState {
    /// Not asked for yet.
    #[default]
    Waiting,
    /// Queued or running.
    Active,
    Succeeded,
    Failed,
    Canceled,
}

/// Status of a backfill, as Dagster names them.
///
/// ```text
/// Requested ──► CompletedSuccess
///     │ └─────► CompletedFailed      (some runs failed; what did not need them was made)
///     └───► Canceling ──► Canceled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillStatus {
    Requested,
    CompletedSuccess,
    CompletedFailed,
    Canceling,
    Canceled,
}

/// Where a backfill stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillProgress {
    pub status: BackfillStatus,
    /// Runs that may start now, by index.
    pub ready: Subset,
    /// Waiting runs that will never start, because one that they need failed or was cancelled.
    pub abandoned: Subset,
    pub n_active: usize,
    pub n_succeeded: usize,
    pub n_failed: usize,
}

impl Backfill {
    /// Folds the states of the runs, in their order; those that are left out are waiting. `canceled`:
    /// somebody asked to stop, so nothing more starts.
    pub fn progress(&self, states: &[RunState], canceled: bool) -> BackfillProgress {
        let state = |at: usize| states.get(at).copied().unwrap_or_default();
        let count = |wanted: RunState| (0..self.runs.len()).filter(|at| state(*at) == wanted).count();
        // Ranges, so that runs that all come after ten thousand others cost no more than one look each.
        let mut succeeded = Subset::EMPTY;
        let mut lost = Subset::EMPTY;
        let (mut ready, mut abandoned) = (Subset::EMPTY, Subset::EMPTY);
        for (at, run) in (0u32..).zip(&self.runs) {
            let one = Subset::range(at..at + 1);
            match state(at as usize) {
                RunState::Succeeded => succeeded.extend(&one),
                RunState::Failed | RunState::Canceled => lost.extend(&one),
                RunState::Active => {}
                RunState::Waiting if !run.after.intersection(&lost).is_empty() => {
                    lost.extend(&one);
                    abandoned.extend(&one);
                }
                RunState::Waiting if canceled => {}
                RunState::Waiting if run.after.difference(&succeeded).is_empty() => ready.extend(&one),
                RunState::Waiting => {}
            }
        }
        let n_active = count(RunState::Active);
        let status = match (canceled, n_active == 0 && ready.is_empty(), lost.is_empty()) {
            (true, false, _) => BackfillStatus::Canceling,
            (true, true, _) if succeeded.len() == self.runs.len() => BackfillStatus::CompletedSuccess,
            (true, true, _) => BackfillStatus::Canceled,
            (false, false, _) => BackfillStatus::Requested,
            (false, true, true) => BackfillStatus::CompletedSuccess,
            (false, true, false) => BackfillStatus::CompletedFailed,
        };
        let (n_succeeded, n_failed) = (succeeded.len(), count(RunState::Failed));
        BackfillProgress { status, ready, abandoned, n_active, n_succeeded, n_failed }
    }
}
