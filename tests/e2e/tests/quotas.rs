//! Quotas of namespaces, through the real program.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{self, detach, joined, json, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{step, text};

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.j.steps.make]
op = "typed.flood"
config = { bytes = 2097152 }
[jobs.j.steps.weigh]
op = "typed.weigh"
inputs.file = "make"
[jobs.both.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.both.steps.fetch]
op = "resources.count"
bind = { counters = "memory" }
inputs.name = { value = "a" }
[resources.memory]
kind = "keyvalue"
backend = "memory"
"#;

const QUOTAS: &str = r#"
[namespaces.stored_bytes]
lab = "1MiB"
strict = "1MiB"
[namespaces.libraries]
few = 1
[namespaces.over_quota]
strict = "reject"
"#;

fn of(namespace: &str) -> String {
    format!("cofferdam/namespace={namespace}")
}

#[test]
fn f14_a_namespace_over_its_quota_waits_or_is_refused_by_name_and_others_go_on() {
    let project = Project::with(JOBS, &["typed", "resources"]);
    let (cluster, mut serving) = Cluster::start_with(QUOTAS);
    let worker = joined(cluster.worker("w", &[]));
    let made = |run: &str| {
        until("the first step ends", || {
            step(&json(&project, &cluster, &["show", run]), "make")["status"] == "succeeded"
        });
    };
    let waits = detach(&project, &cluster, &["j", "--tag", &of("lab")]);
    made(&waits);
    let why = || run(&project, &cluster, &["why", &waits, "weigh"]).expect(0).stdout;
    let quota =
        "the namespace `lab` has a quota of 1048576 bytes of stored values, of which 2097152 are used";
    assert!(why().contains(quota), "{}", why());
    run(&project, &cluster, &["run", "j", "--tag", &of("other")]).expect(0);

    let first = detach(&project, &cluster, &["j", "--tag", &of("strict")]);
    made(&first);
    let refused = run(&project, &cluster, &["run", "j", "--tag", &of("strict")]);
    assert_ne!(refused.exit, 0, "{refused:#?}");
    assert!(refused.stderr.contains("the namespace `strict` has a quota of 1048576 bytes"), "{refused:#?}");
    let refused = run(&project, &cluster, &["run", "both", "--tag", &of("few")]);
    assert_ne!(refused.exit, 0, "{refused:#?}");
    assert!(refused.stderr.contains("a quota of 1 different libraries"), "{refused:#?}");
    run(&project, &cluster, &["run", "j", "--tag", &of("few")]).expect(0);

    // The next scheduler knows it from the run log.
    drop(worker);
    serving.kill();
    drop(serving);
    let _serving = cluster.serve_with(&[]);
    assert!(why().contains(quota), "{}", why());
    let listed = ask::json(&project, &cluster, &["runs"]);
    let runs = listed["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 4, "what was refused is not there");
    assert!(runs.iter().all(|run| text(run, "job") == "j"), "{listed:#}");
}
