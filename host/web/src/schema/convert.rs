//! Small things in the words of the schema.

use std::time::Duration;

use async_graphql::{Enum, SimpleObject};
use cofferdam_model::{
    LogLevel as Level, MetadataEntry as Entry, MetadataValue, RunStatus as Status, StepStatus as Of,
    Timestamp, WaitEnd,
};

/// How many of a list are wanted.
pub(crate) fn page_size(limit: Option<usize>, default: usize, max: usize) -> Result<usize, String> {
    match limit.unwrap_or(default) {
        limit if (1..=max).contains(&limit) => Ok(limit),
        limit => Err(format!("`limit` is from 1 to {max}, not {limit}")),
    }
}

/// A run's status by Dagster's names.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Queued,
    Started,
    Canceling,
    Success,
    Failure,
    Canceled,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> RunStatus {
        match status {
            Status::Queued => RunStatus::Queued,
            Status::Running => RunStatus::Started,
            Status::Cancelling => RunStatus::Canceling,
            Status::Succeeded => RunStatus::Success,
            Status::Failed => RunStatus::Failure,
            Status::Cancelled => RunStatus::Canceled,
        }
    }
}

impl RunStatus {
    pub(crate) fn ours(self) -> Status {
        match self {
            RunStatus::Queued => Status::Queued,
            RunStatus::Started => Status::Running,
            RunStatus::Canceling => Status::Cancelling,
            RunStatus::Success => Status::Succeeded,
            RunStatus::Failure => Status::Failed,
            RunStatus::Canceled => Status::Cancelled,
        }
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Of")]
pub(crate) enum StepStatus {
    Waiting,
    Ready,
    Running,
    Retrying,
    Succeeded,
    Failed,
    Skipped,
    Abandoned,
    Cancelled,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "WaitEnd")]
pub(crate) enum StepWaitEnd {
    Elapsed,
    Approved,
    Rejected,
    TimedOut,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Level")]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub(crate) fn ours(self) -> Level {
        self.into()
    }
}

#[derive(SimpleObject, Clone)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

pub(crate) fn tags<K: ToString, V: ToString>(all: impl IntoIterator<Item = (K, V)>) -> Vec<Tag> {
    all.into_iter().map(|(key, value)| Tag { key: key.to_string(), value: value.to_string() }).collect()
}

/// A fact that an op has told. `kind` says how to show it: text, integer, number, truth, url, path, json, markdown, table,
/// timestamp.
#[derive(SimpleObject, Clone)]
pub(crate) struct MetadataEntry {
    name: String,
    kind: &'static str,
    text: String,
}

pub(crate) fn metadata(entries: &[Entry]) -> Vec<MetadataEntry> {
    let told = |entry: &Entry| {
        let (kind, text) = match &entry.value {
            MetadataValue::Integer(value) => ("integer", value.to_string()),
            MetadataValue::Number(value) => ("number", value.to_string()),
            MetadataValue::Truth(value) => ("truth", value.to_string()),
            MetadataValue::Text(text) => ("text", text.clone()),
            MetadataValue::Url(text) => ("url", text.clone()),
            MetadataValue::Path(text) => ("path", text.clone()),
            MetadataValue::Json(text) => ("json", text.clone()),
            MetadataValue::Markdown(text) => ("markdown", text.clone()),
            MetadataValue::Table(text) => ("table", text.clone()),
            MetadataValue::Timestamp(text) => ("timestamp", text.clone()),
        };
        MetadataEntry { name: entry.name.clone(), kind, text }
    };
    entries.iter().map(told).collect()
}

pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1000.0
}

pub(crate) fn of_micros(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
