//! The child's plan: what runs, what that reads, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{Known, KnownStep, Output, OutputRef, Plan, PlanStep, Role, Source, StepIdx};

use super::copies::{Copies, Made, data_steps, key};
use super::{Rerun, RerunProblem};
use crate::transient::{is_transient, keep_results};

/// Cuts the plan down and collects what is known of the rest.
pub(super) fn child(copies: &Copies<'_>, runs: &[bool]) -> Result<Rerun, Vec<RerunProblem>> {
    let mut problems = not_made(copies, runs);
    let keep = kept(copies, runs);
    let mut known = BTreeMap::new();
    let mut keys = vec![];
    let mut listed = BTreeSet::new();
    for (at, copy) in copies.all.iter().enumerate().filter(|(_, copy)| keep[copy.template]) {
        let anew = copies.producers[at].iter().find(|(_, producer)| runs[*producer]);
        match (runs[at], anew) {
            (true, None) => keys.push(copy.key.clone()),
            (true, Some(&(depth, _))) => {
                let mut path = copy.path.clone();
                path[depth..].iter_mut().for_each(|key| *key = None);
                let open = key(&copies.step(at).key, &path);
                if listed.insert(open.clone()) {
                    keys.push(open);
                }
            }
            (false, None) => {
                known.insert(copy.key.clone(), outcome(copies, at));
            }
            (false, Some(&(_, producer))) => {
                let producer = copies.all[producer].key.clone();
                problems.push(RerunProblem::KeysMadeAnew { step: copy.key.clone(), producer });
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Rerun { plan: cut(copies, runs, &keep), runs: keys, known: Known(known) })
}

fn outcome(copies: &Copies<'_>, copy: usize) -> KnownStep {
    match copies.made(copy) {
        Made::Outputs(run, outputs) => {
            // Nobody reads an output that newer code does not declare, and nobody may make it.
            let declared = &copies.step(copy).outputs;
            let there = |output: &&Output| declared.iter().any(|spec| spec.name == output.name);
            KnownStep::Reused { run, outputs: outputs.iter().filter(there).cloned().collect() }
        }
        Made::Skipped | Made::Not => KnownStep::Skipped,
    }
}

/// What is read, or waited for beside others that run, but is not there and does not run.
fn not_made(copies: &Copies<'_>, runs: &[bool]) -> Vec<RerunProblem> {
    let running = running(copies, runs);
    let mut problems = vec![];
    for (reader, data) in copies.data.iter().enumerate().filter(|(reader, _)| runs[*reader]) {
        let waited = copies.order[reader].iter().filter(|read| running[copies.all[**read].template]);
        for read in data.iter().chain(waited) {
            if runs[*read] {
                continue;
            }
            let (step, needs) = (copies.all[reader].key.clone(), copies.all[*read].key.clone());
            if copies.made(*read) == Made::Not {
                problems.push(RerunProblem::NotMade { step, needs });
            } else if copies.has_gone(reader, *read) {
                problems.push(RerunProblem::Gone { step, needs });
            }
        }
    }
    problems
}

/// Steps of which a copy runs.
fn running(copies: &Copies<'_>, runs: &[bool]) -> Vec<bool> {
    (0..copies.plan.steps.len())
        .map(|template| copies.of(step_idx(template)).any(|copy| runs[copy]))
        .collect()
}

/// Steps that run, those whose outputs they read, and those that make the mapping keys of either.
fn kept(copies: &Copies<'_>, runs: &[bool]) -> Vec<bool> {
    let running = running(copies, runs);
    let mut keep = running.clone();
    for (step, _) in copies.plan.steps.iter().zip(&running).filter(|(_, runs)| **runs) {
        data_steps(step).into_iter().for_each(|read| keep[read.index()] = true);
    }
    // Producers come first, so going backwards finds their producers too.
    for (at, step) in copies.plan.steps.iter().enumerate().rev() {
        if keep[at] {
            step.scope.iter().for_each(|element| keep[element.step.index()] = true);
        }
    }
    keep
}

fn cut(copies: &Copies<'_>, runs: &[bool], keep: &[bool]) -> Plan {
    let running = running(copies, runs);
    let mut moved = vec![None; keep.len()];
    for (new, old) in keep.iter().enumerate().filter(|(_, keep)| **keep).map(|(old, _)| old).enumerate() {
        moved[old] = Some(step_idx(new));
    }
    let steps = copies.plan.steps.iter().enumerate().filter(|(at, _)| keep[*at]);
    let steps = steps.map(|(at, step)| moved_step(step, running[at], &running, &moved)).collect();
    let mut plan = Plan { steps, ..copies.plan.clone() };
    keep_results(&mut plan.steps, is_transient(&plan.io_managers));
    plan
}

/// A step with the numbers that other steps have in the child. One that does not run reads nothing.
fn moved_step(step: &PlanStep, runs: bool, running: &[bool], moved: &[Option<StepIdx>]) -> PlanStep {
    let there = |idx: StepIdx| moved[idx.index()].expect("what a kept step names is kept");
    let mut step = step.clone();
    step.scope.iter_mut().for_each(|element| element.step = there(element.step));
    if !runs {
        step.inputs.clear();
        step.after.clear();
        step.role = Role::Op;
        return step;
    }
    let output = |output: &mut OutputRef| output.step = there(output.step);
    for input in &mut step.inputs {
        match &mut input.source {
            Source::Value(_) | Source::Values(_) => {}
            Source::Output(from) | Source::Collect(from) => output(from),
            Source::FanIn(from) => from.iter_mut().for_each(output),
        }
    }
    // Waiting for what does not run means nothing.
    step.after = step.after.iter().filter(|idx| running[idx.index()]).map(|idx| there(*idx)).collect();
    match &mut step.role {
        Role::Op | Role::SetUp { .. } | Role::Check { .. } => {}
        Role::Hook { of, .. } => *of = there(*of),
        Role::TearDown { set_up, users, .. } => {
            *set_up = there(*set_up);
            *users = users.iter().filter(|idx| running[idx.index()]).map(|idx| there(*idx)).collect();
        }
    }
    step
}

fn step_idx(at: usize) -> StepIdx {
    StepIdx(u32::try_from(at).expect("STEPS_MAX fits into 32 bits"))
}
