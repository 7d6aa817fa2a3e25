//! The crate map: who may use whom. Compares the table in `host/ARCHITECTURE.md` with `cargo metadata`.
//!
//! Dev-dependencies are free: a test may join what the code keeps apart.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Outside crates (by the start of their names) that stay behind few of ours, so that they can be replaced there.
const CONFINED: [(&str, &[&str]); 8] = [
    ("wasmtime", &["sandbox"]),
    ("object_store", &["io", "depot", "resources", "client"]),
    ("rusqlite", &["runlog", "resources"]),
    ("reqwest", &["client", "egress", "io", "notify", "oci", "resources", "telemetry"]),
    ("lettre", &["notify"]),
    ("tokio-postgres", &["postgres", "resources", "runlog"]),
    ("prost", &["wire", "tests/hostile"]),
    ("tonic", &["wire", "server", "client", "tests/hostile"]),
];

/// The core computes; only shells await.
const WITHOUT_TOKIO: [&str; 5] = ["model", "plan", "engine", "config", "automation"];

/// Workspace packages by folder, with their direct dependencies by the names of the packages.
type Packages = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(architecture: &str, metadata: &Value, root: &Path) -> Vec<String> {
    let (packages, folders) = packages(metadata, root);
    compare(&map(architecture), &packages, &folders)
}

/// Per crate, the crates that it may use: the first and third column of the table.
fn map(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = architecture.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let names = |cell: Option<&&str>| -> BTreeSet<String> {
            let quoted = cell.copied().unwrap_or_default().split('`').skip(1).step_by(2);
            quoted.map(str::to_owned).collect()
        };
        (names(cells.first()).into_iter().next().unwrap_or_default(), names(cells.get(2)))
    })
    .collect()
}

/// The packages of the workspace, and the folder of each package name.
fn packages(metadata: &Value, root: &Path) -> (Packages, BTreeMap<String, String>) {
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut packages = Packages::new();
    let mut folders = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if !package["id"].as_str().is_some_and(|id| members.contains(id)) {
            continue;
        }
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(manifest);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        let folder = folder.strip_prefix("host").unwrap_or(folder).display().to_string();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let names = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let names = names.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
        folders.insert(package["name"].as_str().unwrap_or_default().to_owned(), folder.clone());
        packages.insert(folder, names);
    }
    (packages, folders)
}

fn compare(
    map: &BTreeMap<String, BTreeSet<String>>,
    packages: &Packages,
    folders: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (folder, dependencies) in packages {
        let Some(allowed) = map.get(folder) else {
            findings.push(format!(
                "the crate `{folder}` has no row in host/ARCHITECTURE.md: add it with what it may use"
            ));
            continue;
        };
        for dependency in dependencies {
            match folders.get(dependency) {
                Some(used) if !allowed.contains(used) => findings.push(format!(
                    "`{folder}` uses `{used}`, which the crate map does not allow: join them in a shell, or change host/ARCHITECTURE.md"
                )),
                Some(_) => {}
                None => findings.extend(confined(folder, dependency)),
            }
        }
    }
    let gone = map.keys().filter(|folder| !packages.contains_key(*folder));
    findings.extend(gone.map(|folder| {
        format!("host/ARCHITECTURE.md has a row for `{folder}`, which is no crate: remove it")
    }));
    findings
}

fn confined(folder: &str, dependency: &str) -> Option<String> {
    if dependency == "tokio" && WITHOUT_TOKIO.contains(&folder) {
        return Some(format!("`{folder}` depends on tokio: it computes, awaiting is for shells"));
    }
    let (name, homes) = CONFINED.iter().find(|(name, _)| dependency.starts_with(name))?;
    (!homes.contains(&folder)).then(|| match homes {
        [] => format!("`{folder}` depends on `{dependency}`: no crate may name {name}"),
        homes => {
            format!("`{folder}` depends on `{dependency}`: only {} may name {name}", homes.join(" and "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "| crate | owns | may use | does not know |\n|---|---|---|---|\n\
        | `model` | words | – | time |\n| `plan` | plans | `model` | wasmtime |\n| `sandbox` | guests | `model` | |\n";

    fn findings(packages: &[(&str, &[&str])]) -> Vec<String> {
        let folders =
            packages.iter().map(|(folder, _)| (format!("cofferdam-{folder}"), folder.to_string())).collect();
        let packages = packages
            .iter()
            .map(|(folder, names)| (folder.to_string(), names.iter().map(|name| name.to_string()).collect()))
            .collect();
        compare(&map(MAP), &packages, &folders)
    }

    #[test]
    fn a_workspace_that_keeps_to_the_map_is_tidy() {
        let found = findings(&[
            ("model", &["serde"]),
            ("plan", &["cofferdam-model"]),
            ("sandbox", &["cofferdam-model", "wasmtime", "tokio"]),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_dependency_that_the_map_does_not_allow_is_found() {
        let found = findings(&[
            ("model", &["cofferdam-plan", "tokio"]),
            ("plan", &["wasmtime-wasi", "prost", "object_store"]),
            ("sandbox", &[]),
        ]);
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(found[0].starts_with("`model` uses `plan`"), "{found:#?}");
        assert!(found.iter().any(|line| line.contains("only sandbox may name wasmtime")), "{found:#?}");
        assert!(
            found.iter().any(|line| line.contains("only wire and tests/hostile may name prost")),
            "{found:#?}"
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let found = findings(&[("model", &[]), ("plan", &[]), ("extra", &[])]);
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].contains("`extra` has no row") && found[1].contains("`sandbox`"), "{found:#?}");
    }
}
