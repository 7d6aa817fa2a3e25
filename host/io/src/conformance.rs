//! What every backend of the value store does, run on each of them. The tests in `tests/s3` do the same over the wire.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::{
    AttemptId, Fence, IoManagerKind, Name, PlanIoManager, RunId, StepKey, ValueDigest, ValueRef,
};

use crate::{Error, Stores, Transient, ValueKey, ValueStore};

fn space() -> Name {
    Name::new("default").unwrap()
}

fn attempt(fence: u64) -> AttemptId {
    AttemptId {
        run: RunId("01890000-0000-7000-8000-000000000001".parse().unwrap()),
        step: StepKey::new("clean"),
        attempt: 1,
        fence: Fence(fence),
    }
}

/// The instance's own store in both its forms, and the managers that need no server.
fn all() -> (tempfile::TempDir, [ValueStore; 5]) {
    let folder = tempfile::tempdir().unwrap();
    let local = ValueStore::local(&folder.path().join("values"), space()).unwrap();
    let kept = Transient::Folder(folder.path().join("transient"));
    let project = folder.path().to_owned();
    let stores = Stores::with_transient(local.clone(), kept, project, Arc::new(|_| None));
    let managed = |kind, settings| {
        let manager = PlanIoManager { kind, settings };
        stores.of_manager(&Name::new("lake").unwrap(), &manager).unwrap()
    };
    let files = managed(IoManagerKind::Filesystem, serde_json::json!({"base_dir": "lake"}));
    let memory = managed(IoManagerKind::Memory, serde_json::json!({}));
    let transient = managed(IoManagerKind::Transient, serde_json::json!({}));
    (folder, [local, ValueStore::memory(space()), files, memory, transient])
}

async fn put(store: &ValueStore, bytes: &[u8]) -> (ValueKey, ValueRef) {
    let key = store.output_key(&attempt(1), &Name::result(), None);
    let value = store.put(key.clone(), "text/plain", Bytes::copy_from_slice(bytes)).await;
    (key, value.unwrap())
}

#[tokio::test]
async fn a_value_comes_back_by_ranges_and_its_digest_is_computed_here() {
    let (_folder, stores) = all();
    for store in stores {
        let (key, value) = put(&store, b"0123456789").await;
        assert_eq!((value.size, value.digest), (10, ValueDigest::of(b"0123456789")));
        assert_eq!(store.read(&key, 2..5).await.unwrap(), "234");
        assert_eq!(store.read(&key, 8..50).await.unwrap(), "89");
        assert_eq!(store.read(&key, 10..20).await.unwrap(), "");
        assert_eq!(store.read(&key, 99..100).await.unwrap(), "");
        store.verify(&value).await.unwrap();
    }
}

#[tokio::test]
async fn e4_a_value_appears_whole_or_not_at_all_and_is_never_overwritten() {
    let (_folder, stores) = all();
    let part = Bytes::from(vec![7; 5 << 20]);
    for store in stores {
        for fence in [1, 2] {
            let key = store.streamed_key(&attempt(fence), 0);
            let mut writer = store.writer(key.clone());
            for _ in 0..5 {
                writer.write(part.clone()).await.unwrap();
            }
            assert!(matches!(store.read(&key, 0..1).await, Err(Error::NotFound { .. })));
            if fence == 1 {
                writer.abort().await;
                assert!(matches!(store.read(&key, 0..1).await, Err(Error::NotFound { .. })));
                continue;
            }
            let (size, digest) = writer.finish().await.unwrap();
            assert_eq!(size, 25 << 20);
            let place = store.place(&key);
            let value = ValueRef { media_type: "x/y".to_owned(), size, digest, place };
            store.verify(&value).await.unwrap();
            for late in [Bytes::from_static(b"late"), Bytes::from(vec![1; 9 << 20])] {
                let error = store.put(key.clone(), "x/y", late).await.unwrap_err();
                assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            }
            store.verify(&value).await.unwrap();
        }
    }
}

#[tokio::test]
async fn f_34_a_bit_flip_is_found_before_anybody_reads() {
    let (_folder, stores) = all();
    for store in stores {
        let (key, value) = put(&store, b"0123456789").await;
        for bit in 0..80 {
            let mut bytes = b"0123456789".to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            store.delete(&key).await.unwrap();
            put(&store, &bytes).await;
            let error = store.verify(&value).await.unwrap_err();
            assert!(matches!(&error, Error::DigestMismatch { .. }));
            assert!(error.to_string().contains(key.as_str()), "{error}");
        }
    }
}

#[tokio::test]
async fn f_37_a_deleted_value_is_named() {
    let (_folder, stores) = all();
    for store in stores {
        let (key, value) = put(&store, b"gone").await;
        store.delete(&key).await.unwrap();
        store.delete(&key).await.unwrap();
        let error = store.verify(&value).await.unwrap_err();
        assert!(matches!(&error, Error::NotFound { key: found } if found == key.as_str()));
    }
}

#[tokio::test]
async fn a_file_is_imported_once_and_a_damaged_import_is_mended() {
    let (folder, stores) = all();
    let file = folder.path().join("data.csv");
    std::fs::write(&file, b"a,b\n1,2\n").unwrap();
    for store in stores {
        let value = store.import_file(&file).await.unwrap();
        assert_eq!(value.digest, ValueDigest::of(b"a,b\n1,2\n"));
        assert_eq!(store.import_file(&file).await.unwrap(), value);
        let key = store.key(&value.place).unwrap();
        store.delete(&key).await.unwrap();
        store.put(key, "x/y", Bytes::from_static(b"bad")).await.unwrap();
        store.import_file(&file).await.unwrap();
        store.verify(&value).await.unwrap();
    }
}

#[tokio::test]
async fn a_value_of_another_store_is_not_looked_for_here() {
    let (_folder, stores) = all();
    for (at, store) in stores.iter().enumerate() {
        let (_, value) = put(store, b"mine").await;
        for (other_at, other) in stores.iter().enumerate() {
            // Stores 0 and 1 are both the instance's own.
            let same = at == other_at || at.max(other_at) == 1;
            assert_eq!(other.key(&value.place).is_ok(), same, "{at} {other_at}");
        }
    }
}

#[tokio::test]
async fn what_a_run_has_left_with_a_worker_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let local = ValueStore::local(&folder.path().join("values"), space()).unwrap();
    let name = Name::new("scratch").unwrap();
    let manager = PlanIoManager { kind: IoManagerKind::Transient, settings: serde_json::Value::Null };
    let nowhere = Stores::from(local.clone()).of_manager(&name, &manager).unwrap_err();
    assert!(nowhere.to_string().ends_with("only workers keep values of kind `transient`"), "{nowhere}");
    let kept = Transient::Folder(folder.path().join("transient"));
    let stores = Stores::with_transient(local.clone(), kept, folder.path().to_owned(), Arc::new(|_| None));
    let store = stores.of_manager(&name, &manager).unwrap();
    let (_, own) = put(&local, b"own").await;
    let (_, kept) = put(&store, b"kept").await;
    let other =
        AttemptId { run: RunId("01890000-0000-7000-8000-000000000002".parse().unwrap()), ..attempt(1) };
    let other = store.output_key(&other, &Name::result(), None);
    let other = store.put(other, "text/plain", Bytes::from_static(b"other")).await.unwrap();
    assert!(kept.place.is_transient() && !own.place.is_transient());
    assert_eq!(stores.ready(&kept).await.unwrap(), kept, "it is read where it is");
    stores.forget(attempt(1).run).await.unwrap();
    assert!(matches!(stores.ready(&kept).await, Err(Error::NotFound { .. })));
    assert!(stores.ready(&own).await.is_ok() && stores.ready(&other).await.is_ok());
}
