//! `cofferdam:op/http`, `keyvalue`, `blob`, `sql`, `settings`, `command`: calls on the resources that a step
//! binds. Checks the name and the kind here, where the guest cannot reach; what a call does is the business of
//! whoever implements [`crate::StepIo`].

use std::time::Instant;

use cofferdam_model as model;
use cofferdam_model::{FaultKind, Name, ResourceAnswer, ResourceCall, ResourceFault, ResourceKind};

use crate::bindings::{blob, command, http, keyvalue, settings, sql, types};
use crate::state::{State, Stop};
use crate::text::{cut, human_bytes};

/// Bytes of one answer of a resource: as much as a guest may hand over in one call.
pub const RESOURCE_BYTES_MAX: usize = crate::state::CALL_BYTES_MAX;
/// Bytes of a fault's message: a line for a person.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a guest's word that are repeated in a fault.
const QUOTE_BYTES_MAX: usize = 100;

/// What a host function gives: an error ends the guest, a fault is told to it.
type Answered<T> = wasmtime::Result<Result<T, types::Fault>>;

impl State {
    /// The way of every call: counted, allowed, made, and bounded.
    fn call(&mut self, name: &str, kind: ResourceKind, call: ResourceCall) -> Answered<ResourceAnswer> {
        self.called()?;
        let resource = match self.granted(name, kind) {
            Ok(resource) => resource,
            Err(fault) => return Ok(Err(fault.into())),
        };
        let within = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let answer = self.io.call(&resource, call, within);
        // Whatever the resource was about to say: the attempt's time is over.
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.end(Stop::Timeout));
        }
        let answer = answer.and_then(|answer| match size(&answer) {
            ..=RESOURCE_BYTES_MAX => Ok(answer),
            found => Err(too_large(&resource, found)),
        });
        Ok(answer.map_err(types::Fault::from))
    }

    fn granted(&self, name: &str, kind: ResourceKind) -> Result<Name, ResourceFault> {
        let found = self.resources.iter().find(|(granted, _)| granted.as_str() == name);
        let message = match found {
            Some((granted, has)) if *has == kind => return Ok(granted.clone()),
            Some((granted, has)) => {
                format!("the resource `{granted}` is of kind `{has}`, and this is a call for `{kind}`")
            }
            None => {
                let asked = cut(name.to_owned(), QUOTE_BYTES_MAX);
                format!(
                    "the step binds no resource `{}`; it has {}",
                    asked.escape_debug(),
                    self.granted_names()
                )
            }
        };
        Err(ResourceFault { kind: FaultKind::Denied, message })
    }

    fn granted_names(&self) -> String {
        let names: Vec<String> = self.resources.keys().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn too_large(resource: &Name, found: usize) -> ResourceFault {
    let (found, max) = (human_bytes(found as u64), human_bytes(RESOURCE_BYTES_MAX as u64));
    ResourceFault {
        kind: FaultKind::TooLarge,
        message: format!(
            "the answer of `{resource}` has {found}, at most {max} are allowed; ask for less at a time"
        ),
    }
}

/// Bytes that an answer takes in the guest, about.
fn size(answer: &ResourceAnswer) -> usize {
    /// Of an element of a list.
    const ELEMENT: usize = 16;
    let text = |text: &String| text.len() + ELEMENT;
    let pair = |(name, value): &(String, String)| name.len() + value.len() + ELEMENT;
    let value = |value: &model::SqlValue| match value {
        model::SqlValue::Text(text) => text.len() + ELEMENT,
        model::SqlValue::Bytes(bytes) => bytes.len() + ELEMENT,
        _ => ELEMENT,
    };
    match answer {
        ResourceAnswer::Done | ResourceAnswer::Size(_) | ResourceAnswer::Affected(_) => 0,
        ResourceAnswer::Http(response) => {
            response.body.len() + response.headers.iter().map(pair).sum::<usize>()
        }
        ResourceAnswer::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len()),
        ResourceAnswer::Keys { keys, .. } => keys.iter().map(text).sum(),
        ResourceAnswer::Rows { columns, rows } => {
            let values = rows.iter().map(|row| ELEMENT + row.iter().map(value).sum::<usize>());
            columns.iter().map(text).sum::<usize>() + values.sum::<usize>()
        }
        ResourceAnswer::Text(text) => text.as_ref().map_or(0, String::len),
        ResourceAnswer::Command(result) => result.stdout.len() + result.stderr.len(),
    }
}

/// A resource that answers another question than the one asked is broken; the guest is told as if it failed.
fn mismatch<T>(name: &str) -> Answered<T> {
    let message = format!("the resource `{name}` gave an answer of another kind");
    Ok(Err(types::Fault { kind: types::FaultKind::Failed, message }))
}

/// Makes the call, and takes the answer of the one shape that fits.
macro_rules! ask {
    ($state:ident, $name:expr, $kind:ident, $call:expr, $pattern:pat => $value:expr) => {{
        let call = $call;
        match $state.call(&$name, ResourceKind::$kind, call)? {
            Ok($pattern) => Ok(Ok($value)),
            Ok(_) => mismatch(&$name),
            Err(fault) => Ok(Err(fault)),
        }
    }};
}

impl http::Host for State {
    fn send(&mut self, name: String, request: http::Request) -> Answered<http::Response> {
        let http::Request { method, path, headers, body } = request;
        let request = model::HttpRequest { method, path, headers, body };
        ask!(self, name, Http, ResourceCall::Http(request), ResourceAnswer::Http(response) => {
            let model::HttpResponse { status, headers, body } = response;
            http::Response { status, headers, body }
        })
    }
}

impl keyvalue::Host for State {
    fn get(&mut self, name: String, key: String) -> Answered<Option<Vec<u8>>> {
        ask!(self, name, Keyvalue, ResourceCall::KeyGet { key }, ResourceAnswer::Bytes(bytes) => {
            bytes.map(|bytes| bytes.into_vec())
        })
    }

    fn set(&mut self, name: String, key: String, value: Vec<u8>) -> Answered<()> {
        ask!(self, name, Keyvalue, ResourceCall::KeySet { key, value }, ResourceAnswer::Done => ())
    }

    fn remove(&mut self, name: String, key: String) -> Answered<()> {
        ask!(self, name, Keyvalue, ResourceCall::KeyDelete { key }, ResourceAnswer::Done => ())
    }

    fn keys(&mut self, name: String, prefix: String, after: Option<String>) -> Answered<keyvalue::KeyPage> {
        let call = ResourceCall::KeyList { prefix, after };
        ask!(self, name, Keyvalue, call, ResourceAnswer::Keys { keys, more } => keyvalue::KeyPage { keys, more })
    }
}

impl blob::Host for State {
    fn read(&mut self, name: String, path: String, offset: u64, length: u32) -> Answered<Option<Vec<u8>>> {
        let length = length.min(u32::try_from(model::CHUNK_BYTES).expect("256 KiB"));
        let call = ResourceCall::BlobRead { path, offset, length };
        ask!(self, name, Blob, call, ResourceAnswer::Bytes(bytes) => {
            bytes.map(|bytes| bytes.into_vec())
        })
    }

    fn size(&mut self, name: String, path: String) -> Answered<Option<u64>> {
        ask!(self, name, Blob, ResourceCall::BlobSize { path }, ResourceAnswer::Size(size) => size)
    }

    fn write(&mut self, name: String, path: String, bytes: Vec<u8>) -> Answered<()> {
        ask!(self, name, Blob, ResourceCall::BlobWrite { path, bytes }, ResourceAnswer::Done => ())
    }

    fn remove(&mut self, name: String, path: String) -> Answered<()> {
        ask!(self, name, Blob, ResourceCall::BlobDelete { path }, ResourceAnswer::Done => ())
    }

    fn paths(&mut self, name: String, prefix: String, after: Option<String>) -> Answered<blob::PathPage> {
        let call = ResourceCall::BlobList { prefix, after };
        ask!(self, name, Blob, call, ResourceAnswer::Keys { keys: paths, more } => blob::PathPage { paths, more })
    }
}

impl sql::Host for State {
    fn query(&mut self, name: String, statement: sql::Statement) -> Answered<sql::Rows> {
        let (statement, parameters) = to_statement(statement);
        let call = ResourceCall::SqlQuery { statement, parameters };
        ask!(self, name, Sql, call, ResourceAnswer::Rows { columns, rows } => {
            let row = |row: Vec<model::SqlValue>| row.into_iter().map(sql::SqlValue::from).collect();
            sql::Rows { columns, values: rows.into_iter().map(row).collect() }
        })
    }

    fn execute(&mut self, name: String, statement: sql::Statement) -> Answered<u64> {
        let (statement, parameters) = to_statement(statement);
        let call = ResourceCall::SqlExecute { statement, parameters };
        ask!(self, name, Sql, call, ResourceAnswer::Affected(rows) => rows)
    }

    fn transact(&mut self, name: String, statements: Vec<sql::Statement>) -> Answered<u64> {
        let statements = statements.into_iter().map(to_statement).collect();
        ask!(self, name, Sql, ResourceCall::SqlBatch { statements }, ResourceAnswer::Affected(rows) => rows)
    }
}

impl settings::Host for State {
    fn get(&mut self, name: String, key: String) -> Answered<Option<String>> {
        ask!(self, name, Config, ResourceCall::ConfigGet { key }, ResourceAnswer::Text(text) => text)
    }
}

impl command::Host for State {
    fn run(&mut self, name: String, arguments: Vec<String>, stdin: Vec<u8>) -> Answered<command::Outcome> {
        let call = ResourceCall::Command { arguments, stdin };
        ask!(self, name, Command, call, ResourceAnswer::Command(result) => {
            let model::CommandResult { exit_code, stdout, stderr } = result;
            command::Outcome { exit_code, stdout, stderr }
        })
    }
}

fn to_statement(statement: sql::Statement) -> (String, Vec<model::SqlValue>) {
    let parameter = |value| match value {
        sql::SqlValue::Null => model::SqlValue::Null,
        sql::SqlValue::Truth(truth) => model::SqlValue::Truth(truth),
        sql::SqlValue::Integer(number) => model::SqlValue::Integer(number),
        sql::SqlValue::Number(number) => model::SqlValue::Number(number),
        sql::SqlValue::Text(text) => model::SqlValue::Text(text),
        sql::SqlValue::Bytes(bytes) => model::SqlValue::Bytes(bytes),
    };
    (statement.text, statement.parameters.into_iter().map(parameter).collect())
}

impl From<model::SqlValue> for sql::SqlValue {
    fn from(value: model::SqlValue) -> sql::SqlValue {
        match value {
            model::SqlValue::Null => sql::SqlValue::Null,
            model::SqlValue::Truth(truth) => sql::SqlValue::Truth(truth),
            model::SqlValue::Integer(number) => sql::SqlValue::Integer(number),
            model::SqlValue::Number(number) => sql::SqlValue::Number(number),
            model::SqlValue::Text(text) => sql::SqlValue::Text(text),
            model::SqlValue::Bytes(bytes) => sql::SqlValue::Bytes(bytes),
        }
    }
}

impl From<types::ResourceKind> for ResourceKind {
    fn from(kind: types::ResourceKind) -> ResourceKind {
        match kind {
            types::ResourceKind::Http => ResourceKind::Http,
            types::ResourceKind::Keyvalue => ResourceKind::Keyvalue,
            types::ResourceKind::Blob => ResourceKind::Blob,
            types::ResourceKind::Sql => ResourceKind::Sql,
            types::ResourceKind::Config => ResourceKind::Config,
            types::ResourceKind::Command => ResourceKind::Command,
        }
    }
}

impl From<ResourceFault> for types::Fault {
    fn from(fault: ResourceFault) -> types::Fault {
        let kind = match fault.kind {
            FaultKind::Denied => types::FaultKind::Denied,
            FaultKind::Invalid => types::FaultKind::Invalid,
            FaultKind::Unavailable => types::FaultKind::Unavailable,
            FaultKind::Failed => types::FaultKind::Failed,
            FaultKind::TooLarge => types::FaultKind::TooLarge,
        };
        types::Fault { kind, message: cut(fault.message, MESSAGE_BYTES_MAX) }
    }
}
