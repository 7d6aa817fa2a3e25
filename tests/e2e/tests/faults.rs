//! What breaks while a run goes on, row by row of the fault matrix: processes that stand still and go on, steps that end
//! their workers, everything started anew.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::{detach, ended, events, gate, joined, json, n_at_the_gate, start, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::history::History;
use cofferdam_e2e::look::{n_given_out, of_type, step, text};
use cofferdam_e2e::matrix::job;
use cofferdam_e2e::{Ended, Project};

/// Steps of some tens of milliseconds, which is too long to be sent ahead.
const ROUNDS: u64 = 40_000_000;
/// Losses after which a step is given up.
const LOSSES_MAX: usize = 3;

/// A project with a job `gated` whose step goes on until the gate is open, and with the job `j`.
fn project(n_work: u64) -> Project {
    let project = Project::with("", &["typed", "resources"]);
    let gated = "[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[jobs.j.steps.gate]\nop = \"resources.announce\"\nbind = { program = \"gate\" }\ninputs.arguments = { value = [] }\n";
    project.write("cofferdam.toml", format!("{}{}{gated}", job(n_work, ROUNDS), gate(&project)));
    project
}

fn signal(process: &Process, name: &str) {
    let sent = Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(sent.expect("kill can be run").success());
}

fn n_of(project: &Project, cluster: &Cluster, kind: &str) -> usize {
    of_type(&events(project, cluster, None), kind).count()
}

/// Events of the gate's step in the newest run.
fn n_of_gate(project: &Project, cluster: &Cluster, kind: &str) -> usize {
    let events = events(project, cluster, None);
    of_type(&events, kind).filter(|event| text(&event["event"], "step") == "gate").count()
}

/// The name of the worker that runs the gate's step.
fn holder(project: &Project, cluster: &Cluster) -> Option<String> {
    let events = events(project, cluster, None);
    let given = of_type(&events, "step_dispatched").filter(|event| text(&event["event"], "step") == "gate");
    let given = &given.last()?["event"];
    let worker = &given["worker"];
    of_type(&events, "step_started").find(|event| event["event"]["fence"] == given["fence"])?;
    let workers = json(project, cluster, &["workers"]);
    let found = workers["workers"].as_array()?.iter().find(|found| found["worker"] == *worker)?;
    Some(text(found, "name").to_owned())
}

#[test]
fn f_08_a_worker_that_stood_still_past_its_lease_stops_what_is_no_longer_its_own_and_changes_nothing() {
    let project = project(4);
    let (cluster, _serving) = Cluster::start();
    let zombie = joined(cluster.worker("zombie", &["--slots", "2"]));
    let run = detach(&project, &cluster, &["j"]);
    until("all but the gate is done", || n_of(&project, &cluster, "step_succeeded") == 6);
    signal(&zombie, "-STOP");
    let _other = joined(cluster.worker("other", &[]));
    until("it is lost", || n_of(&project, &cluster, "step_lost") == 1);
    until("the other one has it", || n_at_the_gate(&project) == 2);
    signal(&zombie, "-CONT");
    zombie.wait_for("joined");
    let woken = Instant::now();
    until("the first one stops it", || n_at_the_gate(&project) == 1);
    assert!(woken.elapsed() < Duration::from_secs(1), "{:?}", woken.elapsed());
    let before = events(&project, &cluster, Some(&run));
    // It says that it has stopped, which is late: its slots take other steps again, and the history is as it was.
    let after = json(&project, &cluster, &["workers"]);
    assert_eq!(after["workers"].as_array().expect("workers").len(), 2);
    project.write("open", "");
    until("the end", || json(&project, &cluster, &["show", &run])["status"] == "succeeded");
    let events = events(&project, &cluster, Some(&run));
    assert_eq!(events[..before.len()], before[..]);
    let gate = |kind: &str| -> Vec<u64> {
        let of = of_type(&events, kind).filter(|event| text(&event["event"], "step") == "gate");
        of.map(|event| event["event"]["fence"].as_u64().expect("a fence")).collect()
    };
    assert_eq!(gate("step_dispatched").len(), 2);
    assert_eq!(gate("step_succeeded"), gate("step_dispatched")[1..], "the second attempt was committed");
}

#[test]
fn a_program_that_a_step_has_started_ends_with_its_worker_however_that_ends() {
    let project = project(1);
    let (cluster, _serving) = Cluster::start();
    let mut worker = joined(cluster.worker("doomed", &["--slots", "2"]));
    detach(&project, &cluster, &["j"]);
    until("it runs", || n_at_the_gate(&project) == 1);
    worker.kill();
    until("it ends", || n_at_the_gate(&project) == 0);
}

#[test]
fn what_waits_to_become_a_program_ends_if_its_worker_goes_before_it_is_known_to_whom_would_end_it() {
    let project = Project::with("", &[]);
    let starts = |input: &str| {
        let mut waiting =
            project.command(["leash", "--", "/bin/sh", "-c", "touch begun; cat; echo $1", "sh", "-a"]);
        let waiting = waiting.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut waiting = waiting.spawn().expect("the program can be started");
        let mut told = waiting.stdin.take().expect("stdin is piped");
        told.write_all(input.as_bytes()).expect("it reads, or has not ended yet");
        drop(told);
        Ended::from(waiting.wait_with_output().expect("it ends"))
    };
    assert_eq!(starts("").exit, 1, "its worker has gone");
    assert!(!project.path().join("begun").exists());
    assert_eq!(starts("\nits own input\n").expect(0).stdout, "its own input\n-a\n");
    assert!(project.path().join("begun").exists());
}

#[test]
fn f_07_a_second_scheduler_on_the_same_file_is_refused_in_words() {
    let project = project(1);
    let (cluster, serving) = Cluster::start();
    let mut second = project.command(["serve", "--listen", "127.0.0.1:0", "--state-dir"]);
    let second =
        Ended::from(second.arg(cluster.state()).output().expect("the program can be started")).expect(5);
    assert!(second.stderr.contains("in use by another cofferdam process"), "{second:#?}");
    assert_eq!(serving.terminate(), Some(0), "the first one has gone on");
}

#[test]
fn f_09_a_scheduler_that_stood_still_for_half_a_minute_takes_nothing_from_anybody() {
    let project = project(20);
    let (cluster, serving) = Cluster::start();
    let workers = ["a", "b"].map(|name| joined(cluster.worker(name, &["--slots", "2"])));
    let child = start(&project, &cluster, &["run", "j", "--export", "out", "--quiet"]);
    until("it is under way", || n_of(&project, &cluster, "step_succeeded") > 3);
    signal(&serving, "-STOP");
    // The half minute is what the row asks for; no event could end it.
    std::thread::sleep(Duration::from_secs(30));
    signal(&serving, "-CONT");
    for worker in &workers {
        worker.wait_for("joined");
    }
    project.write("open", "");
    ended(child).expect(0);
    let history = History::of(&events(&project, &cluster, None));
    let steps = 23;
    assert_eq!(history, History { completed: 1, committed: steps, ..History::default() });
}

#[test]
fn f_12_a_step_that_ends_every_worker_is_given_up_by_name_and_its_neighbours_finish() {
    let project = project(60);
    let (cluster, _serving) = Cluster::start();
    let mut workers: Vec<(String, Process)> = vec![];
    let mut child = start(&project, &cluster, &["run", "j", "--export", "out", "--quiet", "--json"]);
    let mut n_deaths = 0;
    // Whoever has the step that hangs dies of it, until it is given up.
    while child.try_wait().expect("the child can be asked").is_none()
        && n_of_gate(&project, &cluster, "step_failed") == 0
    {
        while workers.len() < 2 {
            let name = format!("w{n_deaths}-{}", workers.len());
            workers.push((name.clone(), joined(cluster.worker(&name, &[]))));
        }
        if let Some(name) = holder(&project, &cluster)
            && let Some(at) = workers.iter().position(|(other, _)| *other == name)
        {
            workers.remove(at).1.kill();
            n_deaths += 1;
        }
    }
    assert!(n_deaths <= LOSSES_MAX, "{n_deaths} workers died of it");
    let ended = ended(child).expect(10);
    let shown: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one document");
    let gate = step(&shown, "gate");
    let failure = &gate["attempts"][LOSSES_MAX - 1]["failure"];
    assert_eq!((&gate["status"], &failure["kind"]), (&"failed".into(), &"worker_lost".into()), "{gate:#}");
    let said = text(failure, "message");
    assert_eq!(said, "`gate` lost its worker 3 times and is given up: it may be what ends them");
    let events = events(&project, &cluster, None);
    let committed: BTreeSet<&str> =
        of_type(&events, "step_succeeded").map(|event| text(&event["event"], "step")).collect();
    assert_eq!(committed.len(), 62, "all others are done");
    // Of its neighbours only what was on the same worker ran again, and none of them was given up.
    assert_eq!(of_type(&events, "step_failed").count(), 1);
    assert_eq!(n_given_out(&events), 63 + of_type(&events, "step_lost").count() - 1);
}

#[test]
fn f_71_everything_is_started_anew_one_after_the_other_while_a_run_goes_on() {
    // More work than two rounds take, also where nothing else runs: each restart must meet the run under way.
    const N_STEPS: u64 = 1000;
    let project = project(N_STEPS);
    let (cluster, mut serving) = Cluster::start();
    let mut workers: Vec<Process> = ["a", "b"].map(|name| joined(cluster.worker(name, &[]))).into();
    let child = start(&project, &cluster, &["run", "j", "--export", "out", "--quiet"]);
    project.write("open", "");
    for round in 1..=2 {
        until("it is under way", || n_of(&project, &cluster, "step_succeeded") >= 30 * round);
        assert_eq!(serving.terminate(), Some(0));
        serving = cluster.serve();
        serving.wait_for("resuming 1 run");
        for name in ["a", "b"] {
            let old = workers.remove(0);
            workers.push(joined(cluster.worker(&format!("{name}{round}"), &[])));
            assert_eq!(old.terminate(), Some(0));
        }
    }
    ended(child).expect(0);
    let history = History::of(&events(&project, &cluster, None));
    assert_eq!(
        history,
        History { completed: 1, committed: N_STEPS as usize + 3, ..History::default() },
        "and nothing ran again"
    );
}
