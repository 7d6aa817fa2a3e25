//! What a question may be answered with instead.

use async_graphql::{Enum, ID, Interface, SimpleObject};

use crate::workspace::{Problem, Refused};

/// What all refusals have.
#[derive(Interface)]
#[graphql(field(name = "message", ty = "&String"))]
pub(crate) enum Error {
    Unexpected(UnexpectedError),
    NoRun(RunNotFoundError),
    NoPipeline(PipelineNotFoundError),
    Definitions(InvalidDefinitionsError),
    Config(RunConfigValidationInvalid),
    Terminate(TerminateRunFailure),
    NoAsset(AssetNotFoundError),
    NoSchedule(ScheduleNotFoundError),
    NoSensor(SensorNotFoundError),
    Unauthorized(UnauthorizedError),
}

/// Who asks may not do that.
#[derive(SimpleObject, Clone)]
pub(crate) struct UnauthorizedError {
    message: String,
}

impl UnauthorizedError {
    pub(crate) fn of(message: String) -> UnauthorizedError {
        UnauthorizedError { message }
    }
}

/// Anything that nobody foresaw, with what lies behind it.
#[derive(SimpleObject, Clone)]
pub(crate) struct UnexpectedError {
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct RunNotFoundError {
    message: String,
    run_id: ID,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct PipelineNotFoundError {
    message: String,
    job_name: String,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct AssetNotFoundError {
    message: String,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct ScheduleNotFoundError {
    message: String,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct SensorNotFoundError {
    message: String,
}

/// The definitions are wrong.
#[derive(SimpleObject, Clone)]
pub(crate) struct InvalidDefinitionsError {
    message: String,
    diagnostics: Vec<Diagnostic>,
}

/// The run config is wrong, or the definitions are.
#[derive(SimpleObject, Clone)]
pub(crate) struct RunConfigValidationInvalid {
    message: String,
    diagnostics: Vec<Diagnostic>,
}

#[derive(SimpleObject, Clone)]
pub(crate) struct TerminateRunFailure {
    pub(crate) message: String,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// A finding and its place; lines and columns start at 1. `rendered` is what a terminal would show.
#[derive(SimpleObject, Clone)]
pub(crate) struct Diagnostic {
    severity: Severity,
    code: String,
    message: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    label: Option<String>,
    hint: Option<String>,
    rendered: String,
}

impl From<Problem> for Diagnostic {
    fn from(problem: Problem) -> Diagnostic {
        let place = problem.place;
        Diagnostic {
            severity: if problem.is_error { Severity::Error } else { Severity::Warning },
            code: problem.code,
            message: problem.message,
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            end_line: place.as_ref().map(|place| place.end_line),
            end_column: place.as_ref().map(|place| place.end_column),
            file: place.as_ref().map(|place| place.file.clone()),
            label: place.map(|place| place.label),
            hint: problem.hint,
            rendered: problem.rendered,
        }
    }
}

pub(crate) fn diagnostics(problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.into_iter().map(Diagnostic::from).collect()
}

/// `2 errors`
fn counted(problems: &[Problem]) -> String {
    let n = problems.iter().filter(|problem| problem.is_error).count();
    format!("{n} {}", if n == 1 { "error" } else { "errors" })
}

impl PipelineNotFoundError {
    pub(crate) fn of(job: &str) -> PipelineNotFoundError {
        PipelineNotFoundError { message: format!("there is no job `{job}`"), job_name: job.to_owned() }
    }

    pub(crate) fn said(&self) -> &str {
        &self.message
    }
}

impl AssetNotFoundError {
    pub(crate) fn of(key: &str) -> AssetNotFoundError {
        AssetNotFoundError { message: format!("there is no asset `{key}`") }
    }
}

impl ScheduleNotFoundError {
    pub(crate) fn of(name: &str) -> ScheduleNotFoundError {
        ScheduleNotFoundError { message: format!("there is no schedule `{name}`") }
    }
}

impl SensorNotFoundError {
    pub(crate) fn of(name: &str) -> SensorNotFoundError {
        SensorNotFoundError { message: format!("there is no sensor `{name}`") }
    }
}

impl UnexpectedError {
    pub(crate) fn of(doing: &str, error: &dyn std::error::Error) -> UnexpectedError {
        let mut causes = vec![];
        let mut next = Some(error);
        while let Some(error) = next {
            causes.push(error.to_string());
            next = error.source();
        }
        UnexpectedError { message: format!("failed to {doing}"), causes }
    }
}

pub(crate) fn no_run(run: &str) -> RunNotFoundError {
    RunNotFoundError { message: format!("there is no run `{run}`"), run_id: ID::from(run) }
}

/// A refusal in the words of one answer.
pub(crate) trait OfRefused {
    fn unexpected(error: UnexpectedError) -> Self;
    fn no_pipeline(error: PipelineNotFoundError) -> Self;
    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self;

    /// Most questions are about no run.
    fn no_run(error: RunNotFoundError) -> Self
    where
        Self: Sized,
    {
        Self::unexpected(UnexpectedError { message: error.message, causes: vec![] })
    }
}

pub(crate) fn refused<A: OfRefused>(why: Refused) -> A {
    match why {
        Refused::NoJob { job, hint } => A::no_pipeline(PipelineNotFoundError {
            message: format!("there is no job `{job}`; {hint}"),
            job_name: job,
        }),
        Refused::NoRun(run) => A::no_run(no_run(&run.to_string())),
        Refused::Problems(problems) => A::invalid(counted(&problems), diagnostics(problems)),
        Refused::Failed { message, causes } => A::unexpected(UnexpectedError { message, causes }),
    }
}

pub(crate) fn definitions(message: String, diagnostics: Vec<Diagnostic>) -> InvalidDefinitionsError {
    InvalidDefinitionsError { message, diagnostics }
}

pub(crate) fn config(message: String, diagnostics: Vec<Diagnostic>) -> RunConfigValidationInvalid {
    RunConfigValidationInvalid { message, diagnostics }
}
