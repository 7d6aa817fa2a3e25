//! Does a mapping make sense between two sets of partitions? And which one holds if none is written?

use cofferdam_model::{InvalidName, Name};

use super::dimensions::{Candidate, NoChoice, choose};
use super::{DimensionMapping, Mapping, WindowOffsets};
use crate::Partitions;
use crate::partitions::{OFFSET_MAX, shown};

/// Why a mapping cannot hold between two sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMapping {
    #[error("{mapping} needs {expected} on both sides; upstream has {upstream}, downstream {downstream}")]
    Kinds { mapping: &'static str, expected: &'static str, upstream: &'static str, downstream: &'static str },
    #[error("upstream has no partition `{}`", shown(.key))]
    UpstreamKey { key: String, near: Option<String> },
    #[error("downstream has no partition `{}`", shown(.key))]
    DownstreamKey { key: String, near: Option<String> },
    #[error("a mapping to specific partitions names none")]
    NoKeys,
    #[error("an offset is at most {OFFSET_MAX} windows either way, not {0}")]
    Offset(i64),
    #[error(
        "the window would end before it starts: it is moved by {start} at its start and {end} at its end"
    )]
    Backwards { start: i64, end: i64 },
    #[error("{side} has no dimension `{name}`")]
    NoDimension { side: &'static str, name: Name, known: Vec<Name> },
    #[error("`{}` can be no dimension's name: {why}", shown(.name))]
    DimensionName { name: String, why: InvalidName },
    #[error("the {side} dimension `{name}` is mapped twice")]
    DoubleDimension { side: &'static str, name: Name },
    #[error("one side must have several dimensions and the other one; {0}")]
    OneSide(&'static str),
    #[error("no dimension has the partitions of the other side")]
    NoLikeDimension,
    #[error("several dimensions have the partitions of the other side")]
    SeveralDimensions,
    #[error("in the mapping of dimension `{upstream}` to `{downstream}`: {why}")]
    Within { upstream: Name, downstream: Name, why: Box<InvalidMapping> },
}

impl InvalidMapping {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        let listed = |known: &[Name]| known.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        match self {
            InvalidMapping::Kinds { .. } => {
                Some("say how they correspond: `all`, `last`, specific keys, or a dimension".to_owned())
            }
            InvalidMapping::UpstreamKey { near, .. } | InvalidMapping::DownstreamKey { near, .. } => {
                near.as_ref().map(|near| format!("did you mean `{near}`?"))
            }
            InvalidMapping::NoDimension { known, .. } if known.is_empty() => {
                Some("it has no dimensions at all".to_owned())
            }
            InvalidMapping::NoDimension { known, .. } => Some(format!("there are {}", listed(known))),
            InvalidMapping::SeveralDimensions => Some("say which dimension it is".to_owned()),
            InvalidMapping::Within { why, .. } => why.hint(),
            InvalidMapping::NoKeys
            | InvalidMapping::Offset(_)
            | InvalidMapping::Backwards { .. }
            | InvalidMapping::DimensionName { .. }
            | InvalidMapping::DoubleDimension { .. }
            | InvalidMapping::OneSide(_)
            | InvalidMapping::NoLikeDimension => None,
        }
    }
}

/// The mapping that holds if none is written: the same dimension, overlapping windows or the same key, and
/// all partitions if one side has none.
pub fn infer(upstream: Option<&Partitions>, downstream: Option<&Partitions>) -> Mapping {
    let (Some(up), Some(down)) = (upstream, downstream) else {
        return Mapping::All;
    };
    match (up, down) {
        (Partitions::Windows(_), Partitions::Windows(_)) => Mapping::Windows(WindowOffsets::default()),
        _ if check_dimension(None, up, down).is_none() => Mapping::Dimension(None),
        _ => Mapping::Identity,
    }
}

impl Mapping {
    /// Checks the mapping between two sets; all mistakes.
    pub fn check(
        &self,
        upstream: Option<&Partitions>,
        downstream: Option<&Partitions>,
    ) -> Vec<InvalidMapping> {
        let (Some(up), Some(down)) = (upstream, downstream) else {
            // With partitions on one side only, every mapping but these few would say nothing.
            return match (self, upstream) {
                (Mapping::All | Mapping::Last, _) => vec![],
                (Mapping::Specific(keys), Some(up)) => check_keys(keys, up),
                _ => vec![kinds(self, "partitions", upstream, downstream)],
            };
        };
        match self {
            Mapping::All | Mapping::Last => vec![],
            Mapping::Specific(keys) => check_keys(keys, up),
            Mapping::Identity if std::mem::discriminant(up) == std::mem::discriminant(down) => vec![],
            Mapping::Identity => vec![kinds(self, "partitions of one kind", upstream, downstream)],
            Mapping::Static(map) => {
                let known = |partitions: &Partitions, key: &str| match partitions {
                    Partitions::Static(keys) => keys.iter().any(|known| **known == *key),
                    _ => true,
                };
                if !matches!((up, down), (Partitions::Static(_), Partitions::Static(_))) {
                    return vec![kinds(self, "static partitions", upstream, downstream)];
                }
                let ups = map.keys().filter(|key| !known(up, key));
                let ups =
                    ups.map(|key| InvalidMapping::UpstreamKey { key: key.clone(), near: near(up, key) });
                let downs = map.values().flatten().filter(|key| !known(down, key));
                ups.chain(
                    downs
                        .map(|key| InvalidMapping::DownstreamKey { key: key.clone(), near: near(down, key) }),
                )
                .collect()
            }
            Mapping::Windows(offsets) => match (up, down) {
                (Partitions::Windows(_), Partitions::Windows(_)) => check_offsets(*offsets),
                _ => vec![kinds(self, "time windows", upstream, downstream)],
            },
            Mapping::Dimension(name) => check_dimension(name.as_ref(), up, down).into_iter().collect(),
            Mapping::Dimensions(mappings) => check_dimensions(mappings, up, down),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Mapping::Identity => "the mapping to the same key",
            Mapping::All => "the mapping to all partitions",
            Mapping::Last => "the mapping to the last partition",
            Mapping::Specific(_) => "a mapping to specific partitions",
            Mapping::Static(_) => "a mapping of keys to keys",
            Mapping::Windows(_) => "a mapping of time windows",
            Mapping::Dimension(_) => "the mapping to one dimension",
            Mapping::Dimensions(_) => "a mapping of dimensions",
        }
    }
}

fn kinds(
    mapping: &Mapping,
    expected: &'static str,
    up: Option<&Partitions>,
    down: Option<&Partitions>,
) -> InvalidMapping {
    let word = |partitions: Option<&Partitions>| partitions.map_or("no partitions", Partitions::kind_word);
    InvalidMapping::Kinds { mapping: mapping.word(), expected, upstream: word(up), downstream: word(down) }
}

/// Keys of windows and dynamic sets may come to exist later.
fn check_keys(keys: &[String], up: &Partitions) -> Vec<InvalidMapping> {
    if keys.is_empty() {
        return vec![InvalidMapping::NoKeys];
    }
    let Partitions::Static(known) = up else {
        return vec![];
    };
    keys.iter()
        .filter(|key| !known.iter().any(|known| **known == ***key))
        .map(|key| InvalidMapping::UpstreamKey { key: key.clone(), near: near(up, key) })
        .collect()
}

fn near(partitions: &Partitions, key: &str) -> Option<String> {
    let Partitions::Static(keys) = partitions else {
        return None;
    };
    cofferdam_model::nearest(key, keys.iter().map(AsRef::as_ref)).map(str::to_owned)
}

fn check_offsets(offsets: WindowOffsets) -> Vec<InvalidMapping> {
    let too_far = [offsets.start, offsets.end].into_iter().filter(|offset| offset.abs() > OFFSET_MAX);
    let mut mistakes: Vec<InvalidMapping> = too_far.map(InvalidMapping::Offset).collect();
    if offsets.start > offsets.end && mistakes.is_empty() {
        mistakes.push(InvalidMapping::Backwards { start: offsets.start, end: offsets.end });
    }
    mistakes
}

fn check_dimension(wanted: Option<&Name>, up: &Partitions, down: &Partitions) -> Option<InvalidMapping> {
    let (dimensions, single) = match (up, down) {
        (Partitions::Multi(_), Partitions::Multi(_)) => {
            return Some(InvalidMapping::OneSide("both have several"));
        }
        (Partitions::Multi(dimensions), single) | (single, Partitions::Multi(dimensions)) => {
            (dimensions, single)
        }
        _ => return Some(InvalidMapping::OneSide("neither has")),
    };
    let is_windows = |partitions: &Partitions| matches!(partitions, Partitions::Windows(_));
    let candidates: Vec<Candidate> = dimensions
        .iter()
        .map(|(name, partitions)| Candidate {
            name,
            same: partitions == single,
            windows: is_windows(partitions) && is_windows(single),
        })
        .collect();
    match (choose(&candidates, wanted), wanted) {
        (Ok(_), _) => None,
        (Err(NoChoice::NoSuchDimension), Some(name)) => {
            let known = dimensions.iter().map(|(name, _)| name.clone()).collect();
            Some(InvalidMapping::NoDimension { side: "the side with dimensions", name: name.clone(), known })
        }
        (Err(NoChoice::Several), _) => Some(InvalidMapping::SeveralDimensions),
        (Err(NoChoice::NoSuchDimension | NoChoice::Unlike), _) => Some(InvalidMapping::NoLikeDimension),
    }
}

fn check_dimensions(
    mappings: &[DimensionMapping],
    up: &Partitions,
    down: &Partitions,
) -> Vec<InvalidMapping> {
    let mut mistakes = vec![];
    let mut seen: Vec<(&'static str, &Name)> = vec![];
    for mapping in mappings {
        for (side, partitions, name) in
            [("upstream", up, &mapping.upstream), ("downstream", down, &mapping.downstream)]
        {
            if partitions.dimension(name).is_none() {
                let known = match partitions {
                    Partitions::Multi(dimensions) => {
                        dimensions.iter().map(|(name, _)| name.clone()).collect()
                    }
                    _ => vec![],
                };
                mistakes.push(InvalidMapping::NoDimension { side, name: name.clone(), known });
            } else if seen.contains(&(side, name)) {
                mistakes.push(InvalidMapping::DoubleDimension { side, name: name.clone() });
            }
            seen.push((side, name));
        }
        if let (Some(up), Some(down)) = (up.dimension(&mapping.upstream), down.dimension(&mapping.downstream))
        {
            mistakes.extend(mapping.mapping.check(Some(up), Some(down)).into_iter().map(|why| {
                let (upstream, downstream) = (mapping.upstream.clone(), mapping.downstream.clone());
                InvalidMapping::Within { upstream, downstream, why: Box::new(why) }
            }));
        }
    }
    mistakes
}
