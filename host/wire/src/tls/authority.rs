//! The authority of one instance: it signs the scheduler's certificate and those of workers.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use cofferdam_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Fingerprint;
use super::certificate::{Credentials, Member, PublicKey, Undecipherable, pem};
use super::parsed::Parsed;
use super::serve::SCHEDULER;

/// A key that signs, and its own certificate, which has no end: it ends by being replaced.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.fingerprint)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(transparent)]
    Read(#[from] Undecipherable),
    /// What should be signed is no key, or the system gives no random numbers.
    #[error("failed to sign a certificate")]
    Sign(#[from] rcgen::Error),
}

impl Authority {
    /// A new one.
    pub fn generate() -> Result<Authority, AuthorityError> {
        let key = KeyPair::generate()?;
        let certificate = own().self_signed(&key)?.der().clone();
        Authority::new(key, certificate)
    }

    fn new(key: KeyPair, certificate: CertificateDer<'static>) -> Result<Authority, AuthorityError> {
        let public_key = Parsed::read(&certificate)?.public_key;
        if public_key != key.subject_public_key_info() {
            return Err(Undecipherable("a certificate with its own key").into());
        }
        let fingerprint = Fingerprint::of_key(&public_key);
        let issuer = Issuer::new(own(), key);
        Ok(Authority { issuer, certificate, fingerprint })
    }

    /// As [`Authority::to_pem`] wrote it.
    pub fn from_pem(text: &str) -> Result<Authority, AuthorityError> {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
        let key = key.ok().and_then(|key| KeyPair::try_from(key.secret_der()).ok());
        let key = key.ok_or(Undecipherable("a private key with its certificate (PEM)"))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes());
        Authority::new(key, certificate.map_err(|_| Undecipherable("a certificate (PEM)"))?)
    }

    /// All of it, the key included.
    pub fn to_pem(&self) -> String {
        pem("PRIVATE KEY", self.issuer.key().serialized_der()) + &pem("CERTIFICATE", &self.certificate)
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs what makes a worker that member; `public_key` is a point of P-256, not compressed. Gives the certificate and
    /// that of the authority. A worker is called as well as it calls, so it serves for both.
    pub fn sign(
        &self,
        member: Member,
        public_key: &[u8],
        valid: RangeInclusive<Timestamp>,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let usages = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        self.sign_for(&member.host(), &usages, public_key, valid)
    }

    /// A key and a certificate for the scheduler.
    pub fn scheduler(&self, valid: RangeInclusive<Timestamp>) -> Result<Credentials, AuthorityError> {
        let key = PublicKey::generate()?;
        let usages = [ExtendedKeyUsagePurpose::ServerAuth];
        let chain = self.sign_for(SCHEDULER, &usages, key.public(), valid)?;
        Ok(key.signed(chain)?)
    }

    fn sign_for(
        &self,
        host: &str,
        usages: &[ExtendedKeyUsagePurpose],
        public_key: &[u8],
        valid: RangeInclusive<Timestamp>,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let public_key = Point::read(public_key)?;
        let mut params = params("cofferdam");
        params.subject_alt_names = CertificateParams::new([host.to_owned()])?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        let at = |time: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.0 / 1000);
        (params.not_before, params.not_after) = (at(*valid.start()), at(*valid.end()));
        let signed = params.signed_by(&public_key, &self.issuer)?;
        Ok(vec![signed.der().clone(), self.certificate.clone()])
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// A secret that only this authority can know, another one for each purpose.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.issuer.key().serialized_der())
    }
}

/// What the authority's own certificate says, and every authority's the same: it is the key that differs.
fn own() -> CertificateParams {
    let mut own = params("cofferdam authority");
    own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    own
}

/// A point of P-256, as keys are generated here.
struct Point<'a>(&'a [u8]);

impl<'a> Point<'a> {
    /// One byte that says so, and two coordinates.
    fn read(bytes: &'a [u8]) -> Result<Point<'a>, Undecipherable> {
        match bytes {
            [4, coordinates @ ..] if coordinates.len() == 64 => Ok(Point(bytes)),
            _ => Err(Undecipherable("a public key of P-256")),
        }
    }
}

impl PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
