//! Cells that run one attempt and end.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{joined, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::exposition::{Exposition, exposed};

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 8 }

[jobs.j.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }

[jobs.j.steps.bad]
op = "typed.panics"
inputs.number = "sum"

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
"#;
/// One that traps among them.
const N_ATTEMPTS: f64 = 11.0;
const N_SLOTS: f64 = 2.0;

/// Runs the job in a namespace; gives how many cells were started, and how many ended by themselves, once that has been
/// so for a while.
fn cells(settings: &str, isolation: &str, namespace: &str) -> (f64, f64) {
    let (cluster, _serving) = Cluster::start_with(settings);
    let project = Project::with(JOB, &["typed"]);
    let more = ["--isolation", isolation, "--slots", "2", "--metrics", "127.0.0.1:0"];
    let worker = cluster.worker("one", &more);
    let address = exposed(&worker);
    let _worker = joined(worker);
    let tag = format!("cofferdam/namespace={namespace}");
    run(&project, &cluster, &["run", "j", "--tag", &tag]).expect(10);
    let counted = |name: &str| Exposition::of(&address).get(&format!("cofferdam_{name}"));
    until("all attempts are counted", || {
        let failed = counted("worker_attempts_failed_total{kind=\"trap\"}");
        counted("worker_attempts_succeeded_total") + failed == N_ATTEMPTS
    });
    (counted("cells_started_total"), counted("cells_died_total"))
}

/// As many cells as attempts; the last one may not have been replaced yet.
fn assert_each_has_its_own((started, died): (f64, f64)) {
    assert!([N_ATTEMPTS + N_SLOTS - 1.0, N_ATTEMPTS + N_SLOTS].contains(&started), "{started}");
    assert_eq!(died, 0.0);
}

#[test]
fn an_attempt_has_a_process_of_its_own_if_the_worker_is_told_so() {
    assert_eq!(cells("", "own", "default"), (N_SLOTS, 0.0));
    assert_eq!(cells("", "tenant", "lab"), (N_SLOTS, 0.0));
    assert_each_has_its_own(cells("", "attempt", "default"));
}

#[test]
fn an_attempt_has_a_process_of_its_own_where_the_operator_wants_that_for_its_namespace() {
    let settings = "[namespaces.isolation]\nstrangers = \"attempt\"\n";
    assert_each_has_its_own(cells(settings, "own", "strangers"));
    assert_eq!(cells(settings, "own", "default"), (N_SLOTS, 0.0));
}
