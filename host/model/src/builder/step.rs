//! A step: an op or a graph, placed.

use serde_json::Value;

use super::check::Checks;
use crate::{
    HookOn, Limits, NodeDef, OutputDef, PartitionMappingDef, RetryPolicy, SourceDef, Spanned, StepDef, Wait,
};

/// Says how an op or a graph is placed.
#[derive(Debug)]
#[must_use]
pub struct StepBuilder {
    step: StepDef,
    checks: Checks,
}

impl StepBuilder {
    pub(super) fn op(name: &str, op: &str) -> StepBuilder {
        let mut checks = Checks::default();
        let (name, op) = (checks.name("step", name), checks.op(op));
        StepBuilder { step: StepDef::new(name, NodeDef::Op(op.value)), checks }
    }

    pub(super) fn graph(name: &str, graph: &str) -> StepBuilder {
        let mut checks = Checks::default();
        let (name, graph) = (checks.name("step", name), checks.name("graph", graph));
        StepBuilder { step: StepDef::new(name, NodeDef::Graph(graph)), checks }
    }

    pub(super) fn finish(self, outer: &mut Checks) -> StepDef {
        outer.take(Some(&format!("step `{}`", self.step.name.value)), self.checks);
        self.step
    }

    fn source(mut self, input: &str, source: SourceDef) -> Self {
        let input = self.checks.name("input", input);
        self.checks.distinct("input", &input, self.step.inputs.iter().map(|(input, _)| &input.value));
        self.step.inputs.push((Spanned::new(input, None), Spanned::new(source, None)));
        self
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.step.description);
        self
    }

    /// One value: `clean` or `clean.table`.
    pub fn input(mut self, input: &str, output: &str) -> Self {
        let source = SourceDef::From(self.checks.output(output));
        self.source(input, source)
    }

    /// A list of values, for an input that takes many; at least one.
    pub fn fan_in<const N: usize>(mut self, input: &str, outputs: [&str; N]) -> Self {
        if N == 0 {
            self.checks.wrong(format!("input `{input}`"), "the list is empty");
        }
        let outputs = outputs.map(|output| Spanned::new(self.checks.output(output), None)).into();
        self.source(input, SourceDef::FanIn(outputs))
    }

    /// One copy of this step per value of a dynamic output.
    pub fn map(mut self, input: &str, output: &str) -> Self {
        let source = SourceDef::Map(self.checks.output(output));
        self.source(input, source)
    }

    /// The values of all copies, or of a dynamic output, as a list.
    pub fn collect(mut self, input: &str, output: &str) -> Self {
        let source = SourceDef::Collect(self.checks.output(output));
        self.source(input, source)
    }

    /// A literal.
    pub fn value(mut self, input: &str, value: Value) -> Self {
        let source = SourceDef::Value(self.checks.node("a literal", &value));
        self.source(input, source)
    }

    /// The bytes of a file.
    pub fn file(self, input: &str, path: &str) -> Self {
        self.source(input, SourceDef::File(Spanned::new(path.to_owned(), None)))
    }

    /// All files that match, in the order of their names.
    pub fn files(self, input: &str, pattern: &str) -> Self {
        self.source(input, SourceDef::Files(Spanned::new(pattern.to_owned(), None)))
    }

    /// An input of the graph or job around.
    pub fn outer(mut self, input: &str, outer: &str) -> Self {
        let source = SourceDef::Input(self.checks.name("input", outer));
        self.source(input, source)
    }

    /// The value of a resource made of ops.
    pub fn resource(mut self, input: &str, resource: &str) -> Self {
        let source = SourceDef::Resource(self.checks.name("resource", resource));
        self.source(input, source)
    }

    /// The value of an asset, of the partitions that the mapping names, if there is one.
    pub fn asset(mut self, input: &str, key: &str, mapping: Option<PartitionMappingDef>) -> Self {
        let source = SourceDef::Asset(self.checks.key(key), mapping);
        self.source(input, source)
    }

    /// A step that comes first without giving data.
    pub fn after(mut self, step: &str) -> Self {
        let step = self.checks.spanned("step", step);
        self.step.after.push(step);
        self
    }

    /// An object.
    pub fn config(mut self, config: Value) -> Self {
        self.step.config = Some(self.checks.table("config", &config));
        self
    }

    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.step.retry = Some(retry);
        self
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.step.limits = limits;
        self
    }

    /// A larger one goes first.
    pub fn priority(mut self, priority: i32) -> Self {
        self.step.priority = priority;
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.step.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// An amount above zero that a worker must have free.
    pub fn needs(mut self, what: &str, amount: f64) -> Self {
        if !(amount.is_finite() && amount > 0.0) {
            self.checks.wrong(format!("amount of `{what}`"), "expected a number above zero");
        }
        self.step.resources.insert(what.to_owned(), amount);
        self
    }

    /// What the worker must be: `zone`, `eu`.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.checks.label(name, value);
        self.step.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The pool of which it takes a slot while it runs.
    pub fn pool(mut self, pool: &str) -> Self {
        self.step.pool = Some(self.checks.spanned("pool", pool));
        self
    }

    /// The op's own name of a resource, and the resource that it gets.
    pub fn bind(mut self, own: &str, resource: &str) -> Self {
        let own = self.checks.name("resource", own);
        let resource = self.checks.spanned("resource", resource);
        self.step.bind.insert(own, resource);
        self
    }

    /// An op that runs when the step has ended that way.
    pub fn hook(mut self, on: HookOn, op: &str, config: Option<Value>) -> Self {
        let hook = self.checks.hook(on, op, config.as_ref());
        self.step.hooks.push(hook);
        self
    }

    /// For its outputs that name none.
    pub fn io_manager(mut self, manager: &str) -> Self {
        self.step.io_manager = Some(self.checks.spanned("IO manager", manager));
        self
    }

    /// What stores one output.
    pub fn output_manager(mut self, output: &str, manager: &str) -> Self {
        let manager = self.checks.spanned("IO manager", manager);
        self.output(output).io_manager = Some(manager);
        self
    }

    /// A fact shown with each value of an output.
    pub fn metadata(mut self, output: &str, key: &str, value: &str) -> Self {
        self.output(output).metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    fn output(&mut self, output: &str) -> &mut OutputDef {
        let output = self.checks.name("output", output);
        self.step.outputs.entry(output).or_default()
    }

    /// What loads an input, in place of the manager of the output that it reads.
    pub fn input_manager(mut self, input: &str, manager: &str) -> Self {
        let input = self.checks.name("input", input);
        let manager = self.checks.spanned("IO manager", manager);
        self.step.input_managers.insert(input, manager);
        self
    }

    /// What it waits for before it runs, although it has all that it reads.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.step.wait = Some(wait);
        self
    }

    /// Whether an earlier result may be taken.
    pub fn memoize(mut self, memoize: bool) -> Self {
        self.step.memoize = Some(memoize);
        self
    }

    /// Whether an attempt that takes much longer than its like gets one more beside it, of which the first wins.
    pub fn hedge(mut self, hedge: bool) -> Self {
        self.step.hedge = hedge;
        self
    }
}
