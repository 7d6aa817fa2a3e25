//! `cofferdam asset backfill`: many partitions, in runs that come after those that they need.

use std::num::NonZeroU32;

use cofferdam_assets::{
    Backfill as Planned, BackfillPolicy, BackfillProgress, BackfillStatus, RunState, Targets, plan_backfill,
};
use cofferdam_model::{Diagnostic, Known as TakenOver, RunConfig, RunId, RunStatus};
use cofferdam_scheduler::Submission;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::Backfill;
use super::known::Known;
use crate::args::{Given, Global};
use crate::drive::Drive;
use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::interrupts::Interrupts;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable};
use crate::prepare::{Prepared, Reading, Wanted, prepare_wanted, read_config};
use crate::project::{Project, sort_out};
use crate::selected;
use crate::text::count;

/// Runs of one backfill that are under way at once. The slots are the real bound; this keeps the plans that are held
/// in memory few.
const RUNS_ACTIVE_MAX: usize = 16;
/// Runs of a plan that are listed for a person.
const RUNS_LISTED_MAX: usize = 40;
/// Tag by which the runs of one backfill are found. Dagster's name.
const BACKFILL_TAG: &str = "dagster/backfill";

/// What has become of one run.
#[derive(Debug, Default, Clone)]
struct Outcome {
    state: RunState,
    run: Option<RunId>,
    /// Why it could not be started.
    why: Option<String>,
}

pub(super) async fn run(args: &Backfill, global: &Global, output: Output) -> Result<Exit> {
    let mut known = Known::open(&args.at, global, output).await?;
    if args.stale_only {
        known.compare_code(global, output).await?;
    }
    selected::say(&args.selection, &cofferdam_select::ASSETS, output);
    let targets = targets(&known, args)?;
    if targets.is_empty() {
        output.say("everything that is selected is up to date");
        return Ok(Exit::Ok);
    }
    let policy = match (args.single, NonZeroU32::new(args.max_per_run)) {
        (false, Some(most)) => BackfillPolicy::AtMost(most),
        _ => BackfillPolicy::Single,
    };
    let planned = plan_backfill(&known.graph, &known.extents, &targets, policy).map_err(|missing| {
        let of = |missing: &cofferdam_assets::MissingUpstream| {
            Diagnostic::error("assets::missing-upstream", missing.to_string())
        };
        Failed::diagnosed(cofferdam_config::Texts::default(), missing.iter().map(of).collect())
    })?;
    if args.dry_run {
        let outcomes = vec![Outcome::default(); planned.runs.len()];
        answer(&known, &planned, &outcomes, None, output)?;
        return Ok(Exit::Ok);
    }
    let mut driver = Driver::new(&known, &planned, args, global, output)?;
    driver.drive().await?;
    let progress = driver.progress();
    answer(&known, &planned, &driver.outcomes, Some(&progress), output)?;
    Ok(match progress.status {
        BackfillStatus::CompletedSuccess => Exit::Ok,
        BackfillStatus::Canceled | BackfillStatus::Canceling => Exit::RunCancelled,
        BackfillStatus::CompletedFailed | BackfillStatus::Requested => Exit::RunFailed,
    })
}

/// What is asked for: assets of unlike partitions each get those of the text that they have.
fn targets(known: &Known, args: &Backfill) -> Result<Targets> {
    let mut targets = Targets::default();
    let mut mistakes = vec![];
    for asset in known.select(&args.selection)? {
        if known.graph.maker_of(asset).external {
            continue;
        }
        let extent = known.extent(asset);
        let found = match args.partitions.as_str() {
            "all" => Ok(extent.all()),
            _ if !extent.is_partitioned() => Ok(extent.all()),
            text => extent.resolve(text),
        };
        match found {
            Ok(partitions) => targets.add(asset, &partitions),
            Err(error) => {
                let key = &known.graph.asset(asset).key;
                let mistake = Diagnostic::error("assets::partition", format!("`{key}`: {error}"));
                mistakes.push(match error.hint() {
                    Some(hint) => mistake.hint(hint),
                    None => mistake,
                });
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(Failed::diagnosed(cofferdam_config::Texts::default(), mistakes));
    }
    Ok(if args.stale_only { known.judge().stale_only(&targets) } else { targets })
}

/// Starts runs when those that they need have succeeded.
struct Driver<'a> {
    known: &'a Known,
    planned: &'a Planned,
    args: &'a Backfill,
    global: &'a Global,
    output: Output,
    config: RunConfig,
    /// Names the backfill in the tags of its runs.
    id: uuid::Uuid,
    outcomes: Vec<Outcome>,
    canceled: bool,
}

impl<'a> Driver<'a> {
    fn new(
        known: &'a Known,
        planned: &'a Planned,
        args: &'a Backfill,
        global: &'a Global,
        output: Output,
    ) -> Result<Driver<'a>> {
        let mut texts = cofferdam_config::Texts::default();
        let given = Given { config: args.config.clone(), environment: None, partition: None };
        let (config, found) = read_config(&given, &mut texts)?;
        sort_out(texts, found, output)?;
        let outcomes = vec![Outcome::default(); planned.runs.len()];
        let id = uuid::Uuid::now_v7();
        Ok(Driver { known, planned, args, global, output, config, id, outcomes, canceled: false })
    }

    fn progress(&self) -> BackfillProgress {
        let states: Vec<RunState> = self.outcomes.iter().map(|outcome| outcome.state).collect();
        self.planned.progress(&states, self.canceled)
    }

    async fn drive(&mut self) -> Result<()> {
        let drive = Drive::start(&self.known.project.site, &self.args.local).await?;
        let mut interrupts = Interrupts::listen()?;
        let mut active = FuturesUnordered::new();
        loop {
            let progress = self.progress();
            let room = RUNS_ACTIVE_MAX.saturating_sub(active.len());
            for at in progress.ready.iter().take(room).map(|at| at as usize) {
                if let Some(run) = self.start(at, &drive).await? {
                    let drive = &drive;
                    active.push(async move { (at, drive.wait(run).await) });
                }
            }
            if active.is_empty() {
                // What could not be started may have made others impossible; then there is nothing left to start.
                if self.progress().ready.is_empty() || self.canceled {
                    break;
                }
                continue;
            }
            tokio::select! {
                ended = active.next() => {
                    let Some((at, ended)) = ended else { continue };
                    self.ended(at, ended?);
                }
                _ = interrupts.next() => self.cancel(&drive).await?,
            }
        }
        drop(active);
        drive.stop().await;
        Ok(())
    }

    /// Nothing more starts, and what runs is cancelled. A second interrupt leaves at once.
    async fn cancel(&mut self, drive: &Drive) -> Result<()> {
        if self.canceled {
            return Err(Failed::new(Exit::Interrupted, "interrupted; some runs have not ended")
                .hint("`cofferdam runs` lists them, `cofferdam resume RUN` goes on with one"));
        }
        self.canceled = true;
        self.output.say(&format!("{YELLOW}cancelling{YELLOW:#} (once more to leave at once)"));
        for outcome in self.outcomes.iter().filter(|outcome| outcome.state == RunState::Active) {
            if let Some(run) = outcome.run {
                drive.cancel(run).await?;
            }
        }
        Ok(())
    }

    /// Plans a run by what is there now and hands it to the scheduler. A run that cannot be planned has failed.
    async fn start(&mut self, at: usize, drive: &Drive) -> Result<Option<RunId>> {
        let planned = &self.planned.runs[at];
        let extent = planned.assets.iter().map(|asset| self.known.extent(*asset));
        let extent = extent.max_by_key(|extent| extent.is_partitioned());
        let keys = extent.and_then(|extent| planned.keys(extent));
        let partition =
            keys.map(|(first, last)| if first == last { first } else { format!("{first}...{last}") });
        let mut tags = extent.map(|extent| planned.tags(extent)).unwrap_or_default();
        tags.push((BACKFILL_TAG.to_owned(), self.id.to_string()));
        let quiet = Output { quiet: true, ..self.output };
        let site = self.known.project.site.clone();
        let project = Project { site, ..Project::open(self.global, quiet)? };
        let wanted = Wanted::Assets(self.known.expressions(&planned.assets));
        let given = Given { config: None, environment: self.args.environment.clone(), partition };
        let prepared = prepare_wanted(project, &wanted, &given, &self.config, Reading::Import, quiet).await;
        let prepared = prepared.and_then(|prepared| drive.refuse(&prepared.plan).map(|()| prepared));
        let Prepared { mut plan, .. } = match prepared {
            Ok(prepared) => prepared,
            Err(failed) => {
                let why = failed.diagnostics.as_ref().and_then(|found| found.1.first());
                let why = why.map_or_else(|| failed.message.clone(), |first| first.message.clone());
                self.say(at, &format!("{RED}not started{RED:#}: {}", printable(&why)));
                self.outcomes[at] = Outcome { state: RunState::Failed, run: None, why: Some(why) };
                return Ok(None);
            }
        };
        plan.tags.extend(tags);
        let submission = Submission {
            run: RunId(uuid::Uuid::now_v7()),
            tags: plan.tags.clone(),
            plan: plan.into(),
            idempotency_key: None,
            origin: None,
            known: TakenOver::default(),
        };
        let run = drive.submit(submission, quiet).await?;
        self.outcomes[at] = Outcome { state: RunState::Active, run: Some(run), why: None };
        Ok(Some(run))
    }

    fn ended(&mut self, at: usize, status: RunStatus) {
        let (state, style) = match status {
            RunStatus::Succeeded => (RunState::Succeeded, GREEN),
            RunStatus::Cancelled | RunStatus::Cancelling => (RunState::Canceled, YELLOW),
            RunStatus::Failed | RunStatus::Queued | RunStatus::Running => (RunState::Failed, RED),
        };
        self.outcomes[at].state = state;
        self.say(at, &format!("{style}{status}{style:#}"));
    }

    /// `12/31 succeeded  2013-01-12  flights/daily`
    fn say(&self, at: usize, what: &str) {
        let n_done = self.outcomes.iter().filter(|outcome| ended(outcome.state)).count();
        self.output.say(&format!(
            "{DIM}{n_done}/{}{DIM:#} {what}  {}",
            self.planned.runs.len(),
            title(self.known, self.planned, at)
        ));
    }
}

fn ended(state: RunState) -> bool {
    matches!(state, RunState::Succeeded | RunState::Failed | RunState::Canceled)
}

/// `2013-01-01...2013-01-07  flights/daily, flights/weekly`
fn title(known: &Known, planned: &Planned, at: usize) -> String {
    let run = &planned.runs[at];
    let assets: Vec<String> =
        run.assets.iter().map(|asset| known.graph.asset(*asset).key.to_string()).collect();
    match keys(known, planned, at) {
        Some((first, last)) if first == last => format!("{}  {}", printable(&first), assets.join(", ")),
        Some((first, last)) => format!("{}...{}  {}", printable(&first), printable(&last), assets.join(", ")),
        None => assets.join(", "),
    }
}

fn keys(known: &Known, planned: &Planned, at: usize) -> Option<(String, String)> {
    let run = &planned.runs[at];
    run.assets.iter().find_map(|asset| run.keys(known.extent(*asset)))
}

/// The table, or the document; without progress of a plan that was not started.
fn answer(
    known: &Known,
    planned: &Planned,
    outcomes: &[Outcome],
    progress: Option<&BackfillProgress>,
    output: Output,
) -> Result<()> {
    let abandoned = |at: usize| progress.is_some_and(|progress| contains(progress, at));
    let word = |at: usize| match outcomes[at].state {
        _ if progress.is_none() => "planned",
        RunState::Waiting if abandoned(at) => "not run",
        RunState::Waiting => "waiting",
        RunState::Active => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Canceled => "cancelled",
    };
    if output.json {
        let runs: Vec<Value> = (0..planned.runs.len())
            .map(|at| {
                let run = &planned.runs[at];
                let assets: Vec<_> = run.assets.iter().map(|asset| &known.graph.asset(*asset).key).collect();
                let keys = keys(known, planned, at);
                json!({
                    "assets": assets,
                    "first": keys.as_ref().map(|keys| &keys.0),
                    "last": keys.as_ref().map(|keys| &keys.1),
                    "round": run.round,
                    "after": run.after.iter().collect::<Vec<u32>>(),
                    "status": word(at),
                    "run": outcomes[at].run,
                    "why": outcomes[at].why,
                })
            })
            .collect();
        let status = progress.map(|progress| status_word(progress.status));
        return output.document("cofferdam.backfill/v1", json!({ "status": status, "runs": runs }));
    }
    let shown = |at: &usize| progress.is_none() || outcomes[*at].state != RunState::Succeeded;
    let listed: Vec<usize> = (0..planned.runs.len()).filter(shown).collect();
    let mut lines = vec![headline(planned, progress)];
    for at in listed.iter().take(RUNS_LISTED_MAX) {
        let run = outcomes[*at].run.map(|run| format!("  run {run}")).unwrap_or_default();
        let round = planned.runs[*at].round + 1;
        lines.push(format!(
            "  {:<9} {DIM}round {round:<3}{DIM:#} {}{DIM}{run}{DIM:#}",
            word(*at),
            title(known, planned, *at)
        ));
    }
    if listed.len() > RUNS_LISTED_MAX {
        lines.push(format!("{DIM}… {} more; `--json` has all{DIM:#}", listed.len() - RUNS_LISTED_MAX));
    }
    output.answer(&lines.join("\n"))
}

fn contains(progress: &BackfillProgress, at: usize) -> bool {
    u32::try_from(at).is_ok_and(|at| progress.abandoned.contains(at))
}

fn headline(planned: &Planned, progress: Option<&BackfillProgress>) -> String {
    let rounds = planned.runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
    let runs = count(planned.runs.len(), "run");
    let Some(progress) = progress else {
        return format!("{runs} in {}", count(rounds as usize, "round"));
    };
    let style = match progress.status {
        BackfillStatus::CompletedSuccess => GREEN,
        BackfillStatus::CompletedFailed => RED,
        _ => YELLOW,
    };
    format!(
        "{style}{}{style:#}: {runs}, {} succeeded, {} failed, {} not run",
        status_word(progress.status),
        progress.n_succeeded,
        progress.n_failed,
        progress.abandoned.len()
    )
}

fn status_word(status: BackfillStatus) -> &'static str {
    match status {
        BackfillStatus::Requested => "requested",
        BackfillStatus::CompletedSuccess => "succeeded",
        BackfillStatus::CompletedFailed => "failed",
        BackfillStatus::Canceling => "cancelling",
        BackfillStatus::Canceled => "cancelled",
    }
}
