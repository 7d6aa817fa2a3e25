//! Outputs that a worker reports, checked before they are committed.

use std::collections::HashSet;

use cofferdam_model::{Failure, FailureKind, Output, PlanOutput, RetryAdvice, STEPS_MAX};

use crate::run::Run;

impl Run {
    /// Checks outputs that a worker reports against what the step declares, before they are committed.
    pub(super) fn accepts(&self, at_step: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
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
        self.fits(step.template, outputs)
    }

    /// Bounds what a dynamic output may add to the run.
    fn fits(&self, template: u32, outputs: &[Output]) -> Result<(), Box<Failure>> {
        let spawns = &self.layout.templates[template as usize].spawns;
        let copies = spawns.iter().map(|(name, scope)| {
            let n_values = outputs.iter().filter(|output| output.name == *name).count();
            n_values * self.layout.scopes[*scope as usize].members.len()
        });
        let n_steps = self.steps.len() + copies.sum::<usize>();
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
}
