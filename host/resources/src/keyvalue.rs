//! The kind `keyvalue`: bytes by key, in memory or in a SQLite file.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_model::{FaultKind, ResourceAnswer, ResourceFault};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use crate::Place;
use crate::fault::fault;
use crate::settings::{Span, parse};

/// Longest key in bytes; what a page of keys may weigh follows from it.
const KEY_BYTES_MAX: usize = 1024;
/// Largest value in bytes. What is larger belongs into a blob.
const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of all values that one resource keeps in memory: a cache may not eat the worker.
const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Keys in one page of a listing.
const PAGE_KEYS: usize = 1000;
/// How long a call waits for another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    backend: Backend,
    path: Option<PathBuf>,
    timeout: Option<Span>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Backend {
    Memory,
    File,
}

pub(crate) struct Keyvalue {
    store: Store,
    pub(crate) timeout: Option<Duration>,
}

enum Store {
    Memory(Mutex<Memory>),
    /// One connection: SQLite lets one write at a time anyway.
    File(Arc<Mutex<Connection>>),
}

#[derive(Default)]
struct Memory {
    entries: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Keyvalue {
    /// Opens the store; the file and its folder are made if they are missing.
    pub(crate) async fn open(settings: &serde_json::Value, place: &Place) -> Result<Keyvalue, ResourceFault> {
        let settings: Settings = parse(settings)?;
        let timeout = settings.timeout.map(|span| span.0);
        let store = match (settings.backend, settings.path) {
            (Backend::Memory, None) => Store::Memory(Mutex::default()),
            (Backend::Memory, Some(_)) => {
                return Err(fault(FaultKind::Invalid, "`path` has no meaning for `backend = \"memory\"`"));
            }
            (Backend::File, path) => {
                let path = match path {
                    Some(path) => place.folder.join(path),
                    None => place.state.join("keyvalue").join(format!("{}.db", place.name)),
                };
                let connection = blocking(move || open_file(&path)).await?;
                Store::File(Arc::new(Mutex::new(connection)))
            }
        };
        Ok(Keyvalue { store, timeout })
    }

    pub(crate) async fn get(&self, key: String) -> Result<ResourceAnswer, ResourceFault> {
        let value = match &self.store {
            Store::Memory(memory) => lock(memory).entries.get(&key).cloned(),
            Store::File(file) => {
                with(file, move |connection| {
                    let mut statement =
                        connection.prepare_cached("SELECT value FROM entries WHERE key = ?1")?;
                    statement.query_row([key], |row| row.get(0)).optional()
                })
                .await?
            }
        };
        Ok(ResourceAnswer::Bytes(value.map(Into::into)))
    }

    pub(crate) async fn set(&self, key: String, value: Vec<u8>) -> Result<ResourceAnswer, ResourceFault> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let message = format!("a key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len());
            return Err(fault(FaultKind::Invalid, message));
        }
        if value.len() > VALUE_BYTES_MAX {
            let message = format!(
                "a value has at most {VALUE_BYTES_MAX} bytes, the one for `{key}` has {}; keep large data in a blob",
                value.len()
            );
            return Err(fault(FaultKind::TooLarge, message));
        }
        match &self.store {
            Store::Memory(memory) => lock(memory).set(key, value)?,
            Store::File(file) => {
                with(file, move |connection| {
                    let sql = "INSERT INTO entries (key, value) VALUES (?1, ?2)
                               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                    connection.prepare_cached(sql)?.execute(params![key, value])
                })
                .await?;
            }
        }
        Ok(ResourceAnswer::Done)
    }

    /// Removes the entry; there need not be one.
    pub(crate) async fn delete(&self, key: String) -> Result<ResourceAnswer, ResourceFault> {
        match &self.store {
            Store::Memory(memory) => lock(memory).delete(&key),
            Store::File(file) => {
                with(file, move |connection| {
                    connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key])
                })
                .await?;
            }
        }
        Ok(ResourceAnswer::Done)
    }

    pub(crate) async fn list(
        &self,
        prefix: String,
        after: Option<String>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        // From `prefix` on, or from just after `after`, whichever comes later; until the first key without the prefix.
        let after = after.filter(|after| *after >= prefix);
        let keys: Vec<String> =
            match &self.store {
                Store::Memory(memory) => {
                    let start = match &after {
                        Some(after) => Bound::Excluded(after.as_str()),
                        None => Bound::Included(prefix.as_str()),
                    };
                    let memory = lock(memory);
                    let found = memory.entries.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
                    found.take_while(|key| key.starts_with(&prefix)).take(PAGE_KEYS + 1).cloned().collect()
                }
                Store::File(file) => with(file, move |connection| {
                    let sql =
                        "SELECT key FROM entries WHERE key >= ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key";
                    let mut statement = connection.prepare_cached(sql)?;
                    let found = statement
                        .query_map(params![after.as_ref().unwrap_or(&prefix), after], |row| row.get(0))?;
                    let within =
                        |key: &rusqlite::Result<String>| !matches!(key, Ok(key) if !key.starts_with(&prefix));
                    found.take_while(within).take(PAGE_KEYS + 1).collect()
                })
                .await?,
            };
        Ok(page(keys, PAGE_KEYS))
    }
}

/// A page of at most `most` keys out of one more.
pub(crate) fn page(mut keys: Vec<String>, most: usize) -> ResourceAnswer {
    let more = keys.len() > most;
    keys.truncate(most);
    ResourceAnswer::Keys { keys, more }
}

impl Memory {
    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), ResourceFault> {
        let old = self.entries.get(&key).map_or(0, |old| key.len() + old.len());
        let bytes = self.bytes - old + key.len() + value.len();
        if bytes > MEMORY_BYTES_MAX {
            let message = format!("the store in memory is full: it keeps at most {MEMORY_BYTES_MAX} bytes");
            return Err(fault(FaultKind::TooLarge, message));
        }
        self.bytes = bytes;
        self.entries.insert(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= key.len() + old.len();
        }
    }
}

fn open_file(path: &Path) -> Result<Connection, ResourceFault> {
    let unusable = |cause: String| {
        fault(FaultKind::Failed, format!("failed to open the key-value file `{}`: {cause}", path.display()))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    }
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // A reader in another worker must not stop a writer; what was answered for is on the disk.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
        )?;
        Ok(connection)
    };
    open().map_err(|error| unusable(error.to_string()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What a panicking holder left is whole: each change is one statement or one insertion.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn with<T: Send + 'static>(
    file: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, ResourceFault> {
    let file = Arc::clone(file);
    blocking(move || {
        work(&lock(&file))
            .map_err(|error| fault(FaultKind::Failed, format!("the key-value file failed: {error}")))
    })
    .await
}

/// Runs what blocks on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ResourceFault> + Send + 'static,
) -> Result<T, ResourceFault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(fault(FaultKind::Failed, format!("the provider failed: {error}"))),
    }
}
