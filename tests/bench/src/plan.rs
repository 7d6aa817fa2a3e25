//! The case `plan`: definitions of many steps, compiled. No instance, no run.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cofferdam_model::{
    Definitions, JobDef, LibraryDigest, LibrarySpec, Name, NodeDef, OpPath, OutputPath, RunConfig, SourceDef,
    Spanned, StepDef,
};
use cofferdam_plan::{Libraries, Request, World, compile};
use serde_json::json;

/// Steps of a layer; each reads three of the layer before.
const WIDTH: u32 = 50;

/// Compiles a job of `n` steps, and one of a tenth of it before, whose time per step is the measure of the other's.
pub(crate) fn measure(n: u32) -> Result<serde_json::Value> {
    let libraries = libraries()?;
    let tenth = timed(n.div_ceil(10), &libraries)?;
    let all = timed(n, &libraries)?;
    let peak = resident("VmHWM:");
    let grown =
        all.resident_before.zip(peak).map(|(before, peak)| peak.saturating_sub(before) / u64::from(n));
    Ok(json!({
        "system": "cofferdam",
        "case": "plan",
        "n": n,
        "seconds": all.seconds,
        "us_per_step": 1e6 * all.seconds / f64::from(n),
        "ratio_to_a_tenth": all.seconds / f64::from(n) / (tenth.seconds / f64::from(n.div_ceil(10))),
        "bytes_per_step": grown,
        "encoded_bytes_per_step": all.encoded_bytes / u64::from(n),
        "peak_rss_mb": peak.map(|bytes| bytes >> 20),
        "notes": "layers of 50 steps with 3 inputs each; bytes per step are those on top of the definitions",
    }))
}

struct Timed {
    seconds: f64,
    /// With the definitions, without the plan.
    resident_before: Option<u64>,
    encoded_bytes: u64,
}

fn timed(n: u32, libraries: &Libraries) -> Result<Timed> {
    let definitions = definitions(n)?;
    let (job, run_config, world) = (Name::new("j")?, RunConfig::default(), World::default());
    let resident_before = resident("VmRSS:");
    let started = Instant::now();
    let compiled = compile(&definitions, libraries, Request::job(&job, &run_config), &world);
    let seconds = started.elapsed().as_secs_f64();
    let (plan, _) = compiled
        .map_err(|found| anyhow::anyhow!("{} findings, the first: {:?}", found.len(), found.first()))?;
    ensure!(plan.steps.len() == n as usize, "the plan has {} steps, expected {n}", plan.steps.len());
    Ok(Timed { seconds, resident_before, encoded_bytes: plan.encode().len() as u64 })
}

fn definitions(n: u32) -> Result<Definitions> {
    let op = OpPath { library: Name::new("typed")?, op: Name::new("add_one")? };
    let step = |at: u32| -> Result<StepDef> {
        let source = match at.checked_sub(WIDTH) {
            None => SourceDef::Value(cofferdam_model::Node::bare(cofferdam_model::NodeKind::List(vec![]))),
            Some(above) => {
                let first = above / WIDTH * WIDTH;
                let from = [0, 1, 2].map(|k| first + (above - first + k) % WIDTH);
                let path = |from: u32| -> Result<Spanned<OutputPath>> {
                    let step = Name::new(&format!("s{from}"))?;
                    Ok(Spanned::new(OutputPath { step, output: Name::result() }, None))
                };
                SourceDef::FanIn(from.into_iter().map(path).collect::<Result<_>>()?)
            }
        };
        Ok(StepDef {
            inputs: vec![(Spanned::new(Name::new("numbers")?, None), Spanned::new(source, None))],
            ..StepDef::new(Name::new(&format!("s{at}"))?, NodeDef::Op(op.clone()))
        })
    };
    let job = JobDef { steps: (0..n).map(step).collect::<Result<_>>()?, ..JobDef::default() };
    Ok(Definitions { jobs: BTreeMap::from([(Name::new("j")?, job)]), ..Definitions::default() })
}

/// A library with the op that the other cases run.
fn libraries() -> Result<Libraries> {
    let whole = json!({ "type": "integer", "format": "uint64", "minimum": 0 });
    let port = |name: &str, many: bool| {
        json!({ "name": name, "doc": "", "media_type": cofferdam_model::CBOR, "schema": whole,
            "required": true, "many": many, "dynamic": false })
    };
    let op = json!({ "name": "add_one", "doc": "", "inputs": [port("numbers", true)],
        "outputs": [port("result", false)], "config_schema": null });
    let spec: LibrarySpec = serde_json::from_value(json!({ "name": "typed", "version": "1", "ops": [op] }))
        .context("the description of a library")?;
    Ok(BTreeMap::from([(Name::new("typed")?, (LibraryDigest([7; 32]), spec))]))
}

/// A line of this process's status in bytes; none where the system does not say.
fn resident(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|found| found.strip_prefix(line))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}
