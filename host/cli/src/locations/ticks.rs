//! Ticks of a project's schedules and sensors: how these are asked, and how what they ask for becomes a plan.

use cofferdam_automation::{Evaluation, read_answer, tick_input};
use cofferdam_daemon::{Asked, Defined, NoPlan, When};
use cofferdam_model::{
    InstigatorState, JobDef, Known, Limits, Name, Node, NodeDef, OpPath, Plan, RunConfig, RunId, RunRequest,
    SENSOR_TICK_INPUT, ScheduleDef, ScheduleTarget, SensorDef, SourceDef, Spanned, StepDef, StepKey,
    Timestamp,
};
use cofferdam_plan::{Present, Request, TickPartition, partition_of_tick};
use cofferdam_runlog::{LogFilter, PAGE_ROWS_MAX, RunLog};
use serde_json::Value;

use super::location::CodeLocation;
use crate::args::Given;
use crate::commands::logs::line_plain;
use crate::commands::value::{SHOWN_BYTES_MAX, content};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::Output;
use crate::prepare::{self, Prepared, Reading, Wanted, present};
use crate::project::Project;
use crate::scratch::Scratch;
use crate::text::in_words;

/// What messages call the run config that a sensor gives.
const REQUESTED: &str = "config of the run request";
/// Columns of what is told of wrong definitions.
const WIDTH: usize = 100;

/// What one asks for at a tick, by the definitions as they are now.
pub(super) async fn ask(
    opened: Result<Project>,
    of: &CodeLocation,
    one: &Defined,
    state: &InstigatorState,
    at: Timestamp,
) -> Asked {
    let project = match opened {
        Ok(project) => project,
        Err(failed) => return Evaluation::Unreachable { error: told(&failed) }.into(),
    };
    let name = &one.instigator.name;
    let asked = match &one.when {
        When::Schedule { .. } => match project.definitions.schedules.get(name).cloned() {
            Some(schedule) => ask_schedule(project, of, &schedule, at).await.map(Asked::from),
            None => Err(gone(one)),
        },
        When::Sensor { .. } => match project.definitions.sensors.get(name).cloned() {
            Some(sensor) => ask_sensor(project, name, &sensor, &tick_input(state, at)).await,
            None => Err(gone(one)),
        },
    };
    asked.unwrap_or_else(|failed| match failed.exit {
        Exit::Unreachable => Evaluation::Unreachable { error: told(&failed) }.into(),
        _ => Evaluation::Failed { error: told(&failed), passed: None }.into(),
    })
}

/// The plan of a run that a tick has asked for.
pub(super) async fn plan(
    opened: Result<Project>,
    of: &CodeLocation,
    one: &Defined,
    request: &RunRequest,
) -> std::result::Result<Plan, NoPlan> {
    let project = opened.map_err(|failed| NoPlan::NotNow(told(&failed)))?;
    compile(project, of, one, request, Reading::Import).await.map_err(|failed| match failed.exit {
        Exit::Unreachable => NoPlan::NotNow(told(&failed)),
        _ => NoPlan::Never(told(&failed)),
    })
}

fn gone(one: &Defined) -> Failed {
    Failed::new(Exit::Unreachable, format!("`{}` is not defined any more", one.instigator.name))
}

fn quiet() -> Output {
    Output { json: false, quiet: true }
}

/// All of an error, for who was not there.
pub(crate) fn told(failed: &Failed) -> String {
    if let Some(found) = &failed.diagnostics {
        return cofferdam_config::render(&found.0, &found.1, false, WIDTH).trim_end().to_owned();
    }
    let said = std::iter::once(&failed.message).chain(&failed.causes).chain(&failed.hint);
    said.cloned().collect::<Vec<_>>().join(": ")
}

/// A run for the partition of the tick, if there is one, and if it can be compiled.
async fn ask_schedule(
    project: Project,
    of: &CodeLocation,
    schedule: &ScheduleDef,
    at: Timestamp,
) -> Result<Evaluation> {
    let now = Present { now: at, ..present(&project).await? };
    let partition = match partition_of_tick(&project.definitions, schedule, &now) {
        Ok(TickPartition::Unpartitioned) => None,
        Ok(TickPartition::Of(partition)) => Some(partition),
        Ok(TickPartition::NoneYet) => {
            let skip_reason = Some("no partition of what it runs has ended yet".to_owned());
            return Ok(Evaluation::Answered { requests: vec![], skip_reason, cursor: None });
        }
        Err(problems) => return Err(Failed::diagnosed(project.texts, problems)),
    };
    let request = RunRequest { partition, ..RunRequest::default() };
    compile_scheduled(project, of, schedule, request.partition.clone(), Reading::Digest).await?;
    Ok(Evaluation::Answered { requests: vec![request], skip_reason: None, cursor: None })
}

async fn compile(
    mut project: Project,
    of: &CodeLocation,
    one: &Defined,
    request: &RunRequest,
    reading: Reading,
) -> Result<Plan> {
    let name = &one.instigator.name;
    if let When::Schedule { .. } = one.when {
        let schedule = project.definitions.schedules.get(name).cloned().ok_or_else(|| gone(one))?;
        return compile_scheduled(project, of, &schedule, request.partition.clone(), reading).await;
    }
    let asked = request.job.as_ref().or(one.jobs.first());
    let job = project.job(asked.map(Name::as_str))?;
    let text = match &request.config {
        Value::Null => String::new(),
        // JSON is YAML.
        config => config.to_string(),
    };
    let (config, found) = cofferdam_config::read_run_config(&mut project.texts, REQUESTED, &text);
    if !found.is_empty() {
        return Err(Failed::diagnosed(project.texts, found));
    }
    let wanted = Wanted::Job { name: job, selection: vec![] };
    compiled(project, of, &wanted, request.partition.clone(), &config, reading).await
}

async fn compile_scheduled(
    project: Project,
    of: &CodeLocation,
    schedule: &ScheduleDef,
    partition: Option<String>,
    reading: Reading,
) -> Result<Plan> {
    let wanted = match &schedule.target {
        ScheduleTarget::Job(job) => Wanted::Job { name: job.value.clone(), selection: vec![] },
        ScheduleTarget::Assets(select) => Wanted::Assets(vec![select.value.clone()]),
    };
    let config = RunConfig { root: schedule.config.clone() };
    compiled(project, of, &wanted, partition, &config, reading).await
}

async fn compiled(
    project: Project,
    of: &CodeLocation,
    wanted: &Wanted,
    partition: Option<String>,
    config: &RunConfig,
    reading: Reading,
) -> Result<Plan> {
    let given = Given { partition, environment: of.environment(None), ..Given::default() };
    let (Prepared { plan, .. }, _) =
        prepare::compile(project, wanted, &given, config, reading, quiet()).await?;
    Ok(plan)
}

/// Runs the op of a sensor as the one step of a job, with all that steps have, in a place of its own.
async fn ask_sensor(mut project: Project, name: &Name, sensor: &SensorDef, tick: &Value) -> Result<Asked> {
    let mut scratch = Scratch::take_runs(&mut project)?;
    let job = add_job(&mut project, name, sensor, tick).await?;
    let wanted = Wanted::Job { name: job, selection: vec![] };
    let given = Given::default();
    let config = RunConfig::default();
    let compiled = prepare::compile(project, &wanted, &given, &config, Reading::Import, quiet()).await?;
    let Prepared { plan, project, .. } = compiled.0;
    let run = scratch.run(&project, plan, Known::default()).await?;
    let step = run.step(&StepKey::new(name.as_str()));
    let step = step.ok_or_else(|| Failed::new(Exit::Internal, format!("`{name}` was not asked")))?;
    let evaluation = match (step.failure(), step.outputs().first()) {
        (Some(failure), _) => Evaluation::Failed { error: in_words(failure), passed: None },
        (None, Some(result)) if result.value.size <= SHOWN_BYTES_MAX => {
            read_answer(&content(&result.value, &instance::stores(&project.state)?).await?)
        }
        (None, Some(result)) => {
            let error =
                format!("its answer has {} bytes, at most {SHOWN_BYTES_MAX} are read", result.value.size);
            Evaluation::Failed { error, passed: None }
        }
        (None, None) => read_answer(&Value::Object(serde_json::Map::new())),
    };
    let logs = match scratch.log() {
        Some(log) => logs(&*log, run.id()).await?,
        None => vec![],
    };
    scratch.end(project).await;
    Ok(Asked { evaluation, logs })
}

/// Adds a job with the sensor's op as its only step; gives its name, which no other job has.
async fn add_job(project: &mut Project, name: &Name, sensor: &SensorDef, tick: &Value) -> Result<Name> {
    let definitions = &mut project.definitions;
    let mut job = format!("sensor_{name}");
    while definitions.jobs.keys().chain(definitions.asset_jobs.keys()).any(|known| known.as_str() == job) {
        job.push('_');
    }
    let job = Name::new(&job).doing(Exit::Invalid, format!("ask the sensor `{name}`"))?;
    let step = StepDef {
        config: sensor.config.clone(),
        limits: Limits { timeout: Some(sensor.timeout), ..Limits::default() },
        ..StepDef::new(name.clone(), NodeDef::Op(sensor.op.value.clone()))
    };
    definitions.jobs.insert(job.clone(), JobDef { steps: vec![step], ..JobDef::default() });
    if takes_tick(project, &job, &sensor.op.value).await? {
        let source = SourceDef::Value(Node::of_json(tick, None));
        let input = Name::new(SENSOR_TICK_INPUT).expect("the constant is a name");
        let steps = &mut project.definitions.jobs.get_mut(&job).expect("it was just added").steps;
        steps[0].inputs = vec![(Spanned::new(input, None), Spanned::new(source, None))];
    }
    Ok(job)
}

/// Whether the op wants to know what is known at the tick.
async fn takes_tick(project: &Project, job: &Name, op: &OpPath) -> Result<bool> {
    let nothing = RunConfig::default();
    let present = present(project).await?;
    let libraries = prepare::describe_used(project, Request::job(job, &nothing), &present, quiet()).await?;
    let spec = libraries.get(&op.library).and_then(|(_, spec)| spec.op(&op.op));
    Ok(spec.is_some_and(|op| op.inputs.iter().any(|input| input.name.as_str() == SENSOR_TICK_INPUT)))
}

async fn logs(log: &dyn RunLog, run: RunId) -> Result<Vec<String>> {
    let lines = log.logs(run, LogFilter::default(), 0, PAGE_ROWS_MAX).await;
    let lines = lines.doing(Exit::Unreachable, "read what was logged")?;
    Ok(lines.iter().map(line_plain).collect())
}
