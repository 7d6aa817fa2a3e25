//! Random plans with random outcomes, losses, cancels and restarts: the rules that hold for all of them.

use super::kit::*;
use crate::Input;
use cofferdam_model::*;
use proptest::prelude::*;

/// What a step of a random plan looks like; references are taken modulo what is there.
#[derive(Debug, Clone)]
struct Shape {
    kind: u8,
    refs: Vec<u32>,
    optional: bool,
    required_input: bool,
    retries: u32,
    priority: i32,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = (
        0..8_u8,
        proptest::collection::vec(0..50_u32, 0..4),
        any::<bool>(),
        prop::bool::weighted(0.8),
        0..3_u32,
        -1..2_i32,
    );
    let shape = shape.prop_map(|(kind, refs, optional, required_input, retries, priority)| Shape {
        kind,
        refs,
        optional,
        required_input,
        retries,
        priority,
    });
    proptest::collection::vec(shape, 1..14)
}

/// Every step has an output `result`, and a dynamic output `parts` if its kind says so.
fn build(shapes: &[Shape]) -> Plan {
    let mut steps: Vec<PlanStep> = vec![];
    for (at, shape) in shapes.iter().enumerate() {
        let mut step = step(&format!("s{at}"));
        step.outputs = vec![declared("result", !shape.optional, false)];
        if shape.kind.is_multiple_of(3) {
            step.outputs.push(declared("parts", !shape.optional, true));
        }
        step.priority = shape.priority;
        step.retry.max_retries = shape.retries;
        wire(&mut step, shape, &steps);
        steps.push(step);
    }
    plan(steps)
}

fn wire(step: &mut PlanStep, shape: &Shape, before: &[PlanStep]) {
    let Some(first) = shape.refs.first().filter(|_| !before.is_empty()) else {
        return;
    };
    let n = u32::try_from(before.len()).unwrap();
    let first = first % n;
    let producer = &before[first as usize];
    let mut sources = vec![];
    step.scope.clone_from(&producer.scope);
    let dynamic = producer.outputs.len() > 1;
    if dynamic && shape.kind < 4 && producer.scope.len() < 3 {
        step.scope.push(output(first, "parts"));
        sources.push(Source::Output(output(first, "parts")));
    } else if dynamic && shape.kind < 5 {
        sources.push(Source::Collect(output(first, "parts")));
    } else if !producer.scope.is_empty() && shape.kind < 7 {
        step.scope.pop();
        sources.push(Source::Collect(output(first, "result")));
    } else {
        sources.push(of(first));
    }
    let outer = shape.refs[1..].iter().map(|other| other % n);
    let outer: Vec<u32> =
        outer.filter(|other| step.scope.starts_with(&before[*other as usize].scope)).collect();
    match shape.kind % 2 {
        0 => sources.extend(outer.iter().map(|other| of(*other))),
        _ if !outer.is_empty() => {
            sources.push(Source::FanIn(outer.iter().map(|other| output(*other, "result")).collect()));
        }
        _ => {}
    }
    step.after = shape.refs[1..]
        .iter()
        .map(|other| other % n)
        .filter(|other| before[*other as usize].scope.starts_with(&step.scope))
        .map(StepIdx)
        .collect();
    step.inputs = reads("x", sources).inputs;
    for input in &mut step.inputs {
        input.required = shape.required_input;
    }
}

/// What happens next, drawn from one byte.
fn happen(world: &mut World, byte: u8, serial: &mut u8) {
    let n = world.under_way.len();
    if n == 0 {
        world.now = world.now + RETRY_DELAY_MAX;
        world.input(Input::Tick);
        return;
    }
    let (_, assignment) = &world.under_way[usize::from(byte) % n];
    let (key, outputs) = (assignment.id.step.to_string(), assignment.outputs.clone());
    if byte >= 250 {
        let worker = world.under_way[0].0;
        world.under_way.retain(|(other, _)| *other != worker);
        world.input(Input::WorkerLeft { worker });
        world.join(WorkerId(worker.0 + 1), 3, &[]);
        return;
    }
    if byte >= 244 {
        world.restart();
        world.join(WorkerId(world.term * 1000), 3, &[]);
        return;
    }
    if byte.is_multiple_of(5) {
        world.finish(&key, fail());
        return;
    }
    let mut emitted = vec![];
    for output in &outputs {
        *serial = serial.wrapping_add(1);
        let n_keys = byte % 4;
        if output.dynamic {
            emitted.extend((0..n_keys).map(|n| emit(output.name.as_str(), Some(&format!("k{n}")), *serial)));
        } else if output.required || !byte.is_multiple_of(3) {
            emitted.push(emit(output.name.as_str(), None, *serial));
        }
    }
    world.finish(&key, ok(emitted));
}

/// What must hold in every history, told by the log alone.
fn check_log(world: &World) {
    let log = &world.log[&RUN];
    let plan = world.layouts[&RUN].plan();
    let run = world.fold(RUN);
    let mut claims = std::collections::HashMap::new();
    for recorded in log {
        match &recorded.event {
            Event::StepDispatched { step, .. } => *claims.entry(step.clone()).or_insert(0) += 1,
            Event::StepLost { step, .. } => *claims.get_mut(step).unwrap() -= 1,
            _ => {}
        }
    }
    for step in run.steps() {
        assert!(step.status().is_terminal(), "{} is {}", step.key(), step.status());
        let most = plan.step(step.template()).retry.max_retries + 1;
        assert!(claims.get(step.key()).copied().unwrap_or(0) <= most, "I-05, I-10: {}", step.key());
        let abandoned = step.status() == StepStatus::Abandoned;
        assert_eq!(step.root().is_some(), abandoned);
        if let Some(root) = step.root() {
            assert_eq!(run.step(root).unwrap().status(), StepStatus::Failed, "{} of {}", root, step.key());
        }
    }
    let failed = run.count(StepStatus::Failed) > 0;
    let expected = match run.count(StepStatus::Cancelled) {
        _ if log.iter().any(|recorded| recorded.event == Event::RunCancelRequested) => RunStatus::Cancelled,
        _ if failed => RunStatus::Failed,
        _ => RunStatus::Succeeded,
    };
    assert_eq!(run.status(), expected);
    check_expansion(plan, &run);
}

/// A8: every key that was emitted has its copies.
fn check_expansion(plan: &Plan, run: &crate::Run) {
    for (at, template) in plan.steps.iter().enumerate() {
        let Some(innermost) = template.scope.last() else {
            let n = run.steps().filter(|step| step.template().index() == at).count();
            assert_eq!(n, 1);
            continue;
        };
        let producers = run.steps().filter(|step| step.template() == innermost.step);
        let expected: usize = producers
            .map(|producer| match producer.status() {
                StepStatus::Succeeded => {
                    producer.outputs().iter().filter(|output| output.name == innermost.output).count()
                }
                _ => 1,
            })
            .sum();
        let found = run.steps().filter(|step| step.template().index() == at).count();
        assert_eq!(found, expected, "{}", template.key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn i_16_every_run_ends_with_every_step_accounted_for(
        shapes in shapes(),
        bytes in proptest::collection::vec(any::<u8>(), 1..60),
        cancel_at in proptest::option::weighted(0.2, 0..40_usize),
    ) {
        let mut world = World::with(build(&shapes), 3);
        let mut serial = 0;
        for turn in 0..20_000_usize {
            if !world.ended.is_empty() {
                break;
            }
            if cancel_at == Some(turn) {
                world.input(Input::CancelRequested { run: RUN });
            }
            // After the drawn bytes nothing is lost any more, so that the run can end.
            let byte = bytes.get(turn).copied().unwrap_or_else(|| bytes[turn % bytes.len()] % 244);
            happen(&mut world, byte, &mut serial);
        }
        prop_assert_eq!(world.ended.len(), 1, "{:?}", world.fold(RUN).steps().map(|step| (step.key().clone(), step.status())).collect::<Vec<_>>());
        check_log(&world);
        if let Some(live) = world.engine.run(RUN) {
            let folded = world.fold(RUN);
            prop_assert_eq!(live.seq(), folded.seq());
            for (live, folded) in live.steps().zip(folded.steps()) {
                prop_assert_eq!(live.key(), folded.key());
                prop_assert_eq!(live.status(), folded.status());
                prop_assert_eq!(live.outputs(), folded.outputs());
            }
        }
    }
}
