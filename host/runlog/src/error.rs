//! Why the log refused or failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{Instigator, RunId, Term};

/// Why a call failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no run `{0}`")]
    UnknownRun(RunId),
    #[error("the run `{0}` exists already")]
    RunExists(RunId),
    #[error("there is no `{0}`")]
    UnknownInstigator(Instigator),
    #[error("there is no tick {0}")]
    UnknownTick(u64),
    #[error("`{instigator}` has had a run with the key `{}` before", key.escape_debug())]
    UsedRunKey { instigator: Instigator, key: String },
    #[error("the store `{store}` is in use by another cofferdam process; end it, or use another store")]
    InUse { store: String },
    #[error(
        "the store `{store}` has schema version {found}, this program knows up to {known}; use a newer cofferdam"
    )]
    NewerSchema { store: String, found: u32, known: u32 },
    #[error(
        "the store `{store}` is of an earlier version; the next `cofferdam run` or `cofferdam serve` brings it up to date"
    )]
    OlderSchema { store: String },
    #[error("there is no store at `{store}`; the first `cofferdam run` or `cofferdam serve` makes one")]
    Missing { store: String },
    #[error("the folder of the store `{}` does not exist; make it, or name another place", path.display())]
    MissingFolder { path: PathBuf },
    #[error("the store `{}` is not in a folder: a part of its path is a file; name another place", path.display())]
    NotAFolder { path: PathBuf },
    #[error(
        "the store `{}` may not be written to; give this user the right to write to its folder and files, or name another place",
        path.display()
    )]
    NoAccess {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is not a store of cofferdam; name another file", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "the database of `{store}` has a schema `cofferdam` with tables of another program; use another database"
    )]
    ForeignSchema { store: String },
    #[error(
        "what was given is not the URL of a database of PostgreSQL; write for example `postgres://db.example/runs`"
    )]
    Url(#[source] tokio_postgres::Error),
    #[error("cannot {what} the store `{}`", path.display())]
    Open {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store was opened for reading only")]
    ReadOnly,
    #[error("the run log holds {what} that cannot be read")]
    Damaged {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the run log cannot {what}")]
    Sql {
        what: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the run log at `{store}` cannot {what}")]
    Postgres {
        store: String,
        what: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("the run log at `{store}` cannot be reached")]
    Unreachable {
        store: String,
        #[source]
        source: cofferdam_postgres::Error,
    },
    #[error("the run log at `{store}` did not {what} within {} s", after.as_secs())]
    TooSlow { store: String, what: &'static str, after: Duration },
    #[error("another process has written to the run log at `{store}`: it has taken over")]
    Replaced { store: String },
    #[error("the run log could not be written to for {} s", waited.as_secs())]
    Waited {
        waited: Duration,
        #[source]
        source: Box<Error>,
    },
    /// Of calls that shared a transaction.
    #[error(transparent)]
    Group(Arc<Error>),
    #[error("the run log's writer has ended")]
    Closed,
    /// Of a log at the other end of a connection.
    #[error("the cluster does not answer what its run log holds")]
    Remote {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why an append was refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the run `{run}` is at event {found}, the writer believed {expected}: somebody else has written")]
    Conflict { run: RunId, expected: u64, found: u64 },
    #[error("term {term} has passed, the store is in term {current}: another scheduler has taken over", term = term.0, current = current.0)]
    StaleTerm { term: Term, current: Term },
    #[error("events of run `{run}` are not numbered from {expected}")]
    Numbering { run: RunId, expected: u64 },
    #[error("the run `{run}` has ended and takes no more events")]
    Ended { run: RunId },
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why a prefix does not name a run.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no run starts with `{0}`")]
    None(String),
    #[error("`{prefix}` may be any of {}", runs.iter().map(|run| format!("`{run}`")).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        prefix: String,
        /// At most five of them.
        runs: Vec<RunId>,
    },
    #[error(transparent)]
    Store(#[from] Error),
}

impl FindError {
    /// Runs that an ambiguous prefix is answered with.
    pub(crate) const SHOWN_MAX: usize = 5;

    /// From the runs that match (one more than are shown is enough) to the one that was meant.
    pub(crate) fn decide(prefix: &str, mut found: Vec<RunId>) -> Result<RunId, FindError> {
        match found[..] {
            [] => Err(FindError::None(prefix.to_owned())),
            [run] => Ok(run),
            _ => {
                found.truncate(FindError::SHOWN_MAX);
                Err(FindError::Ambiguous { prefix: prefix.to_owned(), runs: found })
            }
        }
    }
}
