//! Workers, and what waits for them.

use async_graphql::{ID, SimpleObject};
use cofferdam_model::{self as model, PoolUse, Queues, RunId, StepKey};
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
    /// Runs that may not begin yet, in the order of their turn: the first of them.
    queued: Vec<QueuedRun>,
    /// How many more there are.
    more_queued: u64,
    /// By name: those that have a limit, and those that steps of open runs ask for.
    pools: Vec<Pool>,
}

#[derive(SimpleObject)]
pub(crate) struct QueuedRun {
    run_id: ID,
    job_name: String,
    priority: i32,
    /// Why it waits, as a person reads it.
    text: String,
}

/// Of the steps of all runs that name it, at most so many run at once.
#[derive(SimpleObject)]
pub(crate) struct Pool {
    name: String,
    limit: Option<u32>,
    taken: u32,
    /// Steps that have all they read and ask for a place.
    waiting: u64,
    /// The first of those that have one.
    holders: Vec<Holder>,
}

#[derive(SimpleObject)]
pub(crate) struct Holder {
    run_id: ID,
    step_key: String,
}

#[derive(SimpleObject)]
pub(crate) struct Count {
    name: String,
    count: u64,
}

impl From<model::QueuedRun> for QueuedRun {
    fn from(queued: model::QueuedRun) -> QueuedRun {
        QueuedRun {
            run_id: ID(queued.run.to_string()),
            job_name: queued.job.to_string(),
            priority: queued.priority,
            text: queued.why.to_string(),
        }
    }
}

impl From<PoolUse> for Pool {
    fn from(pool: PoolUse) -> Pool {
        let holder = |(run, step): (RunId, StepKey)| Holder {
            run_id: ID(run.to_string()),
            step_key: step.to_string(),
        };
        Pool {
            name: pool.name,
            limit: pool.limit,
            taken: pool.taken,
            waiting: pool.waiting,
            holders: pool.holders.into_iter().map(holder).collect(),
        }
    }
}

impl From<(Census, Queues)> for Queue {
    fn from((census, queues): (Census, Queues)) -> Queue {
        let count = |name: String, count: u64| Count { name, count };
        Queue {
            runs: census.runs.into_iter().map(|(status, n)| count(status.to_string(), n)).collect(),
            waiting: census.waiting.into_iter().map(|(why, n)| count(why.to_owned(), n)).collect(),
            running: census.running,
            slots: census.slots,
            queued: queues.runs.into_iter().map(QueuedRun::from).collect(),
            more_queued: queues.more_runs as u64,
            pools: queues.pools.into_iter().map(Pool::from).collect(),
        }
    }
}
