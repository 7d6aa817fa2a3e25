//! Why an attempt failed, in a form that a person can read and the retry rule can decide on.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::MetadataEntry;

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// One line.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// Guest frames, innermost first; host frames are left out.
    pub backtrace: Vec<String>,
    pub retry: RetryAdvice,
    pub metadata: Vec<MetadataEntry>,
}

/// Who or what ended the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The op returned a failure.
    Op,
    /// The guest trapped: panic, unreachable, out of bounds, stack overflow.
    Trap,
    /// The attempt ran longer than its timeout.
    Timeout,
    /// The fuel of the attempt is used up.
    Fuel,
    /// The guest was refused memory and gave up.
    Memory,
    /// The guest's outputs are larger or more than its limits allow.
    OutputLimit,
    /// The guest made too many calls into the host.
    HostCalls,
    /// The completion breaks the op's own description: an undeclared, doubled or missing output.
    OutputSpec,
    /// The library cannot be loaded: not a component, another world, refused imports, compile limits.
    Library,
    /// An input cannot be read, or its bytes do not match its digest.
    Input,
    /// An output cannot be stored.
    Store,
    /// The process that ran the attempt died.
    CellDied,
    /// The worker that ran the attempt is gone. Not counted against the user's retries.
    WorkerLost,
    /// The run was cancelled.
    Cancelled,
    /// A blocking asset check did not pass.
    Check,
    /// Somebody who was asked to approve the step rejected it, or nobody approved it in time.
    Rejected,
    /// Config could not be completed: an environment variable is not set or is not what it must be.
    Config,
}

impl FailureKind {
    /// The word shown to people and given to programs.
    pub fn code(self) -> &'static str {
        match self {
            FailureKind::Op => "op-failed",
            FailureKind::Trap => "trap",
            FailureKind::Timeout => "timeout",
            FailureKind::Fuel => "fuel",
            FailureKind::Memory => "memory",
            FailureKind::OutputLimit => "output-limit",
            FailureKind::HostCalls => "host-calls",
            FailureKind::OutputSpec => "output-spec",
            FailureKind::Library => "library",
            FailureKind::Input => "input",
            FailureKind::Store => "store",
            FailureKind::CellDied => "cell-died",
            FailureKind::WorkerLost => "worker-lost",
            FailureKind::Cancelled => "cancelled",
            FailureKind::Check => "check",
            FailureKind::Rejected => "rejected",
            FailureKind::Config => "config",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What is known about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAdvice {
    /// As the step's retry policy says.
    #[default]
    Policy,
    /// Not again: the failure is permanent.
    Never,
    /// Again, not before this time has passed: as often as the policy allows, and once if there is none.
    After(Duration),
}

impl Failure {
    /// A failure without details.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        let retry = match kind {
            FailureKind::OutputSpec
            | FailureKind::Library
            | FailureKind::Cancelled
            | FailureKind::Check
            | FailureKind::Rejected
            | FailureKind::Config => RetryAdvice::Never,
            _ => RetryAdvice::Policy,
        };
        Failure { kind, message: message.into(), causes: vec![], backtrace: vec![], retry, metadata: vec![] }
    }

    /// Adds what led to it.
    pub fn because(mut self, cause: impl fmt::Display) -> Failure {
        self.causes.push(cause.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
