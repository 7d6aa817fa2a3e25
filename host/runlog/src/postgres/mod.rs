//! The log in a database of PostgreSQL: one task that writes in groups over a session which holds the lock of the
//! only writer, readers on sessions of their own.
//!
//! The database may go and come back. Writing waits for it, for as long as the store was opened with; a COMMIT whose
//! answer was lost is looked up, never repeated blindly. Reading answers an error at once.

mod alerts;
mod catalog;
mod group;
mod place;
mod read;
mod schema;
mod ticks;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_model::{Known, Recorded, RunId, Term};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::place::Place;
use self::read::Readers;
use self::write::Writer;
use crate::calls::{Call, Op, Reply, plain};
use crate::{
    Alerts, AppendError, Batch, Catalog, Error, FindError, LogFilter, LogRecord, NewRun, RunFilter, RunLog,
    RunSummary, StoredLog, Ticks,
};

/// Calls that wait for the writer; who asks more waits.
const CALLS_WAITING_MAX: usize = 1024;

/// A [`RunLog`] in a database. Only one process at a time may hold it open for writing; any number may read.
pub struct Postgres {
    readers: Readers,
    calls: Option<mpsc::Sender<Call>>,
    /// The writer; ends with the store.
    _writer: JoinSet<()>,
}

impl Postgres {
    /// Opens the database at `url` for writing and makes its tables or brings them up to date. Fails if another
    /// process holds it, if its tables are newer than this program knows, or if it cannot be reached. Later calls
    /// that write wait up to `patience` for a database that is away.
    pub async fn open(url: &str, patience: Duration) -> Result<Postgres, Error> {
        let place = Arc::new(Place::parse(url)?);
        let writer = Writer::open(place.clone(), patience).await?;
        let (calls, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        let mut task = JoinSet::new();
        task.spawn(writer.serve(waiting));
        Ok(Postgres { readers: Readers::new(place), calls: Some(calls), _writer: task })
    }

    /// Opens an existing store for reading, also while another process writes to it. Methods that write answer
    /// [`Error::ReadOnly`].
    pub async fn open_read_only(url: &str) -> Result<Postgres, Error> {
        let readers = Readers::new(Arc::new(Place::parse(url)?));
        readers.check().await?;
        Ok(Postgres { readers, calls: None, _writer: JoinSet::new() })
    }

    async fn write(&self, op: Op) -> Result<Reply, AppendError> {
        let calls = self.calls.as_ref().ok_or(Error::ReadOnly)?;
        let (answer, outcome) = oneshot::channel();
        calls.send(Call { op, answer }).await.map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)?
    }
}

#[async_trait]
impl RunLog for Postgres {
    async fn take_term(&self, after: Term) -> Result<Term, Error> {
        Ok(self.write(Op::TakeTerm(after)).await.map_err(plain)?.term())
    }

    async fn create_run(&self, run: NewRun) -> Result<RunId, Error> {
        Ok(self.write(Op::CreateRun(Box::new(run))).await.map_err(plain)?.run())
    }

    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        self.write(Op::Append(batches)).await.map(|_| ())
    }

    async fn append_logs(&self, records: Vec<LogRecord>) -> Result<(), Error> {
        self.write(Op::AppendLogs(records)).await.map(|_| ()).map_err(plain)
    }

    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error> {
        self.readers.events(run, from_seq, limit).await
    }

    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        self.readers.logs(run, &filter, from, limit).await
    }

    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        self.readers.plan(run).await
    }

    async fn known(&self, run: RunId) -> Result<Known, Error> {
        self.readers.known(run).await
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        self.readers.summary(run).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.readers.runs(&filter).await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        self.readers.unfinished().await
    }

    async fn find(&self, prefix: &str) -> Result<RunId, FindError> {
        FindError::decide(prefix, self.readers.starting_with(&prefix.to_ascii_lowercase()).await?)
    }

    fn catalog(&self) -> &dyn Catalog {
        self
    }

    fn automation(&self) -> &dyn Ticks {
        self
    }

    fn alerts(&self) -> &dyn Alerts {
        self
    }
}
