//! The private sysroot from Debian's packages: a compiler of its own in the user's cache folder, with std for guests.
//!
//! Nothing is installed on the system and no right is needed: packages are loaded and unpacked beside the place
//! where the sysroot will live, std is compiled there once, and a rename makes it visible whole or not at all. The
//! linker is rustup's, linked and not copied, because it looks for its libraries relative to itself.

use super::facts::{Facts, Host, has_target};
use super::{GuestToolchain, TARGET};
use crate::apt::Apt;
use crate::cache::{at, cache_folder, locked};
use crate::{Error, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Counted up whenever the steps below change what they make, so that an old sysroot is not taken for a new one.
const RECIPE: u32 = 1;
const PREFIX: &str = "guest-rust-";

/// Finds its own libraries through the environment of this one process, so nothing leaks into host builds.
const WRAPPER: &str = r#"#!/bin/sh
d=$(dirname "$(readlink -f "$0")")/..
LD_LIBRARY_PATH="$d/lib" exec "$d/libexec/rustc" "$@"
"#;

/// The compiler of a complete sysroot that can link, the newest if there are several.
pub(crate) fn find() -> Option<PathBuf> {
    find_in(&cache_folder()?)
}

fn find_in(cache: &Path) -> Option<PathBuf> {
    complete(cache).into_iter().rev().find(|sysroot| can_link(sysroot)).map(|sysroot| rustc_of(&sysroot))
}

/// Builds the sysroot, or only renews the links to the linker when the toolchain that they led to has moved.
///
/// Waits while another process does the same and takes its result.
pub(crate) fn install(facts: &Facts, progress: &mut dyn FnMut(&str)) -> Result<GuestToolchain, Error> {
    let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
    let linkers = Linkers::of(&facts.host)?;
    let _lock = locked(&cache, "guest-rust")?;

    let sysroot = match complete(&cache).pop() {
        Some(sysroot) => {
            let bin = sysroot.join("lib/rustlib").join(&facts.host.triple).join("bin");
            linkers.link_into(&bin)?;
            sysroot
        }
        None => {
            // Whatever is there was left by a process that died: we hold the lock.
            let work = Work::begin(cache.join("guest-rust-building"))?;
            build(&work.folder, &cache, &facts.host, &linkers, progress)?
        }
    };
    let rustc = rustc_of(&sysroot);
    Ok(GuestToolchain {
        description: format!("{} (from Debian's packages)", rustc.display()),
        rustc: Some(rustc),
    })
}

fn build(
    work: &Path,
    cache: &Path,
    host: &Host,
    linkers: &Linkers,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    let debs = make_folder(work.join("debs"))?;
    let unpacked = make_folder(work.join("root"))?;
    let sysroot = work.join("sysroot");

    let mut apt = Apt::new(work.join("apt"));
    let release = apt.compiler_release(progress)?;
    progress(&format!("loading Debian's compiler {} and its libraries", release.version));
    apt.download(&release.packages, &debs, progress)?;
    progress("unpacking");
    for deb in entries(&debs)? {
        run::output("unpack packages", Command::new("dpkg").arg("-x").args([&deb, &unpacked]))?;
    }
    assemble(&unpacked, &sysroot, host, linkers)?;
    run::output("check the compiler", Command::new(rustc_of(&sysroot)).arg("--version"))?;
    progress("compiling std for wasm32-wasip2 (about half a minute)");
    let source = unpacked.join("usr/src").join(format!("rustc-{}", release.upstream()));
    compile_std(&source, &sysroot, work)?;

    let version: String = release
        .version
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-+".contains(c) { c } else { '_' })
        .collect();
    let home = cache.join(format!("{PREFIX}{version}-r{RECIPE}"));
    fs::rename(&sysroot, &home).map_err(at("move the finished compiler to", &home))?;
    Ok(home)
}

/// Lays the unpacked files out as `rustc` expects to find them: libraries, host std, itself, linker, WASI's libc.
fn assemble(unpacked: &Path, sysroot: &Path, host: &Host, linkers: &Linkers) -> Result<(), Error> {
    let multiarch = host.triple.replace("-unknown", "");
    let lib = make_folder(sysroot.join("lib"))?;
    for folder in [unpacked.join("usr/lib").join(&multiarch), unpacked.join("lib").join(&multiarch)] {
        if !folder.is_dir() {
            continue;
        }
        for file in entries(&folder)? {
            let name = file.file_name().expect("an entry of a folder has a name");
            if name.to_string_lossy().contains(".so") {
                rename(&file, &lib.join(name))?;
            }
        }
    }
    let host_lib = make_folder(lib.join("rustlib").join(&host.triple))?;
    rename(&unpacked.join("usr/lib/rustlib").join(&host.triple).join("lib"), &host_lib.join("lib"))?;
    rename(&unpacked.join("usr/bin/rustc"), &make_folder(sysroot.join("libexec"))?.join("rustc"))?;
    write_wrapper(&make_folder(sysroot.join("bin"))?.join("rustc"))?;
    linkers.link_into(&make_folder(host_lib.join("bin"))?)?;

    let libc = make_folder(target_lib(sysroot).join("self-contained"))?;
    for name in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        rename(&unpacked.join("usr/lib/wasm32-wasi").join(name), &libc.join(name))?;
    }
    Ok(())
}

/// Compiles std with cargo's `build-std` in an empty crate, and keeps its libraries.
///
/// The bitcode is embedded because guests with `lto = true` cannot be linked without it.
fn compile_std(source: &Path, sysroot: &Path, work: &Path) -> Result<(), Error> {
    let seed = make_folder(work.join("seed/src"))?;
    let manifest = "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    write(&seed.join("lib.rs"), "")?;
    write(&work.join("seed/Cargo.toml"), manifest)?;
    // build-std looks for the sources below the sysroot; they are not kept, they would double its size.
    let link = make_folder(sysroot.join("lib/rustlib/src"))?.join("rust");
    symlink(source, &link)?;

    let target_dir = work.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        .current_dir(work.join("seed"));
    let compiler = GuestToolchain { rustc: Some(rustc_of(sysroot)), description: String::new() };
    compiler.configure(&mut cargo);
    cargo
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C embed-bitcode=yes");
    run::output("compile std", &mut cargo)?;

    for file in entries(&target_dir.join(TARGET).join("release/deps"))? {
        let name = file.file_name().expect("an entry of a folder has a name").to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libseed") {
            rename(&file, &target_lib(sysroot).join(name))?;
        }
    }
    fs::remove_dir_all(sysroot.join("lib/rustlib/src")).map_err(at("remove", &link))
}

/// Where rustup's linker for components and the WASM linker that it calls are.
struct Linkers([(&'static str, PathBuf); 2]);

impl Linkers {
    fn of(host: &Host) -> Result<Linkers, Error> {
        let bin = host.sysroot.join("lib/rustlib").join(&host.triple).join("bin");
        let linkers =
            [("wasm-component-ld", bin.join("wasm-component-ld")), ("wasm-ld", bin.join("gcc-ld/wasm-ld"))];
        match linkers.iter().find(|(_, path)| !path.is_file()) {
            Some((_, path)) => Err(Error::LinkerMissing { path: path.clone() }),
            None => Ok(Linkers(linkers)),
        }
    }

    /// Replaces each link by a rename, so that a build that runs beside never sees it missing.
    fn link_into(&self, bin: &Path) -> Result<(), Error> {
        for (name, path) in &self.0 {
            let fresh = bin.join(format!("{name}.new"));
            if fresh.is_symlink() {
                fs::remove_file(&fresh).map_err(at("remove", &fresh))?;
            }
            symlink(path, &fresh)?;
            rename(&fresh, &bin.join(name))?;
        }
        Ok(())
    }
}

/// The folder of a build, removed again however the build ends.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn begin(folder: PathBuf) -> Result<Work, Error> {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(at("remove", &folder))?;
        }
        Ok(Work { folder: make_folder(folder)? })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // A left-over is removed by the next build, so there is nothing to report here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sysroots of this recipe, in the order of their names. Each is whole: the rename that named it came last.
fn complete(cache: &Path) -> Vec<PathBuf> {
    let suffix = format!("-r{RECIPE}");
    let mut found = entries(cache).unwrap_or_default();
    found.retain(|folder| {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(PREFIX)
            && name.ends_with(&suffix)
            && has_target(folder)
            && rustc_of(folder).is_file()
    });
    found
}

/// Whether the links to rustup's linker lead somewhere; they do not after that toolchain has been removed.
fn can_link(sysroot: &Path) -> bool {
    let Ok(targets) = entries(&sysroot.join("lib/rustlib")) else {
        return false;
    };
    targets.iter().any(|target| {
        ["wasm-component-ld", "wasm-ld"].iter().all(|name| target.join("bin").join(name).is_file())
    })
}

fn rustc_of(sysroot: &Path) -> PathBuf {
    sysroot.join("bin/rustc")
}

fn target_lib(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// The paths of what a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths =
            folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    read().map_err(at("list", folder))
}

fn make_folder(folder: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&folder).map_err(at("make the folder", &folder))?;
    Ok(folder)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(at("move into place", from))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(at("write", path))
}

#[cfg(unix)]
fn write_wrapper(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    write(path, WRAPPER)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(at("make executable", path))
}

#[cfg(unix)]
fn symlink(to: &Path, link: &Path) -> Result<(), Error> {
    std::os::unix::fs::symlink(to, link).map_err(at("make the link", link))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sysroot with all that is looked for, and the toolchain that its linker belongs to.
    fn sysroot(cache: &Path, version: &str, linkers: &Linkers) -> PathBuf {
        let sysroot = cache.join(format!("{PREFIX}{version}-r{RECIPE}"));
        fs::create_dir_all(target_lib(&sysroot)).unwrap();
        write(&target_lib(&sysroot).join("libstd-1.rlib"), "").unwrap();
        write_wrapper(&make_folder(sysroot.join("bin")).unwrap().join("rustc")).unwrap();
        linkers.link_into(&make_folder(sysroot.join("lib/rustlib/x/bin")).unwrap()).unwrap();
        sysroot
    }

    fn host(folder: &Path, name: &str) -> Host {
        let host = Host { sysroot: folder.join(name), triple: "x".into() };
        let bin = make_folder(host.sysroot.join("lib/rustlib/x/bin/gcc-ld")).unwrap();
        write(&bin.join("wasm-ld"), "").unwrap();
        write(&bin.parent().unwrap().join("wasm-component-ld"), "").unwrap();
        host
    }

    #[test]
    fn the_newest_complete_sysroot_is_taken_and_one_of_another_recipe_is_not() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(find_in(cache.path()), None);
        let linkers = Linkers::of(&host(cache.path(), "rust")).unwrap();
        sysroot(cache.path(), "1.95.0", &linkers);
        let newest = sysroot(cache.path(), "1.96.0", &linkers);
        fs::create_dir_all(cache.path().join("guest-rust-1.97.0-r1/bin")).unwrap();
        fs::rename(sysroot(cache.path(), "1.98.0", &linkers), cache.path().join("guest-rust-1.98.0-r0"))
            .unwrap();
        assert_eq!(find_in(cache.path()), Some(rustc_of(&newest)));
    }

    #[test]
    fn a_sysroot_whose_linker_moved_is_not_found_until_it_is_linked_again() {
        let cache = tempfile::tempdir().unwrap();
        let old = host(cache.path(), "old");
        let sysroot = sysroot(cache.path(), "1.96.0", &Linkers::of(&old).unwrap());
        fs::remove_dir_all(&old.sysroot).unwrap();
        assert_eq!(find_in(cache.path()), None);
        let moved = Linkers::of(&host(cache.path(), "new")).unwrap();
        moved.link_into(&sysroot.join("lib/rustlib/x/bin")).unwrap();
        assert_eq!(find_in(cache.path()), Some(rustc_of(&sysroot)));
    }

    #[test]
    fn a_toolchain_without_the_component_linker_is_refused_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host { sysroot: folder.path().into(), triple: "x".into() };
        let error = Linkers::of(&host).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("bin/wasm-component-ld"), "{error}");
        assert!(error.hint().contains("rustup"));
    }
}
