//! A run that is driven, and the order in which its ready steps take their turn.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use cofferdam_model::{StepStatus, Usage, ValueDigest};

use crate::place::Head;
use crate::run::Run;

/// A run that is driven.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) run: Run,
    /// Order of acceptance.
    pub(super) number: u64,
    /// Class of each demand of the layout.
    pub(super) classes: Vec<u32>,
    /// Ready steps per class.
    pub(super) queues: BTreeMap<u32, Queue>,
    /// Ready steps for which an earlier result is looked for.
    pub(super) recalling: BTreeSet<u32>,
    /// Mean wall time per op, in microseconds, of the attempts that have ended.
    pub(super) means_us: Vec<Option<u32>>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    steps: BinaryHeap<Reverse<Turn>>,
    /// As the placement knows it.
    pub(super) head: Option<Head>,
}

/// Place of a ready step in its run: priority, then where its region stands in the plan; within a region
/// the innermost and earliest copies first, so that a chain that was begun is finished.
pub(super) type Turn = (Reverse<i32>, u32, Reverse<u32>, u32, u32, u32);

impl Active {
    pub(super) fn is_full(&self) -> bool {
        let max = self.run.layout.plan.max_concurrent;
        max.is_some_and(|max| self.run.n_running() >= max.max(1))
    }

    /// The memo of a step that has just become ready for the first time, if it may take an earlier result.
    pub(super) fn to_recall(&self, at_step: u32) -> Option<ValueDigest> {
        let step = &self.run.steps[at_step as usize];
        let first = step.status == StepStatus::Ready && step.history.is_none();
        let wanted = first && self.run.layout.step(step.template).memoize;
        wanted.then(|| self.run.memo(at_step)).flatten()
    }

    pub(super) fn enqueue(&mut self, at_step: u32) {
        let step = &self.run.steps[at_step as usize];
        if !is_ready(step.status) {
            return;
        }
        let template = &self.run.layout.templates[step.template as usize];
        let turn = (
            Reverse(self.run.layout.step(step.template).priority),
            template.anchor,
            Reverse(self.run.layout.scope_of(step.template).depth),
            step.group,
            step.template,
            at_step,
        );
        let class = self.classes[template.demand as usize];
        self.queues.entry(class).or_default().steps.push(Reverse(turn));
    }

    /// Expected time of the step at the head of a queue.
    pub(super) fn expected(&self, class: u32) -> Option<u32> {
        let Reverse(turn) = self.queues.get(&class)?.steps.peek()?;
        let op = self.run.layout.templates[turn.4 as usize].op;
        self.means_us[op as usize]
    }

    pub(super) fn next(&mut self, class: u32) -> u32 {
        let queue = self.queues.get_mut(&class).expect("the placement names queues that have a head");
        let Reverse(turn) = queue.steps.pop().expect("a queue that has a head is not empty");
        turn.5
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
    /// The first step that is still to be run; those that were cancelled meanwhile fall away.
    pub(super) fn first(&mut self, run: &Run) -> Option<Turn> {
        while let Some(Reverse(turn)) = self.steps.peek() {
            if is_ready(run.steps[turn.5 as usize].status) {
                return Some(*turn);
            }
            self.steps.pop();
        }
        None
    }
}

fn is_ready(status: StepStatus) -> bool {
    matches!(status, StepStatus::Ready | StepStatus::Retrying)
}
