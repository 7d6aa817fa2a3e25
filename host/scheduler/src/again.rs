//! Executing a run again: what a person asks for, and what the instance does by itself when a run has failed (run
//! retries). What is decided follows from the run log alone, so it is decided again after a crash and comes out the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_engine::{
    DagsterEvent, DagsterTeller, Layout, MAX_RETRIES_TAG, Run, RunRetry, rerun_tags, run_retry,
};
use cofferdam_model::{
    Diagnostic, FailureKind, Known, Origin, Plan, PlanStep, Reexecution, RunId, RunStatus, StepKey,
};
use cofferdam_plan::{Past, PastStep, RerunRequest, rerun};
use cofferdam_runlog::{RunFilter, RunLog, RunSummary};

use crate::handle::{Error, Scheduler, Submission};

/// Ancestors that are looked at for outputs that the parent has not made.
const ANCESTORS_MAX: usize = 100;
/// Failed runs, the newest first, among which those are looked for that are still to be executed again.
const FAILED_LOOKED_AT_MAX: usize = 100;

/// Why a run is not executed again.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    #[error(transparent)]
    Scheduler(#[from] Error),
    #[error("run {0} has executed a part of its plan, and no run before it has all of it")]
    Partial(RunId),
    #[error("{}", .0.first().map_or("nothing says why", |first| &first.message))]
    Refused(Vec<Diagnostic>),
}

impl From<cofferdam_runlog::Error> for AgainError {
    fn from(error: cofferdam_runlog::Error) -> AgainError {
        AgainError::Scheduler(error.into())
    }
}

/// A run before this one.
#[derive(Debug)]
pub struct Before {
    pub run: Run,
    known: Known,
    steps: BTreeMap<StepKey, PastStep>,
    origin: Option<Origin>,
}

/// A run to be started, and how many steps of its plan run.
#[derive(Debug)]
pub struct Again {
    pub submission: Submission,
    pub n_runs: usize,
}

/// The state of a run, from its log.
pub async fn load(log: &dyn RunLog, run: RunId) -> Result<Run, Error> {
    let plan = Plan::decode(&log.plan(run).await?).map_err(|source| Error::Plan { run, source })?;
    let layout = Layout::new(plan.into())?;
    let events = log.history(run, 1).await?;
    Run::fold(run, layout, &events).map_err(|source| Error::History { run, source })
}

/// The history of a run as Dagster's event log would tell it.
pub async fn dagster_events(log: &dyn RunLog, run: RunId) -> Result<Vec<DagsterEvent>, Error> {
    let mut teller = teller(log, run).await?;
    let events = log.history(run, 1).await?;
    teller.tell(&events).map_err(|source| Error::History { run, source })
}

/// Tells a run from its beginning, once it is given its events.
pub async fn teller(log: &dyn RunLog, run: RunId) -> Result<DagsterTeller, Error> {
    let plan = Plan::decode(&log.plan(run).await?).map_err(|source| Error::Plan { run, source })?;
    Ok(DagsterTeller::new(run, Layout::new(plan.into())?))
}

/// The run and those that it came from, nearest first.
pub async fn chain(log: &dyn RunLog, parent: RunId) -> Result<Vec<Before>, Error> {
    let mut chain: Vec<Before> = vec![];
    let mut next = Some(parent);
    while let Some(id) = next.filter(|_| chain.len() < ANCESTORS_MAX) {
        let run = load(log, id).await?;
        let known = log.known(id).await?;
        let origin = log.summary(id).await?.origin;
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
pub fn whole_plan(chain: &[Before]) -> Result<&Plan, AgainError> {
    let is_whole =
        |before: &&Before| before.origin.as_ref().is_none_or(|origin| origin.how == Reexecution::AllSteps);
    let parent = &chain[0].run;
    let whole = chain.iter().find(is_whole).map(|before| before.run.plan());
    let same = |whole: &&Arc<Plan>| {
        let steps: BTreeMap<&StepKey, &PlanStep> = whole.steps.iter().map(|step| (&step.key, step)).collect();
        let of = |step: &PlanStep| (step.library, step.op.clone(), step.config.clone());
        parent.plan().steps.iter().all(|step| steps.get(&step.key).is_some_and(|other| of(other) == of(step)))
    };
    whole.filter(same).map(|plan| &**plan).ok_or_else(|| AgainError::Partial(parent.id()))
}

/// Decides what of a plan runs and what is taken over from the runs of `chain`. `retry` is the number of a run retry.
pub fn decide(
    plan: &Plan,
    chain: &[Before],
    request: &RerunRequest,
    how: Reexecution,
    retry: Option<u32>,
) -> Result<Again, AgainError> {
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
        AgainError::Refused(problems.iter().map(|problem| problem.diagnostic(None)).collect())
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
pub async fn retry(log: &dyn RunLog, run: &Run) -> Result<Option<(RunRetry, Submission)>, AgainError> {
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
    Ok(Some((retry, again.submission)))
}

/// Whether a run that has ended is to be executed again and has not been.
async fn due(log: &dyn RunLog, run: &Run) -> Result<Option<RunRetry>, Error> {
    if run.status() != RunStatus::Failed || !children(log, run.id()).await?.is_empty() {
        return Ok(None);
    }
    let summary = log.summary(run.id()).await?;
    let root = summary.origin.as_ref().map_or(run.id(), |origin| origin.root);
    let group = RunFilter { root: Some(root), ..RunFilter::default() };
    let group = log.runs(group).await?;
    let n_group = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let failures: Vec<FailureKind> = run.failures().map(|(_, failure)| failure.kind).collect();
    Ok(run_retry(run.plan().run_retry, &summary.tags, n_group, run.status(), &failures))
}

/// Runs that failed and are still to be executed again, because the process that drove them was gone before.
pub async fn all_due(log: &dyn RunLog) -> Result<Vec<RunId>, Error> {
    let filter = RunFilter {
        status: Some(RunStatus::Failed),
        limit: Some(FAILED_LOOKED_AT_MAX),
        ..RunFilter::default()
    };
    let mut found = vec![];
    for summary in log.runs(filter).await? {
        let plan = log.plan(summary.run).await?;
        let declared = Plan::decode(&plan).is_ok_and(|plan| plan.run_retry.is_some());
        if (declared || summary.tags.contains_key(MAX_RETRIES_TAG))
            && due(log, &load(log, summary.run).await?).await?.is_some()
        {
            found.push(summary.run);
        }
    }
    Ok(found)
}

/// Re-executions of a run, newest first.
pub async fn children(log: &dyn RunLog, run: RunId) -> Result<Vec<RunSummary>, Error> {
    let filter = RunFilter { parent: Some(run), ..RunFilter::default() };
    Ok(log.runs(filter).await?)
}

impl Scheduler {
    /// The run that executes a failed run again because its tags or its job want it; started now if it has not been.
    /// None if the run did not fail or is not to be retried. However often and from wherever this is asked, there is one.
    pub async fn retry(&self, run: RunId) -> Result<Option<RunId>, AgainError> {
        if self.log.summary(run).await?.status != RunStatus::Failed {
            return Ok(None);
        }
        let children = children(&*self.log, run).await?;
        let automatic = |run: &&RunSummary| run.origin.as_ref().is_some_and(|origin| origin.automatic);
        if let Some(known) = children.iter().find(automatic) {
            return Ok(Some(known.run));
        }
        let ended = load(&*self.log, run).await?;
        match retry(&*self.log, &ended).await? {
            Some((_, submission)) => Ok(Some(self.submit(submission).await?)),
            None => Ok(None),
        }
    }
}
