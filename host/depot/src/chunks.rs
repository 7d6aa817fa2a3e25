//! Large libraries in chunks: cut where their content says so, so that what two of them have in common is cut alike
//! wherever it stands, and is kept and sent once. Most of a component made of a Python op is the interpreter.
//!
//! The new chunks of a library are one object, its pack; a manifest names every chunk and the pack that it is in, its
//! own or that of an earlier library. So a library costs two objects, however many chunks it has. A pack is named by its
//! bytes, so nothing is ever replaced by something else:
//!
//! ```text
//! v1/libraries/<digest>.chunks    cofferdam-chunks 1
//!                                 <blake3 of the chunk> <its bytes> <blake3 of the pack> <first byte in the pack>
//! v1/packs/<blake3>.pack
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use cofferdam_model::ValueDigest;
use fastcdc::v2020::FastCDC;

/// Libraries of fewer bytes are kept and sent whole: what a compiled language makes is mostly its own.
pub const CHUNKED_BYTES_MIN: usize = 4 * 1024 * 1024;
/// Shortest chunk but the last one; bounds how many a library has.
const CHUNK_BYTES_MIN: usize = 4 * 1024;
/// Usual length: half of it would save a fiftieth more of two Python components, and double what is named.
const CHUNK_BYTES_USUAL: usize = 16 * 1024;
/// Longest chunk; fits into one message.
const CHUNK_BYTES_LONGEST: usize = 64 * 1024;
/// First line of a manifest.
const HEADER: &str = "cofferdam-chunks 1";

/// Cuts a library; not at all if it is kept whole.
pub fn cut(library: &Bytes) -> Vec<(ValueDigest, Bytes)> {
    if library.len() < CHUNKED_BYTES_MIN {
        return vec![];
    }
    let chunks = FastCDC::new(library, CHUNK_BYTES_MIN, CHUNK_BYTES_USUAL, CHUNK_BYTES_LONGEST);
    let slices = chunks.map(|chunk| library.slice(chunk.offset..chunk.offset + chunk.length));
    slices.map(|bytes| (ValueDigest::of(&bytes), bytes)).collect()
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pack: ValueDigest,
    pub(crate) start: u64,
    pub(crate) length: u32,
}

impl Place {
    pub(crate) fn range(&self) -> Range<u64> {
        self.start..self.start + u64::from(self.length)
    }
}

/// The chunks of one library, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest(pub(crate) Vec<(ValueDigest, Place)>);

impl Manifest {
    /// The manifest of a library, and its pack: those chunks that are not in `known`.
    pub(crate) fn make(
        chunks: &[(ValueDigest, Bytes)],
        known: &HashMap<ValueDigest, Place>,
    ) -> (Manifest, ValueDigest, Vec<Bytes>) {
        let mut own: HashMap<ValueDigest, u64> = HashMap::new();
        let (mut pack, mut hasher, mut end) = (vec![], blake3::Hasher::new(), 0);
        for (digest, bytes) in chunks {
            if !known.contains_key(digest) && !own.contains_key(digest) {
                own.insert(*digest, end);
                end += bytes.len() as u64;
                hasher.update(bytes);
                pack.push(bytes.clone());
            }
        }
        let name = ValueDigest(*hasher.finalize().as_bytes());
        let place = |digest: &ValueDigest, bytes: &Bytes| match own.get(digest) {
            None => known[digest],
            Some(start) => {
                let length = u32::try_from(bytes.len()).expect("a chunk is short");
                Place { pack: name, start: *start, length }
            }
        };
        let all = chunks.iter().map(|(digest, bytes)| (*digest, place(digest, bytes)));
        (Manifest(all.collect()), name, pack)
    }

    /// Bytes of the library.
    pub(crate) fn size(&self) -> u64 {
        self.0.iter().map(|(_, place)| u64::from(place.length)).sum()
    }

    /// What is needed of each pack, each chunk once.
    pub(crate) fn packs(&self) -> BTreeMap<ValueDigest, Vec<(ValueDigest, Place)>> {
        let mut packs: BTreeMap<ValueDigest, Vec<(ValueDigest, Place)>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (digest, place) in self.0.iter().filter(|(digest, _)| seen.insert(*digest)) {
            packs.entry(place.pack).or_default().push((*digest, *place));
        }
        packs
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (digest, Place { pack, start, length }) in &self.0 {
            text += &format!("{} {length} {} {start}\n", digest.hex(), pack.hex());
        }
        text
    }

    /// None if that is no manifest which this version can read.
    pub(crate) fn decode(text: &[u8]) -> Option<Manifest> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return None;
        }
        lines.map(chunk).collect::<Option<Vec<_>>>().map(Manifest)
    }
}

fn chunk(line: &str) -> Option<(ValueDigest, Place)> {
    let mut words = line.split(' ');
    let digest = format!("blake3:{}", words.next()?).parse().ok()?;
    let length: u32 = words.next()?.parse().ok()?;
    let pack = format!("blake3:{}", words.next()?).parse().ok()?;
    let start: u64 = words.next()?.parse().ok()?;
    let sound =
        words.next().is_none() && length as usize <= CHUNK_BYTES_LONGEST && start <= u64::from(u32::MAX);
    sound.then_some((digest, Place { pack, start, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(byte).collect()
    }

    #[test]
    fn what_is_put_in_or_taken_out_changes_the_chunks_around_it_and_no_others() {
        let before = noise(CHUNKED_BYTES_MIN + 1_000_000);
        let mut after = before.clone();
        after.splice(1_000_000..1_000_010, *b"something longer than it was");
        after.drain(3_000_000..3_000_500);
        let (before, after) = (cut(&before.into()), cut(&after.into()));
        assert_eq!(before.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), CHUNKED_BYTES_MIN + 1_000_000);
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!((1..=6).contains(&new), "{new} of {}", after.len());
        assert!(after.iter().all(|(digest, bytes)| *digest == ValueDigest::of(bytes)));
    }

    #[test]
    fn a_small_library_stays_whole() {
        assert!(cut(&noise(CHUNKED_BYTES_MIN - 1).into()).is_empty());
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_anything_else_is_none() {
        let chunks = cut(&noise(CHUNKED_BYTES_MIN).into());
        let (manifest, _, pack) = Manifest::make(&chunks, &HashMap::new());
        assert_eq!(manifest.size(), pack.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
        let text = manifest.encode();
        assert_eq!(Manifest::decode(text.as_bytes()), Some(manifest));
        for bad in ["", "cofferdam-chunks 2\n", &text[..text.len() - 70], &text.replace(" 0\n", " -1\n")] {
            assert_eq!(Manifest::decode(bad.as_bytes()), None);
        }
    }
}
