//! From a job whose sources are known to the steps of its plan.

use std::collections::HashSet;

use cofferdam_model::{
    Diagnostic, LibraryDigest, Node, OpSpec, OutputRef, OutputSpec, Plan, PlanInput, PlanOutput, PlanStep,
    RetryPolicy, Source, StepKey,
};

use crate::compile::Request;
use crate::draft::Draft;
use crate::edges::{Scope, scope_of};
use crate::flat::Flat;
use crate::graph::{StepGraph, order};
use crate::inputs::{Feed, Ref, Wired};
use crate::job::{Checked, Job};
use crate::settings;

impl<'a> Job<'a> {
    pub(crate) fn plan(&mut self, request: Request<'_>) -> Option<Plan> {
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
        self.settle_transient(&mut draft);
        Some(self.finish(draft, request))
    }

    fn finish(&mut self, draft: Draft, request: Request<'_>) -> Plan {
        // No longer needed, and as large as the plan: both at once would be the peak of a large job.
        self.flat = Flat::default();
        let mut steps = draft.finish();
        for step in &mut steps {
            for (name, value) in &self.def.labels {
                step.labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let used: HashSet<LibraryDigest> = steps.iter().map(|step| step.library).collect();
        let libraries = self.libs.iter().filter(|(_, (digest, _))| used.contains(digest));
        let mut tags = self.def.tags.clone();
        tags.extend(self.given.tags.clone());
        settings::check_run_limits(&tags, &mut self.problems);
        Plan {
            tags,
            libraries: libraries.map(|(name, (digest, _))| (name.clone(), *digest)).collect(),
            max_concurrent: self.given.max_concurrent.or(self.def.max_concurrent),
            tag_limits: self.given.tag_limits.clone().unwrap_or_else(|| self.def.tag_limits.clone()),
            resources: std::mem::take(&mut self.resources),
            io_managers: std::mem::take(&mut self.io_managers),
            environment: self.environment_name.cloned(),
            partition: request.partition.map(str::to_owned),
            selection: self.selection.take(),
            run_config: request.run_config.root.as_ref().map_or(serde_json::Value::Null, Node::to_json),
            run_retry: self.def.run_retry,
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
        let is_pure = (op.pure || memoize) && bind.is_empty() && config.env.is_empty();
        if def.hedge && !is_pure {
            self.problems.push(
                Diagnostic::error(
                    "plan::not-pure",
                    format!("step `{}` cannot have two attempts at once: its op is not known to be pure", step.key),
                )
                .at(def.name.span.as_ref(), "has `hedge = true`")
                .hint("declare the op pure, or give the step `memoize = true`; it may use neither resources nor the environment"),
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
            labels: def.labels.clone(),
            pool: def.pool.as_ref().map(|pool| pool.value.clone()),
            role: self.assets.role(&step.key),
            bind,
            memoize,
            hedge: def.hedge,
            wait: def.wait,
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
    fn graph(&self) -> StepGraph<'_> {
        let mut graph = StepGraph::with_capacity(self.flat.steps.len(), self.flat.steps.len());
        let nodes: Vec<_> = (0..self.flat.steps.len()).map(|at| graph.add_node(at)).collect();
        for (at, step) in self.flat.steps.iter().enumerate() {
            for (input, source) in &step.inputs {
                for path in source.kind.paths() {
                    graph.add_edge(nodes[path.step], nodes[at], input.value.as_str());
                }
            }
            for from in &step.after {
                graph.add_edge(nodes[*from], nodes[at], "after");
            }
        }
        for (at, input, path) in &self.checks {
            graph.add_edge(nodes[path.step], nodes[*at], input.as_str());
        }
        graph
    }
}
