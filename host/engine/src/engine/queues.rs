//! What waits for its turn over all runs: for whoever looks, where [`Engine::census`] only counts.

use std::collections::BTreeMap;

use cofferdam_model::{PoolUse, QUEUED_RUNS_MAX, QueuedRun, Queues, WHY_STEPS_MAX};

use super::Engine;

impl Engine {
    /// The run queue and the pools.
    pub fn queues(&self) -> Queues {
        let mut queued = self.queued();
        let named = queued.by_ref().take(QUEUED_RUNS_MAX);
        let runs = named.filter_map(|(priority, id)| {
            let job = self.runs.get(&id)?.run.layout.plan.job.clone();
            Some(QueuedRun { run: id, job, priority, why: self.why_queued(id)? })
        });
        let runs = runs.collect();
        Queues { runs, more_runs: queued.count(), pools: self.pools() }
    }

    fn pools(&self) -> Vec<PoolUse> {
        let of = |(name, limit)| PoolUse { name, limit, taken: 0, waiting: 0, holders: vec![] };
        let pools =
            self.placement.pools().map(|(name, limit)| (name.to_owned(), of((name.to_owned(), limit))));
        let mut pools: BTreeMap<String, PoolUse> = pools.collect();
        for (_, claim) in self.attempts.iter() {
            let pool = self.placement.pool_of(claim.class).and_then(|name| pools.get_mut(name));
            let Some(pool) = pool else { continue };
            pool.taken += 1;
            // What was outrun may be there for longer than its run.
            if let Some(active) = self.runs.get(&claim.run).filter(|_| pool.holders.len() < WHY_STEPS_MAX) {
                let step = active.run.steps[claim.step as usize].key.clone();
                pool.holders.push((claim.run, step));
            }
        }
        for active in self.runs.values() {
            for (line, queue) in &active.queues {
                let pool = self.placement.pool_of(active.classes[*line as usize]);
                if let Some(pool) = pool.and_then(|name| pools.get_mut(name)) {
                    pool.waiting += queue.len() as u64;
                }
            }
        }
        pools.into_values().collect()
    }
}
