//! An object on its way into the folder: hashed while it is written, in nobody's way until it is kept, gone when it is
//! dropped before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_model::ValueDigest;

use crate::near::{Held, Near};

pub(crate) struct Draft {
    near: Near,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) size: u64,
    /// Bytes of the budget that it has.
    reserved: u64,
    hasher: blake3::Hasher,
}

impl Draft {
    pub(crate) fn new(near: Near, folder: &Path) -> io::Result<Draft> {
        let path = folder.join(format!("{}.part", uuid::Uuid::now_v7().simple()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Draft { near, path, file: Arc::new(file), size: 0, reserved: 0, hasher: blake3::Hasher::new() })
    }

    /// Appends. When the budget or the disk has no room, other objects go first. After an error, or when the future
    /// is dropped, the draft is good for nothing.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.near.reserve(length)?;
        self.reserved += length;
        loop {
            let (file, bytes, at) = (self.file.clone(), bytes.clone(), self.size);
            let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, at));
            match written.await.expect("writing does not panic") {
                Ok(()) => break,
                Err(error) if is_full(&error) && self.near.evict() => {}
                Err(error) => return Err(error),
            }
        }
        self.hasher.update(&bytes);
        self.size += length;
        Ok(())
    }

    pub(crate) fn digest(&self) -> ValueDigest {
        ValueDigest(*self.hasher.finalize().as_bytes())
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.near.release(std::mem::take(&mut self.reserved));
        self.size = 0;
        self.hasher.reset();
        Ok(())
    }

    /// Others find it under its key from now on.
    pub(crate) fn keep(mut self, key: &str) -> io::Result<Held> {
        let held = self.near.keep(key, &self)?;
        self.reserved = 0;
        self.path = PathBuf::new();
        Ok(held)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        self.near.release(self.reserved);
        // What cannot be removed now goes at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
