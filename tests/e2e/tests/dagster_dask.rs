//! What goes wrong when Dagster's jobs run on Dask (measured with dagster-dask 0.29.27 on Dask 2026.8.0), case by case:
//! here each comes out as it does without Dask. Cells are processes, as Dask's workers are.

use std::process::Command;
use std::time::{Duration, Instant};

use cofferdam_e2e::Project;
use serde_json::Value;

const LIBRARY: &str = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n";
/// How long a run may take to come as far as a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

fn project(steps: &str) -> Project {
    Project::new(&format!("{LIBRARY}{steps}"))
}

/// Runs the only job; the run as JSON.
fn run(project: &Project, exit: i32) -> Value {
    let (ended, run) = project.json(["run", "--export", "out"]);
    assert_eq!(ended, exit, "{run:#}");
    run
}

/// The status of a step, its attempts, and the step that is to blame.
fn step(run: &Value, key: &str) -> Value {
    let steps = run["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["step"] == key).unwrap_or_else(|| panic!("{key} in {run:#}")).clone()
}

fn statuses(run: &Value) -> Vec<(&str, &str)> {
    let steps = run["steps"].as_array().expect("steps").iter();
    steps
        .map(|step| (step["step"].as_str().expect("a key"), step["status"].as_str().expect("a word")))
        .collect()
}

fn events(project: &Project, state: &str) -> Vec<Value> {
    let ended = project.run(["show", "--events", "--state-dir", state]);
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
}

/// Steps of the events of one type, in the order of the log.
fn steps_of_type(events: &[Value], name: &str) -> Vec<String> {
    let of_type = events.iter().filter(|event| event["event"]["type"] == name);
    of_type.map(|event| event["event"]["step"].as_str().expect("a step").to_owned()).collect()
}

#[test]
fn a_list_input_fed_by_two_steps_gets_both_values() {
    let project = project(
        r#"
[jobs.j.steps.one]
op = "typed.double"
inputs.number = { value = 3 }
[jobs.j.steps.two]
op = "typed.double"
inputs.number = { value = 10 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = ["one", "two"]
"#,
    );
    run(&project, 0);
    assert_eq!(project.read("out/sum.json").trim(), "26");
}

#[test]
fn a6_a_fan_in_leaves_out_what_did_not_come_and_is_skipped_only_if_nothing_came() {
    let project = project(
        r#"
[jobs.j.steps.branch]
op = "typed.branch"
config = { left = true }
[jobs.j.steps.some]
op = "typed.sum"
inputs.numbers = ["branch.left", "branch.right"]
[jobs.j.steps.right]
op = "typed.double"
inputs.number = "branch.right"
[jobs.j.steps.none]
op = "typed.sum"
inputs.numbers = ["branch.right", "right"]
"#,
    );
    let run = run(&project, 0);
    let expected =
        [("branch", "succeeded"), ("some", "succeeded"), ("right", "skipped"), ("none", "skipped")];
    assert_eq!(statuses(&run), expected);
    assert_eq!(project.read("out/some.json").trim(), "1");
}

#[test]
fn nothing_downstream_of_a_failure_is_executed() {
    let project = project(
        r#"
[jobs.j.steps.refuse]
op = "typed.refuse"
[jobs.j.steps.below]
op = "typed.double"
inputs.number = "refuse"
[jobs.j.steps.further_below]
op = "typed.double"
inputs.number = "below"
"#,
    );
    let run = run(&project, 10);
    for key in ["below", "further_below"] {
        let below = step(&run, key);
        assert_eq!((&below["status"], &below["because_of"]), (&"abandoned".into(), &"refuse".into()));
        assert_eq!(below["attempts"].as_array().map(Vec::len), Some(0), "{key} was never tried");
    }
}

#[test]
fn a_branch_without_a_value_is_skipped_and_the_run_succeeds() {
    let project = project(
        r#"
[jobs.j.steps.branch]
op = "typed.branch"
config = { left = false }
[jobs.j.steps.left]
op = "typed.double"
inputs.number = "branch.left"
[jobs.j.steps.right]
op = "typed.double"
inputs.number = "branch.right"
"#,
    );
    let run = run(&project, 0);
    assert_eq!(statuses(&run), [("branch", "succeeded"), ("left", "skipped"), ("right", "succeeded")]);
    assert_eq!(project.read("out/right.json").trim(), "4");
}

#[test]
fn a_flaky_step_with_two_retries_succeeds_at_its_third_attempt() {
    let project = project(
        "[jobs.j.steps.flaky]\nop = \"typed.flaky\"\nretry = { max_retries = 2, delay = \"10ms\" }\n",
    );
    let run = run(&project, 0);
    let flaky = step(&run, "flaky");
    assert_eq!(flaky["status"], "succeeded");
    let attempts = flaky["attempts"].as_array().expect("attempts");
    let failed: Vec<bool> = attempts.iter().map(|attempt| !attempt["failure"].is_null()).collect();
    assert_eq!(failed, [true, true, false]);
}

const MAPPED: &str = r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 5 }
[jobs.j.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
"#;

#[test]
fn all_copies_of_a_mapped_step_run_and_are_collected() {
    let project = project(MAPPED);
    let run = run(&project, 0);
    for key in ["double[n0]", "double[n1]", "double[n2]", "double[n3]", "double[n4]", "sum"] {
        assert_eq!(step(&run, key)["status"], "succeeded", "{key}");
    }
    assert_eq!(project.read("out/sum.json").trim(), "20");
}

#[test]
fn two_runs_of_one_job_at_once_both_execute_all_of_their_steps() {
    let project = project(MAPPED);
    let children = ["one", "two"].map(|name| {
        (name, project.start(["run", "--state-dir", name, "--export", &format!("out-{name}"), "--quiet"]))
    });
    for (name, child) in children {
        let ended = child.wait_with_output().expect("it can be waited for");
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(project.read(&format!("out-{name}/sum.json")).trim(), "20");
        assert_eq!(steps_of_type(&events(&project, name), "step_succeeded").len(), 7, "none was left out");
    }
}

#[test]
fn a7_an_order_without_data_is_kept() {
    let project = project(
        r#"
[jobs.j.steps.last]
op = "typed.double"
inputs.number = { value = 1 }
after = ["first"]
[jobs.j.steps.first]
op = "typed.work"
inputs.number = { value = 1 }
config = { rounds = 1_000_000 }
"#,
    );
    run(&project, 0);
    let events = events(&project, ".cofferdam");
    let at = |kind: &str, step: &str| {
        let is = |event: &Value| event["event"]["type"] == kind && event["event"]["step"] == step;
        events.iter().position(is).unwrap_or_else(|| panic!("{kind} of {step}"))
    };
    assert!(at("step_succeeded", "first") < at("step_dispatched", "last"));
}

#[test]
fn of_the_steps_that_wait_for_a_slot_the_one_with_the_largest_priority_goes_first() {
    let project = project(
        r#"
[jobs.j.steps.gate]
op = "typed.double"
inputs.number = { value = 1 }
[jobs.j.steps.low]
op = "typed.double"
inputs.number = "gate"
priority = -1
[jobs.j.steps.usual]
op = "typed.double"
inputs.number = "gate"
[jobs.j.steps.high]
op = "typed.double"
inputs.number = "gate"
priority = 7
[jobs.j.steps.tagged]
op = "typed.double"
inputs.number = "gate"
tags = { "dagster/priority" = "3" }
"#,
    );
    project.run(["run", "--slots", "1", "--quiet"]).expect(0);
    let started = steps_of_type(&events(&project, ".cofferdam"), "step_dispatched");
    assert_eq!(started, ["gate", "high", "tagged", "usual", "low"]);
}

#[test]
fn a_cancel_interrupts_the_step_that_runs() {
    // It would take days.
    let project = project(
        r#"
[jobs.j.steps.endless]
op = "typed.work"
inputs.number = { value = 1 }
config = { rounds = 1_000_000_000_000_000 }
[jobs.j.steps.below]
op = "typed.double"
inputs.number = "endless"
"#,
    );
    let child = project.start(["run", "--quiet", "--json"]);
    let begun = Instant::now();
    while steps_of_type(&events(&project, ".cofferdam"), "step_started").is_empty() {
        assert!(begun.elapsed() < PATIENCE, "the step does not start");
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().expect("`kill` is there");
    assert!(sent.success());
    let ended = child.wait_with_output().expect("it can be waited for");
    let run: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(run["status"], "cancelled");
    assert_eq!(step(&run, "endless")["status"], "cancelled");
    assert!(begun.elapsed() < PATIENCE, "the step was interrupted, not waited for");
}
