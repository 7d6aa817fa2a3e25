//! What goes wrong when Dagster's jobs run on Dask (measured with dagster-dask 0.29.27 on Dask 2026.8.0), case by case:
//! here each comes out as it does without Dask: in one program, and on a cluster of a scheduler and three workers.
//! Workers that die are in `cluster.rs` and `kills.rs`.

use std::process::Command;
use std::time::{Duration, Instant};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{joined, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{self, n_attempts, statuses, step, steps, steps_of_type, text};
use serde_json::Value;

const LIBRARY: &str = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n";
/// A step that has no end, interrupted, is over this soon.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(60);

fn project(steps: &str) -> Project {
    Project::new(&format!("{LIBRARY}{steps}"))
}

/// In one program, and on a cluster of three workers.
fn everywhere(steps: &str, test: impl Fn(&Project)) {
    test(&project(steps));
    let (cluster, _serving) = Cluster::start();
    let _workers = ["a", "b", "c"].map(|name| joined(cluster.worker(name, &[])));
    test(&project(steps).on(&cluster));
}

#[test]
fn a_list_input_fed_by_two_steps_gets_both_values() {
    everywhere(
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
        |project| {
            project.run_job(&[], 0);
            assert_eq!(project.result("sum"), 26);
        },
    );
}

#[test]
fn a6_a_fan_in_leaves_out_what_did_not_come_and_is_skipped_only_if_nothing_came() {
    everywhere(
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
        |project| {
            let run = project.run_job(&[], 0);
            let expected =
                [("branch", "succeeded"), ("some", "succeeded"), ("right", "skipped"), ("none", "skipped")];
            assert_eq!(statuses(&run), expected);
            assert_eq!(project.result("some"), 1);
        },
    );
}

#[test]
fn i_15_nothing_downstream_of_a_failure_is_executed_and_all_else_is() {
    everywhere(
        r#"
[jobs.j.steps.refuse]
op = "typed.refuse"
retry = { max_retries = 3 }
[jobs.j.steps.below]
op = "typed.double"
inputs.number = "refuse"
[jobs.j.steps.further_below]
op = "typed.double"
inputs.number = "below"
[jobs.j.steps.apart]
op = "typed.double"
inputs.number = { value = 4 }
"#,
        |project| {
            let run = project.run_job(&[], 10);
            assert_eq!(step(&run, "refuse")["status"], "failed");
            assert_eq!(n_attempts(&run, "refuse"), 1, "a permanent failure is not retried");
            for key in ["below", "further_below"] {
                let below = step(&run, key);
                assert_eq!((&below["status"], &below["because_of"]), (&"abandoned".into(), &"refuse".into()));
                assert_eq!(n_attempts(&run, key), 0, "{key} was never tried");
            }
            assert_eq!(step(&run, "apart")["status"], "succeeded");
        },
    );
}

#[test]
fn a5_a_branch_without_a_value_is_skipped_to_its_end_and_the_run_succeeds() {
    let definitions = r#"
[jobs.j.steps.branch]
op = "typed.branch"
config = { left = true }
[jobs.j.steps.left]
op = "typed.double"
inputs.number = "branch.left"
[jobs.j.steps.right]
op = "typed.double"
inputs.number = "branch.right"
[jobs.j.steps.after_right]
op = "typed.double"
inputs.number = "right"
"#;
    everywhere(definitions, |project| {
        let run = project.run_job(&[], 0);
        let expected = [
            ("branch", "succeeded"),
            ("left", "succeeded"),
            ("right", "skipped"),
            ("after_right", "skipped"),
        ];
        assert_eq!(statuses(&run), expected);
        project.write("run.yaml", "ops: {branch: {config: {left: false}}}\n");
        let run = project.run_job(&["-c", "run.yaml"], 0);
        let expected = [
            ("branch", "succeeded"),
            ("left", "skipped"),
            ("right", "succeeded"),
            ("after_right", "succeeded"),
        ];
        assert_eq!(statuses(&run), expected);
        assert_eq!(project.result("after_right"), 8);
    });
}

#[test]
fn a_flaky_step_with_two_retries_succeeds_at_its_third_attempt() {
    everywhere(
        "[jobs.j.steps.flaky]\nop = \"typed.flaky\"\nretry = { max_retries = 2, delay = \"10ms\" }\n",
        |project| {
            let run = project.run_job(&[], 0);
            let flaky = step(&run, "flaky");
            assert_eq!(flaky["status"], "succeeded");
            let attempts = flaky["attempts"].as_array().expect("attempts");
            let failed: Vec<bool> = attempts.iter().map(|attempt| !attempt["failure"].is_null()).collect();
            assert_eq!(failed, [true, true, false]);
        },
    );
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
fn a8_all_copies_of_a_mapped_step_run_and_are_collected() {
    everywhere(MAPPED, |project| {
        let run = project.run_job(&[], 0);
        for key in ["double[n0]", "double[n1]", "double[n2]", "double[n3]", "double[n4]", "sum"] {
            assert_eq!(step(&run, key)["status"], "succeeded", "{key}");
        }
        assert_eq!(steps(&run).len(), 7);
        assert_eq!(project.result("sum"), 20);
    });
}

/// The same steps as an asset of two partitions, each a run of its own. Its numbers take a while each.
const TWICE: &str = r#"
[partitions.days]
kind = "static"
keys = ["mon", "tue"]

[graphs.mapped]
outputs.result = "sum"
[graphs.mapped.steps.numbers]
op = "typed.numbers"
config = { n = 5 }
[graphs.mapped.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 20_000_000 }
[graphs.mapped.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }

[assets.total]
graph = "mapped"
partitions = "days"
"#;

#[test]
fn two_runs_of_the_same_steps_at_once_in_one_scheduler_both_execute_all_of_them() {
    everywhere(TWICE, |project| {
        let slots: &[&str] = if project.is_on_a_cluster() { &[] } else { &["--slots", "2"] };
        let backfill = ["asset", "backfill", "total", "--partitions", "all"];
        let (exit, both) = project.json([&backfill[..], slots].concat());
        assert_eq!(exit, 0, "{both:#}");
        let runs: Vec<Value> = both["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| project.json(["show", look::id(run)]).1)
            .collect();
        let [one, other] = &runs[..] else { panic!("a run for each partition: {both:#}") };
        for (run, beside) in [(one, other), (other, one)] {
            assert!(text(run, "started_at") < text(beside, "ended_at"), "they overlap: {runs:#?}");
            assert_eq!(steps(run).len(), 7, "{run:#}");
            assert!(statuses(run).iter().all(|(_, status)| *status == "succeeded"), "{run:#}");
            assert!(steps(run).iter().all(|step| n_attempts(run, text(step, "step")) == 1), "{run:#}");
            assert_eq!(project.json(["value", "show", look::id(run), "total.sum"]).1["value"], 10);
        }
        assert_eq!(
            steps(one).iter().map(|s| &s["step"]).collect::<Vec<_>>(),
            steps(other).iter().map(|s| &s["step"]).collect::<Vec<_>>()
        );
    });
}

#[test]
fn two_programs_with_a_state_of_their_own_run_one_job_at_once() {
    let project = project(MAPPED);
    let children = ["one", "two"].map(|name| {
        (name, project.start(["run", "--state-dir", name, "--export", &format!("out-{name}"), "--json"]))
    });
    for (name, child) in children {
        let ended = child.wait_with_output().expect("it can be waited for");
        assert!(ended.status.success(), "{ended:?}");
        let run: Value = serde_json::from_slice(&ended.stdout).expect("one JSON document");
        assert_eq!(project.read(&format!("out-{name}/sum.json")).trim(), "20");
        assert_eq!(statuses(&run).iter().filter(|(_, status)| *status == "succeeded").count(), 7);
    }
}

#[test]
fn a7_an_order_without_data_is_kept() {
    everywhere(
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
        |project| {
            project.run_job(&[], 0);
            let events = project.events();
            let at = |kind: &str, step: &str| {
                let is = |event: &Value| event["event"]["type"] == kind && event["event"]["step"] == step;
                events.iter().position(is).unwrap_or_else(|| panic!("{kind} of {step}"))
            };
            assert!(at("step_succeeded", "first") < at("step_dispatched", "last"));
        },
    );
}

#[test]
fn of_the_steps_that_wait_for_a_slot_the_one_with_the_largest_priority_goes_first() {
    everywhere(
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
        |project| {
            let slots: &[&str] = if project.is_on_a_cluster() { &[] } else { &["--slots", "1"] };
            project.run([&["run", "--quiet"], slots].concat()).expect(0);
            let events = project.events();
            assert_eq!(steps_of_type(&events, "step_dispatched"), ["gate", "high", "tagged", "usual", "low"]);
        },
    );
}

#[test]
fn a_cancel_interrupts_the_step_that_runs() {
    // It would take days.
    everywhere(
        r#"
[jobs.j.steps.endless]
op = "typed.work"
inputs.number = { value = 1 }
config = { rounds = 1_000_000_000_000_000 }
[jobs.j.steps.below]
op = "typed.double"
inputs.number = "endless"
"#,
        |project| {
            let child = project.start(["run", "--quiet", "--json"]);
            until("the step starts", || !steps_of_type(&project.events(), "step_started").is_empty());
            let begun = Instant::now();
            let pid = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &pid]).status().expect("`kill` is there");
            assert!(sent.success());
            let ended = child.wait_with_output().expect("it can be waited for");
            let run: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
            assert_eq!(run["status"], "cancelled");
            assert_eq!(step(&run, "endless")["status"], "cancelled");
            assert!(begun.elapsed() < INTERRUPTED_WITHIN, "the step was interrupted, not waited for");
        },
    );
}
