//! Schedules and sensors: whether they name what is there, what a schedule asks for, and for which partition.

use cofferdam_assets::{AssetGraph, Partitions, resolve_partitions};
use cofferdam_automation::{InvalidTimetable, Rules, Timetable, catch_up_default};
use cofferdam_model::{
    Definitions, Diagnostic, Name, OpSpec, RunConfig, SENSOR_TICK_INPUT, ScheduleDef, ScheduleTarget,
    SensorDef, Severity,
};

use crate::Libraries;
use crate::compile::{Present, Request, Stage, Target, compile_target};
use crate::files::known;
use crate::job::find_op;
use crate::run_config::Apart;

/// When a schedule ticks, or everything that is wrong with its times.
pub fn timetable(schedule: &ScheduleDef) -> Result<Timetable, Vec<Diagnostic>> {
    let crons: Vec<&str> = schedule.cron.iter().map(|cron| cron.value.as_str()).collect();
    let zone = schedule.timezone.as_ref();
    Timetable::new(&crons, zone.map(|zone| zone.value.as_str())).map_err(|mistakes| {
        let diagnostic = |mistake: &InvalidTimetable| {
            let (code, span) = match mistake {
                InvalidTimetable::Cron { at, .. } => ("plan::cron", schedule.cron[*at].span.as_ref()),
                InvalidTimetable::Zone { .. } => ("plan::timezone", zone.and_then(|zone| zone.span.as_ref())),
            };
            Diagnostic::error(code, mistake.to_string()).at(span, "").hint(mistake.hint())
        };
        mistakes.iter().map(diagnostic).collect()
    })
}

/// What a schedule says about its ticks. Ticks with partitions of their own are made up for unless it says otherwise.
pub fn schedule_rules(defs: &Definitions, schedule: &ScheduleDef) -> Rules {
    let by_partition = schedule.partition.is_none() && matches!(partitions(defs, schedule), Ok(Some(_)));
    Rules {
        status: schedule.status,
        catch_up: schedule.catch_up.unwrap_or(catch_up_default(by_partition)),
        max_tick_retries: schedule.max_tick_retries,
    }
}

/// What a schedule asks for. `run_config` holds its `config`; `partition` is that of the tick.
pub fn schedule_request<'a>(
    schedule: &'a ScheduleDef,
    run_config: &'a RunConfig,
    partition: Option<&'a str>,
) -> Request<'a> {
    let target = match &schedule.target {
        ScheduleTarget::Job(job) => Target::Job(&job.value),
        ScheduleTarget::Assets(select) => Target::Assets(std::slice::from_ref(&select.value)),
    };
    Request { target, run_config, environment: None, selection: &[], partition }
}

/// Which partition a tick is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TickPartition {
    /// What the schedule runs has no partitions.
    Unpartitioned,
    Of(String),
    /// No window of time had ended: there is nothing to run.
    NoneYet,
}

/// The partition that a tick is for: the one that the schedule names, or the last window of time that had ended when
/// the tick was due, which is the instant of `present`.
pub fn partition_of_tick(
    defs: &Definitions,
    schedule: &ScheduleDef,
    present: &Present,
) -> Result<TickPartition, Vec<Diagnostic>> {
    if let Some(partition) = &schedule.partition {
        return Ok(TickPartition::Of(partition.value.clone()));
    }
    let Some(partitions) = partitions(defs, schedule)? else { return Ok(TickPartition::Unpartitioned) };
    let extent = partitions.at(present.now, &present.dynamic);
    let extent =
        extent.map_err(|error| vec![Diagnostic::error("plan::too-many-partitions", error.to_string())])?;
    let last = extent.last().and_then(|last| extent.key(last));
    Ok(last.map_or(TickPartition::NoneYet, TickPartition::Of))
}

/// What the schedule's runs are partitioned by.
fn partitions(defs: &Definitions, schedule: &ScheduleDef) -> Result<Option<Partitions>, Vec<Diagnostic>> {
    let select = match &schedule.target {
        ScheduleTarget::Job(name) => match (defs.jobs.get(&name.value), defs.asset_jobs.get(&name.value)) {
            (Some(job), _) => {
                let (sets, _) = resolve_partitions(&defs.partitions);
                return Ok(job.partitions.as_ref().and_then(|set| sets.get(&set.value).cloned()));
            }
            (None, Some(job)) => &job.select,
            (None, None) => return Ok(None),
        },
        ScheduleTarget::Assets(select) => select,
    };
    let (graph, mistakes) = AssetGraph::new(defs);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let selected = graph.select(&[&select.value]).map_err(|found| {
        found.iter().map(|problem| problem.diagnostic(select.span.as_ref())).collect::<Vec<_>>()
    })?;
    let mut makers = selected.into_iter().map(|asset| graph.maker_of(asset)).filter(|maker| !maker.external);
    Ok(makers.find_map(|maker| maker.partitions.clone()))
}

/// Everything that is wrong with schedules and sensors, as far as it is known without a tick.
pub(crate) fn check(defs: &Definitions, libs: &Libraries, present: &Present) -> Vec<Diagnostic> {
    let mut problems = vec![];
    for (name, schedule) in &defs.schedules {
        problems.extend(timetable(schedule).err().into_iter().flatten());
        problems.extend(check_target(defs, libs, (name, schedule), present));
    }
    for (name, sensor) in &defs.sensors {
        check_sensor(defs, libs, (name, sensor), &mut problems);
    }
    problems
}

/// Compiles what the schedule runs, as far as it can be before a tick.
fn check_target(
    defs: &Definitions,
    libs: &Libraries,
    (name, schedule): (&Name, &ScheduleDef),
    present: &Present,
) -> Vec<Diagnostic> {
    if let ScheduleTarget::Job(job) = &schedule.target
        && !is_job(defs, &job.value)
    {
        return vec![unknown_job(defs, &job.value).at(job.span.as_ref(), format!("schedule `{name}`"))];
    }
    let mut problems = check_partition(defs, (name, schedule));
    if !problems.is_empty() {
        return problems;
    }
    let run_config = RunConfig { root: schedule.config.clone() };
    let partition = schedule.partition.as_ref().map(|partition| partition.value.as_str());
    let request = schedule_request(schedule, &run_config, partition);
    let (_, found) = compile_target(defs, libs, request, Stage::Checking(present));
    for mut problem in found {
        // Nobody else gives it: no person starts these runs, and there is no environment to be chosen.
        let is_open = matches!(problem.code, "plan::missing-config" | "plan::missing-input");
        if is_open && defs.environments.is_empty() {
            problem.severity = Severity::Error;
            problem = problem.at(schedule.span.as_ref(), "its run config is all that this schedule gives");
        }
        if problem.labels.is_empty() {
            let partition = schedule.partition.as_ref().filter(|_| problem.code == "assets::partition");
            let span = partition.map_or(&schedule.span, |partition| &partition.span);
            problem = problem.at(span.as_ref(), format!("schedule `{name}`"));
        }
        problems.push(problem);
    }
    problems
}

/// A tick knows windows of time; other partitions have to be named.
fn check_partition(defs: &Definitions, (name, schedule): (&Name, &ScheduleDef)) -> Vec<Diagnostic> {
    let partitions = match partitions(defs, schedule) {
        Ok(partitions) => partitions,
        Err(mistakes) => return mistakes,
    };
    let problem = |message: String| Diagnostic::error("plan::schedule-partition", message);
    match (&schedule.partition, partitions) {
        (Some(key), None) => {
            let message = format!("schedule `{name}` names a partition, and what it runs has none");
            vec![problem(message).at(key.span.as_ref(), "").hint("leave `partition` out")]
        }
        (Some(key), Some(Partitions::Windows(_))) => {
            let message = format!("schedule `{name}` names a partition, and what it runs has time windows");
            let problem = problem(message).at(key.span.as_ref(), "the same one at each tick");
            vec![problem.hint("leave `partition` out: a tick is for the last window that has ended")]
        }
        (None, Some(other)) if !matches!(other, Partitions::Windows(_)) => {
            let message =
                format!("what schedule `{name}` runs has {}, and no tick says which", other.kind_word());
            let problem = problem(message).at(schedule.span.as_ref(), "no `partition`");
            vec![problem.hint("add for example `partition = \"north\"`, and a schedule for each of them")]
        }
        _ => vec![],
    }
}

fn check_sensor(
    defs: &Definitions,
    libs: &Libraries,
    (name, sensor): (&Name, &SensorDef),
    problems: &mut Vec<Diagnostic>,
) {
    for job in sensor.jobs.iter().filter(|job| !is_job(defs, &job.value)) {
        problems.push(unknown_job(defs, &job.value).at(job.span.as_ref(), format!("sensor `{name}`")));
    }
    let what = format!("op of sensor `{name}`");
    match find_op(defs, libs, &sensor.op.value, sensor.op.span.as_ref(), &what) {
        Ok(op) => check_op(op, (name, sensor), problems),
        Err(problem) => problems.push(problem),
    }
}

fn check_op(op: &OpSpec, (name, sensor): (&Name, &SensorDef), problems: &mut Vec<Diagnostic>) {
    let (path, span) = (&sensor.op.value, sensor.op.span.as_ref());
    let other = op.inputs.iter().find(|input| input.required && input.name.as_str() != SENSOR_TICK_INPUT);
    let result = op.outputs.iter().find(|output| output.name == Name::result());
    let wrong = match (other, result) {
        (Some(input), _) => Some((
            format!("its input `{}` has no source", input.name),
            "a sensor's op is given one input, `tick`; the rest is config",
        )),
        (None, None) => Some((
            "it has no output `result`".to_owned(),
            "give a map with `runs`, `skip_reason` and `cursor`, all of which may be left out",
        )),
        (None, Some(output)) if output.dynamic => {
            Some(("its output `result` is dynamic".to_owned(), "give one map, with all runs in it"))
        }
        (None, Some(_)) => None,
    };
    if let Some((why, hint)) = wrong {
        let message = format!("op `{path}` cannot be a sensor: {why}");
        problems.push(Diagnostic::error("plan::bad-sensor", message).at(span, "sensor").hint(hint));
        return;
    }
    let what = format!("sensors.{name}");
    let (_, found) = Apart::default().config(op.config_schema.as_ref(), sensor.config.as_ref(), &what);
    problems.extend(found.into_iter().map(|problem| match problem.labels.is_empty() {
        true => problem.at(sensor.span.as_ref(), "configured here"),
        false => problem,
    }));
}

fn is_job(defs: &Definitions, name: &Name) -> bool {
    defs.jobs.contains_key(name) || defs.asset_jobs.contains_key(name)
}

fn unknown_job(defs: &Definitions, name: &Name) -> Diagnostic {
    let problem = Diagnostic::error("plan::unknown-job", format!("there is no job `{name}`"));
    let jobs: Vec<&str> = defs.jobs.keys().chain(defs.asset_jobs.keys()).map(Name::as_str).collect();
    known(problem, name.as_str(), jobs.iter().copied())
}
