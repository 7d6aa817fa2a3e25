//! Values: a media type and bytes, or where the bytes are kept.

use serde::{Deserialize, Serialize};

use crate::{IoManagerKind, Name, PlanIoManager, ValueDigest};

/// Values up to this size travel inline and are kept in the commit itself, so that a small step costs no
/// file. Larger ones are stored and read in chunks.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one chunk of a large value (FACTS: the fastest size across the component boundary).
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Stands before the keys of values that workers keep, where keys of several stores meet.
pub const TRANSIENT_PREFIX: &str = "transient/";

/// Media type of structured values: RFC 8949 in its deterministic form.
pub const CBOR: &str = "application/cbor";
/// Media type of tables.
pub const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
/// Media type of bytes that nobody described.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// A value that is committed (or was given with the run): immutable, with digest and size known to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueRef {
    pub media_type: String,
    /// Bytes in all.
    pub size: u64,
    pub digest: ValueDigest,
    pub place: Place,
}

/// Where the bytes of a [`ValueRef`] are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Here; at most [`INLINE_BYTES_MAX`] of them.
    Inline(#[serde(with = "inline_bytes")] Vec<u8>),
    /// In the value store, under this key.
    Stored(String),
    /// In the store of an IO manager.
    Managed(Box<ManagedPlace>),
}

/// A place in the store of an IO manager. It holds all that is needed to find the value again, so that a value
/// outlives a change of the definition that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPlace {
    /// Name of the manager when the value was written: for people.
    pub name: Name,
    pub manager: PlanIoManager,
    /// Of the value in the manager's own store; not the readable path.
    pub key: String,
}

impl Place {
    /// Key of a value that is in a store.
    pub fn key(&self) -> Option<&str> {
        match self {
            Place::Inline(_) => None,
            Place::Stored(key) => Some(key),
            Place::Managed(managed) => Some(&managed.key),
        }
    }

    /// Whether the value is with workers only, and goes with them.
    pub fn is_transient(&self) -> bool {
        matches!(self, Place::Managed(managed) if managed.manager.kind == IoManagerKind::Transient)
    }
}

impl ValueRef {
    /// A small value. The caller has checked [`INLINE_BYTES_MAX`].
    pub fn inline(media_type: &str, bytes: Vec<u8>) -> ValueRef {
        debug_assert!(bytes.len() <= INLINE_BYTES_MAX, "inline values are small");
        ValueRef {
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            digest: ValueDigest::of(&bytes),
            place: Place::Inline(bytes),
        }
    }
}

/// One committed output of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub name: Name,
    /// Mapping key of a dynamic output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    pub value: ValueRef,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataEntry>,
}

/// A named fact about a step or a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataEntry {
    pub name: String,
    pub value: MetadataValue,
}

impl Eq for MetadataEntry {}

/// The kinds of facts, as the WIT names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataValue {
    Text(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
    Url(String),
    Path(String),
    Json(String),
    Markdown(String),
    Table(String),
    Timestamp(String),
}

/// Inline bytes are stored as lower-case hexadecimal in text formats (the run log is read by people) and as
/// bytes in binary ones.
mod inline_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(bytes);
        }
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if !deserializer.is_human_readable() {
            return serde_bytes::deserialize(deserializer);
        }
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        if text.len() % 2 != 0 || !text.is_ascii() {
            return Err(D::Error::custom("inline bytes are pairs of hexadecimal digits"));
        }
        text.as_bytes()
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
                u8::from_str_radix(pair, 16).map_err(D::Error::custom)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_value_survives_json() {
        let value = ValueRef::inline(CBOR, vec![0, 1, 0xff]);
        let text = serde_json::to_string(&value).unwrap();
        assert!(text.contains("0001ff"), "{text}");
        assert_eq!(serde_json::from_str::<ValueRef>(&text).unwrap(), value);
    }
}
