//! `cofferdam show`: what a run did, and why it failed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_engine::{Lost, Run, StepView};
use cofferdam_io::Stores;
use cofferdam_model::{
    Failure, MetadataEntry, MetadataValue, Origin, Reexecution, RunId, RunLimit, RunStatus, StepStatus,
};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::again;
use serde::Serialize;
use serde_json::{Value, json};

use crate::archive;
use crate::args::{self, Global};
use crate::commands::runs::status_style;
use crate::cost;
use crate::draft::Force;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::export::{self, Found};
use crate::instance;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable};
use crate::project::shown;
use crate::site::Site;
use crate::text::{ago, count, duration, size};

/// Steps shown unless all are asked for.
const STEPS_SHOWN_MAX: usize = 60;

pub(crate) async fn run(args: &args::Show, global: &Global, output: Output) -> Result<()> {
    let site = args.file.is_none().then(|| Site::find(&args.at, global)).transpose()?;
    let log = match (&args.file, &site) {
        (Some(file), _) => archive::open(file).await?,
        (None, site) => site.as_ref().expect("it was just found").log().await?,
    };
    let id = instance::find_run(&*log, args.run.as_deref()).await?;
    if args.events {
        let read = log.history(id, 1).await.doing(Exit::Unreachable, "read the run log")?;
        return output.answer(&lines(&read));
    }
    if args.dagster_events {
        let told =
            again::dagster_events(&*log, id).await.doing(Exit::Unreachable, format!("read run {id}"))?;
        return output.answer(&lines(&told));
    }
    let run = load(&*log, id).await?;
    let lineage = Lineage::of(&*log, id).await?;
    // Before the answer: if it fails, what is said is that, and nothing else.
    let written = match &site {
        Some(site) => export_results(&run, &site.stores()?, &args.export).await?,
        None => vec![],
    };
    if output.json {
        output.document("cofferdam.run/v1", document(&run, &lineage))?;
    } else {
        output.answer(&text(&run, &lineage, args.all))?;
    }
    say_written(&written, output);
    Ok(())
}

/// Which run a run executes again, and which runs execute it again.
#[derive(Default)]
pub(crate) struct Lineage {
    origin: Option<Origin>,
    /// Newest first.
    children: Vec<RunId>,
}

impl Lineage {
    pub(crate) async fn of(log: &dyn RunLog, id: RunId) -> Result<Lineage> {
        let origin = log.summary(id).await.doing(Exit::Unreachable, "read the run log")?.origin;
        let children = again::children(log, id).await.doing(Exit::Unreachable, "read the run log")?;
        Ok(Lineage { origin, children: children.iter().map(|run| run.run).collect() })
    }

    /// `retry of run …, from the failure; the first was run …`
    fn lines(&self) -> Vec<String> {
        let origin = self.origin.as_ref().map(|origin| {
            let what = if origin.automatic { "retry" } else { "re-execution" };
            let how = match origin.how {
                Reexecution::AllSteps => "all steps",
                Reexecution::Selection => "selected steps",
                Reexecution::FromFailure => "from the failure",
            };
            let first =
                (origin.root != origin.parent).then(|| format!("; the first was run {}", origin.root));
            format!("{DIM}{what} of run {}, {how}{}{DIM:#}", origin.parent, first.unwrap_or_default())
        });
        let children = self.children.iter().map(|child| format!("{DIM}executed again by run {child}{DIM:#}"));
        origin.into_iter().chain(children).collect()
    }
}

/// A JSON document per line.
fn lines(events: &[impl Serialize]) -> String {
    let lines =
        events.iter().map(|event| serde_json::to_string(event).expect("an event can be written as JSON"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The state of a run, from its log.
pub(crate) async fn load(log: &dyn RunLog, id: RunId) -> Result<Run> {
    again::load(log, id).await.doing(Exit::Unreachable, format!("read run {id}"))
}

/// Writes results into the folder that was asked for, if one was.
pub(crate) async fn export_results(
    run: &Run,
    values: &Stores,
    export: &args::Export,
) -> Result<Vec<PathBuf>> {
    let Some(folder) = &export.dir else { return Ok(vec![]) };
    export_to(run, values, folder, export.force).await
}

pub(crate) fn say_written(paths: &[PathBuf], output: Output) {
    for path in paths {
        output.say(&format!("{GREEN}  wrote{GREEN:#}  {}", shown(path)));
    }
}

async fn export_to(run: &Run, values: &Stores, folder: &Path, force: Force) -> Result<Vec<PathBuf>> {
    if run.status() != RunStatus::Succeeded {
        let unfinished = format!("run {} has not succeeded, so there is nothing to export", run.id());
        return Err(Failed::new(Exit::RunFailed, unfinished));
    }
    export::export(&results(run), values, folder, force).await
}

/// The outputs that no other step reads.
pub(crate) fn results(run: &Run) -> Vec<Found> {
    let unread = export::unread(run.plan());
    let mut results = vec![];
    for step in run.steps() {
        for output in step.outputs() {
            if unread.contains(&(step.template(), output.name.clone())) {
                results.push(Found { step: step.key().clone(), output: output.clone() });
            }
        }
    }
    results
}

/// A run as programs see it.
pub(crate) fn document(run: &Run, lineage: &Lineage) -> Value {
    let steps: Vec<Value> = run.steps().map(|step| step_json(&step)).collect();
    json!({
        "run": run.id(),
        "job": run.plan().job,
        "tags": run.plan().tags,
        "plan": run.plan().digest(),
        "libraries": run.plan().libraries,
        "status": run.status(),
        "limit": run.limit(),
        "origin": lineage.origin,
        "executed_again_by": lineage.children,
        "accepted_at": run.accepted_at().map(|at| at.to_string()),
        "started_at": run.started_at().map(|at| at.to_string()),
        "ended_at": run.ended_at().map(|at| at.to_string()),
        "usage": cost::json(&run.usage()),
        "steps": steps,
    })
}

fn step_json(step: &StepView<'_>) -> Value {
    let attempts: Vec<Value> = step
        .attempts()
        .map(|attempt| {
            json!({
                "attempt": attempt.number,
                "fence": attempt.fence,
                "worker": attempt.worker,
                "dispatched_at": attempt.dispatched_at.to_string(),
                "ended_at": attempt.ended_at.map(|at| at.to_string()),
                "failure": attempt.failure,
                "usage": attempt.usage.as_ref().map(cost::json),
            })
        })
        .collect();
    json!({
        "step": step.key(),
        "status": step.status(),
        "because_of": step.root(),
        "attempts": attempts,
        "outputs": step.outputs(),
        "lost": step.lost().iter().map(lost_json).collect::<Vec<_>>(),
        "metadata": step.metadata(),
    })
}

fn lost_json(lost: &Lost) -> Value {
    json!({ "at": lost.at.to_string(), "why": lost.why, "needed_by": lost.needed_by })
}

/// A run for a person: the first failure first, then the steps, then the results.
fn text(run: &Run, lineage: &Lineage, all: bool) -> String {
    let mut lines = vec![headline(run)];
    lines.extend(run.limit().map(limit_line));
    lines.extend(lineage.lines());
    if let Some(step) = first_failure(run) {
        lines.push(String::new());
        lines.extend(failure_card(&step));
    }
    lines.push(String::new());
    let shown = if all { usize::MAX } else { STEPS_SHOWN_MAX };
    lines.extend(run.steps().take(shown).map(|step| step_line(&step)));
    if run.n_steps() > shown {
        lines.push(format!("{DIM}… {} more; `--all` shows them{DIM:#}", run.n_steps() - shown));
    }
    lines.extend(cost::line(&run.usage()));
    let results = results(run);
    if !results.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "results {DIM}(write them with `cofferdam show {} --export DIR`){DIM:#}",
            run.id()
        ));
    }
    for Found { step, output } in results.iter().take(shown) {
        let value = &output.value;
        lines.push(format!("  {step}.{}  {}, {}", output.name, value.media_type, size(value.size)));
        lines.extend(output.metadata.iter().map(|entry| format!("    {}", fact(entry))));
    }
    lines.join("\n")
}

/// Why a run failed that has reached a limit.
pub(crate) fn limit_line(limit: RunLimit) -> String {
    format!("{RED}the run was ended{RED:#}: {}", limit.phrase())
}

fn headline(run: &Run) -> String {
    let style = status_style(run.status());
    let when = run.accepted_at().map(ago).unwrap_or_default();
    let took =
        run.started_at().zip(run.ended_at()).map(|(from, to)| format!(" in {}", duration(to.since(from))));
    format!(
        "{style}{}{style:#}{}  {} {DIM}run {}  {when}{DIM:#}",
        run.status(),
        took.unwrap_or_default(),
        run.plan().job,
        run.id()
    )
}

/// The step to look at first: one that made the run fail, else a hook or a tear-down that failed beside it.
pub(crate) fn first_failure(run: &Run) -> Option<StepView<'_>> {
    let counted = run.failures().next().and_then(|(key, _)| run.step(key));
    counted.or_else(|| run.steps().find(|step| step.status() == StepStatus::Failed))
}

/// The cause in one line, then what a person needs to act on it.
pub(crate) fn failure_card(step: &StepView<'_>) -> Vec<String> {
    let Some(failure) = step.failure() else { return vec![] };
    let attempts = step.attempts().len();
    let tries = if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
    let Failure { kind, message, causes, backtrace, metadata, .. } = failure;
    let mut lines = vec![format!(
        "{RED}{} failed{tries}{RED:#}: {} {DIM}[{kind}]{DIM:#}",
        step.key(),
        printable(message)
    )];
    lines.extend(causes.iter().map(|cause| format!("  because: {}", printable(cause))));
    lines.extend(metadata.iter().map(|entry| format!("  {}", fact(entry))));
    lines.extend(backtrace.iter().map(|frame| format!("  {DIM}at {}{DIM:#}", printable(frame))));
    lines
}

fn step_line(step: &StepView<'_>) -> String {
    let status = step.status();
    let style = match status {
        StepStatus::Succeeded => GREEN,
        StepStatus::Failed => RED,
        StepStatus::Retrying => YELLOW,
        _ => DIM,
    };
    let attempts = step.attempts().len();
    let usage = step.attempts().last().and_then(|attempt| attempt.usage);
    let mut facts = vec![];
    if let Some(usage) = usage {
        facts.push(duration(Duration::from_micros(usage.wall_us)));
        facts.push(size(usage.memory_bytes_peak));
    }
    if attempts > 1 {
        facts.push(count(attempts, "attempt"));
    }
    let lost = step.lost().iter();
    facts.extend(lost.map(|lost| format!("made anew for {}: {}", lost.needed_by, lost.why.phrase())));
    facts.extend(step.root().map(|root| format!("because {root} failed")));
    facts.extend(step.metadata().iter().map(fact));
    format!("  {style}{status:<9}{style:#} {}  {DIM}{}{DIM:#}", step.key(), facts.join(", "))
}

/// `rows = 27004`
pub(crate) fn fact(entry: &MetadataEntry) -> String {
    let value = match &entry.value {
        MetadataValue::Integer(integer) => integer.to_string(),
        MetadataValue::Number(number) => number.to_string(),
        MetadataValue::Truth(truth) => truth.to_string(),
        MetadataValue::Text(text)
        | MetadataValue::Url(text)
        | MetadataValue::Path(text)
        | MetadataValue::Json(text)
        | MetadataValue::Markdown(text)
        | MetadataValue::Table(text)
        | MetadataValue::Timestamp(text) => printable(text),
    };
    format!("{} = {value}", printable(&entry.name))
}
