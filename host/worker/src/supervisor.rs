//! The loop: orders and events of cells in, frames and reports out, in batches. Nothing in it waits for a
//! cell, the store or the scheduler; what takes time is a task whose end is another event.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use cofferdam_cell::{
    Artefact, Artefacts, Cell, CellCompletion, CellEvent, CellOutputContent, FromCell, Ticket,
};
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{
    AttemptId, Failure, FailureKind, LibraryDigest, Name, Order, Outcome, Output, Place, Report, Usage,
    ValueDigest, ValueRef,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Settings;
use crate::job::Job;
use crate::prepare;
use crate::slot::Slot;
use crate::values::{self, Ask, Kept};

/// How often deadlines are looked at; far below the grace that they have.
const DEADLINE_INTERVAL: Duration = Duration::from_millis(100);
/// Batches of frames that may wait for the loop.
const EVENTS_MAX: usize = 256;
/// Cells that may die in a row before they have started up; then what waits fails.
const START_FAILURES_MAX: u32 = 3;
/// Deaths of cells that an attempt may sit behind before it is failed too.
const RESENT_MAX: u32 = 3;
/// Verified values that are remembered; more than are hot at a time, at 100 bytes each.
const VERIFIED_MAX: usize = 100_000;

enum Library {
    /// Being fetched and compiled; these wait for it.
    Coming(Vec<Job>),
    Ready(u32, Artefact),
}

/// The end of a task.
enum Done {
    Library(LibraryDigest, Result<Artefact, Failure>),
    Inputs(Job, Vec<(Name, ValueRef)>, Result<(), Failure>),
    Values(Ticket, Kept),
}

/// An attempt whose guest has ended while its values are still being settled.
struct Settling {
    id: AttemptId,
    result: Result<CellCompletion, Failure>,
    usage: Usage,
}

pub(crate) struct Supervisor {
    settings: Settings,
    depot: Depot,
    store: ValueStore,
    artefacts: Artefacts,
    slots: Vec<Slot>,
    events: mpsc::Receiver<(u64, CellEvent)>,
    /// For the next cell.
    to_events: mpsc::Sender<(u64, CellEvent)>,
    tasks: JoinSet<Done>,
    /// Ready to run.
    queue: VecDeque<Job>,
    /// Came before the first cell had said for which engine to compile.
    early: Vec<Job>,
    fingerprint: Option<String>,
    libraries: HashMap<LibraryDigest, Library>,
    verified: HashSet<(String, ValueDigest)>,
    settling: HashMap<Ticket, Settling>,
    /// To be failed when their preparation ends.
    cancelled: HashSet<AttemptId>,
    reports: Vec<Report>,
    next_ticket: Ticket,
    next_cell: u64,
    next_library: u32,
    start_failures: u32,
    /// Attempts that have not been reported as finished.
    open: usize,
}

impl Supervisor {
    pub(crate) fn new(
        settings: Settings,
        depot: Depot,
        store: ValueStore,
        artefacts: Artefacts,
    ) -> Supervisor {
        let (to_events, events) = mpsc::channel(EVENTS_MAX);
        let slots = (0..settings.slots.max(1)).map(|_| Slot::default()).collect();
        Supervisor {
            settings,
            depot,
            store,
            artefacts,
            slots,
            events,
            to_events,
            tasks: JoinSet::new(),
            queue: VecDeque::new(),
            early: vec![],
            fingerprint: None,
            libraries: HashMap::new(),
            verified: HashSet::new(),
            settling: HashMap::new(),
            cancelled: HashSet::new(),
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
        let mut deadlines = tokio::time::interval(DEADLINE_INTERVAL);
        let mut closed = false;
        while !(closed && self.open == 0 && self.reports.is_empty()) {
            self.start_cells();
            self.feed();
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
                Some(done) = self.tasks.join_next() => self.on_done(done.expect("tasks do not panic")),
                permit = reports.reserve(), if !self.reports.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.reports)),
                    // Nobody listens any more.
                    Err(_) => return,
                },
                _ = deadlines.tick() => {
                    let now = Instant::now();
                    self.slots.iter_mut().for_each(|slot| slot.check_deadline(now));
                }
            }
        }
    }

    fn take(&mut self, batch: Vec<Order>) {
        self.start_failures = 0;
        for order in batch {
            match order {
                Order::Run(assignment) => {
                    let ticket = self.next_ticket;
                    self.next_ticket += 1;
                    self.open += 1;
                    self.prepare(Job { ticket, assignment, started: false, resent: 0 });
                }
                Order::Cancel(id) => self.cancel(&id),
            }
        }
    }

    /// Brings an attempt one step nearer to the queue.
    fn prepare(&mut self, job: Job) {
        let Some(fingerprint) = &self.fingerprint else {
            self.early.push(job);
            return;
        };
        let digest = job.assignment.library;
        match self.libraries.get_mut(&digest) {
            Some(Library::Ready(..)) => {}
            Some(Library::Coming(waiting)) => return waiting.push(job),
            None => {
                self.libraries.insert(digest, Library::Coming(vec![job]));
                let (depot, artefacts, fingerprint) =
                    (self.depot.clone(), self.artefacts.clone(), fingerprint.clone());
                self.tasks.spawn(async move {
                    let found = prepare::library(&depot, &artefacts, &digest, &fingerprint).await;
                    Done::Library(digest, found)
                });
                return;
            }
        }
        let mut unverified = job.stored();
        unverified.retain(|(_, value)| !self.verified.contains(&verified_as(value)));
        if unverified.is_empty() {
            return self.queue.push_back(job);
        }
        let store = self.store.clone();
        self.tasks.spawn(async move {
            let outcome = prepare::verify(&store, &unverified).await;
            Done::Inputs(job, unverified, outcome)
        });
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Library(digest, Ok(artefact)) => {
                let number = self.next_library;
                self.next_library += 1;
                let coming = self.libraries.insert(digest, Library::Ready(number, artefact));
                if let Some(Library::Coming(waiting)) = coming {
                    waiting.into_iter().for_each(|job| self.prepare(job));
                }
            }
            Done::Library(digest, Err(failure)) => {
                if let Some(Library::Coming(waiting)) = self.libraries.remove(&digest) {
                    waiting.into_iter().for_each(|job| self.fail(job, failure.clone()));
                }
            }
            Done::Inputs(job, inputs, outcome) => {
                if self.cancelled.remove(&job.assignment.id) {
                    return self.fail(job, cancelled());
                }
                match outcome {
                    Ok(()) => {
                        if self.verified.len() > VERIFIED_MAX {
                            self.verified.clear();
                        }
                        self.verified.extend(inputs.iter().map(|(_, value)| verified_as(value)));
                        self.queue.push_back(job);
                    }
                    Err(failure) => self.fail(job, failure),
                }
            }
            Done::Values(ticket, kept) => {
                if let Some(Settling { id, result, usage }) = self.settling.remove(&ticket) {
                    self.finish(id, result, usage, kept);
                }
            }
        }
    }

    fn cancel(&mut self, id: &AttemptId) {
        if let Some(job) = self.take_waiting(id) {
            return self.fail(job, cancelled());
        }
        if let Some(at) = self.queue.iter().position(|job| job.assignment.id == *id) {
            let job = self.queue.remove(at).expect("just found");
            return self.fail(job, cancelled());
        }
        for slot in &mut self.slots {
            if let Some(job) = slot.given.iter().find(|job| job.assignment.id == *id) {
                return slot.kill(job.ticket, FailureKind::Cancelled);
            }
        }
        // Being verified, or finished already: then this is dropped with the next such answer.
        if self.tasks.is_empty() {
            return;
        }
        self.cancelled.insert(id.clone());
    }

    /// Takes an attempt out of those that wait for a library or for the first cell.
    fn take_waiting(&mut self, id: &AttemptId) -> Option<Job> {
        let coming = self.libraries.values_mut().filter_map(|library| match library {
            Library::Coming(waiting) => Some(waiting),
            Library::Ready(..) => None,
        });
        for jobs in coming.chain([&mut self.early]) {
            if let Some(at) = jobs.iter().position(|job| job.assignment.id == *id) {
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
            let free = self.slots.iter_mut().filter(|slot| slot.takes());
            let Some(slot) = free.min_by_key(|slot| slot.given.len()) else {
                break;
            };
            let job = self.queue.pop_front().expect("not empty");
            let Some(Library::Ready(number, artefact)) = self.libraries.get(&job.assignment.library) else {
                unreachable!("an attempt is queued when its library is ready, and libraries stay");
            };
            slot.give(job, *number, artefact);
            if slot.given.len() == 1 {
                begin(slot, &mut self.reports, self.settings.clock);
            }
        }
        for cell in self.slots.iter_mut().filter_map(|slot| slot.cell.as_mut()) {
            cell.flush();
        }
    }

    fn on_event(&mut self, number: u64, event: CellEvent) {
        let Some(at) = self.slots.iter().position(|slot| slot.number == number && slot.cell.is_some()) else {
            return;
        };
        match event {
            CellEvent::Frames(frames) => frames.into_iter().for_each(|frame| self.on_frame(at, frame)),
            CellEvent::Exited(how) => self.on_exit(at, &how),
        }
    }

    fn on_frame(&mut self, at: usize, frame: FromCell) {
        let slot = &mut self.slots[at];
        match frame {
            FromCell::Hello { fingerprint, .. } => {
                slot.ready = true;
                self.start_failures = 0;
                self.fingerprint.get_or_insert(fingerprint);
                std::mem::take(&mut self.early).into_iter().for_each(|job| self.prepare(job));
            }
            FromCell::Ended { ticket, result, usage } => self.on_ended(at, ticket, result, usage),
            FromCell::Log { ticket, line } => {
                let Some(job) = slot.given.front().filter(|job| job.ticket == ticket) else { return };
                if let Some(Report::Logs { id, lines }) = self.reports.last_mut()
                    && *id == job.assignment.id
                {
                    lines.push(line);
                } else {
                    let id = job.assignment.id.clone();
                    self.reports.push(Report::Logs { id, lines: vec![line] });
                }
            }
            FromCell::Progress { ticket, progress } => {
                if let Some(job) = slot.given.front().filter(|job| job.ticket == ticket) {
                    let id = job.assignment.id.clone();
                    self.reports.push(Report::Progress { id, progress });
                }
            }
            FromCell::Returned { tickets } => {
                slot.slow = true;
                for ticket in tickets.into_iter().rev() {
                    if let Some(place) = slot.given.iter().rposition(|job| job.ticket == ticket) {
                        let job = slot.given.remove(place).expect("just found");
                        self.queue.push_front(job);
                    }
                }
            }
            FromCell::Read { ticket, .. }
            | FromCell::Create { ticket, .. }
            | FromCell::Write { ticket, .. }
            | FromCell::Finish { ticket, .. } => self.ask_values(at, ticket, frame),
            FromCell::Described { .. } => {}
        }
    }

    fn ask_values(&mut self, at: usize, ticket: Ticket, frame: FromCell) {
        let slot = &mut self.slots[at];
        let Some(job) = slot.given.front().filter(|job| job.ticket == ticket) else {
            return;
        };
        if slot.values.as_ref().is_none_or(|(of, _)| *of != ticket) {
            let replies = slot.cell.as_ref().expect("it has just spoken").replies();
            let (asks, served) = mpsc::unbounded_channel();
            slot.values = Some((ticket, asks));
            let (store, id, inputs) = (self.store.clone(), job.assignment.id.clone(), job.stored());
            self.tasks.spawn(async move {
                Done::Values(ticket, values::serve(store, id, inputs, replies, served).await)
            });
        }
        if let Some((_, asks)) = &slot.values {
            let _ = asks.send(Ask::Frame(frame));
        }
    }

    fn on_ended(&mut self, at: usize, ticket: Ticket, result: Result<CellCompletion, Failure>, usage: Usage) {
        let slot = &mut self.slots[at];
        if slot.given.front().is_none_or(|job| job.ticket != ticket) {
            // Cells end attempts in the order in which they got them. This one is broken.
            tracing::error!(ticket, "a cell ended an attempt that it was not running");
            return slot.kill(0, FailureKind::CellDied);
        }
        let job = slot.given.pop_front().expect("just seen");
        slot.slow = false;
        let values = slot.values.take();
        begin(slot, &mut self.reports, self.settings.clock);
        let id = job.assignment.id;
        let Some((_, asks)) = values else {
            return self.finish(id, result, usage, Kept::new());
        };
        let stored = |(outputs, _): &CellCompletion| {
            let writers = outputs.iter().filter_map(|output| match output.content {
                CellOutputContent::Stored { writer } => Some(writer),
                CellOutputContent::Bytes(_) => None,
            });
            writers.collect()
        };
        let keep = result.as_ref().map(stored).unwrap_or_default();
        self.settling.insert(ticket, Settling { id, result, usage });
        let _ = asks.send(Ask::Keep(keep));
    }

    fn on_exit(&mut self, at: usize, how: &str) {
        let slot = std::mem::take(&mut self.slots[at]);
        if !slot.ready {
            self.start_failures += 1;
        }
        let begun = slot.cell.as_ref().and_then(Cell::last_begun);
        // If we killed it, the attempt that we meant pays; else the one that it had begun.
        let (ticket, kind) = match slot.killed {
            Some((ticket, kind)) => (Some(ticket), kind),
            None => (begun, FailureKind::CellDied),
        };
        for mut job in slot.given.into_iter().rev() {
            if Some(job.ticket) == ticket {
                self.fail(job, ended_by(kind, how));
                continue;
            }
            job.resent += 1;
            if job.resent > RESENT_MAX {
                self.fail(job, ended_by(FailureKind::CellDied, how));
            } else {
                self.queue.push_front(job);
            }
        }
    }

    fn fail(&mut self, job: Job, failure: Failure) {
        self.cancelled.remove(&job.assignment.id);
        self.finish(job.assignment.id, Err(failure), Usage::default(), Kept::new());
    }

    fn finish(&mut self, id: AttemptId, result: Result<CellCompletion, Failure>, usage: Usage, kept: Kept) {
        let outcome = match result.and_then(|completion| to_outputs(completion, &kept)) {
            Ok((outputs, metadata)) => Outcome::Succeeded { outputs, metadata },
            Err(failure) => Outcome::Failed(Box::new(failure)),
        };
        self.open -= 1;
        self.reports.push(Report::Finished { id, outcome, usage });
    }
}

/// The first of the slot's attempts runs from now on.
fn begin(slot: &mut Slot, reports: &mut Vec<Report>, clock: fn() -> cofferdam_model::Timestamp) {
    slot.since = slot.given.front().map(|_| Instant::now());
    if let Some(job) = slot.given.front_mut().filter(|job| !job.started) {
        job.started = true;
        let id = job.assignment.id.clone();
        reports.push(Report::Started { id, at: clock() });
    }
}

type Outputs = (Vec<Output>, Vec<cofferdam_model::MetadataEntry>);

/// Size and digest are what this process saw, never what the guest says.
fn to_outputs((outputs, metadata): CellCompletion, kept: &Kept) -> Result<Outputs, Failure> {
    let outputs = outputs.into_iter().map(|output| {
        let value = match output.content {
            CellOutputContent::Bytes(bytes) => ValueRef::inline(&output.media_type, bytes),
            CellOutputContent::Stored { writer } => {
                let missing =
                    || Failure::new(FailureKind::Store, format!("output `{}` was not stored", output.name));
                let (key, size, digest) = kept.get(&writer).ok_or_else(missing)?;
                ValueRef {
                    media_type: output.media_type,
                    size: *size,
                    digest: *digest,
                    place: Place::Stored(key.to_string()),
                }
            }
        };
        Ok(Output { name: output.name, key: output.key, value, metadata: output.metadata })
    });
    Ok((outputs.collect::<Result<_, Failure>>()?, metadata))
}

/// A value is the same one if key and digest are.
fn verified_as(value: &ValueRef) -> (String, ValueDigest) {
    let key = match &value.place {
        Place::Stored(key) => key.clone(),
        Place::Inline(_) => String::new(),
    };
    (key, value.digest)
}

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "the attempt was cancelled")
}

fn ended_by(kind: FailureKind, how: &str) -> Failure {
    match kind {
        FailureKind::Cancelled => cancelled(),
        FailureKind::Timeout => {
            Failure::new(kind, "the attempt ran longer than its timeout and did not stop").because(how)
        }
        _ => Failure::new(kind, "the process that ran the attempt died").because(how),
    }
}
