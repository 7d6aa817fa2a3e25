//! Assets in a plan: a selection of assets becomes a job of their ops, what is not made in it is read as it was
//! made before, and outputs say which asset they are.

use std::collections::BTreeMap;

use cofferdam_assets::{
    AssetGraph, AssetIdx, Extents, MakerIdx, NO_PARTITION, Read, Scope, ScopedMaker, scope,
    scope_without_partitions, targets_of,
};
use cofferdam_model::{
    AssetDef, AssetJobDef, AssetKey, DataVersionRule, Definitions, Diagnostic, InputSpec, JobDef, KeyedValue,
    Materialization, Name, OutputPath, PartitionMappingDef, PlanAsset, PlanAssetInput, PlanStep, Role,
    SourceDef, Span, Spanned, StepDef,
};

use crate::compile::{Job, Present, Request, Stage, Target, compile_target};
use crate::inputs::Feed;
use crate::selection::problem;
use crate::{Libraries, files::known};

/// Name of the job that is made up where assets are selected by hand. Dagster's is `__ASSET_JOB`.
pub(crate) const IMPLICIT_JOB: &str = "__assets";

/// The latest materialisation of each asset and partition.
pub type Catalog = BTreeMap<(AssetKey, Option<String>), Materialization>;

/// What the steps of a job make of assets, by step key.
#[derive(Debug, Clone, Default)]
pub(crate) struct AssetPlaces {
    /// By the step that was placed and its output.
    outputs: BTreeMap<(Name, Name), AssetOutput>,
    checks: BTreeMap<String, Role>,
    /// What a check step takes through its one needed input that has no source: a placed step and its output.
    pub(crate) checked: BTreeMap<String, (Name, Name)>,
    /// What an input reads that this run does not make: partitions of an asset.
    reads: BTreeMap<(Name, Name), Vec<Option<String>>>,
}

#[derive(Debug, Clone)]
struct AssetOutput {
    key: AssetKey,
    partition: Option<String>,
    code_version: Option<String>,
    data_version: DataVersionRule,
    inputs: Vec<PlanAssetInput>,
}

impl AssetPlaces {
    pub(crate) fn role(&self, step: &str) -> Role {
        self.checks.get(step).cloned().unwrap_or_default()
    }
}

/// A job that is made up for assets.
pub(crate) struct AssetJob {
    pub(crate) def: JobDef,
    pub(crate) places: AssetPlaces,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// The job that makes some assets: those of a definition, or those that expressions select.
pub(crate) fn asset_job(
    defs: &Definitions,
    def: Option<&AssetJobDef>,
    selection: &[String],
    partition: Option<&str>,
    stage: Stage<'_>,
) -> Result<AssetJob, Vec<Diagnostic>> {
    let (graph, mistakes) = AssetGraph::new(defs);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let texts = def.map_or_else(|| selection.to_vec(), |def| vec![def.select.value.clone()]);
    let span = def.and_then(|def| def.select.span.as_ref());
    let selected = graph.select(&texts).map_err(|found| {
        found
            .iter()
            .map(|one| if span.is_some() { one.diagnostic(span) } else { problem(one) })
            .collect::<Vec<_>>()
    })?;
    let nothing = Catalog::new();
    let catalog = match stage {
        Stage::Making(world) => &world.catalog,
        Stage::Checking(_) => &nothing,
    };
    let Present { now, dynamic } = stage.present();
    let extents = graph
        .extents(*now, dynamic)
        .map_err(|error| vec![Diagnostic::error("plan::too-many-partitions", error.to_string())])?;
    let mut made_here: Vec<AssetIdx> = selected;
    made_here.retain(|asset| !graph.maker_of(*asset).external);
    let (scope, warnings) = match (stage, partition) {
        (Stage::Checking(_), None) => any_scope(&graph, &extents, &made_here)?,
        _ => (scope(&graph, &extents, &targets_of(&graph, &extents, &made_here, partition)?)?, vec![]),
    };
    let mut making = Making {
        defs,
        graph: &graph,
        extents: &extents,
        catalog,
        partition_is_chosen: matches!(stage, Stage::Making(_)),
        makers: &scope.makers,
        places: AssetPlaces::default(),
        problems: vec![],
    };
    let steps = making.steps();
    if !making.problems.is_empty() {
        return Err(making.problems);
    }
    let places = making.places;
    let def = match def {
        Some(def) => JobDef {
            description: def.description.clone(),
            steps,
            tags: def.tags.clone(),
            retry: def.retry,
            max_concurrent: def.max_concurrent,
            config: def.config.clone(),
            hooks: def.hooks.clone(),
            span: def.span.clone(),
            ..JobDef::default()
        },
        None => JobDef { steps, ..JobDef::default() },
    };
    Ok(AssetJob { def, places, warnings })
}

/// What is made of assets while nobody has chosen a partition: that of the last one. Where there is none yet, all
/// but what the assets read of each other, with a warning.
fn any_scope(
    graph: &AssetGraph,
    extents: &Extents,
    assets: &[AssetIdx],
) -> Result<(Scope, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut partitioned = assets.iter().filter(|asset| graph.maker_of(**asset).partitions.is_some());
    let Some(first) = partitioned.next() else {
        return Ok((scope(graph, extents, &targets_of(graph, extents, assets, None)?)?, vec![]));
    };
    let extent = extents.of_asset(graph, *first);
    if let Some(last) = extent.last().and_then(|last| extent.key(last)) {
        return Ok((scope(graph, extents, &targets_of(graph, extents, assets, Some(&last))?)?, vec![]));
    }
    let mut mistakes = targets_of(graph, extents, assets, None).err().unwrap_or_default();
    mistakes.retain(|mistake| mistake.code != NO_PARTITION);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let message = format!("asset `{}` has no partition yet", graph.asset(*first).key);
    let warning = Diagnostic::warning("plan::no-partition-yet", message)
        .hint("what its steps read of other assets is checked when there is one");
    Ok((scope_without_partitions(graph, assets), vec![warning]))
}

/// Everything that is wrong with assets, their checks and jobs, as far as that can be told without a run.
pub(crate) fn check(defs: &Definitions, libs: &Libraries, present: &Present) -> Vec<Diagnostic> {
    if defs.assets.is_empty() && defs.asset_jobs.is_empty() && defs.asset_checks.is_empty() {
        return vec![];
    }
    let (_, mut problems) = AssetGraph::new(defs);
    if !problems.is_empty() {
        return problems;
    }
    let run_config = cofferdam_model::RunConfig::default();
    let all = ["is:materializable".to_owned()];
    let mut one_by_one: Vec<String> = vec![];
    for def in defs.assets.values().filter(|def| def.step.is_some()) {
        one_by_one.extend(def.outputs.first().map(|output| format!("key:\"{}\"", output.key.value)));
    }
    let mut targets: Vec<Target<'_>> = vec![];
    let together = Request { target: Target::Assets(&all), ..Request::job(job_name(defs), &run_config) };
    let (plan, found) = compile_target(defs, libs, together, Stage::Checking(present));
    // Assets of unlike partitions are checked one by one: no run makes them together.
    if plan.is_none() && found.iter().any(|problem| problem.code == "assets::unlike-partitions") {
        targets.extend(one_by_one.iter().map(|text| Target::Assets(std::slice::from_ref(text))));
    } else {
        problems.extend(found);
    }
    targets.extend(defs.asset_jobs.keys().map(Target::Job));
    for target in targets {
        let request = Request { target, ..Request::job(job_name(defs), &run_config) };
        for found in compile_target(defs, libs, request, Stage::Checking(present)).1 {
            if !problems.contains(&found) {
                problems.push(found);
            }
        }
    }
    for (name, check) in &defs.asset_checks {
        let makes = |def: &AssetDef| def.outputs.iter().any(|output| output.key.value == check.asset.value);
        if !defs.assets.values().any(makes) {
            let problem = Diagnostic::error(
                "plan::unknown-asset",
                format!("check `{name}` is of an asset `{}`, which there is not", check.asset.value),
            )
            .at(check.asset.span.as_ref(), "of this asset");
            let keys: Vec<String> = keys(defs);
            problems.push(known(problem, &check.asset.value.to_string(), keys.iter().map(String::as_str)));
        }
    }
    problems
}

/// Any name: what is selected by expressions has none of its own.
fn job_name(defs: &Definitions) -> &Name {
    defs.assets
        .keys()
        .chain(defs.asset_jobs.keys())
        .chain(defs.asset_checks.keys())
        .next()
        .expect("there is one")
}

fn keys(defs: &Definitions) -> Vec<String> {
    defs.assets.values().flat_map(|def| &def.outputs).map(|output| output.key.value.to_string()).collect()
}

/// Turns makers into steps.
struct Making<'a> {
    defs: &'a Definitions,
    graph: &'a AssetGraph,
    extents: &'a Extents,
    catalog: &'a Catalog,
    /// False: what is made is that of any partition.
    partition_is_chosen: bool,
    makers: &'a [ScopedMaker],
    places: AssetPlaces,
    problems: Vec<Diagnostic>,
}

impl Making<'_> {
    fn steps(&mut self) -> Vec<StepDef> {
        let mut steps = vec![];
        // Blocking checks, by the asset that they guard.
        let mut guards: BTreeMap<AssetIdx, Vec<Spanned<Name>>> = BTreeMap::new();
        for scoped in self.makers {
            let name = &self.graph.maker(scoped.maker).name;
            let def = &self.defs.assets[name];
            let Some(step) = &def.step else { continue };
            let mut step = step.clone();
            for read in &scoped.reads {
                step.after.extend(guards.get(&read.asset).into_iter().flatten().cloned());
            }
            self.feed(&mut step, scoped);
            self.outputs(scoped, def);
            steps.push(step);
            for asset in &scoped.assets {
                let checks = self.checks(*asset, scoped);
                for (check, blocking) in checks {
                    if blocking {
                        guards.entry(*asset).or_default().push(check.name.clone());
                    }
                    steps.push(check);
                }
            }
        }
        steps
    }

    /// Lets the inputs read what this run makes, and notes what they read of earlier runs.
    fn feed(&mut self, step: &mut StepDef, scoped: &ScopedMaker) {
        let maker = self.graph.maker(scoped.maker);
        for (dependency, read) in maker.upstream.iter().zip(&scoped.reads) {
            let upstream = self.graph.asset(read.asset);
            let from = &self.graph.maker(upstream.maker).name;
            let Some(input) = &dependency.input else {
                if !read.here.is_empty() {
                    step.after.push(Spanned::new(from.clone(), None));
                }
                continue;
            };
            let Some((_, source)) = step.inputs.iter_mut().find(|(name, _)| name.value == *input) else {
                continue;
            };
            // A person who chooses a partition may choose another one, or all of them.
            if self.partition_is_chosen && !read.here.is_empty() && !read.before.is_empty() {
                self.problems.push(
                    Diagnostic::error(
                        "plan::mixed-partitions",
                        format!(
                            "`{}` reads partitions of `{}` of which this run makes a part only",
                            maker.name, upstream.key
                        ),
                    )
                    .at(source.span.as_ref(), "read here")
                    .hint("make the upstream partitions first, or all of them in this run"),
                );
            } else if !read.here.is_empty() {
                source.value =
                    SourceDef::From(OutputPath { step: from.clone(), output: upstream.output.clone() });
            } else {
                let partitions = self.partitions(upstream.maker, read);
                self.places.reads.insert((maker.name.clone(), input.clone()), partitions);
            }
        }
    }

    fn partitions(&self, maker: MakerIdx, read: &Read) -> Vec<Option<String>> {
        if self.graph.maker(maker).partitions.is_none() {
            return vec![None];
        }
        let extent = self.extents.of(maker);
        read.before.iter().map(|index| extent.key(index)).collect()
    }

    fn outputs(&mut self, scoped: &ScopedMaker, def: &AssetDef) {
        let maker = self.graph.maker(scoped.maker);
        let extent = self.extents.of(scoped.maker);
        let key = |index: Option<u32>| index.and_then(|index| extent.key(index));
        let partition = maker.partitions.as_ref().and_then(|_| {
            let first = key(scoped.partitions.iter().next())?;
            let last = key(scoped.partitions.iter().last())?;
            Some(if first == last { first } else { format!("{first}...{last}") })
        });
        let inputs = self.inputs(scoped);
        for asset in &scoped.assets {
            let asset = self.graph.asset(*asset);
            let output = AssetOutput {
                key: asset.key.clone(),
                partition: partition.clone(),
                code_version: asset.code_version.clone(),
                data_version: asset.data_version,
                inputs: inputs.clone(),
            };
            self.places.outputs.insert((def.name.value.clone(), asset.output.clone()), output);
        }
    }

    /// What the step reads, with the versions of what was made before.
    fn inputs(&self, scoped: &ScopedMaker) -> Vec<PlanAssetInput> {
        let mut inputs = vec![];
        for read in &scoped.reads {
            let upstream = self.graph.asset(read.asset);
            let partitioned = self.graph.maker(upstream.maker).partitions.is_some();
            let extent = self.extents.of(upstream.maker);
            for (index, before) in
                read.before.iter().map(|at| (at, true)).chain(read.here.iter().map(|at| (at, false)))
            {
                let partition = if partitioned { extent.key(index) } else { None };
                let latest = self.catalog.get(&(upstream.key.clone(), partition.clone()));
                let data_version = latest.filter(|_| before).map(|found| found.data_version.clone());
                inputs.push(PlanAssetInput { key: upstream.key.clone(), partition, data_version });
            }
        }
        inputs
    }

    /// The checks of an asset as steps behind what makes it.
    fn checks(&mut self, asset: AssetIdx, scoped: &ScopedMaker) -> Vec<(StepDef, bool)> {
        let node = self.graph.asset(asset);
        let maker = &self.graph.maker(scoped.maker).name;
        let mut steps = vec![];
        for (name, check) in self.defs.asset_checks.iter().filter(|(_, check)| check.asset.value == node.key)
        {
            let mut step = check.step.clone();
            step.name = Spanned::new(name.clone(), check.step.name.span.clone());
            let path = OutputPath { step: maker.clone(), output: node.output.clone() };
            let source = Spanned::new(SourceDef::From(path), check.asset.span.clone());
            for (_, given) in &mut step.inputs {
                if matches!(&given.value, SourceDef::Asset(key, _) if *key == node.key) {
                    *given = source.clone();
                }
            }
            let role = Role::Check { check: name.clone(), asset: node.key.clone(), blocking: check.blocking };
            self.places.checks.insert(name.to_string(), role);
            if !step.inputs.iter().any(|(_, given)| *given == source) {
                // Which input takes it is the op's business: libraries are not known here.
                self.places.checked.insert(name.to_string(), (maker.clone(), node.output.clone()));
            }
            step.after.push(Spanned::new(maker.clone(), None));
            steps.push((step, check.blocking));
        }
        steps
    }
}

impl<'a> Job<'a> {
    /// The value of an asset that this run does not make.
    pub(crate) fn asset_value(
        &mut self,
        step: &str,
        spec: &InputSpec,
        key: &AssetKey,
        mapping: Option<&PartitionMappingDef>,
        span: Option<&Span>,
    ) -> Option<Feed<'a>> {
        let catalog = &self.world?.catalog;
        let partitions = self.partitions_read(step, spec, key, mapping);
        let mut values = vec![];
        for partition in partitions {
            let latest = catalog.get(&(key.clone(), partition.clone()));
            let Some(value) = latest.and_then(|found| found.value.clone()) else {
                let of = partition.as_ref().map_or_else(String::new, |key| format!(", partition `{key}`,"));
                self.problems.push(
                    Diagnostic::error(
                        "plan::asset-missing",
                        format!("asset `{key}`{of} has never been materialized"),
                    )
                    .at(span, format!("source of `{step}.{}`", spec.name))
                    .hint(format!("materialize it first: `cofferdam asset materialize 'key:\"{key}\"'`")),
                );
                return None;
            };
            values.push(KeyedValue { key: partition.as_deref().map(mapping_key), value });
        }
        if spec.many {
            return Some(Feed::Values(values));
        }
        if let [_] = values.as_slice() {
            return values.pop().map(|value| Feed::Value(value.value));
        }
        self.problems.push(
            Diagnostic::error(
                "plan::not-many",
                format!(
                    "input `{step}.{}` takes one value, {} partitions of `{key}` are read",
                    spec.name,
                    values.len()
                ),
            )
            .at(span, "many partitions")
            .hint("an op takes many by declaring its input as many (`Many<T>` in Rust)"),
        );
        None
    }

    /// Which partitions of an asset an input reads.
    fn partitions_read(
        &self,
        step: &str,
        spec: &InputSpec,
        key: &AssetKey,
        mapping: Option<&PartitionMappingDef>,
    ) -> Vec<Option<String>> {
        let placed = Name::new(step.split('.').next().unwrap_or(step)).ok();
        let noted = placed.and_then(|name| self.assets.reads.get(&(name, spec.name.clone())));
        if let Some(noted) = noted {
            return noted.clone();
        }
        // In a job that is not one of assets: what was made.
        let catalog = self.world.map(|world| &world.catalog);
        let made = catalog.into_iter().flat_map(|catalog| catalog.keys());
        let made: Vec<Option<String>> =
            made.filter(|(of, _)| of == key).map(|(_, partition)| partition.clone()).collect();
        match mapping {
            Some(PartitionMappingDef::Last) => made.last().cloned().into_iter().collect(),
            Some(PartitionMappingDef::All) => made,
            _ if made.contains(&None) || self.partition.is_none() => vec![None],
            _ => vec![self.partition.map(str::to_owned)],
        }
    }

    /// Gives each check the asset through the one input that is needed and has no source.
    pub(crate) fn feed_checks(&mut self) {
        for at in 0..self.flat.steps.len() {
            let step = &self.flat.steps[at];
            let (Some((maker, output)), Some(op)) = (self.assets.checked.get(&step.key), self.ops[at]) else {
                continue;
            };
            let open = |spec: &&InputSpec| {
                spec.required && !step.inputs.iter().any(|(name, _)| name.value == spec.name)
            };
            let Some(path) = self.flat.output_of(maker, output) else { continue };
            match op.inputs.iter().filter(open).collect::<Vec<_>>().as_slice() {
                [] => {}
                [spec] => self.checks.push((at, spec.name.clone(), path)),
                [_, second, ..] => self.problems.push(
                    Diagnostic::error(
                        "plan::missing-input",
                        format!(
                            "check `{}`: its op `{}` needs more than the asset: `{}`",
                            step.key, op.name, second.name
                        ),
                    )
                    .at(step.def.name.span.as_ref(), "this check")
                    .hint("feed its other inputs, as in `inputs.limit = { value = 3 }`"),
                ),
            }
        }
    }

    /// What an output of a step is, if it is an asset.
    pub(crate) fn asset_of(&self, at: usize, output: &Name, step: &PlanStep) -> Option<PlanAsset> {
        let (of, name) = self.asset_output(at, output)?;
        let found = self.assets.outputs.get(&(of, name))?;
        let code_version = found
            .code_version
            .clone()
            .unwrap_or_else(|| cofferdam_assets::code_version(&step.library, &step.op, &step.config));
        Some(PlanAsset {
            key: found.key.clone(),
            partition: found.partition.clone(),
            code_version,
            data_version: found.data_version,
            inputs: found.inputs.clone(),
        })
    }

    /// The placed step and the output of it that an output of an op becomes, through the graphs around it.
    fn asset_output(&self, at: usize, output: &Name) -> Option<(Name, Name)> {
        let step = &self.flat.steps[at];
        let (mut child, mut container, mut output) = (step.def, step.container, output);
        loop {
            let here = &self.flat.containers[container];
            let Some((outer, placing)) = here.placed else {
                return Some((child.name.value.clone(), output.clone()));
            };
            let (_, graph) = here.graph?;
            let (name, _) = graph
                .outputs
                .iter()
                .find(|(_, path)| path.value.step == child.name.value && path.value.output == *output)?;
            (child, container, output) = (placing, outer, &name.value);
        }
    }
}

/// A partition as a mapping key: what a name cannot hold becomes `_`.
fn mapping_key(partition: &str) -> Name {
    let legal: String = partition
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(cofferdam_model::NAME_BYTES_MAX)
        .collect();
    Name::key(&legal).unwrap_or_else(|_| Name::result())
}
