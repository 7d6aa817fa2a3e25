//! Opening the file: lock, schema version, settings.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::Error;

/// What each version adds to the one before; the version is kept in the file's `user_version`.
const MIGRATIONS: [&str; 5] = [SCHEMA, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5];
#[expect(clippy::cast_possible_truncation, reason = "a list that people write")]
const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;
/// How long a connection waits for another one's lock. Readers and the writer do not block each other in
/// WAL; only recovery after a crash and checkpoints hold a lock for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages of 4 KiB that the WAL grows to before they are moved to the file: a checkpoint costs two syncs and
/// random writes, and larger ones write a page that is filled bit by bit fewer times.
const WAL_PAGES: u32 = 4000;
/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 32;

/// Version 1.
const SCHEMA: &str = "
CREATE TABLE term (only INTEGER PRIMARY KEY CHECK (only = 1), term INTEGER NOT NULL) STRICT;
INSERT INTO term VALUES (1, 0);
CREATE TABLE plans (digest TEXT PRIMARY KEY, plan BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    idempotency_key TEXT UNIQUE,
    plan TEXT NOT NULL REFERENCES plans (digest),
    -- From here on a projection of the events.
    job TEXT NOT NULL,
    status TEXT NOT NULL,
    summary TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_job ON runs (job, run);
CREATE INDEX runs_by_status ON runs (status, run);
CREATE TABLE events (
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE logs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    level INTEGER NOT NULL,
    line TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_run ON logs (run_id, number);
";

/// What version 2 adds: where re-executions come from, and what is known across runs. A partition is empty text
/// where there is none.
const SCHEMA_2: &str = "
ALTER TABLE runs ADD COLUMN parent TEXT;
ALTER TABLE runs ADD COLUMN root TEXT;
ALTER TABLE runs ADD COLUMN known TEXT;
CREATE INDEX runs_by_parent ON runs (parent, run) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root, run) WHERE root IS NOT NULL;
-- Projections of events, found by run and number.
CREATE TABLE memos (
    memo TEXT PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL,
    step TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX memos_by_run ON memos (run_id);
CREATE INDEX memos_by_step ON memos (step, run_id, seq);
CREATE TABLE materializations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL
) STRICT;
CREATE INDEX materializations_by_asset ON materializations (asset, number);
CREATE TABLE latest_materializations (
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (asset, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE checks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    asset TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL
) STRICT;
CREATE INDEX checks_by_asset ON checks (asset, number);
-- Not made of events.
CREATE TABLE partitions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    partition TEXT NOT NULL,
    UNIQUE (name, partition)
) STRICT;
CREATE TABLE pins (run TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// What version 3 adds: which library is on a channel, and which were.
const SCHEMA_3: &str = "
CREATE TABLE promotions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    library TEXT NOT NULL,
    back INTEGER REFERENCES promotions (number),
    rolled_back INTEGER NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX promotions_by_channel ON promotions (channel, number);
";

/// What version 4 adds: schedules and sensors, their ticks, and the runs that these ask for.
const SCHEMA_4: &str = "
CREATE TABLE instigators (
    instigator TEXT PRIMARY KEY,
    ticks_by TEXT NOT NULL,
    status TEXT,
    since INTEGER NOT NULL,
    cursor TEXT,
    last_run_key TEXT,
    last_tick INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE ticks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    instigator TEXT NOT NULL,
    at INTEGER NOT NULL,
    status TEXT NOT NULL,
    ended_at INTEGER,
    tick TEXT NOT NULL,
    UNIQUE (instigator, at)
) STRICT;
CREATE INDEX ticks_by_instigator ON ticks (instigator, number);
CREATE INDEX ticks_open ON ticks (number) WHERE status = 'started';
CREATE INDEX ticks_skipped ON ticks (ended_at) WHERE status = 'skipped';
-- For ever: whoever asks with one of them a second time gets no run.
CREATE TABLE run_keys (
    instigator TEXT NOT NULL,
    run_key TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (instigator, run_key)
) STRICT, WITHOUT ROWID;
-- Runs that were asked for and are still to be made.
CREATE TABLE reservations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL UNIQUE,
    tick INTEGER NOT NULL,
    instigator TEXT NOT NULL,
    at INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT;
";

/// What version 5 adds: events that alerts may be about until somebody has looked at them, and alerts on their way.
const SCHEMA_5: &str = "
CREATE TABLE news (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL
) STRICT;
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    -- One of them is there.
    next INTEGER,
    ended_at INTEGER,
    delivery TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_pending ON deliveries (target, next) WHERE next IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
";

/// The one connection that writes, and the lock that makes it the only one. The lock is the kernel's: it
/// goes with its process, however that ends, so there is no stale lock to clean up.
pub(super) fn writer(path: &Path) -> Result<(Connection, File), Error> {
    let lock = lock(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let version = check_version(&connection, path)?;
    let prepare = |connection: &mut Connection| -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: an append that was answered survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        if version < SCHEMA_VERSION {
            let transaction = connection.transaction()?;
            for migration in &MIGRATIONS[version as usize..] {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            transaction.commit()?;
        }
        Ok(())
    };
    prepare(&mut connection).map_err(|source| opening("write to", path, source))?;
    Ok((connection, lock))
}

/// A connection for reading an existing store.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::Missing { store: shown(path) });
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if check_version(&connection, path)? < SCHEMA_VERSION {
        return Err(Error::OlderSchema { store: shown(path) });
    }
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(connection)
    };
    open().map_err(|source| opening("open", path, source))
}

/// The schema version of the file; 0 if it is new. A database of another program is refused: its tables are
/// none of ours.
fn check_version(connection: &Connection, path: &Path) -> Result<u32, Error> {
    let query = "SELECT count(*), count(CASE name WHEN 'runs' THEN 1 WHEN 'events' THEN 1 END)
        FROM sqlite_master WHERE type = 'table'";
    let tables = connection.query_row(query, [], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)));
    let (n_tables, n_ours) = tables.map_err(|source| opening("read", path, source))?;
    if n_tables > 0 && n_ours < 2 {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
        .map_err(|source| opening("read", path, source))?;
    if found > SCHEMA_VERSION {
        return Err(Error::NewerSchema { store: shown(path), found, known: SCHEMA_VERSION });
    }
    Ok(found)
}

fn lock(path: &Path) -> Result<File, Error> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name));
    let file = opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingFolder { path: path.to_owned() },
        std::io::ErrorKind::NotADirectory => Error::NotAFolder { path: path.to_owned() },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::NoAccess { path: path.to_owned(), source }
        }
        _ => Error::Open { what: "lock", path: path.to_owned(), source },
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { store: shown(path) }),
        Err(TryLockError::Error(source)) => Err(Error::Open { what: "lock", path: path.to_owned(), source }),
    }
}

fn opening(what: &'static str, path: &Path, source: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{NotADatabase, PermissionDenied, ReadOnly};
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(NotADatabase) => return Error::Foreign { path },
        Some(PermissionDenied | ReadOnly) => {
            return Error::NoAccess { path, source: std::io::Error::other(source) };
        }
        _ => {}
    }
    Error::Open { what, path, source: std::io::Error::other(source) }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
