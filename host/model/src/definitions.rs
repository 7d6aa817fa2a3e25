//! Definitions: what a user declares, before anything is resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{
    AssetCheckDef, AssetDef, AssetJobDef, AssetKey, Channel, HookOn, IoManagerKind, Limits, Name, Node,
    PartitionMappingDef, PartitionsDef, ResourceKind, RetryPolicy, ScheduleDef, SensorDef, Span, Spanned,
    StepKey, TagLimit, Wait,
};

/// All definitions of one code location (one `cofferdam.toml`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    pub libraries: BTreeMap<Name, LibraryDef>,
    pub graphs: BTreeMap<Name, GraphDef>,
    pub jobs: BTreeMap<Name, JobDef>,
    pub resources: BTreeMap<Name, ResourceDef>,
    pub io_managers: BTreeMap<Name, IoManagerDef>,
    pub environments: BTreeMap<Name, EnvironmentDef>,
    pub partitions: BTreeMap<Name, PartitionsDef>,
    /// By the name of the table.
    pub assets: BTreeMap<Name, AssetDef>,
    pub asset_checks: BTreeMap<Name, AssetCheckDef>,
    pub asset_jobs: BTreeMap<Name, AssetJobDef>,
    pub schedules: BTreeMap<Name, ScheduleDef>,
    pub sensors: BTreeMap<Name, SensorDef>,
    pub tests: BTreeMap<Name, TestDef>,
}

/// What an op or a job should do, for `cofferdam test`.
#[derive(Debug, Clone, PartialEq)]
pub enum TestDef {
    Op(Box<OpTestDef>),
    Job(Box<JobTestDef>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OpTestDef {
    /// The op with its inputs and config; named like the test.
    pub step: StepDef,
    pub expected: Expected,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// It succeeds, and these of its outputs are as written; a dynamic one by key.
    Outputs(BTreeMap<Name, Node>),
    /// It fails, with this within what is said about it.
    Failure(Spanned<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobTestDef {
    pub job: Spanned<Name>,
    /// Run config.
    pub config: Option<Node>,
    pub environment: Option<Spanned<Name>>,
    pub partition: Option<String>,
    /// Which ops of the job; none is all.
    pub selection: Vec<String>,
    pub fakes: Vec<FakeDef>,
    /// By step: some of its outputs; a dynamic one by key.
    pub outputs: Vec<(Spanned<StepKey>, BTreeMap<Name, Node>)>,
    /// Steps that fail, each with this within what is said about it.
    pub failures: Vec<(Spanned<StepKey>, Spanned<String>)>,
}

/// What a step is taken to have given, instead of running it.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeDef {
    pub step: Spanned<StepKey>,
    pub output: Spanned<Name>,
    /// A value or files; of a dynamic output a table by key, or files.
    pub source: Spanned<SourceDef>,
}

/// Where a library's component comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryDef {
    pub source: Spanned<LibrarySource>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibrarySource {
    /// Source in this folder, built by `cofferdam build`.
    Source { language: Language, folder: PathBuf },
    /// A component that is there already.
    Wasm(PathBuf),
    /// A component in an OCI registry, by a reference that ends with the digest of its manifest.
    Registry(String),
    /// What a channel of the instance is on when a run is planned.
    Channel(Channel),
}

/// A language that a guest SDK is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    C,
    Go,
}

impl Language {
    pub const ALL: [Language; 5] =
        [Language::Rust, Language::Python, Language::JavaScript, Language::C, Language::Go];

    /// The key of a library that names the folder of its source.
    pub fn key(self) -> &'static str {
        match self {
            Language::Rust => "crate",
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::C => "c",
            Language::Go => "go",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::JavaScript => "JavaScript",
            Language::C => "C",
            Language::Go => "Go",
        }
    }
}

/// A job: the outermost graph, with what holds for a whole run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobDef {
    pub description: String,
    /// Inputs of the job itself; a run config gives them under `inputs`.
    pub inputs: Vec<Spanned<Name>>,
    /// In the order of writing.
    pub steps: Vec<StepDef>,
    pub tags: BTreeMap<String, String>,
    /// For steps that have none of their own, and whose op's step has none.
    pub retry: Option<RetryPolicy>,
    pub max_concurrent: Option<u32>,
    pub tag_limits: Vec<TagLimit>,
    /// What the worker of each of its steps must be, unless the step says otherwise.
    pub labels: BTreeMap<String, String>,
    /// Run config that holds unless the person who starts a run says otherwise.
    pub config: Option<Node>,
    pub config_mapping: Option<ConfigMappingDef>,
    /// For each of its steps.
    pub hooks: Vec<HookDef>,
    /// For outputs that name none.
    pub io_manager: Option<Spanned<Name>>,
    /// Name of a table in `[partitions]`: a run is for one of them.
    pub partitions: Option<Spanned<Name>>,
    /// How often a failed run is started again by itself, and from where.
    pub run_retry: Option<RunRetryDef>,
    pub span: Option<Span>,
}

/// A reusable part: steps with inputs and outputs of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GraphDef {
    pub description: String,
    pub inputs: Vec<Spanned<Name>>,
    pub steps: Vec<StepDef>,
    /// Output of the graph → output of one of its steps.
    pub outputs: Vec<(Spanned<Name>, Spanned<OutputPath>)>,
    pub config_mapping: Option<ConfigMappingDef>,
    pub span: Option<Span>,
}

/// What an outer config becomes for the steps inside, which are then not addressed from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigMappingDef {
    /// JSON Schema of the outer config, as written.
    pub schema: Node,
    pub mapping: ConfigMapping,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConfigMapping {
    /// The `ops` section of the inner config, where text `$.a.b` stands for that part of the outer config.
    Template(Node),
    /// An op that takes the outer config as its config and gives the `ops` section as its output `result`.
    Op(Spanned<OpPath>),
}

/// An op that runs when a step has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct HookDef {
    pub on: HookOn,
    pub op: Spanned<OpPath>,
    pub config: Option<Node>,
    pub span: Option<Span>,
}

/// Run retries (SEMANTICS.md, section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunRetryDef {
    pub max_retries: u32,
    pub strategy: crate::Reexecution,
    /// False: only when processes died, not when an op failed.
    pub on_step_failure: bool,
}

/// A service lent to ops.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceDef {
    pub kind: Spanned<ResourceKind>,
    /// A map, as written, without `kind`; of a resource made of ops: none of `set_up`, `tear_down`, `config`.
    pub settings: Node,
    /// Of a resource made of ops.
    pub ops: Option<ResourceOpsDef>,
    pub span: Option<Span>,
}

/// A resource made of ops.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceOpsDef {
    pub set_up: Spanned<OpPath>,
    pub tear_down: Option<Spanned<OpPath>>,
    /// Of `set_up`.
    pub config: Option<Node>,
}

/// What stores outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct IoManagerDef {
    pub kind: Spanned<IoManagerKind>,
    /// A map, as written, without `kind`; of a manager made of ops: none of `store`, `load`, `config`.
    pub settings: Node,
    /// Of a manager made of ops.
    pub ops: Option<IoManagerOpsDef>,
    pub span: Option<Span>,
}

/// An IO manager made of ops. `store` takes the value as its input `value` and gives what is kept as its output
/// `result`; `load` takes that as its input `stored` and gives the value as its output `result`.
#[derive(Debug, Clone, PartialEq)]
pub struct IoManagerOpsDef {
    pub store: Spanned<OpPath>,
    pub load: Spanned<OpPath>,
    /// Of both.
    pub config: Option<Node>,
}

/// What is different in one environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvironmentDef {
    pub resources: BTreeMap<Name, ResourceDef>,
    pub io_managers: BTreeMap<Name, IoManagerDef>,
    /// Run config over that of a job.
    pub config: Option<Node>,
    pub span: Option<Span>,
}

/// An op or a graph, placed.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDef {
    pub name: Spanned<Name>,
    pub description: String,
    /// What is placed.
    pub node: Spanned<NodeDef>,
    pub inputs: Vec<(Spanned<Name>, Spanned<SourceDef>)>,
    /// Steps that come first without giving data.
    pub after: Vec<Spanned<Name>>,
    /// Config of the op, or the outer config of a graph; the run config is merged over it.
    pub config: Option<Node>,
    pub retry: Option<RetryPolicy>,
    /// What differs from the defaults.
    pub limits: Limits,
    pub priority: i32,
    pub tags: BTreeMap<String, String>,
    /// Amounts that a worker must have free.
    pub resources: BTreeMap<String, f64>,
    /// What the worker must be, over what the job says.
    pub labels: BTreeMap<String, String>,
    /// The pool of which it takes a slot while it runs.
    pub pool: Option<Spanned<Name>>,
    /// The op's name of a resource → the resource's.
    pub bind: BTreeMap<Name, Spanned<Name>>,
    pub hooks: Vec<HookDef>,
    /// For its outputs that name none.
    pub io_manager: Option<Spanned<Name>>,
    /// By output.
    pub outputs: BTreeMap<Name, OutputDef>,
    /// By input: what loads it instead of the manager of the output that it reads.
    pub input_managers: BTreeMap<Name, Spanned<Name>>,
    /// Whether an earlier result may be taken; none: as the op says.
    pub memoize: Option<bool>,
    /// Whether an attempt that takes much longer than its like gets one more beside it.
    pub hedge: bool,
    /// Before it runs, although it has all that it reads.
    pub wait: Option<Wait>,
    pub span: Option<Span>,
}

impl StepDef {
    /// A step with nothing but its name and what is placed.
    pub fn new(name: Name, node: NodeDef) -> StepDef {
        StepDef {
            name: Spanned::new(name, None),
            description: String::new(),
            node: Spanned::new(node, None),
            inputs: vec![],
            after: vec![],
            config: None,
            retry: None,
            limits: Limits::default(),
            priority: 0,
            tags: BTreeMap::new(),
            resources: BTreeMap::new(),
            labels: BTreeMap::new(),
            pool: None,
            bind: BTreeMap::new(),
            hooks: vec![],
            io_manager: None,
            outputs: BTreeMap::new(),
            input_managers: BTreeMap::new(),
            memoize: None,
            hedge: false,
            wait: None,
            span: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeDef {
    /// `library.op`
    Op(OpPath),
    /// The name of a table in `[graphs]`.
    Graph(Name),
}

/// What a step says about one of its outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutputDef {
    pub io_manager: Option<Spanned<Name>>,
    /// Facts shown with each value.
    pub metadata: BTreeMap<String, String>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpPath {
    pub library: Name,
    pub op: Name,
}

impl OpPath {
    /// `library.op`; none if it is not that.
    pub fn parse(text: &str) -> Option<OpPath> {
        let (library, op) = text.split_once('.')?;
        Some(OpPath { library: Name::new(library).ok()?, op: Name::new(op).ok()? })
    }
}

impl std::fmt::Display for OpPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.library, self.op)
    }
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
    /// `{json: {path: limits.json}}`: what a file says, as if it were written in its place. In a run config only.
    Document(DocumentForm, Spanned<String>),
    /// `{blob: "blake3:…"}`: a value that a run has made, by its digest. In a run config only.
    Blob(Spanned<String>),
    /// `{ input = "text" }`: an input of the graph or job around the step.
    Input(Name),
    /// `{ resource = "session" }`: the value of a resource made of ops.
    Resource(Name),
    /// `{ asset = "raw/flights" }`: the value of an asset, of the partitions that the mapping names.
    Asset(AssetKey, Option<PartitionMappingDef>),
}

/// How a file is written that stands for a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentForm {
    Json,
    Cbor,
}

/// `step` or `step.output`; the default output is `result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPath {
    pub step: Name,
    pub output: Name,
}

impl OutputPath {
    /// `step` or `step.output`; none if it is not that.
    pub fn parse(text: &str) -> Option<OutputPath> {
        let (step, output) = text.split_once('.').unwrap_or((text, "result"));
        Some(OutputPath { step: Name::new(step).ok()?, output: Name::new(output).ok()? })
    }
}

/// What a person gives for one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunConfig {
    /// The whole document: `ops: {step: {config: …, inputs: …}}`, `inputs: …`, `resources: …`, `execution: …`,
    /// `tags: …`.
    pub root: Option<Node>,
}
