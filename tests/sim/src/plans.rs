//! Random plans: chains, joins, fan-outs, retries, resources, earlier results, values that workers keep.

use cofferdam_model::*;

/// Steps of a plan before fan-out.
const STEPS_MAX: usize = 10;
/// How often a step may be tried again.
const RETRIES_MAX: u32 = 3;

/// The IO manager that keeps values with workers.
const SCRATCH: &str = "scratch";

fn scratch() -> PlanIoManager {
    PlanIoManager { kind: IoManagerKind::Transient, settings: Default::default() }
}

fn name(text: &str) -> Name {
    Name::key(text).expect("the names here are names")
}

fn output(step: usize, name_: &str) -> OutputRef {
    OutputRef { step: StepIdx(u32::try_from(step).expect("plans are small")), output: name(name_) }
}

/// Every step has an output `result`; one that fans out also `parts`.
pub(crate) fn plan(random: &mut fastrand::Rng) -> Plan {
    let mut steps: Vec<PlanStep> = vec![];
    for at in 0..random.usize(1..=STEPS_MAX) {
        let mut step = PlanStep::new(StepKey::new(&format!("s{at}")), LibraryDigest([7; 32]), name("op"));
        let kept = (random.u8(0..3) == 0).then(|| name(SCRATCH));
        step.outputs = vec![PlanOutput { io_manager: kept.clone(), ..PlanOutput::new(name("result"), CBOR) }];
        if random.u8(0..4) == 0 {
            step.outputs.push(PlanOutput {
                dynamic: true,
                required: false,
                io_manager: kept,
                ..PlanOutput::new(name("parts"), CBOR)
            });
        }
        step.retry = RetryPolicy {
            max_retries: random.u32(0..=RETRIES_MAX),
            delay: f64::from(random.u8(0..3)),
            ..RetryPolicy::NEVER
        };
        if random.u8(0..4) == 0 {
            step.resources.insert("GPU".to_owned(), 1.0);
        }
        step.memoize = random.u8(0..6) == 0;
        step.hedge = random.u8(0..4) == 0;
        step.priority = random.i32(-1..=1);
        wire(&mut step, &steps, random);
        steps.push(step);
    }
    let mut plan = Plan::new(name("job"), steps);
    plan.io_managers.insert(name(SCRATCH), scratch());
    plan.max_concurrent = (random.u8(0..5) == 0).then(|| random.u32(1..4));
    plan
}

fn wire(step: &mut PlanStep, before: &[PlanStep], random: &mut fastrand::Rng) {
    if before.is_empty() || random.u8(0..5) == 0 {
        return;
    }
    let first = random.usize(0..before.len());
    let producer = &before[first];
    let fans_out = producer.outputs.len() > 1;
    step.scope.clone_from(&producer.scope);
    let mut sources = vec![];
    if fans_out && producer.scope.is_empty() && random.bool() {
        step.scope.push(output(first, "parts"));
        sources.push(Source::Output(output(first, "parts")));
    } else if !producer.scope.is_empty() && random.bool() {
        step.scope.pop();
        sources.push(Source::Collect(output(first, "result")));
    } else {
        sources.push(Source::Output(output(first, "result")));
    }
    for _ in 0..random.u8(0..3) {
        let other = random.usize(0..before.len());
        if step.scope.starts_with(&before[other].scope) {
            sources.push(Source::Output(output(other, "result")));
        }
    }
    let inputs = sources.into_iter().zip('a'..);
    step.inputs = inputs
        .map(|(source, letter)| PlanInput { name: name(&letter.to_string()), source, required: true })
        .collect();
}

/// What an attempt emits: no other attempt emits the same, so a mix-up shows. How many parts there are depends on the
/// step alone.
pub(crate) fn emitted(assignment: &Assignment) -> Vec<Output> {
    let AttemptId { run, step, fence, .. } = &assignment.id;
    let mut outputs = vec![];
    for output in &assignment.outputs {
        let value = |key: &str| {
            let text = format!("{run} {step} {} {} {key}", fence.0, output.name);
            let Some(manager) = &output.io_manager else {
                return ValueRef::inline(CBOR, text.into_bytes());
            };
            let digest = ValueDigest::of(text.as_bytes());
            let place = ManagedPlace { name: manager.clone(), manager: scratch(), key: text };
            ValueRef { media_type: CBOR.to_owned(), size: 1, digest, place: Place::Managed(Box::new(place)) }
        };
        let make = |key: Option<&str>| Output {
            name: output.name.clone(),
            key: key.map(name),
            value: value(key.unwrap_or_default()),
            metadata: vec![],
        };
        if output.dynamic {
            let n_parts = step.as_str().len() % 4;
            outputs.extend(["p", "q", "r"].iter().take(n_parts).map(|key| make(Some(key))));
        } else {
            outputs.push(make(None));
        }
    }
    outputs
}

/// The keys of those values that workers keep.
pub(crate) fn kept<'a>(values: impl IntoIterator<Item = &'a ValueRef>) -> Vec<String> {
    let kept = values.into_iter().filter(|value| value.place.is_transient());
    kept.filter_map(|value| value.place.key().map(str::to_owned)).collect()
}

/// What an attempt reads.
pub(crate) fn read_by(assignment: &Assignment) -> Vec<&ValueRef> {
    let values = assignment.inputs.iter().map(|input| match &input.value {
        AssignedValue::One(value) => vec![value],
        AssignedValue::Many(values) => values.iter().map(|keyed| &keyed.value).collect(),
    });
    values.flatten().collect()
}
