//! What can be configured for one job: plain data that the compiler lays out from definitions and libraries, and
//! that everything else here (checking, scaffold, schema for editors) reads. Knows no run config.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cofferdam_model::{ConfigMappingDef, EnvSource, Name, Node, OpPath, SourceDef, Span, Spanned, TagLimit};
use serde_json::Value;

/// All that can be configured for one job.
#[derive(Debug, Clone)]
pub struct ConfigTree<'a> {
    /// The job as its outermost graph. Its body is a graph.
    pub job: ConfigSection<'a>,
    pub resources: Vec<ResourceSection<'a>>,
    /// Run config under that of the person who starts a run, lowest first: the job's, then the environment's.
    pub layers: Vec<&'a Node>,
}

/// A step (an op or a graph), or the job.
#[derive(Debug, Clone)]
pub struct ConfigSection<'a> {
    pub name: Name,
    pub doc: Cow<'a, str>,
    /// Where the step is written.
    pub span: Option<Span>,
    /// JSON Schema of its config: an op's, or the outer one of a config mapping. None: it takes none. Steps of one
    /// op borrow one schema, which is then compiled once.
    pub schema: Option<Cow<'a, Value>>,
    /// Config that its definition gives.
    pub layer: Option<&'a Node>,
    /// Inputs that no step feeds.
    pub inputs: Vec<InputPoint<'a>>,
    pub body: ConfigBody<'a>,
    /// False: left out by the selection. Whatever is given for it is accepted and ignored.
    pub selected: bool,
}

/// What a section consists of.
#[derive(Debug, Clone)]
pub enum ConfigBody<'a> {
    Op,
    Graph(Vec<ConfigSection<'a>>),
    /// A graph whose steps get their config from a mapping: a run config does not reach them.
    Mapped(&'a ConfigMappingDef, Vec<ConfigSection<'a>>),
}

/// An input that a run config may give.
#[derive(Debug, Clone)]
pub struct InputPoint<'a> {
    pub name: Name,
    pub doc: Cow<'a, str>,
    pub media_type: Cow<'a, str>,
    /// Of one value.
    pub schema: &'a Value,
    /// Takes many values.
    pub many: bool,
    /// Needed, and the definition gives nothing.
    pub required: bool,
}

/// A resource of the job.
#[derive(Debug, Clone)]
pub struct ResourceSection<'a> {
    pub name: Name,
    pub doc: Cow<'a, str>,
    pub span: Option<Span>,
    /// Of its settings by kind, or of the config of the op that sets it up.
    pub schema: Option<Cow<'a, Value>>,
    /// What its definition says.
    pub layer: Option<&'a Node>,
    /// Settings keep `{env: NAME}` for whoever opens the resource; the config of an op has nulls there and a list.
    pub keeps_env: bool,
    /// Whether a selected step uses it: if not, nothing is required.
    pub used: bool,
}

/// A whole run config, checked and completed.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// By dotted path, of every selected op whose config is known.
    pub steps: BTreeMap<String, ResolvedConfig>,
    /// The outer config of graphs with a config mapping, by dotted path; the job's own under the empty path.
    pub outer: BTreeMap<String, ResolvedConfig>,
    /// What was given for inputs, by the dotted path of the step or graph; the job's own under the empty path.
    pub inputs: BTreeMap<String, BTreeMap<Name, GivenInput>>,
    pub resources: BTreeMap<Name, ResolvedConfig>,
    /// Steps that run at once, at most.
    pub max_concurrent: Option<u32>,
    /// Steps with a tag that run at once, at most; these instead of the job's own.
    pub tag_limits: Option<Vec<TagLimit>>,
    /// Table that the last of these limits was in.
    pub limits_at: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// Mappings made of ops whose results are not known yet; what lies below them is missing in `steps`.
    pub pending: Vec<PendingMapping>,
}

/// The config of one op, or the settings of one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResolvedConfig {
    /// Complete: defaults are filled in, places of `env` are null.
    pub value: Value,
    pub env: Vec<EnvSource>,
    /// Paths of secret fields that are given.
    pub secrets: Vec<Vec<String>>,
}

/// A source for an input, as a run config gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenInput {
    /// Of the input's name.
    pub span: Option<Span>,
    /// A literal or files.
    pub source: Spanned<SourceDef>,
}

/// A config mapping that an op has to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingMapping {
    /// Dotted path of the graph; empty for the job.
    pub path: String,
    pub op: Spanned<OpPath>,
    /// The outer config, complete: the op's config.
    pub config: Value,
}

/// What ops of mappings gave: the `ops` section of the config inside, by the dotted path of the graph.
pub type MappingResults = BTreeMap<String, Value>;
