//! Why a step does not run now.

use cofferdam_model::{
    Before, Reasons, RunId, RunStatus, StepKey, StepStatus, Steps, TagValue, Timestamp, WHY_STEPS_MAX, Why,
};

use super::Engine;
use super::queue::Active;
use crate::place::NoPlace;
use crate::run::Run;

impl Engine {
    /// Why a step does not run now; none if its run is not driven or has no such step.
    pub fn why(&self, run: RunId, key: &StepKey, now: Timestamp) -> Option<Why> {
        let active = self.runs.get(&run)?;
        let Ok(at_step) = active.run.find(key) else {
            return active.run.unmade(key);
        };
        let step = &active.run.steps[at_step as usize];
        let last = active.run.attempts(at_step).last();
        Some(match (step.status, last) {
            (StepStatus::Running, Some(last)) => Why::Runs { worker: last.worker, since: last.dispatched_at },
            (status, _) if status.is_terminal() => Why::Ended { status },
            (StepStatus::Waiting, _) if active.run.is_held(at_step) => active.run.why_held(at_step),
            (StepStatus::Waiting, _) => Why::Dependency { on: active.run.awaited(at_step) },
            _ if active.run.status == RunStatus::Cancelling && !active.run.is_tear_down(at_step) => {
                Why::Cancelling
            }
            (StepStatus::Ready | StepStatus::Retrying, Some(last))
                if last.retry_at.is_some_and(|at| at > now) =>
            {
                Why::RetryAt { at: last.retry_at.unwrap_or(now) }
            }
            (StepStatus::Retrying, _) if step.missing > 0 => {
                Why::Dependency { on: active.run.awaited(at_step) }
            }
            _ if active.recalling.contains(&at_step) => Why::Recall,
            _ if active.held_up.contains(&at_step) => {
                Why::Silent { workers: self.silent_holders(run, at_step) }
            }
            _ => self.why_ready(active, at_step, now),
        })
    }

    /// The same for a whole run: of its steps that have all they read and have not ended. None if it is not driven.
    pub fn why_run(&self, run: RunId, now: Timestamp) -> Option<Reasons> {
        let of = &self.runs.get(&run)?.run;
        let open = |at_step: u32| match of.steps[at_step as usize].status {
            StepStatus::Ready | StepStatus::Retrying | StepStatus::Running => true,
            _ => of.is_held(at_step),
        };
        let all = (0_u32..).zip(&of.steps);
        let mut open = all.filter(|(at_step, _)| open(*at_step)).map(|(_, step)| step);
        let named = open.by_ref().take(WHY_STEPS_MAX);
        let named = named.filter_map(|step| Some((step.key.clone(), self.why(run, &step.key, now)?)));
        Some(Reasons { steps: named.collect(), more: open.count() })
    }

    /// Of a step that waits for its turn only.
    fn why_ready(&self, active: &Active, at_step: u32, now: Timestamp) -> Why {
        let run = &active.run;
        let line = run.layout.templates[run.steps[at_step as usize].template as usize].line;
        let class = active.classes[line as usize];
        if let Some(why) = self.why_queued(run.id) {
            return why;
        }
        if active.is_full() {
            return Why::MaxConcurrent { max: run.layout.plan.max_concurrent.unwrap_or_default() };
        }
        if let Some(counter) = run.limited_by(line) {
            return run.tag_limit(counter, at_step);
        }
        match self.placement.why(class, now, &self.attempts) {
            NoPlace::Pool { pool, max } => {
                let holders =
                    self.attempts.iter().filter(|(_, claim)| self.placement.is_in_pool(claim.class, &pool));
                let held_by = holders.filter_map(|(_, claim)| {
                    let run = &self.runs.get(&claim.run)?.run;
                    Some((claim.run, run.steps[claim.step as usize].key.clone()))
                });
                Why::Pool { held_by: held_by.take(WHY_STEPS_MAX).collect(), max, pool }
            }
            NoPlace::Namespace { namespace, max } => Why::Namespace { namespace, max },
            NoPlace::Quota { namespace, used_up } => Why::Quota { namespace, used_up },
            NoPlace::NoWorker => Why::NoWorker,
            NoPlace::NoneFits { asks, nearest } => Why::NoWorkerFits { asks, nearest },
            NoPlace::Draining => Why::Draining,
            NoPlace::NoTimeLeft => Why::NoTimeLeft,
            NoPlace::Busy { asks, over_share } => {
                let (by_priority, by_order) = self.n_before(active, at_step);
                Why::Busy { asks, before: Before { by_priority, by_order, over_share } }
            }
        }
    }

    /// Ready steps whose turn is earlier: by priority, and by order.
    fn n_before(&self, active: &Active, at_step: u32) -> (u64, u64) {
        let own = active.turn(at_step);
        let priority = own.0.0.saturating_add(active.priority);
        let (mut by_priority, mut by_order) = (0, 0);
        for other in self.runs.values() {
            for turn in other.ready() {
                let of_other = turn.0.0.saturating_add(other.priority);
                let earlier = (other.number, turn) < (active.number, &own);
                by_priority += u64::from(of_other > priority);
                by_order += u64::from(of_other == priority && earlier);
            }
        }
        (by_priority, by_order)
    }
}

impl Run {
    /// The steps that one waits for and that have not ended.
    fn awaited(&self, at_step: u32) -> Steps {
        let step = &self.steps[at_step as usize];
        let depth = self.layout.scope_of(step.template).depth;
        let mut on = vec![];
        for dep in &self.layout.templates[step.template as usize].deps {
            if self.layout.scope_of(*dep).depth <= depth {
                on.push(self.outer_instance(*dep, step.group));
            } else {
                self.inner_instances(*dep, step.group, &mut on);
            }
        }
        on.retain(|on| !self.steps[*on as usize].status.is_terminal());
        self.named(&on)
    }

    fn named(&self, steps: &[u32]) -> Steps {
        let named = steps.iter().take(WHY_STEPS_MAX).map(|at| self.steps[*at as usize].key.clone());
        Steps { named: named.collect(), all: steps.len() }
    }

    /// Of a copy that is not there: the step whose end makes the copies, if that has not ended.
    pub(super) fn unmade(&self, key: &StepKey) -> Option<Why> {
        let template = key.as_str().split('[').next()?;
        let at = self.layout.plan.find(template)?;
        let mut scope = self.layout.step(at.0).scope.iter().map(|mapped| mapped.step);
        let open = scope.find_map(|producer| {
            let key = &self.layout.step(producer.0).key;
            let copy =
                self.steps.iter().find(|step| step.template == producer.0 && !step.status.is_terminal());
            copy.map_or_else(
                || (!self.index.contains_key(key)).then(|| key.clone()),
                |copy| Some(copy.key.clone()),
            )
        });
        open.map(|of| Why::NoCopyYet { of })
    }

    fn tag_limit(&self, counter: u32, at_step: u32) -> Why {
        let plan = &self.layout.plan;
        let max = self.layout.lines.counters[counter as usize];
        let limit = &plan.tag_limits[self.layout.lines.limit_of(counter) as usize];
        let tags = &self.layout.step(self.steps[at_step as usize].template).tags;
        let value = match &limit.value {
            TagValue::Any => None,
            TagValue::Is(_) | TagValue::Each => tags.get(&limit.key).cloned(),
        };
        let counts = |at: &u32| {
            let step = &self.steps[*at as usize];
            step.status == StepStatus::Running
                && self.layout.line_of(step.template).counters.contains(&counter)
        };
        let holders: Vec<u32> = (0..).take(self.steps.len()).filter(counts).collect();
        Why::TagLimit { key: limit.key.clone(), value, max, held_by: self.named(&holders) }
    }
}
