//! What alerts are made of and what becomes of them: events that nobody has looked at yet, and deliveries until they have
//! arrived. Written by the loop that sends them, and read by everybody.
//!
//! News is written with the events themselves, and goes in the same transaction in which the deliveries come that are made
//! of it: a process that ends in between has lost nothing, and one that comes after it makes none twice.

use async_trait::async_trait;
use cofferdam_model::{Delivery, Event, Name, Recorded, RunId, Term, Timestamp};

use crate::{AppendError, Error};

/// An event that a rule may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Grows with every one of any run.
    pub number: u64,
    pub run: RunId,
    pub recorded: Recorded,
}

/// Every method is one transaction. Whoever writes as a scheduler does so under its term, and is refused once that has
/// passed. A page has at most `limit` entries and at most [`crate::PAGE_ROWS_MAX`].
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Events that nobody has looked at yet, in the order in which they were recorded.
    async fn news(&self, limit: usize) -> Result<Vec<News>, Error>;

    /// Drops news up to a number, and records deliveries, all or nothing; one whose key is known is left out. How many
    /// are new.
    async fn raise(&self, term: Term, upto: u64, deliveries: Vec<Delivery>) -> Result<u64, AppendError>;

    /// Deliveries to a target that have not ended, by when they are to be tried.
    async fn pending(&self, target: Name, limit: usize) -> Result<Vec<Delivery>, Error>;

    /// Targets of deliveries that have not ended, by name.
    async fn awaited(&self) -> Result<Vec<Name>, Error>;

    /// Records what came of an attempt: the delivery as it is from now on.
    async fn note(&self, term: Term, delivery: Delivery) -> Result<(), AppendError>;

    /// All deliveries, newest first; the next page is `before` the last number.
    async fn deliveries(&self, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, Error>;

    /// Drops deliveries that ended before an instant; how many.
    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Error>;
}

/// A write of an [`Alerts`].
#[derive(Debug)]
pub(crate) enum AlertOp {
    Raise(Term, u64, Vec<Delivery>),
    Note(Term, Box<Delivery>),
    Forget(Timestamp),
}

impl AlertOp {
    /// The term under which it is written, if a scheduler writes it.
    pub(crate) fn term(&self) -> Option<Term> {
        match self {
            AlertOp::Raise(term, ..) | AlertOp::Note(term, _) => Some(*term),
            AlertOp::Forget(_) => None,
        }
    }
}

/// Whether a rule may be about an event.
pub(crate) fn is_news(event: &Event) -> bool {
    match event {
        Event::RunFinished { .. } | Event::StepLost { .. } => true,
        Event::StepFailed { retry_at, .. } => retry_at.is_none(),
        Event::WaitEnded { end, .. } => !end.goes_on(),
        Event::AssetChecked { evaluation, .. } => !evaluation.passed,
        _ => false,
    }
}
