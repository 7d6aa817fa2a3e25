//! Builders of plans, and a world that plays worker for the engine and checks the rules on every action.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::{Action, Engine, Input, Layout, Quotas, Run, Settings, Submission};
use cofferdam_model::*;

pub(crate) fn name(text: &str) -> Name {
    Name::key(text).unwrap()
}

pub(crate) fn output(step: u32, name_: &str) -> OutputRef {
    OutputRef { step: StepIdx(step), output: name(name_) }
}

pub(crate) fn step(key: &str) -> PlanStep {
    PlanStep {
        outputs: vec![declared("result", true, false)],
        ..PlanStep::new(StepKey::new(key), LibraryDigest([7; 32]), name("op"))
    }
}

pub(crate) fn declared(text: &str, required: bool, dynamic: bool) -> PlanOutput {
    PlanOutput { required, dynamic, ..PlanOutput::new(name(text), CBOR) }
}

/// A step with inputs named `a`, `b`, …
pub(crate) fn reads(key: &str, sources: Vec<Source>) -> PlanStep {
    let inputs = sources.into_iter().zip('a'..).map(|(source, letter)| PlanInput {
        name: name(&letter.to_string()),
        source,
        required: true,
    });
    PlanStep { inputs: inputs.collect(), ..step(key) }
}

pub(crate) fn of(step: u32) -> Source {
    Source::Output(output(step, "result"))
}

pub(crate) fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan::new(name("job"), steps)
}

pub(crate) fn value(byte: u8) -> ValueRef {
    ValueRef::inline(CBOR, vec![byte])
}

pub(crate) fn emit(output: &str, key: Option<&str>, byte: u8) -> Output {
    Output { name: name(output), key: key.map(name), value: value(byte), metadata: vec![] }
}

/// The IO manager that keeps values with workers.
pub(crate) const SCRATCH: &str = "scratch";

/// A plan whose steps of these numbers leave `result`, and `parts`, with workers.
pub(crate) fn transient(mut plan: Plan, steps: &[usize]) -> Plan {
    for at in steps {
        for output in &mut plan.steps[*at].outputs {
            output.io_manager = Some(name(SCRATCH));
        }
    }
    plan.io_managers.insert(name(SCRATCH), scratch());
    plan
}

pub(crate) fn run_id(n: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(n))
}

fn scratch() -> PlanIoManager {
    PlanIoManager { kind: IoManagerKind::Transient, settings: serde_json::Value::Null }
}

/// An output that the worker which makes it keeps under that key.
pub(crate) fn keep(output: &str, key: Option<&str>, at: &str) -> Output {
    let place = ManagedPlace { name: name(SCRATCH), manager: scratch(), key: at.to_owned() };
    let digest = ValueDigest::of(at.as_bytes());
    let value =
        ValueRef { media_type: CBOR.to_owned(), size: 1, digest, place: Place::Managed(Box::new(place)) };
    Output { value, ..emit(output, key, 0) }
}

/// The keys of values that workers keep.
pub(crate) fn kept_keys<'a>(values: impl IntoIterator<Item = &'a ValueRef>) -> Vec<String> {
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

pub(crate) fn ok(outputs: Vec<Output>) -> Outcome {
    Outcome::Succeeded { outputs, metadata: vec![] }
}

pub(crate) fn fail() -> Outcome {
    Outcome::Failed(Box::new(Failure::new(FailureKind::Op, "boom")))
}

pub(crate) fn fail_with(retry: RetryAdvice) -> Outcome {
    let mut failure = Failure::new(FailureKind::Op, "boom");
    failure.retry = retry;
    Outcome::Failed(Box::new(failure))
}

pub(crate) const RUN: RunId = RunId(uuid::Uuid::from_u128(1));
pub(crate) const WORKER: WorkerId = WorkerId(1);

/// The engine, the log that its actions make, and the attempts that are under way.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) term: u64,
    pub(crate) now: Timestamp,
    pub(crate) layouts: HashMap<RunId, Arc<Layout>>,
    pub(crate) log: HashMap<RunId, Vec<Recorded>>,
    pub(crate) under_way: Vec<(WorkerId, Assignment)>,
    pub(crate) cancels: Vec<AttemptId>,
    pub(crate) ended: Vec<(RunId, RunStatus)>,
    /// What runs take over.
    pub(crate) known: Arc<Known>,
    /// Earlier results that are looked for.
    pub(crate) recalls: Vec<(StepKey, ValueDigest)>,
    /// Workers that were told that nothing follows.
    pub(crate) released: Vec<WorkerId>,
    /// What was said of steps that no worker could run, or that one can again.
    pub(crate) waits: Vec<(StepKey, Option<Why>)>,
    pub(crate) published: Vec<(WorkerId, Publication)>,
    /// Reports of attempts that have been heard or given up, of steps that may be under way again.
    pub(crate) late: Vec<AttemptId>,
    /// Keys of the values that each worker keeps.
    pub(crate) held: HashMap<WorkerId, HashSet<String>>,
    /// Of those, what was dropped unheard.
    pub(crate) evicted: HashSet<String>,
    /// A scheduler that takes over knows of each value only who made it.
    pub(crate) took_over: bool,
    /// Runs that a worker was told to forget.
    pub(crate) forgotten: Vec<(WorkerId, RunId)>,
    /// Slots and resources of the workers that joined by `join`.
    offers: HashMap<WorkerId, (usize, BTreeMap<String, f64>)>,
    /// What the operator has set.
    quotas: Quotas,
    fences: HashSet<Fence>,
    /// Of the attempts that were made beside another.
    hedges: HashSet<Fence>,
    /// Of those whose step was decided by another.
    pub(crate) outrun: HashSet<Fence>,
    /// Whose attempts they were.
    owners: HashMap<Fence, WorkerId>,
    last_fence: Fence,
}

impl World {
    pub(crate) fn new() -> World {
        World::under(Quotas::default())
    }

    pub(crate) fn under(quotas: Quotas) -> World {
        World {
            engine: Engine::new(Settings { term: Term(1), quotas: quotas.clone() }),
            quotas,
            term: 1,
            now: Timestamp(1000),
            layouts: HashMap::new(),
            log: HashMap::new(),
            under_way: vec![],
            cancels: vec![],
            ended: vec![],
            known: Arc::default(),
            recalls: vec![],
            published: vec![],
            released: vec![],
            waits: vec![],
            late: vec![],
            held: HashMap::new(),
            evicted: HashSet::new(),
            took_over: false,
            forgotten: vec![],
            offers: HashMap::new(),
            fences: HashSet::new(),
            hedges: HashSet::new(),
            outrun: HashSet::new(),
            owners: HashMap::new(),
            last_fence: Fence(0),
        }
    }

    /// One run of the plan and one worker with that many slots.
    pub(crate) fn with(plan: Plan, slots: u32) -> World {
        let mut world = World::new();
        world.join(WORKER, slots, &[]);
        world.submit(RUN, plan);
        world
    }

    pub(crate) fn join(&mut self, worker: WorkerId, slots: u32, resources: &[(&str, f64)]) {
        let resources = resources.iter().map(|(name, amount)| ((*name).to_owned(), *amount));
        let resources: BTreeMap<String, f64> = resources.collect();
        self.offers.insert(worker, (slots as usize, resources.clone()));
        self.input(Input::WorkerJoined {
            worker,
            slots,
            queue: 0,
            resources,
            labels: BTreeMap::new(),
            ends_at: None,
            held: vec![],
        });
    }

    /// A worker that was silent, or that knew the scheduler before this one, is there again. Of what was ordered, the
    /// first `n_lost` attempts never reached it.
    pub(crate) fn come_back(&mut self, worker: WorkerId, n_lost: usize) {
        let (slots, resources) = self.offers[&worker].clone();
        let slots = u32::try_from(slots).unwrap();
        let here = |(other, _): &&(WorkerId, Assignment)| *other == worker;
        let lost: Vec<Fence> =
            self.under_way.iter().filter(here).take(n_lost).map(|(_, lost)| lost.id.fence).collect();
        self.under_way.retain(|(_, attempt)| !lost.contains(&attempt.id.fence));
        let held = self.under_way.iter().filter(here).map(|(_, attempt)| attempt.id.clone()).collect();
        let before = self.cancels.len();
        self.input(Input::WorkerJoined {
            worker,
            slots,
            queue: 0,
            resources,
            labels: BTreeMap::new(),
            ends_at: None,
            held,
        });
        for (other, attempt) in &self.under_way {
            let outrun = self.outrun.contains(&attempt.id.fence);
            assert!(
                outrun || *other != worker || self.engine.holds(worker, &attempt.id),
                "G1: {:?}",
                attempt.id
            );
        }
        let by_right = |id: &AttemptId| self.engine.holds(worker, id) || self.outrun.contains(&id.fence);
        let again = self.cancels[before..].iter().all(by_right);
        assert!(again, "what a worker has by right is not taken from it");
    }

    /// The worker goes, and with it what it ran.
    pub(crate) fn leave(&mut self, worker: WorkerId) {
        let (gone, left) = self.under_way.drain(..).partition(|(other, _)| *other == worker);
        self.under_way = left;
        let gone: Vec<(WorkerId, Assignment)> = gone;
        self.late.extend(gone.into_iter().map(|(_, assignment)| assignment.id));
        self.held.remove(&worker);
        self.input(Input::WorkerLeft { worker });
    }

    /// A report of an attempt that is under way no longer: nothing may come of it.
    pub(crate) fn report_late(&mut self, id: AttemptId, outcome: Outcome) {
        // What is due at this time anyhow.
        self.input(Input::Tick);
        let before = self.log.clone();
        self.report(id, outcome);
        assert_eq!(self.log, before, "I-03: a late report changes nothing");
    }

    pub(crate) fn submit(&mut self, run: RunId, plan: Plan) {
        let digest = plan.digest();
        let layout = Layout::new(Arc::new(plan)).unwrap();
        self.layouts.insert(run, layout);
        let submission = self.submission(run, digest);
        self.input(Input::RunSubmitted(Box::new(submission)));
    }

    fn submission(&self, run: RunId, plan: ValueDigest) -> Submission {
        let known = self.known.clone();
        Submission { run, layout: self.layouts[&run].clone(), plan, origin: None, known }
    }

    pub(crate) fn input(&mut self, input: Input) {
        let actions = self.engine.handle(input, self.now);
        self.act(actions);
    }

    pub(crate) fn act(&mut self, actions: Vec<Action>) {
        let mut dispatched = HashSet::new();
        for action in actions {
            match action {
                Action::Append { run, event } => {
                    let log = self.log.entry(run).or_default();
                    assert_eq!(event.seq, log.len() as u64 + 1, "I-11: no gaps");
                    if let Event::StepDispatched { fence, .. } | Event::StepHedged { fence, .. } =
                        &event.event
                    {
                        assert!(*fence > self.last_fence, "I-06: fences grow");
                        assert!(self.fences.insert(*fence), "I-06: no fence is used twice");
                        self.last_fence = *fence;
                        dispatched.insert(*fence);
                    }
                    if let Event::StepHedged { fence, .. } = &event.event {
                        self.hedges.insert(*fence);
                    }
                    let lost = matches!(event.event, Event::OutputsLost { .. });
                    log.push(event);
                    if lost {
                        self.check_lost(run);
                    }
                }
                Action::Dispatch { worker, assignment } => {
                    let fence = assignment.id.fence;
                    let again = self.owners.insert(fence, worker).is_some_and(|owner| owner == worker);
                    assert!(
                        dispatched.contains(&fence) || again,
                        "a claim is recorded before its order leaves"
                    );
                    self.check_inputs(&assignment);
                    self.check_wait(&assignment);
                    if dispatched.contains(&fence) {
                        self.check_kept(&assignment);
                    }
                    self.check_alone(worker, &assignment.id);
                    let committed = self.is_committed(assignment.id.run, &assignment.id.step);
                    assert!(!committed, "I-05: a committed step does not run again");
                    self.under_way.push((worker, *assignment));
                    self.check_room(worker);
                    self.check_limits();
                }
                Action::CancelAttempt { worker, id } => {
                    if !self.engine.holds(worker, &id) {
                        self.outrun.insert(id.fence);
                    }
                    self.cancels.push(id);
                }
                Action::Recall { run, step, memo } => {
                    assert!(!self.is_committed(run, &step), "I-05: no result is looked for that is there");
                    self.recalls.push((step, memo));
                }
                Action::Waits { step, why, .. } => self.waits.push((step, why)),
                Action::Release { worker } => self.released.push(worker),
                Action::Forget { worker, run } => {
                    self.held.remove(&worker);
                    self.forgotten.push((worker, run));
                }
                Action::Publish { worker, publication } => self.published.push((worker, *publication)),
                Action::RunEnded { run, status } => self.ended.push((run, status)),
            }
        }
    }

    /// I-07: a step has one attempt at a time, or one more that is recorded as such, at another worker.
    fn check_alone(&self, worker: WorkerId, id: &AttemptId) {
        let beside = self.under_way.iter().filter(|(_, other)| {
            other.id.run == id.run && other.id.step == id.step && !self.outrun.contains(&other.id.fence)
        });
        let beside: Vec<&(WorkerId, Assignment)> = beside.collect();
        let hedged =
            |other: &Assignment| self.hedges.contains(&id.fence) != self.hedges.contains(&other.id.fence);
        let alone = match beside[..] {
            [] => true,
            [(at, other)] => hedged(other) && *at != worker,
            _ => false,
        };
        assert!(alone, "I-07: one attempt of {} at a time", id.step);
    }

    /// G10: what waits does not run before its wait has ended well.
    fn check_wait(&self, assignment: &Assignment) {
        let log = &self.log[&assignment.id.run];
        let over = |recorded: &Recorded| matches!(&recorded.event, Event::WaitEnded { step, end, .. } if *step == assignment.id.step && end.goes_on());
        let waits = self.plan_step(assignment).wait.is_some();
        assert_eq!(log.iter().filter(|recorded| over(recorded)).count(), usize::from(waits), "G10");
    }

    /// I-05: what is committed stays so when a scheduler takes over.
    fn check_commits(&self, run: RunId) {
        for step in self.engine.run(run).into_iter().flat_map(Run::steps) {
            let is = step.status() == StepStatus::Succeeded;
            assert!(is || !self.is_committed(run, step.key()), "I-05: {} is committed", step.key());
        }
    }

    fn is_committed(&self, run: RunId, key: &StepKey) -> bool {
        let mut commits =
            self.log.get(&run).into_iter().flatten().filter_map(|recorded| match &recorded.event {
                Event::StepSucceeded { step, .. } | Event::StepCached { step, .. } if step == key => {
                    Some(true)
                }
                Event::OutputsLost { step, .. } if step == key => Some(false),
                _ => None,
            });
        commits.next_back().unwrap_or(false)
    }

    /// Whose attempt that is.
    pub(crate) fn owner(&self, assignment: &Assignment) -> WorkerId {
        self.owners[&assignment.id.fence]
    }

    pub(crate) fn is_held(&self, key: &str) -> bool {
        self.held.values().any(|held| held.contains(key))
    }

    /// E9: nothing is sent to read what nobody is known to have, and what was lost is not handed out.
    fn check_kept(&self, assignment: &Assignment) {
        let mut lost = HashSet::new();
        for recorded in &self.log[&assignment.id.run] {
            match &recorded.event {
                Event::StepSucceeded { step, outputs, .. } => {
                    lost.retain(|(other, _)| other != step);
                    lost.extend(
                        kept_keys(outputs.iter().map(|output| &output.value))
                            .into_iter()
                            .map(|key| (step.clone(), key)),
                    );
                }
                Event::OutputsLost { step, .. } => lost.retain(|(other, _)| other != step),
                _ => {}
            }
        }
        for key in kept_keys(read_by(assignment)) {
            assert!(lost.iter().any(|(_, known)| *known == key), "E9: {key} is lost, and read");
            assert!(self.is_held(&key) || self.evicted.contains(&key), "E9: nobody has {key}, which is read");
        }
    }

    /// E9: what is made anew is what a step that has not ended reads and nobody has. The last event says that it is.
    fn check_lost(&self, run: RunId) {
        let (last, before) = self.log[&run].split_last().unwrap();
        let Event::OutputsLost { step, needed_by, .. } = &last.event else { unreachable!() };
        let run = Run::fold(run, self.layouts[&run].clone(), before).unwrap();
        let reader =
            (0..).take(run.steps.len()).find(|at| run.steps[*at as usize].key == *needed_by).unwrap();
        assert!(!run.steps[reader as usize].status.is_terminal(), "E9: {step} is made anew for nobody");
        let lineage = run.lineage(reader).into_iter();
        let mut keys =
            lineage.filter(|(producer, _)| run.steps[*producer as usize].key == *step).map(|(_, key)| key);
        assert!(keys.clone().count() > 0, "E9: {needed_by} does not read {step}");
        let all = |key: &str| self.took_over || !self.is_held(key);
        assert!(keys.any(all), "E9: {step} is made anew, and a worker has what it made");
    }

    /// C2, C6: no worker has more to do than it has room for.
    fn check_room(&self, worker: WorkerId) {
        let Some((slots, resources)) = self.offers.get(&worker) else {
            return;
        };
        let here = || self.under_way.iter().filter(|(other, _)| *other == worker).map(|(_, attempt)| attempt);
        assert!(here().count() <= *slots, "C2: more attempts than slots");
        for (resource, offered) in resources {
            let needs = |attempt: &Assignment| {
                let template = attempt.id.step.as_str().split('[').next().unwrap();
                let plan = self.layouts[&attempt.id.run].plan();
                plan.step(plan.find(template).unwrap()).resources.get(resource).copied().unwrap_or(0.0)
            };
            assert!(
                here().map(needs).sum::<f64>() <= *offered,
                "C6: more `{resource}` is taken than is there"
            );
        }
    }

    /// The step of the plan that an attempt is one of.
    fn plan_step(&self, attempt: &Assignment) -> &PlanStep {
        let template = attempt.id.step.as_str().split('[').next().unwrap();
        let plan = self.layouts[&attempt.id.run].plan();
        plan.step(plan.find(template).unwrap())
    }

    /// C3, C4: no pool and no limit of a run is exceeded.
    fn check_limits(&self) {
        let mut of_pool: HashMap<&str, u32> = HashMap::new();
        let mut of_limit: HashMap<(RunId, usize, Option<&str>), u32> = HashMap::new();
        for (_, attempt) in &self.under_way {
            let step = self.plan_step(attempt);
            if let Some(pool) = &step.pool {
                *of_pool.entry(pool.as_str()).or_default() += 1;
            }
            // What another attempt has outrun is no step of the run any more.
            if self.outrun.contains(&attempt.id.fence) {
                continue;
            }
            let limits = &self.layouts[&attempt.id.run].plan().tag_limits;
            for (at, limit) in limits.iter().enumerate() {
                if let Some(value) = limit.counts(&step.tags) {
                    let n = of_limit.entry((attempt.id.run, at, value)).or_default();
                    *n += 1;
                    assert!(*n <= limit.limit, "C3: {n} steps with the tag {}", limit.key);
                }
            }
        }
        for (pool, n) in of_pool {
            let limit = self.quotas.pools.get(pool).copied().or(self.quotas.pool_default);
            assert!(limit.is_none_or(|limit| n <= limit), "C4: {n} slots of {pool} are taken");
        }
    }

    /// I-04, I-14: every value that is handed out has been committed before, and nothing starts after a cancel.
    fn check_inputs(&self, assignment: &Assignment) {
        let log = &self.log[&assignment.id.run];
        let plan = self.layouts[&assignment.id.run].plan();
        let template = assignment.id.step.as_str().split('[').next().unwrap();
        let role = &plan.step(plan.find(template).unwrap()).role;
        let tear_down = matches!(role, Role::TearDown { .. });
        assert!(
            tear_down
                || !log.iter().any(|recorded| matches!(recorded.event, Event::RunCancelRequested { .. })),
            "I-14: nothing starts after a cancel"
        );
        let committed: Vec<&ValueRef> = log
            .iter()
            .filter_map(|recorded| match &recorded.event {
                Event::StepSucceeded { outputs, .. }
                | Event::StepReused { outputs, .. }
                | Event::StepCached { outputs, .. } => Some(outputs),
                _ => None,
            })
            .flatten()
            .map(|output| &output.value)
            .collect();
        let literal = |value: &ValueRef| {
            plan.steps
                .iter()
                .flat_map(|step| &step.inputs)
                .any(|input| matches!(&input.source, Source::Value(literal) if literal == value))
        };
        let made = |input: &&AssignedInput| {
            !(matches!(role, Role::Hook { .. }) && input.name.as_str() == HOOK_EVENT_INPUT)
        };
        for input in assignment.inputs.iter().filter(made) {
            let values: Vec<&ValueRef> = match &input.value {
                AssignedValue::One(value) => vec![value],
                AssignedValue::Many(values) => values.iter().map(|keyed| &keyed.value).collect(),
            };
            for value in values {
                assert!(committed.contains(&value) || literal(value), "I-04: {value:?} is not committed");
            }
        }
    }

    pub(crate) fn running(&self) -> Vec<&str> {
        self.under_way.iter().map(|(_, assignment)| assignment.id.step.as_str()).collect()
    }

    pub(crate) fn take(&mut self, key: &str) -> Assignment {
        let at = self.under_way.iter().position(|(_, assignment)| assignment.id.step.as_str() == key);
        let at = at.unwrap_or_else(|| panic!("`{key}` is not under way, {:?} are", self.running()));
        self.under_way.remove(at).1
    }

    pub(crate) fn report(&mut self, id: AttemptId, outcome: Outcome) {
        let usage = Usage::default();
        let worker = self.owners.get(&id.fence).copied().unwrap_or(WORKER);
        self.input(Input::Report { worker, report: Report::Finished { id, outcome, usage } });
    }

    /// Ends the running attempt of a step.
    pub(crate) fn finish(&mut self, key: &str, outcome: Outcome) -> Assignment {
        let assignment = self.take(key);
        self.report(assignment.id.clone(), outcome);
        assignment
    }

    /// Ends it with a `result`.
    pub(crate) fn done(&mut self, key: &str) -> Assignment {
        self.finish(key, ok(vec![emit("result", None, 1)]))
    }

    /// Answers the only search for an earlier result.
    pub(crate) fn recalled(&mut self, key: &str, found: Option<Memo>) {
        let (step, _) = self.recalls.pop().expect("an earlier result is looked for");
        assert_eq!(step.as_str(), key);
        assert_eq!(self.recalls, []);
        self.input(Input::Recalled { run: RUN, step, found });
    }

    /// The events of a run, without those that come with every attempt.
    pub(crate) fn events(&self, is: impl Fn(&Event) -> bool) -> Vec<&Event> {
        self.log[&RUN].iter().map(|recorded| &recorded.event).filter(|event| is(event)).collect()
    }

    pub(crate) fn run(&self) -> &Run {
        self.engine.run(RUN).unwrap()
    }

    pub(crate) fn status(&self, key: &str) -> StepStatus {
        self.run().step(&StepKey::new(key)).unwrap_or_else(|| panic!("no step {key}")).status()
    }

    pub(crate) fn statuses(&self) -> Vec<(String, StepStatus)> {
        let steps = self.run().steps();
        steps.map(|step| (step.key().to_string(), step.status())).collect()
    }

    /// Drops the engine and its workers and starts another one from the log.
    pub(crate) fn restart(&mut self) {
        self.held.clear();
        let under_way = std::mem::take(&mut self.under_way);
        self.late.extend(under_way.into_iter().map(|(_, assignment)| assignment.id));
        self.recover();
        for worker in self.engine.absent() {
            self.input(Input::WorkerLeft { worker });
        }
    }

    /// Drops the engine and starts another one from the log. Workers and what they do are as before; they are
    /// to [come back](World::come_back).
    pub(crate) fn recover(&mut self) {
        self.term += 1;
        self.took_over = true;
        // Those are nothing to who reads the log, and end.
        let outrun = |(_, attempt): &mut (WorkerId, Assignment)| self.outrun.contains(&attempt.id.fence);
        self.late.extend(self.under_way.extract_if(.., outrun).map(|(_, attempt)| attempt.id));
        self.engine = Engine::new(Settings { term: Term(self.term), quotas: self.quotas.clone() });
        self.recalls.clear();
        for (run, layout) in self.layouts.clone() {
            let events = self.log.get(&run).cloned().unwrap_or_default();
            let digest = layout.plan().digest();
            let actions = self.engine.recover(self.submission(run, digest), &events, self.now).unwrap();
            self.act(actions);
            self.check_commits(run);
        }
    }

    pub(crate) fn fold(&self, run: RunId) -> Run {
        Run::fold(run, self.layouts[&run].clone(), &self.log[&run]).unwrap()
    }
}

/// How the one run of a world ended.
pub(crate) fn ended(world: &World) -> RunStatus {
    assert_eq!(world.ended.len(), 1, "{:?}", world.statuses());
    let terminal =
        world.log[&RUN].iter().filter(|recorded| matches!(recorded.event, Event::RunFinished { .. }));
    assert_eq!(terminal.count(), 1, "I-11: one terminal event");
    world.ended[0].1
}

pub(crate) fn why(world: &World, key: &str) -> String {
    let found = world.engine.why(RUN, &StepKey::new(key), world.now);
    found.map_or_else(|| "none".to_owned(), |why| why.to_string())
}
