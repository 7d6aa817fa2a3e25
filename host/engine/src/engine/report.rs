//! What workers say of attempts, and what their silence means.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_model::{
    AttemptId, CheckEvaluation, Event, Failure, FailureKind, Fence, Outcome, Report, RunStatus, StepStatus,
    Timestamp, Usage, WorkerId, stored_bytes,
};

use super::{Action, Engine};
use crate::place::Claim;
use crate::run::term;
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};
use crate::{LOSSES_MAX, retry};

impl Engine {
    pub(super) fn reported(
        &mut self,
        worker: WorkerId,
        report: Report,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let report = match self.outrun_ended(worker, report, now, actions) {
            Some(report) => report,
            None => return,
        };
        match report {
            Report::Started { id, .. } => self.started(worker, id, now, actions),
            Report::Finished { id, outcome, usage } => {
                #[cfg(test)]
                let (worker, id) = self.aimed_at(worker, id);
                self.finished(worker, id, outcome, usage, now, actions);
            }
            Report::Returned { id } => self.returned(worker, &id, now, actions),
            Report::Lacks { id, values } => self.lacked(worker, id, &values, now, actions),
            // Kept by the shell; they decide nothing.
            Report::Logs { .. } | Report::Progress { .. } => {}
        }
    }

    /// The claim that a worker's report belongs to; none if it comes from an attempt that has been replaced, or that
    /// is another worker's.
    pub(super) fn claim(&self, worker: WorkerId, id: &AttemptId) -> Option<Claim> {
        let claim = *self.attempts.get(&id.fence)?;
        let step = &self.runs.get(&claim.run)?.run.steps[claim.step as usize];
        let same = !claim.outrun && claim.run == id.run && step.key == id.step && claim.attempt == id.attempt;
        (same && claim.worker == worker).then_some(claim)
    }

    fn started(&mut self, worker: WorkerId, id: AttemptId, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(claim) = self.claim(worker, &id) else {
            return;
        };
        let attempt = self.active(claim.run).run.attempt(claim.step, id.fence);
        if attempt.is_some_and(|attempt| attempt.started_at.is_some()) {
            return;
        }
        let event = Event::StepStarted { step: id.step, attempt: id.attempt, fence: id.fence };
        self.record_of(claim.run, claim.step, event, now, actions);
        self.look_out(claim.run, claim.step, id.fence, now);
    }

    /// An attempt that never began is there to be placed again. Its worker is sent nothing ahead until something ends
    /// there.
    fn returned(&mut self, worker: WorkerId, id: &AttemptId, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(claim) = self.claim(worker, id) else {
            return;
        };
        let run = &self.active(claim.run).run;
        let begun = run.attempt(claim.step, id.fence).is_some_and(|attempt| attempt.started_at.is_some());
        if begun {
            return;
        }
        let stops = run.status == RunStatus::Cancelling && !run.is_tear_down(claim.step);
        let step = id.step.clone();
        let event = if stops {
            Event::StepCancelled { step, usage: None }
        } else if self.goes_on_beside(&claim, id.fence) {
            self.dropped(id.clone(), None, Usage::default())
        } else {
            Event::StepReturned { step, attempt: id.attempt, fence: id.fence, worker }
        };
        self.release(id.fence);
        self.placement.workers.falls_behind(worker);
        self.outrun_by(&claim, id.fence, &event, actions);
        self.record_of(claim.run, claim.step, event, now, actions);
        self.settle(claim.run, now, actions);
    }

    fn finished(
        &mut self,
        worker: WorkerId,
        id: AttemptId,
        outcome: Outcome,
        mut usage: Usage,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(claim) = self.claim(worker, &id) else {
            return;
        };
        let fence = id.fence;
        self.release(fence);
        let active = self.active(claim.run);
        active.measure(claim.step, &usage);
        let queued_ms = active.run.attempt(claim.step, fence).map_or(0, |attempt| attempt.queued_ms);
        usage.queue_us = u64::from(queued_ms) * 1000;
        // What followed from its first end is not done again.
        let again = active.run.steps[claim.step as usize].again;
        let outcome = match outcome {
            Outcome::Succeeded { outputs, metadata } => match active.run.accepts(claim.step, &outputs) {
                Ok(()) => {
                    let outputs = active.run.wanted_outputs(claim.step, outputs);
                    Outcome::Succeeded { outputs, metadata }
                }
                Err(failure) => Outcome::Failed(failure),
            },
            failed @ Outcome::Failed(_) => failed,
        };
        let evaluation = match &outcome {
            Outcome::Succeeded { metadata, outputs } => {
                self.learn(&claim, outputs);
                let run = &self.active(claim.run).run;
                if again { None } else { run.evaluation(claim.step, metadata) }
            }
            Outcome::Failed(_) => None,
        };
        let stored = match &outcome {
            Outcome::Succeeded { outputs, .. } => stored_bytes(outputs),
            Outcome::Failed(_) => 0,
        };
        let cpu = Duration::from_micros(usage.cpu_us);
        self.placement.has_used(&claim, &self.attempts, cpu, stored, now);
        let key = id.step.clone();
        let event = self.end(id, &claim, outcome, usage, evaluation.as_ref(), now);
        self.outrun_by(&claim, fence, &event, actions);
        self.record_of(claim.run, claim.step, event, now, actions);
        if let Some(evaluation) = evaluation {
            let event = Event::AssetChecked { step: key, evaluation: Box::new(evaluation) };
            self.record_of(claim.run, claim.step, event, now, actions);
        }
        if self.active(claim.run).run.steps[claim.step as usize].status == StepStatus::Succeeded {
            self.note_holders(&claim, fence);
            if !again {
                self.follow(claim.run, claim.step, Some(claim.worker), now, actions);
            }
        }
        self.settle(claim.run, now, actions);
    }

    /// The event that an attempt ends with.
    fn end(
        &mut self,
        id: AttemptId,
        claim: &Claim,
        outcome: Outcome,
        usage: Usage,
        evaluation: Option<&CheckEvaluation>,
        now: Timestamp,
    ) -> Event {
        let run = &self.active(claim.run).run;
        let blocked = evaluation.and_then(|evaluation| run.blocked_by(claim.step, evaluation));
        match (outcome, blocked) {
            (Outcome::Succeeded { outputs, metadata }, None) => {
                let memo = run.memo(claim.step);
                let AttemptId { step, attempt, fence, .. } = id;
                Event::StepSucceeded { step, attempt, fence, outputs, metadata, usage, memo }
            }
            (_, Some(failure)) | (Outcome::Failed(failure), None) => {
                self.failure(id, claim, failure, usage, now)
            }
        }
    }

    /// The event of a failed attempt.
    fn failure(
        &mut self,
        id: AttemptId,
        claim: &Claim,
        failure: Box<Failure>,
        usage: Usage,
        now: Timestamp,
    ) -> Event {
        let run = &self.active(claim.run).run;
        let cancelling = run.status == RunStatus::Cancelling && !run.is_tear_down(claim.step);
        if cancelling && failure.kind == FailureKind::Cancelled {
            return Event::StepCancelled { step: id.step, usage: Some(Box::new(usage)) };
        }
        if self.goes_on_beside(claim, id.fence) {
            return self.dropped(id, Some(failure), usage);
        }
        let run = &self.active(claim.run).run;
        let step = &run.steps[claim.step as usize];
        let policy = &run.layout.step(step.template).retry;
        let random = retry::random(id.run, &id.step, id.attempt);
        let retry_at =
            if cancelling { None } else { retry::retry_at(policy, &failure, step.failures + 1, random, now) };
        let failure = match retry_at {
            None if !cancelling => retry::exhausted(policy, failure, step.failures + 1),
            _ => failure,
        };
        if let Some(at) = retry_at {
            self.retries.push(Reverse((at, claim.run, claim.step)));
        }
        let beside = self.active(claim.run).run.is_beside(claim.step);
        let AttemptId { step, attempt, fence, .. } = id;
        Event::StepFailed { step, attempt, fence, failure, usage, retry_at, beside }
    }

    pub(super) fn release(&mut self, fence: Fence) {
        if let Some(claim) = self.attempts.remove(&fence) {
            self.placement.give_back(&claim);
        }
    }

    pub(super) fn left(&mut self, worker: WorkerId, now: Timestamp, actions: &mut Vec<Action>) {
        self.placement.workers.leave(worker);
        let claims = self.attempts.iter().filter(|(_, claim)| claim.worker == worker);
        let lost: Vec<(Fence, Claim)> = claims.map(|(fence, claim)| (*fence, *claim)).collect();
        for (fence, claim) in lost {
            self.attempts.remove(&fence);
            if !claim.outrun {
                self.lose(fence, &claim, now, actions);
                self.settle(claim.run, now, actions);
            }
        }
        self.lose_held(worker, now, actions);
    }

    /// A worker is there, or there again, with these attempts. Its claims on others never reached it, because it would
    /// have kept them: they are ordered again as they are.
    pub(super) fn back(
        &mut self,
        worker: WorkerId,
        held: Vec<AttemptId>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let here: BTreeSet<Fence> = held.iter().map(|id| id.fence).collect();
        let (own, other): (Vec<AttemptId>, _) = held.into_iter().partition(|id| self.holds(worker, id));
        actions.extend(other.into_iter().map(|id| Action::CancelAttempt { worker, id }));
        #[cfg(test)]
        let own = if is_present(Bug::HeldForgotten) { vec![] } else { own };
        let own: BTreeMap<Fence, AttemptId> = own.into_iter().map(|id| (id.fence, id)).collect();
        let claims = self.attempts.iter().filter(|(_, claim)| claim.worker == worker);
        let claims: Vec<(Fence, Claim)> = claims.map(|(fence, claim)| (*fence, *claim)).collect();
        for (fence, claim) in claims {
            // What it still has of these it was told to end.
            if claim.outrun {
                if here.contains(&fence) {
                    self.placement.take_again(&claim);
                } else {
                    self.attempts.remove(&fence);
                }
                continue;
            }
            let run = &self.runs[&claim.run].run;
            let stops = run.status == RunStatus::Cancelling && !run.is_tear_down(claim.step);
            match own.get(&fence) {
                None if stops => {
                    self.attempts.remove(&fence);
                    self.lose(fence, &claim, now, actions);
                    self.settle(claim.run, now, actions);
                    continue;
                }
                None => {
                    let assignment = self.order(run, claim.step, claim.attempt, fence);
                    actions.push(Action::Dispatch { worker, assignment });
                }
                Some(id) if stops => actions.push(Action::CancelAttempt { worker, id: id.clone() }),
                Some(_) => {}
            }
            self.placement.take_again(&claim);
        }
    }

    fn lose(&mut self, fence: Fence, claim: &Claim, now: Timestamp, actions: &mut Vec<Action>) {
        let Claim { run: id, step: at_step, attempt, worker, .. } = *claim;
        let run = &self.active(id).run;
        let key = run.steps[at_step as usize].key.clone();
        if run.status == RunStatus::Cancelling && !run.is_tear_down(at_step) {
            let event = Event::StepCancelled { step: key, usage: None };
            self.outrun_by(claim, fence, &event, actions);
            self.record_of(id, at_step, event, now, actions);
            return;
        }
        if self.goes_on_beside(claim, fence) {
            let failure = Failure::new(FailureKind::WorkerLost, format!("worker {} is gone", worker.0));
            let id = AttemptId { run: id, step: key, attempt, fence };
            let event = self.dropped(id, Some(Box::new(failure)), Usage::default());
            self.record_of(claim.run, at_step, event, now, actions);
            return;
        }
        let event = Event::StepLost { step: key.clone(), attempt, fence, worker };
        self.record_of(id, at_step, event, now, actions);
        let losses = self.active(id).run.steps[at_step as usize].losses;
        if losses >= LOSSES_MAX && term(fence) == self.term.0 {
            let message =
                format!("`{key}` lost its worker {losses} times and is given up: it may be what ends them");
            let failure = Failure::new(FailureKind::WorkerLost, message);
            let event = Event::StepFailed {
                step: key,
                attempt,
                fence,
                failure: Box::new(failure),
                usage: Usage::default(),
                retry_at: None,
                beside: self.active(id).run.is_beside(at_step),
            };
            self.record_of(id, at_step, event, now, actions);
        }
    }
}
