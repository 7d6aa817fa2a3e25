//! The conformance library in Rust, as `tests/conformance/README.md` has it: values and ports.

mod context;
mod failing;
mod large;

use std::collections::BTreeMap;

use cofferdam_op::{Bytes, Dynamic, Many, Outputs, Result, WithMetadata, library, op};
use context::*;
use failing::*;
use large::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives its input back.
#[op]
fn echo_text(value: String) -> String {
    value
}

/// Gives its input back.
#[op]
fn echo_integer(value: i64) -> i64 {
    value
}

/// Gives its input back.
#[op]
fn echo_number(value: f64) -> f64 {
    value
}

/// Gives its input back.
#[op]
fn echo_flag(value: bool) -> bool {
    value
}

/// Gives its input back.
#[op]
fn echo_list(value: Vec<i64>) -> Vec<i64> {
    value
}

/// Gives its input back.
#[op]
fn echo_map(value: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    value
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Nullable(Option<String>);

/// Gives its input back.
#[op]
fn echo_nullable(value: Nullable) -> Nullable {
    value
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
    Blue,
}

/// Gives its input back.
#[op]
fn echo_choice(value: Colour) -> Colour {
    value
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    lat: f64,
    lon: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Person {
    name: String,
    age: u32,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    home: Option<Place>,
}

/// Gives its input back.
#[op]
fn echo_record(value: Person) -> Person {
    value
}

/// Gives its input back.
#[op]
fn echo_bytes(value: Bytes) -> Bytes {
    value
}

/// Does nothing.
#[op]
fn nothing() {}

#[derive(Outputs)]
struct Names {
    first: WithMetadata<String>,
    last: String,
}

/// Splits a name at its first blank.
#[op]
fn split_name(name: String) -> Names {
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    let first_with = WithMetadata::new(first.to_owned()).with("letters", first.chars().count());
    Names { first: first_with, last: last.to_owned() }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Emit {
    emit: bool,
}

#[derive(Outputs)]
struct Perhaps {
    value: Option<i64>,
}

/// Gives a value if it is asked to.
#[op]
fn maybe(config: Emit) -> Perhaps {
    Perhaps { value: config.emit.then_some(42) }
}

/// Greets somebody, or nobody.
#[op]
fn greet(name: Option<String>) -> String {
    format!("Hello, {}!", name.as_deref().unwrap_or("nobody"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    n: u32,
}

#[derive(Outputs)]
struct Numbers {
    each: Dynamic<i64>,
}

/// Emits numbers from 0 on.
#[op]
fn numbers(config: Count) -> Result<Numbers> {
    let mut each = Dynamic::new();
    for n in 0..config.n {
        each.push(format!("n{n}"), i64::from(n))?;
    }
    Ok(Numbers { each })
}

/// Emits a key twice.
#[op]
fn twins() -> Result<Numbers> {
    let mut each = Dynamic::new();
    each.push("twin", 1)?;
    each.push("twin", 2)?;
    Ok(Numbers { each })
}

/// Adds numbers.
#[op]
fn total(numbers: Many<i64>) -> i64 {
    numbers.iter().map(|element| element.value).sum()
}

/// Names each number.
#[op]
fn keyed(numbers: Many<i64>) -> Vec<String> {
    let line = |key: Option<&str>, value: i64| format!("{}={value}", key.unwrap_or("-"));
    numbers.iter().map(|element| line(element.key.as_deref(), element.value)).collect()
}

fn hello() -> String {
    "Hello".to_owned()
}

fn two() -> u8 {
    2
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    #[serde(default = "hello")]
    greeting: String,
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 10))]
    times: u8,
    #[serde(default)]
    loud: bool,
    names: Vec<String>,
}

/// Greets as its config says.
#[op]
fn configured(config: Greeting) -> String {
    let lines: Vec<String> =
        config.names.iter().map(|name| format!("{}, {name}!", config.greeting)).collect();
    let text = vec![lines.join("\n"); config.times.into()].join("\n");
    if config.loud { text.to_uppercase() } else { text }
}

/// Doubles a number.
#[op(pure)]
fn pure_double(value: i64) -> i64 {
    value * 2
}

library!(
    echo_text,
    echo_integer,
    echo_number,
    echo_flag,
    echo_list,
    echo_map,
    echo_nullable,
    echo_choice,
    echo_record,
    echo_bytes,
    nothing,
    split_name,
    maybe,
    greet,
    numbers,
    twins,
    total,
    keyed,
    configured,
    pure_double,
    produce,
    consume,
    slice,
    repeat,
    length,
    page,
    fail,
    fail_permanent,
    fail_later,
    flaky,
    crash,
    log,
    print,
    chatter,
    progress,
    facts,
    who,
    remaining,
    spin,
    hog,
    count,
    setting
);
