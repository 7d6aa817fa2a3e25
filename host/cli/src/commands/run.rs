//! `cofferdam run` and `cofferdam resume`: drives a run in this process, or hands it to a cluster, and shows
//! it until it has ended.

use std::collections::BTreeMap;

use cofferdam_engine::{Layout, Run};
use cofferdam_io::Stores;
use cofferdam_model::{Known, LogLevel, Reexecution, RunId, RunLimits, RunStatus};
use cofferdam_scheduler::{Submission, again};
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::cluster;
use crate::commands::rerun::not_again;
use crate::commands::show::{self, Lineage};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::export;
use crate::instance::{self, Instance};
use crate::interrupts::Interrupts;
use crate::offer;
use crate::output::{DIM, GREEN, Output, YELLOW, printable};
use crate::prepare::{Prepared, Reading};
use crate::progress::Follow;
use crate::project::{Project, StateDir};
use crate::settings;
use crate::site::{Site, There};
use crate::text::{count, duration};
use crate::traces::{self, Submitting};

pub(crate) async fn run(args: &args::Run, global: &Global, output: Output) -> Result<Exit> {
    let tags = parse_tags(&args.tags)?;
    let project = Project::open_at(&args.at, global, output)?;
    let Prepared { mut plan, project, .. } =
        crate::prepare::prepare(project, &args.job, Some(&args.at), Reading::Import, output).await?;
    plan.tags.extend(tags);
    let submission = Submission {
        run: RunId(uuid::Uuid::now_v7()),
        tags: plan.tags.clone(),
        plan: plan.into(),
        idempotency_key: args.idempotency_key.clone(),
        origin: None,
        known: Known::default(),
    };
    submit(submission, &project.site, &args.local, &args.watching, &args.export, output).await
}

/// Runs a plan to its end and shows it.
pub(crate) async fn submit(
    mut submission: Submission,
    site: &Site,
    local: &args::Local,
    watching: &args::Watching,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    export::check(&submission.plan, export)?;
    let traced = traces::submitting(&mut submission);
    match site {
        Site::Here(_) if watching.detach => Err(Failed::usage("a run in this process ends with it")
            .hint("`--detach` goes with `--cluster ADDR`: the run is the cluster's then")),
        Site::Here(state) => submit_here((submission, &traced), state, local, watching, export, output).await,
        Site::There(there) => {
            offer::refuse_with_cluster(local)?;
            submit_there((&submission, &traced), there, watching, export, output).await
        }
    }
}

async fn submit_there(
    (submission, traced): (&Submission, &Submitting),
    there: &There,
    watching: &args::Watching,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    let mut interrupts = Interrupts::listen()?;
    let accepted = tokio::select! {
        accepted = cluster::hand_over(submission, there, output) => accepted,
        _ = interrupts.next() => {
            let run = submission.run;
            Err(Failed::new(Exit::Interrupted, format!("interrupted; the cluster may have run {run} or not"))
                .hint(format!("`cofferdam cancel {run}` cancels it if it is there")))
        }
    };
    traced.ended(submission.run, accepted.is_ok());
    let (id, plan) = accepted?;
    if watching.detach {
        if output.json {
            output.document("cofferdam.submitted/v1", json!({ "run": id }))?;
        } else {
            output.answer(&id.to_string())?;
            output.say(&format!("{GREEN}next{GREEN:#}: cofferdam logs {id} --follow"));
        }
        return Ok(Exit::Ok);
    }
    let last = cluster::watch(id, plan, there, &mut interrupts, watching.least(), output).await?;
    let lineage = Lineage::of(&*there.patient_log(), last.id()).await?;
    finish(&last, &lineage, &there.stores()?, export, output).await
}

async fn submit_here(
    (submission, traced): (Submission, &Submitting),
    state: &StateDir,
    local: &args::Local,
    watching: &args::Watching,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    crate::gone::refuse(&submission)?;
    let offer = offer::offer(local)?;
    offer::refuse_alone(&submission.plan, &offer)?;
    let instance = Instance::start(state, state.project(), offer).await?;
    let mut interrupts = Interrupts::listen()?;
    let (asked, plan) = (submission.run, submission.plan.clone());
    let accepted = instance.scheduler.submit(submission).await;
    traced.ended(asked, accepted.is_ok());
    let id = accepted.doing(Exit::Unreachable, "record the run")?;
    if id != asked {
        return known_run(id, instance, state, export, output).await;
    }
    let layout = Layout::new(plan).doing(Exit::Internal, "read the plan")?;
    let least = watching.least();
    let seen = follow(Run::new(id, layout), &instance, &mut interrupts, least, output).await?;
    let last = retries(seen, &instance, &mut interrupts, least, output).await?;
    end(last, instance, state, export, output).await
}

pub(crate) async fn resume(args: &args::Resume, global: &Global, output: Output) -> Result<Exit> {
    let state = &StateDir::find(global)?;
    let id = find_unfinished(args.run.as_deref(), state).await?;
    let instance = Instance::start(state, state.project(), offer::offer(&args.local)?).await?;
    let before = show::load(&*instance.log, id).await?;
    export::check(before.plan(), &args.export)?;
    let least = args::Watching::default().least();
    let mut interrupts = Interrupts::listen()?;
    let had_ended = before.status().is_terminal();
    let seen = if had_ended {
        before
    } else {
        offer::refuse_alone(before.plan(), &instance.offer)?;
        instance.scheduler.resume(id).await.doing(Exit::Unreachable, format!("resume run {id}"))?;
        follow(before, &instance, &mut interrupts, least, output).await?
    };
    let status = seen.status();
    let last = retries(seen, &instance, &mut interrupts, least, output).await?;
    if had_ended && last.id() == id {
        return Err(Failed::usage(format!("run {id} has ended: it {status}"))
            .hint(format!("`cofferdam show {id}` shows it")));
    }
    end(last, instance, state, &args.export, output).await
}

/// While the run has failed and is to be retried by itself, starts the run that comes after it. Gives the last one.
async fn retries(
    mut seen: Run,
    instance: &Instance,
    interrupts: &mut Interrupts,
    least: LogLevel,
    output: Output,
) -> Result<Run> {
    loop {
        let retry = again::retry(&*instance.log, &seen).await.map_err(not_again);
        let possible = retry.and_then(|next| {
            next.iter().try_for_each(|(_, submission)| crate::gone::refuse(submission)).map(|()| next)
        });
        let (retry, submission) = match possible {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(seen),
            Err(failed) => {
                let why = failed.diagnostics.as_ref().and_then(|found| found.1.first());
                let why = why.map_or(&failed.message, |first| &first.message);
                output.say(&format!("{YELLOW}not retried{YELLOW:#}: {}", printable(why)));
                return Ok(seen);
            }
        };
        let (id, plan) = (submission.run, submission.plan.clone());
        say_retry(&retry.number.to_string(), retry.how, id, seen.id(), output);
        instance.scheduler.submit(submission).await.doing(Exit::Unreachable, "record the run")?;
        let layout = Layout::new(plan).doing(Exit::Internal, "read the plan")?;
        seen = follow(Run::new(id, layout), instance, interrupts, least, output).await?;
    }
}

/// Says that a run failed and is executed again.
pub(crate) fn say_retry(number: &str, how: Reexecution, run: RunId, failed: RunId, output: Output) {
    let from = match how {
        Reexecution::AllSteps => "all steps",
        Reexecution::FromFailure | Reexecution::Selection => "from the failure",
    };
    output.say(&format!(
        "{YELLOW}retry {number}{YELLOW:#} of the run, {from}: run {run} {DIM}because run {failed} failed{DIM:#}"
    ));
}

/// The run that a person means, or the only one that has not ended.
async fn find_unfinished(asked: Option<&str>, state: &StateDir) -> Result<RunId> {
    let log = settings::read(state).await?;
    if asked.is_some() {
        return instance::find_run(&*log, asked).await;
    }
    let mut unfinished = log.unfinished().await.doing(Exit::Unreachable, "read the run log")?;
    unfinished.extend(again::all_due(&*log).await.doing(Exit::Unreachable, "read the run log")?);
    match unfinished.as_slice() {
        [only] => Ok(*only),
        [] => Err(Failed::usage("no run waits to be resumed").hint("`cofferdam runs` lists the runs")),
        several => {
            let ids: Vec<String> = several.iter().map(RunId::to_string).collect();
            Err(Failed::usage("which run? Several have not ended")
                .hint(format!("name one of: {}", ids.join(", "))))
        }
    }
}

/// Shows the run until it has ended. The first interrupt cancels it, the second ends this process; then
/// the run can be resumed.
async fn follow(
    before: Run,
    instance: &Instance,
    interrupts: &mut Interrupts,
    least: LogLevel,
    output: Output,
) -> Result<Run> {
    let id = before.id();
    let mut updates = instance.scheduler.updates(id).await.doing(Exit::Internal, "watch the run")?;
    let mut follow = Follow::new(before, least, output);
    loop {
        tokio::select! {
            update = updates.next() => match update {
                Some(update) => follow.take(update),
                None => break,
            },
            times = interrupts.next() => {
                if times > 1 {
                    follow.finish();
                    return Err(Failed::new(Exit::Interrupted, format!("interrupted; run {id} has not ended"))
                        .hint(format!("`cofferdam resume {id}` goes on")));
                }
                output.say(&format!("{YELLOW}cancelling{YELLOW:#} (once more to leave at once; the run can then be resumed)"));
                instance.scheduler.cancel(id).await.doing(Exit::Unreachable, "cancel the run")?;
            }
        }
    }
    instance.scheduler.wait(id).await.doing(Exit::Unreachable, "drive the run")?;
    let seen = follow.finish();
    if seen.status().is_terminal() {
        return Ok(seen);
    }
    // This terminal was too slow for all updates; the log has them.
    show::load(&*instance.log, id).await
}

/// The key names a run that was accepted before: what became of it, and of its retries, is the answer.
async fn known_run(
    id: RunId,
    instance: Instance,
    state: &StateDir,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    output.say(&format!("run {id} has this idempotency key already"));
    let mut id = id;
    loop {
        let children = again::children(&*instance.log, id).await;
        let children = children.doing(Exit::Unreachable, "read the run log")?;
        let retry = children.iter().find(|run| run.origin.as_ref().is_some_and(|origin| origin.automatic));
        match retry {
            Some(retry) => id = retry.run,
            None => break,
        }
    }
    let run = show::load(&*instance.log, id).await?;
    if !run.status().is_terminal() {
        return Err(
            Failed::usage(format!("run {id} has not ended")).hint(format!("`cofferdam resume {id}` goes on"))
        );
    }
    end(run, instance, state, export, output).await
}

/// The answer, and the exit code that goes with it.
async fn end(
    run: Run,
    instance: Instance,
    state: &StateDir,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    let lineage = Lineage::of(&*instance.log, run.id()).await?;
    instance.stop().await;
    finish(&run, &lineage, &instance::stores(state)?, export, output).await
}

async fn finish(
    run: &Run,
    lineage: &Lineage,
    stores: &Stores,
    export: &args::Export,
    output: Output,
) -> Result<Exit> {
    let exit = match run.status() {
        RunStatus::Succeeded => Exit::Ok,
        RunStatus::Cancelled => Exit::RunCancelled,
        RunStatus::Queued | RunStatus::Running | RunStatus::Cancelling | RunStatus::Failed => Exit::RunFailed,
    };
    // Before the answer: if it fails, what is said is that, and nothing else.
    let written = match exit {
        Exit::Ok => show::export_results(run, stores, export).await?,
        _ => vec![],
    };
    if output.json {
        output.document("cofferdam.run/v1", show::document(run, lineage))?;
    } else {
        output.answer(&summary(run))?;
    }
    show::say_written(&written, output);
    Ok(exit)
}

/// A screen at most: how it ended, the first failure, the results, what to do next.
fn summary(run: &Run) -> String {
    use cofferdam_model::StepStatus::{Abandoned, Failed, Skipped, Succeeded};
    let n_failed = u32::try_from(run.failures().count()).unwrap_or(u32::MAX);
    let style = crate::commands::runs::status_style(run.status());
    let took = run.started_at().zip(run.ended_at()).map(|(from, to)| duration(to.since(from)));
    let mut parts = vec![count(run.count(Succeeded) as usize, "step")];
    let beside = run.count(Failed) - n_failed;
    let counts = [
        (n_failed, "failed"),
        (run.count(Skipped), "skipped"),
        (run.count(Abandoned), "not run"),
        (beside, "failed beside it (hooks, tear-downs)"),
    ];
    parts.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")));
    let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
    let mut lines = vec![format!("{style}{}{style:#}{took}: {}", run.status(), parts.join(", "))];
    lines.extend(run.limit().map(show::limit_line));
    if let Some(step) = show::first_failure(run) {
        lines.extend(show::failure_card(&step));
    }
    lines.push(format!("{GREEN}next{GREEN:#}: cofferdam show {}", run.id()));
    lines.join("\n")
}

fn parse_tags(tags: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |tag: &String| {
        let (key, value) = tag.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Failed::usage(format!("`{tag}` is not a tag"))
                .hint("write `--tag KEY=VALUE`, such as `--tag owner=me`")
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    let tags = tags.iter().map(pair).collect::<Result<BTreeMap<_, _>>>()?;
    // Those of the definitions are checked where the plan is made.
    RunLimits::of(&tags).map_err(|tag| {
        Failed::invalid(format!("tag `{tag}` of the run is `{}`", tags[tag]))
            .hint("write whole seconds, such as `3600`; 0 is no limit")
    })?;
    Ok(tags)
}
