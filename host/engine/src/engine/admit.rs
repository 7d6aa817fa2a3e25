//! The run queue: which runs may begin. What waits in it is taken up in all but this, that no step of it is placed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{RunId, RunQueue, RunStatus, TagValue, Timestamp, WHY_STEPS_MAX, Why};

use super::Engine;

/// The queue, and who is out of it and has not ended.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    limits: RunQueue,
    going_on: BTreeSet<RunId>,
    /// Those that go on, by limit and by the value that is counted for itself.
    by_tag: BTreeMap<Counter, BTreeSet<RunId>>,
    /// Highest priority first, then in the order of acceptance.
    waiting: BTreeSet<Turn>,
    /// One has gone, so that others may get its place.
    has_room: bool,
}

/// Number of a tag limit, and the value that is counted for itself.
type Counter = (usize, Option<String>);
type Turn = (Reverse<i32>, u64, RunId);
type Tags = BTreeMap<String, String>;

impl Admissions {
    pub(super) fn new(limits: RunQueue) -> Admissions {
        Admissions { limits, ..Admissions::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.limits.is_open()
    }

    pub(super) fn wait(&mut self, turn: Turn) {
        self.waiting.insert(turn);
    }

    /// The limits that are for a run with these tags.
    fn counters<'a>(&'a self, tags: &'a Tags) -> impl Iterator<Item = Counter> + 'a {
        let limits = self.limits.tag_limits.iter().enumerate();
        limits.filter_map(|(at, limit)| Some((at, limit.counts(tags)?.map(str::to_owned))))
    }

    /// The limit that lets no more runs with these tags begin: its counter, unless it is the one for all runs.
    fn full(&self, tags: &Tags) -> Option<(Option<Counter>, u32)> {
        let is_full = |n: usize, max: u32| n >= max as usize;
        if let Some(max) = self.limits.max_concurrent.filter(|max| is_full(self.going_on.len(), *max)) {
            return Some((None, max));
        }
        self.counters(tags).find_map(|counter| {
            let max = self.limits.tag_limits[counter.0].limit;
            let n = self.by_tag.get(&counter).map_or(0, BTreeSet::len);
            is_full(n, max).then_some((Some(counter), max))
        })
    }

    /// It goes on from now on.
    pub(super) fn enter(&mut self, run: RunId, tags: &Tags) {
        // Nobody asks who goes on where nothing is limited.
        if self.is_open() {
            return;
        }
        self.going_on.insert(run);
        let counters: Vec<Counter> = self.counters(tags).collect();
        for counter in counters {
            self.by_tag.entry(counter).or_default().insert(run);
        }
    }

    /// It has ended.
    pub(super) fn leave(&mut self, turn: Turn, tags: &Tags) {
        self.waiting.remove(&turn);
        self.has_room |= self.going_on.remove(&turn.2);
        let counters: Vec<Counter> = self.counters(tags).collect();
        for counter in counters {
            if let Some(runs) = self.by_tag.get_mut(&counter) {
                runs.remove(&turn.2);
                if runs.is_empty() {
                    self.by_tag.remove(&counter);
                }
            }
        }
    }
}

impl Engine {
    /// Lets a new run begin at once that may, or puts it into the queue.
    pub(super) fn line_up_run(&mut self, id: RunId, now: Timestamp) {
        let active = &self.runs[&id];
        match self.admissions.full(&active.run.layout.plan.tags) {
            None => self.let_begin(id, now),
            Some(_) => self.admissions.wait(active.turn_of_run()),
        }
    }

    /// Lets a run that comes back go on if it has begun, whatever the limits. Others wait at least until what comes back
    /// with them has its place.
    pub(super) fn line_up_again(&mut self, id: RunId, now: Timestamp) {
        let active = &self.runs[&id];
        if active.run.status() != RunStatus::Queued || self.admissions.is_open() {
            self.let_begin(id, now);
        } else {
            self.admissions.wait(active.turn_of_run());
            self.admissions.has_room = true;
        }
    }

    /// When to look at the queue, if not before.
    pub(super) fn next_admission(&self) -> Option<Timestamp> {
        self.admissions.has_room.then_some(self.now)
    }

    fn let_begin(&mut self, id: RunId, now: Timestamp) {
        let active = self.runs.get_mut(&id).expect("only runs that are driven wait");
        active.admitted_at =
            Some(active.run.accepted_at().filter(|_| self.admissions.is_open()).unwrap_or(now));
        self.admissions.enter(id, &active.run.layout.plan.tags);
    }

    /// A run that has ended is neither in the queue nor out of it.
    pub(super) fn leave_queue(&mut self, id: RunId) {
        let active = &self.runs[&id];
        self.admissions.leave(active.turn_of_run(), &active.run.layout.plan.tags);
    }

    /// Lets the runs begin that may since others have ended. One that a tag holds back holds up no other.
    pub(super) fn admit(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.admissions.has_room) {
            return;
        }
        let mut after = None;
        while let Some(turn) = self.next_admitted(after) {
            after = Some(turn);
            self.admissions.waiting.remove(&turn);
            self.let_begin(turn.2, now);
            self.watch(turn.2, now);
            self.show_heads(turn.2);
        }
    }

    /// The first run after this one that may begin.
    fn next_admitted(&self, after: Option<Turn>) -> Option<Turn> {
        let mut later =
            self.admissions.waiting.iter().filter(|turn| after.is_none_or(|after| **turn > after));
        let tags = |turn: &Turn| &self.runs[&turn.2].run.layout.plan.tags;
        let is_let = |turn: &&Turn| self.admissions.full(tags(turn)).is_none();
        later.find(is_let).copied()
    }

    /// The runs that wait in the queue, in the order of their turn, each with its priority.
    pub(super) fn queued(&self) -> impl Iterator<Item = (i32, RunId)> {
        self.admissions.waiting.iter().map(|(Reverse(priority), _, run)| (*priority, *run))
    }

    /// Why a run waits in the queue; none if it does not.
    pub(super) fn why_queued(&self, id: RunId) -> Option<Why> {
        let active = self.runs.get(&id)?;
        if active.admitted_at.is_some() {
            return None;
        }
        let (counter, max) = self.admissions.full(&active.run.layout.plan.tags)?;
        let limit = counter.as_ref().map(|(at, _)| &self.admissions.limits.tag_limits[*at]);
        let holders = match &counter {
            Some(counter) => self.admissions.by_tag.get(counter),
            None => Some(&self.admissions.going_on),
        };
        let tag = limit.map(|limit| {
            let value = match &limit.value {
                TagValue::Any => None,
                TagValue::Is(value) => Some(value.clone()),
                TagValue::Each => counter.and_then(|(_, value)| value),
            };
            (limit.key.clone(), value)
        });
        let own = active.turn_of_run();
        Some(Why::RunQueue {
            tag,
            max,
            held_by: holders.into_iter().flatten().take(WHY_STEPS_MAX).copied().collect(),
            before: self.admissions.waiting.range(..own).count() as u64,
        })
    }
}
