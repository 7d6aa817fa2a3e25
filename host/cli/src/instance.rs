//! The parts of an instance, opened: the run log for reading, or the whole engine room for running.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_cell::{Artefacts, CellCommand};
use cofferdam_depot::Depot;
use cofferdam_io::{Stores, Transient, ValueStore};
use cofferdam_model::{
    Failure, FailureKind, LibraryDigest, LibrarySpec, Name, OpSpec, Order, Output, PlanOutput, Report, RunId,
    WorkerId,
};
use cofferdam_runlog::{FindError, RunFilter, RunLog};
use cofferdam_scheduler::{Scheduler, Settings, WorkerOffer, system_clock, system_time};
use cofferdam_worker::{Compiled, Evaluation, Isolation, LeashCommand, Observer, Resources, Worker};
use tokio::sync::mpsc;

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::metrics;
use crate::project::StateDir;
use crate::settings;

/// Namespace of a project's own values. Others come with servers that many people share.
const NAMESPACE: &str = "local";
/// Batches of orders or reports that wait in a channel; each holds any number of them.
const CHANNEL_BATCHES: usize = 256;

/// The run that a person means: a unique start of its id, or the newest.
pub(crate) async fn find_run(log: &dyn RunLog, asked: Option<&str>) -> Result<RunId> {
    let Some(asked) = asked else {
        let filter = RunFilter { limit: Some(1), ..RunFilter::default() };
        let newest = log.runs(filter).await.doing(Exit::Unreachable, "read the run log")?;
        return newest
            .first()
            .map(|run| run.run)
            .ok_or_else(|| Failed::usage("nothing has run here yet").hint("`cofferdam run JOB` runs a job"));
    };
    log.find(asked).await.map_err(|error| match error {
        FindError::None(_) | FindError::Ambiguous { .. } => {
            Failed::usage(error.to_string()).hint("`cofferdam runs` lists the runs")
        }
        FindError::Store(error) => {
            Failed::new(Exit::Unreachable, "failed to read the run log").because(&error)
        }
    })
}

/// The namespace of all values.
pub(crate) fn namespace() -> Name {
    Name::new(NAMESPACE).expect("the constant is a name")
}

/// The store of values.
pub(crate) fn values(state: &StateDir) -> Result<ValueStore> {
    ValueStore::local(&state.values(), namespace()).doing(Exit::Unreachable, "open the value store")
}

/// The depot of libraries.
pub(crate) fn depot(state: &StateDir) -> Result<Depot> {
    Depot::local(&state.libraries()).doing(Exit::Unreachable, "open the depot")
}

/// A variable of this process, where definitions name one. One that is not UTF-8 is no text.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// This program, also when its file has been replaced by another version meanwhile: cells and compilers must be of the
/// same version as the process that starts them, and an upgrade must not end what runs.
const OWN_PROGRAM: &str = "/proc/self/exe";

fn own_program() -> Result<PathBuf> {
    let own = Path::new(OWN_PROGRAM);
    if own.exists() {
        return Ok(own.to_owned());
    }
    std::env::current_exe().doing(Exit::Internal, "find this program's own file")
}

/// How cells are started: this program with another first argument.
pub(crate) fn cell_command() -> Result<CellCommand> {
    Ok(CellCommand { program: own_program()?, run: vec!["cell".into()], compile: vec!["compile".into()] })
}

/// The cache of compiled libraries.
pub(crate) fn artefacts(state: &StateDir) -> Result<Artefacts> {
    let folder = state.artefacts();
    let open = Artefacts::open(&folder, cell_command()?);
    open.doing(Exit::Unreachable, format!("open the cache of compiled libraries in {}", folder.display()))
}

/// The description of a library in the depot, from a cell of its own.
pub(crate) async fn describe(
    state: &StateDir,
    depot: &Depot,
    digest: &LibraryDigest,
) -> std::result::Result<LibrarySpec, Failure> {
    let unusable = |failed: Failed| Failure::new(FailureKind::Library, failed.message);
    let command = cell_command().map_err(unusable)?;
    let artefacts = artefacts(state).map_err(unusable)?;
    cofferdam_worker::describe(&command, &artefacts, depot, digest).await
}

/// Runs an op that takes nothing but config as a function, in a cell of its own.
pub(crate) async fn evaluate(
    state: &StateDir,
    digest: &LibraryDigest,
    op: &OpSpec,
    config: Vec<u8>,
) -> std::result::Result<Vec<Output>, Failure> {
    let unusable = |failed: Failed| Failure::new(FailureKind::Library, failed.message);
    let command = cell_command().map_err(unusable)?;
    let artefacts = artefacts(state).map_err(unusable)?;
    let depot = depot(state).map_err(unusable)?;
    let outputs = op.outputs.iter().map(|output| PlanOutput {
        required: output.required,
        dynamic: output.dynamic,
        ..PlanOutput::new(output.name.clone(), &output.media_type)
    });
    let evaluation = Evaluation { op: op.name.clone(), config, inputs: vec![], outputs: outputs.collect() };
    cofferdam_worker::evaluate(&command, &artefacts, &depot, digest, evaluation).await
}

/// All stores that values are in: the instance's own and those of IO managers.
pub(crate) fn stores(state: &StateDir) -> Result<Stores> {
    stores_at(state, state.project())
}

/// The same with relative paths below another folder. What the one worker keeps is in a folder beside the values.
fn stores_at(state: &StateDir, project: &Path) -> Result<Stores> {
    let transient = Transient::Folder(state.transient());
    Ok(Stores::with_transient(values(state)?, transient, project.to_owned(), Arc::new(environment)))
}

/// A worker in this process, with the ends of its channels.
pub(crate) struct OwnWorker {
    pub(crate) worker: Worker,
    pub(crate) orders: mpsc::Sender<Vec<Order>>,
    pub(crate) reports: mpsc::Receiver<Vec<Report>>,
}

/// What a worker may have besides.
#[derive(Default)]
pub(crate) struct More {
    pub(crate) isolation: Isolation,
    /// Asked for compiled libraries before they are compiled here.
    pub(crate) compiled: Option<Arc<dyn Compiled>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// Starts a worker. Relative paths of resources start at `project`.
pub(crate) fn start_worker(state: &StateDir, project: &Path, slots: u32) -> Result<OwnWorker> {
    start_worker_over(
        state,
        project,
        slots,
        depot(state)?,
        stores_at(state, project)?,
        More { observer: metrics::worker_observer(None), ..More::default() },
    )
}

/// The same over any depot and stores; `state` has room for what it compiles.
pub(crate) fn start_worker_over(
    state: &StateDir,
    project: &Path,
    slots: u32,
    depot: Depot,
    stores: Stores,
    more: More,
) -> Result<OwnWorker> {
    let (orders, orders_in) = mpsc::channel(CHANNEL_BATCHES);
    let (reports_out, reports) = mpsc::channel(CHANNEL_BATCHES);
    let settings = cofferdam_worker::Settings {
        slots: slots as usize,
        cell: cell_command()?,
        isolation: more.isolation,
        artefacts: state.artefacts(),
        clock: system_time,
        environment,
        compiled: more.compiled,
        observer: more.observer,
    };
    let leash = LeashCommand { program: own_program()?, arguments: vec!["leash".into()] };
    let resources = Arc::new(Resources::new(project, state.resources(), environment).leashed(leash));
    let worker = Worker::start(settings, depot, stores, resources, orders_in, reports_out);
    let worker = worker.doing(Exit::Internal, "start the worker")?;
    Ok(OwnWorker { worker, orders, reports })
}

/// Everything that drives runs, in this process: run log, scheduler and one worker, joined by channels.
pub(crate) struct Instance {
    pub(crate) log: Arc<dyn RunLog>,
    pub(crate) scheduler: Arc<Scheduler>,
    /// What its worker offers.
    pub(crate) offer: WorkerOffer,
    /// Its number.
    pub(crate) id: WorkerId,
    worker: Worker,
    transient: PathBuf,
}

impl Instance {
    /// Opens the run log for writing, which no second process may do, and starts the rest. Relative paths of
    /// resources start at `project`.
    pub(crate) async fn start(state: &StateDir, project: &Path, offer: WorkerOffer) -> Result<Instance> {
        let log = settings::write(state).await?;
        // Nobody else runs anything here. What an earlier worker kept is gone for its runs: this is another worker.
        remove(&state.transient())?;
        let observer = metrics::scheduler_observer(None);
        let limits = Settings { quotas: settings::quotas(state)?, observer, ..Settings::default() };
        let scheduler = take_office(log.clone(), &values(state)?, limits).await?;
        let OwnWorker { worker, orders, reports } = start_worker(state, project, offer.slots)?;
        let attached = scheduler.attach_worker(offer.clone(), orders, reports).await;
        let id = attached.doing(Exit::Internal, "attach the worker")?;
        let transient = state.transient();
        Ok(Instance { log, scheduler: Arc::new(scheduler), offer, id, worker, transient })
    }

    /// Stops the scheduler, then lets the worker end with it, and what it kept.
    pub(crate) async fn stop(self) {
        drop(self.scheduler);
        self.worker.join().await;
        // What cannot be removed now goes when another one starts, or that says why not.
        let _ = remove(&self.transient);
    }
}

/// Starts a scheduler in a term after all that the log and the store of values know: where the log is an older copy that
/// was put back, values are there whose names it would give again.
pub(crate) async fn take_office(
    log: Arc<dyn RunLog>,
    values: &ValueStore,
    settings: Settings,
) -> Result<Scheduler> {
    let after = values.noted_term().await.doing(Exit::Unreachable, "read the last term")?;
    let scheduler = Scheduler::start_with(log, system_clock(), Settings { after, ..settings });
    let scheduler = scheduler.await.doing(Exit::Unreachable, "start the scheduler")?;
    values.note_term(scheduler.term()).await.doing(Exit::Unreachable, "note the term")?;
    Ok(scheduler)
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(Exit::Unreachable, format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
