//! Libraries by digest: `put` names bytes by their SHA-256, `get` gives them back verified. What keeps them is
//! an object store; what large ones have in common it keeps once. Compiled code is not kept here; it has no integrity of
//! its own and never travels.

mod chunks;
mod packs;
mod signature;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest, ValueDigest};
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};

pub use chunks::{CHUNKED_BYTES_MIN, cut};
pub use signature::{InvalidSignature, Signature, SigningKey, SigningKeyError};

/// Folder of the libraries within the store; a later layout gets another number.
const PREFIX: &str = "v1/libraries";

/// Why the depot could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open the depot `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("keep a library of {size} bytes: at most {LIBRARY_BYTES_MAX} are allowed")]
    TooLarge { size: u64 },
    #[error("find library {0} in the depot: it was never put there or has been deleted")]
    NotFound(LibraryDigest),
    #[error(
        "verify library {expected}: the depot holds bytes with digest {found}; delete that file and register the library again"
    )]
    DigestMismatch { expected: LibraryDigest, found: LibraryDigest },
    #[error(
        "read library {0}: its list of chunks is damaged, or of a newer version of cofferdam; delete that file and register the library again"
    )]
    Manifest(LibraryDigest),
    #[error("read the chunks of libraries in pack {pack}")]
    Pack {
        pack: ValueDigest,
        #[source]
        source: object_store::Error,
    },
    #[error("list the libraries of the depot")]
    List(#[source] object_store::Error),
    #[error("{doing} library {digest}")]
    Store {
        doing: &'static str,
        digest: LibraryDigest,
        #[source]
        source: object_store::Error,
    },
}

/// The libraries that a deployment knows. Clones share one store.
#[derive(Debug, Clone)]
pub struct Depot {
    store: Arc<dyn ObjectStore>,
}

impl Depot {
    /// A depot in this folder, which is made if it is absent.
    pub fn local(folder: &Path) -> Result<Depot, Error> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| Error::Open {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|source| open(source.into()))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|source| open(source.into()))?;
        Ok(Depot::over(Arc::new(store.with_fsync(true))))
    }

    /// A depot that ends with the process.
    pub fn memory() -> Depot {
        Depot::over(Arc::new(InMemory::new()))
    }

    /// A depot over any object store.
    pub fn over(store: Arc<dyn ObjectStore>) -> Depot {
        Depot { store }
    }

    /// Keeps these bytes and gives their name, computed here. Putting the same bytes again changes nothing,
    /// except that a damaged copy is replaced; a reader sees all of a library or nothing.
    pub async fn put(&self, bytes: Bytes) -> Result<LibraryDigest, Error> {
        let size = bytes.len() as u64;
        if size > LIBRARY_BYTES_MAX {
            return Err(Error::TooLarge { size });
        }
        let digest = digest(&bytes);
        let mut mode = PutMode::Create;
        match self.get(&digest).await {
            Ok(_) => return Ok(digest),
            Err(Error::DigestMismatch { .. }) => mode = PutMode::Overwrite,
            Err(_) => {}
        }
        if bytes.len() >= CHUNKED_BYTES_MIN {
            if mode == PutMode::Overwrite {
                // It may be kept whole, as earlier versions did.
                self.delete(&digest).await?;
            }
            return self.put_chunks(digest, &bytes).await.map(|()| digest);
        }
        let options = PutOptions::from(mode);
        let payload = PutPayload::from_bytes(bytes);
        match self.store.put_opts(&location(&digest), payload, options).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(digest),
            Err(source) => Err(Error::Store { doing: "keep", digest, source }),
        }
    }

    /// True if the library is there; [`Depot::get`] verifies it.
    pub async fn contains(&self, digest: &LibraryDigest) -> Result<bool, Error> {
        match self.store.head(&location(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => self.contains_chunks(digest).await,
            Err(source) => Err(Error::Store { doing: "look for", digest: *digest, source }),
        }
    }

    /// Every library with its bytes and the time, in milliseconds since 1970, at which it was put.
    pub async fn list(&self) -> Result<Vec<(LibraryDigest, u64, u64)>, Error> {
        let objects: Vec<_> =
            self.store.list(Some(&PREFIX.into())).try_collect().await.map_err(Error::List)?;
        let mut libraries = vec![];
        for object in objects {
            let whole = object.location.filename().and_then(|name| name.strip_suffix(".wasm"));
            let whole = whole.and_then(|hex| format!("sha256:{hex}").parse().ok());
            let found = match whole {
                Some(digest) => Some((digest, object.size)),
                None => self.listed(&object).await,
            };
            let put = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or_default();
            libraries.extend(found.map(|(digest, bytes)| (digest, bytes, put)));
        }
        Ok(libraries)
    }

    /// Removes a library; one that is not there is removed already.
    pub async fn delete(&self, digest: &LibraryDigest) -> Result<(), Error> {
        match self.store.delete(&location(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => self.delete_chunks(digest).await,
            Err(source) => Err(Error::Store { doing: "delete", digest: *digest, source }),
        }
    }

    /// The bytes of a library. What is returned has that digest.
    pub async fn get(&self, digest: &LibraryDigest) -> Result<Bytes, Error> {
        let failed = |source| Error::Store { doing: "read", digest: *digest, source };
        let bytes = match self.store.get(&location(digest)).await {
            Ok(object) if object.meta.size > LIBRARY_BYTES_MAX => {
                return Err(Error::TooLarge { size: object.meta.size });
            }
            Ok(object) => object.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => {
                self.get_chunks(digest).await?.ok_or(Error::NotFound(*digest))?
            }
            Err(source) => return Err(failed(source)),
        };
        let found = self::digest(&bytes);
        if found != *digest {
            return Err(Error::DigestMismatch { expected: *digest, found });
        }
        Ok(bytes)
    }
}

/// The name of a library with these bytes.
pub fn digest(bytes: &[u8]) -> LibraryDigest {
    LibraryDigest(Sha256::digest(bytes).into())
}

fn location(digest: &LibraryDigest) -> object_store::path::Path {
    object_store::path::Path::from(format!("{PREFIX}/{}.wasm", digest.hex()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn both() -> (tempfile::TempDir, [Depot; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let local = Depot::local(folder.path()).unwrap();
        (folder, [local, Depot::memory()])
    }

    #[tokio::test]
    async fn a_library_is_named_by_its_sha_256_and_comes_back() {
        let (_folder, depots) = both();
        for depot in depots {
            let digest = depot.put(Bytes::from_static(b"abc")).await.unwrap();
            let known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert_eq!(digest.to_string(), known);
            assert_eq!(depot.put(Bytes::from_static(b"abc")).await.unwrap(), digest);
            assert_eq!(depot.get(&digest).await.unwrap(), "abc");
        }
    }

    #[tokio::test]
    async fn libraries_are_listed_and_deleted() {
        let (_folder, depots) = both();
        for depot in depots {
            let one = depot.put(Bytes::from_static(b"one")).await.unwrap();
            let two = depot.put(Bytes::from_static(b"twelve")).await.unwrap();
            let mut listed: Vec<_> =
                depot.list().await.unwrap().into_iter().map(|(digest, bytes, _)| (bytes, digest)).collect();
            listed.sort();
            assert_eq!(listed, [(3, one), (6, two)]);
            depot.delete(&one).await.unwrap();
            depot.delete(&one).await.unwrap();
            assert_eq!(depot.list().await.unwrap().len(), 1);
            assert!(matches!(depot.get(&one).await, Err(Error::NotFound(_))));
        }
    }

    /// Two builds of one large library: they differ in a few places.
    fn two_builds() -> [Bytes; 2] {
        let mut bytes = vec![0; 2 * CHUNKED_BYTES_MIN];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let mut other = bytes.clone();
        for at in [100, 1_000_000, 3_000_000] {
            other.splice(at..at + 10, *b"not what was there");
        }
        [bytes.into(), other.into()]
    }

    fn bytes_in(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let size = |entry: std::fs::DirEntry| match entry.path().is_dir() {
            true => bytes_in(&entry.path()),
            false => entry.metadata().unwrap().len(),
        };
        entries.map(size).sum()
    }

    #[tokio::test]
    async fn two_builds_of_a_large_library_are_kept_in_little_more_than_one() {
        let (folder, depots) = both();
        for depot in &depots {
            let builds = two_builds();
            let one = depot.put(builds[0].clone()).await.unwrap();
            let two = depot.put(builds[1].clone()).await.unwrap();
            assert!(
                depot.get(&one).await.unwrap() == builds[0] && depot.get(&two).await.unwrap() == builds[1]
            );
            assert!(depot.contains(&two).await.unwrap());
            let mut sizes: Vec<u64> =
                depot.list().await.unwrap().iter().map(|(_, bytes, _)| *bytes).collect();
            sizes.sort();
            assert_eq!(sizes, builds.each_ref().map(|build| build.len() as u64));
            let (all, size) = depot.chunks(&two).await.unwrap();
            assert_eq!(size, builds[1].len() as u64);
            assert!(depot.missing_chunks(all).await.unwrap().is_empty());
        }
        let kept = bytes_in(folder.path());
        assert!(kept < 2 * CHUNKED_BYTES_MIN as u64 * 12 / 10, "{kept} bytes");
    }

    #[tokio::test]
    async fn what_two_libraries_have_in_common_stays_until_both_are_deleted() {
        let (folder, depots) = both();
        for depot in &depots {
            let builds = two_builds();
            let one = depot.put(builds[0].clone()).await.unwrap();
            let two = depot.put(builds[1].clone()).await.unwrap();
            depot.delete(&one).await.unwrap();
            assert!(!depot.contains(&one).await.unwrap());
            assert!(depot.get(&two).await.unwrap() == builds[1]);
            depot.delete(&two).await.unwrap();
            assert!(matches!(depot.get(&two).await, Err(Error::NotFound(_))));
        }
        assert_eq!(bytes_in(folder.path()), 0);
    }

    #[tokio::test]
    async fn a_damaged_or_lost_chunk_is_never_handed_out_and_putting_the_library_again_mends_it() {
        let (_folder, depots) = both();
        for depot in depots {
            let builds = two_builds();
            let one = depot.put(builds[0].clone()).await.unwrap();
            let packs: Vec<_> = depot.store.list(Some(&"v1/packs".into())).try_collect().await.unwrap();
            let pack = &packs[0].location;
            let mut bytes = depot.store.get(pack).await.unwrap().bytes().await.unwrap().to_vec();
            bytes[5_000_000] ^= 1;
            depot.store.put(pack, bytes.into()).await.unwrap();
            let error = depot.get(&one).await.unwrap_err();
            assert!(matches!(error, Error::DigestMismatch { expected, .. } if expected == one));
            // Another library that counts on the damaged chunk comes whole all the same.
            let two = depot.put(builds[1].clone()).await.unwrap();
            assert!(depot.get(&two).await.unwrap() == builds[1]);
            depot.put(builds[0].clone()).await.unwrap();
            assert!(depot.get(&one).await.unwrap() == builds[0]);
            for pack in depot.store.list(Some(&"v1/packs".into())).try_collect::<Vec<_>>().await.unwrap() {
                depot.store.delete(&pack.location).await.unwrap();
            }
            assert!(!depot.contains(&one).await.unwrap(), "it is asked for again");
            assert!(matches!(depot.get(&one).await, Err(Error::NotFound(_))));
            depot.put(builds[0].clone()).await.unwrap();
            assert!(depot.get(&one).await.unwrap() == builds[0]);
        }
    }

    #[tokio::test]
    async fn chunks_that_were_brought_and_chunks_that_are_here_make_a_library() {
        let depot = Depot::memory();
        let builds = two_builds();
        depot.put(builds[0].clone()).await.unwrap();
        let chunks = cut(&builds[1]);
        let names: Vec<ValueDigest> = chunks.iter().map(|(digest, _)| *digest).collect();
        let missing = depot.missing_chunks(names.clone()).await.unwrap();
        assert!((1..20).contains(&missing.len()), "{}", missing.len());
        let size = builds[1].len() as u64;
        let mut brought: HashMap<_, _> =
            chunks.into_iter().filter(|(digest, _)| missing.contains(digest)).collect();
        assert_eq!(depot.join(&names, &brought, size).await.unwrap(), Some(builds[1].clone()));
        assert_eq!(depot.join(&names, &brought, size - 1).await.unwrap(), None, "more than announced");
        brought.remove(&missing[0]);
        assert_eq!(depot.join(&names, &brought, size).await.unwrap(), None, "one is lacking");
    }

    #[tokio::test]
    async fn an_unknown_library_is_named_in_the_error() {
        let (_folder, depots) = both();
        for depot in depots {
            let error = depot.get(&digest(b"absent")).await.unwrap_err();
            assert!(matches!(error, Error::NotFound(found) if found == digest(b"absent")));
        }
    }

    #[tokio::test]
    async fn a_library_that_is_too_large_is_refused() {
        let bytes = Bytes::from(vec![0; LIBRARY_BYTES_MAX as usize + 1]);
        let error = Depot::memory().put(bytes).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }));
    }

    #[tokio::test]
    async fn a_damaged_library_is_never_handed_out_and_putting_it_again_mends_it() {
        let (_folder, depots) = both();
        for depot in depots {
            let digest = depot.put(Bytes::from_static(b"good")).await.unwrap();
            depot.store.put(&location(&digest), "evil".into()).await.unwrap();
            let error = depot.get(&digest).await.unwrap_err();
            assert!(matches!(error, Error::DigestMismatch { expected, .. } if expected == digest));
            depot.put(Bytes::from_static(b"good")).await.unwrap();
            assert_eq!(depot.get(&digest).await.unwrap(), "good");
        }
    }
}
