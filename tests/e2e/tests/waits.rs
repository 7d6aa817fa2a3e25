//! Steps that wait for a time or an approval, through the real program.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{detach, events, joined, json, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::of_type;

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.release.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.release.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
wait = { approval = true }

[jobs.hurried.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
wait = { approval = true, timeout = "100ms" }

[jobs.later.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
wait = { for = "700ms" }
"#;

#[test]
fn g10_a_step_waits_for_an_approval_over_a_kill_of_everything_and_holds_no_slot() {
    let project = Project::with(JOBS, &["typed"]);
    let (cluster, mut serving) = Cluster::start();
    let mut worker = joined(cluster.worker("w", &["--slots", "1"]));
    let id = detach(&project, &cluster, &["release"]);
    let why = || json(&project, &cluster, &["why", &id, "sum"])["steps"][0]["text"].clone();
    until("the step waits", || why() == "it waits to be approved");
    // The one slot is free for others.
    run(&project, &cluster, &["run", "later"]).expect(0);

    serving.kill();
    worker.kill();
    let _serving = cluster.serve_with(&[]);
    let _worker = joined(cluster.worker("x", &["--slots", "1"]));
    assert_eq!(why(), "it waits to be approved");
    let approve = |step: &str| run(&project, &cluster, &["approve", &id, step, "--note", "as agreed"]);
    let refused = approve("numbers");
    assert_eq!(refused.exit, 3, "{refused:#?}");
    assert!(
        refused.stderr.contains("cannot be reviewed now: it does not wait: it has ended"),
        "{refused:#?}"
    );
    assert!(approve("sums").stderr.contains("did you mean `sum`?"));
    assert_eq!(approve("sum").expect(0).stdout.trim(), format!("`sum` of run {id} may run"));
    until("the run ends", || json(&project, &cluster, &["show", &id])["status"] == "succeeded");
    assert!(!approve("sum").stderr.is_empty());
    let events = events(&project, &cluster, Some(&id));
    assert_eq!(of_type(&events, "wait_began").count(), 1);
    let ended: Vec<_> = of_type(&events, "wait_ended").collect();
    assert_eq!((ended.len(), &ended[0]["event"]["note"]), (1, &"as agreed".into()));
}

#[test]
fn a_step_that_is_rejected_or_not_approved_in_time_has_failed_and_says_why() {
    let project = Project::with(JOBS, &["typed"]);
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let late = run(&project, &cluster, &["run", "hurried"]);
    assert_eq!(late.exit, 10, "{late:#?}");
    assert!(late.stderr.contains("waits  numbers  to be approved, until "), "{late:#?}");
    assert!(late.stderr.contains("nobody approved it in time"), "{late:#?}");
    let id = detach(&project, &cluster, &["release"]);
    let asked = || json(&project, &cluster, &["why", &id])["steps"][0]["text"] == "it waits to be approved";
    until("the step waits", asked);
    let said = run(&project, &cluster, &["reject", &id, "sum", "--note", "not\u{1b}[31m today"]).expect(0);
    assert_eq!(said.stdout.trim(), format!("`sum` of run {id} has failed"));
    until("the run ends", || json(&project, &cluster, &["show", &id])["status"] == "failed");
    let shown = run(&project, &cluster, &["show", &id]).stdout;
    assert!(shown.contains("sum failed: rejected by ") && shown.contains(" today [rejected]"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_run_in_a_process_of_its_own_waits_for_times_and_is_refused_where_somebody_would_be_asked() {
    let project = Project::with(JOBS, &["typed"]);
    let waited = project.run(["run", "later"]).expect(0);
    assert!(waited.stderr.contains("waits  numbers  until "), "{waited:#?}");
    assert!(waited.stderr.contains("goes on  numbers  its wait is over"), "{waited:#?}");
    let refused = project.run(["run", "release"]);
    assert_eq!(refused.exit, 3, "{refused:#?}");
    assert!(
        refused.stderr.contains("`sum` waits to be approved, and nobody can reach a run in this process")
    );
    assert!(
        project.run(["runs", "--json"]).expect(0).stdout.matches("\"run\"").count() <= 2,
        "nothing was recorded"
    );
}
