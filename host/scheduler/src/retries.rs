//! Sees to it that runs which fail are executed again if they are to be, whether or not anybody watches them.

use std::sync::{Arc, Mutex};

use cofferdam_model::{RunId, RunStatus};
use cofferdam_runlog::RunLog;
use tokio::task::JoinSet;

use crate::{Scheduler, again};

/// Clones share their tasks, which end with the last of them.
#[derive(Clone)]
pub struct Retries {
    scheduler: Arc<Scheduler>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Retries {
    pub fn new(scheduler: Arc<Scheduler>) -> Retries {
        Retries { scheduler, tasks: Arc::default() }
    }

    /// Takes care of every run of the log: those that go on, and those that failed before anybody could retry them.
    pub async fn take_up(&self, log: &dyn RunLog) {
        // In this order: a run that fails meanwhile is in one of the two.
        let unfinished = log.unfinished().await.unwrap_or_else(|error| {
            tracing::warn!(why = chain(&error), "runs that fail may not be retried");
            vec![]
        });
        let due = again::all_due(log).await.unwrap_or_else(|error| {
            tracing::warn!(why = chain(&error), "runs that have failed may not be retried");
            vec![]
        });
        unfinished.into_iter().chain(due).for_each(|run| self.take_care(run));
    }

    /// Waits for the end of a run, and of the runs that execute it again. May be said twice of one run.
    pub fn take_care(&self, run: RunId) {
        let scheduler = self.scheduler.clone();
        let mut tasks = self.tasks.lock().expect("nobody panics while holding it");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let mut run = run;
            // A scheduler that has stopped, or does not drive the run, decides nothing about it.
            while let Ok(RunStatus::Failed) = scheduler.wait(run).await {
                match scheduler.retry(run).await {
                    Ok(Some(next)) => run = next,
                    Ok(None) => return,
                    Err(error) => {
                        tracing::warn!(%run, why = chain(&error), "a failed run is not retried");
                        return;
                    }
                }
            }
        });
    }
}

/// An error with all that caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
