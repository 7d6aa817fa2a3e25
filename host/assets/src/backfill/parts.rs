//! What each maker has to make, how that hangs together, and in which rounds it can be done.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{BackfillPolicy, MissingUpstream};
use crate::{AssetGraph, AssetIdx, Edge, Extent, Extents, MakerIdx, Subset, Targets};

/// The makers that are concerned, each after those that it needs.
pub(super) struct Parts<'a> {
    graph: &'a AssetGraph,
    extents: &'a Extents,
    parts: Vec<Part<'a>>,
    by_maker: BTreeMap<MakerIdx, usize>,
}

struct Part<'a> {
    maker: MakerIdx,
    /// Of any of its assets that is a target: a maker is run once for all of them.
    partitions: Subset,
    links: Vec<Link<'a>>,
}

/// A dependency on another part, or on the same one's past.
pub(super) struct Link<'a> {
    pub(super) upstream: usize,
    pub(super) edge: Edge<'a>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(graph: &'a AssetGraph, extents: &'a Extents, targets: &Targets) -> Parts<'a> {
        let mut partitions: BTreeMap<MakerIdx, Subset> = BTreeMap::new();
        for (asset, subset) in targets.iter() {
            partitions.entry(graph.asset(asset).maker).or_default().extend(subset);
        }
        let mut parts = Parts { graph, extents, parts: vec![], by_maker: BTreeMap::new() };
        for maker in graph.order() {
            let Some(partitions) = partitions.remove(maker) else {
                continue;
            };
            parts.by_maker.insert(*maker, parts.parts.len());
            let mut links = vec![];
            for dep in &graph.maker(*maker).upstream {
                if let Some(upstream) = parts.by_maker.get(&graph.asset(dep.asset).maker) {
                    links.push(Link { upstream: *upstream, edge: extents.edge(graph, *maker, dep) });
                }
            }
            parts.parts.push(Part { maker: *maker, partitions, links });
        }
        parts
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn extent(&self, n: usize) -> &Extent {
        self.extents.of(self.parts[n].maker)
    }

    pub(super) fn partitions(&self, n: usize) -> &Subset {
        &self.parts[n].partitions
    }

    pub(super) fn links(&self, n: usize) -> &[Link<'a>] {
        &self.parts[n].links
    }

    /// The part that makes an asset that is a target.
    pub(super) fn of_asset(&self, asset: AssetIdx) -> usize {
        self.by_maker[&self.graph.asset(asset).maker]
    }

    /// The parts that make some assets, without doubles. Assets of one maker stand side by side.
    pub(super) fn of_assets(&self, assets: &[AssetIdx]) -> Vec<usize> {
        let mut parts: Vec<usize> = assets.iter().map(|asset| self.of_asset(*asset)).collect();
        parts.dedup();
        parts
    }

    /// What is read but does not exist, target or not.
    pub(super) fn missing(&self) -> Vec<MissingUpstream> {
        let mut found = vec![];
        for part in &self.parts {
            let maker = self.graph.maker(part.maker);
            for dep in &maker.upstream {
                let missing =
                    self.extents.edge(self.graph, part.maker, dep).upstream(&part.partitions).missing;
                let asset = maker.assets.first().map(|asset| self.graph.asset(*asset).key.clone());
                if let (Some(asset), false) = (asset, missing.is_empty()) {
                    let upstream = self.graph.asset(dep.asset).key.clone();
                    found.push(MissingUpstream { asset, upstream, keys: missing.keys, n: missing.n });
                }
            }
        }
        found
    }

    /// The round in which each partition of each part can be made, by index in its extent. One round more than
    /// what it reads; the same one where partitions correspond one by one, as a run makes those together.
    pub(super) fn rounds(&self, policy: BackfillPolicy) -> Vec<Vec<u32>> {
        let mut rounds: Vec<Vec<u32>> = vec![];
        for (n, part) in self.parts.iter().enumerate() {
            let mut own = vec![0; self.extent(n).len() as usize];
            for link in part.links.iter().filter(|link| link.upstream != n) {
                raise(&mut own, part, link, &self.parts[link.upstream].partitions, &rounds[link.upstream]);
            }
            raise_by_past(&mut own, n, part, policy);
            rounds.push(own);
        }
        rounds
    }
}

/// Raises the rounds of a part above those of what it reads.
fn raise(own: &mut [u32], part: &Part, link: &Link, made: &Subset, rounds: &[u32]) {
    if link.edge.is_identity() {
        for partition in part.partitions.intersection(made).iter() {
            let at = partition as usize;
            own[at] = own[at].max(rounds[at]);
        }
        return;
    }
    // Neighbours often read the same, such as all partitions.
    let mut last = (Subset::EMPTY, 0);
    for partition in part.partitions.iter() {
        let read = link.edge.upstream(&Subset::range(partition..partition + 1)).partitions.intersection(made);
        if last.0 != read {
            let round = highest(rounds, &read).map_or(0, |round| round + 1);
            last = (read, round);
        }
        let at = partition as usize;
        own[at] = own[at].max(last.1);
    }
}

/// Raises the rounds of a part that reads its own past: partitions that share a run share a round, and come
/// after the earlier ones that they read. The run makes its own partitions in order.
fn raise_by_past(own: &mut [u32], n: usize, part: &Part, policy: BackfillPolicy) {
    let links: Vec<&Link> = part.links.iter().filter(|link| link.upstream == n).collect();
    if links.is_empty() {
        return;
    }
    for chunk in chunks(&part.partitions, policy.partitions_max()) {
        let earlier = part.partitions.intersection(&Subset::range(0..chunk.start));
        let mut round = own[chunk.start as usize..chunk.end as usize].iter().copied().max().unwrap_or(0);
        for link in &links {
            let read = link.edge.upstream(&Subset::range(chunk.clone())).partitions.intersection(&earlier);
            round = round.max(highest(own, &read).map_or(0, |round| round + 1));
        }
        own[chunk.start as usize..chunk.end as usize].fill(round);
    }
}

/// Ranges of at most `n` partitions.
fn chunks(partitions: &Subset, n: u32) -> impl Iterator<Item = Range<u32>> {
    partitions.ranges().iter().flat_map(move |range| {
        let starts = range.clone().step_by(n as usize);
        starts.map(move |start| start..start.saturating_add(n).min(range.end))
    })
}

fn highest(rounds: &[u32], partitions: &Subset) -> Option<u32> {
    partitions
        .ranges()
        .iter()
        .filter_map(|range| rounds[range.start as usize..range.end as usize].iter().max())
        .max()
        .copied()
}
