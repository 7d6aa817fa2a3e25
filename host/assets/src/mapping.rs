//! Which partitions of an upstream asset a partition of a downstream asset is made from, and the other way
//! round. An [`Edge`] is a mapping between two extents.

mod check;
mod dimensions;
mod windows;

use std::collections::BTreeMap;

use cofferdam_model::{Name, PartitionMappingDef};

pub use check::{InvalidMapping, infer};
use dimensions::Towards;

use crate::partitions::Kind;
use crate::{Extent, Partitions, Subset};

/// How partitions correspond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// To the partition with the same key.
    Identity,
    /// Each to all.
    All,
    /// Each to the last one upstream.
    Last,
    /// Each to these upstream.
    Specific(Vec<String>),
    /// Downstream keys by upstream key (a definition says it the other way round).
    Static(BTreeMap<String, Vec<String>>),
    /// To the windows that overlap, after the downstream window's start and end were moved.
    Windows(WindowOffsets),
    /// One of the sides has several dimensions, the other one corresponds to this one of them (by default to
    /// the one with the same partitions, or the only one of time windows). Every key of the others fits.
    Dimension(Option<Name>),
    /// Dimension by dimension; every key of a dimension that is not named fits every key.
    Dimensions(Vec<DimensionMapping>),
}

/// How far a downstream window is moved before overlapping windows upstream are looked for; counted in
/// windows downstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowOffsets {
    pub start: i64,
    pub end: i64,
}

/// One dimension upstream, one downstream, and how they correspond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionMapping {
    pub upstream: Name,
    pub downstream: Name,
    pub mapping: Mapping,
}

/// A mapping between two extents of one instant.
#[derive(Debug, Clone, Copy)]
pub struct Edge<'a> {
    mapping: &'a Mapping,
    upstream: &'a Extent,
    downstream: &'a Extent,
    /// Both sides have the same partitions. Found once, as it may mean to compare all keys.
    same: bool,
}

/// Upstream partitions that a set of downstream partitions is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    pub partitions: Subset,
    pub missing: Missing,
}

/// Partitions that should be there upstream but do not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// The first of them; at most [`MISSING_SHOWN_MAX`].
    pub keys: Vec<String>,
    pub n: usize,
}

/// Missing keys that are kept; more say no more.
pub const MISSING_SHOWN_MAX: usize = 10;

/// Missing windows that are counted. A mapping far beyond the first window would otherwise count for long.
pub const MISSING_COUNTED_MAX: usize = 10_000;

impl Missing {
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn add(&mut self, key: Option<String>) {
        self.n += 1;
        if self.keys.len() < MISSING_SHOWN_MAX {
            self.keys.extend(key);
        }
    }

    fn extend(&mut self, other: Missing) {
        self.n += other.n;
        let room = MISSING_SHOWN_MAX - self.keys.len();
        self.keys.extend(other.keys.into_iter().take(room));
    }
}

impl Mapping {
    /// What a definition says. Fails if a dimension cannot have the name that is written.
    pub fn from_def(def: &PartitionMappingDef) -> Result<Mapping, InvalidMapping> {
        let dimension = |text: &String| {
            Name::new(text).map_err(|why| InvalidMapping::DimensionName { name: text.clone(), why })
        };
        Ok(match def {
            PartitionMappingDef::Identity => Mapping::Identity,
            PartitionMappingDef::All => Mapping::All,
            PartitionMappingDef::Last => Mapping::Last,
            PartitionMappingDef::Specific(keys) => Mapping::Specific(keys.clone()),
            PartitionMappingDef::Static(upstream_keys) => {
                let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for (downstream, upstream) in upstream_keys {
                    for key in upstream {
                        map.entry(key.clone()).or_default().push(downstream.clone());
                    }
                }
                Mapping::Static(map)
            }
            PartitionMappingDef::TimeWindow { start_offset, end_offset } => {
                Mapping::Windows(WindowOffsets { start: *start_offset, end: *end_offset })
            }
            PartitionMappingDef::Dimension(name) => Mapping::Dimension(Some(dimension(name)?)),
            PartitionMappingDef::Multi(dimensions) => {
                let of = |(down, (up, def)): (&String, &(String, PartitionMappingDef))| {
                    Ok(DimensionMapping {
                        upstream: dimension(up)?,
                        downstream: dimension(down)?,
                        mapping: Mapping::from_def(def)?,
                    })
                };
                Mapping::Dimensions(dimensions.iter().map(of).collect::<Result<_, InvalidMapping>>()?)
            }
        })
    }

    /// Does it lead a set to earlier partitions of itself only, so that something may be made from its own
    /// past? Earlier windows, and in several dimensions nothing else that differs.
    pub fn leads_to_the_past(&self, partitions: Option<&Partitions>) -> bool {
        match (self, partitions) {
            (Mapping::Windows(offsets), Some(Partitions::Windows(_))) => offsets.end < 0,
            (Mapping::Dimensions(mappings), Some(Partitions::Multi(dimensions))) => {
                let straight = |one: &DimensionMapping| one.upstream == one.downstream;
                let past = |one: &DimensionMapping| {
                    let dimension = dimensions.iter().find(|(name, _)| *name == one.downstream);
                    one.mapping.leads_to_the_past(dimension.map(|(_, partitions)| partitions))
                };
                let same = |one: &DimensionMapping| one.mapping == Mapping::Identity;
                mappings.len() == dimensions.len()
                    && mappings.iter().all(|one| straight(one) && (same(one) || past(one)))
                    && mappings.iter().any(past)
            }
            _ => false,
        }
    }
}

impl<'a> Edge<'a> {
    /// The caller has checked that the mapping can hold ([`Mapping::check`]).
    pub fn new(mapping: &'a Mapping, upstream: &'a Extent, downstream: &'a Extent) -> Edge<'a> {
        Edge { mapping, upstream, downstream, same: same(upstream, downstream) }
    }

    /// Does each partition correspond to the one with the same index?
    pub fn is_identity(&self) -> bool {
        let straight = match self.mapping {
            Mapping::Identity => true,
            Mapping::Windows(offsets) => (offsets.start, offsets.end) == (0, 0),
            Mapping::All | Mapping::Last => !self.upstream.is_partitioned(),
            Mapping::Specific(_) | Mapping::Static(_) | Mapping::Dimension(_) | Mapping::Dimensions(_) => {
                false
            }
        };
        straight && self.same
    }

    /// What a set of downstream partitions is made from.
    pub fn upstream(&self, partitions: &Subset) -> Upstream {
        if partitions.is_empty() {
            return Upstream::default();
        }
        let (up, down) = (self.upstream, self.downstream);
        let found = |partitions| Upstream { partitions, missing: Missing::default() };
        match self.mapping {
            // Whatever has no partitions is made from all, and is part of all.
            _ if !up.is_partitioned() => found(up.all()),
            Mapping::All => found(up.all()),
            Mapping::Last => found(up.last().into_iter().collect()),
            Mapping::Specific(keys) => by_keys(keys, up),
            _ if !down.is_partitioned() => found(up.all()),
            Mapping::Identity if self.same => found(partitions.clone()),
            Mapping::Identity => same_keys(partitions, down, up),
            Mapping::Static(map) => {
                let keys: Vec<&str> = map
                    .iter()
                    .filter(|(_, downs)| {
                        downs.iter().any(|key| down.index(key).is_some_and(|at| partitions.contains(at)))
                    })
                    .map(|(key, _)| key.as_str())
                    .collect();
                by_keys(&keys, up)
            }
            Mapping::Windows(offsets) => windows::upstream(*offsets, down, up, partitions),
            Mapping::Dimension(_) | Mapping::Dimensions(_) => {
                dimensions::map(self, partitions, Towards::Upstream)
            }
        }
    }

    /// What is made from a set of upstream partitions.
    pub fn downstream(&self, partitions: &Subset) -> Subset {
        if partitions.is_empty() {
            return Subset::EMPTY;
        }
        let (up, down) = (self.upstream, self.downstream);
        let all_if = |used: bool| if used { down.all() } else { Subset::EMPTY };
        match self.mapping {
            _ if !up.is_partitioned() => down.all(),
            Mapping::All => down.all(),
            Mapping::Last => all_if(up.last().is_some_and(|last| partitions.contains(last))),
            Mapping::Specific(keys) => {
                all_if(keys.iter().any(|key| up.index(key).is_some_and(|at| partitions.contains(at))))
            }
            _ if !down.is_partitioned() => down.all(),
            Mapping::Identity if self.same => partitions.clone(),
            Mapping::Identity => same_keys(partitions, up, down).partitions,
            Mapping::Static(map) => {
                let used =
                    map.iter().filter(|(key, _)| up.index(key).is_some_and(|at| partitions.contains(at)));
                let keys: Vec<&String> = used.flat_map(|(_, downs)| downs).collect();
                by_keys(&keys, down).partitions
            }
            Mapping::Windows(offsets) => windows::downstream(*offsets, up, down, partitions),
            Mapping::Dimension(_) | Mapping::Dimensions(_) => {
                dimensions::map(self, partitions, Towards::Downstream).partitions
            }
        }
    }
}

fn by_keys<K: AsRef<str>>(keys: &[K], to: &Extent) -> Upstream {
    let mut result = Upstream::default();
    for key in keys {
        match to.index(key.as_ref()) {
            Some(index) => result.partitions.add(index..index + 1),
            None => result.missing.add(Some(key.as_ref().to_owned())),
        }
    }
    result
}

fn same_keys(partitions: &Subset, from: &Extent, to: &Extent) -> Upstream {
    let mut result = Upstream::default();
    for index in partitions.iter() {
        let key = from.key(index);
        match key.as_deref().and_then(|key| to.index(key)) {
            Some(index) => result.partitions.add(index..index + 1),
            None => result.missing.add(key),
        }
    }
    result
}

/// Do two extents have the same keys in the same order? Cheap: compares definitions, not keys.
pub(crate) fn same(a: &Extent, b: &Extent) -> bool {
    match (a.kind(), b.kind()) {
        (Kind::Unpartitioned, Kind::Unpartitioned) => true,
        _ if a.is_copy_of(b) => true,
        (Kind::Names { keys: a, .. }, Kind::Names { keys: b, .. }) => a == b,
        (Kind::Windows { windows: x, bounds: a }, Kind::Windows { windows: y, bounds: b }) => {
            x == y && a.len() == b.len()
        }
        (Kind::Multi { dimensions: a }, Kind::Multi { dimensions: b }) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|((x, a), (y, b))| x == y && same(a, b))
        }
        _ => false,
    }
}
