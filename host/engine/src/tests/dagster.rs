//! Histories by the names and in the order of Dagster's event log: SEMANTICS.md, section 7.1, case by case.

use cofferdam_model::*;

use super::assets::{asset, makes};
use super::dynamic::{fan_out, parts};
use super::kit::*;
use super::roles::said;
use crate::{Input, dagster_events};

/// `STEP_OUTPUT a result`, in the order of the log.
fn told(world: &World) -> Vec<String> {
    let told = dagster_events(RUN, world.layouts[&RUN].clone(), &world.log[&RUN]).unwrap();
    let words = told.into_iter().map(|event| {
        let step = event.step.map(|step| format!(" {step}")).unwrap_or_default();
        let about = event.about.map(|about| format!(" {about}")).unwrap_or_default();
        format!("{}{step}{about}", event.name)
    });
    words.collect()
}

/// The log without what every run begins and ends with.
fn steps(world: &World, end: &str) -> Vec<String> {
    let told = told(world);
    let start = ["RUN_ENQUEUED", "RUN_DEQUEUED", "RUN_STARTING", "RUN_START", "ENGINE_EVENT"];
    assert_eq!(told[..5], start);
    assert_eq!(told[told.len() - 2..], ["ENGINE_EVENT", end]);
    told[5..told.len() - 2].to_vec()
}

/// What is told of a step up to its inputs.
fn begins(step: &str) -> Vec<String> {
    let names = ["STEP_WORKER_STARTING", "STEP_WORKER_STARTED", "LOGS_CAPTURED", "STEP_START"];
    names.map(|name| format!("{name} {step}")).to_vec()
}

fn ends(step: &str) -> Vec<String> {
    let names = [format!("STEP_OUTPUT {step} result"), format!("HANDLED_OUTPUT {step} result")];
    [&names[..], &[format!("STEP_SUCCESS {step}")]].concat()
}

fn lines(all: &[&str]) -> Vec<String> {
    all.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn h1_a_run_is_told_as_dagster_tells_it_each_step_from_its_start_over_inputs_and_outputs_to_its_end() {
    let mut world = World::with(plan(vec![step("a"), reads("b", vec![of(0)])]), 1);
    world.done("a");
    world.done("b");
    let b = [begins("b"), lines(&["LOADED_INPUT b a", "STEP_INPUT b a"]), ends("b")].concat();
    assert_eq!(steps(&world, "RUN_SUCCESS"), [begins("a"), ends("a"), b].concat());
}

#[test]
fn h1_a_fan_in_loads_each_element_and_is_one_input() {
    let mut world = World::with(fan_out(true), 1);
    world.finish("split", parts(&["jan", "feb"]));
    for key in ["clean[jan]", "load[jan]", "clean[feb]", "load[feb]"] {
        world.done(key);
    }
    world.done("sum");
    let told = steps(&world, "RUN_SUCCESS");
    let of_sum: Vec<&str> = told.iter().map(String::as_str).filter(|line| line.contains(" sum a")).collect();
    assert_eq!(of_sum, ["LOADED_INPUT sum a", "LOADED_INPUT sum a", "STEP_INPUT sum a"]);
    let of_split: Vec<&str> =
        told.iter().map(String::as_str).filter(|line| line.starts_with("STEP_OUTPUT split")).collect();
    assert_eq!(of_split, ["STEP_OUTPUT split parts[jan]", "STEP_OUTPUT split parts[feb]"]);
}

#[test]
fn h1_a_step_that_is_tried_again_waits_and_is_restarted_and_its_failure_keeps_others_from_running() {
    let retrying = PlanStep { retry: RetryPolicy { max_retries: 1, ..RetryPolicy::NEVER }, ..step("a") };
    let mut world = World::with(plan(vec![retrying, reads("b", vec![of(0)])]), 1);
    world.finish("a", fail());
    world.input(Input::Tick);
    world.finish("a", fail());
    let again = lines(&[
        "STEP_WORKER_STARTING a",
        "STEP_WORKER_STARTED a",
        "LOGS_CAPTURED a",
        "STEP_RESTARTED a",
        "STEP_FAILURE a",
        "STEP_ABANDONED b",
    ]);
    let expected = [begins("a"), lines(&["STEP_UP_FOR_RETRY a"]), again].concat();
    assert_eq!(steps(&world, "RUN_FAILURE"), expected);
}

#[test]
fn h1_what_is_skipped_is_told_before_the_hooks_of_the_step_that_left_an_output_out() {
    let producer = PlanStep { outputs: vec![declared("result", false, false)], ..step("a") };
    let hook =
        |on, key: &str| PlanStep { role: Role::Hook { of: StepIdx(0), on }, outputs: vec![], ..step(key) };
    let steps_ = vec![
        producer,
        reads("b", vec![of(0)]),
        reads("c", vec![of(1)]),
        hook(HookOn::Success, "a.hooks.good"),
        hook(HookOn::Failure, "a.hooks.bad"),
    ];
    let mut world = World::with(plan(steps_), 1);
    world.finish("a", ok(vec![]));
    world.finish("a.hooks.good", ok(vec![]));
    let mut told = steps(&world, "RUN_SUCCESS");
    let after = told.split_off(begins("a").len());
    assert_eq!((told, after[0].as_str()), (begins("a"), "STEP_SUCCESS a"));
    let place = |line: &str| {
        after.iter().position(|told| told == line).unwrap_or_else(|| panic!("{line}: {after:#?}"))
    };
    assert!(place("STEP_SKIPPED b") < place("STEP_SKIPPED c"));
    assert!(place("STEP_SKIPPED c") < place("HOOK_COMPLETED a.hooks.good"));
    place("HOOK_SKIPPED a.hooks.bad");
    assert_eq!(after.len(), 5, "{after:#?}");
}

#[test]
fn h1_an_asset_is_planned_with_the_run_and_materialised_between_its_output_and_where_that_is_kept() {
    let raw = asset("lake/raw", DataVersionRule::Content, vec![]);
    let check =
        Role::Check { check: name("rows"), asset: AssetKey::parse("lake/raw").unwrap(), blocking: false };
    let check = PlanStep { role: check, outputs: vec![], ..reads("rows", vec![of(0)]) };
    let mut world = World::with(plan(vec![makes(step("raw"), raw), check]), 1);
    world.done("raw");
    world.finish("rows", said(Some(true), None));
    let mut told = told(&world);
    let planned =
        ["ASSET_MATERIALIZATION_PLANNED raw lake/raw", "ASSET_CHECK_EVALUATION_PLANNED rows lake/raw:rows"];
    assert_eq!(told.drain(..2).collect::<Vec<_>>(), planned);
    let of_raw = lines(&[
        "STEP_OUTPUT raw result",
        "ASSET_MATERIALIZATION raw lake/raw",
        "HANDLED_OUTPUT raw result",
        "STEP_SUCCESS raw",
    ]);
    let of_check = lines(&[
        "LOADED_INPUT rows a",
        "STEP_INPUT rows a",
        "STEP_OUTPUT rows",
        "ASSET_CHECK_EVALUATION rows lake/raw:rows",
        "STEP_SUCCESS rows",
    ]);
    let expected = [begins("raw"), of_raw, begins("rows"), of_check].concat();
    assert_eq!(told[5..told.len() - 2], expected);
}

#[test]
fn h1_a_cancelled_run_is_told_with_the_step_that_was_interrupted_and_a_lost_worker_by_name() {
    let mut world = World::with(plan(vec![step("a"), step("b")]), 1);
    world.leave(WORKER);
    world.join(WorkerId(2), 1, &[]);
    world.input(Input::CancelRequested { run: RUN });
    world.finish("a", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    let told = steps(&world, "RUN_CANCELED");
    let expected = lines(&[
        "STEP_WORKER_STARTING a",
        "STEP_LOST a",
        "STEP_WORKER_STARTING a",
        "RUN_CANCELING",
        "STEP_FAILURE a",
    ]);
    assert_eq!(told, expected);
}
