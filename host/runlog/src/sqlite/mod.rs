//! The log in one SQLite file: one writer thread that commits in groups, readers on connections of their
//! own, so that neither waits for the other (WAL).

mod alerts;
mod catalog;
mod open;
mod read;
mod ticks;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cofferdam_model::{Known, Recorded, RunId, Term};
use rusqlite::Connection;

use self::write::Writer;
use crate::calls::{Op, Reply, plain};
use crate::{
    Alerts, AppendError, Batch, Catalog, Error, FindError, LogFilter, LogRecord, NewRun, RunFilter, RunLog,
    RunSummary, StoredLog, Ticks,
};

/// Connections that are kept for reading; more readers than this open one for their call.
const READERS_KEPT_MAX: usize = 4;

/// A [`RunLog`] in a file. Only one process at a time may hold it open for writing; any number may read.
pub struct Sqlite {
    readers: Arc<Readers>,
    writer: Option<Writer>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens or creates the store at `path` for writing. Fails if another process holds it, if its schema is
    /// newer than this program knows (the file stays as it was), or if the folder is missing or read-only.
    pub fn open(path: &Path) -> Result<Sqlite, Error> {
        let (connection, lock) = open::writer(path)?;
        Ok(Sqlite { readers: Readers::new(path), writer: Some(Writer::start(connection, lock)) })
    }

    /// Opens an existing store for reading, also while another process writes to it. Methods that write
    /// answer [`Error::ReadOnly`].
    pub fn open_read_only(path: &Path) -> Result<Sqlite, Error> {
        let readers = Readers::new(path);
        let connection = open::reader(path)?;
        readers.give_back(connection);
        Ok(Sqlite { readers, writer: None })
    }

    async fn write(&self, op: Op) -> Result<Reply, AppendError> {
        match &self.writer {
            Some(writer) => writer.call(op).await,
            None => Err(Error::ReadOnly.into()),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = self.readers.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let answer = query(&connection);
            readers.give_back(connection);
            answer
        });
        task.await.map_err(|_| Error::Closed)?
    }
}

impl Readers {
    fn new(path: &Path) -> Arc<Readers> {
        Arc::new(Readers { path: path.to_owned(), idle: Mutex::default() })
    }

    fn take(&self) -> Result<Connection, Error> {
        let idle = self.idle.lock().expect("the list is only pushed to and popped from").pop();
        idle.map_or_else(|| open::reader(&self.path), Ok)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().expect("the list is only pushed to and popped from");
        if idle.len() < READERS_KEPT_MAX {
            idle.push(connection);
        }
    }
}

#[async_trait]
impl RunLog for Sqlite {
    async fn take_term(&self, after: Term) -> Result<Term, Error> {
        let reply = self.write(Op::TakeTerm(after)).await.map_err(plain)?;
        Ok(reply.term())
    }

    async fn create_run(&self, run: NewRun) -> Result<RunId, Error> {
        let reply = self.write(Op::CreateRun(Box::new(run))).await.map_err(plain)?;
        Ok(reply.run())
    }

    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        self.write(Op::Append(batches)).await.map(|_| ())
    }

    async fn append_logs(&self, records: Vec<LogRecord>) -> Result<(), Error> {
        self.write(Op::AppendLogs(records)).await.map(|_| ()).map_err(plain)
    }

    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error> {
        self.read(move |db| read::events(db, run, from_seq, limit)).await
    }

    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        self.read(move |db| read::logs(db, run, &filter, from, limit)).await
    }

    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        self.read(move |db| read::plan(db, run)).await
    }

    async fn known(&self, run: RunId) -> Result<Known, Error> {
        self.read(move |db| read::known(db, run)).await
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        self.read(move |db| read::summary(db, run).map(|(_, summary)| summary)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.read(move |db| read::runs(db, &filter)).await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        self.read(read::unfinished).await
    }

    async fn find(&self, prefix: &str) -> Result<RunId, FindError> {
        let wanted = prefix.to_ascii_lowercase();
        let found = self.read(move |db| read::starting_with(db, &wanted)).await?;
        FindError::decide(prefix, found)
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
