//! Questions about schedules and sensors, and what a person may do with them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_graphql::{Context, Object, SimpleObject, Union};
use cofferdam_daemon::{Defined, Error, Known, Trial, Tried, try_tick};
use cofferdam_model::{InstigatorKind, InstigatorStatus, RunRequest, Timestamp};
use cofferdam_server::Deed;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Instance;
use super::convert::{Tag, seconds, tags};
use super::errors::{ScheduleNotFoundError, SensorNotFoundError, UnauthorizedError, UnexpectedError};
use super::instigators::{Schedule, Sensor, daemon, plain};
use super::visitor::{does, may};
use crate::workspace::LoadState;

/// How long definitions may take that something is looked for in.
const LOADING_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct AutomationQuery;

#[derive(Default)]
pub(crate) struct AutomationMutation;

#[derive(Union)]
pub(crate) enum SchedulesOrError {
    Schedules(Schedules),
    Unexpected(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct Schedules {
    results: Vec<Schedule>,
}

#[derive(Union)]
pub(crate) enum ScheduleOrError {
    Schedule(Box<Schedule>),
    NoSchedule(ScheduleNotFoundError),
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

#[derive(Union)]
pub(crate) enum SensorsOrError {
    Sensors(Sensors),
    Unexpected(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct Sensors {
    results: Vec<Sensor>,
}

#[derive(Union)]
pub(crate) enum SensorOrError {
    Sensor(Box<Sensor>),
    NoSensor(SensorNotFoundError),
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

#[derive(Union)]
pub(crate) enum DryRunTickOrError {
    Tick(DryRunInstigationTick),
    NoSchedule(ScheduleNotFoundError),
    NoSensor(SensorNotFoundError),
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

/// What a tick would do.
#[derive(SimpleObject)]
pub(crate) struct DryRunInstigationTick {
    timestamp: f64,
    run_requests: Vec<AskedRun>,
    skip_reason: Option<String>,
    error: Option<UnexpectedError>,
    /// Where the cursor would move to; null if it stays.
    cursor: Option<String>,
    logs: Vec<String>,
}

/// A run that a tick would ask for. `skipped` says why there would be no new one.
#[derive(SimpleObject)]
#[graphql(name = "RunRequest")]
pub(crate) struct AskedRun {
    job_name: Option<String>,
    run_key: Option<String>,
    skipped: Option<String>,
    partition: Option<String>,
    /// JSON, which is YAML.
    run_config_yaml: String,
    tags: Vec<Tag>,
}

impl AskedRun {
    fn of(defined: &Defined, (request, skipped): (RunRequest, Option<String>)) -> AskedRun {
        let config = defined.config_of(&request);
        let yaml = serde_json::to_string_pretty(config).expect("a JSON value can be written");
        let run_config_yaml = if config.is_null() { String::new() } else { yaml };
        AskedRun {
            job_name: request.job.as_ref().or(defined.jobs.first()).map(ToString::to_string),
            run_key: request.run_key,
            skipped,
            partition: request.partition,
            run_config_yaml,
            tags: tags(defined.tags.clone().into_iter().chain(request.tags).collect::<BTreeMap<_, _>>()),
        }
    }
}

#[Object]
impl AutomationQuery {
    async fn schedules_or_error(&self, ctx: &Context<'_>) -> SchedulesOrError {
        match all(ctx).await {
            Ok(all) => SchedulesOrError::Schedules(Schedules {
                results: all.into_iter().filter_map(Schedule::of).collect(),
            }),
            Err(error) => SchedulesOrError::Unexpected(error),
        }
    }

    async fn schedule_or_error(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
    ) -> ScheduleOrError {
        schedule(ctx, &Which { name, location }).await
    }

    async fn sensors_or_error(&self, ctx: &Context<'_>) -> SensorsOrError {
        match all(ctx).await {
            Ok(all) => {
                SensorsOrError::Sensors(Sensors { results: all.into_iter().filter_map(Sensor::of).collect() })
            }
            Err(error) => SensorsOrError::Unexpected(error),
        }
    }

    async fn sensor_or_error(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
    ) -> SensorOrError {
        sensor(ctx, &Which { name, location }).await
    }
}

/// Where something is said of a schedule or a sensor without its code location, the only one of that name is meant.
#[Object]
impl AutomationMutation {
    async fn start_schedule(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
    ) -> ScheduleOrError {
        set_schedule(ctx, &Which { name, location }, Some(InstigatorStatus::Running)).await
    }

    async fn stop_running_schedule(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
    ) -> ScheduleOrError {
        set_schedule(ctx, &Which { name, location }, Some(InstigatorStatus::Stopped)).await
    }

    /// Back to what its definition says.
    async fn reset_schedule(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
    ) -> ScheduleOrError {
        set_schedule(ctx, &Which { name, location }, None).await
    }

    async fn start_sensor(&self, ctx: &Context<'_>, name: String, location: Option<String>) -> SensorOrError {
        set_sensor(ctx, &Which { name, location }, Some(InstigatorStatus::Running)).await
    }

    async fn stop_sensor(&self, ctx: &Context<'_>, name: String, location: Option<String>) -> SensorOrError {
        set_sensor(ctx, &Which { name, location }, Some(InstigatorStatus::Stopped)).await
    }

    /// Back to what its definition says.
    async fn reset_sensor(&self, ctx: &Context<'_>, name: String, location: Option<String>) -> SensorOrError {
        set_sensor(ctx, &Which { name, location }, None).await
    }

    /// Without a cursor it begins anew.
    async fn set_sensor_cursor(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
        cursor: Option<String>,
    ) -> SensorOrError {
        let which = Which { name, location };
        let known = match find(ctx, InstigatorKind::Sensor, &which).await {
            Ok(Some(known)) => known,
            Ok(None) => return SensorOrError::NoSensor(SensorNotFoundError::of(&which.name)),
            Err(error) => return SensorOrError::Unexpected(error),
        };
        if let Err(refused) = changes(ctx, &known, "cursor", json!(cursor)).await {
            return SensorOrError::Unauthorized(refused);
        }
        match daemon(ctx).set_cursor(known.defined.instigator.clone(), cursor).await {
            Ok(_) => sensor(ctx, &which).await,
            Err(error) => SensorOrError::Unexpected(unexpected(&error)),
        }
    }

    /// What it would ask for at a time, or at its next one. Nothing is launched.
    async fn schedule_dry_run(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
        timestamp: Option<f64>,
    ) -> DryRunTickOrError {
        match find(ctx, InstigatorKind::Schedule, &Which { name: name.clone(), location }).await {
            Ok(Some(known)) => dry_run(ctx, &known, Trial { at: timestamp.map(instant), cursor: None }).await,
            Ok(None) => DryRunTickOrError::NoSchedule(ScheduleNotFoundError::of(&name)),
            Err(error) => DryRunTickOrError::Unexpected(error),
        }
    }

    /// What it would ask for now, with a cursor or its own. Nothing is launched, and its cursor stays.
    async fn sensor_dry_run(
        &self,
        ctx: &Context<'_>,
        name: String,
        location: Option<String>,
        cursor: Option<String>,
    ) -> DryRunTickOrError {
        match find(ctx, InstigatorKind::Sensor, &Which { name: name.clone(), location }).await {
            Ok(Some(known)) => dry_run(ctx, &known, Trial { at: None, cursor }).await,
            Ok(None) => DryRunTickOrError::NoSensor(SensorNotFoundError::of(&name)),
            Err(error) => DryRunTickOrError::Unexpected(error),
        }
    }
}

/// Which schedule or sensor is meant.
struct Which {
    name: String,
    location: Option<String>,
}

async fn all(ctx: &Context<'_>) -> Result<Vec<Known>, UnexpectedError> {
    daemon(ctx).known().await.map_err(|error| unexpected(&error))
}

/// Fails if the name is one of several. While definitions are being read it may be in those: they are waited for.
async fn find(
    ctx: &Context<'_>,
    kind: InstigatorKind,
    which: &Which,
) -> Result<Option<Known>, UnexpectedError> {
    let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
    let mut changes = workspace.changes();
    loop {
        changes.borrow_and_update();
        let is_loading = workspace.locations().iter().any(|location| location.state == LoadState::Loading);
        let found = find_now(ctx, kind, which).await?;
        if found.is_some() || !is_loading {
            return Ok(found);
        }
        if !matches!(timeout(LOADING_MAX, changes.changed()).await, Ok(Ok(()))) {
            return Err(plain("definitions are still being read; ask again in a while".to_owned()));
        }
    }
}

async fn find_now(
    ctx: &Context<'_>,
    kind: InstigatorKind,
    which: &Which,
) -> Result<Option<Known>, UnexpectedError> {
    let is_it = |known: &Known| {
        let instigator = &known.defined.instigator;
        let here = which.location.as_ref().is_none_or(|name| *name == instigator.location.as_str());
        instigator.kind == kind && instigator.name.as_str() == which.name && here
    };
    let mut found: Vec<Known> = all(ctx).await?.into_iter().filter(is_it).collect();
    if found.len() > 1 {
        let locations = found.iter().map(|known| known.defined.instigator.location.to_string());
        let locations: Vec<String> = locations.collect();
        return Err(plain(format!(
            "several code locations have a {} `{}`: name one of {}",
            kind.word(),
            which.name,
            locations.join(", ")
        )));
    }
    Ok(found.pop())
}

async fn schedule(ctx: &Context<'_>, which: &Which) -> ScheduleOrError {
    match find(ctx, InstigatorKind::Schedule, which).await {
        Ok(found) => match found.and_then(Schedule::of) {
            Some(schedule) => ScheduleOrError::Schedule(schedule.into()),
            None => ScheduleOrError::NoSchedule(ScheduleNotFoundError::of(&which.name)),
        },
        Err(error) => ScheduleOrError::Unexpected(error),
    }
}

async fn sensor(ctx: &Context<'_>, which: &Which) -> SensorOrError {
    match find(ctx, InstigatorKind::Sensor, which).await {
        Ok(found) => match found.and_then(Sensor::of) {
            Some(sensor) => SensorOrError::Sensor(sensor.into()),
            None => SensorOrError::NoSensor(SensorNotFoundError::of(&which.name)),
        },
        Err(error) => SensorOrError::Unexpected(error),
    }
}

async fn set_schedule(ctx: &Context<'_>, which: &Which, status: Option<InstigatorStatus>) -> ScheduleOrError {
    match set_status(ctx, InstigatorKind::Schedule, which, status).await {
        Ok(()) => schedule(ctx, which).await,
        Err(NotSet::Unauthorized(refused)) => ScheduleOrError::Unauthorized(refused),
        Err(NotSet::Unexpected(error)) => ScheduleOrError::Unexpected(error),
    }
}

async fn set_sensor(ctx: &Context<'_>, which: &Which, status: Option<InstigatorStatus>) -> SensorOrError {
    match set_status(ctx, InstigatorKind::Sensor, which, status).await {
        Ok(()) => sensor(ctx, which).await,
        Err(NotSet::Unauthorized(refused)) => SensorOrError::Unauthorized(refused),
        Err(NotSet::Unexpected(error)) => SensorOrError::Unexpected(error),
    }
}

/// Why a status was not set.
enum NotSet {
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

/// Changes nothing if there is none of that name: who looks for it afterwards says so.
async fn set_status(
    ctx: &Context<'_>,
    kind: InstigatorKind,
    which: &Which,
    status: Option<InstigatorStatus>,
) -> Result<(), NotSet> {
    let Some(known) = find(ctx, kind, which).await.map_err(NotSet::Unexpected)? else { return Ok(()) };
    changes(ctx, &known, "status", json!(status)).await.map_err(NotSet::Unauthorized)?;
    let set = daemon(ctx).set_status(known.defined.instigator.clone(), status).await;
    set.map(drop).map_err(|error| NotSet::Unexpected(unexpected(&error)))
}

/// Whether who asks may change it; if so, it is written down.
async fn changes(ctx: &Context<'_>, known: &Known, what: &str, to: Value) -> Result<(), UnauthorizedError> {
    let about = json!({ "instigator": known.defined.instigator.to_string(), what: to });
    does(ctx, Deed::ChangeAutomation, about).await
}

async fn dry_run(ctx: &Context<'_>, known: &Known, trial: Trial) -> DryRunTickOrError {
    if let Err(refused) = may(ctx, Deed::TryTick) {
        return DryRunTickOrError::Unauthorized(refused);
    }
    let daemon = daemon(ctx);
    let defined = &known.defined;
    let tried = try_tick(daemon.instigators(), Some(daemon.ticks()), defined, trial, daemon.now()).await;
    match tried {
        Ok(Tried { at, requests, skip_reason, error, cursor, logs }) => {
            DryRunTickOrError::Tick(DryRunInstigationTick {
                timestamp: seconds(at),
                run_requests: requests.into_iter().map(|asked| AskedRun::of(defined, asked)).collect(),
                skip_reason,
                error: error.map(plain),
                cursor,
                logs,
            })
        }
        Err(error) => DryRunTickOrError::Unexpected(UnexpectedError::of("read the run log", &error)),
    }
}

fn unexpected(error: &Error) -> UnexpectedError {
    UnexpectedError::of("change or read schedules and sensors", error)
}

/// Of seconds since 1970; what lies before is 1970.
fn instant(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps to the bounds")]
    Timestamp((seconds * 1000.0) as u64)
}
