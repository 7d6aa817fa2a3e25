//! Between sets of which at least one has several dimensions: dimension by dimension. A set without
//! dimensions counts as one.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::Name;

use super::{Edge, Mapping, Upstream, WindowOffsets, same};
use crate::partitions::Kind;
use crate::{Extent, Subset};

const IDENTITY: &Mapping = &Mapping::Identity;
const OVERLAP: &Mapping = &Mapping::Windows(WindowOffsets { start: 0, end: 0 });

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Towards {
    Upstream,
    Downstream,
}

/// One pair of corresponding dimensions, by position on either side.
struct Pair<'a> {
    upstream: usize,
    downstream: usize,
    mapping: &'a Mapping,
}

/// Maps a set one way.
pub(super) fn map(edge: &Edge, partitions: &Subset, towards: Towards) -> Upstream {
    let pairs = pairs(edge);
    let upwards = towards == Towards::Upstream;
    let (from, to) =
        if upwards { (edge.downstream, edge.upstream) } else { (edge.upstream, edge.downstream) };
    let all: Vec<Subset> = dimensions(to).into_iter().map(Extent::all).collect();
    let mut mapped: BTreeMap<(usize, u32), Upstream> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut result = Upstream::default();
    for index in partitions.iter() {
        let coordinates = from.coordinates(index);
        let at = |pair: &Pair| coordinates[if upwards { pair.downstream } else { pair.upstream }];
        // Only the dimensions that correspond matter: the others fit any key.
        if !seen.insert(pairs.iter().map(at).collect::<Vec<u32>>()) {
            continue;
        }
        let mut parts = all.clone();
        for (n, pair) in pairs.iter().enumerate() {
            let one = mapped.entry((n, at(pair))).or_insert_with(|| {
                let mapped = along(edge, pair, at(pair), towards);
                result.missing.extend(mapped.missing.clone());
                mapped
            });
            parts[if upwards { pair.upstream } else { pair.downstream }] = one.partitions.clone();
        }
        result.partitions.extend(&to.product(&parts));
    }
    result
}

/// Maps one key of one dimension.
fn along(edge: &Edge, pair: &Pair, at: u32, towards: Towards) -> Upstream {
    let upstream = dimensions(edge.upstream)[pair.upstream];
    let downstream = dimensions(edge.downstream)[pair.downstream];
    let edge = Edge::new(pair.mapping, upstream, downstream);
    let one = Subset::range(at..at + 1);
    match towards {
        Towards::Upstream => edge.upstream(&one),
        Towards::Downstream => Upstream { partitions: edge.downstream(&one), ..Upstream::default() },
    }
}

fn pairs<'a>(edge: &Edge<'a>) -> Vec<Pair<'a>> {
    match edge.mapping {
        Mapping::Dimensions(mappings) => {
            let of = |mapping: &'a super::DimensionMapping| {
                let upstream = position(edge.upstream, &mapping.upstream)?;
                let downstream = position(edge.downstream, &mapping.downstream)?;
                Some(Pair { upstream, downstream, mapping: &mapping.mapping })
            };
            mappings.iter().filter_map(of).collect()
        }
        Mapping::Dimension(name) => {
            let of = |multi: &Extent, single: &Extent| {
                let Kind::Multi { dimensions } = multi.kind() else {
                    return None;
                };
                let candidates: Vec<Candidate> = dimensions
                    .iter()
                    .map(|(name, extent)| Candidate {
                        name,
                        same: same(extent, single),
                        windows: is_windows(extent) && is_windows(single),
                    })
                    .collect();
                choose(&candidates, name.as_ref()).ok()
            };
            let pair = of(edge.upstream, edge.downstream)
                .map(|(at, mapping)| Pair { upstream: at, downstream: 0, mapping })
                .or_else(|| {
                    let (at, mapping) = of(edge.downstream, edge.upstream)?;
                    Some(Pair { upstream: 0, downstream: at, mapping })
                });
            pair.into_iter().collect()
        }
        _ => vec![],
    }
}

/// A dimension that a set without dimensions may correspond to.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a Name,
    /// It has the same partitions.
    pub(super) same: bool,
    /// Both are time windows.
    pub(super) windows: bool,
}

/// Why no dimension can be chosen.
pub(super) enum NoChoice {
    NoSuchDimension,
    /// Neither the same partitions nor time windows on both sides.
    Unlike,
    Several,
}

/// The dimension that corresponds, by position: the only one with the same partitions, otherwise the only
/// one of time windows.
pub(super) fn choose(
    candidates: &[Candidate],
    wanted: Option<&Name>,
) -> Result<(usize, &'static Mapping), NoChoice> {
    let named = |candidate: &Candidate| wanted.is_none_or(|name| name == candidate.name);
    if !candidates.iter().any(named) {
        return Err(NoChoice::NoSuchDimension);
    }
    let fitting = |fits: fn(&Candidate) -> bool| -> Vec<usize> {
        let positions = candidates.iter().enumerate().filter(|(_, c)| named(c) && fits(c));
        positions.map(|(at, _)| at).collect()
    };
    for (fitting, mapping) in [(fitting(|c| c.same), IDENTITY), (fitting(|c| c.windows), OVERLAP)] {
        match fitting[..] {
            [] => {}
            [at] => return Ok((at, mapping)),
            [..] => return Err(NoChoice::Several),
        }
    }
    Err(NoChoice::Unlike)
}

fn dimensions(extent: &Extent) -> Vec<&Extent> {
    match extent.kind() {
        Kind::Multi { dimensions } => dimensions.iter().map(|(_, extent)| extent).collect(),
        Kind::Unpartitioned | Kind::Names { .. } | Kind::Windows { .. } => vec![extent],
    }
}

fn position(extent: &Extent, name: &Name) -> Option<usize> {
    match extent.kind() {
        Kind::Multi { dimensions } => dimensions.iter().position(|(known, _)| known == name),
        Kind::Unpartitioned | Kind::Names { .. } | Kind::Windows { .. } => None,
    }
}

fn is_windows(extent: &Extent) -> bool {
    matches!(extent.kind(), Kind::Windows { .. })
}
