//! `cofferdam-audit DATABASE LOCK-FILE…`: names each locked package that an advisory of the database speaks of. A known
//! vulnerability and a withdrawn release are failures (exit code 1); that nobody maintains a package is only said.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use rustsec::advisory::Informational;
use rustsec::report::{Report, Settings};
use rustsec::{Database, Lockfile};

fn main() -> anyhow::Result<ExitCode> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [database, lock_files @ ..] = paths.as_slice() else { bail!("no database is named") };
    let found = audit(Path::new(database), lock_files)?;
    found.lines.iter().for_each(|line| eprintln!("{line}"));
    eprintln!(
        "{} lock files against {} advisories: {} packages with a known vulnerability, {} with a remark",
        lock_files.len(),
        found.n_advisories,
        found.n_vulnerable,
        found.lines.len() - found.n_vulnerable
    );
    Ok(if found.n_vulnerable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Found {
    n_advisories: usize,
    n_vulnerable: usize,
    lines: Vec<String>,
}

/// Fails if the database or a lock file cannot be read, or if there is nothing in them: then nothing was compared.
fn audit(database: &Path, lock_files: &[String]) -> anyhow::Result<Found> {
    let what = || format!("read the advisories in {}", database.display());
    let database = Database::open(database).with_context(what)?;
    let n_advisories = database.iter().count();
    if n_advisories == 0 || lock_files.is_empty() {
        bail!("{n_advisories} advisories and {} lock files: there is nothing to compare", lock_files.len());
    }
    let settings = Settings {
        informational_warnings: vec![
            Informational::Unmaintained,
            Informational::Unsound,
            Informational::Notice,
        ],
        ..Settings::default()
    };
    let mut found = Found { n_advisories, n_vulnerable: 0, lines: vec![] };
    for path in lock_files {
        let lock_file = Lockfile::load(path).with_context(|| format!("read {path}"))?;
        if lock_file.packages.is_empty() {
            bail!("{path} locks no package");
        }
        let report = Report::generate(&database, &lock_file, &settings);
        for vulnerable in &report.vulnerabilities.list {
            let (package, advisory) = (&vulnerable.package, &vulnerable.advisory);
            let mended = vulnerable.versions.patched().iter().map(ToString::to_string);
            let mended = mended.collect::<Vec<_>>().join(" or ");
            found.lines.push(format!(
                "{path}: {} {}: {} ({}); mended in {}",
                package.name,
                package.version,
                advisory.title,
                advisory.id,
                if mended.is_empty() { "no release" } else { &mended }
            ));
            found.n_vulnerable += 1;
        }
        for warning in report.warnings.values().flatten() {
            let about = warning.advisory.as_ref();
            let about = about.map(|about| format!("{} ({})", about.title, about.id)).unwrap_or_default();
            let (package, kind) = (&warning.package, warning.kind.as_str());
            found.lines.push(format!("{path}: {} {}: {kind}: {about}", package.name, package.version));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVISORY: &str = r#"```toml
[advisory]
id = "RUSTSEC-2026-9999"
package = "PACKAGE"
date = "2026-01-02"
url = "https://example.org/advisory"
KIND

[versions]
patched = [">= 1.2.4"]
```

# It does what it should not

At length.
"#;

    fn look(advised: &str, kind: &str, locked: &str) -> anyhow::Result<Found> {
        let folder = tempfile::tempdir()?;
        let crates = folder.path().join("crates").join(advised);
        std::fs::create_dir_all(&crates)?;
        let advisory = ADVISORY.replace("PACKAGE", advised).replace("KIND", kind);
        std::fs::write(crates.join("RUSTSEC-2026-9999.md"), advisory)?;
        let lock_file = folder.path().join("Cargo.lock");
        std::fs::write(&lock_file, format!("version = 4\n{locked}"))?;
        audit(folder.path(), &[lock_file.display().to_string()])
    }

    const LOCKED: &str = "[[package]]\nname = \"pump\"\nversion = \"1.2.3\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";

    #[test]
    fn f12_a_locked_package_with_a_known_vulnerability_is_named_with_the_release_that_mends_it() {
        let found = look("pump", "", LOCKED).unwrap();
        assert_eq!((found.n_vulnerable, found.n_advisories), (1, 1));
        let line = found.lines[0].split_once("Cargo.lock: ").unwrap().1;
        assert_eq!(line, "pump 1.2.3: It does what it should not (RUSTSEC-2026-9999); mended in >=1.2.4");
        let mended = look("pump", "", &LOCKED.replace("1.2.3", "1.2.4")).unwrap();
        let another = look("valve", "", LOCKED).unwrap();
        assert_eq!((mended.n_vulnerable, another.n_vulnerable), (0, 0));
    }

    #[test]
    fn what_nobody_maintains_is_said_and_fails_nothing() {
        let found = look("pump", "informational = \"unmaintained\"", LOCKED).unwrap();
        assert_eq!((found.n_vulnerable, found.lines.len()), (0, 1));
        assert!(found.lines[0].contains("pump 1.2.3: unmaintained"), "{}", found.lines[0]);
    }

    #[test]
    fn a_comparison_with_nothing_is_no_success() {
        assert!(look("pump", "", "").is_err());
        let empty = tempfile::tempdir().unwrap();
        std::fs::create_dir(empty.path().join("crates")).unwrap();
        assert!(audit(empty.path(), &["Cargo.lock".to_owned()]).is_err());
    }
}
