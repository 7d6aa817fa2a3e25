//! Assets, their checks, and jobs that make them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::Checks;
use super::step::StepBuilder;
use crate::{
    AssetCheckDef, AssetDef, AssetDependencyDef, AssetJobDef, AssetKey, AssetOutputDef, DataVersionRule,
    HookOn, Name, PartitionMappingDef, RetryPolicy, Spanned, TagLimit,
};

/// The group of an asset that names none.
const DEFAULT_GROUP: &str = "default";

/// What is said about an asset, beside its key; none: not said.
#[derive(Debug, Clone, Default)]
pub struct AssetFacts {
    pub description: Option<String>,
    pub group: Option<Name>,
    pub owners: Option<Vec<String>>,
    pub kinds: Option<Vec<String>>,
    pub tags: BTreeMap<String, String>,
    pub code_version: Option<String>,
    pub data_version: Option<DataVersionRule>,
    pub io_manager: Option<Spanned<Name>>,
}

impl AssetFacts {
    /// What one output says, and for the rest what is said of all outputs. Tags are merged.
    #[must_use]
    pub fn over(self, all: &AssetFacts) -> AssetFacts {
        let mut tags = all.tags.clone();
        tags.extend(self.tags);
        AssetFacts {
            description: self.description.or_else(|| all.description.clone()),
            group: self.group.or_else(|| all.group.clone()),
            owners: self.owners.or_else(|| all.owners.clone()),
            kinds: self.kinds.or_else(|| all.kinds.clone()),
            tags,
            code_version: self.code_version.or_else(|| all.code_version.clone()),
            data_version: self.data_version.or(all.data_version),
            io_manager: self.io_manager.or_else(|| all.io_manager.clone()),
        }
    }

    /// The asset that an output is, with defaults for what is not said.
    pub fn output(self, output: Name, key: Spanned<AssetKey>) -> AssetOutputDef {
        let default_group = || Name::new(DEFAULT_GROUP).expect("the word is a legal name");
        AssetOutputDef {
            output,
            key,
            description: self.description.unwrap_or_default(),
            group: self.group.unwrap_or_else(default_group),
            owners: self.owners.unwrap_or_default(),
            kinds: self.kinds.unwrap_or_default(),
            tags: self.tags,
            code_version: self.code_version,
            data_version: self.data_version.unwrap_or_default(),
            io_manager: self.io_manager,
        }
    }
}

/// Says what one output of an asset's op is, where it differs from what is said of all.
#[derive(Debug, Default)]
#[must_use]
pub struct AssetOutputBuilder {
    facts: AssetFacts,
    checks: Checks,
}

impl AssetOutputBuilder {
    pub fn description(mut self, text: &str) -> Self {
        self.facts.description = Some(text.to_owned());
        self
    }

    pub fn group(mut self, group: &str) -> Self {
        self.facts.group = Some(self.checks.name("group", group));
        self
    }

    /// An e-mail address, or `team:NAME`.
    pub fn owner(mut self, owner: &str) -> Self {
        self.facts.owners.get_or_insert_default().push(owner.to_owned());
        self
    }

    pub fn kind(mut self, kind: &str) -> Self {
        self.facts.kinds.get_or_insert_default().push(kind.to_owned());
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.facts.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Text in place of the automatic code version.
    pub fn code_version(mut self, version: &str) -> Self {
        self.facts.code_version = Some(version.to_owned());
        self
    }

    pub fn data_version(mut self, rule: DataVersionRule) -> Self {
        self.facts.data_version = Some(rule);
        self
    }
}

/// Makes an asset, or several that one op makes together.
#[derive(Debug)]
#[must_use]
pub struct AssetBuilder {
    name: String,
    step: Option<StepBuilder>,
    key: Option<String>,
    facts: AssetOutputBuilder,
    io_manager: Option<Spanned<Name>>,
    outputs: Vec<(Name, AssetKey, AssetFacts)>,
    deps: Vec<AssetDependencyDef>,
    partitions: Option<Spanned<Name>>,
    can_subset: bool,
    checks: Checks,
}

impl AssetBuilder {
    /// Made by an op, `library.op`. Its tags are those of the step.
    pub fn new(name: &str, op: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> AssetBuilder {
        AssetBuilder { step: Some(with(StepBuilder::op(name, op))), ..AssetBuilder::external(name) }
    }

    /// Made by a graph.
    pub fn of_graph(name: &str, graph: &str, with: impl FnOnce(StepBuilder) -> StepBuilder) -> AssetBuilder {
        AssetBuilder { step: Some(with(StepBuilder::graph(name, graph))), ..AssetBuilder::external(name) }
    }

    /// Made by somebody else.
    pub fn external(name: &str) -> AssetBuilder {
        AssetBuilder {
            name: name.to_owned(),
            step: None,
            key: None,
            facts: AssetOutputBuilder::default(),
            io_manager: None,
            outputs: vec![],
            deps: vec![],
            partitions: None,
            can_subset: false,
            checks: Checks::default(),
        }
    }

    /// Of its only asset, the output `result`; its name if not given.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// What holds for each of its assets.
    pub fn facts(mut self, with: impl FnOnce(AssetOutputBuilder) -> AssetOutputBuilder) -> Self {
        self.facts = with(self.facts);
        self
    }

    /// One of several outputs that are assets.
    pub fn output(
        mut self,
        output: &str,
        key: &str,
        with: impl FnOnce(AssetOutputBuilder) -> AssetOutputBuilder,
    ) -> Self {
        let own = with(AssetOutputBuilder::default());
        self.checks.take(Some(&format!("output `{output}`")), own.checks);
        let (output, key) = (self.checks.name("output", output), self.checks.key(key));
        self.checks.distinct("output", &output, self.outputs.iter().map(|(output, _, _)| output));
        self.outputs.push((output, key, own.facts));
        self
    }

    /// For outputs that name none.
    pub fn io_manager(mut self, manager: &str) -> Self {
        self.io_manager = Some(self.checks.spanned("IO manager", manager));
        self
    }

    /// An asset that comes first without giving data.
    pub fn dep(mut self, key: &str, mapping: Option<PartitionMappingDef>) -> Self {
        let key = Spanned::new(self.checks.key(key), None);
        self.deps.push(AssetDependencyDef { key, mapping });
        self
    }

    pub fn partitions(mut self, set: &str) -> Self {
        self.partitions = Some(self.checks.spanned("set of partitions", set));
        self
    }

    /// One of its outputs may be made without the others.
    pub fn can_subset(mut self) -> Self {
        self.can_subset = true;
        self
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, AssetDef) {
        let AssetBuilder { name, step, key, facts, io_manager, outputs, mut checks, .. } = self;
        checks.take(None, facts.checks);
        let mut facts = AssetFacts { io_manager, ..facts.facts };
        let mut step = step.map(|step| step.finish(&mut checks));
        if let Some(step) = &mut step {
            // Both can be said of the step as well; either way they hold for both.
            let said = (!step.description.is_empty()).then(|| step.description.clone());
            facts.description = facts.description.or(said);
            facts.io_manager = facts.io_manager.or(step.io_manager.take());
            step.description = facts.description.clone().unwrap_or_default();
            step.io_manager.clone_from(&facts.io_manager);
        }
        let manager_of = |output: &Name| step.as_ref()?.outputs.get(output)?.io_manager.clone();
        if key.is_some() && !outputs.is_empty() {
            checks.wrong("key".to_owned(), "some outputs have keys of their own; keep those or this one");
        }
        let outputs = if outputs.is_empty() {
            let key = Spanned::new(checks.key(key.as_deref().unwrap_or(&name)), None);
            facts.io_manager = manager_of(&Name::result()).or(facts.io_manager);
            vec![facts.output(Name::result(), key)]
        } else {
            let make = |(output, key, own): (Name, AssetKey, AssetFacts)| {
                let own = AssetFacts { io_manager: manager_of(&output), ..own };
                own.over(&facts).output(output, Spanned::new(key, None))
            };
            outputs.into_iter().map(make).collect()
        };
        outer.take(Some(&format!("asset `{name}`")), checks);
        let asset = AssetDef {
            step,
            // A bad one is told by who puts the asset under its name.
            name: Spanned::new(Name::new(&name).unwrap_or_else(|_| Name::result()), None),
            outputs,
            deps: self.deps,
            partitions: self.partitions,
            can_subset: self.can_subset,
            span: None,
        };
        (name, asset)
    }
}

/// Makes a check of an asset.
#[derive(Debug)]
#[must_use]
pub struct AssetCheckBuilder {
    name: String,
    asset: String,
    step: StepBuilder,
    blocking: bool,
}

impl AssetCheckBuilder {
    pub fn new(
        name: &str,
        asset: &str,
        op: &str,
        with: impl FnOnce(StepBuilder) -> StepBuilder,
    ) -> AssetCheckBuilder {
        let step = with(StepBuilder::op(name, op));
        AssetCheckBuilder { name: name.to_owned(), asset: asset.to_owned(), step, blocking: false }
    }

    /// If it does not pass with severity `error`, what depends on the asset is not made.
    pub fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, AssetCheckDef) {
        let mut checks = Checks::default();
        let asset = Spanned::new(checks.key(&self.asset), None);
        let step = self.step.finish(&mut checks);
        outer.take(Some(&format!("asset check `{}`", self.name)), checks);
        let description = step.description.clone();
        (self.name, AssetCheckDef { asset, description, step, blocking: self.blocking, span: None })
    }
}

/// Makes a job of a selection of assets.
#[derive(Debug)]
#[must_use]
pub struct AssetJobBuilder {
    name: String,
    job: AssetJobDef,
    checks: Checks,
}

impl AssetJobBuilder {
    pub fn new(name: &str, select: &str) -> AssetJobBuilder {
        let job = AssetJobDef {
            description: String::new(),
            select: Spanned::new(select.to_owned(), None),
            tags: BTreeMap::new(),
            retry: None,
            max_concurrent: None,
            tag_limits: vec![],
            labels: BTreeMap::new(),
            config: None,
            hooks: vec![],
            span: None,
        };
        AssetJobBuilder { name: name.to_owned(), job, checks: Checks::default() }
    }

    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.job.description);
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.job.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.job.retry = Some(retry);
        self
    }

    /// Steps that run at once, at most; one or more.
    /// Steps with a tag that run at once, at most.
    pub fn tag_limit(mut self, limit: TagLimit) -> Self {
        self.checks.tag_limit(&limit);
        self.job.tag_limits.push(limit);
        self
    }

    /// What the worker of each of its steps must be.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.checks.label(name, value);
        self.job.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn max_concurrent(mut self, steps: u32) -> Self {
        if steps == 0 {
            self.checks.wrong("max_concurrent".to_owned(), "expected one or more");
        }
        self.job.max_concurrent = Some(steps);
        self
    }

    /// Run config: an object.
    pub fn config(mut self, config: Value) -> Self {
        self.job.config = Some(self.checks.table("config", &config));
        self
    }

    pub fn hook(mut self, on: HookOn, op: &str, config: Option<Value>) -> Self {
        let hook = self.checks.hook(on, op, config.as_ref());
        self.job.hooks.push(hook);
        self
    }

    pub(super) fn finish(self, outer: &mut Checks) -> (String, AssetJobDef) {
        outer.take(Some(&format!("asset job `{}`", self.name)), self.checks);
        (self.name, self.job)
    }
}
