//! The compiler and the SDK.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::Apt;
use crate::cache::{at, cache_folder, once};
use crate::embedded::{self, Files, WIT, files};
use crate::wasm_tools::wasm_tools;
use crate::{Error, run};

/// The newest clang that Debian 12 and 13 both have; its packages have the version in their names.
const CLANG: &str = "19";

pub(crate) const SDK: Files = files!("guest-sdk/c":
    "include/cofferdam_op.h" "include/cofferdam_test.h" "src/abi.h" "src/cbor.c" "src/ctx.h" "src/op.c" "src/resources.c"
    "src/test.c" "src/values.c" "src/wasi.c" "wit/library.wit"
);

/// All that is needed to build.
#[derive(Debug)]
pub struct Tools {
    /// Below which compiler and libc are, as Debian lays them out: `/`, or a folder of the cache.
    root: PathBuf,
    pub(super) wasm_tools: PathBuf,
    /// `include`, `src` and `wit` of the SDK.
    pub(super) sdk: PathBuf,
}

/// Finds the tools, and installs those that are not here yet: `say` is told before.
pub fn prepare(say: &mut dyn FnMut(&str)) -> Result<Tools, Error> {
    let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
    let root = match is_complete(Path::new("/")) {
        true => PathBuf::from("/"),
        false => compiler(&cache, say)?,
    };
    Ok(Tools { root, wasm_tools: wasm_tools(&cache, say)?, sdk: sdk(&cache)? })
}

/// The SDK in the cache folder. `wasm-tools` wants what a world is made of below it, in `deps`.
pub(super) fn sdk(cache: &Path) -> Result<PathBuf, Error> {
    embedded::unpack(cache, "c", &[("", SDK), ("wit/deps/op", WIT)])
}

impl Tools {
    /// clang, told to make a module that waits to be called.
    pub(super) fn clang(&self) -> Command {
        let llvm = llvm(&self.root);
        let mut clang = Command::new(llvm.join("bin/clang"));
        if self.root != Path::new("/") {
            // Of this one process only.
            clang.env("LD_LIBRARY_PATH", libraries(&self.root));
        }
        clang.args([
            "--target=wasm32-wasi",
            "-mexec-model=reactor",
            "-std=gnu11",
            "-O2",
            "-msimd128",
            "-Wall",
        ]);
        clang.args(["-ffunction-sections", "-fdata-sections"]);
        clang.arg(format!("--sysroot={}", self.root.join("usr").display()));
        clang.arg("-resource-dir").arg(llvm.join("lib/clang").join(CLANG));
        // The stack first: one that is too deep traps instead of overwriting data.
        clang.args([
            "-Wl,--gc-sections",
            "-Wl,--stack-first",
            "-Wl,-z,stack-size=1048576",
            "-Wl,--strip-debug",
        ]);
        clang
    }
}

fn llvm(root: &Path) -> PathBuf {
    root.join("usr/lib").join(format!("llvm-{CLANG}"))
}

/// Shared libraries of Debian's packages.
fn libraries(root: &Path) -> PathBuf {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    root.join("usr/lib").join(multiarch)
}

fn is_complete(root: &Path) -> bool {
    let builtins = format!("lib/clang/{CLANG}/lib/wasi/libclang_rt.builtins-wasm32.a");
    let needed = [
        llvm(root).join("bin/clang"),
        llvm(root).join("bin/wasm-ld"),
        llvm(root).join(builtins),
        root.join("usr/include/wasm32-wasi/stdlib.h"),
        root.join("usr/lib/wasm32-wasi/libc.a"),
    ];
    needed.iter().all(|path| path.exists())
}

/// The compiler from Debian's packages, in the cache folder.
fn compiler(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let home = cache.join(format!("guest-clang-{CLANG}"));
    once(home, "guest-clang", |root| install(root, say))
}

/// Unpacks the packages into a folder.
fn install(root: &Path, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    if run::output("get Debian's packages", Command::new("apt-get").arg("--version")).is_err() {
        let program = format!("clang-{CLANG}");
        return Err(Error::ProgramMissing { program, purpose: "build ops written in C" });
    }
    say(&format!(
        "clang {CLANG} and WASI's libc from Debian's packages, in your cache folder (42 MB to load, 220 MB on disk, once)"
    ));
    // Beside what is unpacked, and gone when it is.
    let loaded = root.join("loaded");
    let debs = loaded.join("debs");
    fs::create_dir_all(&debs).map_err(at("make the folder", &debs))?;
    let mut apt = Apt::new(loaded.join("apt"));
    let clang = format!("clang-{CLANG}");
    let version = apt.offered(&clang, say)?;
    let of_llvm = [
        clang,
        format!("lld-{CLANG}"),
        format!("libllvm{CLANG}"),
        format!("libclang-cpp{CLANG}"),
        format!("libclang-common-{CLANG}-dev"),
        format!("libclang-rt-{CLANG}-dev-wasm32"),
    ];
    let mut packages = of_llvm.map(|name| format!("{name}={version}")).to_vec();
    packages.push("wasi-libc".to_owned());
    packages.extend(apt.libraries_of(&format!("libllvm{CLANG}"))?);
    apt.download(&packages, &debs, say)?;
    for entry in fs::read_dir(&debs).map_err(at("list", &debs))?.flatten() {
        run::output("unpack packages", Command::new("dpkg").arg("-x").args([&entry.path(), root]))?;
    }
    // Debian's clang asks for its linker by that name.
    let link = llvm(root).join("bin").join(format!("wasm-ld-{CLANG}"));
    symlink("wasm-ld", &link).map_err(at("make the link", &link))?;
    fs::remove_dir_all(&loaded).map_err(at("remove", &loaded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::tests::assert_all_are_carried;

    #[test]
    fn the_whole_sdk_is_carried() {
        assert_all_are_carried(SDK, "guest-sdk/c", &["README.md", "example", "test"]);
    }

    #[test]
    fn a_compiler_without_its_libc_is_none() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let files = [
            "usr/lib/llvm-19/bin/clang",
            "usr/lib/llvm-19/bin/wasm-ld",
            "usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a",
            "usr/include/wasm32-wasi/stdlib.h",
            "usr/lib/wasm32-wasi/libc.a",
        ];
        for file in files {
            assert!(!is_complete(root.path()));
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::write(path, "").expect("a file can be written");
        }
        assert!(is_complete(root.path()));
    }
}
