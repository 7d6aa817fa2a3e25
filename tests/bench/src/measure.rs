//! One measurement: a new instance in a temporary folder, a warm-up run, then the run that counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_cell::CellCommand;
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{Event, LibraryDigest, Name, Place, Plan, Recorded, RunId, RunStatus, StepKey};
use cofferdam_runlog::{RunLog, Sqlite};
use cofferdam_scheduler::{Scheduler, Submission, WorkerOffer, system_clock, system_time};
use cofferdam_worker::{Resources, Worker};
use tokio::sync::mpsc;

use crate::cases::{Case, case};

/// Attempts that a worker holds beyond those that run, per slot: as the program has it.
const QUEUE_PER_SLOT: u32 = 64;
/// Batches that wait in a channel.
const CHANNEL_BATCHES: usize = 256;

/// What all measurements with that many cells share.
pub(crate) struct Bench {
    pub(crate) slots: usize,
    pub(crate) program: PathBuf,
    pub(crate) library: Vec<u8>,
}

impl Bench {
    /// Finds the program and the guest; both are built by `cargo xtask bench`.
    pub(crate) fn new(slots: usize) -> Result<Bench> {
        let path = |name: &str| -> Result<PathBuf> {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set: run `cargo xtask bench`"))
        };
        let guest = path("COFFERDAM_TEST_GUESTS")?.join("typed.wasm");
        let library = std::fs::read(&guest).with_context(|| format!("cannot read {}", guest.display()))?;
        Ok(Bench { slots, program: path("COFFERDAM_BIN")?, library })
    }

    /// Runs a case and gives its line.
    pub(crate) async fn run(&self, name: &str, n: u32) -> Result<serde_json::Value> {
        let folder = tempfile::tempdir()?;
        let depot = Depot::local(&folder.path().join("libraries"))?;
        let digest = depot.put(self.library.clone().into()).await?;
        let (Case { plan, answer }, n_runs) = measured(name, n, digest)?;
        let warm_up = case("fanout", 64, digest).context("the warm-up is a case")?;

        let log: Arc<dyn RunLog> = Arc::new(Sqlite::open(&folder.path().join("runlog.sqlite"))?);
        let scheduler = Scheduler::start(log.clone(), system_clock()).await?;
        let (orders, orders_in) = mpsc::channel(CHANNEL_BATCHES);
        let (reports, reports_in) = mpsc::channel(CHANNEL_BATCHES);
        let command = CellCommand {
            program: self.program.clone(),
            run: vec!["cell".into()],
            compile: vec!["compile".into()],
        };
        let artefacts = folder.path().join("artefacts");
        let environment = |_: &str| None;
        let settings = cofferdam_worker::Settings {
            slots: self.slots,
            cell: command,
            isolation: cofferdam_worker::Isolation::Own,
            artefacts,
            clock: system_time,
            environment,
            compiled: None,
            observer: None,
        };
        let resources = Arc::new(Resources::new(folder.path(), folder.path(), environment));
        let values = ValueStore::local(&folder.path().join("values"), Name::new("bench")?)?;
        let worker = Worker::start(settings, depot, values, resources, orders_in, reports)?;
        let slots = u32::try_from(self.slots)?;
        let offer = WorkerOffer { slots, queue: slots * QUEUE_PER_SLOT, ..WorkerOffer::default() };
        scheduler.attach_worker(offer, orders, reports_in).await?;

        drive(&scheduler, &*log, warm_up.plan, warm_up.answer).await?;
        let n_steps = plan.steps.len();
        let mut took = vec![];
        for _ in 0..n_runs {
            took.push(drive(&scheduler, &*log, plan.clone(), answer).await?);
        }
        drop(scheduler);
        worker.join().await;
        Ok(line(name, n_steps, took, peak_rss_mb("self"), &format!("in process, {} cells", self.slots)))
    }
}

/// What is run, and how often.
pub(crate) fn measured(name: &str, n: u32, library: LibraryDigest) -> Result<(Case, u32)> {
    let (shape, n_steps, n_runs) = if name == "latency" { ("chain", 1, n) } else { (name, n, 1) };
    let case = case(shape, n_steps, library).with_context(|| format!("there is no case `{name}`"))?;
    Ok((case, n_runs))
}

/// The line of a measurement: of one run, or of many runs of one step.
pub(crate) fn line(
    case: &str,
    n_steps: usize,
    mut took: Vec<Duration>,
    rss_mb: Option<u64>,
    notes: &str,
) -> serde_json::Value {
    took.sort_unstable();
    let seconds = took.iter().sum::<Duration>().as_secs_f64();
    let n = n_steps * took.len();
    let mut line = serde_json::json!({
        "system": "cofferdam",
        "case": case,
        "n": n,
        "seconds": seconds,
        "steps_per_s": n as f64 / seconds,
        "us_per_step": 1e6 * seconds / n as f64,
        "peak_rss_mb": rss_mb,
        "notes": notes,
    });
    if took.len() > 1 {
        let ms = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        line["p50_ms"] = ms(50).into();
        line["p99_ms"] = ms(99).into();
    }
    line
}

/// Runs a plan to its end and checks its answer; the time from submission to the recorded end.
async fn drive(scheduler: &Scheduler, log: &dyn RunLog, plan: Plan, answer: u64) -> Result<Duration> {
    let run = RunId(uuid::Uuid::now_v7());
    let last = plan.steps.last().context("a case has steps")?.key.clone();
    let started = Instant::now();
    scheduler.submit(submission(run, plan)).await?;
    let status = scheduler.wait(run).await?;
    let took = started.elapsed();
    ensure!(status == RunStatus::Succeeded, "the run {status}");
    let found = answer_of(log, run, &last).await?;
    ensure!(found == cbor(answer), "the answer is {found:02x?}, expected {answer}");
    Ok(took)
}

pub(crate) fn submission(run: RunId, plan: Plan) -> Submission {
    Submission {
        run,
        plan: Arc::new(plan),
        tags: Default::default(),
        idempotency_key: None,
        origin: None,
        known: Default::default(),
    }
}

/// The committed output of a step.
async fn answer_of(log: &dyn RunLog, run: RunId, step: &StepKey) -> Result<Vec<u8>> {
    let history = log.history(run, 1).await?;
    let found = history.iter().find_map(|recorded| output_of(recorded, step));
    found.with_context(|| format!("step {step} has no answer"))
}

/// What this event commits, if it is the end of that step.
pub(crate) fn output_of(recorded: &Recorded, step: &StepKey) -> Option<Vec<u8>> {
    match &recorded.event {
        Event::StepSucceeded { step: ended, outputs, .. } if ended == step => match &outputs[0].value.place {
            Place::Inline(bytes) => Some(bytes.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A whole number as CBOR (RFC 8949, section 3), in its shortest form.
pub(crate) fn cbor(n: u64) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    match n {
        0..24 => vec![bytes[7]],
        24..0x100 => vec![0x18, bytes[7]],
        0x100..0x1_0000 => [&[0x19], &bytes[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[0x1a], &bytes[4..]].concat(),
        _ => [&[0x1b], &bytes[..]].concat(),
    }
}

/// Largest resident memory of a process, its children not included; none where the system does not say.
pub(crate) fn peak_rss_mb(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb / 1024)
}
