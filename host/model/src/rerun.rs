//! Re-execution: what a run takes over from runs before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Output, RunId, StepKey};

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The run that is executed again.
    pub parent: RunId,
    /// The first of the chain.
    pub root: RunId,
    /// What is executed again.
    pub how: Reexecution,
    /// True if the instance started it by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reexecution {
    AllSteps,
    Selection,
    FromFailure,
}

impl Reexecution {
    pub fn word(self) -> &'static str {
        match self {
            Reexecution::AllSteps => "all_steps",
            Reexecution::Selection => "selection",
            Reexecution::FromFailure => "from_failure",
        }
    }
}

/// Steps whose end is known before the run: they end that way, without an attempt, when their turn comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known(pub BTreeMap<StepKey, KnownStep>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownStep {
    /// It ran before; these are its outputs.
    Reused { run: RunId, outputs: Vec<Output> },
    /// It was skipped before, or is not selected now.
    Skipped,
}

/// An earlier result that may be taken instead of running a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// The run and step that made it.
    pub run: RunId,
    pub step: StepKey,
    pub outputs: Vec<Output>,
}
