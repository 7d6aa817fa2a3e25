//! `[schedules.NAME]` and `[sensors.NAME]`: what starts runs by itself. What times and zones mean, and whether jobs and ops
//! are there, is checked by who knows them.

use std::time::Duration;

use cofferdam_model::{
    CRONS_MAX, CatchUp, Diagnostic, InstigatorStatus, Name, Node, NodeKind, SENSOR_INTERVAL_DEFAULT,
    SENSOR_INTERVAL_MIN, SENSOR_TIMEOUT_DEFAULT, ScheduleDef, ScheduleTarget, SensorDef, Spanned,
    TICK_RETRIES_MAX,
};

use crate::policies::{read_config, read_tags};
use crate::reader::{Problems, Table, distinct, names, text, texts, wrong_type};
use crate::steps::op_path;
use crate::units::parse_duration;

/// Missed ticks that a schedule may make up for one by one.
const CATCH_UP_MAX: i64 = 1000;

pub(crate) fn read_schedule(
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<ScheduleDef> {
    let mut table = Table::new(node, format!("schedule `{}`", name.value), problems)?;
    let target = read_target(&mut table, problems);
    let cron = read_crons(&mut table, problems);
    let timezone = table.text("timezone", problems);
    let partition = table.text("partition", problems);
    let catch_up = read_catch_up(&mut table, problems);
    let retries = table.int("max_tick_retries", 0..=i64::from(TICK_RETRIES_MAX), problems);
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let config = read_config(&mut table, problems);
    let tags = read_tags(&mut table, "tags", problems);
    let status = read_status(&mut table, problems);
    let span = table.span.cloned();
    table.finish(problems);
    let (target, false) = (target?, cron.is_empty()) else { return None };
    Some(ScheduleDef {
        description,
        target,
        cron,
        timezone,
        config,
        tags,
        partition,
        status,
        catch_up,
        max_tick_retries: retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        span,
    })
}

/// `job` or `select`.
fn read_target(table: &mut Table<'_>, problems: &mut Problems) -> Option<ScheduleTarget> {
    let job = table.name("job", "job", problems);
    let select = table.text("select", problems);
    match (job, select) {
        (Some(job), Some(select)) => {
            problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("{} has both `job` and `select`", table.what()),
                )
                .at(select.span.as_ref(), "a selection of assets")
                .at(job.span.as_ref(), "a job")
                .hint("keep one of them; a schedule for each runs both"),
            );
            None
        }
        (Some(job), None) => Some(ScheduleTarget::Job(job)),
        (None, Some(select)) => Some(ScheduleTarget::Assets(select)),
        (None, None) => {
            if !table.has("job") && !table.has("select") {
                problems.push(table.missing("job", "job = \"refresh\"` or `select = \"group:flights\""));
            }
            None
        }
    }
}

/// One expression or a list of them.
fn read_crons(table: &mut Table<'_>, problems: &mut Problems) -> Vec<Spanned<String>> {
    const EXAMPLE: &str = "cron = \"0 6 * * *\"";
    let what = format!("`cron` of {}", table.what());
    let Some(node) = table.get("cron") else {
        problems.push(table.missing("cron", EXAMPLE));
        return vec![];
    };
    let NodeKind::List(items) = &node.kind else {
        return text(node, &what, problems).into_iter().collect();
    };
    if items.is_empty() || items.len() > CRONS_MAX {
        problems.push(
            Diagnostic::error("config::bad-value", format!("{what} has {} expressions", items.len()))
                .at(node.span.as_ref(), format!("expected 1 to {CRONS_MAX}"))
                .hint(format!("write for example `{EXAMPLE}`")),
        );
        return vec![];
    }
    let crons = texts(node, &what, problems);
    distinct(crons, &what, problems)
}

/// `"all"`, `"none"` or how many of the newest.
fn read_catch_up(table: &mut Table<'_>, problems: &mut Problems) -> Option<CatchUp> {
    let node = table.get("catch_up")?;
    let what = format!("`catch_up` of {}", table.what());
    match &node.kind {
        NodeKind::Int(_) => {
            let newest = table.int("catch_up", 1..=CATCH_UP_MAX, problems)?;
            u32::try_from(newest).ok().map(CatchUp::Newest)
        }
        NodeKind::Text(_) => {
            table.word("catch_up", &[("all", CatchUp::All), ("none", CatchUp::None)], problems)
        }
        _ => {
            let problem = wrong_type(&what, "`\"all\"`, `\"none\"` or an integer", node);
            problems
                .push(problem.hint("write for example `catch_up = 3` for the three newest of missed ticks"));
            None
        }
    }
}

fn read_status(table: &mut Table<'_>, problems: &mut Problems) -> InstigatorStatus {
    let words = [("running", InstigatorStatus::Running), ("stopped", InstigatorStatus::Stopped)];
    table.word("status", &words, problems).unwrap_or_default()
}

pub(crate) fn read_sensor(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<SensorDef> {
    let mut table = Table::new(node, format!("sensor `{}`", name.value), problems)?;
    if !table.has("op") {
        problems.push(table.missing("op", "op = \"flights.new_files\""));
    }
    let op = table.text("op", problems).and_then(|text| op_path(&text, problems));
    let jobs = read_jobs(&mut table, problems);
    let minimum_interval = table.parsed("minimum_interval", "30s", interval, problems);
    let timeout = table.parsed("timeout", "60s", timeout, problems);
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let config = read_config(&mut table, problems);
    let tags = read_tags(&mut table, "tags", problems);
    let status = read_status(&mut table, problems);
    let span = table.span.cloned();
    table.finish(problems);
    let (op, false) = (op?, jobs.is_empty()) else { return None };
    Some(SensorDef {
        description,
        op,
        jobs,
        minimum_interval: minimum_interval.unwrap_or(SENSOR_INTERVAL_DEFAULT),
        timeout: timeout.unwrap_or(SENSOR_TIMEOUT_DEFAULT),
        config,
        tags,
        status,
        span,
    })
}

fn read_jobs(table: &mut Table<'_>, problems: &mut Problems) -> Vec<Spanned<Name>> {
    let what = format!("`jobs` of {}", table.what());
    let Some(node) = table.get("jobs") else {
        problems.push(table.missing("jobs", "jobs = [\"refresh\"]"));
        return vec![];
    };
    if matches!(&node.kind, NodeKind::List(items) if items.is_empty()) {
        problems.push(
            Diagnostic::error("config::bad-value", format!("{} has no jobs", table.what()))
                .at(node.span.as_ref(), "expected at least one")
                .hint("write for example `jobs = [\"refresh\"]`"),
        );
    }
    distinct(names(node, &what, "job", problems), &what, problems)
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < SENSOR_INTERVAL_MIN {
        return Err(format!("`{text}` is too short; a sensor is asked once a second at most"));
    }
    Ok(interval)
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if timeout.is_zero() {
        return Err("`0s` leaves no time; write for example `60s`".to_owned());
    }
    Ok(timeout)
}
