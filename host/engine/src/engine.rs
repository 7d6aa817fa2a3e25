//! The engine: takes inputs, records decisions as events, answers with actions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::sync::Arc;

use cofferdam_model::{
    Assignment, AttemptId, Event, Failure, FailureKind, Fence, Outcome, Output, Recorded, Report, RunId,
    RunStatus, STEPS_MAX, StepStatus, Term, Timestamp, Usage, ValueDigest, WorkerId,
};

use crate::LOSSES_MAX;
use crate::layout::Layout;
use crate::place::{Head, Placement};
use crate::retry;
use crate::run::{InvalidHistory, Run, term};
use crate::verdict::Verdict;

/// What an engine needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The time in office in which it decides; its fences begin with it.
    pub term: Term,
}

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A run is to be driven. `plan` is the digest of the stored form.
    RunSubmitted {
        run: RunId,
        layout: Arc<Layout>,
        plan: ValueDigest,
    },
    /// A worker offers slots, room for `queue` more attempts, and resources. Its id is new.
    WorkerJoined {
        worker: WorkerId,
        slots: u32,
        queue: u32,
        resources: BTreeMap<String, f64>,
    },
    WorkerLeft {
        worker: WorkerId,
    },
    Report(Report),
    CancelRequested {
        run: RunId,
    },
    /// Nothing but the passing of time.
    Tick,
}

/// What is to be done. All `Append` of one answer become durable before any `Dispatch` of it is carried out.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Action {
    /// Write this event to the run's log.
    Append { run: RunId, event: Recorded },
    /// Send an attempt to a worker.
    Dispatch { worker: WorkerId, assignment: Box<Assignment> },
    /// Tell a worker to stop an attempt. It still reports how that ended.
    CancelAttempt { worker: WorkerId, id: AttemptId },
    /// The run has reached its last event. The engine keeps it until [`Engine::forget`].
    RunEnded { run: RunId, status: RunStatus },
}

/// Drives any number of runs over any number of workers.
#[derive(Debug)]
pub struct Engine {
    term: Term,
    /// Fences given in this term.
    n_fences: u32,
    n_runs: u64,
    runs: BTreeMap<RunId, Active>,
    /// What is under way, by its fence: the oldest claim first.
    attempts: BTreeMap<Fence, Claim>,
    placement: Placement,
    retries: BinaryHeap<Reverse<(Timestamp, RunId, u32)>>,
}

/// A run that is driven.
#[derive(Debug)]
struct Active {
    run: Run,
    /// Order of acceptance.
    number: u64,
    /// Class of each demand of the layout.
    classes: Vec<u32>,
    /// Ready steps per class.
    queues: BTreeMap<u32, Queue>,
    /// Mean wall time per op, in microseconds, of the attempts that have ended.
    means_us: Vec<Option<u32>>,
}

#[derive(Debug, Default)]
struct Queue {
    steps: BinaryHeap<Reverse<Turn>>,
    /// As the placement knows it.
    head: Option<Head>,
}

/// Place of a ready step in its run: priority, then where its region stands in the plan; within a region
/// the innermost and earliest copies first, so that a chain that was begun is finished.
type Turn = (Reverse<i32>, u32, Reverse<u32>, u32, u32, u32);

/// An attempt that is under way.
#[derive(Debug, Clone, Copy)]
struct Claim {
    run: RunId,
    step: u32,
    /// 1 for the first try.
    attempt: u32,
    worker: WorkerId,
    class: u32,
    expected_us: Option<u32>,
}

impl Engine {
    pub fn new(settings: Settings) -> Engine {
        Engine {
            term: settings.term,
            n_fences: 0,
            n_runs: 0,
            runs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            placement: Placement::default(),
            retries: BinaryHeap::new(),
        }
    }

    /// Takes one input and answers with everything that follows from it at that time. Inputs that no longer
    /// matter (late reports, unknown runs) are answered with nothing.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Action> {
        let mut actions = vec![];
        self.wake(now);
        match input {
            Input::RunSubmitted { run, layout, plan } => self.submitted(run, layout, plan, now, &mut actions),
            Input::WorkerJoined { worker, slots, queue, resources } => {
                self.placement.join(worker, slots, queue, &resources)
            }
            Input::WorkerLeft { worker } => self.left(worker, now, &mut actions),
            Input::Report(report) => self.reported(report, now, &mut actions),
            Input::CancelRequested { run } => self.cancel(run, now, &mut actions),
            Input::Tick => {}
        }
        self.place(now, &mut actions);
        actions
    }

    /// When to call again if nothing happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.retries.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes over a run from its log. What had been decided is not decided again; attempts that were under
    /// way are recorded as lost, because their workers went with the scheduler that knew them.
    pub fn recover(
        &mut self,
        run: RunId,
        layout: Arc<Layout>,
        plan: ValueDigest,
        events: &[Recorded],
        now: Timestamp,
    ) -> Result<Vec<Action>, InvalidHistory> {
        let folded = Run::fold(run, layout.clone(), events)?;
        let mut actions = vec![];
        self.wake(now);
        if folded.status().is_terminal() {
            return Ok(actions);
        }
        if folded.seq() == 0 {
            self.submitted(run, layout, plan, now, &mut actions);
        } else {
            self.take_over(folded, now, &mut actions);
        }
        self.place(now, &mut actions);
        Ok(actions)
    }

    /// A run that is driven or has just ended.
    pub fn run(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run).map(|active| &active.run)
    }

    /// Drops a run that has ended.
    pub fn forget(&mut self, run: RunId) {
        if self.run(run).is_some_and(|run| run.status().is_terminal()) {
            self.runs.remove(&run);
        }
    }

    /// Resources that ready steps ask for and no worker offers, with the runs that wait for them.
    pub fn unservable(&self) -> Vec<(Vec<String>, Vec<RunId>)> {
        let waiting = self.placement.unservable();
        waiting.map(|(demand, runs)| (demand.keys().cloned().collect(), runs.collect())).collect()
    }

    fn submitted(
        &mut self,
        id: RunId,
        layout: Arc<Layout>,
        plan: ValueDigest,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        if self.runs.contains_key(&id) {
            return;
        }
        self.activate(Run::new(id, layout));
        self.record(id, Event::RunAccepted { plan }, now, actions);
        self.settle(id, now, actions);
    }

    fn activate(&mut self, run: Run) {
        self.n_runs += 1;
        let layout = run.layout.clone();
        let classes = layout.demands.iter().map(|demand| self.placement.class(demand));
        let active = Active {
            number: self.n_runs,
            classes: classes.collect(),
            queues: BTreeMap::new(),
            means_us: vec![None; layout.n_ops],
            run,
        };
        self.runs.insert(active.run.id, active);
    }

    fn take_over(&mut self, mut run: Run, now: Timestamp, actions: &mut Vec<Action>) {
        let id = run.id;
        // The fold offered every step that was ever ready; what is ready now is read from the statuses.
        run.fresh.clear();
        let mut lost = vec![];
        for (at_step, step) in (0_u32..).zip(&run.steps) {
            let last = step.history.as_ref().and_then(|history| history.attempts.last());
            if let Some(last) = last {
                self.keep_ahead_of(last.fence);
            }
            match (step.status, last) {
                (StepStatus::Ready, _) => run.fresh.push(at_step),
                (StepStatus::Retrying, Some(last)) => {
                    let at = last.retry_at.unwrap_or(now).min(now + cofferdam_model::RETRY_DELAY_MAX);
                    self.retries.push(Reverse((at, id, at_step)));
                }
                (StepStatus::Running, Some(last)) => {
                    lost.push((at_step, last.number, last.fence, last.worker))
                }
                _ => {}
            }
        }
        self.activate(run);
        for (at_step, attempt, fence, worker) in lost {
            self.lose(id, at_step, attempt, fence, worker, now, actions);
        }
        self.settle(id, now, actions);
    }

    /// No fence is given twice, also if a run comes back within the term that drove it before.
    fn keep_ahead_of(&mut self, fence: Fence) {
        if term(fence) == self.term.0 {
            let given = u32::try_from(fence.0 & u64::from(u32::MAX)).expect("it is masked to 32 bits");
            self.n_fences = self.n_fences.max(given);
        }
    }

    fn fence(&mut self) -> Fence {
        self.n_fences = self.n_fences.checked_add(1).expect("no scheduler makes 4 billion claims");
        Fence((self.term.0 << 32) | u64::from(self.n_fences))
    }

    /// Makes an event of a step true.
    fn record_of(
        &mut self,
        id: RunId,
        at_step: u32,
        event: Event,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        self.active(id).run.expect_step(at_step);
        self.record(id, event, now, actions);
    }

    /// Makes an event true: folds it and hands it out to be written.
    fn record(&mut self, id: RunId, event: Event, now: Timestamp, actions: &mut Vec<Action>) {
        let active = self.active(id);
        let event = Recorded { seq: active.run.seq + 1, at: now, event };
        active.run.apply(&event).expect("the engine decides only what fits the run's history");
        actions.push(Action::Append { run: id, event });
    }

    /// Carries the consequences of what was recorded to their end: proposals become events, fresh steps go
    /// to their queues, a run without open steps finishes.
    fn settle(&mut self, id: RunId, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some((at_step, verdict)) = self.active(id).run.proposals.pop_front() {
            let run = &self.active(id).run;
            let step = &run.steps[at_step as usize];
            if step.status.is_terminal() {
                continue;
            }
            let key = step.key.clone();
            let event = match verdict {
                Verdict::Run => continue,
                Verdict::Skip(input) => Event::StepSkipped { step: key, input },
                Verdict::Abandon(root) => {
                    Event::StepAbandoned { step: key, root: run.steps[root as usize].key.clone() }
                }
                Verdict::Cancel => Event::StepCancelled { step: key },
            };
            self.record_of(id, at_step, event, now, actions);
        }
        let active = self.active(id);
        for at_step in std::mem::take(&mut active.run.fresh) {
            active.enqueue(at_step);
        }
        if active.run.n_open() == 0 && !active.run.status.is_terminal() {
            let status = match active.run.status {
                RunStatus::Cancelling => RunStatus::Cancelled,
                _ if active.run.count(StepStatus::Failed) > 0 => RunStatus::Failed,
                _ => RunStatus::Succeeded,
            };
            self.record(id, Event::RunFinished { status }, now, actions);
            actions.push(Action::RunEnded { run: id, status });
        }
        self.show_heads(id);
    }

    fn active(&mut self, id: RunId) -> &mut Active {
        self.runs.get_mut(&id).expect("only runs that are driven are decided on")
    }

    /// Tells the placement what stands at the head of each of the run's queues.
    fn show_heads(&mut self, id: RunId) {
        let Some(active) = self.runs.get_mut(&id) else {
            return;
        };
        let full = active.is_full();
        for (class, queue) in &mut active.queues {
            let head = if full { None } else { queue.first(&active.run) };
            let head = head.map(|turn| (turn.0, active.number, id));
            self.placement.head(*class, queue.head, head);
            queue.head = head;
        }
    }

    /// Steps whose wait is over go to their queues. They stay `Retrying` until they are dispatched: the
    /// passing of time is no event.
    fn wake(&mut self, now: Timestamp) {
        while let Some(Reverse((at, id, at_step))) = self.retries.peek().copied()
            && at <= now
        {
            self.retries.pop();
            if let Some(active) = self.runs.get_mut(&id) {
                active.enqueue(at_step);
                self.show_heads(id);
            }
        }
    }

    fn reported(&mut self, report: Report, now: Timestamp, actions: &mut Vec<Action>) {
        match report {
            Report::Started { id, .. } => self.started(id, now, actions),
            Report::Finished { id, outcome, usage } => self.finished(id, outcome, usage, now, actions),
            // Kept by the shell; they decide nothing.
            Report::Logs { .. } | Report::Progress { .. } => {}
        }
    }

    /// The claim that a report belongs to; none if it comes from an attempt that has been replaced.
    fn claim(&self, id: &AttemptId) -> Option<Claim> {
        let claim = *self.attempts.get(&id.fence)?;
        let step = &self.runs.get(&claim.run)?.run.steps[claim.step as usize];
        let same = claim.run == id.run && step.key == id.step && claim.attempt == id.attempt;
        same.then_some(claim)
    }

    fn started(&mut self, id: AttemptId, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(claim) = self.claim(&id) else {
            return;
        };
        let step = &self.active(claim.run).run.steps[claim.step as usize];
        let last = step.history.as_ref().and_then(|history| history.attempts.last());
        if last.is_some_and(|last| last.started_at.is_some()) {
            return;
        }
        let event = Event::StepStarted { step: id.step, attempt: id.attempt, fence: id.fence };
        self.record_of(claim.run, claim.step, event, now, actions);
    }

    fn finished(
        &mut self,
        id: AttemptId,
        outcome: Outcome,
        usage: Usage,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(claim) = self.claim(&id) else {
            return;
        };
        self.release(id.fence);
        let active = self.active(claim.run);
        active.measure(claim.step, &usage);
        let outcome = match outcome {
            Outcome::Succeeded { outputs, metadata } => match active.run.accepts(claim.step, &outputs) {
                Ok(()) => Outcome::Succeeded { outputs, metadata },
                Err(failure) => Outcome::Failed(failure),
            },
            failed @ Outcome::Failed(_) => failed,
        };
        let event = match outcome {
            Outcome::Succeeded { outputs, metadata } => Event::StepSucceeded {
                step: id.step,
                attempt: id.attempt,
                fence: id.fence,
                outputs,
                metadata,
                usage,
            },
            Outcome::Failed(failure) => self.failure(id, &claim, failure, usage, now),
        };
        self.record_of(claim.run, claim.step, event, now, actions);
        self.settle(claim.run, now, actions);
    }

    /// The event of a failed attempt.
    fn failure(
        &mut self,
        id: AttemptId,
        claim: &Claim,
        failure: Box<Failure>,
        usage: Usage,
        now: Timestamp,
    ) -> Event {
        let run = &self.active(claim.run).run;
        let cancelling = run.status == RunStatus::Cancelling;
        if cancelling && failure.kind == FailureKind::Cancelled {
            return Event::StepCancelled { step: id.step };
        }
        let step = &run.steps[claim.step as usize];
        let policy = &run.layout.step(step.template).retry;
        let random = retry::random(id.run, &id.step, id.attempt);
        let retry_at =
            if cancelling { None } else { retry::retry_at(policy, &failure, step.failures + 1, random, now) };
        if let Some(at) = retry_at {
            self.retries.push(Reverse((at, claim.run, claim.step)));
        }
        Event::StepFailed { step: id.step, attempt: id.attempt, fence: id.fence, failure, usage, retry_at }
    }

    fn release(&mut self, fence: Fence) {
        if let Some(claim) = self.attempts.remove(&fence) {
            self.placement.give_back(claim.worker, claim.class, claim.expected_us);
        }
    }

    fn left(&mut self, worker: WorkerId, now: Timestamp, actions: &mut Vec<Action>) {
        self.placement.leave(worker);
        let claims = self.attempts.iter().filter(|(_, claim)| claim.worker == worker);
        let lost: Vec<(Fence, Claim)> = claims.map(|(fence, claim)| (*fence, *claim)).collect();
        for (fence, claim) in lost {
            self.attempts.remove(&fence);
            self.lose(claim.run, claim.step, claim.attempt, fence, worker, now, actions);
            self.settle(claim.run, now, actions);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one attempt, from two kinds of owners")]
    fn lose(
        &mut self,
        id: RunId,
        at_step: u32,
        attempt: u32,
        fence: Fence,
        worker: WorkerId,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let run = &self.active(id).run;
        let key = run.steps[at_step as usize].key.clone();
        if run.status == RunStatus::Cancelling {
            self.record_of(id, at_step, Event::StepCancelled { step: key }, now, actions);
            return;
        }
        let event = Event::StepLost { step: key.clone(), attempt, fence, worker };
        self.record_of(id, at_step, event, now, actions);
        let losses = self.active(id).run.steps[at_step as usize].losses;
        if losses >= LOSSES_MAX && term(fence) == self.term.0 {
            let message =
                format!("`{key}` lost its worker {losses} times and is given up: it may be what ends them");
            let failure = Failure::new(FailureKind::WorkerLost, message);
            let event = Event::StepFailed {
                step: key,
                attempt,
                fence,
                failure: Box::new(failure),
                usage: Usage::default(),
                retry_at: None,
            };
            self.record_of(id, at_step, event, now, actions);
        }
    }

    fn cancel(&mut self, id: RunId, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(active) = self.runs.get(&id) else {
            return;
        };
        if active.run.status.is_terminal() || active.run.status == RunStatus::Cancelling {
            return;
        }
        self.record(id, Event::RunCancelRequested, now, actions);
        let steps = &self.runs[&id].run.steps;
        for (fence, claim) in self.attempts.iter().filter(|(_, claim)| claim.run == id) {
            let step = steps[claim.step as usize].key.clone();
            let id = AttemptId { run: id, step, attempt: claim.attempt, fence: *fence };
            actions.push(Action::CancelAttempt { worker: claim.worker, id });
        }
        self.settle(id, now, actions);
    }

    /// Gives ready steps to workers until one of both runs out.
    fn place(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        loop {
            let runs = &self.runs;
            let expected = |id: RunId, class: u32| runs.get(&id).and_then(|active| active.expected(class));
            let Some((id, class, worker)) = self.placement.next(expected) else {
                return;
            };
            let active = self.active(id);
            let expected_us = active.expected(class);
            let at_step = active.next(class);
            let fence = self.fence();
            let run = &self.active(id).run;
            let step = &run.steps[at_step as usize];
            let attempts = step.history.as_ref().map_or(&[][..], |history| &history.attempts);
            let attempt = attempts.last().map_or(1, |last| last.number + 1);
            let assignment = Box::new(run.assignment(at_step, attempt, fence));
            let event = Event::StepDispatched { step: step.key.clone(), attempt, fence, worker };
            self.record_of(id, at_step, event, now, actions);
            self.placement.take(worker, class, expected_us);
            let claim = Claim { run: id, step: at_step, attempt, worker, class, expected_us };
            self.attempts.insert(fence, claim);
            actions.push(Action::Dispatch { worker, assignment });
            self.show_heads(id);
        }
    }
}

impl Active {
    fn is_full(&self) -> bool {
        let max = self.run.layout.plan.max_concurrent;
        max.is_some_and(|max| self.run.n_running() >= max.max(1))
    }

    fn enqueue(&mut self, at_step: u32) {
        let step = &self.run.steps[at_step as usize];
        if !is_ready(step.status) {
            return;
        }
        let template = &self.run.layout.templates[step.template as usize];
        let turn = (
            Reverse(self.run.layout.step(step.template).priority),
            template.anchor,
            Reverse(self.run.layout.scope_of(step.template).depth),
            step.group,
            step.template,
            at_step,
        );
        let class = self.classes[template.demand as usize];
        self.queues.entry(class).or_default().steps.push(Reverse(turn));
    }

    /// Expected time of the step at the head of a queue.
    fn expected(&self, class: u32) -> Option<u32> {
        let Reverse(turn) = self.queues.get(&class)?.steps.peek()?;
        let op = self.run.layout.templates[turn.4 as usize].op;
        self.means_us[op as usize]
    }

    fn next(&mut self, class: u32) -> u32 {
        let queue = self.queues.get_mut(&class).expect("the placement names queues that have a head");
        let Reverse(turn) = queue.steps.pop().expect("a queue that has a head is not empty");
        turn.5
    }

    /// Updates the mean time of the op, the newest attempt counting for a quarter.
    fn measure(&mut self, at_step: u32, usage: &Usage) {
        let template = self.run.steps[at_step as usize].template;
        let op = self.run.layout.templates[template as usize].op;
        let mean = &mut self.means_us[op as usize];
        let wall = u32::try_from(usage.wall_us).unwrap_or(u32::MAX);
        *mean = Some(mean.map_or(wall, |mean| mean / 4 * 3 + wall / 4));
    }
}

impl Queue {
    /// The first step that is still to be run; those that were cancelled meanwhile fall away.
    fn first(&mut self, run: &Run) -> Option<Turn> {
        while let Some(Reverse(turn)) = self.steps.peek() {
            if is_ready(run.steps[turn.5 as usize].status) {
                return Some(*turn);
            }
            self.steps.pop();
        }
        None
    }
}

fn is_ready(status: StepStatus) -> bool {
    matches!(status, StepStatus::Ready | StepStatus::Retrying)
}

impl Run {
    /// Checks outputs that a worker reports against what the step declares, before they are committed.
    fn accepts(&self, at_step: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let step = &self.steps[at_step as usize];
        let declared = &self.layout.step(step.template).outputs;
        let refuse = |message| Err(Box::new(Failure::new(FailureKind::OutputSpec, message)));
        let mut seen = HashSet::new();
        for output in outputs {
            let name = &output.name;
            let Some(spec) = declared.iter().find(|spec| spec.name == *name) else {
                return refuse(format!("the output `{name}` is not declared"));
            };
            if spec.dynamic != output.key.is_some() {
                let expected = if spec.dynamic { "a mapping key" } else { "no mapping key" };
                return refuse(format!("the output `{name}` takes {expected}"));
            }
            if outputs.len() > 1 && !seen.insert((name, &output.key)) {
                let key = output.key.as_ref().map(|key| format!(" with the key `{key}`"));
                return refuse(format!("the output `{name}`{} came twice", key.unwrap_or_default()));
            }
        }
        let missing = |spec: &&cofferdam_model::PlanOutput| {
            spec.required && !spec.dynamic && !outputs.iter().any(|output| output.name == spec.name)
        };
        if let Some(spec) = declared.iter().find(missing) {
            return refuse(format!("the required output `{}` is missing", spec.name));
        }
        self.fits(step.template, outputs)
    }

    /// Bounds what a dynamic output may add to the run.
    fn fits(&self, template: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let spawns = &self.layout.templates[template as usize].spawns;
        let copies = spawns.iter().map(|(name, scope)| {
            let n_values = outputs.iter().filter(|output| output.name == *name).count();
            n_values * self.layout.scopes[*scope as usize].members.len()
        });
        let n_steps = self.steps.len() + copies.sum::<usize>();
        if n_steps > STEPS_MAX {
            let message = format!(
                "the run would have {n_steps} steps, {STEPS_MAX} are allowed; emit fewer mapping keys"
            );
            let mut failure = Failure::new(FailureKind::OutputLimit, message);
            failure.retry = cofferdam_model::RetryAdvice::Never;
            return Err(Box::new(failure));
        }
        Ok(())
    }
}
