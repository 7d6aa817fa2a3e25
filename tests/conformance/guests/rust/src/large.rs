//! Large values.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};

use cofferdam_op::{Bytes, Context, Outputs, Reader, Result, Stored, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Size {
    size: u64,
}

/// Writes bytes piece by piece.
#[op]
pub fn produce(ctx: &Context, config: Size) -> Result<Stored> {
    let mut writer = ctx.create_writer()?;
    let mut piece = Vec::new();
    for i in 0..config.size {
        piece.push((i * 31 + i / 256) as u8);
        if piece.len() == 64 * 1024 {
            writer.write_all(&piece)?;
            piece.clear();
        }
    }
    writer.write_all(&piece)?;
    Ok(writer.finish()?)
}

#[derive(Serialize, JsonSchema)]
pub struct Weight {
    size: u64,
    sum: u32,
}

/// Adds bytes piece by piece.
#[op]
pub fn consume(mut file: Reader) -> Result<Weight> {
    let mut weight = Weight { size: 0, sum: 0 };
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(weight);
        }
        weight.sum = piece.iter().fold(weight.sum, |sum, byte| sum.wrapping_add((*byte).into()));
        weight.size += piece.len() as u64;
        let n = piece.len();
        file.consume(n);
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    offset: u64,
    length: u64,
}

/// Reads a part of a file.
#[op]
pub fn slice(mut file: Reader, config: Range) -> Result<Bytes> {
    file.seek(SeekFrom::Start(config.offset))?;
    let mut bytes = Vec::new();
    file.take(config.length).read_to_end(&mut bytes)?;
    Ok(Bytes(bytes))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    text: String,
    times: u32,
}

/// Repeats a text.
#[op]
pub fn repeat(config: Repeat) -> String {
    config.text.repeat(config.times as usize)
}

/// Counts the code points of a text.
#[op]
pub fn length(value: String) -> u64 {
    value.chars().count() as u64
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Title {
    title: String,
}

#[derive(Outputs)]
pub struct Page {
    #[output(media_type = "text/html")]
    result: Bytes,
}

/// Writes a page.
#[op]
pub fn page(config: Title) -> Page {
    Page { result: Bytes(format!("<h1>{}</h1>", config.title).into_bytes()) }
}
