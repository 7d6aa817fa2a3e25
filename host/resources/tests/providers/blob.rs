//! The kind `blob`, over a folder and over memory. That over S3 differs only in the store below.

use crate::support::World;
use cofferdam_model::{ResourceAnswer, ResourceCall, ResourceKind};
use serde_json::{Value, json};

fn read(path: &str, offset: u64, length: u32) -> ResourceCall {
    ResourceCall::BlobRead { path: path.to_owned(), offset, length }
}

fn write(path: &str, text: &str) -> ResourceCall {
    ResourceCall::BlobWrite { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn bytes(text: &str) -> ResourceAnswer {
    ResourceAnswer::Bytes(Some(text.as_bytes().to_vec().into()))
}

fn kinds() -> [Value; 3] {
    [json!({ "url": "memory:" }), json!({ "url": "file:lake" }), json!({ "url": "file:lake/deep/er" })]
}

async fn list(world: &World, settings: &Value, prefix: &str, after: Option<&str>) -> (Vec<String>, bool) {
    let call = ResourceCall::BlobList { prefix: prefix.to_owned(), after: after.map(str::to_owned) };
    match world.call(ResourceKind::Blob, settings, call).await.unwrap() {
        ResourceAnswer::Keys { keys, more } => (keys, more),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn objects_are_written_whole_and_read_in_pieces() {
    for settings in kinds() {
        let world = World::new(&[]);
        let call = |call| world.call(ResourceKind::Blob, &settings, call);
        assert_eq!(call(read("a/b.txt", 0, 10)).await.unwrap(), ResourceAnswer::Bytes(None));
        assert_eq!(
            call(ResourceCall::BlobSize { path: "a/b.txt".into() }).await.unwrap(),
            ResourceAnswer::Size(None)
        );
        call(write("a/b.txt", "longer than it will be")).await.unwrap();
        assert_eq!(call(write("a/b.txt", "0123456789")).await.unwrap(), ResourceAnswer::Done);
        assert_eq!(
            call(ResourceCall::BlobSize { path: "a/b.txt".into() }).await.unwrap(),
            ResourceAnswer::Size(Some(10))
        );
        let pieces = [(0, 4, "0123"), (4, 100, "456789"), (10, 1, ""), (u64::MAX, u32::MAX, ""), (3, 0, "")];
        for (offset, length, expected) in pieces {
            assert_eq!(call(read("a/b.txt", offset, length)).await.unwrap(), bytes(expected));
        }
        call(write("empty", "")).await.unwrap();
        assert_eq!(call(read("empty", 0, 10)).await.unwrap(), bytes(""));
        for _ in 0..2 {
            let delete = ResourceCall::BlobDelete { path: "a/b.txt".into() };
            assert_eq!(call(delete).await.unwrap(), ResourceAnswer::Done);
        }
        assert_eq!(call(read("a/b.txt", 0, 10)).await.unwrap(), ResourceAnswer::Bytes(None));
    }
}

#[tokio::test]
async fn a_listing_is_sorted_begins_anywhere_and_comes_in_pages() {
    for settings in kinds() {
        let world = World::new(&[]);
        for path in
            ["raw/2024-02.csv", "raw/2023-12.csv", "raw/2024-01.csv", "rawer/x", "other", "raw/2024/x"]
        {
            world.call(ResourceKind::Blob, &settings, write(path, "x")).await.unwrap();
        }
        let found = list(&world, &settings, "raw/2024-", None).await;
        assert_eq!(found, (vec!["raw/2024-01.csv".to_owned(), "raw/2024-02.csv".to_owned()], false));
        assert_eq!(list(&world, &settings, "raw", None).await.0.len(), 5);
        assert_eq!(
            list(&world, &settings, "raw/", Some("raw/2024-01.csv")).await.0,
            ["raw/2024-02.csv", "raw/2024/x"]
        );
        assert_eq!(list(&world, &settings, "", None).await.0.len(), 6);
        assert_eq!(list(&world, &settings, "none/", None).await.0, [""; 0]);
        for number in 0..1001 {
            world.call(ResourceKind::Blob, &settings, write(&format!("many/{number:04}"), "")).await.unwrap();
        }
        let (first, more) = list(&world, &settings, "many/", None).await;
        assert_eq!((first.len(), more, first[999].as_str()), (1000, true, "many/0999"));
        assert_eq!(
            list(&world, &settings, "many/", Some("many/0999")).await,
            (vec!["many/1000".to_owned()], false)
        );
    }
}

#[tokio::test]
async fn a_path_cannot_leave_its_prefix() {
    let world = World::new(&[]);
    std::fs::write(world.folder.path().join("secret"), "hunter2").unwrap();
    let settings = json!({ "url": "file:lake" });
    let fault = async |path: &str| world.fault(ResourceKind::Blob, &settings, read(path, 0, 10)).await;
    insta::assert_snapshot!(fault("../secret").await, @"Invalid: resource `it` of kind `blob`: `../secret` is not the path of an object, such as `raw/2024.csv`: no part of it is empty, `.` or `..`, and it has no control characters");
    insta::assert_snapshot!(fault("").await, @"Invalid: resource `it` of kind `blob`: the path of an object is empty");
    for path in ["a/../../secret", "a//b", "./secret"] {
        assert!(fault(path).await.starts_with("Invalid: "), "{path}");
    }
    // A path from the root is one from the prefix.
    let found = world.call(ResourceKind::Blob, &settings, read("/secret", 0, 10)).await.unwrap();
    assert_eq!(found, ResourceAnswer::Bytes(None));
    let listed = ResourceCall::BlobList { prefix: "../".into(), after: None };
    assert!(world.fault(ResourceKind::Blob, &settings, listed).await.starts_with("Invalid: "));
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused_and_a_long_read_is_cut() {
    let world = World::new(&[]);
    let settings = json!({ "url": "memory:" });
    let fault =
        world.fault(ResourceKind::Blob, &settings, write("big", &"x".repeat(128 * 1024 * 1024 + 1))).await;
    insta::assert_snapshot!(fault, @"TooLarge: resource `it` of kind `blob`: an object that is written has at most 134217728 bytes, `big` has 134217729");
    world.call(ResourceKind::Blob, &settings, write("long", &"x".repeat(9 * 1024 * 1024))).await.unwrap();
    match world.call(ResourceKind::Blob, &settings, read("long", 0, u32::MAX)).await.unwrap() {
        ResourceAnswer::Bytes(Some(found)) => assert_eq!(found.len(), 8 * 1024 * 1024),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_of_a_bucket_that_cannot_work_are_told() {
    let world = World::new(&[("SECRET", "hunter2-and-more")]);
    let fault = async |settings: Value| world.fault(ResourceKind::Blob, &settings, read("a", 0, 1)).await;
    insta::assert_snapshot!(fault(json!({ "url": "gs://bucket" })).await, @"Invalid: resource `it` of kind `blob`: `url` is not of the form `s3://bucket/prefix`, `file:folder` or `memory:`");
    let half = json!({ "url": "s3://bucket/x", "secret_access_key": { "env": "SECRET" } });
    insta::assert_snapshot!(fault(half).await, @"Invalid: resource `it` of kind `blob`: `access_key_id` and `secret_access_key` belong together: set both, or neither for a public bucket");
    let nowhere = json!({
        "url": "s3://bucket/x", "endpoint": "http://127.0.0.1:9", "access_key_id": "me",
        "secret_access_key": { "env": "SECRET" }, "timeout": "2s",
    });
    let told = fault(nowhere).await;
    assert!(told.starts_with("Unavailable: ") && !told.contains("hunter2"), "{told}");
}
