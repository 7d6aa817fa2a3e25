//! Turns a ready step into an assignment: all inputs with their committed values.

use std::collections::BTreeMap;

use cofferdam_model::{
    AssignedInput, AssignedValue, Assignment, AttemptId, Fence, HOOK_EVENT_INPUT, Isolation, KeyedValue,
    LentResource, Name, OutputRef, PlanIoManager, PlanStep, Role, Source, SpanOf, StepIdx, StepStatus,
    TRACEPARENT_TAG, TraceContext, ValueRef, cbor, namespace,
};
use serde_json::json;

use crate::place::{WANTED_MAX, Wanted, key_of};
use crate::run::Run;

impl Run {
    /// The order to run an attempt of a ready step.
    pub(crate) fn assignment(&self, at_step: u32, attempt: u32, fence: Fence) -> Assignment {
        let step = &self.steps[at_step as usize];
        let plan_step = self.layout.step(step.template);
        Assignment {
            id: AttemptId { run: self.id, step: step.key.clone(), attempt, fence },
            library: plan_step.library,
            op: plan_step.op.clone(),
            config: plan_step.config.clone(),
            inputs: self.inputs(at_step),
            outputs: plan_step.outputs.clone(),
            limits: plan_step.limits.clone(),
            tags: self.tags(plan_step, fence),
            resources: self.lent(plan_step),
            io_managers: self.io_managers(plan_step),
            env: plan_step.env.clone(),
            partition: self.layout.plan.partition.clone(),
            namespace: namespace(&self.layout.plan.tags).to_owned(),
            isolation: Isolation::default(),
        }
    }

    /// The tags of its step, and its place in the trace of the run, if that has one.
    fn tags(&self, step: &PlanStep, fence: Fence) -> BTreeMap<String, String> {
        let mut tags = step.tags.clone();
        if let Some(trace) = TraceContext::of(&self.layout.plan.tags) {
            let own = trace.with(SpanOf::Step(fence).id(self.id));
            tags.insert(TRACEPARENT_TAG.to_owned(), own.to_string());
        }
        tags
    }

    /// The inputs of a ready step that have a value.
    pub(crate) fn inputs(&self, at_step: u32) -> Vec<AssignedInput> {
        let step = &self.steps[at_step as usize];
        let plan_step = self.layout.step(step.template);
        let inputs = plan_step.inputs.iter().filter_map(|input| {
            let value = match &plan_step.role {
                Role::Hook { of, .. } if input.name.as_str() == HOOK_EVENT_INPUT => {
                    AssignedValue::One(self.hook_event(*of, step.group))
                }
                _ => self.value(&input.source, step.template, step.group)?,
            };
            Some(AssignedInput { name: input.name.clone(), value })
        });
        inputs.collect()
    }

    /// What a ready step needs at its worker: its library, and the stored values that it reads, up to a bound.
    pub(crate) fn wanted(&self, at_step: u32) -> Wanted {
        let step = &self.steps[at_step as usize];
        let plan_step = self.layout.step(step.template);
        let mut values = vec![];
        let mut want = |value: &ValueRef| {
            if let Some(key) = value.place.key() {
                values.push((key_of(key), value.size));
            }
        };
        for input in &plan_step.inputs {
            match &input.source {
                Source::Value(value) => want(value),
                Source::Values(all) => all.iter().take(WANTED_MAX).for_each(|keyed| want(&keyed.value)),
                Source::Output(output) => self.one(output, step.group).into_iter().for_each(&mut want),
                Source::FanIn(outputs) => {
                    let found = outputs.iter().take(WANTED_MAX);
                    found.filter_map(|output| self.one(output, step.group)).for_each(&mut want);
                }
                Source::Collect(output) => self.sample(output, step.group, &mut want),
            }
        }
        values.truncate(WANTED_MAX);
        Wanted { library: plan_step.library, values }
    }

    /// Some of the values that are collected.
    fn sample(&self, output: &OutputRef, group: u32, want: &mut impl FnMut(&ValueRef)) {
        let mut copies = vec![];
        self.inner_instances(output.step.0, group, &mut copies);
        let outputs = copies.into_iter().take(WANTED_MAX).flat_map(|copy| self.outputs(copy));
        let named = outputs.filter(|value| value.name == output.output).take(WANTED_MAX);
        named.for_each(|value| want(&value.value));
    }

    /// The resources that a step binds, by the op's names. The plan has each of them.
    fn lent(&self, step: &PlanStep) -> BTreeMap<Name, LentResource> {
        let lent = step.bind.iter().filter_map(|(own, name)| {
            let resource = self.layout.plan.resources.get(name)?.clone();
            Some((own.clone(), LentResource { name: name.clone(), resource }))
        });
        lent.collect()
    }

    /// The IO managers that a step's outputs name.
    fn io_managers(&self, step: &PlanStep) -> BTreeMap<Name, PlanIoManager> {
        let named = step.outputs.iter().filter_map(|output| output.io_manager.as_ref());
        named
            .filter_map(|name| Some((name.clone(), self.layout.plan.io_managers.get(name)?.clone())))
            .collect()
    }

    /// What a hook is told of the step that called it: a CBOR map.
    fn hook_event(&self, of: StepIdx, group: u32) -> ValueRef {
        let at_step = self.outer_instance(of.0, group);
        let step = &self.steps[at_step as usize];
        let last = self.attempts(at_step).last();
        let failed = step.status == StepStatus::Failed;
        let refused = self.waits.get(&at_step).and_then(|waited| waited.failure.as_ref());
        let failure = refused.or(last.and_then(|attempt| attempt.failure.as_ref())).filter(|_| failed);
        let failure =
            failure.map(|failure| json!({ "kind": failure.kind.code(), "message": failure.message }));
        let event = json!({
            "attempt": last.map(|attempt| attempt.number),
            "failure": failure,
            "op": self.layout.step(step.template).op.as_str(),
            "run": self.id.to_string(),
            "status": step.status.word(),
            "step": step.key.as_str(),
        });
        ValueRef::inline(cofferdam_model::CBOR, cbor::encode(&event))
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

    /// The value of an output that a step in `group` reads.
    fn one(&self, output: &OutputRef, group: u32) -> Option<&ValueRef> {
        self.read_from(output, group).map(|(_, value)| &value.value)
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
