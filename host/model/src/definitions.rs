//! Definitions: what a user declares, before anything is resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Limits, Name, Node, RetryPolicy, Span, Spanned};

/// All definitions of one code location (one `cofferdam.toml`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    pub libraries: BTreeMap<Name, LibraryDef>,
    pub jobs: BTreeMap<Name, JobDef>,
}

/// Where a library's component comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryDef {
    pub source: Spanned<LibrarySource>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibrarySource {
    /// A Rust crate in this folder, built by `cofferdam build`.
    Crate(PathBuf),
    /// A component that is there already.
    Wasm(PathBuf),
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobDef {
    pub description: String,
    /// In the order of writing.
    pub steps: Vec<StepDef>,
    pub tags: BTreeMap<String, String>,
    /// For steps that have none of their own.
    pub retry: Option<RetryPolicy>,
    pub max_concurrent: Option<u32>,
    /// Run config that holds unless the person who starts a run says otherwise.
    pub config: Option<Node>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StepDef {
    pub name: Spanned<Name>,
    /// `library.op`.
    pub op: Spanned<OpPath>,
    pub inputs: Vec<(Spanned<Name>, Spanned<SourceDef>)>,
    /// Steps that come first without giving data.
    pub after: Vec<Spanned<Name>>,
    /// Config of the op; the run config is merged over it.
    pub config: Option<Node>,
    pub retry: Option<RetryPolicy>,
    /// What differs from the defaults.
    pub limits: Limits,
    pub priority: i32,
    pub tags: BTreeMap<String, String>,
    pub resources: BTreeMap<String, f64>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpPath {
    pub library: Name,
    pub op: Name,
}

/// Where an input's value comes from, as written.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceDef {
    /// `"clean"` or `"clean.table"`: one value; keeps the mapping of a mapped step.
    From(OutputPath),
    /// `["a", "b.x"]`: a fan-in list.
    FanIn(Vec<Spanned<OutputPath>>),
    /// `{ map = "split.months" }`: one copy of this step per key of a dynamic output.
    Map(OutputPath),
    /// `{ collect = "clean.table" }`: the values of all mapped copies, or of a dynamic output, as a list.
    Collect(OutputPath),
    /// `{ value = … }`: a literal.
    Value(Node),
    /// `{ file = "data/airlines.csv" }`: the bytes of a file; read when the run is launched.
    File(Spanned<String>),
    /// `{ files = "data/flights-*.csv.gz" }`: many files in the order of their names; the key of each is its
    /// name without extensions.
    Files(Spanned<String>),
}

/// `step` or `step.output`; the default output is `result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPath {
    pub step: Name,
    pub output: Name,
}

/// What a person gives for one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunConfig {
    /// The whole document: `ops: {step: {config: …, inputs: …}}`, `execution: …`, `tags: …`.
    pub root: Option<Node>,
}
