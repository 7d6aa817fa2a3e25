//! What steers a job: branches, failures, and what is told about them.

use cofferdam_op::{Context, Error, HookEvent, Outputs, Result, op};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which way to go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By the output `left`.
    Left,
    /// By the output `right`.
    Right,
}

/// The config of `choose`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The branch that runs; the other is skipped.
    way: Way,
}

/// Two branches, of which one gets something.
#[derive(Debug, Outputs)]
pub struct Branches {
    left: Option<u32>,
    right: Option<u32>,
}

/// Gives one of its outputs.
#[op]
pub fn choose(config: Choice) -> Branches {
    match config.way {
        Way::Left => Branches { left: Some(1), right: None },
        Way::Right => Branches { left: None, right: Some(2) },
    }
}

/// What happens on the left.
#[op]
pub fn left(number: u32) -> String {
    format!("left {number}")
}

/// What happens on the right.
#[op]
pub fn right(number: u32) -> String {
    format!("right {number}")
}

/// Takes what came, from whichever branch.
#[op]
pub fn merge(branches: cofferdam_op::Many<String>) -> Vec<String> {
    branches.into_values().collect()
}

/// Fails until its third attempt.
#[op]
pub fn flaky(ctx: &Context) -> Result<u32> {
    match ctx.attempt().attempt {
        attempt @ ..3 => Err(Error::new(format!("attempt {attempt} was one of the first two"))),
        attempt => Ok(attempt),
    }
}

/// Fails for good: no retry would help.
#[op]
pub fn refuse() -> Result<u32> {
    Err(Error::permanent("the order has no address"))
}

/// Whom to tell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The name of a channel.
    channel: String,
}

/// Tells a channel how a step ended.
#[op]
pub fn notify(ctx: &Context, event: HookEvent, config: Channel) -> String {
    let why = event.failure.map_or(String::new(), |failure| format!(": {}", failure.message));
    let text = format!("#{}: {} {}{why}", config.channel, event.step, event.status);
    ctx.info(&text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_branch_gets_something() {
        let branches = choose(Choice { way: Way::Right });
        assert_eq!((branches.left, branches.right), (None, Some(2)));
    }

    #[test]
    fn a_refusal_is_permanent() {
        assert!(refuse().unwrap_err().is_permanent());
    }
}
