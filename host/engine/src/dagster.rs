//! The history of a run by the names and in the order of Dagster's event log (SEMANTICS.md, section 7), for people and
//! programs that know those. Several of its events may come of one of ours; what has no counterpart there is left out, or
//! has a name of our own: `STEP_LOST`, `STEP_ABANDONED`, `STEP_CACHED`, `STEP_WAITING`, `STEP_WAIT_OVER`.

use std::collections::HashSet;
use std::sync::Arc;

use cofferdam_model::{
    AssignedValue, CheckEvaluation, Event, Failure, Fence, Materialization, Name, Output, Recorded, Role,
    RunId, RunStatus, StepKey, StepStatus, Timestamp, Why, told,
};
use serde::Serialize;

use crate::layout::Layout;
use crate::run::{InvalidHistory, Run};

/// An event as Dagster would name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DagsterEvent {
    /// Of the event of ours that it comes of.
    pub seq: u64,
    pub at: Timestamp,
    #[serde(rename = "type")]
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The input, output, asset or check that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Tells a history. Fails if it is not one of that plan.
pub fn dagster_events(
    run: RunId,
    layout: Arc<Layout>,
    events: &[Recorded],
) -> Result<Vec<DagsterEvent>, InvalidHistory> {
    DagsterTeller::new(run, layout).tell(events)
}

/// Tells a history bit by bit, as it comes.
#[derive(Debug)]
pub struct DagsterTeller {
    run: Run,
    told: Vec<DagsterEvent>,
    /// The run has started.
    begun: bool,
    /// Attempts whose start was told.
    started: HashSet<Fence>,
    seq: u64,
    at: Timestamp,
}

impl DagsterTeller {
    pub fn new(run: RunId, layout: Arc<Layout>) -> DagsterTeller {
        let run = Run::new(run, layout);
        DagsterTeller { run, told: vec![], begun: false, started: HashSet::new(), seq: 0, at: Timestamp(0) }
    }

    /// The run after all that was told.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The next events, from the first one on. What was recorded in one append must come in one piece, for a step's end
    /// and what it says of assets are told together.
    pub fn tell(&mut self, events: &[Recorded]) -> Result<Vec<DagsterEvent>, InvalidHistory> {
        for (at, recorded) in events.iter().enumerate() {
            self.tell_one(recorded, &events[at + 1..])?;
        }
        Ok(std::mem::take(&mut self.told))
    }

    fn tell_one(&mut self, recorded: &Recorded, later: &[Recorded]) -> Result<(), InvalidHistory> {
        (self.seq, self.at) = (recorded.seq, recorded.at);
        let was_running =
            |run: &Run, key| run.step(key).is_some_and(|step| step.status() == StepStatus::Running);
        let interrupted =
            matches!(&recorded.event, Event::StepCancelled { step, .. } if was_running(&self.run, step));
        self.run.apply(recorded)?;
        let before_start = matches!(
            recorded.event,
            Event::RunAccepted { .. } | Event::RunCancelRequested { .. } | Event::WaitBegan { .. }
        );
        if !before_start {
            self.begin();
        }
        match &recorded.event {
            Event::RunAccepted { .. } => self.planned(),
            Event::StepDispatched { step, attempt, .. } if !self.is_hook(step) => {
                self.add("STEP_WORKER_STARTING").of(step).attempt = Some(*attempt);
            }
            Event::StepStarted { step, attempt, fence } => self.started(step, *attempt, *fence, true),
            Event::StepSucceeded { step, attempt, fence, outputs, .. } => {
                self.started(step, *attempt, *fence, true);
                self.succeeded(step, *attempt, outputs, later);
            }
            Event::StepFailed { step, attempt, fence, failure, retry_at, .. } => {
                let had_inputs = !matches!(failure.kind, cofferdam_model::FailureKind::Input);
                self.started(step, *attempt, *fence, had_inputs);
                self.failed(step, *attempt, failure, *retry_at, later);
            }
            Event::StepLost { step, attempt, worker, .. } => {
                let message = format!("worker {} is gone", worker.0);
                self.add("STEP_LOST").of(step).attempt(*attempt).message = Some(message);
            }
            Event::InputsLost { step, attempt, .. } => {
                let message = "nobody had what it reads any more".to_owned();
                self.add("STEP_LOST").of(step).attempt(*attempt).message = Some(message);
            }
            Event::StepHedged { step, attempt, worker, .. } => {
                let message =
                    format!("takes much longer than its like: once more beside it, on worker {}", worker.0);
                self.add("ENGINE_EVENT").of(step).attempt(*attempt).message = Some(message);
            }
            Event::AttemptDropped { step, attempt, failure, .. } => {
                let why = failure.as_ref().map_or("not needed", |failure| &failure.message);
                self.add("ENGINE_EVENT").of(step).attempt(*attempt).message = Some(format!("dropped: {why}"));
            }
            Event::OutputsLost { step, why, .. } => {
                self.add("ENGINE_EVENT").of(step).message = Some(format!("{}: it runs again", why.phrase()));
            }
            Event::StepCached { step, from, .. } => {
                self.add("STEP_CACHED").of(step).message = Some(format!("from run {from}"));
            }
            Event::WaitBegan { step, approval, until } => {
                let wait = Why::Wait { approval: *approval, since: recorded.at, until: *until };
                self.add("STEP_WAITING").of(step).message = Some(wait.to_string());
            }
            Event::WaitEnded { step, end, by, note } => {
                let message = told(*end, by.as_deref(), note.as_deref());
                let name = if end.goes_on() { "STEP_WAIT_OVER" } else { "STEP_FAILURE" };
                self.add(name).of(step).message = Some(message);
            }
            Event::StepSkipped { step, input } => {
                let name = if self.is_hook(step) { "HOOK_SKIPPED" } else { "STEP_SKIPPED" };
                self.add(name).of(step).message = Some(format!("nothing came for `{input}`"));
            }
            Event::StepAbandoned { step, root } => {
                let name = if self.is_hook(step) { "HOOK_SKIPPED" } else { "STEP_ABANDONED" };
                self.add(name).of(step).message = Some(format!("`{root}` failed"));
            }
            Event::StepCancelled { step, .. } if interrupted => {
                self.add("STEP_FAILURE").of(step).message = Some("interrupted".to_owned());
            }
            Event::RunCancelRequested { limit } => {
                self.add("RUN_CANCELING").message = limit.map(|limit| limit.phrase());
            }
            Event::RunFinished { status } => {
                self.add("ENGINE_EVENT").message = Some("Finished steps".to_owned());
                self.add(match status {
                    RunStatus::Succeeded => "RUN_SUCCESS",
                    RunStatus::Cancelled => "RUN_CANCELED",
                    _ => "RUN_FAILURE",
                });
            }
            // Of a step that is not run Dagster tells nothing; what is about an asset was told with its step.
            Event::StepDispatched { .. }
            | Event::StepReturned { .. }
            | Event::StepReused { .. }
            | Event::StepCancelled { .. }
            | Event::AssetMaterialized { .. }
            | Event::AssetChecked { .. } => {}
        }
        Ok(())
    }

    fn planned(&mut self) {
        let plan = self.run.plan().clone();
        for step in &plan.steps {
            if let Role::Check { check, asset, .. } = &step.role {
                self.add("ASSET_CHECK_EVALUATION_PLANNED").of(&step.key).about =
                    Some(format!("{asset}:{check}"));
            }
            for asset in step.outputs.iter().filter_map(|output| output.asset.as_ref()) {
                self.add("ASSET_MATERIALIZATION_PLANNED").of(&step.key).about = Some(asset.key.to_string());
            }
        }
        self.add("RUN_ENQUEUED");
    }

    /// With the first that happens to a step the run has left the queue.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for name in ["RUN_DEQUEUED", "RUN_STARTING", "RUN_START"] {
            self.add(name);
        }
        self.add("ENGINE_EVENT").message = Some("Executing steps".to_owned());
    }

    /// The start of an attempt, which may be reported with its end only.
    fn started(&mut self, key: &StepKey, attempt: u32, fence: Fence, has_inputs: bool) {
        if self.is_hook(key) || !self.started.insert(fence) {
            return;
        }
        let plan = self.run.plan().clone();
        let Some(step) = self.run.step(key) else { return };
        let inputs = self
            .run
            .find(key)
            .ok()
            .filter(|_| has_inputs)
            .map_or_else(Vec::new, |at_step| self.run.inputs(at_step));
        let has_resources = !plan.step(step.template()).bind.is_empty();
        let mut names = vec!["STEP_WORKER_STARTED"];
        names.extend(
            has_resources.then_some(["RESOURCE_INIT_STARTED", "RESOURCE_INIT_SUCCESS"]).into_iter().flatten(),
        );
        names.extend(["LOGS_CAPTURED", if attempt > 1 { "STEP_RESTARTED" } else { "STEP_START" }]);
        for name in names {
            self.add(name).of(key).attempt(attempt);
        }
        for input in &inputs {
            let n_values = match &input.value {
                AssignedValue::One(_) => 1,
                AssignedValue::Many(values) => values.len(),
            };
            for _ in 0..n_values {
                self.add("LOADED_INPUT").of(key).about = Some(input.name.to_string());
            }
            self.add("STEP_INPUT").of(key).about = Some(input.name.to_string());
        }
    }

    fn succeeded(&mut self, key: &StepKey, attempt: u32, outputs: &[Output], later: &[Recorded]) {
        if self.is_hook(key) {
            self.add("HOOK_COMPLETED").of(key);
            return;
        }
        let made: Vec<_> = materializations(key, later).collect();
        let is_check = self.is_check(key);
        for output in outputs {
            let about = output
                .key
                .as_ref()
                .map_or_else(|| output.name.to_string(), |at| format!("{}[{at}]", output.name));
            self.add("STEP_OUTPUT").of(key).about = Some(about.clone());
            for (_, made) in made.iter().filter(|(name, _)| **name == output.name) {
                self.materialized(key, made);
            }
            if !is_check {
                self.add("HANDLED_OUTPUT").of(key).about = Some(about);
            }
        }
        if is_check && outputs.is_empty() {
            // What a check found is no output of ours, and the one output of Dagster's.
            self.add("STEP_OUTPUT").of(key);
        }
        let stored = |name: &Name| outputs.iter().any(|output| output.name == *name);
        for (_, made) in made.iter().filter(|(name, _)| !stored(name)) {
            self.materialized(key, made);
        }
        self.checked(key, later);
        self.add("STEP_SUCCESS").of(key).attempt(attempt);
    }

    fn failed(
        &mut self,
        key: &StepKey,
        attempt: u32,
        failure: &Failure,
        retry_at: Option<Timestamp>,
        later: &[Recorded],
    ) {
        let message = Some(format!("{} [{}]", failure.message, failure.kind.code()));
        if self.is_hook(key) {
            self.add("HOOK_ERRORED").of(key).message = message;
            return;
        }
        self.checked(key, later);
        let name = if retry_at.is_some() { "STEP_UP_FOR_RETRY" } else { "STEP_FAILURE" };
        self.add(name).of(key).attempt(attempt).message = message;
    }

    fn materialized(&mut self, key: &StepKey, made: &Materialization) {
        self.add("ASSET_MATERIALIZATION").of(key).about = Some(made.key.to_string());
    }

    fn checked(&mut self, key: &StepKey, later: &[Recorded]) {
        for evaluation in evaluations(key, later) {
            let CheckEvaluation { asset, check, passed, .. } = evaluation;
            let event = self.add("ASSET_CHECK_EVALUATION").of(key);
            event.about = Some(format!("{asset}:{check}"));
            event.message = Some(if *passed { "passed" } else { "did not pass" }.to_owned());
        }
    }

    fn add(&mut self, name: &'static str) -> &mut DagsterEvent {
        let (seq, at) = (self.seq, self.at);
        self.told.push(DagsterEvent { seq, at, name, step: None, attempt: None, about: None, message: None });
        self.told.last_mut().expect("it was just added")
    }

    fn role(&self, key: &StepKey) -> Option<&Role> {
        let step = self.run.step(key)?;
        Some(&self.run.plan().step(step.template()).role)
    }

    fn is_hook(&self, key: &StepKey) -> bool {
        matches!(self.role(key), Some(Role::Hook { .. }))
    }

    fn is_check(&self, key: &StepKey) -> bool {
        matches!(self.role(key), Some(Role::Check { .. }))
    }
}

impl DagsterEvent {
    fn of(&mut self, step: &StepKey) -> &mut DagsterEvent {
        self.step = Some(step.clone());
        self
    }

    fn attempt(&mut self, attempt: u32) -> &mut DagsterEvent {
        self.attempt = Some(attempt);
        self
    }
}

/// What was recorded about assets right after the end of that step: Dagster tells it before.
fn about_assets<'a>(key: &'a StepKey, later: &'a [Recorded]) -> impl Iterator<Item = &'a Event> {
    later.iter().map(|recorded| &recorded.event).take_while(move |event| match event {
        Event::AssetMaterialized { step, .. } | Event::AssetChecked { step, .. } => step == key,
        _ => false,
    })
}

fn materializations<'a>(
    key: &'a StepKey,
    later: &'a [Recorded],
) -> impl Iterator<Item = (&'a Name, &'a Materialization)> {
    about_assets(key, later).filter_map(|event| match event {
        Event::AssetMaterialized { output, materialization, .. } => Some((output, &**materialization)),
        _ => None,
    })
}

fn evaluations<'a>(key: &'a StepKey, later: &'a [Recorded]) -> impl Iterator<Item = &'a CheckEvaluation> {
    about_assets(key, later).filter_map(|event| match event {
        Event::AssetChecked { evaluation, .. } => Some(&**evaluation),
        _ => None,
    })
}
