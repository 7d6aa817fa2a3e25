//! `cofferdam.toml` into [`Definitions`]: the top level and the libraries.

use std::path::{Component, Path, PathBuf};

use cofferdam_model::{Definitions, Diagnostic, LibraryDef, LibrarySource, Name, Node, Spanned};

use crate::jobs::read_job;
use crate::reader::{Problems, Table};
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
    let mut definitions = Definitions::default();
    let Some(mut table) = Table::new(root, "the file", problems) else {
        return definitions;
    };
    if let Some(libraries) = table.get("libraries").and_then(|node| Table::new(node, "`libraries`", problems))
    {
        for (name, node) in libraries.named("library", problems) {
            if let Some(library) = read_library(&name, node, problems) {
                definitions.libraries.insert(name.value, library);
            }
        }
    }
    if let Some(jobs) = table.get("jobs").and_then(|node| Table::new(node, "`jobs`", problems)) {
        for (name, node) in jobs.named("job", problems) {
            if let Some(job) = read_job(&name, node, problems) {
                definitions.jobs.insert(name.value, job);
            }
        }
    }
    table.finish(problems);
    definitions
}

fn read_library(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<LibraryDef> {
    let mut table = Table::new(node, format!("library `{}`", name.value), problems)?;
    let folder = table.text("crate", problems);
    let wasm = table.text("wasm", problems);
    let source = match (folder, wasm) {
        (Some(folder), Some(wasm)) => {
            problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("library `{}` has both `crate` and `wasm`", name.value),
                )
                .at(wasm.span.as_ref(), "a component that is there already")
                .at(folder.span.as_ref(), "a crate that is built")
                .hint("keep one of them"),
            );
            None
        }
        (Some(folder), None) => {
            relative(&folder, problems).map(|path| Spanned::new(LibrarySource::Crate(path), folder.span))
        }
        (None, Some(wasm)) => {
            relative(&wasm, problems).map(|path| Spanned::new(LibrarySource::Wasm(path), wasm.span))
        }
        (None, None) => {
            // A wrong type was reported already.
            if node.get("crate").is_none() && node.get("wasm").is_none() {
                problems.push(table.missing("crate", "crate = \"ops\"` or `wasm = \"lib/ops.wasm\""));
            }
            None
        }
    };
    let span = table.span.cloned();
    table.finish(problems);
    Some(LibraryDef { source: source?, span })
}

/// A path below the folder of the file. A crate may lie anywhere on this machine, hence `..` is allowed:
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
