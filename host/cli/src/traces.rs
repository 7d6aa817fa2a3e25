//! Traces of this process: on where the standard variables of OpenTelemetry name a collector, and else nothing.

use std::sync::{Arc, OnceLock};

use cofferdam_model::{RunId, TRACEPARENT_TAG, Timestamp, TraceContext};
use cofferdam_scheduler::{Submission, system_time};
use cofferdam_telemetry::{Attribute, Exporter, OtelSettings, Span, Traces};

use crate::args::Command;
use crate::instance::environment;
use crate::output::{Output, YELLOW};

/// The variable by which a caller says what span this process belongs to.
const TRACEPARENT: &str = "TRACEPARENT";

/// The traces of this process, from its start to its end: whatever it does may be worth a span.
static TRACES: OnceLock<Started> = OnceLock::new();

struct Started {
    traces: Traces,
    at: Timestamp,
}

/// Starts to send, if the environment asks for it. To be called on a runtime. What cannot be followed is said, and keeps
/// nobody from working.
pub(crate) fn start(command: &Command, output: Output) -> Option<Exporter> {
    let service = match command {
        Command::Serve(_) => "cofferdam-scheduler",
        Command::Worker(_) => "cofferdam-worker",
        _ => "cofferdam",
    };
    let started =
        OtelSettings::read(service, environment).and_then(|settings| settings.map(Traces::start).transpose());
    match started {
        Ok(Some((traces, exporter))) => {
            TRACES.get_or_init(|| Started { traces, at: system_time() });
            Some(exporter)
        }
        Ok(None) => None,
        Err(error) => {
            output.say(&format!("{YELLOW}not traced{YELLOW:#}: {error}"));
            None
        }
    }
}

/// Where spans go, if they go anywhere.
pub(crate) fn current() -> Option<Traces> {
    TRACES.get().map(|started| started.traces.clone())
}

/// A run that is about to be handed over.
pub(crate) struct Submitting {
    /// This process tells the span, and the run is part of it.
    own: Option<(TraceContext, Option<u64>)>,
}

/// Gives a run its place: within the caller's trace, or a trace of its own if this process has a collector.
pub(crate) fn submitting(submission: &mut Submission) -> Submitting {
    let caller: Option<TraceContext> = environment(TRACEPARENT).and_then(|text| text.trim().parse().ok());
    let started = TRACES.get().filter(|_| caller.is_none_or(|caller| caller.sampled));
    let own = started.map(|started| {
        let trace = caller.map_or_else(|| uuid::Uuid::now_v7().as_u128(), |caller| caller.trace);
        let (_, span) = uuid::Uuid::now_v7().as_u64_pair();
        let context = TraceContext { trace, span, sampled: true };
        started.traces.tell(Span {
            name: "plan",
            context: context.with(uuid::Uuid::now_v7().as_u64_pair().1),
            parent: Some(span),
            start_ns: nanos(started.at),
            end_ns: nanos(system_time()),
            attributes: vec![],
            failed: false,
        });
        (context, caller.map(|caller| caller.span))
    });
    // A run that executes another one again does not belong to the trace of that one.
    let (plan, tags) = (Arc::make_mut(&mut submission.plan), &mut submission.tags);
    for tags in [&mut plan.tags, tags] {
        tags.remove(TRACEPARENT_TAG);
        if let Some(context) = own.map(|(context, _)| context).or(caller) {
            tags.insert(TRACEPARENT_TAG.to_owned(), context.to_string());
        }
    }
    Submitting { own }
}

impl Submitting {
    /// The run is accepted, or it is refused.
    pub(crate) fn ended(&self, run: RunId, accepted: bool) {
        let (Some((context, parent)), Some(started)) = (self.own, TRACES.get()) else { return };
        started.traces.tell(Span {
            name: "submit",
            context,
            parent,
            start_ns: nanos(started.at),
            end_ns: nanos(system_time()),
            attributes: vec![("cofferdam.run", Attribute::Text(run.to_string()))],
            failed: !accepted,
        });
    }
}

fn nanos(at: Timestamp) -> u64 {
    at.0.saturating_mul(1_000_000)
}
