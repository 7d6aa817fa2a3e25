//! Files that nobody but their owner may read: keys and tokens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Longest one: a key with its certificates has 2 KiB, a list of a thousand tokens most of a megabyte.
const BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    #[error("{} can be read by others than its owner (mode {mode:03o})", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user (number {owner}), who can write into it what they like", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Its text; none if there is no such file. One that others can read or write is refused: they may know what stands in it.
pub fn read(path: &Path) -> Result<Option<String>, PrivateError> {
    let failed = |source| PrivateError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if let Some(fault) = fault(&file, path).map_err(failed)? {
        return Err(fault);
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Why [`read`] would refuse a file that a person brings, who may have their reasons.
pub fn weakness(path: &Path) -> Option<PrivateError> {
    let file = File::open(path).ok()?;
    fault(&file, path).ok().flatten()
}

#[cfg(unix)]
fn fault(file: &File, path: &Path) -> io::Result<Option<PrivateError>> {
    use std::os::unix::fs::MetadataExt as _;
    let about = file.metadata()?;
    let (mode, owner, path) = (about.mode() & 0o777, about.uid(), path.to_owned());
    // What is the administrator's is nobody's who could not read all of it anyway.
    let is_trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    Ok(match (mode & 0o077, is_trusted) {
        (0, true) => None,
        (0, false) => Some(PrivateError::Foreign { path, owner }),
        _ => Some(PrivateError::Exposed { path, mode }),
    })
}

#[cfg(not(unix))]
fn fault(_: &File, _: &Path) -> io::Result<Option<PrivateError>> {
    Ok(None)
}

/// Writes it whole or not at all, in the place of what was there.
pub fn write(path: &Path, text: &str) -> Result<(), PrivateError> {
    put(path, text).map_err(|source| PrivateError::Write { path: path.to_owned(), source })
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // Of somebody who died in the middle of it.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn what_is_written_is_its_owners_and_what_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert_eq!(read(&path).unwrap(), None);
        fs::write(folder.path().join("key.new"), "of one that died").unwrap();
        for text in ["first", "second"] {
            write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert_eq!(said, format!("{} can be read by others than its owner (mode 640)", path.display()));
    }

    #[test]
    fn c_25_a_file_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, "secret").unwrap();
        if !rustix::process::geteuid().is_root() {
            // Nobody else can give a file away; whose it is is looked at all the same.
            return assert_eq!(fs::metadata(&path).unwrap().uid(), rustix::process::geteuid().as_raw());
        }
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(matches!(read(&path), Err(PrivateError::Foreign { owner: 12_345, .. })));
        let said = weakness(&path).unwrap().to_string();
        assert!(
            said.starts_with(&format!("{} belongs to another user (number 12345)", path.display())),
            "{said}"
        );
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        assert!(weakness(&path).is_none() && read(&path).unwrap().is_some());
    }
}
