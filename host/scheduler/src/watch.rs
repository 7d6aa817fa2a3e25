//! Watchers of runs: what they are told, and what becomes of a slow one.

use std::collections::HashMap;

use cofferdam_model::{LogLine, Progress, Recorded, RunId, RunStatus, StepKey};
use tokio::sync::{mpsc, oneshot};

use crate::WATCH_UPDATES_MAX;
use crate::handle::Error;

/// Something that happened in a run, after it became durable.
#[derive(Debug, Clone)]
pub enum Update {
    Events(Vec<Recorded>),
    Logs { step: StepKey, attempt: u32, lines: Vec<LogLine> },
    Progress { step: StepKey, progress: Progress },
}

/// Updates of one run. It ends when the run has ended, when the scheduler stops, or when the reader was too
/// slow; [`crate::Scheduler::wait`] tells which.
#[derive(Debug)]
pub struct Watch(mpsc::Receiver<Update>);

impl Watch {
    pub async fn next(&mut self) -> Option<Update> {
        self.0.recv().await
    }
}

/// Everybody who wants to know about runs.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    updates: HashMap<RunId, Vec<mpsc::Sender<Update>>>,
    waiters: HashMap<RunId, Vec<oneshot::Sender<Result<RunStatus, Error>>>>,
}

impl Watchers {
    pub(crate) fn watch(&mut self, run: RunId) -> Watch {
        let (sender, receiver) = mpsc::channel(WATCH_UPDATES_MAX);
        self.updates.entry(run).or_default().push(sender);
        Watch(receiver)
    }

    pub(crate) fn wait(&mut self, run: RunId, reply: oneshot::Sender<Result<RunStatus, Error>>) {
        self.waiters.entry(run).or_default().push(reply);
    }

    /// True if anybody would read an update of that run; saves making it.
    pub(crate) fn any(&self, run: RunId) -> bool {
        self.updates.contains_key(&run)
    }

    /// Tells the watchers of a run; one that has left or reads too slowly is forgotten.
    pub(crate) fn tell(&mut self, run: RunId, update: &Update) {
        if let Some(watchers) = self.updates.get_mut(&run) {
            watchers.retain(|watcher| watcher.try_send(update.clone()).is_ok());
            if watchers.is_empty() {
                self.updates.remove(&run);
            }
        }
    }

    /// The run is over: watchers see their channel end, waiters get the status.
    pub(crate) fn ended(&mut self, run: RunId, status: RunStatus) {
        self.updates.remove(&run);
        for waiter in self.waiters.remove(&run).into_iter().flatten() {
            // A waiter that has gone away does not need the answer.
            let _ = waiter.send(Ok(status));
        }
    }

    /// The scheduler is over.
    pub(crate) fn stopped(&mut self, error: &Error) {
        self.updates.clear();
        for (_, waiters) in self.waiters.drain() {
            for waiter in waiters {
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }
}
