//! `cofferdam rerun`: executes a run again, taking over what earlier runs have made.

use cofferdam_engine::Run;
use cofferdam_model::{Name, Node, Plan, Reexecution, RunConfig};
use cofferdam_plan::RerunRequest;
use cofferdam_scheduler::Submission;
use cofferdam_scheduler::again::{self, Again, AgainError, Before};
use cofferdam_select::{STEPS, parse};
use serde_json::Value;

use crate::args;
use crate::args::{Given, Global};
use crate::commands::run;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{DIM, Output};
use crate::prepare::{Reading, Wanted, prepare_wanted, read_config};
use crate::project::Project;
use crate::selected;
use crate::site::Site;

pub(crate) async fn run(args: &args::Rerun, global: &Global, output: Output) -> Result<Exit> {
    let site = Site::find(&args.at, global)?;
    let log = site.log().await?;
    let parent = instance::find_run(&*log, args.run.as_deref()).await?;
    let chain = again::chain(&*log, parent).await.doing(Exit::Unreachable, format!("read run {parent}"))?;
    let plan = match plan_of(args, global, &site, &chain[0].run, output).await? {
        Some(newest) => newest,
        None if args.from_failure => chain[0].run.plan().as_ref().clone(),
        None => again::whole_plan(&chain).map_err(not_again)?.clone(),
    };
    let (request, how) = request(args.from_failure, &args.selection)?;
    selected::say(&args.selection, &STEPS, output);
    let Again { submission, n_runs } =
        again::decide(&plan, &chain, &request, how, None).map_err(not_again)?;
    drop(log);
    output.say(&format!(
        "{DIM}of run {parent}: {} run again, {} taken over{DIM:#}",
        crate::text::count(n_runs, "step"),
        submission.known.0.len()
    ));
    run::submit(submission, &site, &args.local, &args.watching, &args.export, output).await
}

/// The same by the plan that the run had, for whoever submits it elsewhere.
pub(crate) fn decide(from_failure: bool, selection: &[String], chain: &[Before]) -> Result<Submission> {
    let plan = match from_failure {
        true => chain[0].run.plan().as_ref(),
        false => again::whole_plan(chain).map_err(not_again)?,
    };
    let (request, how) = request(from_failure, selection)?;
    again::decide(plan, chain, &request, how, None).map(|again| again.submission).map_err(not_again)
}

/// Why a run is not executed again, for people.
pub(crate) fn not_again(error: AgainError) -> Failed {
    match error {
        AgainError::Refused(diagnostics) => {
            Failed::diagnosed(cofferdam_config::Texts::default(), diagnostics)
        }
        AgainError::Partial(_) => Failed::invalid(error.to_string())
            .hint("`--newest` compiles the plan again, from today's definitions"),
        AgainError::Scheduler(error) => {
            Failed::new(Exit::Unreachable, "failed to read the run log").because(&error)
        }
    }
}

fn request(from_failure: bool, selection: &[String]) -> Result<(RerunRequest, Reexecution)> {
    if from_failure {
        return Ok((RerunRequest::FromFailure, Reexecution::FromFailure));
    }
    if selection.is_empty() {
        return Ok((RerunRequest::AllSteps, Reexecution::AllSteps));
    }
    match parse(selection, &STEPS) {
        Ok(expr) => Ok((RerunRequest::Steps(expr), Reexecution::Selection)),
        Err(problems) => {
            let diagnostics = problems.iter().map(|problem| problem.diagnostic(None)).collect();
            Err(Failed::diagnosed(cofferdam_config::Texts::default(), diagnostics))
        }
    }
}

/// A new plan of the same job, with the same config where no other is given; none if that run's own is wanted.
async fn plan_of(
    args: &args::Rerun,
    global: &Global,
    site: &Site,
    parent: &Run,
    output: Output,
) -> Result<Option<Plan>> {
    let old: &Plan = parent.plan();
    if !args.newest && args.config.is_none() {
        return Ok(None);
    }
    let mut project = Project { site: site.clone(), ..Project::open(global, output)? };
    let given = Given {
        config: args.config.clone(),
        environment: old.environment.as_ref().map(Name::to_string),
        partition: old.partition.clone(),
    };
    let run_config = match &args.config {
        Some(_) => {
            let (run_config, found) = read_config(&given, &mut project.texts)?;
            project.texts = crate::project::sort_out(std::mem::take(&mut project.texts), found, output)?;
            run_config
        }
        None => RunConfig { root: (!old.run_config.is_null()).then(|| Node::of_json(&old.run_config, None)) },
    };
    let wanted = if project.definitions.jobs.contains_key(&old.job)
        || project.definitions.asset_jobs.contains_key(&old.job)
    {
        Wanted::Job { name: old.job.clone(), selection: old.selection.iter().cloned().collect() }
    } else {
        Wanted::Assets(made_by(old))
    };
    let prepared = prepare_wanted(project, &wanted, &given, &run_config, Reading::Import, output).await?;
    say_changes(old, &prepared.plan, output);
    Ok(Some(prepared.plan))
}

/// The assets that a plan makes, as expressions.
fn made_by(plan: &Plan) -> Vec<String> {
    let outputs = plan.steps.iter().flat_map(|step| &step.outputs);
    outputs.filter_map(|output| output.asset.as_ref()).map(|asset| format!("key:\"{}\"", asset.key)).collect()
}

fn say_changes(old: &Plan, new: &Plan, output: Output) {
    for change in cofferdam_plan::config_diff(&old.run_config, &new.run_config, |_| false) {
        let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        output.say(&format!(
            "config {}: {} → {}",
            change.path.join("."),
            show(&change.old),
            show(&change.new)
        ));
    }
    for (name, digest) in &new.libraries {
        if old.libraries.get(name).is_some_and(|old| old != digest) {
            output.say(&format!("library {name}: now {digest}"));
        }
    }
}
