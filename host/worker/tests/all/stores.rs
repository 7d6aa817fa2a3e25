//! Stores that are full, stuck or damaged, and what a worker makes of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cofferdam_io::{ValueKey, ValueStore};
use cofferdam_model::{FailureKind, Fence, Limits, Name, Order, Place, ValueRef};
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rustix::process::{Signal, kill_process};

use crate::bench::{Bench, id};

const WELL: u8 = 0;
const FULL: u8 = 1;
const STUCK: u8 = 2;

/// A store in memory whose writes can be made to fail as a full disk does, or never to end.
#[derive(Debug, Clone, Default)]
struct Ailing {
    store: Arc<InMemory>,
    state: Arc<AtomicU8>,
}

impl Ailing {
    async fn write(&self) -> Result<()> {
        match self.state.load(Ordering::Relaxed) {
            FULL => {
                let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
                Err(Error::Generic { store: "ailing", source })
            }
            STUCK => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn objects(&self) -> Vec<Path> {
        self.store.list(None).map_ok(|object| object.location).try_collect().await.unwrap()
    }

    async fn bench(&self, slots: usize) -> Bench {
        let store = ValueStore::over(Arc::new(self.clone()), Name::new("default").unwrap());
        Bench::over(slots, tempfile::tempdir().unwrap(), store).await
    }
}

impl fmt::Display for Ailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ailing")
    }
}

#[async_trait]
impl ObjectStore for Ailing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.write().await?;
        self.store.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.write().await?;
        self.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn h_034_what_a_guest_had_written_when_it_was_ended_half_way_is_removed() {
    let store = Ailing::default();
    let mut bench = store.bench(1).await;
    // More than one part of an upload, and less than one.
    for (fence, size) in [(1, 20 << 20), (2, 300_000)] {
        let limits = Limits { output_bytes_max: size, ..Limits::default() };
        bench.order(bench.with_limits(fence, "output_stream_bomb", 0, limits)).await;
        assert_eq!(bench.failure(fence).await.kind, FailureKind::OutputLimit);
        assert_eq!(store.objects().await, []);
    }
}

#[tokio::test]
async fn a_full_store_fails_the_attempt_leaves_nothing_and_is_used_again_when_there_is_space() {
    let ailing = Ailing::default();
    let mut bench = ailing.bench(1).await;
    ailing.state.store(FULL, Ordering::Relaxed);
    // In one piece, and in parts.
    for (fence, size) in [(1, 100_000), (2, 20 << 20)] {
        bench.order(bench.assignment(fence, "write_large", size)).await;
        let failure = bench.failure(fence).await;
        assert_eq!(failure.kind, FailureKind::Store);
        assert!(failure.causes.iter().any(|cause| cause.contains("no space is left")), "{failure:?}");
    }
    assert_eq!(ailing.objects().await, []);
    ailing.state.store(WELL, Ordering::Relaxed);
    for (fence, size) in [(3, 100_000), (4, 20 << 20)] {
        bench.order(bench.assignment(fence, "write_large", size)).await;
        let value = bench.value(fence).await;
        assert_eq!(value.size, size);
        bench.store.verify(&value).await.unwrap();
    }
    assert_eq!(ailing.objects().await.len(), 2);
}

#[tokio::test]
async fn h_011_an_attempt_that_waits_for_a_stuck_store_is_cancelled_within_a_second() {
    let ailing = Ailing::default();
    let mut bench = ailing.bench(1).await;
    ailing.state.store(STUCK, Ordering::Relaxed);
    bench.order(bench.assignment(1, "write_large", 100_000)).await;
    bench.begun(1).await;
    let since = Instant::now();
    bench.orders.send(vec![Order::Cancel(id(1))]).await.unwrap();
    assert_eq!(bench.failure(1).await.kind, FailureKind::Cancelled);
    bench.order(bench.assignment(2, "add_one", 1)).await;
    bench.value(2).await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    // Nothing waits for the store any more.
    drop(bench.orders);
    tokio::time::timeout(Duration::from_secs(1), bench.worker.join()).await.unwrap();
    assert_eq!(ailing.objects().await, []);
}

#[tokio::test]
async fn e4_an_attempt_that_is_killed_while_it_writes_leaves_nothing_behind() {
    let ailing = Ailing::default();
    let mut bench = ailing.bench(1).await;
    for fence in 1..=5 {
        bench.order(bench.assignment(fence, "write_large", 1 << 30)).await;
        let [cell] = bench.begun(1).await[..] else { panic!("one cell") };
        tokio::time::sleep(Duration::from_millis(20 * fence)).await;
        kill_process(cell, Signal::KILL).unwrap();
        assert_eq!(bench.failure(fence).await.kind, FailureKind::CellDied);
    }
    drop(bench.orders);
    bench.worker.join().await;
    assert_eq!(ailing.objects().await, []);
}

/// Stores `bytes` as if they were the good value, which they are not.
async fn damaged(bench: &Bench, good: &ValueRef, bytes: Vec<u8>, fence: u64) -> ValueRef {
    let mut attempt = id(1);
    attempt.fence = Fence(1_000_000 + fence);
    let key: ValueKey = bench.store.streamed_key(&attempt, 0);
    let stored = bench.store.put(key, "x/y", bytes.into()).await.unwrap();
    ValueRef { place: stored.place, ..good.clone() }
}

#[tokio::test]
async fn f_34_a_flipped_input_never_reaches_an_op_and_object_and_step_are_named() {
    let mut bench = Bench::in_memory(2).await;
    let good = ValueRef {
        media_type: "application/octet-stream".to_owned(),
        size: 70_000,
        digest: cofferdam_model::ValueDigest::of(&vec![7; 70_000]),
        place: Place::Stored(String::new()),
    };
    for fence in 1..=1000 {
        let mut bytes = vec![7; 70_000];
        let at = fence as usize * 7919 % (8 * bytes.len());
        bytes[at / 8] ^= 1 << (at % 8);
        let value = damaged(&bench, &good, bytes, fence).await;
        bench.order(bench.reading(fence, value.clone())).await;
        let failure = bench.failure(fence).await;
        assert_eq!(failure.kind, FailureKind::Input);
        let Place::Stored(key) = &value.place else { panic!("it is stored") };
        assert!(failure.causes[0].contains(key.as_str()), "{failure:?}");
    }
    // The report of the attempt names the step; that nothing was begun shows that no op saw a byte.
    assert!(bench.seen.iter().all(|report| !matches!(report, cofferdam_model::Report::Started { .. })));
}
