//! The loop: orders and events of cells in, frames and reports out, in batches. Nothing in it waits for a
//! cell, the store or the scheduler; what takes time is a task whose end is another event.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_cell::{Artefact, Artefacts, Cell, CellEvent, CellUsage, Target, Ticket};
use cofferdam_depot::Depot;
use cofferdam_io::Stores;
use cofferdam_model::{
    Assignment, AttemptId, Failure, FailureKind, MetadataEntry, Moved, Name, Order, Place, Publication,
    Report, ValueDigest, ValueRef,
};
use cofferdam_resources::Resources;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::Settings;
use crate::ends::cancelled;
use crate::environment;
use crate::job::{Fuel, Job, LibraryKey};
use crate::observe::{Got, Observer};
use crate::prepare;
use crate::publish::publish;
use crate::slot::Slot;
use crate::spent::{Prepared, Spent};
use crate::values::Settled;

/// How often cells are looked at: are they late, are they silent? Far below the grace that they have.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Batches of frames that may wait for the loop.
const EVENTS_MAX: usize = 256;
/// Cells that may die in a row before they have started up; then what waits fails.
const START_FAILURES_MAX: u32 = 3;
/// Verified values that are remembered; more than are hot at a time, at 100 bytes each.
const VERIFIED_MAX: usize = 100_000;

/// Libraries that are announced and not yet prepared; more than a plan has.
const AHEAD_MAX: usize = 1000;

enum Library {
    /// Being fetched and compiled; these wait for it.
    Coming(Vec<Job>),
    Ready(u32, Artefact),
    /// Compiled just now, and still no cell can load it.
    Refused(Failure),
}

/// The end of a task.
enum Done {
    Library(LibraryKey, Result<(Artefact, Prepared), Failure>),
    Inputs(Ticket, Vec<(Name, ValueRef)>, Result<Vec<ValueRef>, Failure>, Moved),
}

/// An attempt whose inputs are being verified.
struct Verifying {
    job: Job,
    task: AbortHandle,
    since: Instant,
}

/// What becomes of an attempt once its values are settled.
pub(crate) enum Settling {
    Finish {
        assignment: Box<Assignment>,
        /// Facts about the step; its outputs come from the task that keeps them.
        result: Result<Vec<MetadataEntry>, Failure>,
        used: CellUsage,
        spent: Spent,
        /// When its guest had ended.
        since: Instant,
    },
    /// Its cell died through no fault of its own. It runs again under the same fence, so what it had written
    /// must be gone first.
    Again(Job),
}

pub(crate) struct Supervisor {
    pub(crate) settings: Settings,
    depot: Depot,
    pub(crate) stores: Stores,
    pub(crate) resources: Arc<Resources>,
    artefacts: Artefacts,
    pub(crate) slots: Vec<Slot>,
    events: mpsc::Receiver<(u64, CellEvent)>,
    /// For the next cell.
    to_events: mpsc::Sender<(u64, CellEvent)>,
    tasks: JoinSet<Done>,
    /// The tasks that serve values.
    pub(crate) serving: JoinSet<(Ticket, Settled)>,
    /// The task that publishes, and its queue.
    publishing: JoinSet<()>,
    publications: mpsc::UnboundedSender<Publication>,
    /// Ready to run.
    pub(crate) queue: VecDeque<Job>,
    /// Came before the first cell had said for which engine to compile.
    pub(crate) early: Vec<Job>,
    pub(crate) fingerprint: Option<String>,
    libraries: HashMap<LibraryKey, Library>,
    /// Libraries that may be needed.
    ahead: VecDeque<LibraryKey>,
    /// Values that were verified, and where each can be read.
    verified: HashMap<(String, ValueDigest), ValueRef>,
    verifying: HashMap<Ticket, Verifying>,
    pub(crate) settling: HashMap<Ticket, Settling>,
    pub(crate) reports: Vec<Report>,
    next_ticket: Ticket,
    next_cell: u64,
    next_library: u32,
    pub(crate) start_failures: u32,
    /// Attempts that have not been reported as finished.
    pub(crate) open: usize,
}

impl Supervisor {
    pub(crate) fn new(
        settings: Settings,
        depot: Depot,
        stores: Stores,
        resources: Arc<Resources>,
        artefacts: Artefacts,
    ) -> Supervisor {
        let (to_events, events) = mpsc::channel(EVENTS_MAX);
        let (publications, queue) = mpsc::unbounded_channel();
        let mut publishing = JoinSet::new();
        publishing.spawn(publish(stores.clone(), queue));
        let slots = (0..settings.slots.max(1)).map(|_| Slot::default()).collect();
        Supervisor {
            settings,
            depot,
            stores,
            resources,
            artefacts,
            slots,
            events,
            to_events,
            tasks: JoinSet::new(),
            serving: JoinSet::new(),
            publishing,
            publications,
            queue: VecDeque::new(),
            early: vec![],
            fingerprint: None,
            libraries: HashMap::new(),
            ahead: VecDeque::new(),
            verified: HashMap::new(),
            settling: HashMap::new(),
            verifying: HashMap::new(),
            reports: vec![],
            next_ticket: 1,
            next_cell: 1,
            next_library: 0,
            start_failures: 0,
            open: 0,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Vec<Order>>,
        reports: mpsc::Sender<Vec<Report>>,
    ) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closed = false;
        while !(closed && self.open == 0 && self.reports.is_empty()) {
            self.start_cells();
            self.feed();
            self.give_back();
            self.prepare_ahead();
            tokio::select! {
                batch = orders.recv(), if !closed => match batch {
                    Some(batch) => self.take(batch),
                    None => closed = true,
                },
                Some((number, event)) = self.events.recv() => {
                    self.on_event(number, event);
                    while let Ok((number, event)) = self.events.try_recv() {
                        self.on_event(number, event);
                    }
                }
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.on_done(done),
                    Err(error) => assert!(error.is_cancelled(), "tasks do not panic"),
                },
                Some(done) = self.serving.join_next() => self.on_settled(done.expect("tasks do not panic")),
                permit = reports.reserve(), if !self.reports.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.reports)),
                    // Nobody listens any more.
                    Err(_) => break,
                },
                _ = looks.tick() => {
                    let now = Instant::now();
                    self.slots.iter_mut().for_each(|slot| slot.look(now));
                }
            }
        }
        // Attempts that came to nothing may have left values to remove.
        self.slots.clear();
        while self.serving.join_next().await.is_some() {}
        drop(self.publications);
        while self.publishing.join_next().await.is_some() {}
    }

    fn take(&mut self, batch: Vec<Order>) {
        self.start_failures = 0;
        let now = Instant::now();
        for order in batch {
            match order {
                Order::Run(mut assignment) => {
                    let ticket = self.ticket();
                    self.open += 1;
                    self.tell(|observer| observer.received());
                    let filled = environment::fill(&mut assignment, self.settings.environment);
                    let job = Job {
                        ticket,
                        assignment,
                        readable: vec![],
                        spent: Spent::new(now),
                        started: false,
                        n_lines: 0,
                        resent: 0,
                        cancelled: false,
                    };
                    match filled {
                        Ok(()) => self.prepare(job),
                        Err(failure) => self.fail(job, failure),
                    }
                }
                Order::Cancel(id) => self.cancel(&id),
                Order::Prepare(needed) => {
                    let room = AHEAD_MAX.saturating_sub(self.ahead.len());
                    self.ahead
                        .extend(needed.into_iter().take(room).map(|needed| (needed.library, needed.fuel)));
                }
                // For who carries the orders: this side ends when they do.
                Order::Received { .. } | Order::Last => {}
                Order::Publish(publication) => {
                    let _ = self.publications.send(*publication);
                }
            }
        }
    }

    pub(crate) fn tell(&self, news: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.settings.observer {
            news(&**observer);
        }
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// Brings an attempt one step nearer to the queue.
    pub(crate) fn prepare(&mut self, mut job: Job) {
        if self.fingerprint.is_none() {
            return self.early.push(job);
        }
        let key = job.library();
        match self.libraries.get_mut(&key) {
            Some(Library::Ready(..)) => {
                if job.spent.is_untouched() {
                    self.tell(|observer| observer.library(Got::Memory));
                }
            }
            Some(Library::Coming(waiting)) => {
                job.spent.waits(Instant::now());
                return waiting.push(job);
            }
            Some(Library::Refused(failure)) => {
                let failure = failure.clone();
                return self.fail(job, failure);
            }
            None => {
                job.spent.waits(Instant::now());
                return self.fetch(key, vec![job]);
            }
        }
        let (mut readable, mut unverified) = (vec![], vec![]);
        for (name, value) in job.stored() {
            match self.verified.get(&verified_as(&value)) {
                Some(ready) => readable.push((name, ready.clone())),
                None => unverified.push((name, value)),
            }
        }
        if unverified.is_empty() {
            job.readable = readable;
            return self.queue.push_back(job);
        }
        let (stores, ticket) = (self.stores.clone(), job.ticket);
        let task = self.tasks.spawn(async move {
            let moved = Moved::default();
            let outcome = prepare::verify(&stores, &unverified, &moved).await;
            Done::Inputs(ticket, unverified, outcome, moved)
        });
        self.verifying.insert(ticket, Verifying { job, task, since: Instant::now() });
    }

    /// The engine that the cells have, once one has said so.
    fn target(&self, fuel: Fuel) -> Target {
        Target { fingerprint: self.fingerprint.clone().unwrap_or_default(), fuel }
    }

    fn fetch(&mut self, key: LibraryKey, waiting: Vec<Job>) {
        self.libraries.insert(key, Library::Coming(waiting));
        let (digest, fuel) = key;
        let (depot, artefacts, target) = (self.depot.clone(), self.artefacts.clone(), self.target(fuel));
        self.tasks.spawn(async move {
            Done::Library(key, prepare::library(&depot, &artefacts, &digest, &target).await)
        });
    }

    /// Gets one of the libraries that may be needed, while a slot is free and no other library is on its way.
    fn prepare_ahead(&mut self) {
        let coming = |library: &Library| matches!(library, Library::Coming(_));
        if self.ahead.is_empty()
            || self.fingerprint.is_none()
            || self.slots.iter().all(|slot| !slot.given.is_empty())
            || self.libraries.values().any(coming)
        {
            return;
        }
        while let Some(key) = self.ahead.pop_front() {
            if !self.libraries.contains_key(&key) {
                return self.fetch(key, vec![]);
            }
        }
    }

    /// A cell cannot load a library, although its bytes are those that were compiled. An older one is compiled
    /// again; a new one would be refused again.
    pub(crate) fn on_refused(&mut self, number: u32, failure: Failure) {
        let found = self.libraries.iter().find_map(|(key, library)| match library {
            Library::Ready(n, artefact) if *n == number => Some((*key, artefact.is_cached())),
            _ => None,
        });
        // Another cell may have refused it before.
        let Some((key, cached)) = found else { return };
        if cached {
            tracing::warn!(library = %key.0, %failure, "a compiled library is refused; compiling again");
            self.artefacts.forget(&key.0, &self.target(key.1));
            self.fetch(key, vec![]);
        } else {
            self.libraries.insert(key, Library::Refused(failure));
        }
        let queue = std::mem::take(&mut self.queue);
        let (affected, others): (VecDeque<Job>, _) = queue.into_iter().partition(|job| job.library() == key);
        self.queue = others;
        affected.into_iter().for_each(|job| self.prepare(job));
    }

    /// Puts an attempt that a cell did not run in front of the others.
    pub(crate) fn requeue(&mut self, job: Job) {
        if job.cancelled {
            self.fail(job, cancelled());
        } else if matches!(self.libraries.get(&job.library()), Some(Library::Ready(..))) {
            self.queue.push_front(job);
        } else {
            self.prepare(job);
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Library(key, Ok((artefact, prepared))) => {
                let got = if artefact.is_cached() { Got::Cache } else { Got::Compiler };
                self.tell(|observer| observer.library(got));
                let number = self.next_library;
                self.next_library += 1;
                let coming = self.libraries.insert(key, Library::Ready(number, artefact));
                if let Some(Library::Coming(waiting)) = coming {
                    for mut job in waiting {
                        job.spent.library(&prepared);
                        self.prepare(job);
                    }
                }
            }
            Done::Library(key, Err(failure)) => {
                if let Some(Library::Coming(waiting)) = self.libraries.remove(&key) {
                    waiting.into_iter().for_each(|job| self.fail(job, failure.clone()));
                }
            }
            Done::Inputs(ticket, inputs, outcome, moved) => {
                let Some(Verifying { mut job, since, .. }) = self.verifying.remove(&ticket) else {
                    return;
                };
                job.spent.inputs(since.elapsed(), moved.bytes());
                let ready = match outcome {
                    Ok(ready) => ready,
                    Err(failure) => return self.fail(job, failure),
                };
                if self.verified.len() > VERIFIED_MAX {
                    self.verified.clear();
                }
                self.verified.extend(inputs.iter().map(|(_, value)| verified_as(value)).zip(ready));
                // What was forgotten just now is verified again.
                self.prepare(job);
            }
        }
    }

    /// Ends an attempt wherever it is. One that is not here, or whose guest has ended, is left alone.
    fn cancel(&mut self, id: &AttemptId) {
        if self.slots.iter_mut().any(|slot| slot.cancel(id)) {
            return;
        }
        if let Some(job) = self.take_waiting(id) {
            self.fail(job, cancelled());
        }
    }

    /// Takes an attempt that no cell has from the place where it waits.
    fn take_waiting(&mut self, id: &AttemptId) -> Option<Job> {
        let is_it = |job: &Job| job.assignment.id == *id;
        if let Some(at) = self.queue.iter().position(is_it) {
            return self.queue.remove(at);
        }
        let verified =
            self.verifying.iter().find(|(_, verifying)| is_it(&verifying.job)).map(|(ticket, _)| *ticket);
        if let Some(Verifying { job, task, .. }) = verified.and_then(|ticket| self.verifying.remove(&ticket))
        {
            task.abort();
            return Some(job);
        }
        let again = |settling: &Settling| matches!(settling, Settling::Again(job) if is_it(job));
        let settled = self.settling.iter().find(|(_, settling)| again(settling)).map(|(ticket, _)| *ticket);
        if let Some(Settling::Again(job)) = settled.and_then(|ticket| self.settling.remove(&ticket)) {
            return Some(job);
        }
        let coming = self.libraries.values_mut().filter_map(|library| match library {
            Library::Coming(waiting) => Some(waiting),
            Library::Ready(..) | Library::Refused(_) => None,
        });
        for jobs in coming.chain([&mut self.early]) {
            if let Some(at) = jobs.iter().position(is_it) {
                return Some(jobs.remove(at));
            }
        }
        None
    }

    fn start_cells(&mut self) {
        for slot in &mut self.slots {
            if slot.cell.is_some() || self.start_failures >= START_FAILURES_MAX {
                continue;
            }
            let number = self.next_cell;
            self.next_cell += 1;
            match Cell::spawn(&self.settings.cell, number, self.to_events.clone()) {
                Ok(cell) => {
                    *slot = Slot { cell: Some(cell), number, ..Slot::default() };
                }
                Err(error) => {
                    self.start_failures += 1;
                    tracing::error!(program = %self.settings.cell.program.display(), %error, "a cell cannot be started");
                }
            }
        }
        if self.start_failures >= START_FAILURES_MAX && self.slots.iter().all(|slot| slot.cell.is_none()) {
            let jobs: Vec<Job> = self.early.drain(..).chain(self.queue.drain(..)).collect();
            for job in jobs {
                let failure = Failure::new(FailureKind::CellDied, "cells cannot be started on this worker");
                self.fail(job, failure);
            }
        }
    }

    /// Gives what is queued to the cells that have least.
    fn feed(&mut self) {
        while !self.queue.is_empty() {
            let free = self.slots.iter().enumerate().filter(|(_, slot)| slot.takes());
            let Some((at, _)) = free.min_by_key(|(_, slot)| slot.given.len()) else {
                break;
            };
            let job = self.queue.pop_front().expect("not empty");
            let Some(Library::Ready(number, artefact)) = self.libraries.get(&job.library()) else {
                unreachable!(
                    "an attempt is queued when its library is ready, and taken out if it is not any more"
                );
            };
            self.slots[at].give(job, *number, artefact);
            if self.slots[at].given.len() == 1 {
                self.begin(at);
            }
        }
        for cell in self.slots.iter_mut().filter_map(|slot| slot.cell.as_mut()) {
            cell.flush();
        }
    }

    /// Returns what was sent ahead and waits behind attempts that take long, if every cell has such a one: another
    /// worker may be free. An attempt that a cell had begun stays.
    fn give_back(&mut self) {
        if self.queue.is_empty() || !self.slots.iter().all(|slot| slot.slow) {
            return;
        }
        let (stay, go): (VecDeque<Job>, VecDeque<Job>) =
            std::mem::take(&mut self.queue).into_iter().partition(|job| job.started);
        self.queue = stay;
        self.open -= go.len();
        self.reports.extend(go.into_iter().map(|job| Report::Returned { id: job.assignment.id }));
    }

    /// The first attempt of that slot runs from now on.
    pub(crate) fn begin(&mut self, at: usize) {
        if let Some(job) = self.slots[at].begin() {
            job.started = true;
            let id = job.assignment.id.clone();
            self.reports.push(Report::Started { id, at: (self.settings.clock)() });
        }
    }
}

/// A value is the same one if key and digest are.
fn verified_as(value: &ValueRef) -> (String, ValueDigest) {
    let key = match &value.place {
        Place::Stored(key) => key.clone(),
        Place::Managed(place) => format!("{} {} {}", place.manager.kind, place.manager.settings, place.key),
        Place::Inline(_) => String::new(),
    };
    (key, value.digest)
}
