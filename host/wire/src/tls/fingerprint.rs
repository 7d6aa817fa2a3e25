//! What tells one authority from all others.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::parsed::Parsed;

/// SHA-256 of an authority's public key (its SubjectPublicKeyInfo), shown in hexadecimal. No secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// Of the key in a certificate; none if it cannot be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
        Parsed::read(certificate).ok().map(|parsed| Fingerprint::of_key(&parsed.public_key))
    }
}

impl Fingerprint {
    /// Of a key: SubjectPublicKeyInfo in DER.
    pub(crate) fn of_key(public_key: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(public_key).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, InvalidFingerprint> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidFingerprint);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).expect("hexadecimal digits are text");
            *byte = u8::from_str_radix(digits, 16).expect("they were looked at");
        }
        Ok(Fingerprint(bytes))
    }
}
