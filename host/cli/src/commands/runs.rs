//! `cofferdam runs`: what was run, newest first.

use cofferdam_model::{Name, RunId, RunStatus};
use cofferdam_runlog::{RunFilter, RunSummary};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::archive;
use crate::args::{self, ExportRun, Global, Pinned, RunsCommand};
use crate::draft::{Draft, FOR_ITS_OWNER};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{GREEN, Output, RED, YELLOW, printable, terminal_width};
use crate::site::Site;
use crate::text::{ago, duration};

pub(crate) async fn run(args: &args::Runs, global: &Global, output: Output) -> Result<()> {
    match &args.command {
        Some(RunsCommand::Pin(pinned)) => return pin(pinned, true, global, output).await,
        Some(RunsCommand::Unpin(pinned)) => return pin(pinned, false, global, output).await,
        Some(RunsCommand::Export(asked)) => return export(asked, global, output).await,
        None => {}
    }
    let Some(log) = Site::find(&args.at, global)?.log_if_any().await? else {
        return if output.json {
            output.document("cofferdam.runs/v1", json!({ "runs": [] }))
        } else {
            output.say("nothing has run here yet; `cofferdam run JOB` runs a job");
            Ok(())
        };
    };
    let job = args.job.as_deref().map(Name::new).transpose();
    let job = job.map_err(|error| Failed::usage("`--job` takes the name of a job").because(&error))?;
    let filter = RunFilter { job, limit: Some(args.limit as usize), ..RunFilter::default() };
    let runs = log.runs(filter).await.doing(Exit::Unreachable, "read the run log")?;
    if output.json {
        let runs: Vec<_> = runs.iter().map(summary_json).collect();
        return output.document("cofferdam.runs/v1", json!({ "runs": runs }));
    }
    output.answer(&table(&runs))
}

/// Puts a pin on a run or takes it off. Doing it again changes nothing and says so.
async fn pin(pinned: &Pinned, on: bool, global: &Global, output: Output) -> Result<()> {
    let site = Site::find(&pinned.at, global)?;
    let Some(log) = site.log_if_any().await? else {
        return Err(Failed::usage("nothing has run here yet"));
    };
    let run = instance::find_run(&*log, Some(&pinned.run)).await?;
    drop(log);
    let log = site.log_to_change().await?;
    let changed = if on { log.catalog().pin(run).await } else { log.catalog().unpin(run).await };
    let changed = changed.doing(Exit::Unreachable, "write the run log")?;
    if output.json {
        return output.document("cofferdam.pin/v1", json!({ "run": run, "pinned": on, "changed": changed }));
    }
    output.answer(&match (on, changed) {
        (true, true) => format!("run {run} is pinned: `cofferdam gc` keeps its values\n"),
        (true, false) => format!("run {run} was pinned already\n"),
        (false, true) => format!("run {run} is not pinned any more\n"),
        (false, false) => format!("run {run} was not pinned\n"),
    })
}

async fn export(asked: &ExportRun, global: &Global, output: Output) -> Result<()> {
    let draft = Draft::of(&asked.file, FOR_ITS_OWNER, asked.force)?;
    let log = Site::find(&asked.at, global)?.log().await?;
    let run = instance::find_run(&*log, Some(&asked.run)).await?;
    archive::write(&*log, run, draft).await?;
    if output.json {
        return output.document("cofferdam.export/v1", json!({ "run": run, "file": asked.file }));
    }
    output.answer(&format!("run {run} in {}", asked.file.display()))
}

/// A run as programs see it.
pub(crate) fn summary_json(run: &RunSummary) -> serde_json::Value {
    json!({
        "run": run.run,
        "job": run.job,
        "status": run.status,
        "origin": run.origin,
        "tags": run.tags,
        "plan": run.plan,
        "created_at": run.created_at.to_string(),
        "started_at": run.started_at.map(|at| at.to_string()),
        "ended_at": run.ended_at.map(|at| at.to_string()),
        "steps": run.steps,
        "first_error": run.first_error,
    })
}

fn table(runs: &[RunSummary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX));
    // A column that is empty as a rule would take the room of the error.
    let any_origin = runs.iter().any(|run| run.origin.is_some());
    let optional = |cell: String| any_origin.then_some(cell);
    let mut header = ["RUN", "JOB", "STATUS", "STARTED", "TOOK", "STEPS"].map(str::to_owned).to_vec();
    header.extend(optional("OF RUN".to_owned()));
    header.push("FIRST ERROR".to_owned());
    table.set_header(header);
    for run in runs {
        let took = run.started_at.zip(run.ended_at).map(|(from, to)| duration(to.since(from)));
        let mut row = vec![
            short(run.run),
            run.job.to_string(),
            styled(run.status),
            ago(run.created_at),
            took.unwrap_or_default(),
            run.steps.succeeded.to_string(),
        ];
        row.extend(optional(run.origin.as_ref().map(|origin| short(origin.parent)).unwrap_or_default()));
        row.push(printable(run.first_error.as_deref().unwrap_or_default()));
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The start of a run's id: its time and some of its random bits, enough to name it.
fn short(run: RunId) -> String {
    run.to_string().chars().take(18).collect()
}

fn styled(status: RunStatus) -> String {
    let style = status_style(status);
    format!("{style}{status}{style:#}")
}

pub(crate) fn status_style(status: RunStatus) -> anstyle::Style {
    match status {
        RunStatus::Succeeded => GREEN,
        RunStatus::Failed => RED,
        RunStatus::Cancelled | RunStatus::Cancelling => YELLOW,
        RunStatus::Queued | RunStatus::Running => anstyle::Style::new(),
    }
}
