//! What crosses the network between clients, the scheduler and workers: the protobuf messages, how the program's own
//! types travel inside them, how connections are made and who is at their other end. It decides nothing.

mod address;
mod codec;
mod compiled;
mod pack;
pub mod private;
mod ticket;
pub mod tls;
mod token;

/// The messages and services of `proto/cofferdam/v1/cluster.proto`.
#[expect(
    clippy::large_enum_variant,
    reason = "a message is made once per stream and moved, never kept in bulk"
)]
pub mod v1 {
    tonic::include_proto!("cofferdam.v1");
}

pub use address::{ADDRESS_DEFAULT, InvalidAddress, connect};
pub use codec::{
    Joiner, Malformed, chunks, decode, decode_events, encode, encode_events, join_digests, pieces,
    split_digests,
};
pub use compiled::compiled_statement;
pub use pack::{Damaged, Packer, unpack};
pub use ticket::{InvalidSecret, OBJECT_ID_BYTES, ObjectId, Secret, object_id};
pub use token::{Introduce, InvalidToken, Token, TokenSecret, carried};

/// Version of the messages and of what travels inside them. Both sides speak exactly this one.
pub const PROTOCOL: u32 = 6;

/// Under which a caller says with every call which [`PROTOCOL`] it speaks.
pub const PROTOCOL_HEADER: &str = "cofferdam-protocol";

/// The interface with ops that this program offers.
pub const WORLD: &str = "cofferdam:op@0.1.0";

/// Longest message that either side takes: values and plans go in chunks, batches in pieces.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    #[test]
    fn the_interface_is_the_one_in_wit() {
        let text = include_str!("../../../wit/types.wit");
        assert!(text.contains(&format!("package {};", super::WORLD)), "{}", super::WORLD);
    }
}
