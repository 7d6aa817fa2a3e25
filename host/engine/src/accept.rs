//! Outputs that a worker reports, checked before they are committed.

use std::collections::HashSet;

use cofferdam_model::{Failure, FailureKind, Output, Place, PlanOutput, RetryAdvice, STEPS_MAX};

use crate::run::Run;

/// Bytes that the materialisations of one step's partitions may repeat together: they are written in one
/// transaction of the run log, which holds them in memory.
const REPEATED_BYTES_MAX: usize = 64 << 20;

impl Run {
    /// Checks outputs that a worker reports against what the step declares, before they are committed.
    pub(crate) fn accepts(&self, at_step: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let step = &self.steps[at_step as usize];
        let declared = &self.layout.step(step.template).outputs;
        let refuse = |message| Err(Box::new(Failure::new(FailureKind::OutputSpec, message)));
        let mut seen = HashSet::new();
        for output in outputs {
            let name = &output.name;
            let Some(spec) = declared.iter().find(|spec| spec.name == *name) else {
                return refuse(format!("the output `{name}` is not declared"));
            };
            if spec.dynamic != output.key.is_some() {
                let expected = if spec.dynamic { "a mapping key" } else { "no mapping key" };
                return refuse(format!("the output `{name}` takes {expected}"));
            }
            if outputs.len() > 1 && !seen.insert((name, &output.key)) {
                let key = output.key.as_ref().map(|key| format!(" with the key `{key}`"));
                return refuse(format!("the output `{name}`{} came twice", key.unwrap_or_default()));
            }
        }
        let missing = |spec: &&PlanOutput| {
            spec.required && !spec.dynamic && !outputs.iter().any(|output| output.name == spec.name)
        };
        if let Some(spec) = declared.iter().find(missing) {
            return refuse(format!("the required output `{}` is missing", spec.name));
        }
        for lost in self.lost_outputs(at_step) {
            if !outputs.iter().any(|output| output.name == lost.name && output.key == lost.key) {
                let key = lost.key.as_ref().map(|key| format!(" with the key `{key}`"));
                return refuse(format!(
                    "the output `{}`{} was lost and did not come when it was made anew; what makes other outputs each \
                     time needs an IO manager that keeps them",
                    lost.name,
                    key.unwrap_or_default()
                ));
            }
        }
        self.records_fit(at_step, outputs)?;
        // The copies of a step that is open again were made before.
        if step.again { Ok(()) } else { self.fits(at_step, outputs) }
    }

    /// Bounds what the materialisations of many partitions repeat of a value that is kept in the record itself.
    fn records_fit(&self, at_step: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let declared = &self.layout.step(self.steps[at_step as usize].template).outputs;
        for spec in declared {
            let n_partitions = spec.asset.as_ref().map_or(0, |asset| asset.partitions.len());
            let Some(output) = outputs.iter().find(|output| output.name == spec.name) else { continue };
            let Place::Inline(bytes) = &output.value.place else { continue };
            if bytes.len().saturating_mul(n_partitions) > REPEATED_BYTES_MAX {
                let message = format!(
                    "the output `{}` has {} bytes and is recorded for each of {n_partitions} partitions, which is \
                     more than {REPEATED_BYTES_MAX} bytes together; make fewer partitions in one run",
                    spec.name,
                    bytes.len()
                );
                let mut failure = Failure::new(FailureKind::OutputLimit, message);
                failure.retry = RetryAdvice::Never;
                return Err(Box::new(failure));
            }
        }
        Ok(())
    }

    /// Bounds what a dynamic output may add to the run.
    fn fits(&self, at_step: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let step = &self.steps[at_step as usize];
        let mut n_steps = self.steps.len();
        for (name, scope) in &self.layout.templates[step.template as usize].spawns {
            let n_values = outputs.iter().filter(|output| output.name == *name).count();
            let mut parents = vec![];
            self.inner_groups(self.layout.scopes[*scope as usize].parent, step.group, &mut parents);
            for parent in parents {
                n_steps = n_steps.saturating_add(self.n_copies(*scope, parent, n_values));
            }
        }
        if n_steps > STEPS_MAX {
            let message = format!(
                "the run would have {n_steps} steps, {STEPS_MAX} are allowed; emit fewer mapping keys"
            );
            let mut failure = Failure::new(FailureKind::OutputLimit, message);
            failure.retry = RetryAdvice::Never;
            return Err(Box::new(failure));
        }
        Ok(())
    }

    /// Steps that a scope gets within `parent` for that many keys, with the copies of products whose producers
    /// have ended.
    fn n_copies(&self, scope: u32, parent: u32, n_keys: usize) -> usize {
        let layout = &self.layout.scopes;
        let depth = layout[self.groups[parent as usize].scope as usize].depth;
        let mut n_steps = layout[scope as usize].members.len();
        for product in &layout[scope as usize].products {
            let mapped = layout[*product as usize].mapped.as_ref();
            let further_out = mapped.is_some_and(|mapped| self.layout.scope_of(mapped.step.0).depth <= depth);
            if further_out && self.producer_has_ended(*product, parent) {
                let n_keys = self.keys_of(*product, parent).len();
                n_steps = n_steps.saturating_add(self.n_copies(*product, parent, n_keys));
            }
        }
        n_steps.saturating_mul(n_keys)
    }
}
