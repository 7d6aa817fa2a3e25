//! Questions.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject, Union};
use cofferdam_engine::Run as Folded;
use cofferdam_model::{LogLevel as Level, Name, RunId, StepKey};
use cofferdam_runlog::{Error as LogError, LogFilter, RunFilter, RunSummary};
use cofferdam_scheduler::{Error as SchedulerError, again};

use super::Instance;
use super::convert::{LogLevel, RunStatus, page_size, seconds};
use super::errors::{
    PipelineNotFoundError, RunNotFoundError, UnauthorizedError, UnexpectedError, diagnostics, no_run, refused,
};
use super::events::{CapturedLogs, EventConnection, PAGE_MAX, RunEvent};
use super::instigators::DaemonHealth;
use super::launch::{
    ConfigValidationResult, LaunchRequest, RunConfigSchema, RunConfigSchemaOrError, ScaffoldHow,
    ScaffoldResult, TagInput, planned_steps,
};
use super::run::Run;
use super::visitor::Visitor;
use super::worker::{Queue, Worker};
use super::workspace::{Job, Workspace};
use crate::values::{self, Shown};
use crate::workspace::{JobName, Launch, Planned};

/// Runs of one answer.
const RUNS_MAX: usize = 500;
const RUNS_DEFAULT: usize = 50;
/// Rows that are looked at for one answer with a filter that the log itself does not know.
const RUNS_LOOKED_AT_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct RunQuery;

#[derive(Union)]
pub(crate) enum WorkspaceOrError {
    Workspace(Workspace),
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

#[derive(Union)]
pub(crate) enum JobOrError {
    Job(Job),
    NoPipeline(PipelineNotFoundError),
}

#[derive(Union)]
pub(crate) enum RunsOrError {
    Runs(Runs),
    Unexpected(UnexpectedError),
}

/// `cursor` is for the next page; null at the end.
#[derive(SimpleObject)]
pub(crate) struct Runs {
    results: Vec<Run>,
    cursor: Option<String>,
}

#[derive(Union)]
pub(crate) enum RunOrError {
    Run(Run),
    NoRun(RunNotFoundError),
    Unexpected(UnexpectedError),
}

#[derive(Union)]
pub(crate) enum EventConnectionOrError {
    Events(EventConnection),
    NoRun(RunNotFoundError),
    Unexpected(UnexpectedError),
}

/// All that is given must hold; of the statuses, one; of tags with the same key as well, all.
#[derive(InputObject, Default)]
pub(crate) struct RunsFilter {
    run_ids: Option<Vec<ID>>,
    pipeline_name: Option<String>,
    statuses: Option<Vec<RunStatus>>,
    tags: Option<Vec<TagInput>>,
    root_run_id: Option<ID>,
    created_before: Option<f64>,
    created_after: Option<f64>,
}

#[derive(SimpleObject)]
pub(crate) struct InstanceFacts {
    name: String,
    version: &'static str,
    state_dir: String,
    started_at: f64,
    /// Who asks; null where the pages take no token.
    visitor: Option<Visitor>,
    daemon_health: DaemonHealth,
}

#[derive(SimpleObject)]
pub(crate) struct WhyWaiting {
    step_key: String,
    /// One word, such as `pool` or `no_worker_fits`.
    reason: String,
    text: String,
}

/// `kind` is json, text, image or bytes; what is not shown can be had at `url`.
#[derive(SimpleObject)]
pub(crate) struct ValuePreview {
    kind: &'static str,
    media_type: String,
    size_bytes: f64,
    digest: String,
    url: String,
    text: Option<String>,
    json: Option<Json<serde_json::Value>>,
    /// Why it cannot be shown.
    error: Option<String>,
}

#[Object]
#[expect(clippy::too_many_arguments, reason = "each argument of a field is one of its function")]
impl RunQuery {
    async fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    async fn instance(&self, ctx: &Context<'_>) -> InstanceFacts {
        let instance = ctx.data_unchecked::<Instance>();
        InstanceFacts {
            name: instance.parts.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            state_dir: instance.parts.state_dir.clone(),
            started_at: seconds(instance.started_at),
            visitor: Visitor::of(ctx),
            daemon_health: DaemonHealth::of(&instance.parts.daemon),
        }
    }

    async fn workspace_or_error(&self, ctx: &Context<'_>) -> WorkspaceOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        WorkspaceOrError::Workspace(Workspace::of(workspace.locations()))
    }

    async fn job_or_error(&self, ctx: &Context<'_>, name: String, location: Option<String>) -> JobOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        for found in workspace.locations() {
            if location.as_ref().is_some_and(|location| *location != found.name) {
                continue;
            }
            if let Some(job) = found.jobs.into_iter().find(|job| job.name.as_str() == name) {
                return JobOrError::Job(Job::of(job, &found.name));
            }
        }
        JobOrError::NoPipeline(PipelineNotFoundError::of(&name))
    }

    /// The newest first.
    async fn runs_or_error(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] filter: RunsFilter,
        cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<RunsOrError> {
        let limit = page_size(limit, RUNS_DEFAULT, RUNS_MAX)?;
        let before = cursor.map(|text| text.parse().map_err(|_| no_cursor(&text))).transpose()?;
        filter.check()?;
        Ok(match page(ctx.data_unchecked(), &filter, before, limit).await {
            Ok((found, cursor)) => {
                RunsOrError::Runs(Runs { results: found.into_iter().map(Run::of).collect(), cursor })
            }
            Err(error) => RunsOrError::Unexpected(UnexpectedError::of("read the run log", &error)),
        })
    }

    /// By its id or a unique start of it.
    async fn run_or_error(&self, ctx: &Context<'_>, run_id: ID) -> RunOrError {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let Ok(run) = log.find(&run_id).await else { return RunOrError::NoRun(no_run(&run_id)) };
        match log.summary(run).await {
            Ok(summary) => RunOrError::Run(Run::of(summary)),
            Err(LogError::UnknownRun(_)) => RunOrError::NoRun(no_run(&run_id)),
            Err(error) => RunOrError::Unexpected(UnexpectedError::of("read the run log", &error)),
        }
    }

    /// Events after the cursor; from the first one without it.
    async fn logs_for_run(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        after_cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<EventConnectionOrError> {
        let instance = ctx.data_unchecked::<Instance>();
        let limit = page_size(limit, PAGE_MAX, PAGE_MAX)?;
        let after = usize::try_from(position(after_cursor.as_deref())?)?;
        let Some(run) = known_run(&run_id) else { return Ok(EventConnectionOrError::NoRun(no_run(&run_id))) };
        Ok(match events_after(instance, run, after, limit).await {
            Ok(events) => EventConnectionOrError::Events(events),
            Err(SchedulerError::Log(LogError::UnknownRun(_))) => {
                EventConnectionOrError::NoRun(no_run(&run_id))
            }
            Err(error) => EventConnectionOrError::Unexpected(UnexpectedError::of("read the run", &error)),
        })
    }

    /// Lines of a run's steps, of one of them, or of one attempt.
    async fn captured_logs(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        step_key: Option<String>,
        attempt: Option<u32>,
        level: Option<LogLevel>,
        after_cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<CapturedLogs> {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let run = known_run(&run_id).ok_or_else(|| format!("there is no run `{}`", *run_id))?;
        let from = position(after_cursor.as_deref())?;
        let limit = page_size(limit, PAGE_MAX, PAGE_MAX)?;
        let level: Option<Level> = level.map(LogLevel::ours);
        let filter = LogFilter { step: step_key.map(|key| StepKey::new(&key)), attempt, level };
        Ok(CapturedLogs::page(log.logs(run, filter, from, limit).await?, from, limit))
    }

    /// What is wrong with a run config, and what would run.
    async fn is_pipeline_config_valid(
        &self,
        ctx: &Context<'_>,
        request: LaunchRequest,
    ) -> ConfigValidationResult {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        match workspace.plan(&Launch::from(request)).await {
            Ok(Planned { plan, warnings }) => ConfigValidationResult {
                is_valid: true,
                diagnostics: diagnostics(warnings),
                error: None,
                steps: planned_steps(&plan),
                unservable: workspace.unservable(&plan),
            },
            Err(why) => refused(why),
        }
    }

    /// JSON Schema of a job's run config, as editors want it.
    async fn run_config_schema_or_error(
        &self,
        ctx: &Context<'_>,
        job: String,
        location: Option<String>,
        environment: Option<String>,
    ) -> RunConfigSchemaOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        match workspace.config_schema(&JobName { job, location }, environment.as_deref()).await {
            Ok(schema) => RunConfigSchemaOrError::Schema(RunConfigSchema { schema: Json(schema) }),
            Err(why) => refused(why),
        }
    }

    /// A run config to go on from.
    async fn scaffold_run_config(
        &self,
        ctx: &Context<'_>,
        request: LaunchRequest,
        how: ScaffoldHow,
    ) -> ScaffoldResult {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        match workspace.scaffold(&Launch::from(request), how.into()).await {
            Ok((yaml, removed)) => {
                ScaffoldResult { yaml: Some(yaml), removed, diagnostics: vec![], error: None }
            }
            Err(why) => refused(why),
        }
    }

    async fn workers(&self, ctx: &Context<'_>) -> Result<Vec<Worker>> {
        let scheduler = &ctx.data_unchecked::<Instance>().parts.scheduler;
        Ok(scheduler.roster().await?.into_iter().map(Worker::from).collect())
    }

    async fn queue(&self, ctx: &Context<'_>) -> Result<Queue> {
        let scheduler = &ctx.data_unchecked::<Instance>().parts.scheduler;
        Ok((scheduler.census().await?, scheduler.queues().await?).into())
    }

    /// Why a step does not run now; of a whole run, the first ones that could.
    async fn why_waiting(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        step_key: Option<String>,
    ) -> Result<Vec<WhyWaiting>> {
        let scheduler = &ctx.data_unchecked::<Instance>().parts.scheduler;
        let run = known_run(&run_id).ok_or_else(|| format!("there is no run `{}`", *run_id))?;
        let reasons = scheduler.why(run, step_key.map(|key| StepKey::new(&key))).await?;
        let told = reasons.steps.into_iter().map(|(step, why)| WhyWaiting {
            step_key: step.to_string(),
            reason: word(&serde_json::to_value(&why).unwrap_or_default()),
            text: why.to_string(),
        });
        Ok(told.collect())
    }

    /// What a step has made; by mapping key if the output is dynamic.
    async fn value_preview(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        step_key: String,
        output: String,
        mapping_key: Option<String>,
    ) -> Result<Option<ValuePreview>> {
        let parts = &ctx.data_unchecked::<Instance>().parts;
        let Some(run) = known_run(&run_id) else { return Ok(None) };
        let folded: Folded = again::load(&*parts.log, run).await?;
        let key = mapping_key.as_deref();
        let Some(made) = values::find(&folded, &step_key, &output, key) else { return Ok(None) };
        let (kind, json, text, error) = match values::show(&made.value, &parts.stores).await {
            Ok(Shown::Json(json)) => ("json", Some(Json(json)), None, None),
            Ok(Shown::Text(text)) => ("text", None, Some(text), None),
            Ok(Shown::Image) => ("image", None, None, None),
            Ok(Shown::Bytes) => ("bytes", None, None, None),
            Err(error) => ("bytes", None, None, Some(error)),
        };
        Ok(Some(ValuePreview {
            kind,
            media_type: made.value.media_type.clone(),
            size_bytes: made.value.size as f64,
            digest: made.value.digest.to_string(),
            url: values::url(run, &step_key, &output, key),
            text,
            json,
            error,
        }))
    }
}

/// The word of a tagged value.
fn word(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(word) => word.clone(),
        serde_json::Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

pub(crate) fn known_run(id: &ID) -> Option<RunId> {
    id.parse().ok()
}

/// A place in what is kept; the beginning without a cursor.
pub(crate) fn position(cursor: Option<&str>) -> Result<u64, String> {
    cursor.map_or(Ok(0), |text| text.parse().map_err(|_| no_cursor(text)))
}

fn no_cursor(text: &str) -> String {
    format!("`{text}` is no cursor of ours")
}

/// Runs that pass the filter, and where the next page begins.
async fn page(
    instance: &Instance,
    filter: &RunsFilter,
    mut before: Option<RunId>,
    limit: usize,
) -> Result<(Vec<RunSummary>, Option<String>), LogError> {
    let job = filter.pipeline_name.as_deref().map(Name::new);
    let Ok(job) = job.transpose() else { return Ok((vec![], None)) };
    let root = filter.root_run_id.as_ref().map(known_run);
    let Ok(root) = root.map(|root| root.ok_or(())).transpose() else { return Ok((vec![], None)) };
    let status = match filter.statuses.as_deref() {
        Some([only]) => Some(only.ours()),
        _ => None,
    };
    let (mut found, mut n_seen) = (vec![], 0);
    loop {
        let asked = RunFilter {
            job: job.clone(),
            status,
            root,
            before,
            limit: Some(RUNS_MAX),
            ..RunFilter::default()
        };
        let rows = instance.parts.log.runs(asked).await?;
        let is_last = rows.len() < RUNS_MAX;
        n_seen += rows.len();
        for row in rows {
            before = Some(row.run);
            if filter.passes(&row) {
                found.push(row);
            }
            if found.len() == limit {
                return Ok((found, before.map(|run| run.to_string())));
            }
        }
        if is_last || n_seen >= RUNS_LOOKED_AT_MAX {
            let next = (!is_last).then_some(before).flatten();
            return Ok((found, next.map(|run| run.to_string())));
        }
    }
}

impl RunsFilter {
    fn check(&self) -> Result<(), String> {
        match (self.created_after, self.created_before) {
            (Some(after), Some(before)) if after >= before => {
                Err("nothing is created after `createdAfter` and before `createdBefore`: the one is not earlier than the other".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn passes(&self, run: &RunSummary) -> bool {
        let at = seconds(run.created_at);
        let has = |tag: &TagInput| run.tags.get(&tag.key).is_some_and(|value| *value == tag.value);
        self.run_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| **id == run.run.to_string()))
            && self.statuses.as_ref().is_none_or(|all| all.iter().any(|one| one.ours() == run.status))
            && self.tags.as_ref().is_none_or(|tags| tags.iter().all(has))
            && self.created_before.is_none_or(|before| at < before)
            && self.created_after.is_none_or(|after| at > after)
    }
}

/// Dagster's names come of a whole history: what an event is called depends on those before it.
async fn events_after(
    instance: &Instance,
    run: RunId,
    after: usize,
    limit: usize,
) -> Result<EventConnection, SchedulerError> {
    let all = again::dagster_events(&*instance.parts.log, run).await?;
    let mut rest = all.into_iter().skip(after);
    let events: Vec<RunEvent> = rest.by_ref().take(limit).map(RunEvent::from).collect();
    let cursor = (after + events.len()).to_string();
    Ok(EventConnection { cursor, has_more: rest.next().is_some(), events })
}
