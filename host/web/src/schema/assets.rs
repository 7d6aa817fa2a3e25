//! Assets: what there is, whether it is up to date and why not, and what was made of it.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use cofferdam_model::{AssetKey as Key, CheckSeverity as Severe};
use cofferdam_runlog::{Checked, Materialized};

use super::Instance;
use super::convert::{MetadataEntry, Tag, metadata, page_size, seconds, tags};
use super::errors::{
    AssetNotFoundError, Diagnostic, InvalidDefinitionsError, OfRefused, PipelineNotFoundError,
    UnexpectedError, definitions, refused,
};
use crate::workspace::{AssetFacts, AssetName, AssetPartition as Judged, AssetState, Cause, Root, Why};

/// Materialisations, and evaluations of checks, of one answer.
const HISTORY_MAX: usize = 100;
const HISTORY_DEFAULT: usize = 20;

#[derive(Default)]
pub(crate) struct AssetQuery;

/// By the parts between the slashes.
#[derive(SimpleObject)]
pub(crate) struct AssetKey {
    path: Vec<String>,
}

#[derive(InputObject)]
pub(crate) struct AssetKeyInput {
    path: Vec<String>,
}

impl AssetKey {
    fn of(key: &str) -> AssetKey {
        AssetKey { path: key.split('/').map(str::to_owned).collect() }
    }
}

/// Of all partitions of an asset, the worst.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "AssetState")]
pub(crate) enum StaleStatus {
    Fresh,
    Stale,
    Missing,
    /// Somebody else makes it.
    External,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Why")]
pub(crate) enum StaleCauseCategory {
    Code,
    Data,
    Dependencies,
}

#[derive(SimpleObject)]
pub(crate) struct StaleCause {
    category: StaleCauseCategory,
    reason: String,
}

impl From<Cause> for StaleCause {
    fn from(cause: Cause) -> StaleCause {
        StaleCause { category: cause.category.into(), reason: cause.text }
    }
}

/// Where staleness began.
#[derive(SimpleObject)]
pub(crate) struct StaleRoot {
    asset_key: AssetKey,
    partition: Option<String>,
    category: StaleCauseCategory,
}

impl From<Root> for StaleRoot {
    fn from(root: Root) -> StaleRoot {
        StaleRoot {
            asset_key: AssetKey::of(&root.asset),
            partition: root.partition,
            category: root.category.into(),
        }
    }
}

/// An asset without partitions counts as one.
#[derive(SimpleObject)]
pub(crate) struct PartitionStats {
    num_partitions: usize,
    num_fresh: usize,
    num_stale: usize,
    num_missing: usize,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct AssetNode {
    asset_key: AssetKey,
    location: String,
    description: String,
    group_name: String,
    owners: Vec<String>,
    kinds: Vec<String>,
    tags: Vec<Tag>,
    is_partitioned: bool,
    stale_status: StaleStatus,
    /// The first different ones.
    stale_causes: Vec<StaleCause>,
    partition_stats: PartitionStats,
    /// Of the code as it is now; null if the asset was never made, or cannot be planned.
    code_version: Option<String>,
    dependency_keys: Vec<AssetKey>,
    depended_by_keys: Vec<AssetKey>,
    latest_materialization: Option<MaterializationEvent>,
    #[graphql(skip)]
    key: Key,
}

impl From<AssetFacts> for AssetNode {
    fn from(facts: AssetFacts) -> AssetNode {
        let keys = |all: Vec<String>| all.iter().map(|key| AssetKey::of(key)).collect();
        AssetNode {
            asset_key: AssetKey::of(&facts.key.to_string()),
            location: facts.location,
            description: facts.description,
            group_name: facts.group,
            owners: facts.owners,
            kinds: facts.kinds,
            tags: tags(facts.tags),
            is_partitioned: facts.is_partitioned,
            stale_status: facts.state.into(),
            stale_causes: facts.causes.into_iter().map(StaleCause::from).collect(),
            partition_stats: PartitionStats {
                num_partitions: facts.n_fresh + facts.n_stale + facts.n_missing,
                num_fresh: facts.n_fresh,
                num_stale: facts.n_stale,
                num_missing: facts.n_missing,
            },
            code_version: facts.code_version,
            dependency_keys: keys(facts.upstream),
            depended_by_keys: keys(facts.downstream),
            latest_materialization: facts.latest.map(MaterializationEvent::from),
            key: facts.key,
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct MaterializationEvent {
    run_id: String,
    step_key: String,
    timestamp: f64,
    partition: Option<String>,
    code_version: String,
    data_version: String,
    metadata_entries: Vec<MetadataEntry>,
    /// For the page of those that came before it.
    cursor: String,
}

impl From<Materialized> for MaterializationEvent {
    fn from(made: Materialized) -> MaterializationEvent {
        let one = made.materialization;
        MaterializationEvent {
            run_id: made.run.to_string(),
            step_key: made.step.to_string(),
            timestamp: seconds(made.at),
            partition: one.partition,
            code_version: one.code_version,
            data_version: one.data_version,
            metadata_entries: metadata(&one.metadata),
            cursor: made.number.to_string(),
        }
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Severe")]
pub(crate) enum AssetCheckSeverity {
    Warn,
    Error,
}

#[derive(SimpleObject)]
pub(crate) struct AssetCheckEvaluation {
    check_name: String,
    run_id: String,
    timestamp: f64,
    partition: Option<String>,
    success: bool,
    severity: AssetCheckSeverity,
    metadata_entries: Vec<MetadataEntry>,
}

impl From<Checked> for AssetCheckEvaluation {
    fn from(checked: Checked) -> AssetCheckEvaluation {
        let one = checked.evaluation;
        AssetCheckEvaluation {
            check_name: one.check.to_string(),
            run_id: checked.run.to_string(),
            timestamp: seconds(checked.at),
            partition: one.partition,
            success: one.passed,
            severity: one.severity.into(),
            metadata_entries: metadata(&one.metadata),
        }
    }
}

#[ComplexObject]
impl AssetNode {
    /// The newest first; `before` is the cursor of one of them.
    async fn asset_materializations(
        &self,
        ctx: &Context<'_>,
        before: Option<String>,
        limit: Option<usize>,
    ) -> Result<Vec<MaterializationEvent>> {
        let before = before.map(|cursor| cursor.parse()).transpose()?;
        let limit = page_size(limit, HISTORY_DEFAULT, HISTORY_MAX)?;
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let made = log.catalog().materializations(self.key.clone(), before, limit).await?;
        Ok(made.into_iter().map(MaterializationEvent::from).collect())
    }

    /// The newest first.
    async fn asset_check_evaluations(
        &self,
        ctx: &Context<'_>,
        limit: Option<usize>,
    ) -> Result<Vec<AssetCheckEvaluation>> {
        let limit = page_size(limit, HISTORY_DEFAULT, HISTORY_MAX)?;
        let log = &ctx.data_unchecked::<Instance>().parts.log;
        let checks = log.catalog().checks(self.key.clone(), None, limit).await?;
        Ok(checks.into_iter().map(AssetCheckEvaluation::from).collect())
    }
}

/// One partition, or the only one of an asset without partitions: its key is null.
#[derive(SimpleObject)]
pub(crate) struct AssetPartition {
    partition: Option<String>,
    stale_status: StaleStatus,
    stale_causes: Vec<StaleCause>,
    stale_roots: Vec<StaleRoot>,
}

impl From<Judged> for AssetPartition {
    fn from(judged: Judged) -> AssetPartition {
        AssetPartition {
            partition: judged.partition,
            stale_status: judged.state.into(),
            stale_causes: judged.causes.into_iter().map(StaleCause::from).collect(),
            stale_roots: judged.roots.into_iter().map(StaleRoot::from).collect(),
        }
    }
}

#[derive(Union)]
pub(crate) enum AssetNodesOrError {
    Nodes(AssetNodes),
    Definitions(InvalidDefinitionsError),
    Unexpected(UnexpectedError),
}

#[derive(SimpleObject)]
pub(crate) struct AssetNodes {
    nodes: Vec<AssetNode>,
}

#[derive(Union)]
pub(crate) enum AssetNodeOrError {
    Node(Box<AssetNode>),
    NoAsset(AssetNotFoundError),
    Definitions(InvalidDefinitionsError),
    Unexpected(UnexpectedError),
}

#[derive(Union)]
pub(crate) enum AssetPartitionsOrError {
    Partitions(AssetPartitions),
    NoAsset(AssetNotFoundError),
    Definitions(InvalidDefinitionsError),
    Unexpected(UnexpectedError),
}

/// Oldest first: of more than can be shown, the last ones.
#[derive(SimpleObject)]
pub(crate) struct AssetPartitions {
    results: Vec<AssetPartition>,
}

impl OfRefused for AssetNodesOrError {
    fn unexpected(error: UnexpectedError) -> Self {
        AssetNodesOrError::Unexpected(error)
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        let message = error.said().to_owned();
        AssetNodesOrError::Unexpected(UnexpectedError { message, causes: vec![] })
    }

    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        AssetNodesOrError::Definitions(definitions(message, diagnostics))
    }
}

impl OfRefused for AssetNodeOrError {
    fn unexpected(error: UnexpectedError) -> Self {
        AssetNodeOrError::Unexpected(error)
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        let message = error.said().to_owned();
        AssetNodeOrError::Unexpected(UnexpectedError { message, causes: vec![] })
    }

    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        AssetNodeOrError::Definitions(definitions(message, diagnostics))
    }
}

impl OfRefused for AssetPartitionsOrError {
    fn unexpected(error: UnexpectedError) -> Self {
        AssetPartitionsOrError::Unexpected(error)
    }

    fn no_pipeline(error: PipelineNotFoundError) -> Self {
        let message = error.said().to_owned();
        AssetPartitionsOrError::Unexpected(UnexpectedError { message, causes: vec![] })
    }

    fn invalid(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        AssetPartitionsOrError::Definitions(definitions(message, diagnostics))
    }
}

#[Object]
impl AssetQuery {
    /// All of a code location, in the order of their keys; without one, of all locations.
    async fn asset_nodes(&self, ctx: &Context<'_>, location: Option<String>) -> AssetNodesOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        match workspace.assets(location.as_deref()).await {
            Ok(found) => AssetNodesOrError::Nodes(AssetNodes {
                nodes: found.into_iter().map(AssetNode::from).collect(),
            }),
            Err(why) => refused(why),
        }
    }

    /// Without a location, of the first that has it.
    async fn asset_node_or_error(
        &self,
        ctx: &Context<'_>,
        asset_key: AssetKeyInput,
        location: Option<String>,
    ) -> AssetNodeOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        let key = asset_key.path.join("/");
        match workspace.assets(location.as_deref()).await {
            Ok(found) => match found.into_iter().find(|asset| asset.key.to_string() == key) {
                Some(asset) => AssetNodeOrError::Node(Box::new(AssetNode::from(asset))),
                None => AssetNodeOrError::NoAsset(AssetNotFoundError::of(&key)),
            },
            Err(why) => refused(why),
        }
    }

    /// Each with why it is not up to date. Without a location, of the only one.
    async fn asset_partitions(
        &self,
        ctx: &Context<'_>,
        asset_key: AssetKeyInput,
        location: Option<String>,
    ) -> AssetPartitionsOrError {
        let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
        let key = asset_key.path.join("/");
        match workspace.asset_partitions(&AssetName { key: key.clone(), location }).await {
            Ok(Some(found)) => AssetPartitionsOrError::Partitions(AssetPartitions {
                results: found.into_iter().map(AssetPartition::from).collect(),
            }),
            Ok(None) => AssetPartitionsOrError::NoAsset(AssetNotFoundError::of(&key)),
            Err(why) => refused(why),
        }
    }
}
