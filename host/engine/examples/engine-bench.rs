//! Prints what the engine costs per step, in microseconds: `cargo run --release --example engine-bench`.
#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_engine::{Action, Engine, Input, Layout, Settings, Submission};
use cofferdam_model::*;

fn step(key: String, inputs: Vec<u32>) -> PlanStep {
    let input = |(n, from): (usize, u32)| PlanInput {
        name: Name::new(&format!("in{n}")).expect("a name"),
        source: Source::Output(OutputRef { step: StepIdx(from), output: Name::result() }),
        required: true,
    };
    PlanStep {
        config: vec![0xa0],
        inputs: inputs.into_iter().enumerate().map(input).collect(),
        outputs: vec![PlanOutput::new(Name::result(), CBOR)],
        ..PlanStep::new(StepKey::new(&key), LibraryDigest([7; 32]), Name::new("noop").expect("a name"))
    }
}

fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan::new(Name::new("bench").expect("a name"), steps)
}

/// `n` copies of one step, made at run time.
fn dynamic() -> Plan {
    let mut split = step("split".to_owned(), vec![]);
    split.outputs[0].dynamic = true;
    let parts = OutputRef { step: StepIdx(0), output: Name::result() };
    let mut copy = step("copy".to_owned(), vec![0]);
    copy.scope = vec![parts];
    plan(vec![split, copy])
}

fn drive(what: &str, plan: Plan, n_keys: usize) {
    let layout = Layout::new(Arc::new(plan)).expect("the plan is sound");
    let run = RunId(uuid::Uuid::from_u128(1));
    let mut engine = Engine::new(Settings { term: Term(1), ..Settings::default() });
    let join = Input::WorkerJoined {
        worker: WorkerId(1),
        slots: 64,
        queue: 512,
        resources: BTreeMap::new(),
        held: vec![],
        labels: BTreeMap::new(),
        ends_at: None,
    };
    let mut waiting: Vec<Action> = engine.handle(join, Timestamp(0));
    let one = outputs(0);
    let begin = Instant::now();
    let plan = ValueDigest([0; 32]);
    let submission = Submission { run, layout, plan, origin: None, known: Arc::default() };
    waiting.extend(engine.handle(Input::RunSubmitted(Box::new(submission)), Timestamp(0)));
    let submitted = begin.elapsed();
    let (mut n_events, mut ended) = (0_u64, None);
    while let Some(action) = waiting.pop() {
        match action {
            Action::Append { .. } => n_events += 1,
            Action::Dispatch { assignment, .. } => {
                let outputs = if assignment.outputs[0].dynamic { outputs(n_keys) } else { one.clone() };
                let at = Timestamp(1);
                let report = Report::Finished {
                    id: assignment.id,
                    outcome: Outcome::Succeeded { outputs, metadata: vec![] },
                    usage: Usage::default(),
                };
                waiting.extend(engine.handle(Input::Report { worker: WorkerId(1), report }, at));
            }
            Action::CancelAttempt { .. }
            | Action::Recall { .. }
            | Action::Publish { .. }
            | Action::Release { .. }
            | Action::Waits { .. }
            | Action::Forget { .. } => {}
            Action::RunEnded { status, .. } => ended = Some(status),
        }
    }
    let n_steps = engine.run(run).map_or(0, cofferdam_engine::Run::n_steps);
    assert_eq!(ended, Some(RunStatus::Succeeded));
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let per_step = begin.elapsed().as_secs_f64() * 1e6 / n_steps as f64;
    println!(
        "{what:<10} {n_steps:>8} steps  {n_events:>8} events  {per_step:>6.2} us/step  (submit {submitted:.0?})"
    );
}

fn outputs(n_keys: usize) -> Vec<Output> {
    let output =
        |key| Output { name: Name::result(), key, value: ValueRef::inline(CBOR, vec![1]), metadata: vec![] };
    if n_keys == 0 {
        return vec![output(None)];
    }
    let key = |n: usize| Name::key(&n.to_string()).expect("a key");
    (0..n_keys).map(|n| output(Some(key(n)))).collect()
}

fn main() {
    let n: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    drive("fanout", plan((0..n).map(|at| step(format!("s{at}"), vec![])).collect()), 0);
    let before = |at: u32| at.checked_sub(1).into_iter().collect();
    drive("chain", plan((0..n).map(|at| step(format!("s{at}"), before(at))).collect()), 0);
    let width = 100;
    let above = |at: u32| match at.checked_sub(width) {
        Some(up) => vec![up, up / width * width + (up + 1) % width, up / width * width + (up + 2) % width],
        None => vec![],
    };
    drive("layers", plan((0..n).map(|at| step(format!("s{at}"), above(at))).collect()), 0);
    drive("dynamic", dynamic(), n as usize);
}
