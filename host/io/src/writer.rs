//! One value on its way into the store: hashed while it streams, visible when it is finished and not before.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::ValueDigest;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, ValueKey};

/// Bytes that are held before they go to the store: small values take one request, and stores in the cloud
/// want parts of at least 5 MiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Writes one value from front to back. Dropping it unfinished leaves nothing visible under the key;
/// [`ValueWriter::abort`] also frees what was taken already.
pub struct ValueWriter {
    store: Arc<dyn ObjectStore>,
    key: ValueKey,
    hasher: blake3::Hasher,
    size: u64,
    held: Vec<Bytes>,
    held_bytes: usize,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl ValueWriter {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, key: ValueKey) -> ValueWriter {
        ValueWriter {
            store,
            key,
            hasher: blake3::Hasher::new(),
            size: 0,
            held: vec![],
            held_bytes: 0,
            upload: None,
        }
    }

    /// Appends. After an error the value cannot be finished any more; abort it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        if self.held_bytes >= PART_BYTES {
            self.put_part().await?;
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn key(&self) -> &ValueKey {
        &self.key
    }

    /// Makes the value durable and visible under its key and tells its size and digest. Fails, with nothing
    /// visible, if the store is full or there is a value of that key already.
    pub async fn finish(mut self) -> Result<(u64, ValueDigest), Error> {
        let digest = ValueDigest(*self.hasher.finalize().as_bytes());
        if let Err(error) = self.publish().await {
            self.abort().await;
            return Err(error);
        }
        Ok((self.size, digest))
    }

    /// Gives the value up and frees what it took. A store that fails here leaves a hidden part behind, which
    /// is never visible as a value.
    pub async fn abort(mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(key = %self.key, %error, "an unfinished value could not be removed");
        }
    }

    async fn publish(&mut self) -> Result<(), Error> {
        let target = Path::from(self.key.as_str());
        let failed = |key: &ValueKey, source| Error::store("write", key.as_str(), source);
        if self.upload.is_none() {
            let payload = PutPayload::from_iter(self.held.drain(..));
            let put = self.store.put_opts(&target, payload, PutOptions::from(PutMode::Create));
            put.await.map_err(|source| failed(&self.key, source))?;
            return Ok(());
        }
        self.put_part().await?;
        // Completing an upload replaces what is there, so it goes to a place of its own first; taking the
        // final name is the step that fails if the name is taken.
        let staged = staging(&self.key);
        let upload = self.upload.as_mut().expect("checked above");
        upload.complete().await.map_err(|source| failed(&self.key, source))?;
        self.upload = None;
        let renamed = self.store.rename_if_not_exists(&staged, &target).await;
        if renamed.is_err() {
            let _ = self.store.delete(&staged).await;
        }
        renamed.map_err(|source| failed(&self.key, source))
    }

    async fn put_part(&mut self) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let failed = |key: &ValueKey, source| Error::store("write", key.as_str(), source);
        if self.upload.is_none() {
            let upload = self.store.put_multipart(&staging(&self.key)).await;
            self.upload = Some(upload.map_err(|source| failed(&self.key, source))?);
        }
        let payload = PutPayload::from_iter(self.held.drain(..));
        self.held_bytes = 0;
        let upload = self.upload.as_mut().expect("made above");
        upload.put_part(payload).await.map_err(|source| failed(&self.key, source))
    }
}

/// No key of ours has a dot, so nobody can name this as a value.
fn staging(key: &ValueKey) -> Path {
    Path::from(format!("{key}.part"))
}
