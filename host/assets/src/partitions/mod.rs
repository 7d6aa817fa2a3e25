//! Sets of partitions: what a person declares ([`Partitions`]) and what there is of it at one instant
//! ([`Extent`]). Neither knows an asset, a clock or where dynamic names are kept.

mod extent;
mod key;
mod windows;

use std::sync::Arc;

use cofferdam_model::Name;

pub(crate) use extent::Kind;
pub use extent::{Extent, InvalidPartition, TooManyPartitions};
pub use key::{
    DIMENSION_SEPARATOR, InvalidPartitionKey, PARTITION_KEY_BYTES_MAX, RANGE_SEPARATOR, check as check_key,
};
pub use windows::{MONTH_DAY_MAX, OFFSET_MAX, TimeWindows, Window};

/// Most partitions that one asset may have: eleven years of minutes would already be past it. Keeps what a
/// set costs in memory (8 bytes a window) and in answers within bounds.
pub const PARTITIONS_MAX: usize = 1_000_000;

/// Most dimensions of a set.
pub const DIMENSIONS_MAX: usize = 8;

/// A checked set of partitions.
#[derive(Debug, Clone, PartialEq)]
pub enum Partitions {
    /// Names, in the order of writing.
    Static(Arc<[Arc<str>]>),
    Windows(Arc<TimeWindows>),
    /// Names that are added while the instance lives, under this name.
    Dynamic(Name),
    /// One key of each dimension; in the order of the dimensions' names, as in keys.
    Multi(Arc<[(Name, Partitions)]>),
}

/// Why a set of partitions is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPartitions {
    #[error("a set of partitions needs at least one key")]
    NoKeys,
    #[error("the partition `{}` is there twice", shown(.0))]
    DoubleKey(String),
    #[error("`{key}` is no partition key: {why}", key = shown(.key))]
    Key { key: String, why: InvalidPartitionKey },
    #[error("there are at most {PARTITIONS_MAX} partitions, these are {0}")]
    TooMany(usize),
    #[error("a set of several dimensions has 2 to {DIMENSIONS_MAX} of them, this one has {0}")]
    Dimensions(usize),
    #[error("two dimensions have the name `{0}`")]
    DoubleDimension(Name),
    #[error("the dimension `{0}` has dimensions itself; list them all in one set")]
    Nested(Name),
}

impl InvalidPartitions {
    /// The key that is wrong.
    pub(crate) fn key(&self) -> Option<&String> {
        match self {
            InvalidPartitions::DoubleKey(key) | InvalidPartitions::Key { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl Partitions {
    /// A fixed list of keys; all mistakes at once.
    pub fn fixed<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Partitions, Vec<InvalidPartitions>> {
        let keys: Vec<Arc<str>> = keys.into_iter().map(Arc::from).collect();
        let mut mistakes = vec![];
        if keys.is_empty() {
            mistakes.push(InvalidPartitions::NoKeys);
        }
        if keys.len() > PARTITIONS_MAX {
            return Err(vec![InvalidPartitions::TooMany(keys.len())]);
        }
        let mut known = std::collections::HashSet::new();
        for key in &keys {
            if let Err(why) = check_key(key) {
                mistakes.push(InvalidPartitions::Key { key: key.to_string(), why });
            } else if !known.insert(key) {
                mistakes.push(InvalidPartitions::DoubleKey(key.to_string()));
            }
        }
        if mistakes.is_empty() { Ok(Partitions::Static(keys.into())) } else { Err(mistakes) }
    }

    /// The product of several sets.
    pub fn multi(dimensions: Vec<(Name, Partitions)>) -> Result<Partitions, Vec<InvalidPartitions>> {
        let mut dimensions = dimensions;
        dimensions.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut mistakes = vec![];
        if !(2..=DIMENSIONS_MAX).contains(&dimensions.len()) {
            mistakes.push(InvalidPartitions::Dimensions(dimensions.len()));
        }
        for (name, partitions) in &dimensions {
            if matches!(partitions, Partitions::Multi(_)) {
                mistakes.push(InvalidPartitions::Nested(name.clone()));
            }
        }
        for pair in dimensions.windows(2) {
            if pair[0].0 == pair[1].0 {
                mistakes.push(InvalidPartitions::DoubleDimension(pair[0].0.clone()));
            }
        }
        if mistakes.is_empty() { Ok(Partitions::Multi(dimensions.into())) } else { Err(mistakes) }
    }

    /// The set of a dimension, if there are dimensions and this is one.
    pub fn dimension(&self, name: &Name) -> Option<&Partitions> {
        match self {
            Partitions::Multi(dimensions) => {
                dimensions.iter().find(|(known, _)| known == name).map(|(_, partitions)| partitions)
            }
            Partitions::Static(_) | Partitions::Windows(_) | Partitions::Dynamic(_) => None,
        }
    }

    /// What the kind of set is called in messages.
    pub fn kind_word(&self) -> &'static str {
        match self {
            Partitions::Static(_) => "static partitions",
            Partitions::Windows(_) => "time windows",
            Partitions::Dynamic(_) => "dynamic partitions",
            Partitions::Multi(_) => "partitions of several dimensions",
        }
    }
}

/// What a person wrote, cut to what a message can hold; control characters would change the terminal.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN_CHARS_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
