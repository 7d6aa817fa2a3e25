//! Bugs that a test can switch on for its thread, to show that the property finds them. The lines of the engine
//! that ask for them are compiled for tests only.

use std::cell::Cell;

use cofferdam_model::{AttemptId, StepStatus, WorkerId};

use crate::engine::Engine;
use crate::run::Run;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A report counts for its step, whichever attempt it comes from.
    FencesIgnored,
    /// A worker that comes back is given all of its attempts anew.
    HeldForgotten,
    /// A restart runs what has run, although it is committed.
    CommittedRunAgain,
    /// The resources of an attempt are given back twice.
    ReleasedTwice,
    /// The slot of a pool is given back twice.
    SlotReleasedTwice,
    /// One step more than its limit allows runs at once.
    OneTooManyOfATag,
    /// Waiting counts for nothing.
    NothingAges,
    /// A lost worker counts against the step's retries.
    LossCountedAsRetry,
    /// A step that is ready once more does not wait for what is open again.
    OpenAgainUnseen,
}

thread_local! {
    static PRESENT: Cell<Option<Bug>> = const { Cell::new(None) };
}

pub(crate) fn is_present(bug: Bug) -> bool {
    PRESENT.get() == Some(bug)
}

/// Runs `test` on an engine with that bug.
pub(crate) fn with<T>(bug: Bug, test: impl FnOnce() -> T) -> T {
    PRESENT.set(Some(bug));
    let result = test();
    PRESENT.set(None);
    result
}

impl Engine {
    /// The attempt that a report is taken for.
    pub(crate) fn aimed_at(&self, worker: WorkerId, id: AttemptId) -> (WorkerId, AttemptId) {
        if !is_present(Bug::FencesIgnored) {
            return (worker, id);
        }
        let mut under_way = self.under_way(id.run);
        under_way.find(|(_, other)| other.step == id.step).unwrap_or((worker, id))
    }
}

impl Run {
    /// Makes committed steps ready again.
    pub(crate) fn forget_commits(&mut self) {
        if is_present(Bug::CommittedRunAgain) {
            for at_step in (0_u32..).take(self.steps.len()) {
                if self.steps[at_step as usize].status == StepStatus::Succeeded {
                    self.set(at_step, StepStatus::Ready);
                }
            }
        }
    }
}
