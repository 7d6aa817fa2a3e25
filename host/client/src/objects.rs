//! The cluster's values and libraries as an object store: what is read is fetched once, whole, into a folder here, and
//! read from there from then on. That is sound because nothing is ever replaced under its key.

use std::collections::HashMap;
use std::fmt;
use std::path::Path as Folder;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_wire::chunks;
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::values_client::ValuesClient;
use cofferdam_wire::v1::{Chunk, DiscardRequest, FetchRequest, ReadRequest, SizeRequest, WriteRequest};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, RenameTargetMode, Result, UploadPart,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::{Code, Status, Streaming};

use crate::{Cluster, Link};

/// What object_store calls this store in its errors.
const STORE: &str = "cluster";
/// Libraries are at `v1/libraries/<digest>.wasm`, as the depot lays them out; everything else is a value.
const LIBRARIES: &str = "v1/libraries/";
/// Chunks that wait for the network.
const CHUNKS_WAITING_MAX: usize = 16;

/// The objects of a cluster.
pub struct Objects {
    cluster: Cluster,
    near: LocalFileSystem,
    /// A lock per object that is being fetched: many steps that read one value fetch it once.
    fetching: Mutex<HashMap<Path, Arc<tokio::sync::Mutex<()>>>>,
}

impl Objects {
    /// Keeps what is fetched in this folder, which nobody else may use.
    pub fn new(cluster: Cluster, folder: &Folder) -> Result<Objects> {
        let failed = |source: std::io::Error| Error::Generic { store: STORE, source: source.into() };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let near = LocalFileSystem::new_with_prefix(folder)?;
        Ok(Objects { cluster, near, fetching: Mutex::default() })
    }

    fn values(&self) -> ValuesClient<Link> {
        ValuesClient::new(self.cluster.link.clone())
    }

    /// Fetches the object unless it is here.
    async fn bring(&self, location: &Path) -> Result<()> {
        let lock = self
            .fetching
            .lock()
            .expect("nobody panics while holding it")
            .entry(location.clone())
            .or_default()
            .clone();
        let fetched = {
            let _alone = lock.lock().await;
            match self.near.head(location).await {
                Err(Error::NotFound { .. }) => self.fetch(location).await,
                found => found.map(|_| ()),
            }
        };
        let mut fetching = self.fetching.lock().expect("nobody panics while holding it");
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&lock) <= 2 {
            fetching.remove(location);
        }
        fetched
    }

    async fn fetch(&self, location: &Path) -> Result<()> {
        let mut parts = self.open(location).await.map_err(|status| of(location, status))?;
        let part = Path::from(format!("{location}.{}", uuid::Uuid::now_v7().simple()));
        let mut upload = self.near.put_multipart(&part).await?;
        let copied = async {
            while let Some(chunk) = parts.message().await.map_err(|status| of(location, status))? {
                upload.put_part(chunk.bytes.into()).await?;
            }
            upload.complete().await
        };
        if let Err(error) = copied.await {
            // What went wrong is said; an unfinished file is not seen by anybody.
            let _ = upload.abort().await;
            return Err(error);
        }
        let options = RenameOptions::new().with_target_mode(RenameTargetMode::Overwrite);
        self.near.rename_opts(&part, location, options).await
    }

    async fn open(&self, location: &Path) -> Result<Streaming<Chunk>, Status> {
        let path = location.as_ref();
        let library = path.strip_prefix(LIBRARIES).and_then(|name| name.strip_suffix(".wasm"));
        let parts = match library {
            Some(digest) => {
                let request = FetchRequest { digest: format!("sha256:{digest}") };
                LibrariesClient::new(self.cluster.link.clone()).fetch(request).await?
            }
            None => {
                let request = ReadRequest { key: path.to_owned(), start: 0, end: None };
                self.values().read(request).await?
            }
        };
        Ok(parts.into_inner())
    }

    async fn size(&self, location: &Path) -> Result<u64> {
        let request = SizeRequest { key: location.to_string() };
        let reply = self.values().size(request).await.map_err(|status| of(location, status))?;
        Ok(reply.into_inner().size)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster at {}", self.cluster.address())
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !matches!(options.mode, PutMode::Create) {
            return Err(not_offered("replace an object"));
        }
        let mut upload = Upload::start(self.values(), location.clone());
        upload.put_part(payload).await?;
        upload.complete().await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload::start(self.values(), location.clone())))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head && self.near.head(location).await.is_err() {
            let size = self.size(location).await?;
            let location = location.clone();
            let meta =
                ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None };
            return Ok(GetResult {
                payload: GetResultPayload::Stream(stream::empty().boxed()),
                meta,
                range: 0..0,
                attributes: Default::default(),
                extensions: Default::default(),
            });
        }
        self.bring(location).await?;
        self.near.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let values = self.values();
        let deleted = locations.then(move |location| {
            let mut values = values.clone();
            async move {
                let location = location?;
                let request = DiscardRequest { key: location.to_string() };
                values.discard(request).await.map_err(|status| of(&location, status))?;
                Ok(location)
            }
        });
        deleted.boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(not_offered("list objects")) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(not_offered("list objects"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_offered("copy an object"))
    }
}

/// One object on its way to the cluster, which sees it whole or not at all.
struct Upload {
    location: Path,
    parts: mpsc::Sender<WriteRequest>,
    call: Option<JoinHandle<Result<(), Status>>>,
}

impl Upload {
    fn start(mut values: ValuesClient<Link>, location: Path) -> Upload {
        let (parts, mut waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
        let first = WriteRequest { key: location.to_string(), bytes: Bytes::new(), last: false };
        parts.try_send(first).expect("an empty channel has room");
        let parts_out = stream::poll_fn(move |context| waiting.poll_recv(context));
        #[expect(clippy::disallowed_methods, reason = "the handle is kept and aborts the task when dropped")]
        let call = tokio::spawn(async move { values.write(parts_out).await.map(|_| ()) });
        Upload { location, parts, call: Some(call) }
    }

    /// What became of the call.
    async fn outcome(&mut self) -> Result<()> {
        let Some(call) = self.call.take() else {
            return Err(of(&self.location, Status::aborted("the upload has ended already")));
        };
        let done = call.await.map_err(|source| Error::JoinError { source })?;
        done.map_err(|status| of(&self.location, status))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(call) = &self.call {
            call.abort();
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upload of {}", self.location)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (parts, location) = (self.parts.clone(), self.location.clone());
        Box::pin(async move {
            for bytes in payload.into_iter().flat_map(chunks) {
                let part = WriteRequest { key: String::new(), bytes, last: false };
                if parts.send(part).await.is_err() {
                    return Err(of(
                        &location,
                        Status::aborted("the cluster refused the value before its end"),
                    ));
                }
            }
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let last = WriteRequest { key: String::new(), bytes: Bytes::new(), last: true };
        // If the call has ended, its outcome says why.
        let _ = self.parts.send(last).await;
        self.outcome().await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort(&mut self) -> Result<()> {
        if let Some(call) = self.call.take() {
            call.abort();
        }
        Ok(())
    }
}

fn of(location: &Path, status: Status) -> Error {
    let path = location.to_string();
    match status.code() {
        Code::NotFound => Error::NotFound { path, source: status.into() },
        Code::AlreadyExists => Error::AlreadyExists { path, source: status.into() },
        Code::PermissionDenied => Error::PermissionDenied { path, source: status.into() },
        Code::Unauthenticated => Error::Unauthenticated { path, source: status.into() },
        _ => Error::Generic { store: STORE, source: status.into() },
    }
}

fn not_offered(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() }
}
