//! The same measurements on a cluster: a scheduler and workers of one slot each, processes that share nothing but the
//! network, as a user starts them; submitted and watched from here.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_client::Cluster;
use cofferdam_depot::Depot;
use cofferdam_model::{Event, LibraryDigest, Plan, RunId, RunStatus};
use cofferdam_scheduler::{Update, system_time};
use tempfile::TempDir;

use crate::cases::{Case, case, chatter};
use crate::measure::{Bench, cbor, line, measured, output_of, peak_rss_mb, submission};

/// How long the workers may take to join.
const JOIN_MAX: Duration = Duration::from_secs(30);

/// A cluster and the library that its steps are made of. Its processes end with it.
pub(crate) struct Fleet {
    cluster: Cluster,
    serving: Process,
    workers: Vec<Process>,
    library: LibraryDigest,
    _folder: TempDir,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Fleet {
    /// Starts as many workers as the bench has slots.
    pub(crate) async fn start(bench: &Bench) -> Result<Fleet> {
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state");
        let mut serve = Command::new(&bench.program);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(&state);
        let mut serving = start(serve.stderr(Stdio::piped()), folder.path())?;
        let address = said(&mut serving)?;
        let token = state.join("token");
        let mut workers = vec![];
        for n in 0..bench.slots {
            let mut worker = Command::new(&bench.program);
            worker.args(["worker", "--scheduler", &address, "--slots", "1", "--token-file"]).arg(&token);
            worker.arg("--local-directory").arg(folder.path().join(format!("worker{n}")));
            workers.push(start(worker.stderr(Stdio::null()), folder.path())?);
        }
        let cluster = Cluster::at(&address, &std::fs::read_to_string(&token)?.trim().parse()?)?;
        let began = Instant::now();
        while cluster.workers().await?.len() < workers.len() {
            ensure!(began.elapsed() < JOIN_MAX, "the workers do not join");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let depot = Depot::local(&folder.path().join("libraries"))?;
        let library = depot.put(bench.library.clone().into()).await?;
        cluster.upload(&depot, &library).await?;
        Ok(Fleet { cluster, serving, workers, library, _folder: folder })
    }

    /// Runs a case and gives its line.
    pub(crate) async fn run(&self, name: &str, n: u32) -> Result<serde_json::Value> {
        let (Case { plan, answer }, n_runs) = measured(name, n, self.library)?;
        let warm_up = case("fanout", 64, self.library).context("the warm-up is a case")?;
        self.drive(warm_up.plan, warm_up.answer).await?;
        let n_steps = plan.steps.len();
        let mut took = vec![];
        for _ in 0..n_runs {
            took.push(self.drive(plan.clone(), answer).await?);
        }
        let notes = format!("a scheduler and {} workers of one slot", self.workers.len());
        Ok(line(name, n_steps, took, peak_rss_mb(&self.serving.0.id().to_string()), &notes))
    }

    /// Measures how long lines of a step take to who watches its run.
    pub(crate) async fn logs(&self, n: u32) -> Result<serde_json::Value> {
        let submission = submission(RunId(uuid::Uuid::now_v7()), chatter(n, self.library));
        let (run, _) = self.cluster.submit(&submission, vec![]).await?;
        let mut watch = self.cluster.watch(run).await?;
        let (mut took, mut status) = (vec![], None);
        while let Some(update) = watch.next().await? {
            match update {
                Update::Logs(records) => {
                    let now = system_time();
                    took.extend(records.iter().map(|record| now.since(record.line.at)));
                }
                Update::Events(events) => {
                    status = events.iter().find_map(|recorded| match recorded.event {
                        Event::RunFinished { status } => Some(status),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        ensure!(status == Some(RunStatus::Succeeded), "the run {status:?}");
        ensure!(took.len() == n as usize, "{} lines came of {n}", took.len());
        let notes = "from a line to who watches; steps are lines, seconds their sum, to the millisecond";
        Ok(line("logs", 1, took, peak_rss_mb(&self.serving.0.id().to_string()), notes))
    }

    /// Runs a plan to its end and checks its answer; the time from submission until its end is known here.
    async fn drive(&self, plan: Plan, answer: u64) -> Result<Duration> {
        let last = plan.steps.last().context("a case has steps")?.key.clone();
        let submission = submission(RunId(uuid::Uuid::now_v7()), plan);
        let started = Instant::now();
        let (run, _) = self.cluster.submit(&submission, vec![]).await?;
        let mut watch = self.cluster.watch(run).await?;
        let (mut status, mut found) = (None, None);
        while let Some(update) = watch.next().await? {
            let Update::Events(events) = update else { continue };
            for recorded in events.iter() {
                found = found.or_else(|| output_of(recorded, &last));
                if let Event::RunFinished { status: ended } = recorded.event {
                    status = Some((ended, started.elapsed()));
                }
            }
        }
        let (status, took) = status.context("the run has no end")?;
        ensure!(status == RunStatus::Succeeded, "the run {status}");
        ensure!(found == Some(cbor(answer)), "the answer is {found:02x?}, expected {answer}");
        Ok(took)
    }
}

fn start(command: &mut Command, folder: &Path) -> Result<Process> {
    command.current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Process(command.spawn()?))
}

/// Where the scheduler says that it serves. What it says later is read and dropped.
fn said(serving: &mut Process) -> Result<String> {
    let stderr = serving.0.stderr.take().context("stderr is piped")?;
    let mut lines = BufReader::new(stderr).lines().map_while(|line| line.ok());
    let line = lines.find(|line| line.contains("serving at ")).context("it does not serve")?;
    std::thread::spawn(move || lines.for_each(drop));
    let address = line.split("serving at ").nth(1).and_then(|rest| rest.split(';').next());
    Ok(address.context("the line says where")?.to_owned())
}
