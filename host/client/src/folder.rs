//! The folders of caches on a disk: a process takes one that no living process uses, with what an earlier one left
//! there, and removes what other dead ones left.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cofferdam_model::ValueDigest;

use crate::near::Id;

/// Processes that may use one local directory at once.
const FOLDERS_MAX: u32 = 1024;

/// A folder `objects-N` below `local`, and its lock, which is `objects-N.lock` beside it and ends with the process.
pub(crate) fn take(local: &Path) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(local)?;
    let mut taken = None;
    for n in 0..FOLDERS_MAX {
        let (folder, lock) = (local.join(format!("objects-{n}")), local.join(format!("objects-{n}.lock")));
        if taken.is_some() && !lock.exists() {
            break;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) if taken.is_none() => {
                fs::create_dir_all(&folder)?;
                taken = Some((folder, file));
            }
            // Nobody can take it while its lock is ours.
            Ok(()) => remove(&folder),
        }
    }
    taken.ok_or_else(|| io::Error::other(format!("{FOLDERS_MAX} processes use it already")))
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Ok(()) => tracing::info!(folder = %folder.display(), "removed what a worker that died had kept"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(folder = %folder.display(), %error, "a dead worker's folder stays"),
    }
}

/// Half of what is free on the disk of a folder that holds `bytes` itself: whatever else is on that disk has room too.
pub(crate) fn share(folder: &Path, bytes: u64) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok((disk.f_bavail.saturating_mul(disk.f_frsize) + bytes) / 2)
}

/// A file that an earlier process kept.
pub(crate) struct Found {
    pub(crate) id: Id,
    pub(crate) digest: ValueDigest,
    pub(crate) size: u64,
}

pub(crate) fn file_name(id: &Id, digest: &ValueDigest) -> String {
    format!("{id}-{}", digest.hex())
}

/// What a folder holds, oldest first. What has no digest in its name cannot be verified and is removed.
pub(crate) fn scan(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found: Vec<(SystemTime, Found)> = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, meta) = (entry.file_name(), entry.metadata()?);
        let parsed = name.to_str().and_then(|name| name.split_once('-')).and_then(|(id, digest)| {
            let digest = format!("blake3:{digest}").parse().ok()?;
            (id.len() == 32).then(|| Found { id: id.to_owned(), digest, size: meta.len() })
        });
        match parsed {
            Some(file) if meta.is_file() => found.push((meta.modified()?, file)),
            _ if meta.is_dir() => fs::remove_dir_all(entry.path())?,
            _ => fs::remove_file(entry.path())?,
        }
    }
    found.sort_by_key(|(modified, _)| *modified);
    Ok(found.into_iter().map(|(_, file)| file).collect())
}
