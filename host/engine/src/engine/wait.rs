//! Steps that wait although they have all that they read: for a time, or to be approved.

use std::cmp::Reverse;

use cofferdam_model::{Event, Review, RunId, StepKey, Timestamp, Wait, WaitEnd, Why};

use super::{Action, Engine};
use crate::run::Run;

impl Engine {
    /// Whether a step waits to be approved.
    pub fn waits_for_review(&self, run: RunId, step: &StepKey) -> bool {
        let step = self.run(run).and_then(|run| run.step(step));
        step.is_some_and(|step| step.is_in_wait() && step.waits_for_review())
    }

    /// Begins the wait of a step, if that has not been done.
    pub(super) fn begin_wait(&mut self, id: RunId, at_step: u32, now: Timestamp, actions: &mut Vec<Action>) {
        let run = &self.active(id).run;
        let Some(wait) = run.wait_of(at_step).filter(|_| !run.waits.contains_key(&at_step)) else { return };
        let step = run.steps[at_step as usize].key.clone();
        let until = wait.at_most().map(|time| now + time);
        let event = Event::WaitBegan { step, approval: wait.is_approval(), until };
        self.record_of(id, at_step, event, now, actions);
        self.waits.extend(until.map(|until| Reverse((until, id, at_step))));
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_waits(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(Reverse((at, id, at_step))) = self.waits.peek().copied()
            && at <= now
        {
            self.waits.pop();
            let Some(run) = self.run(id) else { continue };
            // It may have lost meanwhile what it reads: its time is over all the same.
            let Some(wait) = run.wait_of(at_step).filter(|_| run.in_wait(at_step).is_some()) else {
                continue;
            };
            self.end_wait(id, at_step, (wait.ends_by_time(), None, None), now, actions);
        }
    }

    /// Takes a review; none is kept that was not waited for.
    pub(super) fn reviewed(
        &mut self,
        id: RunId,
        step: &StepKey,
        review: Review,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        if !self.waits_for_review(id, step) {
            return;
        }
        if let Ok(at_step) = self.active(id).run.find(step) {
            self.end_wait(id, at_step, (review.end(), review.by, review.note), now, actions);
        }
    }

    fn end_wait(
        &mut self,
        id: RunId,
        at_step: u32,
        (end, by, note): (WaitEnd, Option<String>, Option<String>),
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let step = self.active(id).run.steps[at_step as usize].key.clone();
        self.record_of(id, at_step, Event::WaitEnded { step, end, by, note }, now, actions);
        self.settle(id, now, actions);
    }
}

impl Run {
    /// Whether it is its own wait that keeps a step from running.
    pub(crate) fn is_held(&self, at_step: u32) -> bool {
        self.in_wait(at_step).is_some() && self.steps[at_step as usize].missing == 0
    }

    /// Steps that nothing but their own wait keeps from running.
    pub(super) fn n_held(&self) -> u64 {
        self.waits.keys().filter(|at_step| self.is_held(**at_step)).count() as u64
    }

    pub(super) fn why_held(&self, at_step: u32) -> Why {
        let waited = self.in_wait(at_step);
        Why::Wait {
            approval: self.wait_of(at_step).is_some_and(Wait::is_approval),
            since: waited.map_or(self.now, |waited| waited.since),
            until: waited.and_then(|waited| waited.until),
        }
    }
}
