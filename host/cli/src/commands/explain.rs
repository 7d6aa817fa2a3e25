//! `cofferdam plan --explain`: what a run would do with each step: take an earlier result or run it, why, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_model::{Known, Plan, PlanStep, Role, RunId, StepKey};
use cofferdam_runlog::{Memory, RunLog};
use cofferdam_scheduler::{Explanation, WorkerOffer, explain};
use serde_json::{Value, json};

use crate::args::Local;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::offer;
use crate::output::{DIM, GREEN};
use crate::project::StateDir;
use crate::settings;
use crate::text::count;

/// The only host of a run in one process.
const HOST: &str = "this machine";

/// What would become of a plan.
pub(crate) struct Explained {
    /// In the order of the plan; mapped copies as far as their keys are known, `[?]` where they are not.
    steps: Vec<Step>,
    offer: WorkerOffer,
}

struct Step {
    key: String,
    outcome: Outcome,
    /// Abstract resources that the host has less of than the step needs.
    lacks: offer::Lacks,
}

enum Outcome {
    /// It depends on earlier results.
    Sought(Explanation),
    /// Its result is never taken from an earlier run.
    Always(&'static str),
}

/// Explains every step. Nothing is recorded.
pub(crate) async fn explained(plan: &Plan, state: &StateDir) -> Result<Explained> {
    let log: Arc<dyn RunLog> = match settings::read_if_any(state).await? {
        Some(log) => log,
        None => Arc::new(Memory::new()),
    };
    let run = RunId(uuid::Uuid::now_v7());
    let found = explain(Arc::new(plan.clone()), run, Known::default(), &*log).await;
    let found = found.doing(Exit::Unreachable, "look for earlier results")?;
    let mut sought: BTreeMap<&str, Vec<(&StepKey, &Explanation)>> = BTreeMap::new();
    for (key, explanation) in &found {
        sought.entry(template(key)).or_default().push((key, explanation));
    }
    let offer = offer::offer(&Local::default())?;
    let mut steps = vec![];
    for step in &plan.steps {
        let lacks = offer::lacks(step, &offer);
        match (always(step), sought.get(step.key.as_str())) {
            (None, Some(copies)) => steps.extend(copies.iter().map(|(key, explanation)| Step {
                key: key.to_string(),
                outcome: Outcome::Sought((*explanation).clone()),
                lacks: lacks.clone(),
            })),
            (why, _) => steps.push(Step {
                key: format!("{}{}", step.key, "[?]".repeat(step.scope.len())),
                outcome: match why {
                    Some(why) => Outcome::Always(why),
                    // Copies whose keys are not known yet; what has no scope and may be taken was explained.
                    None if !step.scope.is_empty() => Outcome::Sought(Explanation::InputsUnknown),
                    None => Outcome::Always("an output is kept in memory only"),
                },
                lacks,
            }),
        }
    }
    Ok(Explained { steps, offer })
}

/// The key without mapping keys.
fn template(key: &StepKey) -> &str {
    key.as_str().split('[').next().unwrap_or(key.as_str())
}

/// Why a step runs whatever was made before.
fn always(step: &PlanStep) -> Option<&'static str> {
    match step.role {
        Role::Hook { .. } => Some("it is a hook"),
        Role::SetUp { .. } | Role::TearDown { .. } => Some("it sets up or ends a resource"),
        Role::Check { .. } => Some("it is a check"),
        Role::Op if !step.bind.is_empty() => Some("it uses resources"),
        Role::Op if !step.env.is_empty() => Some("its config reads the environment"),
        Role::Op if !step.memoize => Some("it is not memoized"),
        Role::Op => None,
    }
}

impl Explained {
    /// `{hosts: [{name, slots, resources}], steps: [{step, outcome, …, hosts, lacks}]}`
    pub(crate) fn json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::json).collect();
        let host = json!({ "name": HOST, "slots": self.offer.slots, "resources": self.offer.resources });
        json!({ "hosts": [host], "steps": steps })
    }

    /// A line per step and one per host.
    pub(crate) fn text(&self) -> String {
        let width = self.steps.iter().map(|step| step.key.len()).max().unwrap_or(0);
        let mut lines: Vec<String> = self.steps.iter().map(|step| step.text(width)).collect();
        lines.push(format!("{DIM}host: {HOST}, {}{DIM:#}", count(self.offer.slots as usize, "slot")));
        lines.join("\n")
    }
}

impl Step {
    fn json(&self) -> Value {
        let mut value = match &self.outcome {
            Outcome::Sought(Explanation::Hit { run, step }) => {
                json!({ "outcome": "hit", "run": run, "of": step })
            }
            Outcome::Sought(Explanation::Differs { run, parts }) => {
                json!({ "outcome": "miss", "run": run, "differs": parts })
            }
            Outcome::Sought(Explanation::Never) => json!({ "outcome": "new" }),
            Outcome::Sought(Explanation::InputsUnknown) => json!({ "outcome": "unknown" }),
            Outcome::Always(why) => json!({ "outcome": "always", "why": why }),
        };
        value["step"] = self.key.as_str().into();
        value["hosts"] = if self.lacks.is_empty() { json!([HOST]) } else { json!([]) };
        if !self.lacks.is_empty() {
            let mut lacks = json!(self.lacks.resources);
            for (name, label) in &self.lacks.labels {
                lacks[name] = label.as_str().into();
            }
            value["lacks"] = lacks;
        }
        value
    }

    fn text(&self, width: usize) -> String {
        let said = match &self.outcome {
            Outcome::Sought(Explanation::Hit { run, step }) if step.as_str() == self.key => {
                format!("{GREEN}hit{GREEN:#}: taken from run {run}")
            }
            Outcome::Sought(Explanation::Hit { run, step }) => {
                format!("{GREEN}hit{GREEN:#}: taken from `{step}` of run {run}")
            }
            Outcome::Sought(Explanation::Differs { run, parts }) => {
                let parts: BTreeSet<&str> = parts.iter().map(String::as_str).collect();
                let parts: Vec<&str> = parts.into_iter().collect();
                format!("runs: another {} than in run {run}", parts.join(", another "))
            }
            Outcome::Sought(Explanation::Never) => "runs: it has left no result yet".to_owned(),
            Outcome::Sought(Explanation::InputsUnknown) => {
                "not known yet: it depends on what steps before it make".to_owned()
            }
            Outcome::Always(why) => format!("runs: {why}"),
        };
        let mut line = format!("{:width$}  {said}", self.key);
        for (name, amount) in &self.lacks.resources {
            line.push_str(&format!(" (no host has {name} = {amount})"));
        }
        for (name, value) in &self.lacks.labels {
            line.push_str(&format!(" (no host has {name} = {value})"));
        }
        line
    }
}
