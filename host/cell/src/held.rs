//! Bytes that children read and nobody may change, handed to them as open files. On Linux they live in memory, sealed by
//! the kernel; elsewhere, which is for development only, in files that no other user can open.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

#[cfg(not(target_os = "linux"))]
pub(crate) use files::{Sealed, mark};
#[cfg(target_os = "linux")]
pub(crate) use memory::{Sealed, mark};

/// Where this process, and no other, finds a file that it holds.
pub(crate) fn path(file: &OwnedFd) -> PathBuf {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    format!("{folder}/{}", file.as_raw_fd()).into()
}

#[cfg(target_os = "linux")]
mod memory {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
    use std::path::{Path, PathBuf};

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    /// A copy that nobody can change any more, gone with its drop.
    #[derive(Debug)]
    pub(crate) struct Sealed(OwnedFd);

    impl Sealed {
        pub(crate) fn new(bytes: &[u8], _folder: &Path) -> io::Result<Sealed> {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let mut file = File::from(memfd_create("cofferdam-artefact", flags)?);
            file.write_all(bytes)?;
            fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
            Ok(Sealed(file.into()))
        }

        /// For another process.
        pub(crate) fn file(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        /// Where another process of this user finds it.
        pub(crate) fn path(&self) -> PathBuf {
            PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()))
        }
    }

    /// A file without a name, for the few bytes that a cell leaves when it dies.
    pub(crate) fn mark() -> io::Result<OwnedFd> {
        Ok(memfd_create("cofferdam-mark", MemfdFlags::CLOEXEC)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod files {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write as _};
    use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A copy that only this user can change, removed with its drop.
    #[derive(Debug)]
    pub(crate) struct Sealed(PathBuf, File);

    impl Sealed {
        /// `folder` is private to this user.
        pub(crate) fn new(bytes: &[u8], folder: &Path) -> io::Result<Sealed> {
            let (mut file, path) = create(folder, 0o400)?;
            let sealed = Sealed(path.clone(), File::open(path)?);
            file.write_all(bytes)?;
            Ok(sealed)
        }

        /// For another process.
        pub(crate) fn file(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }

        pub(crate) fn path(&self) -> PathBuf {
            self.0.clone()
        }
    }

    impl Drop for Sealed {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// A file without a name, for the few bytes that a cell leaves when it dies.
    pub(crate) fn mark() -> io::Result<OwnedFd> {
        let (file, path) = create(&std::env::temp_dir(), 0o600)?;
        std::fs::remove_file(path)?;
        Ok(file.into())
    }

    fn create(folder: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("cofferdam-{}-{number}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&path)?;
        Ok((file, path))
    }
}
