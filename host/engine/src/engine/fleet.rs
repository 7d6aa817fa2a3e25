//! What steps ask for and no worker offers: looked for when a run comes, and again whenever a worker comes or goes. Who
//! watches the run is told of each change, and a run whose time to wait for that is over ends (see `limits`).

use cofferdam_model::{RunId, StepKey, StepStatus, Timestamp, Why};

use super::queue::Active;
use super::{Action, Engine};
use crate::place::{NoPlace, Placement};
use crate::run::Run;

impl Engine {
    /// Workers came or went: says of all runs what is offered no more, or offered again.
    pub(super) fn survey(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let served: Vec<bool> = self.placement.served().collect();
        let mut waiting = vec![];
        for (id, active) in &mut self.runs {
            let changed = active.compare(|class| served[class as usize], now);
            let why = |class| self.placement.why_unserved(class, now);
            let told = changed.into_iter().map(|Change { step, class, served }| {
                let why = (!served).then(|| why(class));
                Action::Waits { run: *id, step, why }
            });
            let n_before = actions.len();
            actions.extend(told);
            waiting.extend((actions.len() > n_before).then_some(*id));
        }
        for id in waiting {
            self.watch(id, now);
        }
    }

    /// The same for a run that has just come. Nobody watches it yet: who submits a run is told otherwise.
    pub(super) fn survey_new(&mut self, id: RunId, now: Timestamp) {
        let placement = &self.placement;
        if let Some(active) = self.runs.get_mut(&id) {
            active.compare(|class| placement.is_served(class), now);
        }
        self.watch(id, now);
    }
}

/// A line whose steps may wait in vain, or do no more.
struct Change {
    /// The first of its steps that is still to run.
    step: StepKey,
    class: u32,
    served: bool,
}

impl Active {
    /// Notes since when nobody offers what steps ask for that are still to run; answers with what is different from before.
    fn compare(&mut self, is_served: impl Fn(u32) -> bool, now: Timestamp) -> Vec<Change> {
        let mut changed = vec![];
        if self.run.status.is_terminal() {
            return changed;
        }
        for (line, class) in (0_u32..).zip(&self.classes) {
            let served = is_served(*class);
            if served != self.unserved.contains_key(&line) {
                continue;
            }
            if served {
                self.unserved.remove(&line);
            }
            let Some(step) = self.run.first_to_run(line) else { continue };
            if !served {
                self.unserved.insert(line, now);
            }
            changed.push(Change { step, class: *class, served });
        }
        changed
    }

    /// Since when steps that are still to run ask for what nobody offers.
    pub(super) fn unserved_since(&self) -> Option<Timestamp> {
        let open = self.unserved.iter().filter(|(line, _)| self.run.first_to_run(**line).is_some());
        open.map(|(_, since)| *since).min()
    }
}

impl Run {
    /// The first step of a line that is still to run; a mapped one, before its copies are known, by its key in the plan.
    fn first_to_run(&self, line: u32) -> Option<StepKey> {
        let is_of = |template: u32| self.layout.templates[template as usize].line == line;
        let is_to_run = |status: StepStatus| !status.is_terminal() && status != StepStatus::Running;
        let made = self.steps.iter().find(|step| is_of(step.template) && is_to_run(step.status));
        made.map(|step| step.key.clone()).or_else(|| {
            let plan = self.layout.plan.steps.iter().zip(0_u32..);
            let mut unmade =
                plan.filter(|(step, template)| is_of(*template) && !self.index.contains_key(&step.key));
            unmade.find(|(step, _)| self.unmade(&step.key).is_some()).map(|(step, _)| step.key.clone())
        })
    }
}

impl Placement {
    /// Why no worker could ever serve a class, of which that is so.
    fn why_unserved(&self, class: u32, now: Timestamp) -> Why {
        match self.no_worker(class, now) {
            Some(NoPlace::NoneFits { asks, nearest }) => Why::NoWorkerFits { asks, nearest },
            Some(NoPlace::Draining) => Why::Draining,
            _ => Why::NoWorker,
        }
    }
}
