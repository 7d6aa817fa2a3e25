//! Whether a run that failed is executed again by the instance itself: SEMANTICS.md, section 6.2.

use std::collections::BTreeMap;

use cofferdam_model::{FailureKind, Origin, Reexecution, RunRetryDef, RunStatus};

/// Tag of a run: how often it is executed again if it fails.
pub const MAX_RETRIES_TAG: &str = "dagster/max_retries";
/// Tag of a run: `FROM_FAILURE`, `ALL_STEPS` or `FROM_ASSET_FAILURE`.
pub const RETRY_STRATEGY_TAG: &str = "dagster/retry_strategy";
/// Tag of a run: `false` if only the death of processes is a reason.
pub const RETRY_ON_FAILURE_TAG: &str = "dagster/retry_on_asset_or_op_failure";
/// Tag of the run that comes of it: which retry it is, 1 for the first.
pub const RETRY_NUMBER_TAG: &str = "dagster/retry_number";

/// Tag of a re-execution: the run that it executes again.
pub const PARENT_RUN_TAG: &str = "dagster/parent_run_id";
/// Tag of a re-execution: the first run of its group.
pub const ROOT_RUN_TAG: &str = "dagster/root_run_id";
/// Tag of a re-execution: `true` if it goes on from the failure.
pub const RESUME_TAG: &str = "dagster/is_resume_retry";

/// How a run is executed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunRetry {
    pub how: Reexecution,
    /// 1 for the first retry.
    pub number: u32,
}

/// Whether a run that has ended is executed again. Its tags come before what its job declares. `n_group` counts
/// the runs of its group: the first one and all re-executions of any of them, whoever started them.
/// `failures` are the kinds of the failures that ended its steps.
pub fn run_retry(
    declared: Option<RunRetryDef>,
    tags: &BTreeMap<String, String>,
    n_group: u32,
    status: RunStatus,
    failures: &[FailureKind],
) -> Option<RunRetry> {
    if status != RunStatus::Failed {
        return None;
    }
    let max_retries = match tags.get(MAX_RETRIES_TAG) {
        // A number that cannot be read is no wish to run again.
        Some(text) => text.parse().ok()?,
        None => declared?.max_retries,
    };
    let on_step_failure = match tags.get(RETRY_ON_FAILURE_TAG) {
        Some(text) => !text.eq_ignore_ascii_case("false"),
        None => declared.is_none_or(|declared| declared.on_step_failure),
    };
    // What somebody said no to is not asked again by itself.
    if failures.contains(&FailureKind::Rejected) {
        return None;
    }
    let crash = |kind: &FailureKind| matches!(kind, FailureKind::WorkerLost | FailureKind::CellDied);
    if !on_step_failure && !failures.iter().all(crash) {
        return None;
    }
    let number = n_group.max(1);
    let how = match tags.get(RETRY_STRATEGY_TAG).map(String::as_str) {
        Some("ALL_STEPS") => Reexecution::AllSteps,
        // Every step that did not end well has not materialised its assets, and the others have.
        Some("FROM_FAILURE" | "FROM_ASSET_FAILURE") => Reexecution::FromFailure,
        _ => declared.map_or(Reexecution::FromFailure, |declared| declared.strategy),
    };
    (number <= max_retries).then_some(RunRetry { how, number })
}

/// The tags by which a re-execution can be told from other runs; `retry` is its number if the instance started it.
pub fn rerun_tags(origin: &Origin, retry: Option<u32>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        (PARENT_RUN_TAG.to_owned(), origin.parent.to_string()),
        (ROOT_RUN_TAG.to_owned(), origin.root.to_string()),
    ]);
    if origin.how == Reexecution::FromFailure {
        tags.insert(RESUME_TAG.to_owned(), "true".to_owned());
    }
    tags.extend(retry.map(|number| (RETRY_NUMBER_TAG.to_owned(), number.to_string())));
    tags
}
