//! Streaming gunzip that knows where it is in the compressed file, and whether a failure is the file's or the storage's.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

/// Reads the text inside a gzip file, in as much memory as the source buffers.
pub struct Gunzip<R>(MultiGzDecoder<Counted<R>>);

impl<R: BufRead> Gunzip<R> {
    /// Unpacks `source` from where it stands.
    pub fn new(source: R) -> Self {
        Self(MultiGzDecoder::new(Counted { source, consumed: 0, failed: false }))
    }

    /// How many compressed bytes were used up. After a failure: where the file stops making sense.
    pub fn offset(&self) -> u64 {
        self.0.get_ref().consumed
    }

    /// True if the source could not be read; then a failure says nothing about the file.
    pub fn source_failed(&self) -> bool {
        self.0.get_ref().failed
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Counts what the decoder has used, not what was read ahead, and remembers whether the source failed: to the reader
/// of a decoder all errors look alike.
struct Counted<R> {
    source: R,
    consumed: u64,
    failed: bool,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let result = self.source.fill_buf();
        self.failed |= matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        result
    }

    fn consume(&mut self, n: usize) {
        self.consumed += n as u64;
        self.source.consume(n);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let n = bytes.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufReader, Write};

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
        let source = BufReader::new(bytes.as_slice().take(6).chain(Broken));
        let mut reader = Gunzip::new(source);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        assert!(reader.source_failed());
    }
}
