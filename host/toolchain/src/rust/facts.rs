//! What the machine has, as plain data. Looks and asks; changes nothing.

use super::{Choice, TARGET, debian};
use crate::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that host builds use.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) sysroot: PathBuf,
    /// For example `x86_64-unknown-linux-gnu`.
    pub(crate) triple: String,
}

/// All that the decision looks at.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) host: Host,
    pub(crate) host_has_target: bool,
    pub(crate) rustup: bool,
    pub(crate) apt: bool,
    /// The compiler of a complete private sysroot whose linker is still there.
    pub(crate) sysroot: Option<PathBuf>,
    /// Whether the compiler named by the choice will do, or why not.
    pub(crate) named: Option<Result<(), String>>,
}

/// Collects the facts for `choice`. Fails when the host's own `rustc` does not answer.
pub(crate) fn gather(choice: &Choice) -> Result<Facts, Error> {
    let host = ask(Path::new("rustc")).map_err(|reason| Error::HostCompiler { reason })?;
    let named = match choice {
        Choice::Path(rustc) => Some(ask(rustc).and_then(|host| match has_target(&host.sysroot) {
            true => Ok(()),
            false => Err(format!("its sysroot `{}` has no std for {TARGET}", host.sysroot.display())),
        })),
        _ => None,
    };
    Ok(Facts {
        host_has_target: has_target(&host.sysroot),
        rustup: in_path("rustup"),
        apt: in_path("apt-get") && in_path("dpkg"),
        sysroot: debian::find(),
        named,
        host,
    })
}

/// Whether a sysroot has std for guests.
pub(crate) fn has_target(sysroot: &Path) -> bool {
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn ask(rustc: &Path) -> Result<Host, String> {
    let done = Command::new(rustc)
        .args(["--print", "sysroot", "--print", "host-tuple"])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&done.stdout);
    match text.lines().collect::<Vec<_>>()[..] {
        [sysroot, triple] => Ok(Host { sysroot: sysroot.into(), triple: triple.into() }),
        _ => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysroot_has_the_target_only_with_its_std() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("lib/rustlib/wasm32-wasip2/lib");
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join("libcore-1.rlib"), "").unwrap();
        assert!(!has_target(folder.path()));
        std::fs::write(lib.join("libstd-1.rlib"), "").unwrap();
        assert!(has_target(folder.path()));
    }

    #[test]
    fn the_host_compiler_tells_its_sysroot_and_triple() {
        let facts = gather(&Choice::Path("/nowhere/rustc".into())).unwrap();
        assert!(facts.host.sysroot.is_dir() && facts.host.triple.contains('-'));
        assert!(facts.named.unwrap().is_err());
    }
}
