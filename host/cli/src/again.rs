//! Executing a run again: what a person asks for with `cofferdam rerun`, and what the instance does by itself when a run
//! has failed (run retries).

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_engine::{MAX_RETRIES_TAG, Run, RunRetry, rerun_tags, run_retry};
use cofferdam_model::{FailureKind, Known, Origin, Plan, PlanStep, Reexecution, RunId, RunStatus, StepKey};
use cofferdam_plan::{Past, PastStep, RerunRequest, rerun};
use cofferdam_runlog::{RunFilter, RunLog, RunSummary};
use cofferdam_scheduler::Submission;

use crate::commands::show;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;

/// Ancestors that are looked at for outputs that the parent has not made.
const ANCESTORS_MAX: usize = 100;
/// Failed runs, the newest first, among which `cofferdam resume` looks for one that is still to be run again.
const FAILED_LOOKED_AT_MAX: usize = 100;

/// A run before this one.
pub(crate) struct Before {
    pub(crate) run: Run,
    known: Known,
    steps: BTreeMap<StepKey, PastStep>,
    origin: Option<Origin>,
}

/// A run to be started, and how many steps of its plan run.
pub(crate) struct Again {
    pub(crate) submission: Submission,
    pub(crate) n_runs: usize,
}

/// The run and those that it came from, nearest first.
pub(crate) async fn chain(log: &dyn RunLog, parent: RunId) -> Result<Vec<Before>> {
    let mut chain: Vec<Before> = vec![];
    let mut next = Some(parent);
    while let Some(id) = next.filter(|_| chain.len() < ANCESTORS_MAX) {
        let run = show::load(log, id).await?;
        let known = log.known(id).await.doing(Exit::Unreachable, "read the run log")?;
        let origin = log.summary(id).await.doing(Exit::Unreachable, "read the run log")?.origin;
        let steps = run
            .steps()
            .map(|step| {
                let from = step.taken_over().map(|taken| taken.run());
                let past = PastStep { status: step.status(), from, outputs: step.outputs().to_vec() };
                (step.key().clone(), past)
            })
            .collect();
        next = origin.as_ref().map(|origin| origin.parent);
        chain.push(Before { run, known, steps, origin });
    }
    Ok(chain)
}

/// The plan of the parent with all of its steps: a run that executed only some of them again has a plan that was cut down
/// to those, in which the others could not run.
pub(crate) fn whole_plan(chain: &[Before]) -> Result<&Plan> {
    let is_whole =
        |before: &&Before| before.origin.as_ref().is_none_or(|origin| origin.how == Reexecution::AllSteps);
    let parent = &chain[0].run;
    let whole = chain.iter().find(is_whole).map(|before| before.run.plan());
    let same = |whole: &&Arc<Plan>| {
        let steps: BTreeMap<&StepKey, &PlanStep> = whole.steps.iter().map(|step| (&step.key, step)).collect();
        let of = |step: &PlanStep| (step.library, step.op.clone(), step.config.clone());
        parent.plan().steps.iter().all(|step| steps.get(&step.key).is_some_and(|other| of(other) == of(step)))
    };
    whole.filter(same).map(|plan| &**plan).ok_or_else(|| {
        let message = format!(
            "run {} has executed a part of its plan, and no run before it has all of it",
            parent.id()
        );
        Failed::invalid(message).hint("`--newest` compiles the plan again, from today's definitions")
    })
}

/// Decides what of a plan runs and what is taken over from the runs of `chain`. `retry` is the number of a run retry.
pub(crate) fn decide(
    plan: &Plan,
    chain: &[Before],
    request: &RerunRequest,
    how: Reexecution,
    retry: Option<u32>,
) -> Result<Again> {
    let past: Vec<Past<'_>> = chain
        .iter()
        .map(|before| Past {
            run: before.run.id(),
            status: before.run.status(),
            plan: before.run.plan(),
            known: &before.known,
            steps: &before.steps,
        })
        .collect();
    let decided = rerun(plan, &past, request).map_err(|problems| {
        let diagnostics = problems.iter().map(|problem| problem.diagnostic(None)).collect();
        Failed::diagnosed(cofferdam_config::Texts::default(), diagnostics)
    })?;
    let (parent, first) = (chain[0].run.id(), chain[0].origin.as_ref());
    let root = first.map_or(parent, |origin| origin.root);
    let origin = Origin { parent, root, how, automatic: retry.is_some() };
    let mut tags = decided.plan.tags.clone();
    tags.extend(rerun_tags(&origin, retry));
    let submission = Submission {
        run: RunId(uuid::Uuid::now_v7()),
        tags,
        plan: decided.plan.into(),
        // A retry that was recorded before its process died is not recorded again.
        idempotency_key: retry.map(|_| format!("cofferdam retry of {parent}")),
        origin: Some(origin),
        known: decided.known,
    };
    Ok(Again { submission, n_runs: decided.runs.len() })
}

/// The run that the instance starts because this one failed; none if it is not to, or has done so.
pub(crate) async fn retry(log: &dyn RunLog, run: &Run) -> Result<Option<(RunRetry, Submission)>> {
    let Some(retry) = due(log, run).await? else { return Ok(None) };
    let request = match retry.how {
        Reexecution::AllSteps => RerunRequest::AllSteps,
        // There is nobody to select.
        Reexecution::FromFailure | Reexecution::Selection => RerunRequest::FromFailure,
    };
    let chain = chain(log, run.id()).await?;
    let plan = match request {
        RerunRequest::AllSteps | RerunRequest::Steps(_) => whole_plan(&chain)?,
        RerunRequest::FromFailure => run.plan(),
    };
    let again = decide(plan, &chain, &request, retry.how, Some(retry.number))?;
    crate::gone::refuse(&again.submission)?;
    Ok(Some((retry, again.submission)))
}

/// Whether a run that has ended is to be executed again and has not been.
async fn due(log: &dyn RunLog, run: &Run) -> Result<Option<RunRetry>> {
    if run.status() != RunStatus::Failed || !children(log, run.id()).await?.is_empty() {
        return Ok(None);
    }
    let summary = log.summary(run.id()).await.doing(Exit::Unreachable, "read the run log")?;
    let root = summary.origin.as_ref().map_or(run.id(), |origin| origin.root);
    let group = RunFilter { root: Some(root), ..RunFilter::default() };
    let group = log.runs(group).await.doing(Exit::Unreachable, "read the run log")?;
    let n_group = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let failures: Vec<FailureKind> = run.failures().map(|(_, failure)| failure.kind).collect();
    Ok(run_retry(run.plan().run_retry, &summary.tags, n_group, run.status(), &failures))
}

/// Runs that failed and are still to be executed again, because the process that drove them was gone before.
pub(crate) async fn all_due(log: &dyn RunLog) -> Result<Vec<RunId>> {
    let filter = RunFilter {
        status: Some(RunStatus::Failed),
        limit: Some(FAILED_LOOKED_AT_MAX),
        ..RunFilter::default()
    };
    let mut found = vec![];
    for summary in log.runs(filter).await.doing(Exit::Unreachable, "read the run log")? {
        let plan = log.plan(summary.run).await.doing(Exit::Unreachable, "read the run log")?;
        let declared = Plan::decode(&plan).is_ok_and(|plan| plan.run_retry.is_some());
        if (declared || summary.tags.contains_key(MAX_RETRIES_TAG))
            && due(log, &show::load(log, summary.run).await?).await?.is_some()
        {
            found.push(summary.run);
        }
    }
    Ok(found)
}

/// Re-executions of a run, newest first.
pub(crate) async fn children(log: &dyn RunLog, run: RunId) -> Result<Vec<RunSummary>> {
    let filter = RunFilter { parent: Some(run), ..RunFilter::default() };
    log.runs(filter).await.doing(Exit::Unreachable, "read the run log")
}
