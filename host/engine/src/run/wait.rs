//! Steps that wait although they have all that they read: for a time, or to be approved.

use cofferdam_model::{Failure, FailureKind, StepStatus, Timestamp, Wait, WaitEnd, told};

use super::Run;

/// The wait of a step, from its beginning on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    pub since: Timestamp,
    /// When it is over at the latest.
    pub until: Option<Timestamp>,
    pub ended: Option<WaitEnded>,
    /// If it ended so that the step may not run.
    pub(crate) failure: Option<Box<Failure>>,
}

/// How and when a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitEnded {
    pub at: Timestamp,
    pub end: WaitEnd,
    pub by: Option<String>,
    pub note: Option<String>,
}

impl Run {
    /// What a step waits for before it runs, as the plan says.
    pub(crate) fn wait_of(&self, at_step: u32) -> Option<Wait> {
        self.layout.step(self.steps[at_step as usize].template).wait
    }

    /// Whether the wait of a step has not ended, or not even begun.
    pub(crate) fn has_to_wait(&self, at_step: u32) -> bool {
        self.wait_of(at_step).is_some()
            && self.waits.get(&at_step).is_none_or(|waited| waited.ended.is_none())
    }

    /// The wait that a step is in.
    pub(crate) fn in_wait(&self, at_step: u32) -> Option<&Waited> {
        let waited = self.waits.get(&at_step).filter(|waited| waited.ended.is_none())?;
        (self.steps[at_step as usize].status == StepStatus::Waiting).then_some(waited)
    }

    pub(super) fn wait_began(&mut self, at_step: u32, until: Option<Timestamp>) -> Result<(), String> {
        let step = &self.steps[at_step as usize];
        let fits =
            step.status == StepStatus::Waiting && step.missing == 0 && !self.waits.contains_key(&at_step);
        if !fits || self.wait_of(at_step).is_none() {
            return Err(format!("`{}` is {} and cannot begin to wait", step.key, step.status));
        }
        self.waits.insert(at_step, Waited { since: self.now, until, ended: None, failure: None });
        Ok(())
    }

    /// Makes the step ready, or fails it. One that has lost meanwhile what it reads waits for that as well.
    pub(super) fn wait_ended(&mut self, at_step: u32, ended: WaitEnded) -> Result<(), String> {
        let key = &self.steps[at_step as usize].key;
        if self.in_wait(at_step).is_none() {
            return Err(format!("`{key}` is not in a wait that could end"));
        }
        let (end, failure) = (ended.end, failure(&ended));
        let waited = self.waits.get_mut(&at_step).expect("it was just found");
        waited.ended = Some(ended);
        if !end.goes_on() {
            waited.failure = Some(failure);
            self.fails(at_step);
        } else if self.steps[at_step as usize].missing == 0 {
            self.examine(at_step);
        }
        Ok(())
    }
}

fn failure(ended: &WaitEnded) -> Box<Failure> {
    let message = told(ended.end, ended.by.as_deref(), ended.note.as_deref());
    Box::new(Failure::new(FailureKind::Rejected, message))
}
