//! The array program, chunk by chunk: nothing is as large as a chunk of the array, because each number is used where it
//! is made.

use cofferdam_op::math::{self, Lanes};
use cofferdam_op::{Dynamic, Error, Many, Outputs, Result, library, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many numbers are made at once. The array depends on it, as on the seed.
const LANES: usize = 16;

/// Most chunks of one array: each is a step.
const CHUNKS_MAX: u64 = 100_000;

/// Chunks whose numbers are different.
const X: u64 = 0;
const Y: u64 = 1;

/// Two arrays of shape (n, n, depth), and how they are cut.
#[derive(Deserialize, JsonSchema)]
struct Arrays {
    /// What the numbers depend on.
    seed: u64,
    /// Rows, and columns.
    n: u32,
    #[serde(default = "ten")]
    depth: u32,
    /// Rows and columns of a chunk.
    #[serde(default = "thousand")]
    chunk: u32,
    #[serde(default = "five")]
    chunk_depth: u32,
}

fn ten() -> u32 {
    10
}

fn thousand() -> u32 {
    1000
}

fn five() -> u32 {
    5
}

/// A chunk of both arrays.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone)]
struct Chunk {
    seed: u64,
    /// Its place among all chunks.
    number: u64,
    first_row: u32,
    rows: u32,
    /// Numbers in each of its rows: columns times depth.
    row_length: u64,
}

/// Sums over the rows of a chunk.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
struct Sums {
    first_row: u32,
    sums: Vec<f64>,
}

/// Where the parts of something begin and how long they are; the last may be shorter.
fn parts(length: u32, part: u32) -> impl Iterator<Item = (u32, u32)> + Clone {
    (0..length).step_by(part as usize).map(move |first| (first, part.min(length - first)))
}

/// Cuts the arrays into chunks.
#[op]
fn chunks(config: Arrays) -> Result<Dynamic<Chunk>> {
    let Arrays { seed, n, depth, chunk, chunk_depth } = config;
    if [n, depth, chunk, chunk_depth].contains(&0) {
        return Err(Error::permanent("n, depth, chunk and chunk_depth are at least 1"));
    }
    let across = u64::from(n.div_ceil(chunk));
    let count = across.saturating_mul(across).saturating_mul(depth.div_ceil(chunk_depth).into());
    if count > CHUNKS_MAX {
        return Err(Error::permanent(format!("{count} chunks are more than {CHUNKS_MAX}: make them larger")));
    }
    let mut chunks = Dynamic::new();
    let mut number = 0;
    for (first_row, rows) in parts(n, chunk) {
        for (first_column, columns) in parts(n, chunk) {
            for (first_layer, layers) in parts(depth, chunk_depth) {
                let key = format!("r{first_row}_c{first_column}_d{first_layer}");
                let row_length = u64::from(columns) * u64::from(layers);
                chunks.push(&key, Chunk { seed, number, first_row, rows, row_length })?;
                number += 1;
            }
        }
    }
    Ok(chunks)
}

/// Sums arcsin(x) + arccos(y) over each row of a chunk.
#[op]
fn chunk_sums(chunk: Chunk) -> Sums {
    let mut x = Lanes::<LANES>::new(chunk.seed, chunk.number * 2 + X);
    let mut y = Lanes::<LANES>::new(chunk.seed, chunk.number * 2 + Y);
    let mut terms = || {
        let (asin, acos) = (math::asin(x.uniform()), math::acos(y.uniform()));
        let mut terms = [0.0; LANES];
        for lane in 0..LANES {
            terms[lane] = asin[lane] + acos[lane];
        }
        terms
    };
    let rest = (chunk.row_length % LANES as u64) as usize;
    let row_sum = |_| {
        let mut sums = [0.0; LANES];
        for _ in 0..chunk.row_length / LANES as u64 {
            let terms = terms();
            for lane in 0..LANES {
                sums[lane] += terms[lane];
            }
        }
        // What is left over of the last group is not used: each row begins with a group of its own.
        let last = if rest > 0 { terms()[..rest].iter().sum() } else { 0.0 };
        math::sum(sums) + last
    };
    Sums { first_row: chunk.first_row, sums: (0..chunk.rows).map(row_sum).collect() }
}

#[derive(Outputs)]
struct Rows {
    /// One number for each row.
    sums: Vec<f64>,
    /// Of all of them.
    total: f64,
}

/// Adds up what chunks have of the same rows.
#[op]
fn row_sums(chunks: Many<Sums>) -> Rows {
    let mut sums: Vec<f64> = vec![];
    for chunk in chunks.into_values() {
        let first = chunk.first_row as usize;
        sums.resize(sums.len().max(first + chunk.sums.len()), 0.0);
        for (sum, more) in sums[first..].iter_mut().zip(&chunk.sums) {
            *sum += more;
        }
    }
    let total = sums.iter().sum();
    Rows { sums, total }
}

library!(chunks, chunk_sums, row_sums);

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums are taken in another order by who checks them.
    const TOLERANCE: f64 = 1e-12;

    #[test]
    fn the_sums_are_those_of_an_independent_computation() {
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../../expected/sums.json")).unwrap();
        let arrays: Arrays = serde_json::from_value(expected["arrays"].clone()).unwrap();
        let sums: Vec<Sums> =
            chunks(arrays).unwrap().iter().map(|(_, chunk)| chunk_sums(chunk.clone())).collect();
        let rows = row_sums(sums.into_iter().collect());
        let expected = expected["sums"].as_array().unwrap();
        assert_eq!(rows.sums.len(), expected.len());
        for (found, expected) in rows.sums.iter().zip(expected) {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() <= TOLERANCE * expected, "{found} is not {expected}");
        }
    }

    #[test]
    fn arrays_of_nothing_and_of_too_many_chunks_are_refused() {
        let arrays = |n, chunk| Arrays { seed: 1, n, depth: 10, chunk, chunk_depth: 5 };
        assert!(chunks(arrays(0, 1)).is_err());
        assert!(chunks(arrays(10, 0)).is_err());
        assert!(chunks(arrays(u32::MAX, 1)).is_err());
        assert_eq!(chunks(arrays(2500, 1000)).unwrap().iter().count(), 3 * 3 * 2);
    }
}
