//! Where runs are: in the state folder of a project, or with a cluster. Most commands ask here and need not know which.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_client::Cluster;
use cofferdam_depot::Depot;
use cofferdam_io::Stores;
use cofferdam_model::LibraryDigest;
use cofferdam_runlog::{Ask, Error, Question, Remote, RunLog};
use tempfile::TempDir;

use crate::args::{self, Global};
use crate::cluster;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::pages::Sign;
use crate::project::StateDir;
use crate::settings;

#[derive(Debug, Clone)]
pub(crate) enum Site {
    Here(StateDir),
    There(There),
}

/// A cluster, with what is needed of this host to deal with it.
#[derive(Clone)]
pub(crate) struct There {
    pub(crate) cluster: Cluster,
    /// The state folder of the project that asks, if there is one: its libraries and files are there.
    own: Option<StateDir>,
    /// Values that are read are kept here until the program ends.
    fetched: Arc<TempDir>,
}

impl fmt::Debug for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "There({})", self.cluster.address())
    }
}

impl Site {
    /// The cluster that is asked for, or the instance of the project.
    pub(crate) fn find(at: &args::At, global: &Global) -> Result<Site> {
        match &at.cluster {
            None => Site::at_home(StateDir::find(global)?, &at.token),
            Some(address) => There::new(address, &at.token, StateDir::find(global).ok()).map(Site::There),
        }
    }

    /// The same for a command that has found the project already.
    pub(crate) fn of(at: &args::At, state: &StateDir) -> Result<Site> {
        match &at.cluster {
            None => Site::at_home(state.clone(), &at.token),
            Some(address) => There::new(address, &at.token, Some(state.clone())).map(Site::There),
        }
    }

    /// Where a project's own runs are: with the scheduler that runs for it, or here.
    fn at_home(state: StateDir, token: &args::TokenArgs) -> Result<Site> {
        match Sign::read(&state) {
            Some(Sign { scheduler: Some(scheduler), .. }) => {
                There::new(&scheduler.to_string(), token, Some(state)).map(Site::There)
            }
            _ => Ok(Site::Here(state)),
        }
    }

    /// The run log, for reading.
    pub(crate) async fn log(&self) -> Result<Arc<dyn RunLog>> {
        match self {
            Site::Here(state) => settings::read(state).await,
            Site::There(there) => there.log().await,
        }
    }

    /// The run log, for reading; none if nothing was ever run.
    pub(crate) async fn log_if_any(&self) -> Result<Option<Arc<dyn RunLog>>> {
        match self {
            Site::Here(state) => settings::read_if_any(state).await,
            Site::There(there) => there.log().await.map(Some),
        }
    }

    /// The run log, for what people set in it: pins, partitions. Made if there is none.
    pub(crate) async fn log_to_change(&self) -> Result<Arc<dyn RunLog>> {
        match self {
            Site::Here(state) => {
                state.create()?;
                settings::write(state).await
            }
            Site::There(there) => there.log().await,
        }
    }

    /// The libraries that are where the runs are, for reading.
    pub(crate) fn depot(&self) -> Result<Depot> {
        match self {
            Site::Here(state) => instance::depot(state),
            Site::There(there) => there.depot(),
        }
    }

    /// Whether a library is where the runs are.
    pub(crate) async fn has_library(&self, digest: &LibraryDigest) -> Result<bool> {
        match self {
            Site::Here(state) => {
                let found = instance::depot(state)?.contains(digest).await;
                found.doing(Exit::Unreachable, "look into the depot")
            }
            Site::There(there) => {
                let missing = there.cluster.missing(&[*digest]).await.map_err(cluster::failed)?;
                Ok(missing.is_empty())
            }
        }
    }

    /// All stores that values are in.
    pub(crate) fn stores(&self) -> Result<Stores> {
        match self {
            Site::Here(state) => instance::stores(state),
            Site::There(there) => there.stores(),
        }
    }
}

impl There {
    pub(crate) fn new(address: &str, token: &args::TokenArgs, own: Option<StateDir>) -> Result<There> {
        let cluster = cluster::at(address, &cluster::token(token, own.as_ref())?)?;
        let fetched = tempfile::tempdir().doing(Exit::Internal, "make a folder for results")?;
        Ok(There { cluster, own, fetched: Arc::new(fetched) })
    }

    /// The run log of the cluster. Says at once, and in its own words, why it cannot be had.
    pub(crate) async fn log(&self) -> Result<Arc<dyn RunLog>> {
        self.cluster.reach().await.map_err(cluster::failed)?;
        Ok(Arc::new(Remote(Asked(self.cluster.clone()))))
    }

    /// The same for who has a run there: while the scheduler or its database is away, it is waited for.
    pub(crate) fn patient_log(&self) -> Arc<dyn RunLog> {
        Arc::new(Remote(Asked(self.cluster.patient())))
    }

    fn depot(&self) -> Result<Depot> {
        let (objects, _) =
            cluster::stores(&self.cluster, self.fetched.path(), Some(u64::MAX), Path::new(""))?;
        Ok(Depot::over(objects))
    }

    pub(crate) fn stores(&self) -> Result<Stores> {
        let project = self.own.as_ref().map_or_else(PathBuf::new, |state| state.project().to_owned());
        cluster::stores(&self.cluster, self.fetched.path(), Some(u64::MAX), &project)
            .map(|(_, stores)| stores)
    }

    /// The state folder of the project that asks.
    pub(crate) fn own(&self) -> Result<&StateDir> {
        self.own.as_ref().ok_or_else(|| {
            Failed::usage("the cluster lacks what only the project has").hint("run it in the project")
        })
    }
}

/// Carries questions to the cluster's run log.
struct Asked(Cluster);

#[async_trait]
impl Ask for Asked {
    async fn ask(&self, question: Question) -> std::result::Result<Vec<u8>, Error> {
        let answer = self.0.ask(question.encode()).await;
        answer.map(Into::into).map_err(|error| Error::Remote { source: error.into() })
    }
}
