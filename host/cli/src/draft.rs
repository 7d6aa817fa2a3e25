//! Files that a person asks for: whole or not at all, and in the place of another one only at their word.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::NamedTempFile;

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;

/// Permissions of a file, less what the person's umask takes away.
pub(crate) const FOR_ALL: u32 = 0o666;
/// Of one that is nobody else's business.
pub(crate) const FOR_ITS_OWNER: u32 = 0o600;

#[derive(Debug, Default, Clone, Copy, Args)]
pub(crate) struct Force {
    /// Replace files that are there already.
    #[arg(long)]
    pub(crate) force: bool,
}

/// A file that nobody sees before it is finished, and that is gone if it is not.
pub(crate) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    force: Force,
}

impl Draft {
    pub(crate) fn of(path: &Path, mode: u32, force: Force) -> Result<Draft> {
        check(path, force)?;
        let mut options = tempfile::Builder::new();
        #[cfg(unix)]
        options.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        #[cfg(not(unix))]
        let _ = mode;
        let file = options.tempfile_in(folder(path)).doing(Exit::Usage, doing(path))?;
        Ok(Draft { file, path: path.to_owned(), force })
    }

    /// Writes a piece of it.
    pub(crate) fn write(&mut self, piece: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
        piece(self.file.as_file_mut()).doing(Exit::Internal, doing(&self.path))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let Draft { file, path, force: Force { force } } = self;
        file.as_file().sync_all().doing(Exit::Internal, doing(&path))?;
        let put = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        match put {
            Err(error) if !force && error.error.kind() == ErrorKind::AlreadyExists => Err(is_there(&path)),
            put => put.map(drop).map_err(|error| error.error).doing(Exit::Internal, doing(&path)),
        }
    }
}

/// Refuses what cannot become a file, before anything is done for it.
pub(crate) fn check(path: &Path, force: Force) -> Result<()> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failed::usage(format!("{shown} is a folder")).hint("name a file, such as one in it"));
    }
    let folder = folder(path);
    if !folder.is_dir() {
        let (wrong, hint) = match folder.exists() {
            true => ("is no folder", "name a file in a folder that is there"),
            false => ("is not there", "make it first"),
        };
        let message = format!("failed to {}: the folder {} {wrong}", doing(path), folder.display());
        return Err(Failed::usage(message).hint(hint));
    }
    match std::fs::symlink_metadata(path) {
        Ok(_) if !force.force => Err(is_there(path)),
        _ => Ok(()),
    }
}

/// It would be replaced, and nobody has said that it may be.
pub(crate) fn is_there(path: &Path) -> Failed {
    Failed::usage(format!("{} is there already", path.display()))
        .hint("name another place; or `--force` replaces what is there")
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn doing(path: &Path) -> String {
    format!("write {}", path.display())
}
