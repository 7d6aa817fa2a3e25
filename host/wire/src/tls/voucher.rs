//! What an authority vouches for that is no certificate: bytes that it signs, and how who knows it checks them.

use rcgen::SigningKey as _;
use rustls::SignatureScheme;

use super::parsed::Parsed;
use super::{Authority, AuthorityError, Credentials, provider};

/// For what a signature is: one that was made for another purpose counts for nothing.
const ARTEFACT: &[u8] = b"cofferdam 2026 compiled library\0";

impl Authority {
    /// Signs what says which compiled library is good.
    pub fn vouch_for_artefact(&self, statement: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.key().sign(&[ARTEFACT, statement].concat())?)
    }
}

impl Credentials {
    /// Whether the authority that signed these has signed that.
    pub fn is_vouched_artefact(&self, statement: &[u8], signature: &[u8]) -> bool {
        let Ok(authority) = Parsed::read(self.authority_certificate()) else { return false };
        let Some(key) = authority.key_bits() else { return false };
        let signed = [ARTEFACT, statement].concat();
        let known = provider().signature_verification_algorithms.mapping;
        let ours = known.iter().filter(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256);
        ours.flat_map(|(_, ways)| ways.iter())
            .any(|way| way.verify_signature(&key, &signed, signature).is_ok())
    }
}
