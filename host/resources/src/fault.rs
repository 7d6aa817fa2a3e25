//! How faults are made. Their texts are for the author of an op: what was tried, what went wrong, what to do.

use std::error::Error;

use cofferdam_model::{FaultKind, ResourceFault};

/// Causes of one error that are told; deeper ones repeat the same in other words.
const CAUSES_MAX: usize = 4;

pub(crate) fn fault(kind: FaultKind, message: impl Into<String>) -> ResourceFault {
    ResourceFault { kind, message: message.into() }
}

/// An error and what caused it, in one line. A cause that its parent has already told is left out.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(error) = cause else { break };
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
