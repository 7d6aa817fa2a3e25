//! The state of one run: nothing but the fold of its events.
//!
//! Expansion of dynamic outputs and readiness follow from events and are computed here; what ends a step
//! without an attempt (skipped, abandoned, cancelled) is only *proposed* here, in [`Run::proposals`], and
//! becomes true when the engine has recorded it.

mod expand;
mod fold;
mod hedge;
mod known;
mod lost;
mod wait;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use cofferdam_model::{
    AssetKey, Failure, Fence, Known, MetadataEntry, Name, Output, Place, Recorded, Role, RunId, RunLimit,
    RunStatus, StepKey, StepStatus, Timestamp, Usage, ValueDigest, WorkerId,
};

pub use self::lost::Lost;
pub use self::wait::{WaitEnded, Waited};
use crate::layout::Layout;
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};
use crate::verdict::Verdict;

/// No step; see [`Step::root`].
pub(crate) const NONE: u32 = u32::MAX;

/// One run, as its events tell it.
#[derive(Debug)]
pub struct Run {
    pub(crate) id: RunId,
    pub(crate) layout: Arc<Layout>,
    pub(crate) steps: Vec<Step>,
    pub(crate) groups: Vec<Group>,
    pub(crate) index: HashMap<StepKey, u32>,
    /// The step that the next event is likely about: `find` looks there first.
    pub(crate) expected: u32,
    /// Steps per status, by its number.
    pub(crate) counts: [u32; N_STATUSES],
    /// Running steps per counter of the layout's lines.
    pub(crate) limited: Vec<u32>,
    pub(crate) seq: u64,
    pub(crate) status: RunStatus,
    pub(crate) accepted_at: Option<Timestamp>,
    /// When the event was decided that is being folded.
    pub(crate) now: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Steps that became ready and have not been taken up by the engine.
    pub(crate) fresh: Vec<u32>,
    /// How steps are about to end without an attempt.
    pub(crate) proposals: VecDeque<(u32, Verdict)>,
    /// Steps whose end was known before the run.
    pub(crate) known: Arc<Known>,
    /// Of the steps that wait, or waited, although they had all that they read.
    pub(crate) waits: HashMap<u32, Waited>,
    /// Steps that had ended and are open again, because their outputs were lost.
    pub(crate) n_again: u32,
    /// Whether there were any.
    pub(crate) has_lost: bool,
    /// Attempts under way that have another of their step beside them.
    pub(crate) n_beside: u32,
    /// Steps whose failure makes the run fail.
    pub(crate) n_failures: u32,
    /// The limit that it has reached.
    pub(crate) limit: Option<RunLimit>,
    /// Data versions of the assets and partitions that the run has made or taken over.
    pub(crate) versions: HashMap<(AssetKey, Option<String>), String>,
}

pub(crate) const N_STATUSES: usize = 9;

/// One copy of a template.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) key: StepKey,
    pub(crate) template: u32,
    pub(crate) group: u32,
    /// Steps before it that have not ended; says nothing while it runs and when it has ended.
    pub(crate) missing: u32,
    /// The step whose failure ended this one; [`NONE`] otherwise.
    pub(crate) root: u32,
    /// Attempts that failed and count against the retries.
    pub(crate) failures: u32,
    /// Workers lost within the term of the last attempt.
    pub(crate) losses: u32,
    /// Attempts that could not read what they were given.
    pub(crate) inputs_lost: u32,
    /// It had ended, and is to make its lost outputs anew.
    pub(crate) again: bool,
    /// When it became ready, in milliseconds after the run was accepted: for 49 days.
    pub(crate) ready_ms: u32,
    pub(crate) status: StepStatus,
    /// None until the first attempt, so that a waiting step is small.
    pub(crate) history: Option<Box<History>>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) metadata: Vec<MetadataEntry>,
    pub(crate) taken_over: Option<TakenOver>,
    /// How often its outputs were lost.
    pub(crate) lost: Vec<Lost>,
}

/// Where the outputs of a step come from that did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenOver {
    /// The same step of a run that this one executes again.
    Reused { run: RunId },
    /// A step with the same memo.
    Cached { run: RunId, step: StepKey, memo: ValueDigest },
}

impl TakenOver {
    /// The run that made them.
    pub fn run(&self) -> RunId {
        match self {
            TakenOver::Reused { run } | TakenOver::Cached { run, .. } => *run,
        }
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) fence: Fence,
    pub(crate) worker: WorkerId,
    pub(crate) dispatched_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) failure: Option<Box<Failure>>,
    pub(crate) retry_at: Option<Timestamp>,
    /// How long the step had been ready before, in milliseconds.
    pub(crate) queued_ms: u32,
    /// Boxed, because most of a run's memory would be that of steps that have not ended.
    pub(crate) usage: Option<Box<Usage>>,
}

/// The copies of all steps of a scope for one path of keys.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) scope: u32,
    pub(crate) parent: u32,
    /// None for the root, and for the stand-in of copies that never came.
    pub(crate) key: Option<Name>,
    /// Place of the mapped value among the producer's outputs.
    pub(crate) position: u32,
    /// The first member; the others follow in the order of the scope's members.
    pub(crate) base: u32,
    /// Groups made by producers in this group, per scope.
    pub(crate) children: Vec<(u32, Range<u32>)>,
}

/// Why events are not a history of this plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} does not fit the run's history: {why}")]
pub struct InvalidHistory {
    pub seq: u64,
    pub why: String,
}

impl Run {
    /// A run before its first event.
    pub fn new(id: RunId, layout: Arc<Layout>) -> Run {
        Run::with_known(id, layout, Arc::default())
    }

    /// A run before its first event that takes over what is known of its steps.
    pub(crate) fn with_known(id: RunId, layout: Arc<Layout>, known: Arc<Known>) -> Run {
        let mut run = Run {
            id,
            steps: Vec::with_capacity(layout.templates.len()),
            groups: vec![],
            index: HashMap::with_capacity(layout.templates.len()),
            expected: 0,
            counts: [0; N_STATUSES],
            limited: vec![0; layout.lines.counters.len()],
            seq: 0,
            status: RunStatus::Queued,
            accepted_at: None,
            now: Timestamp::default(),
            started_at: None,
            ended_at: None,
            fresh: vec![],
            proposals: VecDeque::new(),
            known,
            waits: HashMap::new(),
            n_again: 0,
            has_lost: false,
            n_beside: 0,
            n_failures: 0,
            limit: None,
            versions: HashMap::new(),
            layout,
        };
        run.add_root();
        run
    }

    /// The state after all of `events`.
    pub fn fold(id: RunId, layout: Arc<Layout>, events: &[Recorded]) -> Result<Run, InvalidHistory> {
        Run::new(id, layout).after(events)
    }

    /// The state after more events.
    pub(crate) fn after(mut self, events: &[Recorded]) -> Result<Run, InvalidHistory> {
        for recorded in events {
            self.apply(recorded)?;
        }
        Ok(self)
    }

    /// Says which step the next event is about, which saves looking its key up.
    pub(crate) fn expect_step(&mut self, at_step: u32) {
        self.expected = at_step;
    }

    pub(crate) fn find(&self, key: &StepKey) -> Result<u32, String> {
        if self.steps.get(self.expected as usize).is_some_and(|step| step.key == *key) {
            return Ok(self.expected);
        }
        let found = self.index.get(key);
        found.copied().ok_or_else(|| format!("there is no step `{key}`"))
    }

    /// Steps that have not ended.
    pub(crate) fn n_open(&self) -> u32 {
        use StepStatus::{Ready, Retrying, Running, Waiting};
        let open = [Waiting, Ready, Running, Retrying];
        open.iter().map(|status| self.counts[*status as usize]).sum()
    }

    pub(crate) fn n_running(&self) -> u32 {
        self.counts[StepStatus::Running as usize]
    }

    pub(crate) fn role(&self, at_step: u32) -> &Role {
        &self.layout.step(self.steps[at_step as usize].template).role
    }

    /// Tear-downs run also when the run is cancelled.
    pub(crate) fn is_tear_down(&self, at_step: u32) -> bool {
        matches!(self.role(at_step), Role::TearDown { .. })
    }

    /// Hooks and tear-downs: their own failure does not fail the run.
    pub(crate) fn is_beside(&self, at_step: u32) -> bool {
        match self.role(at_step) {
            Role::Op | Role::SetUp { .. } | Role::Check { .. } => false,
            Role::Hook { .. } | Role::TearDown { .. } => true,
        }
    }

    pub(crate) fn attempts(&self, at_step: u32) -> &[Attempt] {
        let history = &self.steps[at_step as usize].history;
        history.as_ref().map_or(&[], |history| &history.attempts)
    }

    pub(crate) fn set(&mut self, at_step: u32, status: StepStatus) {
        let step = &mut self.steps[at_step as usize];
        self.counts[step.status as usize] -= 1;
        self.counts[status as usize] += 1;
        let before = std::mem::replace(&mut step.status, status);
        let template = step.template;
        if !self.limited.is_empty() && (before == StepStatus::Running) != (status == StepStatus::Running) {
            self.count_limited(template, status == StepStatus::Running);
        }
    }

    /// The step may be dispatched from then on.
    pub(crate) fn ready_from(&mut self, at_step: u32, at: Timestamp) {
        self.steps[at_step as usize].ready_ms = self.since_accepted_ms(at);
    }

    pub(crate) fn since_accepted_ms(&self, at: Timestamp) -> u32 {
        let since = self.accepted_at.map_or(0, |accepted| at.since(accepted).as_millis());
        u32::try_from(since).unwrap_or(u32::MAX)
    }

    fn count_limited(&mut self, template: u32, runs: bool) {
        for counter in &self.layout.line_of(template).counters {
            let n = &mut self.limited[*counter as usize];
            *n = if runs { *n + 1 } else { *n - 1 };
        }
    }

    /// A limit of the run that keeps the steps of a line from running now, by its counter.
    pub(crate) fn limited_by(&self, line: u32) -> Option<u32> {
        let lines = &self.layout.lines;
        let full = |counter: &&u32| {
            let max = lines.counters[**counter as usize];
            #[cfg(test)]
            let max = max + u32::from(is_present(Bug::OneTooManyOfATag));
            self.limited[**counter as usize] >= max
        };
        lines.all[line as usize].counters.iter().find(full).copied()
    }

    pub(crate) fn outputs(&self, at_step: u32) -> &[Output] {
        self.steps[at_step as usize].outputs()
    }
}

impl Step {
    pub(crate) fn outputs(&self) -> &[Output] {
        self.history.as_ref().map_or(&[], |history| &history.outputs)
    }

    /// Whether it may be dispatched once its turn comes, and its wait is over.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.status, StepStatus::Ready | StepStatus::Retrying) && self.missing == 0
    }

    /// Whether it has succeeded once, be it that what it had made was lost since.
    pub(crate) fn has_committed(&self) -> bool {
        let lost = self.history.as_ref().is_some_and(|history| !history.lost.is_empty());
        lost || self.status == StepStatus::Succeeded
    }

    /// The keys of what it has committed and workers keep.
    pub(crate) fn kept_with_workers(&self) -> impl Iterator<Item = &str> {
        let kept =
            self.outputs().iter().map(|output| &output.value.place).filter(|place| place.is_transient());
        kept.filter_map(Place::key)
    }

    pub(crate) fn taken_over(&self) -> Option<&TakenOver> {
        self.history.as_ref()?.taken_over.as_ref()
    }
}

/// The term that a fence was given in.
pub(crate) fn term(fence: Fence) -> u64 {
    fence.0 >> 32
}
