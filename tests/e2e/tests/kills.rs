//! The kill matrix of workers and of the scheduler; `database.rs` has the database's.
//! `COFFERDAM_TEST_KILLS=100` makes as many runs of each as the whole matrix asks for.
#![expect(clippy::print_stdout, reason = "the counts of the matrix are what it is run for")]

use std::process::{Child, Stdio};

use cofferdam_e2e::ask::joined;
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::history::History;
use cofferdam_e2e::matrix::{Matrix, N_WORK, expected, job, moment};
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

/// Attempts that a worker of one slot holds at most: the one that runs and those that are sent ahead.
const HELD_MAX: usize = 65;

fn start(project: &Project, cluster: &Cluster) -> Child {
    let mut command = project.command(["run", "j", "--export", "out", "--force"]);
    command.args(["--cluster", &cluster.address, "--token-file"]).arg(cluster.token_file());
    // Nobody reads it while it runs, and a full pipe would hold it up.
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started")
}

/// The newest run, read beside the scheduler.
fn history(project: &Project, cluster: &Cluster) -> History {
    let mut command = project.command(["show", "--events", "--state-dir"]);
    let ended: Ended = command.arg(cluster.state()).output().expect("the program can be started").into();
    let events = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event"));
    History::of(&events.collect::<Vec<Value>>())
}

/// Waits until the newest run, which is not one of `before`, has so many commits.
fn wait_for(project: &Project, cluster: &Cluster, child: &mut Child, committed: u64) {
    loop {
        let history = history(project, cluster);
        if history.completed == 0 && history.committed as u64 >= committed {
            return;
        }
        if child.try_wait().expect("the child can be asked").is_some() {
            // It was faster than this look at it: the kill comes after its end, which must do no harm either.
            return;
        }
    }
}

fn end(child: Child) {
    let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
    assert_eq!(ended.exit, 0, "{ended:#?}");
}

/// Runs with one kill each, and what they amount to.
fn play(matrix: Matrix, cluster: &Cluster, mut kill: impl FnMut(u64)) -> History {
    let project = Project::new(&job(N_WORK, 1));
    let mut sum = History::default();
    for run in 0..matrix.n_runs {
        let committed = moment(matrix.seed, run);
        let mut child = start(&project, cluster);
        wait_for(&project, cluster, &mut child, committed);
        kill(run);
        end(child);
        let history = history(&project, cluster);
        println!("run {run}, killed after {committed} commits: {history:?}");
        sum += history;
    }
    println!("{} runs: {sum:?}", matrix.n_runs);
    sum
}

#[test]
fn g1_runs_of_two_thousand_steps_survive_a_kill_of_the_scheduler_at_a_random_moment() {
    let matrix = Matrix::asked_for();
    let (cluster, mut serving) = Cluster::start();
    let _workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let sum = play(matrix, &cluster, |_| {
        serving.kill();
        serving = cluster.serve_with(&[]);
    });
    assert_eq!(sum, expected(matrix.n_runs), "nothing is lost, run again or committed twice");
}

#[test]
fn f_01_runs_of_two_thousand_steps_survive_a_kill_of_a_worker_at_a_random_moment() {
    let matrix = Matrix::asked_for();
    let (cluster, _serving) = Cluster::start();
    let mut workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let sum = play(matrix, &cluster, |run| {
        let doomed = &mut workers[usize::try_from(run % 2).expect("it is small")];
        doomed.kill();
        *doomed = cluster.worker(&format!("w{run}"), &[]);
    });
    let History { lost, executed_again, .. } = sum;
    let expected = expected(matrix.n_runs);
    assert_eq!(sum, History { lost, executed_again, ..expected }, "nothing is missing or committed twice");
    assert_eq!(executed_again, lost, "what runs again was under way on the worker that was killed");
    assert!(lost <= expected.completed * HELD_MAX, "{lost} were under way at most");
}
