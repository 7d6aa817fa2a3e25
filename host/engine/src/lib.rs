//! The run state machine: inputs and the time go in, actions come out.
//!
//! A [`Run`] is the fold of its events over a [`Layout`] (a plan with what can be computed from it once);
//! anybody who has both can make one, and `cofferdam show` does. The [`Engine`] holds the runs that are being
//! driven, decides, and records every decision as an event before it acts on it, so that a restart folds the
//! log and decides nothing twice. No await, clock, randomness or IO: whoever calls brings the time and carries
//! out the actions.

mod assign;
mod engine;
mod layout;
mod place;
mod retry;
mod run;
#[cfg(test)]
mod tests;
mod verdict;
mod view;

pub use engine::{Action, Engine, Input, Settings};
pub use layout::{InvalidLayout, Layout};
pub use run::{InvalidHistory, Run};
pub use view::{AttemptView, StepView};

/// Losses of its worker after which a step is given up: it may be what kills them.
pub const LOSSES_MAX: u32 = 3;
