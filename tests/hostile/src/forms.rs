//! Our own types as they travel inside messages and as the run log keeps them: what can be read is written as the same.

use std::fmt::Debug;

use bytes::Bytes;
use cofferdam_model::{AttemptId, Known, Order, Origin, Plan, Report};
use cofferdam_runlog::Question;
use cofferdam_wire::v1::{Packed, Piece};
use cofferdam_wire::{
    Joiner, decode, decode_events, encode, encode_events, join_digests, split_digests, unpack,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::choose;

/// In the order of the first byte of an input; new ones go to the end, so that kept inputs stay what they are.
const FORMS: [fn(&[u8]); 10] = [
    plan,
    events,
    question,
    cbor::<Vec<Order>>,
    cbor::<Vec<Report>>,
    cbor::<Vec<AttemptId>>,
    cbor::<Origin>,
    cbor::<Known>,
    digests,
    batch,
];

pub(crate) fn forms(bytes: &[u8]) {
    if let Some((read, rest)) = choose(&FORMS, bytes) {
        read(rest);
    }
}

fn plan(bytes: &[u8]) {
    if let Ok(plan) = Plan::decode(bytes) {
        let written = plan.encode();
        let again = Plan::decode(&written).expect("what was written can be read");
        assert_eq!(again.encode(), written);
        assert_eq!(again.digest(), plan.digest());
    }
}

fn events(bytes: &[u8]) {
    if let Ok(events) = decode_events(bytes) {
        let written = encode_events(&events);
        assert_eq!(encode_events(&decode_events(&written).expect("what was written can be read")), written);
    }
}

fn question(bytes: &[u8]) {
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(Question::decode(&question.encode()).expect("what was written can be read"), question);
    }
}

fn cbor<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes, "a form") {
        let written = encode(&value);
        let again: T = decode(&written, "a form").unwrap_or_else(|error| panic!("{value:?}: {error:?}"));
        assert_eq!(encode(&again), written, "{value:?}");
    }
}

fn digests(bytes: &[u8]) {
    if let Some(digests) = split_digests(bytes) {
        assert_eq!(join_digests(&digests), bytes);
    }
}

/// Pieces of a batch, and a part of an object, which is no longer than a part may be.
fn batch(bytes: &[u8]) {
    let mut joiner = Joiner::default();
    for (at, piece) in bytes.chunks(7).enumerate() {
        let _ = joiner.add(Piece { bytes: Bytes::copy_from_slice(piece), more: at % 3 != 0 });
    }
    let Some((head, rest)) = bytes.split_first_chunk::<12>() else { return };
    let (unpacked, check) = head.split_first_chunk::<4>().expect("it has twelve bytes");
    let packed = Packed {
        bytes: Bytes::copy_from_slice(rest),
        unpacked: u32::from_le_bytes(*unpacked),
        check: u64::from_le_bytes(check.try_into().expect("eight are left")),
    };
    if let Ok(part) = unpack(Some(packed)) {
        assert!(part.len() <= cofferdam_model::CHUNK_BYTES);
    }
}
