//! Files and stored values that inputs name: which ones the shell has to look up, and what it found.

use std::collections::BTreeMap;

use cofferdam_model::{
    Definitions, Diagnostic, DocumentForm, KeyedValue, Name, Node, NodeKind, Span, ValueRef, nearest,
};
use serde_json::Value;

use crate::Libraries;
use crate::compile::{Present, Request, Stage, resolve_target};
use crate::flat::FlatKind;
use crate::job::Job;
use crate::run_config::{MappingResults, validate};

/// Something that an input of a job names and the shell has to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    /// Of a file: relative to the folder of the definitions; never leaves it. Of a stored value: its digest.
    pub pattern: String,
    pub form: FileForm,
    pub span: Option<Span>,
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// A file, whose bytes are the value.
    One,
    /// All files that match a pattern.
    Many,
    /// A file that stands for a literal.
    Document(DocumentForm),
    /// A value that a run has made.
    Blob,
}

/// What the shell found. What has no entry, or an empty one, is not there.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// By pattern, and whether that is one of many files.
    pub values: BTreeMap<(String, bool), Vec<KeyedValue>>,
    /// By path and form: what it says, or why that cannot be told.
    pub documents: BTreeMap<(String, DocumentForm), Result<Value, String>>,
    /// By the digest as it was written.
    pub blobs: BTreeMap<String, Blob>,
}

/// A value that a run has made.
#[derive(Debug, Clone)]
pub struct Blob {
    pub value: ValueRef,
    /// What it says, if it is structured and small enough to be at hand.
    pub content: Option<Value>,
}

/// What the shell must read before it can compile a job. What is wrong on the way (an unknown job, a path
/// that is not allowed) is left out; [`crate::compile`] reports the same again with everything else.
pub fn file_sources(
    defs: &Definitions,
    libs: &Libraries,
    request: Request<'_>,
    present: &Present,
    mappings: &MappingResults,
) -> (Vec<FileSource>, Vec<Diagnostic>) {
    let subject = match resolve_target(defs, request, Stage::Checking(present)) {
        Ok(subject) => subject,
        Err(problems) => return (vec![], problems),
    };
    let mut job = Job::open(defs, libs, request, &subject, None);
    job.select(request.selection);
    let (given, _) = validate(&job.config_tree(), request.run_config.root.as_ref(), mappings);
    let is_given = |path: &str, input: &Name| given.inputs.get(path).is_some_and(|at| at.contains_key(input));
    let defined =
        job.flat.steps.iter().enumerate().filter(|(at, _)| job.is_selected(*at)).flat_map(|(_, step)| {
            step.inputs
                .iter()
                .filter(|(input, _)| !is_given(&step.key, &input.value))
                .map(|(_, source)| source.kind.clone())
        });
    let over = given.inputs.values().flat_map(|inputs| inputs.values());
    let mut problems = vec![];
    let mut sources = vec![];
    for kind in defined.chain(over.map(|given| FlatKind::given(&given.source.value))) {
        let (path, form) = match kind {
            FlatKind::File(path) => (path, FileForm::One),
            FlatKind::Files(path) => (path, FileForm::Many),
            FlatKind::Document(form, path) => (path, FileForm::Document(form)),
            FlatKind::Blob(digest) => (digest, FileForm::Blob),
            _ => continue,
        };
        let bad = (form != FileForm::Blob).then(|| bad_path(&path.value, path.span.as_ref())).flatten();
        match bad {
            Some(problem) => problems.push(problem),
            None => sources.push(FileSource { pattern: path.value.clone(), form, span: path.span.clone() }),
        }
    }
    (sources, problems)
}

/// A path must stay below the folder of the definitions, on every operating system.
pub(crate) fn bad_path(path: &str, span: Option<&Span>) -> Option<Diagnostic> {
    let drive = path.as_bytes().get(1) == Some(&b':');
    let climbs = path.split(['/', '\\']).any(|part| part == "..");
    if !(path.is_empty() || path.starts_with(['/', '\\']) || drive || climbs) {
        return None;
    }
    Some(
        Diagnostic::error("plan::bad-path", format!("`{path}` leaves the folder of the definitions"))
            .at(span, "expected a relative path without `..`")
            .hint("copy or link the file below that folder, and write for example `data/flights.csv`"),
    )
}

pub(crate) fn unknown_job(defs: &Definitions, job: &Name) -> Diagnostic {
    let problem = Diagnostic::error("plan::unknown-job", format!("there is no job `{job}`"));
    known(problem, job.as_str(), defs.jobs.keys().map(Name::as_str))
}

/// Adds a hint with the step that is near. A file may hold thousands of unknown names and of steps, and each
/// comparison costs a microsecond: after enough findings only the mistake itself is told.
pub(crate) fn known_step<'a>(
    problem: Diagnostic,
    found: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    n_findings: usize,
) -> Diagnostic {
    /// More than are shown.
    const HINTED_MAX: usize = 50;
    if n_findings >= HINTED_MAX {
        return problem.hint("a name near this one is looked for when there are fewer errors");
    }
    known(problem, found, names)
}

/// Adds a hint with the near word, or else with what exists.
pub(crate) fn known<'a>(
    problem: Diagnostic,
    found: &str,
    words: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    /// Words that a hint lists at most.
    const WORDS_MAX: usize = 12;
    let list: Vec<String> = words.clone().take(WORDS_MAX).map(|word| format!("`{word}`")).collect();
    let more = if words.clone().count() > WORDS_MAX { ", …" } else { "" };
    let exists = if list.is_empty() {
        "there is none".to_owned()
    } else {
        format!("known: {}{more}", list.join(", "))
    };
    match nearest(found, words) {
        Some(near) => problem.hint(format!("did you mean `{near}`? {exists}")),
        None => problem.hint(exists),
    }
}

/// A literal in a few words.
pub(crate) fn is_list(node: &Node) -> bool {
    matches!(node.kind, NodeKind::List(_))
}
