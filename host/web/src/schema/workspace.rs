//! Code locations with their jobs and libraries.

use async_graphql::{ComplexObject, Context, Enum, Result, SimpleObject};
use cofferdam_model::Name;
use cofferdam_runlog::RunFilter;

use super::Instance;
use super::convert::{Tag, page_size, seconds, tags};
use super::errors::{Diagnostic, diagnostics};
use super::job::{Graph, Op};
use super::run::Run;
use crate::workspace::{JobFacts, JobName, LibraryFacts, LoadState, Location, Refused};

/// Runs that a job shows at most.
const RUNS_MAX: usize = 100;
const RUNS_DEFAULT: usize = 10;

#[derive(SimpleObject)]
pub(crate) struct Workspace {
    location_entries: Vec<LocationEntry>,
}

impl Workspace {
    pub(crate) fn of(locations: Vec<Location>) -> Workspace {
        Workspace { location_entries: locations.into_iter().map(LocationEntry::from).collect() }
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "LoadState")]
pub(crate) enum LoadStatus {
    Loading,
    Loaded,
    Failed,
}

/// One project. While its definitions are wrong, its jobs are those that were loaded last.
#[derive(SimpleObject)]
pub(crate) struct LocationEntry {
    name: String,
    folder: String,
    loaded_at: f64,
    load_status: LoadStatus,
    diagnostics: Vec<Diagnostic>,
    jobs: Vec<Job>,
    libraries: Vec<Library>,
    environments: Vec<String>,
}

impl From<Location> for LocationEntry {
    fn from(location: Location) -> LocationEntry {
        let name = location.name;
        LocationEntry {
            jobs: location.jobs.into_iter().map(|job| Job::of(job, &name)).collect(),
            libraries: location.libraries.into_iter().map(Library::from).collect(),
            folder: location.folder,
            loaded_at: seconds(location.loaded_at),
            load_status: location.state.into(),
            diagnostics: diagnostics(location.problems),
            environments: location.environments,
            name,
        }
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Job {
    name: String,
    location: String,
    description: String,
    tags: Vec<Tag>,
    is_asset_job: bool,
    /// Name of the partitions that its runs are for.
    partitions: Option<String>,
}

impl Job {
    pub(crate) fn of(facts: JobFacts, location: &str) -> Job {
        Job {
            name: facts.name.to_string(),
            location: location.to_owned(),
            description: facts.description,
            tags: tags(facts.tags),
            is_asset_job: facts.is_asset_job,
            partitions: facts.partitions,
        }
    }
}

/// A job's graph as far as it is known without a run config, or why not.
#[derive(SimpleObject)]
pub(crate) struct JobGraph {
    graph: Option<Graph>,
    diagnostics: Vec<Diagnostic>,
    error: Option<String>,
}

#[ComplexObject]
impl Job {
    /// Compiled when it is asked for; libraries that are not built are built.
    async fn graph(&self, ctx: &Context<'_>) -> JobGraph {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        let name = JobName { job: self.name.clone(), location: Some(self.location.clone()) };
        let none = JobGraph { graph: None, diagnostics: vec![], error: None };
        match workspace.outline(&name).await {
            Ok(outline) => JobGraph { graph: Some(Graph::of_outline(&outline)), ..none },
            Err(Refused::Problems(problems)) => JobGraph { diagnostics: diagnostics(problems), ..none },
            Err(Refused::Failed { message, causes }) => {
                let said: Vec<String> = std::iter::once(message).chain(causes).collect();
                JobGraph { error: Some(said.join(": ")), ..none }
            }
            Err(Refused::NoJob { hint, .. }) => JobGraph { error: Some(hint), ..none },
            Err(Refused::NoRun(run)) => JobGraph { error: Some(format!("there is no run `{run}`")), ..none },
        }
    }

    /// The newest first.
    async fn runs(&self, ctx: &Context<'_>, limit: Option<usize>) -> Result<Vec<Run>> {
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let job = Name::new(&self.name).ok();
        let limit = page_size(limit, RUNS_DEFAULT, RUNS_MAX)?;
        let filter = RunFilter { job, limit: Some(limit), ..RunFilter::default() };
        Ok(log.runs(filter).await?.into_iter().map(Run::of).collect())
    }
}

/// A library of a project; without a digest it is not built yet.
#[derive(SimpleObject)]
pub(crate) struct Library {
    name: String,
    language: Option<&'static str>,
    /// The folder, file, reference or channel that it comes from.
    source: String,
    digest: Option<String>,
    version: Option<String>,
    size_bytes: Option<f64>,
    ops: Vec<Op>,
}

impl From<LibraryFacts> for Library {
    fn from(facts: LibraryFacts) -> Library {
        let built = facts.built;
        Library {
            name: facts.name.to_string(),
            language: facts.language,
            source: facts.source,
            digest: built.as_ref().map(|built| built.digest.to_string()),
            size_bytes: built.as_ref().map(|built| built.bytes as f64),
            ops: built.iter().flat_map(|built| &built.spec.ops).map(Op::from).collect(),
            version: built.map(|built| built.spec.version),
        }
    }
}
