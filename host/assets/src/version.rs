//! Versions of code and of data. Digests are BLAKE3 over parts that are each preceded by their length, under a
//! context of their own, so that no two different lists of parts read the same (Dagster joins them bare).

use cofferdam_model::{AssetKey, LibraryDigest, Name, PlanAssetInput, ValueDigest};

const CODE_CONTEXT: &str = "cofferdam 2026 code version of an asset";
const DATA_CONTEXT: &str = "cofferdam 2026 data version of an asset from its provenance";

/// Version of the code that makes an asset: which library, which op of it, with which config (CBOR, complete).
pub fn code_version(library: &LibraryDigest, op: &Name, config: &[u8]) -> String {
    let mut parts = Parts::new(CODE_CONTEXT);
    parts.add(&library.0);
    parts.add(op.as_str().as_bytes());
    parts.add(config);
    parts.finish()
}

/// Data version by content, the default: equal bytes are one version, so that what is made from them stays
/// fresh.
pub fn content_version(value: &ValueDigest) -> String {
    value.to_string()
}

/// Data version by provenance: from the version of the code and of what it read, in any order.
pub fn provenance_version(code_version: &str, inputs: &[PlanAssetInput]) -> String {
    let mut sorted: Vec<(&AssetKey, Option<&str>, Option<&str>)> = inputs
        .iter()
        .map(|input| (&input.key, input.partition.as_deref(), input.data_version.as_deref()))
        .collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut parts = Parts::new(DATA_CONTEXT);
    parts.add(code_version.as_bytes());
    for (key, partition, version) in sorted {
        parts.add(key.to_string().as_bytes());
        parts.add_optional(partition);
        parts.add_optional(version);
    }
    parts.finish()
}

struct Parts(blake3::Hasher);

impl Parts {
    fn new(context: &str) -> Parts {
        Parts(blake3::Hasher::new_derive_key(context))
    }

    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Absent is something else than empty.
    fn add_optional(&mut self, part: Option<&str>) {
        match part {
            Some(part) => {
                self.add(&[1]);
                self.add(part.as_bytes());
            }
            None => self.add(&[0]),
        }
    }

    fn finish(&self) -> String {
        ValueDigest(*self.0.finalize().as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(key: &str, partition: Option<&str>, version: &str) -> PlanAssetInput {
        PlanAssetInput {
            key: AssetKey::parse(key).unwrap(),
            partition: partition.map(str::to_owned),
            data_version: Some(version.to_owned()),
        }
    }

    #[test]
    fn the_order_of_inputs_makes_no_difference_and_their_bounds_do() {
        let (a, b) = (input("a", None, "1"), input("b", Some("x"), "2"));
        let version = provenance_version("v1", &[a.clone(), b.clone()]);
        assert_eq!(version, provenance_version("v1", &[b.clone(), a.clone()]));
        let others = [
            provenance_version("v2", &[a.clone(), b.clone()]),
            provenance_version("v1", std::slice::from_ref(&a)),
            provenance_version("v1", &[a.clone(), input("b", None, "2")]),
            provenance_version("v1", &[a.clone(), input("b", Some(""), "2")]),
            provenance_version("v1", &[input("a", None, "12"), input("b", Some("x"), "")]),
            provenance_version("v1a", &[]),
            provenance_version("v1", &[]),
        ];
        let mut all: Vec<&String> = others.iter().chain([&version]).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8, "{all:?}");
    }

    #[test]
    fn the_code_version_follows_library_op_and_config() {
        let op = |name: &str| Name::new(name).unwrap();
        let version = code_version(&LibraryDigest([1; 32]), &op("clean"), b"\xa0");
        assert_ne!(version, code_version(&LibraryDigest([2; 32]), &op("clean"), b"\xa0"));
        assert_ne!(version, code_version(&LibraryDigest([1; 32]), &op("cleaned"), b"\xa0"));
        assert_ne!(version, code_version(&LibraryDigest([1; 32]), &op("clean"), b"\xa1"));
        assert_eq!(version, code_version(&LibraryDigest([1; 32]), &op("clean"), b"\xa0"));
    }
}
