//! IO managers over a folder and memory: settings, readable paths, what is published and what is not.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_io::{Stores, ValueStore};
use cofferdam_model::{
    AssetKey, AttemptId, Fence, IoManagerKind, Name, PlanIoManager, Publication, RunId, StepKey, ValueRef,
};
use futures::TryStreamExt as _;
use serde_json::json;

const RUN: &str = "01890000-0000-7000-8000-000000000001";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn stores(folder: &Path, variables: &[(&'static str, &'static str)]) -> Stores {
    let main = ValueStore::local(&folder.join("values"), name("default")).unwrap();
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    Stores::new(
        main,
        folder.to_owned(),
        Arc::new(move |name| variables.get(name).map(|text| (*text).to_owned())),
    )
}

fn lake() -> PlanIoManager {
    PlanIoManager { kind: IoManagerKind::Filesystem, settings: json!({"base_dir": "lake"}) }
}

fn attempt(fence: u64) -> AttemptId {
    AttemptId {
        run: RunId(RUN.parse().unwrap()),
        step: StepKey::new("clean"),
        attempt: 1,
        fence: Fence(fence),
    }
}

fn publication(value: &ValueRef) -> Publication {
    Publication {
        run: RunId(RUN.parse().unwrap()),
        step: StepKey::new("clean[jan]"),
        output: name("table"),
        key: None,
        asset: None,
        manager: lake(),
        manager_name: name("lake"),
        value: value.clone(),
    }
}

async fn put(store: &ValueStore, fence: u64, bytes: &'static [u8]) -> ValueRef {
    let key = store.output_key(&attempt(fence), &name("table"), None);
    store.put(key, "text/plain", Bytes::from_static(bytes)).await.unwrap()
}

#[tokio::test]
async fn a_committed_value_is_a_link_under_its_readable_path_and_one_in_another_store_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path(), &[]);
    let lake = stores.of_manager(&name("lake"), &lake()).unwrap();
    let readable = folder.path().canonicalize().unwrap().join("lake").join(RUN).join("clean[jan]/table");

    let managed = put(&lake, 1, b"in the lake").await;
    assert!(!readable.exists(), "nothing is there before the commit");
    for _ in 0..2 {
        let said = stores.publish(&publication(&managed)).await.unwrap();
        assert_eq!(said.as_deref(), readable.to_str());
        assert_eq!(std::fs::read(&readable).unwrap(), b"in the lake");
        assert_eq!(std::fs::metadata(&readable).unwrap().nlink(), 2, "it is the value's own file");
        assert!(std::fs::metadata(&readable).unwrap().permissions().readonly());
    }

    for (value, bytes) in [
        (put(stores.main(), 2, b"in the instance's store").await, &b"in the instance's store"[..]),
        (ValueRef::inline("text/plain", b"in the commit".to_vec()), b"in the commit"),
    ] {
        assert_eq!(stores.publish(&publication(&value)).await.unwrap().as_deref(), readable.to_str());
        assert_eq!(std::fs::read(&readable).unwrap(), bytes);
    }
    stores.ready(&managed).await.unwrap();
    let own = std::fs::read_dir(folder.path().join("lake/.cofferdam")).unwrap();
    assert_eq!(own.count(), 1, "nothing is left beside the values");
}

#[tokio::test]
async fn what_happens_to_the_readable_path_does_no_harm_to_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path(), &[]);
    let lake = stores.of_manager(&name("lake"), &lake()).unwrap();
    let value = put(&lake, 1, b"good").await;
    let readable = stores.publish(&publication(&value)).await.unwrap().unwrap();
    std::fs::remove_file(&readable).unwrap();
    std::fs::write(&readable, b"somebody else's").unwrap();
    let read: Vec<Bytes> = stores.get(&value).await.unwrap().try_collect().await.unwrap();
    assert_eq!(read.concat(), b"good");
    stores.publish(&publication(&value)).await.unwrap();
    assert_eq!(std::fs::read(&readable).unwrap(), b"good");
}

#[tokio::test]
async fn a_damaged_value_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path(), &[]);
    let mut value = put(stores.main(), 1, b"good").await;
    value.digest = cofferdam_model::ValueDigest::of(b"better");
    let error = stores.publish(&publication(&value)).await.unwrap_err();
    assert!(matches!(error, cofferdam_io::Error::DigestMismatch { .. }), "{error}");
    assert!(!folder.path().join("lake").join(RUN).exists());
}

#[tokio::test]
async fn an_asset_that_becomes_partitioned_turns_its_file_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path(), &[]);
    let value = ValueRef::inline("text/plain", b"all".to_vec());
    let key = AssetKey::from_parts(vec!["raw".into(), "flights".into()]).unwrap();
    let mut publication = publication(&value);
    publication.asset = Some((key.clone(), None));
    stores.publish(&publication).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("lake/raw/flights")).unwrap(), b"all");
    publication.asset = Some((key, Some("2024-01-01|eu".into())));
    stores.publish(&publication).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("lake/raw/flights/2024-01-01/eu")).unwrap(), b"all");
}

#[tokio::test]
async fn a_value_is_found_by_its_place_after_its_manager_was_defined_anew() {
    let folder = tempfile::tempdir().unwrap();
    let value = {
        let stores = stores(folder.path(), &[]);
        put(&stores.of_manager(&name("lake"), &lake()).unwrap(), 1, b"old lake").await
    };
    let text = serde_json::to_string(&value).unwrap();
    let value: ValueRef = serde_json::from_str(&text).unwrap();
    let stores = stores(folder.path(), &[]);
    let new = PlanIoManager { kind: IoManagerKind::Filesystem, settings: json!({"base_dir": "new lake"}) };
    let new = stores.of_manager(&name("lake"), &new).unwrap();
    assert!(new.verify(&value).await.is_err());
    stores.ready(&value).await.unwrap();
}

#[tokio::test]
async fn a_whole_value_of_many_chunks_moves_between_stores_and_a_damaged_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path(), &[]);
    let lake = stores.of_manager(&name("lake"), &lake()).unwrap();
    let mut writer = stores.main().writer(stores.main().streamed_key(&attempt(1), 0));
    for part in 0..20_u8 {
        writer.write(Bytes::from(vec![part; 1 << 20])).await.unwrap();
    }
    let place = stores.main().place(writer.key());
    let (size, digest) = writer.finish().await.unwrap();
    let mut value = ValueRef { media_type: "x/y".to_owned(), size, digest, place };
    let moved = lake.transfer(lake.streamed_key(&attempt(1), 0), stores.main(), &value).await.unwrap();
    assert_eq!((moved.size, moved.digest), (size, digest));
    lake.verify(&moved).await.unwrap();
    value.size += 1;
    let key = lake.streamed_key(&attempt(1), 1);
    assert!(lake.transfer(key.clone(), stores.main(), &value).await.is_err());
    assert!(lake.read(&key, 0..1).await.is_err(), "nothing of it is there");
}

fn refused(kind: IoManagerKind, settings: serde_json::Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("SECRET", "hunter2"), ("FOLDER", "somewhere")];
    let manager = PlanIoManager { kind, settings };
    match stores(folder.path(), &variables).of_manager(&name("lake"), &manager) {
        Ok(_) => "opened".to_owned(),
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            assert!(!text.contains("hunter2"), "a secret is printed: {text}");
            text
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    use IoManagerKind::{Azure, Filesystem, Gcs, Memory, Op, S3, Store};
    let secret = json!({"env": "SECRET"});
    let cases = [
        (Filesystem, json!({"base_dir": {"env": "FOLDER"}})),
        (Filesystem, json!({"base_dir": {"env": "NOT_SET"}})),
        (Filesystem, json!({})),
        (Filesystem, json!(null)),
        (Filesystem, json!({"base_dir": 5})),
        (Filesystem, json!({"base_dri": "x"})),
        (Store, json!({"base_dir": "x"})),
        (Memory, json!({"size": secret})),
        (S3, json!({"prefix": "p"})),
        (S3, json!({"bucket": "b", "access_key_id": "id", "secret_access_key": secret})),
        (S3, json!({"bucket": secret, "endpoint": ["x"]})),
        (S3, json!({"bucket": "b", "secret_key": secret})),
        (S3, json!({"bucket": "b", "session_token": {"env": "AWS_TOKEN"}})),
        (Gcs, json!({"bucket": "b", "service_account_key": secret})),
        (Azure, json!({"account": "a", "container": "c", "access_key": secret})),
        (Azure, json!({"account": "a", "container": "c", "access_key": "Zm9v"})),
        (Azure, json!({"account": "a"})),
        (Op, json!({"store": "lib.put"})),
    ];
    let text: String = cases
        .into_iter()
        .map(|(kind, settings)| format!("{kind} {settings}\n  {}\n", refused(kind, settings.clone())))
        .collect();
    insta::assert_snapshot!(text);
}
