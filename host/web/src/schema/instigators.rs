//! Schedules and sensors, what is known of them, and their ticks.

use async_graphql::{ComplexObject, Context, Enum, ID, MergedObject, Object, SimpleObject};
use cofferdam_automation::{Timetable, catch_up_in_words};
use cofferdam_daemon::{Daemon, Known, When};
use cofferdam_model as model;
use cofferdam_model::{InstigatorStatus, TickStatus, Timestamp};

use super::Instance;
use super::convert::{Tag, page_size, seconds, tags};
use super::errors::UnexpectedError;
use super::run::Run;

/// Ticks of one answer.
const TICKS_MAX: usize = 200;
const TICKS_DEFAULT: usize = 20;
/// Times to come of one answer.
const FUTURE_MAX: usize = 100;
const FUTURE_DEFAULT: usize = 5;

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "InstigatorStatus")]
pub(crate) enum InstigationStatus {
    Running,
    Stopped,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstigationTickStatus {
    Started,
    Success,
    Skipped,
    Failure,
}

impl From<TickStatus> for InstigationTickStatus {
    fn from(status: TickStatus) -> InstigationTickStatus {
        match status {
            TickStatus::Started => InstigationTickStatus::Started,
            TickStatus::Succeeded => InstigationTickStatus::Success,
            TickStatus::Skipped => InstigationTickStatus::Skipped,
            TickStatus::Failed => InstigationTickStatus::Failure,
        }
    }
}

/// How what works by itself in this process is.
#[derive(SimpleObject)]
pub(crate) struct DaemonHealth {
    all_daemon_statuses: Vec<DaemonStatus>,
}

#[derive(SimpleObject)]
pub(crate) struct DaemonStatus {
    /// SCHEDULES_AND_SENSORS
    daemon_type: &'static str,
    healthy: bool,
    /// When it was last seen at work.
    last_heartbeat_time: Option<f64>,
}

impl DaemonHealth {
    pub(crate) fn of(daemon: &Daemon) -> DaemonHealth {
        let status = DaemonStatus {
            daemon_type: "SCHEDULES_AND_SENSORS",
            healthy: daemon.is_healthy(),
            last_heartbeat_time: daemon.last_heartbeat().map(seconds),
        };
        DaemonHealth { all_daemon_statuses: vec![status] }
    }
}

/// What schedules and sensors have in common.
pub(crate) struct Instigator(Known);

#[Object]
impl Instigator {
    async fn id(&self) -> ID {
        ID(self.0.defined.instigator.to_string())
    }

    /// The code location that defines it.
    async fn location(&self) -> String {
        self.0.defined.instigator.location.to_string()
    }

    async fn name(&self) -> String {
        self.0.defined.instigator.name.to_string()
    }

    async fn description(&self) -> &str {
        &self.0.defined.description
    }

    async fn tags(&self) -> Vec<Tag> {
        tags(&self.0.defined.tags)
    }

    async fn default_status(&self) -> InstigationStatus {
        self.0.defined.status.into()
    }
}

#[derive(MergedObject)]
pub(crate) struct Schedule(Instigator, ScheduleFacts);

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct ScheduleFacts {
    /// It ticks whenever one of them does.
    cron_schedule: Vec<String>,
    execution_timezone: String,
    /// The job that it runs; null if it makes a selection of assets.
    pipeline_name: Option<String>,
    asset_selection: Option<String>,
    /// What becomes of ticks whose time passed while nothing ran, in words.
    catch_up: String,
    max_tick_retries: u32,
    schedule_state: InstigationState,
    #[graphql(skip)]
    timetable: Timetable,
}

#[ComplexObject]
impl ScheduleFacts {
    /// Times of the next ticks, whether or not it is running.
    async fn future_ticks(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "FUTURE_DEFAULT")] limit: usize,
    ) -> async_graphql::Result<Vec<f64>> {
        let limit = page_size(Some(limit), FUTURE_DEFAULT, FUTURE_MAX)?;
        let next = self.timetable.from(Timestamp(daemon(ctx).now().0.saturating_add(1)));
        Ok(next.take(limit).map(seconds).collect())
    }
}

impl Schedule {
    /// None of a sensor.
    pub(crate) fn of(known: Known) -> Option<Schedule> {
        let When::Schedule { timetable, rules, cron, timezone, select, .. } = &known.defined.when else {
            return None;
        };
        let facts = ScheduleFacts {
            cron_schedule: cron.clone(),
            execution_timezone: timezone.clone(),
            pipeline_name: known.defined.jobs.first().map(ToString::to_string),
            asset_selection: select.clone(),
            catch_up: catch_up_in_words(rules.catch_up),
            max_tick_retries: rules.max_tick_retries,
            schedule_state: InstigationState(known.clone()),
            timetable: timetable.clone(),
        };
        Some(Schedule(Instigator(known), facts))
    }
}

#[derive(MergedObject)]
pub(crate) struct Sensor(Instigator, SensorFacts);

#[derive(SimpleObject)]
pub(crate) struct SensorFacts {
    /// As `library.op`.
    op: String,
    /// Jobs that it may ask for.
    targets: Vec<String>,
    min_interval_seconds: f64,
    timeout_seconds: f64,
    sensor_state: InstigationState,
}

impl Sensor {
    /// None of a schedule.
    pub(crate) fn of(known: Known) -> Option<Sensor> {
        let When::Sensor { op, minimum_interval, timeout } = &known.defined.when else { return None };
        let facts = SensorFacts {
            op: op.to_string(),
            targets: known.defined.jobs.iter().map(ToString::to_string).collect(),
            min_interval_seconds: minimum_interval.as_secs_f64(),
            timeout_seconds: timeout.as_secs_f64(),
            sensor_state: InstigationState(known.clone()),
        };
        Some(Sensor(Instigator(known), facts))
    }
}

/// How one is now.
pub(crate) struct InstigationState(Known);

#[Object]
impl InstigationState {
    async fn status(&self) -> InstigationStatus {
        let default = self.0.defined.status;
        self.0.state.as_ref().and_then(|state| state.status).unwrap_or(default).into()
    }

    /// A person has set it.
    async fn can_reset(&self) -> bool {
        self.0.state.as_ref().is_some_and(|state| state.status.is_some())
    }

    /// Of a sensor: where it went to, in words of its own.
    async fn cursor(&self) -> Option<&str> {
        self.0.state.as_ref()?.cursor.as_deref()
    }

    async fn last_run_key(&self) -> Option<&str> {
        self.0.state.as_ref()?.last_run_key.as_deref()
    }

    /// When it ticks next; null while it is stopped.
    async fn next_tick(&self, ctx: &Context<'_>) -> Option<f64> {
        let state = self.0.state.as_ref()?;
        self.0.defined.next(state, daemon(ctx).now()).map(seconds)
    }

    /// Newest first, at most 200; the next page is `cursor` the id of the last one.
    async fn ticks(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "TICKS_DEFAULT")] limit: usize,
        cursor: Option<ID>,
    ) -> async_graphql::Result<Vec<InstigationTick>> {
        let before = cursor.map(|cursor| cursor.parse::<u64>()).transpose();
        let before = before.map_err(|_| async_graphql::Error::new("`cursor` is no id of a tick"))?;
        let limit = page_size(Some(limit), TICKS_DEFAULT, TICKS_MAX)?;
        let instigator = self.0.defined.instigator.clone();
        let ticks = daemon(ctx).ticks().ticks(instigator, before, limit).await?;
        Ok(ticks.into_iter().map(InstigationTick::from).collect())
    }
}

/// One time at which it was asked for runs. `timestamp` is when a schedule's was due, and when a sensor's began.
#[derive(SimpleObject)]
pub(crate) struct InstigationTick {
    tick_id: ID,
    timestamp: f64,
    start_timestamp: f64,
    end_timestamp: Option<f64>,
    status: InstigationTickStatus,
    /// Why it asked for nothing, or for less than it wanted.
    skip_reason: Option<String>,
    error: Option<UnexpectedError>,
    /// Evaluations that failed.
    failures: u32,
    runs: Vec<TickRun>,
    /// What the op of a sensor logged, line by line, as much as is kept.
    logs: Vec<String>,
}

impl From<model::Tick> for InstigationTick {
    fn from(tick: model::Tick) -> InstigationTick {
        let failed = tick.status == TickStatus::Failed;
        let (error, skip_reason) = if failed { (tick.reason, None) } else { (None, tick.reason) };
        InstigationTick {
            tick_id: ID(tick.number.to_string()),
            timestamp: seconds(tick.at),
            start_timestamp: seconds(tick.started_at),
            end_timestamp: tick.ended_at.map(seconds),
            status: tick.status.into(),
            skip_reason,
            error: error.map(plain),
            failures: tick.failures,
            runs: tick.runs.into_iter().map(TickRun::from).collect(),
            logs: tick.logs,
        }
    }
}

/// A run that a tick has asked for. `refused` says why there is none after all.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct TickRun {
    run_id: ID,
    run_key: Option<String>,
    partition: Option<String>,
    refused: Option<String>,
    #[graphql(skip)]
    id: model::RunId,
}

impl From<model::TickRun> for TickRun {
    fn from(run: model::TickRun) -> TickRun {
        TickRun {
            run_id: ID(run.run.to_string()),
            run_key: run.run_key,
            partition: run.partition,
            refused: run.refused,
            id: run.run,
        }
    }
}

#[ComplexObject]
impl TickRun {
    /// Null until it is made.
    async fn run(&self, ctx: &Context<'_>) -> Option<Run> {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        log.summary(self.id).await.ok().map(Run::of)
    }
}

pub(crate) fn daemon<'a>(ctx: &Context<'a>) -> &'a Daemon {
    &ctx.data_unchecked::<Instance>().parts.daemon
}

pub(crate) fn plain(message: String) -> UnexpectedError {
    UnexpectedError { message, causes: vec![] }
}
