//! Libraries that are kept in chunks: put, got and deleted over the object store.

use std::collections::{BTreeSet, HashMap};

use bytes::{Bytes, BytesMut};
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest, ValueDigest};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::chunks::{Manifest, Place, cut};
use crate::{Depot, Error, PREFIX};

/// Folder of the packs within the store.
const PACKS: &str = "v1/packs";
/// What the name of a manifest ends with.
pub(crate) const MANIFEST: &str = ".chunks";

impl Depot {
    /// The chunks that a library is kept in, in order, and its bytes; none if it is kept whole.
    pub async fn chunks(&self, digest: &LibraryDigest) -> Result<(Vec<ValueDigest>, u64), Error> {
        let manifest = self.manifest(digest).await?.unwrap_or_default();
        Ok((manifest.0.iter().map(|(chunk, _)| *chunk).collect(), manifest.size()))
    }

    /// Which of these chunks no library here has.
    pub async fn missing_chunks(&self, chunks: Vec<ValueDigest>) -> Result<Vec<ValueDigest>, Error> {
        let known = self.known().await?;
        Ok(chunks.into_iter().filter(|chunk| !known.contains_key(chunk)).collect())
    }

    /// The bytes that these chunks make, of which some were brought and the others are in libraries here. None if one is
    /// in neither, or if they are more than `bytes_max`.
    pub async fn join(
        &self,
        chunks: &[ValueDigest],
        brought: &HashMap<ValueDigest, Bytes>,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, Error> {
        let known = self.known().await?;
        let lacking = chunks.iter().filter(|chunk| !brought.contains_key(*chunk));
        let places = lacking.map(|chunk| known.get(chunk).map(|place| (*chunk, *place)));
        let Some(places) = places.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let length = |chunk| {
            let brought = brought.get(chunk).map(|bytes| bytes.len() as u64);
            brought.unwrap_or_else(|| u64::from(known[chunk].length))
        };
        if chunks.iter().map(length).sum::<u64>() > bytes_max {
            return Ok(None);
        }
        let Some(mut found) = self.read(&Manifest(places)).await? else { return Ok(None) };
        found.extend(brought.iter().map(|(chunk, bytes)| (*chunk, bytes.clone())));
        let mut whole = BytesMut::new();
        chunks.iter().for_each(|chunk| whole.extend_from_slice(&found[chunk]));
        Ok(Some(whole.freeze()))
    }

    /// Keeps a library in chunks, and looks whether it can be read: a chunk that it counted on may be damaged, or gone
    /// because another library was deleted meanwhile. Then all of it is written once more, on its own.
    pub(crate) async fn put_chunks(&self, digest: LibraryDigest, bytes: &Bytes) -> Result<(), Error> {
        let chunks = cut(bytes);
        let tries = [(self.known().await?, PutMode::Create), (HashMap::new(), PutMode::Overwrite)];
        for (known, mode) in tries {
            let (manifest, name, pack) = Manifest::make(&chunks, &known);
            if !pack.is_empty() {
                self.write(&pack_of(&name), PutPayload::from_iter(pack), &digest, mode.clone()).await?;
            }
            let text = Bytes::from(manifest.encode());
            self.write(&manifest_of(&digest), text.into(), &digest, mode).await?;
            if matches!(self.get_chunks(&digest).await, Ok(Some(kept)) if kept == *bytes) {
                break;
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        to: &Path,
        payload: PutPayload,
        digest: &LibraryDigest,
        mode: PutMode,
    ) -> Result<(), Error> {
        match self.store.put_opts(to, payload, PutOptions::from(mode)).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(Error::Store { doing: "keep", digest: *digest, source }),
        }
    }

    /// The bytes of a library that is kept in chunks; none if it is not, or not all of it is there.
    pub(crate) async fn get_chunks(&self, digest: &LibraryDigest) -> Result<Option<Bytes>, Error> {
        let Some(manifest) = self.manifest(digest).await? else { return Ok(None) };
        if manifest.size() > LIBRARY_BYTES_MAX {
            return Err(Error::TooLarge { size: manifest.size() });
        }
        let Some(found) = self.read(&manifest).await? else { return Ok(None) };
        let mut whole = BytesMut::new();
        manifest.0.iter().for_each(|(chunk, _)| whole.extend_from_slice(&found[chunk]));
        Ok(Some(whole.freeze()))
    }

    /// Whether all of a library that is kept in chunks is there.
    pub(crate) async fn contains_chunks(&self, digest: &LibraryDigest) -> Result<bool, Error> {
        match self.manifest(digest).await? {
            Some(manifest) => self.has_all(&manifest).await,
            None => Ok(false),
        }
    }

    async fn has_all(&self, manifest: &Manifest) -> Result<bool, Error> {
        for pack in manifest.packs().keys() {
            match self.store.head(&pack_of(pack)).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(source) => return Err(Error::Pack { pack: *pack, source }),
            }
        }
        Ok(true)
    }

    /// A library that is kept in chunks, as it is listed.
    pub(crate) async fn listed(&self, object: &ObjectMeta) -> Option<(LibraryDigest, u64)> {
        let digest = object.location.filename()?.strip_suffix(MANIFEST)?;
        let digest = format!("sha256:{digest}").parse().ok()?;
        let manifest = self.manifest(&digest).await.ok()??;
        Some((digest, manifest.size()))
    }

    /// Removes a manifest, and every pack that no other one needs.
    pub(crate) async fn delete_chunks(&self, digest: &LibraryDigest) -> Result<(), Error> {
        let Some(manifest) = self.manifest(digest).await? else { return Ok(()) };
        self.remove(&manifest_of(digest), digest).await?;
        let needed: BTreeSet<ValueDigest> = self.known().await?.values().map(|place| place.pack).collect();
        for pack in manifest.packs().keys().filter(|pack| !needed.contains(*pack)) {
            self.remove(&pack_of(pack), digest).await?;
        }
        Ok(())
    }

    async fn remove(&self, location: &Path, digest: &LibraryDigest) -> Result<(), Error> {
        match self.store.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::Store { doing: "delete", digest: *digest, source }),
        }
    }

    /// None if there is none.
    async fn manifest(&self, digest: &LibraryDigest) -> Result<Option<Manifest>, Error> {
        let failed = |source| Error::Store { doing: "read", digest: *digest, source };
        match self.store.get(&manifest_of(digest)).await {
            Ok(object) => {
                let text = object.bytes().await.map_err(failed)?;
                Manifest::decode(&text).map(Some).ok_or(Error::Manifest(*digest))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Every chunk that is here. Read anew each time: other processes put libraries too, and it happens seldom.
    async fn known(&self) -> Result<HashMap<ValueDigest, Place>, Error> {
        let objects = self.store.list(Some(&PREFIX.into()));
        let objects: Vec<ObjectMeta> = objects.try_collect().await.map_err(Error::List)?;
        let mut known = HashMap::new();
        for object in objects {
            let digest = object.location.filename().and_then(|name| name.strip_suffix(MANIFEST));
            let Some(digest) = digest.and_then(|hex| format!("sha256:{hex}").parse().ok()) else { continue };
            // One that cannot be read has nothing to share.
            if let Ok(Some(manifest)) = self.manifest(&digest).await {
                known.extend(manifest.0);
            }
        }
        Ok(known)
    }

    /// The chunks of a manifest, each once, as they are in their packs. None if a pack is gone or too short.
    async fn read(&self, manifest: &Manifest) -> Result<Option<HashMap<ValueDigest, Bytes>>, Error> {
        let mut found = HashMap::new();
        for (pack, chunks) in manifest.packs() {
            let location = pack_of(&pack);
            let failed = |source| Error::Pack { pack, source };
            match self.store.head(&location).await {
                Ok(meta) if chunks.iter().all(|(_, place)| place.range().end <= meta.size) => {}
                Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(source) => return Err(failed(source)),
            }
            let ranges: Vec<_> = chunks.iter().map(|(_, place)| place.range()).collect();
            let bytes = self.store.get_ranges(&location, &ranges).await.map_err(failed)?;
            found.extend(chunks.iter().map(|(digest, _)| *digest).zip(bytes));
        }
        Ok(Some(found))
    }
}

fn manifest_of(digest: &LibraryDigest) -> Path {
    Path::from(format!("{PREFIX}/{}{MANIFEST}", digest.hex()))
}

fn pack_of(digest: &ValueDigest) -> Path {
    Path::from(format!("{PACKS}/{}.pack", digest.hex()))
}
