//! `cofferdam.toml` into [`Definitions`]: the top level and the libraries.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use cofferdam_model::{
    Channel, Definitions, Diagnostic, Language, LibraryDef, LibraryDigest, LibrarySource, Name, Node,
    Spanned, TestDef,
};

use crate::assets::{read_asset, read_asset_check, read_asset_job};
use crate::automation::{read_schedule, read_sensor};
use crate::expectations::read_test;
use crate::graphs::read_graph;
use crate::jobs::read_job;
use crate::partitions::read_partitions;
use crate::reader::{FILE, Problems, Table, did_you_mean};
use crate::resources::{read_environment, read_io_managers, read_resources};
use crate::{Texts, toml};

/// Reads definitions. The text is kept in `texts`, so that the diagnostics of this and of `plan` can be
/// shown. What is wrong is reported and left out, the rest is returned: with an error among the diagnostics
/// the definitions are good for further checks and not for a run.
pub fn read_definitions(
    texts: &mut Texts,
    path: &str,
    content: impl AsRef<[u8]>,
) -> (Definitions, Vec<Diagnostic>) {
    let root = texts.decode(path, content.as_ref()).and_then(|text| toml::parse(texts, text));
    match root {
        Ok(root) => {
            let mut problems = vec![];
            let definitions = read_root(&root, &mut problems);
            (definitions, problems)
        }
        Err(problem) => (Definitions::default(), vec![problem]),
    }
}

fn read_root(root: &Node, problems: &mut Problems) -> Definitions {
    let Some(mut table) = Table::new(root, FILE, problems) else {
        return Definitions::default();
    };
    let definitions = Definitions {
        libraries: section(&mut table, "libraries", "library", read_library, problems),
        graphs: section(&mut table, "graphs", "graph", read_graph, problems),
        jobs: section(&mut table, "jobs", "job", read_job, problems),
        resources: read_resources(&mut table, problems),
        io_managers: read_io_managers(&mut table, problems),
        environments: section(&mut table, "environments", "environment", read_environment, problems),
        partitions: section(&mut table, "partitions", "set of partitions", read_partitions, problems),
        assets: section(&mut table, "assets", "asset", read_asset, problems),
        asset_checks: section(&mut table, "asset_checks", "asset check", read_asset_check, problems),
        asset_jobs: section(&mut table, "asset_jobs", "asset job", read_asset_job, problems),
        schedules: section(&mut table, "schedules", "schedule", read_schedule, problems),
        sensors: section(&mut table, "sensors", "sensor", read_sensor, problems),
        tests: section(&mut table, "tests", "test", read_test, problems),
    };
    table.finish(problems);
    refuse_same_jobs(&definitions, problems);
    refuse_same_assets(&definitions, problems);
    refuse_unknown_in_tests(&definitions, problems);
    definitions
}

/// The definitions below one heading, by name.
fn section<T>(
    table: &mut Table<'_>,
    key: &'static str,
    kind: &str,
    read: impl Fn(&Spanned<Name>, &Node, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> BTreeMap<Name, T> {
    let found = table.children(key, kind, problems);
    found
        .into_iter()
        .filter_map(|(name, node)| read(&name, node, problems).map(|definition| (name.value, definition)))
        .collect()
}

/// A run is started by the name of its job, of whichever kind that is.
fn refuse_same_jobs(definitions: &Definitions, problems: &mut Problems) {
    for (name, asset_job) in &definitions.asset_jobs {
        let folded = name.as_str().to_lowercase();
        let Some((_, job)) = definitions.jobs.iter().find(|(name, _)| name.as_str().to_lowercase() == folded)
        else {
            continue;
        };
        problems.push(
            Diagnostic::error("config::duplicate-name", format!("`{name}` is a job and an asset job"))
                .at(asset_job.span.as_ref(), "this asset job")
                .at(job.span.as_ref(), "this job")
                .hint("a run is started by the name of its job; rename one of them"),
        );
    }
}

/// What a test of a job names is in this file.
fn refuse_unknown_in_tests(definitions: &Definitions, problems: &mut Problems) {
    let mut look = |kind: &str, name: &Spanned<Name>, known: Vec<&str>| {
        if !known.contains(&name.value.as_str()) {
            let message = format!("there is no {kind} `{}`", name.value);
            let problem = Diagnostic::error("config::unknown-name", message)
                .at(name.span.as_ref(), format!("a test names this {kind}"));
            let problem = match known.as_slice() {
                [] => problem.hint(format!("there is none; add a table `[{kind}s.{}]`", name.value)),
                _ => did_you_mean(problem, name.value.as_str(), known.into_iter()),
            };
            problems.push(problem);
        }
    };
    for test in definitions.tests.values() {
        let TestDef::Job(test) = test else { continue };
        let jobs = definitions.jobs.keys().chain(definitions.asset_jobs.keys());
        look("job", &test.job, jobs.map(Name::as_str).collect());
        if let Some(environment) = &test.environment {
            look("environment", environment, definitions.environments.keys().map(Name::as_str).collect());
        }
    }
}

/// A key names one asset.
fn refuse_same_assets(definitions: &Definitions, problems: &mut Problems) {
    let mut keys: Vec<_> =
        definitions.assets.values().flat_map(|asset| &asset.outputs).map(|output| &output.key).collect();
    // In the order of writing, so that the second one is marked.
    keys.sort_by_key(|key| key.span.as_ref().map(|span| span.range.start));
    let mut seen = BTreeMap::new();
    for key in keys {
        let Some(first) = seen.insert(&key.value, key) else { continue };
        problems.push(
            Diagnostic::error("config::duplicate-name", format!("two assets have the key `{}`", key.value))
                .at(key.span.as_ref(), "again")
                .at(first.span.as_ref(), "first one")
                .hint("an asset is made in one place; give one of them another `key`"),
        );
    }
}

fn read_library(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<LibraryDef> {
    let mut table = Table::new(node, format!("library `{}`", name.value), problems)?;
    let keys: Vec<_> =
        Language::ALL.iter().map(|language| language.key()).chain(["wasm", "oci", "channel"]).collect();
    let mut given: Vec<_> = keys.iter().filter_map(|key| Some((*key, table.text(key, problems)?))).collect();
    if let [(one, first), (other, second), ..] = given.as_slice() {
        problems.push(
            Diagnostic::error(
                "config::contradiction",
                format!("library `{}` has both `{one}` and `{other}`", name.value),
            )
            .at(second.span.as_ref(), said_by(other))
            .at(first.span.as_ref(), said_by(one))
            .hint("keep one of them"),
        );
        given.clear();
    } else if given.is_empty() && keys.iter().all(|key| node.get(key).is_none()) {
        // A wrong type was reported already.
        problems.push(table.missing("crate", "crate = \"ops\"` or `wasm = \"lib/ops.wasm\""));
    }
    let source = given.pop().and_then(|(key, text)| {
        let source = match (key, language(key)) {
            (_, Some(language)) => LibrarySource::Source { language, folder: relative(&text, problems)? },
            ("oci", None) => LibrarySource::Registry(pinned(&text, problems)?),
            ("channel", None) => LibrarySource::Channel(channel(&text, problems)?),
            (_, None) => LibrarySource::Wasm(relative(&text, problems)?),
        };
        Some(Spanned::new(source, text.span))
    });
    let span = table.span.cloned();
    table.finish(problems);
    Some(LibraryDef { source: source?, span })
}

/// What a key of a library says its source is.
fn said_by(key: &str) -> String {
    match (key, language(key)) {
        (_, Some(language)) => format!("source in {} that is built", language.title()),
        ("oci", None) => "a component in a registry".to_owned(),
        ("channel", None) => "what a channel is on".to_owned(),
        (_, None) => "a component that is there already".to_owned(),
    }
}

fn language(key: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.key() == key)
}

fn channel(name: &Spanned<String>, problems: &mut Problems) -> Option<Channel> {
    let read = name.value.parse::<Channel>();
    if let Err(error) = &read {
        problems.push(
            Diagnostic::error("config::bad-name", format!("`{}` cannot name a channel", name.value))
                .at(name.span.as_ref(), error.to_string()),
        );
    }
    read.ok()
}

/// A reference that is the same bytes tomorrow: a tag is not. The rest of it is read where registries are known.
fn pinned(reference: &Spanned<String>, problems: &mut Problems) -> Option<String> {
    let digest = reference.value.rsplit_once('@').map(|(_, digest)| digest.parse::<LibraryDigest>());
    if !matches!(digest, Some(Ok(_))) {
        problems.push(
            Diagnostic::error("config::bad-reference", "the reference does not end with a digest")
                .at(reference.span.as_ref(), "expected `HOST/NAME@sha256:` and 64 hexadecimal digits")
                .hint("`cofferdam library push` and `pull` print it; a tag may be on other bytes tomorrow"),
        );
        return None;
    }
    Some(reference.value.clone())
}

/// A path below the folder of the file. Source may lie anywhere on this machine, hence `..` is allowed:
/// libraries are built by whoever writes the file. An absolute path would not survive a clone.
fn relative(path: &Spanned<String>, problems: &mut Problems) -> Option<PathBuf> {
    let parsed = Path::new(&path.value);
    let absolute = parsed.components().any(|part| matches!(part, Component::RootDir | Component::Prefix(_)));
    if path.value.is_empty() || absolute {
        problems.push(
            Diagnostic::error("config::bad-path", format!("`{}` is not a relative path", path.value))
                .at(path.span.as_ref(), "expected a path from the folder of this file")
                .hint("write for example `ops` or `../shared/ops`"),
        );
        return None;
    }
    Some(parsed.to_owned())
}
