//! What a namespace may use, and what it has used.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{LibraryDigest, Output, Timestamp};

/// What an operator lets a namespace have; none is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Time of cores that its attempts spend within an hour of the clock.
    pub cpu_per_hour: Option<Duration>,
    /// Sum of the values that its runs have stored, as long as those are on record.
    pub stored_bytes: Option<u64>,
    /// Different libraries of its runs, as long as those are on record. A run that would need more is refused.
    pub libraries: Option<u32>,
    pub over: OverQuota,
}

/// What becomes of runs that are submitted while a quota of time or bytes is used up. In either case no step starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OverQuota {
    /// They are accepted, and their steps wait.
    #[default]
    Throttle,
    /// They are refused.
    Reject,
}

/// What a namespace has used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Within the hour in which it was counted.
    pub cpu: Duration,
    pub stored_bytes: u64,
    pub libraries: BTreeSet<LibraryDigest>,
}

/// What of a step's outputs counts as stored: all but what stands in the commit or stays with a worker.
pub fn stored_bytes(outputs: &[Output]) -> u64 {
    let stored = outputs.iter().map(|output| &output.value);
    let stored = stored.filter(|value| value.place.key().is_some() && !value.place.is_transient());
    stored.map(|value| value.size).sum()
}

/// A quota that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedUp {
    CpuPerHour {
        max: Duration,
        /// The next hour begins.
        until: Timestamp,
    },
    StoredBytes {
        max: u64,
        used: u64,
    },
    Libraries {
        max: u32,
    },
}

impl fmt::Display for UsedUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsedUp::CpuPerHour { max, until } => {
                write!(out, "{} s of CPU time an hour, used up until {until}", max.as_secs_f64())
            }
            UsedUp::StoredBytes { max, used } => {
                write!(
                    out,
                    "{max} bytes of stored values, of which {used} are used; `cofferdam gc` frees those of old runs"
                )
            }
            UsedUp::Libraries { max } => {
                write!(out, "{max} different libraries in the runs on record; `cofferdam gc` drops old runs")
            }
        }
    }
}
