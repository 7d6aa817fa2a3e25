//! The cluster's values and libraries as an object store. What is read is fetched once, whole, into a folder here, and
//! read from there from then on; what is written lies there whole before it is sent, and stays. That is sound because
//! nothing is ever replaced under its key. Another worker that has the object is asked before the scheduler is. While the
//! scheduler is away everything waits for it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path as Folder;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest, Moved, TRANSIENT_PREFIX, ValueDigest, ValueRef};
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::values_client::ValuesClient;
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::v1::{
    ChunkList, ChunksRequest, DiscardRequest, FetchChunksRequest, FetchRequest, LocateRequest, Part,
    ReadRequest, SizeRequest,
};
use cofferdam_wire::{join_digests, split_digests, unpack};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tonic::{Code, Status, Streaming};

use crate::again::Again;
use crate::common::Common;
use crate::draft::Draft;
use crate::near::{Counted, Held, Near};
use crate::peers::Peers;
use crate::upload::{self, Upload};
use crate::{Cluster, Link};

/// What object_store calls this store in its errors.
const STORE: &str = "cluster";
/// Libraries are at `v1/libraries/<digest>.wasm`, as the depot lays them out; everything else is a value.
const LIBRARIES: &str = "v1/libraries/";
/// How long a value is looked for that only workers keep and that none of them says to have: who has made it, or comes
/// back, may say so a moment later.
const GONE_AFTER: Duration = Duration::from_secs(2);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long the scheduler may take to say who has an object; it has the object itself.
const LOCATE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that are read from the folder at a time.
const READ_BYTES: u64 = 8 * 1024 * 1024;

/// The objects of a cluster.
pub struct Objects {
    cluster: Cluster,
    near: Near,
    /// A lock per object that is being fetched: many steps that read one value fetch it once.
    fetching: Mutex<HashMap<Path, Arc<tokio::sync::Mutex<()>>>>,
    peers: Peers,
    counts: Counts,
    common: Common,
}

/// Bytes of objects, unpacked, since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub from_scheduler: u64,
    pub from_peers: u64,
    /// Objects that a peer gave with other bytes than they have.
    pub n_refused: u64,
}

#[derive(Default)]
struct Counts {
    from_scheduler: AtomicU64,
    from_peers: AtomicU64,
    n_refused: AtomicU64,
}

/// Why an object is not here.
pub(crate) enum Fault {
    Far(Status),
    Here(io::Error),
}

impl Objects {
    /// Keeps what is fetched and written below this folder, at most so many bytes, or half of what is free there.
    /// Other processes may use the same folder; what those left there that have died is taken or removed.
    pub fn new(cluster: Cluster, local: &Folder, bytes_max: Option<u64>) -> io::Result<Objects> {
        let near = Near::open(local, bytes_max)?;
        let (peers, counts) = (Peers::default(), Counts::default());
        Ok(Objects { cluster, near, fetching: Mutex::default(), peers, counts, common: Common::default() })
    }

    /// Where what came here has come from.
    pub fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            from_scheduler: read(&self.counts.from_scheduler),
            from_peers: read(&self.counts.from_peers),
            n_refused: read(&self.counts.n_refused),
        }
    }

    /// The cluster that they are of.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn near(&self) -> &Near {
        &self.near
    }

    /// What became of the objects that were wanted.
    pub fn counted(&self) -> Counted {
        self.near.counted()
    }

    fn values(&self) -> ValuesClient<Link> {
        ValuesClient::new(self.cluster.link())
    }

    /// The object, fetched unless it is here. Who knows what value it is gets it from another worker, if one has it; for
    /// whom it comes over the network is told.
    async fn bring(&self, location: &Path, value: Option<&ValueRef>, moved: Option<&Moved>) -> Result<Held> {
        let lock = self
            .fetching
            .lock()
            .expect("nobody panics while holding it")
            .entry(location.clone())
            .or_default()
            .clone();
        let brought = {
            let _alone = lock.lock().await;
            match self.near.get(location.as_ref()).await {
                Some(held) => {
                    self.near.hit();
                    Ok(held)
                }
                None => {
                    let fetched = self.fetch(location, value).await;
                    if let Ok(held) = &fetched {
                        self.near.fetched(held.size);
                        if let Some(moved) = moved {
                            moved.count(held.size);
                        }
                    }
                    fetched
                }
            }
        };
        let mut fetching = self.fetching.lock().expect("nobody panics while holding it");
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&lock) <= 2 {
            fetching.remove(location);
        }
        brought
    }

    async fn fetch(&self, location: &Path, value: Option<&ValueRef>) -> Result<Held> {
        let here = |error| here(location, error);
        let mut draft = self.near.draft().map_err(here)?;
        if let Some(digest) = library(location) {
            return self.fetch_library(location, &digest, draft).await;
        }
        self.fill(location, value, &mut draft).await?;
        draft.keep(location.as_ref()).map_err(here)
    }

    /// The same for a library. Chunks that are in libraries here are not fetched, if that is most of it.
    async fn fetch_library(&self, location: &Path, digest: &LibraryDigest, mut draft: Draft) -> Result<Held> {
        let here = |error| here(location, error);
        match self.join_chunks(location, digest, &mut draft).await {
            Ok(true) => {}
            Ok(false) => self.fill(location, None, &mut draft).await?,
            Err(Fault::Far(status)) => {
                tracing::debug!(%location, %status, "the library is fetched whole");
                draft.clear().map_err(here)?;
                self.fill(location, None, &mut draft).await?;
            }
            Err(Fault::Here(error)) => return Err(here(error)),
        }
        let held = draft.keep(location.as_ref()).map_err(here)?;
        self.common.learn(location, &held).await.map_err(here)?;
        Ok(held)
    }

    /// Fills a draft from libraries here, and what they lack from the scheduler; false if they lack more than half.
    async fn join_chunks(
        &self,
        location: &Path,
        digest: &LibraryDigest,
        draft: &mut Draft,
    ) -> Result<bool, Fault> {
        if self.common.is_empty() {
            return Ok(false);
        }
        let mut libraries = LibrariesClient::new(self.cluster.link());
        let asked = libraries.chunks(ChunksRequest { digest: digest.to_string() }).await;
        let ChunkList { chunks, size } = asked.map_err(Fault::Far)?.into_inner();
        let chunks = split_digests(&chunks).ok_or_else(|| damaged(location))?;
        let found = self.common.find(&chunks, &self.near).await;
        let near = chunks.iter().filter_map(|chunk| found.get(chunk)).map(|source| u64::from(source.length));
        if chunks.is_empty() || near.sum::<u64>() * 2 < size {
            return Ok(false);
        }
        let mut seen = HashSet::new();
        let lacking = chunks.iter().filter(|chunk| !found.contains_key(*chunk) && seen.insert(**chunk));
        let lacking: Vec<ValueDigest> = lacking.copied().collect();
        let request = FetchChunksRequest { digest: digest.to_string(), chunks: join_digests(&lacking) };
        let mut coming = libraries.fetch_chunks(request).await.map_err(Fault::Far)?.into_inner();
        let mut come: HashMap<ValueDigest, Bytes> = HashMap::new();
        for chunk in chunks {
            let bytes = match (found.get(&chunk), come.get(&chunk)) {
                (Some(source), _) => source.read().await.map_err(Fault::Here)?,
                (None, Some(bytes)) => bytes.clone(),
                (None, None) => {
                    let bytes = unpack(coming.message().await.map_err(Fault::Far)?);
                    let bytes = bytes.ok().filter(|bytes| ValueDigest::of(bytes) == chunk);
                    let bytes = bytes.ok_or_else(|| damaged(location))?;
                    self.counts.from_scheduler.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    come.insert(chunk, bytes.clone());
                    bytes
                }
            };
            draft.write(bytes).await.map_err(Fault::Here)?;
        }
        check(location, draft).await.map(|()| true)
    }

    /// Fills an empty draft from another worker, or from the scheduler.
    async fn fill(&self, location: &Path, value: Option<&ValueRef>, draft: &mut Draft) -> Result<()> {
        let until = Instant::now() + GONE_AFTER;
        loop {
            match self.fill_once(location, value, draft).await {
                Err(Error::NotFound { .. }) if is_transient(location) && Instant::now() < until => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                done => return done,
            }
        }
    }

    async fn fill_once(&self, location: &Path, value: Option<&ValueRef>, draft: &mut Draft) -> Result<()> {
        let here = |error| here(location, error);
        if self.ask_peers(location, value, draft).await.map_err(here)? {
            self.counts.from_peers.fetch_add(draft.size, Ordering::Relaxed);
            return Ok(());
        }
        let mut again = Again::default();
        while let Err(fault) = self.receive(location, draft, &mut again).await {
            match fault {
                Fault::Far(status) => again.after(status).await.map_err(|status| of(location, status))?,
                Fault::Here(error) => return Err(here(error)),
            }
        }
        self.counts.from_scheduler.fetch_add(draft.size, Ordering::Relaxed);
        Ok(())
    }

    /// Fills a draft from one of the workers that have the object; false, and an empty draft, if none of them gives it.
    /// Only what can be verified here is asked for: a worker need not be believed.
    async fn ask_peers(
        &self,
        location: &Path,
        value: Option<&ValueRef>,
        draft: &mut Draft,
    ) -> io::Result<bool> {
        let bytes_max = match value {
            Some(value) => value.size,
            None if library(location).is_some() => LIBRARY_BYTES_MAX,
            None => return Ok(false),
        };
        let own = self.cluster.credentials();
        // Workers give to workers.
        if self.cluster.is_encrypted() && own.is_none() {
            return Ok(false);
        }
        let mut scheduler = WorkersClient::new(self.cluster.link());
        let asked = scheduler.locate(LocateRequest { key: location.to_string() });
        let Ok(Ok(found)) = tokio::time::timeout(LOCATE_TIMEOUT, asked).await else { return Ok(false) };
        for holder in found.into_inner().holders {
            let fault = match self.peers.fetch(&holder, own.as_ref(), location, bytes_max, draft).await {
                Ok(()) if self.is_whole(location, value, draft).await? => return Ok(true),
                Ok(()) => {
                    self.counts.n_refused.fetch_add(1, Ordering::Relaxed);
                    self.peers.shun_liar(&holder);
                    Fault::Far(Status::data_loss("it gave other bytes than the object has"))
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Far(why) => {
                    let why = why.message();
                    tracing::warn!(%location, peer = holder.address, why, "another worker did not give it");
                }
                Fault::Here(error) => return Err(error),
            }
            draft.clear()?;
        }
        Ok(false)
    }

    /// Whether what came from a worker is the object.
    async fn is_whole(
        &self,
        location: &Path,
        value: Option<&ValueRef>,
        draft: &mut Draft,
    ) -> io::Result<bool> {
        match value {
            Some(value) => Ok((draft.size, draft.digest()) == (value.size, value.digest)),
            None => match check(location, draft).await {
                Ok(()) => Ok(true),
                Err(Fault::Far(_)) => Ok(false),
                Err(Fault::Here(error)) => Err(error),
            },
        }
    }

    /// Takes what is missing from a draft. What came before the connection broke stays.
    async fn receive(&self, location: &Path, draft: &mut Draft, again: &mut Again) -> Result<(), Fault> {
        let mut parts = self.open(location, draft.size).await.map_err(Fault::Far)?;
        while !take(&mut parts, location, draft).await? {
            again.advanced();
        }
        check(location, draft).await
    }

    async fn open(&self, location: &Path, start: u64) -> Result<Streaming<Part>, Status> {
        let parts = match library(location) {
            Some(digest) => {
                let request = FetchRequest { digest: digest.to_string(), start };
                LibrariesClient::new(self.cluster.link()).fetch(request).await?
            }
            None => self.values().read(ReadRequest { key: location.to_string(), start }).await?,
        };
        Ok(parts.into_inner())
    }

    /// Sends a value that only workers keep to the scheduler, who wants it for somebody.
    pub(crate) async fn send(&self, key: &str) {
        let (Ok(location), Some(held)) = (Path::parse(key), self.near.get(key).await) else {
            return self.near.deny(key);
        };
        match upload::send(&self.values(), &location, &held.file, held.size, held.digest).await {
            Ok(()) => self.near.sent(held.size),
            Err(error) => tracing::warn!(key, %error, "a value that is wanted could not be sent"),
        }
    }

    async fn size(&self, location: &Path) -> Result<u64> {
        let mut again = Again::default();
        loop {
            let request = SizeRequest { key: location.to_string() };
            match self.values().size(request).await {
                Ok(reply) => return Ok(reply.into_inner().size),
                Err(status) => again.after(status).await.map_err(|status| of(location, status))?,
            }
        }
    }
}

/// Writes the next part of an object to its draft; true if it was the last one.
pub(crate) async fn take(
    parts: &mut Streaming<Part>,
    location: &Path,
    draft: &mut Draft,
) -> Result<bool, Fault> {
    let part = parts.message().await.map_err(Fault::Far)?;
    let part = part.ok_or_else(|| Fault::Far(Status::unavailable("the stream ended before the object")))?;
    let bytes = unpack(part.packed).map_err(|_| damaged(location))?;
    let come = draft.size + bytes.len() as u64;
    if come > part.size || (bytes.is_empty() && come < part.size) {
        return Err(damaged(location));
    }
    draft.write(bytes).await.map_err(Fault::Here)?;
    Ok(come == part.size)
}

/// Whether only workers keep it.
fn is_transient(location: &Path) -> bool {
    location.as_ref().starts_with(TRANSIENT_PREFIX)
}

/// The digest of a library by where it lies.
fn library(location: &Path) -> Option<LibraryDigest> {
    let digest = location.as_ref().strip_prefix(LIBRARIES)?.strip_suffix(".wasm")?;
    format!("sha256:{digest}").parse().ok()
}

/// A library's name says what it must be; what a value must be its reader knows.
async fn check(location: &Path, draft: &mut Draft) -> Result<(), Fault> {
    let Some(digest) = library(location) else { return Ok(()) };
    let (file, size) = (draft.file.clone(), draft.size);
    let hashed = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        io::Result::Ok(cofferdam_depot::digest(&bytes))
    });
    if hashed.await.expect("hashing does not panic").map_err(Fault::Here)? == digest {
        return Ok(());
    }
    draft.clear().map_err(Fault::Here)?;
    Err(damaged(location))
}

fn damaged(location: &Path) -> Fault {
    let what = match library(location) {
        Some(digest) => format!("library {digest}"),
        None => format!("value `{location}`"),
    };
    Fault::Far(Status::data_loss(format!("{what} came damaged, twice; is something on the way at fault?")))
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
        let mut upload = Upload::start(self.values(), &self.near, location.clone())?;
        upload.put_part(payload).await?;
        upload.complete().await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload::start(self.values(), &self.near, location.clone())?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            let size = match self.near.get(location.as_ref()).await {
                Some(held) => held.size,
                None => self.size(location).await?,
            };
            return Ok(result(location, size, 0..0, stream::empty().boxed()));
        }
        let (value, moved) = (options.extensions.get::<ValueRef>(), options.extensions.get::<Moved>());
        let held = self.bring(location, value, moved).await?;
        let size = held.size;
        let range = match options.range {
            None => 0..size,
            Some(range) => range
                .as_range(size)
                .map_err(|source| Error::Generic { store: STORE, source: source.into() })?,
        };
        Ok(result(location, size, range.clone(), read(held, location.clone(), range)))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (values, near) = (self.values(), self.near.clone());
        let deleted = locations.then(move |location| {
            let (values, near) = (values.clone(), near.clone());
            async move {
                let location = location?;
                if is_transient(&location) {
                    near.discard(location.as_ref());
                    return Ok(location);
                }
                let mut again = Again::default();
                loop {
                    let request = DiscardRequest { key: location.to_string() };
                    match values.clone().discard(request).await {
                        Ok(_) => return Ok(location),
                        Err(status) => again.after(status).await.map_err(|status| of(&location, status))?,
                    }
                }
            }
        });
        deleted.boxed()
    }

    /// Lists what is here of values that only workers keep.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if !prefix.is_some_and(|prefix| TRANSIENT_PREFIX.starts_with(prefix.as_ref())) {
            return stream::once(async { Err(not_offered("list objects")) }).boxed();
        }
        let kept = self.near.transient().into_iter().map(|(key, size)| {
            let location = Path::parse(key)?;
            Ok(ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None })
        });
        stream::iter(kept.collect::<Vec<_>>()).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(not_offered("list objects"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_offered("copy an object"))
    }
}

fn result(
    location: &Path,
    size: u64,
    range: Range<u64>,
    bytes: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    let location = location.clone();
    let meta = ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None };
    GetResult {
        payload: GetResultPayload::Stream(bytes),
        meta,
        range,
        attributes: Default::default(),
        extensions: Default::default(),
    }
}

/// The bytes of an object, which stays here until they are read.
fn read(held: Held, location: Path, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let held = Arc::new(held);
    let pieces = stream::iter(range.clone().step_by(READ_BYTES as usize)).then(move |from| {
        let (held, location) = (held.clone(), location.clone());
        let length = (from + READ_BYTES).min(range.end) - from;
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length as usize];
                held.file.read_exact_at(&mut bytes, from).map(|()| Bytes::from(bytes))
            });
            read.await.expect("reading does not panic").map_err(|error| here(&location, error))
        }
    });
    pieces.boxed()
}

/// What went wrong in the folder here.
pub(crate) fn here(location: &Path, error: io::Error) -> Error {
    tracing::debug!(%location, %error, "the folder of the cache failed");
    Error::Generic { store: STORE, source: error.into() }
}

/// What the cluster says.
pub(crate) fn of(location: &Path, status: Status) -> Error {
    let path = location.to_string();
    match status.code() {
        Code::NotFound => Error::NotFound { path, source: status.into() },
        Code::AlreadyExists => Error::AlreadyExists { path, source: status.into() },
        Code::PermissionDenied => Error::PermissionDenied { path, source: status.into() },
        Code::Unauthenticated => Error::Unauthenticated { path, source: status.into() },
        // As a full disk here looks.
        Code::ResourceExhausted => here(location, io::Error::new(ErrorKind::StorageFull, status)),
        _ => Error::Generic { store: STORE, source: status.into() },
    }
}

fn not_offered(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() }
}
