//! `cofferdam config`: what can be configured, for machines.

use cofferdam_model::RunConfig;
use cofferdam_plan::Request;

use crate::args::Global;
use crate::error::{Failed, Result};
use crate::output::Output;
use crate::prepare::{describe_used, environment, present};
use crate::project::{Project, sort_out};

/// Prints the run config of a job as a JSON Schema. It is JSON with and without `--json`.
pub(crate) async fn schema(
    job: Option<&str>,
    asked: Option<&str>,
    global: &Global,
    output: Output,
) -> Result<()> {
    let project = Project::open(global, output)?;
    let job = project.job(job)?;
    let environment = environment(asked)?;
    let nothing = RunConfig::default();
    let request = Request { environment: environment.as_ref(), ..Request::job(&job, &nothing) };
    let present = present(&project).await?;
    let libraries = describe_used(&project, request, &present, output).await?;
    let Project { texts, definitions, .. } = project;
    let exported = cofferdam_plan::with_config_tree(
        &definitions,
        &libraries,
        request,
        &present,
        cofferdam_plan::run_config_schema,
    );
    let schema = match exported {
        Ok((schema, warnings)) => {
            sort_out(texts, warnings, output)?;
            schema
        }
        Err(problems) => return Err(Failed::diagnosed(texts, problems)),
    };
    output.answer(&serde_json::to_string_pretty(&schema).expect("a JSON value can be written"))
}
