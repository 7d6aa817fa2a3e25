//! Runs on a cluster whose run log is in PostgreSQL, which is killed in the middle of them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::history::History;
use cofferdam_e2e::matrix::{Matrix, N_WORK, expected, job, moment};
use cofferdam_e2e::{Ended, Project};
use cofferdam_kit::postgres::Server;
use serde_json::Value;

/// How long a run may take to come as far as a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A cluster of two workers over a database.
struct Over {
    server: Server,
    n_runs: u64,
    cluster: Cluster,
    _serving: Process,
    _workers: [Process; 2],
}

impl Over {
    fn start() -> Over {
        let server = Server::start();
        let settings = format!("[run_log]\npostgres = \"{}\"\n", server.database("runs"));
        let (cluster, serving) = Cluster::start_with(&settings);
        let workers = ["a", "b"].map(|name| cluster.worker(name, &[]));
        workers.iter().for_each(|worker| drop(worker.wait_for("joined")));
        Over { server, n_runs: 0, cluster, _serving: serving, _workers: workers }
    }

    fn start_run(&mut self, project: &Project) -> Child {
        self.n_runs += 1;
        let mut command = project.command(["run", "j", "--export", "out", "--json"]);
        command.args(["--cluster", &self.cluster.address, "--token-file"]).arg(self.cluster.token_file());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started")
    }

    /// Waits until so many steps of the run that was started last are committed.
    fn wait_for(&self, committed: u64, child: &mut Child) {
        let query = format!(
            "SELECT count(*) FROM cofferdam.events WHERE event LIKE '{{\"type\":\"step_succeeded\"%'
             AND run = (SELECT max(run::text)::uuid FROM cofferdam.runs HAVING count(*) = {})",
            self.n_runs
        );
        let until = Instant::now() + PATIENCE;
        loop {
            let found: u64 = self.server.sql("runs", &query).parse().expect("a count");
            if found >= committed {
                return;
            }
            assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended too soon");
            assert!(Instant::now() < until, "{found} of {committed} steps are committed");
        }
    }

    fn kill(&mut self) {
        self.server.end_at_once();
        self.server.start_again();
    }

    /// The history of the newest run, read beside the scheduler.
    fn history(&self, project: &Project) -> History {
        let mut command: Command = project.command(["show", "--events", "--state-dir"]);
        let ended: Ended =
            command.arg(self.cluster.state()).output().expect("the program can be started").into();
        let ended = ended.expect(0);
        let events = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event"));
        History::of(&events.collect::<Vec<Value>>())
    }
}

fn end(child: Child) {
    let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
    assert_eq!(ended.exit, 0, "{ended:#?}");
}

#[test]
fn a_run_goes_on_over_a_database_that_is_killed_again_and_again() {
    const N_WORK: u64 = 60;
    let mut over = Over::start();
    let project = Project::new(&job(N_WORK, 40_000_000));
    let mut child = over.start_run(&project);
    for committed in [5, 20, 40] {
        over.wait_for(committed, &mut child);
        over.kill();
    }
    end(child);
    assert_eq!(project.read("out/sum.json").trim(), (N_WORK * (N_WORK - 1) / 2).to_string());
    let expected = History { completed: 1, committed: N_WORK as usize + 2, ..History::default() };
    assert_eq!(over.history(&project), expected, "nothing is lost, run again or committed twice");
}

#[test]
fn a_second_scheduler_waits_for_the_one_in_office_and_takes_over() {
    let mut over = Over::start();
    let standby = over.cluster.serve();
    standby.wait_for("waiting for the scheduler in office");
    let project = Project::new(&job(40, 40_000_000));
    let mut child = over.start_run(&project);
    over.wait_for(5, &mut child);
    over._serving.kill();
    standby.wait_for("resuming 1 run");
    end(child);
    let history = over.history(&project);
    assert_eq!((history.completed, history.committed, history.committed_twice, history.gaps), (1, 42, 0, 0));
}

/// `COFFERDAM_TEST_KILLS=100` makes as many runs as the whole matrix asks for.
#[test]
#[expect(clippy::print_stdout, reason = "the seed and the counts of the matrix are what it is run for")]
fn runs_of_two_thousand_steps_survive_a_kill_of_the_database_at_a_random_moment() {
    let Matrix { n_runs, seed } = Matrix::asked_for();
    let mut over = Over::start();
    let project = Project::new(&job(N_WORK, 1));
    let mut sum = History::default();
    for run in 0..n_runs {
        let committed = moment(seed, run);
        let mut child = over.start_run(&project);
        over.wait_for(committed, &mut child);
        over.kill();
        end(child);
        let history = over.history(&project);
        println!("run {run}, killed after {committed} commits: {history:?}");
        sum += history;
    }
    println!("{n_runs} runs: {sum:?}");
    let expected = expected(n_runs);
    assert_eq!(sum, expected, "nothing is lost, run again or committed twice");
}
