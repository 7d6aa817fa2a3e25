//! Reading and writing while the network does what it likes.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_client::{Cluster, Objects};
use cofferdam_depot::Depot;
use cofferdam_io::{Error, ValueStore};
use cofferdam_model::{OCTET_STREAM, ValueRef};
use cofferdam_wire::{Token, TokenSecret};
use futures::TryStreamExt as _;

use crate::far::{Far, ROOM, key, noise, store};

const MIB: usize = 1024 * 1024;

pub(crate) async fn put(store: &ValueStore, fence: u64, bytes: &Bytes) -> Result<ValueRef, Error> {
    store.put(key(fence), OCTET_STREAM, bytes.clone()).await
}

pub(crate) async fn read(store: &ValueStore, value: &ValueRef) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = store.get(value).await?.try_collect().await?;
    Ok(chunks.concat())
}

fn chain(error: &Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_goes_on_where_the_connection_broke() {
    let far = Far::start().await;
    let bytes = noise(1, 32 * MIB);
    let value = put(&far.values(), 1, &bytes).await.unwrap();
    let local = tempfile::tempdir().unwrap();
    let here = store(&far.objects(local.path(), ROOM));
    far.proxy.cut_down(&[10 * MIB as u64, 12 * MIB as u64]);
    assert!(read(&here, &value).await.unwrap() == bytes);
    // Each cut costs at most what was on its way, a window of 4 MiB; whoever began anew would send 54 MiB.
    let sent = far.proxy.down();
    assert!(sent < 41 * MIB as u64, "{sent} bytes for a value of 32 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_connection_broke_is_sent_again() {
    let far = Far::start().await;
    let local = tempfile::tempdir().unwrap();
    let here = store(&far.objects(local.path(), ROOM));
    // One goes in one piece, the other in parts.
    for (fence, size) in [(1, 4 * MIB), (2, 20 * MIB)] {
        let bytes = noise(fence, size);
        far.proxy.cut_up(&[MIB as u64, 2 * MIB as u64]);
        let value = put(&here, fence, &bytes).await.unwrap();
        assert!(read(&far.values(), &value).await.unwrap() == bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_away_fails_nothing() {
    let mut far = Far::start().await;
    let (there, large) = (noise(1, 16 * MIB), noise(2, 16 * MIB));
    let value = put(&far.values(), 1, &there).await.unwrap();
    let local = tempfile::tempdir().unwrap();
    let here = store(&far.objects(local.path(), ROOM));
    // Stopped before anything is asked.
    far.stop();
    let (read_it, wrote, started) = tokio::join!(read(&here, &value), put(&here, 2, &large), async {
        far.start_again().await;
        // Stopped in the middle of both.
        far.proxy.has_passed_down(MIB as u64).await;
        far.proxy.has_passed_up(MIB as u64).await;
        far.stop();
        far.start_again().await;
    });
    let () = started;
    assert!(read_it.unwrap() == there);
    assert!(read(&far.values(), &wrote.unwrap()).await.unwrap() == large);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_host_has_made_or_read_is_read_without_the_network() {
    let far = Far::start().await;
    let (local, bytes) = (tempfile::tempdir().unwrap(), noise(1, MIB));
    let here = store(&far.objects(local.path(), ROOM));
    let made = put(&here, 1, &bytes).await.unwrap();
    let other = put(&far.values(), 2, &bytes).await.unwrap();
    here.verify(&other).await.unwrap();
    let before = far.proxy.down();
    for value in [&made, &other] {
        assert!(read(&here, value).await.unwrap() == bytes);
        assert_eq!(here.read(&here.key(&value.place).unwrap(), 100..200).await.unwrap(), bytes[100..200]);
    }
    assert!(far.proxy.down() - before < 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_once_more_are_a_success_and_others_are_refused() {
    let far = Far::start().await;
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let hosts = [0, 1, 2].map(|at| store(&far.objects(folders[at].path(), ROOM)));
    let bytes = noise(1, MIB);
    let value = put(&hosts[0], 1, &bytes).await.unwrap();
    assert_eq!(put(&hosts[1], 1, &bytes).await.unwrap(), value);
    let refused = put(&hosts[2], 1, &noise(2, MIB)).await.unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused:?}");
    // What was refused is not taken for the value afterwards.
    assert!(read(&hosts[2], &value).await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_hears_it_at_once() {
    let far = Far::start().await;
    let local = tempfile::tempdir().unwrap();
    let wrong = Token { secret: TokenSecret::generate().unwrap(), authority: None };
    let wrong = Cluster::at(&far.proxy.address.to_string(), &wrong).unwrap();
    let here = store(&Arc::new(Objects::new(wrong, local.path(), Some(ROOM)).unwrap()));
    let refused = put(&here, 1, &noise(1, 100)).await.unwrap_err();
    assert!(matches!(&refused, Error::Store { .. }) && chain(&refused).contains("token"), "{refused:?}");
    let here = store(&far.objects(local.path(), ROOM));
    let absent = here.size(&key(7)).await.unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shrinks_travels_packed_and_the_rest_as_it_is() {
    let far = Far::start().await;
    let local = tempfile::tempdir().unwrap();
    let here = store(&far.objects(local.path(), ROOM));
    let text: Bytes = "one more line of text\n".repeat(200_000).into();
    let value = put(&far.values(), 1, &text).await.unwrap();
    assert!(read(&here, &value).await.unwrap() == text);
    put(&here, 2, &text).await.unwrap();
    let (down, up) = (far.proxy.down(), far.proxy.up());
    assert!(down.max(up) * 50 < text.len() as u64, "{down} and {up} bytes for {}", text.len());
    let library = far.depot().put(text.clone()).await.unwrap();
    let depot = Depot::over(far.objects(local.path(), ROOM));
    assert!(depot.get(&library).await.unwrap() == text);
    assert!((far.proxy.down() - down) * 50 < text.len() as u64);
    let noise = noise(3, 4 * MIB);
    put(&here, 3, &noise).await.unwrap();
    let up = far.proxy.up() - up;
    assert!(up < noise.len() as u64 * 101 / 100, "{up} bytes for {}", noise.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn h_083_what_came_damaged_is_fetched_once_more_and_then_refused_in_words() {
    let far = Far::start().await;
    let bytes = noise(1, 2 * MIB);
    let value = put(&far.values(), 1, &bytes).await.unwrap();
    let library = far.depot().put(bytes.clone()).await.unwrap();
    // A library and a value, damaged once.
    let local = tempfile::tempdir().unwrap();
    let objects = far.objects(local.path(), ROOM);
    far.proxy.damage_down(true);
    assert!(Depot::over(objects.clone()).get(&library).await.unwrap() == bytes);
    assert_eq!(far.proxy.damaged(), 1);
    far.proxy.damage_down(true);
    assert!(read(&store(&objects), &value).await.unwrap() == bytes);
    assert_eq!(far.proxy.damaged(), 2);
    // Every time.
    let local = tempfile::tempdir().unwrap();
    let objects = far.objects(local.path(), ROOM);
    far.proxy.damage_down(false);
    let refused = Depot::over(objects.clone()).get(&library).await.unwrap_err();
    let said = refused.source().unwrap().to_string();
    assert!(said.contains(&format!("library {library} came damaged, twice")), "{said}");
    let refused = read(&store(&objects), &value).await.unwrap_err();
    assert!(chain(&refused).contains(&format!("value `{}` came damaged, twice", key(1))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_room_refuses_and_shows_nothing_half() {
    let far = Far::start().await;
    let local = tempfile::tempdir().unwrap();
    let here = store(&far.objects(local.path(), 3 * MIB as u64));
    let refused = put(&here, 1, &noise(1, 10 * MIB)).await.unwrap_err();
    assert!(matches!(refused, Error::NoSpace { .. }), "{refused:?}");
    let said = chain(&refused);
    assert!(said.contains("no space is left") && said.contains("--cache-bytes"), "{said}");
    assert!(matches!(far.values().size(&key(1)).await, Err(Error::NotFound { .. })));
    let large = put(&far.values(), 2, &noise(2, 4 * MIB)).await.unwrap();
    assert!(matches!(read(&here, &large).await, Err(Error::NoSpace { .. })));
    // What has room goes on: each takes the place of the one before.
    for fence in 3..9 {
        let bytes = noise(fence, 2 * MIB);
        let value = put(&here, fence, &bytes).await.unwrap();
        assert!(read(&far.values(), &value).await.unwrap() == bytes);
        let kept: u64 = walk(local.path());
        assert!(kept <= 3 * MIB as u64, "{kept}");
    }
    // One that has gone is fetched again.
    assert!(read(&here, &ValueRef { ..put(&far.values(), 9, &noise(9, MIB)).await.unwrap() }).await.is_ok());
}

fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(
            |entry| if entry.path().is_dir() { walk(&entry.path()) } else { entry.metadata().unwrap().len() },
        )
        .sum()
}
