//! Reading a value piece by piece, whether it came inline or is kept by the host.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::contract::{CHUNK_BYTES, Content, OCTET_STREAM, Value};
use crate::host::{Host, StoredBytes, ValueError};

/// Reads one input from front to back or from anywhere. At most one chunk (256 KiB) of a large value is in
/// memory. It reads with a buffer, so that no [`std::io::BufReader`] is needed around it.
pub struct Reader {
    media_type: String,
    size: u64,
    /// Offset of `window` in the value.
    start: u64,
    /// The bytes at hand: all of an inline value, a chunk of a stored one.
    window: Vec<u8>,
    /// What of `window` has been read.
    used: usize,
    stored: Option<Box<dyn StoredBytes>>,
}

impl Reader {
    /// Reads these bytes: for tests of ops that take a reader.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Reader {
        Reader::inline(OCTET_STREAM.to_owned(), bytes.into())
    }

    pub(crate) fn inline(media_type: String, bytes: Vec<u8>) -> Reader {
        Reader { media_type, size: bytes.len() as u64, start: 0, window: bytes, used: 0, stored: None }
    }

    pub(crate) fn open(value: Value, host: &dyn Host) -> Result<Reader, ValueError> {
        match value.content {
            Content::Bytes(bytes) => Ok(Reader::inline(value.media_type, bytes)),
            Content::Stored(number) => {
                let stored = host.open(number)?;
                Ok(Reader {
                    media_type: value.media_type,
                    size: stored.size(),
                    start: 0,
                    window: vec![],
                    used: 0,
                    stored: Some(stored),
                })
            }
        }
    }

    /// Bytes in all, wherever the reader stands.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The media type that the value has, such as `text/csv`.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// All bytes that are left, without a copy where they are at hand.
    pub(crate) fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        if self.stored.is_none() && self.used == 0 {
            return Ok(self.window);
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn position(&self) -> u64 {
        self.start + self.used as u64
    }

    /// Fetches the next chunk when the window is used up.
    fn refill(&mut self) -> io::Result<()> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let at = self.start + self.used as u64;
        if self.used < self.window.len() || at >= self.size {
            return Ok(());
        }
        let length = u32::try_from(CHUNK_BYTES).expect("a chunk is small");
        self.window = stored.read(at, length)?;
        (self.start, self.used) = (at, 0);
        if self.window.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.refill()?;
        Ok(&self.window[self.used.min(self.window.len())..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = (self.used + amount).min(self.window.len());
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at_hand = self.fill_buf()?;
        let n = at_hand.len().min(into.len());
        into[..n].copy_from_slice(&at_hand[..n]);
        self.consume(n);
        Ok(n)
    }

    #[inline]
    fn read_exact(&mut self, mut into: &mut [u8]) -> io::Result<()> {
        // The usual case of a decoder: a few bytes that are at hand.
        if let Some(bytes) = self.window.get(self.used..).and_then(|left| left.get(..into.len())) {
            into.copy_from_slice(bytes);
            self.used += into.len();
            return Ok(());
        }
        while !into.is_empty() {
            match self.read(into)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => into = &mut into[n..],
            }
        }
        Ok(())
    }
}

impl Seek for Reader {
    /// Goes anywhere; past the end there is nothing to read. Fails before the start.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position().checked_add_signed(offset),
        };
        let target =
            target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        let inside = target.checked_sub(self.start).and_then(|n| usize::try_from(n).ok());
        match (inside.filter(|n| *n <= self.window.len()), &self.stored) {
            (Some(used), _) => self.used = used,
            // Inline: the window is the whole value, so the target is past its end.
            (None, None) => self.used = self.window.len(),
            (None, Some(_)) => (self.start, self.used, self.window) = (target, 0, vec![]),
        }
        Ok(target)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .field("position", &self.position())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    /// The same bytes inline and kept by the host, in three chunks.
    fn readers() -> (Vec<u8>, [Reader; 2]) {
        let bytes: Vec<u8> = (0..CHUNK_BYTES as u32 * 5 / 2).map(|n| (n % 251) as u8).collect();
        let memory = Memory::default();
        let stored = Value {
            media_type: OCTET_STREAM.to_owned(),
            content: Content::Stored(memory.keep(bytes.clone())),
        };
        let readers = [Reader::from_bytes(bytes.clone()), Reader::open(stored, &memory).unwrap()];
        (bytes, readers)
    }

    #[test]
    fn inline_and_stored_values_read_the_same() {
        let (bytes, readers) = readers();
        for reader in readers {
            assert_eq!(reader.size(), bytes.len() as u64);
            assert_eq!(reader.into_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn seeking_goes_anywhere_but_before_the_start() {
        let (bytes, readers) = readers();
        for mut reader in readers {
            let mut found = [0; 4];
            for at in [CHUNK_BYTES - 2, 3, bytes.len() - 4, 0] {
                reader.seek(SeekFrom::Start(at as u64)).unwrap();
                reader.read_exact(&mut found).unwrap();
                assert_eq!(found, bytes[at..at + 4]);
                assert_eq!(reader.stream_position().unwrap(), at as u64 + 4);
            }
            reader.seek(SeekFrom::End(-1)).unwrap();
            assert_eq!(reader.read_exact(&mut found).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            reader.seek(SeekFrom::End(10)).unwrap();
            assert_eq!(reader.read(&mut found).unwrap(), 0);
            assert!(reader.seek(SeekFrom::Current(-1_000_000_000)).is_err());
        }
    }

    #[test]
    fn a_structured_value_decodes_while_it_is_read() {
        let rows: Vec<String> = (0..100_000).map(|n| format!("row {n}")).collect();
        let memory = Memory::default();
        let stored = Value {
            media_type: crate::contract::CBOR.to_owned(),
            content: Content::Stored(memory.keep(crate::cbor::to_vec(&rows).unwrap())),
        };
        let mut reader = Reader::open(stored, &memory).unwrap();
        assert_eq!(crate::cbor::from_reader::<Vec<String>>(&mut reader).unwrap(), rows);
    }
}
