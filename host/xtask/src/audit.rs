//! `cargo xtask audit`: every lock file of the project against the public database of security advisories.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure, Shell, say};

/// A copy of the database, for machines without the internet.
const DATABASE_VARIABLE: &str = "COFFERDAM_ADVISORY_DB";
/// Beside the checkout, where several projects share one copy.
const DATABASE_BESIDE: &str = "../shared/advisory-db";
const DATABASE_PUBLIC: &str = "https://github.com/rustsec/advisory-db";

/// Fails on a known vulnerability. A machine that has no database and cannot fetch one is told that nothing was compared.
pub(crate) fn audit(shell: &mut Shell) -> Result<(), Failure> {
    let Some(database) = database(shell)? else {
        say(&format!(
            "audit: NOT DONE: no advisories here, and {DATABASE_PUBLIC} cannot be reached; name a copy in {DATABASE_VARIABLE}"
        ));
        return Ok(());
    };
    let lock_files = lock_files(shell)?;
    let mut build = shell.command("cargo");
    // Of the whole workspace, so that nothing is built once more with other features.
    build.args(["build", "--quiet", "--workspace", "--bin", "cofferdam-audit"]);
    shell.run("build the audit", &mut build)?;
    let mut audit = shell.command(shell.target_dir().join("debug/cofferdam-audit"));
    shell.run("audit of the lock files", audit.arg(database).args(lock_files))
}

fn database(shell: &Shell) -> Result<Option<PathBuf>, Failure> {
    if let Some(named) = std::env::var_os(DATABASE_VARIABLE).filter(|named| !named.is_empty()) {
        return Ok(Some(named.into()));
    }
    let beside = shell.root.join(DATABASE_BESIDE);
    if beside.is_dir() {
        return Ok(Some(beside));
    }
    let fetched = shell.root.join("target/advisory-db");
    Ok(fetch(&fetched)?.then_some(fetched))
}

/// Whether the newest state of the public database is there.
fn fetch(into: &Path) -> Result<bool, Failure> {
    let mut git = Command::new("git");
    // Asking for a password would hang where nobody is.
    git.env("GIT_TERMINAL_PROMPT", "0");
    match into.join(".git").is_dir() {
        true => git.arg("-C").arg(into).args(["pull", "--quiet", "--depth=1", "--rebase"]),
        false => git.args(["clone", "--quiet", "--depth=1", DATABASE_PUBLIC]).arg(into),
    };
    Ok(shell::watch(&mut git)?.1)
}

fn lock_files(shell: &Shell) -> Result<Vec<PathBuf>, Failure> {
    let mut git = shell.command("git");
    git.args(["ls-files", "Cargo.lock", "*/Cargo.lock"]);
    let listed = shell::output(&mut git)?;
    Ok(listed.lines().map(|line| shell.root.join(line)).collect())
}
