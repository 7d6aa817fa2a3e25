//! What becomes of a step whose predecessors have all ended: SEMANTICS.md, sections 8 and 9.
//!
//! Skipping comes before abandoning: a step that misses an input is skipped even if another step before it
//! failed.

use cofferdam_model::{
    HOOK_EVENT_INPUT, HookOn, Name, OutputRef, PlanInput, Role, Source, StepIdx, StepStatus,
};

use crate::run::Run;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Run,
    /// It may run when its wait is over, which has not begun.
    Wait,
    /// This input will never come.
    Skip(Name),
    /// That step failed.
    Abandon(u32),
    Cancel,
    /// Its end was known before the run.
    Known,
}

/// Whether the value of an input is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    /// Its producer left it out, or was skipped.
    Missing,
    /// Its producer failed, was abandoned or cancelled; that is judged over all predecessors at once.
    Lost,
}

impl Run {
    /// What becomes of a step whose predecessors have all ended.
    pub(crate) fn verdict(&self, at_step: u32) -> Verdict {
        let step = &self.steps[at_step as usize];
        let (template, group) = (step.template, step.group);
        let plan_step = self.layout.step(template);
        let judged_apart = match &plan_step.role {
            Role::Op | Role::SetUp { .. } | Role::Check { .. } => None,
            Role::Hook { of, on } if self.calls(*of, *on, group) => Some(of.0),
            Role::Hook { .. } => return Verdict::Skip(Name::new(HOOK_EVENT_INPUT).expect("it is a name")),
            // However its users ended.
            Role::TearDown { set_up, .. } if self.has_run_well(*set_up, group) => return Verdict::Run,
            Role::TearDown { resource, .. } => return Verdict::Skip(resource.clone()),
        };
        let missing = |input: &&PlanInput| {
            input.required && self.input(&input.source, template, group) == Presence::Missing
        };
        if let Some(input) = plan_step.inputs.iter().find(missing) {
            return Verdict::Skip(input.name.clone());
        }
        let mut skipped = false;
        let deps = self.layout.templates[template as usize].deps.iter();
        for dep in deps.filter(|dep| judged_apart != Some(**dep)) {
            if let Some(verdict) = self.kept_by(*dep, group) {
                return verdict;
            }
            skipped |= self.orders(template, *dep, group);
        }
        if skipped {
            return Verdict::Skip(Name::new("after").expect("`after` is a name"));
        }
        Verdict::Run
    }

    /// Whether the end of a step calls a hook. What did not run in this run calls none.
    fn calls(&self, of: StepIdx, on: HookOn, group: u32) -> bool {
        let at_step = self.outer_instance(of.0, group);
        match on {
            HookOn::Success => self.has_run_well(of, group),
            HookOn::Failure => self.steps[at_step as usize].status == StepStatus::Failed,
        }
    }

    fn has_run_well(&self, step: StepIdx, group: u32) -> bool {
        let at_step = self.outer_instance(step.0, group);
        let succeeded = self.steps[at_step as usize].status == StepStatus::Succeeded;
        succeeded && !self.attempts(at_step).is_empty()
    }

    /// Whether `dep` decides by being skipped alone: it comes first without giving data, or this is the
    /// stand-in of copies that its dynamic output would have made.
    fn orders(&self, template: u32, dep: u32, group: u32) -> bool {
        let after = self.layout.step(template).after.iter().any(|after| after.0 == dep);
        let outer = self.layout.scope_of(dep).depth <= self.layout.scope_of(template).depth;
        let skipped =
            outer && self.steps[self.outer_instance(dep, group) as usize].status == StepStatus::Skipped;
        skipped && (after || self.is_stand_in(group))
    }

    /// What the copies of `dep` that a step in `group` waits for keep it from, if one did not end well.
    fn kept_by(&self, dep: u32, group: u32) -> Option<Verdict> {
        let here = self.layout.scopes[self.groups[group as usize].scope as usize].depth;
        if self.layout.scope_of(dep).depth <= here {
            return self.passed_on(self.outer_instance(dep, group));
        }
        let mut copies = vec![];
        self.inner_instances(dep, group, &mut copies);
        copies.into_iter().find_map(|copy| self.passed_on(copy))
    }

    fn passed_on(&self, producer: u32) -> Option<Verdict> {
        let producer = &self.steps[producer as usize];
        match producer.status {
            StepStatus::Failed | StepStatus::Abandoned => Some(Verdict::Abandon(producer.root)),
            StepStatus::Cancelled => Some(Verdict::Cancel),
            _ => None,
        }
    }

    fn input(&self, source: &Source, template: u32, group: u32) -> Presence {
        match source {
            Source::Value(_) | Source::Values(_) => Presence::Here,
            Source::Output(output) => self.outer_output(output, group),
            Source::FanIn(outputs) => self.any(outputs.iter().map(|output| self.outer_output(output, group))),
            Source::Collect(output) => self.collected(output, template, group),
        }
    }

    fn outer_output(&self, output: &OutputRef, group: u32) -> Presence {
        let producer = self.outer_instance(output.step.0, group);
        self.output(producer, output)
    }

    /// Whether that copy emitted the output.
    fn output(&self, producer: u32, output: &OutputRef) -> Presence {
        match self.steps[producer as usize].status {
            StepStatus::Skipped => Presence::Missing,
            StepStatus::Succeeded => {
                let emitted = self.outputs(producer).iter().any(|value| value.name == output.output);
                if emitted { Presence::Here } else { Presence::Missing }
            }
            _ => Presence::Lost,
        }
    }

    fn collected(&self, output: &OutputRef, template: u32, group: u32) -> Presence {
        let scope = self.layout.templates[template as usize].scope;
        let from = self.layout.scope_of(output.step.0);
        if self.layout.templates[output.step.index()].scope == scope {
            let producer = self.outer_instance(output.step.0, group);
            return self.all_of(producer, output);
        }
        let mapped = &self.layout.step(output.step.0).scope[from.depth as usize - 1];
        let producer = self.outer_instance(mapped.step.0, group);
        match self.all_of(producer, mapped) {
            Presence::Here => {}
            other => return other,
        }
        let mut copies = vec![];
        self.inner_instances(output.step.0, group, &mut copies);
        if copies.is_empty() {
            return Presence::Here;
        }
        self.any(copies.into_iter().map(|copy| self.output(copy, output)))
    }

    /// Whether a dynamic output came, be it with no values: that counts only if the output is required.
    fn all_of(&self, producer: u32, output: &OutputRef) -> Presence {
        match self.output(producer, output) {
            Presence::Missing if self.steps[producer as usize].status == StepStatus::Succeeded => {
                let declared = self.layout.step(output.step.0).outputs.iter();
                let required = declared.filter(|declared| declared.required);
                let empty = required.map(|declared| &declared.name).any(|name| *name == output.output);
                if empty { Presence::Here } else { Presence::Missing }
            }
            other => other,
        }
    }

    /// Missing only if all are missing.
    fn any(&self, mut sources: impl Iterator<Item = Presence>) -> Presence {
        if sources.all(|source| source == Presence::Missing) { Presence::Missing } else { Presence::Here }
    }
}
