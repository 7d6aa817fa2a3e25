//! Runs that the engine itself drives: they fail at random, and are started again from the failure until they do
//! not. In the end all is as if nothing had failed, and nothing has run twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use cofferdam_engine::{Action, Engine, Input, Settings, Submission, TakenOver};
use cofferdam_model::{
    AssignedValue, Assignment, Failure, FailureKind, KeyedValue, Outcome, Report, Term, Timestamp, Usage,
    ValueDigest, WorkerId,
};
use proptest::prelude::*;

use super::*;

const PLANS: [&str; 4] = [
    "split: !\n work: split over split\n load: work over split\n sum: *load\n side:\n last: sum side",
    "a: !\n b: !\n pair: a b over a b\n row: *pair over a\n all: *row\n wait: a ^all over a",
    "days: !\n rows: days over days !\n cell: rows over days rows\n day: *cell over days\n all: *day\n wait: ^cell",
    "choose: ~\n left: choose\n right:\n more: right !\n each: more ?left over more ~\n some: *each\n join: ?left right\n \
     last: join ^some",
];

/// One worker, which ends what it gets in order.
struct Driver {
    engine: Engine,
    plan: Plan,
    queue: VecDeque<Assignment>,
    ran: BTreeSet<String>,
}

impl Driver {
    fn input(&mut self, input: Input) {
        for action in self.engine.handle(input, Timestamp(0)) {
            if let Action::Dispatch { assignment, .. } = action {
                self.queue.push_back(*assignment);
            }
        }
    }

    fn finish(&mut self, assignment: Assignment, outcome: Outcome) {
        let report = Report::Finished { id: assignment.id, outcome, usage: Usage::default() };
        self.input(Input::Report { worker: WorkerId(1), report });
    }

    /// Outputs that follow from the key and the inputs alone, so that every run makes the same.
    fn work(&self, assignment: &Assignment) -> Outcome {
        let key = assignment.id.step.as_str();
        let template = self.plan.find(key.split('[').next().unwrap()).unwrap();
        let spec = &self.plan.step(template).outputs[0];
        let mut text = key.to_owned();
        for input in &assignment.inputs {
            let digests: Vec<String> = match &input.value {
                AssignedValue::One(value) => vec![value.digest.to_string()],
                AssignedValue::Many(values) => {
                    values.iter().map(|KeyedValue { value, .. }| value.digest.to_string()).collect()
                }
            };
            text.push_str(&format!(" {}={}", input.name, digests.join("+")));
        }
        let value = ValueRef::inline(CBOR, ValueDigest::of(text.as_bytes()).to_string().into_bytes());
        let keys: Vec<Option<Name>> = match spec.dynamic {
            true => (0..luck(key, 0) % 4).map(|n| Some(name(&format!("k{n}")))).collect(),
            false if !spec.required && luck(key, 0).is_multiple_of(2) => vec![],
            false => vec![None],
        };
        let output = |key| Output { name: Name::result(), key, value: value.clone(), metadata: vec![] };
        Outcome::Succeeded { outputs: keys.into_iter().map(output).collect(), metadata: vec![] }
    }
}

/// A number that follows from a text and a seed.
fn luck(text: &str, seed: u64) -> u64 {
    let digest = ValueDigest::of(format!("{seed} {text}").as_bytes());
    digest.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Drives a plan to its end. With a seed one step in four fails; after `n_ends` steps somebody cancels.
fn drive(
    n: u128,
    plan: &Plan,
    known: &Known,
    seed: Option<u64>,
    n_ends: Option<usize>,
) -> (Ended, BTreeSet<String>) {
    let layout = Layout::new(Arc::new(plan.clone())).unwrap();
    let engine = Engine::new(Settings { term: Term(1), ..Settings::default() });
    let mut driver = Driver { engine, plan: plan.clone(), queue: VecDeque::new(), ran: BTreeSet::new() };
    let run = run_id(n);
    driver.input(Input::WorkerJoined {
        worker: WorkerId(1),
        slots: 3,
        queue: 0,
        resources: BTreeMap::new(),
        held: vec![],
        labels: BTreeMap::new(),
        ends_at: None,
    });
    let known = Arc::new(known.clone());
    let submission = Submission { run, layout, plan: plan.digest(), origin: None, known: known.clone() };
    driver.input(Input::RunSubmitted(Box::new(submission)));
    let mut n_ended = 0;
    while let Some(assignment) = driver.queue.pop_front() {
        let key = assignment.id.step.to_string();
        let cancelled = n_ends.is_some_and(|at| n_ended >= at);
        if cancelled && n_ends == Some(n_ended) {
            driver.input(Input::CancelRequested { run });
        }
        n_ended += 1;
        let outcome = if cancelled {
            Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled")))
        } else if seed.is_some_and(|seed| luck(&key, seed).is_multiple_of(4)) {
            Outcome::Failed(Box::new(Failure::new(FailureKind::Op, "boom")))
        } else {
            driver.work(&assignment)
        };
        driver.ran.insert(key);
        driver.finish(assignment, outcome);
    }
    let view = driver.engine.run(run).unwrap();
    assert!(view.status().is_terminal(), "{:?}", view.status());
    let steps = view.steps().map(|step| {
        let from = step.taken_over().map(|taken| match taken {
            TakenOver::Reused { run } | TakenOver::Cached { run, .. } => *run,
        });
        (step.key().clone(), PastStep { status: step.status(), from, outputs: step.outputs().to_vec() })
    });
    let ended = Ended {
        run,
        status: view.status(),
        plan: plan.clone(),
        known: (*known).clone(),
        steps: steps.collect(),
    };
    (ended, driver.ran)
}

/// What the nearest run made, of all steps that any run knows.
fn made(chain: &[Ended]) -> BTreeMap<String, Vec<Output>> {
    let mut all = BTreeMap::new();
    for (key, step) in chain.iter().flat_map(|ended| &ended.steps) {
        if step.status == StepStatus::Succeeded {
            all.entry(key.to_string()).or_insert_with(|| step.outputs.clone());
        }
    }
    all
}

proptest! {
    #[test]
    fn a_run_that_is_started_again_from_its_failures_ends_as_if_it_had_none(
        which in 0..PLANS.len(), seeds in prop::collection::vec(any::<u64>(), 1..4),
        cancels in prop::collection::vec(prop::option::weighted(0.3, 0..6usize), 4),
    ) {
        let plan = plan(PLANS[which]);
        let (clean, all) = drive(99, &plan, &Known::default(), None, None);
        prop_assert_eq!(clean.status, RunStatus::Succeeded);
        let (first, _) = drive(1, &plan, &Known::default(), Some(seeds[0]), cancels[0]);
        // The nearest first.
        let mut chain = vec![first];
        while chain[0].status != RunStatus::Succeeded {
            let at = chain.len();
            let past: Vec<Past<'_>> = chain.iter().map(Ended::past).collect();
            // Now with the parent's plan, which was cut down, now with the whole one.
            let code = if at % 2 == 0 { &plan } else { &chain[0].plan };
            let child = rerun(code, &past, &Request::FromFailure).unwrap();
            let seed = seeds.get(at).copied();
            let cancel = seed.and(cancels.get(at).copied().flatten());
            let (ended, ran) = drive(1 + at as u128, &child.plan, &child.known, seed, cancel);
            let asked = |key: &str| child.runs.iter().any(|runs| fits(runs.as_str(), key));
            for key in &ran {
                prop_assert!(asked(key), "{key} ran, but {:?} were to", child.runs);
                let before = chain[0].steps.get(&StepKey::new(key)).map(|step| step.status);
                prop_assert_ne!(before, Some(StepStatus::Succeeded), "{} ran twice", key);
            }
            if ended.status == RunStatus::Succeeded {
                let missed = child.runs.iter().filter(|key| !key.as_str().contains('?'));
                let missed: Vec<_> = missed.filter(|key| all.contains(key.as_str()) && !ran.contains(key.as_str())).collect();
                prop_assert!(missed.is_empty(), "{missed:?}");
            }
            chain.insert(0, ended);
        }
        prop_assert_eq!(made(&chain), made(&[clean]));
    }
}

/// Whether a key is meant by one in which `[?]` stands for any key.
fn fits(open: &str, key: &str) -> bool {
    let parts = |text: &str| text.split('[').map(str::to_owned).collect::<Vec<_>>();
    let (open, key) = (parts(open), parts(key));
    open.len() == key.len() && open.iter().zip(&key).all(|(open, key)| open == "?]" || open == key)
}
