//! Puts committed values under their readable paths: a hard link where the value is in the same folder, a copy made
//! by the server where it is in the same object store, else a copy. Nobody but people and other programs reads them:
//! Cofferdam finds values by reference, so a path that is late, lost or overwritten does no harm.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_model::{Place, Publication};
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, WriteMultipart};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use crate::Error;
use crate::layout::{OWN_FOLDER, readable_path};
use crate::store::{Readable, ValueStore};

/// Bytes that servers copy in one request (Amazon S3: 5 GiB; the others take more).
const SERVER_COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Where the value is to be found.
pub(crate) fn readable(to: &ValueStore, publication: &Publication) -> Option<String> {
    let path = readable_path(publication.manager.kind, publication).join("/");
    match &to.manager()?.readable {
        Readable::None => None,
        Readable::Folder(base) => Some(base.join(path).display().to_string()),
        Readable::Objects { prefix, url } => Some(format!("{url}/{}", under(prefix, &path))),
    }
}

pub(crate) async fn publish(
    from: &ValueStore,
    to: &ValueStore,
    publication: &Publication,
) -> Result<Option<String>, Error> {
    let Some(manager) = to.manager() else { return Ok(None) };
    let parts = readable_path(publication.manager.kind, publication);
    match &manager.readable {
        Readable::None => return Ok(None),
        Readable::Folder(base) => to_folder(from, to, base, &parts, publication).await?,
        Readable::Objects { prefix, .. } => {
            to_objects(from, to, &under(prefix, &parts.join("/")), publication).await?
        }
    }
    Ok(readable(to, publication))
}

fn under(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

async fn to_folder(
    from: &ValueStore,
    to: &ValueStore,
    base: &Path,
    parts: &[String],
    publication: &Publication,
) -> Result<(), Error> {
    let target: PathBuf = base.iter().chain(parts.iter().map(String::as_ref)).collect();
    let own = base.join(OWN_FOLDER);
    let staged = own.join(format!("publish-{}", uuid::Uuid::now_v7().simple()));
    let place = &publication.value.place;
    let failed = failure(publication, target.display().to_string());
    let linked = match to.key(place) {
        Ok(key) if matches!(place, Place::Managed(_)) => link(&own.join(key.as_str()), &staged).await.is_ok(),
        _ => false,
    };
    if !linked {
        // In another store, or on a file system without hard links.
        let mut chunks = from.get(&publication.value).await?;
        let mut file = fs::File::create(&staged).await.map_err(&failed)?;
        let copied = async {
            while let Some(chunk) = chunks.try_next().await? {
                file.write_all(&chunk).await.map_err(&failed)?;
            }
            file.sync_all().await.map_err(&failed)
        };
        if let Err(error) = copied.await {
            let _ = fs::remove_file(&staged).await;
            return Err(error);
        }
    }
    let placed = place_file(&staged, base, &target).await;
    // Renaming onto another link of the same file leaves both names.
    let _ = fs::remove_file(&staged).await;
    placed.map_err(failed)
}

/// Links the value's own file. It becomes read-only, because whoever opened the readable path for writing would
/// damage the value itself.
async fn link(file: &Path, staged: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(file).await?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(file, permissions).await?;
    fs::hard_link(file, staged).await
}

async fn place_file(staged: &Path, base: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().expect("a readable path has parts below its base");
    for above in folder.ancestors().take_while(|above| *above != base) {
        if fs::symlink_metadata(above).await.is_ok_and(|found| found.is_file()) {
            // An asset that had no partitions before: its one value stood where its folder goes.
            fs::remove_file(above).await?;
        }
    }
    fs::create_dir_all(folder).await?;
    fs::rename(staged, target).await?;
    fs::File::open(folder).await?.sync_all().await
}

async fn to_objects(
    from: &ValueStore,
    to: &ValueStore,
    target: &str,
    publication: &Publication,
) -> Result<(), Error> {
    let failed = failure(publication, target.to_owned());
    let target = ObjectPath::parse(target).map_err(|source| failed(io::Error::other(source)))?;
    let value = &publication.value;
    if let Ok(key) = to.key(&value.place)
        && value.size <= SERVER_COPY_BYTES_MAX
    {
        let copied = to.store.copy(&to.location(&key), &target).await;
        return copied.map_err(|source| failed(io::Error::other(source)));
    }
    let mut chunks = from.get(value).await?;
    let failed = |source: object_store::Error| failed(io::Error::other(source));
    if let Place::Inline(bytes) = &value.place {
        return to.store.put(&target, bytes.clone().into()).await.map(|_| ()).map_err(failed);
    }
    let upload = to.store.put_multipart(&target).await.map_err(&failed)?;
    let mut upload = WriteMultipart::new(upload);
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) => {
                if let Err(error) = upload.wait_for_capacity(1).await {
                    let _ = upload.abort().await;
                    return Err(failed(error));
                }
                upload.put(chunk);
            }
            Ok(None) => return upload.finish().await.map(|_| ()).map_err(failed),
            Err(error) => {
                let _ = upload.abort().await;
                return Err(error);
            }
        }
    }
}

fn failure(publication: &Publication, path: String) -> impl Fn(io::Error) -> Error + use<'_> {
    let manager = publication.manager_name.clone();
    move |source| Error::Publish { manager: manager.clone(), path: path.clone(), source: source.into() }
}
