//! Taking over a run from its log.

use std::cmp::Reverse;

use cofferdam_model::{Fence, RETRY_DELAY_MAX, Recorded, StepStatus, Timestamp};

use super::{Action, Engine, Submission};
use crate::place::Claim;
use crate::run::{InvalidHistory, Run, term};

impl Engine {
    /// Takes over a run from its log, with what was submitted. What had been decided is not decided again. Attempts that
    /// were under way stay their workers', which are [absent](Engine::absent) until they come back or are said to have
    /// left. Earlier results that were being looked for are looked for again.
    pub fn recover(
        &mut self,
        submission: Submission,
        events: &[Recorded],
        now: Timestamp,
    ) -> Result<Vec<Action>, InvalidHistory> {
        let Submission { run, layout, known, .. } = &submission;
        let folded = Run::with_known(*run, layout.clone(), known.clone()).after(events)?;
        let mut actions = vec![];
        self.wake(now, &mut actions);
        if folded.status().is_terminal() {
            return Ok(actions);
        }
        if folded.seq() == 0 {
            self.submitted(submission, now, &mut actions);
        } else {
            self.take_over(folded, now, &mut actions);
        }
        self.place(now, &mut actions);
        self.publish(&mut actions);
        Ok(actions)
    }

    fn take_over(&mut self, mut run: Run, now: Timestamp, actions: &mut Vec<Action>) {
        let id = run.id;
        // The fold offered every step that was ever ready; what is ready now is read from the statuses.
        run.fresh.clear();
        #[cfg(test)]
        run.forget_commits();
        let (mut under_way, mut kept) = (vec![], vec![]);
        for (at_step, step) in (0_u32..).zip(&run.steps) {
            let last = step.history.as_ref().and_then(|history| history.attempts.last());
            for attempt in step.history.iter().flat_map(|history| &history.attempts) {
                self.keep_ahead_of(attempt.fence);
            }
            match (step.status, last) {
                (StepStatus::Ready, _) => run.fresh.push(at_step),
                (StepStatus::Retrying, Some(last)) => {
                    let at = last.retry_at.unwrap_or(now).min(now + RETRY_DELAY_MAX);
                    self.retries.push(Reverse((at, id, at_step)));
                }
                (StepStatus::Waiting, _) => {
                    let until = run.in_wait(at_step).and_then(|waited| waited.until);
                    self.waits.extend(until.map(|until| Reverse((until, id, at_step))));
                }
                (StepStatus::Running, _) => {
                    let open = run.attempts(at_step).iter().filter(|attempt| attempt.ended_at.is_none());
                    under_way
                        .extend(open.map(|one| (at_step, step.template, one.number, one.fence, one.worker)));
                }
                (StepStatus::Succeeded, last) => {
                    // Nobody wrote down what was published before the scheduler went.
                    self.unpublished.extend(run.publications(step));
                    if let Some(last) = last {
                        let keys = step.kept_with_workers();
                        kept.extend(keys.map(|key| (last.worker, at_step, key.to_owned())));
                    }
                }
                _ => {}
            }
        }
        self.activate(run);
        self.line_up_again(id, now);
        for (worker, at_step, key) in kept {
            self.holders.hold(worker, id, (at_step, &key));
        }
        for (step, template, attempt, fence, worker) in under_way {
            let active = &self.runs[&id];
            let class = active.classes[active.run.layout.templates[template as usize].line as usize];
            let claim = Claim { run: id, step, attempt, worker, class, expected_us: None, outrun: false };
            self.attempts.insert(fence, claim);
            self.look_out(id, step, fence, now);
        }
        self.survey_new(id, now);
        self.settle(id, now, actions);
    }

    /// No fence is given twice, also if a run comes back within the term that drove it before.
    fn keep_ahead_of(&mut self, fence: Fence) {
        if term(fence) == self.term.0 {
            let given = u32::try_from(fence.0 & u64::from(u32::MAX)).expect("it is masked to 32 bits");
            self.n_fences = self.n_fences.max(given);
        }
    }
}
