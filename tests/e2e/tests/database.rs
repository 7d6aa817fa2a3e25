//! Runs on a cluster whose run log is in PostgreSQL, which is killed in the middle of them, cannot be reached, refuses to
//! write, or lets the scheduler wait.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cofferdam_e2e::ask::until;
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::history::History;
use cofferdam_e2e::matrix::{Matrix, N_WORK, expected, job, moment};
use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::{Ended, Project};
use cofferdam_kit::postgres::Server;
use cofferdam_kit::proxy::Proxy;
use serde_json::Value;

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
        let url = server.database("runs");
        Over::start_on(server, &url)
    }

    /// Over a server whose database `runs` is reached at `url`.
    fn start_on(server: Server, url: &str) -> Over {
        let settings = format!("[run_log]\npostgres = \"{url}\"\n");
        let (cluster, serving) = Cluster::start_with(&settings);
        let workers = ["a", "b"].map(|name| cluster.worker(name, &[]));
        workers.iter().for_each(|worker| drop(worker.wait_for("joined")));
        Over { server, n_runs: 0, cluster, _serving: serving, _workers: workers }
    }

    fn start_run(&mut self, project: &Project) -> Child {
        self.n_runs += 1;
        let mut command = project.command(["run", "j", "--export", "out", "--force", "--json"]);
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
        until("steps are committed", || {
            let found: u64 = self.server.sql("runs", &query).parse().expect("a count");
            let enough = found >= committed;
            assert!(
                enough || child.try_wait().expect("the child can be asked").is_none(),
                "the run ended too soon"
            );
            enough
        });
    }

    /// All that is in the log, whoever put it there.
    fn n_events(&self) -> u64 {
        self.server.sql("runs", "SELECT count(*) FROM cofferdam.events").parse().expect("a count")
    }

    /// Waits until the server has written that into its log.
    fn wait_for_log(&self, part: &str) {
        until(part, || self.server.log().contains(part));
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

/// Steps of the jobs of tests that let the database refuse or hang.
const N_WORK_FEW: u64 = 60;

/// A run of the job of that many steps has lost nothing and done nothing twice.
fn check(over: &Over, project: &Project) {
    assert_eq!(project.read("out/sum.json").trim(), (N_WORK_FEW * (N_WORK_FEW - 1) / 2).to_string());
    let expected = History { completed: 1, committed: N_WORK_FEW as usize + 2, ..History::default() };
    assert_eq!(over.history(project), expected, "nothing is lost, run again or committed twice");
}

#[test]
fn f_23_a_scheduler_that_is_cut_off_from_its_database_gives_nothing_out_and_acknowledges_nothing() {
    let server = Server::start();
    let proxy = Proxy::before(([127, 0, 0, 1], server.port).into(), 1);
    let url = server.database("runs").replace(&server.port.to_string(), &proxy.address.port().to_string());
    let mut over = Over::start_on(server, &url);
    let project = Project::new(&job(N_WORK_FEW, 40_000_000));
    let mut child = over.start_run(&project);
    over.wait_for(5, &mut child);
    proxy.hold();
    // What the server had already been told ends meanwhile.
    std::thread::sleep(Duration::from_secs(1));
    let before = over.n_events();
    let mut other = over.start_run(&project);
    // Longer than a worker may be away.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(over.n_events(), before, "nothing is written that the scheduler did not hear of");
    let answered = other.try_wait().expect("the child can be asked");
    assert!(
        answered.is_none_or(|status| !status.success()),
        "a run was acknowledged that nobody has written down"
    );
    assert!(child.try_wait().expect("the child can be asked").is_none());
    other.kill().expect("it can be killed");
    other.wait().expect("it can be waited for");
    proxy.release();
    end(child);
    let runs = "SELECT count(*) FROM cofferdam.runs WHERE status = 'succeeded'";
    assert_ne!(over.server.sql("runs", runs), "0");
    assert_eq!(project.read("out/sum.json").trim(), (N_WORK_FEW * (N_WORK_FEW - 1) / 2).to_string());
    let lost = "SELECT count(*) FROM cofferdam.events WHERE event LIKE '{\"type\":\"step_lost\"%'";
    assert_eq!(over.server.sql("runs", lost), "0");
}

#[test]
fn f_43_a_database_that_is_read_only_for_a_while_holds_a_run_up_and_loses_nothing_of_it() {
    let mut over = Over::start();
    let project = Project::new(&job(N_WORK_FEW, 40_000_000));
    let mut child = over.start_run(&project);
    over.wait_for(5, &mut child);
    let set = |to: &str| {
        over.server.sql("runs", &format!("ALTER SYSTEM SET default_transaction_read_only = {to}"));
        over.server.sql("runs", "SELECT pg_reload_conf()");
    };
    set("on");
    over.wait_for_log("cannot execute UPDATE in a read-only transaction");
    let before = over.n_events();
    // Longer than a worker may be away, and it can be read meanwhile.
    std::thread::sleep(Duration::from_secs(7));
    let mut shown = project.command(["show", "--cluster", &over.cluster.address, "--token-file"]);
    let shown: Ended =
        shown.arg(over.cluster.token_file()).output().expect("the program can be started").into();
    assert!(shown.expect(0).stdout.contains("running"));
    assert_eq!(over.n_events(), before);
    set("off");
    end(child);
    check(&over, &project);
}

#[test]
fn f_43_a_database_whose_disk_is_full_for_a_while_holds_a_run_up_and_loses_nothing_of_it() {
    alone("f_43_a_database_whose_disk_is_full_for_a_while_holds_a_run_up_and_loses_nothing_of_it", || {
        loopback();
        let (mut filler, settings) = (PathBuf::new(), ["autovacuum=off"]);
        let server = Server::start_with(&settings, |data| {
            // Its tables on a disk of their own; what it needs to go on at all is elsewhere.
            let script = "cp -a \"$0/base\" \"$0/base.copy\" && mount -t tmpfs -o size=64m none \"$0/base\" && chown --reference \"$0/base.copy\" \"$0/base\" && cp -a \"$0/base.copy/.\" \"$0/base\" && rm -r \"$0/base.copy\"";
            let moved = Command::new("sh").args(["-c", script]).arg(data).status().expect("sh is there");
            assert!(moved.success());
            filler = data.join("base/filler");
        });
        let url = server.database("runs");
        let mut over = Over::start_on(server, &url);
        let project = Project::new(&job(N_WORK_FEW, 40_000_000));
        let mut child = over.start_run(&project);
        over.wait_for(5, &mut child);
        // Closed at once: an open file keeps its room when it is removed.
        let full = std::fs::File::create(&filler)
            .and_then(|mut file| std::io::copy(&mut std::io::repeat(0), &mut file));
        assert!(full.is_err(), "a disk ends somewhere");
        over.wait_for_log("No space left on device");
        assert!(child.try_wait().expect("the child can be asked").is_none());
        std::fs::remove_file(&filler).expect("a file can be removed");
        end(child);
        check(&over, &project);
    });
}

#[test]
fn f_44_a_table_that_is_locked_for_longer_than_a_lease_costs_no_worker_its_attempts() {
    let mut over = Over::start();
    let project = Project::new(&job(N_WORK_FEW, 40_000_000));
    let mut child = over.start_run(&project);
    over.wait_for(5, &mut child);
    let lock = "BEGIN; LOCK TABLE cofferdam.events; SELECT pg_sleep(600)";
    let mut other =
        over.server.psql("runs", lock).stderr(Stdio::null()).spawn().expect("psql can be started");
    over.wait_for_log("canceling statement due to lock timeout");
    let end_it = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
    over.server.sql("runs", end_it);
    assert!(!other.wait().expect("it can be waited for").success());
    end(child);
    check(&over, &project);
}

#[test]
fn f_07_of_two_schedulers_on_one_database_one_is_in_office_and_the_other_waits_to_take_over() {
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
    let fences = "SELECT count(*) - count(DISTINCT (event::json)->>'fence') FROM cofferdam.events
        WHERE event LIKE '{\"type\":\"step_dispatched\"%'";
    assert_eq!(over.server.sql("runs", fences), "0", "no fence was given twice");
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
