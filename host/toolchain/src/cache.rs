//! The cache folder of the user: where tools and compilers are kept, once for all projects.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// Cofferdam's folder below the user's cache folder; none if the environment names neither that nor a home.
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(base.join("cofferdam"))
}

/// Holds a lock on `NAME.lock` until the file is dropped; waits while another process has it.
pub(crate) fn locked(cache: &Path, name: &str) -> Result<fs::File, Error> {
    fs::create_dir_all(cache).map_err(at("make the folder", cache))?;
    let path = cache.join(format!("{name}.lock"));
    let lock = fs::File::create(&path).map_err(at("open", &path))?;
    lock.lock().map_err(at("lock", &path))?;
    Ok(lock)
}

/// The folder `home`, which `make` fills if it is not there: once for all processes, and whole or not at all. `NAME`
/// names the lock beside it.
pub(crate) fn once(
    home: PathBuf,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    if home.is_dir() {
        return Ok(home);
    }
    let cache = home.parent().expect("it is in a folder of the cache");
    let _lock = locked(cache, name)?;
    if home.is_dir() {
        return Ok(home);
    }
    // Whatever is there was left by a process that died: we hold the lock.
    let work = cache.join(format!("{name}-making"));
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at("remove", &work))?;
    }
    fs::create_dir_all(&work).map_err(at("make the folder", &work))?;
    make(&work)?;
    fs::rename(&work, &home).map_err(at("move what was made to", &home))?;
    Ok(home)
}

pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}
