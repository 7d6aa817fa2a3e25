//! Python's package index, which has tools that are no Python too.

use std::path::Path;
use std::process::Command;

use crate::{Error, run};

/// Whether this machine can ask it.
pub(crate) fn is_there() -> bool {
    run::output("install tools", pip().arg("--version")).is_ok()
}

/// Unpacks one package, as it was built by its authors, into a folder.
pub(crate) fn install(package: &str, folder: &Path, purpose: &'static str) -> Result<(), Error> {
    let mut install = pip();
    install.args(["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]);
    run::output(purpose, install.arg(folder).arg(package)).map(drop)
}

fn pip() -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check"]);
    pip
}
