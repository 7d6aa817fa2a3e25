//! Processes that end between two writes: each point of `cofferdam-crash`, one after another, and what must hold then.

use std::process::Child;

use cofferdam_crash::{SCHEDULER, WORKER};
use cofferdam_e2e::ask::{beside, detach, ended, events, gate, joined, run, start, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::history::History;
use cofferdam_e2e::look::text;
use cofferdam_e2e::{Ended, Project};

/// A job of every kind of step that has points of its own: copies, one that is tried again, one that writes a value of
/// several parts, one that waits for a time.
const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 6 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 1 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
[jobs.j.steps.flaky]
op = "typed.flaky"
retry = { max_retries = 2, delay = "10ms" }
[jobs.j.steps.large]
op = "typed.flood"
config = { bytes = 20000000 }
[jobs.j.steps.weigh]
op = "typed.weigh"
inputs.file = "large"
wait = { for = "50ms" }
"#;
/// Steps of it.
const N_STEPS: usize = 11;
/// Attempts of it beyond the first of a step that nothing but the retries asks for.
const N_RETRIES: usize = 2;

fn is_about(point: &str, what: &[&str]) -> bool {
    what.iter().any(|what| point.starts_with(what))
}

/// A scheduler that ends at the point, and what began before.
fn serve_until(cluster: &Cluster, mut serving: Process, point: &str) -> Process {
    serving.kill();
    let doomed = cluster.serve_until(point);
    doomed.wait_for("serving at ");
    doomed
}

fn history(project: &Project, cluster: &Cluster) -> History {
    History::of(&events(project, cluster, None))
}

/// Nothing is lost, done twice or left open; the history of the newest run.
fn complete(project: &Project, cluster: &Cluster, child: Child, point: &str) -> History {
    let ended: Ended = ended(child);
    assert_eq!(ended.exit, 0, "{point}: {ended:#?}");
    let history = history(project, cluster);
    let History { executed_again, lost, .. } = history;
    let expected = History { completed: 1, committed: N_STEPS, executed_again, lost, ..History::default() };
    assert_eq!(history, expected, "{point}");
    let runs = beside(project, cluster, &["runs", "--json"]).expect(0).stdout;
    assert_eq!(runs.matches("\"run\":").count(), 1, "{point}: {runs}");
    history
}

fn scheduler_survives(points: impl Iterator<Item = &'static str>) {
    for point in points {
        let project = Project::new(JOB);
        let (cluster, serving) = Cluster::start();
        let doomed = serve_until(&cluster, serving, point);
        let _worker = cluster.worker("w", &["--slots", "2"]);
        let child = start(&project, &cluster, &["run", "j"]);
        doomed.crashed();
        let _serving = cluster.serve();
        let history = complete(&project, &cluster, child, point);
        assert_eq!((history.executed_again, history.lost), (N_RETRIES, 0), "{point}: nothing runs again");
    }
}

fn scheduler_points(what: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    SCHEDULER.iter().copied().filter(|point| is_about(point, what))
}

const COMING: &[&str] = &["library.", "certificate.", "submit.", "claim."];
const CANCELLING: &[&str] = &["cancel."];

#[test]
fn f_04_a_scheduler_that_ends_at_any_point_before_a_step_runs_goes_on_from_there() {
    scheduler_survives(scheduler_points(COMING));
}

#[test]
fn f_04_a_scheduler_that_ends_at_any_point_while_steps_run_runs_none_of_them_again() {
    let other = |point: &&str| !is_about(point, COMING) && !is_about(point, CANCELLING);
    scheduler_survives(SCHEDULER.iter().copied().filter(other));
}

#[test]
fn f_04_a_scheduler_that_ends_at_any_point_of_a_cancel_ends_the_run_when_it_is_asked_again_at_the_latest() {
    for point in scheduler_points(CANCELLING) {
        let project = Project::with("", &["resources"]);
        project.write(
            "cofferdam.toml",
            format!(
                "{}[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[jobs.j.steps.gate]\nop = \"resources.announce\"\nbind = {{ program = \"gate\" }}\ninputs.arguments = {{ value = [] }}\n",
                gate(&project)
            ),
        );
        let (cluster, serving) = Cluster::start();
        let doomed = serve_until(&cluster, serving, point);
        let _worker = joined(cluster.worker("w", &[]));
        let id = detach(&project, &cluster, &["j"]);
        let asked = start(&project, &cluster, &["cancel", &id]);
        doomed.crashed();
        let _ = ended(asked);
        let serving = cluster.serve();
        serving.wait_for("serving at ");
        // Who heard nothing asks again; a run that has ended meanwhile is said to have.
        let again = run(&project, &cluster, &["cancel", &id]);
        assert!(again.exit == 0 || again.stderr.contains("has ended: it cancelled"), "{point}: {again:#?}");
        until(point, || {
            let events = events(&project, &cluster, Some(&id));
            let last = &events.last().expect("the run has a history")["event"];
            last["type"] == "run_finished" && text(last, "status") == "cancelled"
        });
    }
}

#[test]
fn f_05_a_worker_that_ends_at_any_point_costs_what_it_had_and_nothing_else() {
    for point in WORKER {
        let project = Project::new(JOB);
        let (cluster, _serving) = Cluster::start();
        let doomed = cluster.worker_until(point, "doomed", &["--slots", "2"]);
        let child = start(&project, &cluster, &["run", "j"]);
        doomed.crashed();
        // Where it was: the folder holds what the one before left half done.
        let _worker = cluster.worker("doomed", &["--slots", "2"]);
        let history = complete(&project, &cluster, child, point);
        assert!(history.lost <= history.executed_again, "{point}: {history:?}");
        let again = history.executed_again - history.lost;
        // The counts of a retry that is lost begin anew.
        assert!(again <= N_RETRIES, "{point}: {history:?}");
    }
}
