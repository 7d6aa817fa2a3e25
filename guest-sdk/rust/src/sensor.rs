//! What an op takes and gives that is a sensor: it is asked, again and again, whether there is something to run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known when a sensor is asked: its input `tick`.
///
/// ```
/// use cofferdam_op::{RunRequest, SensorAnswer, SensorTick, op};
///
/// /// Asks for a run each time.
/// #[op]
/// fn each_time(tick: SensorTick) -> SensorAnswer {
///     let n: u64 = tick.cursor.as_deref().unwrap_or("0").parse().unwrap_or(0);
///     let request = RunRequest { run_key: Some(format!("run-{n}")), ..RunRequest::default() };
///     SensorAnswer { runs: vec![request], cursor: Some((n + 1).to_string()), ..SensorAnswer::default() }
/// }
///
/// let first = each_time(SensorTick::default());
/// assert_eq!((first.runs[0].run_key.as_deref(), first.cursor.as_deref()), (Some("run-0"), Some("1")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct SensorTick {
    /// When it is asked, in milliseconds since 1970.
    pub at: u64,
    /// What it left the last time.
    pub cursor: Option<String>,
    /// When it was asked before, in milliseconds since 1970.
    pub last_tick: Option<u64>,
    /// The key of the last run that it asked for.
    pub last_run_key: Option<String>,
}

/// What a sensor gives: its output `result`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct SensorAnswer {
    /// What is to run; at most 10,000 runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunRequest>,
    /// Why nothing is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<String>,
    /// What the next tick gets; as before if there is none. At most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One run that a sensor asks for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct RunRequest {
    /// Which of its jobs; may be left out if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// No two runs of the sensor have the same key, ever; without a key there is always a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<String>,
    /// Run config, as a map.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub config: serde_json::Value,
    /// Tags of the run, over those of the sensor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The partition that it is for, if its job has partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}
