//! The engine: takes inputs, records decisions as events, answers with actions.

mod admit;
mod census;
mod fleet;
mod follow;
mod hedge;
mod limits;
mod lost;
mod queue;
mod queues;
mod recover;
mod report;
mod roster;
mod wait;
mod why;

pub use census::Census;
pub use roster::{Present, Under};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use cofferdam_model::{
    Assignment, AttemptId, Event, Fence, Isolation, Known, Memo, Origin, PRIORITY_TAG, Plan, Publication,
    Recorded, Report, Review, RunId, RunLimit, RunStatus, Standing, StepKey, StepStatus, Term, Timestamp,
    UsedUp, ValueDigest, Why, WorkerId, namespace,
};

use self::admit::Admissions;
use self::lost::Holders;
use self::queue::{Active, Runs};
use crate::layout::Layout;
use crate::place::{Candidate, Claim, Claims, Offer, Placed, Placement, Quotas};
use crate::run::Run;
use crate::verdict::Verdict;

/// What an engine needs to know.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The time in office in which it decides; its fences begin with it.
    pub term: Term,
    pub quotas: Quotas,
}

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A run is to be driven.
    RunSubmitted(Box<Submission>),
    /// A worker offers slots, room for `queue` more attempts, resources, and labels that steps may ask for; it may know
    /// when it will be gone. Its id is new, or it comes back, with the attempts that it has or has ended unheard: those
    /// stay its own, and what was ordered and never reached it is ordered again.
    WorkerJoined {
        worker: WorkerId,
        slots: u32,
        queue: u32,
        resources: BTreeMap<String, f64>,
        labels: BTreeMap<String, String>,
        ends_at: Option<Timestamp>,
        held: Vec<AttemptId>,
    },
    /// A worker cannot be heard. It gets nothing more and keeps its attempts, until it comes back or has left.
    WorkerSilent {
        worker: WorkerId,
    },
    /// A worker wants to leave: it gets nothing more, and hears that with [`Action::Release`].
    WorkerDraining {
        worker: WorkerId,
    },
    WorkerLeft {
        worker: WorkerId,
    },
    /// What a worker says of an attempt; nothing, if the attempt is not its own.
    Report {
        worker: WorkerId,
        report: Report,
    },
    /// What somebody says of a step; nothing, if the step does not wait to be approved.
    Reviewed {
        run: RunId,
        step: StepKey,
        review: Review,
    },
    CancelRequested {
        run: RunId,
    },
    /// What namespaces have used, by what is on record.
    Standing(BTreeMap<String, Standing>),
    /// The answer to [`Action::Recall`].
    Recalled {
        run: RunId,
        step: StepKey,
        found: Option<Memo>,
    },
    /// Nothing but the passing of time.
    Tick,
}

/// A run to be driven.
#[derive(Debug, Clone)]
pub struct Submission {
    pub run: RunId,
    pub layout: Arc<Layout>,
    /// Digest of the stored form of the plan.
    pub plan: ValueDigest,
    /// Where a re-execution comes from.
    pub origin: Option<Box<Origin>>,
    /// Steps that end as it is said here, without being run.
    pub known: Arc<Known>,
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
    /// Look for an earlier result. The step waits for the answer, [`Input::Recalled`].
    Recall { run: RunId, step: StepKey, memo: ValueDigest },
    /// Put a committed output where people look for it. May come twice, after a restart.
    Publish { worker: WorkerId, publication: Box<Publication> },
    /// Tell a worker that nothing follows.
    Release { worker: WorkerId },
    /// Tell a worker that nobody will read what it has of a run.
    Forget { worker: WorkerId, run: RunId },
    /// Tell who watches a run that no worker that can be heard offers what a step of it asks for; or, without a reason,
    /// that one does again. Said of the first such step, once for all that ask for the same.
    Waits { run: RunId, step: StepKey, why: Option<Why> },
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
    attempts: Claims,
    placement: Placement,
    admissions: Admissions,
    /// When it was last told something.
    now: Timestamp,
    /// With whom attempts of a namespace share a process at most.
    isolation: BTreeMap<String, Isolation>,
    retries: BinaryHeap<Reverse<(Timestamp, RunId, u32)>>,
    /// When runs are looked at for their limits.
    limits: BinaryHeap<Reverse<(Timestamp, RunId)>>,
    /// When the waits of steps are over.
    waits: BinaryHeap<Reverse<(Timestamp, RunId, u32)>>,
    /// When attempts are looked at that may get another beside them.
    hedges: BinaryHeap<Reverse<(Timestamp, RunId, u32, Fence)>>,
    holders: Holders,
    /// Publications that wait for a worker.
    unpublished: Vec<Publication>,
}

impl Engine {
    pub fn new(mut settings: Settings) -> Engine {
        Engine {
            term: settings.term,
            n_fences: 0,
            n_runs: 0,
            runs: BTreeMap::new(),
            attempts: Claims::default(),
            now: Timestamp(0),
            isolation: std::mem::take(&mut settings.quotas.isolation),
            admissions: Admissions::new(std::mem::take(&mut settings.quotas.runs)),
            placement: Placement::new(settings.quotas),
            retries: BinaryHeap::new(),
            limits: BinaryHeap::new(),
            waits: BinaryHeap::new(),
            hedges: BinaryHeap::new(),
            holders: Holders::default(),
            unpublished: vec![],
        }
    }

    /// Takes one input and answers with everything that follows from it at that time. Inputs that no longer
    /// matter (late reports, unknown runs) are answered with nothing.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Action> {
        let mut actions = vec![];
        self.now = now;
        self.wake(now, &mut actions);
        match input {
            Input::RunSubmitted(submission) => self.submitted(*submission, now, &mut actions),
            Input::WorkerJoined { worker, slots, queue, resources, labels, ends_at, held } => {
                self.placement.workers.join(worker, Offer { slots, queue, resources, labels, ends_at });
                self.back(worker, held, now, &mut actions);
                self.look_again(now, &mut actions);
                self.survey(now, &mut actions);
            }
            Input::WorkerSilent { worker } => {
                self.placement.workers.fall_silent(worker);
                self.survey(now, &mut actions);
            }
            Input::WorkerDraining { worker } => {
                if self.placement.workers.drain(worker) {
                    actions.push(Action::Release { worker });
                    self.survey(now, &mut actions);
                }
            }
            Input::WorkerLeft { worker } => {
                self.left(worker, now, &mut actions);
                self.survey(now, &mut actions);
            }
            Input::Report { worker, report } => self.reported(worker, report, now, &mut actions),
            Input::Reviewed { run, step, review } => self.reviewed(run, &step, review, now, &mut actions),
            Input::CancelRequested { run } => self.cancel(run, None, now, &mut actions),
            Input::Recalled { run, step, found } => self.recalled(run, &step, found, now, &mut actions),
            Input::Standing(of) => {
                of.into_iter().for_each(|(namespace, standing)| {
                    self.placement.stands(&namespace, standing, now);
                });
            }
            Input::Tick => {}
        }
        self.admit(now);
        self.place(now, &mut actions);
        self.hedge(now, &mut actions);
        self.publish(&mut actions);
        actions
    }

    /// When to call again if nothing happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let retry = self.retries.peek().map(|Reverse((at, _, _))| *at);
        let limit = self.limits.peek().map(|Reverse((at, _))| *at);
        let wait = self.waits.peek().map(|Reverse((at, _, _))| *at);
        let others = self.placement.next_hour(self.now).into_iter().chain(self.next_admission());
        let hedge = self.hedges.peek().map(|Reverse((at, ..))| *at);
        retry.into_iter().chain(limit).chain(wait).chain(hedge).chain(others).min()
    }

    /// Which quota does not let a run of that plan be accepted now.
    pub fn refuses(&mut self, plan: &Plan, now: Timestamp) -> Option<UsedUp> {
        self.placement.refuses(namespace(&plan.tags), plan.libraries.values().copied(), now)
    }

    /// A run that is driven or has just ended.
    pub fn run(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run).map(|active| &active.run)
    }

    /// Whether this attempt is under way, and that worker's.
    pub fn holds(&self, worker: WorkerId, id: &AttemptId) -> bool {
        self.claim(worker, id).is_some()
    }

    /// Workers that have attempts or values and are not there: silent ones, and those that a scheduler before this one
    /// knew.
    pub fn absent(&self) -> BTreeSet<WorkerId> {
        let owners = self.attempts.iter().map(|(_, claim)| claim.worker).chain(self.holders.workers());
        owners.filter(|worker| !self.placement.workers.knows(*worker)).collect()
    }

    /// Drops a run that has ended.
    pub fn forget(&mut self, run: RunId) {
        if self.run(run).is_some_and(|run| run.status().is_terminal()) {
            self.runs.remove(&run);
        }
    }

    fn submitted(&mut self, submission: Submission, now: Timestamp, actions: &mut Vec<Action>) {
        let Submission { run: id, layout, plan, origin, known } = submission;
        if self.runs.contains_key(&id) {
            return;
        }
        self.activate(Run::with_known(id, layout, known));
        self.record(id, Event::RunAccepted { plan, origin }, now, actions);
        self.line_up_run(id, now);
        self.survey_new(id, now);
        self.settle(id, now, actions);
    }

    fn activate(&mut self, run: Run) {
        self.n_runs += 1;
        let layout = run.layout.clone();
        let tags = &layout.plan.tags;
        let namespace = namespace(tags);
        self.placement.needs(namespace, layout.plan.libraries.values().copied());
        let lines = layout.lines.all.iter();
        let classes = lines.map(|line| self.placement.class(&line.demand, namespace, &mut self.attempts));
        let active = Active {
            number: self.n_runs,
            // As Dagster does, what is no number counts as 0.
            admitted_at: None,
            priority: tags.get(PRIORITY_TAG).and_then(|text| text.trim().parse().ok()).unwrap_or(0),
            classes: classes.collect(),
            queues: BTreeMap::new(),
            recalling: BTreeSet::new(),
            held_up: BTreeSet::new(),
            unserved: BTreeMap::new(),
            means_us: vec![None; layout.n_ops],
            run,
        };
        self.runs.insert(active.run.id, active);
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
        // What a step is to read may have been lost: then others become ready, or are found not to be able to run.
        loop {
            self.settle_proposals(id, now, actions);
            let fresh = std::mem::take(&mut self.active(id).run.fresh);
            if fresh.is_empty() {
                break;
            }
            for at_step in fresh {
                self.take_up(id, at_step, now, actions);
            }
        }
        let active = self.active(id);
        if active.run.n_open() == 0 && !active.run.status.is_terminal() {
            let status = match active.run.status {
                RunStatus::Cancelling if active.run.limit.is_none() => RunStatus::Cancelled,
                RunStatus::Cancelling => RunStatus::Failed,
                _ if active.run.n_failures > 0 => RunStatus::Failed,
                _ => RunStatus::Succeeded,
            };
            self.record(id, Event::RunFinished { status }, now, actions);
            self.leave_queue(id);
            let told = self.holders.forget(id).into_iter();
            let told = told.filter(|worker| self.placement.workers.knows(*worker));
            actions.extend(told.map(|worker| Action::Forget { worker, run: id }));
            actions.push(Action::RunEnded { run: id, status });
        }
        self.show_heads(id);
    }

    /// Makes true how steps end without an attempt.
    fn settle_proposals(&mut self, id: RunId, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some((at_step, verdict)) = self.active(id).run.proposals.pop_front() {
            let run = &self.active(id).run;
            let step = &run.steps[at_step as usize];
            if step.status.is_terminal() {
                continue;
            }
            let key = step.key.clone();
            let cancelling = run.status == RunStatus::Cancelling;
            let event = match verdict {
                Verdict::Run => continue,
                Verdict::Wait => {
                    self.begin_wait(id, at_step, now, actions);
                    continue;
                }
                Verdict::Known if cancelling => Event::StepCancelled { step: key, usage: None },
                Verdict::Known => run.known_end(at_step).expect("what is proposed as known is known"),
                Verdict::Skip(input) => Event::StepSkipped { step: key, input },
                Verdict::Abandon(root) => {
                    Event::StepAbandoned { step: key, root: run.steps[root as usize].key.clone() }
                }
                Verdict::Cancel => Event::StepCancelled { step: key, usage: None },
            };
            self.record_of(id, at_step, event, now, actions);
        }
    }

    /// Does what a step needs that has become ready.
    fn take_up(&mut self, id: RunId, at_step: u32, now: Timestamp, actions: &mut Vec<Action>) {
        let active = self.active(id);
        let last = active.run.attempts(at_step).last();
        // It has waited for something that was made anew, and its own wait is not over.
        if let Some(at) = last.and_then(|last| last.retry_at).filter(|at| *at > now) {
            self.retries.push(Reverse((at, id, at_step)));
            return;
        }
        match active.to_recall(at_step) {
            Some(memo) => {
                active.recalling.insert(at_step);
                let step = active.run.steps[at_step as usize].key.clone();
                actions.push(Action::Recall { run: id, step, memo });
            }
            None => self.line_up(id, at_step, now, actions),
        }
    }

    fn active(&mut self, id: RunId) -> &mut Active {
        self.runs.get_mut(&id).expect("only runs that are driven are decided on")
    }

    /// Puts a ready step into its queue.
    fn enqueue(&mut self, id: RunId, at_step: u32, now: Timestamp) {
        let Some(active) = self.runs.get_mut(&id) else {
            return;
        };
        let home = self.placement.workers.near.home(&active.run.wanted(at_step));
        active.enqueue(at_step, home, now);
    }

    /// Tells the placement what stands at the head of each of the run's queues.
    fn show_heads(&mut self, id: RunId) {
        let Some(active) = self.runs.get_mut(&id) else {
            return;
        };
        let full = active.is_full();
        let lines: Vec<u32> = active.queues.keys().copied().collect();
        for line in lines {
            let head = active.head(line, full);
            let queue = active.queues.get_mut(&line).expect("it is one of them");
            self.placement.head(active.classes[line as usize], queue.head, head);
            queue.head = head;
            if queue.is_empty() {
                active.queues.remove(&line);
            }
        }
    }

    /// Steps whose wait is over go to their queues, and runs whose time is over end. Steps stay `Retrying` until they are
    /// dispatched: the passing of time is no event.
    fn wake(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(Reverse((at, id, at_step))) = self.retries.peek().copied()
            && at <= now
        {
            self.retries.pop();
            if self.runs.contains_key(&id) {
                self.line_up(id, at_step, now, actions);
                self.settle(id, now, actions);
            }
        }
        self.end_waits(now, actions);
        self.enforce_limits(now, actions);
    }

    fn cancel(&mut self, id: RunId, limit: Option<RunLimit>, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(active) = self.runs.get(&id) else {
            return;
        };
        if active.run.status.is_terminal() || active.run.status == RunStatus::Cancelling {
            return;
        }
        self.record(id, Event::RunCancelRequested { limit }, now, actions);
        let stopped = self.under_way(id).filter(|(_, attempt)| {
            let run = &self.runs[&id].run;
            !run.find(&attempt.step).is_ok_and(|at_step| run.is_tear_down(at_step))
        });
        actions.extend(stopped.map(|(worker, id)| Action::CancelAttempt { worker, id }));
        self.settle(id, now, actions);
    }

    /// The attempts of a run that have not ended, oldest first, and where they are.
    pub(crate) fn under_way(&self, id: RunId) -> impl Iterator<Item = (WorkerId, AttemptId)> {
        let claims = self.attempts.iter().filter(move |(_, claim)| claim.run == id && !claim.outrun);
        claims.map(move |(fence, claim)| {
            let step = self.runs[&id].run.steps[claim.step as usize].key.clone();
            (claim.worker, AttemptId { run: id, step, attempt: claim.attempt, fence: *fence })
        })
    }

    /// Gives ready steps to workers until one of both runs out.
    fn place(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(placed) = self.placement.next(now, &self.attempts, &mut Runs(&mut self.runs)) {
            self.active(placed.run).placed(placed.line, placed.step.at_step, now);
            self.dispatch(&placed, now, actions);
            self.show_heads(placed.run);
        }
    }

    /// Orders an attempt where it was placed: the first one of a step that is ready, or one beside another.
    fn dispatch(&mut self, placed: &Placed, now: Timestamp, actions: &mut Vec<Action>) {
        let Placed { run: id, class, worker, .. } = *placed;
        let Candidate { at_step, expected_us, .. } = placed.step;
        self.placement.take(placed);
        let fence = self.fence();
        let run = &self.active(id).run;
        let attempt = run.next_attempt(at_step);
        let is_beside = run.steps[at_step as usize].status == StepStatus::Running;
        let assignment = self.order(&self.runs[&id].run, at_step, attempt, fence);
        let step = assignment.id.step.clone();
        let event = if is_beside {
            Event::StepHedged { step, attempt, fence, worker }
        } else {
            Event::StepDispatched { step, attempt, fence, worker }
        };
        self.record_of(id, at_step, event, now, actions);
        let claim = Claim { run: id, step: at_step, attempt, worker, class, expected_us, outrun: false };
        self.attempts.insert(fence, claim);
        actions.push(Action::Dispatch { worker, assignment });
    }

    /// The order to run an attempt of a ready step.
    fn order(&self, run: &Run, at_step: u32, attempt: u32, fence: Fence) -> Box<Assignment> {
        let mut assignment = Box::new(run.assignment(at_step, attempt, fence));
        assignment.isolation = self.isolation.get(&assignment.namespace).copied().unwrap_or_default();
        assignment
    }
}
