//! `[tests]` of a project: those of ops are the steps of one run, those of jobs have a run each. Nothing of them is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::{
    Definitions, JobDef, JobTestDef, Known, Name, NodeDef, OpTestDef, RunConfig, RunId, StepKey, TestDef,
};
use cofferdam_plan::{Present, Rerun, fake_sources, libraries_used, test_request, with_fakes};

use super::judge::{judge_job, judge_op};
use crate::args::Given;
use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{DIM, GREEN, Output, RED, printable};
use crate::prepare::{Prepared, Reading, Wanted, prepare_wanted, read_files};
use crate::project::Project;
use crate::scratch::Scratch;
use crate::text::{count, duration};

pub(crate) type Tests = BTreeMap<Name, TestDef>;

/// How long a test took, and why it did not pass.
struct Verdict {
    took: Option<Duration>,
    failed: Option<String>,
}

/// Whether a test is about a library: runs its op, or a job that may use it.
pub(super) fn is_about(definitions: &Definitions, test: &TestDef, library: &Name) -> bool {
    match test {
        TestDef::Op(test) => {
            matches!(&test.step.node.value, NodeDef::Op(path) if path.library == *library)
        }
        TestDef::Job(test) => {
            let nothing = RunConfig::default();
            libraries_used(definitions, test_request(test, &nothing), &Present::default()).contains(library)
        }
    }
}

/// Adds a job with a step for each test of an op, and gives its name; none if there is no such test.
pub(crate) fn add_job(definitions: &mut Definitions, tests: &Tests) -> Option<Name> {
    let steps: Vec<_> = of_ops(tests).map(|(_, test)| test.step.clone()).collect();
    if steps.is_empty() {
        return None;
    }
    let mut name = "tests".to_owned();
    while definitions.jobs.keys().chain(definitions.asset_jobs.keys()).any(|known| known.as_str() == name) {
        name.push('_');
    }
    let name = Name::new(&name).expect("letters and underscores are a name");
    definitions.jobs.insert(name.clone(), JobDef { steps, ..JobDef::default() });
    Some(name)
}

fn of_ops(tests: &Tests) -> impl Iterator<Item = (&Name, &OpTestDef)> {
    tests.iter().filter_map(|(name, test)| match test {
        TestDef::Op(test) => Some((name, &**test)),
        TestDef::Job(_) => None,
    })
}

/// Runs the tests and says how each went. Fails if one does.
pub(super) async fn run(mut project: Project, tests: Tests, output: Output) -> Result<()> {
    let mut failures = vec![];
    if let Some(job) = add_job(&mut project.definitions, &tests) {
        let verdicts;
        (project, verdicts) = run_ops(project, job, &tests, output).await?;
        for (name, verdict) in verdicts {
            failures.extend(say(&name, verdict, output));
        }
    }
    for (name, test) in &tests {
        let TestDef::Job(test) = test else { continue };
        let verdict;
        (project, verdict) = run_job(project, test, output).await?;
        failures.extend(say(name, verdict, output));
    }
    if failures.is_empty() {
        return Ok(());
    }
    let message = format!("{} of {} of the project", failures.len(), count(tests.len(), "test"));
    let failed = Failed::invalid(format!("{message} did not pass"));
    // A person has read it above.
    Err(if output.json { Failed { causes: failures, ..failed } } else { failed })
}

/// Gives what is said of a test that did not pass.
fn say(name: &Name, verdict: Verdict, output: Output) -> Option<String> {
    let Some(why) = verdict.failed else {
        let took = verdict.took.map(duration).unwrap_or_default();
        output.say(&format!("{GREEN}   pass{GREEN:#}  {name}  {DIM}{took}{DIM:#}"));
        return None;
    };
    output.say(&format!("{RED}   FAIL{RED:#}  {name}: {}", printable(&why)));
    Some(format!("test `{name}`: {}", printable(&why)))
}

async fn run_ops(
    mut project: Project,
    job: Name,
    tests: &Tests,
    output: Output,
) -> Result<(Project, Vec<(Name, Verdict)>)> {
    let mut scratch = Scratch::take(&mut project)?;
    let wanted = Wanted::Job { name: job, selection: vec![] };
    let config = RunConfig::default();
    let Prepared { plan, project, .. } =
        prepare_wanted(project, &wanted, &Given::default(), &config, Reading::Import, output).await?;
    let run = scratch.run(&project, plan, Known::default()).await?;
    let stores = instance::stores(&project.state)?;
    let mut verdicts = vec![];
    for (name, test) in of_ops(tests) {
        let step = run.step(&StepKey::new(name.as_str()));
        let step = step.ok_or_else(|| Failed::new(Exit::Internal, format!("test `{name}` was not run")))?;
        let used = step.attempts().last().and_then(|attempt| attempt.usage);
        let took = used.map(|usage| Duration::from_micros(usage.wall_us));
        let failed = judge_op(&step, &test.expected, &stores).await?;
        verdicts.push((name.clone(), Verdict { took, failed }));
    }
    Ok((scratch.end(project).await, verdicts))
}

/// In an instance of its own, so that no test finds what another one left with resources.
async fn run_job(mut project: Project, test: &JobTestDef, output: Output) -> Result<(Project, Verdict)> {
    let mut scratch = Scratch::take(&mut project)?;
    let wanted = Wanted::Job { name: test.job.value.clone(), selection: test.selection.clone() };
    let given = Given {
        config: None,
        environment: test.environment.as_ref().map(|name| name.value.to_string()),
        partition: test.partition.clone(),
    };
    let config = RunConfig { root: test.config.clone() };
    let Prepared { mut plan, project, libraries } =
        prepare_wanted(project, &wanted, &given, &config, Reading::Import, output).await?;
    for step in &mut plan.steps {
        // Nobody learns anything from the wait.
        step.retry.delay = 0.0;
        step.wait = None;
    }
    let values = instance::values(&project.state)?;
    let files = read_files(&project, &fake_sources(test), &values, Reading::Import).await?;
    let faked = with_fakes(&plan, &libraries, test, &files, RunId(uuid::Uuid::now_v7()));
    let Rerun { plan, known, .. } = match faked {
        Ok(faked) => faked,
        Err(problems) => return Err(Failed::diagnosed(project.texts, problems)),
    };
    let run = scratch.run(&project, plan, known).await?;
    let failed = judge_job(&run, test, &instance::stores(&project.state)?).await?;
    let took = run.started_at().zip(run.ended_at()).map(|(from, to)| to.since(from));
    Ok((scratch.end(project).await, Verdict { took, failed }))
}
