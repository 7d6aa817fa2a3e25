//! A backfill: targets cut into runs under a policy, each after the runs that make what it reads.
//!
//! Planning goes in three steps. [`Parts::rounds`] gives each partition of each maker the number of the round in
//! which it can be made: assets that correspond partition by partition share a run and so a round. Partitions
//! of one round that are made by the same makers are cut into runs here. At last each run learns which runs
//! it comes after, from what its partitions really read.

mod parts;
mod progress;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use cofferdam_model::{AssetKey, Name};

pub use progress::{BackfillProgress, BackfillStatus, RunState};

use crate::mapping::same;
use crate::{AssetGraph, AssetIdx, Extent, Extents, Subset, Targets};
use parts::Parts;

/// Tag of a run that is for one partition.
pub const PARTITION_TAG: &str = "dagster/partition";
/// Tag of a run that is for several partitions: the first of them.
pub const RANGE_START_TAG: &str = "dagster/asset_partition_range_start";
/// Tag of a run that is for several partitions: the last of them.
pub const RANGE_END_TAG: &str = "dagster/asset_partition_range_end";

/// How many partitions go into one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillPolicy {
    /// At most so many, one after the other. One is the default.
    AtMost(NonZeroU32),
    /// As many as possible.
    Single,
}

impl BackfillPolicy {
    /// A run for each partition.
    pub const PER_PARTITION: BackfillPolicy = BackfillPolicy::AtMost(NonZeroU32::MIN);

    fn partitions_max(self) -> u32 {
        match self {
            BackfillPolicy::AtMost(n) => n.get(),
            BackfillPolicy::Single => u32::MAX,
        }
    }
}

/// A planned backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// A run comes after those that it needs.
    pub runs: Vec<BackfillRun>,
}

/// One run: some assets, for a range of partitions that they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillRun {
    /// In the order of the graph.
    pub assets: Vec<AssetIdx>,
    /// Indices in the extent of each of the assets; they lie side by side. 0 for assets without partitions.
    pub partitions: std::ops::Range<u32>,
    /// Length of the longest chain of runs before this one.
    pub round: u32,
    /// Runs that must have succeeded first, by index in [`Backfill::runs`].
    pub after: Subset,
}

/// A target that reads partitions which do not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{asset}` reads {n} partitions of `{upstream}` that do not exist: {}", shown(.keys, *.n))]
pub struct MissingUpstream {
    pub asset: AssetKey,
    pub upstream: AssetKey,
    /// The first of them.
    pub keys: Vec<String>,
    pub n: usize,
}

fn shown(keys: &[String], n: usize) -> String {
    let more = if n > keys.len() { ", …" } else { "" };
    keys.join(", ") + more
}

impl BackfillRun {
    /// First and last key; none without partitions.
    pub fn keys(&self, extent: &Extent) -> Option<(String, String)> {
        Some((extent.key(self.partitions.start)?, extent.key(self.partitions.end.checked_sub(1)?)?))
    }

    /// Tags that tell an op its partitions, Dagster's names: one partition (and its key in each dimension), or
    /// the ends of a range.
    pub fn tags(&self, extent: &Extent) -> Vec<(String, String)> {
        let Some((first, last)) = self.keys(extent) else {
            return vec![];
        };
        if self.partitions.len() > 1 {
            return vec![(RANGE_START_TAG.to_owned(), first), (RANGE_END_TAG.to_owned(), last)];
        }
        let dimensions = extent.dimension_keys(self.partitions.start);
        let tag = |(name, key): (Name, String)| (format!("{PARTITION_TAG}/{name}"), key);
        let mut tags: Vec<(String, String)> = dimensions.into_iter().map(tag).collect();
        tags.insert(0, (PARTITION_TAG.to_owned(), first));
        tags
    }
}

/// Plans a backfill. All partitions that are read but do not exist are told together; a partition that is
/// read, exists and is no target is taken as it is.
///
/// Time grows with the number of target partitions (and with what each of them reads), not with its square.
pub fn plan_backfill(
    graph: &AssetGraph,
    extents: &Extents,
    targets: &Targets,
    policy: BackfillPolicy,
) -> Result<Backfill, Vec<MissingUpstream>> {
    let parts = Parts::new(graph, extents, targets);
    let missing = parts.missing();
    if !missing.is_empty() {
        return Err(missing);
    }
    let mut runs = cut(&parts, targets, &parts.rounds(policy), policy);
    order(&parts, &mut runs);
    Ok(Backfill { runs })
}

/// Cuts the partitions of each round into runs.
fn cut(parts: &Parts, targets: &Targets, rounds: &[Vec<u32>], policy: BackfillPolicy) -> Vec<BackfillRun> {
    // Makers whose partitions are the same may share a run; the first of them stands for all.
    let extent = |n: usize| parts.extent(n);
    let class = |n: usize| (0..n).find(|first| same(extent(*first), extent(n))).unwrap_or(n);
    let classes: Vec<usize> = (0..parts.len()).map(class).collect();
    // Round, class and partition, then the maker's place in the order and the asset.
    let mut places: Vec<(u32, usize, u32, usize, AssetIdx)> = vec![];
    for (asset, partitions) in targets.iter() {
        let n = parts.of_asset(asset);
        places.extend(partitions.iter().map(|at| (rounds[n][at as usize], classes[n], at, n, asset)));
    }
    places.sort_unstable();
    let mut runs: Vec<BackfillRun> = vec![];
    let mut last_group = None;
    for place in places.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
        let (round, class, partition, ..) = place[0];
        let assets: Vec<AssetIdx> = place.iter().map(|place| place.4).collect();
        if last_group == Some((round, class))
            && let Some(last) = runs.last_mut()
            && last.partitions.end == partition
            && last.partitions.len() < policy.partitions_max() as usize
            && last.assets == assets
        {
            last.partitions.end += 1;
            continue;
        }
        last_group = Some((round, class));
        runs.push(BackfillRun { assets, partitions: partition..partition + 1, round, after: Subset::EMPTY });
    }
    runs
}

/// Finds what each run comes after. Runs are in the order of their rounds, and within a round in the order of
/// their partitions, so what a run reads is made by earlier ones.
fn order(parts: &Parts, runs: &mut [BackfillRun]) {
    let mut run_of: Vec<Vec<u32>> =
        (0..parts.len()).map(|n| vec![u32::MAX; parts.extent(n).len() as usize]).collect();
    for (at, run) in (0u32..).zip(runs.iter()) {
        for n in parts.of_assets(&run.assets) {
            for partition in run.partitions.clone() {
                run_of[n][partition as usize] = at;
            }
        }
    }
    // Many runs read the same, such as all partitions: what that comes to is kept from one run to the next.
    let mut kept: BTreeMap<(usize, usize), (Subset, Subset)> = BTreeMap::new();
    for at in 0..runs.len() {
        let partitions = Subset::range(runs[at].partitions.clone());
        let mut after = Subset::EMPTY;
        for n in parts.of_assets(&runs[at].assets) {
            for (dep, link) in parts.links(n).iter().enumerate() {
                let read =
                    link.edge.upstream(&partitions).partitions.intersection(parts.partitions(link.upstream));
                let (known, needed) = kept.entry((n, dep)).or_default();
                if *known != read {
                    *needed =
                        read.iter().map(|partition| run_of[link.upstream][partition as usize]).collect();
                    *known = read;
                }
                after.extend(needed);
            }
        }
        let itself = u32::try_from(at).expect("runs are counted in 32 bits");
        runs[at].after = after.difference(&Subset::range(itself..itself + 1));
        let rounds_before = runs[at].after.iter().map(|before| runs[before as usize].round + 1);
        runs[at].round = rounds_before.max().unwrap_or(0);
    }
}
