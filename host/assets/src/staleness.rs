//! Is an asset (a partition of it) missing, stale or fresh, and why? Compares what is declared and recorded
//! now with what the last materialisation says it was made from (SEMANTICS.md, section 12.1).
//!
//! Only direct dependencies count: what is stale but was not made again has not changed what was made from
//! it. As versions are digests of content by default, an upstream asset that was made again with equal bytes
//! leaves everything after it fresh. Dagster checks no dependency on 100 partitions or more; here all are
//! checked, and only the causes that are told are bounded.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{AssetKey, Materialization, PlanAssetInput};

use crate::{AssetGraph, AssetIdx, Dependency, Extents, MakerIdx, Subset, Targets};

/// Causes that are told of one partition; more say no more.
pub const CAUSES_MAX: usize = 100;

/// The latest materialisation of every asset and partition.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    latest: BTreeMap<AssetKey, BTreeMap<Option<String>, Materialization>>,
}

impl FromIterator<Materialization> for Catalog {
    /// Later ones replace earlier ones.
    fn from_iter<I: IntoIterator<Item = Materialization>>(materializations: I) -> Catalog {
        let mut catalog = Catalog::default();
        materializations.into_iter().for_each(|materialization| catalog.record(materialization));
        catalog
    }
}

impl Catalog {
    /// Takes a materialisation in place of an earlier one.
    pub fn record(&mut self, materialization: Materialization) {
        let partitions = self.latest.entry(materialization.key.clone()).or_default();
        partitions.insert(materialization.partition.clone(), materialization);
    }

    /// The latest one of a partition, or of an asset without partitions.
    pub fn latest(&self, key: &AssetKey, partition: Option<&str>) -> Option<&Materialization> {
        let partitions = self.latest.get(key)?;
        // A map's key must be owned to look it up.
        partitions.get(&partition.map(str::to_owned))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StaleStatus {
    /// Never materialised.
    Missing,
    /// There is a cause to make it again.
    Stale,
    Fresh,
}

/// Why something is stale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StaleCause {
    /// Category CODE: the code that makes it is another now.
    NewCode,
    /// Category DATA: what it was made from has another version now.
    NewData { asset: AssetKey, partition: Option<String> },
    /// Category DEPENDENCIES: it is made from something that it was not made from.
    NewDependency { asset: AssetKey },
    /// Category DEPENDENCIES: it was made from something that it is no longer made from.
    RemovedDependency { asset: AssetKey },
}

/// Dagster's three kinds of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StaleCategory {
    Code,
    Data,
    Dependencies,
}

impl StaleCause {
    pub fn category(&self) -> StaleCategory {
        match self {
            StaleCause::NewCode => StaleCategory::Code,
            StaleCause::NewData { .. } => StaleCategory::Data,
            StaleCause::NewDependency { .. } | StaleCause::RemovedDependency { .. } => {
                StaleCategory::Dependencies
            }
        }
    }
}

impl std::fmt::Display for StaleCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StaleCause::NewCode => f.write_str("has a new code version"),
            StaleCause::NewData { asset, partition: Some(partition) } => {
                write!(f, "`{asset}` has a new data version in partition `{partition}`")
            }
            StaleCause::NewData { asset, partition: None } => write!(f, "`{asset}` has a new data version"),
            StaleCause::NewDependency { asset } => write!(f, "has a new dependency on `{asset}`"),
            StaleCause::RemovedDependency { asset } => write!(f, "no longer depends on `{asset}`"),
        }
    }
}

/// Where a cause has its root: a leaf of Dagster's tree of causes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootCause {
    /// What has changed.
    pub asset: AssetKey,
    pub partition: Option<String>,
    pub category: StaleCategory,
}

/// What is known of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staleness {
    pub status: StaleStatus,
    /// At most [`CAUSES_MAX`]; empty unless stale.
    pub causes: Vec<StaleCause>,
}

/// All that staleness is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    pub graph: &'a AssetGraph,
    pub extents: &'a Extents,
    pub catalog: &'a Catalog,
    /// Code versions as they are now. Of an asset that is not in here the code is not compared.
    pub code_versions: &'a BTreeMap<AssetKey, String>,
}

impl Judge<'_> {
    /// Judges a partition, by its index; 0 for an asset without partitions.
    pub fn staleness(&self, asset: AssetIdx, partition: u32) -> Staleness {
        let found = |status, causes| Staleness { status, causes };
        let node = self.graph.asset(asset);
        let key = self.extents.of_asset(self.graph, asset).key(partition);
        if self.graph.maker_of(asset).external {
            // Somebody else makes it, so it is taken to be there.
            return found(StaleStatus::Fresh, vec![]);
        }
        let Some(last) = self.catalog.latest(&node.key, key.as_deref()) else {
            return found(StaleStatus::Missing, vec![]);
        };
        let causes = self.causes(asset, partition, last);
        if causes.is_empty() { found(StaleStatus::Fresh, causes) } else { found(StaleStatus::Stale, causes) }
    }

    /// The leaves of the causes: what has changed, be it the asset itself or what it was made from.
    pub fn root_causes(&self, asset: AssetIdx, partition: u32) -> Vec<RootCause> {
        let itself = self.graph.asset(asset).key.clone();
        let key = self.extents.of_asset(self.graph, asset).key(partition);
        let of = |cause: StaleCause| {
            let category = cause.category();
            match cause {
                StaleCause::NewData { asset, partition } => RootCause { asset, partition, category },
                StaleCause::NewCode
                | StaleCause::NewDependency { .. }
                | StaleCause::RemovedDependency { .. } => {
                    RootCause { asset: itself.clone(), partition: key.clone(), category }
                }
            }
        };
        let roots: BTreeSet<RootCause> =
            self.staleness(asset, partition).causes.into_iter().map(of).collect();
        roots.into_iter().collect()
    }

    /// What of some targets is stale or missing: what a run for stale assets only makes.
    pub fn stale_only(&self, targets: &Targets) -> Targets {
        let mut narrowed = Targets::default();
        for (asset, partitions) in targets.iter() {
            let stale: Subset = partitions
                .iter()
                .filter(|at| self.staleness(asset, *at).status != StaleStatus::Fresh)
                .collect();
            narrowed.add(asset, &stale);
        }
        narrowed
    }

    fn causes(&self, asset: AssetIdx, partition: u32, last: &Materialization) -> Vec<StaleCause> {
        let node = self.graph.asset(asset);
        let mut causes = vec![];
        if self.code_versions.get(&node.key).is_some_and(|now| *now != last.code_version) {
            causes.push(StaleCause::NewCode);
        }
        let mut recorded: BTreeMap<&AssetKey, Vec<&PlanAssetInput>> = BTreeMap::new();
        for input in &last.inputs {
            recorded.entry(&input.key).or_default().push(input);
        }
        let upstream = self.graph.upstream(asset);
        let declared: BTreeSet<&AssetKey> = upstream.iter().map(|up| &self.graph.asset(*up).key).collect();
        for removed in recorded.keys().filter(|key| !declared.contains(**key)) {
            causes.push(StaleCause::RemovedDependency { asset: (*removed).clone() });
        }
        for up in upstream {
            let key = &self.graph.asset(up).key;
            match recorded.get(key) {
                Some(inputs) => self.changed(node.maker, up, partition, inputs, &mut causes),
                // It may be made from none of its partitions: the first day has no day before it.
                None if self.reads(node.maker, up, partition).is_empty() => {}
                None => causes.push(StaleCause::NewDependency { asset: key.clone() }),
            }
            if causes.len() >= CAUSES_MAX {
                break;
            }
        }
        causes.truncate(CAUSES_MAX);
        causes.sort();
        causes
    }

    /// Partitions of an upstream asset that a partition is made from, along all its dependencies on it.
    fn reads(&self, maker: MakerIdx, upstream: AssetIdx, partition: u32) -> Subset {
        let one = Subset::range(partition..partition + 1);
        let mut reads = Subset::EMPTY;
        let deps = self.graph.maker(maker).upstream.iter();
        for dep in deps.filter(|dep: &&Dependency| dep.asset == upstream) {
            reads.extend(&self.extents.edge(self.graph, maker, dep).upstream(&one).partitions);
        }
        reads
    }

    /// Compares what was read of an upstream asset with what is there. Partitions that are read no longer do
    /// not matter: the last one moves on without a new version.
    fn changed(
        &self,
        maker: MakerIdx,
        upstream: AssetIdx,
        partition: u32,
        recorded: &[&PlanAssetInput],
        causes: &mut Vec<StaleCause>,
    ) {
        let key = &self.graph.asset(upstream).key;
        let extent = self.extents.of_asset(self.graph, upstream);
        let read: BTreeMap<Option<&str>, Option<&str>> = recorded
            .iter()
            .map(|input| (input.partition.as_deref(), input.data_version.as_deref()))
            .collect();
        for at in self.reads(maker, upstream, partition).iter() {
            let up = extent.key(at);
            let now = self.catalog.latest(key, up.as_deref()).map(|last| last.data_version.as_str());
            // Neither was there then nor is now: nothing has changed.
            if read.get(&up.as_deref()).copied().flatten() != now {
                causes.push(StaleCause::NewData { asset: key.clone(), partition: up });
                if causes.len() >= CAUSES_MAX {
                    return;
                }
            }
        }
    }
}
