//! Many runs at a time, driven by a scheduler of this process or by a cluster's.

use cofferdam_model::{Plan, RunId, RunStatus};
use cofferdam_scheduler::Submission;

use crate::args::Local;
use crate::cluster;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::instance::Instance;
use crate::offer;
use crate::output::Output;
use crate::site::{Site, There};

pub(crate) enum Drive {
    Here(Box<Instance>),
    There(There),
}

impl Drive {
    pub(crate) async fn start(site: &Site, local: &Local) -> Result<Drive> {
        match site {
            Site::Here(state) => {
                state.create()?;
                let instance = Instance::start(state, state.project(), offer::offer(local)?).await?;
                Ok(Drive::Here(Box::new(instance)))
            }
            Site::There(there) => {
                offer::refuse_with_cluster(local)?;
                Ok(Drive::There(there.clone()))
            }
        }
    }

    /// Refuses a plan that would wait for ever. On a cluster somebody may join who can run it.
    pub(crate) fn refuse(&self, plan: &Plan) -> Result<()> {
        match self {
            Drive::Here(instance) => offer::refuse_alone(plan, &instance.offer),
            Drive::There(_) => Ok(()),
        }
    }

    pub(crate) async fn submit(&self, submission: Submission, output: Output) -> Result<RunId> {
        match self {
            Drive::Here(instance) => {
                instance.scheduler.submit(submission).await.doing(Exit::Unreachable, "record the run")
            }
            Drive::There(there) => cluster::hand_over(&submission, there, output).await.map(|(run, _)| run),
        }
    }

    /// Waits until a run has ended.
    pub(crate) async fn wait(&self, run: RunId) -> Result<RunStatus> {
        match self {
            Drive::Here(instance) => {
                instance.scheduler.wait(run).await.doing(Exit::Unreachable, "drive a run")
            }
            Drive::There(there) => cluster::wait(run, there).await,
        }
    }

    pub(crate) async fn cancel(&self, run: RunId) -> Result<()> {
        match self {
            Drive::Here(instance) => {
                instance.scheduler.cancel(run).await.doing(Exit::Unreachable, "cancel a run")
            }
            Drive::There(there) => there.cluster.cancel(run).await.map_err(cluster::failed),
        }
    }

    pub(crate) async fn stop(self) {
        if let Drive::Here(instance) = self {
            instance.stop().await;
        }
    }
}
