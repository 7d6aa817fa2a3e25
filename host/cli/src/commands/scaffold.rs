//! `cofferdam scaffold`: a run config to go on from. What is written is in `plan`, for every interface the same.

use cofferdam_plan::Request;
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::error::{Failed, Result};
use crate::output::Output;
use crate::prepare::{describe_all, environment, present, read_config};
use crate::project::{Project, sort_out};

pub(crate) async fn run(args: &args::Scaffold, global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    let job = project.job(args.job.job.as_deref())?;
    let environment = environment(args.job.given.environment.as_deref())?;
    let libraries = describe_all(&project, output).await?;
    let present = present(&project).await?;
    let Project { mut texts, definitions, .. } = project;
    let (given, found) = read_config(&args.job.given, &mut texts)?;
    let texts = sort_out(texts, found, output)?;
    let request = Request {
        environment: environment.as_ref(),
        selection: &args.job.selection,
        partition: args.job.given.partition.as_deref(),
        ..Request::job(&job, &given)
    };
    let root = given.root.as_ref();
    let written = cofferdam_plan::with_config_tree(&definitions, &libraries, request, &present, |tree| {
        if args.remove_extra {
            cofferdam_plan::remove_extra(tree, root)
        } else if args.defaults {
            (cofferdam_plan::expand_defaults(tree, root), vec![])
        } else {
            (cofferdam_plan::scaffold(tree, root), vec![])
        }
    });
    let (text, removed) = match written {
        Ok((written, warnings)) => {
            sort_out(texts, warnings, output)?;
            written
        }
        Err(problems) => return Err(Failed::diagnosed(texts, problems)),
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
