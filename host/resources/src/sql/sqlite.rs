//! SQLite: a connection per call, on a thread for it. Opening a file costs less than a tenth of a millisecond and
//! leaves nothing of one op's session to the next.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_model::{FaultKind, ResourceAnswer, ResourceFault, SqlValue};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql};
use tokio::time::Instant;

use super::{ANSWER_BYTES_MAX, Bound, Rows, STATEMENT_BYTES_MAX, place_in_batch};
use crate::fault::fault;
use crate::keyvalue::blocking;

/// Steps of SQLite's machine between two looks at the time: some microseconds.
const STEPS_PER_LOOK: std::ffi::c_int = 10_000;

/// Pragmas that only tell something. Others change what a connection may do, or where files are.
const PRAGMAS: [&str; 12] = [
    "application_id",
    "collation_list",
    "compile_options",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "page_count",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

pub(super) struct Sqlite {
    path: PathBuf,
    read_only: bool,
}

/// Interrupts the statement of a call whose future is dropped.
struct Interrupt(Arc<AtomicBool>);

impl Sqlite {
    pub(super) fn new(path: PathBuf, read_only: bool) -> Sqlite {
        Sqlite { path, read_only }
    }

    pub(super) async fn query(
        &self,
        statement: String,
        parameters: Vec<SqlValue>,
        until: Instant,
    ) -> Result<ResourceAnswer, ResourceFault> {
        self.with(until, move |connection| {
            let rows = |connection: &Connection| {
                let mut statement = prepare(connection, &statement)?;
                bind(&mut statement, &parameters)?;
                let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
                let mut cursor = statement.raw_query();
                let mut rows = Rows::default();
                while let Some(row) = cursor.next().map_err(|error| failed(&error))? {
                    let values = (0..columns.len()).map(|column| row.get_ref(column).map(value_of));
                    let values = values.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
                    rows.push(values)?;
                }
                drop(cursor);
                drop(statement);
                Ok(rows.answer(columns))
            };
            transaction(connection, rows)
        })
        .await
    }

    pub(super) async fn execute(&self, statements: Vec<Bound>, until: Instant) -> Result<u64, ResourceFault> {
        self.with(until, move |connection| {
            let count = statements.len();
            transaction(connection, |connection| {
                let mut touched = 0;
                for (index, (text, parameters)) in statements.iter().enumerate() {
                    let place = place_in_batch(index, count);
                    touched += execute(connection, text, parameters).map_err(|mut fault| {
                        fault.message.insert_str(0, &place);
                        fault
                    })?;
                }
                Ok(touched)
            })
        })
        .await
    }

    /// A connection that can do no more than this file's statements, given to `work` on a thread for it.
    async fn with<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce(&mut Connection) -> Result<T, ResourceFault> + Send + 'static,
    ) -> Result<T, ResourceFault> {
        let stop = Arc::new(AtomicBool::new(false));
        let _interrupt = Interrupt(Arc::clone(&stop));
        let (path, read_only) = (self.path.clone(), self.read_only);
        blocking(move || {
            let mut connection = open(&path, read_only, until, stop).map_err(|error| {
                let message = format!("failed to open the SQLite file `{}`: {error}", path.display());
                fault(FaultKind::Failed, message)
            })?;
            work(&mut connection)
        })
        .await
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn open(
    path: &PathBuf,
    read_only: bool,
    until: Instant,
    stop: Arc<AtomicBool>,
) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI, so that a path is a path.
    let mode = match read_only {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let mut connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, bound(ANSWER_BYTES_MAX))?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, bound(STATEMENT_BYTES_MAX))?;
    connection.busy_timeout(until.saturating_duration_since(Instant::now()))?;
    connection.progress_handler(
        STEPS_PER_LOOK,
        Some(move || stop.load(Ordering::Relaxed) || Instant::now() >= until),
    )?;
    if read_only {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

fn bound(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("bounds of answers and statements are far below 2 GiB")
}

/// Runs `work` in one transaction in which the op's own statements can neither end it nor leave the file.
fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, ResourceFault>,
) -> Result<T, ResourceFault> {
    // Deferred: it takes the write lock with the first write, so readers do not wait for each other.
    connection.execute_batch("BEGIN").map_err(|error| failed(&error))?;
    connection.authorizer(Some(authorize)).map_err(|error| failed(&error))?;
    // The connection goes after the call, and with it what was not committed.
    let outcome = work(connection)?;
    let none = None::<fn(AuthContext<'_>) -> Authorization>;
    connection.authorizer(none).map_err(|error| failed(&error))?;
    connection.execute_batch("COMMIT").map_err(|error| failed(&error))?;
    Ok(outcome)
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Unknown { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, .. } if !PRAGMAS.contains(&pragma_name) => Authorization::Deny,
        // These two have an argument that changes the file.
        AuthAction::Pragma { pragma_name: "application_id" | "user_version", pragma_value: Some(_) } => {
            Authorization::Deny
        }
        AuthAction::Function { function_name: "load_extension" } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

fn prepare<'a>(connection: &'a Connection, text: &str) -> Result<Statement<'a>, ResourceFault> {
    connection.prepare(text).map_err(|error| failed(&error))
}

fn execute(connection: &Connection, text: &str, parameters: &[SqlValue]) -> Result<u64, ResourceFault> {
    let mut statement = prepare(connection, text)?;
    bind(&mut statement, parameters)?;
    let before = connection.total_changes();
    let mut cursor = statement.raw_query();
    // Rows that nobody asked for are passed over: `INSERT … RETURNING` is a legal statement here too.
    while cursor.next().map_err(|error| failed(&error))?.is_some() {}
    drop(cursor);
    Ok(connection.total_changes() - before)
}

fn bind(statement: &mut Statement<'_>, parameters: &[SqlValue]) -> Result<(), ResourceFault> {
    let places = statement.parameter_count();
    let mut bound = 0;
    for place in 1..=places {
        // `$2` means the second one, as in PostgreSQL; to SQLite it is only a name.
        let numbered = statement.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        let number = numbered.and_then(|number| number.parse().ok()).unwrap_or(place);
        let Some(value) = parameters.get(number.wrapping_sub(1)) else {
            return Err(miscounted(number, parameters));
        };
        bound = bound.max(number);
        statement.raw_bind_parameter(place, Bind(value)).map_err(|error| failed(&error))?;
    }
    if bound == parameters.len() { Ok(()) } else { Err(miscounted(bound, parameters)) }
}

fn miscounted(asked: usize, parameters: &[SqlValue]) -> ResourceFault {
    let message = format!("the statement takes {asked} parameters and got {}", parameters.len());
    fault(FaultKind::Invalid, message)
}

struct Bind<'a>(&'a SqlValue);

impl ToSql for Bind<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Truth(truth) => ToSqlOutput::Owned(Value::Integer(i64::from(*truth))),
            SqlValue::Integer(integer) => ToSqlOutput::Owned(Value::Integer(*integer)),
            SqlValue::Number(number) => ToSqlOutput::Owned(Value::Real(*number)),
            SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            SqlValue::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn value_of(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(number) => SqlValue::Number(number),
        // SQLite checks no text; what is not UTF-8 is told as what it is.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => SqlValue::Text(text.to_owned()),
            Err(_) => SqlValue::Bytes(text.to_owned()),
        },
        ValueRef::Blob(bytes) => SqlValue::Bytes(bytes.to_owned()),
    }
}

fn failed(error: &rusqlite::Error) -> ResourceFault {
    let say = |kind, what: &str, cause: &dyn std::fmt::Display| fault(kind, format!("{what}: {cause}"));
    let (code, cause) = match error {
        rusqlite::Error::SqliteFailure(code, _) => (code, error.to_string()),
        // Its own text repeats the whole statement.
        rusqlite::Error::SqlInputError { error, msg, offset, .. } if *offset >= 0 => {
            (error, format!("{msg} at byte {offset}"))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, msg.clone()),
        rusqlite::Error::MultipleStatement => {
            return fault(FaultKind::Invalid, "it is more than one statement; a batch takes several");
        }
        _ => return say(FaultKind::Invalid, "the statement is wrong", error),
    };
    let say = |kind, what: &str| say(kind, what, &cause);
    match code.code {
        ErrorCode::ReadOnly => say(FaultKind::Denied, "the resource is read-only"),
        ErrorCode::AuthorizationForStatementDenied => say(
            FaultKind::Denied,
            "the statement is not allowed: an op's statements stay within the file and within their transaction",
        ),
        ErrorCode::OperationInterrupted => say(FaultKind::Unavailable, "the statement took too long"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            say(FaultKind::Unavailable, "the file is in use by another writer")
        }
        ErrorCode::TooBig => say(FaultKind::TooLarge, "a value or the statement is too large"),
        ErrorCode::Unknown | ErrorCode::ParameterOutOfRange | ErrorCode::TypeMismatch => {
            say(FaultKind::Invalid, "the statement is wrong")
        }
        _ => say(FaultKind::Failed, "the database refused"),
    }
}
