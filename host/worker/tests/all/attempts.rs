//! What a worker does with attempts, over real cells and real guests.

use std::time::{Duration, Instant};

use crate::bench::{Bench, command, id};
use cofferdam_cell::Artefacts;
use cofferdam_model::{Assignment, FailureKind, Limits, Name, Order, Outcome, Place, Report};

/// Runs ten thousand steps once the library is there and prints how long a step took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "the figure is worth seeing")]
async fn many_small_steps_each_end_once() {
    let mut bench = Bench::new(2).await;
    bench.order(bench.assignment(0, "add_one", 41)).await;
    assert_eq!(bench.value(0).await.place, Place::Inline(42_u64.to_le_bytes().to_vec()));
    let count = 10_000;
    let orders: Vec<Order> =
        (1..=count).map(|n| Order::Run(Box::new(bench.assignment(n, "add_one", n)))).collect();
    let since = Instant::now();
    bench.orders.send(orders).await.unwrap();
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < count as usize {
        for report in bench.reports.recv().await.unwrap() {
            if let Report::Finished { id, outcome, .. } = report {
                assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
                assert!(ended.insert(id.fence), "an attempt ended twice");
            }
        }
    }
    eprintln!("{:?} a step", since.elapsed() / count as u32);
    drop(bench.orders);
    bench.worker.join().await;
}

#[tokio::test]
async fn a_library_describes_itself() {
    let bench = Bench::new(1).await;
    let artefacts = Artefacts::open(&bench.settings.artefacts, command()).unwrap();
    let spec =
        cofferdam_worker::describe(&command(), &artefacts, &bench.depot, &bench.library).await.unwrap();
    assert!(spec.op(&Name::new("echo").unwrap()).is_some());
}

#[tokio::test]
async fn a_value_of_100_mib_streams_through_guests_that_could_not_hold_it() {
    let mut bench = Bench::new(1).await;
    let size = 100 << 20;
    let small = Limits { memory_bytes_max: 64 << 20, ..Limits::default() };
    let write = Assignment { limits: small.clone(), ..bench.assignment(1, "write_large", size) };
    bench.order(write).await;
    let value = bench.value(1).await;
    assert_eq!(value.size, size);
    bench.store.verify(&value).await.unwrap();
    bench.order(Assignment { limits: small, ..bench.reading(2, value) }).await;
    assert_eq!(bench.value(2).await.place, Place::Inline((7 * size).to_le_bytes().to_vec()));
}

#[tokio::test]
async fn f_37_a_missing_input_fails_the_attempt_and_is_named() {
    let mut bench = Bench::new(1).await;
    bench.order(bench.assignment(1, "write_large", 100_000)).await;
    let value = bench.value(1).await;
    let Place::Stored(key) = &value.place else { panic!("100 kB are stored") };
    bench.store.delete(&cofferdam_io::ValueKey::parse(key).unwrap()).await.unwrap();
    bench.order(bench.reading(2, value.clone())).await;
    let failure = bench.failure(2).await;
    assert_eq!(failure.kind, FailureKind::Input);
    assert!(failure.causes[0].contains(key.as_str()), "{failure:?}");
}

#[tokio::test]
async fn h_010_a_guest_that_ignores_its_cancel_frees_its_slot_within_a_second() {
    let mut bench = Bench::in_memory(1).await;
    bench.order(bench.assignment(1, "spin", 0)).await;
    bench.begun(1).await;
    bench.order(bench.assignment(2, "add_one", 1)).await;
    let since = Instant::now();
    bench.orders.send(vec![Order::Cancel(id(1))]).await.unwrap();
    assert_eq!(bench.failure(1).await.kind, FailureKind::Cancelled);
    bench.value(2).await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figure is worth seeing")]
async fn c12_a_hundred_spinning_attempts_are_cancelled_within_100_ms() {
    let mut bench = Bench::in_memory(2).await;
    let orders = (1..=100).map(|fence| Order::Run(Box::new(bench.assignment(fence, "spin", 0))));
    bench.orders.send(orders.collect()).await.unwrap();
    bench.begun(2).await;
    let since = Instant::now();
    bench.orders.send((1..=100).map(|fence| Order::Cancel(id(fence))).collect()).await.unwrap();
    let mut took = vec![];
    while took.len() < 100 {
        for report in bench.reports.recv().await.unwrap() {
            if let Report::Finished { outcome: Outcome::Failed(failure), .. } = report {
                assert_eq!(failure.kind, FailureKind::Cancelled);
                took.push(since.elapsed());
            }
        }
    }
    let p99 = took[98];
    eprintln!("100 cancels: p50 {:?}, p99 {p99:?}, last {:?}", took[49], took[99]);
    assert!(p99 <= Duration::from_millis(100), "{p99:?}");
}

#[tokio::test]
async fn h_001_an_endless_loop_ends_within_a_second_of_its_timeout() {
    let mut bench = Bench::in_memory(1).await;
    bench.order(bench.assignment(0, "add_one", 1)).await;
    bench.value(0).await;
    let limits = Limits { timeout: Some(Duration::from_millis(100)), ..Limits::default() };
    let since = Instant::now();
    bench.order(bench.with_limits(1, "spin", 0, limits)).await;
    assert_eq!(bench.failure(1).await.kind, FailureKind::Timeout);
    let took = since.elapsed();
    assert!((100..1100).contains(&took.as_millis()), "{took:?}");
    bench.order(bench.assignment(2, "add_one", 1)).await;
    bench.value(2).await;
}

#[tokio::test]
async fn attempts_queued_behind_a_long_one_move_to_an_idle_cell() {
    let mut bench = Bench::new(2).await;
    bench.order(bench.assignment(0, "add_one", 1)).await;
    bench.value(0).await;
    let mut orders = vec![Order::Run(Box::new(bench.assignment(1, "spin", 0)))];
    orders.extend((2..40).map(|n| Order::Run(Box::new(bench.assignment(n, "add_one", n)))));
    bench.orders.send(orders).await.unwrap();
    for fence in 2..40 {
        bench.value(fence).await;
    }
    bench.orders.send(vec![Order::Cancel(id(1))]).await.unwrap();
    assert_eq!(bench.failure(1).await.kind, FailureKind::Cancelled);
}

/// Peak of a guest's memory while it streams that many bytes out and in again.
async fn peaks(bench: &mut Bench, fence: u64, size: u64) -> [u64; 2] {
    let peak = |report: Report| match report {
        Report::Finished { outcome: Outcome::Succeeded { outputs, .. }, usage, .. } => {
            (outputs.into_iter().next().expect("one output").value, usage.memory_bytes_peak)
        }
        other => panic!("{other:?}"),
    };
    let ended =
        |fence: u64| move |r: &Report| matches!(r, Report::Finished { id, .. } if id.fence.0 == fence);
    bench.order(bench.assignment(fence, "write_large", size)).await;
    let (value, writing) = peak(bench.until(ended(fence)).await);
    assert_eq!(value.size, size);
    bench.order(bench.reading(fence + 1, value)).await;
    let (_, reading) = peak(bench.until(ended(fence + 1)).await);
    [writing, reading]
}

#[tokio::test]
async fn e7_large_data_goes_through_a_guest_in_pieces_of_which_it_holds_two_at_most() {
    /// What the guest asks for at a time.
    const CHUNK_BYTES: u64 = 256 * 1024;
    let mut bench = Bench::new(1).await;
    let idle = peaks(&mut bench, 1, 1).await;
    let busy = peaks(&mut bench, 3, 200 * CHUNK_BYTES).await;
    for (idle, busy) in idle.into_iter().zip(busy) {
        assert!(busy - idle <= 2 * CHUNK_BYTES, "{idle} B at rest, {busy} B while it streams");
    }
}
