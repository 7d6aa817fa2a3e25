//! Config mappings that are ops: each is run as a function under a tight cap, before there is a plan.

use cofferdam_model::{Diagnostic, FailureKind, LibraryDigest, Name, OpSpec, Place};
use cofferdam_plan::{Libraries, MappingResults, PendingMapping, Present, Request};
use serde_json::Value;

use crate::instance;
use crate::project::Project;

/// What went wrong with a mapping, and how to mend it.
struct Problem {
    why: String,
    hint: &'static str,
}

/// Runs the ops of all mappings, outer ones first. Those of one level that fail are told together.
pub(crate) async fn run_all(
    project: &Project,
    libraries: &Libraries,
    request: Request<'_>,
    present: &Present,
) -> Result<MappingResults, Vec<Diagnostic>> {
    let mut results = MappingResults::new();
    loop {
        let pending =
            cofferdam_plan::pending_mappings(&project.definitions, libraries, request, present, &results);
        if pending.is_empty() {
            return Ok(results);
        }
        let mut problems = vec![];
        for mapping in pending {
            match run(project, libraries, &mapping).await {
                Ok(given) => {
                    results.insert(mapping.path, given);
                }
                Err(problem) => problems.push(diagnostic(&mapping, &problem)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
    }
}

fn diagnostic(mapping: &PendingMapping, problem: &Problem) -> Diagnostic {
    let whose = if mapping.path.is_empty() { "the job".to_owned() } else { format!("`{}`", mapping.path) };
    let text = format!("config mapping of {whose}: op `{}` {}", mapping.op.value, problem.why);
    Diagnostic::error("plan::config-mapping", text)
        .at(mapping.op.span.as_ref(), "computes the config of the steps inside")
        .hint(problem.hint)
}

async fn run(project: &Project, libraries: &Libraries, mapping: &PendingMapping) -> Result<Value, Problem> {
    let (digest, op) = find(libraries, mapping).ok_or_else(|| Problem {
        why: "does not exist".to_owned(),
        hint: "`cofferdam library inspect` lists the ops of a library",
    })?;
    let config = cofferdam_plan::encode_cbor(&mapping.config);
    let outputs = instance::evaluate(&project.state, digest, op, config).await;
    let outputs = outputs.map_err(|failure| Problem {
        why: format!("failed: {}", failure.message),
        hint: match failure.kind {
            FailureKind::Fuel | FailureKind::Timeout => {
                "a mapping computes for some 50 ms at most: do less in it, or write a template, `ops = { … }`"
            }
            FailureKind::Memory => "hold less at once, or write a template, `ops = { … }`",
            _ => "`cofferdam library inspect` shows which config the op takes",
        },
    })?;
    let malformed = |why| Problem { why, hint: "its output `result` is the table that `ops` would be" };
    let result = outputs.iter().find(|output| output.name == Name::result());
    let Some(Place::Inline(bytes)) = result.map(|output| &output.value.place) else {
        return Err(malformed("gave no output `result`".to_owned()));
    };
    cofferdam_model::cbor::to_json(bytes)
        .map_err(|why| malformed(format!("gave something that is no config: {why}")))
}

fn find<'a>(libraries: &'a Libraries, mapping: &PendingMapping) -> Option<(&'a LibraryDigest, &'a OpSpec)> {
    let path = &mapping.op.value;
    let (digest, spec) = libraries.get(&path.library)?;
    Some((digest, spec.op(&path.op)?))
}
