//! A run: its row in the list, and all that its own page shows, which is read from its history when it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cofferdam_engine::{AttemptView, Run as Folded, StepView, Waited};
use cofferdam_model::{Failure as OurFailure, Output, StepKey, Usage as OurUsage};
use cofferdam_runlog::RunSummary;
use cofferdam_scheduler::again;
use tokio::sync::OnceCell;

use super::Instance;
use super::convert::{
    MetadataEntry, RunStatus, StepStatus, StepWaitEnd, Tag, metadata, of_micros, seconds, tags,
};
use super::job::Graph;

/// A run. What comes after `firstError` is of a page for one run: asking for it of many is slow.
pub(crate) struct Run {
    summary: Box<RunSummary>,
    folded: OnceCell<Arc<Folded>>,
}

impl Run {
    pub(crate) fn of(summary: RunSummary) -> Run {
        Run { summary: Box::new(summary), folded: OnceCell::new() }
    }

    async fn load(&self, ctx: &Context<'_>) -> Result<&Arc<Folded>> {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let load = || async { again::load(&**log, self.summary.run).await.map(Arc::new) };
        Ok(self.folded.get_or_try_init(load).await?)
    }
}

#[Object]
impl Run {
    async fn run_id(&self) -> ID {
        ID(self.summary.run.to_string())
    }

    async fn job_name(&self) -> &str {
        self.summary.job.as_str()
    }

    async fn status(&self) -> RunStatus {
        self.summary.status.into()
    }

    async fn creation_time(&self) -> f64 {
        seconds(self.summary.created_at)
    }

    async fn start_time(&self) -> Option<f64> {
        self.summary.started_at.map(seconds)
    }

    async fn end_time(&self) -> Option<f64> {
        self.summary.ended_at.map(seconds)
    }

    async fn tags(&self) -> Vec<Tag> {
        tags(&self.summary.tags)
    }

    async fn parent_run_id(&self) -> Option<ID> {
        self.summary.origin.as_ref().map(|origin| ID(origin.parent.to_string()))
    }

    async fn root_run_id(&self) -> Option<ID> {
        self.summary.origin.as_ref().map(|origin| ID(origin.root.to_string()))
    }

    /// Steps that have ended, by how.
    async fn step_counts(&self) -> StepCounts {
        let steps = &self.summary.steps;
        StepCounts {
            succeeded: steps.succeeded,
            failed: steps.failed,
            skipped: steps.skipped,
            abandoned: steps.abandoned,
            cancelled: steps.cancelled,
            retries: steps.retries,
            lost: steps.lost,
        }
    }

    async fn can_terminate(&self) -> bool {
        !self.summary.status.is_terminal()
    }

    /// `step: message` of the first step that failed for good, or the limit that the run has reached.
    async fn first_error(&self) -> Option<&str> {
        self.summary.first_error.as_deref()
    }

    /// Steps that are known now: mapped ones once their keys are.
    async fn n_steps(&self, ctx: &Context<'_>) -> Result<usize> {
        Ok(self.load(ctx).await?.n_steps())
    }

    /// What a person would type to start it, as JSON, which is YAML.
    async fn run_config_yaml(&self, ctx: &Context<'_>) -> Result<String> {
        let config = &self.load(ctx).await?.plan().run_config;
        let text = || serde_json::to_string_pretty(config).expect("a JSON value can be written");
        Ok(if config.is_null() { String::new() } else { text() })
    }

    async fn step_selection(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.load(ctx).await?.plan().selection.clone())
    }

    async fn partition(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.load(ctx).await?.plan().partition.clone())
    }

    async fn plan(&self, ctx: &Context<'_>) -> Result<Graph> {
        Ok(Graph::of(self.load(ctx).await?.plan(), &BTreeMap::new()))
    }

    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<RunStep>> {
        Ok({
            let run = self.load(ctx).await?;
            run.steps().map(|step| RunStep::of(run, &step)).collect()
        })
    }

    async fn step(&self, ctx: &Context<'_>, key: String) -> Result<Option<RunStep>> {
        let run = self.load(ctx).await?;
        Ok(run.step(&StepKey::new(&key)).map(|step| RunStep::of(run, &step)))
    }

    /// The step to look at first.
    async fn failure(&self, ctx: &Context<'_>) -> Result<Option<StepFailure>> {
        let run = self.load(ctx).await?;
        let first = run.failures().next();
        Ok(first.map(|(key, failure)| StepFailure {
            step_key: key.to_string(),
            attempts: run.step(key).map_or(0, |step| step.attempts().len()),
            failure: failure.into(),
        }))
    }

    /// Digests of the libraries that it runs, by name.
    async fn libraries(&self, ctx: &Context<'_>) -> Result<Vec<Tag>> {
        Ok(tags(&self.load(ctx).await?.plan().libraries))
    }

    /// What all attempts of it have used.
    async fn usage(&self, ctx: &Context<'_>) -> Result<Usage> {
        Ok(Usage::of(&self.load(ctx).await?.usage()))
    }

    /// Runs that execute it again, the newest first.
    async fn child_run_ids(&self, ctx: &Context<'_>) -> Result<Vec<ID>> {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let children = again::children(&**log, self.summary.run).await?;
        Ok(children.iter().map(|child| ID(child.run.to_string())).collect())
    }
}

#[derive(SimpleObject)]
pub(crate) struct StepCounts {
    succeeded: u64,
    failed: u64,
    skipped: u64,
    abandoned: u64,
    cancelled: u64,
    /// Attempts that failed and were followed by another.
    retries: u64,
    /// Attempts whose worker was lost.
    lost: u64,
}

/// A step with its mapping keys; `template` is the same without them.
#[derive(SimpleObject)]
pub(crate) struct RunStep {
    key: String,
    template: String,
    status: StepStatus,
    /// The failed step because of which it did not run.
    because_of: Option<String>,
    /// Its wait for a time or for an approval, from its beginning on.
    wait: Option<StepWait>,
    attempts: Vec<Attempt>,
    outputs: Vec<StepOutput>,
    metadata: Vec<MetadataEntry>,
}

impl RunStep {
    pub(crate) fn of(run: &Folded, step: &StepView<'_>) -> RunStep {
        RunStep {
            key: step.key().to_string(),
            template: run.plan().step(step.template()).key.to_string(),
            status: step.status().into(),
            because_of: step.root().map(StepKey::to_string),
            wait: step.waited().map(|waited| StepWait::of(waited, step.waits_for_review())),
            attempts: step.attempts().map(Attempt::from).collect(),
            outputs: step.outputs().iter().map(StepOutput::from).collect(),
            metadata: metadata(step.metadata()),
        }
    }
}

/// A step had all that it read, and waited as its definition says.
#[derive(SimpleObject)]
pub(crate) struct StepWait {
    /// To be approved; else for the time alone.
    approval: bool,
    since: f64,
    /// When it is over at the latest.
    until: Option<f64>,
    /// How it ended.
    end: Option<StepWaitEnd>,
    ended_at: Option<f64>,
    /// Who approved or rejected it, where that is known.
    by: Option<String>,
    note: Option<String>,
}

impl StepWait {
    fn of(waited: &Waited, approval: bool) -> StepWait {
        let ended = waited.ended.as_ref();
        StepWait {
            approval,
            since: seconds(waited.since),
            until: waited.until.map(seconds),
            end: ended.map(|ended| ended.end.into()),
            ended_at: ended.map(|ended| seconds(ended.at)),
            by: ended.and_then(|ended| ended.by.clone()),
            note: ended.and_then(|ended| ended.note.clone()),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct Attempt {
    number: u32,
    /// Number of the worker.
    worker: String,
    dispatched_at: f64,
    /// When the guest was about to be started, if it came that far and was told apart from its end.
    started_at: Option<f64>,
    ended_at: Option<f64>,
    /// One that ended without failure and without success lost its worker or was cancelled.
    failure: Option<Failure>,
    usage: Option<Usage>,
}

impl From<AttemptView<'_>> for Attempt {
    fn from(attempt: AttemptView<'_>) -> Attempt {
        Attempt {
            number: attempt.number,
            worker: attempt.worker.0.to_string(),
            dispatched_at: seconds(attempt.dispatched_at),
            started_at: attempt.started_at.map(seconds),
            ended_at: attempt.ended_at.map(seconds),
            failure: attempt.failure.map(Failure::from),
            usage: attempt.usage.as_ref().map(Usage::of),
        }
    }
}

/// Where the time of an attempt went, in seconds, and what it took.
#[derive(SimpleObject)]
pub(crate) struct Usage {
    /// Ready, and not yet dispatched.
    queue: f64,
    /// With the worker, and waiting for a free slot.
    slot: f64,
    fetch: f64,
    compile: f64,
    /// A compiled library was read, inputs were fetched and verified.
    load: f64,
    /// The guest, and what it waited for.
    wall: f64,
    cpu: f64,
    /// Outputs were put in their places.
    store: f64,
    memory_peak_bytes: f64,
    input_bytes: f64,
    output_bytes: f64,
    fuel: Option<f64>,
    log_lines_dropped: f64,
}

impl Usage {
    fn of(usage: &OurUsage) -> Usage {
        Usage {
            queue: of_micros(usage.queue_us),
            slot: of_micros(usage.slot_us()),
            fetch: of_micros(usage.fetch_us),
            compile: of_micros(usage.compile_us),
            load: of_micros(usage.load_us),
            wall: of_micros(usage.wall_us),
            cpu: of_micros(usage.cpu_us),
            store: of_micros(usage.store_us),
            memory_peak_bytes: usage.memory_bytes_peak as f64,
            input_bytes: usage.input_bytes as f64,
            output_bytes: usage.output_bytes as f64,
            fuel: usage.fuel.map(|fuel| fuel as f64),
            log_lines_dropped: usage.log_lines_dropped as f64,
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct StepFailure {
    step_key: String,
    attempts: usize,
    failure: Failure,
}

#[derive(SimpleObject)]
pub(crate) struct Failure {
    kind: String,
    message: String,
    causes: Vec<String>,
    /// Frames of the guest, innermost first.
    backtrace: Vec<String>,
    metadata: Vec<MetadataEntry>,
}

impl From<&OurFailure> for Failure {
    fn from(failure: &OurFailure) -> Failure {
        Failure {
            kind: failure.kind.to_string(),
            message: failure.message.clone(),
            causes: failure.causes.clone(),
            backtrace: failure.backtrace.clone(),
            metadata: metadata(&failure.metadata),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct StepOutput {
    name: String,
    mapping_key: Option<String>,
    media_type: String,
    size_bytes: f64,
    digest: String,
    metadata: Vec<MetadataEntry>,
}

impl From<&Output> for StepOutput {
    fn from(output: &Output) -> StepOutput {
        StepOutput {
            name: output.name.to_string(),
            mapping_key: output.key.as_ref().map(ToString::to_string),
            media_type: output.value.media_type.clone(),
            size_bytes: output.value.size as f64,
            digest: output.value.digest.to_string(),
            metadata: metadata(&output.metadata),
        }
    }
}
