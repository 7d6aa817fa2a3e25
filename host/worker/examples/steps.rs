//! How long a no-op step takes on a worker alone, orders in and reports out, with 1 and with 2 cells:
//! `cargo run --release -p cofferdam-worker --example steps -- target/guests/behaviours.wasm`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_cell::CellCommand;
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{
    Assignment, AttemptId, Fence, LibraryDigest, Name, Order, Outcome, PlanOutput, Report, RunId, StepKey,
    Timestamp,
};
use cofferdam_worker::{Isolation, Resources, Settings, Worker};
use tokio::sync::mpsc;

/// Steps of one measurement, and of the warm-up before it.
const STEPS: u64 = 100_000;
const WARM_UP: u64 = 1000;
/// Steps per batch of orders, as a scheduler with many ready steps would send them.
const BATCH: u64 = 256;

fn assignment(library: LibraryDigest, fence: u64) -> Assignment {
    let run = RunId(uuid::Uuid::from_u128(7));
    Assignment {
        config: fence.to_le_bytes().to_vec(),

        outputs: vec![PlanOutput::new(Name::result(), "application/octet-stream")],
        ..Assignment::new(
            AttemptId { run, step: StepKey::new("step"), attempt: 1, fence: Fence(fence) },
            library,
            Name::new("add_one").expect("a constant"),
        )
    }
}

/// Sends that many orders and waits for as many ends.
async fn through(
    count: u64,
    library: LibraryDigest,
    orders: &mpsc::Sender<Vec<Order>>,
    reports: &mut mpsc::Receiver<Vec<Report>>,
) {
    let send = async {
        for first in (0..count).step_by(BATCH as usize) {
            let batch =
                (first..count.min(first + BATCH)).map(|n| Order::Run(Box::new(assignment(library, n))));
            orders.send(batch.collect()).await.expect("the worker lives");
        }
    };
    let receive = async {
        let mut ended = 0;
        while ended < count {
            for report in reports.recv().await.expect("the worker lives") {
                match report {
                    Report::Finished { outcome, .. } => {
                        assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
                        ended += 1;
                    }
                    // Both cells stood still for a moment.
                    Report::Returned { id } => {
                        let again = Order::Run(Box::new(assignment(library, id.fence.0)));
                        orders.send(vec![again]).await.expect("the worker lives");
                    }
                    _ => {}
                }
            }
        }
    };
    tokio::join!(send, receive);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
async fn main() {
    let guest = std::env::args().nth(1).expect("the path of behaviours.wasm");
    let program: PathBuf = std::env::current_exe().expect("it runs").with_file_name("cell");
    let cell = CellCommand { program, run: vec!["run".into()], compile: vec!["compile".into()] };
    let folder = std::env::temp_dir().join(format!("cofferdam-steps-{}", std::process::id()));
    for slots in [1, 2] {
        let depot = Depot::memory();
        let bytes = std::fs::read(&guest).expect("the guest can be read");
        let library = depot.put(bytes.into()).await.expect("the library is small");
        let store = ValueStore::memory(Name::result());
        let (orders, taken) = mpsc::channel(4);
        let (reporter, mut reports) = mpsc::channel(64);
        let resources = Arc::new(Resources::new(&folder, &folder, |_| None));
        let settings = Settings {
            slots,
            cell: cell.clone(),
            isolation: Isolation::Own,
            artefacts: folder.clone(),
            clock: || Timestamp(1),
            environment: |_| None,
            compiled: None,
            observer: None,
        };
        let worker = Worker::start(settings, depot, store, resources, taken, reporter)
            .expect("the folder can be made");
        through(WARM_UP, library, &orders, &mut reports).await;
        let since = Instant::now();
        through(STEPS, library, &orders, &mut reports).await;
        let took = since.elapsed();
        let (rate, each) = (STEPS as f64 / took.as_secs_f64(), took.as_secs_f64() * 1e6 / STEPS as f64);
        println!("{slots} cells: {rate:.0} steps/s, {each:.2} µs a step");
        drop(orders);
        worker.join().await;
    }
    std::fs::remove_dir_all(folder).expect("made by the worker");
}
