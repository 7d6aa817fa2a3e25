//! The program's own types inside messages: CBOR, cut into pieces that fit. Events travel as the JSON that the run log
//! keeps: their tag stands inside them, and what reads such a form takes digests and ids for text.

use cofferdam_model::{CHUNK_BYTES, Recorded, ValueDigest};
use prost::bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::v1::Piece;

/// Longest batch that is joined from pieces. An order holds every input that is kept in the run log itself, so one
/// with thousands of small values is long.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What came is not what the protocol says.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("the other side sent {what} that cannot be read")]
    Syntax {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the other side sent a batch of more than {BATCH_BYTES_MAX} bytes")]
    TooLong,
}

/// A value as it travels.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = vec![];
    ciborium::into_writer(value, &mut bytes).expect("writing into memory does not fail");
    bytes.into()
}

/// Reads what [`encode`] wrote; `what` names it for the error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Malformed> {
    ciborium::from_reader(bytes).map_err(|source| Malformed::Syntax { what, source: source.into() })
}

/// Events as the run log keeps them.
pub fn encode_events(events: &[Recorded]) -> Bytes {
    serde_json::to_vec(events).expect("an event can be written as JSON").into()
}

/// Reads what [`encode_events`] wrote.
pub fn decode_events(bytes: &[u8]) -> Result<Vec<Recorded>, Malformed> {
    serde_json::from_slice(bytes)
        .map_err(|source| Malformed::Syntax { what: "events", source: source.into() })
}

/// Cuts bytes into chunks that fit into messages; no bytes are one empty chunk.
pub fn chunks(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES));
        done = bytes.is_empty();
        Some(chunk)
    })
}

/// Digests one after the other.
pub fn join_digests(digests: &[ValueDigest]) -> Bytes {
    digests.iter().flat_map(|digest| digest.0).collect()
}

/// What [`join_digests`] made; none if it is something else.
pub fn split_digests(bytes: &[u8]) -> Option<Vec<ValueDigest>> {
    let (digests, rest) = bytes.as_chunks();
    rest.is_empty().then(|| digests.iter().copied().map(ValueDigest).collect())
}

/// An encoded batch in pieces that fit into messages.
pub fn pieces(batch: Bytes) -> impl Iterator<Item = Piece> {
    let mut chunks = chunks(batch).peekable();
    std::iter::from_fn(move || {
        let bytes = chunks.next()?;
        Some(Piece { bytes, more: chunks.peek().is_some() })
    })
}

/// Joins the pieces of one batch after the other.
#[derive(Debug, Default)]
pub struct Joiner {
    held: BytesMut,
}

impl Joiner {
    /// Takes the next piece; gives the encoded batch with its last one.
    pub fn add(&mut self, piece: Piece) -> Result<Option<Bytes>, Malformed> {
        if self.held.len() + piece.bytes.len() > BATCH_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        if self.held.is_empty() && !piece.more {
            return Ok(Some(piece.bytes));
        }
        self.held.extend_from_slice(&piece.bytes);
        Ok((!piece.more).then(|| std::mem::take(&mut self.held).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn batches_of_any_length_come_through_whole(lengths in proptest::collection::vec(0usize..700_000, 1..4)) {
            let mut joiner = Joiner::default();
            for length in lengths {
                let text: String = (0..length).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
                let mut found = None;
                for piece in pieces(encode(&text)) {
                    prop_assert!(found.is_none(), "nothing follows the last piece");
                    prop_assert!(piece.bytes.len() <= CHUNK_BYTES);
                    found = joiner.add(piece).unwrap();
                }
                prop_assert_eq!(decode::<String>(&found.unwrap(), "a text").unwrap(), text);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = decode::<String>(&[0xff], "orders").unwrap_err();
        assert_eq!(error.to_string(), "the other side sent orders that cannot be read");
    }

    #[test]
    fn a_batch_without_end_is_refused() {
        let mut joiner = Joiner::default();
        let piece = Piece { bytes: vec![0; 64 * 1024 * 1024].into(), more: true };
        for _ in 0..4 {
            assert!(joiner.add(piece.clone()).unwrap().is_none());
        }
        assert!(matches!(joiner.add(piece), Err(Malformed::TooLong)));
    }
}
