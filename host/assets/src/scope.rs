//! What one run makes of some assets, and what it reads: the bridge from a selection (and a partition) to a
//! plan of steps.

use std::collections::BTreeMap;

use cofferdam_model::Diagnostic;

use crate::partitions::shown;
use crate::{
    AssetGraph, AssetIdx, Extent, Extents, InvalidPartition, MakerIdx, MissingUpstream, Subset, Targets,
};

/// Code of the mistake that a partition was to be chosen and none is.
pub const NO_PARTITION: &str = "assets::no-partition";

/// One run's share of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Each after those that it needs.
    pub makers: Vec<ScopedMaker>,
}

/// A maker that is run, once, for all of its partitions here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedMaker {
    pub maker: MakerIdx,
    /// What it makes: what was asked for, or all that it can make if it cannot make a part.
    pub assets: Vec<AssetIdx>,
    pub partitions: Subset,
    /// One for each of its dependencies, in their order.
    pub reads: Vec<Read>,
}

/// What is read along a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub asset: AssetIdx,
    /// Partitions that this run makes: by an earlier maker, or by the same one in order.
    pub here: Subset,
    /// Partitions that were made before, and are loaded.
    pub before: Subset,
}

/// The targets that a person means by assets and a partition (`key` or `first...last`), which all of them
/// must have in common; those without partitions go along. All mistakes at once.
pub fn targets_of(
    graph: &AssetGraph,
    extents: &Extents,
    assets: &[AssetIdx],
    partition: Option<&str>,
) -> Result<Targets, Vec<Diagnostic>> {
    let mut targets = Targets::default();
    let mut mistakes = vec![];
    let mut first: Option<AssetIdx> = None;
    for asset in assets {
        let (node, maker) = (graph.asset(*asset), graph.maker_of(*asset));
        let extent = extents.of_asset(graph, *asset);
        if maker.external {
            let message = format!("the asset `{}` is external: it is made elsewhere", node.key);
            mistakes.push(
                Diagnostic::error("assets::external", message).hint("select it away: `is:materializable`"),
            );
            continue;
        }
        let Some(partitions) = &maker.partitions else {
            targets.add(*asset, &extent.all());
            continue;
        };
        let leader = *first.get_or_insert(*asset);
        if graph.maker_of(leader).partitions.as_ref() != Some(partitions) {
            let message =
                format!("`{}` and `{}` have different partitions", graph.asset(leader).key, node.key);
            mistakes.push(
                Diagnostic::error("assets::unlike-partitions", message)
                    .hint("one run makes assets of the same partitions: select fewer, or start a backfill"),
            );
            continue;
        }
        // All have the same partitions, so a mistake is one and the same for all.
        if *asset != leader && targets.partitions(leader).is_none() {
            continue;
        }
        match resolve(extent, partition) {
            Ok(subset) => targets.add(*asset, &subset),
            Err((code, message, hint)) => {
                let mistake = Diagnostic::error(code, format!("`{}` {message}", node.key));
                mistakes.push(match hint {
                    Some(hint) => mistake.hint(hint),
                    None => mistake,
                });
            }
        }
    }
    if let (None, Some(text), true) = (first, partition, mistakes.is_empty()) {
        let message = format!("none of these assets has partitions, so there is no `{}`", shown(text));
        mistakes.push(Diagnostic::error("assets::partition", message).hint("leave the partition out"));
    }
    if mistakes.is_empty() { Ok(targets) } else { Err(mistakes) }
}

/// The partitions that a text means, or code, message and hint.
fn resolve(
    extent: &Extent,
    partition: Option<&str>,
) -> Result<Subset, (&'static str, String, Option<String>)> {
    let Some(text) = partition else {
        let last = extent.last().and_then(|last| extent.key(last));
        let hint = last.map(|last| format!("the last one is `{last}`"));
        return Err((NO_PARTITION, "has partitions, and none is given".to_owned(), hint));
    };
    let of = |invalid: InvalidPartition| {
        ("assets::partition", format!("has other partitions: {invalid}"), invalid.hint())
    };
    extent.resolve(text).map_err(of)
}

/// What a run for assets would make of which there are no partitions yet: their makers, which read nothing.
pub fn scope_without_partitions(graph: &AssetGraph, assets: &[AssetIdx]) -> Scope {
    let mut makers = vec![];
    for maker in graph.order() {
        let node = graph.maker(*maker);
        let wanted: Vec<AssetIdx> =
            node.assets.iter().copied().filter(|asset| assets.contains(asset)).collect();
        if wanted.is_empty() {
            continue;
        }
        let reads = node.upstream.iter().map(|dep| Read {
            asset: dep.asset,
            here: Subset::EMPTY,
            before: Subset::EMPTY,
        });
        makers.push(ScopedMaker {
            maker: *maker,
            assets: if node.can_subset { wanted } else { node.assets.clone() },
            partitions: Subset::EMPTY,
            reads: reads.collect(),
        });
    }
    Scope { makers }
}

/// What a run for these targets makes and reads. Fails if it would read partitions that do not exist.
pub fn scope(graph: &AssetGraph, extents: &Extents, targets: &Targets) -> Result<Scope, Vec<Diagnostic>> {
    let mut mistakes = vec![];
    let mut makers: Vec<ScopedMaker> = vec![];
    let mut places: BTreeMap<MakerIdx, usize> = BTreeMap::new();
    for maker in graph.order() {
        let node = graph.maker(*maker);
        let wanted: Vec<AssetIdx> =
            node.assets.iter().copied().filter(|asset| targets.partitions(*asset).is_some()).collect();
        let mut partitions = Subset::EMPTY;
        for asset in &wanted {
            partitions.extend(targets.partitions(*asset).unwrap_or(&Subset::EMPTY));
        }
        if partitions.is_empty() {
            continue;
        }
        let assets = if node.can_subset { wanted } else { node.assets.clone() };
        let mut reads = vec![];
        for dep in &node.upstream {
            let read = extents.edge(graph, *maker, dep).upstream(&partitions);
            if !read.missing.is_empty() {
                let missing = MissingUpstream {
                    asset: graph.asset(node.assets[0]).key.clone(),
                    upstream: graph.asset(dep.asset).key.clone(),
                    keys: read.missing.keys,
                    n: read.missing.n,
                };
                mistakes.push(Diagnostic::error("assets::missing-upstream", missing.to_string()));
            }
            let by = graph.asset(dep.asset).maker;
            let made = match places.get(&by).map(|place| &makers[*place]) {
                Some(scoped) if scoped.assets.contains(&dep.asset) => scoped.partitions.clone(),
                None if by == *maker && assets.contains(&dep.asset) => partitions.clone(),
                Some(_) | None => Subset::EMPTY,
            };
            let (here, before) = (read.partitions.intersection(&made), read.partitions.difference(&made));
            reads.push(Read { asset: dep.asset, here, before });
        }
        places.insert(*maker, makers.len());
        makers.push(ScopedMaker { maker: *maker, assets, partitions, reads });
    }
    if mistakes.is_empty() { Ok(Scope { makers }) } else { Err(mistakes) }
}
