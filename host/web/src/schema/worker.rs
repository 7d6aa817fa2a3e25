//! Workers, and what waits for them.

use async_graphql::{ID, SimpleObject};
use cofferdam_scheduler::{Census, Present, Under};

use super::convert::{Tag, seconds, tags};

/// A worker that is heard.
#[derive(SimpleObject)]
pub(crate) struct Worker {
    id: ID,
    slots: u32,
    /// Abstract resources that it offers, such as `GPU`.
    resources: Vec<Tag>,
    labels: Vec<Tag>,
    /// It gets nothing more.
    leaving: bool,
    /// Steps that it has, the oldest first.
    running: Vec<RunningStep>,
}

#[derive(SimpleObject)]
pub(crate) struct RunningStep {
    run_id: ID,
    step_key: String,
    attempt: u32,
    since: f64,
}

impl From<Present> for Worker {
    fn from(worker: Present) -> Worker {
        Worker {
            id: ID(worker.worker.0.to_string()),
            slots: worker.slots,
            resources: tags(worker.resources),
            labels: tags(worker.labels),
            leaving: worker.leaving,
            running: worker.attempts.into_iter().map(RunningStep::from).collect(),
        }
    }
}

impl From<Under> for RunningStep {
    fn from(under: Under) -> RunningStep {
        RunningStep {
            run_id: ID(under.run.to_string()),
            step_key: under.step.to_string(),
            attempt: under.attempt,
            since: seconds(under.dispatched_at),
        }
    }
}

/// How things stand, in numbers.
#[derive(SimpleObject)]
pub(crate) struct Queue {
    /// Runs that are driven, by status.
    runs: Vec<Count>,
    /// Steps that do not run and have not ended, by why.
    waiting: Vec<Count>,
    running: u64,
    slots: u64,
}

#[derive(SimpleObject)]
pub(crate) struct Count {
    name: String,
    count: u64,
}

impl From<Census> for Queue {
    fn from(census: Census) -> Queue {
        let count = |name: String, count: u64| Count { name, count };
        Queue {
            runs: census.runs.into_iter().map(|(status, n)| count(status.to_string(), n)).collect(),
            waiting: census.waiting.into_iter().map(|(why, n)| count(why.to_owned(), n)).collect(),
            running: census.running,
            slots: census.slots,
        }
    }
}
