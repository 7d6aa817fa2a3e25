//! Ops with types, written with the SDK as users write them: what end-to-end tests wire into jobs.

mod kinds;

use std::io::{BufRead, BufReader, Write};

use cofferdam_op::schemars::{self, JsonSchema};
use cofferdam_op::{Context, Dynamic, Error, Many, Outputs, Reader, Result, Stored, library, op};
use kinds::{configured, get, put};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// How many.
    n: u64,
    /// Added to each.
    #[serde(default)]
    offset: u64,
}

#[derive(Outputs)]
pub struct Numbers {
    /// A number each.
    each: Dynamic<u64>,
}

/// Emits the numbers from 0 on under keys of their own.
#[op]
pub fn numbers(config: Count) -> Result<Numbers> {
    let mut each = Dynamic::new();
    for n in 0..config.n {
        each.push(&format!("n{n}"), n + config.offset)?;
    }
    Ok(Numbers { each })
}

/// Doubles a number.
#[op]
pub fn double(number: u64) -> u64 {
    number * 2
}

/// Adds numbers.
#[op]
pub fn sum(numbers: Many<u64>) -> u64 {
    numbers.iter().map(|element| element.value).sum()
}

/// One more than the sum of its numbers, in 32 bits: the step that does nothing, of the benchmarks.
#[op]
pub fn add_one(numbers: Many<u64>) -> u64 {
    (numbers.iter().map(|element| element.value).sum::<u64>() + 1) & 0xffff_ffff
}

#[derive(Deserialize, JsonSchema)]
pub struct Work {
    /// Rounds of arithmetic; a million take some milliseconds.
    rounds: u64,
    /// The number that takes a hundred thousand times as many.
    #[serde(default)]
    slow: Option<u64>,
}

/// Works for a while, then passes its number on.
#[op]
pub fn work(ctx: &Context, number: u64, config: Work) -> u64 {
    ctx.info(&format!("working on {number}"));
    let mut state = number | 1;
    let times = if config.slow == Some(number) { 100_000 } else { 1 };
    for _ in 0..config.rounds * times {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17));
    }
    if state == 0 { 0 } else { number }
}

#[derive(Deserialize, JsonSchema)]
pub struct Speech {
    /// How many.
    lines: u64,
    /// Rounds of arithmetic before each.
    rounds: u64,
    /// Of what it gives at the end.
    #[serde(default)]
    bytes: usize,
}

/// Logs `line 0`, `line 1` … with some work before each, then gives a text.
#[op]
pub fn chatter(ctx: &Context, config: Speech) -> String {
    let mut state = 1_u64;
    for n in 0..config.lines {
        for _ in 0..config.rounds {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17));
        }
        ctx.info(&format!("line {n}"));
    }
    "x".repeat(config.bytes)
}

#[derive(Deserialize, JsonSchema)]
pub struct Words {
    texts: Vec<String>,
}

/// Says each of these in every way that there is: in the log, on stdout and on stderr, and as its result.
#[op]
pub fn say(ctx: &Context, config: Words) -> Vec<String> {
    for text in &config.texts {
        ctx.info(text);
        println!("{text}");
        eprintln!("{text}");
    }
    config.texts
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Person {
    name: String,
    age: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Record {
    name: String,
    /// In words.
    age: String,
}

/// Makes a person.
#[op]
pub fn person() -> Person {
    Person { name: "Ada".to_owned(), age: 36 }
}

/// Reads a record, which is not a person.
#[op]
pub fn file(record: Record) -> String {
    format!("{}: {}", record.name, record.age)
}

#[derive(Deserialize, JsonSchema)]
pub struct Way {
    left: bool,
}

#[derive(Outputs)]
pub struct Branches {
    left: Option<u64>,
    right: Option<u64>,
}

/// Emits one of its outputs.
#[op]
pub fn branch(config: Way) -> Branches {
    let (left, right) = if config.left { (Some(1), None) } else { (None, Some(2)) };
    Branches { left, right }
}

/// Counts the lines of a file.
#[op]
pub fn lines(file: Reader) -> Result<u64> {
    let mut n = 0;
    for line in BufReader::new(file).lines() {
        line.map_err(|error| Error::permanent(format!("line {} cannot be read: {error}", n + 1)))?;
        n += 1;
    }
    Ok(n)
}

#[derive(Deserialize, JsonSchema)]
pub struct Amount {
    bytes: u64,
}

/// Writes so many bytes that do not shrink, piece by piece.
#[op]
pub fn flood(ctx: &Context, config: Amount) -> Result<Stored> {
    let mut writer = ctx.create_writer()?;
    let (mut state, mut left) = (1_u64, config.bytes);
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        for word in piece.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
        }
        let now = left.min(piece.len() as u64);
        writer.write_all(&piece[..now as usize])?;
        left -= now;
    }
    Ok(writer.finish()?)
}

/// Reads a file to its end, piece by piece, and tells its size.
#[op]
pub fn weigh(mut file: Reader) -> Result<u64> {
    Ok(std::io::copy(&mut file, &mut std::io::sink())?)
}

/// Writes what it reads, piece by piece.
#[op]
pub fn pass_on(ctx: &Context, mut file: Reader) -> Result<Stored> {
    let mut writer = ctx.create_writer()?;
    std::io::copy(&mut file, &mut writer)?;
    Ok(writer.finish()?)
}

/// Fails until its third attempt.
#[op]
pub fn flaky(ctx: &Context) -> Result<u64> {
    match ctx.attempt().attempt {
        attempt @ ..3 => Err(Error::new(format!("attempt {attempt} was not the third"))),
        attempt => Ok(u64::from(attempt)),
    }
}

/// Prints, and does not end its last line.
#[op]
pub fn mutter() {
    println!("a whole line");
    print!("half a line");
}

/// Fails for good.
#[op]
pub fn refuse() -> Result<u64> {
    Err(Error::permanent("the input is wrong, and it stays wrong"))
}

/// Panics.
#[op]
pub fn panics(number: u64) -> u64 {
    assert!(number > 1_000_000, "{number} is too small");
    number
}

library!(
    numbers, double, sum, add_one, work, chatter, person, file, branch, lines, flood, weigh, pass_on, flaky,
    mutter, refuse, panics, configured, put, get, say
);
