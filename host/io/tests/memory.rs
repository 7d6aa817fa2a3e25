//! A value of 256 MiB goes through the stores of this machine in parts: written, verified, moved, published.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_io::{Stores, ValueStore};
use cofferdam_model::{
    AttemptId, CHUNK_BYTES, Fence, IoManagerKind, Name, PlanIoManager, Publication, RunId, StepKey, ValueRef,
};

/// Four times what the process may grow by, and little enough that a slow disk does not hold up the tests beside it.
const VALUE_BYTES: u64 = 256 << 20;
/// What the process may grow by: a part of 8 MiB on its way in, chunks on their way out, and what the allocator
/// keeps of them.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// Largest resident size of this process so far, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_large_value_is_written_verified_moved_and_published_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let name = |text: &str| Name::new(text).unwrap();
    let main = ValueStore::local(&folder.path().join("values"), name("default")).unwrap();
    let stores = Stores::new(main.clone(), folder.path().to_owned(), Arc::new(|_| None));
    let manager =
        PlanIoManager { kind: IoManagerKind::Filesystem, settings: serde_json::json!({"base_dir": "lake"}) };
    let lake = stores.of_manager(&name("lake"), &manager).unwrap();
    let run = RunId("01890000-0000-7000-8000-000000000001".parse().unwrap());
    let id = AttemptId { run, step: StepKey::new("big"), attempt: 1, fence: Fence(1) };
    let before = peak_kib();

    let mut writer = main.writer(main.streamed_key(&id, 0));
    let place = main.place(writer.key());
    let chunk = Bytes::from(vec![7; CHUNK_BYTES]);
    for _ in 0..VALUE_BYTES / CHUNK_BYTES as u64 {
        writer.write(chunk.clone()).await.unwrap();
    }
    let (size, digest) = writer.finish().await.unwrap();
    assert_eq!(size, VALUE_BYTES);
    let value = ValueRef { media_type: "x/y".to_owned(), size, digest, place };
    stores.ready(&value).await.unwrap();
    let moved = lake.transfer(lake.streamed_key(&id, 0), &main, &value).await.unwrap();
    stores.ready(&moved).await.unwrap();
    let publication = Publication {
        run,
        step: id.step.clone(),
        output: Name::result(),
        key: None,
        asset: None,
        manager,
        manager_name: name("lake"),
        value,
    };
    // Once as a copy from another store, once as a link.
    let readable = stores.publish(&publication).await.unwrap().unwrap();
    assert_eq!(std::fs::metadata(&readable).unwrap().len(), VALUE_BYTES);
    stores.publish(&Publication { value: moved, ..publication }).await.unwrap();

    let growth = peak_kib() - before;
    assert!(growth < GROWTH_KIB_MAX, "the process grew by {growth} KiB");
}
