//! Programs that tests start and that Debian has: found where they are, or installed as its packages, which takes the rights
//! of root; without them it is said what to do.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Failure, Shell, say};

/// A package, and how to tell that what it brings is here.
pub(crate) struct Package {
    name: &'static str,
    /// What tests do with it.
    why: &'static str,
    megabytes: u32,
    /// What to do where it cannot be installed.
    hint: &'static str,
    find: fn() -> Option<PathBuf>,
}

/// PostgreSQL's programs, which tests start as servers of their own on loopback. Debian's package depends on the release's
/// own version, and makes a server of its own as well.
pub(crate) const POSTGRES: Package = Package {
    name: "postgresql",
    why: "PostgreSQL's `initdb`, `postgres` and `psql`, which tests start as a server of their own",
    megabytes: 20,
    hint: "apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), or put their folder into \
        PATH; no server needs to run",
    find: postgres,
};

/// A browser, in which tests open the pages.
pub(crate) const CHROMIUM: Package = Package {
    name: "chromium",
    why: "Chromium, in which tests open the pages",
    megabytes: 90,
    hint: "apt-get install chromium (Debian), or name a Chromium or Chrome of yours with COFFERDAM_CHROMIUM",
    find: chromium,
};

/// What links programs for arm64.
pub(crate) const CROSS_LINKER: Package = Package {
    name: "gcc-aarch64-linux-gnu",
    why: "a C compiler for arm64",
    megabytes: 50,
    hint: "apt-get install gcc-aarch64-linux-gnu (Debian, Ubuntu)",
    find: || {
        path()
            .into_iter()
            .map(|folder| folder.join("aarch64-linux-gnu-gcc"))
            .find(|program| program.is_file())
    },
};

pub(crate) const CROSS_LIBC: Package = Package {
    name: "libc6-dev-arm64-cross",
    why: "the C library for arm64",
    megabytes: 5,
    hint: "apt-get install libc6-dev-arm64-cross (Debian, Ubuntu)",
    find: || Some(PathBuf::from("/usr/aarch64-linux-gnu/include/stdio.h")).filter(|header| header.is_file()),
};

impl Package {
    /// Finds it or installs it.
    pub(crate) fn setup(&self, shell: &mut Shell) -> Result<(), Failure> {
        if (self.find)().is_some() {
            return Ok(());
        }
        if !can_install() {
            return Err(self.missing());
        }
        let Package { name, why, megabytes, .. } = self;
        say(&format!("will install Debian's package {name}: {why} (about {megabytes} MB to load, once)"));
        let mut update = shell.command("apt-get");
        shell.run("look for packages", update.args(["update", "--quiet"]))?;
        let mut install = shell.command("apt-get");
        install
            .args(["install", "--yes", "--no-install-recommends", name])
            .env("DEBIAN_FRONTEND", "noninteractive");
        shell.run(&format!("install {name}"), &mut install)
    }

    /// What is here, or what `setup` would install.
    pub(crate) fn state(&self) -> Result<String, Failure> {
        match (self.find)() {
            Some(place) => Ok(place.display().to_string()),
            None if can_install() => Ok(format!("`setup` would install Debian's package {}", self.name)),
            None => Err(self.missing()),
        }
    }

    fn missing(&self) -> Failure {
        Failure::Prerequisite(format!("failed to find {}\nhint: {}", self.why, self.hint))
    }
}

/// The folder of the programs: the one of a Debian package, or one in PATH.
fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let is_there =
        |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    debian.chain(path()).find(is_there)
}

/// The program: one that is named, or one in PATH.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("COFFERDAM_CHROMIUM").map(PathBuf::from);
    let found =
        path().into_iter().flat_map(|folder| ["chromium", "google-chrome"].map(|name| folder.join(name)));
    named.into_iter().chain(found).find(|program| program.is_file())
}

fn path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

fn can_install() -> bool {
    let id = shell::output(Command::new("id").arg("-u"));
    let apt = shell::output(Command::new("apt-get").arg("--version"));
    apt.is_ok() && id.is_ok_and(|id| id.trim() == "0")
}
