//! Outputs that workers keep, and lose: a step that had ended is open again, and those who wait to read it wait for it
//! once more. What runs has been given what it reads.

use cofferdam_model::{Fence, Name, Output, OutputRef, Source, StepKey, StepStatus, Timestamp, WhyLost};

use super::{Run, Step};
#[cfg(test)]
use crate::tests::bug::{Bug, is_present};
use crate::verdict::Verdict;

/// The outputs of a step were lost, and it was opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub at: Timestamp,
    pub why: WhyLost,
    /// The step that was to read them.
    pub needed_by: StepKey,
}

impl Run {
    /// Folds the loss of what a step had committed.
    pub(super) fn outputs_lost(&mut self, at_step: u32, fence: Fence, lost: Lost) -> Result<(), String> {
        let last = self.attempts(at_step).last().map(|attempt| attempt.fence);
        let step = &mut self.steps[at_step as usize];
        if step.status != StepStatus::Succeeded
            || last != Some(fence)
            || step.kept_with_workers().next().is_none()
        {
            return Err(format!("`{}` has no outputs of attempt {fence} that could be lost", step.key));
        }
        step.again = true;
        step.failures = 0;
        step.history.as_mut().expect("an attempt has a history").lost.push(lost);
        self.n_again += 1;
        self.has_lost = true;
        for reader in self.dependents(at_step) {
            let step = &mut self.steps[reader as usize];
            match step.status {
                StepStatus::Waiting | StepStatus::Retrying => step.missing += 1,
                StepStatus::Ready => {
                    step.missing += 1;
                    self.set(reader, StepStatus::Waiting);
                }
                _ => {}
            }
        }
        self.open(at_step);
        self.ready_from(at_step, self.now);
        Ok(())
    }

    /// Makes a step ready that ran, or had ended; if something that it depends on is open again it waits for that first.
    pub(super) fn open(&mut self, at_step: u32) {
        if self.waits_again(at_step) {
            return;
        }
        self.set(at_step, StepStatus::Ready);
        self.fresh.push(at_step);
    }

    /// Whether a step that may run again must wait before it does, because what it depends on is open again; or will not
    /// run any more, because that could not be made anew. Then its status says so.
    pub(super) fn waits_again(&mut self, at_step: u32) -> bool {
        let missing = self.n_open_before(at_step);
        self.steps[at_step as usize].missing = missing;
        let verdict = if missing == 0 && self.has_lost { self.verdict(at_step) } else { Verdict::Run };
        if missing == 0 && verdict == Verdict::Run {
            return false;
        }
        self.set(at_step, StepStatus::Waiting);
        if missing == 0 {
            self.proposals.push_back((at_step, verdict));
        }
        true
    }

    /// The steps before one that has been ready that are open again.
    pub(super) fn n_open_before(&self, at_step: u32) -> u32 {
        if self.n_again == 0 {
            return 0;
        }
        #[cfg(test)]
        if is_present(Bug::OpenAgainUnseen) {
            return 0;
        }
        let step = &self.steps[at_step as usize];
        let depth = self.layout.scope_of(step.template).depth;
        let mut before = vec![];
        for dep in &self.layout.templates[step.template as usize].deps {
            if self.layout.scope_of(*dep).depth <= depth {
                before.push(self.outer_instance(*dep, step.group));
            } else {
                self.inner_instances(*dep, step.group, &mut before);
            }
        }
        let open = before.iter().filter(|before| !self.steps[**before as usize].status.is_terminal());
        u32::try_from(open.count()).expect("STEPS_MAX fits")
    }

    /// Puts what was made anew in the place of what was lost. Outputs that were not lost stay as they were committed
    /// first.
    pub(super) fn restore(&mut self, at_step: u32, outputs: &[Output]) {
        let history = self.steps[at_step as usize].history.as_mut();
        for old in &mut history.expect("a step that has run has a history").outputs {
            if let Some(new) = outputs.iter().find(|new| new.name == old.name && new.key == old.key) {
                *old = new.clone();
            }
        }
    }

    /// Of the outputs of an attempt, those that take the place of lost ones; all, if the step had none before.
    pub(crate) fn wanted_outputs(&self, at_step: u32, mut outputs: Vec<Output>) -> Vec<Output> {
        if self.steps[at_step as usize].again {
            let lost = self.lost_outputs(at_step);
            outputs.retain(|new| lost.iter().any(|old| old.name == new.name && old.key == new.key));
        }
        outputs
    }

    /// What is to be made anew.
    pub(crate) fn lost_outputs(&self, at_step: u32) -> Vec<&Output> {
        let again = self.steps[at_step as usize].again;
        self.outputs(at_step).iter().filter(|output| again && output.value.place.is_transient()).collect()
    }

    /// All steps that wait for one, as far as they are made.
    pub(crate) fn dependents(&self, at_step: u32) -> Vec<u32> {
        let step = &self.steps[at_step as usize];
        let mut found = vec![];
        for dependent in &self.layout.templates[step.template as usize].dependents {
            if self.layout.scope_of(*dependent).depth <= self.layout.scope_of(step.template).depth {
                found.push(self.outer_instance(*dependent, step.group));
            } else {
                self.inner_instances(*dependent, step.group, &mut found);
            }
        }
        found
    }

    /// The steps whose outputs a step reads from workers that keep them, each with the key of such a value.
    pub(crate) fn lineage(&self, at_step: u32) -> Vec<(u32, &str)> {
        if !self.layout.keeps_with_workers {
            return vec![];
        }
        let found = self.reads(at_step).into_iter();
        let kept = found.filter(|(_, _, output)| output.value.place.is_transient());
        kept.filter_map(|(_, producer, output)| Some((producer, output.value.place.key()?))).collect()
    }

    /// The outputs that a step reads, as far as they are there: by input, each with the step that made it.
    pub(crate) fn reads(&self, at_step: u32) -> Vec<(&Name, u32, &Output)> {
        let Step { template, group, .. } = self.steps[at_step as usize];
        let mut found = vec![];
        for input in &self.layout.step(template).inputs {
            let of: Vec<(u32, &Output)> = match &input.source {
                Source::Value(_) | Source::Values(_) => vec![],
                Source::Output(output) => self.read_from(output, group).into_iter().collect(),
                Source::FanIn(outputs) => {
                    outputs.iter().filter_map(|output| self.read_from(output, group)).collect()
                }
                Source::Collect(output) => self.collected_from(output, at_step),
            };
            found.extend(of.into_iter().map(|(producer, output)| (&input.name, producer, output)));
        }
        found
    }

    /// The value of an output of the copy around `group`, and that copy; of a dynamic output, the value that this group
    /// is for.
    pub(crate) fn read_from(&self, output: &OutputRef, group: u32) -> Option<(u32, &Output)> {
        let producer = self.outer_instance(output.step.0, group);
        let outputs = self.outputs(producer);
        let found = match self.mapped_position(output, group) {
            Some(at) => outputs.get(at),
            None => outputs.iter().find(|value| value.name == output.output),
        };
        found.map(|value| (producer, value))
    }

    /// Where among its producer's outputs the value of a dynamic output is that this group is for.
    fn mapped_position(&self, output: &OutputRef, group: u32) -> Option<usize> {
        let mut at = group;
        while at != 0 {
            let here = &self.groups[at as usize];
            if self.layout.scopes[here.scope as usize].mapped.as_ref() == Some(output) {
                return Some(here.position as usize);
            }
            at = here.parent;
        }
        None
    }

    /// All values of an output that a step collects, and the steps that made them.
    fn collected_from(&self, output: &OutputRef, reader: u32) -> Vec<(u32, &Output)> {
        let Step { template, group, .. } = self.steps[reader as usize];
        let mut copies = vec![];
        if self.layout.scope_of(output.step.0).depth > self.layout.scope_of(template).depth {
            self.inner_instances(output.step.0, group, &mut copies);
        } else {
            copies.push(self.outer_instance(output.step.0, group));
        }
        let values =
            copies.into_iter().flat_map(|copy| self.outputs(copy).iter().map(move |value| (copy, value)));
        values.filter(|(_, value)| value.name == output.output).collect()
    }
}
