//! When nothing runs: what is left of runs that went well, badly, or were ended.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{beside, detach, events, gate, joined, json, n_at_the_gate, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{of_type, text};

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.good.steps.numbers]
op = "typed.numbers"
config = { n = 20 }
[jobs.good.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
[jobs.good.steps.make]
op = "typed.flood"
config = { bytes = 5_000_000 }
[jobs.good.steps.weigh]
op = "typed.weigh"
inputs.file = "make"
[jobs.bad.steps.trap]
op = "behaviours.wild_pointer"
pool = "narrow"
[jobs.bad.steps.bomb]
op = "behaviours.memory_bomb"
pool = "narrow"
[jobs.held.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
pool = "narrow"
[jobs.spins.steps.s]
op = "behaviours.spin"
pool = "narrow"
"#;
const SETTINGS: &str = "[pools.limits]\nnarrow = 1\n";

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Files that were being written and that nobody would read: drafts by their names, and what is in a draft's folder.
fn drafts(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        [".tmp", ".part", ".new"].iter().any(|ending| name.ends_with(ending))
            || name.starts_with(".tmp")
            || name.contains('#')
    });
    found
}

/// All processes that this one has started, and those that they have, by number; those that have ended are not counted.
fn below(ancestor: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("there is /proc").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let (id, rest) = stat.split_once(' ').expect("a number first");
        let mut rest = rest.rsplit_once(") ").expect("a name in brackets").1.split(' ');
        let (state, parent) = (rest.next().expect("a state"), rest.next().expect("a parent"));
        if state != "Z" {
            parents.insert(id.parse::<u32>().expect("a number"), parent.parse::<u32>().expect("a number"));
        }
    }
    let is_below = |mut id: u32| loop {
        match parents.get(&id) {
            Some(parent) if *parent == ancestor => return true,
            Some(parent) => id = *parent,
            None => return false,
        }
    };
    parents.keys().copied().filter(|id| is_below(*id)).collect()
}

fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

fn project() -> Project {
    let project = Project::with("", &["typed", "behaviours", "resources"]);
    project.write("cofferdam.toml", format!("{JOBS}{}", gate(&project)));
    project
}

#[test]
fn i_17_when_all_has_ended_no_attempt_place_draft_or_process_is_left() {
    let project = project();
    let (cluster, serving) = Cluster::start_with(SETTINGS);
    let worker = joined(cluster.worker("w", &["--slots", "2"]));
    let status = |run: &str| text(&json(&project, &cluster, &["show", run]), "status").to_owned();
    let mut runs = vec![];
    for _ in 0..3 {
        runs.extend(["good", "bad"].map(|job| detach(&project, &cluster, &[job])));
        let ended: Vec<String> = ["held", "spins"].map(|job| detach(&project, &cluster, &[job])).into();
        for id in &ended {
            until("it runs", || of_type(&events(&project, &cluster, Some(id)), "step_started").count() == 1);
            run(&project, &cluster, &["cancel", id]).expect(0);
            until("it is cancelled", || status(id) == "cancelled");
        }
        runs.extend(ended);
    }
    for id in &runs {
        until("it has ended", || ["succeeded", "failed", "cancelled"].contains(&status(id).as_str()));
    }
    for id in &runs {
        let history = events(&project, &cluster, Some(id));
        let count = |kinds: &[&str]| kinds.iter().map(|kind| of_type(&history, kind).count()).sum::<usize>();
        // An attempt ends by one of these; so may a step of a cancelled run that had none.
        let ends = ["step_succeeded", "step_failed", "step_lost", "step_returned"];
        let begun = count(&["step_dispatched"]);
        assert!((count(&ends)..=count(&ends) + count(&["step_cancelled"])).contains(&begun), "{history:#?}");
        assert_eq!(history.last().expect("an event")["event"]["type"], "run_finished");
    }
    // The one place of the pool is free, and both slots are.
    let last = detach(&project, &cluster, &["bad"]);
    until("it has a place", || status(&last) == "failed");
    assert_eq!(n_at_the_gate(&project), 0, "programs that steps have started");

    let local = cluster.local_directory("w");
    until("no draft is left", || {
        [cluster.state(), local.clone()].iter().all(|folder| drafts(folder).is_empty())
    });
    let cells = below(worker.id());
    assert!(!cells.is_empty() && cells.len() <= 6, "cells wait for work: {cells:?}");
    let server = serving.id();
    assert_eq!(below(server), Vec::<u32>::new(), "the scheduler has none");
    assert_eq!(worker.terminate(), Some(0));
    assert!(!cells.iter().any(|id| is_alive(*id)), "{cells:?}");
    let workers = json(&project, &cluster, &["workers"]);
    assert_eq!(workers["workers"].as_array().map(Vec::len), Some(0), "{workers:#}");
    assert_eq!(serving.terminate(), Some(0));
    assert_eq!(drafts(&cluster.state()), Vec::<PathBuf>::new());
    beside(&project, &cluster, &["gc", "--dry-run"]).expect(0);
}

#[test]
fn h_097_a_worker_that_is_killed_leaves_no_process_of_a_guest() {
    let project = project();
    let (cluster, _serving) = Cluster::start_with(SETTINGS);
    let mut worker = joined(cluster.worker("w", &["--slots", "2"]));
    let id = detach(&project, &cluster, &["spins"]);
    until("it runs", || of_type(&events(&project, &cluster, Some(&id)), "step_started").count() == 1);
    let cells = below(worker.id());
    assert!(!cells.is_empty());
    worker.kill();
    until("they end with it", || !cells.iter().any(|id| is_alive(*id)));
    run(&project, &cluster, &["cancel", &id]).expect(0);
}
