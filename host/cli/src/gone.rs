//! What a run would read and cannot: values that an earlier process kept in its memory. Refused before it starts.

use cofferdam_model::{IoManagerKind, KnownStep, Place, Plan, Source, ValueRef};
use cofferdam_scheduler::Submission;

use crate::error::{Failed, Result};

/// Refuses a run that a new process cannot carry out, because values that it takes over or reads went with another.
pub(crate) fn refuse(submission: &Submission) -> Result<()> {
    for (step, outcome) in &submission.known.0 {
        let KnownStep::Reused { run, outputs } = outcome else { continue };
        if let Some(output) = outputs.iter().find(|output| was_in_memory(&output.value)) {
            let message = format!("`{step}.{}` of run {run} was kept in memory and is gone", output.name);
            return Err(Failed::invalid(message)
                .hint("run all steps again, or give that output an IO manager that keeps it"));
        }
    }
    match read_from_memory(&submission.plan) {
        None => Ok(()),
        Some((step, input)) => Err(Failed::invalid(format!(
            "`{step}.{input}` reads a value that another process kept in memory and that is gone"
        ))
        .hint("make what it reads in the same run, or give it an IO manager that keeps it")),
    }
}

/// A step and its input for which the plan itself has such a value.
fn read_from_memory(plan: &Plan) -> Option<(&str, &str)> {
    plan.steps.iter().find_map(|step| {
        let input = step.inputs.iter().find(|input| match &input.source {
            Source::Value(value) => was_in_memory(value),
            Source::Values(values) => values.iter().any(|one| was_in_memory(&one.value)),
            Source::Output(_) | Source::FanIn(_) | Source::Collect(_) => false,
        })?;
        Some((step.key.as_str(), input.name.as_str()))
    })
}

fn was_in_memory(value: &ValueRef) -> bool {
    matches!(&value.place, Place::Managed(managed) if managed.manager.kind == IoManagerKind::Memory)
}
