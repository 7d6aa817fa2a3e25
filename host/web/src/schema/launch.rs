//! What a person asks to run, and what becomes of it.

use async_graphql::{Enum, InputObject, Json, SimpleObject, Union};
use cofferdam_model::Plan;
use serde_json::Value;

use super::errors::{
    Diagnostic, InvalidDefinitionsError, OfRefused, PipelineNotFoundError, RunConfigValidationInvalid,
    RunNotFoundError, TerminateRunFailure, UnauthorizedError, UnexpectedError, config, definitions,
};
use super::run::Run;
use crate::workspace::{Launch, Scaffold};

#[derive(InputObject)]
pub(crate) struct TagInput {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Of a job, or of the assets that are selected. Without a location, of the only one that has the job. An empty run config is
/// none.
#[derive(InputObject)]
pub(crate) struct LaunchRequest {
    #[graphql(default)]
    job_name: String,
    /// Expressions, as `cofferdam asset materialize` takes them; then there is no job.
    #[graphql(default)]
    asset_selection: Vec<String>,
    location: Option<String>,
    #[graphql(default)]
    run_config_yaml: String,
    #[graphql(default)]
    step_selection: Vec<String>,
    partition: Option<String>,
    environment: Option<String>,
    #[graphql(default)]
    tags: Vec<TagInput>,
}

impl From<LaunchRequest> for Launch {
    fn from(request: LaunchRequest) -> Launch {
        Launch {
            job: request.job_name,
            assets: request.asset_selection,
            location: request.location,
            run_config: request.run_config_yaml,
            selection: request.step_selection,
            partition: request.partition,
            environment: request.environment,
            tags: request.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        }
    }
}

#[derive(Union)]
pub(crate) enum LaunchRunResult {
    Launched(LaunchRunSuccess),
    Invalid(RunConfigValidationInvalid),
    NoPipeline(PipelineNotFoundError),
    NoRun(RunNotFoundError),
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct LaunchRunSuccess {
    pub(crate) run: Run,
    pub(crate) warnings: Vec<Diagnostic>,
    /// What the instance has nobody for now; the run waits.
    pub(crate) unservable: Option<String>,
}

impl OfRefused for LaunchRunResult {
    fn unexpected(error: UnexpectedError) -> Self {
        LaunchRunResult::Unexpected(error)
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        LaunchRunResult::NoPipeline(error)
    }

    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        LaunchRunResult::Invalid(config(message, diagnostics))
    }

    fn no_run(error: RunNotFoundError) -> Self {
        LaunchRunResult::NoRun(error)
    }
}

#[derive(Union)]
pub(crate) enum TerminateRunResult {
    Asked(TerminateRunSuccess),
    Failed(TerminateRunFailure),
    NoRun(RunNotFoundError),
    Unauthorized(UnauthorizedError),
}

/// Nothing new starts; the run is cancelled when what runs has ended.
#[derive(SimpleObject)]
pub(crate) struct TerminateRunSuccess {
    pub(crate) run: Run,
}

#[derive(Union)]
pub(crate) enum ReviewStepResult {
    Reviewed(ReviewStepSuccess),
    Failed(UnexpectedError),
    NoRun(RunNotFoundError),
    Unauthorized(UnauthorizedError),
}

#[derive(SimpleObject)]
pub(crate) struct ReviewStepSuccess {
    pub(crate) run: Run,
}

#[derive(Union)]
pub(crate) enum DrainWorkerResult {
    Drained(DrainWorkerSuccess),
    Unauthorized(UnauthorizedError),
    Failed(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct DrainWorkerSuccess {
    pub(crate) worker: String,
}

/// Which steps of a run are executed again.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReexecutionStrategy {
    AllSteps,
    FromFailure,
    /// Those that the step selection names.
    Selection,
}

/// All that is wrong with a run config; `steps` is what would run, and empty while something is.
#[derive(SimpleObject)]
pub(crate) struct ConfigValidationResult {
    pub(crate) is_valid: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What lies behind it, where it is nothing that stands in a text.
    pub(crate) error: Option<String>,
    pub(crate) steps: Vec<PlannedStep>,
    /// What the instance has nobody for now; a run would wait.
    pub(crate) unservable: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PlannedStep {
    key: String,
    op: String,
}

pub(crate) fn planned_steps(plan: &Plan) -> Vec<PlannedStep> {
    let step =
        |step: &cofferdam_model::PlanStep| PlannedStep { key: step.key.to_string(), op: step.op.to_string() };
    plan.steps.iter().map(step).collect()
}

impl OfRefused for ConfigValidationResult {
    fn unexpected(error: UnexpectedError) -> Self {
        let said: Vec<String> = std::iter::once(error.message).chain(error.causes).collect();
        let result = ConfigValidationResult::invalid(String::new(), vec![]);
        ConfigValidationResult { error: Some(said.join(": ")), ..result }
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        let unexpected = UnexpectedError { message: error.said().to_owned(), causes: vec![] };
        ConfigValidationResult::unexpected(unexpected)
    }

    fn invalid(_: String, diagnostics: Vec<Diagnostic>) -> Self {
        ConfigValidationResult { is_valid: false, diagnostics, error: None, steps: vec![], unservable: None }
    }
}

#[derive(Union)]
pub(crate) enum RunConfigSchemaOrError {
    Schema(RunConfigSchema),
    NoPipeline(PipelineNotFoundError),
    Definitions(InvalidDefinitionsError),
    Unexpected(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct RunConfigSchema {
    pub(crate) schema: Json<Value>,
}

impl OfRefused for RunConfigSchemaOrError {
    fn unexpected(error: UnexpectedError) -> Self {
        RunConfigSchemaOrError::Unexpected(error)
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        RunConfigSchemaOrError::NoPipeline(error)
    }

    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        RunConfigSchemaOrError::Definitions(definitions(message, diagnostics))
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaffoldHow {
    /// What must be given, with the simplest value of its type.
    Scaffold,
    Defaults,
    RemoveExtra,
}

impl From<ScaffoldHow> for Scaffold {
    fn from(how: ScaffoldHow) -> Scaffold {
        match how {
            ScaffoldHow::Scaffold => Scaffold::Required,
            ScaffoldHow::Defaults => Scaffold::Defaults,
            ScaffoldHow::RemoveExtra => Scaffold::RemoveExtra,
        }
    }
}

/// Without a text if something is wrong.
#[derive(SimpleObject)]
pub(crate) struct ScaffoldResult {
    pub(crate) yaml: Option<String>,
    /// Paths that were removed.
    pub(crate) removed: Vec<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) error: Option<String>,
}

impl OfRefused for ScaffoldResult {
    fn unexpected(error: UnexpectedError) -> Self {
        let said: Vec<String> = std::iter::once(error.message).chain(error.causes).collect();
        ScaffoldResult { error: Some(said.join(": ")), ..ScaffoldResult::invalid(String::new(), vec![]) }
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        ScaffoldResult::unexpected(UnexpectedError { message: error.said().to_owned(), causes: vec![] })
    }

    fn invalid(_: String, diagnostics: Vec<Diagnostic>) -> Self {
        ScaffoldResult { yaml: None, removed: vec![], diagnostics, error: None }
    }
}
