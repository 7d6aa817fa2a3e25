//! `cofferdam plan`: what a run would do, without doing it.

use cofferdam_model::{Asks, Demand, Known, Place, Plan, PlanStep, Source, StepIdx, ValueRef, demands};
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::commands::explain::explained;
use crate::error::Result;
use crate::output::{DIM, GREEN, Output, YELLOW, printable};
use crate::prepare::{Prepared, Reading};
use crate::project::Project;
use crate::text::{count, duration, size};

pub(crate) async fn run(args: &args::Plan, global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    let Prepared { plan, project, .. } =
        crate::prepare::prepare(project, &args.job, None, Reading::Digest, output).await?;
    let explained = if args.explain { Some(explained(&plan, &project.state).await?) } else { None };
    if output.json {
        let mut document = json!({ "digest": plan.digest(), "plan": plan });
        if let Some(explained) = explained {
            document["explained"] = explained.json();
        }
        return output.document("cofferdam.plan/v1", document);
    }
    output.answer(&explained.map_or_else(|| text(&plan), |explained| explained.text()))
}

/// The plan for a person: libraries, then a paragraph per step in the order in which they may start.
fn text(plan: &Plan) -> String {
    let mut lines = vec![format!(
        "{GREEN}{}{GREEN:#}  {}  {DIM}{}{DIM:#}",
        plan.job,
        count(plan.steps.len(), "step"),
        plan.digest()
    )];
    for (name, digest) in &plan.libraries {
        lines.push(format!("  library {name}  {DIM}{digest}{DIM:#}"));
    }
    let asked = demands(plan, &Known::default());
    lines.extend(asked.iter().map(|demand| format!("  {YELLOW}asks for{YELLOW:#} {}", asked_text(demand))));
    for step in &plan.steps {
        lines.push(String::new());
        lines.extend(step_lines(plan, step));
    }
    lines.join("\n")
}

/// What an operator would grant, then who asks.
fn asked_text(demand: &Demand) -> String {
    let what = match &demand.asks {
        Asks::Reach(reach) => printable(reach),
        Asks::Variable(name) => format!("variable {}", printable(name)),
    };
    format!("{what}  {DIM}{}{DIM:#}", demand.by)
}

fn step_lines(plan: &Plan, step: &PlanStep) -> Vec<String> {
    let library = plan.libraries.iter().find(|(_, digest)| **digest == step.library);
    let library = library.map_or_else(String::new, |(name, _)| format!("{name}."));
    let copies = "[?]".repeat(step.scope.len());
    let mut lines = vec![format!("{GREEN}{}{copies}{GREEN:#}  {library}{}", step.key, step.op)];
    for input in &step.inputs {
        lines.push(format!("  {} = {}", input.name, source(plan, step, &input.source)));
    }
    for after in &step.after {
        lines.push(format!("  after {}", plan.step(*after).key));
    }
    for output in &step.outputs {
        let kind = match (output.dynamic, output.required) {
            (true, _) => ", dynamic",
            (false, false) => ", optional",
            (false, true) => "",
        };
        lines.push(format!("  → {} ({}{kind})", output.name, output.media_type));
    }
    lines.push(format!("  {DIM}{}{DIM:#}", bounds(step)));
    lines
}

/// Limits, retries and resources in a line.
fn bounds(step: &PlanStep) -> String {
    let mut parts = vec![format!("memory ≤ {}", size(step.limits.memory_bytes_max))];
    parts.extend(step.limits.timeout.map(|timeout| format!("time ≤ {}", duration(timeout))));
    parts.extend(step.limits.fuel.map(|fuel| format!("fuel ≤ {fuel}")));
    if step.retry.max_retries > 0 {
        parts.push(format!("retries ≤ {}", step.retry.max_retries));
    }
    parts.extend(step.resources.iter().map(|(name, amount)| format!("{name} = {amount}")));
    parts.join(", ")
}

fn source(plan: &Plan, step: &PlanStep, source: &Source) -> String {
    let output = |step: StepIdx, output: &cofferdam_model::Name| format!("{}.{output}", plan.step(step).key);
    match source {
        Source::Value(value) => value_text(value),
        Source::Values(values) => {
            let bytes = values.iter().map(|element| element.value.size).sum();
            format!("{} of {}", count(values.len(), "value"), size(bytes))
        }
        Source::Output(from) if step.scope.contains(from) => {
            format!("each of {}", output(from.step, &from.output))
        }
        Source::Output(from) => output(from.step, &from.output),
        Source::FanIn(all) => {
            let all: Vec<String> = all.iter().map(|from| output(from.step, &from.output)).collect();
            format!("[{}]", all.join(", "))
        }
        Source::Collect(from) => format!("all of {}", output(from.step, &from.output)),
    }
}

fn value_text(value: &ValueRef) -> String {
    match &value.place {
        Place::Inline(_) => format!("a literal of {} ({})", size(value.size), value.media_type),
        Place::Stored(_) => format!("a file of {} ({})", size(value.size), value.digest),
        Place::Managed(managed) => {
            format!("a value of {} in `{}` ({})", size(value.size), managed.name, value.digest)
        }
    }
}
