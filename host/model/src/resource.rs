//! Resources: services lent to ops. Their kinds, what an op asks of them while it runs, and the answers. An op
//! reaches a resource only by a name that its step binds; what runs the calls is the crate `resources`.

use serde::{Deserialize, Serialize};

use crate::Name;

/// What a resource can do. The kind decides which calls are understood and which settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// Requests to one base URL.
    Http,
    /// Bytes by key.
    Keyvalue,
    /// Objects in a bucket or folder.
    Blob,
    /// A database: SQLite or PostgreSQL.
    Sql,
    /// Named texts, secrets among them.
    Config,
    /// One host program from the operator's list.
    Command,
    /// Made and ended by ops; a plan turns it into steps, so no call ever reaches it.
    Op,
}

impl ResourceKind {
    pub const ALL: [ResourceKind; 7] = [
        ResourceKind::Http,
        ResourceKind::Keyvalue,
        ResourceKind::Blob,
        ResourceKind::Sql,
        ResourceKind::Config,
        ResourceKind::Command,
        ResourceKind::Op,
    ];

    /// The word in definitions and messages.
    pub fn word(self) -> &'static str {
        match self {
            ResourceKind::Http => "http",
            ResourceKind::Keyvalue => "keyvalue",
            ResourceKind::Blob => "blob",
            ResourceKind::Sql => "sql",
            ResourceKind::Config => "config",
            ResourceKind::Command => "command",
            ResourceKind::Op => "op",
        }
    }
}

impl std::fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// A resource that an op needs, as its library describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceNeed {
    /// The op's own name for it; a step may bind a resource of another name.
    pub name: Name,
    pub kind: ResourceKind,
    pub doc: String,
}

/// A resource as a plan pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanResource {
    pub kind: ResourceKind,
    /// By kind. `{"env": "NAME"}` stands for a variable that is read where the resource is opened.
    pub settings: serde_json::Value,
}

/// One call of an op on a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceCall {
    Http(HttpRequest),
    KeyGet {
        key: String,
    },
    KeySet {
        key: String,
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
    },
    KeyDelete {
        key: String,
    },
    /// Keys that start with `prefix`, sorted, after `after`; at most a page.
    KeyList {
        prefix: String,
        after: Option<String>,
    },
    /// Bytes of an object from `offset`; at most a chunk.
    BlobRead {
        path: String,
        offset: u64,
        length: u32,
    },
    BlobSize {
        path: String,
    },
    /// Replaces the whole object, at once.
    BlobWrite {
        path: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    BlobDelete {
        path: String,
    },
    BlobList {
        prefix: String,
        after: Option<String>,
    },
    /// Rows of one statement.
    SqlQuery {
        statement: String,
        parameters: Vec<SqlValue>,
    },
    /// One statement without rows; the number of rows that it touched.
    SqlExecute {
        statement: String,
        parameters: Vec<SqlValue>,
    },
    /// Several statements in one transaction.
    SqlBatch {
        statements: Vec<(String, Vec<SqlValue>)>,
    },
    ConfigGet {
        key: String,
    },
    /// Runs the program to its end.
    Command {
        arguments: Vec<String>,
        #[serde(with = "serde_bytes")]
        stdin: Vec<u8>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceAnswer {
    Done,
    Http(HttpResponse),
    /// None: there is nothing under that key or path.
    Bytes(Option<serde_bytes::ByteBuf>),
    Size(Option<u64>),
    Keys {
        keys: Vec<String>,
        more: bool,
    },
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<SqlValue>>,
    },
    Affected(u64),
    Text(Option<String>),
    Command(CommandResult),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query, relative to the resource's base URL.
    pub path: String,
    pub headers: Vec<(String, String)>,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// A value of a row or a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlValue {
    Null,
    Truth(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// None if a signal ended it.
    pub exit_code: Option<i32>,
    #[serde(with = "serde_bytes")]
    pub stdout: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub stderr: Vec<u8>,
}

/// Why a call did not succeed. The message is for the op's author and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ResourceFault {
    pub kind: FaultKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The step has no resource of that name, or it is of another kind, or its policy forbids the call.
    Denied,
    /// The call makes no sense: a malformed request, a wrong statement, a wrong type.
    Invalid,
    /// The other side cannot be reached, or took too long; trying again may help.
    Unavailable,
    /// The other side refused or failed.
    Failed,
    /// The answer or the request is larger than allowed.
    TooLarge,
}
