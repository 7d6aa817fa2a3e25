//! The loop: orders and events of cells in, frames and reports out, in batches. Nothing in it waits for a
//! cell, the store or the scheduler; what takes time is a task whose end is another event.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_cell::{Artefacts, Cell, CellEvent, CellUsage, Ticket, Wall};
use cofferdam_crash::reach;
use cofferdam_depot::Depot;
use cofferdam_io::Stores;
use cofferdam_model::{
    Assignment, AttemptId, Failure, FailureKind, MetadataEntry, Order, Publication, Report, ValueDigest,
    ValueRef,
};
use cofferdam_resources::Resources;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Settings;
use crate::ends::cancelled;
use crate::environment;
use crate::job::{Job, LibraryKey};
use crate::observe::Observer;
use crate::publish::publish;
use crate::ready::{Done, Library, Verifying};
use crate::slot::Slot;
use crate::spent::Spent;
use crate::values::Settled;

/// How often cells are looked at: are they late, are they silent? Far below the grace that they have.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Batches of frames that may wait for the loop.
const EVENTS_MAX: usize = 256;
/// Cells that may die in a row before they have started up; then what waits fails.
const START_FAILURES_MAX: u32 = 3;
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
    pub(crate) depot: Depot,
    pub(crate) stores: Stores,
    pub(crate) resources: Arc<Resources>,
    pub(crate) artefacts: Artefacts,
    pub(crate) slots: Vec<Slot>,
    events: mpsc::Receiver<(u64, CellEvent)>,
    /// For the next cell.
    to_events: mpsc::Sender<(u64, CellEvent)>,
    pub(crate) tasks: JoinSet<Done>,
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
    /// What stands round the cells of this host.
    pub(crate) wall: Wall,
    pub(crate) libraries: HashMap<LibraryKey, Library>,
    /// Libraries that may be needed.
    pub(crate) ahead: VecDeque<LibraryKey>,
    /// Values that were verified, and where each can be read.
    pub(crate) verified: HashMap<(String, ValueDigest), ValueRef>,
    pub(crate) verifying: HashMap<Ticket, Verifying>,
    pub(crate) settling: HashMap<Ticket, Settling>,
    pub(crate) reports: Vec<Report>,
    next_ticket: Ticket,
    next_cell: u64,
    pub(crate) next_library: u32,
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
            wall: Wall::default(),
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
                    reach("attempt.received");
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
                Order::Prepare(needed) => self.announced(needed),
                // For who carries the orders: this side ends when they do.
                Order::Received { .. } | Order::Last => {}
                Order::Forget { run } => {
                    let stores = self.stores.clone();
                    self.tasks.spawn(async move {
                        if let Err(error) = stores.forget(run).await {
                            tracing::warn!(%run, %error, "values that nobody needs any more were left behind");
                        }
                        Done::Forgotten
                    });
                }
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

    /// Ends an attempt wherever it is. One that is not here, or whose guest has ended, is left alone.
    fn cancel(&mut self, id: &AttemptId) {
        if self.slots.iter_mut().any(|slot| slot.cancel(id)) {
            return;
        }
        if let Some(job) = self.take_waiting(id) {
            self.fail(job, cancelled());
        }
    }

    fn start_cells(&mut self) {
        let mut n_started = 0;
        for slot in &mut self.slots {
            if slot.is_spent() {
                *slot = Slot::default();
            }
            if slot.cell.is_some() || self.start_failures >= START_FAILURES_MAX {
                continue;
            }
            let number = self.next_cell;
            self.next_cell += 1;
            match Cell::spawn(&self.settings.cell, number, self.to_events.clone()) {
                Ok(cell) => {
                    *slot = Slot { cell: Some(cell), number, ..Slot::default() };
                    n_started += 1;
                }
                Err(error) => {
                    self.start_failures += 1;
                    tracing::error!(program = %self.settings.cell.program.display(), %error, "a cell cannot be started");
                }
            }
        }
        for _ in 0..n_started {
            self.tell(|observer| observer.cell_started());
        }
        if self.start_failures >= START_FAILURES_MAX && self.slots.iter().all(|slot| slot.cell.is_none()) {
            let jobs: Vec<Job> = self.early.drain(..).chain(self.queue.drain(..)).collect();
            for job in jobs {
                let failure = Failure::new(FailureKind::CellDied, "cells cannot be started on this worker");
                self.fail(job, failure);
            }
        }
    }

    /// Gives what is queued to the cells that have least, in order. Where only cells of others are idle, one of them ends
    /// for a new one.
    fn feed(&mut self) {
        while let Some(job) = self.queue.front() {
            let owner = job.owner(self.settings.isolation);
            let free = self.slots.iter().enumerate().filter(|(_, slot)| slot.takes(&owner));
            let Some((at, _)) = free.min_by_key(|(_, slot)| slot.given.len()) else {
                self.start_another();
                break;
            };
            let job = self.queue.pop_front().expect("not empty");
            let Some(Library::Ready(number, artefact)) = self.libraries.get(&job.library()) else {
                unreachable!(
                    "an attempt is queued when its library is ready, and taken out if it is not any more"
                );
            };
            self.slots[at].give(job, owner, *number, artefact);
            if self.slots[at].given.len() == 1 {
                self.begin(at);
            }
        }
        for cell in self.slots.iter_mut().filter_map(|slot| slot.cell.as_mut()) {
            cell.flush();
        }
    }

    /// Replaces an idle cell, which is of others, unless a new one is on its way already.
    fn start_another(&mut self) {
        if self.slots.iter().all(|slot| slot.ready)
            && let Some(idle) = self.slots.iter_mut().find(|slot| slot.is_idle())
        {
            *idle = Slot::default();
            self.start_cells();
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
