//! Which attempts share a process: never those of two namespaces, where the worker or the operator says so.

use std::time::Duration;

use cofferdam_io::ValueStore;
use cofferdam_model::{Assignment, FailureKind, Isolation, Limits, Name, Order};
use rustix::process::Pid;

use crate::bench::{Bench, id};

async fn bench(isolation: Isolation, slots: usize) -> Bench {
    let store = ValueStore::memory(Name::new("default").unwrap());
    Bench::isolated(isolation, slots, tempfile::tempdir().unwrap(), store).await
}

fn of(namespace: &str, assignment: Assignment) -> Assignment {
    Assignment { namespace: namespace.to_owned(), ..assignment }
}

/// Runs a short attempt of that namespace on a worker with one slot; gives the process that ran it.
async fn process_of(bench: &mut Bench, fence: u64, namespace: &str) -> Pid {
    bench.order(of(namespace, bench.assignment(fence, "add_one", fence))).await;
    bench.value(fence).await;
    bench.begun(1).await[0]
}

#[tokio::test]
async fn f13_a_cell_serves_one_namespace_and_ends_before_another_has_its_slot() {
    let mut bench = bench(Isolation::Tenant, 1).await;
    let mut seen = vec![];
    for (fence, namespace) in (1..).zip(["a", "a", "b", "b", "a"]) {
        seen.push(process_of(&mut bench, fence, namespace).await);
    }
    assert_eq!((seen[0], seen[2]), (seen[1], seen[3]), "{seen:?}");
    assert!(seen[0] != seen[2] && seen[2] != seen[4] && seen[4] != seen[0], "{seen:?}");
}

#[tokio::test]
async fn cells_are_shared_by_namespaces_unless_something_says_otherwise() {
    let mut bench = bench(Isolation::Own, 1).await;
    let first = process_of(&mut bench, 1, "a").await;
    assert_eq!(process_of(&mut bench, 2, "b").await, first);
}

#[tokio::test]
async fn an_attempt_that_its_order_keeps_apart_has_a_process_of_its_own_on_any_worker() {
    let mut bench = bench(Isolation::Own, 1).await;
    let before = process_of(&mut bench, 1, "a").await;
    let limits = Limits { timeout: Some(Duration::from_secs(1)), ..Limits::default() };
    let apart = of("a", bench.with_limits(2, "spin", 0, limits));
    bench.order(Assignment { isolation: Isolation::Attempt, ..apart }).await;
    let alone = bench.begun_other_than(before).await;
    assert_eq!(bench.failure(2).await.kind, FailureKind::Timeout);
    let after = process_of(&mut bench, 3, "a").await;
    assert!(after != alone && after != before, "{before:?} {alone:?} {after:?}");
}

#[tokio::test]
async fn a_namespace_whose_cells_are_busy_gets_the_next_that_is_idle() {
    let mut bench = bench(Isolation::Tenant, 2).await;
    for (fence, namespace) in [(1, "a"), (2, "b")] {
        bench.order(of(namespace, bench.assignment(fence, "spin", 0))).await;
        bench.started(fence).await;
    }
    // There is no room for these: one waits behind its own, the other for a cell.
    bench.order(of("a", bench.assignment(3, "add_one", 3))).await;
    bench.order(of("c", bench.assignment(4, "add_one", 4))).await;
    bench.orders.send(vec![Order::Cancel(id(2))]).await.unwrap();
    for fence in [3, 4] {
        bench.value(fence).await;
    }
    assert!(!bench.has_ended(1));
    bench.orders.send(vec![Order::Cancel(id(1))]).await.unwrap();
    assert_eq!(bench.failure(1).await.kind, FailureKind::Cancelled);
}

#[tokio::test]
async fn many_attempts_of_many_namespaces_each_end_once_on_few_cells() {
    let mut bench = bench(Isolation::Tenant, 2).await;
    let count = 300;
    let orders = (1..=count).map(|fence| {
        let namespace = ["a", "b", "c"][fence as usize % 3];
        Order::Run(Box::new(of(namespace, bench.assignment(fence, "add_one", fence))))
    });
    bench.orders.send(orders.collect()).await.unwrap();
    for fence in 1..=count {
        bench.value(fence).await;
    }
    drop(bench.orders);
    bench.worker.join().await;
}
