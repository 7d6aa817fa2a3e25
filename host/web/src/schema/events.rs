//! Events by Dagster's names, and log lines. Cursors are positions in what is kept, so that they hold over a restart.

use async_graphql::{Json, SimpleObject};
use cofferdam_engine::DagsterEvent;
use cofferdam_model::{LogLine, LogSource};
use cofferdam_runlog::StoredLog;
use serde_json::{Map, Value};

use super::convert::{LogLevel, seconds};

/// Most events or lines of one answer.
pub(crate) const PAGE_MAX: usize = 1000;

/// `eventType` is Dagster's, such as STEP_START or RUN_FAILURE. `seq` is that of the event of ours that it comes of: several
/// may come of one.
#[derive(SimpleObject, Clone)]
pub(crate) struct RunEvent {
    seq: f64,
    timestamp: f64,
    event_type: &'static str,
    step_key: Option<String>,
    attempt: Option<u32>,
    /// The input, output, asset or check that it is about.
    about: Option<String>,
    message: String,
    level: LogLevel,
}

impl From<DagsterEvent> for RunEvent {
    fn from(event: DagsterEvent) -> RunEvent {
        let bad = event.name.ends_with("FAILURE") || event.name.ends_with("ERRORED");
        RunEvent {
            seq: event.seq as f64,
            timestamp: seconds(event.at),
            event_type: event.name,
            step_key: event.step.map(|step| step.to_string()),
            attempt: event.attempt,
            about: event.about,
            message: event.message.unwrap_or_default(),
            level: if bad { LogLevel::Error } else { LogLevel::Info },
        }
    }
}

/// Give `cursor` as `afterCursor` for what comes next.
#[derive(SimpleObject)]
pub(crate) struct EventConnection {
    pub(crate) events: Vec<RunEvent>,
    pub(crate) cursor: String,
    pub(crate) has_more: bool,
}

/// Lines in the order of their arrival.
#[derive(SimpleObject)]
pub(crate) struct CapturedLogs {
    pub(crate) lines: Vec<LogLineRow>,
    pub(crate) cursor: String,
    pub(crate) has_more: bool,
}

/// `source` is op, stdout, stderr or host; who wrote a line cannot choose it.
#[derive(SimpleObject)]
pub(crate) struct LogLineRow {
    number: f64,
    timestamp: f64,
    step_key: String,
    attempt: u32,
    level: LogLevel,
    source: &'static str,
    message: String,
    fields: Option<Json<Value>>,
}

impl From<StoredLog> for LogLineRow {
    fn from(stored: StoredLog) -> LogLineRow {
        let LogLine { at, level, source, message, fields } = stored.line;
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        LogLineRow {
            number: stored.number as f64,
            timestamp: seconds(at),
            step_key: stored.step.to_string(),
            attempt: stored.attempt,
            level: level.into(),
            source: match source {
                LogSource::Op => "op",
                LogSource::Stdout => "stdout",
                LogSource::Stderr => "stderr",
                LogSource::Host => "host",
            },
            message,
            fields: (!fields.is_empty()).then_some(Json(Value::Object(fields))),
        }
    }
}

impl CapturedLogs {
    /// A page that began at `from` and had room for `limit` lines.
    pub(crate) fn page(found: Vec<StoredLog>, from: u64, limit: usize) -> CapturedLogs {
        let next = found.last().map_or(from, |last| last.number + 1);
        CapturedLogs {
            has_more: found.len() == limit,
            lines: found.into_iter().map(LogLineRow::from).collect(),
            cursor: next.to_string(),
        }
    }
}
