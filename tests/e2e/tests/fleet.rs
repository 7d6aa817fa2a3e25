//! Two kinds of processors in one cluster: a worker here, and one on an emulated machine.

use std::collections::BTreeMap;

use cofferdam_e2e::ask::{joined, json, run};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{step, steps, text};
use cofferdam_e2e::machine::arm64_worker;
use cofferdam_e2e::{Project, guest};
use serde_json::Value;

/// Sums of arcsin(x) + arccos(y), so that the last bit of many numbers counts.
const DEFINITIONS: &str = r#"
[libraries.array]
wasm = "lib/array_ops.wasm"

[jobs.warm.steps.chunks]
op = "array.chunks"
config = { seed = 1, n = 200, chunk = 100 }
[jobs.fleet.steps.chunks]
op = "array.chunks"
config = { seed = 1, n = 200, chunk = 100 }
[jobs.fleet.steps.x86]
op = "array.chunk_sums"
inputs.chunk = { map = "chunks" }
labels = { arch = "x86_64" }
[jobs.fleet.steps.arm]
op = "array.chunk_sums"
inputs.chunk = { map = "chunks" }
labels = { arch = "aarch64" }
[jobs.fleet.steps.rows_of_arm]
op = "array.row_sums"
inputs.chunks = { collect = "arm" }
labels = { arch = "x86_64" }
[jobs.fleet.steps.rows_of_x86]
op = "array.row_sums"
inputs.chunks = { collect = "x86" }
labels = { arch = "aarch64" }
"#;

/// What a step gave, by name and key.
fn digests(step: &Value) -> Vec<(&Value, &str, &str)> {
    let outputs = step["outputs"].as_array().expect("outputs").iter();
    outputs.map(|output| (&output["key"], text(output, "name"), text(&output["value"], "digest"))).collect()
}

#[test]
fn k6_one_library_runs_on_x86_64_and_on_arm64_and_gives_the_same_to_the_last_bit() {
    let project = Project::with(DEFINITIONS, &["array_ops"]);
    let (cluster, _serving) = Cluster::start();
    let _x86 = joined(cluster.worker("x86", &[]));
    // Described and compiled there, so that what the other one does for itself is seen below.
    run(&project, &cluster, &["run", "warm"]).expect(0);
    let arm = joined(arm64_worker(&cluster, "arm"));
    run(&project, &cluster, &["run", "fleet"]).expect(0);

    let workers = json(&project, &cluster, &["workers"]);
    let arch: BTreeMap<u64, &str> = workers["workers"]
        .as_array()
        .expect("workers")
        .iter()
        .map(|worker| (worker["worker"].as_u64().expect("a number"), text(&worker["labels"], "arch")))
        .collect();
    assert_eq!(arch.values().copied().collect::<Vec<_>>(), ["x86_64", "aarch64"]);

    let runs = json(&project, &cluster, &["runs"]);
    let shown = json(&project, &cluster, &["show", text(&runs["runs"][0], "run")]);
    // The plan has one digest for both; the other processor's worker fetched those bytes, verified, and compiled them.
    assert_eq!(shown["libraries"].as_object().expect("libraries").len(), 1);
    let size = std::fs::metadata(guest("array_ops")).expect("the guest is built").len();
    let of_arm = steps(&shown).iter().filter(|step| arch_of(&arch, step) == "aarch64");
    let used = |step: &Value, what: &str| step["attempts"][0]["usage"][what].as_u64().expect("a number");
    let (fetched, compiled) = of_arm.fold((0, 0), |(fetched, compiled), step| {
        (fetched + used(step, "library_bytes"), compiled + used(step, "compile_us"))
    });
    assert_eq!(fetched, size);
    assert!(compiled > 0);
    let of_x86: Vec<&Value> =
        steps(&shown).iter().filter(|step| text(step, "step").starts_with("x86[")).collect();
    assert_eq!(of_x86.len(), 8);
    for here in of_x86 {
        let key = text(here, "step").trim_start_matches("x86");
        let there = step(&shown, &format!("arm{key}"));
        assert_eq!((arch_of(&arch, here), arch_of(&arch, there)), ("x86_64", "aarch64"));
        assert_eq!(digests(here), digests(there), "{key}");
    }
    let (of_arm, of_x86) = (step(&shown, "rows_of_arm"), step(&shown, "rows_of_x86"));
    assert_eq!((arch_of(&arch, of_arm), arch_of(&arch, of_x86)), ("x86_64", "aarch64"));
    assert_eq!(digests(of_arm), digests(of_x86));

    run(&project, &cluster, &["drain", "arm"]).expect(0);
    arm.wait_for("Power down");
}

/// Of the worker that carried the step out.
fn arch_of<'a>(arch: &BTreeMap<u64, &'a str>, step: &Value) -> &'a str {
    let attempts = step["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 1, "nothing was tried twice");
    arch[&attempts[0]["worker"].as_u64().expect("a worker")]
}
