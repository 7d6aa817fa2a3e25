//! An op whose config has a field of every kind that a config can have, and the ops of an IO manager.

use std::collections::BTreeMap;

use cofferdam_op::schemars::{self, JsonSchema};
use cofferdam_op::{Context, op};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field of every kind.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kinds {
    /// A whole number; it has to be given.
    n: i64,
    #[serde(default = "half")]
    share: f64,
    #[serde(default)]
    strict: bool,
    #[serde(default = "title")]
    title: String,
    /// Anything.
    #[serde(default)]
    any: Value,
    /// A number or nothing.
    at_most: Option<i64>,
    #[serde(default)]
    list: Vec<i64>,
    #[serde(default)]
    map: BTreeMap<String, i64>,
    #[serde(default)]
    page: Page,
    #[serde(default)]
    open: Open,
    /// One of its keys; it has to be given.
    source: Origin,
    #[serde(default)]
    level: Level,
    #[serde(default = "auto")]
    width: Width,
    /// Whoever holds it gets in.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    secret: String,
}

fn half() -> f64 {
    0.5
}

fn title() -> String {
    "untitled".to_owned()
}

fn auto() -> Width {
    Width::Name("auto".to_owned())
}

/// A closed table.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(default = "lines")]
    lines: u32,
}

impl Default for Page {
    fn default() -> Page {
        Page { lines: lines() }
    }
}

fn lines() -> u32 {
    60
}

/// An open table: what it does not know is passed on.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct Open {
    #[serde(default)]
    known: i64,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Where it comes from: exactly one.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    File { path: String },
    Url { address: String, port: u16 },
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Low,
    High,
}

/// A name, or a table.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Width {
    Name(String),
    Columns { columns: u32 },
}

/// Says what its config is, a line per field; of the secret its length.
#[op]
pub fn configured(ctx: &Context, config: Kinds) -> Vec<String> {
    ctx.info(format!("n is {}", config.n));
    vec![
        format!("n {}", config.n),
        format!("share {:?}", config.share),
        format!("strict {}", config.strict),
        format!("title {}", config.title),
        format!("any {}", config.any),
        format!("at_most {:?}", config.at_most),
        format!("list {:?}", config.list),
        format!("map {:?}", config.map),
        format!("page {}", config.page.lines),
        format!("open {} {}", config.open.known, Value::from_iter(config.open.rest)),
        match config.source {
            Origin::File { path } => format!("source file {path}"),
            Origin::Url { address, port } => format!("source {address}:{port}"),
        },
        format!("level {:?}", config.level),
        format!("width {:?}", config.width),
        format!("secret of {}", config.secret.len()),
    ]
}

/// Where a value was put.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shelf {
    /// Where the manager is told to put it.
    shelf: String,
    number: u64,
}

/// The config of an IO manager.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shelves {
    shelf: String,
}

/// Stores a number.
#[op]
pub fn put(value: u64, config: Shelves) -> Shelf {
    Shelf { shelf: config.shelf, number: value }
}

/// Finds a number again.
#[op]
pub fn get(ctx: &Context, stored: Shelf, config: Shelves) -> u64 {
    ctx.info(format!("from {} by {}", stored.shelf, config.shelf));
    stored.number
}
