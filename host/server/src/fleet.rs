//! The workers that are joined now, for people: who they are, and which steps none of them could run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cofferdam_model::{Plan, PlanStep, WorkerId};
use cofferdam_wire::tls::Member;
use cofferdam_wire::v1::WorkerState;

/// Warnings about one plan.
const WARNINGS_MAX: usize = 10;

/// Clones share the list.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<Mutex<Joined>>);

#[derive(Default)]
struct Joined {
    /// Each with the number of the stream that it came by.
    workers: BTreeMap<WorkerId, (u64, WorkerState)>,
    n_streams: u64,
}

/// Keeps a worker on the list until it is dropped, or until the worker has come again by another stream.
pub(crate) struct Entry {
    fleet: Fleet,
    id: WorkerId,
    stream: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let workers = &mut self.fleet.lock().workers;
        if workers.get(&self.id).is_some_and(|(stream, _)| *stream == self.stream) {
            workers.remove(&self.id);
        }
    }
}

impl Fleet {
    fn lock(&self) -> MutexGuard<'_, Joined> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn enter(&self, id: WorkerId, state: WorkerState) -> Entry {
        let mut joined = self.lock();
        joined.n_streams += 1;
        let stream = joined.n_streams;
        joined.workers.insert(id, (stream, state));
        Entry { fleet: self.clone(), id, stream }
    }

    /// Notes that a worker gets nothing more; false if no such worker is joined.
    pub(crate) fn leave(&self, id: WorkerId) -> bool {
        self.lock().workers.get_mut(&id).map(|(_, state)| state.leaving = true).is_some()
    }

    /// What a worker's certificates name.
    pub(crate) fn member(&self, id: WorkerId) -> Option<Member> {
        self.lock().workers.get(&id)?.1.member.parse().ok()
    }

    /// The workers whose certificates name that: one, or several in one folder.
    pub(crate) fn of(&self, member: Member) -> Vec<WorkerId> {
        let member = member.to_string();
        let joined = self.lock();
        let of = joined.workers.iter().filter(|(_, (_, state))| state.member == member);
        of.map(|(id, _)| *id).collect()
    }

    pub(crate) fn list(&self) -> Vec<WorkerState> {
        self.lock().workers.values().map(|(_, state)| state.clone()).collect()
    }

    /// What is asked for and nobody offers, once for all steps that ask for the same, each with the worker that comes
    /// nearest. The steps wait: such a worker may still join.
    pub(crate) fn warnings(&self, plan: &Plan) -> Vec<String> {
        let joined = self.lock();
        let workers = || joined.workers.values().map(|(_, state)| state);
        if joined.workers.is_empty() {
            return vec!["no worker has joined yet; the run waits for one".to_owned()];
        }
        let mut demands: BTreeMap<String, (&PlanStep, usize)> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| !step.resources.is_empty() || !step.labels.is_empty()) {
            demands.entry(words(&step.resources, &step.labels)).or_insert((step, 0)).1 += 1;
        }
        let impossible = demands.into_iter().filter_map(|(asked, (step, n_steps))| {
            let nearest = workers().min_by_key(|worker| n_lacking(worker, step))?;
            (n_lacking(nearest, step) > 0).then(|| {
                let more = if n_steps > 1 { format!(" and {} more", n_steps - 1) } else { String::new() };
                let resources = step.resources.keys().map(|name| (name.clone(), offers(nearest, name)));
                let labels = step.labels.keys();
                let labels = labels.filter_map(|name| Some((name.clone(), nearest.labels.get(name)?.clone())));
                let offered = words(&resources.collect(), &labels.collect());
                let offered = if offered.is_empty() { "nothing of it".to_owned() } else { offered };
                format!(
                    "`{}`{more} asks for {asked}, which no worker offers; the nearest, `{}`, offers {offered}",
                    step.key, nearest.name
                )
            })
        });
        impossible.take(WARNINGS_MAX).collect()
    }
}

/// Of what a step asks for.
fn n_lacking(worker: &WorkerState, step: &PlanStep) -> usize {
    let few = step.resources.iter().filter(|(name, amount)| offers(worker, name) < **amount);
    let other = step.labels.iter().filter(|(name, value)| worker.labels.get(*name) != Some(value));
    few.count() + other.count()
}

fn offers(worker: &WorkerState, name: &str) -> f64 {
    worker.resources.get(name).copied().unwrap_or(0.0)
}

/// `GPU=2, MEMORY=64000000000, zone=eu`
fn words(resources: &BTreeMap<String, f64>, labels: &BTreeMap<String, String>) -> String {
    let resources = resources.iter().map(|(name, amount)| format!("{name}={amount}"));
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
    resources.chain(labels).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_old_stream_takes_nobody_off_the_list_who_has_come_again() {
        let fleet = Fleet::default();
        let named = |name: &str| WorkerState { name: name.to_owned(), ..WorkerState::default() };
        let listed = || fleet.list().into_iter().map(|state| state.name).collect::<Vec<_>>();
        let old = fleet.enter(WorkerId(1), named("old"));
        let new = fleet.enter(WorkerId(1), named("new"));
        drop(old);
        assert_eq!(listed(), ["new"]);
        drop(new);
        assert_eq!(listed(), [""; 0]);
    }
}
