//! `Sql`, its statements, values and rows.

mod row;

use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::{Fault, lent};
use crate::error::{Error, Result};

/// A database.
///
/// ```
/// use cofferdam_op::{Result, Sql, op, params, sql::{Rows, Value}};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Month {
///     name: String,
///     flights: Option<u32>,
/// }
///
/// #[op]
/// fn busiest(db: Sql, least: u32) -> Result<Vec<String>> {
///     let months = db.query_as::<Month>("select name, flights from months where flights > ?", params![least])?;
///     Ok(months.into_iter().map(|month| month.name).collect())
/// }
/// let db = Sql::test(|statement| {
///     assert_eq!(statement.parameters, [Value::Integer(10)]);
///     Ok(Rows { columns: vec!["name".into(), "flights".into()], values: vec![params!["jan", 12]] })
/// });
/// assert_eq!(busiest(db, 10).unwrap(), ["jan"]);
/// ```
#[derive(Clone)]
pub struct Sql {
    pub(crate) calls: Rc<dyn SqlCalls>,
}

pub(crate) trait SqlCalls {
    fn query(&self, statement: Statement) -> Result<Rows, Fault>;
    fn execute(&self, statement: Statement) -> Result<u64, Fault>;
    fn transact(&self, statements: Vec<Statement>) -> Result<u64, Fault>;
}

lent!(Sql, Sql);

impl Sql {
    /// All rows of one statement.
    pub fn query(&self, text: impl Into<String>, parameters: Vec<Value>) -> Result<Rows, Fault> {
        self.calls.query(Statement::new(text, parameters))
    }

    /// All rows of one statement, each read as a struct whose fields are named as the columns, or as a tuple
    /// of them.
    pub fn query_as<T: DeserializeOwned>(
        &self,
        text: impl Into<String>,
        parameters: Vec<Value>,
    ) -> Result<Vec<T>> {
        self.query(text, parameters)?.read()
    }

    /// Runs one statement without rows, and gives the number of rows that it touched.
    pub fn execute(&self, text: impl Into<String>, parameters: Vec<Value>) -> Result<u64, Fault> {
        self.calls.execute(Statement::new(text, parameters))
    }

    /// Runs several statements in one transaction, all of them or none, and gives the number of rows that they
    /// touched.
    pub fn transact(&self, statements: Vec<Statement>) -> Result<u64, Fault> {
        self.calls.transact(statements)
    }
}

/// A statement with its parameters, written `?` in SQLite and `$1` in PostgreSQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL.
    pub text: String,
    /// In the order of their numbers.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// Puts one together.
    pub fn new(text: impl Into<String>, parameters: Vec<Value>) -> Statement {
        Statement { text: text.into(), parameters }
    }
}

/// A value of a row, or a parameter.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Null,
    Truth(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The parameters of a statement: `params![1, "jan", None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::sql::Value::from($value)),*]
    };
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$variant(value.into())
            }
        })*
    };
}
from! {
    bool => Truth, i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, u8 => Integer, u16 => Integer,
    u32 => Integer, f32 => Number, f64 => Number, &str => Text, String => Text, &[u8] => Bytes, Vec<u8> => Bytes,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Each as long as `columns`.
    pub values: Vec<Vec<Value>>,
}

impl Rows {
    /// Reads each row as a struct whose fields are named as the columns, or as a tuple of them. Fails with the
    /// number of the row that is something else.
    pub fn read<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let Rows { columns, values } = self;
        let read = |(at, row): (usize, Vec<Value>)| {
            let row = row::Row { columns: &columns, values: row };
            T::deserialize(row)
                .map_err(|error| Error::permanent(format!("row {at} is not what is expected: {error}")))
        };
        values.into_iter().enumerate().map(read).collect()
    }
}

#[cfg(not(target_family = "wasm"))]
mod double {
    use std::rc::Rc;

    use super::{Fault, Rows, Sql, SqlCalls, Statement};

    impl Sql {
        /// One that answers as told, for native tests. A statement that is executed and not queried touches as
        /// many rows as the answer has.
        pub fn test(answer: impl Fn(Statement) -> Result<Rows, Fault> + 'static) -> Sql {
            Sql { calls: Rc::new(answer) }
        }
    }

    impl<F: Fn(Statement) -> Result<Rows, Fault>> SqlCalls for F {
        fn query(&self, statement: Statement) -> Result<Rows, Fault> {
            self(statement)
        }

        fn execute(&self, statement: Statement) -> Result<u64, Fault> {
            Ok(self(statement)?.values.len() as u64)
        }

        fn transact(&self, statements: Vec<Statement>) -> Result<u64, Fault> {
            statements.into_iter().map(|statement| self.execute(statement)).sum()
        }
    }
}
