//! The assets of a code location, as pages show them.

use cofferdam_assets::{AssetIdx, RootCause, StaleCategory, StaleCause, StaleStatus, Staleness};
use cofferdam_model::AssetKey;
use cofferdam_web::{AssetFacts, AssetPartition, AssetState, Cause, Root, Why};

use crate::args::Global;
use crate::commands::asset::known::{Known, Summary};
use crate::error::Result;
use crate::output::Output;
use crate::project::Project;

/// Partitions that a page shows: ten years of days would be more than anybody looks at.
const PARTITIONS_MAX: usize = 2000;

const QUIET: Output = Output { json: false, quiet: true };

/// All of a project, by their keys. Builds libraries that have changed, to know the versions of their code.
pub(super) async fn all(project: Project, global: &Global, location: &str) -> Result<Vec<AssetFacts>> {
    let mut known = Known::of(project).await?;
    known.compare_code(global, QUIET).await?;
    let mut all: Vec<AssetFacts> =
        known.graph.indices().map(|asset| facts(&known, asset, location)).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(all)
}

/// The newest partitions of an asset, oldest first; none if there is no asset of that key.
pub(super) async fn partitions(
    project: Project,
    global: &Global,
    key: &str,
) -> Result<Option<Vec<AssetPartition>>> {
    let mut known = Known::of(project).await?;
    let Some(asset) = AssetKey::parse(key).ok().and_then(|key| known.graph.find(&key)) else {
        return Ok(None);
    };
    known.compare_code(global, QUIET).await?;
    let extent = known.extent(asset).all();
    let skipped = extent.len().saturating_sub(PARTITIONS_MAX);
    Ok(Some(extent.iter().skip(skipped).map(|at| judged(&known, asset, at)).collect()))
}

fn facts(known: &Known, idx: AssetIdx, location: &str) -> AssetFacts {
    let (asset, maker) = (known.graph.asset(idx), known.graph.maker_of(idx));
    let Summary { n_fresh, n_stale, n_missing, causes } = known.summary(idx);
    AssetFacts {
        key: asset.key.clone(),
        location: location.to_owned(),
        description: asset.description.clone(),
        group: asset.group.to_string(),
        owners: asset.owners.clone(),
        kinds: asset.kinds.clone(),
        tags: asset.tags.clone().into_iter().collect(),
        is_partitioned: maker.partitions.is_some(),
        state: match (maker.external, n_stale, n_missing) {
            (true, ..) => AssetState::External,
            (_, 1.., _) => AssetState::Stale,
            (_, _, 1..) => AssetState::Missing,
            _ => AssetState::Fresh,
        },
        causes: causes.iter().map(cause).collect(),
        n_fresh,
        n_stale,
        n_missing,
        code_version: known.code_versions.get(&asset.key).cloned(),
        upstream: known.upstream(idx),
        downstream: known.downstream(idx),
        latest: known.newest.get(&asset.key).cloned(),
    }
}

fn judged(known: &Known, asset: AssetIdx, at: u32) -> AssetPartition {
    let judge = known.judge();
    let Staleness { status, causes } = judge.staleness(asset, at);
    AssetPartition {
        partition: known.extent(asset).key(at),
        state: match status {
            _ if known.graph.maker_of(asset).external => AssetState::External,
            StaleStatus::Fresh => AssetState::Fresh,
            StaleStatus::Stale => AssetState::Stale,
            StaleStatus::Missing => AssetState::Missing,
        },
        causes: causes.iter().map(cause).collect(),
        roots: judge.root_causes(asset, at).into_iter().map(root).collect(),
    }
}

fn cause(cause: &StaleCause) -> Cause {
    Cause { category: why(cause.category()), text: cause.to_string() }
}

fn root(root: RootCause) -> Root {
    Root { asset: root.asset.to_string(), partition: root.partition, category: why(root.category) }
}

fn why(category: StaleCategory) -> Why {
    match category {
        StaleCategory::Code => Why::Code,
        StaleCategory::Data => Why::Data,
        StaleCategory::Dependencies => Why::Dependencies,
    }
}
