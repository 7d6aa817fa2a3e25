//! What tags of Dagster say about priority and resources, beside our own keys.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, PRIORITY_TAG, RunLimits, StepDef};

const RESOURCES_TAG: &str = "dagster-dask/resource_requirements";

/// Our own key, or else the tag.
pub(crate) fn priority(step: &StepDef, problems: &mut Vec<Diagnostic>) -> i32 {
    let Some(text) = step.tags.get(PRIORITY_TAG) else { return step.priority };
    match text.trim().parse() {
        Ok(_) if step.priority != 0 => step.priority,
        Ok(priority) => priority,
        Err(_) => {
            problems.push(bad_tag(step, PRIORITY_TAG, "a whole number such as `3`"));
            step.priority
        }
    }
}

/// The amounts of the tag and of our own key together.
pub(crate) fn resources(step: &StepDef, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, f64> {
    let mut resources = BTreeMap::new();
    if let Some(text) = step.tags.get(RESOURCES_TAG) {
        match serde_json::from_str::<BTreeMap<String, f64>>(text) {
            Ok(amounts) => resources.extend(amounts),
            Err(_) => problems.push(bad_tag(step, RESOURCES_TAG, "JSON such as `{\"GPU\": 1}`")),
        }
    }
    for (name, amount) in &step.resources {
        if resources.insert(name.clone(), *amount).is_some_and(|of_tag| of_tag != *amount) {
            problems.push(
                Diagnostic::error(
                    "plan::two-amounts",
                    format!("step `{}` asks for two amounts of `{name}`", step.name.value),
                )
                .at(step.span.as_ref(), format!("`resources` and the tag `{RESOURCES_TAG}` differ"))
                .hint("keep one of them"),
            );
        }
    }
    for (name, amount) in &resources {
        if !(amount.is_finite() && *amount > 0.0) {
            problems.push(
                Diagnostic::error(
                    "plan::bad-resource",
                    format!("step `{}` asks for {amount} of `{name}`", step.name.value),
                )
                .at(step.span.as_ref(), "expected a number above zero")
                .hint(format!("write for example `resources = {{ {name} = 1 }}`, or leave it out")),
            );
        }
    }
    resources
}

/// What the tags of a run say of its limits must be a time.
pub(crate) fn check_run_limits(tags: &BTreeMap<String, String>, problems: &mut Vec<Diagnostic>) {
    if let Err(tag) = RunLimits::of(tags) {
        problems.push(
            Diagnostic::error("plan::bad-tag", format!("tag `{tag}` of the run is `{}`", tags[tag]))
                .hint("write whole seconds, such as `3600`; 0 is no limit"),
        );
    }
}

fn bad_tag(step: &StepDef, tag: &str, expected: &str) -> Diagnostic {
    Diagnostic::error(
        "plan::bad-tag",
        format!("tag `{tag}` of step `{}` is `{}`", step.name.value, step.tags[tag]),
    )
    .at(step.span.as_ref(), format!("expected {expected}"))
}
