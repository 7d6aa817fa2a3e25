//! What is there afterwards: when everything has died at once, and when a run log was put back from a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{detach, events, gate, joined, json, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{of_type, steps_of_type, text};
use serde_json::Value;

/// A value that is kept in the store, a gate, and a value after it.
const GATED: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.j.steps.before]
op = "typed.flood"
config = { bytes = 100_000 }
[jobs.j.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
after = ["before"]
[jobs.j.steps.behind]
op = "typed.flood"
config = { bytes = 100_001 }
after = ["gate"]
"#;

/// What was given out, by fence.
fn fences(events: &[Value]) -> BTreeMap<u64, &Value> {
    let given = of_type(events, "step_dispatched");
    given.map(|event| (event["event"]["fence"].as_u64().expect("a fence"), event)).collect()
}

/// Every stored value and its bytes.
fn values(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be read").path();
        match path.is_dir() {
            true => found.extend(values(&path)),
            false => drop(found.insert(path.clone(), std::fs::read(path).expect("it can be read"))),
        }
    }
    found
}

#[test]
fn f_47_a_run_log_from_an_older_backup_gives_no_fence_again_and_its_runs_end() {
    let project = Project::with("", &["typed", "resources"]);
    project.write("cofferdam.toml", format!("{GATED}{}", gate(&project)));
    let (cluster, serving) = Cluster::start();
    let log = |name: &str| cluster.state().join(name);
    let worker = joined(cluster.worker("one", &[]));
    let run = detach(&project, &cluster, &["j"]);
    until("the first step ends", || {
        steps_of_type(&events(&project, &cluster, Some(&run)), "step_succeeded") == ["before"]
    });
    assert_eq!(serving.terminate(), Some(0));
    std::fs::copy(log("runlog.sqlite"), log("backup")).expect("it can be copied");

    // Two more times in office, in which the run goes on and ends.
    assert_eq!(cluster.serve_with(&[]).terminate(), Some(0));
    let serving = cluster.serve_with(&[]);
    project.write("open", "");
    until("it ends", || json(&project, &cluster, &["show", &run])["status"] == "succeeded");
    let first = events(&project, &cluster, Some(&run));
    let before = values(&cluster.state().join("values/v1"));
    assert_eq!(serving.terminate(), Some(0));
    drop(worker);

    std::fs::copy(log("backup"), log("runlog.sqlite")).expect("it can be put back");
    let _serving = cluster.serve_with(&[]);
    let _worker = joined(cluster.worker("two", &[]));
    until("it ends again", || json(&project, &cluster, &["show", &run])["status"] == "succeeded");
    let second = events(&project, &cluster, Some(&run));
    let kept = of_type(&first, "step_succeeded").count();
    assert_eq!((kept, of_type(&second, "step_succeeded").count()), (3, 3));
    let (given, given_again) = (fences(&first), fences(&second));
    let last = given.keys().max().expect("something was given out");
    let mut n_new = 0;
    for (fence, event) in given_again {
        match given.get(&fence) {
            Some(known) => assert_eq!(*known, event, "it was in the backup"),
            None => n_new += usize::from(fence > *last),
        }
    }
    assert!(n_new > 0, "what ran again has fences of its own");
    let after = values(&cluster.state().join("values/v1"));
    assert!(
        before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)),
        "nothing that was there has changed"
    );
}

/// Steps that keep their values in the store, and steps that take two workers some two seconds: a kill comes in the middle.
const STORING: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 30 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 100_000_000 }
[jobs.j.steps.flood]
op = "typed.flood"
config = { bytes = 70_000 }
[jobs.j.steps.weigh]
op = "typed.weigh"
inputs.file = "flood"
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;

/// I-01, I-02: each step has ended once, and every value that it named in the store is there, with that size and digest;
/// how many there are.
fn check_store(cluster: &Cluster, events: &[Value]) -> usize {
    let ended = steps_of_type(events, "step_succeeded");
    assert_eq!(ended.iter().collect::<BTreeSet<_>>().len(), ended.len(), "I-01: {ended:?}");
    let mut n_stored = 0;
    for event in of_type(events, "step_succeeded") {
        let fence = event["event"]["fence"].to_string();
        for output in event["event"]["outputs"].as_array().expect("outputs") {
            let value = &output["value"];
            let Some(key) = value["place"]["stored"].as_str() else { continue };
            assert!(key.contains(&format!("/{fence}/")), "I-01: {key} is not of the attempt {fence}");
            let bytes = std::fs::read(cluster.state().join("values").join(key)).expect("I-02: it is there");
            let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
            assert_eq!(
                (bytes.len() as u64, digest),
                (value["size"].as_u64().expect("a size"), text(value, "digest").to_owned())
            );
            n_stored += 1;
        }
    }
    n_stored
}

#[test]
fn f_15_when_everything_dies_at_once_what_was_committed_is_there_and_the_run_goes_on() {
    let project = Project::new(STORING);
    let (cluster, mut serving) = Cluster::start();
    let mut workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let run = detach(&project, &cluster, &["j"]);
    let ended = || steps_of_type(&events(&project, &cluster, Some(&run)), "step_succeeded").len();
    until("some steps end", || ended() >= 10);
    for process in workers.iter_mut().chain([&mut serving]) {
        process.kill();
    }
    let _serving = cluster.serve_with(&[]);
    let before = events(&project, &cluster, Some(&run));
    assert!(of_type(&before, "run_finished").next().is_none(), "it was in the middle");
    check_store(&cluster, &before);
    let _workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    until("it ends", || json(&project, &cluster, &["show", &run])["status"] == "succeeded");
    let after = events(&project, &cluster, Some(&run));
    assert_eq!(after[..before.len()], before[..], "nothing that was recorded is different");
    assert_eq!(of_type(&after, "step_succeeded").count(), 34);
    assert_eq!(check_store(&cluster, &after), 1);
}

#[test]
fn i_02_every_value_that_is_committed_is_in_the_store_with_its_bytes_whatever_died_meanwhile() {
    let steps: String = (0..40)
        .map(|n| {
            format!("[jobs.j.steps.s{n}]\nop = \"typed.flood\"\nconfig = {{ bytes = {} }}\n", 1_000_000 + n)
        })
        .collect();
    let project = Project::new(&format!("[libraries.typed]\nwasm = \"lib/typed.wasm\"\n{steps}"));
    let (cluster, _serving) = Cluster::start();
    let mut doomed = joined(cluster.worker("doomed", &[]));
    let _other = joined(cluster.worker("other", &[]));
    let run = detach(&project, &cluster, &["j"]);
    until("some steps end", || {
        steps_of_type(&events(&project, &cluster, Some(&run)), "step_succeeded").len() >= 5
    });
    doomed.kill();
    until("it ends", || json(&project, &cluster, &["show", &run])["status"] == "succeeded");
    assert_eq!(check_store(&cluster, &events(&project, &cluster, Some(&run))), 40);
}
