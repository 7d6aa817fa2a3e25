//! Limits of time: of attempts and of whole runs, each with its own name in what is said.
#![cfg(target_os = "linux")]

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{detach, events, gate, joined, json, n_at_the_gate, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{of_type, step, steps, text};
use serde_json::{Value, json};

/// A project with a job `j` of one step that goes on until the gate is open.
fn gated() -> Project {
    let project = Project::with("", &["resources"]);
    let job = "[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[jobs.j.steps.gate]\nop = \"resources.announce\"\nbind = { program = \"gate\" }\ninputs.arguments = { value = [] }\n";
    project.write("cofferdam.toml", format!("{job}{}", gate(&project)));
    project
}

fn status(project: &Project, cluster: &Cluster, run: &str) -> String {
    text(&json(project, cluster, &["show", run]), "status").to_owned()
}

/// Milliseconds from one event of a run to another.
fn between(events: &[Value], from: &str, to: &str) -> u64 {
    let at = |kind: &str| of_type(events, kind).next().and_then(|event| event["at"].as_u64()).expect(kind);
    at(to) - at(from)
}

#[test]
fn g6_start_and_run_time_limits_end_runs_at_once_and_by_name() {
    let project = gated();
    let (cluster, _serving) = Cluster::start();
    // Nobody is there who could start it.
    let waits = detach(&project, &cluster, &["j", "--tag", "cofferdam/start_timeout=1"]);
    until("its time is over", || status(&project, &cluster, &waits) == "failed");
    let shown = json(&project, &cluster, &["show", &waits]);
    assert_eq!(shown["limit"], json!({ "start": { "seconds": 1 } }));
    assert_eq!(step(&shown, "gate")["status"], "cancelled");
    let took = between(&events(&project, &cluster, Some(&waits)), "run_accepted", "run_finished");
    assert!((1000..3000).contains(&took), "{took} ms");

    let _worker = joined(cluster.worker("w", &[]));
    let ended = run(&project, &cluster, &["run", "j", "--tag", "dagster/max_runtime=2"]).expect(10);
    let why =
        "the run was ended: it ran for 2 s, which is how long its tag `dagster/max_runtime` lets it run";
    assert!(ended.stdout.contains(why), "{ended:#?}");
    assert_eq!(n_at_the_gate(&project), 0, "what it did is over");
    let events = events(&project, &cluster, None);
    let took = between(&events, "step_dispatched", "run_finished");
    assert!((2000..4000).contains(&took), "{took} ms");
    let listed = json(&project, &cluster, &["runs"]);
    assert!(text(&listed["runs"][0], "first_error").starts_with("it ran for 2 s"), "{listed:#}");

    let refused = run(&project, &cluster, &["run", "j", "--tag", "dagster/max_runtime=soon"]).expect(3);
    assert!(refused.stderr.contains("tag `dagster/max_runtime` of the run is `soon`"), "{refused:#?}");
    assert!(refused.stderr.contains("write whole seconds"), "{refused:#?}");
}

#[test]
fn g6_a_run_is_cancelled_when_its_worker_has_confirmed_or_lost_its_lease_and_not_before() {
    let project = gated();
    let (cluster, _serving) = Cluster::start();
    let mut worker = joined(cluster.worker("w", &[]));
    let confirmed = detach(&project, &cluster, &["j"]);
    until("it runs", || n_at_the_gate(&project) == 1);
    run(&project, &cluster, &["cancel", &confirmed]).expect(0);
    until("it ends", || status(&project, &cluster, &confirmed) == "cancelled");
    assert_eq!(n_at_the_gate(&project), 0, "what it did is over");

    let lost = detach(&project, &cluster, &["j"]);
    until("it runs", || n_at_the_gate(&project) == 1);
    worker.kill();
    run(&project, &cluster, &["cancel", &lost]).expect(0);
    assert_eq!(status(&project, &cluster, &lost), "cancelling", "nobody has said that it is over");
    until("the lease ends", || status(&project, &cluster, &lost) == "cancelled");
    let events = events(&project, &cluster, Some(&lost));
    let took = between(&events, "run_cancel_requested", "run_finished");
    // Five seconds after its connection, and no longer than it takes to notice the end of that.
    assert!((500..15_000).contains(&took), "{took} ms");
}

#[test]
fn c11_the_time_of_a_step_begins_with_its_guest_and_is_bounded_in_seconds_and_in_fuel() {
    // One slot: each of them waits for all before it, together longer than any of them may take.
    let mut job = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n".to_owned();
    for n in 0..14 {
        job += &format!(
            "[jobs.queue.steps.s{n}]\nop = \"typed.work\"\ninputs.number = {{ value = {n} }}\nconfig = {{ rounds = 400_000_000 }}\nlimits = {{ timeout = \"4s\" }}\n"
        );
    }
    job += "[jobs.late.steps.bad]\nop = \"behaviours.spin\"\nlimits = { timeout = \"300ms\" }\n";
    job += "[jobs.fuel.steps.bad]\nop = \"behaviours.spin\"\nlimits = { fuel = 10_000_000, timeout = \"60s\" }\n";
    let project = Project::new(&job);
    let (exit, shown) = project.json(["run", "queue", "--slots", "1"]);
    assert_eq!(exit, 0, "{shown:#}");
    // With the scheduler, or sent ahead to the worker.
    let waited = |step: &Value| -> u64 {
        let usage = &step["attempts"][0]["usage"];
        ["queue_us", "held_us"].iter().map(|part| usage[*part].as_u64().expect("it is known")).sum()
    };
    let longest = steps(&shown).iter().map(waited).max();
    assert!(longest > Some(4_000_000), "{longest:?} µs is not longer than the timeout: {shown:#}");
    for (job, kind) in [("late", "timeout"), ("fuel", "fuel")] {
        let (exit, shown) = project.json(["run", job, "--slots", "1"]);
        assert_eq!(exit, 10);
        assert_eq!(step(&shown, "bad")["attempts"][0]["failure"]["kind"], kind, "{shown:#}");
    }
}
