//! Benchmarks of whole runs in one process: SQLite log with every commit synced, real cells, a fresh sandbox
//! for every attempt, outputs committed through the log. Prints a JSON line per measurement, in the form of
//! the peers' side: system, case, n, seconds, steps_per_s, peak_rss_mb, notes.
//!
//! The case `plan` compiles a job of `n` steps and runs nothing: seconds, bytes per step, ratio to a tenth of it.
//!
//! `cofferdam-bench [--slots 1,2] [--n 1000] [--cases fanout,layers,diamond,chain,plan] [--rounds 3]`

mod cases;
mod measure;
mod plan;

use anyhow::{Context, Result, bail};

use crate::measure::Bench;

struct Args {
    slots: Vec<usize>,
    n: u32,
    cases: Vec<String>,
    rounds: u32,
}

#[expect(clippy::print_stdout, reason = "the measurements are the answer")]
fn main() -> Result<()> {
    let args = parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (plans, runs): (Vec<&String>, Vec<&String>) = args.cases.iter().partition(|case| *case == "plan");
    for _ in plans.iter().flat_map(|_| 0..args.rounds) {
        println!("{}", plan::measure(args.n)?);
    }
    for slots in args.slots.iter().filter(|_| !runs.is_empty()) {
        let bench = Bench::new(*slots)?;
        for case in &runs {
            for _ in 0..args.rounds {
                println!("{}", runtime.block_on(bench.run(case, args.n))?);
            }
        }
    }
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut parsed =
        Args { slots: vec![1, 2], n: 1000, cases: list("fanout,layers,diamond,chain"), rounds: 3 };
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("`{flag}` needs a value"))?;
        match flag.as_str() {
            "--slots" => parsed.slots = list(&value).iter().map(|n| n.parse()).collect::<Result<_, _>>()?,
            "--n" => parsed.n = value.parse()?,
            "--cases" => parsed.cases = list(&value),
            "--rounds" => parsed.rounds = value.parse()?,
            _ => bail!("unknown argument `{flag}`; known: --slots --n --cases --rounds"),
        }
    }
    Ok(parsed)
}
