//! What becomes of log lines, of resources and of values when a worker is lost, or comes back too late.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{beside, detach, events, gate, joined, json, n_at_the_gate, run, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::{of_type, text};
use serde_json::Value;

const LIBRARIES: &str =
    "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[libraries.resources]\nwasm = \"lib/resources.wasm\"\n";

fn project(steps: &str) -> Project {
    let project = Project::with("", &["typed", "resources"]);
    project.write("cofferdam.toml", format!("{LIBRARIES}{}{steps}", gate(&project)));
    project
}

fn signal(process: &Process, name: &str) {
    let sent = Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(sent.expect("kill can be run").success());
}

fn status(project: &Project, cluster: &Cluster, run: &str) -> String {
    text(&json(project, cluster, &["show", run]), "status").to_owned()
}

fn count(project: &Project, cluster: &Cluster, run: &str, kind: &str) -> usize {
    of_type(&events(project, cluster, Some(run)), kind).count()
}

/// Lines that the store has of an attempt, each with who said it.
fn lines(project: &Project, cluster: &Cluster, run: &str, attempt: u64) -> Vec<(String, String)> {
    let ended = beside(project, cluster, &["logs", run, "--json"]);
    let logs: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    let lines = logs["lines"].as_array().expect("lines").iter();
    let of = lines.filter(|line| line["attempt"] == attempt);
    of.map(|line| (text(line, "source").to_owned(), text(line, "message").to_owned())).collect()
}

/// A line takes some ten milliseconds, and nobody stores a line later than a second after it was said.
const ROUNDS: u64 = 8_000_000;
const STORED_WITHIN: Duration = Duration::from_secs(1);

#[test]
fn f_66_lines_of_a_worker_that_is_killed_are_kept_in_order_and_once_and_the_cut_is_marked() {
    const N_LINES: u64 = 600;
    let project = project(&format!(
        "[jobs.j.steps.talk]\nop = \"typed.chatter\"\nconfig = {{ lines = {N_LINES}, rounds = {ROUNDS} }}\n"
    ));
    let (cluster, _serving) = Cluster::start();
    let mut doomed = joined(cluster.worker("doomed", &[]));
    let run = detach(&project, &cluster, &["j"]);
    let n_lines = || lines(&project, &cluster, &run, 1).len();
    until("it talks", || n_lines() > 30);
    // Whatever is said before the pause begins was said a second before the kill at least.
    let asked = n_lines();
    std::thread::sleep(STORED_WITHIN);
    let said_before = n_lines();
    doomed.kill();
    assert!(said_before > asked, "lines come while the step runs: {asked}, then {said_before}");
    let _other = joined(cluster.worker("other", &[]));
    until("it is lost", || count(&project, &cluster, &run, "step_lost") == 1);
    let mut first = lines(&project, &cluster, &run, 1);
    let mark = first.pop();
    let expected = "the log of this attempt is cut here: its worker was lost";
    assert_eq!(mark, Some(("host".to_owned(), expected.to_owned())));
    assert!(first.len() >= said_before, "{} lines of {said_before}", first.len());
    for (n, (source, message)) in first.iter().enumerate() {
        assert_eq!((source.as_str(), message.as_str()), ("op", &*format!("line {n}")), "in order, and once");
    }
    until("the end", || status(&project, &cluster, &run) == "succeeded");
    let second = lines(&project, &cluster, &run, 2);
    assert_eq!(second.len() as u64, N_LINES, "the other attempt has a log of its own, and it is whole");
}

/// The most that each worker ever had of a resource of which every step asks for one.
fn most_held(events: &[Value]) -> BTreeMap<u64, usize> {
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    let mut most: BTreeMap<u64, usize> = BTreeMap::new();
    for recorded in events {
        let event = &recorded["event"];
        match text(event, "type") {
            "step_dispatched" => {
                let worker = event["worker"].as_u64().expect("a worker");
                held.insert(text(event, "step"), worker);
                let n = held.values().filter(|other| **other == worker).count();
                let most = most.entry(worker).or_default();
                *most = n.max(*most);
            }
            "step_succeeded" | "step_failed" | "step_lost" | "step_returned" => {
                held.remove(text(event, "step"));
            }
            _ => {}
        }
    }
    assert_eq!(held.len(), 0, "nothing is held when all has ended");
    most
}

#[test]
fn f_67_resources_are_neither_overbooked_nor_leaked_over_a_kill_and_a_worker_that_stood_still() {
    let step = |n: usize| {
        format!(
            "[jobs.j.steps.g{n}]\nop = \"resources.announce\"\nbind = {{ program = \"gate\" }}\ninputs.arguments = {{ value = [] }}\nresources = {{ GPU = 1 }}\n"
        )
    };
    let steps: String = (0..8).map(step).collect();
    let both =
        "[jobs.both.steps.numbers]\nop = \"typed.numbers\"\nconfig = { n = 1 }\nresources = { GPU = 2 }\n";
    let project = project(&format!("{steps}{both}"));
    let (cluster, _serving) = Cluster::start();
    let worker = |name: &str| joined(cluster.worker(name, &["--slots", "8", "--resources", "GPU=2"]));
    let (mut a, b) = (worker("a"), worker("b"));
    let run = detach(&project, &cluster, &["j"]);
    until("four run", || n_at_the_gate(&project) == 4);
    a.kill();
    until("two are lost", || count(&project, &cluster, &run, "step_lost") == 2);
    // What the dead one had started ends a moment after it.
    until("two run", || n_at_the_gate(&project) == 2);
    assert_eq!(count(&project, &cluster, &run, "step_dispatched"), 4, "there is room for no other");
    let _c = worker("c");
    until("four run", || n_at_the_gate(&project) == 4);
    signal(&b, "-STOP");
    until("four are lost", || count(&project, &cluster, &run, "step_lost") == 4);
    signal(&b, "-CONT");
    b.wait_for("joined");
    until("four run", || n_at_the_gate(&project) == 4);
    project.write("open", "");
    until("the end", || status(&project, &cluster, &run) == "succeeded");
    let most = most_held(&events(&project, &cluster, Some(&run)));
    // The one that stood still may have come back under another number.
    assert!(most.len() >= 3 && most.values().all(|most| *most == 2), "{most:?}");
    // All of it can be had at once again.
    let both = detach(&project, &cluster, &["both"]);
    until("the end", || status(&project, &cluster, &both) == "succeeded");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Makes what a scheduler has stored look two hours old.
fn age(folder: &Path) {
    for path in files(folder) {
        let file = File::options().write(true).open(path).expect("it is there");
        let written = file.metadata().and_then(|of| of.modified()).expect("a file has a time");
        file.set_modified(written - Duration::from_secs(2 * 3600)).expect("its time can be set");
    }
}

/// Bytes of a result that is too large to be kept in its commit.
const STORED_BYTES: usize = 200_000;

#[test]
fn f_08_the_late_results_of_a_worker_that_stood_still_are_refused_and_what_it_stored_is_collected() {
    let step = |name: &str, bytes: usize| {
        format!(
            "[jobs.j.steps.{name}]\nop = \"typed.chatter\"\nconfig = {{ lines = 300, rounds = {ROUNDS}, bytes = {bytes} }}\n"
        )
    };
    let project = project(&format!("{}{}", step("small", 10), step("large", STORED_BYTES)));
    let (cluster, serving) = Cluster::start();
    let zombie = joined(cluster.worker("zombie", &["--slots", "2"]));
    let run = detach(&project, &cluster, &["j"]);
    until("both talk", || lines(&project, &cluster, &run, 1).len() > 20);
    // Its cells go on, and end while it does not listen.
    signal(&zombie, "-STOP");
    let _other = joined(cluster.worker("other", &["--slots", "2"]));
    until("the other one has done it", || status(&project, &cluster, &run) == "succeeded");
    let before = events(&project, &cluster, Some(&run));
    signal(&zombie, "-CONT");
    zombie.wait_for("joined");
    assert_eq!(zombie.terminate(), Some(0), "what it had to say is said and answered");
    assert_eq!(events(&project, &cluster, Some(&run)), before, "it changes nothing");
    assert_eq!(serving.terminate(), Some(0));

    let fences = |kind: &str| -> Vec<String> {
        of_type(&before, kind).map(|event| event["event"]["fence"].to_string()).collect()
    };
    let of_attempt = |fence: &String| {
        let stored = files(&cluster.state().join("values"));
        stored.iter().filter(|path| path.iter().any(|part| part == fence.as_str())).count()
    };
    let (late, committed) = (fences("step_lost"), fences("step_succeeded"));
    assert_eq!((late.len(), committed.len()), (2, 2));
    age(&cluster.state().join("values"));
    beside(&project, &cluster, &["gc"]).expect(0);
    assert_eq!(late.iter().map(of_attempt).sum::<usize>(), 0, "of the late ones nothing is left");
    assert_eq!(committed.iter().map(of_attempt).sum::<usize>(), 1, "what was committed is there");
}

/// Eight copies of which one takes some seconds, on two workers with a slot each.
const STRAGGLER: &str = r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 8 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 60_000, slow = 3 }
memoize = true
hedge = true
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;

#[test]
fn c19_a_straggler_runs_twice_the_first_commit_wins_and_the_loss_of_one_of_both_costs_nothing() {
    let project = project(STRAGGLER);
    let (cluster, _serving) = Cluster::start();
    let workers = ["one", "two"].map(|name| cluster.worker(name, &["--slots", "1"]));
    let numbers = workers.each_ref().map(|worker| worker.wait_for("joined as worker "));

    // Both go on to the end of the first.
    let undisturbed = detach(&project, &cluster, &["j"]);
    until("the end", || status(&project, &cluster, &undisturbed) == "succeeded");
    let history = events(&project, &cluster, Some(&undisturbed));
    let hedged: Vec<_> = of_type(&history, "step_hedged").collect();
    assert_eq!(hedged.len(), 1, "one of eight takes long");
    let slow = |kind: &'static str, history: &[Value]| -> Vec<Value> {
        let of = of_type(history, kind).filter(|one| one["event"]["step"] == hedged[0]["event"]["step"]);
        of.map(|one| one["event"].clone()).collect()
    };
    let first = slow("step_dispatched", &history);
    assert_eq!(first.len(), 1);
    assert_ne!(first[0]["worker"], hedged[0]["event"]["worker"], "beside it is somewhere else");
    assert_eq!(slow("step_succeeded", &history).len(), 1);
    // Both slots are free again, for as much once more. The worker of the first one dies: the other is there already.
    let other = ["run", "j", "--detach", "-c", "other.yaml"];
    project.write("other.yaml", "ops:\n  work:\n    config: { rounds: 60001, slow: 3 }\n");
    let doomed = run(&project, &cluster, &other).expect(0).stdout.trim().to_owned();
    until("it is hedged", || count(&project, &cluster, &doomed, "step_hedged") == 1);
    let first = slow("step_dispatched", &events(&project, &cluster, Some(&doomed)));
    let number = format!("worker {}", first[0]["worker"]);
    let [one, two] = workers;
    let mut at = if numbers[0].ends_with(&number) { one } else { two };
    at.kill();
    until("the end", || status(&project, &cluster, &doomed) == "succeeded");
    let history = events(&project, &cluster, Some(&doomed));
    let won = slow("step_succeeded", &history);
    assert_eq!((won.len(), &won[0]["attempt"]), (1, &2.into()));
    assert_eq!(slow("attempt_dropped", &history)[0]["failure"]["kind"], "worker_lost");
    assert_eq!((slow("step_dispatched", &history).len(), slow("step_lost", &history).len()), (1, 0));
}
