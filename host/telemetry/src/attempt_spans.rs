//! The spans of attempts as a worker sees them: made of what an attempt used, when it has ended.

use cofferdam_model::{Assignment, Outcome, SpanOf, Timestamp, TraceContext, Usage};

use crate::spans::{Attribute, Span, Traces};

/// Numbers of the parts that a worker tells; a scheduler's come before them.
const FETCH: u8 = 10;
const COMPILE: u8 = 11;
const LOAD: u8 = 12;
const INSTANTIATE: u8 = 13;
const STORE: u8 = 14;

/// Tells the spans of attempts that carry a trace.
#[derive(Debug, Clone)]
pub struct AttemptSpans {
    traces: Traces,
}

impl AttemptSpans {
    pub fn new(traces: Traces) -> AttemptSpans {
        AttemptSpans { traces }
    }

    /// An attempt has ended just now. Its parts are told one after the other from when it was received, the guest and
    /// what came after it back from the end: what lies between is the wait for a slot.
    pub fn ended(&self, assignment: &Assignment, outcome: &Outcome, usage: &Usage, now: Timestamp) {
        let Some(step) = TraceContext::of(&assignment.tags).filter(|step| step.sampled) else { return };
        let (run, fence) = (assignment.id.run, assignment.id.fence);
        let end = now.0.saturating_mul(1_000_000);
        let before = |micros: u64| end.saturating_sub(micros.saturating_mul(1000));
        let attempt = SpanOf::Attempt(fence).id(run);
        let span = |name, id: SpanOf, parent, start_ns, end_ns| Span {
            name,
            context: step.with(id.id(run)),
            parent: Some(parent),
            start_ns,
            end_ns,
            attributes: vec![],
            failed: false,
        };
        let failure = match outcome {
            Outcome::Succeeded { .. } => None,
            Outcome::Failed(failure) => Some(failure.kind.code()),
        };
        let mut whole = span("attempt", SpanOf::Attempt(fence), step.span, before(usage.held_us), end);
        whole.attributes = vec![
            ("cofferdam.run", Attribute::Text(run.to_string())),
            ("cofferdam.step", Attribute::Text(assignment.id.step.to_string())),
            ("cofferdam.op", Attribute::Text(assignment.op.to_string())),
            ("cofferdam.attempt", Attribute::Number(assignment.id.attempt.into())),
            ("cofferdam.input_bytes", Attribute::Number(usage.input_bytes)),
            ("cofferdam.output_bytes", Attribute::Number(usage.output_bytes)),
        ];
        whole.attributes.extend(failure.map(|kind| ("cofferdam.failure", Attribute::Text(kind.to_owned()))));
        whole.failed = failure.is_some();
        let mut from = whole.start_ns;
        self.traces.tell(whole);
        let prepared = [
            ("fetch", FETCH, usage.fetch_us),
            ("compile", COMPILE, usage.compile_us),
            ("load", LOAD, usage.load_us),
        ];
        for (name, part, took_us) in prepared.into_iter().filter(|(_, _, took_us)| *took_us > 0) {
            let to = from + took_us * 1000;
            self.traces.tell(span(name, SpanOf::Part(fence, part), attempt, from, to));
            from = to;
        }
        let (begun, ended) = (before(usage.wall_us + usage.store_us), before(usage.store_us));
        if usage.wall_us > 0 {
            let guest = SpanOf::Guest(fence);
            self.traces.tell(span("guest", guest, attempt, begun, ended));
            let made = begun + usage.instantiate_us * 1000;
            self.traces.tell(span(
                "instantiate",
                SpanOf::Part(fence, INSTANTIATE),
                guest.id(run),
                begun,
                made,
            ));
        }
        if usage.store_us > 0 {
            self.traces.tell(span("store", SpanOf::Part(fence, STORE), attempt, ended, end));
        }
    }
}
