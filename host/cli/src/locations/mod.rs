//! The code locations of an instance: one project beside `cofferdam dev`, those of `workspace.toml` beside `cofferdam
//! serve`. Each is loaded, and fails, on its own. What pages and schedules ask for goes to the one that it is about.

mod assets;
mod location;
mod pages;
pub(crate) mod saves;
mod shown;
mod ticks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_config::{WorkspaceSettings, read_workspace};
use cofferdam_daemon::{Asked, Defined, Instigators, NoPlan};
use cofferdam_model::{InstigatorState, Name, Plan, RunRequest, Timestamp};
use cofferdam_server::PagesGate;
use futures::future::try_join_all;
use tokio::sync::watch;

use crate::args::Global;
use crate::error::{Failed, Result};
use crate::output::Output;
use crate::project::{read_text, shown};

use location::{Changes, CodeLocation, Place};
pub(crate) use pages::{Over, Pages};
use shown::Shown;
pub(crate) use ticks::told;

/// The code location of a project that is alone: its state stays its own when the folder is moved.
const ALONE: &str = "local";

/// Clones share them.
#[derive(Clone)]
pub(crate) struct Locations(Arc<All>);

struct All {
    locations: Vec<CodeLocation>,
    /// Of a cluster: what it asks for of libraries, its schedules and sensors keep to as well.
    gate: Option<PagesGate>,
    changes: Arc<Changes>,
}

/// The name that a project's own schedules and sensors go by.
pub(crate) fn alone() -> Name {
    Name::new(ALONE).expect("the constant is a name")
}

impl Locations {
    /// One project.
    pub(crate) fn alone(root: &Path, global: &Global) -> Locations {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let place = Place { name, key: alone(), folder: root.to_owned(), environment: None };
        Locations::new(vec![place], global, None)
    }

    /// One project by the name that it has to its instance, and in its environment.
    pub(crate) fn of_one(
        root: &Path,
        (key, environment): (Name, Option<Name>),
        global: &Global,
    ) -> Locations {
        let place = Place { name: key.to_string(), key, folder: root.to_owned(), environment };
        Locations::new(vec![place], global, None)
    }

    /// Those of a cluster.
    pub(crate) fn of_workspace(workspace: &WorkspaceFile, global: &Global, gate: PagesGate) -> Locations {
        let place = |(name, settings): (&Name, &cofferdam_config::LocationSettings)| Place {
            name: name.to_string(),
            key: name.clone(),
            folder: workspace.folder.join(&settings.folder),
            environment: settings.environment.clone(),
        };
        Locations::new(workspace.settings.locations.iter().map(place).collect(), global, Some(gate))
    }

    fn new(places: Vec<Place>, global: &Global, gate: Option<PagesGate>) -> Locations {
        let changes = Arc::new(Changes::default());
        let location = |place| CodeLocation::new(place, global, changes.clone());
        let locations = places.into_iter().map(location).collect();
        Locations(Arc::new(All { locations, gate, changes }))
    }

    /// Reads their definitions, and again at each save outside of `written`.
    pub(crate) async fn keep_up(&self, written: &Path, output: Output) -> Result<()> {
        if self.0.locations.is_empty() {
            // There is nothing to read, and no end of it.
            return std::future::pending().await;
        }
        let all = self.0.locations.iter();
        try_join_all(all.map(|location| location.keep_up(vec![written.to_owned()], output))).await?;
        Ok(())
    }

    fn find(&self, key: &Name) -> Option<&CodeLocation> {
        self.0.locations.iter().find(|location| location.key() == key)
    }
}

#[async_trait]
impl Instigators for Locations {
    fn defined(&self) -> Option<Vec<Arc<Defined>>> {
        let read: Vec<_> = self.0.locations.iter().filter_map(CodeLocation::defined).collect();
        (!read.is_empty()).then(|| read.concat())
    }

    fn has_read(&self, location: &Name) -> bool {
        self.find(location).is_none_or(|location| location.defined().is_some())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.of_instigators.subscribe()
    }

    async fn ask(&self, one: &Defined, state: &InstigatorState, at: Timestamp) -> Asked {
        match self.find(&one.instigator.location) {
            Some(location) => location.ask(one, state, at).await,
            None => unreachable!("what is defined is of one of the locations"),
        }
    }

    async fn plan(
        &self,
        one: &Defined,
        request: &RunRequest,
        _: Timestamp,
    ) -> std::result::Result<Plan, NoPlan> {
        let location = self.find(&one.instigator.location);
        let location = location.expect("what is defined is of one of the locations");
        let plan = location.plan_of_tick(one, request).await?;
        if let Some(gate) = &self.0.gate {
            let signatures = location.signatures(&plan).map_err(|failed| NoPlan::NotNow(told(&failed)))?;
            gate.check_signatures(&plan, &signatures).map_err(NoPlan::Never)?;
        }
        Ok(plan)
    }
}

/// `workspace.toml`, read. Without the file there are no locations.
#[derive(Default)]
pub(crate) struct WorkspaceFile {
    /// Where relative folders of locations start.
    folder: PathBuf,
    settings: WorkspaceSettings,
}

impl WorkspaceFile {
    /// Refuses with all that is wrong in it. Whether there are projects in the folders is seen when they are loaded.
    pub(crate) fn read(path: &Path) -> Result<WorkspaceFile> {
        let mut texts = cofferdam_config::Texts::default();
        let (settings, found) = read_workspace(&mut texts, &shown(path), read_text(path)?);
        if !found.is_empty() {
            return Err(Failed::diagnosed(texts, found));
        }
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder.parent().map(Path::to_owned).unwrap_or_default();
        Ok(WorkspaceFile { folder, settings })
    }

    /// The location whose folder that is, and its environment.
    pub(crate) fn location_of(&self, root: &Path) -> Option<(Name, Option<Name>)> {
        let is_it =
            |folder: &Path| self.folder.join(folder).canonicalize().is_ok_and(|folder| folder == root);
        let mut all = self.settings.locations.iter();
        let found = all.find(|(_, settings)| is_it(&settings.folder));
        found.map(|(name, settings)| (name.clone(), settings.environment.clone()))
    }
}
