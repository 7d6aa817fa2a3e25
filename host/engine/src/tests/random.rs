//! Random plans with random outcomes, losses, cancels and restarts: the rules that hold for all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cofferdam_model::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::bug::{self, Bug};
use super::kit::*;
use crate::Input;

/// Random cases that the property plays.
const CASES: u32 = 2000;
/// Cases in which each kind of outcome must occur; what did not happen was not tested.
const SHOWN_MIN: u32 = 20;
/// Cases within which a bug must be found.
const SEEDED_CASES: u32 = 400;

/// What a step of a random plan looks like; references are taken modulo what is there.
#[derive(Debug, Clone)]
struct Shape {
    kind: u8,
    refs: Vec<u32>,
    optional: bool,
    required_input: bool,
    retries: u32,
    priority: i32,
    gpu: bool,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = (
        0..8_u8,
        proptest::collection::vec(0..50_u32, 0..4),
        any::<bool>(),
        prop::bool::weighted(0.8),
        0..3_u32,
        -1..2_i32,
        prop::bool::weighted(0.3),
    );
    let shape = shape.prop_map(|(kind, refs, optional, required_input, retries, priority, gpu)| Shape {
        kind,
        refs,
        optional,
        required_input,
        retries,
        priority,
        gpu,
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
        step.resources.extend(shape.gpu.then(|| ("GPU".to_owned(), 1.0)));
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

/// What a random run is played with.
struct Game {
    world: World,
    /// Marks each value that is emitted.
    serial: u8,
    n_workers_lost: u32,
    n_restarts: u32,
    n_late: u32,
}

impl Game {
    fn new(shapes: &[Shape]) -> Game {
        let mut game = Game { world: World::new(), serial: 0, n_workers_lost: 0, n_restarts: 0, n_late: 0 };
        game.join(WORKER);
        game.world.submit(RUN, build(shapes));
        game
    }

    fn join(&mut self, worker: WorkerId) {
        self.world.join(worker, 3, &[("GPU", 1.0)]);
    }

    /// What happens next, drawn from one byte.
    fn happen(&mut self, byte: u8) {
        if byte % 16 == 15
            && let Some(id) = self.world.late.pop()
        {
            self.n_late += 1;
            let outcome = if byte < 128 { fail() } else { ok(vec![emit("result", None, 0)]) };
            self.world.report_late(id, outcome);
            return;
        }
        let n = self.world.under_way.len();
        if n == 0 {
            self.world.now = self.world.now + RETRY_DELAY_MAX;
            self.world.input(Input::Tick);
            return;
        }
        match byte {
            250.. => {
                let worker = self.world.under_way[0].0;
                self.n_workers_lost += 1;
                self.world.leave(worker);
                self.join(WorkerId(worker.0 + 1));
            }
            244..250 => {
                self.n_restarts += 1;
                self.world.restart();
                self.join(WorkerId(self.world.term * 1000));
            }
            _ => self.end(usize::from(byte) % n, byte),
        }
    }

    /// Ends an attempt.
    fn end(&mut self, at: usize, byte: u8) {
        let (_, assignment) = self.world.under_way.remove(at);
        let id = assignment.id.clone();
        let outcome = match byte {
            _ if byte.is_multiple_of(2) && self.world.cancels.contains(&id) => {
                Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "stopped")))
            }
            _ if byte.is_multiple_of(5) => fail(),
            _ => ok(self.emitted(&assignment.outputs, byte)),
        };
        self.world.late.push(id.clone());
        self.world.report(id, outcome);
    }

    fn emitted(&mut self, outputs: &[PlanOutput], byte: u8) -> Vec<Output> {
        let mut emitted = vec![];
        for output in outputs {
            self.serial = self.serial.wrapping_add(1);
            let name = output.name.as_str();
            if output.dynamic {
                let keys = (0..byte % 4).map(|n| format!("k{n}"));
                emitted.extend(keys.map(|key| emit(name, Some(&key), self.serial)));
            } else if output.required || !byte.is_multiple_of(3) {
                emitted.push(emit(name, None, self.serial));
            }
        }
        emitted
    }
}

/// How many cases showed what.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    fn count(&mut self, game: &Game) {
        let log = &game.world.log[&RUN];
        let any = |is: &dyn Fn(&Event) -> bool| log.iter().any(|recorded| is(&recorded.event));
        let seen = [
            ("retry", any(&|event| matches!(event, Event::StepFailed { retry_at: Some(_), .. }))),
            ("failure", any(&|event| matches!(event, Event::StepFailed { retry_at: None, .. }))),
            ("skip", any(&|event| matches!(event, Event::StepSkipped { .. }))),
            ("abandon", any(&|event| matches!(event, Event::StepAbandoned { .. }))),
            ("loss", game.n_workers_lost > 0 && any(&|event| matches!(event, Event::StepLost { .. }))),
            ("cancel", any(&|event| matches!(event, Event::StepCancelled { .. }))),
            ("restart", game.n_restarts > 0),
            ("late report", game.n_late > 0),
            (
                "nested copy",
                any(&|event| matches!(event, Event::StepDispatched { step, .. } if nested(step))),
            ),
        ];
        for (what, seen) in seen {
            *self.0.entry(what).or_default() += u32::from(seen);
        }
    }
}

fn nested(step: &StepKey) -> bool {
    step.as_str().matches('[').count() > 1
}

/// What must hold in every history, told by the log alone.
fn check_log(world: &World) {
    let log = &world.log[&RUN];
    let plan = world.layouts[&RUN].plan();
    let run = world.fold(RUN);
    let cancelled = log.iter().any(|recorded| recorded.event == Event::RunCancelRequested);
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
        let given_up = step.failure().is_some_and(|failure| failure.kind == FailureKind::WorkerLost);
        if step.status() == StepStatus::Failed && !given_up && !cancelled {
            let failed = step.attempts().filter(|attempt| attempt.failure.is_some()).count();
            assert_eq!(failed, most as usize, "C10: {} did not get its retries", step.key());
        }
        let abandoned = step.status() == StepStatus::Abandoned;
        assert_eq!(step.root().is_some(), abandoned);
        if let Some(root) = step.root() {
            assert_eq!(run.step(root).unwrap().status(), StepStatus::Failed, "{} of {}", root, step.key());
        }
    }
    let failed = run.count(StepStatus::Failed) > 0;
    let expected = match run.count(StepStatus::Cancelled) {
        _ if cancelled => RunStatus::Cancelled,
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

/// One case: a plan, what happens to it, and when it is cancelled.
type Case = (Vec<Shape>, Vec<u8>, Option<usize>);

fn play((shapes, bytes, cancel_at): &Case) -> Game {
    let mut game = Game::new(shapes);
    for turn in 0..20_000_usize {
        if !game.world.ended.is_empty() {
            break;
        }
        if *cancel_at == Some(turn) {
            game.world.input(Input::CancelRequested { run: RUN });
        }
        // After the drawn bytes nothing is lost any more, so that the run can end.
        let byte = bytes.get(turn).copied().unwrap_or_else(|| bytes[turn % bytes.len()] % 244);
        game.happen(byte);
    }
    let world = &game.world;
    assert_eq!(world.ended.len(), 1, "I-16: {:?}", world.statuses());
    check_log(world);
    let (live, folded) = (world.run(), world.fold(RUN));
    assert_eq!(live.seq(), folded.seq());
    for (live, folded) in live.steps().zip(folded.steps()) {
        assert_eq!(live.key(), folded.key());
        assert_eq!(live.status(), folded.status());
        assert_eq!(live.outputs(), folded.outputs());
    }
    game
}

/// Plays this many random cases; what went wrong with the smallest one that fails, or what they showed.
fn search(cases: u32, max_shrink_iters: u32) -> Result<Tally, String> {
    let config = ProptestConfig { cases, max_shrink_iters, failure_persistence: None, ..Default::default() };
    let tally = RefCell::new(Tally::default());
    let case = (
        shapes(),
        proptest::collection::vec(any::<u8>(), 1..60),
        proptest::option::weighted(0.2, 0..20_usize),
    );
    let mut runner = TestRunner::new(config);
    let result = runner.run(&case, |case| {
        tally.borrow_mut().count(&play(&case));
        Ok(())
    });
    result.map(|()| tally.into_inner()).map_err(|error| error.to_string())
}

#[test]
fn i_16_every_run_ends_with_every_step_accounted_for() {
    let tally = search(CASES, 10_000).unwrap_or_else(|error| panic!("{error}"));
    for (what, n_cases) in tally.0 {
        assert!(n_cases >= SHOWN_MIN, "{what} happened in {n_cases} of {CASES} cases only");
    }
}

#[test]
fn the_property_finds_a_report_that_is_taken_for_another_attempt() {
    check_found(Bug::FencesIgnored, &["I-03", "I-07", "C2", "C6"]);
}

#[test]
fn the_property_finds_committed_steps_that_run_again() {
    check_found(Bug::CommittedRunAgain, &["I-05", "I-14"]);
}

#[test]
fn the_property_finds_resources_that_are_given_back_twice() {
    check_found(Bug::ReleasedTwice, &["C6"]);
}

#[test]
fn the_property_finds_a_lost_worker_that_costs_a_retry() {
    check_found(Bug::LossCountedAsRetry, &["C10"]);
}

/// The bug is found, and by a rule that it breaks rather than by a panic of the engine.
fn check_found(bug: Bug, rules: &[&str]) {
    let found = bug::with(bug, || search(SEEDED_CASES, 0)).err();
    let found = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDED_CASES} cases"));
    assert!(rules.iter().any(|rule| found.contains(rule)), "{bug:?} was found by another rule: {found}");
}
