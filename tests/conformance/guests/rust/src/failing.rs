//! Ops that fail.

use std::time::Duration;

use cofferdam_op::{Context, Error, Result, op};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    message: String,
}

/// Fails with a cause and a fact.
#[op]
pub fn fail(config: Message) -> Result<i64> {
    Err(Error::new("the disk is full").context(config.message).with_metadata("tried", 3))
}

/// Fails for good.
#[op]
pub fn fail_permanent() -> Result<i64> {
    Err(Error::permanent("it stays wrong"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    milliseconds: u64,
}

/// Asks to be tried later.
#[op]
pub fn fail_later(ctx: &Context, config: Wait) -> Result<i64> {
    match ctx.attempt().attempt {
        1 => Err(Error::retry_after(Duration::from_millis(config.milliseconds), "not yet")),
        attempt => Ok(attempt.into()),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    attempts: u32,
}

/// Fails until an attempt.
#[op]
pub fn flaky(ctx: &Context, config: Attempts) -> Result<i64> {
    match ctx.attempt().attempt {
        attempt if attempt < config.attempts => Err(Error::new(format!("attempt {attempt}"))),
        attempt => Ok(attempt.into()),
    }
}

/// Looks past the end of a list.
#[op]
pub fn crash() -> i64 {
    let list: Vec<i64> = std::hint::black_box(vec![1, 2, 3]);
    list[std::hint::black_box(7)]
}
