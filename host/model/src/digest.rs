//! The two digests: SHA-256 names libraries (as OCI does), BLAKE3 names values. And what names who vouches for a library.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}` and 64 hexadecimal digits, found `{found}`")]
pub struct InvalidDigest {
    prefix: &'static str,
    found: String,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 64 hexadecimal digits without the prefix, as used in file names.
            pub fn hex(&self) -> String {
                let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                nibbles.map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;
            fn from_str(text: &str) -> Result<$name, InvalidDigest> {
                parse(text, $prefix).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidDigest;
            fn try_from(text: String) -> Result<$name, InvalidDigest> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }
    };
}

digest! {
    /// SHA-256 of a library's bytes.
    LibraryDigest, "sha256:"
}
digest! {
    /// BLAKE3 of a value's bytes, or of an encoded plan.
    ValueDigest, "blake3:"
}

digest! {
    /// Public key of Ed25519, whose owner signs libraries.
    SignerKey, "ed25519:"
}

impl ValueDigest {
    /// Digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> ValueDigest {
        ValueDigest(*blake3::hash(bytes).as_bytes())
    }
}

fn parse(text: &str, prefix: &'static str) -> Result<[u8; 32], InvalidDigest> {
    let invalid = || InvalidDigest { prefix, found: text.chars().take(100).collect() };
    let hex = text.strip_prefix(prefix).ok_or_else(invalid)?;
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(invalid());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = ValueDigest::of(b"cofferdam");
        assert_eq!(digest.to_string().parse::<ValueDigest>().unwrap(), digest);
        assert!("blake3:xyz".parse::<ValueDigest>().is_err());
        assert!(digest.to_string().parse::<LibraryDigest>().is_err());
    }
}
