//! The workers' room: which of them could take a step, and which of those is best.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{Nearest, Timestamp, WorkerId};

use super::near::Near;
use super::{Candidate, NoPlace};
use crate::demand::{Amounts, Demand, amount, units};
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};
use crate::{Census, Present};

/// Slots that one worker may claim.
pub(crate) const SLOTS_MAX: u32 = 4096;
/// Attempts beyond its slots that a worker is sent at most, whatever it offers.
pub(crate) const QUEUE_MAX: u32 = 65_536;
/// Work, per slot, that may wait at a worker, so that short steps do not wait for a round trip; longer steps
/// stay with the scheduler, which may find them a free slot elsewhere.
const QUEUED_US_MAX: u64 = 10_000;
/// What an attempt costs a worker at least, in microseconds.
const ATTEMPT_US_MIN: u32 = 10;
/// Workers with room that are compared for one step: the choice among the least loaded ones is good enough, and its
/// cost does not grow with the cluster.
const COMPARED_MAX: usize = 16;

/// What a worker offers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Offer {
    pub(crate) slots: u32,
    /// Attempts that it takes beyond its slots.
    pub(crate) queue: u32,
    pub(crate) resources: BTreeMap<String, f64>,
    pub(crate) labels: BTreeMap<String, String>,
    /// When it will be gone, if it knows.
    pub(crate) ends_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Worker {
    slots: u32,
    queue: u32,
    /// It wants to leave and gets nothing more.
    leaves: bool,
    /// What it does takes longer than was expected: nothing is sent ahead until something ends there.
    behind: bool,
    n_attempts: u32,
    /// Sum of the expected times of its attempts, in microseconds.
    expected_us: u64,
    all: Amounts,
    /// What is left of it. One that came back may hold more than it offers now: then nothing is.
    taken: Amounts,
    labels: BTreeMap<String, String>,
    ends_at: Option<Timestamp>,
}

/// The workers that are there.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    all: BTreeMap<WorkerId, Worker>,
    /// Workers that may take more, least loaded first.
    room: BTreeSet<(u32, WorkerId)>,
    /// Grows with every change that may let something be placed.
    version: u64,
    /// Workers that will end.
    n_ending: usize,
    pub(crate) near: Near,
}

impl Workers {
    pub(crate) fn join(&mut self, id: WorkerId, offer: Offer) {
        self.fall_silent(id);
        // What a worker says of itself is clamped: a slot count is not a reason to believe in a machine.
        let offered = offer.resources.iter();
        let all = offered.filter_map(|(name, amount)| Some((name.clone(), units(*amount)?)));
        let worker = Worker {
            slots: offer.slots.min(SLOTS_MAX),
            queue: offer.queue.min(QUEUE_MAX),
            leaves: false,
            behind: false,
            n_attempts: 0,
            expected_us: 0,
            all: all.collect(),
            taken: Amounts::new(),
            labels: offer.labels,
            ends_at: offer.ends_at,
        };
        self.n_ending += usize::from(worker.ends_at.is_some());
        self.all.insert(id, worker);
        self.version += 1;
        self.make_room(id);
    }

    pub(crate) fn knows(&self, id: WorkerId) -> bool {
        self.all.contains_key(&id)
    }

    /// It gets nothing more. What it holds is not forgotten: it may come back.
    pub(crate) fn fall_silent(&mut self, id: WorkerId) {
        self.no_room(id);
        if let Some(worker) = self.all.remove(&id) {
            self.n_ending -= usize::from(worker.ends_at.is_some());
        }
    }

    pub(crate) fn leave(&mut self, id: WorkerId) {
        self.fall_silent(id);
        self.near.leave(id);
    }

    /// Places nothing more at a worker. False if it is not there or has been told before.
    pub(crate) fn drain(&mut self, id: WorkerId) -> bool {
        self.no_room(id);
        let Some(worker) = self.all.get_mut(&id) else { return false };
        !std::mem::replace(&mut worker.leaves, true)
    }

    /// A worker gave back what it was sent ahead.
    pub(crate) fn falls_behind(&mut self, id: WorkerId) {
        if let Some(worker) = self.all.get_mut(&id) {
            worker.behind = true;
        }
    }

    /// Some worker that stays, if there is one.
    pub(crate) fn any(&self) -> Option<WorkerId> {
        let staying = self.all.iter().find(|(_, worker)| !worker.leaves);
        staying.map(|(id, _)| *id)
    }

    /// The part of a census that is about workers.
    pub(crate) fn census(&self) -> Census {
        let leaving = self.all.values().filter(|worker| worker.leaves).count() as u64;
        let slots = self.all.values().map(|worker| u64::from(worker.slots)).sum();
        Census { joined: self.all.len() as u64 - leaving, leaving, slots, ..Census::default() }
    }

    /// All of them, without what they do.
    pub(crate) fn present(&self) -> Vec<Present> {
        let present = self.all.iter().map(|(id, worker)| Present {
            worker: *id,
            slots: worker.slots,
            resources: worker.all.iter().map(|(name, units)| (name.clone(), amount(*units))).collect(),
            labels: worker.labels.clone(),
            leaving: worker.leaves,
            attempts: vec![],
        });
        present.collect()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn have_room(&self) -> bool {
        !self.room.is_empty()
    }

    pub(super) fn takes(&self, id: WorkerId, expected_us: Option<u32>) -> bool {
        self.all[&id].takes(expected_us)
    }

    /// The best worker with room for a step, and whether nothing has to be moved to it. A free slot is better than
    /// a place in a queue, whatever is where; then the least to move; then the least loaded.
    pub(super) fn best(&self, demand: &Demand, step: &Candidate, now: Timestamp) -> Option<(WorkerId, bool)> {
        let any = demand.is_any() && self.n_ending == 0;
        let takes = |(_, id): &&(u32, WorkerId)| {
            let worker = &self.all[id];
            worker.takes(step.expected_us) && worker.has(demand, now)
        };
        // If the least loaded worker has no room for what asks for nothing in particular, none has.
        let looked_at = if any { COMPARED_MAX } else { usize::MAX };
        let mut best: Option<((bool, u64), WorkerId)> = None;
        for (_, id) in self.room.iter().take(looked_at).filter(takes).take(COMPARED_MAX) {
            let score = (self.all[id].is_full(), self.near.cost(*id, &step.wanted));
            if best.is_none_or(|(other, _)| score < other) {
                best = Some((score, *id));
            }
            // Those that follow are not less loaded.
            if best.is_some_and(|((full, cost), _)| cost == 0 || (!full && score.0)) {
                break;
            }
        }
        best.map(|((_, cost), id)| (id, cost == 0 || step.wanted.values.is_empty()))
    }

    /// A worker other than that one with a free slot for a step, and the least to move.
    pub(super) fn free(
        &self,
        demand: &Demand,
        step: &Candidate,
        other: WorkerId,
        now: Timestamp,
    ) -> Option<WorkerId> {
        let free = self.room.iter().map(|(_, id)| *id).filter(|id| {
            let worker = &self.all[id];
            *id != other && !worker.is_full() && worker.has(demand, now)
        });
        free.take(COMPARED_MAX).min_by_key(|id| self.near.cost(*id, &step.wanted))
    }

    /// An attempt is at a worker, which may not be there.
    pub(super) fn take(&mut self, id: WorkerId, resources: &Amounts, expected_us: Option<u32>) {
        self.no_room(id);
        if let Some(worker) = self.all.get_mut(&id) {
            worker.n_attempts += 1;
            worker.expected_us += cost(expected_us);
            for (name, amount) in resources {
                *worker.taken.entry(name.clone()).or_default() += amount;
            }
        }
        self.make_room(id);
    }

    /// Gives back what `take` took; nothing if the worker has left.
    pub(super) fn give_back(&mut self, id: WorkerId, resources: &Amounts, expected_us: Option<u32>) {
        self.no_room(id);
        if let Some(worker) = self.all.get_mut(&id) {
            worker.n_attempts -= 1;
            worker.behind = false;
            worker.expected_us -= cost(expected_us);
            for (name, amount) in resources {
                let taken = worker.taken.get_mut(name).expect("what is given back was taken");
                *taken -= amount;
                #[cfg(test)]
                if is_present(Bug::ReleasedTwice)
                    && let Some(all) = worker.all.get_mut(name)
                {
                    *all += amount;
                }
            }
        }
        self.version += 1;
        self.make_room(id);
    }

    fn no_room(&mut self, id: WorkerId) {
        if let Some(worker) = self.all.get(&id) {
            self.room.remove(&(worker.load(), id));
        }
    }

    fn make_room(&mut self, id: WorkerId) {
        if let Some(worker) = self.all.get(&id)
            && !worker.leaves
            && worker.n_attempts < worker.slots + worker.queue
        {
            self.room.insert((worker.load(), id));
        }
    }

    /// What keeps every worker from serving it, other than that it is busy.
    pub(super) fn why(&self, demand: &Demand, now: Timestamp) -> Option<NoPlace> {
        let Some((id, nearest)) =
            self.all.iter().min_by_key(|(_, worker)| (worker.lacks(demand).len(), worker.leaves))
        else {
            return Some(NoPlace::NoWorker);
        };
        let lacks = nearest.lacks(demand);
        if !lacks.is_empty() {
            let nearest = Nearest { worker: *id, lacks: lacks.join(", ") };
            return Some(NoPlace::NoneFits { asks: demand.to_string(), nearest });
        }
        let mut fit =
            self.all.values().filter(|worker| !worker.leaves && worker.lacks(demand).is_empty()).peekable();
        if fit.peek().is_none() {
            return Some(NoPlace::Draining);
        }
        (!fit.any(|worker| worker.lasts(demand, now))).then_some(NoPlace::NoTimeLeft)
    }

    /// Whether a worker that stays could serve it if it did nothing else. When such a worker ends is not asked.
    pub(super) fn could_serve(&self, demand: &Demand) -> bool {
        self.all.values().any(|worker| !worker.leaves && worker.lacks(demand).is_empty())
    }
}

impl Worker {
    /// Attempts per slot, in 1024ths.
    fn load(&self) -> u32 {
        let load = u64::from(self.n_attempts) * 1024 / u64::from(self.slots.max(1));
        u32::try_from(load).unwrap_or(u32::MAX)
    }

    fn is_full(&self) -> bool {
        self.n_attempts >= self.slots
    }

    fn takes(&self, expected_us: Option<u32>) -> bool {
        if !self.is_full() {
            return true;
        }
        // An attempt of unknown length is never queued, and nothing is queued behind one.
        let room = u64::from(self.slots) * QUEUED_US_MAX;
        !self.behind && expected_us.is_some() && self.expected_us + cost(expected_us) <= room
    }

    /// Whether it has that free now.
    fn has(&self, demand: &Demand, now: Timestamp) -> bool {
        let free = |(name, amount): (&String, &u64)| {
            let taken = self.taken.get(name).copied().unwrap_or(0);
            self.all.get(name).is_some_and(|all| all.saturating_sub(taken) >= *amount)
        };
        self.lasts(demand, now) && self.is(demand) && demand.resources.iter().all(free)
    }

    /// Whether an attempt that starts now ends before the worker does.
    fn lasts(&self, demand: &Demand, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| demand.timeout.is_some_and(|timeout| now + timeout <= end))
    }

    fn is(&self, demand: &Demand) -> bool {
        demand.labels.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }

    /// Resources and labels that it has not, or not enough of, as a person would write them.
    fn lacks(&self, demand: &Demand) -> Vec<String> {
        let few = |(name, amount): &(&String, &u64)| self.all.get(*name).is_none_or(|all| all < *amount);
        let other = |(name, value): &(&String, &String)| self.labels.get(*name) != Some(*value);
        let few =
            demand.resources.iter().filter(few).map(|(name, units)| format!("{name}={}", amount(*units)));
        let other = demand.labels.iter().filter(other).map(|(name, value)| format!("{name}={value}"));
        few.chain(other).collect()
    }
}

fn cost(expected_us: Option<u32>) -> u64 {
    u64::from(expected_us.map_or(u32::MAX, |us| us.max(ATTEMPT_US_MIN)))
}
