//! `cofferdam library bundle` and `unbundle`: libraries with their signatures in one file, for places without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use cofferdam_model::{Name, RunConfig};
use cofferdam_oci::{Artifact, Bundle, write_bundle};
use cofferdam_plan::Request;
use serde_json::json;

use crate::args::Global;
use crate::commands::registry::{admit, artifact, failed, make, write};
use crate::commands::{library, signature};
use crate::draft::{self, Draft, FOR_ALL, Force};
use crate::error::{Failed, Result};
use crate::output::{GREEN, Output};
use crate::prepare::present;
use crate::project::{Project, project_root};
use crate::text::count;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam library bundle libraries.tar             all libraries of the project
  cofferdam library bundle delays.tar --job delays   those that a job uses
  cofferdam library bundle one.tar lib/stats.wasm

It is an OCI image layout in a tar file: other tools can look into it as well.")]
pub(crate) struct Pack {
    /// File that is written.
    file: PathBuf,
    /// Component files, or names of libraries of the project. [default: all of the project]
    libraries: Vec<String>,
    /// Those that this job uses.
    #[arg(long, conflicts_with = "libraries")]
    job: Option<String>,
    #[command(flatten)]
    force: Force,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cofferdam library unbundle libraries.tar lib

Each library NAME becomes NAME.wasm there; signatures come into the project's folder `signatures`.")]
pub(crate) struct Unpack {
    /// The bundle.
    file: PathBuf,
    /// Folder for the components.
    folder: PathBuf,
    #[command(flatten)]
    force: Force,
}

pub(crate) async fn bundle(args: &Pack, global: &Global, output: Output) -> Result<()> {
    draft::check(&args.file, args.force)?;
    let mut packed: BTreeMap<String, Artifact> = BTreeMap::new();
    let mut digests = BTreeMap::new();
    for asked in wanted(args, global, output).await? {
        let name = name_of(&asked)?;
        let component = library::component(&asked, global, output).await?;
        digests.insert(name.clone(), component.digest);
        if packed.insert(name.to_string(), artifact(component, global, output)?).is_some() {
            return Err(Failed::usage(format!("two libraries would be called `{name}`")));
        }
    }
    let mut draft = Draft::of(&args.file, FOR_ALL, args.force)?;
    draft.write(|file| write_bundle(file, &packed))?;
    draft.finish()?;
    if output.json {
        let about = json!({ "file": args.file, "libraries": digests });
        return output.document("cofferdam.bundle/v1", about);
    }
    for (name, digest) in &digests {
        output.say(&format!("{GREEN}{name}{GREEN:#}  {digest}"));
    }
    output.answer(&format!("{} in {}", count_libraries(digests.len()), args.file.display()))
}

pub(crate) fn unbundle(args: &Unpack, global: &Global, output: Output) -> Result<()> {
    let bundle = Bundle::open(&args.file).map_err(failed)?;
    let mut libraries = BTreeMap::new();
    // Nothing is written before all of it has been looked at; it is read twice, so that it need not be held.
    for (text, manifest) in bundle.libraries().map_err(failed)? {
        let name = Name::new(&text).map_err(|error| {
            let shown = text.escape_debug();
            Failed::invalid(format!("{}: `{shown}` cannot name a library: {error}", args.file.display()))
        })?;
        let held = bundle.library(&manifest).map_err(failed)?;
        let digest = admit(&held.component, &format!("`{name}` in {}", args.file.display()))?;
        libraries.insert(name, (manifest, digest));
    }
    make(&args.folder)?;
    let path = |name: &Name| args.folder.join(format!("{name}.wasm"));
    for name in libraries.keys() {
        draft::check(&path(name), args.force)?;
    }
    let project = project_root(global).ok();
    for (name, (manifest, digest)) in &libraries {
        let held = bundle.library(manifest).map_err(failed)?;
        write(&path(name), &held.component, args.force)?;
        let n = signature::keep(project.as_deref(), *digest, &held.signatures, output)?;
        output.say(&format!("{GREEN}{name}{GREEN:#}  {digest}, {}", count(n, "signature")));
    }
    if output.json {
        let digests: BTreeMap<_, _> = libraries.iter().map(|(name, (_, digest))| (name, digest)).collect();
        let about = json!({ "folder": args.folder, "libraries": digests });
        return output.document("cofferdam.bundle/v1", about);
    }
    output.answer(&format!("{} in {}", count_libraries(libraries.len()), args.folder.display()))
}

fn count_libraries(n: usize) -> String {
    if n == 1 { "1 library".to_owned() } else { format!("{n} libraries") }
}

/// What is to be packed, as it is asked for.
async fn wanted(args: &Pack, global: &Global, output: Output) -> Result<Vec<String>> {
    if !args.libraries.is_empty() {
        return Ok(args.libraries.clone());
    }
    let project = Project::open(global, output)?;
    let names: BTreeSet<Name> = match &args.job {
        None => project.definitions.libraries.keys().cloned().collect(),
        Some(job) => used(&project, &project.job(Some(job))?).await?,
    };
    match names.is_empty() {
        true => Err(Failed::invalid("the project has no library").hint("name component files")),
        false => Ok(names.iter().map(ToString::to_string).collect()),
    }
}

/// The libraries of a job in whichever environment it will run.
async fn used(project: &Project, job: &Name) -> Result<BTreeSet<Name>> {
    let present = present(project).await?;
    let (definitions, config) = (&project.definitions, RunConfig::default());
    let environments = definitions.environments.keys().map(Some).chain([None]);
    let used = environments.flat_map(|environment| {
        let request = Request { environment, ..Request::job(job, &config) };
        cofferdam_plan::libraries_used(definitions, request, &present)
    });
    Ok(used.collect())
}

/// The name of a library of the project is its own, that of a file is its file's.
fn name_of(asked: &str) -> Result<Name> {
    let path = Path::new(asked);
    let stem = if path.is_file() { path.file_stem().and_then(|stem| stem.to_str()) } else { Some(asked) };
    let name = stem.and_then(|stem| Name::new(stem).ok());
    name.ok_or_else(|| {
        Failed::usage(format!("`{asked}` cannot name a library in a bundle"))
            .hint("names have letters, digits and `_`; rename the file")
    })
}
