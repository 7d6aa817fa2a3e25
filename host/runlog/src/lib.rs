//! The run log: events, plans, log lines, and the projections that queries read.
//!
//! Events are the truth; everything else is made of them in the same transaction and can be made again by
//! folding them. Who appends, and why, is none of its business. Three stores keep one contract, [`RunLog`]:
//! [`Memory`] for tests and runs that nobody wants to keep, [`Sqlite`] for one machine, [`Postgres`] where the log
//! must outlive the machine of the scheduler. [`Remote`] reads one of them from afar.

mod alerts;
mod calls;
mod catalog;
mod error;
mod memory;
mod postgres;
mod records;
mod remote;
mod sqlite;
mod stored;
mod summary;
mod ticks;

pub use alerts::{Alerts, News};
pub use catalog::{By, Catalog, Checked, Materialized, Promotion};
pub use error::{AppendError, Error, FindError};
pub use memory::Memory;
pub use postgres::Postgres;
pub use records::{Batch, LogFilter, LogRecord, NewRun, RunFilter, StoredLog};
pub use remote::{Ask, Question, Remote, answer};
pub use sqlite::Sqlite;
pub use summary::{RunSummary, StepCounts};
pub use ticks::{NewTick, Reservation, TickEnd, Ticks};

use async_trait::async_trait;
use cofferdam_model::{Known, Recorded, RunId, Term};

/// Most rows that one call returns, so that no caller makes the store read a whole history at once.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// What the scheduler writes to and everybody reads from.
///
/// Every method is one transaction: it happened wholly, durably and visibly to the next call when it answers
/// `Ok`, and not at all when it answers an error. A future that is dropped leaves the outcome unknown: the
/// call may still happen. Any number of tasks may call at once.
#[async_trait]
pub trait RunLog: Send + Sync {
    /// Starts a new time in office: a number larger than all before, and than `after`, the last one that is known from
    /// elsewhere. From then on appends under an older term are refused.
    async fn take_term(&self, after: Term) -> Result<Term, Error>;

    /// Records a run without events. With an idempotency key that has been seen before, records nothing and
    /// answers the run of that key.
    async fn create_run(&self, run: NewRun) -> Result<RunId, Error>;

    /// Appends to the histories of several runs, all or nothing. This is the compare-and-swap that every
    /// decision goes through: it fails if a run's last sequence number is not the one that the batch
    /// expects, or if its term has passed.
    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError>;

    /// Keeps log lines, in order per step and attempt.
    async fn append_logs(&self, records: Vec<LogRecord>) -> Result<(), Error>;

    /// Events with `seq >= from_seq`, in order, at most `limit` of them and at most [`PAGE_ROWS_MAX`].
    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error>;

    /// Log lines whose number is at least `from`, in the order of arrival.
    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error>;

    /// The stored form of the run's plan.
    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error>;

    /// What the run takes over from runs before it.
    async fn known(&self, run: RunId) -> Result<Known, Error>;

    /// One run's summary.
    async fn summary(&self, run: RunId) -> Result<RunSummary, Error>;

    /// Summaries, newest run first.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error>;

    /// Runs without a terminal event, oldest first.
    async fn unfinished(&self) -> Result<Vec<RunId>, Error>;

    /// The run whose id starts with `prefix`.
    async fn find(&self, prefix: &str) -> Result<RunId, FindError>;

    /// What is known across runs.
    fn catalog(&self) -> &dyn Catalog;

    /// What is known of schedules and sensors.
    fn automation(&self) -> &dyn Ticks;

    /// What alerts are made of, and what becomes of them.
    fn alerts(&self) -> &dyn Alerts;

    /// All events of a run from `from_seq` on, page by page.
    async fn history(&self, run: RunId, from_seq: u64) -> Result<Vec<Recorded>, Error> {
        let mut events = self.events(run, from_seq, PAGE_ROWS_MAX).await?;
        let mut page = events.len();
        while page == PAGE_ROWS_MAX {
            let next = events.last().map_or(from_seq, |last| last.seq + 1);
            let more = self.events(run, next, PAGE_ROWS_MAX).await?;
            page = more.len();
            events.extend(more);
        }
        Ok(events)
    }
}
