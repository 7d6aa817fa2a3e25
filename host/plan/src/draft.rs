//! A plan in the making: steps that refer to each other by the place where they were put, in any order. Passes
//! add steps and rewrite references; the end sorts them, each after all that it depends on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cofferdam_model::{OutputRef, PlanStep, Role, Source, StepIdx};

#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) steps: Vec<PlanStep>,
    /// By step: the step of the definitions that it stands beside in the order.
    near: Vec<usize>,
}

impl Draft {
    /// Adds a step that belongs to the step of that number in the definitions.
    pub(crate) fn push(&mut self, step: PlanStep, near: usize) -> StepIdx {
        self.steps.push(step);
        self.near.push(near);
        StepIdx(u32::try_from(self.steps.len() - 1).expect("STEPS_MAX fits into 32 bits"))
    }

    pub(crate) fn near(&self, step: StepIdx) -> usize {
        self.near[step.index()]
    }

    /// The steps in topological order, otherwise in that of the definitions. The caller has ruled out cycles.
    pub(crate) fn finish(mut self) -> Vec<PlanStep> {
        let n_steps = self.steps.len();
        let mut needed_by: Vec<Vec<u32>> = vec![vec![]; n_steps];
        let mut waits = vec![0_usize; n_steps];
        for (at, step) in self.steps.iter_mut().enumerate() {
            let at = u32::try_from(at).expect("STEPS_MAX fits into 32 bits");
            for_each_reference(step, &mut |on| {
                needed_by[on.index()].push(at);
                waits[at as usize] += 1;
            });
        }
        let key = |at: usize| Reverse((self.near[at], at));
        let mut ready: BinaryHeap<_> = (0..n_steps).filter(|at| waits[*at] == 0).map(key).collect();
        let mut n_placed: u32 = 0;
        let mut place = vec![StepIdx(0); n_steps];
        while let Some(Reverse((_, at))) = ready.pop() {
            place[at] = StepIdx(n_placed);
            n_placed += 1;
            for next in &needed_by[at] {
                let next = *next as usize;
                waits[next] -= 1;
                if waits[next] == 0 {
                    ready.push(key(next));
                }
            }
        }
        assert_eq!(n_placed as usize, n_steps, "cycles are refused before");
        for step in &mut self.steps {
            for_each_reference(step, &mut |on| *on = place[on.index()]);
            step.after.sort();
        }
        // In place: a second list of a hundred thousand steps takes as much as the first. Each swap brings one step
        // to its place for good.
        for at in 0..n_steps {
            while place[at].index() != at {
                let to = place[at].index();
                self.steps.swap(at, to);
                place.swap(at, to);
            }
        }
        self.steps
    }
}

/// Every reference of a step to another one.
pub(crate) fn for_each_reference(step: &mut PlanStep, visit: &mut dyn FnMut(&mut StepIdx)) {
    for input in &mut step.inputs {
        for_each_output(&mut input.source, &mut |output| visit(&mut output.step));
    }
    step.after.iter_mut().for_each(&mut *visit);
    step.scope.iter_mut().for_each(|output| visit(&mut output.step));
    match &mut step.role {
        Role::Hook { of, .. } => visit(of),
        Role::TearDown { set_up, users, .. } => {
            visit(set_up);
            users.iter_mut().for_each(visit);
        }
        Role::Op | Role::SetUp { .. } | Role::Check { .. } => {}
    }
}

/// Every output that a source names.
pub(crate) fn for_each_output(source: &mut Source, visit: &mut dyn FnMut(&mut OutputRef)) {
    match source {
        Source::Output(output) | Source::Collect(output) => visit(output),
        Source::FanIn(outputs) => outputs.iter_mut().for_each(visit),
        Source::Value(_) | Source::Values(_) => {}
    }
}
