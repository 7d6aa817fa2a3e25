//! Placement: which ready step goes to which worker next.
//!
//! Ready steps wait in one queue per run and demand for resources, so that a step that waits for a GPU is
//! never in front of one that needs none. Order: priority, then the run that was accepted first, then the
//! run's own order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_model::{RunId, WorkerId};

use crate::layout::{Demand, units};
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};

/// Slots that one worker may claim.
pub(crate) const SLOTS_MAX: u32 = 4096;
/// Attempts beyond its slots that a worker is sent at most, whatever it offers.
pub(crate) const QUEUE_MAX: u32 = 65_536;
/// Work, per slot, that may wait at a worker, so that short steps do not wait for a round trip; longer steps
/// stay with the scheduler, which may find them a free slot elsewhere.
const QUEUED_US_MAX: u64 = 10_000;
/// What an attempt costs a worker at least, in microseconds.
const ATTEMPT_US_MIN: u32 = 10;

/// Place of a queue's head among all queues; the smallest goes first.
pub(crate) type Head = (Reverse<i32>, u64, RunId);

/// Steps of the same demand.
#[derive(Debug)]
struct Class {
    demand: Demand,
    heads: BTreeSet<Head>,
    /// State of the workers at which nothing of this class could be placed.
    blocked_at: u64,
}

#[derive(Debug)]
struct Worker {
    slots: u32,
    /// Attempts that it takes beyond its slots.
    queue: u32,
    /// It wants to leave and gets nothing more.
    leaves: bool,
    n_attempts: u32,
    /// Sum of the expected times of its attempts, in microseconds.
    expected_us: u64,
    free: Demand,
}

/// The queues' heads and the workers' room.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    classes: Vec<Class>,
    by_demand: HashMap<Demand, u32>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Workers that may take more, least loaded first.
    room: BTreeSet<(u32, WorkerId)>,
    /// Grows with every change that may let something be placed.
    version: u64,
}

impl Placement {
    pub(crate) fn class(&mut self, demand: &Demand) -> u32 {
        if let Some(class) = self.by_demand.get(demand) {
            return *class;
        }
        let class = u32::try_from(self.classes.len()).expect("there are no more classes than steps");
        self.classes.push(Class { demand: demand.clone(), heads: BTreeSet::new(), blocked_at: u64::MAX });
        self.by_demand.insert(demand.clone(), class);
        class
    }

    /// Replaces a queue's head.
    pub(crate) fn head(&mut self, class: u32, old: Option<Head>, new: Option<Head>) {
        if old == new {
            return;
        }
        let class = &mut self.classes[class as usize];
        if let Some(old) = old {
            class.heads.remove(&old);
        }
        if let Some(new) = new {
            class.heads.insert(new);
        }
    }

    pub(crate) fn join(&mut self, id: WorkerId, slots: u32, queue: u32, resources: &BTreeMap<String, f64>) {
        // What a worker says of itself is clamped: a slot count is not a reason to believe in a machine.
        let offered = resources.iter();
        let free = offered.filter_map(|(name, amount)| Some((name.clone(), units(*amount)?)));
        let worker = Worker {
            slots: slots.min(SLOTS_MAX),
            queue: queue.min(QUEUE_MAX),
            leaves: false,
            n_attempts: 0,
            expected_us: 0,
            free: free.collect(),
        };
        self.workers.insert(id, worker);
        self.version += 1;
        self.make_room(id);
    }

    pub(crate) fn leave(&mut self, id: WorkerId) {
        self.no_room(id);
        self.workers.remove(&id);
    }

    pub(crate) fn knows(&self, id: WorkerId) -> bool {
        self.workers.contains_key(&id)
    }

    /// Places nothing more at a worker. False if it is not there or has been told before.
    pub(crate) fn drain(&mut self, id: WorkerId) -> bool {
        self.no_room(id);
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        !std::mem::replace(&mut worker.leaves, true)
    }

    /// Some worker that stays, if there is one.
    pub(crate) fn any_worker(&self) -> Option<WorkerId> {
        let staying = self.workers.iter().find(|(_, worker)| !worker.leaves);
        staying.map(|(id, _)| *id)
    }

    /// The next queue to serve and the worker for it, if anything can be placed. `expected` gives the time
    /// that the head of a run's queue of a class will take, in microseconds, if that is known.
    pub(crate) fn next(
        &mut self,
        expected: impl Fn(RunId, u32) -> Option<u32>,
    ) -> Option<(RunId, u32, WorkerId)> {
        loop {
            if self.room.is_empty() {
                return None;
            }
            let open = self.classes.iter().enumerate().filter(|(_, class)| class.blocked_at != self.version);
            let heads = open.filter_map(|(at, class)| Some((class.heads.first()?, at)));
            let ((_, _, run), at) = heads.min().map(|(head, at)| (*head, at))?;
            let class = u32::try_from(at).expect("classes are numbered so");
            match self.worker_for(class, expected(run, class)) {
                Some(worker) => return Some((run, class, worker)),
                None => self.classes[at].blocked_at = self.version,
            }
        }
    }

    fn worker_for(&self, class: u32, expected_us: Option<u32>) -> Option<WorkerId> {
        let demand = &self.classes[class as usize].demand;
        let takes = |(_, id): &&(u32, WorkerId)| {
            let worker = &self.workers[id];
            worker.takes(expected_us) && worker.has(demand)
        };
        let ids = self.room.iter();
        // Without a demand the least loaded worker is as good as any: if it has no room, none has.
        let found = if demand.is_empty() { ids.take(1).find(takes) } else { self.room.iter().find(takes) };
        found.map(|(_, id)| *id)
    }

    pub(crate) fn take(&mut self, id: WorkerId, class: u32, expected_us: Option<u32>) {
        self.no_room(id);
        let demand = &self.classes[class as usize].demand;
        let worker = self.workers.get_mut(&id).expect("a step is placed on a worker that is there");
        worker.n_attempts += 1;
        worker.expected_us += cost(expected_us);
        for (name, amount) in demand {
            // One that came back may offer less than what it holds.
            if let Some(free) = worker.free.get_mut(name) {
                *free -= amount;
            }
        }
        self.make_room(id);
    }

    /// Gives back what `take` took; nothing if the worker has left.
    pub(crate) fn give_back(&mut self, id: WorkerId, class: u32, expected_us: Option<u32>) {
        self.no_room(id);
        let demand = &self.classes[class as usize].demand;
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.n_attempts -= 1;
            worker.expected_us -= cost(expected_us);
            for (name, amount) in demand {
                let Some(free) = worker.free.get_mut(name) else { continue };
                *free += amount;
                #[cfg(test)]
                if is_present(Bug::ReleasedTwice) {
                    *free += amount;
                }
            }
        }
        self.version += 1;
        self.make_room(id);
    }

    fn no_room(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id) {
            self.room.remove(&(worker.load(), id));
        }
    }

    fn make_room(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id)
            && !worker.leaves
            && worker.n_attempts < worker.slots + worker.queue
        {
            self.room.insert((worker.load(), id));
        }
    }

    /// Demands of queues that no worker could ever serve, for a person to see.
    pub(crate) fn unservable(&self) -> impl Iterator<Item = (&Demand, impl Iterator<Item = RunId>)> {
        let waiting = self.classes.iter().filter(|class| !class.heads.is_empty());
        waiting
            .filter(|class| !self.workers.values().any(|worker| worker.offers(&class.demand)))
            .map(|class| (&class.demand, class.heads.iter().map(|(_, _, run)| *run)))
    }
}

impl Worker {
    /// Attempts per slot, in 1024ths.
    fn load(&self) -> u32 {
        let load = u64::from(self.n_attempts) * 1024 / u64::from(self.slots.max(1));
        u32::try_from(load).unwrap_or(u32::MAX)
    }

    fn takes(&self, expected_us: Option<u32>) -> bool {
        if self.n_attempts < self.slots {
            return true;
        }
        // An attempt of unknown length is never queued, and nothing is queued behind one.
        let room = u64::from(self.slots) * QUEUED_US_MAX;
        expected_us.is_some() && self.expected_us + cost(expected_us) <= room
    }

    fn has(&self, demand: &Demand) -> bool {
        demand.iter().all(|(name, amount)| self.free.get(name).is_some_and(|free| free >= amount))
    }

    fn offers(&self, demand: &Demand) -> bool {
        !self.leaves && demand.keys().all(|name| self.free.contains_key(name))
    }
}

fn cost(expected_us: Option<u32>) -> u64 {
    u64::from(expected_us.map_or(u32::MAX, |us| us.max(ATTEMPT_US_MIN)))
}
