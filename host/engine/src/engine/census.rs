//! How things stand, in numbers: for whoever watches the whole, where [`Engine::why`] is about one step.

use std::collections::BTreeMap;

use cofferdam_model::{RunStatus, StepStatus};

use super::Engine;
use super::queue::Active;
use crate::place::NoPlace;

/// How many of what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Runs that are driven.
    pub runs: BTreeMap<RunStatus, u64>,
    /// Steps that do not run and have not ended, by why.
    pub waiting: BTreeMap<&'static str, u64>,
    pub running: u64,
    /// Workers that are heard and stay.
    pub joined: u64,
    /// Workers that are heard and leave.
    pub leaving: u64,
    pub slots: u64,
}

impl Engine {
    /// Counts. Looks at each line of steps that ask for the same, not at each step: a step that was cancelled in its
    /// queue may be counted for a while.
    pub fn census(&self) -> Census {
        let mut census = self.placement.workers.census();
        for active in self.runs.values() {
            *census.runs.entry(active.run.status).or_default() += 1;
            census.running += u64::from(active.run.count(StepStatus::Running));
            self.count_waiting(active, &mut census.waiting);
        }
        census.waiting.retain(|_, n| *n > 0);
        census
    }

    fn count_waiting(&self, active: &Active, waiting: &mut BTreeMap<&'static str, u64>) {
        let run = &active.run;
        let count = |status| u64::from(run.count(status));
        let (dependent, ready) =
            (count(StepStatus::Waiting), count(StepStatus::Ready) + count(StepStatus::Retrying));
        let mut add = |reason, n| *waiting.entry(reason).or_default() += n;
        if run.status == RunStatus::Cancelling {
            return add("cancelling", dependent + ready);
        }
        let held = run.n_held();
        add("dependency", dependent - held);
        add("wait", held);
        let recalled = active.recalling.len() as u64;
        add("recall", recalled);
        let held_up = active.held_up.len() as u64;
        add("holder", held_up);
        let mut queued = 0;
        for (line, queue) in &active.queues {
            let n = queue.len() as u64;
            queued += n;
            add(self.reason(active, *line), n);
        }
        add("retry", ready.saturating_sub(queued + recalled + held_up));
    }

    /// Why the ready steps of a line do not run.
    fn reason(&self, active: &Active, line: u32) -> &'static str {
        if active.admitted_at.is_none() {
            return "run_queue";
        }
        if active.is_full() {
            return "max_concurrent";
        }
        if active.run.limited_by(line).is_some() {
            return "tag_limit";
        }
        // Time plays a part only for workers that end: who watches numbers is told when those have gone.
        let now = active.run.now;
        match self.placement.why(active.classes[line as usize], now, &self.attempts) {
            NoPlace::Pool { .. } => "pool",
            NoPlace::Namespace { .. } => "namespace",
            NoPlace::Quota { .. } => "quota",
            NoPlace::NoWorker => "no_worker",
            NoPlace::NoneFits { .. } => "no_worker_fits",
            NoPlace::Draining => "draining",
            NoPlace::NoTimeLeft => "no_time_left",
            NoPlace::Busy { .. } => "busy",
        }
    }
}
