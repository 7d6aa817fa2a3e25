//! Ops that use resources, one per kind and some that go wrong, written with the SDK as users write them. Beside
//! them what hooks, asset checks and config mappings are made of.

use cofferdam_op::command::Outcome;
use cofferdam_op::http::Request;
use cofferdam_op::schemars::{self, JsonSchema};
use cofferdam_op::sql::{Rows, Statement, Value};
use cofferdam_op::{
    Blob, Bytes, Check, Command, Context, Dynamic, Error, HookEvent, Http, Keyvalue, Many, Outputs, Result,
    Settings, Severity, Sql, WithMetadata, library, op, params,
};
use serde::{Deserialize, Serialize};

/// Fetches a path, and gives status and body.
#[op]
pub fn fetch(
    /// Where to ask.
    api: Http,
    path: String,
) -> Result<String> {
    let response = api.get(path)?;
    Ok(format!("{} {}", response.status, response.text()?))
}

/// Fetches a path, and gives away all that it has got: in its log, on stdout, and its whole memory.
#[op]
pub fn confess(ctx: &Context, api: Http, path: String) -> Result<Bytes> {
    let response = api.get(path.clone())?;
    ctx.info(format!("{path}: {} {:?} {:?}", response.status, response.headers, response.body));
    println!("{:?} {:?}", std::env::vars().collect::<Vec<_>>(), std::env::args().collect::<Vec<_>>());
    Ok(Bytes(memory()))
}

/// Every byte that this instance can read.
#[cfg(target_arch = "wasm32")]
fn memory() -> Vec<u8> {
    let size = std::arch::wasm32::memory_size(0) * 65536;
    // SAFETY: all of it is there to be read, and nothing writes meanwhile. Address 0 is no pointer in Rust.
    unsafe { std::slice::from_raw_parts(std::ptr::without_provenance(1), size - 1) }.to_vec()
}

#[cfg(not(target_arch = "wasm32"))]
fn memory() -> Vec<u8> {
    vec![]
}

/// Sends a text with a header, and gives what came back.
#[op]
pub fn send(api: Http, text: String) -> Result<String> {
    api.send(Request::new("POST", "/echo").header("x-from", "op").body(text))?.ok()?.text()
}

/// Counts how often it was run.
#[op]
pub fn count(counters: Keyvalue, name: String) -> Result<u64> {
    let seen = counters.get(&name)?.map_or(Ok(0), |bytes| String::from_utf8_lossy(&bytes).parse::<u64>())?;
    counters.set(&name, (seen + 1).to_string())?;
    Ok(seen + 1)
}

/// Removes a counter, and gives the names of the others.
#[op]
pub fn forget(counters: Keyvalue, name: String) -> Result<Vec<String>> {
    counters.remove(name)?;
    Ok(counters.keys("")?)
}

/// Writes a text of that many lines, and gives what can be read of it.
#[op]
pub fn archive(lake: Blob, lines: u32) -> Result<Vec<String>> {
    let text: String = (0..lines).map(|n| format!("line {n}\n")).collect();
    lake.write("texts/numbers.txt", &text)?;
    let read = lake.read("texts/numbers.txt")?.ok_or_else(|| Error::new("it is not there"))?;
    if read != text.as_bytes() {
        return Err(Error::permanent("it came back as something else"));
    }
    let size = lake.size("texts/numbers.txt")?;
    let mut found = lake.list("texts/")?;
    found.push(format!("{size:?}"));
    lake.remove("texts/numbers.txt")?;
    found.push(format!("{:?}", lake.size("texts/numbers.txt")?));
    Ok(found)
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Flight {
    carrier: String,
    delay: Option<i64>,
}

/// Keeps flights in a table, and gives those that it finds there.
#[op]
pub fn keep(db: Sql, flights: Vec<Flight>) -> Result<Vec<Flight>> {
    db.execute("create table if not exists flights (carrier text, delay integer)", params![])?;
    let insert = |flight: Flight| {
        Statement::new("insert into flights values (?1, ?2)", params![flight.carrier, flight.delay])
    };
    let n = db.transact(flights.into_iter().map(insert).collect())?;
    if n == 0 {
        return Err(Error::permanent("nothing was kept"));
    }
    db.query_as("select carrier, delay from flights order by carrier", params![])
}

/// Runs a query, and gives its values as text.
#[op]
pub fn query(db: Sql, text: String) -> Result<String> {
    let Rows { columns, values } = db.query(text, params![])?;
    let bytes = values.iter().flatten().filter(|value| matches!(value, Value::Bytes(_))).count();
    Ok(format!("{columns:?} {} rows, {bytes} bytes values: {:?}", values.len(), values.first()))
}

/// Gives the length of a setting: what it holds stays here.
#[op]
pub fn secret_length(site: Settings, key: String) -> Result<u64> {
    Ok(site.require(key)?.len() as u64)
}

/// Runs the program.
#[op]
pub fn execute(program: Command, arguments: Vec<String>) -> Result<String> {
    program.run(&arguments)?.ok()?.text()
}

/// How much to say.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Speech {
    /// Lines at the end.
    #[serde(default)]
    lines: u32,
}

/// Says something in every way, runs the program, and says more.
#[op]
pub fn announce(ctx: &Context, program: Command, arguments: Vec<String>, config: Speech) -> Result<()> {
    println!("before, on stdout");
    eprintln!("before, on stderr");
    ctx.info("before, in the log");
    program.run(&arguments)?.ok()?;
    println!("after");
    (0..config.lines).for_each(|n| println!("line {n}"));
    Ok(())
}

/// Runs the program with input, and says how it ended.
#[op]
pub fn pipe(program: Command, text: String) -> Result<String> {
    let Outcome { exit_code, stdout, stderr } = program.run_with::<&str>(&[], text)?;
    Ok(format!("{exit_code:?} {} {}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Uses two resources of one kind.
#[op]
pub fn copy(from: Keyvalue, to: Keyvalue, key: String) -> Result<bool> {
    let Some(value) = from.get(&key)? else { return Ok(false) };
    to.set(&key, value)?;
    Ok(true)
}

/// Says what went wrong instead of failing.
#[op]
pub fn complain(api: Http) -> String {
    match api.get("/") {
        Ok(response) => format!("status {}", response.status),
        Err(fault) => format!("{:?}: {}", fault.kind, fault.message),
    }
}

/// Asks again and again.
#[op]
pub fn pester(counters: Keyvalue) -> Result<u64> {
    loop {
        counters.get("x")?;
    }
}

/// Sends that many bytes at once.
#[op]
pub fn heavy(lake: Blob, bytes: u32) -> Result<u64> {
    lake.write("heavy", vec![7; bytes as usize])?;
    Ok(lake.size("heavy")?.unwrap_or_default())
}

/// Adds two numbers: the same two give the same sum.
#[op(pure)]
pub fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[derive(Outputs)]
pub struct Words {
    /// Each word, with its length.
    words: Dynamic<WithMetadata<String>>,
    n: WithMetadata<u64>,
}

/// Splits a text, and states facts about each output.
#[op]
pub fn split(text: String) -> Result<Words> {
    let mut words = Dynamic::new();
    for (n, word) in text.split_whitespace().enumerate() {
        words.push(format!("w{n}"), WithMetadata::new(word.to_owned()).with("length", word.len()))?;
    }
    let n = words.len() as u64;
    Ok(Words { words, n: WithMetadata::new(n).with("counted", true) })
}

/// Are there rows?
#[op]
pub fn has_rows(rows: Vec<u64>) -> Check {
    match rows.len() {
        0 => Check::failed("there are no rows"),
        n @ ..3 => Check::failed("there are few rows").severity(Severity::Warn).with("rows", n),
        n => Check::passed().with("rows", n),
    }
}

/// Tells of a step that has ended.
#[op]
pub fn notify(ctx: &Context, event: HookEvent) -> String {
    let why =
        event.failure.map_or_else(String::new, |failure| format!(": {} ({})", failure.message, failure.kind));
    let text = format!("{} {} at try {}{why}", event.step, event.status, event.attempt);
    ctx.info(&text);
    text
}

#[derive(Deserialize, JsonSchema)]
pub struct Outer {
    word: String,
    /// Never ends: for the test of the cap.
    #[serde(default)]
    forever: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Inner {
    config: InnerConfig,
}

#[derive(Serialize, JsonSchema)]
pub struct InnerConfig {
    text: String,
}

/// Maps the config of a graph to those of its steps.
#[op]
pub fn map_config(config: Outer) -> std::collections::BTreeMap<String, Inner> {
    while config.forever {
        std::hint::black_box(0);
    }
    [("greet".to_owned(), Inner { config: InnerConfig { text: format!("{}!", config.word) } })].into()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    user: String,
    retries: i64,
    #[serde(default)]
    verbose: bool,
}

/// Says what its config is, for tests of values that the worker fills in.
#[op]
pub fn login(config: Login) -> String {
    format!("{} {} {}", config.user, config.retries, config.verbose)
}

/// Adds numbers.
#[op]
pub fn total(numbers: Many<u64>) -> u64 {
    numbers.into_values().sum()
}

library!(
    fetch,
    confess,
    send,
    count,
    forget,
    archive,
    keep,
    query,
    secret_length,
    execute,
    announce,
    pipe,
    copy,
    complain,
    pester,
    heavy,
    add,
    split,
    has_rows,
    notify,
    map_config,
    login,
    total
);
