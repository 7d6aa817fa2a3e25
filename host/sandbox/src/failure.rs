//! From the way a guest ended to a [`Failure`] that a person can read.

use std::time::Duration;

use cofferdam_model::{
    BACKTRACE_FRAMES_MAX, Failure, FailureKind, Limits, MESSAGE_BYTES_MAX, METADATA_ENTRIES_MAX, RetryAdvice,
};
use wasmtime::{FrameSymbol, Trap, WasmBacktrace};

use crate::bindings::types;
use crate::metadata::Metadata;
use crate::state::{CALL_BYTES_MAX, State, Stop};
use crate::text::{cut, human_bytes, last};

/// Bytes of one frame of a backtrace: names of generic functions can be very long.
const FRAME_BYTES_MAX: usize = 256;
/// Bytes of the path of a source file in it.
const FILE_BYTES_MAX: usize = 120;
/// Bytes of a name that is made readable.
const NAME_BYTES_MAX: usize = 4096;
/// Causes that are kept.
const CAUSES_MAX: usize = 32;

/// Context of an error from before the guest's function was called.
#[derive(Debug)]
pub(crate) struct Instantiating;

impl std::fmt::Display for Instantiating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("while the library was instantiated")
    }
}

/// The op said itself that it failed. Its words are cut, never parsed.
pub(crate) fn returned(failure: types::Failure) -> Failure {
    let mut metadata = Metadata::default();
    metadata.add(failure.metadata.into_iter().take(METADATA_ENTRIES_MAX));
    let causes = failure.causes.into_iter().take(CAUSES_MAX);
    Failure {
        kind: FailureKind::Op,
        message: cut(failure.message, MESSAGE_BYTES_MAX),
        causes: causes.map(|cause| cut(cause, MESSAGE_BYTES_MAX)).collect(),
        backtrace: vec![],
        retry: failure.retry.into(),
        metadata: metadata.into_entries(),
    }
}

/// The guest did not return within its limits.
pub(crate) fn ended(state: &State, error: &wasmtime::Error, limits: &Limits) -> Failure {
    let mut failure = explain(state, error, limits);
    failure.message = cut(failure.message, MESSAGE_BYTES_MAX);
    failure.backtrace = backtrace(error);
    if let Some(trouble) = &state.trouble {
        failure.causes.push(cut(trouble.to_string(), MESSAGE_BYTES_MAX));
    }
    if matches!(failure.kind, FailureKind::Trap | FailureKind::Memory) {
        let words = state.log.last_words().iter();
        failure.causes.extend(words.map(|line| format!("stderr: {}", cut(line.clone(), MESSAGE_BYTES_MAX))));
    }
    failure
}

fn explain(state: &State, error: &wasmtime::Error, limits: &Limits) -> Failure {
    use FailureKind as Kind;
    match &state.stop {
        Some(Stop::Timeout) => {
            let timeout =
                limits.timeout.map(|timeout| format!(" of {}", duration(timeout))).unwrap_or_default();
            return Failure::new(Kind::Timeout, format!("ran longer than its timeout{timeout}"));
        }
        Some(Stop::HostCalls(message)) => return Failure::new(Kind::HostCalls, message.as_str()),
        Some(Stop::OutputLimit(message)) => return Failure::new(Kind::OutputLimit, message.as_str()),
        Some(Stop::Misuse(message)) => return Failure::new(Kind::Trap, message.as_str()),
        Some(Stop::Exit(code)) => {
            let message = format!("exited with code {code} instead of returning a result");
            return Failure::new(Kind::Trap, message);
        }
        None => {}
    }
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::OutOfFuel) {
        let fuel = limits.fuel.map(|fuel| format!(" of {fuel}")).unwrap_or_default();
        return Failure::new(Kind::Fuel, format!("used up its fuel{fuel}"));
    }
    if trap == Some(Trap::StackOverflow) {
        return Failure::new(Kind::Trap, "overflowed its stack: recursion is too deep");
    }
    if let Some(message) = state.limiter.explain() {
        return Failure::new(Kind::Memory, message);
    }
    if let Some(trap) = trap {
        return Failure::new(Kind::Trap, trap_text(trap));
    }
    // wasmtime keeps this error private; its text is checked by a test.
    if format!("{error:#}").contains("fuel allocated for hostcalls") {
        let max = human_bytes(CALL_BYTES_MAX as u64);
        // On the way into the host the guest's frames are on the stack; when it has returned there are none.
        return if error.downcast_ref::<WasmBacktrace>().is_some() {
            Failure::new(Kind::HostCalls, format!("handed over more than {max} in one call into the host"))
        } else {
            let message = format!("returned more than {max} at once; write large outputs through a writer");
            Failure::new(Kind::OutputLimit, message)
        };
    }
    if error.downcast_ref::<Instantiating>().is_some() {
        return library(format!("does not fit the world `cofferdam:op/library`: {}", error.root_cause()));
    }
    Failure::new(Kind::Trap, format!("broke the rules of the component model: {}", error.root_cause()))
}

/// wasmtime's words begin with `wasm trap:` for some.
fn trap_text(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "panicked or aborted (`unreachable` executed)".to_owned(),
        Trap::MemoryOutOfBounds => {
            "reached outside its memory (a wild pointer, or recursion that is too deep)".to_owned()
        }
        other => {
            let text = other.to_string();
            text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
        }
    }
}

/// `500 ms`, `90 s`.
fn duration(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

/// Where the guest was, innermost first: functions, and lines of the source where the component says them (DWARF).
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return vec![];
    };
    let frames = backtrace.frames().iter().flat_map(|frame| {
        let function = name(frame.func_name()).unwrap_or_else(|| format!("function {}", frame.func_index()));
        // The functions that were put in place of their calls, and last the one that they are in.
        let mut lines: Vec<String> = frame.symbols().iter().map(line).collect();
        lines.pop();
        let place = frame.symbols().last().and_then(place);
        lines.push(at(function, place));
        lines
    });
    frames.take(BACKTRACE_FRAMES_MAX).collect()
}

fn line(symbol: &FrameSymbol) -> String {
    at(name(symbol.name()).unwrap_or_else(|| "inlined".to_owned()), place(symbol))
}

fn place(symbol: &FrameSymbol) -> Option<String> {
    Some(format!("{}:{}", last(symbol.file()?, FILE_BYTES_MAX), symbol.line()?))
}

/// The place says more than the end of a long name.
fn at(function: String, place: Option<String>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" ({place})"));
    cut(function, FRAME_BYTES_MAX - place.len()) + &place
}

fn name(name: Option<&str>) -> Option<String> {
    // Demangling expands; a name that is too long is no use to anybody.
    name.map(|name| match name.len() <= NAME_BYTES_MAX {
        true => format!("{:#}", rustc_demangle::demangle(name)),
        false => name.to_owned(),
    })
}

/// A failure before or around the guest, for which trying again with the same bytes makes no sense.
pub(crate) fn library(message: impl Into<String>) -> Failure {
    Failure { retry: RetryAdvice::Never, ..Failure::new(FailureKind::Library, message) }
}
