//! Which copies run.

use std::collections::HashSet;

use cofferdam_model::{Role, RunStatus, StepIdx, StepKey, StepStatus};
use cofferdam_select::{Expr, GraphBuilder, STEPS, Shape};

use super::copies::{Copies, Made, is_work};
use super::{Past, RerunProblem};

/// What an expression over step keys selects.
pub(super) fn selected(copies: &Copies<'_>, expr: &Expr) -> Result<Vec<bool>, Vec<RerunProblem>> {
    let mut graph = GraphBuilder::new(&STEPS, Shape::Paths);
    graph.knows("status");
    let mut nodes = vec![];
    let mut number = vec![None; copies.len()];
    for copy in (0..copies.len()).filter(|copy| is_work(copies.step(*copy))) {
        let node = graph.node(copies.all[copy].key.as_str());
        graph.attribute(node, "status", copies.status(copy).word());
        number[copy] = Some(node);
        nodes.push(copy);
    }
    for (reader, read) in copies.level_before().iter().enumerate() {
        for (from, to) in read.iter().filter_map(|read| number[*read].zip(number[reader])) {
            graph.edge(from, to);
        }
    }
    let chosen = expr.evaluate(&graph.build());
    let chosen =
        chosen.map_err(|found| found.into_iter().map(RerunProblem::Selection).collect::<Vec<_>>())?;
    let mut runs = vec![false; copies.len()];
    chosen.into_iter().for_each(|node| runs[nodes[node]] = true);
    with_helpers(copies, &mut runs);
    Ok(runs)
}

/// What did not end well in the parent, and all that comes after it.
pub(super) fn from_failure(copies: &Copies<'_>, parent: &Past<'_>) -> Result<Vec<bool>, Vec<RerunProblem>> {
    if !matches!(parent.status, RunStatus::Failed | RunStatus::Cancelled) {
        return Err(vec![RerunProblem::NotFailed { run: parent.run, status: parent.status }]);
    }
    // What the parent was not asked to do has not failed: steps that are not in its plan, or were known to it.
    let in_plan: HashSet<&StepKey> = parent.plan.steps.iter().map(|step| &step.key).collect();
    let asked: Vec<bool> = (0..copies.len())
        .map(|copy| {
            let step = copies.step(copy);
            is_work(step)
                && in_plan.contains(&step.key)
                && !parent.known.0.contains_key(&copies.all[copy].key)
        })
        .collect();
    let mut runs: Vec<bool> =
        (0..copies.len()).map(|copy| asked[copy] && unfinished(copies, parent, copy)).collect();
    if !runs.contains(&true) {
        return Err(vec![RerunProblem::NothingToRun { run: parent.run }]);
    }
    let (data, order) = (&copies.data, &copies.order);
    // Steps come after those that they depend on, so one pass finds all that comes after. It finds something only
    // where newer code makes a step run that had succeeded: nothing succeeds after a step that has not.
    for copy in 0..copies.len() {
        let skipped = copies.made(copy) == Made::Skipped;
        let comes_after = || {
            let work = data[copy].iter().chain(&order[copy]);
            work.into_iter().any(|before| runs[*before] && is_work(copies.step(*before)))
        };
        if asked[copy] && !skipped && comes_after() {
            runs[copy] = true;
        }
    }
    // What newer code has added runs if something that runs reads it.
    for copy in (0..copies.len()).rev().filter(|copy| is_work(copies.step(*copy))) {
        if runs[copy] {
            let new = |read: &&usize| copies.made(**read) == Made::Not && is_work(copies.step(**read));
            data[copy].iter().filter(new).for_each(|read| runs[*read] = true);
        }
    }
    with_gone(copies, &mut runs);
    with_helpers(copies, &mut runs);
    Ok(runs)
}

/// What was not made before, without what gives its outputs to nothing else than to what was.
pub(super) fn not_made(copies: &Copies<'_>) -> Vec<bool> {
    let mut readers = vec![vec![]; copies.len()];
    for (reader, (data, order)) in copies.data.iter().zip(&copies.order).enumerate() {
        data.iter().chain(order).for_each(|read| readers[*read].push(reader));
    }
    let mut runs = vec![false; copies.len()];
    // Steps come after those that they read.
    for copy in (0..copies.len()).rev().filter(|copy| is_work(copies.step(*copy))) {
        let is_read = || readers[copy].iter().any(|reader| runs[*reader]);
        runs[copy] = copies.made(copy) == Made::Not && (readers[copy].is_empty() || is_read());
    }
    with_helpers(copies, &mut runs);
    runs
}

/// Adds what made values that workers kept, if something that runs reads them, and what that takes in turn. Where that
/// makes mapping keys anew, all of their copies run.
fn with_gone(copies: &Copies<'_>, runs: &mut [bool]) {
    let mut n_runs = 0;
    while n_runs < runs.iter().filter(|runs| **runs).count() {
        n_runs = runs.iter().filter(|runs| **runs).count();
        // Steps come after those that they read.
        for reader in (0..copies.len()).rev().filter(|copy| is_work(copies.step(*copy))) {
            if runs[reader] {
                for read in copies.data[reader].iter().filter(|read| copies.has_gone(reader, **read)) {
                    runs[*read] = true;
                }
            }
        }
        for copy in (0..copies.len()).filter(|copy| is_work(copies.step(*copy))) {
            if copies.producers[copy].iter().any(|(_, producer)| runs[*producer]) {
                runs[copy] = true;
            }
        }
    }
}

/// Failed, interrupted, or never started; or newer code asks for more outputs than were made.
fn unfinished(copies: &Copies<'_>, parent: &Past<'_>, copy: usize) -> bool {
    match parent.steps.get(&copies.all[copy].key).map(|step| step.status) {
        Some(StepStatus::Succeeded) => copies.made(copy) == Made::Not,
        Some(StepStatus::Skipped) => false,
        _ => true,
    }
}

/// Adds what is there for others: hooks of what runs, resources that it uses, and their ends.
fn with_helpers(copies: &Copies<'_>, runs: &mut [bool]) {
    for (reader, read) in copies.data.iter().enumerate() {
        if runs[reader] && is_work(copies.step(reader)) {
            for read in read.iter().filter(|read| matches!(copies.step(**read).role, Role::SetUp { .. })) {
                runs[*read] = true;
            }
        }
    }
    for (at, step) in (0..).map(StepIdx).zip(&copies.plan.steps) {
        let of = match &step.role {
            Role::Hook { of, .. } => *of,
            Role::TearDown { set_up, .. } => *set_up,
            Role::Op | Role::SetUp { .. } | Role::Check { .. } => continue,
        };
        for (helper, of) in copies.pairs(at, of) {
            runs[helper] |= runs[of];
        }
    }
}
