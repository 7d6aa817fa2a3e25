//! Turns makers of assets into steps, with what they read of each other and their checks.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_assets::{AssetGraph, AssetIdx, Extents, MakerIdx, Read, ScopedMaker, Subset};
use cofferdam_model::{
    AssetDef, AssetKey, Definitions, Diagnostic, Name, OutputPath, PlanAssetInput, PlanAssetPartition, Role,
    SourceDef, Spanned, StepDef,
};

use super::{AssetOutput, AssetPlaces};
use crate::assets::Catalog;

/// Turns makers into steps.
pub(super) struct Making<'a> {
    pub(super) defs: &'a Definitions,
    pub(super) graph: &'a AssetGraph,
    pub(super) extents: &'a Extents,
    pub(super) catalog: &'a Catalog,
    /// False: what is made is that of any partition.
    pub(super) partition_is_chosen: bool,
    pub(super) makers: &'a [ScopedMaker],
    pub(super) places: AssetPlaces,
    pub(super) problems: Vec<Diagnostic>,
}

impl Making<'_> {
    pub(super) fn steps(&mut self) -> Vec<StepDef> {
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
        let partitions = self.partitions_made(scoped, &inputs);
        for asset in &scoped.assets {
            let asset = self.graph.asset(*asset);
            let output = AssetOutput {
                key: asset.key.clone(),
                partition: partition.clone(),
                partitions: partitions.clone(),
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

    /// The partitions of a step that makes several, each with what it is made from itself.
    fn partitions_made(&self, scoped: &ScopedMaker, inputs: &[PlanAssetInput]) -> Vec<PlanAssetPartition> {
        if scoped.partitions.len() < 2 {
            return vec![];
        }
        let place = |(input, at): (_, u32)| {
            let PlanAssetInput { key, partition, .. }: &PlanAssetInput = input;
            ((key, partition.as_deref()), at)
        };
        let places: BTreeMap<(&AssetKey, Option<&str>), u32> = inputs.iter().zip(0..).map(place).collect();
        let (maker, extent) = (self.graph.maker(scoped.maker), self.extents.of(scoped.maker));
        let made = scoped.partitions.iter().filter_map(|at| {
            let one = Subset::range(at..at + 1);
            let mut inputs = BTreeSet::new();
            for dependency in &maker.upstream {
                let upstream = self.graph.asset(dependency.asset);
                let partitioned = self.graph.maker(upstream.maker).partitions.is_some();
                let read = self.extents.edge(self.graph, scoped.maker, dependency).upstream(&one).partitions;
                for index in read.iter() {
                    let partition =
                        if partitioned { self.extents.of(upstream.maker).key(index) } else { None };
                    inputs.extend(places.get(&(&upstream.key, partition.as_deref())));
                }
            }
            Some(PlanAssetPartition { key: extent.key(at)?, inputs: inputs.into_iter().collect() })
        });
        made.collect()
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
