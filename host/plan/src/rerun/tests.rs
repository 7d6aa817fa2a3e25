//! Re-execution over plans and outcomes that are written in a few words.

mod chains;
mod copies;
mod driven;
mod messages;
mod random;
mod roles;

use std::collections::BTreeMap;

use cofferdam_engine::Layout;
use cofferdam_model::{
    CBOR, Known, KnownStep, LibraryDigest, Name, Output, OutputRef, Plan, PlanInput, PlanOutput, PlanStep,
    RunId, RunStatus, Source, StepIdx, StepKey, StepStatus, ValueRef,
};
use cofferdam_select::{STEPS, parse};

use super::{Past, PastStep, Request, Rerun, RerunProblem, rerun};

/// Builds a plan: one line a step, `key: input…`, where an input is `from`, `*from` (collected), `^from` (waited
/// for), `?from` (may be absent), and a line may end in `over from…` (mapped over), in `!` (makes mapping keys) and in `~` (may leave its output out).
fn plan(text: &str) -> Plan {
    let mut plan = Plan::new(name("job"), vec![]);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (key, rest) = line.split_once(':').unwrap();
        let (dynamic, optional) = (rest.ends_with('!'), rest.ends_with('~'));
        let rest = rest.trim_end_matches(['!', '~']);
        let (inputs, over) = rest.split_once("over").unwrap_or((rest, ""));
        let mut step = PlanStep::new(StepKey::new(key.trim()), LibraryDigest([0; 32]), name("op"));
        step.outputs =
            vec![PlanOutput { dynamic, required: !optional, ..PlanOutput::new(Name::result(), CBOR) }];
        let output = |plan: &Plan, from: &str| OutputRef {
            step: plan.find(from).unwrap_or_else(|| panic!("no step {from}")),
            output: Name::result(),
        };
        step.scope = over.split_whitespace().map(|from| output(&plan, from)).collect();
        for (at, input) in inputs.split_whitespace().enumerate() {
            let from = input.trim_start_matches(['*', '^', '?']);
            let output = output(&plan, from);
            let source = match input.chars().next() {
                Some('^') => {
                    step.after.push(output.step);
                    continue;
                }
                Some('*') => Source::Collect(output),
                _ => Source::Output(output),
            };
            step.inputs.push(PlanInput {
                name: name(&format!("in{at}")),
                source,
                required: !input.starts_with('?'),
            });
        }
        plan.steps.push(step);
    }
    plan
}

fn name(text: &str) -> Name {
    Name::key(text).unwrap()
}

fn run_id(n: u128) -> RunId {
    RunId(format!("{n:032x}").parse().unwrap())
}

/// A run that is over, by the words of [`outcomes`].
struct Ended {
    run: RunId,
    status: RunStatus,
    plan: Plan,
    known: Known,
    steps: BTreeMap<StepKey, PastStep>,
}

impl Ended {
    fn new(n: u128, plan: &Plan, words: &str) -> Ended {
        let steps = outcomes(words);
        let failed = steps.values().any(|step| step.status == StepStatus::Failed);
        let status = if failed { RunStatus::Failed } else { RunStatus::Cancelled };
        Ended { run: run_id(n), status, plan: plan.clone(), known: Known::default(), steps }
    }

    fn past(&self) -> Past<'_> {
        Past { run: self.run, status: self.status, plan: &self.plan, known: &self.known, steps: &self.steps }
    }
}

/// `a ok, split ok x y, work[x] failed`: keys after `ok` are those that the step made.
fn outcomes(words: &str) -> BTreeMap<StepKey, PastStep> {
    let steps = words.split(',').map(str::trim).filter(|step| !step.is_empty());
    steps
        .map(|step| {
            let mut parts = step.split_whitespace();
            let key = parts.next().unwrap();
            let status = match parts.next().unwrap() {
                "ok" => StepStatus::Succeeded,
                "none" => StepStatus::Succeeded,
                "failed" => StepStatus::Failed,
                "skipped" => StepStatus::Skipped,
                "abandoned" => StepStatus::Abandoned,
                "cancelled" => StepStatus::Cancelled,
                "running" => StepStatus::Running,
                other => panic!("{other}"),
            };
            let value = || ValueRef::inline(CBOR, key.as_bytes().to_vec());
            let output = |key| Output { name: Name::result(), key, value: value(), metadata: vec![] };
            let keyed: Vec<Output> = parts.map(|key| output(Some(name(key)))).collect();
            let outputs = match status {
                StepStatus::Succeeded if !keyed.is_empty() || step.ends_with("none") => keyed,
                StepStatus::Succeeded => vec![output(None)],
                _ => vec![],
            };
            (StepKey::new(key), PastStep { status, from: None, outputs })
        })
        .collect()
}

fn steps(texts: &[&str]) -> Request {
    Request::Steps(parse(texts, &STEPS).unwrap())
}

fn try_rerun(plan: &Plan, chain: &[&Ended], request: &Request) -> Result<Rerun, Vec<RerunProblem>> {
    let past: Vec<Past<'_>> = chain.iter().map(|ended| ended.past()).collect();
    let child = rerun(plan, &past, request)?;
    // Of a plan that the engine takes comes one that it takes.
    let layout = |plan: &Plan| Layout::new(std::sync::Arc::new(plan.clone()));
    if layout(plan).is_ok() {
        layout(&child.plan).unwrap_or_else(|error| panic!("{error:?}"));
    }
    Ok(child)
}

/// What runs, and what is known: `a=1` was made by run 1, `b=skipped`.
fn told(plan: &Plan, chain: &[&Ended], request: &Request) -> (String, String) {
    let child = try_rerun(plan, chain, request).unwrap_or_else(|problems| panic!("{problems:?}"));
    let runs: Vec<&str> = child.runs.iter().map(StepKey::as_str).collect();
    let known = child.known.0.iter().map(|(key, known)| match known {
        KnownStep::Reused { run, .. } => format!("{key}={}", run.0.as_u128()),
        KnownStep::Skipped => format!("{key}=skipped"),
    });
    (runs.join(" "), known.collect::<Vec<_>>().join(" "))
}

/// The same as text, to compare with.
fn from_failure(plan: &Plan, words: &str) -> (String, String) {
    told(plan, &[&Ended::new(1, plan, words)], &Request::FromFailure)
}

fn both(runs: &str, known: &str) -> (String, String) {
    (runs.to_owned(), known.to_owned())
}

fn idx(at: u32) -> StepIdx {
    StepIdx(at)
}
