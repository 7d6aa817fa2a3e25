//! The kill matrix: runs of two thousand steps, each with one kill at a moment that a seed determines.
#![expect(clippy::print_stdout, reason = "the seed of a matrix is what it is repeated with")]

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::history::History;

/// How many runs the kill matrix makes; a few if nothing is said, so that every test run has it.
const RUNS: &str = "COFFERDAM_TEST_KILLS";
const RUNS_DEFAULT: u64 = 2;
/// The seed of a matrix that is to be repeated.
const SEED: &str = "COFFERDAM_TEST_SEED";

/// Steps of a run between its first and its last.
pub const N_WORK: u64 = 1_998;
/// The last steps, in which no kill comes: it must come before the end.
const N_SPARED: u64 = 200;

/// How many runs, and the seed of their moments.
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    pub n_runs: u64,
    pub seed: u64,
}

impl Matrix {
    pub fn asked_for() -> Matrix {
        let n_runs = setting(RUNS, || RUNS_DEFAULT);
        let seed = setting(SEED, || RandomState::new().build_hasher().finish());
        println!("{SEED}={seed}");
        Matrix { n_runs, seed }
    }
}

/// After how many commits of a run the kill comes.
pub fn moment(seed: u64, run: u64) -> u64 {
    1 + drawn(seed, run, N_WORK - N_SPARED)
}

/// What the runs amount to if nothing was lost, run again or committed twice.
pub fn expected(n_runs: u64) -> History {
    let n_runs = usize::try_from(n_runs).expect("a count");
    let steps = usize::try_from(N_WORK).expect("a count") + 2;
    History { completed: n_runs, committed: n_runs * steps, ..History::default() }
}

/// A job `j` that fans out over that many numbers, each step with that many rounds of work, and sums them up.
pub fn job(n_work: u64, rounds: u64) -> String {
    format!(
        r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = {{ n = {n_work} }}

[jobs.j.steps.work]
op = "typed.work"
inputs.number = {{ map = "numbers.each" }}
config = {{ rounds = {rounds} }}

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = {{ collect = "work" }}
"#
    )
}

/// A number below `bound` that a seed and a place determine.
fn drawn(seed: u64, place: u64, bound: u64) -> u64 {
    // SplitMix64.
    let mut z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % bound
}

fn setting(name: &str, default: impl FnOnce() -> u64) -> u64 {
    std::env::var(name).map_or_else(|_| default(), |text| text.parse().expect("a number"))
}
