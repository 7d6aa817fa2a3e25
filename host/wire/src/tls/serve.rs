//! How who listens checks who connects: a certificate is asked for and not required. What one says is believed when the
//! authority has signed it; whether it still holds is decided per call, where it can be said in words.

use std::sync::Arc;

use cofferdam_model::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::TlsAcceptor;

use super::parsed::Parsed;
use super::{Credentials, PROTOCOL, provider};

/// The scheduler's name, wherever it listens.
pub const SCHEDULER: &str = "scheduler.cofferdam";

/// For who listens with certificates that `own` gives, and takes calls of members that `authority` has signed, as of
/// others. **Who uses it must ask [`Seen`](super::Seen) of a member's certificate whether it holds now.**
pub fn acceptor(
    authority: &CertificateDer<'static>,
    own: Arc<dyn ResolvesServerCert>,
) -> Result<TlsAcceptor, VerifierBuilderError> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read leaves no root, which the builder refuses.
    roots.add_parsable_certificates([authority.clone()]);
    let signed = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let members = Arc::new(Members(signed.allow_unauthenticated().build()?));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has what TLS 1.3 needs");
    let mut config = config.with_client_cert_verifier(members).with_cert_resolver(own);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Connections last for long: there is nothing to gain by resuming one, and no early data without it.
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Credentials {
    /// For a worker that listens for others.
    pub fn acceptor(&self) -> TlsAcceptor {
        let own = SingleCertAndKey::from(self.certified());
        acceptor(self.authority_certificate(), Arc::new(own)).expect("its authority's certificate is one")
    }
}

/// Checks what was signed, and not when.
#[derive(Debug)]
struct Members(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Members {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let parsed = Parsed::read(end_entity);
        let parsed = parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let start = parsed.valid.start().since(Timestamp(0));
        self.0.verify_client_cert(end_entity, intermediates, UnixTime::since_unix_epoch(start))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
