//! What each event changes.

use cofferdam_model::{
    Event, Fence, Output, Recorded, RunLimit, RunStatus, StepKey, StepStatus, Timestamp, Usage, WorkerId,
};

use super::{Attempt, InvalidHistory, Lost, NONE, Run, TakenOver, WaitEnded, term};
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};
use crate::verdict::Verdict;

impl Run {
    /// Folds one more event. Fails, and changes nothing, if it does not fit what came before.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), InvalidHistory> {
        let refuse = |why: String| InvalidHistory { seq: recorded.seq, why };
        if recorded.seq != self.seq + 1 {
            return Err(refuse(format!("expected event {}", self.seq + 1)));
        }
        if self.status.is_terminal() {
            return Err(refuse("the run has ended".to_owned()));
        }
        self.change(recorded.at, &recorded.event).map_err(refuse)?;
        self.seq = recorded.seq;
        Ok(())
    }

    fn change(&mut self, at: Timestamp, event: &Event) -> Result<(), String> {
        self.now = at;
        match event {
            Event::RunAccepted { .. } => self.accepted_at = Some(at),
            Event::StepDispatched { step, attempt, fence, worker } => {
                self.dispatched(self.find(step)?, *attempt, *fence, *worker, at)?
            }
            Event::StepHedged { step, attempt, fence, worker } => {
                self.hedged(step, Attempt::ordered(*attempt, *fence, *worker, at, 0))?;
            }
            Event::AttemptDropped { step, fence, failure, usage, .. } => {
                self.dropped((step, *fence), failure.as_deref(), *usage, at)?;
            }
            Event::StepStarted { step, fence, .. } => {
                let (_, attempt) = self.running(step, *fence)?;
                attempt.started_at = Some(at);
            }
            Event::StepSucceeded { step, fence, outputs, metadata, usage, .. } => {
                let (at_step, attempt) = self.running(step, *fence)?;
                attempt.ended_at = Some(at);
                attempt.usage = Some(Box::new(*usage));
                self.decides(at_step, *fence, at);
                let step = &mut self.steps[at_step as usize];
                if step.again {
                    self.restore(at_step, outputs);
                } else {
                    let history = step.history.as_mut().expect("a running step has a history");
                    history.outputs.clone_from(outputs);
                    history.metadata.clone_from(metadata);
                }
                self.end(at_step, StepStatus::Succeeded);
            }
            Event::StepFailed { step, fence, failure, usage, retry_at, .. } => {
                let (at_step, attempt) = self.tried(step, *fence)?;
                attempt.ended_at = Some(at);
                attempt.failure = Some(failure.clone());
                attempt.usage = Some(Box::new(*usage));
                attempt.retry_at = *retry_at;
                self.decides(at_step, *fence, at);
                self.failed(at_step, *retry_at);
            }
            Event::StepLost { step, fence, .. } => {
                let (at_step, attempt) = self.running(step, *fence)?;
                attempt.ended_at = Some(at);
                self.steps[at_step as usize].losses += 1;
                #[cfg(test)]
                if is_present(Bug::LossCountedAsRetry) {
                    self.steps[at_step as usize].failures += 1;
                }
                self.ready_from(at_step, at);
                self.open(at_step);
            }
            Event::InputsLost { step, fence, .. } => {
                let (at_step, attempt) = self.running(step, *fence)?;
                attempt.ended_at = Some(at);
                self.steps[at_step as usize].inputs_lost += 1;
                self.ready_from(at_step, at);
                self.open(at_step);
            }
            Event::OutputsLost { step, fence, why, needed_by } => {
                let lost = Lost { at, why: *why, needed_by: needed_by.clone() };
                self.outputs_lost(self.find(step)?, *fence, lost)?;
            }
            Event::StepReturned { step, fence, .. } => {
                let (at_step, _) = self.running(step, *fence)?;
                let history = self.steps[at_step as usize].history.as_mut();
                history.expect("a running step has a history").attempts.pop();
                self.open(at_step);
            }
            Event::StepReused { step, from, outputs } => {
                let at_step = self.take_over(step, outputs, TakenOver::Reused { run: *from })?;
                self.note_versions(at_step);
            }
            Event::StepCached { step, memo, from, source, outputs } => {
                let taken = TakenOver::Cached { run: *from, step: source.clone(), memo: *memo };
                self.take_over(step, outputs, taken)?;
            }
            Event::AssetMaterialized { materialization: made, .. } => {
                let partition = (made.key.clone(), made.partition.clone());
                self.versions.insert(partition, made.data_version.clone());
            }
            Event::AssetChecked { .. } => {}
            Event::WaitBegan { step, until, .. } => self.wait_began(self.find(step)?, *until)?,
            Event::WaitEnded { step, end, by, note } => {
                let ended = WaitEnded { at, end: *end, by: by.clone(), note: note.clone() };
                self.wait_ended(self.find(step)?, ended)?;
            }
            Event::StepSkipped { step, .. } => self.give_up(step, StepStatus::Skipped, NONE)?,
            Event::StepAbandoned { step, root } => {
                let root = self.find(root)?;
                self.give_up(step, StepStatus::Abandoned, root)?;
            }
            Event::StepCancelled { step, usage } => self.cancelled(self.find(step)?, usage.as_deref(), at)?,
            Event::RunCancelRequested { limit } => self.cancel(*limit),
            Event::RunFinished { status } => self.finish(*status, at)?,
        }
        Ok(())
    }

    fn dispatched(
        &mut self,
        at_step: u32,
        number: u32,
        fence: Fence,
        worker: WorkerId,
        at: Timestamp,
    ) -> Result<(), String> {
        let now_ms = self.since_accepted_ms(at);
        let step = &mut self.steps[at_step as usize];
        if !step.is_ready() {
            return Err(format!("`{}` is {} and cannot be dispatched", step.key, step.status));
        }
        let history = step.history.get_or_insert_default();
        // Most steps have one attempt, and a run may have a million steps.
        history.attempts.reserve_exact(1);
        if let Some(last) = history.attempts.last() {
            if last.fence >= fence {
                return Err(format!("fence {fence} of `{}` is not larger than the last", step.key));
            }
            // Losses are held against a step within one term: a scheduler that is stopped takes its
            // workers along, and that is no step's fault.
            if term(last.fence) != term(fence) {
                step.losses = 0;
            }
        }
        let queued_ms = now_ms.saturating_sub(step.ready_ms);
        history.attempts.push(Attempt::ordered(number, fence, worker, at, queued_ms));
        self.set(at_step, StepStatus::Running);
        self.started_at.get_or_insert(at);
        if self.status == RunStatus::Queued {
            self.status = RunStatus::Running;
        }
        Ok(())
    }

    /// The step and its attempt under this fence, if that is running.
    fn running(&mut self, key: &StepKey, fence: Fence) -> Result<(u32, &mut Attempt), String> {
        let at_step = self.find(key)?;
        let status = self.steps[at_step as usize].status;
        if status != StepStatus::Running {
            return Err(format!("`{key}` is {status}, not running"));
        }
        self.expect_step(at_step);
        self.tried(key, fence)
    }

    /// The step and its attempt with this fence, if that is the last or runs beside it, and the step has not ended.
    fn tried(&mut self, key: &StepKey, fence: Fence) -> Result<(u32, &mut Attempt), String> {
        let at_step = self.find(key)?;
        let step = &mut self.steps[at_step as usize];
        if step.status.is_terminal() {
            return Err(format!("`{key}` has ended"));
        }
        let attempts = step.history.as_mut().map_or(&mut [][..], |history| &mut history.attempts);
        let n_attempts = attempts.len();
        let mut known = attempts.iter_mut().enumerate().rev();
        let current = known.find(|(place, attempt)| {
            attempt.fence == fence && (place + 1 == n_attempts || attempt.ended_at.is_none())
        });
        match current {
            Some((_, attempt)) => Ok((at_step, attempt)),
            None => Err(format!("fence {fence} is not the last one of `{key}`")),
        }
    }

    fn failed(&mut self, at_step: u32, again: Option<Timestamp>) {
        self.steps[at_step as usize].failures += 1;
        if let Some(at) = again {
            self.ready_from(at_step, at);
            if !self.waits_again(at_step) {
                self.set(at_step, StepStatus::Retrying);
            }
            return;
        }
        self.fails(at_step);
    }

    pub(super) fn fails(&mut self, at_step: u32) {
        self.steps[at_step as usize].root = at_step;
        self.n_failures += u32::from(!self.is_beside(at_step));
        self.end(at_step, StepStatus::Failed);
    }

    /// Ends a step with outputs that it had before.
    fn take_over(&mut self, key: &StepKey, outputs: &[Output], from: TakenOver) -> Result<u32, String> {
        let at_step = self.find(key)?;
        let step = &mut self.steps[at_step as usize];
        if !matches!(step.status, StepStatus::Waiting | StepStatus::Ready) {
            return Err(format!("`{key}` is {} and cannot be taken over", step.status));
        }
        let history = step.history.get_or_insert_default();
        history.outputs = outputs.to_vec();
        history.taken_over = Some(from);
        self.end(at_step, StepStatus::Succeeded);
        Ok(at_step)
    }

    fn give_up(&mut self, key: &StepKey, status: StepStatus, root: u32) -> Result<(), String> {
        let at_step = self.find(key)?;
        let found = self.steps[at_step as usize].status;
        // Who reads a history without what was known before may think that a known step is ready.
        if !matches!(found, StepStatus::Waiting | StepStatus::Ready) {
            return Err(format!("`{key}` is {found} and cannot become {status}"));
        }
        self.steps[at_step as usize].root = root;
        self.end(at_step, status);
        Ok(())
    }

    fn cancelled(&mut self, at_step: u32, usage: Option<&Usage>, at: Timestamp) -> Result<(), String> {
        let step = &mut self.steps[at_step as usize];
        if step.status.is_terminal() {
            return Err(format!("`{}` has ended", step.key));
        }
        if step.status == StepStatus::Running {
            let history = step.history.as_mut().expect("a running step has a history");
            let last = history.attempts.last_mut();
            let last = last.expect("a running step has an attempt");
            last.ended_at = Some(at);
            last.usage = usage.copied().map(Box::new);
            let fence = last.fence;
            self.decides(at_step, fence, at);
        }
        self.end(at_step, StepStatus::Cancelled);
        Ok(())
    }

    fn cancel(&mut self, limit: Option<RunLimit>) {
        self.status = RunStatus::Cancelling;
        self.limit = limit;
        for at_step in (0_u32..).take(self.steps.len()) {
            let status = self.steps[at_step as usize].status;
            if !status.is_terminal() && status != StepStatus::Running && !self.is_tear_down(at_step) {
                self.proposals.push_back((at_step, Verdict::Cancel));
            }
        }
    }

    fn finish(&mut self, status: RunStatus, at: Timestamp) -> Result<(), String> {
        if !status.is_terminal() {
            return Err(format!("a run does not finish as {status}"));
        }
        if self.n_open() > 0 {
            return Err(format!("{} steps have not ended", self.n_open()));
        }
        self.status = status;
        self.ended_at = Some(at);
        Ok(())
    }
}
