//! Placement: which ready step goes to which worker next.
//!
//! Ready steps wait in queues per run and *line* (what they ask for and count against), so that a step that
//! waits for a GPU, a pool or a limit is never in front of one that does not. Queues that ask for the same form a
//! *class*. Order among classes that can be placed now: the namespace that is furthest below its share, then
//! priority, then the run that was accepted first.
//!
//! Ageing: of [`AGED_EVERY`] placements in a namespace one goes to the queue that has waited longest, if that is
//! longer than [`AGED_AFTER`]. So whatever has a high priority gets nearly all there is, and nothing waits for ever.
//! Nothing is kept free for a step that asks for much: it waits until there is room for it.

mod near;
mod quota;
mod used;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use cofferdam_model::{LibraryDigest, Nearest, RunId, Standing, Timestamp, UsedUp, WorkerId};

pub(crate) use self::near::{WANTED_MAX, Wanted, key_of};
pub use self::quota::Quotas;
pub(crate) use self::quota::{Claim, Claims};
use self::quota::{Namespaces, Pools};
pub use self::used::hour_began;
pub(crate) use self::workers::Offer;
use self::workers::Workers;
use crate::demand::Demand;
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};

/// How long a queue waits before its turn comes whatever its priority.
pub(crate) const AGED_AFTER: Duration = Duration::from_secs(60);
/// One placement in so many goes to the queue that has waited longest: a few percent for those with low priority.
pub(crate) const AGED_EVERY: u32 = 16;

/// Since when a head waits whose turn is by its priority: those that have aged come before.
const NOT_AGED: Timestamp = Timestamp(u64::MAX);

/// Place of a ready step in its run: priority, then where its region stands in the plan; within a region
/// the innermost and earliest copies first, so that a chain that was begun is finished.
pub(crate) type Turn = (Reverse<i32>, u32, Reverse<u32>, u32, u32, u32);

/// A queue that has a step to place, and its turn among all: the smallest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    /// Of the run and the step together.
    pub(crate) priority: Reverse<i32>,
    /// Order in which the runs were accepted.
    pub(crate) number: u64,
    /// Of the first step of the queue, in its run.
    pub(crate) turn: Turn,
    pub(crate) run: RunId,
    /// The run's own number of the queue.
    pub(crate) line: u32,
}

/// Queues that ask for the same.
#[derive(Debug)]
struct Class {
    demand: Demand,
    pool: Option<u32>,
    namespace: u32,
    heads: BTreeSet<Head>,
    /// The same, with the time since when they wait.
    waiting: BTreeSet<(Timestamp, Head)>,
    /// State of the workers at which nothing of this class could be placed.
    blocked_at: u64,
}

/// A step that could be placed.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) at_step: u32,
    /// How long it will take, in microseconds, if that is known.
    pub(crate) expected_us: Option<u32>,
    pub(crate) wanted: Wanted,
}

/// What the placement asks of the runs.
pub(crate) trait Ready {
    /// The step at the head of a queue.
    fn head(&mut self, head: &Head) -> Candidate;
    /// A step of the same queue and priority whose inputs are at that worker.
    fn near(&mut self, head: &Head, worker: WorkerId) -> Option<Candidate>;
}

/// What goes where.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) run: RunId,
    pub(crate) line: u32,
    pub(crate) class: u32,
    pub(crate) worker: WorkerId,
    pub(crate) step: Candidate,
    /// Its turn came because it had waited so long.
    aged: bool,
}

/// Why nothing of a class is placed.
#[derive(Debug)]
pub(crate) enum NoPlace {
    Pool { pool: String, max: u32 },
    Namespace { namespace: String, max: u32 },
    Quota { namespace: String, used_up: UsedUp },
    NoWorker,
    NoneFits { asks: String, nearest: Nearest },
    Draining,
    NoTimeLeft,
    Busy { asks: String, over_share: Option<String> },
}

/// The queues' heads and the workers' room.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    classes: Vec<Class>,
    by_demand: HashMap<(Demand, u32), u32>,
    /// Classes with queues.
    open: BTreeSet<u32>,
    pools: Pools,
    namespaces: Namespaces,
    pub(crate) workers: Workers,
}

impl Placement {
    pub(crate) fn new(quotas: Quotas) -> Placement {
        Placement {
            pools: Pools::new(quotas.pools, quotas.pool_default),
            namespaces: Namespaces::new(quotas.weights, quotas.namespaces, quotas.quotas),
            ..Placement::default()
        }
    }

    /// The class of such a demand in a namespace. New ones are made known to the claims, which count.
    pub(crate) fn class(&mut self, demand: &Demand, namespace: &str, claims: &mut Claims) -> u32 {
        let namespace = self.namespaces.number(namespace);
        let key = (demand.clone(), namespace);
        if let Some(class) = self.by_demand.get(&key) {
            return *class;
        }
        let pool = demand.pool.as_ref().map(|pool| self.pools.number(pool));
        let class = claims.add_class(pool, namespace);
        self.classes.push(Class {
            demand: demand.clone(),
            pool,
            namespace,
            heads: BTreeSet::new(),
            waiting: BTreeSet::new(),
            blocked_at: u64::MAX,
        });
        self.by_demand.insert(key, class);
        class
    }

    /// Replaces a queue's head and the time since when it waits.
    pub(crate) fn head(
        &mut self,
        class_idx: u32,
        old: Option<(Timestamp, Head)>,
        new: Option<(Timestamp, Head)>,
    ) {
        if old == new {
            return;
        }
        let class = &mut self.classes[class_idx as usize];
        if let Some(old) = old {
            class.heads.remove(&old.1);
            class.waiting.remove(&old);
        }
        if let Some(new) = new {
            class.heads.insert(new.1);
            class.waiting.insert(new);
        }
        if class.heads.is_empty() {
            self.open.remove(&class_idx);
        } else {
            self.open.insert(class_idx);
        }
    }

    /// The next step to place and the worker for it, if anything can be placed.
    pub(crate) fn next(&mut self, now: Timestamp, claims: &Claims, ready: &mut impl Ready) -> Option<Placed> {
        while self.workers.have_room() {
            let (head, class, aged) = self.first(now, claims)?;
            let version = self.workers.version();
            let this = &mut self.classes[class as usize];
            let step = ready.head(&head);
            let found = self.workers.best(&this.demand, &step, now);
            let Some((worker, is_near)) = found else {
                this.blocked_at = version;
                continue;
            };
            // What is already where there is room goes before what would have to be moved.
            let nearer = if is_near || aged { None } else { ready.near(&head, worker) };
            let nearer = nearer.filter(|step| self.workers.takes(worker, step.expected_us));
            let step = nearer.unwrap_or(step);
            return Some(Placed { run: head.run, line: head.line, class, worker, step, aged });
        }
        None
    }

    /// The head whose turn it is, among the classes that are not known to be blocked.
    fn first(&self, now: Timestamp, claims: &Claims) -> Option<(Head, u32, bool)> {
        let version = self.workers.version();
        let open = self.open.iter().filter_map(|class_idx| {
            let class = &self.classes[*class_idx as usize];
            if class.blocked_at == version || !self.may_start(class, now, claims) {
                return None;
            }
            let share = self.namespaces.share(class.namespace, claims);
            let waits_longest = class.waiting.first().filter(|(since, _)| {
                self.namespaces.owes_aged(class.namespace) && now.since(*since) >= AGED_AFTER
            });
            #[cfg(test)]
            let waits_longest = waits_longest.filter(|_| !is_present(Bug::NothingAges));
            let (since, head) = match waits_longest {
                Some((since, head)) => (*since, *head),
                None => (NOT_AGED, *class.heads.first()?),
            };
            Some((share, since, head, *class_idx))
        });
        open.min().map(|(_, since, head, class)| (head, class, since != NOT_AGED))
    }

    /// Whether nothing that counts for all runs keeps one more of a class from starting.
    fn may_start(&self, class: &Class, now: Timestamp, claims: &Claims) -> bool {
        class.pool.is_none_or(|pool| self.pool_has_room(pool, claims))
            && self.namespaces.reached_limit(class.namespace, claims).is_none()
            && self.namespaces.used(class.namespace).used_up(now).is_none()
    }

    /// A place with a free slot for one more attempt of a step, at another worker than that one.
    pub(crate) fn beside(
        &self,
        (run, line, class): (RunId, u32, u32),
        step: Candidate,
        other: WorkerId,
        now: Timestamp,
        claims: &Claims,
    ) -> Option<Placed> {
        let of = &self.classes[class as usize];
        let worker =
            self.may_start(of, now, claims).then(|| self.workers.free(&of.demand, &step, other, now))??;
        Some(Placed { run, line, class, worker, step, aged: false })
    }

    fn pool_has_room(&self, pool: u32, claims: &Claims) -> bool {
        self.pools.limit(pool).is_none_or(|limit| claims.of_pool(pool) < limit)
    }

    /// Notes what was placed.
    pub(crate) fn take(&mut self, placed: &Placed) {
        let Placed { class, worker, step, aged, .. } = placed;
        let class = &self.classes[*class as usize];
        self.namespaces.placed(class.namespace, *aged);
        self.workers.take(*worker, &class.demand.resources, step.expected_us);
        self.workers.near.hold(*worker, step.wanted.values.iter().map(|(key, _)| *key));
    }

    /// Gives a claim its room at its worker, which has come back with it.
    pub(crate) fn take_again(&mut self, claim: &Claim) {
        let resources = &self.classes[claim.class as usize].demand.resources;
        self.workers.take(claim.worker, resources, claim.expected_us);
    }

    /// Gives back what `take` took; nothing if the worker has left.
    pub(crate) fn give_back(&mut self, claim: &Claim) {
        let demand = &self.classes[claim.class as usize].demand;
        self.workers.give_back(claim.worker, &demand.resources, claim.expected_us);
    }

    /// Why nothing of a class is placed now.
    pub(crate) fn why(&self, class_idx: u32, now: Timestamp, claims: &Claims) -> NoPlace {
        let class = &self.classes[class_idx as usize];
        if let Some(pool) = class.pool
            && !self.pool_has_room(pool, claims)
        {
            let max = self.pools.limit(pool).unwrap_or_default();
            return NoPlace::Pool { pool: class.demand.pool.clone().unwrap_or_default(), max };
        }
        if let Some(max) = self.namespaces.reached_limit(class.namespace, claims) {
            return NoPlace::Namespace { namespace: self.namespaces.name(class.namespace).to_owned(), max };
        }
        if let Some(used_up) = self.namespaces.used(class.namespace).used_up(now) {
            let namespace = self.namespaces.name(class.namespace).to_owned();
            return NoPlace::Quota { namespace, used_up };
        }
        self.workers.why(&class.demand, now).unwrap_or_else(|| {
            let share = |namespace| self.namespaces.share(namespace, claims);
            let open = self.open.iter().map(|other| self.classes[*other as usize].namespace);
            let below = open.filter(|other| *other != class.namespace);
            let over = below.map(share).any(|other| other.0 < share(class.namespace).0);
            let over_share = over.then(|| self.namespaces.name(class.namespace).to_owned());
            NoPlace::Busy { asks: class.demand.to_string(), over_share }
        })
    }

    /// Counts what an attempt has used.
    pub(crate) fn has_used(
        &mut self,
        claim: &Claim,
        claims: &Claims,
        cpu: Duration,
        stored_bytes: u64,
        now: Timestamp,
    ) {
        let namespace = claims.namespace_of(claim.class);
        self.namespaces.used_mut(namespace).add(cpu, stored_bytes, now);
    }

    /// Sets what a namespace has used.
    pub(crate) fn stands(&mut self, namespace: &str, standing: Standing, now: Timestamp) {
        let number = self.namespaces.number(namespace);
        self.namespaces.used_mut(number).set(standing, now);
    }

    /// Counts the libraries of a run that is driven.
    pub(crate) fn needs(&mut self, namespace: &str, libraries: impl Iterator<Item = LibraryDigest>) {
        let number = self.namespaces.number(namespace);
        self.namespaces.used_mut(number).needs(libraries);
    }

    /// Why a run with these libraries may not be accepted now.
    pub(crate) fn refuses(
        &mut self,
        namespace: &str,
        libraries: impl Iterator<Item = LibraryDigest>,
        now: Timestamp,
    ) -> Option<UsedUp> {
        let number = self.namespaces.number(namespace);
        self.namespaces.used(number).refuses(libraries, now)
    }

    /// When steps that wait for the next hour may start.
    pub(crate) fn next_hour(&self, now: Timestamp) -> Option<Timestamp> {
        let namespaces = self.open.iter().map(|class| self.classes[*class as usize].namespace);
        let used_up = namespaces.filter_map(|number| self.namespaces.used(number).used_up(now));
        let hours = used_up.filter_map(|used_up| match used_up {
            UsedUp::CpuPerHour { until, .. } => Some(until),
            UsedUp::StoredBytes { .. } | UsedUp::Libraries { .. } => None,
        });
        hours.min()
    }

    /// All pools that are known, with their limits.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (&str, Option<u32>)> {
        self.pools.all()
    }

    /// The pool that steps of a class take a place of.
    pub(crate) fn pool_of(&self, class: u32) -> Option<&str> {
        self.classes[class as usize].demand.pool.as_deref()
    }

    pub(crate) fn is_in_pool(&self, class: u32, pool: &str) -> bool {
        self.classes[class as usize].demand.pool.as_deref() == Some(pool)
    }

    /// Of each class, whether a worker that stays could serve it.
    pub(crate) fn served(&self) -> impl Iterator<Item = bool> {
        self.classes.iter().map(|class| self.workers.could_serve(&class.demand))
    }

    pub(crate) fn is_served(&self, class: u32) -> bool {
        self.workers.could_serve(&self.classes[class as usize].demand)
    }

    /// What keeps every worker from serving a class, other than that it is busy.
    pub(crate) fn no_worker(&self, class: u32, now: Timestamp) -> Option<NoPlace> {
        self.workers.why(&self.classes[class as usize].demand, now)
    }
}
