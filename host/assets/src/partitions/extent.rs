//! The partitions that exist at one instant, in order, by index and by key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cofferdam_cron::Seconds;
use cofferdam_model::{Name, Timestamp, nearest};

use super::{DIMENSION_SEPARATOR, PARTITIONS_MAX, Partitions, RANGE_SEPARATOR, TimeWindows, Window, shown};
use crate::Subset;

/// Keys that are compared for a "did you mean"; more would take longer than a hint is worth.
const KEYS_COMPARED_MAX: u32 = 10_000;

/// A set of partitions as it is at one instant: an index for every partition. Something without partitions
/// has one, without a key.
#[derive(Debug, Clone)]
pub struct Extent {
    kind: Arc<Kind>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Unpartitioned,
    Names {
        keys: Arc<[Arc<str>]>,
        indices: HashMap<Arc<str>, u32>,
    },
    /// Starts of the windows and the end of the last.
    Windows {
        windows: Arc<TimeWindows>,
        bounds: Vec<Seconds>,
    },
    /// Index of a combination: the last dimension counts fastest.
    Multi {
        dimensions: Vec<(Name, Extent)>,
    },
}

/// There are more partitions than [`PARTITIONS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the set has more than {PARTITIONS_MAX} partitions; use longer windows or a later start")]
pub struct TooManyPartitions;

/// Why a text names no partitions of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPartition {
    #[error("this asset has no partitions, so there is no `{}`", shown(.0))]
    Unpartitioned(String),
    #[error("there is no partition `{}`", shown(.key))]
    Unknown { key: String, near: Option<String>, example: Option<String> },
    #[error("`{}` starts no window", shown(.key))]
    NoWindow { key: String, example: Option<String> },
    #[error("the window `{}` comes before the first one, `{first}`", shown(.key))]
    TooEarly { key: String, first: String },
    #[error("the window `{}` comes after the last one, `{last}`", shown(.key))]
    TooLate { key: String, last: String },
    #[error("there are no partitions yet, so there is no `{}`", shown(.key))]
    None { key: String },
    #[error("the range `{}` ends before it starts", shown(.0))]
    Backwards(String),
    #[error("`{}` has {found} keys, but there are {expected} dimensions", shown(.key))]
    Dimensions { key: String, found: usize, expected: usize, names: Vec<Name> },
    #[error("in dimension `{name}`: {why}")]
    Dimension { name: Name, why: Box<InvalidPartition> },
}

impl InvalidPartition {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            InvalidPartition::Unpartitioned(_) => Some("leave the partition out".to_owned()),
            InvalidPartition::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            InvalidPartition::Unknown { example: Some(example), .. } => {
                Some(format!("the first partition is `{example}`"))
            }
            InvalidPartition::Unknown { .. } => None,
            InvalidPartition::NoWindow { example, .. } => {
                example.as_ref().map(|key| format!("keys look like this: `{key}`"))
            }
            InvalidPartition::TooEarly { .. } => Some("move the `start` of the partitions".to_owned()),
            InvalidPartition::TooLate { .. } => {
                Some("a window exists once it has ended; `end_offset` adds later ones".to_owned())
            }
            InvalidPartition::None { .. } => {
                Some("add a key, or wait for the first window to end".to_owned())
            }
            InvalidPartition::Backwards(_) => Some("write the earlier key first".to_owned()),
            InvalidPartition::Dimensions { names, .. } => {
                let keys: Vec<&str> = names.iter().map(Name::as_str).collect();
                Some(format!("write one key for each of {}, with `|` between them", keys.join(" | ")))
            }
            InvalidPartition::Dimension { why, .. } => why.hint(),
        }
    }
}

impl Partitions {
    /// What there is at an instant. `dynamic` holds the keys that were added so far, in order of addition.
    pub fn at(
        &self,
        now: Timestamp,
        dynamic: &BTreeMap<Name, Vec<String>>,
    ) -> Result<Extent, TooManyPartitions> {
        let kind = match self {
            Partitions::Static(keys) => names(keys.clone()),
            Partitions::Dynamic(name) => match dynamic.get(name) {
                Some(keys) if keys.len() > PARTITIONS_MAX => return Err(TooManyPartitions),
                keys => names(keys.into_iter().flatten().map(|key| Arc::from(key.as_str())).collect()),
            },
            Partitions::Windows(windows) => {
                let now = Seconds::try_from(now.0 / 1000).unwrap_or(Seconds::MAX);
                let bounds = windows.boundaries(now).ok_or(TooManyPartitions)?;
                Kind::Windows { windows: windows.clone(), bounds }
            }
            Partitions::Multi(dimensions) => {
                let dimensions: Vec<(Name, Extent)> = dimensions
                    .iter()
                    .map(|(name, partitions)| Ok((name.clone(), partitions.at(now, dynamic)?)))
                    .collect::<Result<_, TooManyPartitions>>()?;
                let n =
                    dimensions.iter().try_fold(1usize, |n, (_, extent)| n.checked_mul(extent.len() as usize));
                if n.is_none_or(|n| n > PARTITIONS_MAX) {
                    return Err(TooManyPartitions);
                }
                Kind::Multi { dimensions }
            }
        };
        Ok(Extent { kind: kind.into() })
    }
}

fn names(keys: Arc<[Arc<str>]>) -> Kind {
    let indices = keys.iter().cloned().zip(0..).collect();
    Kind::Names { keys, indices }
}

impl Extent {
    /// Of something without partitions: one index, no key.
    pub fn unpartitioned() -> Extent {
        Extent { kind: Kind::Unpartitioned.into() }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Are both of the same set at the same instant, because one was copied from the other? Cheap.
    pub(crate) fn is_copy_of(&self, other: &Extent) -> bool {
        Arc::ptr_eq(&self.kind, &other.kind)
    }

    pub fn is_partitioned(&self) -> bool {
        !matches!(self.kind(), Kind::Unpartitioned)
    }

    /// Number of partitions; at most [`PARTITIONS_MAX`].
    pub fn len(&self) -> u32 {
        let n = match self.kind() {
            Kind::Unpartitioned => 1,
            Kind::Names { keys, .. } => keys.len(),
            Kind::Windows { bounds, .. } => bounds.len().saturating_sub(1),
            Kind::Multi { dimensions } => {
                return dimensions.iter().map(|(_, extent)| extent.len()).product();
            }
        };
        u32::try_from(n).expect("a set has at most PARTITIONS_MAX partitions")
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn all(&self) -> Subset {
        Subset::range(0..self.len())
    }

    /// The last partition: the latest window, or the key that was added last.
    pub fn last(&self) -> Option<u32> {
        self.len().checked_sub(1)
    }

    /// The key of a partition; `None` without partitions, or beyond the last one.
    pub fn key(&self, index: u32) -> Option<String> {
        let at = index as usize;
        match self.kind() {
            Kind::Unpartitioned => None,
            Kind::Names { keys, .. } => keys.get(at).map(|key| key.as_ref().to_owned()),
            Kind::Windows { windows, bounds } => (at + 1 < bounds.len()).then(|| windows.key(bounds[at])),
            Kind::Multi { dimensions } => {
                if index >= self.len() {
                    return None;
                }
                let coordinates = self.coordinates(index);
                let keys = dimensions.iter().zip(coordinates).map(|((_, extent), at)| extent.key(at));
                Some(keys.collect::<Option<Vec<String>>>()?.join("|"))
            }
        }
    }

    /// The key in each dimension; nothing for sets of one dimension.
    pub fn dimension_keys(&self, index: u32) -> Vec<(Name, String)> {
        let Kind::Multi { dimensions } = self.kind() else {
            return vec![];
        };
        let keys = dimensions.iter().zip(self.coordinates(index));
        keys.filter_map(|((name, extent), at)| Some((name.clone(), extent.key(at)?))).collect()
    }

    /// The window of a partition, where partitions are windows or one dimension is of windows.
    pub fn window(&self, index: u32) -> Option<Window> {
        match self.kind() {
            Kind::Unpartitioned | Kind::Names { .. } => None,
            Kind::Windows { bounds, .. } => {
                let at = index as usize;
                Some(Window { start: *bounds.get(at)?, end: *bounds.get(at + 1)? })
            }
            Kind::Multi { dimensions } => {
                let coordinates = self.coordinates(index);
                dimensions.iter().zip(coordinates).find_map(|((_, extent), at)| extent.window(at))
            }
        }
    }

    /// The partition whose window an instant (seconds since 1970-01-01 00:00 UTC) falls into.
    pub fn at_instant(&self, instant: i64) -> Option<u32> {
        let Kind::Windows { bounds, .. } = self.kind() else {
            return None;
        };
        let after = bounds.partition_point(|bound| *bound <= instant);
        (1..bounds.len()).contains(&after).then(|| u32::try_from(after - 1).ok()).flatten()
    }

    /// The partition with a key.
    pub fn index(&self, key: &str) -> Option<u32> {
        match self.kind() {
            Kind::Unpartitioned => None,
            Kind::Names { indices, .. } => indices.get(key).copied(),
            Kind::Windows { windows, bounds } => {
                let at = bounds.binary_search(&windows.start_of(key)?).ok()?;
                u32::try_from(at).ok().filter(|at| *at < self.len())
            }
            Kind::Multi { dimensions } => {
                let keys: Vec<&str> = key.split(DIMENSION_SEPARATOR).collect();
                if keys.len() != dimensions.len() {
                    return None;
                }
                dimensions
                    .iter()
                    .zip(keys)
                    .try_fold(0, |index, ((_, extent), key)| Some(index * extent.len() + extent.index(key)?))
            }
        }
    }

    /// Reads `key`, or a range `first...last` with both ends in it; an end that is left out is the first or
    /// last partition. In several dimensions a range is taken in each of them.
    pub fn resolve(&self, text: &str) -> Result<Subset, InvalidPartition> {
        let Some((first, last)) = text.split_once(RANGE_SEPARATOR) else {
            return self.find(text).map(|index| Subset::range(index..index + 1));
        };
        match self.kind() {
            Kind::Multi { dimensions } => {
                let firsts = split(first, dimensions)?;
                let lasts = split(last, dimensions)?;
                let parts = dimensions.iter().zip(firsts.iter().zip(&lasts));
                let parts = parts.map(|((name, extent), (first, last))| {
                    let whole = format!("{first}{RANGE_SEPARATOR}{last}");
                    extent.between(first, last, &whole).map_err(|why| within(name, why))
                });
                Ok(self.product(&parts.collect::<Result<Vec<Subset>, InvalidPartition>>()?))
            }
            _ => self.between(first, last, text),
        }
    }

    fn between(&self, first: &str, last: &str, whole: &str) -> Result<Subset, InvalidPartition> {
        if self.is_empty() {
            return Err(InvalidPartition::None { key: whole.to_owned() });
        }
        let start = if first.is_empty() { 0 } else { self.find(first)? };
        let end = if last.is_empty() { self.len() - 1 } else { self.find(last)? };
        if end < start {
            return Err(InvalidPartition::Backwards(whole.to_owned()));
        }
        Ok(Subset::range(start..end + 1))
    }

    /// The partition with a key, or what is wrong with the key.
    pub fn find(&self, key: &str) -> Result<u32, InvalidPartition> {
        self.index(key).map_or_else(|| Err(self.why_not(key)), Ok)
    }

    fn why_not(&self, key: &str) -> InvalidPartition {
        let found = key.to_owned();
        match self.kind() {
            Kind::Unpartitioned => InvalidPartition::Unpartitioned(found),
            Kind::Multi { dimensions } => match split(key, dimensions) {
                Err(why) => why,
                Ok(keys) => dimensions
                    .iter()
                    .zip(keys)
                    .find_map(|((name, extent), key)| Some(within(name, extent.find(&key).err()?)))
                    .unwrap_or(InvalidPartition::None { key: found }),
            },
            _ if self.is_empty() => InvalidPartition::None { key: found },
            Kind::Windows { windows, bounds } => {
                let (first, last) = (self.key(0), self.key(self.len() - 1));
                match (windows.start_of(key), first, last) {
                    (Some(start), Some(first), _) if start < bounds[0] => {
                        InvalidPartition::TooEarly { key: found, first }
                    }
                    (Some(_), _, Some(last)) => InvalidPartition::TooLate { key: found, last },
                    (_, _, example) => InvalidPartition::NoWindow { key: found, example },
                }
            }
            Kind::Names { keys, .. } => {
                let compared = keys.iter().take(KEYS_COMPARED_MAX as usize).map(AsRef::as_ref);
                let near = nearest(key, compared).map(str::to_owned);
                InvalidPartition::Unknown { key: found, near, example: self.key(0) }
            }
        }
    }

    /// Index in each dimension; for one dimension the index itself.
    pub(crate) fn coordinates(&self, index: u32) -> Vec<u32> {
        let Kind::Multi { dimensions } = self.kind() else {
            return vec![index];
        };
        let mut rest = index;
        let mut coordinates: Vec<u32> = dimensions
            .iter()
            .rev()
            .map(|(_, extent)| {
                let n = extent.len().max(1);
                let at = rest % n;
                rest /= n;
                at
            })
            .collect();
        coordinates.reverse();
        coordinates
    }

    /// All combinations of a subset per dimension; the inverse of [`Extent::coordinates`].
    pub(crate) fn product(&self, parts: &[Subset]) -> Subset {
        let Kind::Multi { dimensions } = self.kind() else {
            return parts.first().cloned().unwrap_or_default();
        };
        let mut combined = Subset::range(0..1);
        for ((_, extent), part) in dimensions.iter().zip(parts) {
            let n = extent.len();
            let mut next = Subset::EMPTY;
            if part.len() == n as usize {
                // A whole dimension stretches each range.
                for range in combined.ranges() {
                    next.add(range.start * n..range.end * n);
                }
            } else {
                for prefix in combined.iter() {
                    for range in part.ranges() {
                        next.add(prefix * n + range.start..prefix * n + range.end);
                    }
                }
            }
            combined = next;
        }
        combined
    }
}

fn split(key: &str, dimensions: &[(Name, Extent)]) -> Result<Vec<String>, InvalidPartition> {
    let keys: Vec<String> = key.split(DIMENSION_SEPARATOR).map(str::to_owned).collect();
    if keys.len() == dimensions.len() {
        return Ok(keys);
    }
    if key.is_empty() {
        // The open end of a range is open in each dimension.
        return Ok(vec![String::new(); dimensions.len()]);
    }
    let names = dimensions.iter().map(|(name, _)| name.clone()).collect();
    let (found, expected) = (keys.len(), dimensions.len());
    Err(InvalidPartition::Dimensions { key: key.to_owned(), found, expected, names })
}

fn within(name: &Name, why: InvalidPartition) -> InvalidPartition {
    InvalidPartition::Dimension { name: name.clone(), why: Box::new(why) }
}
