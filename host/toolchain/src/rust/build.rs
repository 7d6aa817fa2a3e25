//! Builds a crate into a component, and runs its tests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::guest::RELAXED_SIMD;
use super::{Choice, RUSTFLAGS, TARGET};
use crate::{BuildError, Built, Error, Source};

/// Builds the crate in the source's folder. cargo's own messages go to stderr as they are.
pub fn build(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    check(source.folder)?;
    let toolchain = super::prepare(&Choice::from_env()?, say)?;
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if source.quiet {
        command.arg("--quiet");
    }
    toolchain.configure(&mut command);
    if wants_relaxed_simd(source.folder)? {
        command.env("RUSTFLAGS", RUSTFLAGS.to_owned() + RELAXED_SIMD);
    }
    let component = components(command.current_dir(source.folder))?.pop();
    let component = component.ok_or_else(|| BuildError::Source {
        message: "it builds, but into no component".to_owned(),
        hint: "add `crate-type = [\"cdylib\", \"rlib\"]` to the section [lib] of its Cargo.toml".to_owned(),
    })?;
    Ok(Built { inputs: inputs_of(&component, source.folder), component })
}

/// Runs the crate's own tests, natively. What they print goes to stderr.
pub fn test(source: &Source<'_>) -> Result<(), BuildError> {
    check(source.folder)?;
    let mut command = Command::new("cargo");
    command.arg("test").current_dir(source.folder).stdin(Stdio::null()).stdout(std::io::stderr());
    if source.quiet {
        command.arg("--quiet");
    }
    let status = command.status().map_err(|_| no_cargo())?;
    if status.success() { Ok(()) } else { Err(BuildError::tests()) }
}

fn check(folder: &Path) -> Result<(), BuildError> {
    if folder.join("Cargo.toml").is_file() {
        return Ok(());
    }
    Err(BuildError::Source {
        message: format!("there is no Cargo.toml in {}", folder.display()),
        hint: "`crate` names the folder of a Rust crate".to_owned(),
    })
}

/// Whether the crate's manifest has `relaxed-simd = true` under `[package.metadata.cofferdam]`.
fn wants_relaxed_simd(folder: &Path) -> Result<bool, BuildError> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|_| no_cargo())?;
    if !output.status.success() {
        return Err(BuildError::refused());
    }
    let manifest = folder.join("Cargo.toml").canonicalize().unwrap_or_default();
    relaxed_simd(&output.stdout, &manifest)
}

/// The wish of the crate with that manifest, in what `cargo metadata` says.
fn relaxed_simd(metadata: &[u8], manifest: &Path) -> Result<bool, BuildError> {
    let metadata: Value = serde_json::from_slice(metadata).unwrap_or_default();
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["manifest_path"].as_str().map(Path::new) == Some(manifest));
    let known = package.map_or(&Value::Null, |package| &package["metadata"]["cofferdam"]);
    let wrong = |key: &str| BuildError::Source {
        message: format!("[package.metadata.cofferdam] of its Cargo.toml has no `{key}`"),
        hint: "it may have `relaxed-simd = true` and nothing else".to_owned(),
    };
    let mut wanted = false;
    for (key, value) in known.as_object().into_iter().flatten() {
        wanted = match (key.as_str(), value) {
            ("relaxed-simd", Value::Bool(wanted)) => *wanted,
            _ => return Err(wrong(&format!("{key} = {value}"))),
        };
    }
    Ok(wanted)
}

fn no_cargo() -> Error {
    Error::ProgramMissing { program: "cargo".to_owned(), purpose: "build ops written in Rust" }
}

/// Runs cargo to its end; the components that it announces.
fn components(cargo: &mut Command) -> Result<Vec<PathBuf>, BuildError> {
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|_| no_cargo())?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let lines = BufReader::new(stdout).lines().map_while(|line| line.ok());
    let found = lines.filter_map(|line| built_component(&line)).collect();
    let ended = child.wait().is_ok_and(|status| status.success());
    if ended { Ok(found) } else { Err(BuildError::refused()) }
}

/// The component that one of cargo's messages announces.
fn built_component(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}

/// Files that the component was made from: cargo's dep-info beside it, and the manifests.
fn inputs_of(component: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut inputs = vec![folder.join("Cargo.toml"), folder.join("Cargo.lock")];
    if let Ok(text) = std::fs::read_to_string(component.with_extension("d")) {
        inputs.extend(dep_info(&text).map(PathBuf::from));
    }
    inputs
}

/// Paths after the colon of a dep-info line; a space within a path is written `\ `.
fn dep_info(text: &str) -> impl Iterator<Item = String> {
    let list = text.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, list)| list);
    let marked = list.replace("\\ ", "\0");
    let paths: Vec<String> =
        marked.split(' ').filter(|path| !path.is_empty()).map(|path| path.replace('\0', " ")).collect();
    paths.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dep_info_lists_paths_with_spaces() {
        let text = "/t/ops.wasm: /a/src/lib.rs /a/my\\ file.rs\n\n/a/src/lib.rs:\n";
        assert_eq!(dep_info(text).collect::<Vec<_>>(), ["/a/src/lib.rs", "/a/my file.rs"]);
        assert_eq!(dep_info("").count(), 0);
    }

    #[test]
    fn the_component_is_found_among_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","filenames":["/t/libops.rlib","/t/ops.wasm"]}"#;
        assert_eq!(built_component(line), Some(PathBuf::from("/t/ops.wasm")));
        assert_eq!(built_component(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(built_component("no JSON"), None);
    }

    #[test]
    fn relaxed_simd_is_for_crates_that_ask_for_it() {
        let asked = |metadata: &str| {
            let metadata = format!(
                r#"{{"packages": [{{"manifest_path": "/o/Cargo.toml", "metadata": null}},
                    {{"manifest_path": "/a/Cargo.toml", "metadata": {metadata}}}]}}"#
            );
            relaxed_simd(metadata.as_bytes(), Path::new("/a/Cargo.toml"))
        };
        assert!(asked(r#"{"cofferdam": {"relaxed-simd": true}}"#).unwrap());
        assert!(!asked(r#"{"cofferdam": {"relaxed-simd": false}}"#).unwrap());
        assert!(!asked(r#"{"other": {"x": 1}}"#).unwrap());
        assert!(!asked("null").unwrap());
        for wrong in [r#"{"relaxed_simd": true}"#, r#"{"relaxed-simd": "yes"}"#] {
            let Err(BuildError::Source { message, .. }) = asked(&format!(r#"{{"cofferdam": {wrong}}}"#))
            else {
                panic!("{wrong} is taken");
            };
            assert!(message.contains("[package.metadata.cofferdam]"), "{message}");
        }
    }
}
