//! A store of values: the instance's own, or the one of an IO manager.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::{
    AttemptId, CHUNK_BYTES, ManagedPlace, Moved, Name, OCTET_STREAM, Place, PlanIoManager, ValueDigest,
    ValueRef,
};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use tokio::io::AsyncReadExt;

use crate::layout::OWN_FOLDER;
use crate::writer::Finish;
use crate::{Error, ValueKey, ValueWriter};

/// Bytes of one request to a store behind a network: such requests have a time limit of their own.
const REMOTE_READ_BYTES: u64 = 8 * 1024 * 1024;

/// Values of one namespace. Clones share one store.
#[derive(Debug, Clone)]
pub struct ValueStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    namespace: Name,
    /// Where its files are, if it is a folder.
    pub(crate) folder: Option<Arc<Path>>,
    managed: Option<Arc<Managed>>,
    /// The store of another host.
    of_cluster: bool,
}

/// What makes a store that of an IO manager.
#[derive(Debug)]
pub(crate) struct Managed {
    /// Stands before the keys of values in `store`; empty or ends with a slash.
    pub(crate) own: String,
    name: Name,
    pub(crate) manager: PlanIoManager,
    pub(crate) readable: Readable,
}

/// Where people find the values of a manager.
#[derive(Debug)]
pub(crate) enum Readable {
    /// Nowhere.
    None,
    /// In this folder.
    Folder(PathBuf),
    /// In the same object store, under this prefix (empty, or without a slash at its end); `url` names the store.
    Objects { prefix: String, url: String },
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
        let store = ValueStore::over(Arc::new(store.with_fsync(true)), namespace);
        Ok(ValueStore { folder: Some(folder.into()), ..store })
    }

    /// A store that ends with the process.
    pub fn memory(namespace: Name) -> ValueStore {
        ValueStore::over(Arc::new(InMemory::new()), namespace)
    }

    /// A store over any object store.
    pub fn over(store: Arc<dyn ObjectStore>, namespace: Name) -> ValueStore {
        ValueStore { store, namespace, folder: None, managed: None, of_cluster: false }
    }

    /// The store of a cluster, as a host sees it that is not the one which keeps it: every value of `store` has come
    /// whole or not at all, under a name that nobody takes twice.
    pub fn of_cluster(store: Arc<dyn ObjectStore>, namespace: Name) -> ValueStore {
        ValueStore { of_cluster: true, ..ValueStore::over(store, namespace) }
    }

    /// The store of an IO manager.
    pub(crate) fn managed(
        store: Arc<dyn ObjectStore>,
        namespace: Name,
        own: String,
        name: Name,
        manager: PlanIoManager,
        readable: Readable,
    ) -> ValueStore {
        let folder = match &readable {
            Readable::Folder(base) => Some(base.join(OWN_FOLDER).into()),
            Readable::None | Readable::Objects { .. } => None,
        };
        let managed = Managed { own, name, manager, readable };
        let managed = Some(Arc::new(managed));
        ValueStore { store, namespace, folder, managed, of_cluster: false }
    }

    /// Of all workers of a cluster, each of which gives what it has.
    pub(crate) fn shared(self) -> ValueStore {
        ValueStore { of_cluster: true, ..self }
    }

    pub(crate) fn in_folder(self, folder: &Path) -> ValueStore {
        ValueStore { folder: Some(folder.into()), ..self }
    }

    /// Whether what is read from it is kept here by itself.
    pub(crate) fn keeps_what_is_read(&self) -> bool {
        self.of_cluster
    }

    pub(crate) fn namespace(&self) -> &Name {
        &self.namespace
    }

    /// Whether it is another one than the instance's own.
    pub fn is_of_manager(&self) -> bool {
        self.managed.is_some()
    }

    pub(crate) fn manager(&self) -> Option<&Managed> {
        self.managed.as_deref()
    }

    /// Behind a network: requests may be lost or come twice, and reading by small ranges is slow.
    pub fn is_remote(&self) -> bool {
        let managed = self.managed.as_ref();
        self.of_cluster || managed.is_some_and(|managed| matches!(managed.readable, Readable::Objects { .. }))
    }

    /// What a [`ValueRef`] says of a value in this store.
    pub fn place(&self, key: &ValueKey) -> Place {
        match &self.managed {
            None => Place::Stored(key.to_string()),
            Some(managed) => Place::Managed(Box::new(ManagedPlace {
                name: managed.name.clone(),
                manager: managed.manager.clone(),
                key: key.to_string(),
            })),
        }
    }

    /// Key of an output that the op gave with its completion.
    pub fn output_key(&self, attempt: &AttemptId, output: &Name, key: Option<&Name>) -> ValueKey {
        ValueKey::output(&self.namespace, attempt, output, key)
    }

    /// Key of what the attempt streams through its writer of that number. Behind a network it is another one with
    /// each call, because a request of an earlier process may still be under way.
    pub fn streamed_key(&self, attempt: &AttemptId, writer: u32) -> ValueKey {
        let key = ValueKey::streamed(&self.namespace, attempt, writer);
        if self.is_remote() { key.once() } else { key }
    }

    /// Starts a value. Nothing is visible under the key before [`ValueWriter::finish`].
    pub fn writer(&self, key: ValueKey) -> ValueWriter {
        let finish = match (self.of_cluster, self.is_remote()) {
            (true, _) => Finish::Surely,
            (false, true) => Finish::InPlace,
            (false, false) => Finish::Staged,
        };
        let location = self.location(&key);
        ValueWriter::new(self.store.clone(), key, location, finish)
    }

    /// Stores bytes that are in memory already.
    pub async fn put(&self, key: ValueKey, media_type: &str, bytes: Bytes) -> Result<ValueRef, Error> {
        let place = self.place(&key);
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
        match self.store.get_range(&self.location(key), range.clone()).await {
            Ok(bytes) => Ok(bytes),
            Err(source) => {
                // Past the end is an error to the store; to us it is the end.
                let size = self.store.head(&self.location(key)).await.map_err(failed)?.size;
                if range.start >= size { Ok(Bytes::new()) } else { Err(failed(source)) }
            }
        }
    }

    /// Bytes of a value.
    pub async fn size(&self, key: &ValueKey) -> Result<u64, Error> {
        let meta = self.store.head(&self.location(key)).await;
        meta.map(|meta| meta.size).map_err(|source| Error::store("find", key.as_str(), source))
    }

    /// Reads the whole value once and compares it with size and digest; holds one chunk at a time.
    pub async fn verify(&self, value: &ValueRef) -> Result<(), Error> {
        self.verify_counted(value, &Moved::default()).await
    }

    /// The same, counting what comes over a network on the way.
    pub(crate) async fn verify_counted(&self, value: &ValueRef, moved: &Moved) -> Result<(), Error> {
        let mut chunks = self.get_counted(value, moved).await?;
        while chunks.try_next().await?.is_some() {}
        Ok(())
    }

    /// The bytes of a value, chunk by chunk. The stream ends with an error if they are not the bytes that the
    /// reference names; whoever acts on a chunk before the end acts on unverified bytes.
    pub async fn get(&self, value: &ValueRef) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        self.get_counted(value, &Moved::default()).await
    }

    async fn get_counted(
        &self,
        value: &ValueRef,
        moved: &Moved,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let (key, chunks) = match &value.place {
            Place::Inline(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                ("inline".to_owned(), stream::once(async { Ok(bytes) }).boxed())
            }
            Place::Stored(_) | Place::Managed(_) => {
                let key = self.key(&value.place)?;
                (key.to_string(), self.chunks(&key, value, moved).await?)
            }
        };
        Ok(verified(key, value, chunks))
    }

    async fn chunks(
        &self,
        key: &ValueKey,
        value: &ValueRef,
        moved: &Moved,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let (location, name) = (self.location(key), key.to_string());
        let failed = move |source| Error::store("read", &name, source);
        if self.of_cluster || !self.is_remote() {
            // The store of a cluster asks more than one host, and knows by this which of them to believe.
            let mut options = counting(moved);
            options.extensions.insert(value.clone());
            let object = self.store.get_opts(&location, options).await.map_err(&failed)?;
            return Ok(object.into_stream().map_err(failed).boxed());
        }
        let size = self.store.head(&location).await.map_err(&failed)?.size;
        let (store, moved) = (self.store.clone(), moved.clone());
        let parts = stream::iter((0..size).step_by(REMOTE_READ_BYTES as usize)).then(move |start| {
            let (store, location, failed, moved) =
                (store.clone(), location.clone(), failed.clone(), moved.clone());
            async move {
                let end = (start + REMOTE_READ_BYTES).min(size);
                let options = GetOptions { range: Some((start..end).into()), ..counting(&moved) };
                let part = store.get_opts(&location, options).await.map_err(&failed)?;
                part.bytes().await.map_err(failed)
            }
        });
        Ok(parts.boxed())
    }

    /// The key of a value that is in this store.
    pub fn key(&self, place: &Place) -> Result<ValueKey, Error> {
        let here = match (place, &self.managed) {
            (Place::Stored(_), None) => true,
            (Place::Managed(place), Some(managed)) => place.manager == managed.manager,
            _ => false,
        };
        let key = place.key().unwrap_or_default();
        if here { ValueKey::parse(key) } else { Err(Error::InvalidKey { key: key.to_owned() }) }
    }

    /// What a file would be called if it were imported. Stores nothing.
    pub async fn refer_to_file(&self, path: &Path) -> Result<ValueRef, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let (size, digest) = hash_file(path).await.map_err(failed)?;
        let place = self.place(&ValueKey::import(&self.namespace, &digest));
        Ok(ValueRef { media_type: OCTET_STREAM.to_owned(), size, digest, place })
    }

    /// Copies a value from another store under its digest. Nothing is visible unless the bytes are those that the
    /// value names; a copy that is here already is verified and taken.
    pub(crate) async fn import_value(
        &self,
        from: &ValueStore,
        value: &ValueRef,
        moved: &Moved,
    ) -> Result<ValueRef, Error> {
        let key = ValueKey::import(&self.namespace, &value.digest);
        let copy = ValueRef { place: self.place(&key), ..value.clone() };
        if self.verify(&copy).await.is_ok() {
            return Ok(copy);
        }
        self.delete(&key).await?;
        moved.count(value.size);
        match self.copy_in(key, from, value).await {
            // Somebody else imported the same bytes meanwhile.
            Err(Error::AlreadyExists { .. }) => Ok(copy),
            done => done.map(|()| copy),
        }
    }

    /// Copies a value from another store to this key.
    pub async fn transfer(
        &self,
        key: ValueKey,
        from: &ValueStore,
        value: &ValueRef,
    ) -> Result<ValueRef, Error> {
        let place = self.place(&key);
        self.copy_in(key, from, value).await?;
        Ok(ValueRef { place, ..value.clone() })
    }

    async fn copy_in(&self, key: ValueKey, from: &ValueStore, value: &ValueRef) -> Result<(), Error> {
        let mut chunks = from.get(value).await?;
        let mut writer = self.writer(key);
        loop {
            let outcome = match chunks.try_next().await {
                Ok(None) => break,
                Ok(Some(chunk)) => writer.write(chunk).await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                writer.abort().await;
                return Err(error);
            }
        }
        writer.finish().await.map(|_| ())
    }

    /// Copies a file into the store under its digest and refers to it. Importing the same bytes again costs a
    /// read and stores nothing.
    pub async fn import_file(&self, path: &Path) -> Result<ValueRef, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let value = self.refer_to_file(path).await?;
        let (size, digest) = (value.size, value.digest);
        let key = ValueKey::import(&self.namespace, &digest);
        if self.of_cluster {
            // Its keeper has compared the bytes with the digest in the key.
            match self.size(&key).await {
                Ok(_) => return Ok(value),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        } else {
            if self.verify(&value).await.is_ok() {
                return Ok(value);
            }
            // Absent, or damaged: then the good bytes take its place.
            self.delete(&key).await?;
        }
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
        match self.store.delete(&self.location(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::store("delete", key.as_str(), source)),
        }
    }

    pub(crate) fn location(&self, key: &ValueKey) -> object_store::path::Path {
        let own = self.managed.as_ref().map_or("", |managed| managed.own.as_str());
        object_store::path::Path::parse(format!("{own}{key}"))
            .expect("keys and prefixes have neither empty nor dotted segments nor control characters")
    }
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

/// Tells the store for whom bytes come over a network; one that keeps them here has nothing to count.
fn counting(moved: &Moved) -> GetOptions {
    let mut options = GetOptions::default();
    options.extensions.insert(moved.clone());
    options
}
