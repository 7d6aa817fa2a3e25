//! The place of work in a trace that may have begun outside: W3C trace context.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{Fence, RunId};

/// Under this tag a run carries the span that it came from, and an attempt the span that it is: ops read it with their
/// tags.
pub const TRACEPARENT_TAG: &str = "traceparent";

/// One span of one trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Not zero.
    pub trace: u128,
    /// Not zero.
    pub span: u64,
    /// Somebody wants to see it.
    pub sampled: bool,
}

/// A text is no trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form `00-<32 hexadecimal digits>-<16>-<2>`")]
pub struct InvalidTraceContext;

/// What a span of a run is about. Scheduler and worker find the same number for it without asking each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanOf {
    Run,
    /// One attempt, as the scheduler sees it: from when its step was ready to its end.
    Step(Fence),
    /// The same attempt at its worker.
    Attempt(Fence),
    /// Its guest.
    Guest(Fence),
    /// A part of one of these, by a number of whoever tells it.
    Part(Fence, u8),
}

impl TraceContext {
    /// What the tags of a run or an attempt say. Something else under that name is nobody's span.
    pub fn of(tags: &BTreeMap<String, String>) -> Option<TraceContext> {
        tags.get(TRACEPARENT_TAG)?.parse().ok()
    }

    /// Another span of the same trace.
    pub fn with(self, span: u64) -> TraceContext {
        TraceContext { span, ..self }
    }
}

impl SpanOf {
    /// The number of this span of a run; never zero.
    pub fn id(self, run: RunId) -> u64 {
        let (kind, fence) = match self {
            SpanOf::Run => (1, 0),
            SpanOf::Step(fence) => (2, fence.0),
            SpanOf::Attempt(fence) => (3, fence.0),
            SpanOf::Guest(fence) => (4, fence.0),
            SpanOf::Part(fence, part) => (5 + u64::from(part), fence.0),
        };
        let (high, low) = run.0.as_u64_pair();
        let mixed = mix(mix(mix(high ^ kind) ^ low) ^ fence);
        mixed.max(1)
    }
}

/// Spreads a number over 64 bits (the finalizer of SplitMix64), so that near ones have nothing in common.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<TraceContext, InvalidTraceContext> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or(InvalidTraceContext)?;
            let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            let number = part.chars().all(lower).then(|| u128::from_str_radix(part, 16));
            number.and_then(Result::ok).ok_or(InvalidTraceContext)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // Later versions may say more behind it; 255 is forbidden.
        let ends = parts.next().is_none() || version > 0;
        let span = u64::try_from(span).map_err(|_| InvalidTraceContext)?;
        if !ends || version == 255 || trace == 0 || span == 0 {
            return Err(InvalidTraceContext);
        }
        Ok(TraceContext { trace, span, sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_the_standard_says() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read: TraceContext = text.parse().unwrap();
        assert_eq!((read.to_string().as_str(), read.sampled), (text, true));
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more";
        assert!(!later.parse::<TraceContext>().unwrap().sampled);
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(bad.parse::<TraceContext>(), Err(InvalidTraceContext), "{bad}");
        }
    }

    #[test]
    fn spans_of_runs_and_attempts_have_numbers_of_their_own() {
        let mut ids = std::collections::BTreeSet::new();
        for run in 0..10 {
            let run = RunId(uuid::Uuid::from_u128(run));
            ids.insert(SpanOf::Run.id(run));
            for fence in (1..=10).map(Fence) {
                for span in [SpanOf::Step(fence), SpanOf::Attempt(fence), SpanOf::Guest(fence)] {
                    ids.insert(span.id(run));
                }
                ids.extend((0..10).map(|part| SpanOf::Part(fence, part).id(run)));
            }
        }
        assert_eq!(ids.len(), 10 * (1 + 10 * 13));
        assert!(!ids.contains(&0));
    }
}
