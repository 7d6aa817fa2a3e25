//! What the pages ask of definitions: which jobs there are, what a run config would do, what would run. The program that
//! has read them answers.

use async_trait::async_trait;
use cofferdam_model::{AssetKey, LibraryDigest, LibrarySpec, Name, Plan, RunId, Timestamp};
use cofferdam_runlog::Materialized;
use cofferdam_scheduler::Submission;
use serde_json::Value;

/// Code locations as they are now.
#[async_trait]
pub trait Workspace: Send + Sync {
    fn locations(&self) -> Vec<Location>;

    /// Reads all of it again, and gives how it is then.
    async fn reload(&self) -> Vec<Location>;

    /// Counts up with each change of a location.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;

    /// Assets of a code location, by their keys; of all of them if none is named.
    async fn assets(&self, location: Option<&str>) -> Result<Vec<AssetFacts>, Refused>;

    /// The newest partitions of an asset, oldest first; none if there is no such asset.
    async fn asset_partitions(&self, asset: &AssetName) -> Result<Option<Vec<AssetPartition>>, Refused>;

    /// The steps of a job as far as they are known without a run config.
    async fn outline(&self, job: &JobName) -> Result<Outline, Refused>;

    /// What would run, without taking anything in.
    async fn plan(&self, launch: &Launch) -> Result<Planned, Refused>;

    /// The same, with all that it reads taken in, ready to be submitted.
    async fn prepare(&self, launch: &Launch) -> Result<Planned, Refused>;

    /// The same for a run that is executed again.
    async fn again(&self, parent: RunId, what: &Again) -> Result<Submission, Refused>;

    /// JSON Schema of a job's run config.
    async fn config_schema(&self, job: &JobName, environment: Option<&str>) -> Result<Value, Refused>;

    /// A run config to go on from, and the paths that were removed from the one that was given.
    async fn scaffold(&self, launch: &Launch, how: Scaffold) -> Result<(String, Vec<String>), Refused>;

    /// What is known of who vouches for the libraries of a plan.
    fn signatures(&self, plan: &Plan) -> Result<Vec<String>, Refused>;

    /// Why a plan cannot be run by what this instance has; none if it can, or may later.
    fn unservable(&self, plan: &Plan) -> Option<String>;
}

/// A job of a code location. Without a location, of the only one that has it.
#[derive(Debug, Clone)]
pub struct JobName {
    pub job: String,
    pub location: Option<String>,
}

/// An asset of a code location. Without a location, of the only one.
#[derive(Debug, Clone)]
pub struct AssetName {
    pub key: String,
    pub location: Option<String>,
}

/// What a list of assets shows.
#[derive(Debug, Clone)]
pub struct AssetFacts {
    pub key: AssetKey,
    pub location: String,
    pub description: String,
    pub group: String,
    pub owners: Vec<String>,
    pub kinds: Vec<String>,
    pub tags: Vec<(String, String)>,
    pub is_partitioned: bool,
    /// The worst of its partitions.
    pub state: AssetState,
    /// The first different ones.
    pub causes: Vec<Cause>,
    /// Partitions; one without any counts as one.
    pub n_fresh: usize,
    pub n_stale: usize,
    pub n_missing: usize,
    /// Of the code as it is now, as far as that is known.
    pub code_version: Option<String>,
    pub upstream: Vec<String>,
    pub downstream: Vec<String>,
    pub latest: Option<Materialized>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetState {
    Fresh,
    Stale,
    Missing,
    External,
}

/// Why an asset is stale.
#[derive(Debug, Clone)]
pub struct Cause {
    pub category: Why,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Code,
    Data,
    Dependencies,
}

/// Where staleness began.
#[derive(Debug, Clone)]
pub struct Root {
    pub asset: String,
    pub partition: Option<String>,
    pub category: Why,
}

/// One partition of an asset; the only one of an asset without partitions has no key.
#[derive(Debug, Clone)]
pub struct AssetPartition {
    pub partition: Option<String>,
    pub state: AssetState,
    pub causes: Vec<Cause>,
    pub roots: Vec<Root>,
}

/// One project.
#[derive(Debug, Clone)]
pub struct Location {
    pub name: String,
    pub folder: String,
    pub loaded_at: Timestamp,
    pub state: LoadState,
    /// Of the definitions as they are now.
    pub problems: Vec<Problem>,
    /// Those that were loaded last without an error.
    pub jobs: Vec<JobFacts>,
    pub libraries: Vec<LibraryFacts>,
    pub environments: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadState {
    Loading,
    Loaded,
    Failed,
}

/// What a list of jobs shows.
#[derive(Debug, Clone)]
pub struct JobFacts {
    pub name: Name,
    pub description: String,
    pub tags: Vec<(String, String)>,
    pub is_asset_job: bool,
    /// Name of a table in `[partitions]`.
    pub partitions: Option<String>,
}

/// What a list of libraries shows.
#[derive(Debug, Clone)]
pub struct LibraryFacts {
    pub name: Name,
    /// Where its component comes from.
    pub source: String,
    pub language: Option<&'static str>,
    /// None until it is built.
    pub built: Option<Built>,
}

#[derive(Debug, Clone)]
pub struct Built {
    pub digest: LibraryDigest,
    pub bytes: u64,
    pub spec: LibrarySpec,
}

/// A job's steps, and the libraries whose ops they are.
#[derive(Debug, Clone)]
pub struct Outline {
    pub plan: Plan,
    pub specs: Vec<(LibraryDigest, Name, LibrarySpec)>,
}

/// A plan and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub plan: Plan,
    pub warnings: Vec<Problem>,
}

/// What a person asks to run.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    pub job: String,
    /// Expressions that select assets; if there are any, it is of no job.
    pub assets: Vec<String>,
    pub location: Option<String>,
    /// YAML; empty is nothing.
    pub run_config: String,
    pub selection: Vec<String>,
    pub partition: Option<String>,
    pub environment: Option<String>,
    pub tags: Vec<(String, String)>,
}

impl Launch {
    pub fn job_name(&self) -> JobName {
        JobName { job: self.job.clone(), location: self.location.clone() }
    }
}

/// Which steps of a run to execute again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    AllSteps,
    FromFailure,
    Steps(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaffold {
    /// What must be given, with the simplest value of its type.
    Required,
    Defaults,
    RemoveExtra,
}

/// Why something could not be done.
#[derive(Debug, Clone)]
pub enum Refused {
    NoJob {
        job: String,
        hint: String,
    },
    NoRun(RunId),
    /// Something that a person wrote is wrong.
    Problems(Vec<Problem>),
    Failed {
        message: String,
        causes: Vec<String>,
    },
}

/// A finding with its place. Lines and columns start at 1.
#[derive(Debug, Clone)]
pub struct Problem {
    pub is_error: bool,
    pub code: String,
    pub message: String,
    pub place: Option<ProblemPlace>,
    pub hint: Option<String>,
    /// As a terminal shows it, without colours.
    pub rendered: String,
}

#[derive(Debug, Clone)]
pub struct ProblemPlace {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub label: String,
}
