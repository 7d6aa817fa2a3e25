//! `cofferdam scaffold`: a run config to go on from. What is written is in `plan`, for every interface the same.

use cofferdam_model::Diagnostic;
use cofferdam_plan::{ConfigTree, Request};
use cofferdam_web::Scaffold;
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::error::{Failed, Result};
use crate::output::Output;
use crate::prepare::{describe_used, environment, present, read_config};
use crate::project::{Project, sort_out};

pub(crate) async fn run(args: &args::Scaffold, global: &Global, output: Output) -> Result<()> {
    let mut project = Project::open(global, output)?;
    let job = project.job(args.job.job.as_deref())?;
    let environment = environment(args.job.given.environment.as_deref())?;
    let (given, found) = read_config(&args.job.given, &mut project.texts)?;
    project.texts = sort_out(std::mem::take(&mut project.texts), found, output)?;
    let request = Request {
        environment: environment.as_ref(),
        selection: &args.job.selection,
        partition: args.job.given.partition.as_deref(),
        ..Request::job(&job, &given)
    };
    let how = match (args.remove_extra, args.defaults) {
        (true, _) => Scaffold::RemoveExtra,
        (false, true) => Scaffold::Defaults,
        (false, false) => Scaffold::Required,
    };
    let (text, removed) = match write(&project, request, how, output).await? {
        Ok((written, warnings)) => {
            sort_out(std::mem::take(&mut project.texts), warnings, output)?;
            written
        }
        Err(problems) => return Err(Failed::diagnosed(project.texts, problems)),
    };
    if output.json {
        return output.document("cofferdam.scaffold/v1", json!({ "run_config": text, "removed": removed }));
    }
    for path in &removed {
        output.say(&format!("removed {path}"));
    }
    if text.is_empty() {
        output.say("nothing has to be given");
    }
    output.answer(&text)
}

/// The text, and the paths that were removed.
type Written = (String, Vec<String>);

/// What is written, with warnings; or what is wrong with the job.
pub(crate) async fn write(
    project: &Project,
    request: Request<'_>,
    how: Scaffold,
    output: Output,
) -> Result<Result<(Written, Vec<Diagnostic>), Vec<Diagnostic>>> {
    let present = present(project).await?;
    let libraries = describe_used(project, request, &present, output).await?;
    let root = request.run_config.root.as_ref();
    let write = |tree: &ConfigTree<'_>| match how {
        Scaffold::RemoveExtra => cofferdam_plan::remove_extra(tree, root),
        Scaffold::Defaults => (cofferdam_plan::expand_defaults(tree, root), vec![]),
        Scaffold::Required => (cofferdam_plan::scaffold(tree, root), vec![]),
    };
    Ok(cofferdam_plan::with_config_tree(&project.definitions, &libraries, request, &present, write))
}
