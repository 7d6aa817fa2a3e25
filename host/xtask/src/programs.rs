//! Programs that tests start, as Python's package index has them: servers on loopback and dbt, and tools of guest
//! languages. Each list is installed into a folder of its own below the cache folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Failure, Shell, say};

/// Packages with their versions, and where they go.
pub(crate) struct List {
    /// Compared with what was installed, to know whether anything must be done.
    requirements: &'static str,
    folder: &'static str,
    megabytes: u32,
}

pub(crate) const SERVERS: List =
    List { requirements: "tests/requirements.txt", folder: "test-servers", megabytes: 310 };
pub(crate) const TOOLS: List =
    List { requirements: "tests/tools-requirements.txt", folder: "test-tools", megabytes: 180 };

impl List {
    /// Installs what is missing, said before it is done. A set-up that fails half-way is begun anew by the next.
    pub(crate) fn setup(&self, shell: &mut Shell) -> Result<(), Failure> {
        let folder = self.folder()?;
        let requirements = shell::read(&shell.root.join(self.requirements))?;
        if is_there(&folder, &requirements) {
            return Ok(());
        }
        if shell::output(std::process::Command::new("python3").args(["-c", "import venv, ensurepip"]))
            .is_err()
        {
            let text = "failed to find python3 with its module venv, which programs for tests are installed with\n\
                        hint: apt-get install python3-venv (Debian, Ubuntu), dnf install python3 (Fedora)";
            return Err(Failure::Prerequisite(text.into()));
        }
        let List { requirements: list, megabytes, .. } = self;
        let place = folder.display();
        say(&format!("will install programs for tests: {list} into {place} ({megabytes} MB on disk, once)"));
        let removed = if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
        removed.map_err(|error| Failure::Step(format!("failed to remove {}: {error}", folder.display())))?;
        let mut venv = shell.command("python3");
        shell.run("make a folder for Python's packages", venv.args(["-m", "venv"]).arg(&folder))?;
        let mut pip = shell.command(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", list]);
        shell.run("install the programs for tests", &mut pip)?;
        let stamp = stamp(&folder);
        fs::write(&stamp, requirements)
            .map_err(|error| Failure::Step(format!("failed to write {}: {error}", stamp.display())))
    }

    /// What is here, or what `setup` would install.
    pub(crate) fn state(&self, root: &Path) -> Result<String, Failure> {
        let folder = self.folder()?;
        let requirements = shell::read(&root.join(self.requirements))?;
        Ok(match is_there(&folder, &requirements) {
            true => format!("{} in {}", self.requirements, folder.display()),
            false => format!("`setup` would install {} into {}", self.requirements, folder.display()),
        })
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        cofferdam_toolchain::cache_folder().map(|cache| cache.join(self.folder)).ok_or_else(|| {
            let text =
                "failed to find a cache folder: neither XDG_CACHE_HOME nor HOME is set\nhint: export HOME";
            Failure::Prerequisite(text.into())
        })
    }
}

fn is_there(folder: &Path, requirements: &str) -> bool {
    fs::read_to_string(stamp(folder)).is_ok_and(|installed| installed == requirements)
}

/// Written last: what it says is installed whole. Tests read it as well.
fn stamp(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}
