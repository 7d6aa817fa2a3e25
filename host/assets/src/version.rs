//! Version of the code that makes an asset, where the user gives none. (Data versions are told when a step has
//! ended, by the crate `engine`.)

use cofferdam_model::{LibraryDigest, Name, ValueDigest};

const CONTEXT: &str = "cofferdam 2026 code version of an asset";

/// Which library, which op of it, with which config (CBOR, complete). A BLAKE3 digest in hexadecimal, under a
/// context of its own and over parts with their lengths before them, so that no two lists of parts read the
/// same. Dagster takes the run's id instead, so that there every run makes a new version.
pub fn code_version(library: &LibraryDigest, op: &Name, config: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for part in [&library.0[..], op.as_str().as_bytes(), config] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    ValueDigest(*hasher.finalize().as_bytes()).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_version_follows_library_op_and_config() {
        let version = |library: u8, op: &str, config: &[u8]| {
            code_version(&LibraryDigest([library; 32]), &Name::new(op).unwrap(), config)
        };
        let mut versions = vec![
            version(1, "clean", b"\xa0"),
            version(2, "clean", b"\xa0"),
            version(1, "cleaned", b"\xa0"),
            version(1, "clean", b"ed\xa0"),
            version(1, "clean", b""),
        ];
        assert_eq!(versions[0], version(1, "clean", b"\xa0"));
        versions.sort();
        versions.dedup();
        assert_eq!(versions.len(), 5);
    }
}
