//! The libraries of the runs that are driven: workers hear of them when a run is accepted or when they join, so that
//! they are fetched and compiled before a step needs them.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{NeededLibrary, Plan, RunId};

#[derive(Default)]
pub(crate) struct Ahead {
    runs: BTreeMap<RunId, BTreeSet<NeededLibrary>>,
}

impl Ahead {
    /// What a run needs that begins.
    pub(crate) fn begin(&mut self, run: RunId, plan: &Plan) -> Vec<NeededLibrary> {
        let needed: BTreeSet<NeededLibrary> = plan
            .steps
            .iter()
            .map(|step| NeededLibrary { library: step.library, fuel: step.limits.fuel.is_some() })
            .collect();
        let list = needed.iter().copied().collect();
        self.runs.insert(run, needed);
        list
    }

    pub(crate) fn end(&mut self, run: RunId) {
        self.runs.remove(&run);
    }

    /// What all runs need.
    pub(crate) fn all(&self) -> Vec<NeededLibrary> {
        let all: BTreeSet<NeededLibrary> = self.runs.values().flatten().copied().collect();
        all.into_iter().collect()
    }
}
