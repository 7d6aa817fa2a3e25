//! Objects in parts, both ways: cut and packed on the way out; checked, counted and hashed on the way in.

use bytes::Bytes;
use cofferdam_wire::v1::{Packed, Part};
use cofferdam_wire::{Packer, chunks, unpack};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tonic::Status;

/// What one call reads.
pub(crate) type Parts = BoxStream<'static, Result<Part, Status>>;

/// An object of that size from the chunks that are wanted of it.
pub(crate) fn out(size: u64, chunks: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Parts {
    let mut packer = Packer::default();
    chunks.map(move |chunk| Ok(Part { size, packed: Some(packer.pack(chunk?)) })).boxed()
}

/// The end of an object that is in memory.
pub(crate) fn rest(mut bytes: Bytes, start: u64) -> Parts {
    let size = bytes.len();
    let start = usize::try_from(start).unwrap_or(size).min(size);
    out(size as u64, stream::iter(chunks(bytes.split_off(start)).map(Ok)))
}

/// Counts what comes for an object whose size was announced.
pub(crate) struct Coming {
    left: u64,
}

impl Coming {
    pub(crate) fn new(size: u64) -> Coming {
        Coming { left: size }
    }

    /// Nothing is left to come.
    pub(crate) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// The bytes of the next part. Refuses more than were announced as soon as they come, and parts that bring none,
    /// which could come for ever.
    pub(crate) fn take(&mut self, packed: Option<Packed>) -> Result<Bytes, Status> {
        let bytes =
            unpack(packed).map_err(|damaged| Status::data_loss(format!("{damaged}; send it again")))?;
        if bytes.is_empty() {
            return Err(Status::invalid_argument("a part without bytes came"));
        }
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| Status::invalid_argument("more bytes came than were announced"))?;
        Ok(bytes)
    }
}
