//! The kind `sql`: statements on a SQLite file or a PostgreSQL database. Parameters are bound, never spliced. A call
//! is one transaction; the statements of an op cannot begin or end one.

mod postgres;
mod postgres_values;
mod sqlite;

use std::time::Duration;

use cofferdam_model::{FaultKind, ResourceAnswer, ResourceFault, SqlValue};
use serde::Deserialize;
use tokio::time::Instant;

use crate::Place;
use crate::fault::fault;
use crate::settings::{Resolver, Span, Text, parse};

/// Rows of one answer; an op that needs more asks for the next ones.
const ROWS_MAX: usize = 100_000;
/// Bytes of one answer; it is held in memory.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a value weighs besides its text or bytes.
const VALUE_BYTES: usize = 16;
/// Bytes of one statement.
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// Statements of one batch.
const STATEMENTS_MAX: usize = 10_000;
/// Parameters of one statement: what both databases take.
const PARAMETERS_MAX: usize = 32_766;

/// A statement and what is bound to its parameters.
type Bound = (String, Vec<SqlValue>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Text,
    #[serde(default)]
    read_only: bool,
    timeout: Option<Span>,
}

pub(crate) struct Sql {
    database: Database,
    pub(crate) timeout: Option<Duration>,
}

enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

/// The rows of an answer, as many as are allowed.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<SqlValue>>,
    bytes: usize,
}

impl Sql {
    /// Connects to nothing yet.
    pub(crate) fn open(
        settings: &serde_json::Value,
        place: &Place,
        resolver: &mut Resolver,
    ) -> Result<Sql, ResourceFault> {
        let settings: Settings = parse(settings)?;
        let url = resolver.text("url", settings.url)?;
        let database = if let Some(path) = url.strip_prefix("sqlite:") {
            Database::Sqlite(sqlite::Sqlite::new(place.folder.join(path), settings.read_only))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Database::Postgres(Box::new(postgres::Postgres::new(&url, settings.read_only)?))
        } else {
            let message =
                "`url` is not of the form `sqlite:path/to/file.db` or `postgres://user@host/database`";
            return Err(fault(FaultKind::Invalid, message));
        };
        Ok(Sql { database, timeout: settings.timeout.map(|span| span.0) })
    }

    /// The rows of one statement.
    pub(crate) async fn query(
        &self,
        statement: String,
        parameters: Vec<SqlValue>,
        until: Instant,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let bound = [(statement, parameters)];
        check(&bound)?;
        let [(statement, parameters)] = bound;
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.query(statement, parameters, until).await,
            Database::Postgres(postgres) => postgres.query(&statement, &parameters, until).await,
        }
    }

    /// Several statements in one transaction: all of them have happened, or none. The answer is the number of rows
    /// that they touched together.
    pub(crate) async fn execute(
        &self,
        statements: Vec<Bound>,
        until: Instant,
    ) -> Result<ResourceAnswer, ResourceFault> {
        check(&statements)?;
        let touched = match &self.database {
            Database::Sqlite(sqlite) => sqlite.execute(statements, until).await?,
            Database::Postgres(postgres) => postgres.execute(&statements, until).await?,
        };
        Ok(ResourceAnswer::Affected(touched))
    }
}

impl Rows {
    fn push(&mut self, row: Vec<SqlValue>) -> Result<(), ResourceFault> {
        self.bytes += row.iter().map(weight).sum::<usize>();
        if self.rows.len() == ROWS_MAX || self.bytes > ANSWER_BYTES_MAX {
            let message = format!(
                "the answer has more than {ROWS_MAX} rows or {ANSWER_BYTES_MAX} bytes; ask for less at a time, with LIMIT"
            );
            return Err(fault(FaultKind::TooLarge, message));
        }
        self.rows.push(row);
        Ok(())
    }

    fn answer(self, columns: Vec<String>) -> ResourceAnswer {
        ResourceAnswer::Rows { columns, rows: self.rows }
    }
}

fn weight(value: &SqlValue) -> usize {
    let held = match value {
        SqlValue::Text(text) => text.len(),
        SqlValue::Bytes(bytes) => bytes.len(),
        SqlValue::Null | SqlValue::Truth(_) | SqlValue::Integer(_) | SqlValue::Number(_) => 0,
    };
    VALUE_BYTES + held
}

fn check(statements: &[Bound]) -> Result<(), ResourceFault> {
    let too_large = |message: String| Err(fault(FaultKind::TooLarge, message));
    if statements.len() > STATEMENTS_MAX {
        return too_large(format!(
            "a batch has at most {STATEMENTS_MAX} statements, this one has {}",
            statements.len()
        ));
    }
    for (statement, parameters) in statements {
        if statement.len() > STATEMENT_BYTES_MAX {
            let found = statement.len();
            return too_large(format!(
                "a statement has at most {STATEMENT_BYTES_MAX} bytes, this one has {found}"
            ));
        }
        if parameters.len() > PARAMETERS_MAX {
            let found = parameters.len();
            return too_large(format!(
                "a statement has at most {PARAMETERS_MAX} parameters, this one has {found}"
            ));
        }
    }
    Ok(())
}

/// Which of a batch's statements an error is about.
fn place_in_batch(index: usize, count: usize) -> String {
    if count > 1 { format!("statement {} of {count}: ", index + 1) } else { String::new() }
}
