//! Libraries that the scheduler's host compiles for its workers.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{joined, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::exposition::{Exposition, exposed};

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 4 }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
"#;

/// Runs the job on workers that are started so; gives of each how it got its library, which every worker does when the
/// run is accepted.
fn got<const N: usize>(serve: &[&str], workers: [&[&str]; N]) -> [String; N] {
    let (cluster, _serving) = Cluster::start_serving("", serve);
    let project = Project::with(JOB, &["typed"]);
    let workers = workers.map(|more| {
        let metrics = ["--metrics", "127.0.0.1:0"];
        let name = if more.is_empty() { "own" } else { "taker" };
        let worker = cluster.worker(name, &[&metrics[..], more].concat());
        (exposed(&worker), joined(worker))
    });
    run(&project, &cluster, &["run", "j"]).expect(0);
    workers.map(|(address, _worker)| first(&address))
}

/// How a worker got the library that it got first, when it has one.
fn first(address: &str) -> String {
    let mut found = None;
    until("the worker has a library", || {
        let metrics = Exposition::of(address);
        let has =
            |from: &&str| metrics.get(&format!("cofferdam_libraries_ready_total{{from=\"{from}\"}}")) > 0.0;
        found = ["compiler", "elsewhere"].into_iter().find(has);
        found.is_some()
    });
    found.expect("it was found").to_owned()
}

#[test]
fn a_fleet_compiles_once_and_who_takes_nothing_compiles_for_itself() {
    let [taker, own] = got(&["--compile"], [&["--take-compiled"], &[]]);
    assert_eq!((taker.as_str(), own.as_str()), ("elsewhere", "compiler"));
}

#[test]
fn who_would_take_and_is_given_nothing_compiles_for_itself() {
    assert_eq!(got(&[], [&["--take-compiled"]]), ["compiler"]);
}
