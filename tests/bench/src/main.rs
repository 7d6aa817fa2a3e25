//! Benchmarks of whole runs: SQLite log with every commit synced, real cells, a fresh sandbox for every attempt, outputs
//! committed through the log. In one process, or on a cluster of a scheduler and workers of one slot each. Prints a JSON
//! line per measurement, in the form of the peers' side: system, case, n, seconds, steps_per_s, peak_rss_mb, notes.
//!
//! The case `latency` makes `n` runs of one step, one after the other: from the submission to the recorded end. The case
//! `logs` runs one step that writes `n` lines, a few milliseconds of work apart: from the moment at which a line is written
//! until who watches the run has it, which is after it is kept; on a cluster only. The case
//! `plan` compiles a job of `n` steps and runs nothing: seconds, bytes per step, ratio to a tenth of it.
//!
//! `cofferdam-bench [--on process,cluster] [--slots 1,2] [--n 1000] [--cases fanout,layers,diamond,chain,latency,logs,
//! plan] [--rounds 3]`

mod cases;
mod cluster;
mod measure;
mod plan;

use anyhow::{Context, Result, bail};

use crate::cluster::Fleet;
use crate::measure::Bench;

struct Args {
    on: Vec<String>,
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
        for on in &args.on {
            let fleet = match on.as_str() {
                "process" => None,
                "cluster" => Some(runtime.block_on(Fleet::start(&bench))?),
                _ => bail!("`--on {on}` is neither `process` nor `cluster`"),
            };
            for case in runs.iter().flat_map(|case| (0..args.rounds).map(move |_| case)) {
                let line = match &fleet {
                    None => runtime.block_on(bench.run(case, args.n))?,
                    Some(fleet) if *case == "logs" => runtime.block_on(fleet.logs(args.n))?,
                    Some(fleet) => runtime.block_on(fleet.run(case, args.n))?,
                };
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut parsed = Args {
        on: list("process"),
        slots: vec![1, 2],
        n: 1000,
        cases: list("fanout,layers,diamond,chain"),
        rounds: 3,
    };
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("`{flag}` needs a value"))?;
        match flag.as_str() {
            "--on" => parsed.on = list(&value),
            "--slots" => parsed.slots = list(&value).iter().map(|n| n.parse()).collect::<Result<_, _>>()?,
            "--n" => parsed.n = value.parse()?,
            "--cases" => parsed.cases = list(&value),
            "--rounds" => parsed.rounds = value.parse()?,
            _ => bail!("unknown argument `{flag}`; known: --on --slots --n --cases --rounds"),
        }
    }
    Ok(parsed)
}
