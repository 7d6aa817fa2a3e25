//! What the recipes ask of apt: which compilers Debian has, which packages belong to them, and their files.
//!
//! The system's own package lists are read; when they lack the package (a fresh container has none) or are out of
//! date, a private copy is loaded into the build's folder, which needs no rights and changes nothing.

use crate::{Error, run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMPILER: &str = "rustc-web";
/// The workspace's own: guests are built from crates that ask for it.
const VERSION_MIN: &str = env!("CARGO_PKG_RUST_VERSION");

pub(crate) struct Apt {
    /// Where private lists go, and whether they are in use.
    folder: PathBuf,
    private: bool,
}

/// The compiler that Debian offers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// Debian's version, as in `1.96.0+dfsg1-1~deb12u2`.
    pub(crate) version: String,
    /// What to load, with the versions where they matter.
    pub(crate) packages: Vec<String>,
}

impl Release {
    /// The version of Rust, as in `1.96.0`.
    pub(crate) fn upstream(&self) -> &str {
        self.version.split(['+', '-', '~']).next().expect("split yields at least one part")
    }
}

impl Apt {
    pub(crate) fn new(folder: PathBuf) -> Apt {
        Apt { folder, private: false }
    }

    /// The newest compiler that apt knows, with all its packages that are not installed on the system.
    pub(crate) fn compiler_release(&mut self, progress: &mut dyn FnMut(&str)) -> Result<Release, Error> {
        let mut version = self.version_of(COMPILER)?;
        if !version.as_deref().is_some_and(is_new_enough) {
            self.load_lists(progress)?;
            version = self.version_of(COMPILER)?;
        }
        let Some(version) = version.clone().filter(|version| is_new_enough(version)) else {
            return Err(Error::PackageMissing {
                package: COMPILER.into(),
                found: version,
                needed: VERSION_MIN.into(),
            });
        };
        let minor: Vec<&str> = version.split('.').take(2).collect();
        let std = format!("libstd-rust-web-{}", minor.join("."));
        let mut packages: Vec<String> = [COMPILER, &std, "libstd-rust-web-dev", "rust-web-src"]
            .iter()
            .map(|name| format!("{name}={version}"))
            .collect();
        packages.push("wasi-libc".into());
        packages.extend(self.libraries_of(&std)?);
        Ok(Release { version, packages })
    }

    /// The version of a package that apt offers, with fresh lists if it knows none.
    pub(crate) fn offered(&mut self, package: &str, progress: &mut dyn FnMut(&str)) -> Result<String, Error> {
        let mut version = self.version_of(package)?;
        if version.is_none() {
            self.load_lists(progress)?;
            version = self.version_of(package)?;
        }
        version.ok_or_else(|| Error::PackageMissing {
            package: package.into(),
            found: None,
            needed: "of any version".into(),
        })
    }

    /// Loads `packages` into `debs`; once more with fresh lists if the archive has moved on.
    pub(crate) fn download(
        &mut self,
        packages: &[String],
        debs: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let load = |apt: &Apt| {
            let mut command = apt.command("apt-get");
            command.args(["download", "--quiet"]).args(packages).current_dir(debs);
            run::output("load packages", &mut command)
        };
        if load(self).is_ok() {
            return Ok(());
        }
        self.load_lists(progress)?;
        load(self).map(|_| ())
    }

    /// The shared libraries that `package` needs and the system lacks, LLVM first of all.
    ///
    /// libc itself is left out: a second one beside the system's would be worse than an error.
    pub(crate) fn libraries_of(&self, package: &str) -> Result<Vec<String>, Error> {
        let mut depends = self.command("apt-cache");
        depends.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]);
        depends.args(["--no-breaks", "--no-replaces", "--no-enhances", package]);
        let wanted = run::output("resolve packages", &mut depends)?;
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]);
        let installed = run::output("list installed packages", &mut query)?;
        Ok(missing_libraries(&wanted, &installed, package))
    }

    fn version_of(&self, package: &str) -> Result<Option<String>, Error> {
        let policy = run::output("look up packages", self.command("apt-cache").args(["policy", package]))?;
        Ok(candidate(&policy))
    }

    fn load_lists(&mut self, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
        if self.private {
            return Ok(());
        }
        progress("loading Debian's package lists");
        for folder in ["lists/partial", "cache/archives/partial"] {
            let path = self.folder.join(folder);
            std::fs::create_dir_all(&path).map_err(crate::cache::at("make the folder", &path))?;
        }
        self.private = true;
        run::output("load package lists", self.command("apt-get").args(["update", "--quiet"])).map(|_| ())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        if self.private {
            let option = |key: &str, folder: &str| format!("{key}={}", self.folder.join(folder).display());
            command.args(["-o", &option("Dir::State::lists", "lists"), "-o", &option("Dir::Cache", "cache")]);
            command.args(["-o", "Debug::NoLocking=1"]);
        }
        command
    }
}

fn candidate(policy: &str) -> Option<String> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (line != "(none)").then(|| line.to_owned())
}

fn is_new_enough(version: &str) -> bool {
    let number = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(['.', '+', '-', '~']).map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    };
    number(version) >= number(VERSION_MIN)
}

fn missing_libraries(wanted: &str, installed: &str, package: &str) -> Vec<String> {
    let installed: BTreeSet<&str> =
        installed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    let names: BTreeSet<&str> = wanted
        .lines()
        .filter(|line| !line.starts_with([' ', '|', '<']) && !line.is_empty())
        .filter(|name| *name != package && !name.starts_with("libc6") && !name.contains(':'))
        .filter(|name| !installed.contains(name))
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_the_policy_and_its_absence_too() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n";
        assert_eq!(candidate(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate("rustc-web:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn a_compiler_older_than_the_workspace_asks_for_is_not_new_enough() {
        assert!(!is_new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(is_new_enough("1.95.0-1") && is_new_enough("1.100.0+dfsg1-1") && is_new_enough("2.0.0"));
        assert!(!is_new_enough("unknown"));
    }

    #[test]
    fn only_libraries_that_the_system_lacks_are_loaded() {
        let wanted = "libstd-rust-web-1.96\n  Depends: libc6\n  Depends: libllvm22\nlibc6\nlibllvm22\n\
                      libz3-4\nlibedit2\n<virtual>\n";
        let installed = "libc6 installed\nlibz3-4 installed\nlibedit2 config-files\n";
        assert_eq!(missing_libraries(wanted, installed, "libstd-rust-web-1.96"), ["libedit2", "libllvm22"]);
    }

    #[test]
    fn the_version_of_rust_is_the_front_of_debians() {
        let release = Release { version: "1.96.0+dfsg1-1~deb12u2".into(), packages: Vec::new() };
        assert_eq!(release.upstream(), "1.96.0");
    }
}
