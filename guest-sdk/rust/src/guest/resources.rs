//! Resources in a component: their calls are imports. A library that takes none of a kind imports nothing of it,
//! because nothing else here refers to the import.

use super::bindings::cofferdam::op::{blob, command, http, keyvalue, settings, sql, types as wit};
use crate::contract as plain;
use crate::resource::blob::BlobCalls;
use crate::resource::command::{CommandCalls, Outcome};
use crate::resource::http::{HttpCalls, Request, Response};
use crate::resource::keyvalue::KeyvalueCalls;
use crate::resource::settings::SettingsCalls;
use crate::resource::sql::{Rows, SqlCalls, Statement, Value};
use crate::resource::{Fault, FaultKind};

/// A resource of the step, by the op's name for it.
pub(crate) struct Lent(pub(crate) String);

pub(super) fn need(need: plain::ResourceNeed) -> wit::ResourceNeed {
    let kind = match need.kind {
        plain::ResourceKind::Http => wit::ResourceKind::Http,
        plain::ResourceKind::Keyvalue => wit::ResourceKind::Keyvalue,
        plain::ResourceKind::Blob => wit::ResourceKind::Blob,
        plain::ResourceKind::Sql => wit::ResourceKind::Sql,
        plain::ResourceKind::Config => wit::ResourceKind::Config,
        plain::ResourceKind::Command => wit::ResourceKind::Command,
    };
    wit::ResourceNeed { name: need.name, kind, doc: need.doc }
}

impl From<wit::Fault> for Fault {
    fn from(fault: wit::Fault) -> Fault {
        let kind = match fault.kind {
            wit::FaultKind::Denied => FaultKind::Denied,
            wit::FaultKind::Invalid => FaultKind::Invalid,
            wit::FaultKind::Unavailable => FaultKind::Unavailable,
            wit::FaultKind::Failed => FaultKind::Failed,
            wit::FaultKind::TooLarge => FaultKind::TooLarge,
        };
        Fault { kind, message: fault.message }
    }
}

impl HttpCalls for Lent {
    fn send(&self, request: Request) -> Result<Response, Fault> {
        let Request { method, path, headers, body } = request;
        let http::Response { status, headers, body } =
            http::send(&self.0, &http::Request { method, path, headers, body })?;
        Ok(Response { status, headers, body })
    }
}

impl KeyvalueCalls for Lent {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(keyvalue::get(&self.0, key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), Fault> {
        Ok(keyvalue::set(&self.0, key, value)?)
    }

    fn remove(&self, key: &str) -> Result<(), Fault> {
        Ok(keyvalue::remove(&self.0, key)?)
    }

    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault> {
        let page = keyvalue::keys(&self.0, prefix, after)?;
        Ok((page.keys, page.more))
    }
}

impl BlobCalls for Lent {
    fn read(&self, path: &str, offset: u64, length: u32) -> Result<Option<Vec<u8>>, Fault> {
        Ok(blob::read(&self.0, path, offset, length)?)
    }

    fn size(&self, path: &str) -> Result<Option<u64>, Fault> {
        Ok(blob::size(&self.0, path)?)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        Ok(blob::write(&self.0, path, bytes)?)
    }

    fn remove(&self, path: &str) -> Result<(), Fault> {
        Ok(blob::remove(&self.0, path)?)
    }

    fn paths(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault> {
        let page = blob::paths(&self.0, prefix, after)?;
        Ok((page.paths, page.more))
    }
}

impl SqlCalls for Lent {
    fn query(&self, statement: Statement) -> Result<Rows, Fault> {
        let rows = sql::query(&self.0, &to_statement(statement))?;
        let row = |row: Vec<sql::SqlValue>| row.into_iter().map(from_value).collect();
        Ok(Rows { columns: rows.columns, values: rows.values.into_iter().map(row).collect() })
    }

    fn execute(&self, statement: Statement) -> Result<u64, Fault> {
        Ok(sql::execute(&self.0, &to_statement(statement))?)
    }

    fn transact(&self, statements: Vec<Statement>) -> Result<u64, Fault> {
        let statements: Vec<sql::Statement> = statements.into_iter().map(to_statement).collect();
        Ok(sql::transact(&self.0, &statements)?)
    }
}

impl SettingsCalls for Lent {
    fn get(&self, key: &str) -> Result<Option<String>, Fault> {
        Ok(settings::get(&self.0, key)?)
    }
}

impl CommandCalls for Lent {
    fn run(&self, arguments: &[String], stdin: &[u8]) -> Result<Outcome, Fault> {
        let command::Outcome { exit_code, stdout, stderr } = command::run(&self.0, arguments, stdin)?;
        Ok(Outcome { exit_code, stdout, stderr })
    }
}

fn to_statement(statement: Statement) -> sql::Statement {
    let parameter = |value| match value {
        Value::Null => sql::SqlValue::Null,
        Value::Truth(truth) => sql::SqlValue::Truth(truth),
        Value::Integer(number) => sql::SqlValue::Integer(number),
        Value::Number(number) => sql::SqlValue::Number(number),
        Value::Text(text) => sql::SqlValue::Text(text),
        Value::Bytes(bytes) => sql::SqlValue::Bytes(bytes),
    };
    sql::Statement {
        text: statement.text,
        parameters: statement.parameters.into_iter().map(parameter).collect(),
    }
}

fn from_value(value: sql::SqlValue) -> Value {
    match value {
        sql::SqlValue::Null => Value::Null,
        sql::SqlValue::Truth(truth) => Value::Truth(truth),
        sql::SqlValue::Integer(number) => Value::Integer(number),
        sql::SqlValue::Number(number) => Value::Number(number),
        sql::SqlValue::Text(text) => Value::Text(text),
        sql::SqlValue::Bytes(bytes) => Value::Bytes(bytes),
    }
}
