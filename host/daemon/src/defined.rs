//! Schedules and sensors as definitions have them, and what is asked of who has read those.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_automation::{Evaluation, Rules, Timetable};
use cofferdam_model::{
    Definitions, Instigator, InstigatorKind, InstigatorState, InstigatorStatus, Name, Node, OpPath, Plan,
    RunRequest, ScheduleDef, ScheduleTarget, SensorDef, Timestamp,
};
use cofferdam_plan::{schedule_rules, timetable};
use serde_json::Value;
use tokio::sync::watch;

/// Schedules and sensors as they are defined now, and how they are asked.
#[async_trait]
pub trait Instigators: Send + Sync {
    /// Those of the definitions that were loaded last without an error; none before any were.
    fn defined(&self) -> Option<Vec<Arc<Defined>>>;

    /// Whether those of a code location could be read, or the location is no more. What is known of the others stays as it
    /// is until they can be.
    fn has_read(&self, location: &Name) -> bool;

    /// Counts up with each change of them.
    fn changes(&self) -> watch::Receiver<u64>;

    /// What it asks for at a tick. Starts nothing and keeps nothing.
    async fn ask(&self, defined: &Defined, state: &InstigatorState, at: Timestamp) -> Asked;

    /// The plan of a run that a tick has asked for, with all that it reads taken in.
    async fn plan(&self, defined: &Defined, request: &RunRequest, at: Timestamp) -> Result<Plan, NoPlan>;
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub evaluation: Evaluation,
    /// What the op of a sensor logged, line by line.
    pub logs: Vec<String>,
}

impl From<Evaluation> for Asked {
    fn from(evaluation: Evaluation) -> Asked {
        Asked { evaluation, logs: vec![] }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// There will be none: what is asked for is wrong.
    #[error("{0}")]
    Never(String),
    /// There may be one when definitions can be read again.
    #[error("{0}")]
    NotNow(String),
}

/// A schedule or a sensor as its definition says.
#[derive(Debug, Clone, PartialEq)]
pub struct Defined {
    pub instigator: Instigator,
    pub description: String,
    /// Of its runs.
    pub tags: BTreeMap<String, String>,
    /// Until a person says otherwise.
    pub status: InstigatorStatus,
    /// Those that it may ask for; empty for a schedule that makes a selection of assets.
    pub jobs: Vec<Name>,
    pub when: When,
}

#[derive(Debug, Clone, PartialEq)]
pub enum When {
    Schedule {
        timetable: Timetable,
        rules: Rules,
        cron: Vec<String>,
        timezone: String,
        /// Of assets, if it is for no job.
        select: Option<String>,
        /// Of every run.
        partition: Option<String>,
        /// Run config of its runs; null is none.
        config: Value,
    },
    Sensor {
        op: OpPath,
        minimum_interval: Duration,
        timeout: Duration,
    },
}

impl Defined {
    /// The run config of a run that it asks for, as far as it is known before the plan.
    pub fn config_of<'a>(&'a self, request: &'a RunRequest) -> &'a Value {
        match &self.when {
            When::Schedule { config, .. } => config,
            When::Sensor { .. } => &request.config,
        }
    }

    /// When it ticks next, if it is running.
    pub fn next(&self, state: &InstigatorState, now: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Schedule { timetable, rules, .. } if state.is_running(rules.status) => {
                timetable.from(Timestamp(now.0.saturating_add(1)).max(state.since)).next()
            }
            When::Schedule { .. } => None,
            When::Sensor { minimum_interval, .. } => {
                cofferdam_automation::next_tick(*minimum_interval, self.status, state, now)
            }
        }
    }
}

/// What one ticks by: it begins anew when that changes.
pub fn ticks_by(defined: &Defined) -> String {
    match &defined.when {
        When::Schedule { cron, timezone, .. } => format!("{} {timezone}", cron.join(" | ")),
        When::Sensor { .. } => String::new(),
    }
}

/// All of some definitions, by name. Those whose times cannot be read are left out: whoever checks definitions says so.
pub fn defined(definitions: &Definitions, location: &Name) -> Vec<Arc<Defined>> {
    let instigator = |kind, name: &Name| Instigator { kind, location: location.clone(), name: name.clone() };
    let schedules = definitions.schedules.iter().filter_map(|(name, def)| {
        schedule(definitions, def, instigator(InstigatorKind::Schedule, name)).map(Arc::new)
    });
    let sensors = definitions.sensors.iter();
    let sensors = sensors.map(|(name, def)| Arc::new(sensor(def, instigator(InstigatorKind::Sensor, name))));
    schedules.chain(sensors).collect()
}

fn schedule(definitions: &Definitions, def: &ScheduleDef, instigator: Instigator) -> Option<Defined> {
    let (jobs, select) = match &def.target {
        ScheduleTarget::Job(job) => (vec![job.value.clone()], None),
        ScheduleTarget::Assets(select) => (vec![], Some(select.value.clone())),
    };
    Some(Defined {
        instigator,
        description: def.description.clone(),
        tags: def.tags.clone(),
        status: def.status,
        jobs,
        when: When::Schedule {
            timetable: timetable(def).ok()?,
            rules: schedule_rules(definitions, def),
            cron: def.cron.iter().map(|cron| cron.value.clone()).collect(),
            timezone: def.timezone.as_ref().map_or_else(|| "UTC".to_owned(), |zone| zone.value.clone()),
            select,
            partition: def.partition.as_ref().map(|partition| partition.value.clone()),
            config: def.config.as_ref().map_or(Value::Null, Node::to_json),
        },
    })
}

fn sensor(def: &SensorDef, instigator: Instigator) -> Defined {
    Defined {
        instigator,
        description: def.description.clone(),
        tags: def.tags.clone(),
        status: def.status,
        jobs: def.jobs.iter().map(|job| job.value.clone()).collect(),
        when: When::Sensor {
            op: def.op.value.clone(),
            minimum_interval: def.minimum_interval,
            timeout: def.timeout,
        },
    }
}
