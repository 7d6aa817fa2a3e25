//! Turns a ready step into an assignment: all inputs with their committed values.

use std::collections::BTreeMap;

use cofferdam_model::{
    AssignedInput, AssignedValue, Assignment, AttemptId, Fence, KeyedValue, LentResource, Name, OutputRef,
    PlanStep, Source, ValueRef,
};

use crate::run::Run;

impl Run {
    /// The order to run an attempt of a ready step.
    pub(crate) fn assignment(&self, at_step: u32, attempt: u32, fence: Fence) -> Assignment {
        let step = &self.steps[at_step as usize];
        let plan_step = self.layout.step(step.template);
        let value = |source| self.value(source, step.template, step.group);
        let inputs = plan_step.inputs.iter().filter_map(|input| {
            Some(AssignedInput { name: input.name.clone(), value: value(&input.source)? })
        });
        Assignment {
            id: AttemptId { run: self.id, step: step.key.clone(), attempt, fence },
            library: plan_step.library,
            op: plan_step.op.clone(),
            config: plan_step.config.clone(),
            inputs: inputs.collect(),
            outputs: plan_step.outputs.clone(),
            limits: plan_step.limits.clone(),
            tags: plan_step.tags.clone(),
            resources: self.lent(plan_step),
            io_managers: Default::default(),
            env: plan_step.env.clone(),
            partition: self.layout.plan.partition.clone(),
        }
    }

    /// The resources that a step binds, by the op's names. The plan has each of them.
    fn lent(&self, step: &PlanStep) -> BTreeMap<Name, LentResource> {
        let lent = step.bind.iter().filter_map(|(own, name)| {
            let resource = self.layout.plan.resources.get(name)?.clone();
            Some((own.clone(), LentResource { name: name.clone(), resource }))
        });
        lent.collect()
    }

    /// None if nothing came and the input may be absent: the verdict has refused all other cases.
    fn value(&self, source: &Source, template: u32, group: u32) -> Option<AssignedValue> {
        Some(match source {
            Source::Value(value) => AssignedValue::One(value.clone()),
            Source::Values(values) => AssignedValue::Many(values.clone()),
            Source::Output(output) => AssignedValue::One(self.one(output, group)?.clone()),
            Source::FanIn(outputs) => {
                let values: Vec<_> = outputs.iter().filter_map(|output| self.one(output, group)).collect();
                (!values.is_empty())
                    .then(|| AssignedValue::Many(values.into_iter().map(keyless).collect()))?
            }
            Source::Collect(output)
                if self.layout.templates[output.step.index()].scope
                    == self.layout.templates[template as usize].scope =>
            {
                let producer = self.outer_instance(output.step.0, group);
                let all = self.outputs(producer).iter().filter(|value| value.name == output.output);
                AssignedValue::Many(
                    all.map(|value| KeyedValue { key: value.key.clone(), value: value.value.clone() })
                        .collect(),
                )
            }
            Source::Collect(output) => AssignedValue::Many(self.collect(output, group)),
        })
    }

    /// The value of an output of the copy around `group`; of a dynamic output, the value that this group is
    /// for.
    fn one(&self, output: &OutputRef, group: u32) -> Option<&ValueRef> {
        let producer = self.outer_instance(output.step.0, group);
        let outputs = self.outputs(producer);
        let mut spawns = self.layout.templates[output.step.index()].spawns.iter();
        if let Some((_, scope)) = spawns.find(|(name, _)| *name == output.output) {
            let mut at = group;
            while at != 0 && self.groups[at as usize].scope != *scope {
                at = self.groups[at as usize].parent;
            }
            if at != 0 {
                let position = self.groups[at as usize].position;
                return outputs.get(position as usize).map(|value| &value.value);
            }
        }
        let found = outputs.iter().find(|value| value.name == output.output);
        found.map(|value| &value.value)
    }

    /// The values of all copies that have one, in the order in which their keys were emitted.
    fn collect(&self, output: &OutputRef, group: u32) -> Vec<KeyedValue> {
        let mut copies = vec![];
        self.inner_instances(output.step.0, group, &mut copies);
        let value = |copy: u32| {
            let found = self.outputs(copy).iter().find(|value| value.name == output.output)?;
            let group = self.steps[copy as usize].group;
            Some(KeyedValue { key: self.groups[group as usize].key.clone(), value: found.value.clone() })
        };
        copies.into_iter().filter_map(value).collect()
    }
}

fn keyless(value: &ValueRef) -> KeyedValue {
    KeyedValue { key: None, value: value.clone() }
}
