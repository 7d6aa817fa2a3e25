//! Structured values as CBOR (RFC 8949), written in the deterministic form of its section 4.2: shortest
//! numbers, definite lengths, map keys sorted by their bytes. So equal values have equal bytes, and digests.
//!
//! The data model is the one that JSON Schema describes, so that schemas derived by schemars hold: types
//! see a human-readable format, and the keys of maps are text.

mod decode;
mod encode;

pub(crate) use decode::{DecodeError, Problem, from_reader};
pub(crate) use encode::{EncodeError, to_vec, to_writer};

#[cfg(test)]
mod tests;
