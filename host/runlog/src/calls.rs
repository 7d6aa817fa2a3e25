//! What the writer of a database is asked, and what it answers.

use cofferdam_model::{RunId, Term};
use tokio::sync::oneshot;

use crate::{AppendError, Batch, Error, LogRecord, NewRun};

/// Calls that share one transaction at most, so that none waits for long.
pub(crate) const GROUP_CALLS_MAX: usize = 256;

/// One call.
#[derive(Debug)]
pub(crate) enum Op {
    TakeTerm,
    CreateRun(Box<NewRun>),
    Append(Vec<Batch>),
    AppendLogs(Vec<LogRecord>),
    Change(Change),
}

/// A change that is no event.
#[derive(Debug)]
pub(crate) enum Change {
    ForgetMemos(RunId),
    AddPartitions(String, Vec<String>),
    RemovePartitions(String, Vec<String>),
    Pin(RunId),
    Unpin(RunId),
}

#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Term(Term),
    Run(RunId),
    Count(u64),
}

impl Reply {
    pub(crate) fn term(self) -> Term {
        match self {
            Reply::Term(term) => term,
            _ => unreachable!("`TakeTerm` is answered with a term"),
        }
    }

    pub(crate) fn run(self) -> RunId {
        match self {
            Reply::Run(run) => run,
            _ => unreachable!("`CreateRun` is answered with a run"),
        }
    }

    pub(crate) fn count(self) -> u64 {
        match self {
            Reply::Count(count) => count,
            _ => unreachable!("`Change` is answered with a count"),
        }
    }
}

pub(crate) type Outcome = Result<Reply, AppendError>;

pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// The error of a call that is not an append and so cannot lose a compare-and-swap.
pub(crate) fn plain(error: AppendError) -> Error {
    match error {
        AppendError::Store(error) => error,
        other => Error::Damaged { what: "an answer".to_owned(), source: Box::new(other) },
    }
}
