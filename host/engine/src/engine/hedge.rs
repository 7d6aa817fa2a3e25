//! One more attempt beside one that takes much longer than its like: of steps that give the same whichever attempt is
//! first, while nothing else wants the slot. The commit of the first ends both.

use std::cmp::Reverse;
use std::time::Duration;

use cofferdam_model::{
    AttemptId, Event, Failure, Fence, Report, Role, RunId, RunStatus, StepStatus, Timestamp, Usage, WorkerId,
};

use super::{Action, Engine};
use crate::place::Claim;

/// Attempts that have not run for so long are left alone, and it is looked again so often for a free slot.
const HEDGE_AFTER_MIN: Duration = Duration::from_secs(1);
/// An attempt gets another beside it once it has run so many times as long as its op takes on the mean of the run.
const HEDGE_FACTOR: u32 = 3;

impl Engine {
    /// Looks at an attempt once it has run for a while, if its step may have two.
    pub(super) fn look_out(&mut self, id: RunId, at_step: u32, fence: Fence, now: Timestamp) {
        let run = &self.runs[&id].run;
        let step = run.layout.step(run.steps[at_step as usize].template);
        if step.hedge && step.role == Role::Op {
            self.hedges.push(Reverse((now + HEDGE_AFTER_MIN, id, at_step, fence)));
        }
    }

    /// Gives the attempts that are late another beside them, as far as there are slots that nobody else wants.
    pub(super) fn hedge(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(Reverse((at, id, at_step, fence))) = self.hedges.peek().copied()
            && at <= now
        {
            self.hedges.pop();
            let Some(late_at) = self.late_at(id, at_step, fence, now) else { continue };
            if late_at > now {
                self.hedges.push(Reverse((late_at, id, at_step, fence)));
            } else if !self.dispatch_beside(id, at_step, fence, now, actions) {
                self.hedges.push(Reverse((now + HEDGE_AFTER_MIN, id, at_step, fence)));
            }
        }
    }

    /// When an attempt that is alone will have run for too long, by what is known of its op now.
    fn late_at(&self, id: RunId, at_step: u32, fence: Fence, now: Timestamp) -> Option<Timestamp> {
        let active = self.runs.get(&id)?;
        let run = &active.run;
        let step = &run.steps[at_step as usize];
        let is_alone = step.status == StepStatus::Running && run.beside(at_step, fence).next().is_none();
        let goes_on = is_alone && run.status == RunStatus::Running;
        let attempt = run.attempt(at_step, fence).filter(|one| goes_on && one.ended_at.is_none())?;
        let since = attempt.started_at.unwrap_or(attempt.dispatched_at);
        Some(match active.candidate(at_step).expected_us {
            Some(mean) => {
                let long = Duration::from_micros(mean.into()) * HEDGE_FACTOR;
                since + long.max(HEDGE_AFTER_MIN)
            }
            // None of its like has ended: nobody knows yet what is long.
            None => now + HEDGE_AFTER_MIN,
        })
    }

    /// False if there is no room for it.
    fn dispatch_beside(
        &mut self,
        id: RunId,
        at_step: u32,
        fence: Fence,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) -> bool {
        let active = &self.runs[&id];
        let Some(claim) = self.attempts.get(&fence) else { return false };
        let line = active.run.layout.templates[active.run.steps[at_step as usize].template as usize].line;
        if active.is_full() || active.run.limited_by(line).is_some() {
            return false;
        }
        let place = (id, line, claim.class);
        let step = active.candidate(at_step);
        let Some(placed) = self.placement.beside(place, step, claim.worker, now, &self.attempts) else {
            return false;
        };
        self.dispatch(&placed, now, actions);
        self.show_heads(id);
        true
    }

    /// Whether another attempt of the step is under way, so that the end of this one decides nothing unless it commits.
    pub(super) fn goes_on_beside(&self, claim: &Claim, fence: Fence) -> bool {
        let run = &self.runs[&claim.run].run;
        run.status != RunStatus::Cancelling && run.beside(claim.step, fence).next().is_some()
    }

    /// The event of an attempt that ended beside another.
    pub(super) fn dropped(&self, id: AttemptId, failure: Option<Box<Failure>>, usage: Usage) -> Event {
        let AttemptId { step, attempt, fence, .. } = id;
        Event::AttemptDropped { step, attempt, fence, failure, usage }
    }

    /// Stops the attempts beside one whose end, which is about to be recorded, decides their step.
    pub(super) fn outrun_by(
        &mut self,
        claim: &Claim,
        fence: Fence,
        event: &Event,
        actions: &mut Vec<Action>,
    ) {
        if matches!(event, Event::AttemptDropped { .. } | Event::StepReturned { .. }) {
            return;
        }
        let run = &self.runs[&claim.run].run;
        let step = &run.steps[claim.step as usize].key;
        for other in run.beside(claim.step, fence) {
            let id =
                AttemptId { run: claim.run, step: step.clone(), attempt: other.number, fence: other.fence };
            if let Some(outrun) = self.attempts.outrun(other.fence) {
                actions.push(Action::CancelAttempt { worker: outrun.worker, id });
            }
        }
    }

    /// Notes the end of an attempt that another has outrun. Gives back what is said of any other.
    pub(super) fn outrun_ended(
        &mut self,
        worker: WorkerId,
        report: Report,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) -> Option<Report> {
        let (id, usage) = match &report {
            Report::Finished { id, usage, .. } => (id, *usage),
            Report::Returned { id } | Report::Lacks { id, .. } => (id, Usage::default()),
            Report::Started { .. } | Report::Logs { .. } | Report::Progress { .. } => return Some(report),
        };
        let claim = self.attempts.get(&id.fence).copied();
        let Some(claim) = claim.filter(|claim| claim.outrun && claim.worker == worker && claim.run == id.run)
        else {
            return Some(report);
        };
        self.release(id.fence);
        let cpu = Duration::from_micros(usage.cpu_us);
        self.placement.has_used(&claim, &self.attempts, cpu, 0, now);
        // A run does not wait for what nobody needs any more: that may end after it.
        if self.run(claim.run).is_some_and(|run| !run.status().is_terminal()) {
            let event = self.dropped(id.clone(), None, usage);
            self.record_of(claim.run, claim.step, event, now, actions);
        }
        None
    }
}
