//! Who is there and what each does: for whoever looks at workers, where [`Engine::census`] only counts.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{RunId, StepKey, Timestamp, WorkerId};

use super::Engine;

/// A worker that is heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    pub worker: WorkerId,
    pub slots: u32,
    /// Abstract resources that it offers: `GPU: 2`.
    pub resources: BTreeMap<String, f64>,
    pub labels: BTreeMap<String, String>,
    /// It gets nothing more.
    pub leaving: bool,
    /// Attempts that it has, the oldest first; some of them may wait there for a free slot.
    pub attempts: Vec<Under>,
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    pub run: RunId,
    pub step: StepKey,
    /// 1 for the first try.
    pub attempt: u32,
    pub dispatched_at: Timestamp,
}

impl Engine {
    /// All workers that are heard, by their numbers.
    pub fn roster(&self) -> Vec<Present> {
        let mut under: HashMap<WorkerId, Vec<Under>> = HashMap::new();
        for (fence, claim) in self.attempts.iter() {
            let Some(active) = self.runs.get(&claim.run) else { continue };
            let step = &active.run.steps[claim.step as usize];
            let attempts = step.history.iter().flat_map(|history| &history.attempts);
            let since = attempts.rev().find(|attempt| attempt.fence == *fence);
            under.entry(claim.worker).or_default().push(Under {
                run: claim.run,
                step: step.key.clone(),
                attempt: claim.attempt,
                dispatched_at: since.map_or(self.now, |attempt| attempt.dispatched_at),
            });
        }
        let mut present = self.placement.workers.present();
        for worker in &mut present {
            worker.attempts = under.remove(&worker.worker).unwrap_or_default();
        }
        present
    }
}
