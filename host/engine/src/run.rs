//! The state of one run: nothing but the fold of its events.
//!
//! Expansion of dynamic outputs and readiness follow from events and are computed here; what ends a step
//! without an attempt (skipped, abandoned, cancelled) is only *proposed* here, in [`Run::proposals`], and
//! becomes true when the engine has recorded it.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use cofferdam_model::{
    Event, Failure, Fence, MetadataEntry, Name, Output, Recorded, RunId, RunStatus, StepKey, StepStatus,
    Timestamp, Usage, WorkerId,
};

use crate::layout::Layout;
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
    pub(crate) seq: u64,
    pub(crate) status: RunStatus,
    pub(crate) accepted_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Steps that became ready and have not been taken up by the engine.
    pub(crate) fresh: Vec<u32>,
    /// How steps are about to end without an attempt.
    pub(crate) proposals: VecDeque<(u32, Verdict)>,
}

pub(crate) const N_STATUSES: usize = 9;

/// One copy of a template.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) key: StepKey,
    pub(crate) template: u32,
    pub(crate) group: u32,
    /// Steps before it that have not ended.
    pub(crate) missing: u32,
    /// The step whose failure ended this one; [`NONE`] otherwise.
    pub(crate) root: u32,
    /// Attempts that failed and count against the retries.
    pub(crate) failures: u32,
    /// Workers lost within the term of the last attempt.
    pub(crate) losses: u32,
    pub(crate) status: StepStatus,
    /// None until the first attempt, so that a waiting step is small.
    pub(crate) history: Option<Box<History>>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) metadata: Vec<MetadataEntry>,
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
    pub(crate) usage: Option<Usage>,
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
        let mut run = Run {
            id,
            steps: Vec::with_capacity(layout.templates.len()),
            groups: vec![],
            index: HashMap::with_capacity(layout.templates.len()),
            expected: 0,
            counts: [0; N_STATUSES],
            seq: 0,
            status: RunStatus::Queued,
            accepted_at: None,
            started_at: None,
            ended_at: None,
            fresh: vec![],
            proposals: VecDeque::new(),
            layout,
        };
        run.add_group(0, 0, None, 0);
        run
    }

    /// The state after all of `events`.
    pub fn fold(id: RunId, layout: Arc<Layout>, events: &[Recorded]) -> Result<Run, InvalidHistory> {
        let mut run = Run::new(id, layout);
        for recorded in events {
            run.apply(recorded)?;
        }
        Ok(run)
    }

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
        match event {
            Event::RunAccepted { .. } => self.accepted_at = Some(at),
            Event::StepDispatched { step, attempt, fence, worker } => {
                self.dispatched(self.find(step)?, *attempt, *fence, *worker, at)?
            }
            Event::StepStarted { step, fence, .. } => {
                let (_, attempt) = self.running(step, *fence)?;
                attempt.started_at = Some(at);
            }
            Event::StepSucceeded { step, fence, outputs, metadata, usage, .. } => {
                let (at_step, attempt) = self.running(step, *fence)?;
                attempt.ended_at = Some(at);
                attempt.usage = Some(*usage);
                let history = self.steps[at_step as usize].history.as_mut();
                let history = history.expect("a running step has a history");
                history.outputs.clone_from(outputs);
                history.metadata.clone_from(metadata);
                self.end(at_step, StepStatus::Succeeded);
            }
            Event::StepFailed { step, fence, failure, usage, retry_at, .. } => {
                let (at_step, attempt) = self.tried(step, *fence)?;
                attempt.ended_at = Some(at);
                attempt.failure = Some(failure.clone());
                attempt.usage = Some(*usage);
                attempt.retry_at = *retry_at;
                self.failed(at_step, retry_at.is_some());
            }
            Event::StepLost { step, fence, .. } => {
                let (at_step, attempt) = self.running(step, *fence)?;
                attempt.ended_at = Some(at);
                self.steps[at_step as usize].losses += 1;
                self.set(at_step, StepStatus::Ready);
                self.fresh.push(at_step);
            }
            Event::StepSkipped { step, .. } => self.give_up(step, StepStatus::Skipped, NONE)?,
            Event::StepAbandoned { step, root } => {
                let root = self.find(root)?;
                self.give_up(step, StepStatus::Abandoned, root)?;
            }
            Event::StepCancelled { step } => self.cancelled(self.find(step)?, at)?,
            Event::RunCancelRequested => self.cancel(),
            Event::RunFinished { status } => self.finish(*status, at)?,
        }
        Ok(())
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

    fn dispatched(
        &mut self,
        at_step: u32,
        number: u32,
        fence: Fence,
        worker: WorkerId,
        at: Timestamp,
    ) -> Result<(), String> {
        let step = &mut self.steps[at_step as usize];
        if !matches!(step.status, StepStatus::Ready | StepStatus::Retrying) {
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
        history.attempts.push(Attempt {
            number,
            fence,
            worker,
            dispatched_at: at,
            started_at: None,
            ended_at: None,
            failure: None,
            retry_at: None,
            usage: None,
        });
        self.set(at_step, StepStatus::Running);
        self.started_at.get_or_insert(at);
        if self.status == RunStatus::Queued {
            self.status = RunStatus::Running;
        }
        Ok(())
    }

    /// The step and its last attempt, if that is running under this fence.
    fn running(&mut self, key: &StepKey, fence: Fence) -> Result<(u32, &mut Attempt), String> {
        let at_step = self.find(key)?;
        let status = self.steps[at_step as usize].status;
        if status != StepStatus::Running {
            return Err(format!("`{key}` is {status}, not running"));
        }
        self.expect_step(at_step);
        self.tried(key, fence)
    }

    /// The step and its last attempt, if that has this fence and the step has not ended.
    fn tried(&mut self, key: &StepKey, fence: Fence) -> Result<(u32, &mut Attempt), String> {
        let at_step = self.find(key)?;
        let step = &mut self.steps[at_step as usize];
        if step.status.is_terminal() {
            return Err(format!("`{key}` has ended"));
        }
        let last = step.history.as_mut().and_then(|history| history.attempts.last_mut());
        match last {
            Some(last) if last.fence == fence => Ok((at_step, last)),
            _ => Err(format!("fence {fence} is not the last one of `{key}`")),
        }
    }

    fn failed(&mut self, at_step: u32, again: bool) {
        self.steps[at_step as usize].failures += 1;
        if again {
            self.set(at_step, StepStatus::Retrying);
            return;
        }
        self.steps[at_step as usize].root = at_step;
        self.end(at_step, StepStatus::Failed);
    }

    fn give_up(&mut self, key: &StepKey, status: StepStatus, root: u32) -> Result<(), String> {
        let at_step = self.find(key)?;
        let found = self.steps[at_step as usize].status;
        if found != StepStatus::Waiting {
            return Err(format!("`{key}` is {found} and cannot become {status}"));
        }
        self.steps[at_step as usize].root = root;
        self.end(at_step, status);
        Ok(())
    }

    fn cancelled(&mut self, at_step: u32, at: Timestamp) -> Result<(), String> {
        let step = &mut self.steps[at_step as usize];
        if step.status.is_terminal() {
            return Err(format!("`{}` has ended", step.key));
        }
        if step.status == StepStatus::Running {
            let history = step.history.as_mut().expect("a running step has a history");
            let last = history.attempts.last_mut();
            last.expect("a running step has an attempt").ended_at = Some(at);
        }
        self.end(at_step, StepStatus::Cancelled);
        Ok(())
    }

    fn cancel(&mut self) {
        self.status = RunStatus::Cancelling;
        for at_step in 0..self.steps.len() {
            let status = self.steps[at_step].status;
            if !status.is_terminal() && status != StepStatus::Running {
                let at_step = u32::try_from(at_step).expect("STEPS_MAX fits");
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

    /// Steps that have not ended.
    pub(crate) fn n_open(&self) -> u32 {
        use StepStatus::{Ready, Retrying, Running, Waiting};
        let open = [Waiting, Ready, Running, Retrying];
        open.iter().map(|status| self.counts[*status as usize]).sum()
    }

    pub(crate) fn n_running(&self) -> u32 {
        self.counts[StepStatus::Running as usize]
    }

    fn set(&mut self, at_step: u32, status: StepStatus) {
        let step = &mut self.steps[at_step as usize];
        self.counts[step.status as usize] -= 1;
        self.counts[status as usize] += 1;
        step.status = status;
    }

    /// Ends a step: its dynamic outputs become copies, then those who waited for it are examined.
    fn end(&mut self, at_step: u32, status: StepStatus) {
        let layout = self.layout.clone();
        let step = &self.steps[at_step as usize];
        let (group, template) = (step.group, step.template);
        // Before the expansion: copies that are made from here on have not counted this step.
        let mut waiting = vec![];
        for dependent in &layout.templates[template as usize].dependents {
            if layout.scope_of(*dependent).depth <= layout.scope_of(template).depth {
                waiting.push(self.outer_instance(*dependent, group));
            } else {
                self.inner_instances(*dependent, group, &mut waiting);
            }
        }
        self.set(at_step, status);
        self.expand(at_step, status);
        for at_step in waiting {
            let step = &mut self.steps[at_step as usize];
            step.missing -= 1;
            if step.missing == 0 {
                self.examine(at_step);
            }
        }
    }

    fn expand(&mut self, at_step: u32, status: StepStatus) {
        let layout = self.layout.clone();
        let step = &self.steps[at_step as usize];
        let (group, template) = (step.group, step.template);
        for (output, scope) in &layout.templates[template as usize].spawns {
            let first = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
            if status == StepStatus::Succeeded {
                let keys = self.emitted(at_step, output);
                for (position, key) in keys {
                    self.add_group(*scope, group, Some(key), position);
                }
            } else {
                // A stand-in, so that what will never be copied is seen and ends like any other step.
                self.add_group(*scope, group, None, 0);
            }
            let end = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
            self.groups[group as usize].children.push((*scope, first..end));
            for new in first..end {
                self.settle_group(new);
            }
        }
    }

    /// Place and key of each value of a dynamic output, in the order of emission.
    fn emitted(&self, at_step: u32, output: &Name) -> Vec<(u32, Name)> {
        let emitted = self.outputs(at_step).iter().enumerate();
        emitted
            .filter(|(_, value)| value.name == *output)
            .filter_map(|(at, value)| Some((u32::try_from(at).ok()?, value.key.clone()?)))
            .collect()
    }

    pub(crate) fn outputs(&self, at_step: u32) -> &[Output] {
        let history = &self.steps[at_step as usize].history;
        history.as_ref().map_or(&[], |history| &history.outputs)
    }

    /// Makes the copies of a scope's steps. They are examined by `settle_group`, once the parent knows them.
    fn add_group(&mut self, scope: u32, parent: u32, key: Option<Name>, position: u32) {
        let layout = self.layout.clone();
        let base = u32::try_from(self.steps.len()).expect("STEPS_MAX fits");
        let group = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
        self.groups.push(Group { scope, parent, key, position, base, children: vec![] });
        let suffix = self.key_path(group);
        for template in &layout.scopes[scope as usize].members {
            let key = &layout.step(*template).key;
            let key = if scope == 0 { key.clone() } else { StepKey::new(&format!("{key}{suffix}")) };
            let at_step = u32::try_from(self.steps.len()).expect("STEPS_MAX fits");
            self.index.insert(key.clone(), at_step);
            self.steps.push(Step {
                key,
                template: *template,
                group,
                missing: 0,
                root: NONE,
                failures: 0,
                losses: 0,
                status: StepStatus::Waiting,
                history: None,
            });
            self.counts[StepStatus::Waiting as usize] += 1;
        }
        if scope == 0 {
            self.settle_group(group);
        }
    }

    /// `[a][b]`; `[?]` where there is no key.
    fn key_path(&self, group: u32) -> String {
        let mut keys = vec![];
        let mut at = group;
        while at != 0 {
            let group = &self.groups[at as usize];
            keys.push(group.key.as_ref().map_or("?", Name::as_str));
            at = group.parent;
        }
        keys.iter().rev().map(|key| format!("[{key}]")).collect()
    }

    /// Counts what the new copies wait for and who waits for them, then examines those that wait for nothing.
    fn settle_group(&mut self, group: u32) {
        let layout = self.layout.clone();
        let Group { scope, base, .. } = self.groups[group as usize];
        let members = &layout.scopes[scope as usize].members;
        for (at_step, template) in (base..).zip(members) {
            let here = &layout.templates[*template as usize];
            let mut missing = 0;
            for dep in &here.deps {
                // Copies further in do not exist yet; each adds itself below when it is made.
                if layout.scope_of(*dep).depth <= layout.scopes[scope as usize].depth {
                    let producer = self.outer_instance(*dep, group);
                    missing += u32::from(!self.steps[producer as usize].status.is_terminal());
                }
            }
            self.steps[at_step as usize].missing = missing;
            for dependent in &here.dependents {
                if layout.scope_of(*dependent).depth < layout.scopes[scope as usize].depth {
                    let waiting = self.outer_instance(*dependent, group);
                    self.steps[waiting as usize].missing += 1;
                }
            }
        }
        for at_step in (base..).take(members.len()) {
            if self.steps[at_step as usize].missing == 0 {
                self.examine(at_step);
            }
        }
    }

    /// The copy of `template` in `group` or in the group around it that has the template's scope.
    pub(crate) fn outer_instance(&self, template: u32, group: u32) -> u32 {
        let depth = self.layout.scope_of(template).depth;
        let mut at = group;
        while self.layout.scopes[self.groups[at as usize].scope as usize].depth > depth {
            at = self.groups[at as usize].parent;
        }
        self.groups[at as usize].base + self.layout.templates[template as usize].local
    }

    /// All copies of `template` within `group`, in order.
    pub(crate) fn inner_instances(&self, template: u32, group: u32, found: &mut Vec<u32>) {
        let at_depth = self.layout.scopes[self.groups[group as usize].scope as usize].depth as usize;
        let chain = &self.layout.scope_of(template).chain;
        let Some(next) = chain.get(at_depth) else {
            found.push(self.groups[group as usize].base + self.layout.templates[template as usize].local);
            return;
        };
        for (scope, groups) in &self.groups[group as usize].children {
            if scope == next {
                groups.clone().for_each(|inner| self.inner_instances(template, inner, found));
            }
        }
    }

    /// All steps before this one have ended: it becomes ready, or it is proposed how it ends.
    fn examine(&mut self, at_step: u32) {
        if self.steps[at_step as usize].status != StepStatus::Waiting {
            return;
        }
        let verdict = match self.status {
            RunStatus::Cancelling => Verdict::Cancel,
            _ => self.verdict(at_step),
        };
        if verdict == Verdict::Run {
            self.set(at_step, StepStatus::Ready);
            self.fresh.push(at_step);
        } else {
            self.proposals.push_back((at_step, verdict));
        }
    }
}

/// The term that a fence was given in.
pub(crate) fn term(fence: Fence) -> u64 {
    fence.0 >> 32
}
