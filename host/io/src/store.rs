//! The store of values.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::{AttemptId, CHUNK_BYTES, Name, OCTET_STREAM, Place, ValueDigest, ValueRef};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncReadExt;

use crate::{Error, ValueKey, ValueWriter};

/// Values of one namespace. Clones share one store.
#[derive(Debug, Clone)]
pub struct ValueStore {
    store: Arc<dyn ObjectStore>,
    namespace: Name,
}

impl ValueStore {
    /// A durable store in this folder, which is made if it is absent: a value that is finished survives a
    /// power cut.
    pub fn local(folder: &Path, namespace: Name) -> Result<ValueStore, Error> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| Error::Open {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|source| open(source.into()))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|source| open(source.into()))?;
        // Empty folders are left: removing them would race with a writer that is about to use one.
        Ok(ValueStore::over(Arc::new(store.with_fsync(true)), namespace))
    }

    /// A store that ends with the process.
    pub fn memory(namespace: Name) -> ValueStore {
        ValueStore::over(Arc::new(InMemory::new()), namespace)
    }

    /// A store over any object store.
    pub fn over(store: Arc<dyn ObjectStore>, namespace: Name) -> ValueStore {
        ValueStore { store, namespace }
    }

    /// Key of an output that the op gave with its completion.
    pub fn output_key(&self, attempt: &AttemptId, output: &Name, key: Option<&Name>) -> ValueKey {
        ValueKey::output(&self.namespace, attempt, output, key)
    }

    /// Key of what the attempt streams through its writer of that number.
    pub fn streamed_key(&self, attempt: &AttemptId, writer: u32) -> ValueKey {
        ValueKey::streamed(&self.namespace, attempt, writer)
    }

    /// Starts a value. Nothing is visible under the key before [`ValueWriter::finish`].
    pub fn writer(&self, key: ValueKey) -> ValueWriter {
        ValueWriter::new(self.store.clone(), key)
    }

    /// Stores bytes that are in memory already.
    pub async fn put(&self, key: ValueKey, media_type: &str, bytes: Bytes) -> Result<ValueRef, Error> {
        let place = Place::Stored(key.as_str().to_owned());
        let mut writer = self.writer(key);
        if let Err(error) = writer.write(bytes).await {
            writer.abort().await;
            return Err(error);
        }
        let (size, digest) = writer.finish().await?;
        Ok(ValueRef { media_type: media_type.to_owned(), size, digest, place })
    }

    /// Reads a part of a value; shorter at its end, empty past it. The bytes are not checked here:
    /// [`ValueStore::verify`] comes first.
    pub async fn read(&self, key: &ValueKey, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let failed = |source| Error::store("read", key.as_str(), source);
        match self.store.get_range(&location(key), range.clone()).await {
            Ok(bytes) => Ok(bytes),
            Err(source) => {
                // Past the end is an error to the store; to us it is the end.
                let size = self.store.head(&location(key)).await.map_err(failed)?.size;
                if range.start >= size { Ok(Bytes::new()) } else { Err(failed(source)) }
            }
        }
    }

    /// Reads the whole value once and compares it with size and digest; holds one chunk at a time.
    pub async fn verify(&self, value: &ValueRef) -> Result<(), Error> {
        let mut chunks = self.get(value).await?;
        while chunks.try_next().await?.is_some() {}
        Ok(())
    }

    /// The bytes of a value, chunk by chunk. The stream ends with an error if they are not the bytes that the
    /// reference names; whoever acts on a chunk before the end acts on unverified bytes.
    pub async fn get(&self, value: &ValueRef) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let (key, chunks) = match &value.place {
            Place::Inline(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                ("inline".to_owned(), stream::once(async { Ok(bytes) }).boxed())
            }
            Place::Stored(key) => {
                let key = ValueKey::parse(key)?;
                let object = self.store.get(&location(&key)).await;
                let object = object.map_err(|source| Error::store("read", key.as_str(), source))?;
                let name = key.as_str().to_owned();
                let chunks =
                    object.into_stream().map_err(move |source| Error::store("read", &name, source)).boxed();
                (key.as_str().to_owned(), chunks)
            }
        };
        Ok(verified(key, value, chunks))
    }

    /// What a file would be called if it were imported. Stores nothing.
    pub async fn refer_to_file(&self, path: &Path) -> Result<ValueRef, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let (size, digest) = hash_file(path).await.map_err(failed)?;
        let key = ValueKey::import(&self.namespace, &digest);
        let place = Place::Stored(key.as_str().to_owned());
        Ok(ValueRef { media_type: OCTET_STREAM.to_owned(), size, digest, place })
    }

    /// Copies a file into the store under its digest and refers to it. Importing the same bytes again costs a
    /// read and stores nothing.
    pub async fn import_file(&self, path: &Path) -> Result<ValueRef, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let value = self.refer_to_file(path).await?;
        let (size, digest) = (value.size, value.digest);
        let key = ValueKey::import(&self.namespace, &digest);
        if self.verify(&value).await.is_ok() {
            return Ok(value);
        }
        // Absent, or damaged: then the good bytes take its place.
        self.delete(&key).await?;
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut writer = self.writer(key);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
            let outcome = match read {
                Ok(0) => break,
                Ok(_) => writer.write(chunk.into()).await,
                Err(source) => Err(failed(source)),
            };
            if let Err(error) = outcome {
                writer.abort().await;
                return Err(error);
            }
        }
        match writer.finish().await {
            Ok(written) if written == (size, digest) => Ok(value),
            Ok(_) => {
                let key = ValueKey::import(&self.namespace, &digest);
                self.delete(&key).await?;
                let source = std::io::Error::other("the file changed while it was read; try again");
                Err(failed(source))
            }
            // Somebody else imported the same bytes meanwhile.
            Err(Error::AlreadyExists { .. }) => Ok(value),
            Err(error) => Err(error),
        }
    }

    /// Removes a value; one that is not there is removed already.
    pub async fn delete(&self, key: &ValueKey) -> Result<(), Error> {
        match self.store.delete(&location(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::store("delete", key.as_str(), source)),
        }
    }
}

fn location(key: &ValueKey) -> object_store::path::Path {
    object_store::path::Path::from(key.as_str())
}

async fn hash_file(path: &Path) -> std::io::Result<(u64, ValueDigest)> {
    let path: PathBuf = path.to_owned();
    let hash = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(path)?)?;
        Ok((hasher.count(), ValueDigest(*hasher.finalize().as_bytes())))
    });
    hash.await.expect("hashing does not panic")
}

/// Passes chunks on and ends with an error if they were not what `value` names.
fn verified(
    key: String,
    value: &ValueRef,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    struct State {
        chunks: BoxStream<'static, Result<Bytes, Error>>,
        hasher: blake3::Hasher,
        key: String,
        expected: ValueDigest,
        expected_size: u64,
        done: bool,
    }
    let state = State {
        chunks,
        hasher: blake3::Hasher::new(),
        key,
        expected: value.digest,
        expected_size: value.size,
        done: false,
    };
    stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let item = match state.chunks.next().await {
            Some(Ok(chunk)) => {
                state.hasher.update(&chunk);
                return Some((Ok(chunk), state));
            }
            Some(Err(error)) => Err(error),
            None => {
                let found = ValueDigest(*state.hasher.finalize().as_bytes());
                let found_size = state.hasher.count();
                if (found, found_size) == (state.expected, state.expected_size) {
                    return None;
                }
                Err(Error::DigestMismatch {
                    key: state.key.clone(),
                    expected: state.expected,
                    expected_size: state.expected_size,
                    found,
                    found_size,
                })
            }
        };
        state.done = true;
        Some((item, state))
    })
    .boxed()
}
