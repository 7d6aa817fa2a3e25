//! What lets one worker read one object of another: a ticket that the scheduler makes and the holder checks. Only these
//! two know the secret behind it, so who has a ticket can ask for that object and for nothing else.

use std::fmt;

/// Bytes of a holder's secret: a key of BLAKE3.
const SECRET_BYTES: usize = 32;
/// Bytes that stand for an object's key where many are listed: nobody finds two keys with the same ones.
pub const OBJECT_ID_BYTES: usize = 16;

/// Stands for an object's key.
pub type ObjectId = [u8; OBJECT_ID_BYTES];

/// The id of a key.
pub fn object_id(key: &str) -> ObjectId {
    let hash = blake3::hash(key.as_bytes());
    let (id, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    *id
}

/// What a worker's tickets are made with. Shown as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

/// What came is no secret; it is not said.
#[derive(Debug, thiserror::Error)]
#[error("a secret has {SECRET_BYTES} bytes")]
pub struct InvalidSecret;

impl Secret {
    /// A new one.
    pub fn generate() -> Result<Secret, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// For the scheduler.
    pub fn reveal(&self) -> [u8; SECRET_BYTES] {
        self.0
    }

    /// Lets its bearer read the object of that key.
    pub fn ticket(&self, key: &str) -> [u8; SECRET_BYTES] {
        *blake3::keyed_hash(&self.0, key.as_bytes()).as_bytes()
    }

    /// Whether the ticket is for the object of that key.
    pub fn admits(&self, key: &str, ticket: &[u8]) -> bool {
        let Ok(ticket) = <[u8; SECRET_BYTES]>::try_from(ticket) else { return false };
        // Hashes are compared in a time that does not depend on where they differ.
        blake3::keyed_hash(&self.0, key.as_bytes()) == blake3::Hash::from_bytes(ticket)
    }
}

impl TryFrom<&[u8]> for Secret {
    type Error = InvalidSecret;

    fn try_from(bytes: &[u8]) -> Result<Secret, InvalidSecret> {
        bytes.try_into().map(Secret).map_err(|_| InvalidSecret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_one_object_of_one_holder() {
        let (secret, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let ticket = secret.ticket("v1/a/b/c");
        assert!(secret.admits("v1/a/b/c", &ticket));
        assert!(!secret.admits("v1/a/b/d", &ticket) && !other.admits("v1/a/b/c", &ticket));
        assert!(!secret.admits("v1/a/b/c", &ticket[1..]) && !secret.admits("v1/a/b/c", b""));
        assert_eq!(Secret::try_from(&secret.reveal()[..]).unwrap(), secret);
        assert!(Secret::try_from(&b"short"[..]).is_err());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::generate().unwrap();
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
