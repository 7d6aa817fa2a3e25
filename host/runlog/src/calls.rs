//! What the writer of a database is asked, and what it answers.

use cofferdam_model::{Channel, LibraryDigest, RunId, Term, Tick};
use tokio::sync::oneshot;

use crate::alerts::AlertOp;
use crate::ticks::TickOp;
use crate::{AppendError, Batch, By, Error, LogRecord, NewRun};

/// Calls that share one transaction at most, so that none waits for long.
pub(crate) const GROUP_CALLS_MAX: usize = 256;

/// One call.
#[derive(Debug)]
pub(crate) enum Op {
    /// After that one.
    TakeTerm(Term),
    CreateRun(Box<NewRun>),
    Append(Vec<Batch>),
    AppendLogs(Vec<LogRecord>),
    Change(Change),
    Tick(TickOp),
    Alert(AlertOp),
}

/// A change that is no event.
#[derive(Debug)]
pub(crate) enum Change {
    ForgetMemos(RunId),
    AddPartitions(String, Vec<String>),
    RemovePartitions(String, Vec<String>),
    Pin(RunId),
    Unpin(RunId),
    Promote(Channel, LibraryDigest, By),
    RollBack(Channel, By),
}

#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Term(Term),
    Run(RunId),
    Count(u64),
    Tick(Box<Tick>),
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
            _ => unreachable!("changes are answered with a count"),
        }
    }

    pub(crate) fn tick(self) -> Tick {
        match self {
            Reply::Tick(tick) => *tick,
            _ => unreachable!("a tick that is opened or closed is answered with it"),
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
