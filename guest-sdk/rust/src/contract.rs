//! The shapes of `wit/types.wit` as plain Rust types, so that everything but `guest.rs` builds and is
//! tested without WebAssembly. Field by field the WIT explains them.

use crate::metadata::MetadataValue;

/// Media type of structured values: RFC 8949 in its deterministic form.
pub const CBOR: &str = "application/cbor";
/// Media type of structured values that came from outside as JSON.
pub(crate) const JSON: &str = "application/json";
/// Media type of bytes that nobody described.
pub(crate) const OCTET_STREAM: &str = "application/octet-stream";
/// Accepts every media type.
pub(crate) const ANY: &str = "*/*";

/// Values up to this many bytes are returned inline; larger ones are written in chunks. Below the host's
/// 64 KiB, so that a value which the host may send inline again never takes a detour.
pub(crate) const INLINE_BYTES_MAX: usize = 60 * 1024;
/// Bytes of one chunk of a large value: the fastest size across the component boundary.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub media_type: String,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Bytes(Vec<u8>),
    Stored(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub enum InputValue {
    One(Value),
    Many(Vec<(Option<String>, Value)>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Invocation {
    pub config: Vec<u8>,
    pub inputs: Vec<(String, InputValue)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub name: String,
    pub key: Option<String>,
    pub value: Value,
    pub metadata: Vec<(String, MetadataValue)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RetryAdvice {
    Policy,
    Never,
    AfterMs(u64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub message: String,
    pub causes: Vec<String>,
    pub retry: RetryAdvice,
    pub metadata: Vec<(String, MetadataValue)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LibrarySpec {
    pub name: String,
    pub version: String,
    pub ops: Vec<OpSpec>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OpSpec {
    pub name: String,
    pub doc: String,
    pub inputs: Vec<InputSpec>,
    pub outputs: Vec<OutputSpec>,
    pub config_schema: Option<String>,
    pub resources: Vec<ResourceNeed>,
    pub pure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    Http,
    Keyvalue,
    Blob,
    Sql,
    Config,
    Command,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ResourceNeed {
    pub name: String,
    pub kind: ResourceKind,
    pub doc: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    pub name: String,
    pub doc: String,
    pub media_type: String,
    pub schema: String,
    pub required: bool,
    pub many: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    pub name: String,
    pub doc: String,
    pub media_type: String,
    pub schema: String,
    pub required: bool,
    pub dynamic: bool,
}
