//! A worker with real cells and real guests, for the tests of this package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_cell::CellCommand;
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{
    AssignedInput, AssignedValue, Assignment, AttemptId, Failure, Fence, LibraryDigest, Limits, Name, Order,
    Outcome, PlanOutput, Report, RunId, StepKey, Timestamp, ValueRef,
};
use cofferdam_worker::{Isolation, Resources, Settings, Worker};
use rustix::process::Pid;
use tokio::sync::mpsc;

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) settings: Settings,
    pub(crate) depot: Depot,
    pub(crate) store: ValueStore,
    pub(crate) library: LibraryDigest,
    pub(crate) orders: mpsc::Sender<Vec<Order>>,
    pub(crate) reports: mpsc::Receiver<Vec<Report>>,
    pub(crate) seen: Vec<Report>,
    pub(crate) worker: Worker,
}

/// The cell is an example of this package, which cargo builds with the tests and puts beside them.
pub(crate) fn command() -> CellCommand {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/cell");
    CellCommand { program, run: vec!["run".into()], compile: vec!["compile".into()] }
}

pub(crate) fn guest(package: &str) -> Bytes {
    let folder = std::env::var_os("COFFERDAM_TEST_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"), PathBuf::from);
    let path = folder.join(package).with_extension("wasm");
    std::fs::read(path).expect("run `cargo xtask test`, which builds the guests").into()
}

pub(crate) fn id(fence: u64) -> AttemptId {
    AttemptId {
        run: RunId(uuid::Uuid::from_u128(7)),
        step: StepKey::new("step"),
        attempt: 1,
        fence: Fence(fence),
    }
}

/// Cells that [`Bench::cells`] can tell from those of other tests.
fn marked(folder: &tempfile::TempDir) -> CellCommand {
    let mut command = command();
    command.run.push(folder.path().into());
    command
}

/// The environment of these workers.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "BENCH_USER" => Some("ada".to_owned()),
        "BENCH_SECRET" => Some("hush hush".to_owned()),
        _ => None,
    }
}

/// Stands between a test and its worker and gives again what the worker gives back, when something has ended there, as a
/// scheduler does. Tests see ends only.
async fn relay(
    mut orders: mpsc::Receiver<Vec<Order>>,
    worker: mpsc::Sender<Vec<Order>>,
    mut reports: mpsc::Receiver<Vec<Report>>,
    test: mpsc::Sender<Vec<Report>>,
) {
    let mut worker = Some(worker);
    let mut given: BTreeMap<Fence, Box<Assignment>> = BTreeMap::new();
    let mut returned: BTreeSet<Fence> = BTreeSet::new();
    let mut open = true;
    loop {
        if !open && given.is_empty() {
            worker = None;
        }
        let to_worker = tokio::select! {
            batch = orders.recv(), if open => {
                let Some(batch) = batch else {
                    open = false;
                    continue;
                };
                let mut to_worker = vec![];
                for order in batch {
                    match &order {
                        Order::Run(assignment) => drop(given.insert(assignment.id.fence, assignment.clone())),
                        // The worker must have it to say that it is cancelled.
                        Order::Cancel(id) if returned.remove(&id.fence) => {
                            to_worker.push(Order::Run(given[&id.fence].clone()));
                        }
                        _ => {}
                    }
                    to_worker.push(order);
                }
                to_worker
            }
            batch = reports.recv() => {
                let Some(mut batch) = batch else { return };
                let mut again = vec![];
                for report in &batch {
                    match report {
                        Report::Finished { id, .. } => {
                            given.remove(&id.fence);
                            again.extend(std::mem::take(&mut returned));
                        }
                        Report::Returned { id } => drop(returned.insert(id.fence)),
                        _ => {}
                    }
                }
                batch.retain(|report| !matches!(report, Report::Returned { .. }));
                // A test that has ended listens no more.
                let _ = test.send(batch).await;
                again.iter().map(|fence| Order::Run(given[fence].clone())).collect()
            }
        };
        if let (Some(worker), false) = (&worker, to_worker.is_empty()) {
            let _ = worker.send(to_worker).await;
        }
    }
}

impl Bench {
    /// The processes that are cells of this worker.
    pub(crate) fn cells(&self) -> Vec<Pid> {
        let mark = self.settings.cell.run[1].as_encoded_bytes();
        let mut found = vec![];
        for process in std::fs::read_dir("/proc").unwrap() {
            let path = process.unwrap().path();
            let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            if line.split(|byte| *byte == 0).nth(2) == Some(mark) {
                found.extend(Pid::from_raw(pid));
            }
        }
        found
    }

    /// Over files, as on a laptop.
    pub(crate) async fn new(slots: usize) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = ValueStore::local(&folder.path().join("values"), Name::new("default").unwrap()).unwrap();
        Bench::over(slots, folder, store).await
    }

    pub(crate) async fn in_memory(slots: usize) -> Bench {
        let store = ValueStore::memory(Name::new("default").unwrap());
        Bench::over(slots, tempfile::tempdir().unwrap(), store).await
    }

    pub(crate) async fn over(slots: usize, folder: tempfile::TempDir, store: ValueStore) -> Bench {
        Bench::isolated(Isolation::Own, slots, folder, store).await
    }

    /// A worker that keeps attempts apart at least so.
    pub(crate) async fn isolated(
        isolation: Isolation,
        slots: usize,
        folder: tempfile::TempDir,
        store: ValueStore,
    ) -> Bench {
        let settings = Settings {
            slots,
            cell: marked(&folder),
            isolation,
            artefacts: folder.path().join("artefacts"),
            clock: || Timestamp(1),
            environment,
            compiled: None,
            observer: None,
        };
        let depot = Depot::memory();
        let library = depot.put(guest("behaviours")).await.unwrap();
        let resources = Arc::new(Resources::new(folder.path(), folder.path(), environment));
        let (orders, taken) = mpsc::channel(64);
        let (reporter, reports) = mpsc::channel(64);
        let (inner_orders, inner_taken) = mpsc::channel(64);
        let (inner_reporter, inner_reports) = mpsc::channel(64);
        #[expect(clippy::disallowed_methods, reason = "it ends with the worker")]
        tokio::spawn(relay(taken, inner_orders, inner_reports, reporter));
        let (depot_, store_) = (depot.clone(), store.clone());
        let worker =
            Worker::start(settings.clone(), depot_, store_, resources, inner_taken, inner_reporter).unwrap();
        Bench { folder, settings, depot, store, library, orders, reports, seen: vec![], worker }
    }

    /// Reads a stored value and sums its bytes.
    pub(crate) fn reading(&self, fence: u64, value: ValueRef) -> Assignment {
        let input = AssignedInput { name: Name::new("input").unwrap(), value: AssignedValue::One(value) };
        Assignment { inputs: vec![input], ..self.assignment(fence, "read_large", 0) }
    }

    pub(crate) fn assignment(&self, fence: u64, op: &str, config: u64) -> Assignment {
        Assignment {
            config: config.to_le_bytes().to_vec(),

            outputs: vec![PlanOutput::new(Name::result(), "application/octet-stream")],
            ..Assignment::new(id(fence), self.library, Name::new(op).unwrap())
        }
    }

    /// Waits until that many cells have begun an attempt, which they note in the file that is their standard
    /// output, and gives them.
    pub(crate) async fn begun(&self, count: usize) -> Vec<Pid> {
        self.until_begun(|cells| cells.len() == count).await
    }

    /// Waits until the one cell that has begun an attempt is another one.
    pub(crate) async fn begun_other_than(&self, cell: Pid) -> Pid {
        self.until_begun(|cells| cells.len() == 1 && cells[0] != cell).await[0]
    }

    async fn until_begun(&self, wanted: impl Fn(&[Pid]) -> bool) -> Vec<Pid> {
        let has_begun = |pid: &Pid| {
            let mark = format!("/proc/{}/fd/1", pid.as_raw_pid());
            std::fs::read(mark).is_ok_and(|mark| !mark.is_empty())
        };
        let wait = async {
            loop {
                let cells: Vec<Pid> = self.cells().into_iter().filter(has_begun).collect();
                if wanted(&cells) {
                    return cells;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("cells begin what they are given")
    }

    pub(crate) fn with_limits(&self, fence: u64, op: &str, config: u64, limits: Limits) -> Assignment {
        Assignment { limits, ..self.assignment(fence, op, config) }
    }

    pub(crate) async fn order(&self, assignment: Assignment) {
        self.orders.send(vec![Order::Run(Box::new(assignment))]).await.unwrap();
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
        loop {
            if let Some(at) = self.seen.iter().position(&wanted) {
                return self.seen.remove(at);
            }
            let more = tokio::time::timeout(Duration::from_secs(60), self.reports.recv()).await;
            self.seen.extend(more.expect("a report within a minute").expect("the worker lives"));
        }
    }

    pub(crate) async fn started(&mut self, fence: u64) {
        self.until(|report| matches!(report, Report::Started { id, .. } if id.fence.0 == fence)).await;
    }

    pub(crate) async fn finished(&mut self, fence: u64) -> Outcome {
        match self.until(|r| matches!(r, Report::Finished { id, .. } if id.fence.0 == fence)).await {
            Report::Finished { outcome, .. } => outcome,
            _ => unreachable!(),
        }
    }

    /// True if its end was among the reports that came so far.
    pub(crate) fn has_ended(&self, fence: u64) -> bool {
        self.seen.iter().any(|report| matches!(report, Report::Finished { id, .. } if id.fence.0 == fence))
    }

    pub(crate) async fn value(&mut self, fence: u64) -> ValueRef {
        match self.finished(fence).await {
            Outcome::Succeeded { mut outputs, .. } => outputs.remove(0).value,
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    pub(crate) async fn failure(&mut self, fence: u64) -> Failure {
        match self.finished(fence).await {
            Outcome::Failed(failure) => *failure,
            Outcome::Succeeded { .. } => panic!("it should fail"),
        }
    }
}
