//! PostgreSQL's programs, which tests start as servers of their own on loopback.

use std::path::PathBuf;

use crate::shell::{self, Failure, Shell, say};

/// Debian's package; it depends on the release's own version.
const PACKAGE: &str = "postgresql";

/// Finds the programs or installs Debian's package, which takes the rights of root; without them it says what to do.
pub(crate) fn setup(shell: &mut Shell) -> Result<(), Failure> {
    if programs().is_some() {
        return Ok(());
    }
    if !can_install() {
        return Err(missing());
    }
    say(&format!(
        "will install Debian's package {PACKAGE}, whose programs tests start (about 20 MB to load, once; the package \
         makes a server of its own as well)"
    ));
    let mut update = shell.command("apt-get");
    shell.run("look for packages", update.args(["update", "--quiet"]))?;
    let mut install = shell.command("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends", PACKAGE])
        .env("DEBIAN_FRONTEND", "noninteractive");
    shell.run("install PostgreSQL", &mut install)
}

/// What is here, or what `setup` would install.
pub(crate) fn state() -> Result<String, Failure> {
    match programs() {
        Some(folder) => Ok(folder.display().to_string()),
        None if can_install() => Ok(format!("`setup` would install Debian's package {PACKAGE}")),
        None => Err(missing()),
    }
}

fn missing() -> Failure {
    let text = "failed to find PostgreSQL's `initdb`, `postgres` and `psql`, which tests start as a server of their own\n\
                hint: apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), \
                or put their folder into PATH; no server needs to run";
    Failure::Prerequisite(text.into())
}

/// The folder of the programs: the one of a Debian package, or one in PATH.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let is_there =
        |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    debian.chain(path).find(is_there)
}

fn can_install() -> bool {
    let id = shell::output(std::process::Command::new("id").arg("-u"));
    let apt = shell::output(std::process::Command::new("apt-get").arg("--version"));
    apt.is_ok() && id.is_ok_and(|id| id.trim() == "0")
}
