//! What stands in a certificate, and a certificate with its key.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use cofferdam_model::Timestamp;
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::parsed::Parsed;
use super::{Fingerprint, provider};

/// What the names of workers end in.
const WORKERS: &str = ".worker.cofferdam";
/// Bytes of what a worker's certificates name.
pub const MEMBER_BYTES: usize = 16;

/// Names a worker's certificates: drawn when it joins for the first time, and the same in all that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(u128);

impl Member {
    /// A new one.
    pub fn draw() -> Result<Member, getrandom::Error> {
        let mut bytes = [0; MEMBER_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Member::from_bytes(bytes))
    }

    /// Most significant byte first.
    pub fn to_bytes(self) -> [u8; MEMBER_BYTES] {
        self.0.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; MEMBER_BYTES]) -> Member {
        Member(u128::from_be_bytes(bytes))
    }

    /// The name in its certificates, and that a connection to it is checked for.
    pub fn host(self) -> String {
        format!("{self}{WORKERS}")
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Member {
    type Err = Undecipherable;

    fn from_str(text: &str) -> Result<Member, Undecipherable> {
        let digits = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Member).ok_or(Undecipherable("32 hexadecimal digits"))
    }
}

/// Bytes are not what they should be; they themselves are not said, for they may be a key.
#[derive(Debug, thiserror::Error)]
#[error("it is not {0}")]
pub struct Undecipherable(pub(crate) &'static str);

/// What a worker's certificate says. Whether it is to be believed is found out by the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub member: Member,
    pub valid: RangeInclusive<Timestamp>,
}

impl Seen {
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Seen, Undecipherable> {
        let Parsed { hosts, valid, .. } = Parsed::read(certificate)?;
        let member = hosts.iter().find_map(|host| host.strip_suffix(WORKERS)?.parse().ok());
        Ok(Seen { member: member.ok_or(Undecipherable("a worker's certificate"))?, valid })
    }
}

/// A key that was made here and that nobody has signed yet.
pub struct PublicKey(KeyPair);

impl PublicKey {
    pub fn generate() -> Result<PublicKey, rcgen::Error> {
        KeyPair::generate().map(PublicKey)
    }

    /// What is to be signed: a point of P-256, not compressed.
    pub fn public(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    /// With what was signed: its certificate, and that of the authority.
    pub fn signed(self, chain: Vec<CertificateDer<'static>>) -> Result<Credentials, Undecipherable> {
        Credentials::new(chain, PrivatePkcs8KeyDer::from(self.0.serialize_der()).into())
    }
}

/// A certificate, that of the authority which signed it, and its key.
#[derive(Clone)]
pub struct Credentials {
    key: Arc<CertifiedKey>,
    secret: Arc<PrivateKeyDer<'static>>,
    authority: Fingerprint,
}

/// The same key with the same certificate.
impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.key.cert == other.key.cert
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(signed by {})", self.authority)
    }
}

impl Credentials {
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Credentials, Undecipherable> {
        let authority = chain.get(1).and_then(Fingerprint::of);
        let authority = authority.ok_or(Undecipherable("a certificate with that of its authority"))?;
        let signer = provider().key_provider.load_private_key(key.clone_key());
        let signer = signer.map_err(|_| Undecipherable("a private key"))?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(|_| Undecipherable("a certificate with its own key"))?;
        Ok(Credentials { key: Arc::new(certified), secret: Arc::new(key), authority })
    }

    /// As [`Credentials::to_pem`] wrote them.
    pub fn from_pem(text: &str) -> Result<Credentials, Undecipherable> {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
        let key = key.map_err(|_| Undecipherable("a private key with its certificates (PEM)"))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        Credentials::new(chain.map_err(|_| Undecipherable("a certificate (PEM)"))?, key)
    }

    /// All of it, the key included.
    pub fn to_pem(&self) -> String {
        let chain = self.key.cert.iter().map(|der| pem("CERTIFICATE", der));
        pem("PRIVATE KEY", self.secret.secret_der()) + &chain.collect::<String>()
    }

    /// Who signed it.
    pub fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// The certificate of who signed it.
    pub(crate) fn authority_certificate(&self) -> &CertificateDer<'static> {
        &self.key.cert[1]
    }

    /// For a handshake.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new(label, der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}
