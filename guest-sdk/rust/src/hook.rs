//! What an op that is a hook is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The input `event` of a hook: what became of the step that it watches.
///
/// ```
/// use cofferdam_op::{Context, HookEvent, op};
///
/// #[op]
/// fn notify(ctx: &Context, event: HookEvent) {
///     if let Some(failure) = &event.failure {
///         ctx.warn(format!("{} failed: {}", event.step, failure.message));
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookEvent {
    /// The run.
    pub run: String,
    /// The step's key, dotted, with mapping keys.
    pub step: String,
    /// The step's op.
    pub op: String,
    /// How the step ended: `succeeded` or `failed`.
    pub status: String,
    /// How many tries it took.
    pub attempt: u32,
    /// Why it failed, if it did.
    #[serde(default)]
    pub failure: Option<HookFailure>,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookFailure {
    /// `op-failed`, `trap`, `timeout` and so on.
    pub kind: String,
    /// One line.
    pub message: String,
}
