//! One job from its definitions to a plan, in passes that each report all they find.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{
    Definitions, Diagnostic, JobDef, Name, NodeDef, OpSpec, OutputRef, Plan, PlanInput, PlanOutput, PlanStep,
    RetryPolicy, RunConfig, STEPS_MAX, Severity, Source, StepIdx, StepKey,
};

use crate::edges::{Scope, scope_of};
use crate::files::{Files, known, known_step, unknown_job};
use crate::graph::{StepGraph, order};
use crate::inputs::{Feed, Ref, Wired};
use crate::overrides::Overrides;
use crate::settings;
use crate::types::Mismatch;
use crate::{Libraries, config, encode_cbor, schema::Schema};

/// Checks all jobs as far as that is possible without run config and files. An input or a config key that
/// a run config may still give is a warning here and an error in [`compile`].
pub fn check(defs: &Definitions, libs: &Libraries) -> Vec<Diagnostic> {
    let nothing = RunConfig::default();
    let mut problems = vec![];
    for name in defs.jobs.keys() {
        let (_, found) = compile_job(defs, libs, name, &nothing, None);
        problems.extend(found);
    }
    problems
}

/// Compiles one job. Gives the plan and warnings, or everything that is wrong. `files` holds what the shell
/// found for [`crate::file_sources`]. The same input gives the same plan, byte for byte.
pub fn compile(
    defs: &Definitions,
    libs: &Libraries,
    job: &Name,
    run_config: &RunConfig,
    files: &Files,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    match compile_job(defs, libs, job, run_config, Some(files)) {
        (Some(plan), warnings) => Ok((plan, warnings)),
        (None, problems) => Err(problems),
    }
}

fn compile_job(
    defs: &Definitions,
    libs: &Libraries,
    name: &Name,
    run_config: &RunConfig,
    files: Option<&Files>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let Some(def) = defs.jobs.get(name) else {
        return (None, vec![unknown_job(defs, name)]);
    };
    let mut problems = vec![];
    let overrides = Overrides::read(def, run_config, &mut problems);
    let mut job = Job {
        libs,
        def,
        files,
        overrides,
        by_name: HashMap::new(),
        ops: vec![],
        validators: HashMap::new(),
        mismatches: HashMap::new(),
        problems,
    };
    job.name_steps();
    job.resolve_ops(defs);
    let plan = job.plan(name);
    let failed = job.problems.iter().any(|problem| problem.severity == Severity::Error);
    (plan.filter(|_| !failed), job.problems)
}

/// A job that is being compiled.
pub(crate) struct Job<'a> {
    pub(crate) libs: &'a Libraries,
    pub(crate) def: &'a JobDef,
    /// None while nothing but the definitions is known.
    pub(crate) files: Option<&'a Files>,
    pub(crate) overrides: Overrides<'a>,
    pub(crate) by_name: HashMap<&'a Name, usize>,
    /// By step; none where the op is unknown, which is reported once and stops nothing else.
    pub(crate) ops: Vec<Option<&'a OpSpec>>,
    /// By the address of the schema: many steps share one op.
    pub(crate) validators: HashMap<usize, Option<std::rc::Rc<jsonschema::Validator>>>,
    /// By the addresses of both schemas.
    pub(crate) mismatches: HashMap<(usize, usize), Option<Mismatch>>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Job<'a> {
    fn name_steps(&mut self) {
        let mut lower: HashMap<String, usize> = HashMap::new();
        if self.def.steps.len() > STEPS_MAX {
            self.problems.push(Diagnostic::error(
                "plan::too-many-steps",
                format!("the job has {} steps, at most {STEPS_MAX} are allowed", self.def.steps.len()),
            ));
        }
        for (at, step) in self.def.steps.iter().enumerate() {
            let name = &step.name.value;
            if let Some(first) = lower.insert(name.as_str().to_lowercase(), at) {
                let first = &self.def.steps[first].name;
                self.problems.push(
                    Diagnostic::error(
                        "plan::same-name",
                        format!("steps `{}` and `{name}` are too alike", first.value),
                    )
                    .at(step.name.span.as_ref(), "differs in case at most")
                    .at(first.span.as_ref(), "first one")
                    .hint("rename one of them"),
                );
            }
            self.by_name.entry(name).or_insert(at);
        }
    }

    fn resolve_ops(&mut self, defs: &Definitions) {
        for step in &self.def.steps {
            let span = step.node.span.as_ref();
            let NodeDef::Op(path) = &step.node.value else {
                self.ops.push(None);
                continue;
            };
            let found = match self.libs.get(&path.library) {
                None => {
                    let unknown = !defs.libraries.contains_key(&path.library);
                    let message = if unknown {
                        format!("there is no library `{}`", path.library)
                    } else {
                        format!("library `{}` is not built or could not be read", path.library)
                    };
                    let problem = Diagnostic::error("plan::unknown-library", message)
                        .at(span, format!("op of step `{}`", step.name.value));
                    self.problems.push(if unknown {
                        known(problem, path.library.as_str(), defs.libraries.keys().map(Name::as_str))
                    } else {
                        problem.hint("run `cofferdam build`")
                    });
                    None
                }
                Some((_, spec)) => {
                    let op = spec.op(&path.op);
                    if op.is_none() {
                        let problem = Diagnostic::error(
                            "plan::unknown-op",
                            format!("library `{}` has no op `{}`", path.library, path.op),
                        )
                        .at(span, format!("op of step `{}`", step.name.value));
                        let names = spec.ops.iter().map(|op| op.name.as_str());
                        self.problems.push(known(problem, path.op.as_str(), names));
                    }
                    op
                }
            };
            self.ops.push(found);
        }
    }

    fn plan(&mut self, name: &Name) -> Option<Plan> {
        let n_steps = self.def.steps.len();
        let wired: Vec<Vec<Wired<'a>>> = (0..n_steps).map(|step| self.wire(step)).collect();
        let configs: Vec<Vec<u8>> = (0..n_steps).map(|step| self.config(step)).collect();
        let graph = self.graph();
        let order = match order(&graph, self.def) {
            Ok(order) => order,
            Err(cycles) => {
                self.problems.extend(cycles);
                return None;
            }
        };
        let mut scopes: Vec<Scope> = vec![vec![]; n_steps];
        for step in &order {
            let scope =
                scope_of(&self.def.steps[*step], &wired[*step], &scopes, self.def, &mut self.problems);
            scopes[*step] = scope;
        }
        let mut idx = vec![StepIdx(0); n_steps];
        for (at, step) in order.iter().enumerate() {
            idx[*step] = StepIdx(u32::try_from(at).expect("STEPS_MAX fits into 32 bits"));
        }
        let mut wired: Vec<Option<Vec<Wired<'a>>>> = wired.into_iter().map(Some).collect();
        let mut configs = configs;
        let steps = order
            .iter()
            .filter_map(|step| {
                let inputs = wired[*step].take().unwrap_or_default();
                self.step(*step, inputs, std::mem::take(&mut configs[*step]), &scopes[*step], &idx)
            })
            .collect();
        let mut tags = self.def.tags.clone();
        tags.extend(self.overrides.tags.clone());
        let used = self.def.steps.iter().filter_map(|step| match &step.node.value {
            NodeDef::Op(path) => Some(&path.library),
            NodeDef::Graph(_) => None,
        });
        let libraries: BTreeMap<_, _> =
            used.filter_map(|name| Some((name.clone(), self.libs.get(name)?.0))).collect();
        Some(Plan {
            tags,
            libraries,
            max_concurrent: self.overrides.max_concurrent.or(self.def.max_concurrent),
            ..Plan::new(name.clone(), steps)
        })
    }

    fn step(
        &mut self,
        at: usize,
        inputs: Vec<Wired<'a>>,
        config: Vec<u8>,
        scope: &Scope,
        idx: &[StepIdx],
    ) -> Option<PlanStep> {
        let def = &self.def.steps[at];
        let op = self.ops[at]?;
        let NodeDef::Op(path) = &def.node.value else { return None };
        let mut after: Vec<StepIdx> = def
            .after
            .iter()
            .filter_map(|name| self.by_name.get(&name.value).map(|step| idx[*step]))
            .collect();
        after.sort();
        after.dedup();
        Some(PlanStep {
            config,
            inputs: inputs.into_iter().map(|input| plan_input(input, idx)).collect(),
            outputs: op
                .outputs
                .iter()
                .map(|output| PlanOutput {
                    required: output.required,
                    dynamic: output.dynamic,
                    ..PlanOutput::new(output.name.clone(), &output.media_type)
                })
                .collect(),
            after,
            scope: scope
                .iter()
                .map(|(step, output)| OutputRef { step: idx[*step], output: output.clone() })
                .collect(),
            retry: def.retry.or(self.def.retry).unwrap_or(RetryPolicy::NEVER),
            limits: def.limits.clone(),
            priority: settings::priority(def, &mut self.problems),
            tags: def.tags.clone(),
            resources: settings::resources(def, &mut self.problems),
            ..PlanStep::new(
                StepKey::new(def.name.value.as_str()),
                self.libs.get(&path.library)?.0,
                op.name.clone(),
            )
        })
    }

    /// Who needs whom, by names alone, so that a cycle is found even where outputs are wrong.
    fn graph(&mut self) -> StepGraph {
        let mut graph = StepGraph::with_capacity(self.def.steps.len(), self.def.steps.len());
        let nodes: Vec<_> = (0..self.def.steps.len()).map(|at| graph.add_node(at)).collect();
        for (at, step) in self.def.steps.iter().enumerate() {
            for (input, source) in &step.inputs {
                for (path, _) in crate::inputs::paths(source) {
                    if let Some(from) = self.by_name.get(&path.step) {
                        graph.add_edge(nodes[*from], nodes[at], input.value.to_string());
                    }
                }
            }
            for name in &step.after {
                match self.by_name.get(&name.value) {
                    Some(from) => {
                        graph.add_edge(nodes[*from], nodes[at], "after".to_owned());
                    }
                    None => {
                        let problem = Diagnostic::error(
                            "plan::unknown-step",
                            format!("there is no step `{}`", name.value),
                        )
                        .at(name.span.as_ref(), format!("`after` of step `{}`", step.name.value));
                        let n_findings = self.problems.len();
                        self.problems.push(known_step(problem, name.value.as_str(), self.def, n_findings));
                    }
                }
            }
        }
        graph
    }

    /// The merged, checked and completed config of a step.
    fn config(&mut self, at: usize) -> Vec<u8> {
        let def = &self.def.steps[at];
        let given = self.overrides.ops.get(&def.name.value);
        let layers = given.into_iter().flat_map(|given| given.config.iter().copied());
        let merged =
            def.config.iter().chain(layers).cloned().reduce(|under, over| config::merge(&under, &over));
        let Some(op) = self.ops[at] else { return vec![] };
        let what = format!("ops.{}.config", def.name.value);
        let Some(raw) = &op.config_schema else {
            if let Some(node) =
                merged.filter(|node| !matches!(&node.kind, cofferdam_model::NodeKind::Map(m) if m.is_empty()))
            {
                self.problems.push(
                    Diagnostic::error("plan::bad-config", format!("op `{}` takes no config", op.name))
                        .at(node.span.as_ref(), format!("given as `{what}`"))
                        .hint("remove it"),
                );
            }
            return encode_cbor(&serde_json::Value::Null);
        };
        let schema = Schema::new(raw);
        let empty = cofferdam_model::Node {
            span: def.name.span.clone(),
            kind: cofferdam_model::NodeKind::Map(vec![]),
        };
        let absent = merged.is_none();
        let node = merged.unwrap_or(empty);
        let mut value = node.to_json();
        // A config that may be null is null unless something is given.
        if absent && schema.alternatives().is_some_and(|inner| inner.iter().any(|one| one.is_null())) {
            value = serde_json::Value::Null;
        }
        config::complete(&mut value, schema, 0);
        if let Some(validator) = self.validator(raw, &what) {
            let mut found = config::problems(&validator, schema, &value, &node, &what);
            if self.files.is_none() {
                soften(&mut found);
            }
            self.problems.extend(found);
        }
        encode_cbor(&value)
    }

    /// The compiled schema; a schema that is none is reported once.
    pub(crate) fn validator(
        &mut self,
        schema: &serde_json::Value,
        what: &str,
    ) -> Option<std::rc::Rc<jsonschema::Validator>> {
        let address = std::ptr::from_ref(schema).addr();
        if let Some(known) = self.validators.get(&address) {
            return known.clone();
        }
        let compiled = match jsonschema::draft202012::options().build(schema) {
            Ok(validator) => Some(std::rc::Rc::new(validator)),
            Err(error) => {
                self.problems.push(
                    Diagnostic::error(
                        "plan::bad-schema",
                        format!("the schema of `{what}` is not valid: {error}"),
                    )
                    .hint("this is a mistake of the library; tell its author"),
                );
                None
            }
        };
        self.validators.insert(address, compiled.clone());
        compiled
    }

    /// Something that a run config may still give.
    pub(crate) fn push_missing(&mut self, mut problem: Diagnostic) {
        if self.files.is_none() {
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

fn plan_input(input: Wired<'_>, idx: &[StepIdx]) -> PlanInput {
    let output = |from: Ref<'_>| OutputRef { step: idx[from.step], output: from.output.name.clone() };
    let source = match input.feed {
        Feed::One(from) if input.spec.many => Source::FanIn(vec![output(from)]),
        Feed::One(from) | Feed::Map(from) => Source::Output(output(from)),
        Feed::Collect(from) => Source::Collect(output(from)),
        Feed::FanIn(from) => Source::FanIn(from.into_iter().map(output).collect()),
        Feed::Value(value) => Source::Value(value),
        Feed::Values(values) => Source::Values(values),
    };
    PlanInput { name: input.spec.name.clone(), source, required: input.spec.required }
}
