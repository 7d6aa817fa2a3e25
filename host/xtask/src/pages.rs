//! The pages of `cofferdam dev`: built from `host/web/ui` before the program, which carries them; and what the browser
//! tests are made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::shell::{Failure, Shell, say};

const UI: &str = "host/web/ui";
const TESTS: &str = "tests/browser";
/// What npm and the build write there.
const WRITTEN: [&str; 2] = ["node_modules", "dist"];
/// What the pages were built of, beside them; and what packages were installed by, beside those.
const BUILT_OF: &str = "dist/built-of";
const INSTALLED_BY: &str = "node_modules/installed-by";
/// Older ones do not run the build.
const NODE: &str = "node 20.19 or later with npm";

/// Builds the pages unless they are of what is there now, and installs what their tests need.
pub(crate) fn setup(shell: &mut Shell) -> Result<(), Failure> {
    packages(shell, TESTS, 10)?;
    let ui = shell.root.join(UI);
    let now = fingerprint(&ui).map_err(|error| failed("read", &ui, &error))?;
    let stamp = ui.join(BUILT_OF);
    if fs::read_to_string(&stamp).is_ok_and(|built_of| built_of == now) {
        return Ok(());
    }
    packages(shell, UI, 250)?;
    shell.run("build the pages", npm(&ui).args(["run", "--silent", "build"]))?;
    fs::write(&stamp, now).map_err(|error| failed("write", &stamp, &error))
}

/// Installs what a folder's lock file lists.
fn packages(shell: &mut Shell, folder: &str, megabytes: u32) -> Result<(), Failure> {
    let place = shell.root.join(folder);
    let (lock, stamp) = (place.join("package-lock.json"), place.join(INSTALLED_BY));
    let wanted = fs::read(&lock).map_err(|error| failed("read", &lock, &error))?;
    if fs::read(&stamp).is_ok_and(|installed_by| installed_by == wanted) {
        return Ok(());
    }
    if npm(&place).arg("--version").output().is_err() {
        let text = format!(
            "failed to find npm, which installs what {folder} is made of\nhint: install {NODE}: apt-get install nodejs npm \
             (Debian 13, Ubuntu 24.10), brew install node (macOS)"
        );
        return Err(Failure::Prerequisite(text));
    }
    say(&format!("will install npm packages into {folder}/node_modules ({megabytes} MB, once per version)"));
    // No package has anything to run at its installation that would be needed here.
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    shell.run(&format!("npm packages of {folder}"), npm(&place).args(install))?;
    fs::write(&stamp, wanted).map_err(|error| failed("write", &stamp, &error))
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder);
    npm
}

/// Of all that is written by hand there.
fn fingerprint(ui: &Path) -> io::Result<String> {
    let mut files = vec![];
    list(ui, &mut files)?;
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(file.to_string_lossy().as_bytes());
        hasher.update(blake3::hash(&fs::read(&file)?).as_bytes());
    }
    Ok(hasher.finalize().to_string())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if WRITTEN.iter().any(|written| name == *written) {
            continue;
        }
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Step(format!("failed to {what} {}: {error}", path.display()))
}
