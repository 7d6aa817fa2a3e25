//! What an attempt feels of a hostile one beside it on the same worker, and what keeping them apart costs it.

use std::time::{Duration, Instant};

use cofferdam_io::ValueStore;
use cofferdam_model::{Assignment, Isolation, Limits, Name, Report};

use crate::bench::Bench;

/// Attempts of one measurement, one after the other.
const CANARIES: u64 = 200;
/// The first ones start cells and are not counted.
const WARM_UP: u64 = 10;
/// What a neighbour may cost at most: that a cell gives back what waits behind it, and a busy machine.
const P99_MAX: Duration = Duration::from_secs(1);
/// Fences of hostile attempts begin here.
const HOSTILE_FROM: u64 = 1_000_000;

struct Measured {
    p50: Duration,
    p99: Duration,
}

/// How long short attempts take, each ordered when the one before has ended, while that op does its worst.
async fn canaries(isolation: Isolation, hostile: Option<&str>) -> Measured {
    let store = ValueStore::memory(Name::new("default").unwrap());
    let mut bench = Bench::isolated(isolation, 2, tempfile::tempdir().unwrap(), store).await;
    let mut next_hostile = HOSTILE_FROM;
    if let Some(op) = hostile {
        bench.order(hostile_attempt(&bench, op, &mut next_hostile)).await;
        bench.started(HOSTILE_FROM).await;
    }
    let mut took = vec![];
    for fence in 1..=WARM_UP + CANARIES {
        let canary = Assignment { namespace: "canary".into(), ..bench.assignment(fence, "add_one", fence) };
        let since = Instant::now();
        bench.order(canary).await;
        let mut ended = false;
        while !ended {
            for report in bench.reports.recv().await.expect("the worker lives") {
                let Report::Finished { id, .. } = report else { continue };
                if id.fence.0 == fence {
                    ended = true;
                } else if let Some(op) = hostile {
                    bench.order(hostile_attempt(&bench, op, &mut next_hostile)).await;
                }
            }
        }
        took.push(since.elapsed());
    }
    let mut took = took.split_off(WARM_UP as usize);
    took.sort();
    let at = |share: usize| took[took.len() * share / 100];
    Measured { p50: at(50), p99: at(99) }
}

fn hostile_attempt(bench: &Bench, op: &str, next: &mut u64) -> Assignment {
    *next += 1;
    let limits = Limits { timeout: Some(Duration::from_secs(1)), ..Limits::default() };
    let hostile = bench.with_limits(*next - 1, op, 1 << 24, limits);
    Assignment { namespace: "hostile".into(), ..hostile }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figures are worth seeing")]
async fn a_hostile_neighbour_holds_nobody_up() {
    let alone = canaries(Isolation::Tenant, None).await;
    eprintln!("alone: p50 {:?}, p99 {:?}", alone.p50, alone.p99);
    for op in ["spin", "memory_grow_loop", "log_flood", "calls_flood", "output_stream_bomb"] {
        let beside = canaries(Isolation::Tenant, Some(op)).await;
        eprintln!("beside {op}: p50 {:?}, p99 {:?}", beside.p50, beside.p99);
        assert!(beside.p99 <= P99_MAX, "{op}: {:?}", beside.p99);
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figures are worth seeing")]
async fn keeping_attempts_apart_costs_the_start_of_a_process_and_no_more() {
    for isolation in [Isolation::Own, Isolation::Tenant, Isolation::Attempt] {
        let took = canaries(isolation, None).await;
        eprintln!("{isolation:?}: p50 {:?}, p99 {:?}", took.p50, took.p99);
        assert!(took.p99 <= P99_MAX, "{isolation:?}: {:?}", took.p99);
    }
}
