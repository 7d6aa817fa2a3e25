//! Outputs that IO managers keep: written, read by the next step, published.

use std::path::Path;

use cofferdam_model::{
    Assignment, FailureKind, IoManagerKind, Name, Order, Place, PlanIoManager, PlanOutput, Publication,
    ValueRef,
};
use serde_json::json;

use crate::bench::Bench;

fn manager(folder: &Path) -> PlanIoManager {
    PlanIoManager {
        kind: IoManagerKind::Filesystem,
        settings: json!({ "base_dir": folder.to_str().unwrap() }),
    }
}

fn lake() -> Name {
    Name::new("lake").unwrap()
}

/// An attempt whose output `result` goes to the manager.
fn through(bench: &Bench, manager: &PlanIoManager, fence: u64, op: &str, config: u64) -> Assignment {
    let output = PlanOutput {
        io_manager: Some(lake()),
        ..PlanOutput::new(Name::result(), "application/octet-stream")
    };
    Assignment {
        outputs: vec![output],
        io_managers: [(lake(), manager.clone())].into(),
        ..bench.assignment(fence, op, config)
    }
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn is_managed(value: &ValueRef) -> bool {
    matches!(&value.place, Place::Managed(place) if place.name == lake())
}

#[tokio::test]
async fn an_output_of_any_size_goes_to_its_manager_and_is_read_from_there() {
    let mut bench = Bench::new(1).await;
    let folder = bench.folder.path().join("lake");
    let manager = manager(&folder);
    bench.order(through(&bench, &manager, 1, "add_one", 41)).await;
    let small = bench.value(1).await;
    assert!(is_managed(&small), "{small:?}");
    bench.order(through(&bench, &manager, 2, "write_large", 300_000)).await;
    let large = bench.value(2).await;
    assert!(is_managed(&large) && large.size == 300_000, "{large:?}");
    assert_eq!(files(&folder).len(), 2, "{:?}", files(&folder));
    // What the guest streamed before its end is not left in the instance's own store.
    assert!(files(&bench.folder.path().join("values")).is_empty());
    bench.order(bench.reading(3, large)).await;
    bench.value(3).await;
}

#[tokio::test]
async fn a_manager_that_cannot_store_fails_the_attempt_and_names_itself() {
    let mut bench = Bench::new(1).await;
    // A file is where the folder should be.
    let folder = bench.folder.path().join("lake");
    std::fs::write(&folder, "in the way").unwrap();
    bench.order(through(&bench, &manager(&folder), 1, "write_large", 300_000)).await;
    let failure = bench.failure(1).await;
    assert_eq!(failure.kind, FailureKind::Store);
    assert_eq!(failure.message, "output `result` cannot be stored by the IO manager `lake`");
    assert!(files(&bench.folder.path().join("values")).is_empty());
}

#[tokio::test]
async fn a_committed_output_is_put_where_people_look_for_it() {
    let mut bench = Bench::new(1).await;
    let folder = bench.folder.path().join("lake");
    let manager = manager(&folder);
    let attempt = through(&bench, &manager, 1, "write_large", 300_000);
    let id = attempt.id.clone();
    bench.order(attempt).await;
    let value = bench.value(1).await;
    let readable = folder.join(id.run.to_string()).join("step").join("result");
    assert!(!readable.exists(), "nothing is published before it is committed");
    let publication = Publication {
        run: id.run,
        step: id.step,
        output: Name::result(),
        key: None,
        asset: None,
        manager,
        manager_name: lake(),
        value,
    };
    bench.orders.send(vec![Order::Publish(Box::new(publication))]).await.unwrap();
    // A worker that ends has done what it was told.
    let Bench { orders, worker, folder: _folder, reports: _reports, .. } = bench;
    drop(orders);
    worker.join().await;
    assert_eq!(std::fs::read(readable).unwrap().len(), 300_000);
}
