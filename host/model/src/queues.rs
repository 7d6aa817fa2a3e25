//! What waits for its turn over all runs: the run queue, and the pools.

use serde::{Deserialize, Serialize};

use crate::{Name, RunId, StepKey, Why};

/// Runs of the queue that are named; of more it is said how many.
pub const QUEUED_RUNS_MAX: usize = 100;

/// The run queue and the pools, as they are now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queues {
    /// Runs that may not begin yet, in the order of their turn.
    pub runs: Vec<QueuedRun>,
    /// How many more there are.
    pub more_runs: usize,
    /// Those that the operator has limited, and those that steps of open runs name; by name.
    pub pools: Vec<PoolUse>,
}

/// A run that waits in the run queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedRun {
    pub run: RunId,
    pub job: Name,
    pub priority: i32,
    pub why: Why,
}

/// What a pool has, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolUse {
    pub name: String,
    /// Most steps at once; none is no limit.
    pub limit: Option<u32>,
    pub taken: u32,
    /// Steps that have all they read and ask for a place.
    pub waiting: u64,
    /// The first of those that have one.
    pub holders: Vec<(RunId, StepKey)>,
}
