//! What crosses between scheduler and worker: assignments one way, reports the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AssetKey, EnvSource, Failure, Fence, Isolation, KeyedValue, LibraryDigest, Limits, MetadataEntry,
    NAMESPACE_DEFAULT, Name, Output, PlanIoManager, PlanOutput, PlanResource, RunId, StepKey, Timestamp,
    Usage, ValueRef,
};

/// Names one attempt for good. Every report carries it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub run: RunId,
    pub step: StepKey,
    /// 1 for the first try.
    pub attempt: u32,
    pub fence: Fence,
}

/// An order to run one attempt: all that a worker needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub id: AttemptId,
    pub library: LibraryDigest,
    pub op: Name,
    /// CBOR.
    #[serde(with = "serde_bytes")]
    pub config: Vec<u8>,
    pub inputs: Vec<AssignedInput>,
    /// What the op may emit.
    pub outputs: Vec<PlanOutput>,
    pub limits: Limits,
    pub tags: BTreeMap<String, String>,
    /// Resources lent to the op, by its own name for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<Name, LentResource>,
    /// IO managers of its outputs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub io_managers: BTreeMap<Name, PlanIoManager>,
    /// Places in `config` that the worker fills in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvSource>,
    /// Of a run for one partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Of its run.
    #[serde(default = "namespace_default", skip_serializing_if = "is_namespace_default")]
    pub namespace: String,
    /// With whom it shares its process at most; a worker may keep it apart from more.
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    pub isolation: Isolation,
}

fn namespace_default() -> String {
    NAMESPACE_DEFAULT.to_owned()
}

fn is_namespace_default(namespace: &String) -> bool {
    namespace == NAMESPACE_DEFAULT
}

impl Assignment {
    /// An attempt of an op without config, inputs and outputs, within the default limits.
    pub fn new(id: AttemptId, library: LibraryDigest, op: Name) -> Assignment {
        Assignment {
            id,
            library,
            op,
            config: vec![],
            inputs: vec![],
            outputs: vec![],
            limits: Limits::default(),
            tags: BTreeMap::new(),
            resources: BTreeMap::new(),
            io_managers: BTreeMap::new(),
            env: vec![],
            partition: None,
            namespace: namespace_default(),
            isolation: Isolation::default(),
        }
    }
}

/// A resource as an attempt gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentResource {
    /// As the plan calls it, whatever the op does: two ops share one resource under names of their own.
    pub name: Name,
    pub resource: PlanResource,
}

/// An input with its committed values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedInput {
    pub name: Name,
    pub value: AssignedValue,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignedValue {
    One(ValueRef),
    Many(Vec<KeyedValue>),
}

/// What a scheduler tells a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Run(Box<Assignment>),
    /// Put a committed output where people look for it.
    Publish(Box<Publication>),
    /// Stop that attempt; it answers with a failure of kind `Cancelled` unless it has already finished.
    Cancel(AttemptId),
    /// Steps that need these libraries may come: the worker fetches and compiles them while it has nothing else to do.
    Prepare(Vec<NeededLibrary>),
    /// Nobody will read what this run has left with workers.
    Forget {
        run: RunId,
    },
    /// So many batches of reports of this worker are durable.
    Received {
        batches: u64,
    },
    /// Nothing follows: a worker that wants to leave may do so when it has done what came before.
    Last,
}

/// A library that a step will need, compiled for one of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NeededLibrary {
    pub library: LibraryDigest,
    /// For the engine that counts fuel.
    pub fuel: bool,
}

/// A committed value and the readable place it belongs to. Correctness never depends on it: values are read by
/// reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub run: RunId,
    pub step: StepKey,
    pub output: Name,
    pub key: Option<Name>,
    /// With its partition, if the output is an asset.
    pub asset: Option<(AssetKey, Option<String>)>,
    pub manager: PlanIoManager,
    pub manager_name: Name,
    pub value: ValueRef,
}

/// What a worker says about an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The guest is about to be instantiated.
    Started {
        id: AttemptId,
        at: Timestamp,
    },
    /// Log lines, in order.
    Logs {
        id: AttemptId,
        /// Number of the first of them within the attempt, from 0: a line that is said twice is kept once.
        first: u64,
        lines: Vec<LogLine>,
    },
    Progress {
        id: AttemptId,
        progress: Progress,
    },
    /// The attempt has not begun and waits behind one that takes long: whoever is free may have it. The worker has
    /// dropped it.
    Returned {
        id: AttemptId,
    },
    /// The attempt cannot read these values, by their keys: nobody has them any more. The worker has dropped it.
    Lacks {
        id: AttemptId,
        values: Vec<String>,
    },
    /// The attempt has ended; its outputs are stored but not yet committed.
    Finished {
        id: AttemptId,
        outcome: Outcome,
        usage: Usage,
    },
}

/// How an attempt ended, as the worker sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded { outputs: Vec<Output>, metadata: Vec<MetadataEntry> },
    Failed(Box<Failure>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
    pub message: String,
}

/// One log line of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: LogLevel,
    pub source: LogSource,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// Who wrote a line: the guest cannot choose this, so it cannot forge the host's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Through `context.log`.
    Op,
    Stdout,
    Stderr,
    /// Cofferdam itself.
    Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}
