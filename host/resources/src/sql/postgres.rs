//! PostgreSQL: a few sessions per resource. A call is one transaction that we begin and end; what an op could change
//! of a session for those after it is refused by its first word or set back afterwards.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_model::{FaultKind, ResourceAnswer, ResourceFault, SqlValue};
use cofferdam_postgres::Session;
use futures::{StreamExt, pin_mut};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::{Client, Config, Statement};

use super::postgres_values::{Bind, Read, Unlent};
use super::{Bound, Rows, place_in_batch};
use crate::fault::{fault, told};

/// Sessions of one resource at a time; servers have a hundred for all. Further calls wait.
const SESSIONS_MAX: usize = 8;
/// Time for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sets back what a call may have changed of its session.
const SET_BACK: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DISCARD TEMP; \
                        SELECT pg_advisory_unlock_all()";

/// First words of statements that begin or end transactions, or that outlive one. A statement of an op is prepared,
/// so it has only one command, and its first word tells which.
const REFUSED: [&str; 17] = [
    "abort",
    "begin",
    "commit",
    "copy",
    "deallocate",
    "discard",
    "end",
    "execute",
    "listen",
    "load",
    "prepare",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "set",
    "start",
];

pub(super) struct Postgres {
    config: Config,
    read_only: bool,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
}

impl Postgres {
    pub(super) fn new(url: &str, read_only: bool) -> Result<Postgres, ResourceFault> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            fault(FaultKind::Invalid, format!("`url` is not an address of PostgreSQL: {}", told(&error)))
        })?;
        config.application_name("cofferdam").connect_timeout(CONNECT_TIMEOUT);
        Ok(Postgres { config, read_only, permits: Semaphore::new(SESSIONS_MAX), idle: Mutex::default() })
    }

    pub(super) async fn query(
        &self,
        text: &str,
        parameters: &[SqlValue],
        until: Instant,
    ) -> Result<ResourceAnswer, ResourceFault> {
        self.transaction(until, async |client| {
            let statement = prepare(client, text, parameters).await?;
            let columns: Vec<String> =
                statement.columns().iter().map(|column| column.name().to_owned()).collect();
            let found =
                client.query_raw(&statement, parameters.iter().map(Bind)).await.map_err(|e| failed(&e))?;
            pin_mut!(found);
            let mut rows = Rows::default();
            while let Some(row) = found.next().await {
                let row = row.map_err(|error| failed(&error))?;
                let values = (0..columns.len()).map(|column| match row.try_get::<_, Read>(column) {
                    Ok(Read(value)) => Ok(value),
                    Err(error) => Err(unread(&columns[column], &error)),
                });
                rows.push(values.collect::<Result<_, _>>()?)?;
            }
            Ok(rows.answer(columns))
        })
        .await
    }

    pub(super) async fn execute(&self, statements: &[Bound], until: Instant) -> Result<u64, ResourceFault> {
        self.transaction(until, async |client| {
            let mut touched = 0;
            for (index, (text, parameters)) in statements.iter().enumerate() {
                let outcome = async {
                    let statement = prepare(client, text, parameters).await?;
                    client
                        .execute_raw(&statement, parameters.iter().map(Bind))
                        .await
                        .map_err(|error| failed(&error))
                };
                touched += outcome.await.map_err(|mut fault| {
                    fault.message.insert_str(0, &place_in_batch(index, statements.len()));
                    fault
                })?;
            }
            Ok(touched)
        })
        .await
    }

    /// Runs `work` in a transaction. A session that saw a fault, or whose call was dropped, is closed, and what it
    /// did is undone by the server.
    async fn transaction<T>(
        &self,
        until: Instant,
        work: impl AsyncFnOnce(&Client) -> Result<T, ResourceFault>,
    ) -> Result<T, ResourceFault> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let session = self.begin(until).await?;
        let outcome = work(&session.client).await?;
        session.client.batch_execute("COMMIT").await.map_err(|error| failed(&error))?;
        if session.client.batch_execute(SET_BACK).await.is_ok() {
            self.idle().push(session);
        }
        Ok(outcome)
    }

    /// A session within a transaction: an idle one if it still answers, else a new one.
    async fn begin(&self, until: Instant) -> Result<Session, ResourceFault> {
        let begin = self.begin_statement(until);
        // Not a `while let`: the lock must not live across the await.
        loop {
            let Some(session) = self.idle().pop() else { break };
            if session.client.batch_execute(&begin).await.is_ok() {
                return Ok(session);
            }
        }
        let session = self.connect().await?;
        session.client.batch_execute(&begin).await.map_err(|error| failed(&error))?;
        Ok(session)
    }

    /// The last query takes the transaction's snapshot: from then on the server lets nobody make it writable. The
    /// one before makes the server look whether we are still there (PostgreSQL 14 and later), so that the statement
    /// of a dropped call ends.
    fn begin_statement(&self, until: Instant) -> String {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let left = i32::try_from(left).unwrap_or(i32::MAX).max(1);
        format!(
            "BEGIN {}; SET LOCAL statement_timeout = {left}; \
             SELECT set_config(name, '1000', true) FROM pg_settings WHERE name = 'client_connection_check_interval'; \
             SELECT 1",
            if self.read_only { "READ ONLY" } else { "READ WRITE" },
        )
    }

    async fn connect(&self) -> Result<Session, ResourceFault> {
        cofferdam_postgres::connect(&self.config).await.map_err(|error| match &error {
            cofferdam_postgres::Error::Connect(source) => {
                let mut fault = failed(source);
                fault.message = format!("{error}: {}", fault.message);
                fault
            }
            cofferdam_postgres::Error::Trust(_) => fault(FaultKind::Failed, told(&error)),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        // Pushing and popping leave the list whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn prepare(client: &Client, text: &str, parameters: &[SqlValue]) -> Result<Statement, ResourceFault> {
    let first = first_word(text);
    if REFUSED.contains(&first.as_str()) {
        let message = format!(
            "the statement is not allowed: `{}` begins or ends a transaction, or changes the session for others",
            first.to_uppercase()
        );
        return Err(fault(FaultKind::Denied, message));
    }
    let statement = client.prepare(text).await.map_err(|error| failed(&error))?;
    let asked = statement.params().len();
    if asked != parameters.len() {
        let message = format!("the statement takes {asked} parameters and got {}", parameters.len());
        return Err(fault(FaultKind::Invalid, message));
    }
    Ok(statement)
}

/// The first word of a statement in lower case, after white space, comments and empty statements.
fn first_word(text: &str) -> String {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{b}');
        if rest.starts_with("--") {
            rest = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else {
            break;
        }
    }
    rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
}

/// What follows a comment; in PostgreSQL comments nest.
fn after_comment(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.find(['/', '*']) {
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix("/*") {
            depth += 1;
            rest = inner;
        } else if let Some(outer) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = outer;
            if depth == 0 {
                return rest;
            }
        } else {
            rest = &rest[1..];
        }
    }
    ""
}

/// Why a value of a row could not be taken.
fn unread(column: &str, error: &tokio_postgres::Error) -> ResourceFault {
    let cause = std::error::Error::source(error);
    match cause.and_then(|cause| cause.downcast_ref::<Unlent>()) {
        Some(unlent) => fault(FaultKind::Invalid, format!("`{column}`: {unlent}")),
        None => fault(FaultKind::Failed, format!("`{column}` cannot be read: {}", told(error))),
    }
}

fn failed(error: &tokio_postgres::Error) -> ResourceFault {
    let Some(database) = error.as_db_error() else {
        return fault(FaultKind::Unavailable, told(error));
    };
    let mut message = database.message().to_owned();
    for more in [database.detail(), database.hint()].into_iter().flatten() {
        message = format!("{message}; {more}");
    }
    // The first two letters of a code are its class (appendix A of PostgreSQL's manual).
    match (database.code().code(), &database.code().code()[..2]) {
        ("57014", _) => fault(FaultKind::Unavailable, format!("the statement took too long: {message}")),
        ("25006" | "25001", _) => fault(FaultKind::Denied, format!("the resource is read-only: {message}")),
        (_, "42" | "22" | "0A" | "34") => {
            fault(FaultKind::Invalid, format!("the statement is wrong: {message}"))
        }
        (_, "40" | "53" | "55" | "57" | "58" | "08") => {
            fault(FaultKind::Unavailable, format!("the database could not do it now: {message}"))
        }
        _ => fault(FaultKind::Failed, format!("the database refused: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_whatever_postgresql_skips() {
        let cases = [
            ("select 1", "select"),
            ("  COMMIT", "commit"),
            (";;\n; commit", "commit"),
            ("-- a\ncommit", "commit"),
            ("-- a\rcommit", "commit"),
            ("/* a /* b */ c */ /**/commit", "commit"),
            ("/* open commit", ""),
            ("/**/--\n/*/*/**/*/*/end;", "end"),
            ("(select 1)", ""),
            ("set/**/x", "set"),
        ];
        for (text, expected) in cases {
            assert_eq!(first_word(text), expected, "{text}");
        }
    }
}
