//! Python's programs that tests start, servers on loopback and dbt, in a folder of its own below the cache folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Failure, Shell, say};

/// What is installed, with versions; compared with what was, to know whether anything must be done.
const REQUIREMENTS: &str = "tests/requirements.txt";

/// Installs what is missing, said before it is done. A set-up that fails half-way is begun anew by the next.
pub(crate) fn setup(shell: &mut Shell) -> Result<(), Failure> {
    let folder = folder()?;
    let requirements = shell::read(&shell.root.join(REQUIREMENTS))?;
    if is_there(&folder, &requirements) {
        return Ok(());
    }
    if shell::output(std::process::Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        let text = "failed to find python3 with its module venv, which programs for tests are installed with\n\
                    hint: apt-get install python3-venv (Debian, Ubuntu), dnf install python3 (Fedora)";
        return Err(Failure::Prerequisite(text.into()));
    }
    say(&format!(
        "will install programs for tests: {REQUIREMENTS} into {} (310 MB on disk, once)",
        folder.display()
    ));
    let removed = if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
    removed.map_err(|error| Failure::Step(format!("failed to remove {}: {error}", folder.display())))?;
    let mut venv = shell.command("python3");
    shell.run("make a folder for Python's packages", venv.args(["-m", "venv"]).arg(&folder))?;
    let mut pip = shell.command(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        REQUIREMENTS,
    ]);
    shell.run("install the programs for tests", &mut pip)?;
    let stamp = stamp(&folder);
    fs::write(&stamp, requirements)
        .map_err(|error| Failure::Step(format!("failed to write {}: {error}", stamp.display())))
}

/// What is here, or what `setup` would install.
pub(crate) fn state(root: &Path) -> Result<String, Failure> {
    let folder = folder()?;
    let requirements = shell::read(&root.join(REQUIREMENTS))?;
    Ok(match is_there(&folder, &requirements) {
        true => format!("{REQUIREMENTS} in {}", folder.display()),
        false => format!("`setup` would install {REQUIREMENTS} into {}", folder.display()),
    })
}

fn is_there(folder: &Path, requirements: &str) -> bool {
    fs::read_to_string(stamp(folder)).is_ok_and(|installed| installed == requirements)
}

/// Written last: what it says is installed whole. Tests read it as well.
fn stamp(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}

fn folder() -> Result<PathBuf, Failure> {
    cofferdam_toolchain::cache_folder().map(|cache| cache.join("test-servers")).ok_or_else(|| {
        let text = "failed to find a cache folder: neither XDG_CACHE_HOME nor HOME is set\nhint: export HOME";
        Failure::Prerequisite(text.into())
    })
}
