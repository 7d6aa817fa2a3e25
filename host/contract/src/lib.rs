//! What changed between two versions of a contract, and whether somebody who relied on the old one is broken by it.
//!
//! Two kinds of contract: a *world* (WIT), which hosts offer and libraries are built for, and a *library*, whose ops
//! jobs are wired with. Pure: reads texts and descriptions, decides, says so.

mod library;
mod world;

use serde::Serialize;

pub use library::compare as compare_libraries;
pub use world::{InvalidWit, World, compare as compare_worlds};

/// What a change means for those who rely on the old contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What was right before is wrong now.
    Breaks,
    /// There is more than before, and nothing else is different.
    Adds,
    /// Nothing that was offered is missing, and something is no longer asked for.
    Relaxes,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    pub effect: Effect,
    /// Where and what, as a sentence without an end.
    pub what: String,
}

impl Change {
    fn breaks(what: impl Into<String>) -> Change {
        Change { effect: Effect::Breaks, what: what.into() }
    }

    fn adds(what: impl Into<String>) -> Change {
        Change { effect: Effect::Adds, what: what.into() }
    }

    fn relaxes(what: impl Into<String>) -> Change {
        Change { effect: Effect::Relaxes, what: what.into() }
    }
}

/// Whether nothing of the old contract is broken.
pub fn is_compatible(changes: &[Change]) -> bool {
    changes.iter().all(|change| change.effect != Effect::Breaks)
}
