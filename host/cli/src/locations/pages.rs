//! The pages of an instance and what asks its schedules and sensors: both over the same code locations.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_daemon::Daemon;
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Retries, Scheduler, WorkerOffer, system_clock};
use cofferdam_server::PagesGate;
use cofferdam_web::{Parts, PublicUrl, Web};

use super::{Locations, Shown};
use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::Output;
use crate::project::StateDir;

/// What they are over.
pub(crate) struct Over {
    /// What people call the instance.
    pub(crate) name: String,
    pub(crate) log: Arc<dyn RunLog>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) locations: Locations,
    /// Of the one worker, where it is in this process.
    pub(crate) offer: Option<WorkerOffer>,
    pub(crate) gate: Option<PagesGate>,
    pub(crate) url: Option<PublicUrl>,
}

/// Listening.
pub(crate) struct Pages {
    web: Web,
    daemon: Daemon,
    locations: Locations,
    /// The folder of the state, which runs write.
    written: PathBuf,
}

impl Pages {
    pub(crate) async fn bind(address: SocketAddr, state: &StateDir, over: Over) -> Result<Pages> {
        let Over { name, log, scheduler, locations, offer, gate, url } = over;
        let retries = Retries::new(scheduler.clone());
        retries.take_up(&*log).await;
        let asked = Arc::new(locations.clone());
        let daemon = Daemon::new(log.clone(), scheduler.clone(), retries.clone(), asked, system_clock());
        let workspace = Arc::new(Shown { locations: locations.clone(), log: log.clone(), offer });
        let parts = Parts {
            scheduler,
            retries,
            log,
            stores: instance::stores(state)?,
            workspace,
            daemon: daemon.clone(),
            gate,
            url,
            name,
            state_dir: state.folder().display().to_string(),
        };
        let web = Web::bind(address, parts).await.map_err(|error| {
            Failed::new(Exit::Unreachable, format!("failed to listen at {address}"))
                .because(&error)
                .hint("port 0, as in `127.0.0.1:0`, takes a free one")
        })?;
        Ok(Pages { web, daemon, locations, written: state.folder().to_path_buf() })
    }

    /// Where they listen.
    pub(crate) fn address(&self) -> SocketAddr {
        self.web.address()
    }

    /// Serves them, keeps definitions up and asks schedules and sensors, until one of that fails.
    pub(crate) async fn serve(self, output: Output) -> Result<Infallible> {
        let Pages { web, daemon, locations, written } = self;
        let stopped = tokio::select! {
            never = web.serve() => match never {},
            kept = locations.keep_up(&written, output) => kept,
            why = daemon.run() => {
                let failed = Failed::new(Exit::Unreachable, "failed to ask schedules and sensors");
                Err(failed.because(&why))
            }
        };
        stopped.and_then(|()| Err(Failed::new(Exit::Internal, "the pages have ended")))
    }
}
