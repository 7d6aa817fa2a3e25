//! Limits of a whole run, as tags say them: how long it may wait for its first step or for a worker that could run one,
//! and how long it may run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Tag of a run: within so many seconds a step of it must have been given to a worker.
pub const START_TIMEOUT_TAG: &str = "cofferdam/start_timeout";
/// Tag of a run: for so many seconds it waits for a worker that offers what a step of it asks for, if none does.
pub const WORKER_TIMEOUT_TAG: &str = "cofferdam/worker_timeout";
/// Tag of a run: for so many seconds it may run, from its first step on.
pub const MAX_RUNTIME_TAG: &str = "dagster/max_runtime";

/// A limit that a run has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunLimit {
    Start { seconds: u64 },
    Runtime { seconds: u64 },
    Worker { seconds: u64 },
}

impl RunLimit {
    /// As a person reads it.
    pub fn phrase(self) -> String {
        match self {
            RunLimit::Start { seconds } => format!(
                "no worker took a step of it within {seconds} s, which is how long its tag `{START_TIMEOUT_TAG}` lets it wait"
            ),
            RunLimit::Worker { seconds } => format!(
                "for {seconds} s no worker offered what a step of it asks for, which is how long its tag `{WORKER_TIMEOUT_TAG}` lets it wait"
            ),
            RunLimit::Runtime { seconds } => {
                format!("it ran for {seconds} s, which is how long its tag `{MAX_RUNTIME_TAG}` lets it run")
            }
        }
    }

    pub fn time(self) -> Duration {
        let (RunLimit::Start { seconds } | RunLimit::Runtime { seconds } | RunLimit::Worker { seconds }) =
            self;
        Duration::from_secs(seconds)
    }
}

/// The limits of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunLimits {
    pub start: Option<RunLimit>,
    pub runtime: Option<RunLimit>,
    pub worker: Option<RunLimit>,
}

impl RunLimits {
    /// Reads them; 0 is no limit, as in Dagster. Fails with the tag that is no number of seconds.
    pub fn of(tags: &BTreeMap<String, String>) -> Result<RunLimits, &'static str> {
        let seconds = |tag: &'static str| match tags.get(tag).map(|text| text.trim().parse::<u32>()) {
            None | Some(Ok(0)) => Ok(None),
            Some(Ok(seconds)) => Ok(Some(u64::from(seconds))),
            Some(Err(_)) => Err(tag),
        };
        Ok(RunLimits {
            start: seconds(START_TIMEOUT_TAG)?.map(|seconds| RunLimit::Start { seconds }),
            runtime: seconds(MAX_RUNTIME_TAG)?.map(|seconds| RunLimit::Runtime { seconds }),
            worker: seconds(WORKER_TIMEOUT_TAG)?.map(|seconds| RunLimit::Worker { seconds }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_run_are_seconds_and_zero_is_none() {
        let of = |tag: &str, text: &str| RunLimits::of(&[(tag.to_owned(), text.to_owned())].into());
        assert_eq!(of("team", "soon"), Ok(RunLimits::default()));
        assert_eq!(of(MAX_RUNTIME_TAG, "0"), Ok(RunLimits::default()));
        let runtime = RunLimits { runtime: Some(RunLimit::Runtime { seconds: 90 }), ..RunLimits::default() };
        assert_eq!(of(MAX_RUNTIME_TAG, " 90 "), Ok(runtime));
        for wrong in ["soon", "-1", "1.5", "", "4294967296"] {
            assert_eq!(of(START_TIMEOUT_TAG, wrong), Err(START_TIMEOUT_TAG), "{wrong}");
        }
    }
}
