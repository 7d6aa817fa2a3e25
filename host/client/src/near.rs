//! What of the cluster's objects is kept here: files in a folder, under a budget. The one that was used least recently
//! goes first, never one that is being read or has yet to be sent. A file bears the digest of its bytes in its name,
//! so one that an earlier process left is taken when it proves to be whole.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use cofferdam_model::{TRANSIENT_PREFIX, ValueDigest};
use cofferdam_wire::v1::Holds;
use cofferdam_wire::{MESSAGE_BYTES_MAX, OBJECT_ID_BYTES, ObjectId, object_id};
use tokio::sync::Notify;

use crate::draft::Draft;
use crate::folder;

/// Digests that are remembered of objects that went, at 100 bytes each: one that is fetched again must be the same.
const DIGESTS_MAX: usize = 100_000;

/// Changes that wait to be told; those beyond are not told.
const NEWS_MAX: usize = 100_000;

/// Changes in one message: half of what may be long.
const NEWS_PER_MESSAGE: usize = MESSAGE_BYTES_MAX / OBJECT_ID_BYTES / 2;

/// Stands for a key: the bytes of its id in hexadecimal, which every file system takes for a name.
pub(crate) type Id = String;

/// The id of a key.
pub(crate) fn id(key: &str) -> Id {
    object_id(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What has come and gone, for those who tell others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) kept: Vec<ObjectId>,
    pub(crate) gone: Vec<ObjectId>,
}

impl News {
    /// As it travels, in messages of a bounded length.
    pub(crate) fn pieces(&self) -> Vec<Holds> {
        let kept = self.kept.chunks(NEWS_PER_MESSAGE);
        let kept = kept.map(|ids| Holds { kept: ids.concat().into(), gone: Default::default() });
        let gone = self.gone.chunks(NEWS_PER_MESSAGE);
        kept.chain(gone.map(|ids| Holds { kept: Default::default(), gone: ids.concat().into() })).collect()
    }
}

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Near(Arc<Shared>);

struct Shared {
    counts: Counts,
    folder: PathBuf,
    budget: u64,
    state: Mutex<State>,
    /// There is news.
    changed: Notify,
    /// Tells other processes that somebody uses the folder.
    _lock: File,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
    fetched_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// What became of the objects that were wanted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// They were here.
    pub hits: u64,
    /// They were fetched.
    pub misses: u64,
    /// They went to make room.
    pub evicted: u64,
    /// Bytes that are taken now.
    pub bytes: u64,
    pub fetched_bytes: u64,
    pub sent_bytes: u64,
}

#[derive(Default)]
struct State {
    entries: HashMap<Id, Entry>,
    /// Those first that are elsewhere too, then by the time of their last use.
    order: BTreeMap<Turn, Id>,
    /// Of every object that was here.
    digests: HashMap<Id, ValueDigest>,
    /// Bytes of entries and drafts.
    bytes: u64,
    /// Counts uses.
    clock: u64,
    /// What has come or gone since it was told last.
    news: HashMap<Id, Told>,
}

/// What there is to say of an object.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// It has come; else it has gone.
    kept: bool,
    /// It is a value that only workers keep.
    transient: bool,
}

/// When an object goes if room is needed: whether it may be nowhere else, and its last use.
type Turn = (bool, u64);

#[derive(Clone)]
struct Entry {
    digest: ValueDigest,
    size: u64,
    used: u64,
    /// The key of a value that only workers keep.
    transient: Option<String>,
    /// Readers.
    pins: u32,
    /// This process has written or read it whole.
    checked: bool,
}

impl Entry {
    fn turn(&self) -> Turn {
        (self.transient.is_some(), self.used)
    }
}

/// An object here, which stays while this lives.
pub(crate) struct Held {
    near: Near,
    id: Id,
    pub(crate) digest: ValueDigest,
    pub(crate) file: Arc<File>,
    pub(crate) size: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.near.state();
        if let Some(entry) = state.entries.get_mut(&self.id) {
            // Zero if its file was lost meanwhile and it has been fetched anew.
            entry.pins = entry.pins.saturating_sub(1);
        }
    }
}

impl Near {
    /// Takes a folder below `local` that no living process uses, and removes what dead ones left in others. Keeps at
    /// most `budget` bytes there, or a share of what is free.
    pub(crate) fn open(local: &Path, budget: Option<u64>) -> io::Result<Near> {
        let (folder, lock) = folder::take(local)?;
        let mut state = State::default();
        for file in folder::scan(&folder)? {
            if state.entries.contains_key(&file.id) {
                // Two versions of what has one only: neither is missed.
                fs::remove_file(folder.join(folder::file_name(&file.id, &file.digest)))?;
                continue;
            }
            let used = state.tick();
            state.bytes += file.size;
            let (digest, size) = (file.digest, file.size);
            // What workers kept is gone for everybody when their process is.
            let entry = Entry { digest, size, used, transient: None, pins: 0, checked: false };
            state.order.insert(entry.turn(), file.id.clone());
            state.entries.insert(file.id, entry);
        }
        let budget = match budget {
            Some(budget) => budget,
            None => folder::share(&folder, state.bytes)?,
        };
        let near = Near(Arc::new(Shared {
            counts: Counts::default(),
            folder,
            budget,
            state: Mutex::new(state),
            changed: Notify::new(),
            _lock: lock,
        }));
        // The budget may have been larger before.
        while near.state().bytes > budget && near.evict() {}
        Ok(near)
    }

    /// An object was wanted that is not here, and fetched.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.0.counts.misses.fetch_add(1, Relaxed);
        self.0.counts.fetched_bytes.fetch_add(bytes, Relaxed);
    }

    /// An object was wanted that is here.
    pub(crate) fn hit(&self) {
        self.0.counts.hits.fetch_add(1, Relaxed);
    }

    /// An object was sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.0.counts.sent_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn counted(&self) -> Counted {
        let counts = &self.0.counts;
        let read = |count: &AtomicU64| count.load(Relaxed);
        Counted {
            hits: read(&counts.hits),
            misses: read(&counts.misses),
            evicted: read(&counts.evicted),
            bytes: self.state().bytes,
            fetched_bytes: read(&counts.fetched_bytes),
            sent_bytes: read(&counts.sent_bytes),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nobody panics while holding it")
    }

    fn path(&self, id: &Id, digest: &ValueDigest) -> PathBuf {
        self.0.folder.join(folder::file_name(id, digest))
    }

    /// The object, if it is here and whole.
    pub(crate) async fn get(&self, key: &str) -> Option<Held> {
        let (held, digest, checked) = self.pin(id(key))?;
        if checked {
            return Some(held);
        }
        let file = held.file.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(&*file).map(|hasher| ValueDigest(*hasher.finalize().as_bytes()))
        });
        let whole = hashed.await.expect("hashing does not panic").ok() == Some(digest);
        let mut state = self.state();
        if whole {
            if let Some(entry) = state.entries.get_mut(&held.id) {
                entry.checked = true;
            }
            state.remember(&held.id, digest);
            drop(state);
            return Some(held);
        }
        tracing::warn!(key, "what an earlier process kept of it is damaged; it is fetched again");
        self.remove(&mut state, &held.id);
        drop(state);
        None
    }

    /// The entry with its file open, its digest, and whether it was checked. One whose file has gone is forgotten.
    fn pin(&self, id: Id) -> Option<(Held, ValueDigest, bool)> {
        let mut state = self.state();
        let now = state.tick();
        let entry = state.entries.get_mut(&id)?;
        let before = entry.turn();
        entry.used = now;
        entry.pins += 1;
        let (digest, size, checked, turn) = (entry.digest, entry.size, entry.checked, entry.turn());
        state.order.remove(&before);
        state.order.insert(turn, id.clone());
        let Ok(file) = File::open(self.path(&id, &digest)) else {
            self.remove(&mut state, &id);
            return None;
        };
        drop(state);
        Some((Held { near: self.clone(), id, digest, file: Arc::new(file), size }, digest, checked))
    }

    /// Begins an object.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        Draft::new(self.clone(), &self.0.folder)
    }

    /// Makes room for so many bytes of a draft. Fails if nothing that may go is left.
    pub(crate) fn reserve(&self, bytes: u64) -> io::Result<()> {
        loop {
            let mut state = self.state();
            if state.bytes + bytes <= self.0.budget {
                state.bytes += bytes;
                return Ok(());
            }
            let (used, budget) = (state.bytes, self.0.budget);
            drop(state);
            if !self.evict() {
                return Err(io::Error::new(
                    ErrorKind::StorageFull,
                    format!(
                        "`{}` may hold {budget} bytes, {used} of them are being read or not sent yet, and {bytes} more are needed; more are given with `--cache-bytes`",
                        self.0.folder.display()
                    ),
                ));
            }
        }
    }

    /// Gives back what a draft had reserved.
    pub(crate) fn release(&self, bytes: u64) {
        self.state().bytes -= bytes;
    }

    /// Removes the object that was used least recently of those that nobody reads; false if there is none. What may be
    /// nowhere else goes last.
    pub(crate) fn evict(&self) -> bool {
        let mut state = self.state();
        let unread = |id: &&Id| state.entries.get(*id).is_some_and(|entry| entry.pins == 0);
        let Some(id) = state.order.values().find(unread).cloned() else { return false };
        self.0.counts.evicted.fetch_add(1, Relaxed);
        self.remove(&mut state, &id);
        true
    }

    /// The keys of the values here that only workers keep.
    pub(crate) fn transient(&self) -> Vec<(String, u64)> {
        let state = self.state();
        let kept = state.entries.values().filter_map(|entry| Some((entry.transient.clone()?, entry.size)));
        kept.collect()
    }

    /// Removes an object, if it is here.
    pub(crate) fn discard(&self, key: &str) {
        let mut state = self.state();
        self.remove(&mut state, &id(key));
    }

    /// Somebody believes that it is here: tells that it is not.
    pub(crate) fn deny(&self, key: &str) {
        let mut state = self.state();
        self.tell(&mut state, &id(key), Told { kept: false, transient: true });
    }

    /// What is here: everything, or only what may be nowhere else. What changes from now on is news.
    pub(crate) fn all(&self, everything: bool) -> News {
        let mut state = self.state();
        state.news.clear();
        let told = state.entries.iter().filter(|(_, entry)| everything || entry.transient.is_some());
        News { kept: told.filter_map(|(id, _)| bytes(id)).collect(), gone: vec![] }
    }

    /// What has changed of that since this was asked last, as soon as something has; nothing is lost if the future is
    /// dropped.
    pub(crate) async fn news(&self, everything: bool) -> News {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut state = self.state();
                state.news.retain(|_, told| everything || told.transient);
                if !state.news.is_empty() {
                    let (kept, gone): (Vec<_>, Vec<_>) = state.news.drain().partition(|(_, told)| told.kept);
                    let ids = |all: Vec<(Id, Told)>| all.iter().filter_map(|(id, _)| bytes(id)).collect();
                    return News { kept: ids(kept), gone: ids(gone) };
                }
            }
            changed.await;
        }
    }

    fn tell(&self, state: &mut State, id: &Id, told: Told) {
        // Nobody may be listening. What was not told of is not asked for, or not found when it is.
        if state.news.len() < NEWS_MAX {
            state.news.insert(id.clone(), told);
            self.0.changed.notify_one();
        }
    }

    fn remove(&self, state: &mut State, id: &Id) {
        let Some(entry) = state.entries.remove(id) else { return };
        self.tell(state, id, Told { kept: false, transient: entry.transient.is_some() });
        state.order.remove(&entry.turn());
        state.bytes -= entry.size;
        let path = self.path(id, &entry.digest);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a cached object could not be removed");
        }
    }

    /// Puts a finished draft, whose bytes are reserved, under its key. Nothing is replaced in the cluster, so bytes
    /// other than those that were here before under that key are refused.
    pub(crate) fn keep(&self, key: &str, draft: &Draft) -> io::Result<Held> {
        let (id, digest, size) = (id(key), draft.digest(), draft.size);
        let mut state = self.state();
        if state.digests.get(&id).is_some_and(|known| *known != digest) {
            return Err(io::Error::other("it came with other bytes than before"));
        }
        fs::rename(&draft.path, self.path(&id, &digest))?;
        state.remember(&id, digest);
        let used = state.tick();
        let transient = key.starts_with(TRANSIENT_PREFIX).then(|| key.to_owned());
        let told = Told { kept: true, transient: transient.is_some() };
        let mut entry = Entry { digest, size, used, transient, pins: 1, checked: true };
        if let Some(before) = state.entries.remove(&id) {
            // The same file, written twice; who reads the first one gives back its pin.
            state.order.remove(&before.turn());
            state.bytes -= before.size;
            entry.pins += before.pins;
        }
        state.order.insert(entry.turn(), id.clone());
        state.entries.insert(id.clone(), entry);
        self.tell(&mut state, &id, told);
        drop(state);
        Ok(Held { near: self.clone(), id, digest, file: draft.file.clone(), size })
    }
}

/// An id as it is told; none for a file that somebody else put there.
fn bytes(id: &Id) -> Option<ObjectId> {
    u128::from_str_radix(id, 16).ok().map(u128::to_be_bytes)
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn remember(&mut self, id: &Id, digest: ValueDigest) {
        if self.digests.len() >= DIGESTS_MAX {
            self.digests.clear();
        }
        self.digests.insert(id.clone(), digest);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    async fn keep(near: &Near, key: &str, length: usize) {
        let mut draft = near.draft().unwrap();
        draft.write(vec![key.as_bytes()[0]; length].into()).await.unwrap();
        drop(draft.keep(key).unwrap());
    }

    async fn kept(near: &Near, keys: &[&str]) -> String {
        let mut kept = String::new();
        for key in keys {
            if near.state().entries.contains_key(&id(key)) {
                kept.push_str(key);
            }
        }
        kept
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn what_was_used_least_recently_goes_first_and_never_what_is_being_read() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(300)).unwrap();
        for key in ["a", "b", "c"] {
            keep(&near, key, 100).await;
        }
        let a = near.get("a").await.unwrap();
        let b = near.get("b").await;
        drop(b);
        keep(&near, "d", 100).await;
        assert_eq!(kept(&near, &["a", "b", "c", "d"]).await, "abd");
        keep(&near, "e", 100).await;
        keep(&near, "f", 100).await;
        assert_eq!(kept(&near, &["a", "b", "d", "e", "f"]).await, "aef");
        let mut read = [0; 100];
        a.file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, [b'a'; 100]);
        assert_eq!((near.state().bytes, files(&near.0.folder)), (300, 3));
    }

    #[tokio::test]
    async fn a_draft_that_is_dropped_or_has_no_room_leaves_nothing() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(300)).unwrap();
        keep(&near, "a", 100).await;
        let held = near.get("a").await.unwrap();
        let mut draft = near.draft().unwrap();
        draft.write(vec![0; 150].into()).await.unwrap();
        let full = draft.write(vec![0; 100].into()).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        assert!(full.to_string().contains("may hold 300 bytes, 250 of them"), "{full}");
        drop(draft);
        assert_eq!((near.state().bytes, files(&near.0.folder)), (100, 1));
        drop(held);
        keep(&near, "b", 300).await;
        assert_eq!(kept(&near, &["a", "b"]).await, "b");
    }

    #[tokio::test]
    async fn what_another_process_left_is_taken_when_it_is_whole() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(1000)).unwrap();
        for key in ["a", "b", "c"] {
            keep(&near, key, 100).await;
        }
        fs::write(near.0.folder.join("unfinished.part"), "x").unwrap();
        let damaged = near.path(&id("b"), &ValueDigest::of(&[b'b'; 100]));
        // Both are as dead processes: the locks are gone, the folders are not.
        let second = Near::open(local.path(), Some(1000)).unwrap();
        assert_ne!(near.0.folder, second.0.folder, "one that lives keeps its own");
        keep(&second, "z", 100).await;
        let (first_folder, second_folder) = (near.0.folder.clone(), second.0.folder.clone());
        drop((near, second));
        fs::write(&damaged, [b'x'; 100]).unwrap();

        let near = Near::open(local.path(), Some(1000)).unwrap();
        assert_eq!(near.0.folder, first_folder);
        assert!(!second_folder.exists(), "nobody needs it");
        assert_eq!(near.state().bytes, 300);
        assert!(near.get("a").await.is_some());
        assert!(near.get("b").await.is_none(), "damaged");
        assert!(near.get("z").await.is_none());
        assert_eq!((near.state().bytes, files(&near.0.folder)), (200, 2));
        drop(near);
        let near = Near::open(local.path(), Some(150)).unwrap();
        assert_eq!(kept(&near, &["a", "c"]).await.len(), 1, "the budget is smaller now");
    }

    #[tokio::test]
    async fn what_comes_and_goes_is_news_once() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(200)).unwrap();
        keep(&near, "a", 100).await;
        assert_eq!(near.all(true), News { kept: vec![object_id("a")], gone: vec![] });
        keep(&near, "b", 100).await;
        keep(&near, "c", 100).await;
        let mut news = near.news(true).await;
        news.kept.sort();
        let mut kept = vec![object_id("b"), object_id("c")];
        kept.sort();
        assert_eq!(news, News { kept, gone: vec![object_id("a")] });
        let (next, ()) = tokio::join!(near.news(true), async { assert!(near.evict()) });
        assert_eq!(next, News { kept: vec![], gone: vec![object_id("b")] });
    }

    #[tokio::test]
    async fn an_object_that_was_here_comes_back_with_the_same_bytes_or_not_at_all() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(1000)).unwrap();
        keep(&near, "a", 100).await;
        assert!(near.evict() && !near.evict());
        let mut other = near.draft().unwrap();
        other.write(vec![b'o'; 100].into()).await.unwrap();
        assert!(other.keep("a").err().unwrap().to_string().contains("other bytes than before"));
        keep(&near, "a", 100).await;
        assert!(near.get("a").await.is_some());
    }

    #[tokio::test]
    async fn what_only_workers_keep_goes_last_and_is_told_of_by_all() {
        let local = tempfile::tempdir().unwrap();
        let near = Near::open(local.path(), Some(300)).unwrap();
        keep(&near, "transient/a", 100).await;
        keep(&near, "b", 100).await;
        keep(&near, "c", 100).await;
        assert_eq!(near.all(false), News { kept: vec![object_id("transient/a")], gone: vec![] });
        keep(&near, "d", 200).await;
        assert_eq!(kept(&near, &["transient/a", "b", "c", "d"]).await, "transient/ad");
        assert_eq!(near.transient(), [("transient/a".to_owned(), 100)]);
        keep(&near, "transient/e", 300).await;
        let news = near.news(false).await;
        assert_eq!(news, News { kept: vec![object_id("transient/e")], gone: vec![object_id("transient/a")] });
        near.deny("transient/f");
        near.discard("transient/e");
        let mut gone = near.news(false).await.gone;
        gone.sort();
        let mut both = vec![object_id("transient/e"), object_id("transient/f")];
        both.sort();
        assert_eq!((gone, near.state().bytes), (both, 0));
    }
}
