//! The libraries of a project: builds those that are crates, takes those that are files, puts both into the
//! depot, and asks each for its description.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use cofferdam_depot::Depot;
use cofferdam_model::{LibraryDef, LibraryDigest, LibrarySource, Name};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{CYAN, Output};
use crate::project::{Project, shown};

/// Target of every guest.
const TARGET: &str = "wasm32-wasip2";

/// What the last build of a crate gave, kept so that a run does not have to start cargo.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    component: PathBuf,
    digest: LibraryDigest,
    /// Every file that the build read, as cargo's dep-info lists them.
    inputs: Vec<PathBuf>,
}

/// A library of the project, in the depot.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) name: Name,
    pub(crate) digest: LibraryDigest,
    pub(crate) component: PathBuf,
}

/// Makes sure that every library of the project is in the depot in its newest form. `always` starts cargo
/// even if nothing seems to have changed.
pub(crate) async fn prepare(
    project: &Project,
    depot: &Depot,
    always: bool,
    output: Output,
) -> Result<Vec<Ready>> {
    let mut ready = vec![];
    for (name, library) in &project.definitions.libraries {
        ready.push(prepare_one(project, depot, name, library, always, output).await?);
    }
    Ok(ready)
}

/// Like [`prepare`], for one library.
pub(crate) async fn prepare_one(
    project: &Project,
    depot: &Depot,
    name: &Name,
    library: &LibraryDef,
    always: bool,
    output: Output,
) -> Result<Ready> {
    match &library.source.value {
        LibrarySource::Wasm(path) => {
            let component = project.root.join(path);
            let digest = put(depot, name, &component).await?;
            Ok(Ready { name: name.clone(), digest, component })
        }
        LibrarySource::Crate(path) => {
            let stamp_path = project.state.builds().join(format!("{name}.json"));
            if !always
                && let Some(stamp) = fresh(&stamp_path)
                && depot.contains(&stamp.digest).await.doing(Exit::Unreachable, "look into the depot")?
            {
                let Stamp { component, digest, .. } = stamp;
                return Ok(Ready { name: name.clone(), digest, component });
            }
            let folder = project.root.join(path);
            let component = build_crate(name, &folder, output)?;
            let digest = put(depot, name, &component).await?;
            let stamp = Stamp { inputs: inputs_of(&component, &folder), component, digest };
            write_stamp(&stamp_path, &stamp)?;
            Ok(Ready { name: name.clone(), digest, component: stamp.component })
        }
    }
}

async fn put(depot: &Depot, name: &Name, component: &Path) -> Result<LibraryDigest> {
    let what = || format!("read the library `{name}` from {}", shown(component));
    let metadata = std::fs::metadata(component).doing(Exit::Invalid, what())?;
    if !metadata.is_file() {
        return Err(Failed::invalid(format!("failed to {}: it is not a file", what())));
    }
    let limit = cofferdam_model::LIBRARY_BYTES_MAX;
    if metadata.len() > limit {
        let size = metadata.len();
        return Err(Failed::invalid(format!(
            "failed to {}: it has {size} bytes, {limit} are allowed",
            what()
        )));
    }
    let bytes = std::fs::read(component).doing(Exit::Invalid, what())?;
    depot.put(bytes.into()).await.doing(Exit::Unreachable, format!("put the library `{name}` into the depot"))
}

/// The stamp, if nothing that the build read has changed since it was written.
fn fresh(stamp_path: &Path) -> Option<Stamp> {
    let stamp: Stamp = serde_json::from_slice(&std::fs::read(stamp_path).ok()?).ok()?;
    let built = modified(stamp_path)?;
    let unchanged = |path: &PathBuf| modified(path).is_some_and(|changed| changed <= built);
    let fresh = stamp.inputs.iter().chain([&stamp.component]).all(unchanged);
    fresh.then_some(stamp)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn write_stamp(path: &Path, stamp: &Stamp) -> Result<()> {
    let doing = || format!("note the build in {}", path.display());
    let folder = path.parent().expect("a stamp is in the folder of builds");
    std::fs::create_dir_all(folder).doing(Exit::Unreachable, doing())?;
    let text = serde_json::to_vec(stamp).expect("a stamp can be written as JSON");
    std::fs::write(path, text).doing(Exit::Unreachable, doing())
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

/// Runs cargo for the guest's target; gives the component's path. The compiler's own messages go through.
fn build_crate(name: &Name, folder: &Path, output: Output) -> Result<PathBuf> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(Failed::invalid(format!(
            "library `{name}`: there is no Cargo.toml in {}",
            shown(folder)
        ))
        .hint("`crate` names the folder of a Rust crate"));
    }
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if output.quiet || output.json {
        command.arg("--quiet");
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    guest_toolchain(output)?.configure(&mut command);
    output.say(&format!("{CYAN}building{CYAN:#} {name} ({})", shown(folder)));
    let mut child = command.spawn().map_err(|error| {
        Failed::new(Exit::Prerequisite, "failed to start cargo")
            .because(&error)
            .hint("cargo comes with Rust: install it with rustup")
    })?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let component = BufReader::new(stdout)
        .lines()
        .map_while(|line| line.ok())
        .filter_map(|line| built_component(&line))
        .last();
    let status = child.wait().doing(Exit::Internal, "wait for cargo")?;
    if !status.success() {
        return Err(Failed::invalid(format!("library `{name}` does not build"))
            .hint("the compiler's messages are above"));
    }
    component.ok_or_else(|| {
        Failed::invalid(format!("library `{name}` builds, but into no component"))
            .hint("add `crate-type = [\"cdylib\", \"rlib\"]` to the section [lib] of its Cargo.toml")
    })
}

/// The component that one of cargo's messages announces.
fn built_component(line: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    (message.reason == "compiler-artifact").then(|| message.filenames.into_iter().find(is_component))?
}

/// The compiler for guests; prepared first, with words, if it is not there.
fn guest_toolchain(output: Output) -> Result<cofferdam_toolchain::GuestToolchain> {
    let prerequisite = |error: cofferdam_toolchain::Error| {
        Failed::new(Exit::Prerequisite, "there is no compiler for ops written in Rust").because(&error)
    };
    let choice = cofferdam_toolchain::Choice::from_env().map_err(prerequisite)?;
    cofferdam_toolchain::prepare(&choice, &mut |line: &str| output.say(line)).map_err(prerequisite)
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
}
