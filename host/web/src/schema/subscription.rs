//! What goes on. Each message has a cursor: who lost the connection gives the last one, and neither misses nor repeats
//! anything.

use std::collections::BTreeSet;
use std::time::Duration;

use async_graphql::{Context, ID, Result, SimpleObject, Subscription as Derive};
use cofferdam_engine::{DagsterEvent, DagsterTeller};
use cofferdam_model::{RunId, StepKey};
use cofferdam_runlog::{LogFilter, RunFilter};
use cofferdam_scheduler::{Update, Updates, again};
use futures::Stream;
use futures::stream::unfold;

use super::Instance;
use super::events::{CapturedLogs, PAGE_MAX, RunEvent};
use super::query::{known_run, position};
use super::run::{Run, RunStep};
use crate::Parts;

/// How often the list of runs is looked at while somebody watches it.
const RUNS_EVERY: Duration = Duration::from_millis(500);
/// Runs that are watched for changes: those that a page shows first.
const RUNS_WATCHED: usize = 100;
/// Lines are gathered for so long before they are sent: more often than people see a change is for nothing.
const LINES_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Subscription;

/// Events, and how the steps that they are about and the run are after them.
#[derive(SimpleObject)]
pub(crate) struct PipelineRunLogsMessage {
    events: Vec<RunEvent>,
    cursor: String,
    has_more_past_events: bool,
    steps: Vec<RunStep>,
    run: Run,
}

#[derive(SimpleObject)]
pub(crate) struct RunsChanged {
    run_ids: Vec<ID>,
}

#[derive(SimpleObject)]
pub(crate) struct WorkspaceChange {
    /// Counts up with each change.
    version: u64,
}

#[Derive]
impl Subscription {
    /// Events after the cursor, then live ones. Ends when the run has ended.
    async fn pipeline_run_logs(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        cursor: Option<String>,
    ) -> Result<impl Stream<Item = Result<PipelineRunLogsMessage>> + use<>> {
        let parts = ctx.data_unchecked::<Instance>().parts.clone();
        let run = known_run(&run_id).ok_or_else(|| format!("there is no run `{}`", *run_id))?;
        let told = usize::try_from(position(cursor.as_deref())?)?;
        let follower = Follower::start(parts, run, told).await?;
        Ok(unfold(follower, |mut follower| async move {
            let message = follower.next().await.transpose()?;
            Some((message, follower))
        }))
    }

    /// Lines after the cursor, then live ones. Ends when the run has ended.
    async fn captured_logs(
        &self,
        ctx: &Context<'_>,
        run_id: ID,
        step_key: Option<String>,
        cursor: Option<String>,
    ) -> Result<impl Stream<Item = Result<CapturedLogs>> + use<>> {
        let parts = ctx.data_unchecked::<Instance>().parts.clone();
        let run = known_run(&run_id).ok_or_else(|| format!("there is no run `{}`", *run_id))?;
        let filter = LogFilter { step: step_key.map(|key| StepKey::new(&key)), ..LogFilter::default() };
        let updates = Some(parts.scheduler.updates(run).await?);
        let lines = Lines { parts, run, filter, from: position(cursor.as_deref())?, updates };
        Ok(unfold(lines, |mut lines| async move {
            let page = lines.next().await.transpose()?;
            Some((page, lines))
        }))
    }

    /// Runs of which something is new: ask again for those that are shown. The first message names all of the newest, for
    /// what came between a question and this subscription is told by neither.
    async fn runs_changed(&self, ctx: &Context<'_>) -> impl Stream<Item = Result<RunsChanged>> + use<> {
        let parts = ctx.data_unchecked::<Instance>().parts.clone();
        let seen: BTreeSet<(RunId, u64)> = BTreeSet::new();
        unfold((parts, seen), |(parts, mut seen)| async move {
            loop {
                let filter = RunFilter { limit: Some(RUNS_WATCHED), ..RunFilter::default() };
                let rows = match parts.log.runs(filter).await {
                    Ok(rows) => rows,
                    Err(error) => return Some((Err(error.into()), (parts, seen))),
                };
                let now: BTreeSet<(RunId, u64)> = rows.iter().map(|row| (row.run, row.last_seq)).collect();
                let changed: Vec<ID> = now.difference(&seen).map(|(run, _)| ID(run.to_string())).collect();
                seen = now;
                if !changed.is_empty() {
                    return Some((Ok(RunsChanged { run_ids: changed }), (parts, seen)));
                }
                tokio::time::sleep(RUNS_EVERY).await;
            }
        })
    }

    /// Definitions were read again: how it is now, and each time that it is another.
    async fn location_state_change_events(
        &self,
        ctx: &Context<'_>,
    ) -> impl Stream<Item = WorkspaceChange> + use<> {
        let changes = ctx.data_unchecked::<Instance>().parts.workspace.changes();
        unfold((changes, true), |(mut changes, is_first)| async move {
            if !is_first {
                changes.changed().await.ok()?;
            }
            let version = *changes.borrow_and_update();
            Some((WorkspaceChange { version }, (changes, false)))
        })
    }
}

/// A run as it goes on, by Dagster's names.
struct Follower {
    parts: Parts,
    run: RunId,
    teller: DagsterTeller,
    updates: Updates,
    /// Events that the caller has.
    told: usize,
    /// Events that the teller has given since it began.
    given: usize,
    waiting: Vec<DagsterEvent>,
}

impl Follower {
    async fn start(parts: Parts, run: RunId, told: usize) -> Result<Follower> {
        let teller = again::teller(&*parts.log, run).await?;
        let updates = parts.scheduler.updates(run).await?;
        Ok(Follower { parts, run, teller, updates, told, given: 0, waiting: vec![] })
    }

    async fn next(&mut self) -> Result<Option<PipelineRunLogsMessage>> {
        while self.waiting.is_empty() {
            match self.updates.next().await {
                Some(Update::Events(events)) => {
                    let mut events = self.teller.tell(&events)?;
                    let known = self.told.saturating_sub(self.given).min(events.len());
                    self.given += events.len();
                    self.waiting = events.split_off(known);
                }
                // What it missed is in the log: it begins anew, and passes over what it has given.
                Some(Update::Missed(_)) => {
                    *self = Follower::start(self.parts.clone(), self.run, self.told).await?;
                }
                Some(Update::Logs(_) | Update::Progress { .. } | Update::Waits { .. }) => {}
                None => return Ok(None),
            }
        }
        let rest = self.waiting.split_off(self.waiting.len().min(PAGE_MAX));
        let events = std::mem::replace(&mut self.waiting, rest);
        self.told += events.len();
        self.message(events).await.map(Some)
    }

    async fn message(&self, events: Vec<DagsterEvent>) -> Result<PipelineRunLogsMessage> {
        let about: BTreeSet<&StepKey> = events.iter().filter_map(|event| event.step.as_ref()).collect();
        let run = self.teller.run();
        let steps =
            about.iter().filter_map(|key| run.step(key)).map(|step| RunStep::of(run, &step)).collect();
        Ok(PipelineRunLogsMessage {
            steps,
            events: events.into_iter().map(RunEvent::from).collect(),
            cursor: self.told.to_string(),
            has_more_past_events: !self.waiting.is_empty(),
            run: Run::of(self.parts.log.summary(self.run).await?),
        })
    }
}

/// A run's lines as they come.
struct Lines {
    parts: Parts,
    run: RunId,
    filter: LogFilter,
    from: u64,
    /// None when the run has ended.
    updates: Option<Updates>,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<CapturedLogs>> {
        loop {
            let is_over = self.updates.is_none();
            let found = self.parts.log.logs(self.run, self.filter.clone(), self.from, PAGE_MAX).await?;
            if let Some(last) = found.last() {
                let page = CapturedLogs::page(found.clone(), self.from, PAGE_MAX);
                self.from = last.number + 1;
                return Ok(Some(page));
            }
            if is_over {
                return Ok(None);
            }
            self.wait().await;
        }
    }

    /// Until there may be more lines.
    async fn wait(&mut self) {
        while let Some(updates) = &mut self.updates {
            match updates.next().await {
                Some(Update::Logs(_) | Update::Missed(_)) => {
                    tokio::time::sleep(LINES_EVERY).await;
                    return;
                }
                Some(_) => {}
                None => self.updates = None,
            }
        }
    }
}
