//! The supervisor: takes assignments, gets their libraries and inputs ready, feeds cells, stores what they
//! write, and reports. It never runs or compiles guest code; cells and compile children do. It decides nothing
//! about runs: what an attempt's end means is the engine's business.

mod describe;
mod ends;
mod environment;
mod evaluate;
mod job;
mod lent;
mod observe;
mod outputs;
mod prepare;
mod publish;
mod ready;
mod slot;
mod spent;
mod supervisor;
mod talk;
mod values;

use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_cell::{Artefacts, CellCommand};
use cofferdam_depot::Depot;
use cofferdam_io::Stores;
use cofferdam_model::{Order, Report, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use cofferdam_model::Isolation;
pub use cofferdam_resources::{LeashCommand, Resources, become_program, hold_leash};
pub use describe::{cell, compile, describe};
pub use evaluate::{Evaluation, evaluate};
pub use observe::{Got, Observer};
pub use prepare::Compiled;

/// What differs between workers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Cells; a cell uses one core.
    pub slots: usize,
    pub cell: CellCommand,
    /// With whom attempts share a cell at most; an order may keep its attempt apart from more.
    pub isolation: Isolation,
    /// Folder of the compiled libraries, private to this user.
    pub artefacts: PathBuf,
    /// The time, for reports.
    pub clock: fn() -> Timestamp,
    /// Reads an environment variable, for config that takes values from there.
    pub environment: fn(&str) -> Option<String>,
    /// Asked for compiled libraries before they are compiled here, if somebody else's machine code is taken at all.
    pub compiled: Option<Arc<dyn Compiled>>,
    /// Told of everything, if there is somebody.
    pub observer: Option<Arc<dyn Observer>>,
}

/// A running worker. Dropping it stops it and kills its cells.
pub struct Worker {
    task: JoinHandle<()>,
}

impl Worker {
    /// Ops reach `resources` where their steps bind them. Starts the cells and takes orders until `orders` is closed; what runs then is still finished and
    /// reported. Fails if the folder of artefacts cannot be used. Must be called within a tokio runtime.
    pub fn start(
        settings: Settings,
        depot: Depot,
        stores: impl Into<Stores>,
        resources: Arc<Resources>,
        orders: mpsc::Receiver<Vec<Order>>,
        reports: mpsc::Sender<Vec<Report>>,
    ) -> std::io::Result<Worker> {
        let artefacts = Artefacts::open(&settings.artefacts, settings.cell.clone())?;
        let supervisor = supervisor::Supervisor::new(settings, depot, stores.into(), resources, artefacts);
        #[expect(clippy::disallowed_methods, reason = "the handle is kept and aborted on drop")]
        let task = tokio::spawn(supervisor.run(orders, reports));
        Ok(Worker { task })
    }

    /// Waits until the worker has finished what it had when its orders were closed.
    pub async fn join(mut self) {
        if let Err(error) = (&mut self.task).await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
