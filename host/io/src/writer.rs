//! One value on its way into the store: hashed while it streams, visible when it is finished and not before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_crash::reach;
use cofferdam_model::ValueDigest;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, ValueKey};

/// Bytes that are held before they go to the store: small values take one request, and stores in the cloud
/// want parts of at least 5 MiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts of that size. S3 takes 10,000 parts, so that later ones must be larger for values of 100 GiB.
const SMALL_PARTS_MAX: u32 = 5000;
/// Bytes of the parts after those: 5000 of them make 195 GiB in all.
const LARGE_PART_BYTES: usize = 32 * 1024 * 1024;
/// Tries after the first one to put a small value, when it is not known what became of a try. Requests that the
/// store refused for now are repeated below this.
const PUT_RETRIES_MAX: u32 = 5;
/// Wait before such a try; doubled from try to try.
const PUT_RETRY_FIRST: Duration = Duration::from_millis(100);

/// How an upload in parts takes its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It goes to a place of its own first, and a rename that never replaces gives it the name.
    Staged,
    /// It is completed under the name, which nobody else has: for stores in which a rename is a copy.
    InPlace,
    /// The same, and the store itself repeats what may have been lost: whatever it says holds.
    Surely,
}

/// Writes one value from front to back. Dropping it unfinished leaves nothing visible under the key;
/// [`ValueWriter::abort`] also frees what was taken already.
pub struct ValueWriter {
    store: Arc<dyn ObjectStore>,
    key: ValueKey,
    target: Path,
    finish: Finish,
    hasher: blake3::Hasher,
    size: u64,
    held: Vec<Bytes>,
    held_bytes: usize,
    n_parts: u32,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl ValueWriter {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        key: ValueKey,
        target: Path,
        finish: Finish,
    ) -> ValueWriter {
        ValueWriter {
            store,
            key,
            target,
            finish,
            hasher: blake3::Hasher::new(),
            size: 0,
            held: vec![],
            held_bytes: 0,
            n_parts: 0,
            upload: None,
        }
    }

    /// Appends. After an error the value cannot be finished any more; abort it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        let part_bytes = if self.n_parts < SMALL_PARTS_MAX { PART_BYTES } else { LARGE_PART_BYTES };
        if self.held_bytes >= part_bytes {
            self.put_part().await?;
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Digest of the bytes written so far.
    pub fn digest(&self) -> ValueDigest {
        ValueDigest(*self.hasher.finalize().as_bytes())
    }

    pub fn key(&self) -> &ValueKey {
        &self.key
    }

    /// Makes the value durable and visible under its key and tells its size and digest. Fails, with nothing
    /// visible, if the store is full or there is another value of that key already.
    pub async fn finish(mut self) -> Result<(u64, ValueDigest), Error> {
        let digest = self.digest();
        reach("output.before_put");
        if let Err(error) = self.publish().await {
            self.abort().await;
            return Err(error);
        }
        reach("output.after_put");
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
        if self.upload.is_none() {
            return self.create().await;
        }
        self.put_part().await?;
        let upload = self.upload.as_mut().expect("checked above");
        let completed = upload.complete().await;
        if let Err(source) = completed {
            // The answer may be lost and the upload complete; asked once more, the store knows of no upload.
            if self.finish == Finish::InPlace && self.is_there().await == Ok(true) {
                self.upload = None;
                return Ok(());
            }
            return Err(self.failed(source));
        }
        self.upload = None;
        if self.finish != Finish::Staged {
            return Ok(());
        }
        // Completing an upload replaces what is there, so it went to a place of its own first; taking the
        // final name is the step that fails if the name is taken.
        let staged = staging(&self.target);
        let renamed = self.store.rename_if_not_exists(&staged, &self.target).await;
        if renamed.is_err() {
            let _ = self.store.delete(&staged).await;
        }
        renamed.map_err(|source| self.failed(source))
    }

    /// Puts a value that is in memory, unless there is one of that name. Of a try whose answer was lost nobody knows
    /// whether it was done, so the next one may find its own bytes: that is a success.
    async fn create(&mut self) -> Result<(), Error> {
        let payload = PutPayload::from_iter(self.held.drain(..));
        let mut wait = PUT_RETRY_FIRST;
        for retries_left in (0..=PUT_RETRIES_MAX).rev() {
            let options = PutOptions::from(PutMode::Create);
            let Err(source) = self.store.put_opts(&self.target, payload.clone(), options).await else {
                return Ok(());
            };
            let exists = matches!(source, object_store::Error::AlreadyExists { .. });
            if exists && self.finish != Finish::Surely {
                match self.is_there().await {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(self.failed(source)),
                    // Refused for another put that is under way, and that may fail.
                    Err(Absent) => {}
                }
            }
            let unclear = exists || matches!(source, object_store::Error::Generic { .. });
            if retries_left == 0 || !unclear || self.finish != Finish::InPlace {
                return Err(self.failed(source));
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        unreachable!("the last try returns")
    }

    /// Whether what is under the name are the bytes that were written.
    // `&mut`, because a shared reference to an upload cannot be held across threads.
    async fn is_there(&mut self) -> Result<bool, Absent> {
        let object = self.store.get(&self.target).await.map_err(|_| Absent)?;
        if object.meta.size != self.size {
            return Ok(false);
        }
        let mut hasher = blake3::Hasher::new();
        let mut chunks = object.into_stream();
        while let Some(chunk) = chunks.try_next().await.map_err(|_| Absent)? {
            hasher.update(&chunk);
        }
        Ok(hasher.finalize() == self.hasher.finalize())
    }

    fn failed(&self, source: object_store::Error) -> Error {
        Error::store("write", self.key.as_str(), source)
    }

    async fn put_part(&mut self) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        if self.upload.is_none() {
            let to = match self.finish {
                Finish::Staged => staging(&self.target),
                Finish::InPlace | Finish::Surely => self.target.clone(),
            };
            let upload = self.store.put_multipart(&to).await;
            self.upload = Some(upload.map_err(|source| self.failed(source))?);
        }
        let payload = PutPayload::from_iter(self.held.drain(..));
        self.held_bytes = 0;
        self.n_parts += 1;
        let upload = self.upload.as_mut().expect("made above");
        let put = upload.put_part(payload).await;
        reach("output.mid_put");
        put.map_err(|source| self.failed(source))
    }
}

/// Nothing can be read under the name.
#[derive(Debug, PartialEq, Eq)]
struct Absent;

/// No key of ours has a dot, so nobody can name this as a value.
fn staging(target: &Path) -> Path {
    Path::parse(format!("{target}.part")).expect("the target is a path")
}
