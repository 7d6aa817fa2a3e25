//! The assets of a set of definitions, with what each is made from. Names are resolved and everything is
//! checked; an [`AssetGraph`] that came without errors holds no dangling name and no cycle.

mod build;
mod jobs;
mod key;
mod partitions;
mod selection;

use std::collections::BTreeMap;

use cofferdam_model::{AssetKey, DataVersionRule, Name, Timestamp};

pub use jobs::AssetJob;
pub use key::{InvalidKeyJson, identifier, key_from_json, key_to_json};
pub use partitions::resolve_partitions;

use crate::{Edge, Extent, Mapping, Partitions, TooManyPartitions};

/// Index of an asset in [`AssetGraph::assets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetIdx(pub u32);

/// Index of a maker in [`AssetGraph::makers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MakerIdx(pub u32);

/// All assets and what makes them.
#[derive(Debug, Clone, Default)]
pub struct AssetGraph {
    assets: Vec<Asset>,
    makers: Vec<Maker>,
    by_key: BTreeMap<AssetKey, AssetIdx>,
    /// Makers, each after those that it needs.
    order: Vec<MakerIdx>,
}

/// One asset: one output of its maker.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    pub key: AssetKey,
    pub maker: MakerIdx,
    /// Of the op that makes it.
    pub output: Name,
    pub description: String,
    pub group: Name,
    pub owners: Vec<String>,
    pub kinds: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// The user's text; none if it follows from library, op and config.
    pub code_version: Option<String>,
    pub data_version: DataVersionRule,
}

/// What makes assets: a table `[assets.NAME]`. An external one makes nothing: its asset comes from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Maker {
    /// Of its table.
    pub name: Name,
    pub external: bool,
    /// It can make some of its assets without the others.
    pub can_subset: bool,
    /// In the order of writing.
    pub assets: Vec<AssetIdx>,
    pub partitions: Option<Partitions>,
    /// What its assets are made from, with or without data.
    pub upstream: Vec<Dependency>,
}

/// An asset that others are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    pub asset: AssetIdx,
    /// Written or inferred; checked.
    pub mapping: Mapping,
    /// Input of the step that takes it; none if it only comes first.
    pub input: Option<Name>,
}

impl AssetGraph {
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    pub fn makers(&self) -> &[Maker] {
        &self.makers
    }

    pub fn asset(&self, idx: AssetIdx) -> &Asset {
        &self.assets[idx.0 as usize]
    }

    pub fn maker(&self, idx: MakerIdx) -> &Maker {
        &self.makers[idx.0 as usize]
    }

    /// What makes an asset.
    pub fn maker_of(&self, asset: AssetIdx) -> &Maker {
        self.maker(self.asset(asset).maker)
    }

    pub fn find(&self, key: &AssetKey) -> Option<AssetIdx> {
        self.by_key.get(key).copied()
    }

    /// All indices, in the order of the tables' names.
    pub fn indices(&self) -> impl Iterator<Item = AssetIdx> + use<> {
        (0..u32::try_from(self.assets.len()).expect("assets are counted in 32 bits")).map(AssetIdx)
    }

    /// Makers, each after those that it needs.
    pub fn order(&self) -> &[MakerIdx] {
        &self.order
    }

    /// Assets that an asset is made from, without doubles.
    pub fn upstream(&self, asset: AssetIdx) -> Vec<AssetIdx> {
        let mut upstream: Vec<AssetIdx> = self.maker_of(asset).upstream.iter().map(|dep| dep.asset).collect();
        upstream.sort_unstable();
        upstream.dedup();
        upstream
    }

    /// The partitions of all makers at an instant. `dynamic` holds the keys of dynamic sets, in order of
    /// addition, by the name of their table.
    pub fn extents(
        &self,
        now: Timestamp,
        dynamic: &BTreeMap<Name, Vec<String>>,
    ) -> Result<Extents, TooManyPartitions> {
        let mut known: Vec<(&Partitions, Extent)> = vec![];
        let mut by_maker = Vec::with_capacity(self.makers.len());
        for maker in &self.makers {
            let Some(partitions) = &maker.partitions else {
                by_maker.push(Extent::unpartitioned());
                continue;
            };
            let extent = match known.iter().find(|(of, _)| *of == partitions) {
                Some((_, extent)) => extent.clone(),
                None => {
                    let extent = partitions.at(now, dynamic)?;
                    known.push((partitions, extent.clone()));
                    extent
                }
            };
            by_maker.push(extent);
        }
        Ok(Extents { by_maker })
    }
}

/// The partitions of all makers of a graph at one instant. Equal sets share one extent.
#[derive(Debug, Clone)]
pub struct Extents {
    by_maker: Vec<Extent>,
}

impl Extents {
    pub fn of(&self, maker: MakerIdx) -> &Extent {
        &self.by_maker[maker.0 as usize]
    }

    /// The partitions of an asset.
    pub fn of_asset(&self, graph: &AssetGraph, asset: AssetIdx) -> &Extent {
        self.of(graph.asset(asset).maker)
    }

    /// How partitions correspond along a dependency of a maker.
    pub fn edge<'a>(&'a self, graph: &AssetGraph, maker: MakerIdx, dependency: &'a Dependency) -> Edge<'a> {
        Edge::new(&dependency.mapping, self.of_asset(graph, dependency.asset), self.of(maker))
    }
}
