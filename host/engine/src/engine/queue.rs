//! A run that is driven, and the order in which its ready steps take their turn.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{Output, RunId, RunStatus, StepStatus, Timestamp, Usage, ValueDigest, WorkerId};

use super::Engine;
use crate::place::{Candidate, Claim, Head, Ready, Turn, key_of};
use crate::run::Run;

/// A run that is driven.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) run: Run,
    /// Order of acceptance.
    pub(super) number: u64,
    /// When it came out of the run queue; none while it waits there.
    pub(super) admitted_at: Option<Timestamp>,
    /// Of the whole run, added to that of its steps.
    pub(super) priority: i32,
    /// Class of each line of the layout.
    pub(super) classes: Vec<u32>,
    /// Ready steps per line; none is empty.
    pub(super) queues: BTreeMap<u32, Queue>,
    /// Ready steps for which an earlier result is looked for.
    pub(super) recalling: BTreeSet<u32>,
    /// Ready steps that read what only workers have that cannot be heard.
    pub(super) held_up: BTreeSet<u32>,
    /// Lines with open steps that no worker could serve, and since when.
    pub(super) unserved: BTreeMap<u32, Timestamp>,
    /// Mean wall time per op, in microseconds, of the attempts that have ended.
    pub(super) means_us: Vec<Option<u32>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    steps: BTreeSet<Turn>,
    /// Steps by the worker that holds most of what they read. What has left `steps` falls away when it is met.
    near: BTreeMap<WorkerId, BTreeSet<Turn>>,
    /// When a step of it was placed last, or else when the first one came.
    pub(super) since: Timestamp,
    /// As the placement knows it.
    pub(super) head: Option<(Timestamp, Head)>,
}

impl Active {
    pub(super) fn is_full(&self) -> bool {
        let max = self.run.layout.plan.max_concurrent;
        max.is_some_and(|max| self.run.n_running() + self.run.n_beside >= max.max(1))
    }

    /// Its place in the run queue.
    pub(super) fn turn_of_run(&self) -> (Reverse<i32>, u64, RunId) {
        (Reverse(self.priority), self.number, self.run.id)
    }

    /// The memo of a step that has just become ready for the first time, if it may take an earlier result.
    pub(super) fn to_recall(&self, at_step: u32) -> Option<ValueDigest> {
        let step = &self.run.steps[at_step as usize];
        let first = step.status == StepStatus::Ready && step.history.is_none();
        let wanted = first && self.run.layout.step(step.template).memoize;
        wanted.then(|| self.run.memo(at_step)).flatten()
    }

    /// Puts a ready step into its queue. `home` is where most of what it reads is.
    pub(super) fn enqueue(&mut self, at_step: u32, home: Option<WorkerId>, now: Timestamp) {
        let step = &self.run.steps[at_step as usize];
        if !step.is_ready() {
            return;
        }
        let line = self.run.layout.templates[step.template as usize].line;
        let turn = self.turn(at_step);
        let queue = self.queues.entry(line).or_insert_with(|| Queue::new(now));
        queue.steps.insert(turn);
        if let Some(home) = home {
            queue.near.entry(home).or_default().insert(turn);
        }
    }

    pub(super) fn turn(&self, at_step: u32) -> Turn {
        let step = &self.run.steps[at_step as usize];
        let template = &self.run.layout.templates[step.template as usize];
        (
            Reverse(self.run.layout.step(step.template).priority),
            template.anchor,
            Reverse(self.run.layout.scope_of(step.template).depth),
            step.group,
            step.template,
            at_step,
        )
    }

    /// Takes a step out of its queue, because it has been placed.
    pub(super) fn placed(&mut self, line: u32, at_step: u32, now: Timestamp) {
        let turn = self.turn(at_step);
        let queue = self.queues.get_mut(&line).expect("what is placed was in a queue");
        queue.steps.remove(&turn);
        queue.since = now;
    }

    /// What the placement is to know of the head of a queue; none if nothing of it may run now.
    pub(super) fn head(&mut self, line: u32, is_full: bool) -> Option<(Timestamp, Head)> {
        let queue = self.queues.get_mut(&line)?;
        let first = queue.first(&self.run)?;
        let priority = Reverse(first.0.0.saturating_add(self.priority));
        let head = Head { priority, number: self.number, turn: first, run: self.run.id, line };
        // What a run that is cancelled still has to do waits for no queue.
        let is_queued = self.admitted_at.is_none() && self.run.status() != RunStatus::Cancelling;
        let limited = is_queued || is_full || self.run.limited_by(line).is_some();
        (!limited).then_some((queue.since, head))
    }

    /// The steps that wait for their turn.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Turn> {
        let turns = self.queues.values().flat_map(|queue| &queue.steps);
        turns.filter(|turn| self.run.steps[turn.5 as usize].is_ready())
    }

    pub(super) fn candidate(&self, at_step: u32) -> Candidate {
        let template = self.run.steps[at_step as usize].template;
        let op = self.run.layout.templates[template as usize].op;
        Candidate { at_step, expected_us: self.means_us[op as usize], wanted: self.run.wanted(at_step) }
    }

    /// Updates the mean time of the op, the newest attempt counting for a quarter.
    pub(super) fn measure(&mut self, at_step: u32, usage: &Usage) {
        let template = self.run.steps[at_step as usize].template;
        let op = self.run.layout.templates[template as usize].op;
        let mean = &mut self.means_us[op as usize];
        let wall = u32::try_from(usage.wall_us).unwrap_or(u32::MAX);
        *mean = Some(mean.map_or(wall, |mean| mean / 4 * 3 + wall / 4));
    }
}

impl Queue {
    fn new(now: Timestamp) -> Queue {
        Queue { steps: BTreeSet::new(), near: BTreeMap::new(), since: now, head: None }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The first step that is still to be run; those that were cancelled or wait once more fall away.
    fn first(&mut self, run: &Run) -> Option<Turn> {
        while let Some(turn) = self.steps.first() {
            if run.steps[turn.5 as usize].is_ready() {
                return Some(*turn);
            }
            self.steps.pop_first();
        }
        None
    }

    /// Drops what was placed or cancelled from the front of a worker's part.
    fn tidy(&mut self, worker: WorkerId, run: &Run) {
        let Some(near) = self.near.get_mut(&worker) else { return };
        while let Some(turn) = near.first()
            && !(self.steps.contains(turn) && run.steps[turn.5 as usize].is_ready())
        {
            near.pop_first();
        }
        if near.is_empty() {
            self.near.remove(&worker);
        }
    }
}

impl Engine {
    /// Remembers what a worker holds after an attempt has ended well there.
    pub(super) fn learn(&mut self, claim: &Claim, outputs: &[Output]) {
        let run = &self.runs[&claim.run].run;
        let library = run.layout.step(run.steps[claim.step as usize].template).library;
        let near = &mut self.placement.workers.near;
        near.ran(claim.worker, library);
        near.hold(claim.worker, outputs.iter().filter_map(|output| output.value.place.key()).map(key_of));
    }
}

/// The runs that are driven, as the placement sees them.
pub(super) struct Runs<'a>(pub(super) &'a mut BTreeMap<RunId, Active>);

impl Ready for Runs<'_> {
    fn head(&mut self, head: &Head) -> Candidate {
        let active = self.0.get(&head.run).expect("a head is of a run that is driven");
        let first = active.queues[&head.line].steps.first();
        active.candidate(first.expect("a queue that has a head is not empty").5)
    }

    fn near(&mut self, head: &Head, worker: WorkerId) -> Option<Candidate> {
        let active = self.0.get_mut(&head.run).expect("a head is of a run that is driven");
        let queue = active.queues.get_mut(&head.line)?;
        queue.tidy(worker, &active.run);
        let turn = *queue.near.get(&worker)?.first()?;
        let same = queue.steps.first().is_some_and(|first| first.0 == turn.0);
        same.then(|| active.candidate(turn.5))
    }
}
