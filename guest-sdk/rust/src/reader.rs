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
        Reader {
            media_type,
            size: bytes.len() as u64,
            start: 0,
            window: bytes,
            used: 0,
            stored: None,
        }
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
