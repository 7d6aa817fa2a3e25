//! Two attempts of one step at once: the first end of either that decides the step ends both, and stands last among its
//! attempts; another end is only noted.

use cofferdam_model::{Failure, FailureKind, Fence, StepKey, StepStatus, Timestamp, Usage, WorkerId};

use super::{Attempt, History, Run};

impl Run {
    /// The attempt of a step that has this fence.
    pub(crate) fn attempt(&self, at_step: u32, fence: Fence) -> Option<&Attempt> {
        self.attempts(at_step).iter().rev().find(|attempt| attempt.fence == fence)
    }

    /// The number of the attempt that a step would have next.
    pub(crate) fn next_attempt(&self, at_step: u32) -> u32 {
        self.attempts(at_step).iter().map(|attempt| attempt.number).max().unwrap_or(0) + 1
    }

    /// The attempts of a step that are under way beside the one with this fence.
    pub(crate) fn beside(&self, at_step: u32, fence: Fence) -> impl Iterator<Item = &Attempt> {
        let attempts = self.attempts(at_step).iter();
        attempts.filter(move |attempt| attempt.ended_at.is_none() && attempt.fence != fence)
    }

    /// Folds the claim of an attempt beside one that is under way.
    pub(super) fn hedged(&mut self, key: &StepKey, attempt: Attempt) -> Result<(), String> {
        let at_step = self.find(key)?;
        let step = &mut self.steps[at_step as usize];
        if step.status != StepStatus::Running {
            return Err(format!("`{key}` is {} and has nothing to be beside", step.status));
        }
        let template = step.template;
        let attempts = &mut step.history.as_mut().expect("a running step has a history").attempts;
        if attempts.iter().any(|other| other.fence >= attempt.fence) {
            return Err(format!("fence {} of `{key}` is not larger than those before", attempt.fence));
        }
        attempts.push(attempt);
        self.n_beside += 1;
        self.count_limited(template, true);
        Ok(())
    }

    /// Folds the end of an attempt that decides nothing: another of the step goes on, or has decided it before.
    pub(super) fn dropped(
        &mut self,
        (key, fence): (&StepKey, Fence),
        failure: Option<&Failure>,
        usage: Usage,
        at: Timestamp,
    ) -> Result<(), String> {
        let at_step = self.find(key)?;
        let step = &mut self.steps[at_step as usize];
        let template = step.template;
        let attempts = step.history.as_mut().map(|history| &mut history.attempts);
        let found = attempts.and_then(|all| Some((all.iter().rposition(|one| one.fence == fence)?, all)));
        let Some((place, attempts)) = found else {
            return Err(format!("`{key}` has no attempt {fence} to drop"));
        };
        let was_open = attempts[place].ended_at.is_none();
        let attempt = &mut attempts[place];
        attempt.ended_at.get_or_insert(at);
        attempt.usage = Some(Box::new(usage));
        attempt.failure = failure.cloned().map(Box::new);
        if !was_open {
            return Ok(());
        }
        // The last one is the one that is under way.
        let Some(open) = attempts.iter().rposition(|one| one.ended_at.is_none()) else {
            return Err(format!("`{key}` has nothing beside attempt {fence}"));
        };
        if open < place {
            attempts[open..=place].rotate_left(1);
        }
        step.losses += u32::from(failure.is_some_and(|failure| failure.kind == FailureKind::WorkerLost));
        self.n_beside -= 1;
        self.count_limited(template, false);
        Ok(())
    }

    /// The attempt with this fence decides its step: others that are under way have ended with it.
    pub(super) fn decides(&mut self, at_step: u32, fence: Fence, at: Timestamp) {
        let step = &mut self.steps[at_step as usize];
        let template = step.template;
        let Some(History { attempts, .. }) = step.history.as_deref_mut() else { return };
        // Most have none beside them.
        if attempts.len() < 2 {
            return;
        }
        if let Some(place) = attempts.iter().rposition(|one| one.fence == fence) {
            attempts[place..].rotate_left(1);
        }
        let mut n_outrun = 0;
        for attempt in attempts.iter_mut().filter(|one| one.ended_at.is_none() && one.fence != fence) {
            attempt.ended_at = Some(at);
            n_outrun += 1;
        }
        self.n_beside -= n_outrun;
        for _ in 0..n_outrun {
            self.count_limited(template, false);
        }
    }
}

impl Attempt {
    /// One that is ordered now.
    pub(super) fn ordered(
        number: u32,
        fence: Fence,
        worker: WorkerId,
        dispatched_at: Timestamp,
        queued_ms: u32,
    ) -> Attempt {
        Attempt {
            number,
            fence,
            worker,
            dispatched_at,
            started_at: None,
            ended_at: None,
            failure: None,
            retry_at: None,
            queued_ms,
            usage: None,
        }
    }
}
