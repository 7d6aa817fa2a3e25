//! The spans of runs as a scheduler sees them: made of the events that it records, when they are durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_model::{Event, Fence, Plan, Recorded, RunId, SpanOf, StepKey, Timestamp, TraceContext, Usage};

use crate::spans::{Attribute, Span, Traces};

/// Numbers of the parts that a scheduler tells; a worker's come behind them.
const QUEUE: u8 = 0;
const DISPATCH: u8 = 1;
const COMMIT: u8 = 2;

/// Tells the spans of runs that carry a trace. Clones tell together.
#[derive(Debug, Clone)]
pub struct RunSpans {
    traces: Traces,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<RunId, Traced>,
    /// What is told when the append that is under way is durable.
    pending: Vec<Pending>,
}

/// A run that somebody traces.
#[derive(Debug)]
struct Traced {
    /// The span that the run came from.
    parent: TraceContext,
    job: String,
    accepted: Option<Timestamp>,
    attempts: HashMap<Fence, Open>,
}

/// An attempt that is under way.
#[derive(Debug)]
struct Open {
    step: StepKey,
    attempt: u32,
    dispatched: Timestamp,
}

/// A span that ends with the append.
#[derive(Debug)]
struct Pending {
    span: Span,
    from: Timestamp,
}

impl RunSpans {
    pub fn new(traces: Traces) -> RunSpans {
        RunSpans { traces, state: Arc::default() }
    }

    /// A run is driven from now on.
    pub fn run(&self, run: RunId, plan: &Plan) {
        let Some(parent) = TraceContext::of(&plan.tags).filter(|parent| parent.sampled) else { return };
        let job = plan.job.to_string();
        let traced = Traced { parent, job, accepted: None, attempts: HashMap::new() };
        self.state.lock().expect("nobody panics while holding it").runs.insert(run, traced);
    }

    /// Events that are being recorded.
    pub fn events(&self, run: RunId, events: &[Recorded]) {
        let mut state = self.state.lock().expect("nobody panics while holding it");
        let State { runs, pending } = &mut *state;
        let Some(traced) = runs.get_mut(&run) else { return };
        for Recorded { at, event, .. } in events {
            self.event(run, traced, *at, event, pending);
        }
        if matches!(events.last(), Some(Recorded { event: Event::RunFinished { .. }, .. })) {
            runs.remove(&run);
        }
    }

    fn event(
        &self,
        run: RunId,
        traced: &mut Traced,
        at: Timestamp,
        event: &Event,
        pending: &mut Vec<Pending>,
    ) {
        match event {
            Event::RunAccepted { .. } => traced.accepted = Some(at),
            Event::StepDispatched { step, attempt, fence, .. }
            | Event::StepHedged { step, attempt, fence, .. } => {
                let open = Open { step: step.clone(), attempt: *attempt, dispatched: at };
                pending.push(Pending { span: traced.part(run, *fence, DISPATCH, "dispatch"), from: at });
                traced.attempts.insert(*fence, open);
            }
            Event::StepSucceeded { fence, usage, .. } => {
                pending.push(Pending { span: traced.part(run, *fence, COMMIT, "commit"), from: at });
                self.ended(run, traced, *fence, at, ("succeeded", None), usage);
            }
            Event::StepFailed { fence, failure, usage, .. } => {
                pending.push(Pending { span: traced.part(run, *fence, COMMIT, "commit"), from: at });
                self.ended(run, traced, *fence, at, ("failed", Some(failure.kind.code())), usage);
            }
            Event::AttemptDropped { fence, failure, usage, .. } => {
                let kind = failure.as_ref().map(|failure| failure.kind.code());
                self.ended(run, traced, *fence, at, ("dropped", kind), usage);
            }
            Event::StepLost { fence, .. } => {
                self.ended(run, traced, *fence, at, ("lost", Some("worker-lost")), &Usage::default());
            }
            Event::InputsLost { fence, .. } => {
                self.ended(run, traced, *fence, at, ("lost", Some("inputs-lost")), &Usage::default());
            }
            // It is dispatched anew, as the same attempt.
            Event::StepReturned { fence, .. } => drop(traced.attempts.remove(fence)),
            Event::StepCancelled { step, usage } => {
                let open = traced.attempts.iter().find(|(_, open)| open.step == *step);
                if let Some(fence) = open.map(|(fence, _)| *fence) {
                    let usage = usage.as_deref().copied().unwrap_or_default();
                    self.ended(run, traced, fence, at, ("cancelled", None), &usage);
                }
            }
            Event::RunFinished { status } => {
                self.traces.tell(Span {
                    name: "run",
                    context: traced.parent.with(SpanOf::Run.id(run)),
                    parent: Some(traced.parent.span),
                    start_ns: nanos(traced.accepted.unwrap_or(at)),
                    end_ns: nanos(at),
                    attributes: vec![
                        ("cofferdam.run", Attribute::Text(run.to_string())),
                        ("cofferdam.job", Attribute::Text(traced.job.clone())),
                        ("cofferdam.status", Attribute::Text(status.word().to_owned())),
                    ],
                    failed: *status == cofferdam_model::RunStatus::Failed,
                });
            }
            Event::StepStarted { .. }
            | Event::OutputsLost { .. }
            | Event::WaitBegan { .. }
            | Event::WaitEnded { .. }
            | Event::StepReused { .. }
            | Event::StepCached { .. }
            | Event::AssetMaterialized { .. }
            | Event::AssetChecked { .. }
            | Event::StepSkipped { .. }
            | Event::StepAbandoned { .. }
            | Event::RunCancelRequested { .. } => {}
        }
    }

    fn ended(
        &self,
        run: RunId,
        traced: &mut Traced,
        fence: Fence,
        at: Timestamp,
        (outcome, failure): (&'static str, Option<&'static str>),
        usage: &Usage,
    ) {
        // One that an earlier scheduler dispatched is not known here.
        let Some(open) = traced.attempts.remove(&fence) else { return };
        let dispatched = nanos(open.dispatched);
        let ready = dispatched.saturating_sub(usage.queue_us.saturating_mul(1000));
        let mut queue = traced.part(run, fence, QUEUE, "queue");
        (queue.start_ns, queue.end_ns) = (ready, dispatched);
        self.traces.tell(queue);
        let mut attributes = vec![
            ("cofferdam.run", Attribute::Text(run.to_string())),
            ("cofferdam.step", Attribute::Text(open.step.to_string())),
            ("cofferdam.attempt", Attribute::Number(open.attempt.into())),
            ("cofferdam.outcome", Attribute::Text(outcome.to_owned())),
        ];
        attributes.extend(failure.map(|kind| ("cofferdam.failure", Attribute::Text(kind.to_owned()))));
        self.traces.tell(Span {
            name: "step",
            context: traced.parent.with(SpanOf::Step(fence).id(run)),
            parent: Some(SpanOf::Run.id(run)),
            start_ns: ready,
            end_ns: nanos(at),
            attributes,
            failed: failure.is_some(),
        });
    }

    /// The append is durable.
    pub fn appended(&self, took: Duration) {
        let pending = std::mem::take(&mut self.state.lock().expect("nobody panics while holding it").pending);
        for Pending { mut span, from } in pending {
            span.start_ns = nanos(from);
            span.end_ns = span.start_ns + u64::try_from(took.as_nanos()).unwrap_or(0);
            self.traces.tell(span);
        }
    }
}

impl Traced {
    /// A part of an attempt's span, without its times.
    fn part(&self, run: RunId, fence: Fence, number: u8, name: &'static str) -> Span {
        Span {
            name,
            context: self.parent.with(SpanOf::Part(fence, number).id(run)),
            parent: Some(SpanOf::Step(fence).id(run)),
            start_ns: 0,
            end_ns: 0,
            attributes: vec![],
            failed: false,
        }
    }
}

fn nanos(at: Timestamp) -> u64 {
    at.0.saturating_mul(1_000_000)
}
