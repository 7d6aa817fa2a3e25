//! Jobs and graphs.

use serde_json::Value;

use super::check::{Checks, InvalidDefinitions};
use super::step::StepBuilder;
use crate::{
    ConfigMapping, ConfigMappingDef, GraphDef, HookOn, JobDef, Name, RetryPolicy, RunRetryDef, Spanned,
    StepDef, TagLimit,
};

/// Makes a job.
#[derive(Debug)]
#[must_use]
pub struct JobBuilder {
    name: String,
    job: JobDef,
    checks: Checks,
}

/// Makes a graph.
#[derive(Debug)]
#[must_use]
pub struct GraphBuilder {
    name: String,
    graph: GraphDef,
    checks: Checks,
}

fn add_step(step: StepBuilder, steps: &mut Vec<StepDef>, checks: &mut Checks) {
    let step = step.finish(checks);
    checks.distinct("step", &step.name.value, steps.iter().map(|step| &step.name.value));
    steps.push(step);
}

fn add_input(name: &str, inputs: &mut Vec<Spanned<Name>>, checks: &mut Checks) {
    let name = checks.spanned("input", name);
    checks.distinct("input", &name.value, inputs.iter().map(|input| &input.value));
    inputs.push(name);
}

fn template(schema: &Value, ops: &Value, checks: &mut Checks) -> ConfigMappingDef {
    let mapping = ConfigMapping::Template(checks.table("template of a config mapping", ops));
    ConfigMappingDef { schema: checks.table("schema of a config mapping", schema), mapping, span: None }
}

fn mapping_op(schema: &Value, op: &str, checks: &mut Checks) -> ConfigMappingDef {
    let mapping = ConfigMapping::Op(checks.op(op));
    ConfigMappingDef { schema: checks.table("schema of a config mapping", schema), mapping, span: None }
}

impl JobBuilder {
    pub fn new(name: &str) -> JobBuilder {
        JobBuilder { name: name.to_owned(), job: JobDef::default(), checks: Checks::default() }
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, JobDef) {
        outer.take(Some(&format!("job `{}`", self.name)), self.checks);
        (self.name, self.job)
    }

    /// The job by itself, or all that is wrong with it.
    pub fn build(self) -> Result<(Name, JobDef), InvalidDefinitions> {
        let mut checks = Checks::default();
        let (name, job) = self.finish(&mut checks);
        let name = checks.name("job", &name);
        checks.finish((name, job))
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.job.description);
        self
    }

    /// An input of the job itself; a run config gives it.
    pub fn input(mut self, name: &str) -> Self {
        add_input(name, &mut self.job.inputs, &mut self.checks);
        self
    }

    /// Places an op, `library.op`.
    pub fn step(mut self, name: &str, op: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> Self {
        add_step(with(StepBuilder::op(name, op)), &mut self.job.steps, &mut self.checks);
        self
    }

    /// Places a graph.
    pub fn graph(mut self, name: &str, graph: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> Self {
        add_step(with(StepBuilder::graph(name, graph)), &mut self.job.steps, &mut self.checks);
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.job.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// For steps that have none of their own.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.job.retry = Some(retry);
        self
    }

    /// How often a failed run is started again by itself.
    pub fn run_retry(mut self, retry: RunRetryDef) -> Self {
        self.job.run_retry = Some(retry);
        self
    }

    /// Steps that run at once, at most; one or more.
    pub fn max_concurrent(mut self, steps: u32) -> Self {
        if steps == 0 {
            self.checks.wrong("max_concurrent".to_owned(), "expected one or more");
        }
        self.job.max_concurrent = Some(steps);
        self
    }

    /// Steps with a tag that run at once, at most.
    pub fn tag_limit(mut self, limit: TagLimit) -> Self {
        self.checks.tag_limit(&limit);
        self.job.tag_limits.push(limit);
        self
    }

    /// What the worker of each of its steps must be, unless the step says otherwise.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.checks.label(name, value);
        self.job.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Run config that holds unless a run gives another: an object.
    pub fn config(mut self, config: Value) -> Self {
        self.job.config = Some(self.checks.table("config", &config));
        self
    }

    /// Gives the job a config of its own, from which a template makes the `ops` section.
    pub fn config_template(mut self, schema: Value, ops: Value) -> Self {
        self.job.config_mapping = Some(template(&schema, &ops, &mut self.checks));
        self
    }

    /// Gives the job a config of its own, from which an op makes the `ops` section.
    pub fn config_op(mut self, schema: Value, op: &str) -> Self {
        self.job.config_mapping = Some(mapping_op(&schema, op, &mut self.checks));
        self
    }

    /// For each of its steps.
    pub fn hook(mut self, on: HookOn, op: &str, config: Option<Value>) -> Self {
        let hook = self.checks.hook(on, op, config.as_ref());
        self.job.hooks.push(hook);
        self
    }

    /// For outputs that name none.
    pub fn io_manager(mut self, manager: &str) -> Self {
        self.job.io_manager = Some(self.checks.spanned("IO manager", manager));
        self
    }

    /// A run is for one partition of this set.
    pub fn partitions(mut self, set: &str) -> Self {
        self.job.partitions = Some(self.checks.spanned("set of partitions", set));
        self
    }
}

impl GraphBuilder {
    pub fn new(name: &str) -> GraphBuilder {
        GraphBuilder { name: name.to_owned(), graph: GraphDef::default(), checks: Checks::default() }
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, GraphDef) {
        outer.take(Some(&format!("graph `{}`", self.name)), self.checks);
        (self.name, self.graph)
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.graph.description);
        self
    }

    pub fn input(mut self, name: &str) -> Self {
        add_input(name, &mut self.graph.inputs, &mut self.checks);
        self
    }

    /// An output of the graph, and the output of one of its steps that it is.
    pub fn output(mut self, name: &str, of: &str) -> Self {
        let name = self.checks.spanned("output", name);
        self.checks.distinct("output", &name.value, self.graph.outputs.iter().map(|(name, _)| &name.value));
        let of = Spanned::new(self.checks.output(of), None);
        self.graph.outputs.push((name, of));
        self
    }

    /// Places an op, `library.op`.
    pub fn step(mut self, name: &str, op: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> Self {
        add_step(with(StepBuilder::op(name, op)), &mut self.graph.steps, &mut self.checks);
        self
    }

    /// Places a graph.
    pub fn graph(mut self, name: &str, graph: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> Self {
        add_step(with(StepBuilder::graph(name, graph)), &mut self.graph.steps, &mut self.checks);
        self
    }

    /// Gives the graph a config of its own, from which a template makes the `ops` section inside.
    pub fn config_template(mut self, schema: Value, ops: Value) -> Self {
        self.graph.config_mapping = Some(template(&schema, &ops, &mut self.checks));
        self
    }

    /// Gives the graph a config of its own, from which an op makes the `ops` section inside.
    pub fn config_op(mut self, schema: Value, op: &str) -> Self {
        self.graph.config_mapping = Some(mapping_op(&schema, op, &mut self.checks));
        self
    }
}
