//! A place for one run that is over when it is: its log, its values and what its resources keep in files.

use std::path::Path;
use std::sync::Arc;

use cofferdam_engine::Run;
use cofferdam_model::{Known, Plan, RunId};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::Submission;
use tempfile::TempDir;

use crate::args::Local;
use crate::commands::show;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::instance::Instance;
use crate::offer;
use crate::project::{Project, StateDir};
use crate::site::Site;

pub(crate) struct Scratch {
    /// Where the project's own runs are.
    kept: StateDir,
    instance: Option<Instance>,
    _folder: TempDir,
}

impl Scratch {
    /// The project's runs are here from now on, and what their resources keep.
    pub(crate) fn take(project: &mut Project) -> Result<Scratch> {
        Scratch::with(project, StateDir::with_runs_in)
    }

    /// The same with the resources that the project's own runs have.
    pub(crate) fn take_runs(project: &mut Project) -> Result<Scratch> {
        Scratch::with(project, StateDir::with_only_runs_in)
    }

    fn with(project: &mut Project, state: impl FnOnce(&StateDir, &Path) -> StateDir) -> Result<Scratch> {
        let folder = tempfile::tempdir().doing(Exit::Unreachable, "make a temporary folder")?;
        let kept = project.state.clone();
        project.state = state(&kept, folder.path());
        project.site = Site::Here(project.state.clone());
        Ok(Scratch { kept, instance: None, _folder: folder })
    }

    /// Runs a plan to its end. What it made is there until [`Scratch::end`].
    pub(crate) async fn run(&mut self, project: &Project, plan: Plan, known: Known) -> Result<Run> {
        let offer = offer::offer(&Local::default())?;
        offer::refuse_alone(&plan, &offer)?;
        let instance = Instance::start(&project.state, &project.root, offer).await?;
        let submission = Submission {
            run: RunId(uuid::Uuid::now_v7()),
            tags: plan.tags.clone(),
            plan: plan.into(),
            idempotency_key: None,
            origin: None,
            known,
        };
        let id = instance.scheduler.submit(submission).await.doing(Exit::Unreachable, "record the run")?;
        instance.scheduler.wait(id).await.doing(Exit::Unreachable, "drive the run")?;
        let run = show::load(&*instance.log, id).await?;
        self.instance = Some(instance);
        Ok(run)
    }

    /// The log of what was run; none before anything was.
    pub(crate) fn log(&self) -> Option<Arc<dyn RunLog>> {
        self.instance.as_ref().map(|instance| instance.log.clone())
    }

    /// Gives the project back with the state that is its own.
    pub(crate) async fn end(self, project: Project) -> Project {
        if let Some(instance) = self.instance {
            instance.stop().await;
        }
        Project { site: Site::Here(self.kept.clone()), state: self.kept, ..project }
    }
}
