//! What is to be made: assets with their partitions.

use std::collections::BTreeMap;

use crate::{AssetGraph, AssetIdx, Extents, Subset};

/// Assets and partitions of them. An asset without partitions has index 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    by_asset: BTreeMap<AssetIdx, Subset>,
}

impl Targets {
    /// Adds partitions of an asset; none changes nothing.
    pub fn add(&mut self, asset: AssetIdx, partitions: &Subset) {
        if !partitions.is_empty() {
            self.by_asset.entry(asset).or_default().extend(partitions);
        }
    }

    /// All partitions of some assets; external ones are left out, as nobody here makes them.
    pub fn all_of(
        graph: &AssetGraph,
        extents: &Extents,
        assets: impl IntoIterator<Item = AssetIdx>,
    ) -> Targets {
        let mut targets = Targets::default();
        for asset in assets {
            if !graph.maker_of(asset).external {
                targets.add(asset, &extents.of_asset(graph, asset).all());
            }
        }
        targets
    }

    pub fn partitions(&self, asset: AssetIdx) -> Option<&Subset> {
        self.by_asset.get(&asset)
    }

    /// In the order of the assets.
    pub fn iter(&self) -> impl Iterator<Item = (AssetIdx, &Subset)> {
        self.by_asset.iter().map(|(asset, partitions)| (*asset, partitions))
    }

    pub fn is_empty(&self) -> bool {
        self.by_asset.is_empty()
    }

    /// Number of partitions of all assets.
    pub fn len(&self) -> usize {
        self.by_asset.values().map(Subset::len).sum()
    }
}
