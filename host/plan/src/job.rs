//! A job that is being compiled: what it is made of, and the passes from there to a plan, which each report all they
//! find.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{
    Definitions, Diagnostic, EnvSource, EnvironmentDef, JobDef, Name, Node, OpPath, OpSpec, PlanIoManager,
    PlanResource, RunConfig, Severity, Span, StepIdx,
};

use crate::assets::AssetPlaces;
use crate::compile::{Request, Subject, World, outermost};
use crate::files::known;
use crate::flat::{Flat, FlatPath};
use crate::run_config::{Apart, MappingResults, Resolved, ResolvedConfig, validate};
use crate::types::Mismatch;
use crate::{Libraries, encode_cbor};

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

    pub(crate) fn read_run_config(&mut self, run_config: &RunConfig) {
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
        find_op(self.defs, self.libs, path, span, what).map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The config of a step, as the run config and the definitions give it.
    pub(crate) fn config(&mut self, at: usize) -> Checked {
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

/// An op by its path, or what is not there.
pub(crate) fn find_op<'a>(
    defs: &Definitions,
    libs: &'a Libraries,
    path: &OpPath,
    span: Option<&Span>,
    what: &str,
) -> Result<&'a OpSpec, Diagnostic> {
    let Some((_, spec)) = libs.get(&path.library) else {
        let known_libraries = &defs.libraries;
        if known_libraries.contains_key(&path.library) {
            let message = format!("library `{}` is not built or could not be read", path.library);
            let problem = Diagnostic::error("plan::unknown-library", message).at(span, what);
            return Err(problem.hint("run `cofferdam build`"));
        }
        let message = format!("there is no library `{}`", path.library);
        let problem = Diagnostic::error("plan::unknown-library", message).at(span, what);
        return Err(known(problem, path.library.as_str(), known_libraries.keys().map(Name::as_str)));
    };
    spec.op(&path.op).ok_or_else(|| {
        let message = format!("library `{}` has no op `{}`", path.library, path.op);
        let problem = Diagnostic::error("plan::unknown-op", message).at(span, what);
        known(problem, path.op.as_str(), spec.ops.iter().map(|op| op.name.as_str()))
    })
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
