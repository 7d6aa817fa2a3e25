//! Random plans with random outcomes, losses, cancels and restarts: the rules that hold for all of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_model::*;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::bug::{self, Bug};
use super::kit::*;
use crate::{Input, Quotas};

/// Random cases that the property plays.
const CASES: u32 = 4000;
/// Cases in which each kind of outcome must occur; what did not happen was not tested.
const SHOWN_MIN: u32 = 5;
/// Cases within which a bug must be found, always the same ones: by which of the rules that it breaks a bug is found, and
/// how soon, is chance otherwise.
const SEEDED_CASES: u32 = 400;
const SEED: u64 = 1;

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
    product: bool,
    hook: Option<bool>,
    memoize: bool,
    pool: bool,
    /// Value of a tag that limits count.
    color: Option<bool>,
    /// Its outputs stay with workers.
    transient: bool,
    wait: Option<Wait>,
    hedge: bool,
}

fn waits() -> impl Strategy<Value = Wait> {
    let time = || Duration::from_secs(600);
    prop_oneof![
        Just(Wait::For(time())),
        Just(Wait::Approval { timeout: None }),
        Just(Wait::Approval { timeout: Some(time()) }),
    ]
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
        (
            prop::bool::weighted(0.4),
            proptest::option::weighted(0.2, any::<bool>()),
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.3),
            proptest::option::weighted(0.4, any::<bool>()),
            prop::bool::weighted(0.4),
            proptest::option::weighted(0.1, waits()),
            prop::bool::weighted(0.4),
        ),
    );
    let shape =
        shape.prop_map(|(kind, refs, optional, required_input, retries, priority, gpu, more)| Shape {
            kind,
            refs,
            optional,
            required_input,
            retries,
            priority,
            gpu,
            product: more.0,
            hook: more.1,
            memoize: more.2,
            pool: more.3,
            color: more.4,
            transient: more.5,
            wait: more.6,
            hedge: more.7,
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
        step.memoize = shape.memoize;
        step.wait = shape.wait;
        step.hedge = shape.hedge;
        step.pool = shape.pool.then(|| name("database"));
        step.tags
            .extend(shape.color.map(|red| ("color".to_owned(), if red { "red" } else { "blue" }.to_owned())));
        wire(&mut step, shape, &steps);
        steps.push(step);
    }
    let n_ops = u32::try_from(steps.len()).unwrap();
    for (of, shape) in (0..n_ops).zip(shapes) {
        if let Some(success) = shape.hook {
            steps.push(hook(of, success, &steps[of as usize]));
        }
    }
    if n_ops > 1 {
        let users = (1..u32::try_from(steps.len()).unwrap()).map(StepIdx).collect();
        let role = Role::TearDown { resource: name("r"), set_up: StepIdx(0), users };
        steps.push(PlanStep { role, ..step(TEAR_DOWN) });
    }
    let kept = shapes.iter().enumerate().filter(|(_, shape)| shape.transient);
    let kept: Vec<usize> = kept.map(|(at, _)| at).collect();
    transient(Plan { tag_limits: limits(), ..plan(steps) }, &kept)
}

/// Two steps with a color at once, and one of each.
fn limits() -> Vec<TagLimit> {
    let of = |value, limit| TagLimit { key: "color".to_owned(), value, limit };
    vec![of(TagValue::Any, 2), of(TagValue::Each, 1), of(TagValue::Is("red".to_owned()), 1)]
}

fn quotas() -> Quotas {
    Quotas { pools: [("database".to_owned(), 2)].into(), ..Quotas::default() }
}

/// Runs when all others have ended, if the first step succeeded.
const TEAR_DOWN: &str = "tear_down";

fn hook(of: u32, success: bool, step_: &PlanStep) -> PlanStep {
    let on = if success { HookOn::Success } else { HookOn::Failure };
    let mut hook = step(&format!("{}.hooks.h", step_.key));
    hook.inputs = reads("x", vec![Source::Value(value(0))]).inputs;
    hook.inputs[0].name = name(HOOK_EVENT_INPUT);
    PlanStep { role: Role::Hook { of: StepIdx(of), on }, scope: step_.scope.clone(), ..hook }
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
    if shape.product && matches!(sources[0], Source::Output(_)) {
        for other in shape.refs[1..].iter().map(|other| other % n) {
            let producer = &before[other as usize];
            let fits = producer.outputs.len() > 1 && step.scope.starts_with(&producer.scope);
            if fits && step.scope.len() < 3 && !step.scope.contains(&output(other, "parts")) {
                step.scope.push(output(other, "parts"));
                sources.push(Source::Output(output(other, "parts")));
            }
        }
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

/// The first ones; those that follow one have the numbers after its own.
const WORKERS: [WorkerId; 2] = [WORKER, WorkerId(500)];

/// Longer than any attempt takes on the mean: they take no time.
const LONG: Duration = Duration::from_secs(2);

/// What a random run is played with.
pub(super) struct Game {
    pub(super) world: World,
    /// The workers that are there.
    workers: [WorkerId; 2],
    /// Marks each value that is emitted.
    serial: u8,
    n_kept: u32,
    n_evicted: u32,
    n_lacking: u32,
    n_workers_lost: u32,
    n_restarts: u32,
    n_late: u32,
    n_cached: u32,
    n_back: u32,
    n_taken_back: u32,
    n_returned: u32,
}

impl Game {
    fn new(shapes: &[Shape]) -> Game {
        let mut game = Game {
            world: World::under(quotas()),
            workers: WORKERS,
            serial: 0,
            n_kept: 0,
            n_evicted: 0,
            n_lacking: 0,
            n_workers_lost: 0,
            n_restarts: 0,
            n_late: 0,
            n_cached: 0,
            n_back: 0,
            n_taken_back: 0,
            n_returned: 0,
        };
        WORKERS.into_iter().for_each(|worker| game.join(worker));
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
        if let Some((step, _)) = self.world.recalls.pop() {
            self.recalled(step, byte);
            return;
        }
        let n = self.world.under_way.len();
        // Where nothing else is left, somebody answers at last, or the time is over.
        if let Some((step, until)) = self.asked()
            && (byte % 8 == 5 || (n == 0 && (until.is_none() || byte % 4 != 3)))
        {
            let review = Review { approved: byte % 16 != 5, by: None, note: None };
            self.world.input(Input::Reviewed { run: RUN, step, review });
            return;
        }
        if n == 0 {
            self.world.now = self.world.now + RETRY_DELAY_MAX;
            self.world.input(Input::Tick);
            return;
        }
        match byte {
            250.. => {
                let at = usize::from(byte % 2);
                let worker = self.workers[at];
                self.n_workers_lost += 1;
                self.world.leave(worker);
                self.workers[at] = WorkerId(worker.0 + 1);
                self.join(self.workers[at]);
            }
            // A silence, or a restart, over which the worker keeps what it has.
            236..244 => {
                let worker = self.world.under_way[0].0;
                let mut away = vec![worker];
                if byte < 240 {
                    self.n_back += 1;
                    self.world.input(Input::WorkerSilent { worker });
                } else {
                    self.n_taken_back += 1;
                    self.world.recover();
                    away.extend(self.workers.iter().filter(|other| **other != worker));
                }
                if byte % 4 == 3 {
                    self.world.input(Input::CancelRequested { run: RUN });
                }
                for worker in away {
                    self.world.come_back(worker, usize::from(byte % 4));
                }
                // Who has left long ago is awaited in vain.
                for worker in self.world.engine.absent() {
                    self.world.input(Input::WorkerLeft { worker });
                }
            }
            244..250 => {
                self.n_restarts += 1;
                self.world.restart();
                self.workers = WORKERS.map(|worker| WorkerId(self.world.term * 1000 + worker.0));
                self.workers.into_iter().for_each(|worker| self.join(worker));
            }
            // Somebody needs the room.
            224..228 => {
                let held = self.world.held.values().flatten().min().cloned();
                if let Some(key) = held {
                    self.n_evicted += 1;
                    self.world.held.values_mut().for_each(|held| held.retain(|other| *other != key));
                    self.world.evicted.insert(key);
                }
            }
            // The worker is busy with something else for longer than was thought.
            228..232 if !self.has_begun(usize::from(byte) % n) => {
                self.n_returned += 1;
                let (worker, assignment) = self.world.under_way.remove(usize::from(byte) % n);
                self.world.late.push(assignment.id.clone());
                self.world.input(Input::Report { worker, report: Report::Returned { id: assignment.id } });
            }
            232..236 => self.take_long(usize::from(byte) % n),
            _ => self.end(usize::from(byte) % n, byte),
        }
    }

    fn has_begun(&self, at: usize) -> bool {
        let id = &self.world.under_way[at].1.id;
        let step = self.world.run().step(&id.step).unwrap();
        step.attempts().any(|attempt| attempt.fence == id.fence && attempt.started_at.is_some())
    }

    /// An attempt runs, and goes on running.
    fn take_long(&mut self, at: usize) {
        let (worker, assignment) = &self.world.under_way[at];
        let report = Report::Started { id: assignment.id.clone(), at: self.world.now };
        let worker = *worker;
        self.world.input(Input::Report { worker, report });
        self.world.now = self.world.now + LONG;
        self.world.input(Input::Tick);
    }

    /// A step that waits to be approved, and until when.
    fn asked(&self) -> Option<(StepKey, Option<Timestamp>)> {
        let mut steps = self.world.run().steps();
        let asked = steps.find(|step| self.world.engine.waits_for_review(RUN, step.key()))?;
        Some((asked.key().clone(), asked.waited()?.until))
    }

    /// Finds an earlier result, or none.
    fn recalled(&mut self, step: StepKey, byte: u8) {
        let template = self.world.run().step(&step).unwrap().template();
        let outputs = self.world.layouts[&RUN].plan().step(template).outputs.clone();
        let found = byte.is_multiple_of(2).then(|| Memo {
            run: RunId(uuid::Uuid::from_u128(99)),
            step: StepKey::new("earlier"),
            outputs: self.emitted(&outputs, byte),
        });
        self.n_cached += u32::from(found.is_some());
        self.world.input(Input::Recalled { run: RUN, step, found });
    }

    /// Ends an attempt.
    fn end(&mut self, at: usize, byte: u8) {
        let (worker, assignment) = self.world.under_way.remove(at);
        let id = assignment.id.clone();
        let values = kept_keys(read_by(&assignment));
        let lacking: Vec<String> = values.iter().filter(|key| !self.world.is_held(key)).cloned().collect();
        if !lacking.is_empty() {
            self.n_lacking += 1;
            self.world.late.push(id.clone());
            return self.world.input(Input::Report { worker, report: Report::Lacks { id, values: lacking } });
        }
        let outcome = match byte {
            _ if byte.is_multiple_of(2) && self.world.cancels.contains(&id) => {
                Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "stopped")))
            }
            _ if byte.is_multiple_of(5) => fail(),
            _ => ok(self.made(&assignment, byte)),
        };
        if let Outcome::Succeeded { outputs, .. } = &outcome {
            let made = kept_keys(outputs.iter().map(|output| &output.value));
            self.world.held.entry(worker).or_default().extend(made.into_iter().chain(values));
        }
        self.world.late.push(id.clone());
        self.world.report(id, outcome);
    }

    /// What an attempt emits; when outputs are made anew, mostly the same ones.
    fn made(&mut self, assignment: &Assignment, byte: u8) -> Vec<Output> {
        let view = self.world.run().step(&assignment.id.step).unwrap();
        let before: Vec<(Name, Option<Name>)> =
            view.outputs().iter().map(|output| (output.name.clone(), output.key.clone())).collect();
        let mut made = match before.is_empty() || byte.is_multiple_of(11) {
            true => self.emitted(&assignment.outputs, byte),
            false => before
                .iter()
                .map(|(name, key)| emit(name.as_str(), key.as_ref().map(Name::as_str), byte))
                .collect(),
        };
        for output in &mut made {
            let declared = assignment.outputs.iter().find(|declared| declared.name == output.name);
            if declared.is_some_and(|declared| declared.io_manager.is_some()) {
                self.n_kept += 1;
                let at = format!("{:06}", self.n_kept);
                *output = keep(output.name.as_str(), output.key.as_ref().map(Name::as_str), &at);
            }
        }
        made
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
pub(super) struct Tally(pub(super) BTreeMap<&'static str, u32>);

impl Tally {
    fn count(&mut self, game: &Game) {
        let log = &game.world.log[&RUN];
        let any = |is: &dyn Fn(&Event) -> bool| log.iter().any(|recorded| is(&recorded.event));
        let dispatched = |is: &dyn Fn(&str) -> bool| {
            any(&|event| matches!(event, Event::StepDispatched { step, .. } if is(step.as_str())))
        };
        let cancelled = any(&|event| *event == Event::RunCancelRequested { limit: None });
        let ended =
            |event: &Event, how: WaitEnd| matches!(event, Event::WaitEnded { end, .. } if *end == how);
        let seen = [
            ("earlier result", game.n_cached > 0),
            ("hook", dispatched(&|step| step.contains(".hooks."))),
            ("product", game.world.layouts[&RUN].plan().steps.iter().any(|step| is_product(game, step))),
            ("tear-down after a cancel", cancelled && dispatched(&|step| step == TEAR_DOWN)),
            ("retry", any(&|event| matches!(event, Event::StepFailed { retry_at: Some(_), .. }))),
            ("failure", any(&|event| matches!(event, Event::StepFailed { retry_at: None, .. }))),
            ("skip", any(&|event| matches!(event, Event::StepSkipped { .. }))),
            ("abandon", any(&|event| matches!(event, Event::StepAbandoned { .. }))),
            ("a time that was waited for", any(&|event| ended(event, WaitEnd::Elapsed))),
            ("approval", any(&|event| ended(event, WaitEnd::Approved))),
            ("rejection", any(&|event| ended(event, WaitEnd::Rejected))),
            ("approval that nobody gave in time", any(&|event| ended(event, WaitEnd::TimedOut))),
            ("loss", game.n_workers_lost > 0 && any(&|event| matches!(event, Event::StepLost { .. }))),
            ("cancel", any(&|event| matches!(event, Event::StepCancelled { .. }))),
            ("an attempt beside another", any(&|event| matches!(event, Event::StepHedged { .. }))),
            ("an attempt that another has outrun", !game.world.outrun.is_empty()),
            (
                "an attempt that fails beside another",
                any(&|event| matches!(event, Event::AttemptDropped { failure: Some(_), .. })),
            ),
            ("the later attempt is first", log.iter().any(|recorded| is_won_by_the_later(log, recorded))),
            ("restart", game.n_restarts > 0),
            ("a worker comes back", game.n_back > 0),
            ("a worker comes back after a restart", game.n_taken_back > 0),
            ("an attempt that is given back", game.n_returned > 0),
            ("an attempt that lacks what it reads", game.n_lacking > 0),
            ("outputs that are dropped", game.n_evicted > 0),
            (
                "outputs that are lost",
                any(&|event| matches!(event, Event::OutputsLost { why: WhyLost::WorkerGone, .. })),
            ),
            (
                "outputs that nobody gives",
                any(&|event| matches!(event, Event::OutputsLost { why: WhyLost::NotGiven, .. })),
            ),
            (
                "outputs that are lost and made anew",
                game.world
                    .run()
                    .steps()
                    .any(|step| !step.lost().is_empty() && step.status() == StepStatus::Succeeded),
            ),
            (
                "outputs that are not made anew",
                game.world
                    .run()
                    .steps()
                    .any(|step| !step.lost().is_empty() && step.status() == StepStatus::Failed),
            ),
            ("a step made anew for one made anew", chained(log)),
            ("pool", waits_for(game, 2, |step| step.pool.is_some())),
            ("limit by tag", waits_for(game, 1, |step| step.tags.contains_key("color"))),
            ("late report", game.n_late > 0),
            ("nested copy", dispatched(&|step| step.matches('[').count() > 1)),
        ];
        for (what, seen) in seen {
            *self.0.entry(what).or_default() += u32::from(seen);
        }
    }
}

/// Whether an attempt commits that was made beside another.
fn is_won_by_the_later(log: &[Recorded], recorded: &Recorded) -> bool {
    let Event::StepSucceeded { fence, .. } = &recorded.event else { return false };
    log.iter().any(|other| matches!(&other.event, Event::StepHedged { fence: hedged, .. } if hedged == fence))
}

/// Whether a step was made anew because another one that was made anew reads it.
fn chained(log: &[Recorded]) -> bool {
    let lost = |recorded: &Recorded| match &recorded.event {
        Event::OutputsLost { step, needed_by, .. } => Some((step.clone(), needed_by.clone())),
        _ => None,
    };
    let all: Vec<(StepKey, StepKey)> = log.iter().filter_map(lost).collect();
    all.iter().any(|(_, needed_by)| all.iter().any(|(step, _)| step == needed_by))
}

/// Whether more such steps ran than may at once: one could have had to wait.
fn waits_for(game: &Game, at_once: usize, is: impl Fn(&PlanStep) -> bool) -> bool {
    let plan = game.world.layouts[&RUN].plan();
    let run = game.world.run();
    run.steps().filter(|view| view.attempts().len() > 0 && is(plan.step(view.template()))).count() > at_once
}

/// Whether copies of the step ran that are for pairs of keys.
fn is_product(game: &Game, step: &PlanStep) -> bool {
    let plan = game.world.layouts[&RUN].plan();
    let mut scopes = (1..step.scope.len()).map(|depth| (depth, &step.scope[depth]));
    let pairs = scopes.any(|(depth, mapped)| plan.step(mapped.step).scope.len() < depth);
    let run = game.world.run();
    pairs && run.steps().any(|view| view.attempts().len() > 0 && plan.step(view.template()).key == step.key)
}

/// What must hold in every history, told by the log alone.
fn check_log(world: &World) {
    let log = &world.log[&RUN];
    let plan = world.layouts[&RUN].plan();
    let run = world.fold(RUN);
    let cancelled = log.iter().any(|recorded| recorded.event == Event::RunCancelRequested { limit: None });
    let mut claims = std::collections::HashMap::new();
    for recorded in log {
        match &recorded.event {
            Event::StepDispatched { step, .. } => *claims.entry(step.clone()).or_insert(0) += 1,
            Event::StepLost { step, .. }
            | Event::StepReturned { step, .. }
            | Event::InputsLost { step, .. } => *claims.get_mut(step).unwrap() -= 1,
            _ => {}
        }
    }
    for step in run.steps() {
        assert!(step.status().is_terminal(), "{} is {}", step.key(), step.status());
        let most = plan.step(step.template()).retry.max_retries + 1;
        // Each time that it is made anew it has its retries anew.
        let n_made = 1 + u32::try_from(step.lost().len()).unwrap();
        assert!(claims.get(step.key()).copied().unwrap_or(0) <= most * n_made, "I-05, I-10: {}", step.key());
        let for_good =
            [FailureKind::WorkerLost, FailureKind::Input, FailureKind::OutputSpec, FailureKind::Rejected];
        let given_up = step.failure().is_some_and(|failure| for_good.contains(&failure.kind));
        if step.status() == StepStatus::Failed && !given_up && !cancelled && n_made == 1 {
            let failed = log.iter().filter(
                |recorded| matches!(&recorded.event, Event::StepFailed { step: of, .. } if of == step.key()),
            );
            let failed = failed.count();
            assert_eq!(failed, most as usize, "C10: {} did not get its retries", step.key());
        }
        let abandoned = step.status() == StepStatus::Abandoned;
        assert_eq!(step.root().is_some(), abandoned);
        if let Some(root) = step.root() {
            assert_eq!(run.step(root).unwrap().status(), StepStatus::Failed, "{} of {}", root, step.key());
        }
    }
    let counts = |role: &Role| !matches!(role, Role::Hook { .. } | Role::TearDown { .. });
    let mut failures = run.steps().filter(|step| step.status() == StepStatus::Failed);
    let failed = failures.any(|step| counts(&plan.step(step.template()).role));
    let expected = match run.count(StepStatus::Cancelled) {
        _ if cancelled => RunStatus::Cancelled,
        _ if failed => RunStatus::Failed,
        _ => RunStatus::Succeeded,
    };
    assert_eq!(run.status(), expected);
    check_expansion(plan, &run);
    check_roles(plan, &run, log);
}

/// A13: a hook runs if and only if its step ended that way by being run; a resource that was made is ended, last.
fn check_roles(plan: &Plan, run: &crate::Run, log: &[Recorded]) {
    let cancelled = log.iter().any(|recorded| recorded.event == Event::RunCancelRequested { limit: None });
    for step in run.steps() {
        let ran = step.attempts().len() > 0;
        match &plan.step(step.template()).role {
            Role::Hook { of, on } => {
                let keys = step.key().as_str().split_once('[').map_or("", |(_, keys)| keys);
                let of = plan.step(*of).key.as_str();
                let of = if keys.is_empty() { of.to_owned() } else { format!("{of}[{keys}") };
                let of = run.step(&StepKey::new(&of)).unwrap();
                let called = match on {
                    HookOn::Success => of.status() == StepStatus::Succeeded && of.attempts().len() > 0,
                    HookOn::Failure => of.status() == StepStatus::Failed,
                };
                // One that succeeded first and was not made anew has called the one and may call the other.
                if !of.lost().is_empty() && of.status() != StepStatus::Succeeded {
                    continue;
                }
                assert!(!ran || called, "A13: {} ran", step.key());
                // What waited for a step that could not be made anew is not run.
                let spoilt =
                    run.steps().any(|step| !step.lost().is_empty() && step.status() == StepStatus::Failed);
                assert!(ran || !called || cancelled || spoilt, "A13: {} did not run", step.key());
            }
            Role::TearDown { set_up, .. } => {
                let set_up = run.step(&plan.step(*set_up).key).unwrap();
                let made = set_up.status() == StepStatus::Succeeded && set_up.attempts().len() > 0;
                assert_eq!(ran, made, "tear-down follows set-up");
                let dispatched = |event: &Event| matches!(event, Event::StepDispatched { step, .. } if step.as_str() == TEAR_DOWN);
                let first = log.iter().position(|recorded| dispatched(&recorded.event));
                let others = first.map_or(&[][..], |first| &log[first..]);
                let others = others.iter().filter(|recorded| {
                    matches!(&recorded.event, Event::StepSucceeded { step, .. } if step.as_str() != TEAR_DOWN)
                });
                assert_eq!(others.count(), 0, "a resource ends after its users");
            }
            _ => {}
        }
    }
}

/// A8, A9: every path of keys that were emitted has its copies, and there are no others.
fn check_expansion(plan: &Plan, run: &crate::Run) {
    let mut expected = BTreeSet::new();
    for template in &plan.steps {
        expected.extend(paths(plan, run, &template.scope).iter().map(|path| copy_of(&template.key, path)));
    }
    let found: BTreeSet<String> = run.steps().map(|step| step.key().to_string()).collect();
    assert_eq!(found, expected, "A8, A9");
    assert_eq!(run.n_steps(), expected.len());
}

fn copy_of(key: &StepKey, path: &[String]) -> String {
    let keys: String = path.iter().map(|key| format!("[{key}]")).collect();
    format!("{key}{keys}")
}

/// The paths of keys that a scope is copied for; `?` for a producer that emitted nothing.
fn paths(plan: &Plan, run: &crate::Run, scope: &[OutputRef]) -> Vec<Vec<String>> {
    let Some((mapped, outer)) = scope.split_last() else {
        return vec![vec![]];
    };
    let producer = plan.step(mapped.step);
    let mut found = vec![];
    for path in paths(plan, run, outer) {
        let copy = copy_of(&producer.key, &path[..producer.scope.len()]);
        let copy = run.step(&StepKey::new(&copy)).unwrap();
        let emitted = copy.outputs().iter().filter(|output| output.name == mapped.output);
        let keys: Vec<String> = match () {
            _ if copy.status() == StepStatus::Succeeded || !copy.lost().is_empty() => {
                emitted.map(|output| output.key.clone().unwrap().to_string()).collect()
            }
            _ => vec!["?".to_owned()],
        };
        found.extend(keys.into_iter().map(|key| [path.clone(), vec![key]].concat()));
    }
    found
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
        let byte = bytes.get(turn).copied().unwrap_or_else(|| bytes[turn % bytes.len()] % 224);
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
fn search(config: ProptestConfig) -> Result<Tally, String> {
    search_with(config, |_| {})
}

/// The same, with something more to look at in each case.
pub(super) fn search_with(config: ProptestConfig, look: impl Fn(&Game)) -> Result<Tally, String> {
    let tally = RefCell::new(Tally::default());
    let case = (
        shapes(),
        proptest::collection::vec(any::<u8>(), 1..60),
        proptest::option::weighted(0.2, 0..20_usize),
    );
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..config });
    let result = runner.run(&case, |case| {
        let game = play(&case);
        look(&game);
        tally.borrow_mut().count(&game);
        Ok(())
    });
    result.map(|()| tally.into_inner()).map_err(|error| error.to_string())
}

#[test]
fn i_16_every_run_ends_with_every_step_accounted_for() {
    let config = ProptestConfig { cases: CASES, max_shrink_iters: 10_000, ..Default::default() };
    let tally = search(config).unwrap_or_else(|error| panic!("{error}"));
    for (what, n_cases) in tally.0 {
        assert!(n_cases >= SHOWN_MIN, "{what} happened in {n_cases} of {CASES} cases only");
    }
}

#[test]
fn i_03_a_report_that_is_taken_for_another_attempt_is_found() {
    check_found(Bug::FencesIgnored, &["I-03", "I-07", "C2", "C6"]);
}

#[test]
fn the_property_finds_committed_steps_that_run_again() {
    check_found(Bug::CommittedRunAgain, &["I-05", "I-14"]);
}

#[test]
fn i_07_attempts_that_are_ordered_twice_are_found() {
    check_found(Bug::HeldForgotten, &["I-07", "G1"]);
}

#[test]
fn i_09_resources_that_are_given_back_twice_are_found() {
    check_found(Bug::ReleasedTwice, &["C6"]);
}

#[test]
fn the_property_finds_slots_of_a_pool_that_are_given_back_twice() {
    check_found(Bug::SlotReleasedTwice, &["C4"]);
}

#[test]
fn the_property_finds_a_limit_that_lets_one_too_many_run() {
    check_found(Bug::OneTooManyOfATag, &["C3"]);
}

#[test]
fn the_property_finds_a_step_that_does_not_wait_for_what_is_made_anew() {
    check_found(Bug::OpenAgainUnseen, &["E9", "I-16"]);
}

#[test]
fn the_property_finds_a_lost_worker_that_costs_a_retry() {
    check_found(Bug::LossCountedAsRetry, &["C10"]);
}

/// The bug is found, and by a rule that it breaks rather than by a panic of the engine.
fn check_found(bug: Bug, rules: &[&str]) {
    let rng_seed = RngSeed::Fixed(SEED);
    let config = ProptestConfig { cases: SEEDED_CASES, max_shrink_iters: 0, rng_seed, ..Default::default() };
    let found = bug::with(bug, || search(config)).err();
    let found = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDED_CASES} cases"));
    assert!(rules.iter().any(|rule| found.contains(rule)), "{bug:?} was found by another rule: {found}");
}
