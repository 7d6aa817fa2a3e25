//! An OCI registry, which tests start as a server of their own on loopback, and another program that speaks to it: in a
//! folder below the cache folder, where nothing of the system changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure, Shell, say};

/// Debian's package of the registry that the distribution specification came from.
const PACKAGE: &str = "docker-registry";
/// The same program in PATH, as others call it.
const PROGRAMS: [&str; 2] = ["docker-registry", "registry"];
/// What Python installs, with versions; compared with what was, to know whether anything must be done.
const REQUIREMENTS: &str = "tests/registry-requirements.txt";

/// Installs what is missing, said before it is done. A set-up that fails half-way is begun anew by the next.
pub(crate) fn setup(shell: &mut Shell) -> Result<(), Failure> {
    let folder = folder()?;
    let requirements = shell::read(&shell.root.join(REQUIREMENTS))?;
    if is_there(&folder, &requirements) {
        return Ok(());
    }
    if in_path().is_none() && !has_apt() {
        return Err(missing());
    }
    say(&format!(
        "will install a registry for tests: Debian's {PACKAGE} and {REQUIREMENTS} into {} (60 MB on disk, once)",
        folder.display()
    ));
    let failed = |what: &str, error| Failure::Step(format!("failed to {what} {}: {error}", folder.display()));
    let removed = if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
    removed.map_err(|error| failed("remove", error))?;
    fs::create_dir_all(&folder).map_err(|error| failed("make", error))?;
    if in_path().is_none() {
        unpack(shell, &folder)?;
    }
    let mut venv = shell.command("python3");
    shell.run("make a folder for Python's packages", venv.args(["-m", "venv"]).arg(folder.join("python")))?;
    let mut pip = shell.command(folder.join("python/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    shell.run("install what speaks to the registry", pip.args(["--requirement", REQUIREMENTS]))?;
    fs::write(stamp(&folder), requirements).map_err(|error| failed("write into", error))
}

/// What is here, or what `setup` would install.
pub(crate) fn state(root: &Path) -> Result<String, Failure> {
    let folder = folder()?;
    let requirements = shell::read(&root.join(REQUIREMENTS))?;
    match is_there(&folder, &requirements) {
        true => Ok(folder.display().to_string()),
        false if in_path().is_some() || has_apt() => Ok(format!(
            "`setup` would install Debian's {PACKAGE} and {REQUIREMENTS} into {}",
            folder.display()
        )),
        false => Err(missing()),
    }
}

/// Loads Debian's package and unpacks it, which takes no rights; the lists of packages may have to be loaded before, which
/// does.
fn unpack(shell: &mut Shell, folder: &Path) -> Result<(), Failure> {
    let download = |shell: &Shell| {
        let mut command = shell.command("apt-get");
        command.args(["download", "--quiet", PACKAGE]).current_dir(folder);
        command
    };
    if shell::output(&mut download(shell)).is_err() {
        let mut update = shell.command("apt-get");
        shell.run("look for packages", update.args(["update", "--quiet"]))?;
        let mut command = download(shell);
        shell.run("load the registry", &mut command)?;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for package in entries.filter(|path| path.extension().is_some_and(|ending| ending == "deb")) {
        let mut dpkg = shell.command("dpkg");
        shell.run("unpack the registry", dpkg.arg("-x").arg(&package).arg(folder))?;
        fs::remove_file(&package)
            .map_err(|error| Failure::Step(format!("failed to remove {}: {error}", package.display())))?;
    }
    Ok(())
}

fn is_there(folder: &Path, requirements: &str) -> bool {
    let has_program = in_path().is_some() || folder.join("usr/bin").join(PROGRAMS[0]).is_file();
    has_program && fs::read_to_string(stamp(folder)).is_ok_and(|installed| installed == requirements)
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = folders.iter().flat_map(|folder| PROGRAMS.map(|name| folder.join(name)));
    programs.into_iter().find(|program| program.is_file())
}

fn has_apt() -> bool {
    shell::output(Command::new("apt-get").arg("--version")).is_ok()
}

fn missing() -> Failure {
    let text = "failed to find `registry`, the OCI registry that tests start as a server of their own\n\
                hint: apt-get install docker-registry (Debian, Ubuntu), or put `registry` of the project `distribution` into \
                PATH; no server needs to run";
    Failure::Prerequisite(text.into())
}

/// Written last: what it says is installed whole.
fn stamp(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}

/// Tests look there as well.
fn folder() -> Result<PathBuf, Failure> {
    cofferdam_toolchain::cache_folder().map(|cache| cache.join("test-registry")).ok_or_else(|| {
        let text = "failed to find a cache folder: neither XDG_CACHE_HOME nor HOME is set\nhint: export HOME";
        Failure::Prerequisite(text.into())
    })
}
