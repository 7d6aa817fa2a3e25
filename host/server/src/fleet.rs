//! The workers that are joined now, for people: who they are, and which steps none of them could run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cofferdam_model::{Plan, WorkerId};
use cofferdam_wire::v1::WorkerState;

/// Warnings about one plan.
const WARNINGS_MAX: usize = 10;

/// Clones share the list.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<Mutex<BTreeMap<WorkerId, WorkerState>>>);

/// Keeps a worker on the list until it is dropped.
pub(crate) struct Entry {
    fleet: Fleet,
    id: WorkerId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.fleet.lock().remove(&self.id);
    }
}

impl Fleet {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, WorkerState>> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn enter(&self, id: WorkerId, state: WorkerState) -> Entry {
        self.lock().insert(id, state);
        Entry { fleet: self.clone(), id }
    }

    /// Notes that a worker gets nothing more; false if no such worker is joined.
    pub(crate) fn leave(&self, id: WorkerId) -> bool {
        self.lock().get_mut(&id).map(|state| state.leaving = true).is_some()
    }

    pub(crate) fn list(&self) -> Vec<WorkerState> {
        self.lock().values().cloned().collect()
    }

    /// What is asked for and nobody offers, once for all steps that ask for the same, each with the worker that comes
    /// nearest. The steps wait: such a worker may still join.
    pub(crate) fn warnings(&self, plan: &Plan) -> Vec<String> {
        let workers = self.lock();
        if workers.is_empty() {
            return vec!["no worker has joined yet; the run waits for one".to_owned()];
        }
        let mut demands: BTreeMap<String, (&BTreeMap<String, f64>, Vec<&str>)> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| !step.resources.is_empty()) {
            let demand = demands.entry(words(&step.resources)).or_insert((&step.resources, vec![]));
            demand.1.push(step.key.as_str());
        }
        let impossible = demands.into_iter().filter_map(|(words, (demand, steps))| {
            let lacking = |worker: &WorkerState| {
                demand.iter().filter(|(name, amount)| offers(worker, name) < **amount).count()
            };
            let nearest = workers.values().min_by_key(|worker| lacking(worker))?;
            (lacking(nearest) > 0).then(|| {
                let step = steps.first().expect("a demand is some step's");
                let more =
                    if steps.len() > 1 { format!(" and {} more", steps.len() - 1) } else { String::new() };
                let offer: BTreeMap<String, f64> =
                    demand.keys().map(|name| (name.clone(), offers(nearest, name))).collect();
                format!(
                    "`{step}`{more} asks for {words}, which no worker offers; the nearest, `{}`, offers {}",
                    nearest.name,
                    self::words(&offer)
                )
            })
        });
        impossible.take(WARNINGS_MAX).collect()
    }
}

fn offers(worker: &WorkerState, name: &str) -> f64 {
    worker.resources.get(name).copied().unwrap_or(0.0)
}

/// `GPU=2, MEMORY=64000000000`
fn words(resources: &BTreeMap<String, f64>) -> String {
    let parts: Vec<String> = resources.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    parts.join(", ")
}
