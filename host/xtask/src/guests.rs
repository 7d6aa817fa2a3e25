//! Builds the guests that tests run: every library of the workspace `tests/guests` and the ops of examples,
//! into `target/guests/NAME.wasm`.

use crate::shell::{self, Failure, Shell};
use cofferdam_toolchain::rust::{GuestToolchain, TARGET};
use std::fs;
use std::path::{Path, PathBuf};

/// The workspaces whose libraries are built.
const WORKSPACES: [&str; 4] = [
    "tests/guests/Cargo.toml",
    "examples/tutorial/ops/Cargo.toml",
    "examples/dbt/ops/Cargo.toml",
    "examples/array/ops/Cargo.toml",
];

/// Where tests find the guests unless `COFFERDAM_TEST_GUESTS` says otherwise.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("target/guests")
}

/// Builds them and replaces what was there before, so that no guest outlives its source.
pub(crate) fn build(shell: &mut Shell, toolchain: &GuestToolchain) -> Result<(), Failure> {
    let root = shell.root.clone();
    let built = root.join("target/guests-build");
    for manifest in WORKSPACES {
        let mut cargo = shell.command("cargo");
        toolchain.configure(&mut cargo);
        cargo
            .args(["build", "--quiet", "--release", "--workspace", "--target", TARGET, "--manifest-path"])
            .arg(root.join(manifest));
        cargo.env("CARGO_TARGET_DIR", &built);
        shell.run(&format!("build the guests of {manifest}"), &mut cargo)?;
    }

    let to = folder(&root);
    let copied = (|| -> std::io::Result<()> {
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        fs::create_dir_all(&to)
    })();
    copied.map_err(|error| Failure::Step(format!("failed to empty {}: {error}", to.display())))?;
    for manifest in WORKSPACES {
        for name in names(shell, &root.join(manifest))? {
            let from = built.join(TARGET).join("release").join(format!("{name}.wasm"));
            fs::copy(&from, to.join(format!("{name}.wasm")))
                .map_err(|error| Failure::Step(format!("failed to copy {}: {error}", from.display())))?;
        }
    }
    Ok(())
}

/// The file names that cargo gives to the libraries of the guests' workspace.
fn names(shell: &Shell, manifest: &Path) -> Result<Vec<String>, Failure> {
    let mut cargo = shell.command("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let text = shell::output(&mut cargo)?;
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::Step(format!("failed to read cargo's metadata: {error}")))?;
    let targets = metadata["packages"].as_array().into_iter().flatten().flat_map(|package| {
        package["targets"].as_array().into_iter().flatten().filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        })
    });
    Ok(targets.filter_map(|target| target["name"].as_str()).map(|name| name.replace('-', "_")).collect())
}
