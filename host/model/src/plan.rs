//! A plan: definitions, selection and run config, fully resolved. What compiles it is the crate `plan`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AssetKey, LibraryDigest, Limits, Name, PlanAsset, PlanIoManager, PlanResource, RetryPolicy, RunRetryDef,
    StepKey, TagLimit, ValueDigest, ValueRef, Wait,
};

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
    /// Most of those that carry a tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tag_limits: Vec<TagLimit>,
    /// Resources that its steps use, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<Name, PlanResource>,
    /// IO managers that its outputs use, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub io_managers: BTreeMap<Name, PlanIoManager>,
    /// The partition that the run is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Name of the environment whose resources and IO managers are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// What was selected, in the normalised form; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// The run config as it was given, with nothing resolved: what a person would type to start this run.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub run_config: serde_json::Value,
    /// Whether the instance executes the run again by itself if it fails. Its tags come before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_retry: Option<RunRetryDef>,
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
    /// What a worker must be: `zone: eu`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The pool of which it takes a slot while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
    #[serde(default, skip_serializing_if = "Role::is_op")]
    pub role: Role,
    /// Resources lent to the op: its own name for each → name in [`Plan::resources`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bind: BTreeMap<Name, Name>,
    /// Places in `config` that are null here and filled in by the worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvSource>,
    /// An earlier result of the same library, op, config and inputs may be taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub memoize: bool,
    /// An attempt that takes much longer than its like gets one more beside it; the first commit of both wins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedge: bool,
    /// Before it runs, although it has all that it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// What a step is for: it decides when it runs and what its end means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The work itself.
    #[default]
    Op,
    /// Runs when `of` (a step of the same scope) has ended that way, and is skipped if it ended otherwise. Its own
    /// failure does not fail the run. Its input `event`, if it has one, is made by the engine.
    Hook { of: StepIdx, on: HookOn },
    /// Makes a resource.
    SetUp { resource: Name },
    /// Ends a resource: runs once `set_up` has succeeded and all `users` have ended, however they did, also when the
    /// run is cancelled. Its own failure does not fail the run.
    TearDown { resource: Name, set_up: StepIdx, users: Vec<StepIdx> },
    /// Checks an asset. If it is blocking, a check that does not pass with severity `error` is a failure.
    Check { check: Name, asset: AssetKey, blocking: bool },
}

impl Role {
    pub fn is_op(&self) -> bool {
        *self == Role::Op
    }
}

/// The end of a step that a hook waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookOn {
    Success,
    Failure,
}

/// A place in a step's config whose value is an environment variable of the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvSource {
    /// Keys and positions from the root of the config.
    pub path: Vec<String>,
    /// Of the variable.
    pub name: String,
    pub kind: EnvKind,
}

/// What the text of a variable is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvKind {
    Text,
    Integer,
    Number,
    /// `true` or `false`.
    Truth,
}

/// Name of a hook's input that the engine makes.
pub const HOOK_EVENT_INPUT: &str = "event";

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
    /// Name in [`Plan::io_managers`]; none is the instance's own value store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_manager: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<PlanAsset>,
    /// Facts shown with each value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl PlanStep {
    /// A step that runs an op without config, inputs and outputs, within the default limits.
    pub fn new(key: StepKey, library: LibraryDigest, op: Name) -> PlanStep {
        PlanStep {
            key,
            library,
            op,
            config: vec![],
            inputs: vec![],
            outputs: vec![],
            after: vec![],
            scope: vec![],
            retry: RetryPolicy::NEVER,
            limits: Limits::default(),
            priority: 0,
            tags: BTreeMap::new(),
            resources: BTreeMap::new(),
            labels: BTreeMap::new(),
            pool: None,
            role: Role::Op,
            bind: BTreeMap::new(),
            env: vec![],
            memoize: false,
            hedge: false,
            wait: None,
        }
    }
}

impl PlanOutput {
    /// A required output that is one value, kept in the value store.
    pub fn new(name: Name, media_type: &str) -> PlanOutput {
        PlanOutput {
            name,
            media_type: media_type.to_owned(),
            required: true,
            dynamic: false,
            io_manager: None,
            asset: None,
            metadata: BTreeMap::new(),
        }
    }
}

impl Plan {
    /// A plan of these steps and nothing else.
    pub fn new(job: Name, steps: Vec<PlanStep>) -> Plan {
        Plan {
            version: PLAN_VERSION,
            job,
            tags: BTreeMap::new(),
            libraries: BTreeMap::new(),
            steps,
            max_concurrent: None,
            tag_limits: vec![],
            resources: BTreeMap::new(),
            io_managers: BTreeMap::new(),
            partition: None,
            environment: None,
            selection: None,
            run_config: serde_json::Value::Null,
            run_retry: None,
        }
    }

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
