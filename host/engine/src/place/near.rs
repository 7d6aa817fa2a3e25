//! What is where: values and libraries that workers hold by now. Only a hint: a worker may have dropped them, and all
//! that is lost then is time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cofferdam_model::{LibraryDigest, WorkerId};

/// Values that are remembered per worker; at some 50 bytes each, 200 KB. The oldest is forgotten first.
const VALUES_MAX: usize = 4096;
/// Libraries that are remembered per worker, for the same reason.
const LIBRARIES_MAX: usize = 1024;
/// Workers that are remembered for one value: more to choose from would change little.
const HOLDERS_MAX: usize = 8;
/// Inputs of one step that are looked at; a step that reads more is near nothing in particular.
pub(crate) const WANTED_MAX: usize = 64;
/// What a worker that has not run the library yet costs, in bytes that could be moved instead: about a tenth of a second.
const LIBRARY_COST_BYTES: u64 = 16 * 1024 * 1024;

/// What a step needs at its worker.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) library: LibraryDigest,
    /// Keys of stored values, hashed, and their bytes.
    pub(crate) values: Vec<(u64, u64)>,
}

/// A key as it is remembered here. That two keys are taken for one now and then does no harm.
pub(crate) fn key_of(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug, Default)]
struct Held {
    values: HashSet<u64>,
    /// In the order in which they came.
    order: VecDeque<u64>,
    libraries: HashSet<LibraryDigest>,
}

/// What is where.
#[derive(Debug, Default)]
pub(crate) struct Near {
    held: HashMap<WorkerId, Held>,
    holders: HashMap<u64, Vec<WorkerId>>,
}

impl Near {
    pub(super) fn leave(&mut self, worker: WorkerId) {
        for key in self.held.remove(&worker).map(|held| held.order).unwrap_or_default() {
            self.forget(key, worker);
        }
    }

    /// These values are at the worker now.
    pub(crate) fn hold(&mut self, worker: WorkerId, keys: impl Iterator<Item = u64>) {
        for key in keys {
            let held = self.held.entry(worker).or_default();
            if !held.values.insert(key) {
                continue;
            }
            held.order.push_back(key);
            let oldest = if held.order.len() > VALUES_MAX { held.order.pop_front() } else { None };
            if let Some(oldest) = oldest {
                held.values.remove(&oldest);
                self.forget(oldest, worker);
            }
            let holders = self.holders.entry(key).or_default();
            if holders.len() < HOLDERS_MAX {
                holders.push(worker);
            }
        }
    }

    fn forget(&mut self, key: u64, worker: WorkerId) {
        if let Some(holders) = self.holders.get_mut(&key) {
            holders.retain(|other| *other != worker);
            if holders.is_empty() {
                self.holders.remove(&key);
            }
        }
    }

    /// The worker has run an op of the library.
    pub(crate) fn ran(&mut self, worker: WorkerId, library: LibraryDigest) {
        let libraries = &mut self.held.entry(worker).or_default().libraries;
        if libraries.len() < LIBRARIES_MAX {
            libraries.insert(library);
        }
    }

    /// What it costs to run it there, in bytes.
    pub(super) fn cost(&self, worker: WorkerId, wanted: &Wanted) -> u64 {
        let all = || wanted.values.iter().map(|(_, bytes)| *bytes).sum::<u64>();
        let Some(held) = self.held.get(&worker) else { return all() + LIBRARY_COST_BYTES };
        let library = if held.libraries.contains(&wanted.library) { 0 } else { LIBRARY_COST_BYTES };
        let missing = wanted.values.iter().filter(|(key, _)| !held.values.contains(key));
        library + missing.map(|(_, bytes)| *bytes).sum::<u64>()
    }

    /// The worker that holds most of it, if any holds something.
    pub(crate) fn home(&self, wanted: &Wanted) -> Option<WorkerId> {
        let mut bytes: Vec<(WorkerId, u64)> = vec![];
        for (key, size) in &wanted.values {
            for worker in self.holders.get(key).into_iter().flatten() {
                match bytes.iter_mut().find(|(other, _)| other == worker) {
                    Some((_, sum)) => *sum += size,
                    None => bytes.push((*worker, *size)),
                }
            }
        }
        bytes
            .into_iter()
            .max_by_key(|(worker, bytes)| (*bytes, std::cmp::Reverse(*worker)))
            .map(|(worker, _)| worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: LibraryDigest = LibraryDigest([1; 32]);

    #[test]
    fn what_is_remembered_has_a_bound_and_goes_with_its_worker() {
        let mut near = Near::default();
        let (one, two) = (WorkerId(1), WorkerId(2));
        near.hold(one, 0..2 * VALUES_MAX as u64);
        near.hold(two, [5, u64::MAX].into_iter());
        assert_eq!(near.held[&one].values.len(), VALUES_MAX);
        assert_eq!(near.holders.len(), VALUES_MAX + 2);
        for worker in 10..100 {
            near.hold(WorkerId(worker), [u64::MAX].into_iter());
        }
        assert_eq!(near.holders[&u64::MAX].len(), HOLDERS_MAX);
        near.leave(one);
        assert_eq!(near.holders.len(), 2);
    }

    #[test]
    fn the_cost_is_what_is_not_there_yet() {
        let mut near = Near::default();
        let wanted = Wanted { library: LIBRARY, values: vec![(1, 100), (2, 30)] };
        let (one, two) = (WorkerId(1), WorkerId(2));
        near.hold(one, [1].into_iter());
        near.hold(two, [2].into_iter());
        near.ran(two, LIBRARY);
        assert_eq!(near.cost(one, &wanted), 30 + LIBRARY_COST_BYTES);
        assert_eq!(near.cost(two, &wanted), 100);
        assert_eq!(near.cost(WorkerId(3), &wanted), 130 + LIBRARY_COST_BYTES);
        assert_eq!(near.home(&wanted), Some(one));
    }
}
