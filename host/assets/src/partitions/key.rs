//! Names of single partitions, and what may not be in them.

/// Longest partition key, in bytes. With the asset's key it fits a path on every file system.
pub const PARTITION_KEY_BYTES_MAX: usize = 255;

/// Stands between the keys of several dimensions.
pub const DIMENSION_SEPARATOR: char = '|';

/// Stands between the first and the last key of a range.
pub const RANGE_SEPARATOR: &str = "...";

/// Why a text is not a partition key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPartitionKey {
    #[error("a partition key must not be empty")]
    Empty,
    #[error("a partition key has at most {PARTITION_KEY_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    #[error("`{}` is not allowed in a partition key", .0.escape_default())]
    Character(char),
    #[error("`...` is not allowed in a partition key: it stands between the ends of a range")]
    Range,
}

/// Checks a key of one dimension: any text without control characters, `|` and `...`.
pub fn check(key: &str) -> Result<(), InvalidPartitionKey> {
    if key.is_empty() {
        return Err(InvalidPartitionKey::Empty);
    }
    if key.len() > PARTITION_KEY_BYTES_MAX {
        return Err(InvalidPartitionKey::TooLong(key.len()));
    }
    if let Some(c) = key.chars().find(|c| c.is_control() || *c == DIMENSION_SEPARATOR) {
        return Err(InvalidPartitionKey::Character(c));
    }
    if key.contains(RANGE_SEPARATOR) {
        return Err(InvalidPartitionKey::Range);
    }
    Ok(())
}
