//! Streaming gunzip that knows where it is in the compressed file, and whether a failure is the file's or the storage's.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes asked of the source at a time: what the host serves best.
const CHUNK_BYTES: usize = 256 * 1024;

/// Reads the text inside a gzip file, in as much memory as one chunk takes.
pub struct Gunzip<R: Read>(MultiGzDecoder<Counted<R>>);

impl<R: Read> Gunzip<R> {
    /// Unpacks `source` from where it stands.
    pub fn new(source: R) -> Self {
        let source = Source { inner: source, failed: false };
        let reader = BufReader::with_capacity(CHUNK_BYTES, source);
        Self(MultiGzDecoder::new(Counted { reader, consumed: 0 }))
    }

    /// How many compressed bytes were used up. After a failure: where the file stops making sense.
    pub fn offset(&self) -> u64 {
        self.0.get_ref().consumed
    }

    /// True if the source could not be read; then a failure says nothing about the file.
    pub fn source_failed(&self) -> bool {
        self.0.get_ref().reader.get_ref().failed
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Counts what the decoder has used, not what was read ahead.
struct Counted<R> {
    reader: BufReader<Source<R>>,
    consumed: u64,
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.consumed += n as u64;
        self.reader.consume(n);
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.consumed += n as u64;
        Ok(n)
    }
}

/// Remembers that the source itself failed: the decoder's errors look alike.
struct Source<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.failed |= matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    pub(crate) fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_of_several_members_reads_as_one_text() {
        let bytes = [gzip("one "), gzip("two")].concat();
        let mut reader = Gunzip::new(bytes.as_slice());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        assert_eq!(reader.offset(), bytes.len() as u64);
    }

    #[test]
    fn a_source_that_fails_is_not_taken_for_a_damaged_file() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let bytes = gzip("text");
        let mut reader = Gunzip::new(bytes.as_slice().take(6).chain(Broken));
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        assert!(reader.source_failed());
    }
}
