//! From a project to a plan: libraries built and described, files read, everything checked.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{
    AssetKey, Diagnostic, KeyedValue, LibraryDigest, LibrarySpec, Name, PartitionsKind, Plan, RunConfig,
    ValueRef,
};
use cofferdam_plan::{
    Address, Catalog, Executor, FileForm, FileSource, Files, Libraries, Present, Request, Target, World,
};
use cofferdam_scheduler::system_time;
use tempfile::NamedTempFile;

use crate::args::{At, Given, JobArgs};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::given;
use crate::instance;
use crate::libraries;
use crate::mapping;
use crate::output::Output;
use crate::project::{Project, read_text, shown, sort_out};
use crate::selected;
use crate::site::{Site, There};

/// Most files that one pattern may stand for.
const FILES_PER_PATTERN_MAX: usize = 10_000;

/// A plan and what it was made from.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) project: Project,
    /// Those that the plan may use.
    pub(crate) libraries: Libraries,
}

/// What to do with the files that a job reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Only compute their digests, as a plan that will not run needs.
    Digest,
    /// Take them into the value store.
    Import,
}

/// What to make a plan of.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A job or an asset job, and which of its ops.
    Job { name: Name, selection: Vec<String> },
    /// The assets that the expressions select.
    Assets(Vec<String>),
}

/// Compiles the plan of a job, or refuses with everything that is wrong. The run config may say where it runs, unless
/// `at` does; without `at` it is not asked.
pub(crate) async fn prepare(
    project: Project,
    args: &JobArgs,
    at: Option<&At>,
    reading: Reading,
    output: Output,
) -> Result<Prepared> {
    let name = project.job(args.job.as_deref())?;
    let wanted = Wanted::Job { name, selection: args.selection.clone() };
    let mut project = project;
    let (run_config, found) = read_config(&args.given, &mut project.texts)?;
    project.texts = sort_out(std::mem::take(&mut project.texts), found, output)?;
    if let (Some(at), Wanted::Job { name, .. }) = (at, &wanted) {
        let environment = environment(args.given.environment.as_deref())?;
        let request = Request { environment: environment.as_ref(), ..Request::job(name, &run_config) };
        let executor = cofferdam_plan::executor(&project.definitions, request);
        if let (None, Some(Executor::Cluster(address))) = (&at.cluster, executor) {
            let there = There::new(&text_of(address)?, &at.token, Some(project.state.clone()))?;
            project.site = Site::There(there);
        }
    }
    prepare_wanted(project, &wanted, &args.given, &run_config, reading, output).await
}

/// The address of a cluster that a run config names.
fn text_of(address: Address) -> Result<String> {
    match address {
        Address::Text(text) => Ok(text),
        Address::Env(name) => std::env::var(&name).map_err(|_| {
            let message =
                format!("the run config takes the cluster's address from `{name}`, which is not set");
            Failed::usage(message)
                .hint(format!("set {name} to HOST:PORT, or name the cluster with `--cluster`"))
        }),
    }
}

/// The same for anything that can be run, with the run config read already.
pub(crate) async fn prepare_wanted(
    project: Project,
    wanted: &Wanted,
    given: &Given,
    run_config: &RunConfig,
    reading: Reading,
    output: Output,
) -> Result<Prepared> {
    let (mut prepared, warnings) = compile(project, wanted, given, run_config, reading, output).await?;
    prepared.project.texts = sort_out(std::mem::take(&mut prepared.project.texts), warnings, output)?;
    Ok(prepared)
}

/// The same with its warnings, for whoever shows them elsewhere.
pub(crate) async fn compile(
    project: Project,
    wanted: &Wanted,
    given: &Given,
    run_config: &RunConfig,
    reading: Reading,
    output: Output,
) -> Result<(Prepared, Vec<Diagnostic>)> {
    match wanted {
        Wanted::Job { selection, .. } => selected::say(selection, &cofferdam_select::OPS, output),
        Wanted::Assets(selection) => selected::say(selection, &cofferdam_select::ASSETS, output),
    }
    let environment = environment(given.environment.as_deref())?;
    let (target, selection) = match wanted {
        Wanted::Job { name, selection } => (Target::Job(name), selection.as_slice()),
        Wanted::Assets(selection) => (Target::Assets(selection), [].as_slice()),
    };
    let request = Request {
        target,
        run_config,
        environment: environment.as_ref(),
        selection,
        partition: given.partition.as_deref(),
    };
    let present = present(&project).await?;
    let libraries = describe_used(&project, request, &present, output).await?;
    let mappings = match mapping::run_all(&project, &libraries, request, &present).await {
        Ok(mappings) => mappings,
        Err(problems) => return Err(Failed::diagnosed(project.texts, problems)),
    };
    // What is wrong with the sources is said again, with everything else, when the plan is compiled.
    let (sources, _) =
        cofferdam_plan::file_sources(&project.definitions, &libraries, request, &present, &mappings);
    let values = instance::values(&project.state)?;
    let files = read_files(&project, &sources, &values, reading).await?;
    let catalog = read_catalog(&project).await?;
    let world = World { files, mappings, catalog, present };
    let Project { root, state, site, texts, definitions } = project;
    match cofferdam_plan::compile(&definitions, &libraries, request, &world) {
        Ok((plan, warnings)) => {
            let project = Project { root, state, site, texts, definitions };
            Ok((Prepared { plan, project, libraries }, warnings))
        }
        Err(errors) => Err(Failed::diagnosed(texts, errors)),
    }
}

/// The name of the environment that is asked for.
pub(crate) fn environment(name: Option<&str>) -> Result<Option<Name>> {
    let parse = |name: &str| {
        Name::new(name)
            .map_err(|error| Failed::usage(format!("`{name}` cannot name an environment: {error}")))
    };
    name.map(parse).transpose()
}

/// Which partitions there are. Names of dynamic ones are in the run log, if anything was ever run here.
pub(crate) async fn present(project: &Project) -> Result<Present> {
    let mut dynamic = BTreeMap::new();
    let sets = project.definitions.partitions.iter();
    let named = sets.filter(|(_, def)| matches!(def.kind.value, PartitionsKind::Dynamic));
    for (name, _) in named {
        let Some(log) = project.site.log_if_any().await? else { break };
        let names =
            log.catalog().partitions(name.to_string()).await.doing(Exit::Unreachable, "read the run log")?;
        dynamic.insert(name.clone(), names);
    }
    Ok(Present { now: system_time(), dynamic })
}

/// What the run log knows of the project's assets; nothing if nothing was ever run here.
pub(crate) async fn read_catalog(project: &Project) -> Result<Catalog> {
    /// Materialisations that are read at once.
    const PAGE: usize = 1000;
    let keys: Vec<AssetKey> = project
        .definitions
        .assets
        .values()
        .flat_map(|def| def.outputs.iter().map(|output| output.key.value.clone()))
        .collect();
    let mut catalog = Catalog::default();
    if keys.is_empty() {
        return Ok(catalog);
    }
    let Some(log) = project.site.log_if_any().await? else { return Ok(catalog) };
    let mut after = None;
    loop {
        let page = log
            .catalog()
            .latest_all(keys.clone(), after, PAGE)
            .await
            .doing(Exit::Unreachable, "read the run log")?;
        let Some(last) = page.last() else { break };
        after = Some(last.number);
        for made in page {
            let made = made.materialization;
            catalog.insert((made.key.clone(), made.partition.clone()), made);
        }
    }
    Ok(catalog)
}

/// Builds what is stale and gives every library's digest and description.
pub(crate) async fn describe_all(project: &Project, output: Output) -> Result<Libraries> {
    describe_each(project, |_| true, output).await
}

/// The same for the libraries that what is asked for may use: tools for the others need not be there.
pub(crate) async fn describe_used(
    project: &Project,
    request: Request<'_>,
    present: &Present,
    output: Output,
) -> Result<Libraries> {
    let used = cofferdam_plan::libraries_used(&project.definitions, request, present);
    describe_each(project, |name| used.contains(name), output).await
}

async fn describe_each(
    project: &Project,
    is_wanted: impl Fn(&Name) -> bool,
    output: Output,
) -> Result<Libraries> {
    project.state.create()?;
    let depot = instance::depot(&project.state)?;
    let mut described = BTreeMap::new();
    for (name, library) in project.definitions.libraries.iter().filter(|(name, _)| is_wanted(name)) {
        let ready = libraries::prepare(project, &depot, name, library, false, output).await?;
        let spec = describe(project, &depot, name, ready.digest).await?;
        described.insert(name.clone(), (ready.digest, spec));
    }
    Ok(described)
}

/// The description of a library; asked for once per digest, in a sandbox.
pub(crate) async fn describe(
    project: &Project,
    depot: &Depot,
    name: &Name,
    digest: LibraryDigest,
) -> Result<LibrarySpec> {
    let kept = project.state.descriptions().join(format!("{}.json", digest.hex()));
    if let Ok(bytes) = std::fs::read(&kept)
        && let Ok(spec) = serde_json::from_slice(&bytes)
    {
        return Ok(spec);
    }
    let spec = instance::describe(&project.state, depot, &digest).await.map_err(|failure| Failed {
        causes: failure.causes,
        ..Failed::invalid(format!("library `{name}`: {}", failure.message))
    })?;
    keep(&kept, &spec)?;
    Ok(spec)
}

fn keep(path: &Path, spec: &LibrarySpec) -> Result<()> {
    let doing = || format!("keep a description in {}", path.display());
    let folder = path.parent().expect("descriptions are in a folder");
    std::fs::create_dir_all(folder).doing(Exit::Unreachable, doing())?;
    let text = serde_json::to_vec(spec).expect("a description can be written as JSON");
    // Written beside and renamed, so that a reader never sees half of it.
    let mut part = NamedTempFile::new_in(folder).doing(Exit::Unreachable, doing())?;
    part.write_all(&text).doing(Exit::Unreachable, doing())?;
    part.persist(path).map(drop).map_err(|error| error.error).doing(Exit::Unreachable, doing())
}

pub(crate) fn read_config(
    args: &Given,
    texts: &mut cofferdam_config::Texts,
) -> Result<(RunConfig, Vec<Diagnostic>)> {
    let Some(path) = &args.config else { return Ok((RunConfig::default(), vec![])) };
    let (name, content) = if path == Path::new("-") {
        let content = std::io::read_to_string(std::io::stdin())
            .doing(Exit::Invalid, "read the run config from standard input")?;
        ("<stdin>".to_owned(), content)
    } else {
        (shown(path), read_text(path)?)
    };
    Ok(cofferdam_config::read_run_config(texts, &name, &content))
}

/// Reads the files that inputs name. What is not there is left out: the plan's diagnostics say so,
/// at the place where it is named.
pub(crate) async fn read_files(
    project: &Project,
    sources: &[FileSource],
    values: &ValueStore,
    reading: Reading,
) -> Result<Files> {
    let mut files = Files::default();
    for FileSource { pattern, form, .. } in sources {
        let many = match form {
            FileForm::One => false,
            FileForm::Many => true,
            FileForm::Document(form) => {
                let document = given::read_document(&project.root.join(pattern), *form);
                files.documents.extend(document.map(|document| ((pattern.clone(), *form), document)));
                continue;
            }
            FileForm::Blob => {
                let found = given::find_blob(&project.site, pattern).await?;
                files.blobs.extend(found.map(|blob| (pattern.clone(), blob)));
                continue;
            }
        };
        let mut elements = vec![];
        for path in paths_of(&project.root, pattern, many)? {
            let key = many.then(|| key_of(&path));
            elements.push(KeyedValue { key, value: read_file(&path, values, reading).await? });
        }
        if !elements.is_empty() {
            files.values.insert((pattern.clone(), many), elements);
        }
    }
    Ok(files)
}

async fn read_file(path: &Path, values: &ValueStore, reading: Reading) -> Result<ValueRef> {
    let read = match reading {
        Reading::Digest => values.refer_to_file(path).await,
        Reading::Import => values.import_file(path).await,
    };
    let value = read.doing(Exit::Invalid, format!("read the input file {}", shown(path)))?;
    Ok(ValueRef { media_type: media_type_of(path).to_owned(), ..value })
}

/// The files that a source names, in the order of their names.
fn paths_of(root: &Path, pattern: &str, many: bool) -> Result<Vec<PathBuf>> {
    let path = root.join(pattern);
    if !many {
        return Ok(if path.is_file() { vec![path] } else { vec![] });
    }
    let matches = glob::glob(&path.to_string_lossy()).map_err(|error| {
        Failed::invalid(format!("`{pattern}` is not a pattern: {}", error.msg))
            .hint("`*` stands for any text within a name")
    })?;
    let mut paths: Vec<PathBuf> =
        matches.filter_map(|path| path.ok()).filter(|path| path.is_file()).collect();
    paths.sort();
    if paths.len() > FILES_PER_PATTERN_MAX {
        let message =
            format!("`{pattern}` matches {} files, {FILES_PER_PATTERN_MAX} are allowed", paths.len());
        return Err(Failed::invalid(message).hint("use a narrower pattern"));
    }
    Ok(paths)
}

/// The file's name up to its first dot, with every other character than those of a name replaced.
fn key_of(path: &Path) -> Name {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let legal: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(cofferdam_model::NAME_BYTES_MAX)
        .collect();
    Name::key(&legal).unwrap_or_else(|_| Name::result())
}

/// By the last extension; a compressed file is just bytes.
fn media_type_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => "text/csv",
        Some("txt") => "text/plain",
        Some("json") => "application/json",
        Some("cbor") => cofferdam_model::CBOR,
        Some("arrows") => cofferdam_model::ARROW_STREAM,
        _ => cofferdam_model::OCTET_STREAM,
    }
}
