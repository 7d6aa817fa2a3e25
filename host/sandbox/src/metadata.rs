//! Facts that a guest adds, bounded.

use cofferdam_model::{METADATA_ENTRIES_MAX, METADATA_VALUE_BYTES_MAX, MetadataEntry, MetadataValue};

use crate::text::cut;

/// Bytes of the name of an entry.
const NAME_BYTES_MAX: usize = 256;

/// Entries by name, in the order of their first mention; a later value replaces the earlier one. Entries
/// past [`METADATA_ENTRIES_MAX`] are dropped, long texts are cut, and an entry of its own says so.
#[derive(Default)]
pub(crate) struct Metadata {
    entries: Vec<MetadataEntry>,
    by_name: std::collections::BTreeMap<String, usize>,
    dropped: u64,
}

impl Metadata {
    pub(crate) fn add(&mut self, entries: impl IntoIterator<Item = impl Into<MetadataEntry>>) {
        for entry in entries {
            let entry = bounded(entry.into());
            if let Some(at) = self.by_name.get(&entry.name) {
                self.entries[*at] = entry;
            } else if self.entries.len() < METADATA_ENTRIES_MAX {
                self.by_name.insert(entry.name.clone(), self.entries.len());
                self.entries.push(entry);
            } else {
                self.dropped += 1;
            }
        }
    }

    pub(crate) fn into_entries(mut self) -> Vec<MetadataEntry> {
        if self.dropped > 0 {
            let dropped = i64::try_from(self.dropped).unwrap_or(i64::MAX);
            let value = MetadataValue::Integer(dropped);
            self.entries.push(MetadataEntry { name: "cofferdam: metadata entries dropped".into(), value });
        }
        self.entries
    }
}

/// Cuts names and texts. Text that is JSON is dropped instead: half of it would be nothing. NaN and the
/// infinities become text, because stored forms have no number for them.
fn bounded(entry: MetadataEntry) -> MetadataEntry {
    let text = |text| cut(text, METADATA_VALUE_BYTES_MAX);
    let json = |json: String, keep: fn(String) -> MetadataValue| {
        if json.len() <= METADATA_VALUE_BYTES_MAX {
            keep(json)
        } else {
            MetadataValue::Text(format!("{} bytes of JSON, too many to keep", json.len()))
        }
    };
    let value = match entry.value {
        MetadataValue::Text(value) => MetadataValue::Text(text(value)),
        MetadataValue::Url(value) => MetadataValue::Url(text(value)),
        MetadataValue::Path(value) => MetadataValue::Path(text(value)),
        MetadataValue::Markdown(value) => MetadataValue::Markdown(text(value)),
        MetadataValue::Timestamp(value) => MetadataValue::Timestamp(text(value)),
        MetadataValue::Json(value) => json(value, MetadataValue::Json),
        MetadataValue::Table(value) => json(value, MetadataValue::Table),
        MetadataValue::Number(number) if !number.is_finite() => MetadataValue::Text(number.to_string()),
        value @ (MetadataValue::Integer(_) | MetadataValue::Number(_) | MetadataValue::Truth(_)) => value,
    };
    MetadataEntry { name: cut(entry.name, NAME_BYTES_MAX), value }
}
