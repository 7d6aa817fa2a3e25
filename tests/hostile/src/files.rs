//! Files that come from elsewhere or may be damaged: signatures, keys, and the lists of chunks in the depot.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cofferdam_depot::{Depot, Signature, SigningKey};
use cofferdam_model::{LibraryDigest, ValueDigest};
use cofferdam_wire::Token;
use cofferdam_wire::tls::{Authority, Credentials};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What the kept signature signs.
const SIGNED: LibraryDigest = LibraryDigest([7; 32]);
/// Bytes of the one pack there is.
const PACK: &[u8] = &[0x5a; 4096];
/// The library whose list of chunks is read; nothing can have this digest.
const DAMAGED: LibraryDigest = LibraryDigest([9; 32]);

/// Nobody has the key of the kept signature any more, so whatever holds says what that one says.
pub(crate) fn signature(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(signature) = Signature::read(text) {
        assert_eq!((signature.library, signature.world.as_str()), (SIGNED, "cofferdam:op@0.1.0"));
    }
}

pub(crate) fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = text.parse::<SigningKey>() {
        let signed = serde_json::to_string(&key.sign(SIGNED, "a:b@0.1.0")).expect("it can be written");
        assert_eq!(Signature::read(&signed).expect("it was just signed").key, key.public());
    }
    if let Ok(authority) = Authority::from_pem(text) {
        assert_eq!(
            Authority::from_pem(&authority.to_pem()).expect("it was just written").fingerprint(),
            authority.fingerprint()
        );
    }
    if let Ok(credentials) = Credentials::from_pem(text) {
        assert!(Credentials::from_pem(&credentials.to_pem()).is_ok());
    }
    let _ = text.parse::<Token>();
}

/// A depot with one pack, and room for a list of chunks.
struct Shelf {
    depot: Depot,
    list: PathBuf,
    _folder: TempDir,
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is room");
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
        std::fs::write(path, bytes).expect("there is room");
    };
    write(&folder.path().join(format!("v1/packs/{}.pack", ValueDigest::of(PACK).hex())), PACK);
    let list = folder.path().join(format!("v1/libraries/{}.chunks", DAMAGED.hex()));
    write(&list, b"");
    Shelf { depot: Depot::local(folder.path()).expect("it is a folder"), list, _folder: folder }
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime starts"));

/// No list of chunks makes a library out of bytes that are not its own.
pub(crate) fn chunks(bytes: &[u8]) {
    std::fs::write(&SHELF.list, bytes).expect("there is room");
    let depot = &SHELF.depot;
    RUNTIME.block_on(async {
        assert!(depot.get(&DAMAGED).await.is_err());
        if let Ok((chunks, _)) = depot.chunks(&DAMAGED).await {
            let missing = depot.missing_chunks(chunks.clone()).await.expect("the list was just read");
            assert!(missing.is_empty(), "the depot knows the chunks of its own lists");
            let _ = depot.join(&chunks, &std::collections::HashMap::new(), 1 << 20).await;
        }
        let _ = depot.contains(&DAMAGED).await;
        depot.list().await.expect("a damaged list hides no other library");
    });
}
