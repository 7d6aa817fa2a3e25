//! Limits of whole runs: who has reached one is cancelled, and fails by it.

use std::cmp::Reverse;

use cofferdam_model::{RunId, RunLimit, RunLimits, Timestamp};

use super::queue::Active;
use super::{Action, Engine};
use crate::run::Run;

impl Engine {
    /// Sees to it that a run is looked at when it may have reached a limit.
    pub(super) fn watch(&mut self, id: RunId, now: Timestamp) {
        if let Some(at) = self.runs.get(&id).and_then(|active| next_look(active, now)) {
            self.limits.push(Reverse((at, id)));
        }
    }

    /// Ends the runs that have reached a limit.
    pub(super) fn enforce_limits(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(Reverse((at, id))) = self.limits.peek().copied()
            && at <= now
        {
            self.limits.pop();
            match self.runs.get(&id).and_then(|active| reached(active, now)) {
                Some(limit) => self.cancel(id, Some(limit), now, actions),
                None => self.watch(id, now),
            }
        }
    }
}

/// Tags were checked when the plan was made; what an older one says wrongly is no limit.
fn limits(run: &Run) -> RunLimits {
    RunLimits::of(&run.layout.plan.tags).unwrap_or_default()
}

/// The limits that count for a run now, with the time since when.
fn running(active: &Active) -> impl Iterator<Item = (RunLimit, Timestamp)> {
    let run = &active.run;
    let limits = limits(run);
    let start = limits.start.filter(|_| run.started_at().is_none());
    [
        (start, active.admitted_at),
        (limits.runtime, run.started_at()),
        (limits.worker, active.unserved_since()),
    ]
    .into_iter()
    .filter_map(|(limit, since)| limit.zip(since))
}

fn reached(active: &Active, now: Timestamp) -> Option<RunLimit> {
    running(active).find(|(limit, since)| *since + limit.time() <= now).map(|(limit, _)| limit)
}

/// A run that has not started cannot have run for too long before as much time has passed from now on.
fn next_look(active: &Active, now: Timestamp) -> Option<Timestamp> {
    let run = &active.run;
    if run.status().is_terminal() || run.limit().is_some() {
        return None;
    }
    let not_yet = limits(run).runtime.filter(|_| run.started_at().is_none()).map(|limit| now + limit.time());
    running(active).map(|(limit, since)| since + limit.time()).chain(not_yet).min()
}
