//! What a reader may know of a run.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{
    Assignment, Failure, Fence, MetadataEntry, Name, Output, Plan, Role, RunId, RunLimit, RunStatus, StepIdx,
    StepKey, StepStatus, Timestamp, Usage, Wait, WorkerId,
};

use crate::run::{Attempt, Lost, NONE, Run, Step, TakenOver, Waited};

/// One step of the expanded plan, as it is now.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    run: &'a Run,
    step: &'a Step,
}

/// A value that a step reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadView<'a> {
    pub input: &'a Name,
    /// The step that made it.
    pub from: StepView<'a>,
    pub output: &'a Output,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct AttemptView<'a> {
    /// 1 for the first.
    pub number: u32,
    pub fence: Fence,
    pub worker: WorkerId,
    pub dispatched_at: Timestamp,
    /// When the guest was about to be instantiated, if it came that far. None also for an attempt whose start
    /// and end were reported together: its usage says how long it took.
    pub started_at: Option<Timestamp>,
    /// None while it runs.
    pub ended_at: Option<Timestamp>,
    /// Why it failed. An attempt that ended without failure and without success lost its worker or was
    /// cancelled.
    pub failure: Option<&'a Failure>,
    /// When the step is tried again because of this failure.
    pub retry_at: Option<Timestamp>,
    /// How long the step had been ready before.
    pub queued: Duration,
    pub usage: Option<Usage>,
}

impl Run {
    pub fn id(&self) -> RunId {
        self.id
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.layout.plan
    }

    pub fn status(&self) -> RunStatus {
        self.status
    }

    pub fn accepted_at(&self) -> Option<Timestamp> {
        self.accepted_at
    }

    /// The limit that it has reached, and failed by.
    pub fn limit(&self) -> Option<RunLimit> {
        self.limit
    }

    /// When the first step was dispatched.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// Sequence number of the last event that was folded; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// All steps that are known by now: those of the plan without scope, then copies in the order in which
    /// they were made. Mapped steps whose keys are not known yet are not among them.
    pub fn steps(&self) -> impl Iterator<Item = StepView<'_>> {
        self.steps.iter().map(|step| StepView { run: self, step })
    }

    pub fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// The failures that made the run fail: those that ended steps other than hooks and tear-downs.
    pub fn failures(&self) -> impl Iterator<Item = (&StepKey, &Failure)> {
        let failed = self.steps().filter(|step| step.status() == StepStatus::Failed);
        let counted = failed.filter(|step| {
            !matches!(self.plan().step(step.template()).role, Role::Hook { .. } | Role::TearDown { .. })
        });
        counted.filter_map(|step| Some((step.key(), step.failure()?)))
    }

    /// Number of known steps with that status.
    pub fn count(&self, status: StepStatus) -> u32 {
        self.counts[status as usize]
    }

    /// What all attempts of it used, as far as it is known.
    pub fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for attempt in
            self.steps.iter().filter_map(|step| step.history.as_ref()).flat_map(|one| &one.attempts)
        {
            if let Some(usage) = &attempt.usage {
                sum.add(usage);
            }
        }
        sum
    }

    pub fn step(&self, key: &StepKey) -> Option<StepView<'_>> {
        let at_step = *self.index.get(key)?;
        Some(StepView { run: self, step: &self.steps[at_step as usize] })
    }
}

impl<'a> StepView<'a> {
    pub fn key(&self) -> &'a StepKey {
        &self.step.key
    }

    /// Its step in the plan, before expansion.
    pub fn template(&self) -> StepIdx {
        StepIdx(self.step.template)
    }

    pub fn status(&self) -> StepStatus {
        self.step.status
    }

    /// The step whose failure kept this one from running, if it was abandoned.
    pub fn root(&self) -> Option<&'a StepKey> {
        let root = self.step.root;
        let abandoned = self.step.status == StepStatus::Abandoned && root != NONE;
        abandoned.then(|| &self.run.steps[root as usize].key)
    }

    /// Oldest first.
    pub fn attempts(&self) -> impl ExactSizeIterator<Item = AttemptView<'a>> {
        let history = self.step.history.as_deref();
        let attempts: &'a [Attempt] = history.map_or(&[], |history| &history.attempts);
        attempts.iter().map(|attempt| AttemptView {
            number: attempt.number,
            fence: attempt.fence,
            worker: attempt.worker,
            dispatched_at: attempt.dispatched_at,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            failure: attempt.failure.as_deref(),
            retry_at: attempt.retry_at,
            queued: Duration::from_millis(attempt.queued_ms.into()),
            usage: attempt.usage.as_deref().copied(),
        })
    }

    /// The order that its last attempt had, under another fence; of a step that was taken over, the order that it
    /// would have had. None if it was never ready.
    pub fn assignment(&self, fence: Fence) -> Option<Assignment> {
        let last = self.attempts().last().map(|attempt| attempt.number);
        let number = last.or_else(|| self.taken_over().map(|_| 1))?;
        let at_step = *self.run.index.get(&self.step.key)?;
        Some(self.run.assignment(at_step, number, fence))
    }

    /// Committed outputs; empty unless the step succeeded.
    pub fn outputs(&self) -> &'a [Output] {
        let history = self.step.history.as_deref();
        history.map_or(&[], |history| &history.outputs)
    }

    /// What it reads of other steps, as far as that is there.
    pub fn reads(&self) -> Vec<ReadView<'a>> {
        let (run, at_step) = (self.run, self.run.index[&self.step.key]);
        let of = |(input, producer, output)| {
            let from = StepView { run, step: &run.steps[producer as usize] };
            ReadView { input, from, output }
        };
        run.reads(at_step).into_iter().map(of).collect()
    }

    /// Where its outputs come from, if it succeeded without being run.
    pub fn taken_over(&self) -> Option<&'a TakenOver> {
        self.step.taken_over()
    }

    /// How often what it had made was lost and had to be made anew, and why.
    pub fn lost(&self) -> &'a [Lost] {
        let history = self.step.history.as_deref();
        history.map_or(&[], |history| &history.lost)
    }

    /// What the successful attempt said about the step.
    pub fn metadata(&self) -> &'a [MetadataEntry] {
        let history = self.step.history.as_deref();
        history.map_or(&[], |history| &history.metadata)
    }

    /// Whether it waits to be approved, when it waits.
    pub fn waits_for_review(&self) -> bool {
        self.run.plan().step(self.template()).wait.is_some_and(Wait::is_approval)
    }

    /// Whether its wait has begun and is not over.
    pub fn is_in_wait(&self) -> bool {
        self.waited().is_some() && self.run.in_wait(self.run.index[&self.step.key]).is_some()
    }

    /// Its wait, if it has begun one.
    pub fn waited(&self) -> Option<&'a Waited> {
        // Most runs have none, and a step does not know its number.
        (!self.run.waits.is_empty()).then(|| self.run.waits.get(self.run.index.get(&self.step.key)?))?
    }

    /// The last failure, if an attempt failed, or it was not let run.
    pub fn failure(&self) -> Option<&'a Failure> {
        if let Some(failure) = self.waited().and_then(|waited| waited.failure.as_deref()) {
            return Some(failure);
        }
        let history = self.step.history.as_deref()?;
        history.attempts.iter().rev().find_map(|attempt| attempt.failure.as_deref())
    }
}
