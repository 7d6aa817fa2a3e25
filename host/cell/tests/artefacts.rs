//! The cache of compiled libraries with the real compiler behind it.

use std::fs;
use std::future::ready;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cofferdam_cell::{Artefacts, Cell, CellCommand, CellEvent, FromCell, Target};
use cofferdam_model::LibraryDigest;
use tokio::sync::mpsc;

const DIGEST: LibraryDigest = LibraryDigest([7; 32]);

fn command() -> CellCommand {
    let program = env!("CARGO_BIN_EXE_cofferdam-cell").into();
    CellCommand { program, run: vec!["run".into()], compile: vec!["compile".into()] }
}

fn guest() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/looping_describe.wasm");
    fs::read(path).expect("run `cargo xtask test`, which builds the guests")
}

async fn target() -> Target {
    let (sender, mut events) = mpsc::channel(4);
    let _cell = Cell::spawn(&command(), 0, sender).unwrap();
    match events.recv().await {
        Some((_, CellEvent::Frames(frames))) => match frames.into_iter().next() {
            Some(FromCell::Hello { fingerprint, .. }) => Target { fingerprint, fuel: false },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[tokio::test]
async fn d3_a_library_is_compiled_once_per_engine_and_a_stale_or_damaged_entry_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("artefacts");
    let cache = Artefacts::open(&folder, command()).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let target = target().await;
    let first = cache.get(&DIGEST, ready(Ok(guest())), &target).await.unwrap();
    assert!(!first.is_cached());
    let code = fs::read(first.path()).unwrap();
    let [entry] = &entries(&folder)[..] else { panic!("one entry") };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
    // A process that starts later finds it.
    let again =
        Artefacts::open(&folder, command()).unwrap().get(&DIGEST, ready(Ok(guest())), &target).await.unwrap();
    assert!(again.is_cached() && fs::read(again.path()).unwrap() == code);
    // What is left of another wasmtime is not looked at: that engine's code has another name.
    let later = Target { fingerprint: format!("{}-later", target.fingerprint), fuel: false };
    let failure = cache.get(&DIGEST, ready(Ok(guest())), &later).await.unwrap_err();
    assert!(failure.causes[0].contains("another version"), "{failure:?}");
    let counting = Target { fuel: true, ..target.clone() };
    let counted = cache.get(&DIGEST, ready(Ok(guest())), &counting).await.unwrap();
    assert!(!counted.is_cached() && fs::read(counted.path()).unwrap() != code);
    assert_eq!(entries(&folder).len(), 2);
    // Header, checksum and code: whatever is damaged, the library is compiled again.
    let good = fs::read(entry).unwrap();
    for at in [0, 31, 32, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(entry, &bad).unwrap();
        let mended = cache.get(&DIGEST, ready(Ok(guest())), &target).await.unwrap();
        assert!(!mended.is_cached(), "byte {at} was flipped");
        assert_eq!(fs::read(mended.path()).unwrap(), code);
        assert!(cache.get(&DIGEST, ready(Ok(guest())), &target).await.unwrap().is_cached());
    }
}
