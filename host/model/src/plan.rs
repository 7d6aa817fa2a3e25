//! A plan: definitions, selection and run config, fully resolved. What compiles it is the crate `plan`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{LibraryDigest, Limits, Name, RetryPolicy, StepKey, ValueDigest, ValueRef};

/// Version of the stored form. A reader refuses a larger one.
pub const PLAN_VERSION: u32 = 1;

/// What a run executes. Plain data; the same definitions, selection and config give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub version: u32,
    pub job: Name,
    pub tags: BTreeMap<String, String>,
    /// Libraries by the name that the definitions give them.
    pub libraries: BTreeMap<Name, LibraryDigest>,
    /// In topological order: a step comes after all that it depends on.
    pub steps: Vec<PlanStep>,
    /// Most steps of the run that may run at once.
    pub max_concurrent: Option<u32>,
}

/// Index into [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIdx(pub u32);

impl StepIdx {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A step before expansion. If `scope` is not empty, it stands for one copy per path of mapping keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Dotted path without mapping keys.
    pub key: StepKey,
    pub library: LibraryDigest,
    pub op: Name,
    /// CBOR, complete: defaults are filled in.
    #[serde(with = "serde_bytes")]
    pub config: Vec<u8>,
    pub inputs: Vec<PlanInput>,
    pub outputs: Vec<PlanOutput>,
    /// Steps that must have succeeded first, without data.
    pub after: Vec<StepIdx>,
    /// The dynamic outputs that this step is mapped over, outermost first. Every step whose output it reads
    /// has a scope that is a prefix of this one, or, for `Collect`, this one plus one element.
    pub scope: Vec<OutputRef>,
    pub retry: RetryPolicy,
    pub limits: Limits,
    /// Larger first.
    pub priority: i32,
    pub tags: BTreeMap<String, String>,
    /// Abstract resources that a worker must have free: `GPU: 1`.
    pub resources: BTreeMap<String, f64>,
}

/// One output of one step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputRef {
    pub step: StepIdx,
    pub output: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanInput {
    pub name: Name,
    pub source: Source,
    /// False if the step may run without a value; a source that did not come then leaves the input absent
    /// instead of skipping the step.
    pub required: bool,
}

/// Where an input's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Known when the plan is made: a literal, or a file that was taken into the store.
    Value(ValueRef),
    /// Several of them.
    Values(Vec<KeyedValue>),
    /// An output of the copy of a step whose keys are a prefix of this step's. If that output is dynamic,
    /// it is the last element of this step's scope or an outer one, and the copy's own key picks the value.
    Output(OutputRef),
    /// Outputs of several steps, in order. Missing ones are left out; if all are missing the step is skipped.
    FanIn(Vec<OutputRef>),
    /// All values of an output over the innermost dynamic scope of its step, in order of emission; the
    /// output's step has this step's scope plus one. Or all values of a dynamic output of a step in this
    /// step's own scope.
    Collect(OutputRef),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedValue {
    pub key: Option<Name>,
    pub value: ValueRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOutput {
    pub name: Name,
    pub media_type: String,
    pub required: bool,
    pub dynamic: bool,
}

impl Plan {
    pub fn step(&self, idx: StepIdx) -> &PlanStep {
        &self.steps[idx.index()]
    }

    /// Index of the step with that dotted path.
    pub fn find(&self, key: &str) -> Option<StepIdx> {
        let at = self.steps.iter().position(|step| step.key.as_str() == key)?;
        u32::try_from(at).ok().map(StepIdx)
    }

    /// The stored form: JSON with keys in a fixed order.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan has no maps with keys other than text")
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Plan, InvalidPlan> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(InvalidPlan::Syntax)?;
        if version > PLAN_VERSION {
            return Err(InvalidPlan::Version(version));
        }
        serde_json::from_slice(bytes).map_err(InvalidPlan::Syntax)
    }

    /// Digest of the stored form: two runs of one plan share it.
    pub fn digest(&self) -> ValueDigest {
        ValueDigest::of(&self.encode())
    }
}

/// Why bytes are not a plan.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPlan {
    #[error("the plan is of version {0}, this program reads up to {PLAN_VERSION}; use a newer cofferdam")]
    Version(u32),
    #[error("the stored plan cannot be read")]
    Syntax(#[source] serde_json::Error),
}
