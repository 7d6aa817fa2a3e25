//! Ops that talk with the host: logs, facts, who they are, time, memory, resources.

use std::collections::BTreeMap;

use cofferdam_op::{Context, Error, Keyvalue, Level, MetadataValue, Result, Settings, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line at each level.
#[op]
pub fn log(ctx: &Context) {
    let levels = [
        (Level::Trace, "trace"),
        (Level::Debug, "debug"),
        (Level::Info, "info"),
        (Level::Warn, "warn"),
        (Level::Error, "error"),
    ];
    for (level, word) in levels {
        ctx.log(level, word, &[("colour", "blue")]);
    }
}

/// Prints.
#[op]
pub fn print() {
    println!("to stdout");
    eprintln!("to stderr");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    lines: u32,
}

/// Logs many lines.
#[op]
pub fn chatter(ctx: &Context, config: Lines) {
    (0..config.lines).for_each(|n| ctx.info(format!("line {n}")));
}

/// Says how far it is.
#[op]
pub fn progress(ctx: &Context) {
    ctx.progress(1, 2, "half");
    ctx.progress(2, 2, "done");
}

/// States a fact of each kind.
#[op]
pub fn facts(ctx: &Context) {
    ctx.metadata("text", "words");
    ctx.metadata("integer", 7);
    ctx.metadata("number", 0.5);
    ctx.metadata("truth", true);
    ctx.metadata("url", MetadataValue::Url("https://example.org/a".to_owned()));
    ctx.metadata("path", MetadataValue::Path("/a/b".to_owned()));
    ctx.metadata("json", MetadataValue::Json(r#"{"a": 1}"#.to_owned()));
    ctx.metadata("markdown", MetadataValue::Markdown("*b*".to_owned()));
    ctx.metadata("table", MetadataValue::Table(r#"[{"a": 1}]"#.to_owned()));
    ctx.metadata("timestamp", MetadataValue::Timestamp("2026-01-02T03:04:05Z".to_owned()));
}

#[derive(Serialize, JsonSchema)]
pub struct Who {
    run_id: String,
    step_key: String,
    attempt: u32,
    idempotency_key: String,
    partition: Option<String>,
    tags: BTreeMap<String, String>,
}

/// Says what the context says.
#[op]
pub fn who(ctx: &Context) -> Who {
    let info = ctx.attempt();
    Who {
        run_id: info.run_id,
        step_key: info.step_key,
        attempt: info.attempt,
        idempotency_key: info.idempotency_key,
        partition: info.partition,
        tags: info.tags.into_iter().collect(),
    }
}

/// Whether some of at most a minute is left.
#[op]
pub fn remaining(ctx: &Context) -> bool {
    ctx.remaining().is_some_and(|left| (1..=60_000).contains(&left.as_millis()))
}

/// Never returns.
#[op]
pub fn spin() -> i64 {
    loop {
        std::hint::black_box(());
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    megabytes: usize,
}

/// Takes memory.
#[op]
pub fn hog(config: Amount) -> i64 {
    let blocks: Vec<Vec<u8>> =
        (0..config.megabytes).map(|n| std::hint::black_box(vec![n as u8 | 1; 1_000_000])).collect();
    blocks.len() as i64
}

/// Counts its runs.
#[op]
pub fn count(store: Keyvalue) -> Result<i64> {
    let seen: i64 = match store.get("visits")? {
        Some(bytes) => String::from_utf8_lossy(&bytes).parse().map_err(Error::from)?,
        None => 0,
    };
    store.set("visits", (seen + 1).to_string())?;
    Ok(seen + 1)
}

/// Reads a setting.
#[op]
pub fn setting(settings: Settings) -> Result<String> {
    Ok(settings.get("colour")?.unwrap_or_else(|| "none".to_owned()))
}
