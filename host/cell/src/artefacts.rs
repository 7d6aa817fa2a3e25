//! The cache of compiled libraries. Machine code has no integrity of its own, so an entry counts only if its
//! MAC, made with a key that never leaves this folder, vouches for exactly these bytes, this library and this
//! engine. Anything else is compiled again. What is handed out is a sealed copy: the bytes that
//! were checked are the bytes that are loaded, whatever happens to the file.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use cofferdam_crash::reach;
use cofferdam_model::{Failure, FailureKind, LibraryDigest};
use tokio::io::AsyncWriteExt as _;

use crate::compile::Compiled;
use crate::held::Sealed;
use crate::{CellCommand, Target};

/// How long a compiler may take; the largest known component takes 10 s on a slow machine.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a MAC and of the key.
const MAC_BYTES: usize = 32;

/// A compiled library, verified and sealed. The path is good as long as this lives, for processes of the same
/// user.
#[derive(Debug, Clone)]
pub struct Artefact {
    sealed: Arc<Sealed>,
    origin: Origin,
}

/// Where an artefact has come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cache,
    /// It was compiled here now.
    Compiler,
    /// Another host has compiled it.
    Elsewhere,
}

impl Artefact {
    /// If an engine refuses one from the cache, getting it once more may help.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// For another process.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.sealed.file()
    }

    /// Where another process of this user finds it.
    pub fn path(&self) -> PathBuf {
        self.sealed.path()
    }
}

/// What an artefact that is not in the cache is made of.
#[derive(Debug)]
pub enum Source<B> {
    /// The library's bytes, verified; they are compiled here.
    Component(B),
    /// Machine code for the very engine, from somebody who is trusted to have compiled it.
    Compiled(B),
}

/// The cache. Clones share it.
#[derive(Clone)]
pub struct Artefacts {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    key: [u8; MAC_BYTES],
    command: CellCommand,
    /// One compilation of a library at a time; later callers find its result.
    busy: Mutex<HashMap<LibraryDigest, Weak<tokio::sync::Mutex<()>>>>,
}

impl Artefacts {
    /// Opens the cache in this folder, which is made, for this user alone, if it is absent.
    pub fn open(folder: &Path, command: CellCommand) -> io::Result<Artefacts> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?,
        }
        let shared = Shared {
            folder: folder.to_owned(),
            key: read_key(&folder.join("key"))?,
            command,
            busy: Mutex::default(),
        };
        Ok(Artefacts { shared: Arc::new(shared) })
    }

    /// The library, compiled for that engine: from the cache if an entry can be trusted,
    /// else from `source`, which is awaited only then; a component is compiled in a child process.
    pub async fn get<B: AsRef<[u8]>>(
        &self,
        digest: &LibraryDigest,
        source: impl Future<Output = Result<Source<B>, Failure>>,
        target: &Target,
    ) -> Result<Artefact, Failure> {
        let turn = self.turn(digest);
        let _turn = turn.lock().await;
        let path = self.entry(digest, target);
        if let Some(artefact) = self.load(&path, digest, target) {
            return Ok(artefact);
        }
        let (compiled, given);
        let (code, origin) = match source.await? {
            Source::Component(component) => {
                compiled = compile(&self.shared.command, component.as_ref(), target).await?;
                (&compiled[..], Origin::Compiler)
            }
            Source::Compiled(code) => {
                given = code;
                (given.as_ref(), Origin::Elsewhere)
            }
        };
        if let Err(error) = self.publish(&path, &self.mac(digest, target, code), code) {
            tracing::warn!(path = %path.display(), %error, "a compiled library could not be cached");
        }
        self.seal(code, origin).map_err(|error| {
            Failure::new(FailureKind::Library, "the compiled library cannot be held in memory").because(error)
        })
    }

    /// Removes an entry that an engine has refused.
    pub fn forget(&self, digest: &LibraryDigest, target: &Target) {
        let path = self.entry(digest, target);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "a compiled library could not be removed");
        }
    }

    /// File of an entry.
    fn entry(&self, digest: &LibraryDigest, target: &Target) -> PathBuf {
        let engine = blake3::hash(target.name().as_bytes()).to_hex();
        self.shared.folder.join(format!("{}-{}.cwasm", digest.hex(), &engine[..16]))
    }

    fn turn(&self, digest: &LibraryDigest) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.shared.busy.lock().expect("nobody panics while holding it");
        busy.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = busy.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        busy.insert(*digest, Arc::downgrade(&turn));
        turn
    }

    fn mac(&self, digest: &LibraryDigest, target: &Target, code: &[u8]) -> blake3::Hash {
        let name = target.name();
        let mut hasher = blake3::Hasher::new_keyed(&self.shared.key);
        hasher.update(b"cwasm-v1");
        hasher.update(&digest.0);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(code);
        hasher.finalize()
    }

    /// A trusted entry, or nothing.
    fn load(&self, path: &Path, digest: &LibraryDigest, target: &Target) -> Option<Artefact> {
        let bytes = fs::read(path).ok()?;
        let (mac, code) = bytes.split_first_chunk::<MAC_BYTES>()?;
        // The comparison of two hashes takes the same time wherever they differ.
        if self.mac(digest, target, code) != blake3::Hash::from_bytes(*mac) {
            tracing::warn!(path = %path.display(), "a compiled library is damaged or foreign; compiling again");
            return None;
        }
        self.seal(code, Origin::Cache).ok()
    }

    fn seal(&self, code: &[u8], origin: Origin) -> io::Result<Artefact> {
        let sealed = Arc::new(Sealed::new(code, &self.shared.folder)?);
        Ok(Artefact { sealed, origin })
    }

    /// Writes an entry beside and renames it: a reader sees all of it or the one before.
    fn publish(&self, path: &Path, mac: &blake3::Hash, code: &[u8]) -> io::Result<()> {
        let staged = staged(path);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        let written = file.write_all(mac.as_bytes()).and_then(|()| file.write_all(code)).and_then(|()| {
            reach("artefact.written");
            fs::rename(&staged, path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&staged);
        }
        written
    }
}

/// Beside a file that is to be written: of this process and of this writing only, for a process may have the cache open
/// more than once.
fn staged(path: &Path) -> PathBuf {
    static WRITINGS: AtomicU64 = AtomicU64::new(0);
    let writing = WRITINGS.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{writing}.tmp", std::process::id()))
}

/// The key of this cache, drawn when it is first opened.
fn read_key(path: &Path) -> io::Result<[u8; MAC_BYTES]> {
    if let Some(key) = fs::read(path).ok().and_then(|bytes| bytes.try_into().ok()) {
        return Ok(key);
    }
    let mut key = [0; MAC_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let staged = staged(path);
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?.write_all(&key)?;
    // Of two that open it at once, the first one's key holds.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path)?
            .try_into()
            .map_err(|_| io::Error::other(format!("`{}` is damaged; delete it", path.display()))),
        Err(error) => Err(error),
    }
}

async fn compile(command: &CellCommand, component: &[u8], target: &Target) -> Result<Vec<u8>, Failure> {
    let died =
        |what: String| Failure::new(FailureKind::Library, "the library cannot be compiled").because(what);
    let child = tokio::process::Command::new(&command.program)
        .args(&command.compile)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| died(format!("the compiler cannot be started: {error}")))?;
    let mut stdin = child.stdin.take().expect("asked for above");
    let feed = async move {
        // A compiler that dies while it reads tells so by its status.
        let _ = stdin.write_all(&[u8::from(target.fuel)]).await;
        let _ = stdin.write_all(component).await;
    };
    let work = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = match tokio::time::timeout(COMPILE_TIMEOUT, work).await {
        Ok(output) => output.map_err(|error| died(error.to_string()))?,
        Err(_) => return Err(died(format!("the compiler took longer than {} s", COMPILE_TIMEOUT.as_secs()))),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).chars().take(1000).collect::<String>();
        return Err(died(format!("the compiler ended with {} {}", output.status, said.trim())));
    }
    let compiled: Compiled = postcard::from_bytes(&output.stdout).map_err(|error| died(error.to_string()))?;
    let code = compiled.artefact?;
    if compiled.fingerprint != target.fingerprint {
        return Err(died("the compiler is of another version than the cells".to_owned()));
    }
    Ok(code.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path) -> Artefacts {
        let command = CellCommand { program: "absent".into(), run: vec![], compile: vec![] };
        Artefacts::open(folder, command).unwrap()
    }

    fn target(fingerprint: &str, fuel: bool) -> Target {
        Target { fingerprint: fingerprint.to_owned(), fuel }
    }

    const LIBRARY: LibraryDigest = LibraryDigest([1; 32]);
    const CODE: [u8; 3000] = [0x90; 3000];

    #[test]
    fn all_who_open_a_new_cache_at_once_have_one_key() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(4);
            let open = || {
                start.wait();
                cache(&folder.path().join("artefacts")).shared.key
            };
            let keys = std::thread::scope(|scope| {
                let opening: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
                opening.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; MAC_BYTES]));
        }
    }

    /// A cache with one entry and the bytes of its file.
    fn with_entry(folder: &Path) -> (Artefacts, PathBuf, Vec<u8>) {
        let (cache, target) = (cache(folder), target("engine", false));
        let path = cache.entry(&LIBRARY, &target);
        cache.publish(&path, &cache.mac(&LIBRARY, &target, &CODE), &CODE).unwrap();
        let loaded = cache.load(&path, &LIBRARY, &target).unwrap();
        assert_eq!(fs::read(loaded.path()).unwrap(), CODE);
        let bytes = fs::read(&path).unwrap();
        (cache, path, bytes)
    }

    #[test]
    fn h_084_no_entry_is_trusted_with_a_byte_flipped_or_cut_or_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, path, good) = with_entry(folder.path());
        let engine = target("engine", false);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            assert!(cache.load(&path, &LIBRARY, &engine).is_none(), "byte {at} was flipped");
        }
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.load(&path, &LIBRARY, &engine).is_none(), "cut to {length} bytes");
        }
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert!(cache.load(&path, &LIBRARY, &engine).is_none(), "a byte was added");
        // A good file that somebody put in the place of another library's.
        let other = LibraryDigest([2; 32]);
        fs::write(cache.entry(&other, &engine), &good).unwrap();
        assert!(cache.load(&cache.entry(&other, &engine), &other, &engine).is_none());
        fs::write(&path, &good).unwrap();
        assert!(cache.load(&path, &LIBRARY, &engine).is_some());
    }

    #[test]
    fn h_084_what_was_checked_is_what_is_loaded_whatever_happens_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, path, _) = with_entry(folder.path());
        let loaded = cache.load(&path, &LIBRARY, &target("engine", false)).unwrap();
        fs::write(&path, b"evil").unwrap();
        assert_eq!(fs::read(loaded.path()).unwrap(), CODE);
        let written =
            OpenOptions::new().write(true).open(loaded.path()).and_then(|mut file| file.write(b"evil"));
        assert!(written.is_err(), "what was handed out cannot be changed");
        assert_eq!(fs::read(loaded.path()).unwrap(), CODE);
    }

    #[test]
    fn h_085_an_entry_of_another_worker_or_for_another_engine_is_refused() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (cache, path, bytes) = with_entry(ours.path());
        let foreign = self::cache(theirs.path());
        let engine = target("engine", false);
        // Another worker's key vouches for nothing here.
        let copied = foreign.entry(&LIBRARY, &engine);
        assert_eq!(copied.file_name(), path.file_name());
        fs::write(&copied, &bytes).unwrap();
        assert!(foreign.load(&copied, &LIBRARY, &engine).is_none());
        // Another version, CPU or setting has another fingerprint, even if the file is put in its place.
        for other in [target("engine", true), target("engine-2", false), target("", false)] {
            let moved = cache.entry(&LIBRARY, &other);
            assert_ne!(moved, path);
            fs::write(&moved, &bytes).unwrap();
            assert!(cache.load(&moved, &LIBRARY, &other).is_none(), "{other:?}");
        }
    }
}
