//! From definitions to a graph; all mistakes at once.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{
    AssetDef, AssetKey, Definitions, Diagnostic, Name, NodeDef, PartitionMappingDef, SourceDef, Span,
    StepDef, nearest,
};

use super::partitions::{resolve_partitions, unknown_partitions};
use super::{Asset, AssetGraph, AssetIdx, Dependency, Maker, MakerIdx};
use crate::{InvalidMapping, Mapping, Partitions, infer};

/// A dependency as written.
struct Written<'a> {
    key: &'a AssetKey,
    mapping: Option<&'a PartitionMappingDef>,
    input: Option<&'a Name>,
    place: Option<&'a Span>,
}

impl AssetGraph {
    /// The graph of all assets, and what is wrong with it. With errors, what could not be resolved is left
    /// out of the graph.
    pub fn new(definitions: &Definitions) -> (AssetGraph, Vec<Diagnostic>) {
        let (sets, mut mistakes) = resolve_partitions(&definitions.partitions);
        let mut graph = AssetGraph::default();
        let mut places: BTreeMap<&AssetKey, Option<&Span>> = BTreeMap::new();
        for (name, def) in &definitions.assets {
            let partitions = def.partitions.as_ref().and_then(|set| {
                if !definitions.partitions.contains_key(&set.value) {
                    mistakes.push(unknown_partitions(&definitions.partitions, &set.value, set.span.as_ref()));
                }
                sets.get(&set.value).cloned()
            });
            graph.add_maker(name, def, partitions, &mut places, &mut mistakes);
        }
        // Without partitions that should be there nothing can be said about mappings.
        let complete =
            |(def, maker): (&AssetDef, &Maker)| def.partitions.is_some() == maker.partitions.is_some();
        let complete: Vec<bool> = definitions.assets.values().zip(&graph.makers).map(complete).collect();
        for (at, def) in (0u32..).zip(definitions.assets.values()) {
            for written in written(def, definitions) {
                graph.add_dependency(MakerIdx(at), &written, &complete, &mut mistakes);
            }
        }
        graph.sort(definitions, &mut mistakes);
        (graph, mistakes)
    }

    fn add_maker<'a>(
        &mut self,
        name: &Name,
        def: &'a AssetDef,
        partitions: Option<Partitions>,
        places: &mut BTreeMap<&'a AssetKey, Option<&'a Span>>,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let maker = MakerIdx(u32::try_from(self.makers.len()).expect("tables are counted in 32 bits"));
        let mut assets = vec![];
        for output in &def.outputs {
            let (key, place) = (&output.key.value, output.key.span.as_ref());
            if let Some(first) = places.insert(key, place) {
                let message = format!("two assets have the key `{key}`");
                mistakes.push(
                    Diagnostic::error("assets::double-key", message)
                        .at(place, "")
                        .at(first, "it is here already"),
                );
                continue;
            }
            let idx = AssetIdx(u32::try_from(self.assets.len()).expect("assets are counted in 32 bits"));
            self.by_key.insert(key.clone(), idx);
            self.assets.push(Asset {
                key: key.clone(),
                maker,
                output: output.output.clone(),
                description: output.description.clone(),
                group: output.group.clone(),
                owners: output.owners.clone(),
                kinds: output.kinds.clone(),
                tags: output.tags.clone(),
                code_version: output.code_version.clone(),
                data_version: output.data_version,
            });
            assets.push(idx);
        }
        let (external, can_subset) = (def.step.is_none(), def.can_subset);
        let (name, upstream) = (name.clone(), vec![]);
        self.makers.push(Maker { name, external, can_subset, assets, partitions, upstream });
    }

    fn add_dependency(
        &mut self,
        maker: MakerIdx,
        written: &Written,
        complete: &[bool],
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let Some(asset) = self.find(written.key) else {
            mistakes.push(self.unknown_asset(written.key, written.place));
            return;
        };
        if [maker, self.asset(asset).maker].iter().any(|maker| !complete[maker.0 as usize]) {
            return;
        }
        let (up, down) = (&self.maker_of(asset).partitions, &self.maker(maker).partitions);
        let wrong = |invalid: &InvalidMapping| {
            let message =
                format!("the partitions of `{}` cannot correspond like this: {invalid}", written.key);
            let diagnostic = Diagnostic::error("assets::mapping", message).at(written.place, "");
            match invalid.hint() {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            }
        };
        let mapping = match written.mapping.map_or(Ok(infer(up.as_ref(), down.as_ref())), Mapping::from_def) {
            Ok(mapping) => mapping,
            Err(invalid) => {
                mistakes.push(wrong(&invalid));
                return;
            }
        };
        let invalid = mapping.check(up.as_ref(), down.as_ref());
        if !invalid.is_empty() {
            mistakes.extend(invalid.iter().map(wrong));
            return;
        }
        if self.asset(asset).maker == maker && !mapping.leads_to_the_past(down.as_ref()) {
            let message = format!("`{}` is made from itself", written.key);
            mistakes.push(Diagnostic::error("assets::self-dependency", message).at(written.place, "").hint(
                "an asset can be made from its own earlier windows: give the mapping a negative offset",
            ));
            return;
        }
        let input = written.input.cloned();
        self.makers[maker.0 as usize].upstream.push(Dependency { asset, mapping, input });
    }

    /// No asset has that key.
    pub fn unknown_asset(&self, key: &AssetKey, place: Option<&Span>) -> Diagnostic {
        let diagnostic =
            Diagnostic::error("assets::unknown-asset", format!("there is no asset `{key}`")).at(place, "");
        let known: Vec<String> = self.assets.iter().map(|asset| asset.key.to_string()).collect();
        match nearest(&key.to_string(), known.iter().map(String::as_str)) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic,
        }
    }

    /// Orders the makers (Kahn, smallest index first, so that the order is always the same). What is left over
    /// lies on a cycle or after one.
    fn sort(&mut self, definitions: &Definitions, mistakes: &mut Vec<Diagnostic>) {
        let n = self.makers.len();
        let mut needed_by: Vec<Vec<u32>> = vec![vec![]; n];
        let mut n_needed = vec![0usize; n];
        for (at, maker) in (0u32..).zip(&self.makers) {
            for needed in self.needed(maker, at) {
                needed_by[needed as usize].push(at);
                n_needed[at as usize] += 1;
            }
        }
        let mut ready: BTreeSet<u32> =
            (0u32..).zip(&n_needed).filter(|(_, n)| **n == 0).map(|(at, _)| at).collect();
        while let Some(at) = ready.pop_first() {
            self.order.push(MakerIdx(at));
            for next in &needed_by[at as usize] {
                n_needed[*next as usize] -= 1;
                if n_needed[*next as usize] == 0 {
                    ready.insert(*next);
                }
            }
        }
        if self.order.len() < n {
            mistakes.push(self.cycle(&n_needed, definitions));
        }
    }

    /// Other makers that one needs, without doubles.
    fn needed(&self, maker: &Maker, at: u32) -> Vec<u32> {
        let mut needed: Vec<u32> = maker.upstream.iter().map(|dep| self.asset(dep.asset).maker.0).collect();
        needed.retain(|needed| *needed != at);
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// Follows what is needed among the makers that were left over until one comes again.
    fn cycle(&self, n_needed: &[usize], definitions: &Definitions) -> Diagnostic {
        let mut at = n_needed.iter().position(|n| *n > 0).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let mut path: Vec<u32> = vec![];
        while !path.contains(&at) {
            path.push(at);
            let needed = self.needed(&self.makers[at as usize], at);
            at = needed.into_iter().find(|next| n_needed[*next as usize] > 0).unwrap_or(at);
        }
        let start = path.iter().position(|known| *known == at).unwrap_or(0);
        let names = path[start..].iter().chain([&at]).map(|at| self.makers[*at as usize].name.as_str());
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let message = format!("assets are made from each other in a circle: {}", names.join(" needs "));
        let def = definitions.assets.get(&self.makers[at as usize].name);
        Diagnostic::error("assets::cycle", message).at(def.and_then(|def| def.span.as_ref()), "")
    }
}

/// Inputs that take assets, those of steps within a graph that makes the asset, then what only comes first.
fn written<'a>(def: &'a AssetDef, definitions: &'a Definitions) -> Vec<Written<'a>> {
    let mut found = vec![];
    let mut seen = BTreeSet::new();
    if let Some(step) = &def.step {
        found.extend(taken(step).map(|(name, written)| Written { input: Some(name), ..written }));
        within(step, definitions, &mut seen, &mut found);
    }
    found.extend(def.deps.iter().map(|dep| Written {
        key: &dep.key.value,
        mapping: dep.mapping.as_ref(),
        input: None,
        place: dep.key.span.as_ref(),
    }));
    found
}

/// Assets that the steps of a graph take, however deep; each graph once, so that one which holds itself ends.
fn within<'a>(
    step: &'a StepDef,
    definitions: &'a Definitions,
    seen: &mut BTreeSet<&'a Name>,
    found: &mut Vec<Written<'a>>,
) {
    let NodeDef::Graph(name) = &step.node.value else {
        return;
    };
    if !seen.insert(name) {
        return;
    }
    for inner in definitions.graphs.get(name).iter().flat_map(|graph| &graph.steps) {
        found.extend(taken(inner).map(|(_, written)| written));
        within(inner, definitions, seen, found);
    }
}

/// Inputs of a step that take assets.
fn taken(step: &StepDef) -> impl Iterator<Item = (&Name, Written<'_>)> {
    step.inputs.iter().filter_map(|(name, source)| match &source.value {
        SourceDef::Asset(key, mapping) => {
            let place = source.span.as_ref();
            Some((&name.value, Written { key, mapping: mapping.as_ref(), input: None, place }))
        }
        _ => None,
    })
}
