//! What can be asked about definitions: whether they are right, what a job reads and takes, and its plan.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cofferdam_model::{
    Definitions, Diagnostic, EnvironmentDef, JobDef, Name, Plan, RunConfig, Severity, Timestamp,
};

use crate::Libraries;
use crate::assets;
use crate::assets::{AssetJob, AssetPlaces, Catalog};
use crate::automation;
use crate::fakes;
use crate::files::{Files, known, unknown_job};
use crate::flat::Outermost;
use crate::job::Job;
use crate::resource_schemas::check_resources;
use crate::run_config::{self, ConfigTree, Executor, MappingResults, PendingMapping, validate};

/// What a person asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub target: Target<'a>,
    pub run_config: &'a RunConfig,
    /// Name of a table in `[environments]`.
    pub environment: Option<&'a Name>,
    /// Which ops of a job: the union of these expressions; none is all. Assets are selected by the target.
    pub selection: &'a [String],
    /// A partition key, or `first...last`.
    pub partition: Option<&'a str>,
}

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A table in `[jobs]` or `[asset_jobs]`.
    Job(&'a Name),
    /// The assets that these expressions select.
    Assets(&'a [String]),
}

/// Where a run of a job goes, as its own config, the environment's and the person's say, the last one first; none if they
/// do not say.
pub fn executor(definitions: &Definitions, request: Request<'_>) -> Option<Executor> {
    let own = match request.target {
        Target::Job(name) => {
            let job = definitions.jobs.get(name).and_then(|job| job.config.as_ref());
            job.or_else(|| definitions.asset_jobs.get(name)?.config.as_ref())
        }
        Target::Assets(_) => None,
    };
    let environment =
        request.environment.and_then(|name| definitions.environments.get(name)?.config.as_ref());
    run_config::executor(own.into_iter().chain(environment).chain(request.run_config.root.as_ref()))
}

impl<'a> Request<'a> {
    /// All of a job, as it is defined.
    pub fn job(name: &'a Name, run_config: &'a RunConfig) -> Request<'a> {
        Request { target: Target::Job(name), run_config, environment: None, selection: &[], partition: None }
    }
}

/// What the shell found out for it.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub files: Files,
    /// What ops of config mappings gave ([`pending_mappings`]).
    pub mappings: MappingResults,
    pub catalog: Catalog,
    pub present: Present,
}

/// Which partitions there are now.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// Time windows that have ended by then exist.
    pub now: Timestamp,
    /// Names of dynamic partitions, by table in `[partitions]`.
    pub dynamic: BTreeMap<Name, Vec<String>>,
}

/// How much is known when a job is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage<'a> {
    /// The definitions: what a run config, a file or the choice of a partition may still give is open.
    Checking(&'a Present),
    /// Everything.
    Making(&'a World),
}

impl<'a> Stage<'a> {
    pub(crate) fn present(self) -> &'a Present {
        match self {
            Stage::Checking(present) => present,
            Stage::Making(world) => &world.present,
        }
    }

    fn world(self) -> Option<&'a World> {
        match self {
            Stage::Checking(_) => None,
            Stage::Making(world) => Some(world),
        }
    }
}

/// Checks all jobs as far as that is possible without run config and files. An input or a config key that
/// a run config may still give is a warning here and an error in [`compile`]. What is made by partition is checked
/// for the last one there is.
pub fn check(defs: &Definitions, libs: &Libraries, present: &Present) -> Vec<Diagnostic> {
    let run_config = RunConfig::default();
    let mut problems = check_resources(defs);
    for job in defs.jobs.keys() {
        let request = Request::job(job, &run_config);
        problems.extend(compile_target(defs, libs, request, Stage::Checking(present)).1);
    }
    problems.extend(assets::check(defs, libs, present));
    for found in fakes::check(defs, libs, present).into_iter().chain(automation::check(defs, libs, present)) {
        if !problems.contains(&found) {
            problems.push(found);
        }
    }
    problems
}

/// Compiles one job. Gives the plan and warnings, or everything that is wrong. `world` holds what the shell
/// found for [`crate::file_sources`]. The same input gives the same plan, byte for byte.
pub fn compile(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    world: &World,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    match compile_target(defs, libs, request, Stage::Making(world)) {
        (Some(plan), warnings) => Ok((plan, warnings)),
        (None, problems) => Err(problems),
    }
}

/// The steps of what is asked for as far as they are known without a run config, for a picture: what a run config, a
/// file or the choice of a partition may still give is open. Nothing can be run by it.
pub fn outline(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    present: &Present,
) -> Result<Plan, Vec<Diagnostic>> {
    let (plan, problems) = compile_target(defs, libs, request, Stage::Checking(present));
    plan.ok_or(problems)
}

pub(crate) fn compile_target(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    stage: Stage<'_>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    match resolve_target(defs, request, stage) {
        Ok(subject) => compile_job(defs, libs, request, &subject, stage.world()),
        Err(problems) => (None, problems),
    }
}

/// The job that is meant; one that is made up for assets.
pub(crate) struct Subject<'a> {
    pub(crate) name: Name,
    pub(crate) def: Cow<'a, JobDef>,
    pub(crate) environment: Option<&'a EnvironmentDef>,
    pub(crate) assets: AssetPlaces,
    pub(crate) warnings: Vec<Diagnostic>,
}

pub(crate) fn resolve_target<'a>(
    defs: &'a Definitions,
    request: Request<'_>,
    stage: Stage<'_>,
) -> Result<Subject<'a>, Vec<Diagnostic>> {
    let environment = match request.environment {
        None => None,
        Some(name) => match defs.environments.get(name) {
            Some(environment) => Some(environment),
            None => return Err(vec![unknown_environment(defs, name)]),
        },
    };
    let of_assets = |name, AssetJob { def, places, warnings }| Subject {
        name,
        def: Cow::Owned(def),
        environment,
        assets: places,
        warnings,
    };
    match request.target {
        Target::Job(name) => match (defs.jobs.get(name), defs.asset_jobs.get(name)) {
            (Some(def), _) => Ok(Subject {
                name: name.clone(),
                def: Cow::Borrowed(def),
                environment,
                assets: AssetPlaces::default(),
                warnings: vec![],
            }),
            (None, Some(def)) => {
                let job = assets::asset_job(defs, Some(def), &[], request.partition, stage)?;
                Ok(of_assets(name.clone(), job))
            }
            (None, None) => Err(vec![unknown_job(defs, name)]),
        },
        Target::Assets(selection) => {
            let job = assets::asset_job(defs, None, selection, request.partition, stage)?;
            Ok(of_assets(Name::new(assets::IMPLICIT_JOB).expect("the constant is a name"), job))
        }
    }
}

fn compile_job(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    subject: &Subject<'_>,
    world: Option<&World>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut job = Job::open(defs, libs, request, subject, world);
    job.select(request.selection);
    job.read_run_config(request.run_config);
    let plan = job.plan(request);
    let failed = job.problems.iter().any(|problem| problem.severity == Severity::Error);
    (plan.filter(|_| !failed), job.problems)
}

fn unknown_environment(defs: &Definitions, name: &Name) -> Diagnostic {
    let problem = Diagnostic::error("plan::unknown-environment", format!("there is no environment `{name}`"));
    known(problem, name.as_str(), defs.environments.keys().map(Name::as_str))
}

/// Mappings made of ops which the shell must run before the job can be compiled, outermost first: what they give
/// goes into [`World::mappings`], and then this may be asked again for those inside. What is wrong with the job is
/// left out; [`compile`] reports it with everything else.
pub fn pending_mappings(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    present: &Present,
    results: &MappingResults,
) -> Vec<PendingMapping> {
    let Ok(subject) = resolve_target(defs, request, Stage::Checking(present)) else { return vec![] };
    let mut job = Job::open(defs, libs, request, &subject, None);
    job.select(request.selection);
    let (resolved, _) = validate(&job.config_tree(), request.run_config.root.as_ref(), results);
    resolved.pending
}

/// Lays out what can be configured in what is asked for and hands it to [`crate::scaffold`] and its like; the run
/// config of the request is not looked at. Gives what those give with warnings, or what is wrong with the job:
/// a part of it would be hidden.
pub fn with_config_tree<T>(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    present: &Present,
    act: impl FnOnce(&ConfigTree<'_>) -> T,
) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
    let subject = resolve_target(defs, request, Stage::Checking(present))?;
    let mut job = Job::open(defs, libs, request, &subject, None);
    job.select(request.selection);
    if job.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(job.problems);
    }
    Ok((act(&job.config_tree()), job.problems))
}

pub(crate) fn outermost<'a>(def: &'a JobDef) -> Outermost<'a> {
    Outermost {
        inputs: &def.inputs,
        steps: &def.steps,
        hooks: &def.hooks,
        io_manager: def.io_manager.as_ref(),
    }
}
