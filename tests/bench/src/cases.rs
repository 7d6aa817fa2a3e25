//! The shapes of the benchmarks, made of steps that add one to the sum of their inputs, so that every run
//! has an answer to check. The same shapes that the peers are measured with.

use std::collections::BTreeMap;

use cofferdam_model::{
    CBOR, LibraryDigest, Name, OutputRef, Plan, PlanInput, PlanOutput, PlanStep, Source, StepIdx, StepKey,
};

use crate::measure::cbor;

/// Rounds of arithmetic before a line: some milliseconds.
const ROUNDS: u64 = 2_000_000;

/// A plan and what its last step gives.
pub(crate) struct Case {
    pub(crate) plan: Plan,
    pub(crate) answer: u64,
}

/// Steps by the indices of those that they add up.
type Shape = Vec<Vec<u32>>;

/// The case of that name with about `n` steps.
pub(crate) fn case(name: &str, n: u32, library: LibraryDigest) -> Option<Case> {
    let shape = match name {
        "chain" => chain(n),
        "fanout" => fanout(n),
        "layers" => layers(n.div_ceil(50), 50),
        "diamond" => diamond(n / 4),
        _ => return None,
    };
    let mut answers: Vec<u64> = vec![];
    for inputs in &shape {
        answers.push((inputs.iter().map(|input| answers[*input as usize]).sum::<u64>() + 1) & 0xffff_ffff);
    }
    let steps = (0..).zip(&shape).map(|(at, inputs)| step(at, inputs, library)).collect();
    let job = Name::new(name).expect("the case has the name of a job");
    let libraries = BTreeMap::from([(Name::new("typed").expect("a constant"), library)]);
    let plan = Plan { libraries, ..Plan::new(job, steps) };
    Some(Case { plan, answer: answers.last().copied().unwrap_or_default() })
}

fn chain(n: u32) -> Shape {
    (0..n).map(|at| if at == 0 { vec![] } else { vec![at - 1] }).collect()
}

fn fanout(n: u32) -> Shape {
    let mut shape = vec![vec![]];
    shape.extend((0..n).map(|_| vec![0]));
    shape.push((1..=n).collect());
    shape
}

fn layers(depth: u32, width: u32) -> Shape {
    let mut shape: Shape = (0..width).map(|_| vec![]).collect();
    for layer in 1..depth {
        let before = (layer - 1) * width;
        shape.extend((0..width).map(|at| [at, at + 1, at + 2].map(|k| before + k % width).to_vec()));
    }
    let last = (depth - 1) * width;
    shape.push((last..last + width).collect());
    shape
}

fn diamond(count: u32) -> Shape {
    let mut shape = vec![];
    for at in (0..count).map(|diamond| diamond * 4) {
        shape.extend([vec![], vec![at], vec![at], vec![at + 1, at + 2]]);
    }
    shape.push((0..count).map(|diamond| diamond * 4 + 3).collect());
    shape
}

/// One step that writes so many lines.
pub(crate) fn chatter(n: u32, library: LibraryDigest) -> Plan {
    // A map of two numbers (RFC 8949, section 3).
    let config = [&[0xa2, 0x65][..], b"lines", &cbor(n.into()), &[0x66], b"rounds", &cbor(ROUNDS)].concat();
    let name = |text: &str| Name::new(text).expect("a constant");
    let step = PlanStep {
        config,
        outputs: vec![PlanOutput::new(Name::result(), CBOR)],
        ..PlanStep::new(StepKey::new("talk"), library, name("chatter"))
    };
    let libraries = BTreeMap::from([(name("typed"), library)]);
    Plan { libraries, ..Plan::new(name("logs"), vec![step]) }
}

fn step(at: u32, inputs: &[u32], library: LibraryDigest) -> PlanStep {
    let outputs = inputs.iter().map(|step| OutputRef { step: StepIdx(*step), output: Name::result() });
    let source = match inputs {
        [] => Source::Values(vec![]),
        _ => Source::FanIn(outputs.collect()),
    };
    let name = |text: &str| Name::new(text).expect("a constant");
    PlanStep {
        config: vec![0xf6],
        inputs: vec![PlanInput { name: name("numbers"), source, required: true }],
        outputs: vec![PlanOutput::new(Name::result(), CBOR)],
        ..PlanStep::new(StepKey::new(&format!("s{at}")), library, name("add_one"))
    }
}
