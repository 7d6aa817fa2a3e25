//! Who vouches for a library: Ed25519 over its digest and the world that it was made for. A signature is apart from the
//! library, whose bytes and digest stay what they are.

use std::str::FromStr;

use cofferdam_model::{LibraryDigest, SignerKey};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

const FORM: &str = "cofferdam.signature/v1";
const KEY_TAG: &str = "PRIVATE KEY";
/// Bytes of a signature of Ed25519.
const SIGNATURE_BYTES: usize = 64;
/// Longest text of one: ours have some 400 bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// A key that signs. Never printed.
pub struct SigningKey(Ed25519KeyPair);

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("failed to make a key")]
    Make,
    #[error("it holds no private key of Ed25519 in PKCS #8, version 2, as PEM")]
    Read,
}

/// One person's word for one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    form: String,
    pub library: LibraryDigest,
    pub world: String,
    pub key: SignerKey,
    /// Hexadecimal.
    signature: String,
}

/// Why a text is no signature, or none that holds.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSignature {
    #[error("it is no signature of a library")]
    Form,
    #[error("the signature of {library} by {key} does not hold: something of it was changed")]
    Broken { library: LibraryDigest, key: SignerKey },
}

impl SigningKey {
    /// A new one, and the text to keep it by.
    pub fn generate() -> Result<(SigningKey, String), SigningKeyError> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| SigningKeyError::Make)?;
        let text = pem::encode(&pem::Pem::new(KEY_TAG, made.as_ref()));
        Ok((text.parse()?, text))
    }

    pub fn public(&self) -> SignerKey {
        let bytes = self.0.public_key().as_ref();
        SignerKey(bytes.try_into().expect("a public key of Ed25519 has 32 bytes"))
    }

    pub fn sign(&self, library: LibraryDigest, world: &str) -> Signature {
        let signature = self.0.sign(&statement(&library, world));
        let signature = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Signature { form: FORM.to_owned(), library, world: world.to_owned(), key: self.public(), signature }
    }
}

impl FromStr for SigningKey {
    type Err = SigningKeyError;

    fn from_str(text: &str) -> Result<SigningKey, SigningKeyError> {
        let read = pem::parse(text).ok().filter(|read| read.tag() == KEY_TAG).ok_or(SigningKeyError::Read)?;
        Ed25519KeyPair::from_pkcs8(read.contents()).map(SigningKey).map_err(|_| SigningKeyError::Read)
    }
}

impl Signature {
    /// Reads one and checks that it holds.
    pub fn read(text: &str) -> Result<Signature, InvalidSignature> {
        let short = Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX).ok_or(InvalidSignature::Form)?;
        let read: Signature = serde_json::from_str(short).map_err(|_| InvalidSignature::Form)?;
        if read.form != FORM {
            return Err(InvalidSignature::Form);
        }
        let broken = || InvalidSignature::Broken { library: read.library, key: read.key };
        let bytes = from_hex(&read.signature).ok_or_else(broken)?;
        let key = UnparsedPublicKey::new(&ED25519, read.key.0);
        key.verify(&statement(&read.library, &read.world), &bytes).map_err(|_| broken())?;
        Ok(read)
    }

    /// Who has signed, as a person reads it.
    pub fn said(signatures: &[&Signature]) -> String {
        let keys: Vec<String> = signatures.iter().map(|one| one.key.to_string()).collect();
        match keys.is_empty() {
            true => "nobody has signed it".to_owned(),
            false => format!("it is signed by {}", keys.join(", ")),
        }
    }

    /// To be kept and sent.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a signature can be written as JSON") + "\n"
    }
}

/// What is signed. It begins with what it is, so that a signature for one thing is none for another.
fn statement(library: &LibraryDigest, world: &str) -> Vec<u8> {
    format!("{FORM}\n{library}\n{world}\n").into_bytes()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == SIGNATURE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: &str = "cofferdam:op@0.1.0";

    #[test]
    fn a_signature_holds_for_its_library_its_world_and_its_key_and_for_nothing_else() {
        let (key, text) = SigningKey::generate().unwrap();
        assert_eq!(text.parse::<SigningKey>().unwrap().public(), key.public());
        let library = LibraryDigest([7; 32]);
        let signed = key.sign(library, WORLD);
        assert_eq!(Signature::read(&signed.text()).unwrap(), signed);
        let (other, _) = SigningKey::generate().unwrap();
        for changed in [
            Signature { library: LibraryDigest([8; 32]), ..signed.clone() },
            Signature { world: "cofferdam:op@0.2.0".to_owned(), ..signed.clone() },
            Signature { key: other.public(), ..signed.clone() },
            Signature { signature: signed.signature.replace(&signed.signature[..2], "zz"), ..signed.clone() },
            Signature { signature: signed.signature[2..].to_owned(), ..signed.clone() },
        ] {
            assert!(
                matches!(Signature::read(&changed.text()), Err(InvalidSignature::Broken { .. })),
                "{changed:?}"
            );
        }
        let another = Signature { form: "cofferdam.signature/v2".to_owned(), ..signed };
        for text in [another.text(), String::new(), "{}".to_owned(), " ".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(matches!(Signature::read(&text), Err(InvalidSignature::Form)));
        }
        for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(text.parse::<SigningKey>().is_err());
        }
    }
}
