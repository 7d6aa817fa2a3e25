//! Cells that die, fall silent, or are killed.

use std::time::{Duration, Instant};

use cofferdam_model::FailureKind;
use rustix::process::{Signal, kill_process};

use crate::bench::Bench;

#[tokio::test]
async fn h_014_a_cell_whose_ticker_is_dead_is_killed_and_replaced() {
    let mut bench = Bench::in_memory(1).await;
    bench.order(bench.assignment(1, "spin", 0)).await;
    bench.started(1).await;
    let cells = bench.begun(1).await;
    let since = Instant::now();
    kill_process(cells[0], Signal::STOP).unwrap();
    let failure = bench.failure(1).await;
    assert_eq!(failure.kind, FailureKind::CellDied);
    assert!(failure.message.contains("the cell fell silent"), "{failure:?}");
    // Ten seconds of silence; the rest is what a loaded machine may add.
    assert!((9..30).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    bench.order(bench.assignment(2, "add_one", 1)).await;
    bench.value(2).await;
}

#[tokio::test]
async fn a_cell_that_works_for_longer_than_it_may_be_silent_is_left_alone() {
    let mut bench = Bench::in_memory(1).await;
    let mut long = bench.assignment(1, "spin", 0);
    long.limits.timeout = Some(Duration::from_secs(12));
    bench.order(long).await;
    assert_eq!(bench.failure(1).await.kind, FailureKind::Timeout);
    assert_eq!(bench.cells().len(), 1);
}

#[tokio::test]
async fn f_02_a_killed_cell_costs_its_attempt_and_no_other() {
    let mut bench = Bench::in_memory(2).await;
    for fence in [1, 2] {
        bench.order(bench.assignment(fence, "spin", 0)).await;
        bench.started(fence).await;
    }
    for fence in 10..40 {
        bench.order(bench.assignment(fence, "add_one", fence)).await;
    }
    let cells = bench.begun(2).await;
    let since = Instant::now();
    kill_process(cells[0], Signal::KILL).unwrap();
    // The slot is free again: what was queued behind the two that spin now runs.
    for fence in 10..40 {
        bench.value(fence).await;
    }
    let free = since.elapsed();
    assert!(free < Duration::from_secs(1), "{free:?}");
    let died: Vec<u64> = [1, 2].into_iter().filter(|fence| bench.has_ended(*fence)).collect();
    assert_eq!(died.len(), 1, "only one cell was killed");
    let failure = bench.failure(died[0]).await;
    assert_eq!(failure.kind, FailureKind::CellDied);
    assert!(failure.causes[0].contains("signal: 9"), "{failure:?}");
}

/// What a process of that number was started with, and what limits it has.
fn about(pid: rustix::process::Pid, what: &str) -> String {
    let read = std::fs::read(format!("/proc/{}/{what}", pid.as_raw_pid())).unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn h_114_a_cell_has_no_secrets_to_leave_behind_and_leaves_nothing_when_it_crashes() {
    // A canary that a leak would show; cargo sets more of them for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let bench = Bench::in_memory(1).await;
    bench.order(bench.assignment(1, "spin", 0)).await;
    let cell = bench.begun(1).await[0];
    assert_eq!(about(cell, "environ"), "", "no variable of the worker");
    let limits = about(cell, "limits");
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = cores.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{cores}");
    let before: Vec<_> =
        std::fs::read_dir(bench.folder.path()).unwrap().flatten().map(|e| e.path()).collect();
    kill_process(cell, Signal::ABORT).unwrap();
    let mut bench = bench;
    assert_eq!(bench.failure(1).await.kind, FailureKind::CellDied);
    let after: Vec<_> = std::fs::read_dir(bench.folder.path()).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!(before, after);
}
