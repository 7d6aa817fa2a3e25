//! The libraries of a project: builds those that are source, takes those that are files, in a registry or
//! on a channel, and puts them into the depot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_depot::Depot;
use cofferdam_model::{Channel, Language, LibraryDef, LibraryDigest, LibrarySource, Name, ValueDigest};
use cofferdam_toolchain::{BuildError, Built, Source, c, fingerprint, go, javascript, python, rust};
use serde::{Deserialize, Serialize};

use crate::commands::channel;
use crate::commands::registry::{self, Access};
use crate::draft::Force;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{CYAN, Output};
use crate::project::{Project, shown};

/// What builds libraries: another version of this program, or of the SDKs in it, may build differently.
fn built_by() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), fingerprint())
}

/// What the last build of a library gave, kept so that a run does not have to start its language's tools or ask a registry.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    /// What built it, or the reference that it was pulled by.
    built_by: String,
    component: PathBuf,
    digest: LibraryDigest,
    /// All that the build read, as it was.
    inputs: BTreeMap<PathBuf, Option<ValueDigest>>,
}

/// A library of the project, in the depot.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) name: Name,
    pub(crate) digest: LibraryDigest,
    pub(crate) component: PathBuf,
}

/// The libraries that a command names; all of them if it names none.
pub(crate) fn chosen<'a>(project: &'a Project, asked: &[String]) -> Result<Vec<(&'a Name, &'a LibraryDef)>> {
    let known = &project.definitions.libraries;
    if let Some(unknown) = asked.iter().find(|asked| !known.keys().any(|name| name.as_str() == *asked)) {
        let names: Vec<&str> = known.keys().map(|name| name.as_str()).collect();
        return Err(Failed::usage(format!("there is no library `{unknown}`"))
            .hint(format!("known: {}", names.join(", "))));
    }
    let named = |name: &Name| asked.is_empty() || asked.iter().any(|asked| name.as_str() == asked);
    Ok(known.iter().filter(|(name, _)| named(name)).collect())
}

/// Makes sure that a library of the project is in the depot in its newest form. `always` builds even if nothing has
/// changed.
pub(crate) async fn prepare(
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
        LibrarySource::Registry(reference) => pulled(project, depot, name, reference, output).await,
        LibrarySource::Channel(on) => promoted(project, depot, name, on).await,
        LibrarySource::Source { language, folder } => {
            let stamp_path = project.state.builds().join(format!("{name}.json"));
            if !always && let Some(ready) = current(&stamp_path, &built_by(), depot, name).await? {
                return Ok(ready);
            }
            let Built { component, inputs } = build(project, name, *language, folder, output)?;
            let digest = put(depot, name, &component).await?;
            let stamp = Stamp { built_by: built_by(), inputs: digests(inputs), component, digest };
            stamp.write(&stamp_path)?;
            Ok(Ready { name: name.clone(), digest, component: stamp.component })
        }
    }
}

/// What the last build gave, if it would give the same again and that is in the depot still.
async fn current(stamp: &Path, by: &str, depot: &Depot, name: &Name) -> Result<Option<Ready>> {
    let Some(Stamp { component, digest, .. }) = Stamp::current(stamp, by) else { return Ok(None) };
    let is_there = depot.contains(&digest).await.doing(Exit::Unreachable, "look into the depot")?;
    Ok(is_there.then(|| Ready { name: name.clone(), digest, component }))
}

/// A library from a registry, which is asked once: the reference says which bytes they are.
async fn pulled(
    project: &Project,
    depot: &Depot,
    name: &Name,
    reference: &str,
    output: Output,
) -> Result<Ready> {
    let reference = registry::read(reference)?;
    let stamp_path = project.state.builds().join(format!("{name}.json"));
    if let Some(ready) = current(&stamp_path, &reference.to_string(), depot, name).await? {
        return Ok(ready);
    }
    output.say(&format!("{CYAN}pulling{CYAN:#} {name} ({reference})"));
    let access = Access::of_environment()?;
    let pulled = registry::fetch(&reference, &access, Some(&project.root), output).await?;
    let component = project.state.builds().join(name.as_str()).join("library.wasm");
    keep(&component, &pulled.bytes)?;
    let digest = put(depot, name, &component).await?;
    let inputs = digests(vec![component.clone()]);
    Stamp { built_by: reference.to_string(), inputs, component: component.clone(), digest }
        .write(&stamp_path)?;
    Ok(Ready { name: name.clone(), digest, component })
}

/// Writes a component where the project's builds are.
fn keep(component: &Path, bytes: &[u8]) -> Result<()> {
    registry::make(component.parent().expect("each library has a folder there"))?;
    registry::write(component, bytes, Force { force: true })
}

/// The library that a channel is on now: whoever plans a run is pinned to it.
async fn promoted(project: &Project, depot: &Depot, name: &Name, on: &Channel) -> Result<Ready> {
    let digest = channel::newest(&project.site, on).await?.library;
    if !depot.contains(&digest).await.doing(Exit::Unreachable, "look into the depot")? {
        let doing = || format!("get what the channel `{on}` is on");
        let bytes = project.site.depot()?.get(&digest).await.doing(Exit::Unreachable, doing())?;
        depot.put(bytes).await.doing(Exit::Unreachable, doing())?;
    }
    let component = project.state.builds().join(name.as_str()).join("library.wasm");
    let is_current = std::fs::read(&component).is_ok_and(|bytes| cofferdam_depot::digest(&bytes) == digest);
    if !is_current {
        let bytes = depot.get(&digest).await.doing(Exit::Unreachable, "look into the depot")?;
        keep(&component, &bytes)?;
    }
    Ok(Ready { name: name.clone(), digest, component })
}

/// Builds a library from its source. The messages of its language's tools go through.
fn build(project: &Project, name: &Name, language: Language, folder: &Path, output: Output) -> Result<Built> {
    let folder = project.root.join(folder);
    output.say(&format!("{CYAN}building{CYAN:#} {name} ({})", shown(&folder)));
    let out = project.state.builds().join(name.as_str());
    let source = Source { folder: &folder, out: &out, quiet: output.quiet || output.json };
    let say = &mut |line: &str| output.say(line);
    let built = match language {
        Language::Rust => rust::build(&source, say),
        Language::Python => python::build(&source, say),
        Language::JavaScript => javascript::build(&source, say),
        Language::C => c::build(&source, say),
        Language::Go => go::build(&source, say),
    };
    built.map_err(|error| failed(name, language, error))
}

/// Runs the tests that the author of a library wrote, natively.
pub(crate) fn test(
    project: &Project,
    name: &Name,
    language: Language,
    folder: &Path,
    output: Output,
) -> Result<()> {
    let folder = project.root.join(folder);
    output.say(&format!("{CYAN}testing{CYAN:#} {name} ({})", shown(&folder)));
    let out = project.state.builds().join(name.as_str());
    let source = Source { folder: &folder, out: &out, quiet: output.quiet || output.json };
    let say = &mut |line: &str| output.say(line);
    let tested = match language {
        Language::Rust => rust::test(&source),
        Language::Python => python::test(&source, say),
        Language::JavaScript => javascript::test(&source, say),
        Language::C => c::test(&source),
        Language::Go => go::test(&source, say),
    };
    tested.map_err(|error| failed(name, language, error))
}

fn failed(name: &Name, language: Language, error: BuildError) -> Failed {
    match error {
        BuildError::Tools(error) => {
            let message = format!("there are no tools for ops written in {}", language.title());
            let failed = Failed::new(Exit::Prerequisite, message).because(&error);
            failed.hint(error.hint())
        }
        BuildError::Source { message, hint } => {
            Failed::invalid(format!("library `{name}`: {message}")).hint(hint)
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

impl Stamp {
    /// The stamp, if the same made it and nothing that was read for it has changed since.
    fn current(path: &Path, by: &str) -> Option<Stamp> {
        let stamp: Stamp = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let unchanged = stamp.inputs.iter().all(|(path, digest)| digest_of(path) == *digest);
        (stamp.built_by == by && unchanged && stamp.component.is_file()).then_some(stamp)
    }

    fn write(&self, path: &Path) -> Result<()> {
        let doing = || format!("note the build in {}", path.display());
        let folder = path.parent().expect("a stamp is in the folder of builds");
        std::fs::create_dir_all(folder).doing(Exit::Unreachable, doing())?;
        let text = serde_json::to_vec(self).expect("a stamp can be written as JSON");
        std::fs::write(path, text).doing(Exit::Unreachable, doing())
    }
}

fn digests(inputs: Vec<PathBuf>) -> BTreeMap<PathBuf, Option<ValueDigest>> {
    inputs.into_iter().map(|path| (path.clone(), digest_of(&path))).collect()
}

/// Of a file its bytes, of a folder the names in it; none if there is nothing.
fn digest_of(path: &Path) -> Option<ValueDigest> {
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let names: Vec<_> = names.iter().map(|name| name.as_encoded_bytes()).collect();
        return Some(ValueDigest::of(&names.join(&b'\n')));
    }
    Some(ValueDigest::of(&std::fs::read(path).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_current_until_a_file_or_a_list_of_files_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let [source, component, path] = ["a.py", "a.wasm", "stamp.json"].map(|name| folder.path().join(name));
        let modules = folder.path().join("modules");
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file can be written");
        std::fs::create_dir(&modules).expect("a folder can be made");
        write(&source, "one");
        write(&component, "");
        let stamp = Stamp {
            built_by: built_by(),
            inputs: digests(vec![source.clone(), modules.clone(), folder.path().join("absent")]),
            component: component.clone(),
            digest: format!("sha256:{}", "0".repeat(64)).parse().expect("a digest"),
        };
        stamp.write(&path).expect("a stamp can be written");
        let current = || Stamp::current(&path, &built_by()).is_some();
        assert!(current());
        write(&source, "one");
        assert!(current(), "the same text again is no change");
        write(&source, "two");
        assert!(!current());
        write(&source, "one");
        write(&modules.join("b.py"), "");
        assert!(!current());
        std::fs::remove_file(modules.join("b.py")).expect("a file can be removed");
        assert!(current());
        write(&folder.path().join("absent"), "");
        assert!(!current());
        std::fs::remove_file(folder.path().join("absent")).expect("a file can be removed");
        std::fs::remove_file(&component).expect("a file can be removed");
        assert!(!current());
    }
}
