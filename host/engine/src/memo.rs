//! The key under which a result may be found again: everything that a hermetic step's outputs depend on.

use cofferdam_model::{
    AssignedInput, AssignedValue, IoManagerKind, NAMESPACE_DEFAULT, Plan, PlanStep, Role, StepIdx, StepKey,
    StepStatus, ValueDigest, ValueRef, namespace,
};
use serde_json::json;

use crate::run::Run;

/// Version of what a hermetic guest sees of the host: seeded random numbers, the virtual clock, limits on
/// both. A larger one forgets all earlier results.
pub const PROFILE_VERSION: u32 = 1;

/// Separates these digests from digests of values.
const MEMO_DOMAIN: &[u8] = b"cofferdam memo 1";

/// One part of a memo, by which two memos can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoPart {
    /// `library`, `op`, `config`, `input NAME`, `outputs`, `tags`, `partition`, `namespace`, `profile`.
    pub name: String,
    pub digest: ValueDigest,
}

/// What the outputs of a step depend on: its code, config and inputs (in the order of the step), what it may
/// emit and where that is kept, and what it can read about itself.
pub fn memo_parts(plan: &Plan, step: &PlanStep, inputs: &[AssignedInput]) -> Vec<MemoPart> {
    let part = |name: &str, bytes: &[u8]| MemoPart { name: name.to_owned(), digest: ValueDigest::of(bytes) };
    let mut parts = vec![
        part("library", &step.library.0),
        part("op", step.op.as_str().as_bytes()),
        part("config", &step.config),
    ];
    for input in inputs {
        parts.push(part(&format!("input {}", input.name), &input_bytes(&input.value)));
    }
    let outputs = step.outputs.iter().map(|output| {
        let manager = output.io_manager.as_ref().and_then(|name| plan.io_managers.get(name));
        (&output.name, &output.media_type, output.required, output.dynamic, manager)
    });
    parts.push(part("outputs", json!(outputs.collect::<Vec<_>>()).to_string().as_bytes()));
    parts.push(part("tags", json!(step.tags).to_string().as_bytes()));
    if let Some(partition) = &plan.partition {
        parts.push(part("partition", partition.as_bytes()));
    }
    // What a namespace could plant, another one must not find (SAFETY.md, H-087).
    match namespace(&plan.tags) {
        NAMESPACE_DEFAULT => {}
        namespace => parts.push(part("namespace", namespace.as_bytes())),
    }
    parts.push(part("profile", &PROFILE_VERSION.to_be_bytes()));
    parts
}

/// The key made of all parts.
pub fn memo_key(parts: &[MemoPart]) -> ValueDigest {
    let mut bytes = MEMO_DOMAIN.to_vec();
    for part in parts {
        push(&mut bytes, part.name.as_bytes());
        push(&mut bytes, &part.digest.0);
    }
    ValueDigest::of(&bytes)
}

/// Whether a step's result may be taken from an earlier one: it wants to, reaches nothing outside, and its
/// outputs outlive the process.
fn may_be_taken(plan: &Plan, step: &PlanStep) -> bool {
    let passing = || {
        let managers = step.outputs.iter().filter_map(|output| output.io_manager.as_ref());
        let mut managers = managers.filter_map(|name| plan.io_managers.get(name));
        managers.any(|manager| matches!(manager.kind, IoManagerKind::Memory | IoManagerKind::Transient))
    };
    step.memoize && step.role == Role::Op && step.bind.is_empty() && step.env.is_empty() && !passing()
}

impl Run {
    /// The memo of a step whose inputs have come; none if its result is not to be shared.
    pub(crate) fn memo(&self, at_step: u32) -> Option<ValueDigest> {
        let plan = &self.layout.plan;
        let step = plan.step(StepIdx(self.steps[at_step as usize].template));
        may_be_taken(plan, step).then(|| memo_key(&memo_parts(plan, step, &self.inputs(at_step))))
    }

    /// The parts of a step's memo; none if its inputs have not come or its result is not to be shared.
    pub fn memo_parts(&self, step: &StepKey) -> Option<Vec<MemoPart>> {
        let at_step = *self.index.get(step)?;
        let plan = &self.layout.plan;
        let here = &self.steps[at_step as usize];
        let step = plan.step(StepIdx(here.template));
        let never_ready = [StepStatus::Waiting, StepStatus::Skipped, StepStatus::Abandoned];
        let known = !never_ready.contains(&here.status) && may_be_taken(plan, step);
        known.then(|| memo_parts(plan, step, &self.inputs(at_step)))
    }
}

fn input_bytes(value: &AssignedValue) -> Vec<u8> {
    let mut bytes = vec![];
    let mut value_of = |value: &ValueRef| {
        push(&mut bytes, value.media_type.as_bytes());
        push(&mut bytes, &value.digest.0);
    };
    match value {
        AssignedValue::One(value) => value_of(value),
        AssignedValue::Many(values) => {
            values.iter().for_each(|keyed| value_of(&keyed.value));
            for keyed in values {
                bytes.push(u8::from(keyed.key.is_some()));
                push(&mut bytes, keyed.key.as_ref().map_or("", |key| key.as_str()).as_bytes());
            }
            bytes.extend_from_slice(&(values.len() as u64).to_be_bytes());
        }
    }
    bytes.push(u8::from(matches!(value, AssignedValue::Many(_))));
    bytes
}

/// With its length before it, so that no two lists of parts give the same bytes.
fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}
