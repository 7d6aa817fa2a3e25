//! What a store holds, whatever made it, and how it is removed: for retention only, which knows what nobody needs.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use cofferdam_model::{RunId, Timestamp};
use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use crate::Error;
use crate::office::TERM_KEY;
use crate::retention::{Item, Stored};
use crate::store::{Readable, ValueStore};

impl ValueStore {
    /// Everything in the store but the scheduler's term: values, and what attempts that died have left of some. `store` names it in the items.
    pub async fn list(&self, store: &str) -> Result<Vec<Stored>, Error> {
        let stored = |key: String, bytes: u64, modified: Timestamp| {
            let run = key.split('/').nth(2).and_then(|run| run.parse().ok()).map(RunId);
            Stored { item: Item::Value { store: store.to_owned(), key }, run, bytes, modified }
        };
        if let Some(folder) = self.folder.clone() {
            let walked = tokio::task::spawn_blocking(move || {
                let mut files = vec![];
                walk(&folder, &folder, &mut files).map(|()| files)
            });
            let files = walked.await.expect("walking does not panic");
            let files = files.map_err(|source| self.sweep_error("list", "", source))?;
            let kept = files.into_iter().filter(|(key, _, _)| key != TERM_KEY);
            return Ok(kept.map(|(key, bytes, modified)| stored(key, bytes, modified)).collect());
        }
        let own = self.manager().map_or("", |manager| manager.own.as_str());
        let prefix = self.object_path(own)?;
        let objects = self.store.list(Some(&prefix)).map_ok(|object| {
            let key =
                object.location.as_ref().strip_prefix(own).unwrap_or(object.location.as_ref()).to_owned();
            let modified = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or_default();
            stored(key, object.size, Timestamp(modified))
        });
        let mut objects: Vec<Stored> =
            objects.try_collect().await.map_err(|source| Error::store("list", own, source))?;
        objects.retain(|object| !matches!(&object.item, Item::Value { key, .. } if key == TERM_KEY));
        Ok(objects)
    }

    /// Removes something that [`ValueStore::list`] named; what is gone already is removed.
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            let removed = tokio::fs::remove_file(folder.join(key)).await;
            return match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(self.sweep_error("delete", key, error))
                }
                _ => Ok(()),
            };
        }
        let own = self.manager().map_or("", |manager| manager.own.as_str());
        let path = self.object_path(&format!("{own}{key}"))?;
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::store("delete", key, source)),
        }
    }

    /// Bytes under the readable paths of a run's outputs, those of assets left out. A link to a value counts nothing:
    /// it is the value. With `remove` they go; a second time there is nothing left.
    pub async fn readable_of_run(&self, run: RunId, remove: bool) -> Result<u64, Error> {
        match self.manager().map(|manager| &manager.readable) {
            None | Some(Readable::None) => Ok(0),
            Some(Readable::Folder(base)) => {
                let folder = base.join(run.to_string());
                let walked = tokio::task::spawn_blocking(move || {
                    let bytes = own_bytes(&folder)?;
                    if remove && folder.exists() {
                        std::fs::remove_dir_all(&folder)?;
                    }
                    Ok(bytes)
                });
                let bytes = walked.await.expect("walking does not panic");
                bytes.map_err(|source| self.sweep_error("delete", &run.to_string(), source))
            }
            Some(Readable::Objects { prefix, .. }) => {
                let folder = if prefix.is_empty() {
                    format!("storage/{run}")
                } else {
                    format!("{prefix}/storage/{run}")
                };
                let failed = |source| Error::store("delete", &folder, source);
                let objects: Vec<_> =
                    self.store.list(Some(&self.object_path(&folder)?)).try_collect().await.map_err(failed)?;
                if remove {
                    for object in &objects {
                        self.store.delete(&object.location).await.map_err(failed)?;
                    }
                }
                Ok(objects.iter().map(|object| object.size).sum())
            }
        }
    }

    fn object_path(&self, text: &str) -> Result<ObjectPath, Error> {
        ObjectPath::parse(text).map_err(|_| Error::InvalidKey { key: text.to_owned() })
    }

    fn sweep_error(&self, doing: &'static str, key: &str, source: io::Error) -> Error {
        let source = object_store::Error::Generic { store: "folder", source: source.into() };
        Error::store(doing, key, source)
    }
}

/// Files below `folder`: path from `root`, bytes, time of the last change. Links are not followed.
fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, u64, Timestamp)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &entry.path(), files)?;
        } else if kind.is_file() {
            let metadata = entry.metadata()?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let path = entry.path();
            let key = path.strip_prefix(root).expect("it is below the root").to_string_lossy().into_owned();
            files.push((
                key,
                metadata.len(),
                Timestamp(u64::try_from(modified.as_millis()).unwrap_or(u64::MAX)),
            ));
        }
    }
    Ok(())
}

/// Bytes of the files below a folder that no other name keeps.
fn own_bytes(folder: &Path) -> io::Result<u64> {
    if !folder.exists() {
        return Ok(0);
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => own_bytes(&entry.path())?,
            false if metadata.nlink() == 1 => metadata.len(),
            false => 0,
        };
    }
    Ok(bytes)
}
