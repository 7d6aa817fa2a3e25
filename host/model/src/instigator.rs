//! What starts runs by itself: schedules and sensors, as they are defined and as they are known while they tick.
//!
//! A tick is one time at which one of them is asked for runs:
//!
//! ```text
//! Started ─► Succeeded   it asked for runs
//!         ├► Skipped     it asked for none, and says why
//!         └► Failed ─► Started again, as often as its schedule allows
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Name, Node, OpPath, RunId, Span, Spanned, Timestamp};

/// `[schedules.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleDef {
    pub description: String,
    pub target: ScheduleTarget,
    /// One or several cron expressions; it ticks whenever one of them does.
    pub cron: Vec<Spanned<String>>,
    /// IANA name; UTC if none.
    pub timezone: Option<Spanned<String>>,
    /// Run config of its runs, over that of the job.
    pub config: Option<Node>,
    /// Of its runs.
    pub tags: BTreeMap<String, String>,
    /// The partition of every run. None where a tick says itself which one it is for.
    pub partition: Option<Spanned<String>>,
    /// Until a person says otherwise.
    pub status: InstigatorStatus,
    /// None: as is usual for what it runs.
    pub catch_up: Option<CatchUp>,
    pub max_tick_retries: u32,
    pub span: Option<Span>,
}

/// What a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleTarget {
    /// A table in `[jobs]` or `[asset_jobs]`.
    Job(Spanned<Name>),
    /// A selection of assets.
    Assets(Spanned<String>),
}

/// What becomes of ticks whose time has passed while nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// None of them comes late.
    None,
    /// The newest ones, at most so many.
    Newest(u32),
    /// All of them, the oldest first.
    All,
}

/// `[sensors.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct SensorDef {
    pub description: String,
    /// What is asked for runs.
    pub op: Spanned<OpPath>,
    /// What it may ask for, at least one: tables in `[jobs]` or `[asset_jobs]`.
    pub jobs: Vec<Spanned<Name>>,
    /// From the start of one tick to the next one's.
    pub minimum_interval: Duration,
    /// For one evaluation.
    pub timeout: Duration,
    /// Of the op.
    pub config: Option<Node>,
    /// Of its runs.
    pub tags: BTreeMap<String, String>,
    /// Until a person says otherwise.
    pub status: InstigatorStatus,
    pub span: Option<Span>,
}

/// Time between the ticks of a sensor that says nothing about it; Dagster's.
pub const SENSOR_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// Least time between the ticks of a sensor: each of them is an attempt of an op.
pub const SENSOR_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Time for one evaluation of a sensor that says nothing about it; Dagster's.
pub const SENSOR_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Cron expressions of one schedule: each of them is looked at for every tick.
pub const CRONS_MAX: usize = 100;

/// Evaluations of one tick after its first one, at most.
pub const TICK_RETRIES_MAX: u32 = 100;
/// The input of a sensor's op that takes what is known at the tick.
pub const SENSOR_TICK_INPUT: &str = "tick";

/// A schedule or a sensor of a code location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instigator {
    pub kind: InstigatorKind,
    pub location: Name,
    pub name: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstigatorKind {
    Schedule,
    Sensor,
}

impl InstigatorKind {
    pub fn word(self) -> &'static str {
        match self {
            InstigatorKind::Schedule => "schedule",
            InstigatorKind::Sensor => "sensor",
        }
    }
}

/// Why a text is not an [`Instigator`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `schedule/LOCATION/NAME` or `sensor/LOCATION/NAME`")]
pub struct InvalidInstigator;

impl fmt::Display for Instigator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.word(), self.location, self.name)
    }
}

impl FromStr for Instigator {
    type Err = InvalidInstigator;
    fn from_str(text: &str) -> Result<Instigator, InvalidInstigator> {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, location, name] = parts[..] else { return Err(InvalidInstigator) };
        let kinds = [InstigatorKind::Schedule, InstigatorKind::Sensor];
        let kind = kinds.into_iter().find(|known| known.word() == kind).ok_or(InvalidInstigator)?;
        let name_of = |text| Name::new(text).map_err(|_| InvalidInstigator);
        Ok(Instigator { kind, location: name_of(location)?, name: name_of(name)? })
    }
}

impl TryFrom<String> for Instigator {
    type Error = InvalidInstigator;
    fn try_from(text: String) -> Result<Instigator, InvalidInstigator> {
        text.parse()
    }
}

impl From<Instigator> for String {
    fn from(instigator: Instigator) -> String {
        instigator.to_string()
    }
}

/// Whether it ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstigatorStatus {
    Running,
    #[default]
    Stopped,
}

/// What is known of a schedule or a sensor beside its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstigatorState {
    pub instigator: Instigator,
    /// What a person has set; none: as the definition says.
    pub status: Option<InstigatorStatus>,
    /// Since when it is as it is: times before are no ticks of it.
    pub since: Timestamp,
    /// Of a sensor: where it went to, in words of its own.
    pub cursor: Option<String>,
    /// Of a sensor: the key of the last run that it asked for.
    pub last_run_key: Option<String>,
    /// The time of its newest tick.
    pub last_tick: Option<Timestamp>,
}

impl InstigatorState {
    /// Whether it ticks, if its definition says `default`.
    pub fn is_running(&self, default: InstigatorStatus) -> bool {
        self.status.unwrap_or(default) == InstigatorStatus::Running
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickStatus {
    Started,
    Succeeded,
    Skipped,
    Failed,
}

impl TickStatus {
    pub fn word(self) -> &'static str {
        match self {
            TickStatus::Started => "started",
            TickStatus::Succeeded => "succeeded",
            TickStatus::Skipped => "skipped",
            TickStatus::Failed => "failed",
        }
    }
}

/// A tick as it is kept. There is one of an instigator at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Grows with every tick of any instigator.
    pub number: u64,
    pub instigator: Instigator,
    /// Of a schedule: when it was due. Of a sensor: when it began.
    pub at: Timestamp,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub status: TickStatus,
    /// Why it asked for nothing, for less than it wanted, or failed.
    pub reason: Option<String>,
    /// Evaluations that failed.
    pub failures: u32,
    /// What it asked for and got.
    pub runs: Vec<TickRun>,
    /// What the op of a sensor logged, line by line, as much as is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

/// A run that a tick asked for. Its id was given when the tick ended, the run itself is made after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickRun {
    pub run: RunId,
    pub run_key: Option<String>,
    pub partition: Option<String>,
    /// Why there is no such run after all.
    pub refused: Option<String>,
}

/// What a schedule or a sensor asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// No two runs of a sensor have the same key, ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<String>,
    /// Which of the sensor's jobs. None: the only one, or what the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Name>,
    /// Run config; null is none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub config: serde_json::Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

/// A run that is still to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReservedRun {
    pub run: RunId,
    pub request: RunRequest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instigator_survives_its_text() {
        let instigator: Instigator = "sensor/main/new_files".parse().unwrap();
        assert_eq!((instigator.kind, instigator.name.as_str()), (InstigatorKind::Sensor, "new_files"));
        assert_eq!(instigator.to_string().parse::<Instigator>().unwrap(), instigator);
        for bad in ["", "sensor/x", "job/main/x", "sensor/main/", "sensor/main/a/b", "sensor/../x"] {
            assert_eq!(bad.parse::<Instigator>(), Err(InvalidInstigator), "{bad}");
        }
    }

    #[test]
    fn what_a_person_set_counts_for_more_than_the_definition() {
        let mut state = InstigatorState {
            instigator: "schedule/main/nightly".parse().unwrap(),
            status: None,
            since: Timestamp(0),
            cursor: None,
            last_run_key: None,
            last_tick: None,
        };
        assert!(state.is_running(InstigatorStatus::Running) && !state.is_running(InstigatorStatus::Stopped));
        state.status = Some(InstigatorStatus::Stopped);
        assert!(!state.is_running(InstigatorStatus::Running));
    }
}
