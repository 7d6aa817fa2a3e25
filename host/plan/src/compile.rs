//! One job from its definitions to a plan, in passes that each report all they find.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use cofferdam_model::{
    Definitions, Diagnostic, EnvSource, EnvironmentDef, JobDef, LibraryDigest, Name, Node, OpPath, OpSpec,
    OutputRef, OutputSpec, Plan, PlanInput, PlanIoManager, PlanOutput, PlanResource, PlanStep, RetryPolicy,
    RunConfig, Severity, Source, Span, StepIdx, StepKey, Timestamp,
};

use crate::assets::{self, AssetJob, AssetPlaces, Catalog};
use crate::draft::Draft;
use crate::edges::{Scope, scope_of};
use crate::files::{Files, known, unknown_job};
use crate::flat::{Flat, FlatPath, Outermost};
use crate::graph::{StepGraph, order};
use crate::inputs::{Feed, Ref, Wired};
use crate::resource_schemas::check_resources;
use crate::run_config::{
    Apart, ConfigTree, MappingResults, PendingMapping, Resolved, ResolvedConfig, validate,
};
use crate::settings;
use crate::types::Mismatch;
use crate::{Libraries, encode_cbor};

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
    warnings: Vec<Diagnostic>,
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

/// A job that is being compiled.
pub(crate) struct Job<'a> {
    pub(crate) defs: &'a Definitions,
    pub(crate) libs: &'a Libraries,
    pub(crate) def: &'a JobDef,
    pub(crate) name: &'a Name,
    /// None while nothing but the definitions is known.
    pub(crate) world: Option<&'a World>,
    /// The run config, checked and completed.
    pub(crate) given: Resolved,
    pub(crate) flat: Flat<'a>,
    /// By step; none where the op is unknown, which is reported once and stops nothing else.
    pub(crate) ops: Vec<Option<&'a OpSpec>>,
    pub(crate) apart: Apart,
    /// By the addresses of both schemas.
    pub(crate) mismatches: HashMap<(usize, usize), Option<Mismatch>>,
    /// By the address of the definition.
    pub(crate) hooks: HashMap<usize, Option<(&'a OpSpec, Checked)>>,
    pub(crate) environment_name: Option<&'a Name>,
    /// What the steps make of assets.
    pub(crate) assets: &'a AssetPlaces,
    pub(crate) partition: Option<&'a str>,
    /// What was selected, in the normal form.
    pub(crate) selection: Option<String>,
    /// Inputs of checks that take their asset.
    pub(crate) checks: Vec<(usize, Name, FlatPath<'a>)>,
    /// By step: its place among those that are selected.
    pub(crate) places: Vec<Option<StepIdx>>,
    pub(crate) environment: Option<&'a EnvironmentDef>,
    /// What the steps use.
    pub(crate) resources: BTreeMap<Name, PlanResource>,
    pub(crate) io_managers: BTreeMap<Name, PlanIoManager>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Job<'a> {
    /// Opens the graphs of a job and finds its ops.
    pub(crate) fn open(
        defs: &'a Definitions,
        libs: &'a Libraries,
        request: Request<'a>,
        subject: &'a Subject<'a>,
        world: Option<&'a World>,
    ) -> Job<'a> {
        let def: &JobDef = &subject.def;
        let mut problems = subject.warnings.clone();
        let flat = Flat::open(defs, outermost(def), &mut problems);
        let mut job = Job {
            defs,
            libs,
            def,
            name: &subject.name,
            assets: &subject.assets,
            world,
            given: Resolved::default(),
            flat,
            ops: vec![],
            apart: Apart::default(),
            mismatches: HashMap::new(),
            hooks: HashMap::new(),
            environment_name: request.environment,
            environment: subject.environment,
            partition: request.partition,
            selection: None,
            places: vec![],
            checks: vec![],
            resources: BTreeMap::new(),
            io_managers: BTreeMap::new(),
            problems,
        };
        job.resolve_ops();
        job.feed_checks();
        job.places = (0..job.flat.steps.len()).map(|at| Some(idx(at))).collect();
        job
    }

    fn read_run_config(&mut self, run_config: &RunConfig) {
        let nothing = MappingResults::new();
        let results = self.world.map_or(&nothing, |world| &world.mappings);
        let (given, mut found) = validate(&self.config_tree(), run_config.root.as_ref(), results);
        if self.world.is_none() {
            soften(&mut found);
        } else if let Some(pending) = given.pending.first() {
            found.push(
                Diagnostic::error(
                    "plan::mapping-not-run",
                    format!("the config mapping `{}` was not run", pending.op.value),
                )
                .at(pending.op.span.as_ref(), "config mapping"),
            );
        }
        self.problems.extend(found);
        self.given = given;
    }

    /// Whether the step is part of the run.
    pub(crate) fn is_selected(&self, step: usize) -> bool {
        self.places[step].is_some()
    }

    /// Where a selected step stands in the draft.
    pub(crate) fn place(&self, step: usize) -> StepIdx {
        self.places[step].expect("sources that were not selected are cut")
    }

    fn resolve_ops(&mut self) {
        for at in 0..self.flat.steps.len() {
            let step = &self.flat.steps[at];
            let what = format!("op of step `{}`", step.key);
            let (op, span) = (step.op, step.def.node.span.clone());
            let found = self.op(op, span.as_ref(), &what);
            self.ops.push(found);
        }
    }

    /// Finds an op; reports one that is not there.
    pub(crate) fn op(&mut self, path: &OpPath, span: Option<&Span>, what: &str) -> Option<&'a OpSpec> {
        let Some((_, spec)) = self.libs.get(&path.library) else {
            let known_libraries = &self.defs.libraries;
            let problem = if known_libraries.contains_key(&path.library) {
                let message = format!("library `{}` is not built or could not be read", path.library);
                Diagnostic::error("plan::unknown-library", message)
                    .at(span, what)
                    .hint("run `cofferdam build`")
            } else {
                let message = format!("there is no library `{}`", path.library);
                let problem = Diagnostic::error("plan::unknown-library", message).at(span, what);
                known(problem, path.library.as_str(), known_libraries.keys().map(Name::as_str))
            };
            self.problems.push(problem);
            return None;
        };
        let op = spec.op(&path.op);
        if op.is_none() {
            let message = format!("library `{}` has no op `{}`", path.library, path.op);
            let problem = Diagnostic::error("plan::unknown-op", message).at(span, what);
            let names = spec.ops.iter().map(|op| op.name.as_str());
            self.problems.push(known(problem, path.op.as_str(), names));
        }
        op
    }

    fn plan(&mut self, request: Request<'_>) -> Option<Plan> {
        let n_steps = self.flat.steps.len();
        self.check_given_to_graphs();
        let wired: Vec<Vec<Wired<'a>>> =
            (0..n_steps).map(|step| if self.is_selected(step) { self.wire(step) } else { vec![] }).collect();
        let configs: Vec<Checked> = (0..n_steps).map(|step| self.config(step)).collect();
        let order = match order(&self.graph(), &self.flat) {
            Ok(order) => order,
            Err(cycles) => {
                self.problems.extend(cycles);
                return None;
            }
        };
        let mut scopes: Vec<Scope> = vec![vec![]; n_steps];
        for step in order {
            let is_selected = |step: usize| self.places[step].is_some();
            scopes[step] =
                scope_of(step, &wired[step], &scopes, &self.flat, &is_selected, &mut self.problems);
        }
        let mut draft = Draft::default();
        let mut users = vec![];
        let mut complete = true;
        for (at, (inputs, config)) in wired.into_iter().zip(configs).enumerate() {
            if !self.is_selected(at) {
                continue;
            }
            let of_resources = inputs.iter().filter_map(|input| match input.feed {
                Feed::Resource(name) => Some((at, input.spec.name.clone(), name)),
                _ => None,
            });
            users.extend(of_resources);
            match self.step(at, inputs, config, &scopes[at]) {
                Some(step) => {
                    draft.push(step, at);
                }
                None => complete = false,
            }
        }
        // References are places in the draft: without all steps they would be wrong.
        if !complete {
            return None;
        }
        self.add_hooks(&mut draft);
        self.add_resource_steps(&mut draft, &users);
        self.add_manager_steps(&mut draft);
        Some(self.finish(draft, request))
    }

    fn finish(&mut self, draft: Draft, request: Request<'_>) -> Plan {
        let steps = draft.finish();
        let used: HashSet<LibraryDigest> = steps.iter().map(|step| step.library).collect();
        let libraries = self.libs.iter().filter(|(_, (digest, _))| used.contains(digest));
        let mut tags = self.def.tags.clone();
        tags.extend(self.given.tags.clone());
        Plan {
            tags,
            libraries: libraries.map(|(name, (digest, _))| (name.clone(), *digest)).collect(),
            max_concurrent: self.given.max_concurrent.or(self.def.max_concurrent),
            resources: std::mem::take(&mut self.resources),
            io_managers: std::mem::take(&mut self.io_managers),
            environment: self.environment_name.cloned(),
            partition: request.partition.map(str::to_owned),
            selection: self.selection.take(),
            run_config: request.run_config.root.as_ref().map_or(serde_json::Value::Null, Node::to_json),
            ..Plan::new(self.name.clone(), steps)
        }
    }

    fn step(
        &mut self,
        at: usize,
        inputs: Vec<Wired<'a>>,
        config: Checked,
        scope: &Scope,
    ) -> Option<PlanStep> {
        let op = self.ops[at]?;
        let bind = self.bind(at, op);
        let outputs = self.managed_outputs(at, op);
        let step = &self.flat.steps[at];
        let def = step.def;
        let memoize = def.memoize.unwrap_or(op.pure) && bind.is_empty() && config.env.is_empty();
        if def.memoize == Some(true) && !memoize {
            let why = if bind.is_empty() { "its config reads the environment" } else { "it uses resources" };
            self.problems.push(
                Diagnostic::warning(
                    "plan::never-memoized",
                    format!("step `{}` is never taken from an earlier run: {why}", step.key),
                )
                .at(def.name.span.as_ref(), "has `memoize = true`"),
            );
        }
        let step = &self.flat.steps[at];
        let mut planned = PlanStep {
            config: config.value,
            env: config.env,
            inputs: inputs.into_iter().map(|input| self.plan_input(input)).collect(),
            outputs,
            after: step.after.iter().filter_map(|step| self.places[*step]).collect(),
            scope: scope
                .iter()
                .map(|(step, output)| OutputRef { step: self.place(*step), output: output.clone() })
                .collect(),
            retry: def.retry.or(self.def.retry).unwrap_or(RetryPolicy::NEVER),
            limits: def.limits.clone(),
            priority: settings::priority(def, &mut self.problems),
            tags: def.tags.clone(),
            resources: settings::resources(def, &mut self.problems),
            role: self.assets.role(&step.key),
            bind,
            memoize,
            ..PlanStep::new(StepKey::new(&step.key), self.libs.get(&step.op.library)?.0, op.name.clone())
        };
        for output in 0..planned.outputs.len() {
            let name = planned.outputs[output].name.clone();
            planned.outputs[output].asset = self.asset_of(at, &name, &planned);
        }
        Some(planned)
    }

    fn plan_input(&self, input: Wired<'_>) -> PlanInput {
        let output =
            |from: Ref<'_>| OutputRef { step: self.place(from.step), output: from.output.name.clone() };
        let source = match input.feed {
            Feed::One(from) if input.spec.many => Source::FanIn(vec![output(from)]),
            Feed::One(from) | Feed::Map(from) => Source::Output(output(from)),
            Feed::Collect(from) => Source::Collect(output(from)),
            Feed::FanIn(from) => Source::FanIn(from.into_iter().map(output).collect()),
            Feed::Value(value) => Source::Value(value),
            Feed::Values(values) => Source::Values(values),
            // The pass that makes the set-up step puts its output here.
            Feed::Resource(_) => Source::Values(vec![]),
        };
        PlanInput { name: input.spec.name.clone(), source, required: input.spec.required }
    }

    /// The outputs of an op, kept where they are kept if nobody says otherwise.
    pub(crate) fn plan_outputs(&self, op: &OpSpec) -> Vec<PlanOutput> {
        let output = |output: &OutputSpec| PlanOutput {
            required: output.required,
            dynamic: output.dynamic,
            ..PlanOutput::new(output.name.clone(), &output.media_type)
        };
        op.outputs.iter().map(output).collect()
    }

    /// Who needs whom, by names alone, so that a cycle is found even where outputs are wrong.
    fn graph(&self) -> StepGraph {
        let mut graph = StepGraph::with_capacity(self.flat.steps.len(), self.flat.steps.len());
        let nodes: Vec<_> = (0..self.flat.steps.len()).map(|at| graph.add_node(at)).collect();
        for (at, step) in self.flat.steps.iter().enumerate() {
            for (input, source) in &step.inputs {
                for path in source.kind.paths() {
                    graph.add_edge(nodes[path.step], nodes[at], input.value.to_string());
                }
            }
            for from in &step.after {
                graph.add_edge(nodes[*from], nodes[at], "after".to_owned());
            }
        }
        for (at, input, path) in &self.checks {
            graph.add_edge(nodes[path.step], nodes[*at], input.to_string());
        }
        graph
    }

    /// The config of a step, as the run config and the definitions give it.
    fn config(&mut self, at: usize) -> Checked {
        self.given.steps.remove(&self.flat.steps[at].key).map_or_else(Checked::default, Checked::from)
    }

    /// Config of an op that no run config names, checked and completed. `span` is where its owner was written.
    pub(crate) fn fixed_config(
        &mut self,
        op: &'a OpSpec,
        given: Option<&'a Node>,
        what: &str,
        span: Option<&Span>,
    ) -> Checked {
        let (resolved, mut found) = self.apart.config(op.config_schema.as_ref(), given, what);
        for problem in found.iter_mut().filter(|problem| problem.labels.is_empty()) {
            *problem = problem.clone().at(span, "configured here");
        }
        if self.world.is_none() {
            soften(&mut found);
        }
        self.problems.extend(found);
        resolved.into()
    }

    /// Something that a run config may still give.
    pub(crate) fn push_missing(&mut self, mut problem: Diagnostic) {
        if self.world.is_none() {
            problem.severity = Severity::Warning;
        }
        self.problems.push(problem);
    }
}

fn soften(problems: &mut [Diagnostic]) {
    for problem in problems.iter_mut().filter(|problem| problem.code == "plan::missing-config") {
        problem.severity = Severity::Warning;
    }
}

/// Config that is ready to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked {
    /// CBOR, null where an environment variable is read.
    pub(crate) value: Vec<u8>,
    pub(crate) env: Vec<EnvSource>,
}

impl From<ResolvedConfig> for Checked {
    fn from(resolved: ResolvedConfig) -> Checked {
        Checked { value: encode_cbor(&resolved.value), env: resolved.env }
    }
}

fn idx(step: usize) -> StepIdx {
    StepIdx(u32::try_from(step).expect("STEPS_MAX fits into 32 bits"))
}
