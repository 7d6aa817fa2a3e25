//! Schedules and sensors.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::check::Checks;
use crate::{
    CRONS_MAX, CatchUp, InstigatorStatus, SENSOR_INTERVAL_DEFAULT, SENSOR_INTERVAL_MIN,
    SENSOR_TIMEOUT_DEFAULT, ScheduleDef, ScheduleTarget, SensorDef, Spanned, TICK_RETRIES_MAX,
};

/// What starts runs at certain times. Times and zones are checked by who computes with them.
#[derive(Debug)]
#[must_use]
pub struct ScheduleBuilder {
    name: String,
    schedule: ScheduleDef,
    checks: Checks,
}

impl ScheduleBuilder {
    /// Of a job or an asset job.
    pub fn new(name: &str, job: &str, cron: &str) -> ScheduleBuilder {
        let mut checks = Checks::default();
        let target = ScheduleTarget::Job(checks.spanned("job", job));
        ScheduleBuilder::of(name, target, cron, checks)
    }

    /// Of a selection of assets.
    pub fn of_assets(name: &str, select: &str, cron: &str) -> ScheduleBuilder {
        let target = ScheduleTarget::Assets(Spanned::new(select.to_owned(), None));
        ScheduleBuilder::of(name, target, cron, Checks::default())
    }

    fn of(name: &str, target: ScheduleTarget, cron: &str, checks: Checks) -> ScheduleBuilder {
        let schedule = ScheduleDef {
            description: String::new(),
            target,
            cron: vec![Spanned::new(cron.to_owned(), None)],
            timezone: None,
            config: None,
            tags: BTreeMap::new(),
            partition: None,
            status: InstigatorStatus::default(),
            catch_up: None,
            max_tick_retries: 0,
            span: None,
        };
        ScheduleBuilder { name: name.to_owned(), schedule, checks }
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.schedule.description);
        self
    }

    /// One more expression: it ticks whenever one of them does.
    pub fn cron(mut self, expression: &str) -> Self {
        let crons = &mut self.schedule.cron;
        if crons.iter().any(|cron| cron.value == expression) {
            self.checks.wrong(format!("cron `{expression}`"), "it is there twice");
        }
        crons.push(Spanned::new(expression.to_owned(), None));
        self
    }

    /// The IANA name of a place.
    pub fn timezone(mut self, name: &str) -> Self {
        self.schedule.timezone = Some(Spanned::new(name.to_owned(), None));
        self
    }

    /// Run config of its runs: an object.
    pub fn config(mut self, config: Value) -> Self {
        self.schedule.config = Some(self.checks.table("config", &config));
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.schedule.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The partition of every run.
    pub fn partition(mut self, key: &str) -> Self {
        self.schedule.partition = Some(Spanned::new(key.to_owned(), None));
        self
    }

    /// Ticks before anybody has turned it on.
    pub fn running(mut self) -> Self {
        self.schedule.status = InstigatorStatus::Running;
        self
    }

    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        if catch_up == CatchUp::Newest(0) {
            self.checks.wrong("catch_up".to_owned(), "expected one or more");
        }
        self.schedule.catch_up = Some(catch_up);
        self
    }

    pub fn max_tick_retries(mut self, retries: u32) -> Self {
        if retries > TICK_RETRIES_MAX {
            let problem = format!("expected at most {TICK_RETRIES_MAX}");
            self.checks.wrong("max_tick_retries".to_owned(), problem);
        }
        self.schedule.max_tick_retries = retries;
        self
    }

    pub(super) fn finish(mut self, outer: &mut Checks) -> (String, ScheduleDef) {
        if self.schedule.cron.len() > CRONS_MAX {
            self.checks.wrong("cron".to_owned(), format!("expected at most {CRONS_MAX} expressions"));
        }
        outer.take(Some(&format!("schedule `{}`", self.name)), self.checks);
        (self.name, self.schedule)
    }
}

/// An op that is asked, again and again, whether there is something to run.
#[derive(Debug)]
#[must_use]
pub struct SensorBuilder {
    name: String,
    sensor: SensorDef,
    checks: Checks,
}

impl SensorBuilder {
    /// `op` is what is asked, as `library.op`; `jobs` are the jobs and asset jobs that it may ask for.
    pub fn new<const N: usize>(name: &str, op: &str, jobs: [&str; N]) -> SensorBuilder {
        let mut checks = Checks::default();
        if N == 0 {
            checks.wrong("jobs".to_owned(), "expected at least one");
        }
        let mut named: Vec<Spanned<crate::Name>> = vec![];
        for job in jobs.map(|job| checks.spanned("job", job)) {
            checks.distinct("job", &job.value, named.iter().map(|job| &job.value));
            named.push(job);
        }
        let sensor = SensorDef {
            description: String::new(),
            op: checks.op(op),
            jobs: named,
            minimum_interval: SENSOR_INTERVAL_DEFAULT,
            timeout: SENSOR_TIMEOUT_DEFAULT,
            config: None,
            tags: BTreeMap::new(),
            status: InstigatorStatus::default(),
            span: None,
        };
        SensorBuilder { name: name.to_owned(), sensor, checks }
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.sensor.description);
        self
    }

    /// From the start of one tick to the next one's.
    pub fn minimum_interval(mut self, interval: Duration) -> Self {
        if interval < SENSOR_INTERVAL_MIN {
            let problem = format!("expected at least {} s", SENSOR_INTERVAL_MIN.as_secs());
            self.checks.wrong("minimum_interval".to_owned(), problem);
        }
        self.sensor.minimum_interval = interval;
        self
    }

    /// For one evaluation.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.checks.wrong("timeout".to_owned(), "expected more than nothing");
        }
        self.sensor.timeout = timeout;
        self
    }

    /// Of the op: an object.
    pub fn config(mut self, config: Value) -> Self {
        self.sensor.config = Some(self.checks.table("config", &config));
        self
    }

    /// Of its runs.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.sensor.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Ticks before anybody has turned it on.
    pub fn running(mut self) -> Self {
        self.sensor.status = InstigatorStatus::Running;
        self
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, SensorDef) {
        outer.take(Some(&format!("sensor `{}`", self.name)), self.checks);
        (self.name, self.sensor)
    }
}
