//! What counts for all runs together: the slots of pools and the shares of namespaces.
//!
//! Both are read off the claims that there are. A slot of a pool is therefore free at the moment at which its claim
//! ends, however that happens, and after a restart exactly as many are taken as there are claims.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{Fence, Isolation, Quota, RunId, RunQueue, WorkerId};

use super::used::Used;

#[cfg(test)]
use crate::tests::bug::{Bug, is_present};

/// Weight of a namespace that the operator has not named.
const WEIGHT_DEFAULT: u32 = 1;
/// One placement of a namespace of weight 1, in the measure of what it has had.
const PASS: u64 = 1 << 32;

/// What a namespace may be behind and get back.
const CREDIT_MAX: u64 = 2 * PASS;

/// What an operator sets for all runs together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Most steps at once, by pool.
    pub pools: BTreeMap<String, u32>,
    /// For pools that are not named there; none is no limit.
    pub pool_default: Option<u32>,
    /// Weights of namespaces, one or more; those that are not named have 1.
    pub weights: BTreeMap<String, u32>,
    /// Most steps at once, by namespace; those that are not named have no limit.
    pub namespaces: BTreeMap<String, u32>,
    /// With whom attempts share a process at most, by namespace; a worker may keep them apart from more.
    pub isolation: BTreeMap<String, Isolation>,
    /// What namespaces may use over time, by namespace.
    pub quotas: BTreeMap<String, Quota>,
    /// Which runs go on at once.
    pub runs: RunQueue,
}

/// An attempt that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    /// 1 for the first try.
    pub(crate) attempt: u32,
    pub(crate) worker: WorkerId,
    pub(crate) class: u32,
    pub(crate) expected_us: Option<u32>,
    /// Another attempt has decided the step: this one only keeps its room until its worker says that it has ended.
    pub(crate) outrun: bool,
}

/// What is under way, by its fence: the oldest claim first; and how many there are per pool and namespace.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_fence: BTreeMap<Fence, Claim>,
    /// Pool and namespace of each class.
    classes: Vec<(Option<u32>, u32)>,
    n_of_pool: Vec<u32>,
    n_of_namespace: Vec<u32>,
}

impl Claims {
    pub(super) fn add_class(&mut self, pool: Option<u32>, namespace: u32) -> u32 {
        let grow = |counts: &mut Vec<u32>, at: u32| counts.resize(counts.len().max(at as usize + 1), 0);
        if let Some(pool) = pool {
            grow(&mut self.n_of_pool, pool);
        }
        grow(&mut self.n_of_namespace, namespace);
        self.classes.push((pool, namespace));
        u32::try_from(self.classes.len() - 1).expect("there are no more classes than steps")
    }

    pub(crate) fn insert(&mut self, fence: Fence, claim: Claim) {
        let (pool, namespace) = self.classes[claim.class as usize];
        let before = self.by_fence.insert(fence, claim);
        assert!(before.is_none(), "a fence names one attempt");
        if let Some(pool) = pool {
            self.n_of_pool[pool as usize] += 1;
        }
        self.n_of_namespace[namespace as usize] += 1;
    }

    pub(crate) fn remove(&mut self, fence: &Fence) -> Option<Claim> {
        let claim = self.by_fence.remove(fence)?;
        let (pool, namespace) = self.classes[claim.class as usize];
        if let Some(pool) = pool {
            let n = &mut self.n_of_pool[pool as usize];
            #[cfg(test)]
            if is_present(Bug::SlotReleasedTwice) {
                *n = n.saturating_sub(1).max(1);
            }
            *n -= 1;
        }
        self.n_of_namespace[namespace as usize] -= 1;
        Some(claim)
    }

    /// Its step is decided without it.
    pub(crate) fn outrun(&mut self, fence: Fence) -> Option<&Claim> {
        let claim = self.by_fence.get_mut(&fence)?;
        claim.outrun = true;
        Some(claim)
    }

    pub(crate) fn get(&self, fence: &Fence) -> Option<&Claim> {
        self.by_fence.get(fence)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Fence, &Claim)> {
        self.by_fence.iter()
    }

    pub(super) fn of_pool(&self, pool: u32) -> u32 {
        self.n_of_pool[pool as usize]
    }

    pub(super) fn namespace_of(&self, class: u32) -> u32 {
        self.classes[class as usize].1
    }

    fn of_namespace(&self, namespace: u32) -> u32 {
        self.n_of_namespace[namespace as usize]
    }
}

/// The pools that steps have named, by number.
#[derive(Debug, Default)]
pub(super) struct Pools {
    set: BTreeMap<String, u32>,
    default: Option<u32>,
    numbers: HashMap<String, u32>,
    limits: Vec<Option<u32>>,
}

impl Pools {
    pub(super) fn new(set: BTreeMap<String, u32>, default: Option<u32>) -> Pools {
        Pools { set, default, ..Pools::default() }
    }

    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.limits.len()).expect("there are no more pools than steps");
        self.limits.push(self.set.get(name).copied().or(self.default));
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Those that the operator has named, and those that steps have.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Option<u32>)> {
        let set = self.set.iter().map(|(name, limit)| (name.as_str(), Some(*limit)));
        let others = self.numbers.iter().filter(|(name, _)| !self.set.contains_key(*name));
        set.chain(others.map(|(name, number)| (name.as_str(), self.limit(*number))))
    }

    pub(super) fn limit(&self, pool: u32) -> Option<u32> {
        self.limits[pool as usize]
    }
}

/// What a namespace has had in proportion to its weight; the smallest goes first. First what it has now; where that
/// is equal, as it is with a single slot, what it was given so far.
pub(super) type Share = (u64, u64, u32);

#[derive(Debug)]
struct Namespace {
    weight: u64,
    /// Most steps at once.
    limit: Option<u32>,
    /// Sum of what it was given, in [`PASS`] by weight.
    given: u64,
    n_since_aged: u32,
    used: Used,
}

/// The namespaces that runs have named, by number.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    weights: BTreeMap<String, u32>,
    limits: BTreeMap<String, u32>,
    quotas: BTreeMap<String, Quota>,
    numbers: HashMap<String, u32>,
    all: Vec<Namespace>,
    /// Most that one that was served has had: one that comes, or comes back, starts near that.
    reached: u64,
}

impl Namespaces {
    pub(super) fn new(
        weights: BTreeMap<String, u32>,
        limits: BTreeMap<String, u32>,
        quotas: BTreeMap<String, Quota>,
    ) -> Namespaces {
        Namespaces { weights, limits, quotas, ..Namespaces::default() }
    }

    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).expect("there are no more namespaces than runs");
        let weight = self.weights.get(name).copied().unwrap_or(WEIGHT_DEFAULT).max(1);
        let limit = self.limits.get(name).copied();
        let used = Used::new(self.quotas.get(name).cloned().unwrap_or_default());
        let given = self.reached;
        self.all.push(Namespace { weight: weight.into(), limit, given, n_since_aged: 0, used });
        self.numbers.insert(name.to_owned(), number);
        number
    }

    pub(super) fn used(&self, number: u32) -> &Used {
        &self.all[number as usize].used
    }

    pub(super) fn used_mut(&mut self, number: u32) -> &mut Used {
        &mut self.all[number as usize].used
    }

    pub(super) fn name(&self, number: u32) -> &str {
        let found = self.numbers.iter().find(|(_, other)| **other == number);
        found.map_or("", |(name, _)| name)
    }

    /// The limit that a namespace has reached.
    pub(super) fn reached_limit(&self, number: u32, claims: &Claims) -> Option<u32> {
        self.all[number as usize].limit.filter(|limit| claims.of_namespace(number) >= *limit)
    }

    pub(super) fn share(&self, number: u32, claims: &Claims) -> Share {
        let namespace = &self.all[number as usize];
        let now = u64::from(claims.of_namespace(number)) * PASS / namespace.weight;
        (now, namespace.given.max(self.floor()), number)
    }

    pub(super) fn owes_aged(&self, number: u32) -> bool {
        self.all[number as usize].n_since_aged >= super::AGED_EVERY - 1
    }

    /// Notes that one of its steps was placed, by its age or by its priority.
    pub(super) fn placed(&mut self, number: u32, by_age: bool) {
        let namespace = &mut self.all[number as usize];
        namespace.n_since_aged = if by_age { 0 } else { namespace.n_since_aged.saturating_add(1) };
        let given = namespace.given.max(self.reached.saturating_sub(CREDIT_MAX));
        namespace.given = given + PASS / namespace.weight;
        self.reached = self.reached.max(given);
    }

    /// What a namespace has had at least, as it is counted: who was away has saved little up.
    fn floor(&self) -> u64 {
        self.reached.saturating_sub(CREDIT_MAX)
    }
}
