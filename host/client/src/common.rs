//! What large libraries have in common: of one that is to be fetched, the chunks that are in libraries here already are
//! taken from there.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use cofferdam_depot::CHUNKED_BYTES_MIN;
use cofferdam_model::ValueDigest;
use object_store::path::Path;

use crate::near::{Held, Near};

/// Chunks that are remembered, at some 150 bytes each: those of 1.6 GB of libraries.
const CHUNKS_MAX: usize = 100_000;

/// Where the chunks of the libraries are that came here.
#[derive(Default)]
pub(crate) struct Common(Mutex<HashMap<ValueDigest, Spot>>);

#[derive(Clone)]
struct Spot {
    library: Arc<Path>,
    start: u64,
    length: u32,
}

/// A chunk in a library that stays here while this lives.
#[derive(Clone)]
pub(crate) struct Source {
    held: Arc<Held>,
    start: u64,
    pub(crate) length: u32,
}

impl Source {
    pub(crate) async fn read(&self) -> io::Result<Bytes> {
        let Source { held, start, length } = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length as usize];
            held.file.read_exact_at(&mut bytes, start).map(|()| bytes.into())
        });
        read.await.expect("reading does not panic")
    }
}

impl Common {
    fn spots(&self) -> MutexGuard<'_, HashMap<ValueDigest, Spot>> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spots().is_empty()
    }

    /// Remembers the chunks of a library that has come.
    pub(crate) async fn learn(&self, library: &Path, held: &Held) -> io::Result<()> {
        let (file, size) = (held.file.clone(), held.size);
        if size < CHUNKED_BYTES_MIN as u64 {
            return Ok(());
        }
        let cut = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, 0)?;
            io::Result::Ok(cofferdam_depot::cut(&bytes.into()))
        });
        let chunks = cut.await.expect("cutting does not panic")?;
        let library = Arc::new(library.clone());
        let mut spots = self.spots();
        if spots.len() + chunks.len() > CHUNKS_MAX {
            spots.clear();
        }
        let mut start = 0;
        for (digest, bytes) in chunks {
            let length = u32::try_from(bytes.len()).expect("a chunk is short");
            spots.insert(digest, Spot { library: library.clone(), start, length });
            start += u64::from(length);
        }
        Ok(())
    }

    /// Those of the chunks that are here.
    pub(crate) async fn find(&self, chunks: &[ValueDigest], near: &Near) -> HashMap<ValueDigest, Source> {
        let spots: Vec<(ValueDigest, Spot)> = {
            let spots = self.spots();
            chunks.iter().filter_map(|chunk| Some((*chunk, spots.get(chunk)?.clone()))).collect()
        };
        let mut libraries: HashMap<Arc<Path>, Option<Arc<Held>>> = HashMap::new();
        let mut found = HashMap::new();
        for (chunk, Spot { library, start, length }) in spots {
            if !libraries.contains_key(&library) {
                let held = near.get(library.as_ref().as_ref()).await.map(Arc::new);
                libraries.insert(library.clone(), held);
            }
            if let Some(held) = &libraries[&library] {
                found.insert(chunk, Source { held: held.clone(), start, length });
            }
        }
        found
    }
}
