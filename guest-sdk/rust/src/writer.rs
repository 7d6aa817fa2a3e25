//! Writing a value piece by piece. What stays small is returned inline; the rest goes to the host in chunks.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use crate::contract::{CHUNK_BYTES, Content, INLINE_BYTES_MAX};
use crate::host::{Host, StoredWriter};

/// Writes one output from front to back; at most one chunk (256 KiB) of it is in memory.
///
/// Nothing of it is seen by others until [`Writer::finish`], the [`Stored`] that it gives is returned as an
/// output, and the step is committed. A writer that is dropped leaves nothing behind.
pub struct Writer {
    host: Rc<dyn Host>,
    buffer: Vec<u8>,
    /// Once the value has outgrown the buffer.
    stored: Option<Box<dyn StoredWriter>>,
}

/// A finished value that a [`Writer`] wrote; return it as an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored(pub(crate) Content);

impl Writer {
    pub(crate) fn new(host: Rc<dyn Host>) -> Writer {
        Writer { host, buffer: vec![], stored: None }
    }

    /// Ends the value. Fails if the host cannot keep it or the limit on output bytes is reached.
    pub fn finish(mut self) -> io::Result<Stored> {
        if self.stored.is_none() && self.buffer.len() <= INLINE_BYTES_MAX {
            return Ok(Stored(Content::Bytes(self.buffer)));
        }
        self.send_buffer()?;
        let writer = self.stored.as_mut().expect("the buffer was sent to it");
        Ok(Stored(Content::Stored(writer.finish()?)))
    }

    fn send_buffer(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.send(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer = match &mut self.stored {
            Some(writer) => writer,
            none => none.insert(self.host.create()?),
        };
        Ok(bytes.chunks(CHUNK_BYTES).try_for_each(|chunk| writer.write(chunk))?)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole chunks go as they are; the rest of a chunk waits for company.
        if self.buffer.is_empty() && bytes.len() >= CHUNK_BYTES {
            let whole = bytes.len() - bytes.len() % CHUNK_BYTES;
            self.send(&bytes[..whole])?;
            return Ok(whole);
        }
        let n = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        if self.buffer.len() == CHUNK_BYTES {
            self.send_buffer()?;
        }
        Ok(n)
    }

    /// Does nothing: what is written becomes visible as a whole or not at all.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// The content of bytes that are in memory already: inline if small, else sent in chunks without a copy.
pub(crate) fn content_of(bytes: Vec<u8>, host: &Rc<dyn Host>) -> io::Result<Content> {
    if bytes.len() <= INLINE_BYTES_MAX {
        return Ok(Content::Bytes(bytes));
    }
    let mut writer = Writer::new(host.clone());
    writer.write_all(&bytes)?;
    Ok(writer.finish()?.0)
}
