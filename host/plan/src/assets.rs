//! Assets as sources: values that were made before, by whoever made them.

use std::collections::BTreeMap;

use cofferdam_model::{
    AssetKey, Diagnostic, InputSpec, KeyedValue, Materialization, Name, PartitionMappingDef, Span,
};

use crate::compile::Job;
use crate::inputs::Feed;

/// What is known of assets before the run.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The latest materialisation of each asset and partition.
    pub latest: BTreeMap<(AssetKey, Option<String>), Materialization>,
    /// Names of dynamic partitions, by table in `[partitions]`.
    pub dynamic: BTreeMap<Name, Vec<String>>,
}

impl<'a> Job<'a> {
    /// The value of an asset that this run does not make.
    pub(crate) fn asset_value(
        &mut self,
        step: &str,
        spec: &InputSpec,
        key: &AssetKey,
        _mapping: Option<&PartitionMappingDef>,
        span: Option<&Span>,
    ) -> Option<Feed<'a>> {
        let catalog = &self.world?.catalog;
        let value = catalog.latest.get(&(key.clone(), None)).and_then(|found| found.value.clone());
        let Some(value) = value else {
            self.problems.push(
                Diagnostic::error(
                    "plan::asset-missing",
                    format!("asset `{key}` has never been materialized"),
                )
                .at(span, format!("source of `{step}.{}`", spec.name))
                .hint(format!("materialize it first: `cofferdam asset materialize {key}`")),
            );
            return None;
        };
        Some(if spec.many { Feed::Values(vec![KeyedValue { key: None, value }]) } else { Feed::Value(value) })
    }
}
