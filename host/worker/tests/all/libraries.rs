//! Libraries on a worker: two engines, artefacts that are refused, more libraries than a cell keeps.

use std::collections::BTreeSet;
use std::fs;
use std::future::ready;

use cofferdam_cell::{Artefacts, Cell, CellEvent, FromCell, Origin, Source, Target};
use cofferdam_model::{FailureKind, Limits, NeededLibrary, Order, Outcome, Report, Usage};
use tokio::sync::mpsc;

use crate::bench::{Bench, command, guest};

async fn ended(bench: &mut Bench, fence: u64) -> (Outcome, Usage) {
    match bench.until(|r| matches!(r, Report::Finished { id, .. } if id.fence.0 == fence)).await {
        Report::Finished { outcome, usage, .. } => (outcome, usage),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn f5_the_same_op_uses_the_same_fuel_on_every_cell_and_too_little_ends_it() {
    let mut bench = Bench::in_memory(2).await;
    let with = |fuel| Limits { fuel, ..Limits::default() };
    let mut used = vec![];
    // Without a budget nothing is counted, and the two kinds of code live side by side in one cell.
    for (fence, fuel) in
        [(1, Some(100_000_000)), (2, None), (3, Some(50_000_000)), (4, None), (5, Some(1 << 40))]
    {
        bench.order(bench.with_limits(fence, "write_large", 300_000, with(fuel))).await;
        let (outcome, usage) = ended(&mut bench, fence).await;
        assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
        assert_eq!(usage.fuel.is_some(), fuel.is_some());
        used.extend(usage.fuel);
    }
    assert!(used[0] > 0 && used.iter().all(|fuel| *fuel == used[0]), "{used:?}");
    bench.order(bench.with_limits(6, "write_large", 300_000, with(Some(used[0] / 2)))).await;
    assert_eq!(bench.failure(6).await.kind, FailureKind::Fuel);
    bench.order(bench.with_limits(7, "write_large", 300_000, with(Some(used[0])))).await;
    bench.value(7).await;
}

/// A hermetic op's clock and random numbers are virtual: whatever it makes of them comes out the same, on every cell
/// of every worker, and takes the same number of instructions.
#[tokio::test]
async fn i_20_a_hundred_runs_of_a_step_give_one_digest_and_use_one_amount_of_fuel() {
    const RUNS: usize = 100;
    let limits = Limits { fuel: Some(1 << 40), ..Limits::default() };
    let mut workers = [Bench::in_memory(2).await, Bench::in_memory(2).await];
    let ops = [("random", 0), ("read_clock", 0), ("sleep_a_year", 0), ("write_large", 100_000)];
    for ((op, config), first) in ops.into_iter().zip((1..).step_by(RUNS)) {
        let mut seen = BTreeSet::new();
        for bench in &mut workers {
            let fences = (first..).take(RUNS / 2);
            let order = |fence| Order::Run(Box::new(bench.with_limits(fence, op, config, limits.clone())));
            bench.orders.send(fences.clone().map(order).collect()).await.unwrap();
            for fence in fences {
                let (outcome, usage) = ended(bench, fence).await;
                let Outcome::Succeeded { outputs, .. } = outcome else { panic!("{op}: {outcome:?}") };
                seen.insert((outputs[0].value.digest.hex(), usage.fuel));
            }
        }
        assert!(matches!(seen.first(), Some((_, Some(fuel))) if *fuel > 0), "{op}: {seen:?}");
        assert_eq!(seen.len(), 1, "{op}: {seen:?}");
    }
}

/// For which engine cells of this machine compile.
async fn target() -> Target {
    let (sender, mut events) = mpsc::channel(4);
    let _cell = Cell::spawn(&command(), 0, sender).unwrap();
    match events.recv().await {
        Some((_, CellEvent::Frames(frames))) => match frames.into_iter().next() {
            Some(FromCell::Hello { fingerprint, .. }) => Target { fingerprint, fuel: false },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Replaces the machine code in the cache by bytes that no engine loads, with a MAC that holds: what a change of
/// wasmtime that its fingerprint does not show would look like.
async fn spoil(bench: &Bench) {
    let folder = &bench.settings.artefacts;
    let artefacts = Artefacts::open(folder, command()).unwrap();
    let target = target().await;
    artefacts.get(&bench.library, ready(Ok(Source::Component(guest("behaviours")))), &target).await.unwrap();
    let key: [u8; 32] = fs::read(folder.join("key")).unwrap().try_into().unwrap();
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(b"cwasm-v1").update(&bench.library.0);
    hasher.update(&(target.name().len() as u64).to_le_bytes()).update(target.name().as_bytes());
    hasher.update(b"no code");
    let mut bytes = hasher.finalize().as_bytes().to_vec();
    bytes.extend(b"no code");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            fs::write(path, &bytes).unwrap();
        }
    }
    let spoilt = artefacts
        .get(&bench.library, ready(Ok(Source::Component(guest("behaviours")))), &target)
        .await
        .unwrap();
    assert!(spoilt.origin() == Origin::Cache && fs::read(spoilt.path()).unwrap() == b"no code");
}

#[tokio::test]
async fn an_artefact_that_the_engine_refuses_is_compiled_again_and_no_attempt_fails() {
    let mut bench = Bench::in_memory(2).await;
    spoil(&bench).await;
    let orders = (1..100).map(|fence| Order::Run(Box::new(bench.assignment(fence, "add_one", fence))));
    bench.orders.send(orders.collect()).await.unwrap();
    for fence in 1..100 {
        bench.value(fence).await;
    }
}

#[tokio::test]
async fn a_library_is_described_although_its_artefact_is_refused() {
    let bench = Bench::in_memory(1).await;
    spoil(&bench).await;
    let artefacts = Artefacts::open(&bench.settings.artefacts, command()).unwrap();
    cofferdam_worker::describe(&command(), &artefacts, &bench.depot, &bench.library).await.unwrap();
}

#[tokio::test]
async fn a_library_whose_artefact_is_here_is_not_fetched() {
    let mut bench = Bench::in_memory(1).await;
    let artefacts = Artefacts::open(&bench.settings.artefacts, command()).unwrap();
    let component = ready(Ok(Source::Component(guest("behaviours"))));
    artefacts.get(&bench.library, component, &target().await).await.unwrap();
    bench.depot.delete(&bench.library).await.unwrap();
    bench.order(bench.assignment(1, "add_one", 1)).await;
    bench.value(1).await;
}

#[tokio::test]
async fn a_library_that_is_announced_is_compiled_before_a_step_needs_it() {
    let mut bench = Bench::in_memory(1).await;
    let needed = [false, true].map(|fuel| NeededLibrary { library: bench.library, fuel });
    bench.orders.send(vec![Order::Prepare(needed.to_vec())]).await.unwrap();
    let compiled = |folder: &std::path::Path| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).count()
    };
    while compiled(&bench.settings.artefacts) < needed.len() {
        tokio::task::yield_now().await;
    }
    bench.depot.delete(&bench.library).await.unwrap();
    for (fence, fuel) in [(1, None), (2, Some(1 << 40))] {
        bench.order(bench.with_limits(fence, "write_large", 10, Limits { fuel, ..Limits::default() })).await;
        bench.value(fence).await;
    }
}
