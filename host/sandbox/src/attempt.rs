//! What the sandbox is given for one attempt and what it gives back. Bytes and bounds only: where large
//! values are kept is the business of whoever implements [`StepIo`].

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::{
    AttemptId, Failure, Limits, LogLine, MetadataEntry, Name, PlanOutput, Progress, ResourceAnswer,
    ResourceCall, ResourceFault, ResourceKind, Timestamp, Usage,
};

/// One attempt, ready to run.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: AttemptId,
    pub op: Name,
    /// CBOR; handed to the guest as it is.
    pub config: Vec<u8>,
    pub inputs: Vec<Input>,
    /// What the op may emit. Anything else in its completion is a failure.
    pub outputs: Vec<PlanOutput>,
    pub limits: Limits,
    pub tags: BTreeMap<String, String>,
    /// What is lent to the op, by its own name for each. A call on anything else is denied.
    pub resources: BTreeMap<Name, ResourceKind>,
    /// Of a run for one partition.
    pub partition: Option<String>,
    /// Everything that looks random to the guest follows from this number.
    pub seed: u64,
}

#[derive(Debug, Clone)]
pub struct Input {
    pub name: Name,
    pub value: InputValue,
}

#[derive(Debug, Clone)]
pub enum InputValue {
    One(Value),
    /// With the mapping key of each, where there is one.
    Many(Vec<(Option<Name>, Value)>),
}

#[derive(Debug, Clone)]
pub struct Value {
    pub media_type: String,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    /// Handed over with the invocation.
    Bytes(Vec<u8>),
    /// Read by the guest in chunks, through [`StepIo::read`] under this number. Numbers are the caller's
    /// and unique within the attempt.
    Stored { number: u32, size: u64 },
}

/// What an attempt needs from outside while it runs. Called from the thread that called
/// [`crate::Library::run`], one call at a time; a call may block, but the deadline of the attempt does not
/// reach into it, so every call must end by itself in bounded time.
pub trait StepIo: Send + 'static {
    /// At most `length` bytes of the stored input from `offset`; fewer only at its end. The sandbox asks
    /// only for numbers that the attempt names, and for no more than [`cofferdam_model::CHUNK_BYTES`].
    fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoError>;

    /// Starts a stored output and gives its number. It counts for nothing until it is finished and named in
    /// the [`Completion`]; an attempt that ends otherwise leaves it behind, to be dropped by the caller.
    fn create(&mut self) -> Result<u32, IoError>;

    /// Appends. Called only between `create` and `finish` of that number.
    fn write(&mut self, writer: u32, bytes: &[u8]) -> Result<(), IoError>;

    /// Ends the value. Called once at most.
    fn finish(&mut self, writer: u32) -> Result<(), IoError>;

    /// One call on a resource that the attempt names, of its kind. `within` is what is left of the attempt's
    /// time: the call must have ended by then, whatever came of it. An answer of more than
    /// [`crate::RESOURCE_BYTES_MAX`] is dropped, and the guest told so.
    fn call(
        &mut self,
        resource: &Name,
        call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault>;

    /// A line that is within the limits; already cut and counted.
    fn log(&mut self, line: LogLine);

    /// Calls may come thick and fast; the sandbox has merged those within [`crate::PROGRESS_INTERVAL`].
    fn progress(&mut self, progress: Progress);

    /// The time, for log lines. The guest does not see it.
    fn now(&mut self) -> Timestamp;
}

/// Why a value cannot be read or stored. `InputGone` and `StoreGone` end the attempt unless the guest deals
/// with them; either way the text becomes part of the failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IoError {
    /// The input cannot be read, or its bytes do not match its digest.
    #[error("cannot read the input: {0}")]
    Input(String),
    /// The output cannot be stored.
    #[error("cannot store the output: {0}")]
    Store(String),
}

/// An attempt that is over.
pub struct Ended {
    pub result: Result<Completion, Failure>,
    pub usage: Usage,
    /// Given back, so that the caller can finish what it holds.
    pub io: Box<dyn StepIo>,
}

/// Outputs of a successful attempt: declared, complete, within the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// In the guest's order; dynamic outputs fan out in it.
    pub outputs: Vec<Emitted>,
    pub metadata: Vec<MetadataEntry>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    pub name: Name,
    pub key: Option<Name>,
    pub media_type: String,
    pub content: EmittedContent,
    pub metadata: Vec<MetadataEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmittedContent {
    /// At most [`cofferdam_model::INLINE_BYTES_MAX`].
    Bytes(Vec<u8>),
    /// Finished with [`StepIo::finish`] under this number.
    Stored { writer: u32 },
}
