//! Whether what came of a test is what was expected; if not, why.

use std::collections::BTreeMap;

use cofferdam_engine::{Run, StepView};
use cofferdam_io::Stores;
use cofferdam_model::{Expected, JobTestDef, Name, Node, Output as Made, StepKey};
use serde_json::{Map, Value};

use super::difference;
use crate::commands::value::{SHOWN_BYTES_MAX, content};
use crate::error::Result;
use crate::text::{in_words, size};

/// Why the test of an op did not pass.
pub(super) async fn judge_op(
    step: &StepView<'_>,
    expected: &Expected,
    stores: &Stores,
) -> Result<Option<String>> {
    match (expected, step.failure()) {
        (Expected::Failure(text), _) => Ok(judge_failure(step, &text.value)),
        (Expected::Outputs(_), Some(failure)) => Ok(Some(format!("it failed: {}", in_words(failure)))),
        (Expected::Outputs(outputs), None) => compare_all(outputs, step, stores).await,
    }
}

/// Why the test of a job did not pass. A step that fails and was not expected to comes first: the rest follows from it.
pub(super) async fn judge_job(run: &Run, test: &JobTestDef, stores: &Stores) -> Result<Option<String>> {
    let is_expected = |key: &_| test.failures.iter().any(|(step, _)| step.value == *key);
    if let Some((key, failure)) = run.failures().find(|(key, _)| !is_expected(*key)) {
        return Ok(Some(format!("step `{key}` failed: {}", in_words(failure))));
    }
    for (key, text) in &test.failures {
        let Some(step) = run.step(&key.value) else { return Ok(Some(not_run(&key.value))) };
        if let Some(why) = judge_failure(&step, &text.value) {
            return Ok(Some(format!("step `{}`: {why}", key.value)));
        }
    }
    for (key, outputs) in &test.outputs {
        let Some(step) = run.step(&key.value) else { return Ok(Some(not_run(&key.value))) };
        if let Some(why) = compare_all(outputs, &step, stores).await? {
            return Ok(Some(format!("step `{}`: {why}", key.value)));
        }
    }
    Ok(None)
}

fn not_run(key: &StepKey) -> String {
    format!("step `{key}` was not run")
}

fn judge_failure(step: &StepView<'_>, expected: &str) -> Option<String> {
    match step.failure().map(in_words) {
        Some(failure) if failure.contains(expected) => None,
        Some(failure) => Some(format!("it failed with `{failure}`, expected `{expected}`")),
        None => Some(format!("it {}, expected a failure with `{expected}`", step.status())),
    }
}

async fn compare_all(
    outputs: &BTreeMap<Name, Node>,
    step: &StepView<'_>,
    stores: &Stores,
) -> Result<Option<String>> {
    for (name, expected) in outputs {
        if let Some(why) = compare(name, expected, step.outputs(), stores).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// How an output differs from what is expected of it.
async fn compare(name: &Name, expected: &Node, made: &[Made], stores: &Stores) -> Result<Option<String>> {
    let of_name: Vec<&Made> = made.iter().filter(|made| made.name == *name).collect();
    if let Some(large) = of_name.iter().find(|made| made.value.size > SHOWN_BYTES_MAX) {
        let (found, most) = (size(large.value.size), size(SHOWN_BYTES_MAX));
        return Ok(Some(format!("output `{name}` has {found}; values up to {most} are compared")));
    }
    let mut by_key = Map::new();
    for made in &of_name {
        let value = content(&made.value, stores).await?;
        match &made.key {
            Some(key) => drop(by_key.insert(key.to_string(), value)),
            None => return Ok(difference::first(name.as_str(), &expected.to_json(), &value)),
        }
    }
    if of_name.is_empty() {
        return Ok(Some(format!("there is no output `{name}`")));
    }
    Ok(difference::first(name.as_str(), &expected.to_json(), &Value::Object(by_key)))
}
