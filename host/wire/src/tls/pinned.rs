//! How who connects checks who answers: by the authority's fingerprint and the name of a role.

use std::sync::Arc;

use cofferdam_model::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::dial::Unsafe;
use super::parsed::Parsed;
use super::{Fingerprint, provider};

/// Believes certificates that were signed by the authority with this fingerprint, which must come along.
#[derive(Debug)]
pub(crate) struct Pinned {
    authority: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    pub(crate) fn new(authority: Fingerprint) -> Pinned {
        Pinned { authority, algorithms: provider().signature_verification_algorithms }
    }
}

fn refuse(why: Unsafe) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority =
            intermediates.iter().find(|certificate| Fingerprint::of(certificate) == Some(self.authority));
        let authority = authority.ok_or_else(|| {
            let found = intermediates.last().and_then(Fingerprint::of);
            refuse(Unsafe::OtherAuthority { expected: self.authority, found })
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let signed =
            verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], now, self.algorithms.all);
        signed.map_err(|error| match error {
            Error::InvalidCertificate(
                CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. },
            ) => match Parsed::read(end_entity) {
                Ok(Parsed { valid, .. }) => {
                    let here = Timestamp(now.as_secs() * 1000);
                    refuse(Unsafe::Clock { from: *valid.start(), until: *valid.end(), here })
                }
                Err(_) => error,
            },
            error => error,
        })?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
