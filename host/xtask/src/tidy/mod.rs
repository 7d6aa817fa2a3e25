//! Tidy: what the compiler does not check. The crate map, the top level, source files, licences.
//!
//! Each check returns findings, one line each, with the place and the way out. Run by `cargo xtask tidy` and by a
//! test, so that an ordinary test run covers it.

mod crates;
mod files;
mod licences;

use crate::shell::{self, Failure, Shell};
use std::path::Path;
use std::process::Command;

/// Runs all checks and prints every finding.
pub(crate) fn command(shell: &mut Shell) -> Result<(), Failure> {
    let findings = shell.step("tidy", |shell| check(&shell.root))?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::Step(format!("tidy found {} things\n  {}", findings.len(), findings.join("\n  "))))
}

/// All findings in the workspace at `root`.
fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let metadata = metadata(root)?;
    let mut findings = crates::check(&shell::read(&root.join("host/ARCHITECTURE.md"))?, &metadata, root);
    findings.extend(licences::check(&shell::read(&root.join(".deny.toml"))?, &metadata)?);
    findings.extend(files::check(root)?);
    Ok(findings)
}

/// What cargo knows of the workspace and of all packages that it is built from on this platform.
fn metadata(root: &Path) -> Result<serde_json::Value, Failure> {
    let triple = shell::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["metadata", "--format-version", "1", "--filter-platform", triple.trim()]);
    let text = shell::output(&mut cargo)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Step(format!("failed to read cargo's metadata: {error}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn tidy_finds_nothing_in_this_workspace() {
        let findings = super::check(&crate::shell::root()).unwrap();
        assert!(findings.is_empty(), "\n  {}", findings.join("\n  "));
    }
}
