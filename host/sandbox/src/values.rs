//! `cofferdam:op/values`: large inputs read and large outputs written in chunks, so that neither side ever
//! holds a whole one.

use cofferdam_model::{CHUNK_BYTES, FailureKind};
use wasmtime::component::Resource;

use crate::IoError;
use crate::bindings::values::{Host, HostReader, HostWriter, ValueError};
use crate::state::{State, Stop};

/// An open input.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Reader {
    number: u32,
    size: u64,
}

/// An output under way.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Writer {
    number: u32,
    bytes: u64,
    finished: bool,
}

/// What the guest is told; what came of it is remembered for the failure that may follow.
fn unavailable(state: &mut State, error: IoError) -> ValueError {
    state.trouble = Some(error);
    ValueError::Unavailable
}

impl Host for State {
    fn open(&mut self, number: u32) -> wasmtime::Result<Result<Resource<Reader>, ValueError>> {
        self.called()?;
        let Some(size) = self.stored.get(&number).copied() else {
            return Ok(Err(ValueError::Unknown));
        };
        Ok(self.table.push(Reader { number, size }).map_err(|_| ValueError::Limit))
    }

    fn create(&mut self) -> wasmtime::Result<Result<Resource<Writer>, ValueError>> {
        self.called()?;
        let number = match self.io.create() {
            Ok(number) => number,
            Err(error) => return Ok(Err(unavailable(self, error))),
        };
        let writer = Writer { number, bytes: 0, finished: false };
        Ok(self.table.push(writer).map_err(|_| ValueError::Limit))
    }
}

impl HostReader for State {
    fn size(&mut self, reader: Resource<Reader>) -> wasmtime::Result<u64> {
        self.called()?;
        Ok(self.table.get(&reader)?.size)
    }

    fn read(
        &mut self,
        reader: Resource<Reader>,
        offset: u64,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, ValueError>> {
        self.called()?;
        let Reader { number, size } = *self.table.get(&reader)?;
        let length = u64::from(length).min(CHUNK_BYTES as u64).min(size.saturating_sub(offset));
        if length == 0 {
            return Ok(Ok(vec![]));
        }
        let length = u32::try_from(length).expect("no more than one chunk");
        match self.io.read(number, offset, length) {
            Ok(bytes) => {
                self.input_bytes += bytes.len() as u64;
                Ok(Ok(bytes))
            }
            Err(error) => Ok(Err(unavailable(self, error))),
        }
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.called()?;
        self.table.delete(reader)?;
        Ok(())
    }
}

impl HostWriter for State {
    fn write(
        &mut self,
        writer: Resource<Writer>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), ValueError>> {
        self.called()?;
        if self.table.get(&writer)?.finished {
            return Ok(Err(ValueError::Finished));
        }
        if !self.count_output(bytes.len()) {
            // A guest that is told and goes on would fill the disk by other means; the attempt is over.
            let max = crate::text::human_bytes(self.output_bytes_max);
            return Err(self.end(Stop::OutputLimit(format!("wrote more than {max} of outputs"))));
        }
        let number = self.table.get(&writer)?.number;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            if let Err(error) = self.io.write(number, chunk) {
                return Ok(Err(unavailable(self, error)));
            }
        }
        self.table.get_mut(&writer)?.bytes += bytes.len() as u64;
        Ok(Ok(()))
    }

    fn finish(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Result<u32, ValueError>> {
        self.called()?;
        let entry = self.table.get_mut(&writer)?;
        if std::mem::replace(&mut entry.finished, true) {
            return Ok(Err(ValueError::Finished));
        }
        let (number, bytes) = (entry.number, entry.bytes);
        if let Err(error) = self.io.finish(number) {
            return Ok(Err(unavailable(self, error)));
        }
        self.finished.insert(number, bytes);
        Ok(Ok(number))
    }

    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        self.called()?;
        self.table.delete(writer)?;
        Ok(())
    }
}

impl IoError {
    /// The kind of the failure that this trouble leads to.
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            IoError::Input(_) => FailureKind::Input,
            IoError::Store(_) => FailureKind::Store,
        }
    }
}
