//! Prints how many events a second a log keeps durably, by steps per append (two events each):
//! `cargo run --release --example runlog-bench [folder | postgres://…]`. A database must be empty.
#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_model::*;
use cofferdam_runlog::*;

/// How long each case is measured.
const CASE: Duration = Duration::from_secs(2);

fn new_run(n: u64) -> NewRun {
    NewRun {
        run: RunId(uuid::Uuid::from_u128(u128::from(n))),
        job: Name::key("bench").expect("a name"),
        plan: b"plan".to_vec(),
        digest: ValueDigest::of(b"plan"),
        tags: BTreeMap::new(),
        created_at: Timestamp(0),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    }
}

/// The claim and the commit of a small step.
fn pair(seq: u64) -> [Recorded; 2] {
    let (step, fence) = (StepKey::new(&format!("flights.clean[{seq}]")), Fence((1 << 32) | seq));
    let dispatched =
        Event::StepDispatched { step: step.clone(), attempt: 1, fence, worker: WorkerId(1_000_001) };
    let value = ValueRef::inline(CBOR, vec![1, 2, 3]);
    let outputs = vec![Output { name: Name::result(), key: None, value, metadata: vec![] }];
    let usage = Usage { wall_us: 12, memory_bytes_peak: 1_114_112, ..Usage::default() };
    let succeeded =
        Event::StepSucceeded { step, attempt: 1, fence, outputs, metadata: vec![], usage, memo: None };
    let at = Timestamp(1_795_262_400_000);
    [Recorded { seq, at, event: dispatched }, Recorded { seq: seq + 1, at, event: succeeded }]
}

async fn measure(log: &dyn RunLog, term: Term, number: u64, n_steps: u64) {
    let run = log.create_run(new_run(number)).await.expect("a new run");
    let batch = |expected_seq| {
        let pairs = (0..n_steps).flat_map(|n| pair(expected_seq + 2 * n + 1));
        Batch { run, expected_seq, term, events: pairs.collect() }
    };
    let (mut seq, mut n_appends, mut spent) = (0, 0_u32, Duration::ZERO);
    while spent < CASE {
        // Made before the clock starts: the log is measured, not this program.
        let batches = vec![batch(seq)];
        seq += 2 * n_steps;
        let begin = Instant::now();
        log.append(batches).await.expect("an append");
        spent += begin.elapsed();
        n_appends += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let per_second = seq as f64 / spent.as_secs_f64();
    println!(
        "{n_steps:>6} steps an append  {per_second:>9.0} events/s  {:>9.1?} an append",
        spent / n_appends
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let log: Box<dyn RunLog> = match std::env::args().nth(1) {
        Some(url) if url.starts_with("postgres") => {
            Box::new(Postgres::open(&url, CASE).await.expect("an empty database"))
        }
        folder => {
            let folder = folder.map_or(scratch.path().to_owned(), PathBuf::from);
            Box::new(Sqlite::open(&folder.join("bench.db")).expect("a new store"))
        }
    };
    let term = log.take_term(Term(0)).await.expect("a term");
    for (number, n_steps) in (1..).zip([1, 64, 1024]) {
        measure(&*log, term, number, n_steps).await;
    }
}
