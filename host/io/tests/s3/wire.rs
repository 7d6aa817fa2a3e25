//! What holds on both servers, whatever the network does.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_io::{Error, Stores, ValueKey, ValueStore};
use cofferdam_model::{
    AssetKey, AttemptId, Fence, IoManagerKind, Name, PlanIoManager, Publication, RunId, StepKey, ValueRef,
};
use futures::TryStreamExt as _;
use serde_json::json;

use crate::proxy::{Fault, Proxy};
use crate::servers::{self, ACCESS_KEY, BUCKET, SECRET_KEY, Server};

const RUN: &str = "01890000-0000-7000-8000-000000000001";

/// A worker's stores, with the manager behind a proxy of its own.
struct Worker {
    stores: Stores,
    lake: ValueStore,
    manager: PlanIoManager,
    proxy: Proxy,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

async fn worker(server: &Server, folder: &Path) -> Worker {
    let proxy = Proxy::before(server.address).await;
    let main = ValueStore::local(&folder.join("values"), name("default")).unwrap();
    let environment = |name: &str| (name == "LAKE_SECRET").then(|| SECRET_KEY.to_owned());
    let stores = Stores::new(main, folder.to_owned(), Arc::new(environment));
    let manager = PlanIoManager {
        kind: IoManagerKind::S3,
        settings: json!({
            "bucket": BUCKET,
            "endpoint": format!("http://{}", proxy.address),
            "access_key_id": ACCESS_KEY,
            "secret_access_key": {"env": "LAKE_SECRET"},
        }),
    };
    let lake = stores.of_manager(&name("lake"), &manager).unwrap();
    Worker { stores, lake, manager, proxy }
}

fn attempt(fence: u64) -> AttemptId {
    AttemptId {
        run: RunId(RUN.parse().unwrap()),
        step: StepKey::new("clean"),
        attempt: 1,
        fence: Fence(fence),
    }
}

impl Worker {
    fn key(&self, fence: u64) -> ValueKey {
        self.lake.output_key(&attempt(fence), &name("table"), None)
    }

    async fn put(&self, fence: u64, bytes: &'static [u8]) -> Result<ValueRef, Error> {
        self.lake.put(self.key(fence), "text/plain", Bytes::from_static(bytes)).await
    }

    /// Streams `n_mib` of the byte, in chunks as guests write them.
    async fn stream(&self, fence: u64, byte: u8, n_mib: usize) -> Result<ValueRef, Error> {
        let mut writer = self.lake.writer(self.lake.streamed_key(&attempt(fence), 0));
        let place = self.lake.place(writer.key());
        let chunk = Bytes::from(vec![byte; 256 * 1024]);
        for _ in 0..n_mib * 4 {
            if let Err(error) = writer.write(chunk.clone()).await {
                writer.abort().await;
                return Err(error);
            }
        }
        let (size, digest) = writer.finish().await?;
        Ok(ValueRef { media_type: "x/y".to_owned(), size, digest, place })
    }

    async fn read(&self, value: &ValueRef) -> Result<Vec<u8>, Error> {
        let chunks: Vec<Bytes> = self.stores.get(value).await?.try_collect().await?;
        Ok(chunks.concat())
    }

    fn publication(&self, value: &ValueRef) -> Publication {
        Publication {
            run: RunId(RUN.parse().unwrap()),
            step: StepKey::new("clean[jan]"),
            output: name("table"),
            key: None,
            asset: None,
            manager: self.manager.clone(),
            manager_name: name("lake"),
            value: value.clone(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_and_are_published_where_dagster_puts_them() {
    for server in servers::both().await {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(&server, folder.path()).await;
        let small = worker.put(1, b"0123456789").await.unwrap();
        let large = worker.stream(2, 7, 20).await.unwrap();
        assert_eq!(worker.read(&small).await.unwrap(), b"0123456789", "{}", server.name);
        assert_eq!(worker.lake.read(&worker.key(1), 2..5).await.unwrap(), "234");
        assert_eq!(worker.lake.read(&worker.key(1), 8..50).await.unwrap(), "89");
        assert_eq!(worker.lake.read(&worker.key(1), 10..20).await.unwrap(), "");
        assert_eq!(worker.read(&large).await.unwrap().len(), 20 << 20);
        let empty = worker.put(3, b"").await.unwrap();
        assert_eq!(worker.read(&empty).await.unwrap(), b"");

        let said = worker.stores.publish(&worker.publication(&small)).await.unwrap();
        let path = format!("dagster/storage/{RUN}/clean--jan/table");
        assert_eq!(said, Some(format!("s3://{BUCKET}/{path}")));
        assert_eq!(server.object(&path).await.as_deref(), Some(&b"0123456789"[..]), "{}", server.name);

        let mut publication = worker.publication(&large);
        publication.asset = Some((AssetKey::from_parts(vec!["raw".into(), "flights".into()]).unwrap(), None));
        for value in [large, ValueRef::inline("text/plain", b"in the commit".to_vec())] {
            publication.value = value;
            worker.stores.publish(&publication).await.unwrap();
        }
        let path = "dagster/raw/flights";
        assert_eq!(server.object(path).await.as_deref(), Some(&b"in the commit"[..]), "{}", server.name);

        worker.lake.delete(&worker.key(1)).await.unwrap();
        worker.lake.delete(&worker.key(1)).await.unwrap();
        assert!(matches!(worker.read(&small).await, Err(Error::NotFound { .. })), "{}", server.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_35_a_put_is_tried_again_and_is_whole_whatever_the_network_does_to_it() {
    use Fault::{CutAnswer, CutRequest, Delay, Duplicate, LoseAnswer, Refuse, RefuseAfter};
    let faults =
        [Refuse(500), Refuse(503), RefuseAfter(500), CutRequest, CutAnswer, LoseAnswer, Delay, Duplicate];
    for server in servers::both().await {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(&server, folder.path()).await;
        let ambiguous = [Refuse(429), Refuse(409), RefuseAfter(409), RefuseAfter(412)];
        for (fence, fault) in (1..).zip(faults.into_iter().chain(ambiguous)) {
            worker.proxy.inject(fault, |line| line.starts_with("PUT"));
            let fired = worker.proxy.n_fired();
            let value = worker.put(fence, b"0123456789").await;
            let value = value.unwrap_or_else(|error| panic!("{}, {fault:?}: {error:?}", server.name));
            assert_eq!(worker.proxy.n_fired(), fired + 1, "{}: {fault:?} did not happen", server.name);
            assert_eq!(worker.read(&value).await.unwrap(), b"0123456789", "{}, {fault:?}", server.name);
        }
        // The parts of a large value and its completion.
        let (mut fence, mut n_absent) = (100, 0);
        for fault in faults {
            for method in ["PUT", "POST"] {
                fence += 1;
                let completes = method == "POST";
                worker.proxy.inject(fault, move |line| {
                    line.starts_with(method) && (!completes || line.contains("uploadId"))
                });
                let fired = worker.proxy.n_fired();
                let outcome = worker.stream(fence, 7, 9).await;
                assert_eq!(worker.proxy.n_fired(), fired + 1, "{}: {fault:?} did not happen", server.name);
                match outcome {
                    Ok(value) => assert_eq!(worker.read(&value).await.unwrap().len(), 9 << 20),
                    // Nothing in between: then the attempt fails and its key stays empty.
                    Err(error) => {
                        n_absent += 1;
                        assert!(matches!(error, Error::Store { .. } | Error::NotFound { .. }), "{error:?}");
                    }
                }
            }
        }
        assert!(n_absent <= 2, "{}: {n_absent} uploads of 16 failed", server.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e4_a_zombies_late_put_never_changes_a_committed_object() {
    for server in servers::both().await {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(&server, folder.path()).await;
        // Small: the same attempt, served again after its first process was given up.
        worker.proxy.inject(Fault::Hold, |line| line.starts_with("PUT"));
        let held = worker.put(1, b"of the zombie").await.unwrap();
        // The zombie tried again and won; now its first, held request arrives as well.
        let error = worker.put(1, b"of another").await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
        assert_eq!(worker.proxy.deliver_held().await, [412], "{}", server.name);
        assert_eq!(worker.read(&held).await.unwrap(), b"of the zombie");

        worker.proxy.inject(Fault::Hold, |line| line.starts_with("PUT"));
        let zombie = worker.lake.put(worker.key(2), "text/plain", Bytes::from_static(b"late"));
        let zombie = tokio::time::timeout(std::time::Duration::from_millis(50), zombie).await;
        drop(zombie);
        let fired = worker.proxy.n_fired();
        assert_eq!(fired, 2, "{}: the zombie's request is held", server.name);
        let committed = worker.put(2, b"committed").await;
        let late = worker.proxy.deliver_held().await;
        // A zombie that came to its second try in time has won, and then the commit is refused.
        match committed {
            Ok(value) => {
                assert_eq!(late, [412], "{}", server.name);
                assert_eq!(worker.read(&value).await.unwrap(), b"committed");
            }
            Err(error) => assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}"),
        }

        // Large: no two processes have one key, so the zombie's completion makes an object that nobody names.
        let is_completion = |line: &str| line.starts_with("POST") && line.contains("uploadId");
        for _ in 0..20 {
            worker.proxy.inject(Fault::Hold, is_completion);
        }
        let zombie = worker.stream(3, 1, 9).await;
        assert!(zombie.is_err(), "{}: its completions are held", server.name);
        assert!(worker.proxy.n_fired() > fired);
        let clean = self::worker(&server, folder.path()).await;
        let committed = clean.stream(3, 2, 9).await.unwrap();
        worker.proxy.deliver_held().await;
        assert_eq!(clean.read(&committed).await.unwrap(), vec![2; 9 << 20], "{}", server.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_35_what_is_read_is_what_was_written_or_an_error_that_says_so() {
    use Fault::{CutAnswer, Delay, Flip, LoseAnswer, Refuse, Truncate};
    for server in servers::both().await {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(&server, folder.path()).await;
        let value = worker.stream(1, 7, 9).await.unwrap();
        for fault in [Refuse(500), Refuse(503), Refuse(429), LoseAnswer, CutAnswer, Delay] {
            worker.proxy.inject(fault, |line| line.starts_with("GET"));
            let fired = worker.proxy.n_fired();
            let read = worker.read(&value).await;
            assert_eq!(worker.proxy.n_fired(), fired + 1, "{}: {fault:?} did not happen", server.name);
            let read = read.unwrap_or_else(|error| panic!("{}, {fault:?}: {error:?}", server.name));
            assert!(read == vec![7; 9 << 20], "{}, {fault:?}", server.name);
        }
        for fault in [Flip, Truncate] {
            worker.proxy.inject(fault, |line| line.starts_with("GET"));
            let fired = worker.proxy.n_fired();
            let error = worker.stores.ready(&value).await.unwrap_err();
            assert_eq!(worker.proxy.n_fired(), fired + 1, "{}: {fault:?} did not happen", server.name);
            let seen = matches!(error, Error::DigestMismatch { .. } | Error::Store { .. });
            assert!(seen, "{}, {fault:?}: {error:?}", server.name);
            let imports = folder.path().join("values/v1/default/imports");
            let n_imports = std::fs::read_dir(imports).map_or(0, Iterator::count);
            assert_eq!(n_imports, 0, "{}, {fault:?}: nothing that is damaged is kept", server.name);
        }
        // The good bytes are fetched once, and read here from then on.
        let here = worker.stores.ready(&value).await.unwrap();
        worker.lake.delete(&worker.lake.key(&value.place).unwrap()).await.unwrap();
        assert_eq!(worker.read(&here).await.unwrap(), vec![7; 9 << 20]);
        assert_eq!(worker.stores.ready(&value).await.unwrap(), here);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_35_a_server_that_does_not_answer_is_asked_again() {
    let server = &servers::both().await[0];
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(server, folder.path()).await;
    let value = worker.put(1, b"0123456789").await.unwrap();
    worker.proxy.inject(Fault::Stall, |line| line.starts_with("PUT"));
    worker.proxy.inject(Fault::Stall, |line| line.starts_with("GET"));
    let (put, read) = tokio::join!(worker.put(2, b"abc"), worker.read(&value));
    assert_eq!(worker.proxy.n_fired(), 2);
    assert_eq!(read.unwrap(), b"0123456789");
    assert_eq!(worker.read(&put.unwrap()).await.unwrap(), b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn f_36_an_upload_that_the_server_forgets_fails_cleanly_and_leaves_nothing() {
    let server = &servers::both().await[0];
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(server, folder.path()).await;
    let mut writer = worker.lake.writer(worker.lake.streamed_key(&attempt(1), 0));
    let key = writer.key().clone();
    for _ in 0..3 {
        writer.write(Bytes::from(vec![7; 8 << 20])).await.unwrap();
    }
    assert!(server.forget_uploads() > 1, "parts had come");
    writer.write(Bytes::from(vec![7; 100])).await.unwrap();
    let error = writer.finish().await.unwrap_err();
    assert!(matches!(error, Error::Store { .. } | Error::NotFound { .. }), "{error:?}");
    assert!(matches!(worker.lake.read(&key, 0..1).await, Err(Error::NotFound { .. } | Error::Store { .. })));
    // The next attempt begins anew.
    let value = worker.stream(2, 7, 20).await.unwrap();
    assert_eq!(worker.read(&value).await.unwrap(), vec![7; 20 << 20]);
    assert_eq!(server.forget_uploads(), 0, "no part is left");
}
