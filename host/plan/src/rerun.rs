//! Executing a run again: which steps run, and what is known of the others (SEMANTICS.md, sections 2.2 and 13).
//!
//! In come a plan (the parent's, or one of newer code), what became of the steps of the parent and of its
//! ancestors, and a request; out comes the child's plan, cut down to what runs and what that reads, with the
//! outcomes of all that does not run. Copies of mapped steps are judged one by one. Who runs it, and where
//! outcomes are read from, is left to others.

mod copies;
mod decide;
mod prune;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, Known, Output, Plan, RunId, RunStatus, Span, StepKey, StepStatus};
use cofferdam_select::Expr;

use copies::Copies;

/// What became of a run.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    pub run: RunId,
    pub status: RunStatus,
    /// Its plan: a step that is not in it was not asked of it.
    pub plan: &'a Plan,
    /// What it had taken over itself.
    pub known: &'a Known,
    /// What its events say of each step, by step key with mapping keys. A missing one has never started.
    pub steps: &'a BTreeMap<StepKey, PastStep>,
}

/// What became of one step.
#[derive(Debug, Clone)]
pub struct PastStep {
    pub status: StepStatus,
    /// The run that made its outputs, if another one did.
    pub from: Option<RunId>,
    /// If it succeeded.
    pub outputs: Vec<Output>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Request {
    /// Everything, as if nothing had run.
    AllSteps,
    /// Exactly these, over the step keys of the plan with their mapping keys.
    Steps(Expr),
    /// What failed, was interrupted or never started, and all that comes after it. Not what was skipped.
    FromFailure,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    /// What runs, and the steps that it reads.
    pub plan: Plan,
    /// Keys of what runs, in the order of the plan; `[?]` where mapping keys are made anew.
    pub runs: Vec<StepKey>,
    /// Outcomes of the steps of the plan that do not run.
    pub known: Known,
}

/// Why a run cannot be executed again as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RerunProblem {
    #[error("there is no run to start again from")]
    NoParent,
    #[error("run {run} has {}, so there is no failure to start again from", status_phrase(*status))]
    NotFailed { run: RunId, status: RunStatus },
    #[error("no step of run {run} has failed, was interrupted or never started")]
    NothingToRun { run: RunId },
    #[error("{0}")]
    Selection(cofferdam_select::Problem),
    #[error("`{step}` needs `{needs}`, which no run before this one has made")]
    NotMade { step: StepKey, needs: StepKey },
    #[error("`{step}` needs `{needs}`, whose outputs workers kept until their run had ended")]
    Gone { step: StepKey, needs: StepKey },
    #[error(
        "`{step}` belongs to mapping keys that `{producer}` makes anew, so what it made before cannot be taken over"
    )]
    KeysMadeAnew { step: StepKey, producer: StepKey },
}

/// Decides what runs. `past` holds the parent and then its ancestors, the nearest first; of a step that does not
/// run, the outputs of the first run in it that made them are taken over. Fails with all that is wrong.
pub fn rerun(plan: &Plan, past: &[Past<'_>], request: &Request) -> Result<Rerun, Vec<RerunProblem>> {
    let Some(parent) = past.first() else {
        return Err(vec![RerunProblem::NoParent]);
    };
    let copies = Copies::new(plan, past);
    let runs = match request {
        Request::AllSteps => vec![true; copies.len()],
        Request::Steps(expr) => decide::selected(&copies, expr)?,
        Request::FromFailure => decide::from_failure(&copies, parent)?,
    };
    prune::child(&copies, &runs)
}

/// The plan without the steps of which `made` says what they gave, and without what only those read. Fails with the keys
/// in `made` that no step has.
pub(crate) fn without(
    plan: &Plan,
    made: &BTreeMap<StepKey, PastStep>,
    run: RunId,
) -> Result<Rerun, Vec<StepKey>> {
    let known = Known::default();
    let past = [Past { run, status: RunStatus::Failed, plan, known: &known, steps: made }];
    let copies = Copies::new(plan, &past);
    let absent: Vec<_> =
        made.keys().filter(|key| !copies.all.iter().any(|copy| copy.key == **key)).cloned().collect();
    if !absent.is_empty() {
        return Err(absent);
    }
    let runs = decide::not_made(&copies);
    Ok(prune::child(&copies, &runs).expect("what runs reads what runs or was made"))
}

impl RerunProblem {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            RerunProblem::NoParent => None,
            RerunProblem::NotFailed { status, .. } if status.is_terminal() => {
                Some("execute all steps again, or select some".to_owned())
            }
            RerunProblem::NotFailed { .. } => Some("wait until it has ended, or cancel it".to_owned()),
            RerunProblem::NothingToRun { .. } => Some("execute all steps again, or select some".to_owned()),
            RerunProblem::Selection(problem) => problem.hint(),
            RerunProblem::NotMade { step, needs } | RerunProblem::Gone { step, needs } => {
                Some(format!("select `{needs}` too, or `*{step}` for all that comes before"))
            }
            RerunProblem::KeysMadeAnew { step, producer } => {
                let all = step.as_str().split('[').next().unwrap_or(step.as_str());
                Some(format!("select `{all}` whole, or leave `{producer}` out"))
            }
        }
    }

    /// For those who render. `span` is where the selection was written, if that is what is wrong.
    pub fn diagnostic(&self, span: Option<&Span>) -> Diagnostic {
        let code = match self {
            RerunProblem::Selection(problem) => return problem.diagnostic(span),
            RerunProblem::NoParent => "rerun::no-parent",
            RerunProblem::NotFailed { .. } => "rerun::not-failed",
            RerunProblem::NothingToRun { .. } => "rerun::nothing-to-run",
            RerunProblem::NotMade { .. } => "rerun::not-made",
            RerunProblem::Gone { .. } => "rerun::gone",
            RerunProblem::KeysMadeAnew { .. } => "rerun::keys-made-anew",
        };
        let found = Diagnostic::error(code, self.to_string());
        match self.hint() {
            Some(hint) => found.hint(hint),
            None => found,
        }
    }
}

fn status_phrase(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "been cancelled",
        RunStatus::Queued | RunStatus::Running | RunStatus::Cancelling => "not ended",
    }
}
