//! Prints how many steps a second the scheduler drives over a durable log, with a worker that answers at once:
//! `cargo run --release --example scheduler-bench [steps]`.
#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_model::*;
use cofferdam_runlog::{Memory, RunLog, Sqlite};
use cofferdam_scheduler::{Scheduler, Submission, WorkerOffer, system_clock};
use tokio::sync::mpsc;

/// Slots of the worker, and attempts that it takes beyond them.
const SLOTS: u32 = 64;
const QUEUE: u32 = 512;

/// Independent steps, or one after another.
fn plan(n_steps: u32, chain: bool) -> Plan {
    let step = |at: u32| PlanStep {
        config: vec![0xa0],
        outputs: vec![PlanOutput::new(Name::result(), CBOR)],
        after: if chain { at.checked_sub(1).map(StepIdx).into_iter().collect() } else { vec![] },
        ..PlanStep::new(
            StepKey::new(&format!("s{at}")),
            LibraryDigest([7; 32]),
            Name::new("noop").expect("a name"),
        )
    };
    Plan::new(Name::new("bench").expect("a name"), (0..n_steps).map(step).collect())
}

/// Answers every order with a small output, start and end together.
async fn work(mut orders: mpsc::Receiver<Vec<Order>>, reports: mpsc::Sender<Vec<Report>>) {
    let value = ValueRef::inline(CBOR, vec![1]);
    let output = Output { name: Name::result(), key: None, value, metadata: vec![] };
    while let Some(batch) = orders.recv().await {
        let answer = |order| match order {
            Order::Run(assignment) => {
                let (id, at) = (assignment.id, Timestamp(1));
                let outcome = Outcome::Succeeded { outputs: vec![output.clone()], metadata: vec![] };
                let usage = Usage { wall_us: 10, ..Usage::default() };
                vec![Report::Started { id: id.clone(), at }, Report::Finished { id, outcome, usage }]
            }
            Order::Cancel(_)
            | Order::Publish(_)
            | Order::Prepare(_)
            | Order::Forget { .. }
            | Order::Received { .. }
            | Order::Last => vec![],
        };
        if reports.send(batch.into_iter().flat_map(answer).collect()).await.is_err() {
            return;
        }
    }
}

async fn drive(what: &str, log: Arc<dyn RunLog>, n_steps: u32, chain: bool) {
    let scheduler = Scheduler::start(log.clone(), system_clock()).await.expect("a scheduler");
    let (orders, taken) = mpsc::channel(64);
    let (reports, heard) = mpsc::channel(64);
    let mut worker = tokio::task::JoinSet::new();
    worker.spawn(work(taken, reports));
    let offer = WorkerOffer { slots: SLOTS, queue: QUEUE, ..WorkerOffer::default() };
    scheduler.attach_worker(offer, orders, heard).await.expect("a worker");
    let submission = Submission {
        run: RunId(uuid::Uuid::from_u128(u128::from(n_steps) + u128::from(chain))),
        plan: Arc::new(plan(n_steps, chain)),
        tags: BTreeMap::new(),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    };
    let begin = Instant::now();
    let run = scheduler.submit(submission).await.expect("a run");
    let submitted = begin.elapsed();
    assert_eq!(scheduler.wait(run).await.expect("an end"), RunStatus::Succeeded);
    let seconds = (begin.elapsed() - submitted).as_secs_f64();
    let per_second = f64::from(n_steps) / seconds;
    let n_events = log.summary(run).await.expect("a summary").last_seq;
    println!(
        "{what:<16} {n_steps:>7} steps {n_events:>8} events {per_second:>9.0} steps/s  (submit {submitted:.0?})"
    );
}

#[tokio::main]
async fn main() {
    let n_steps = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite: Arc<dyn RunLog> =
        Arc::new(Sqlite::open(&folder.path().join("bench.db")).expect("a new store"));
    drive("fan-out, memory", Arc::new(Memory::new()), n_steps, false).await;
    drive("fan-out, SQLite", sqlite.clone(), n_steps, false).await;
    drive("chain, memory", Arc::new(Memory::new()), n_steps / 20, true).await;
    drive("chain, SQLite", sqlite, n_steps / 20, true).await;
}
