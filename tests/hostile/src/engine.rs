//! What a library and a cell can bring: components before they are compiled, entries of the cache of compiled code, frames.

use std::future::ready;
use std::path::PathBuf;
use std::sync::LazyLock;

use cofferdam_cell::{Artefacts, CellCommand, FromCell, Origin, Source, Target, ToCell};
use cofferdam_model::{Failure, LibraryDigest};
use cofferdam_sandbox::admit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What is let through is let through again, and says what it is.
pub(crate) fn component(bytes: &[u8]) {
    match admit(bytes) {
        Ok(admitted) => {
            assert!(!admitted.exports.is_empty());
            assert_eq!(admit(bytes).expect("nothing changed"), admitted);
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

const DIGEST: LibraryDigest = LibraryDigest([7; 32]);
/// The key of the kept entry.
const KEY: [u8; 32] = [1; 32];
/// What it vouches for.
const CODE: &[u8] = b"machine code, made here";

struct Cache {
    artefacts: Artefacts,
    entry: PathBuf,
    good: Vec<u8>,
    target: Target,
    running: Runtime,
    _folder: TempDir,
}

static CACHE: LazyLock<Cache> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is room");
    std::fs::write(folder.path().join("key"), KEY).expect("there is room");
    let nobody = CellCommand { program: PathBuf::new(), run: vec![], compile: vec![] };
    let artefacts = Artefacts::open(folder.path(), nobody).expect("it is a folder");
    let target = Target { fingerprint: "an engine".to_owned(), fuel: false };
    let running = Builder::new_current_thread().build().expect("a runtime starts");
    running.block_on(given(&artefacts, CODE, &target));
    let mut files = std::fs::read_dir(folder.path()).expect("it is there").map(|file| file.unwrap().path());
    let entry = files.find(|path| path.extension().is_some()).expect("what was given is kept");
    let good = std::fs::read(&entry).expect("it is there");
    Cache { artefacts, entry, good, target, running, _folder: folder }
});

async fn given(artefacts: &Artefacts, code: &[u8], target: &Target) -> Origin {
    let source = ready(Ok::<_, Failure>(Source::Compiled(code)));
    artefacts.get(&DIGEST, source, target).await.expect("what is given is taken").origin()
}

/// No entry is taken but the one that was written.
pub(crate) fn artefact(bytes: &[u8]) {
    let Cache { artefacts, entry, good, target, running, .. } = &*CACHE;
    std::fs::write(entry, bytes).expect("there is room");
    let origin = running.block_on(given(artefacts, CODE, target));
    assert_eq!(origin == Origin::Cache, bytes == good, "{bytes:02x?}");
}

/// The first byte says which end reads. What can be read is written and read again as the same.
pub(crate) fn frames(bytes: &[u8]) {
    match bytes.split_first() {
        Some((first, body)) if first % 2 == 0 => frame::<FromCell>(body),
        Some((_, body)) => frame::<ToCell>(body),
        None => {}
    }
}

fn frame<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(frame) = postcard::from_bytes::<T>(bytes) else { return };
    let written = postcard::to_stdvec(&frame).expect("what was read can be written");
    let again: T = postcard::from_bytes(&written).expect("what was written can be read");
    assert_eq!(postcard::to_stdvec(&again).expect("it was just written"), written);
}
