//! Events: the facts of a run, in the order in which they became true. The run log holds nothing else, and
//! the engine's state is their fold.

use serde::{Deserialize, Serialize};

use crate::{
    CheckEvaluation, Failure, Fence, Materialization, MetadataEntry, Name, Origin, Output, RunId, RunLimit,
    StepKey, Timestamp, Usage, ValueDigest, WaitEnd, WorkerId,
};

/// Version of the stored form of events. A reader refuses a larger one.
pub const EVENT_VERSION: u32 = 5;

/// An event with its place in the run's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// 1, 2, 3 … without gaps within a run.
    pub seq: u64,
    /// When the scheduler decided it; never used to order.
    pub at: Timestamp,
    pub event: Event,
}

/// A fact about a run. Past tense; each one is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The run is accepted: from here on it will reach a terminal status.
    RunAccepted {
        plan: ValueDigest,
        /// Of a re-execution.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Box<Origin>>,
    },
    /// The claim of an attempt. Recorded before the order leaves.
    StepDispatched { step: StepKey, attempt: u32, fence: Fence, worker: WorkerId },
    /// The claim of one more attempt beside one that takes much longer than its like: the first commit of both wins.
    StepHedged { step: StepKey, attempt: u32, fence: Fence, worker: WorkerId },
    /// An attempt ended that had another beside it, which goes on or was first. It decides nothing.
    AttemptDropped {
        step: StepKey,
        attempt: u32,
        fence: Fence,
        /// None if the other was first, or this one never began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
        usage: Usage,
    },
    /// The guest is being instantiated.
    StepStarted { step: StepKey, attempt: u32, fence: Fence },
    /// The commit: these outputs are the step's outputs, for good.
    StepSucceeded {
        step: StepKey,
        attempt: u32,
        fence: Fence,
        outputs: Vec<Output>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        metadata: Vec<MetadataEntry>,
        usage: Usage,
        /// Under which others may find the result; none if it must not be taken again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memo: Option<ValueDigest>,
    },
    /// A re-execution took over what a run before it had made; nothing ran.
    StepReused { step: StepKey, from: RunId, outputs: Vec<Output> },
    /// The same library, op, config and inputs had given these outputs before; nothing ran.
    StepCached {
        step: StepKey,
        /// What was equal.
        memo: ValueDigest,
        /// The run and step that made them.
        from: RunId,
        source: StepKey,
        outputs: Vec<Output>,
    },
    /// An output that is an asset was committed. Recorded right after the end of its step.
    AssetMaterialized { step: StepKey, output: Name, materialization: Box<Materialization> },
    /// An asset check was evaluated. Recorded right after the end of its step.
    AssetChecked { step: StepKey, evaluation: Box<CheckEvaluation> },
    /// An attempt failed. With `retry_at` the step waits until then; without, the step has failed.
    StepFailed {
        step: StepKey,
        attempt: u32,
        fence: Fence,
        failure: Box<Failure>,
        usage: Usage,
        retry_at: Option<Timestamp>,
        /// The step is a hook or a tear-down: what becomes of it is nothing to the run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        beside: bool,
    },
    /// The worker of an attempt is gone. The step is dispatched anew; not counted against its retries.
    StepLost { step: StepKey, attempt: u32, fence: Fence, worker: WorkerId },
    /// A worker gave an attempt back before it began, because what it does takes longer than expected. It counts for
    /// nothing: the next attempt has the same number.
    StepReturned { step: StepKey, attempt: u32, fence: Fence, worker: WorkerId },
    /// What the step had committed and kept with workers is with none any more, and another step needs it: it is made
    /// anew. Outputs that are kept elsewhere stay as they are.
    OutputsLost {
        step: StepKey,
        /// Of the attempt that had made them.
        fence: Fence,
        why: WhyLost,
        /// The step that is to read them.
        needed_by: StepKey,
    },
    /// An attempt could not read what it was given: nobody had it any more. Not counted as a failure; the step is
    /// dispatched anew when that has been made anew.
    InputsLost { step: StepKey, attempt: u32, fence: Fence, worker: WorkerId },
    /// A step has all that it reads, and waits as its definition says: until then at most.
    WaitBegan {
        step: StepKey,
        /// To be approved; else for the time alone.
        approval: bool,
        until: Option<Timestamp>,
    },
    /// The wait of a step is over: it may run, or has failed.
    WaitEnded {
        step: StepKey,
        end: WaitEnd,
        /// Who said so, as far as that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A required input will never come because its producer left an optional output out, or was skipped.
    StepSkipped { step: StepKey, input: Name },
    /// A step before it failed, so it will not run. `root` is the step that failed first.
    StepAbandoned { step: StepKey, root: StepKey },
    /// Somebody asked for the end of the run, or it has reached a limit, by which it fails.
    RunCancelRequested {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<RunLimit>,
    },
    /// The step was waiting or running when its run was cancelled.
    StepCancelled {
        step: StepKey,
        /// Of the attempt that was ended by it, as far as its worker has told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Box<Usage>>,
    },
    /// The last event of every run.
    RunFinished { status: RunStatus },
}

/// What became of values that workers kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyLost {
    /// The last worker that had them has left or died.
    WorkerGone,
    /// A worker that was to read them was given them by nobody: they had to make room for others, or who has them
    /// cannot be reached.
    NotGiven,
}

impl WhyLost {
    /// As a person reads it, behind the name of the step.
    pub fn phrase(self) -> &'static str {
        match self {
            WhyLost::WorkerGone => "its outputs went with their worker",
            WhyLost::NotGiven => "no worker had its outputs any more",
        }
    }
}

/// Status of a run: a function of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted; no step dispatched yet.
    Queued,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
}

impl RunStatus {
    pub fn is_terminal(self) -> bool {
        matches!(self, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled)
    }

    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Cancelling => "cancelling",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Status of a step.
///
/// ```text
/// waiting ─► ready ─► running ─► succeeded (and waiting or ready again, if its outputs are lost)
///    │         ▲         ├─────► failed
///    │         └─ retry ◄┤
///    ├─► skipped         └─────► cancelled
///    ├─► abandoned
///    └─► cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Some input is not there yet, or its own wait is not over.
    Waiting,
    /// May be dispatched.
    Ready,
    /// Dispatched.
    Running,
    /// Failed, to be tried again at a time.
    Retrying,
    Succeeded,
    Failed,
    Skipped,
    Abandoned,
    Cancelled,
}

impl StepStatus {
    pub fn is_terminal(self) -> bool {
        use StepStatus::{Abandoned, Cancelled, Failed, Skipped, Succeeded};
        matches!(self, Succeeded | Failed | Skipped | Abandoned | Cancelled)
    }

    pub fn word(self) -> &'static str {
        match self {
            StepStatus::Waiting => "waiting",
            StepStatus::Ready => "ready",
            StepStatus::Running => "running",
            StepStatus::Retrying => "retrying",
            StepStatus::Succeeded => "succeeded",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Abandoned => "abandoned",
            StepStatus::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for StepStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
