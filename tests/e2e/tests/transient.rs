//! Values that workers keep (IO managers of kind `transient`): given from worker to worker, and made anew when they are
//! lost.
#![cfg(target_os = "linux")]

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{beside, detach, events, gate, joined, json, run, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::{of_type, step, steps_of_type, text};
use serde_json::Value;

/// Far above what lies in a commit, and more than the folder of a small worker takes twice.
const BYTES: u64 = 4 * 1024 * 1024;
/// Room for one such value, and not for two.
const SMALL: &str = "6MiB";

/// `make` → `pass` → `weigh`, of which the last waits for a gate and runs where there is no `A`. What lies between them
/// stays with the worker that made it.
fn job(project: &Project) -> String {
    let gate = gate(project);
    format!(
        r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[io_managers.scratch]
kind = "transient"

[jobs.j]
io_manager = "scratch"
[jobs.j.steps.make]
op = "typed.flood"
config = {{ bytes = {BYTES} }}
resources = {{ A = 1 }}
[jobs.j.steps.pass]
op = "typed.pass_on"
inputs.file = "make"
resources = {{ A = 1 }}
[jobs.j.steps.gate]
op = "resources.announce"
bind = {{ program = "gate" }}
inputs.arguments = {{ value = [] }}
resources = {{ B = 1 }}
[jobs.j.steps.weigh]
op = "typed.weigh"
inputs.file = "pass"
after = ["gate"]
resources = {{ B = 1 }}

[jobs.fill]
io_manager = "scratch"
[jobs.fill.steps.make]
op = "typed.flood"
config = {{ bytes = {BYTES} }}
resources = {{ A = 1 }}
[jobs.fill.steps.weigh]
op = "typed.weigh"
inputs.file = "make"
resources = {{ A = 1 }}
{gate}"#
    )
}

fn project() -> Project {
    let project = Project::with("", &["typed", "resources"]);
    project.write("cofferdam.toml", job(&project));
    project
}

fn n_of(project: &Project, cluster: &Cluster, run: &str, kind: &str) -> usize {
    of_type(&events(project, cluster, Some(run)), kind).count()
}

/// The name of the worker that a step was sent to last.
fn holder(project: &Project, cluster: &Cluster, run: &str, of: &str) -> String {
    let events = events(project, cluster, Some(run));
    let given = of_type(&events, "step_dispatched").filter(|event| text(&event["event"], "step") == of);
    let worker = &given.last().expect("it was sent to a worker")["event"]["worker"];
    let workers = json(project, cluster, &["workers"]);
    let found =
        workers["workers"].as_array().expect("workers").iter().find(|found| found["worker"] == *worker);
    text(found.expect("it is joined"), "name").to_owned()
}

/// What was lost, and why and for whom.
fn lost(events: &[Value]) -> Vec<(&str, &str, &str)> {
    let lost = of_type(events, "outputs_lost").map(|event| &event["event"]);
    lost.map(|event| (text(event, "step"), text(event, "why"), text(event, "needed_by"))).collect()
}

fn open(project: &Project, cluster: &Cluster, run: &str) -> Value {
    project.write("open", "");
    until("the end", || {
        !matches!(json(project, cluster, &["show", run])["status"].as_str(), Some("running" | "queued"))
    });
    json(project, cluster, &["show", run])
}

/// The run up to the gate, which another worker than the ones with `A` goes through.
fn up_to_the_gate(project: &Project, cluster: &Cluster) -> String {
    let run = detach(project, cluster, &["j"]);
    until("the values are there", || n_of(project, cluster, &run, "step_succeeded") == 2);
    run
}

fn weighed(project: &Project, cluster: &Cluster, id: &str) -> String {
    run(project, cluster, &["value", "show", id, "weigh"]).expect(0).stdout.trim().to_owned()
}

fn kill(workers: &mut [(&str, Process)], name: &str) {
    workers.iter_mut().find(|(of, _)| *of == name).expect("it is one of them").1.kill();
}

/// What a process that runs a job by itself says to have.
const HERE: [&str; 2] = ["--resources", "A=1,B=1"];
const GIVES: [&str; 2] = ["--interface", "127.0.0.1:0"];

#[test]
fn e9_what_was_lost_with_its_worker_is_made_anew_and_the_run_gives_what_it_would_have_given() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let mut workers = ["one", "two", "gate"].map(|name| {
        let has = if name == "gate" { "B=1" } else { "A=1" };
        (name, joined(cluster.worker(name, &[&["--resources", has], &GIVES[..]].concat())))
    });
    let id = up_to_the_gate(&project, &cluster);
    let has = holder(&project, &cluster, &id, "pass");
    assert_eq!(has, holder(&project, &cluster, &id, "make"), "it goes where what it reads is");
    kill(&mut workers, &has);
    until("it is missed", || {
        json(&project, &cluster, &["workers"])["workers"].as_array().map(Vec::len) == Some(2)
    });
    let shown = open(&project, &cluster, &id);
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(weighed(&project, &cluster, &id), BYTES.to_string());
    let events = events(&project, &cluster, Some(&id));
    assert_eq!(lost(&events), [("pass", "worker_gone", "weigh"), ("make", "worker_gone", "pass")]);
    assert_eq!(steps_of_type(&events, "step_failed"), [""; 0]);
    let told = run(&project, &cluster, &["show", &id]).expect(0).stdout;
    assert!(told.contains("made anew for weigh: its outputs went with their worker"), "{told}");
    assert_eq!(step(&shown, "pass")["lost"][0]["needed_by"], "weigh");
}

#[test]
fn what_no_worker_gives_any_more_is_made_anew_and_counts_as_no_failure() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let _small = joined(
        cluster.worker("small", &[&["--resources", "A=1", "--cache-bytes", SMALL], &GIVES[..]].concat()),
    );
    let _gate = joined(cluster.worker("gate", &["--resources", "B=1"]));
    let id = detach(&project, &cluster, &["j"]);
    until("the values are there", || n_of(&project, &cluster, &id, "step_succeeded") == 2);
    run(&project, &cluster, &["run", "fill"]).expect(0);
    let shown = open(&project, &cluster, &id);
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(weighed(&project, &cluster, &id), BYTES.to_string());
    let events = events(&project, &cluster, Some(&id));
    assert!(lost(&events).contains(&("pass", "not_given", "weigh")), "{:?}", lost(&events));
    assert_eq!(steps_of_type(&events, "step_failed"), [""; 0]);
    assert!(steps_of_type(&events, "inputs_lost").contains(&"weigh"));
}

#[test]
fn a_worker_that_others_cannot_reach_sends_what_they_want_through_the_scheduler() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let _one = joined(cluster.worker("one", &["--resources", "A=1"]));
    let _gate = joined(cluster.worker("gate", &["--resources", "B=1"]));
    let id = up_to_the_gate(&project, &cluster);
    let stored = || std::fs::read_dir(cluster.state().join("values/v1/local")).map_or(0, Iterator::count);
    assert_eq!(stored(), 0, "nobody wants them, so they stay where they are");
    let shown = open(&project, &cluster, &id);
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(weighed(&project, &cluster, &id), BYTES.to_string());
    assert_eq!((stored(), lost(&events(&project, &cluster, Some(&id)))), (1, vec![]));
    let kept = cluster.local_directory("one").join("objects-0");
    let bytes = || -> u64 {
        let files = std::fs::read_dir(&kept).expect("it keeps something").flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    };
    until("what nobody will read is removed", || bytes() < BYTES);
}

#[test]
fn a_run_in_one_process_keeps_such_values_until_it_has_ended_and_makes_them_anew_when_it_is_executed_again() {
    let project = project();
    project.write("open", "");
    let (_, shown) = project.json(["run", "j", HERE[0], HERE[1]]);
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    let id = text(&shown, "run").to_owned();
    assert_eq!(project.run(["value", "show", &id, "weigh"]).expect(0).stdout.trim(), BYTES.to_string());
    assert!(!project.path().join(".cofferdam/transient").exists(), "nobody will read them");
    let gone = project.run(["value", "show", &id, "pass", "--raw"]);
    assert_ne!(gone.exit, 0, "{gone:#?}");
    let refused = project.message(&["rerun", &id, "--select", "weigh", HERE[0], HERE[1]], 3);
    assert!(
        refused.contains("`weigh` needs `pass`, whose outputs workers kept until their run had ended"),
        "{refused}"
    );
}

#[test]
fn a_run_that_is_executed_again_from_its_failure_makes_anew_what_workers_had_kept() {
    let project = Project::with("", &["typed", "resources"]);
    let failing = "[jobs.j.steps.bad]\nop = \"typed.lines\"\ninputs.file = \"pass\"\nafter = [\"weigh\"]\nlimits = { timeout = \"1ms\" }\n";
    project.write("cofferdam.toml", format!("{}{failing}", job(&project)));
    project.write("open", "");
    let (_, first) = project.json(["run", "j", HERE[0], HERE[1]]);
    assert_eq!(
        (first["status"].as_str(), step(&first, "weigh")["status"].as_str()),
        (Some("failed"), Some("succeeded"))
    );
    let (_, again) = project.json(["rerun", "--from-failure", text(&first, "run"), HERE[0], HERE[1]]);
    let ran = |key: &str| step(&again, key)["attempts"].as_array().map_or(0, Vec::len);
    assert_eq!(["make", "pass", "bad"].map(ran), [1, 1, 1], "{again:#}");
}

#[test]
fn an_asset_cannot_be_kept_with_workers() {
    let project = Project::with(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[io_managers.scratch]\nkind = \"transient\"\n\
         [assets.person]\nop = \"typed.person\"\nio_manager = \"scratch\"\n",
        &["typed"],
    );
    insta::assert_snapshot!(project.message(&["check"], 3), @r"
    error[plan::transient-asset]: asset `person` is kept by IO manager `scratch`, whose values go with the worker that made them
     --> cofferdam.toml:3:14
      |
    3 | [io_managers.scratch]
      |              ^^^^^^^ of kind `transient`
      |
      = hint: an asset is there for other runs: give it an IO manager of another kind, or none
    ");
}

#[test]
fn a_scheduler_that_starts_anew_finds_the_values_where_they_are() {
    let project = project();
    let (cluster, mut serving) = Cluster::start();
    let _one = joined(cluster.worker("one", &[&["--resources", "A=1"], &GIVES[..]].concat()));
    let gate = joined(cluster.worker("gate", &["--resources", "B=1"]));
    let id = up_to_the_gate(&project, &cluster);
    serving.kill();
    let serving = cluster.serve();
    serving.wait_for("serving at ");
    gate.wait_for("joined");
    let shown = open(&project, &cluster, &id);
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(lost(&events(&project, &cluster, Some(&id))), []);
    assert!(beside(&project, &cluster, &["show", &id]).stdout.contains("succeeded"));
}
