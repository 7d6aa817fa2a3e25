//! `[tests]` of a project: one run with a step for each, of which nothing is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_engine::{Run, StepView};
use cofferdam_io::Stores;
use cofferdam_model::{
    Definitions, Expected, JobDef, Known, Name, Node, NodeDef, Output as Made, RunConfig, RunId, StepKey,
    TestDef,
};
use cofferdam_scheduler::Submission;
use serde_json::{Map, Value};

use super::difference;
use crate::args::{Given, Local};
use crate::commands::show;
use crate::commands::value::{SHOWN_BYTES_MAX, content};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance::{self, Instance};
use crate::offer;
use crate::output::{DIM, GREEN, Output, RED, printable};
use crate::prepare::{Prepared, Reading, Wanted, prepare_wanted};
use crate::project::Project;
use crate::site::Site;
use crate::text::{count, duration, size};

pub(crate) type Tests = BTreeMap<Name, TestDef>;

/// The library whose op is tested.
pub(super) fn library_of(test: &TestDef) -> Option<&Name> {
    match &test.step.node.value {
        NodeDef::Op(path) => Some(&path.library),
        NodeDef::Graph(_) => None,
    }
}

/// The tests of these libraries.
pub(super) fn tests_of(definitions: &Definitions, is_chosen: impl Fn(&Name) -> bool) -> Tests {
    let tests = definitions.tests.iter().filter(|(_, test)| library_of(test).is_some_and(&is_chosen));
    tests.map(|(name, test)| (name.clone(), test.clone())).collect()
}

/// Adds a job with a step for each test; gives its name.
pub(crate) fn add_job(definitions: &mut Definitions, tests: &Tests) -> Name {
    let mut name = "tests".to_owned();
    while definitions.jobs.keys().chain(definitions.asset_jobs.keys()).any(|known| known.as_str() == name) {
        name.push('_');
    }
    let name = Name::new(&name).expect("letters and underscores are a name");
    let steps = tests.values().map(|test| test.step.clone()).collect();
    definitions.jobs.insert(name.clone(), JobDef { steps, ..JobDef::default() });
    name
}

/// Runs the tests and says how each went. Fails if one does.
pub(super) async fn run(mut project: Project, tests: Tests, output: Output) -> Result<()> {
    let scratch = tempfile::tempdir().doing(Exit::Unreachable, "make a temporary folder")?;
    project.state = project.state.with_runs_in(scratch.path());
    project.site = Site::Here(project.state.clone());
    let name = add_job(&mut project.definitions, &tests);
    let wanted = Wanted::Job { name, selection: vec![] };
    let config = RunConfig::default();
    let Prepared { plan, project } =
        prepare_wanted(project, &wanted, &Given::default(), &config, Reading::Import, output).await?;

    let offer = offer::offer(&Local::default())?;
    offer::refuse(&plan, &offer)?;
    let instance = Instance::start(&project.state, &project.root, offer).await?;
    let submission = Submission {
        run: RunId(uuid::Uuid::now_v7()),
        tags: plan.tags.clone(),
        plan: plan.into(),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    };
    let id = instance.scheduler.submit(submission).await.doing(Exit::Unreachable, "record the run")?;
    instance.scheduler.wait(id).await.doing(Exit::Unreachable, "drive the run")?;
    let run = show::load(&*instance.log, id).await?;
    let stores = instance::stores(&project.state)?;
    let outcome = judge_all(&run, &tests, &stores, output).await;
    instance.stop().await;
    outcome
}

async fn judge_all(run: &Run, tests: &Tests, stores: &Stores, output: Output) -> Result<()> {
    let mut failures = vec![];
    for (name, test) in tests {
        let step = run.step(&StepKey::new(name.as_str()));
        let step = step.ok_or_else(|| Failed::new(Exit::Internal, format!("test `{name}` was not run")))?;
        match judge(&step, &test.expected, stores).await? {
            None => {
                let attempt = step.attempts().last().and_then(|attempt| attempt.usage);
                let took =
                    attempt.map(|usage| duration(Duration::from_micros(usage.wall_us))).unwrap_or_default();
                output.say(&format!("{GREEN}   pass{GREEN:#}  {name}  {DIM}{took}{DIM:#}"));
            }
            Some(why) => {
                output.say(&format!("{RED}   FAIL{RED:#}  {name}: {}", printable(&why)));
                failures.push(format!("test `{name}`: {}", printable(&why)));
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let message = format!("{} of {} of the project", failures.len(), count(tests.len(), "test"));
    let failed = Failed::invalid(format!("{message} did not pass"));
    // A person has read it above.
    Err(if output.json { Failed { causes: failures, ..failed } } else { failed })
}

/// Why a test did not pass.
async fn judge(step: &StepView<'_>, expected: &Expected, stores: &Stores) -> Result<Option<String>> {
    let failure = step.failure().map(|failure| {
        let causes = failure.causes.iter().map(|cause| format!(": {cause}"));
        failure.message.clone() + &causes.collect::<String>()
    });
    match (expected, failure) {
        (Expected::Failure(text), Some(failure)) if failure.contains(&text.value) => Ok(None),
        (Expected::Failure(text), Some(failure)) => {
            Ok(Some(format!("it failed with `{failure}`, expected `{}`", text.value)))
        }
        (Expected::Failure(text), None) => {
            Ok(Some(format!("it {}, expected a failure with `{}`", step.status(), text.value)))
        }
        (Expected::Outputs(_), Some(failure)) => Ok(Some(format!("it failed: {failure}"))),
        (Expected::Outputs(outputs), None) => {
            for (name, expected) in outputs {
                if let Some(why) = compare(name, expected, step.outputs(), stores).await? {
                    return Ok(Some(why));
                }
            }
            Ok(None)
        }
    }
}

/// How an output differs from what is expected of it.
async fn compare(name: &Name, expected: &Node, made: &[Made], stores: &Stores) -> Result<Option<String>> {
    let of_name: Vec<&Made> = made.iter().filter(|made| made.name == *name).collect();
    if let Some(large) = of_name.iter().find(|made| made.value.size > SHOWN_BYTES_MAX) {
        let (found, most) = (size(large.value.size), size(SHOWN_BYTES_MAX));
        return Ok(Some(format!("output `{name}` has {found}; values up to {most} are compared")));
    }
    let mut by_key = Map::new();
    for made in &of_name {
        let value = content(&made.value, stores).await?;
        match &made.key {
            Some(key) => drop(by_key.insert(key.to_string(), value)),
            None => return Ok(difference::first(name.as_str(), &expected.to_json(), &value)),
        }
    }
    if of_name.is_empty() {
        return Ok(Some(format!("there is no output `{name}`")));
    }
    Ok(difference::first(name.as_str(), &expected.to_json(), &Value::Object(by_key)))
}
