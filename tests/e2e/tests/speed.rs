//! How long a step waits for its first instruction, and how many steps a scheduler gets through: figures that are
//! printed, with bounds that only a fault would reach. `cofferdam-bench` compares them with Dask's.
#![expect(clippy::print_stdout, reason = "the figures are what is measured here")]

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{events, joined, json, run};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::{of_type, steps};
use serde_json::Value;

const LIBRARY: &str = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n";

/// Copies of a step, as many as one fan-out may make.
const N_STEPS: u64 = 9_000;
/// How much longer the last third of them may take than the one before.
const SLOWER_MAX: f64 = 1.5;

#[test]
fn c16_the_last_steps_of_a_large_run_go_as_fast_as_the_first_with_every_event_in_the_log() {
    let project = Project::new(&format!(
        "{LIBRARY}[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = {{ n = {N_STEPS} }}\n[jobs.j.steps.work]\nop = \"typed.work\"\ninputs.number = {{ map = \"numbers.each\" }}\nconfig = {{ rounds = 1 }}\n"
    ));
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &["--slots", "2"]));
    run(&project, &cluster, &["run", "j", "--quiet"]).expect(0);
    let events = events(&project, &cluster, None);
    let at = |event: &Value| event["at"].as_u64().expect("a time");
    let ends: Vec<u64> = of_type(&events, "step_succeeded").map(at).collect();
    assert_eq!(ends.len() as u64, N_STEPS + 1);
    let third = ends.len() / 3;
    let took = |from: usize| (ends[from + third - 1] - ends[from]).max(1) as f64;
    let (middle, last) = (took(third), took(2 * third));
    let rate = third as f64 * 1000.0 / last;
    println!("{rate:.0} steps/s; the last third took {:.2} times as long as the middle one", last / middle);
    assert!(last / middle < SLOWER_MAX, "{last} ms after {middle} ms");
}

/// Milliseconds from the run's acceptance to its end, less what its one guest ran.
fn latency(project: &Project, cluster: &Cluster) -> f64 {
    run(project, cluster, &["run", "j", "--quiet"]).expect(0);
    let shown = json(project, cluster, &["show"]);
    let events = events(project, cluster, None);
    let at = |event: &Value| event["at"].as_f64().expect("a time");
    let (first, last) = (events.first().expect("an event"), events.last().expect("an event"));
    let wall = steps(&shown)[0]["attempts"][0]["usage"]["wall_us"].as_f64().expect("a time");
    at(last) - at(first) - wall / 1000.0
}

/// A worker of a folder of that name.
fn worker(cluster: &Cluster, name: &str) -> Process {
    joined(cluster.worker(name, &[]))
}

#[test]
fn c17_a_step_waits_little_for_a_hot_a_warm_and_a_cold_worker() {
    let project = Project::new(&format!(
        "{LIBRARY}[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = {{ n = 1 }}\n"
    ));
    let (cluster, _serving) = Cluster::start();
    let first = worker(&cluster, "w");
    let cold = latency(&project, &cluster);
    let mut hot: Vec<f64> = (0..15).map(|_| latency(&project, &cluster)).collect();
    hot.sort_by(f64::total_cmp);
    let hot = hot[hot.len() / 2];
    assert_eq!(first.terminate(), Some(0));
    let _again = worker(&cluster, "w");
    let warm = latency(&project, &cluster);
    println!(
        "ms from acceptance to the end of a run of one step, without the guest: hot {hot:.1}, warm {warm:.1}, cold {cold:.1}"
    );
    // FEATURES.md, C17: 1, 20 and 1,000 ms; times of the log are whole milliseconds, and a commit waits for the disk.
    assert!(hot < 25.0 && warm < 250.0 && cold < 2500.0, "{hot} {warm} {cold}");
}
