//! One code location: how it is now, what the pages ask of it, and what its schedules and sensors are asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_config::Texts;
use cofferdam_daemon::{Asked, Defined, NoPlan, defined};
use cofferdam_model::{
    Diagnostic, InstigatorState, LibraryDef, LibrarySource, Name, Plan, RunConfig, RunRequest, Severity,
    Timestamp,
};
use cofferdam_plan::{Libraries, Request};
use cofferdam_scheduler::system_time;
use cofferdam_web::{
    AssetFacts, AssetPartition, Built, JobFacts, JobName, Launch, LibraryFacts, LoadState, Location, Outline,
    Planned, Problem, ProblemPlace, Refused, Scaffold,
};
use serde_json::Value;
use tokio::sync::watch;

use super::saves::{Saves, sources};
use super::{assets, ticks};
use crate::args::{Given, Global};
use crate::background::blocking;
use crate::commands::{scaffold, signature};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{Output, RED, YELLOW};
use crate::prepare::{self, Reading, Wanted, environment, present};
use crate::project::{DEFINITIONS_FILE, Project};

/// How often a folder that is not there is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What messages call the text that a page sends.
const RUN_CONFIG: &str = "run config";
/// Columns for what a page shows as a terminal would.
const WIDTH: usize = 100;

/// One project, as it is now. Clones share it.
#[derive(Clone)]
pub(crate) struct CodeLocation(Arc<Inner>);

struct Inner {
    /// Of its schedules and sensors.
    key: Name,
    global: Global,
    folder: PathBuf,
    /// For runs that name no other.
    environment: Option<Name>,
    now: Mutex<Location>,
    /// Schedules and sensors of the definitions that were loaded last without an error; none before any were.
    defined: Mutex<Option<Vec<Arc<Defined>>>>,
    changes: Arc<Changes>,
}

/// Count up with each change of any location.
pub(super) struct Changes {
    pub(super) of_locations: watch::Sender<u64>,
    pub(super) of_instigators: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { of_locations: watch::Sender::new(0), of_instigators: watch::Sender::new(0) }
    }
}

/// Where a location is, and what it is called.
pub(super) struct Place {
    /// As people read it.
    pub(super) name: String,
    /// Of its schedules and sensors.
    pub(super) key: Name,
    pub(super) folder: PathBuf,
    pub(super) environment: Option<Name>,
}

impl CodeLocation {
    /// `global` says where the state of the instance is.
    pub(super) fn new(place: Place, global: &Global, changes: Arc<Changes>) -> CodeLocation {
        let Place { name, key, folder, environment } = place;
        let now = Location {
            name,
            folder: folder.display().to_string(),
            loaded_at: system_time(),
            state: LoadState::Loading,
            problems: vec![],
            jobs: vec![],
            libraries: vec![],
            environments: vec![],
        };
        // What is asked for by a page, or by nobody, is not told to the terminal.
        let global = Global { project: Some(folder.clone()), quiet: true, json: false, ..global.clone() };
        let (now, defined) = (Mutex::new(now), Mutex::default());
        CodeLocation(Arc::new(Inner { key, global, folder, environment, now, defined, changes }))
    }

    pub(super) fn key(&self) -> &Name {
        &self.0.key
    }

    /// As it is now.
    pub(super) fn now(&self) -> Location {
        self.0.now.lock().expect("nobody panics while holding it").clone()
    }

    /// Schedules and sensors of the definitions that were loaded last without an error; none before any were.
    pub(super) fn defined(&self) -> Option<Vec<Arc<Defined>>> {
        self.0.defined.lock().expect("nobody panics while holding it").clone()
    }

    /// The environment of a run for which one was asked for, or none.
    pub(super) fn environment(&self, asked: Option<&str>) -> Option<String> {
        asked.map(str::to_owned).or_else(|| self.0.environment.as_ref().map(Name::to_string))
    }

    /// Says what is wrong now, for who looks at the terminal.
    fn tell(&self, output: Output) {
        for problem in &self.now().problems {
            let style = if problem.is_error { RED } else { YELLOW };
            output.say(&format!("{style}{}{style:#}", problem.rendered.trim_end()));
        }
    }

    /// Reads the definitions, and again at each save outside of `written`. One that cannot be read is tried again.
    pub(super) async fn keep_up(&self, written: Vec<PathBuf>, output: Output) -> Result<()> {
        let mut saves = Saves::new(written)?;
        loop {
            // What is saved while it is read is seen too: first look, then read.
            let is_there = self.0.folder.is_dir();
            if is_there {
                saves.watch(&self.0.folder)?;
                for folder in sources(&self.0.global, self.output()) {
                    saves.watch(&folder)?;
                }
            }
            self.reload().await;
            self.tell(output);
            if is_there {
                saves.next().await;
            } else {
                while !self.0.folder.is_dir() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    fn change(&self, with: impl FnOnce(&mut Location)) {
        with(&mut self.0.now.lock().expect("nobody panics while holding it"));
        self.0.changes.of_locations.send_modify(|n| *n += 1);
    }

    fn set_defined(&self, project: &Project) {
        let defined = defined(&project.definitions, &self.0.key);
        *self.0.defined.lock().expect("nobody panics while holding it") = Some(defined);
        self.0.changes.of_instigators.send_modify(|n| *n += 1);
    }

    fn output(&self) -> Output {
        Output { json: false, quiet: true }
    }

    fn open(&self) -> Result<Project> {
        let project = Project::open(&self.0.global, self.output())?;
        // The definitions of a folder around it are those of something else.
        let own = self.0.folder.canonicalize().doing(Exit::Invalid, "open the folder")?;
        match project.root == own {
            true => Ok(project),
            false => Err(Failed::invalid(format!("there is no {DEFINITIONS_FILE} in {}", own.display()))),
        }
    }

    /// The project, and the job of that name in it.
    fn open_job(&self, asked: &JobName) -> Result<(Project, Name), Refused> {
        let project = self.open().map_err(refused)?;
        match project.job(Some(&asked.job)) {
            Ok(name) => Ok((project, name)),
            Err(failed) => Err(no_job(asked, failed.hint.unwrap_or_default())),
        }
    }

    /// What its project knows of who vouches for the libraries of a plan.
    pub(super) fn signatures(&self, plan: &Plan) -> Result<Vec<String>> {
        match self.0.folder.is_dir() {
            true => signature::of_libraries(&self.0.folder, plan.libraries.values().copied(), self.output()),
            false => Ok(vec![]),
        }
    }

    /// What one of its schedules or sensors asks for at a tick.
    pub(super) async fn ask(&self, one: &Defined, state: &InstigatorState, at: Timestamp) -> Asked {
        let (this, one, state) = (self.clone(), one.clone(), state.clone());
        blocking(async move { ticks::ask(this.open(), &this, &one, &state, at).await }).await
    }

    /// The plan of a run that a tick has asked for.
    pub(super) async fn plan_of_tick(
        &self,
        one: &Defined,
        request: &RunRequest,
    ) -> std::result::Result<Plan, NoPlan> {
        let (this, one, request) = (self.clone(), one.clone(), request.clone());
        blocking(async move { ticks::plan(this.open(), &this, &one, &request).await }).await
    }

    async fn compile(&self, launch: &Launch, reading: Reading) -> Result<Planned, Refused> {
        let (mut project, wanted) = match launch.assets.is_empty() {
            false => (self.open().map_err(refused)?, Wanted::Assets(launch.assets.clone())),
            true => {
                let (project, name) = self.open_job(&launch.job_name())?;
                (project, Wanted::Job { name, selection: launch.selection.clone() })
            }
        };
        let (run_config, found) =
            cofferdam_config::read_run_config(&mut project.texts, RUN_CONFIG, &launch.run_config);
        if found.iter().any(|found| found.severity == Severity::Error) {
            return Err(Refused::Problems(problems(&project.texts, &found)));
        }
        let given = Given {
            config: None,
            environment: self.environment(launch.environment.as_deref()),
            partition: launch.partition.clone(),
        };
        let compiled = prepare::compile(project, &wanted, &given, &run_config, reading, self.output()).await;
        let (prepared, mut warnings) = compiled.map_err(refused)?;
        warnings.extend(found);
        let warnings = problems(&prepared.project.texts, &warnings);
        Ok(Planned { plan: prepared.plan, warnings })
    }

    async fn read(&self) -> Result<(Project, Libraries)> {
        let project = self.open()?;
        let libraries = prepare::describe_all(&project, self.output()).await?;
        Ok((project, libraries))
    }

    async fn facts(project: &Project, libraries: &Libraries) -> Result<Vec<LibraryFacts>> {
        let depot = instance::depot(&project.state)?;
        let mut facts = vec![];
        for (name, def) in &project.definitions.libraries {
            let built = match libraries.get(name) {
                Some((digest, spec)) => {
                    let bytes = depot.get(digest).await.doing(Exit::Unreachable, "read a library")?.len();
                    Some(Built { digest: *digest, bytes: bytes as u64, spec: spec.clone() })
                }
                None => None,
            };
            let (source, language) = source(def);
            facts.push(LibraryFacts { name: name.clone(), source, language, built });
        }
        Ok(facts)
    }

    pub(super) async fn reload(&self) {
        self.change(|now| now.state = LoadState::Loading);
        let this = self.clone();
        let read = blocking(async move {
            let (project, libraries) = this.read().await?;
            let facts = CodeLocation::facts(&project, &libraries).await?;
            let present = present(&project).await?;
            let found = cofferdam_plan::check(&project.definitions, &libraries, &present);
            Ok((project, facts, found))
        })
        .await;
        self.change(|now| {
            now.loaded_at = system_time();
            match read {
                Ok((project, facts, found)) => {
                    now.libraries = facts;
                    if found.iter().any(|found| found.severity == Severity::Error) {
                        now.state = LoadState::Failed;
                    } else {
                        now.state = LoadState::Loaded;
                        now.jobs = jobs(&project);
                        let environments = project.definitions.environments.keys();
                        now.environments = environments.map(Name::to_string).collect();
                        self.set_defined(&project);
                    }
                    now.problems = problems(&project.texts, &found);
                }
                Err(failed) => {
                    now.state = LoadState::Failed;
                    now.problems = match refused(failed) {
                        Refused::Problems(problems) => problems,
                        other => vec![unplaced(other)],
                    };
                }
            }
        });
    }

    pub(super) async fn outline(&self, job: &JobName) -> Result<Outline, Refused> {
        let (this, job) = (self.clone(), job.clone());
        blocking(async move {
            let (project, name) = this.open_job(&job)?;
            let run_config = RunConfig::default();
            let request = Request::job(&name, &run_config);
            let present = present(&project).await.map_err(refused)?;
            let described = prepare::describe_used(&project, request, &present, this.output()).await;
            let libraries = described.map_err(refused)?;
            let plan = cofferdam_plan::outline(&project.definitions, &libraries, request, &present);
            let plan = plan.map_err(|found| Refused::Problems(problems(&project.texts, &found)))?;
            let specs = libraries.into_iter().map(|(name, (digest, spec))| (digest, name, spec)).collect();
            Ok(Outline { plan, specs })
        })
        .await
    }

    pub(super) async fn assets(&self) -> Result<Vec<AssetFacts>, Refused> {
        let this = self.clone();
        blocking(async move { assets::all(this.open()?, &this.0.global, &this.now().name).await })
            .await
            .map_err(refused)
    }

    pub(super) async fn asset_partitions(&self, key: &str) -> Result<Option<Vec<AssetPartition>>, Refused> {
        let (this, key) = (self.clone(), key.to_owned());
        blocking(async move { assets::partitions(this.open()?, &this.0.global, &key).await })
            .await
            .map_err(refused)
    }

    pub(super) async fn plan(&self, launch: &Launch) -> Result<Planned, Refused> {
        let (this, launch) = (self.clone(), launch.clone());
        blocking(async move { this.compile(&launch, Reading::Digest).await }).await
    }

    pub(super) async fn prepare(&self, launch: &Launch) -> Result<Planned, Refused> {
        let (this, launch) = (self.clone(), launch.clone());
        blocking(async move { this.compile(&launch, Reading::Import).await }).await
    }

    pub(super) async fn config_schema(&self, job: &JobName, asked: Option<&str>) -> Result<Value, Refused> {
        let (this, job, asked) = (self.clone(), job.clone(), self.environment(asked));
        blocking(async move {
            let (project, name) = this.open_job(&job)?;
            let environment = environment(asked.as_deref()).map_err(refused)?;
            let nothing = RunConfig::default();
            let request = Request { environment: environment.as_ref(), ..Request::job(&name, &nothing) };
            let present = present(&project).await.map_err(refused)?;
            let described = prepare::describe_used(&project, request, &present, this.output()).await;
            let libraries = described.map_err(refused)?;
            let schema = cofferdam_plan::with_config_tree(
                &project.definitions,
                &libraries,
                request,
                &present,
                cofferdam_plan::run_config_schema,
            );
            schema
                .map(|(schema, _)| schema)
                .map_err(|found| Refused::Problems(problems(&project.texts, &found)))
        })
        .await
    }

    pub(super) async fn scaffold(
        &self,
        launch: &Launch,
        how: Scaffold,
    ) -> Result<(String, Vec<String>), Refused> {
        let (this, launch) = (self.clone(), launch.clone());
        blocking(async move {
            let (mut project, name) = this.open_job(&launch.job_name())?;
            let (given, found) =
                cofferdam_config::read_run_config(&mut project.texts, RUN_CONFIG, &launch.run_config);
            if found.iter().any(|found| found.severity == Severity::Error) {
                return Err(Refused::Problems(problems(&project.texts, &found)));
            }
            let asked = this.environment(launch.environment.as_deref());
            let environment = environment(asked.as_deref()).map_err(refused)?;
            let request = Request {
                environment: environment.as_ref(),
                selection: &launch.selection,
                partition: launch.partition.as_deref(),
                ..Request::job(&name, &given)
            };
            let written = scaffold::write(&project, request, how, this.output()).await.map_err(refused)?;
            written
                .map(|(written, _)| written)
                .map_err(|found| Refused::Problems(problems(&project.texts, &found)))
        })
        .await
    }
}

fn jobs(project: &Project) -> Vec<JobFacts> {
    let definitions = &project.definitions;
    let tags = |tags: &std::collections::BTreeMap<String, String>| {
        tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let jobs = definitions.jobs.iter().map(|(name, def)| JobFacts {
        name: name.clone(),
        description: def.description.clone(),
        tags: tags(&def.tags),
        is_asset_job: false,
        partitions: def.partitions.as_ref().map(|partitions| partitions.value.to_string()),
    });
    let asset_jobs = definitions.asset_jobs.iter().map(|(name, def)| JobFacts {
        name: name.clone(),
        description: def.description.clone(),
        tags: tags(&def.tags),
        is_asset_job: true,
        partitions: None,
    });
    jobs.chain(asset_jobs).collect()
}

fn source(def: &LibraryDef) -> (String, Option<&'static str>) {
    match &def.source.value {
        LibrarySource::Source { language, folder } => (folder.display().to_string(), Some(language.title())),
        LibrarySource::Wasm(path) => (path.display().to_string(), None),
        LibrarySource::Registry(reference) => (reference.clone(), None),
        LibrarySource::Channel(channel) => (channel.to_string(), None),
    }
}

pub(super) fn no_job(asked: &JobName, hint: String) -> Refused {
    Refused::NoJob { job: asked.job.clone(), hint }
}

/// Why a command would have failed.
pub(super) fn refused(failed: Failed) -> Refused {
    match failed.diagnostics {
        Some(found) => Refused::Problems(problems(&found.0, &found.1)),
        None => Refused::Failed {
            message: failed.message,
            causes: failed.causes.into_iter().chain(failed.hint).collect(),
        },
    }
}

fn unplaced(why: Refused) -> Problem {
    let (message, causes) = match why {
        Refused::Failed { message, causes } => (message, causes),
        Refused::NoJob { job, hint } => (format!("there is no job `{job}`"), vec![hint]),
        Refused::NoRun(run) => (format!("there is no run `{run}`"), vec![]),
        Refused::Problems(_) => (DEFINITIONS_FILE.to_owned(), vec![]),
    };
    let rendered = std::iter::once(&message).chain(&causes).cloned().collect::<Vec<_>>().join("\n  ");
    Problem {
        is_error: true,
        code: "project::unreadable".to_owned(),
        message,
        place: None,
        hint: None,
        rendered,
    }
}

fn problems(texts: &Texts, found: &[Diagnostic]) -> Vec<Problem> {
    found.iter().map(|found| problem(texts, found)).collect()
}

fn problem(texts: &Texts, found: &Diagnostic) -> Problem {
    let place = found.labels.first().map(|label| {
        let at = |byte| texts.line_column(label.span.text, byte);
        let ((line, column), (end_line, end_column)) = (at(label.span.range.start), at(label.span.range.end));
        let file = texts.path(label.span.text).to_owned();
        ProblemPlace { file, line, column, end_line, end_column, label: label.text.clone() }
    });
    Problem {
        is_error: found.severity == Severity::Error,
        code: found.code.to_owned(),
        message: found.message.clone(),
        place,
        hint: found.hint.clone(),
        rendered: cofferdam_config::render(texts, std::slice::from_ref(found), false, WIDTH),
    }
}
