//! Two cells under everything at once: values of all sizes read and written, no-ops between, cancels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::bench::{Bench, id};
use cofferdam_model::{FailureKind, Order, Outcome, Place, Report, ValueRef};

/// Rounds of four attempts: one that writes, one that reads it back, a no-op, and one that never ends by itself.
const ROUNDS: u64 = 100;
/// Time for all of it; a frame that got lost would take for ever.
const TIME_MAX: Duration = Duration::from_secs(20);
const SIZE_MAX: u64 = 3 << 20;

/// Sizes from one byte to 3 MiB, as many small as large, and the bounds of chunks among them.
fn size(round: u64) -> u64 {
    match round % 5 {
        0 => round + 1,
        1 => 256 * 1024 - 1 + round % 3,
        2 => 65_536 + round,
        _ => (round * 7_919_993) % SIZE_MAX + 1,
    }
}

#[derive(Default)]
struct Seen {
    started: BTreeSet<u64>,
    ended: BTreeMap<u64, Outcome>,
}

impl Seen {
    fn value(&self, fence: u64) -> ValueRef {
        match &self.ended[&fence] {
            Outcome::Succeeded { outputs, .. } => outputs[0].value.clone(),
            Outcome::Failed(failure) => panic!("{fence}: {failure:?}"),
        }
    }
}

/// What there is to do once this has been reported: read what was written, cancel what spins. Every other
/// attempt that spins was cancelled before it could begin.
fn answer(bench: &Bench, seen: &mut Seen, report: Report) -> Option<Order> {
    match report {
        Report::Started { id, .. } => {
            let spins = id.fence.0 % 4 == 3;
            (seen.started.insert(id.fence.0) && spins).then_some(Order::Cancel(id))
        }
        Report::Finished { id, outcome, .. } => {
            let fence = id.fence.0;
            assert!(seen.ended.insert(fence, outcome).is_none(), "{fence} ended twice");
            (fence % 4 == 0).then(|| Order::Run(Box::new(bench.reading(fence + 1, seen.value(fence)))))
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_ends_once_with_its_bytes_whatever_runs_and_dies_beside_it() {
    let mut bench = Bench::in_memory(2).await;
    bench.order(bench.assignment(u64::MAX, "add_one", 1)).await;
    bench.value(u64::MAX).await;
    let since = Instant::now();
    let mut orders = vec![];
    for round in 0..ROUNDS {
        for (add, op, config) in [(0, "write_large", size(round)), (2, "add_one", round), (3, "spin", 0)] {
            orders.push(Order::Run(Box::new(bench.assignment(4 * round + add, op, config))));
        }
        if round % 2 == 0 {
            orders.push(Order::Cancel(id(4 * round + 3)));
        }
    }
    bench.orders.send(orders).await.unwrap();
    let mut seen = Seen::default();
    while seen.ended.len() < 4 * ROUNDS as usize {
        let left = TIME_MAX.saturating_sub(since.elapsed());
        let more = tokio::time::timeout(left, bench.reports.recv()).await;
        let more = more.unwrap_or_else(|_| panic!("only {} ended in {TIME_MAX:?}", seen.ended.len()));
        let orders =
            more.unwrap().into_iter().filter_map(|report| answer(&bench, &mut seen, report)).collect();
        bench.orders.send(orders).await.unwrap();
    }
    for round in 0..ROUNDS {
        let (written, read) = (seen.value(4 * round), seen.value(4 * round + 1));
        assert_eq!(written.size, size(round));
        bench.store.verify(&written).await.unwrap();
        assert_eq!(read.place, Place::Inline((7 * size(round)).to_le_bytes().to_vec()));
        let next = (round + 1).to_le_bytes().to_vec();
        assert_eq!(seen.value(4 * round + 2).place, Place::Inline(next));
        let cancelled = matches!(&seen.ended[&(4 * round + 3)], Outcome::Failed(failure) if failure.kind == FailureKind::Cancelled);
        assert!(cancelled, "{:?}", seen.ended[&(4 * round + 3)]);
    }
}
