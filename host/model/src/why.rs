//! Why a step does not run: the answer, and its words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{RunId, StepKey, StepStatus, Timestamp, UsedUp, WorkerId};

/// Steps that an answer names; of more it says how many.
pub const WHY_STEPS_MAX: usize = 20;

/// Why a step does not run now. Where several things hold it back, the one that must end first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It has ended.
    Ended {
        status: StepStatus,
    },
    /// It does run, or is on its way to this worker since then.
    Runs {
        worker: WorkerId,
        since: Timestamp,
    },
    /// The run is being cancelled and starts nothing.
    Cancelling,
    /// Other steps must end first.
    Dependency {
        on: Steps,
    },
    /// It has all that it reads, and waits as its definition says.
    Wait {
        /// To be approved; else for the time alone.
        approval: bool,
        since: Timestamp,
        until: Option<Timestamp>,
    },
    /// It is a copy that is made when this step has ended.
    NoCopyYet {
        of: StepKey,
    },
    /// Its last attempt failed; it is tried again then.
    RetryAt {
        at: Timestamp,
    },
    /// An earlier result is looked for.
    Recall,
    /// What it reads is with these workers only, and they cannot be heard.
    Silent {
        workers: Vec<WorkerId>,
    },
    /// As many runs go on as may, or as many with a tag as may: its own waits in the run queue.
    RunQueue {
        /// Key, and the value if only that counts; none for all runs together.
        tag: Option<(String, Option<String>)>,
        max: u32,
        /// The first of those that go on.
        held_by: Vec<RunId>,
        /// Runs whose turn is earlier.
        before: u64,
    },
    /// As many steps of its run are under way as may be.
    MaxConcurrent {
        max: u32,
    },
    /// As many steps with a tag are under way as may be.
    TagLimit {
        key: String,
        value: Option<String>,
        max: u32,
        held_by: Steps,
    },
    /// All slots of its pool are taken.
    Pool {
        pool: String,
        max: u32,
        held_by: Vec<(RunId, StepKey)>,
    },
    /// As many steps of its namespace are under way as may be.
    Namespace {
        namespace: String,
        max: u32,
    },
    /// Its namespace has used up a quota.
    Quota {
        namespace: String,
        used_up: UsedUp,
    },
    NoWorker,
    /// No worker has what it asks for.
    NoWorkerFits {
        asks: String,
        nearest: Nearest,
    },
    /// Every worker that could run it wants to leave.
    Draining,
    /// Every worker that could run it ends before the step's time would be up.
    NoTimeLeft,
    /// Every worker that could run it has all slots or resources in use, and others come first.
    Busy {
        asks: String,
        before: Before,
    },
}

/// Why steps of a run do not run now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons {
    /// The one that was asked about; or, of a whole run, the first of those that have all they read and have not ended.
    pub steps: Vec<(StepKey, Why)>,
    /// How many more of those there are.
    pub more: usize,
}

/// Steps of the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// The first of them.
    pub named: Vec<StepKey>,
    pub all: usize,
}

/// The worker that comes nearest to what a step asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    pub worker: WorkerId,
    /// What it has not, or not enough of.
    pub lacks: String,
}

/// Ready steps whose turn is earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Because their priority is higher.
    pub by_priority: u64,
    /// Because their run was accepted earlier or they stand earlier in its plan.
    pub by_order: u64,
    /// The namespace of the step, if another one is below its share.
    pub over_share: Option<String>,
}

impl fmt::Display for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.named.iter().map(|key| format!("`{key}`")).collect();
        out.write_str(&named.join(", "))?;
        match self.all.saturating_sub(self.named.len()) {
            0 => Ok(()),
            more => write!(out, " and {more} more"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Ended { status } => write!(out, "it does not wait: it has ended, {status}"),
            Why::Runs { worker, .. } => write!(out, "it does not wait: worker {} has it", worker.0),
            Why::Cancelling => out.write_str("its run is being cancelled"),
            Why::Dependency { on } => write!(out, "it waits for {on}"),
            Why::Wait { approval, until, .. } => wait(out, *approval, *until),
            Why::NoCopyYet { of } => write!(out, "which copies there are is known when `{of}` has ended"),
            Why::RetryAt { .. } => out.write_str("its last attempt failed, and the next one is not due yet"),
            Why::Recall => out.write_str("an earlier result is looked for"),
            Why::Silent { workers } => {
                let workers: Vec<String> = workers.iter().map(|worker| worker.0.to_string()).collect();
                write!(out, "what it reads is with worker {}, which cannot be heard", workers.join(" or "))
            }
            Why::RunQueue { tag, max, held_by, before } => {
                run_queue(out, tag.as_ref(), *max, held_by, *before)
            }
            Why::MaxConcurrent { max } => {
                let under_way = under_way(*max, " of its run");
                write!(out, "{under_way}, as many as `max_concurrent` lets")
            }
            Why::TagLimit { key, value, max, held_by } => {
                let tag = value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}"));
                let under_way = under_way(*max, &format!(" with the tag `{tag}`"));
                write!(out, "{under_way}, as many as its limit lets: {held_by}")
            }
            Why::Namespace { namespace, max } => {
                let under_way = under_way(*max, &format!(" of the namespace `{namespace}`"));
                write!(out, "{under_way}, as many as its limit lets")
            }
            Why::Quota { namespace, used_up } => {
                write!(out, "the namespace `{namespace}` has a quota of {used_up}")
            }
            Why::Pool { pool, max: 0, .. } => write!(out, "the pool `{pool}` has no slots"),
            Why::Pool { pool, max, held_by } => {
                write!(out, "all slots of the pool `{pool}` are taken ({max}), by ")?;
                let holders: Vec<String> =
                    held_by.iter().map(|(run, step)| format!("`{step}` of run {run}")).collect();
                out.write_str(&holders.join(", "))
            }
            Why::NoWorker => out.write_str("no worker has joined"),
            Why::NoWorkerFits { asks, nearest } => write!(
                out,
                "it asks for {asks}, which no worker offers; the nearest, worker {}, lacks {}",
                nearest.worker.0, nearest.lacks
            ),
            Why::Draining => out.write_str("every worker that could run it wants to leave"),
            Why::NoTimeLeft => {
                out.write_str("every worker that could run it ends before the step's timeout would be over")
            }
            Why::Busy { asks, before } => busy(out, asks, before),
        }
    }
}

fn wait(out: &mut fmt::Formatter<'_>, approval: bool, until: Option<Timestamp>) -> fmt::Result {
    match (approval, until) {
        (true, None) => out.write_str("it waits to be approved"),
        (true, Some(until)) => write!(out, "it waits to be approved, until {until}"),
        (false, Some(until)) => write!(out, "it waits until {until}"),
        (false, None) => out.write_str("it waits"),
    }
}

fn run_queue(
    out: &mut fmt::Formatter<'_>,
    tag: Option<&(String, Option<String>)>,
    max: u32,
    held_by: &[RunId],
    before: u64,
) -> fmt::Result {
    let which = tag.map_or_else(String::new, |(key, value)| match value {
        Some(value) => format!(" with the tag `{key}={value}`"),
        None => format!(" with the tag `{key}`"),
    });
    if max == 0 {
        return write!(out, "its run waits in the run queue, which lets no run{which} begin");
    }
    let runs = if max == 1 { "1 run" } else { &format!("{max} runs") };
    write!(out, "its run waits in the run queue: {runs}{which} may go on at once, and these do: ")?;
    let held_by: Vec<String> = held_by.iter().map(ToString::to_string).collect();
    out.write_str(&held_by.join(", "))?;
    match before {
        0 => Ok(()),
        1 => out.write_str("; 1 run goes before it"),
        n => write!(out, "; {n} runs go before it"),
    }
}

fn busy(out: &mut fmt::Formatter<'_>, asks: &str, before: &Before) -> fmt::Result {
    write!(out, "every worker that could run it is busy; it asks for {asks}")?;
    if before.by_priority > 0 {
        write!(out, "; {} before it by priority", go(before.by_priority))?;
    }
    if before.by_order > 0 {
        write!(out, "; {} before it in order", go(before.by_order))?;
    }
    if let Some(namespace) = &before.over_share {
        write!(out, "; its namespace `{namespace}` has its share already")?;
    }
    Ok(())
}

fn under_way(n: u32, which: &str) -> String {
    if n == 1 { format!("1 step{which} is under way") } else { format!("{n} steps{which} are under way") }
}

fn go(n: u64) -> String {
    if n == 1 { "1 step goes".to_owned() } else { format!("{n} steps go") }
}
