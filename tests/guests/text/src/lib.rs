//! The ops of the browser tests: each does one thing that a page has to show.

use cofferdam_op::{
    Context, Dynamic, Error, Many, Outputs, Result, RunRequest, SensorAnswer, SensorTick, op,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a greeting sounds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// As always.
    #[default]
    Calm,
    /// With joy.
    Glad,
    /// Beside oneself.
    Wild,
}

/// Whom to greet, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// Who is greeted.
    #[schemars(length(min = 1))]
    name: String,
    /// In capitals?
    #[serde(default)]
    shout: bool,
    /// How the greeting sounds.
    #[serde(default)]
    mood: Mood,
}

/// Greets one person.
#[op]
pub fn greet(ctx: &Context, config: Greeting) -> String {
    ctx.info(format!("greeting {} 遅延を計算中 ✈️", config.name));
    let text = format!("Hello, {}, {:?}!", config.name, config.mood);
    if config.shout { text.to_uppercase() } else { text }
}

/// Loads rows.
#[op]
pub fn load(ctx: &Context) -> Vec<u32> {
    ctx.info("loading rows");
    vec![3, 1, 0]
}

/// Divides by what it is given.
#[op]
pub fn crunch(ctx: &Context, rows: Vec<u32>) -> Result<u32> {
    ctx.info(format!("dividing by {} rows", rows.len()));
    Err(Error::new("division by zero in row 17"))
}

/// Publishes a number.
#[op]
pub fn publish(number: u32) {
    let _ = number;
}

/// Works for as long as a tab is open, and says so. A sleep would take no time in a sandbox.
#[op]
pub fn wait(ctx: &Context) -> u32 {
    for part in 1..=600 {
        busy(80_000_000);
        ctx.info(format!("part {part} of 600"));
    }
    600
}

fn busy(rounds: u64) -> u64 {
    (0..rounds).fold(1, |x, i| std::hint::black_box(x ^ (x << 7) ^ i))
}

/// Forty keys.
#[derive(Debug, Outputs)]
pub struct Keys {
    /// A text each.
    keys: Dynamic<String>,
}

/// Gives forty keys.
#[op]
pub fn shard() -> Result<Keys> {
    let mut keys = Dynamic::new();
    for number in 0..40 {
        let key = format!("k{number:02}");
        keys.push(key.clone(), key)?;
    }
    Ok(Keys { keys })
}

/// Works on one key.
#[op]
pub fn work(ctx: &Context, key: String) -> Result<u32> {
    for part in 1..=4 {
        busy(10_000_000);
        ctx.info(format!("part {part} of 4 of {key}"));
    }
    if key == "k17" {
        ctx.error("this one never works");
        return Err(Error::permanent("k17 cannot be worked on"));
    }
    Ok(1)
}

/// Sums up.
#[op]
pub fn sum(numbers: Many<u32>) -> u32 {
    numbers.iter().map(|element| element.value).sum()
}

/// How a sensor feels.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feeling {
    /// Fails until it has a cursor, and asks for nothing after that.
    #[serde(default)]
    moody: bool,
    /// Never answers.
    #[serde(default)]
    stuck: bool,
    /// Asks for runs with these keys.
    #[serde(default)]
    keys: Vec<String>,
}

/// A sensor that asks for a greeting each time, and counts in its cursor.
#[op]
pub fn look(ctx: &Context, tick: SensorTick, config: Feeling) -> Result<SensorAnswer> {
    ctx.info(format!("looking from {}", tick.cursor.as_deref().unwrap_or("the beginning")));
    while config.stuck {
        std::hint::black_box(());
    }
    match (config.moody, &tick.cursor) {
        (true, None) => return Err(Error::permanent("no weather today")),
        (true, Some(_)) => {
            let skip_reason = Some("the sun shines".to_owned());
            return Ok(SensorAnswer { skip_reason, ..SensorAnswer::default() });
        }
        (false, _) => {}
    }
    let number: u64 =
        tick.cursor.as_deref().unwrap_or("0").parse().map_err(|_| Error::permanent("an odd cursor"))?;
    let keys = if config.keys.is_empty() { vec![format!("tick-{number}")] } else { config.keys };
    let run = |key: String| RunRequest {
        config: serde_json::json!({ "ops": { "greet": { "config": { "name": key } } } }),
        run_key: Some(key),
        ..RunRequest::default()
    };
    let runs = keys.into_iter().map(run).collect();
    Ok(SensorAnswer { runs, cursor: Some((number + 1).to_string()), ..SensorAnswer::default() })
}

cofferdam_op::library!(greet, load, crunch, publish, wait, shard, work, sum, look);
