//! The run state machine: inputs and the time go in, actions come out.
//!
//! A [`Run`] is the fold of its events over a [`Layout`] (a plan with what can be computed from it once);
//! anybody who has both can make one, and `cofferdam show` does. The [`Engine`] holds the runs that are being
//! driven, decides, and records every decision as an event before it acts on it, so that a restart folds the
//! log and decides nothing twice. No await, clock, randomness or IO: whoever calls brings the time and carries
//! out the actions.

mod accept;
mod asset;
mod assign;
mod dagster;
mod demand;
mod engine;
mod layout;
mod lines;
mod memo;
mod place;
mod retry;
mod run;
mod run_retry;
#[cfg(test)]
mod tests;
mod verdict;
mod view;

pub use dagster::{DagsterEvent, DagsterTeller, dagster_events};
pub use engine::{Action, Census, Engine, Input, Present, Settings, Submission, Under};
pub use layout::{InvalidLayout, Layout};
pub use memo::{MemoPart, PROFILE_VERSION, memo_key, memo_parts};
pub use place::{Quotas, hour_began};
pub use run::{InvalidHistory, Lost, Run, TakenOver, WaitEnded, Waited};
pub use run_retry::{
    MAX_RETRIES_TAG, PARENT_RUN_TAG, RESUME_TAG, RETRY_NUMBER_TAG, RETRY_ON_FAILURE_TAG, RETRY_STRATEGY_TAG,
    ROOT_RUN_TAG, RunRetry, rerun_tags, run_retry,
};
pub use view::{AttemptView, ReadView, StepView};

/// Losses of its worker after which a step is given up: it may be what kills them.
pub const LOSSES_MAX: u32 = 3;

/// Attempts of a step that find nobody who has what they read, after which the step is given up. Each such attempt has
/// what it lacks made anew, and where workers have too little room for that, it would be made without end.
pub const INPUTS_LOST_MAX: u32 = 10;
