//! What is done, not asked.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use cofferdam_model::{Known, NOTE_BYTES_MAX, Review, RunId, RunLimits, StepKey, WorkerId};
use cofferdam_runlog::Error as LogError;
use cofferdam_scheduler::{Error as SchedulerError, Submission};
use cofferdam_server::Deed;
use serde_json::json;

use super::Instance;
use super::errors::{TerminateRunFailure, UnexpectedError, diagnostics, no_run, refused};
use super::launch::{
    DrainWorkerResult, DrainWorkerSuccess, LaunchRequest, LaunchRunResult, LaunchRunSuccess,
    ReexecutionStrategy, ReviewStepResult, ReviewStepSuccess, TerminateRunResult, TerminateRunSuccess,
};
use super::query::{WorkspaceOrError, known_run};
use super::run::Run;
use super::visitor::{NotSubmitted, does, may, submits, who};
use super::workspace::Workspace;
use crate::workspace::{Again, Launch, Planned, Problem};

/// Runs that one request may cancel.
const TERMINATED_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct RunMutation;

#[Object]
impl RunMutation {
    async fn launch_run(&self, ctx: &Context<'_>, request: LaunchRequest) -> LaunchRunResult {
        let instance = ctx.data_unchecked::<Instance>();
        // Before anything is built or read for it.
        if let Err(refused) = may(ctx, Deed::SubmitRun) {
            return LaunchRunResult::Unauthorized(refused);
        }
        let launch = Launch::from(request);
        let Planned { mut plan, warnings } = match instance.parts.workspace.prepare(&launch).await {
            Ok(planned) => planned,
            Err(why) => return refused(why),
        };
        plan.tags.extend(launch.tags);
        if let Err(tag) = RunLimits::of(&plan.tags) {
            let message = format!("tag `{tag}` of the run is `{}`: write whole seconds", plan.tags[tag]);
            return LaunchRunResult::Unexpected(UnexpectedError { message, causes: vec![] });
        }
        let submission = Submission {
            run: RunId(uuid::Uuid::now_v7()),
            tags: plan.tags.clone(),
            plan: Arc::new(plan),
            idempotency_key: None,
            origin: None,
            known: Known::default(),
        };
        submit(ctx, submission, warnings).await
    }

    /// Of a run that has ended: what it made and what is not run again is taken over.
    async fn launch_run_reexecution(
        &self,
        ctx: &Context<'_>,
        parent_run_id: ID,
        strategy: ReexecutionStrategy,
        #[graphql(default)] step_selection: Vec<String>,
    ) -> LaunchRunResult {
        let instance = ctx.data_unchecked::<Instance>();
        if let Err(refused) = may(ctx, Deed::SubmitRun) {
            return LaunchRunResult::Unauthorized(refused);
        }
        let Some(parent) = known_run(&parent_run_id) else {
            return LaunchRunResult::NoRun(no_run(&parent_run_id));
        };
        let what = match strategy {
            ReexecutionStrategy::AllSteps => Again::AllSteps,
            ReexecutionStrategy::FromFailure => Again::FromFailure,
            ReexecutionStrategy::Selection => Again::Steps(step_selection),
        };
        match instance.parts.workspace.again(parent, &what).await {
            Ok(submission) => submit(ctx, submission, vec![]).await,
            Err(why) => refused(why),
        }
    }

    async fn terminate_run(&self, ctx: &Context<'_>, run_id: ID) -> TerminateRunResult {
        terminate(ctx, &run_id).await
    }

    /// Of more than a thousand, the first thousand.
    async fn terminate_runs(&self, ctx: &Context<'_>, run_ids: Vec<ID>) -> Vec<TerminateRunResult> {
        let mut asked = vec![];
        for run in run_ids.iter().take(TERMINATED_MAX) {
            asked.push(terminate(ctx, run).await);
        }
        asked
    }

    /// Lets a step run that waits to be approved, or fails it.
    async fn review_step(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        step_key: String,
        approved: bool,
        note: Option<String>,
    ) -> ReviewStepResult {
        let instance = ctx.data_unchecked::<Instance>();
        let Some(run) = known_run(&run_id) else { return ReviewStepResult::NoRun(no_run(&run_id)) };
        let failed = |message: String| ReviewStepResult::Failed(UnexpectedError { message, causes: vec![] });
        if note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return failed(format!("a note has at most {NOTE_BYTES_MAX} bytes"));
        }
        let about = json!({ "run": run, "step": step_key, "approved": approved });
        if let Err(refused) = does(ctx, Deed::ReviewStep, about).await {
            return ReviewStepResult::Unauthorized(refused);
        }
        let review = Review { approved, by: who(ctx), note };
        let reviewed = instance.parts.scheduler.review(run, StepKey::new(&step_key), review).await;
        match (instance.parts.log.summary(run).await, reviewed) {
            (Ok(summary), Ok(())) => ReviewStepResult::Reviewed(ReviewStepSuccess { run: Run::of(summary) }),
            (Ok(summary), Err(SchedulerError::NotDriven(_))) => {
                failed(format!("run {run} has ended: it {}", summary.status))
            }
            (Err(LogError::UnknownRun(_)), _) => ReviewStepResult::NoRun(no_run(&run_id)),
            (Ok(_), Err(error)) => failed(error.to_string()),
            (Err(error), _) => failed(error.to_string()),
        }
    }

    /// It gets nothing more, and ends what it has.
    async fn drain_worker(&self, ctx: &Context<'_>, worker: ID) -> DrainWorkerResult {
        let scheduler = &ctx.data_unchecked::<Instance>().parts.scheduler;
        let failed = |message: String| DrainWorkerResult::Failed(UnexpectedError { message, causes: vec![] });
        let Ok(id) = worker.parse().map(WorkerId) else {
            return failed(format!("`{}` is no worker", *worker));
        };
        if let Err(refused) = does(ctx, Deed::DrainWorker, json!({ "worker": id })).await {
            return DrainWorkerResult::Unauthorized(refused);
        }
        match scheduler.drain_worker(id).await {
            Ok(()) => DrainWorkerResult::Drained(DrainWorkerSuccess { worker: worker.to_string() }),
            Err(error) => DrainWorkerResult::Failed(UnexpectedError::of("drain the worker", &error)),
        }
    }

    /// Reads all definitions again.
    async fn reload_workspace(&self, ctx: &Context<'_>) -> WorkspaceOrError {
        if let Err(refused) = does(ctx, Deed::ReloadDefinitions, json!({})).await {
            return WorkspaceOrError::Unauthorized(refused);
        }
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        WorkspaceOrError::Workspace(Workspace::of(workspace.reload().await))
    }
}

async fn submit(ctx: &Context<'_>, submission: Submission, warnings: Vec<Problem>) -> LaunchRunResult {
    let parts = &ctx.data_unchecked::<Instance>().parts;
    match submits(ctx, &submission).await {
        Ok(()) => {}
        Err(NotSubmitted::Unauthorized(refused)) => return LaunchRunResult::Unauthorized(refused),
        Err(NotSubmitted::Unexpected(error)) => return LaunchRunResult::Unexpected(error),
    }
    let unservable = parts.workspace.unservable(&submission.plan);
    let accepted = match parts.scheduler.submit(submission).await {
        Ok(run) => run,
        Err(error) => return LaunchRunResult::Unexpected(UnexpectedError::of("submit the run", &error)),
    };
    parts.retries.take_care(accepted);
    match parts.log.summary(accepted).await {
        Ok(summary) => LaunchRunResult::Launched(LaunchRunSuccess {
            run: Run::of(summary),
            warnings: diagnostics(warnings),
            unservable,
        }),
        Err(error) => LaunchRunResult::Unexpected(UnexpectedError::of("read the run log", &error)),
    }
}

async fn terminate(ctx: &Context<'_>, id: &ID) -> TerminateRunResult {
    let instance = ctx.data_unchecked::<Instance>();
    let Some(run) = known_run(id) else { return TerminateRunResult::NoRun(no_run(id)) };
    if let Err(refused) = does(ctx, Deed::CancelRun, json!({ "run": run })).await {
        return TerminateRunResult::Unauthorized(refused);
    }
    let failed = |message: String| TerminateRunResult::Failed(TerminateRunFailure { message });
    let asked = instance.parts.scheduler.cancel(run).await;
    match (instance.parts.log.summary(run).await, asked) {
        (Ok(summary), Ok(())) => TerminateRunResult::Asked(TerminateRunSuccess { run: Run::of(summary) }),
        (Ok(summary), Err(SchedulerError::NotDriven(_))) => {
            failed(format!("run {run} has ended: it {}", summary.status))
        }
        (Err(LogError::UnknownRun(_)), _) => TerminateRunResult::NoRun(no_run(id)),
        (Ok(_), Err(error)) => failed(error.to_string()),
        (Err(error), _) => failed(error.to_string()),
    }
}
