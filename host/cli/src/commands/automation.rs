//! `cofferdam schedule` and `cofferdam sensor`: what starts runs by itself, turned on and off, tried, and looked at. While
//! somebody serves pages, they are asked to change what a person wants changed; otherwise the run log is changed here.

use clap::Subcommand;
use cofferdam_automation::catch_up_in_words;
use cofferdam_daemon::{Defined, Trial, Tried, When, defined, ticks_by, try_tick};
use cofferdam_model::{
    Instigator, InstigatorKind, InstigatorState, InstigatorStatus, Name, Tick, TickStatus, Timestamp,
};
use cofferdam_runlog::{RunLog, Ticks};
use cofferdam_scheduler::system_time;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

use crate::args::Global;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::locations::{Locations, WorkspaceFile, alone};
use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable, terminal_width};
use crate::pages::{self, Sign};
use crate::project::Project;
use crate::settings;
use crate::text::{ago, count};

/// Ticks that are shown of one.
const TICKS_SHOWN: usize = 20;
/// Times to come that are shown of a schedule.
const NEXT_SHOWN: usize = 5;

/// What can be done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// List them: when they tick next, and what came of the last tick.
    List,
    /// Show one with its next times and its last ticks.
    Show { name: String },
    /// Turn one on.
    Start { name: String },
    /// Turn one off.
    Stop { name: String },
    /// Turn one on or off as its definition says.
    Reset { name: String },
    /// Show what its next tick would run. Nothing is launched.
    Try { name: String },
}

/// What can be done with sensors.
#[derive(Debug, Subcommand)]
pub(crate) enum Sensor {
    /// List them: when they are asked next, and what came of the last tick.
    List,
    /// Show one with its cursor and its last ticks.
    Show { name: String },
    /// Turn one on.
    Start { name: String },
    /// Turn one off.
    Stop { name: String },
    /// Turn one on or off as its definition says.
    Reset { name: String },
    /// Ask it now, and show what it would run. Nothing is launched, and its cursor stays.
    Try {
        name: String,
        /// As if it had left this one.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Put its cursor elsewhere.
    Cursor {
        name: String,
        /// Without one it begins anew.
        cursor: Option<String>,
    },
}

pub(crate) async fn schedule(asked: &Schedule, global: &Global, output: Output) -> Result<()> {
    let mine = Mine::open(InstigatorKind::Schedule, global, output).await?;
    match asked {
        Schedule::List => mine.list(output).await,
        Schedule::Show { name } => mine.show(name, output).await,
        Schedule::Start { name } => mine.set(name, Change::Status("startSchedule", ON), output).await,
        Schedule::Stop { name } => mine.set(name, Change::Status("stopRunningSchedule", OFF), output).await,
        Schedule::Reset { name } => mine.set(name, Change::Status("resetSchedule", None), output).await,
        Schedule::Try { name } => mine.try_one(name, None, global, output).await,
    }
}

pub(crate) async fn sensor(asked: &Sensor, global: &Global, output: Output) -> Result<()> {
    let mine = Mine::open(InstigatorKind::Sensor, global, output).await?;
    match asked {
        Sensor::List => mine.list(output).await,
        Sensor::Show { name } => mine.show(name, output).await,
        Sensor::Start { name } => mine.set(name, Change::Status("startSensor", ON), output).await,
        Sensor::Stop { name } => mine.set(name, Change::Status("stopSensor", OFF), output).await,
        Sensor::Reset { name } => mine.set(name, Change::Status("resetSensor", None), output).await,
        Sensor::Try { name, cursor } => mine.try_one(name, cursor.clone(), global, output).await,
        Sensor::Cursor { name, cursor } => mine.set(name, Change::Cursor(cursor.clone()), output).await,
    }
}

const ON: Option<InstigatorStatus> = Some(InstigatorStatus::Running);
const OFF: Option<InstigatorStatus> = Some(InstigatorStatus::Stopped);

/// What a person changes.
enum Change {
    /// By the name of the mutation.
    Status(&'static str, Option<InstigatorStatus>),
    Cursor(Option<String>),
}

/// The code location that a project is to its instance, and its environment there.
fn location(project: &Project) -> Result<(Name, Option<Name>)> {
    let Ok(path) = std::fs::read_to_string(project.state.workspace()) else { return Ok((alone(), None)) };
    let workspace = WorkspaceFile::read(Path::new(&path))?;
    workspace.location_of(&project.root).ok_or_else(|| {
        Failed::usage(format!("{} is none of the code locations of {path}", project.root.display()))
            .hint("`-C DIR` names the folder of another project")
    })
}

/// The schedules, or the sensors, of a project.
struct Mine {
    kind: InstigatorKind,
    project: Project,
    all: Vec<Arc<Defined>>,
    /// None if nothing was ever run.
    log: Option<Arc<dyn RunLog>>,
}

impl Mine {
    async fn open(kind: InstigatorKind, global: &Global, output: Output) -> Result<Mine> {
        let project = Project::open(global, output)?;
        let log = settings::read_if_any(&project.state).await?;
        let all = defined(&project.definitions, &location(&project)?.0);
        let all = all.into_iter().filter(|one| one.instigator.kind == kind).collect();
        Ok(Mine { kind, project, all, log })
    }

    fn find(&self, name: &str) -> Result<&Arc<Defined>> {
        let found = self.all.iter().find(|one| one.instigator.name.as_str() == name.replace('-', "_"));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.all.iter().map(|one| one.instigator.name.as_str()).collect();
            let known = if names.is_empty() {
                "none is defined".to_owned()
            } else {
                format!("known: {}", names.join(", "))
            };
            Failed::usage(format!("there is no {} `{name}`", self.kind.word())).hint(known)
        })
    }

    fn ticks(&self) -> Option<&dyn Ticks> {
        self.log.as_ref().map(|log| log.automation())
    }

    async fn state(&self, instigator: &Instigator) -> Result<Option<InstigatorState>> {
        let Some(ticks) = self.ticks() else { return Ok(None) };
        let states = ticks.instigators().await.doing(Exit::Unreachable, "read the run log")?;
        Ok(states.into_iter().find(|state| state.instigator == *instigator))
    }

    async fn last(&self, instigator: &Instigator, limit: usize) -> Result<Vec<Tick>> {
        let Some(ticks) = self.ticks() else { return Ok(vec![]) };
        ticks.ticks(instigator.clone(), None, limit).await.doing(Exit::Unreachable, "read the run log")
    }

    async fn list(&self, output: Output) -> Result<()> {
        let mut rows = vec![];
        for one in &self.all {
            let state = self.state(&one.instigator).await?;
            let last = self.last(&one.instigator, 1).await?.pop();
            rows.push((one, state, last));
        }
        let plural = format!("{}s", self.kind.word());
        if output.json {
            let all: Vec<_> =
                rows.iter().map(|(one, state, last)| facts(one, state.as_ref(), last.as_slice())).collect();
            return output.document(&format!("cofferdam.{plural}/v1"), json!({ plural: all }));
        }
        if rows.is_empty() {
            output.say(&format!("the project defines no {}: add a table [{plural}.NAME]", self.kind.word()));
            return Ok(());
        }
        let mut table = table();
        table.set_header(["NAME", "STATUS", "WHEN", "NEXT", "LAST TICK"]);
        for (one, state, last) in &rows {
            let next = next(one, state.as_ref()).map_or_else(|| "-".to_owned(), |at| at.to_string());
            let last = last.as_ref().map_or_else(|| "-".to_owned(), tick_line);
            table.add_row([
                one.instigator.name.to_string(),
                word(one, state.as_ref()).to_owned(),
                when(one),
                next,
                last,
            ]);
        }
        output.answer(&table.to_string())
    }

    async fn show(&self, name: &str, output: Output) -> Result<()> {
        let one = self.find(name)?;
        let state = self.state(&one.instigator).await?;
        let ticks = self.last(&one.instigator, TICKS_SHOWN).await?;
        if output.json {
            let schema = format!("cofferdam.{}/v1", self.kind.word());
            return output.document(&schema, facts(one, state.as_ref(), &ticks));
        }
        output.answer(&page(one, state.as_ref(), &ticks))
    }

    async fn try_one(
        &self,
        name: &str,
        cursor: Option<String>,
        global: &Global,
        output: Output,
    ) -> Result<()> {
        let one = self.find(name)?;
        self.project.state.create()?;
        let instigators = Locations::of_one(&self.project.root, location(&self.project)?, global);
        let trial = Trial { at: None, cursor };
        let tried = try_tick(&instigators, self.ticks(), one, trial, system_time()).await;
        let tried = tried.doing(Exit::Unreachable, "read the run log")?;
        if let Some(error) = &tried.error {
            let failed = Failed::new(Exit::RunFailed, format!("{} `{name}` failed", self.kind.word()));
            return Err(Failed { causes: vec![error.clone()], ..failed }.hint("nothing was launched"));
        }
        match output.json {
            true => output.document("cofferdam.tried/v1", tried_json(one, &tried)),
            false => output.answer(&tried_text(one, &tried)),
        }
    }

    async fn set(&self, name: &str, change: Change, output: Output) -> Result<()> {
        let one = self.find(name)?;
        if !pages::ask(&self.project.state, mutation(one, &change)).await? {
            self.change(one, &change).await?;
        }
        let state = self.state_after(one).await?;
        if output.json {
            let schema = format!("cofferdam.{}/v1", self.kind.word());
            return output.document(&schema, facts(one, state.as_ref(), &[]));
        }
        let (kind, name) = (self.kind.word(), &one.instigator.name);
        output.answer(&match change {
            Change::Cursor(None) => format!("{kind} `{name}` begins anew\n"),
            Change::Cursor(Some(_)) => format!("{kind} `{name}` goes on from there\n"),
            Change::Status(..) => format!("{kind} `{name}` is {}\n", word(one, state.as_ref())),
        })?;
        if Sign::read(&self.project.state).is_none() && word(one, state.as_ref()) == "running" {
            output.say("it ticks while `cofferdam dev`, or `cofferdam serve --workspace`, runs");
        }
        Ok(())
    }

    /// Changes it in the run log, which nobody else writes now.
    async fn change(&self, one: &Defined, change: &Change) -> Result<()> {
        let doing = "write the run log";
        let log = self.project.site.log_to_change().await?;
        let (ticks, now) = (log.automation(), system_time());
        let watched = vec![(one.instigator.clone(), ticks_by(one))];
        ticks.watch(watched, now).await.doing(Exit::Unreachable, doing)?;
        let instigator = one.instigator.clone();
        match change {
            Change::Status(_, status) => ticks.set_status(instigator, *status, now).await,
            Change::Cursor(cursor) => ticks.set_cursor(instigator, cursor.clone()).await,
        }
        .doing(Exit::Unreachable, doing)?;
        Ok(())
    }

    /// There may have been no run log before.
    async fn state_after(&self, one: &Defined) -> Result<Option<InstigatorState>> {
        let log = settings::read_if_any(&self.project.state).await?;
        let Some(log) = log else { return Ok(None) };
        let states = log.automation().instigators().await.doing(Exit::Unreachable, "read the run log")?;
        Ok(states.into_iter().find(|state| state.instigator == one.instigator))
    }
}

/// The same change, asked of who writes the run log.
fn mutation(one: &Defined, change: &Change) -> (String, Value) {
    let Instigator { name, location, .. } = &one.instigator;
    match change {
        Change::Status(field, _) => {
            let query = format!(
                "mutation($name: String!, $location: String) {{ done: {field}(name: $name, location: $location) {{ __typename ... on Error {{ message }} }} }}"
            );
            (query, json!({ "name": name, "location": location }))
        }
        Change::Cursor(cursor) => {
            let query = "mutation($name: String!, $location: String, $cursor: String) { done: setSensorCursor(name: $name, location: $location, cursor: $cursor) { __typename ... on Error { message } } }";
            (query.to_owned(), json!({ "name": name, "location": location, "cursor": cursor }))
        }
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX));
    table
}

fn word(one: &Defined, state: Option<&InstigatorState>) -> &'static str {
    let status = state.and_then(|state| state.status).unwrap_or(one.status);
    if status == InstigatorStatus::Running { "running" } else { "stopped" }
}

/// `30 2 * * * Europe/Berlin`, or `every 30 s`.
fn when(one: &Defined) -> String {
    match &one.when {
        When::Schedule { .. } => ticks_by(one),
        When::Sensor { minimum_interval, .. } => format!("every {} s", minimum_interval.as_secs_f64()),
    }
}

/// Also of one that nobody has seen yet: it would begin now.
fn next(one: &Defined, state: Option<&InstigatorState>) -> Option<Timestamp> {
    one.next(state?, system_time())
}

/// `succeeded 3 min ago, 1 run`
fn tick_line(tick: &Tick) -> String {
    let runs =
        if tick.runs.is_empty() { String::new() } else { format!(", {}", count(tick.runs.len(), "run")) };
    let why = tick.reason.as_ref().map_or_else(String::new, |why| format!(": {}", first_line(why)));
    format!("{} {}{runs}{why}", tick.status.word(), ago(tick.started_at))
}

fn first_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or_default()).to_string()
}

fn page(one: &Defined, state: Option<&InstigatorState>, ticks: &[Tick]) -> String {
    let mut lines = vec![format!("{} {}", one.instigator.kind.word(), one.instigator.name)];
    if !one.description.is_empty() {
        lines.push(format!("  {}", printable(&one.description)));
    }
    let mut fact = |name: &str, value: String| lines.push(format!("{DIM}{name:<9}{DIM:#} {value}"));
    fact("status", word(one, state).to_owned());
    fact("when", when(one));
    let jobs: Vec<&str> = one.jobs.iter().map(cofferdam_model::Name::as_str).collect();
    match &one.when {
        When::Schedule { select: Some(select), .. } => fact("makes", select.clone()),
        _ => fact("runs", jobs.join(", ")),
    }
    match &one.when {
        When::Schedule { timetable, rules, .. } => {
            fact("missed", catch_up_in_words(rules.catch_up));
            let from = Timestamp(system_time().0.saturating_add(1));
            let next: Vec<String> = timetable.from(from).take(NEXT_SHOWN).map(|at| at.to_string()).collect();
            fact("next", next.join("\n          "));
        }
        When::Sensor { op, timeout, .. } => {
            fact("op", format!("{op}, at most {} s", timeout.as_secs_f64()));
            let cursor = state.and_then(|state| state.cursor.as_deref());
            fact("cursor", cursor.map_or_else(|| "none".to_owned(), |cursor| printable(cursor).to_string()));
        }
    }
    for tick in ticks {
        let style = match tick.status {
            TickStatus::Succeeded => GREEN,
            TickStatus::Failed => RED,
            TickStatus::Skipped | TickStatus::Started => YELLOW,
        };
        let reason = tick.reason.as_deref().map(first_line).unwrap_or_default();
        lines.push(format!("{} {style}{:<9}{style:#} {reason}", tick.at, tick.status.word()));
        for run in &tick.runs {
            let why = run
                .refused
                .as_deref()
                .map(|why| format!(": not made: {}", first_line(why)))
                .unwrap_or_default();
            let key = run.run_key.as_deref().map(|key| format!(" {}", printable(key))).unwrap_or_default();
            lines.push(format!("  run {}{key}{why}", run.run));
        }
    }
    lines.join("\n")
}

fn facts(one: &Defined, state: Option<&InstigatorState>, ticks: &[Tick]) -> Value {
    let mut facts = json!({
        "name": one.instigator.name,
        "description": one.description,
        "status": word(one, state),
        "default_status": one.status,
        "jobs": one.jobs,
        "tags": one.tags,
        "next": next(one, state).map(|at| at.to_string()),
        "ticks": ticks,
    });
    let more = match &one.when {
        When::Schedule { cron, timezone, select, partition, rules, .. } => json!({
            "cron": cron, "timezone": timezone, "select": select, "partition": partition,
            "catch_up": catch_up_in_words(rules.catch_up), "max_tick_retries": rules.max_tick_retries,
        }),
        When::Sensor { op, minimum_interval, timeout } => json!({
            "op": op.to_string(), "minimum_interval_s": minimum_interval.as_secs_f64(),
            "timeout_s": timeout.as_secs_f64(),
            "cursor": state.and_then(|state| state.cursor.as_deref()),
            "last_run_key": state.and_then(|state| state.last_run_key.as_deref()),
        }),
    };
    if let (Value::Object(facts), Value::Object(more)) = (&mut facts, more) {
        facts.extend(more);
    }
    facts
}

fn tried_json(one: &Defined, tried: &Tried) -> Value {
    let runs: Vec<Value> = tried
        .requests
        .iter()
        .map(|(request, skipped)| {
            json!({
                "job": request.job.as_ref().or(one.jobs.first()),
                "run_key": request.run_key, "partition": request.partition, "config": one.config_of(request),
                "tags": request.tags, "skipped": skipped,
            })
        })
        .collect();
    json!({
        "name": one.instigator.name, "at": tried.at.to_string(), "runs": runs,
        "skip_reason": tried.skip_reason, "cursor": tried.cursor, "logs": tried.logs,
    })
}

fn tried_text(one: &Defined, tried: &Tried) -> String {
    let mut lines = vec![format!("at {}", tried.at)];
    for (request, skipped) in &tried.requests {
        let what = request
            .job
            .as_ref()
            .or(one.jobs.first())
            .map_or_else(|| "the selection".to_owned(), ToString::to_string);
        let key = request.run_key.as_deref().map(|key| format!(" {}", printable(key))).unwrap_or_default();
        let partition = request.partition.as_deref().map(|part| format!(" for {part}")).unwrap_or_default();
        let why = skipped.as_deref().map(|why| format!(": no, {why}")).unwrap_or_default();
        lines.push(format!("  would run {what}{key}{partition}{why}"));
        let config = one.config_of(request);
        if !config.is_null() {
            lines.push(format!("    config {config}"));
        }
    }
    if tried.requests.is_empty() {
        let why = tried.skip_reason.as_deref().map(first_line);
        lines.push(format!(
            "  would run nothing: {}",
            why.unwrap_or_else(|| "it asked for no run".to_owned())
        ));
    }
    lines.extend(tried.cursor.as_ref().map(|cursor| format!("  cursor would be {}", printable(cursor))));
    lines.extend(tried.logs.iter().map(|line| format!("  {DIM}{}{DIM:#}", printable(line))));
    lines.push("nothing was launched".to_owned());
    lines.join("\n")
}
