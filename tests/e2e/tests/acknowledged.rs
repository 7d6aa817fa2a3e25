//! What a scheduler has acknowledged is there after its death, although that comes the moment the answer has.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{beside, detach, events, joined, json, run, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::{of_type, text};

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.asks.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
wait = { approval = true }
"#;

/// Does something, and kills the scheduler as soon as that has answered.
fn then_killed<T>(cluster: &Cluster, serving: &mut Process, deed: impl FnOnce() -> T) -> T {
    let answer = deed();
    serving.kill();
    *serving = cluster.serve_with(&[]);
    answer
}

#[test]
fn i_12_what_was_acknowledged_is_there_after_the_scheduler_is_killed_the_next_moment() {
    let project = Project::new(JOBS);
    let (cluster, mut serving) = Cluster::start();
    let serving = &mut serving;
    let ask = |args: &[&str]| run(&project, &cluster, args);
    let status = |run: &str| text(&json(&project, &cluster, &["show", run]), "status").to_owned();
    // Without a worker, so that nothing goes on but what is asked for.
    for round in 0..5 {
        let job = then_killed(&cluster, serving, || detach(&project, &cluster, &["j"]));
        assert_eq!(status(&job), "queued", "it was launched");
        let cancelled = then_killed(&cluster, serving, || ask(&["cancel", &job]));
        cancelled.expect(0);
        until("it is cancelled", || status(&job) == "cancelled");

        let again = then_killed(&cluster, serving, || ask(&["rerun", &job, "--detach"]));
        let again = again.expect(0).stdout.trim().to_owned();
        assert_eq!(json(&project, &cluster, &["show", &again])["origin"]["parent"], job.as_str(), "a retry");

        then_killed(&cluster, serving, || ask(&["runs", "pin", &job])).expect(0);
        assert!(ask(&["runs", "pin", &job]).expect(0).stdout.contains("was pinned already"));

        let channel = format!("typed/{round}");
        let promote = ["library", "promote", "lib/typed.wasm", &channel];
        then_killed(&cluster, serving, || ask(&promote)).expect(0);
        assert!(ask(&["library", "channels"]).expect(0).stdout.contains(&channel), "a library was put there");

        let asking = detach(&project, &cluster, &["asks"]);
        let note = format!("seen in round {round}");
        until("it can be approved", || ask(&["why", &asking]).stdout.contains("approv"));
        let approved =
            then_killed(&cluster, serving, || ask(&["approve", &asking, "numbers", "--note", &note]));
        approved.expect(0);
        let told = beside(&project, &cluster, &["show", &asking, "--events"]).expect(0).stdout;
        assert!(told.contains(&note), "{told}");

        let name = format!("ci-{round}");
        let made = beside(&project, &cluster, &["token", "create", &name, "--role", "viewer"]).expect(0);
        serving.kill();
        *serving = cluster.serve_with(&[]);
        project.write_secret("own", &made.stdout);
        let mut command = project.command(["runs", "--cluster", &cluster.address, "--token-file", "own"]);
        assert!(
            command.output().expect("it starts").status.success(),
            "a token is a secret that was put there"
        );
    }
    // What waits since then runs, once each.
    let _worker = joined(cluster.worker("w", &["--slots", "2"]));
    let runs = || json(&project, &cluster, &["runs"])["runs"].as_array().cloned().expect("a list");
    assert_eq!(runs().len(), 15, "none is there twice");
    until("all have ended", || {
        runs().iter().all(|run| ["succeeded", "cancelled"].contains(&text(run, "status")))
    });
    for run in runs().iter().filter(|run| text(run, "status") == "succeeded") {
        let history = events(&project, &cluster, Some(text(run, "run")));
        assert_eq!(of_type(&history, "step_succeeded").count(), 1, "{run:#}");
    }
}
