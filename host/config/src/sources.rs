//! Where an input's value comes from, as people write it.

use cofferdam_model::{Diagnostic, Name, Node, NodeKind, OutputPath, SourceDef, Spanned};

use crate::mappings::{asset_key, read_mapping};
use crate::reader::{Problems, Table, check_data, did_you_mean, name, text, wrong_type};

/// The forms of a source that are tables.
const SOURCE_KEYS: [&str; 8] = ["value", "file", "files", "map", "collect", "input", "resource", "asset"];

pub(crate) fn read_source(input: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<SourceDef> {
    let what = format!("input `{}`", input.value);
    match &node.kind {
        NodeKind::Text(_) => output_path(node, &what, problems).map(|path| SourceDef::From(path.value)),
        NodeKind::List(items) => {
            let paths: Vec<_> = items.iter().map(|item| output_path(item, &what, problems)).collect();
            if items.is_empty() {
                problems.push(
                    Diagnostic::error("config::bad-value", format!("{what}: the list is empty"))
                        .at(node.span.as_ref(), "expected at least one step")
                        .hint("name steps, as in `[\"a\", \"b.table\"]`, or remove the input"),
                );
                return None;
            }
            paths.into_iter().collect::<Option<Vec<_>>>().map(SourceDef::FanIn)
        }
        NodeKind::Map(entries) if entries.iter().any(|(key, _)| key.value == "asset") => {
            read_asset(&what, node, problems)
        }
        NodeKind::Map(entries) => read_one_key(&what, node, entries, problems),
        _ => {
            problems.push(
                wrong_type(&what, "a source", node)
                    .hint("text names a step; a literal is written as `{ value = 3 }`"),
            );
            None
        }
    }
}

/// `{ asset = "raw/flights", partitions = "all" }`
fn read_asset(what: &str, node: &Node, problems: &mut Problems) -> Option<SourceDef> {
    let mut table = Table::new(node, what, problems)?;
    let key = table.text("asset", problems).and_then(|text| asset_key(&text, problems));
    let mapping = table.get("partitions").and_then(|node| read_mapping(node, what, problems));
    table.finish(problems);
    Some(SourceDef::Asset(key?.value, mapping))
}

fn read_one_key(
    what: &str,
    node: &Node,
    entries: &[(Spanned<String>, Node)],
    problems: &mut Problems,
) -> Option<SourceDef> {
    let [(key, value)] = entries else {
        let keys = SOURCE_KEYS.map(|key| format!("`{key}`")).join(", ");
        problems.push(
            Diagnostic::error(
                "config::bad-value",
                format!("{what}: expected one key, found {}", entries.len()),
            )
            .at(node.span.as_ref(), "a source is one thing")
            .hint(format!("write one of {keys}")),
        );
        return None;
    };
    let named = |kind: &str, problems: &mut Problems| {
        let text = text(value, what, problems)?;
        name(&text, kind, problems).map(|name| name.value)
    };
    match key.value.as_str() {
        "value" => {
            check_data(value, problems);
            Some(SourceDef::Value(value.clone()))
        }
        "file" => text(value, what, problems).map(SourceDef::File),
        "files" => text(value, what, problems).map(SourceDef::Files),
        "map" => output_path(value, what, problems).map(|path| SourceDef::Map(path.value)),
        "collect" => output_path(value, what, problems).map(|path| SourceDef::Collect(path.value)),
        "input" => named("input", problems).map(SourceDef::Input),
        "resource" => named("resource", problems).map(SourceDef::Resource),
        _ => {
            let problem =
                Diagnostic::error("config::unknown-key", format!("{what} has no source `{}`", key.value))
                    .at(key.span.as_ref(), "unknown key");
            problems.push(did_you_mean(problem, &key.value, SOURCE_KEYS.into_iter()));
            None
        }
    }
}

/// `step` or `step.output`.
pub(crate) fn output_path(node: &Node, what: &str, problems: &mut Problems) -> Option<Spanned<OutputPath>> {
    let text = text(node, what, problems)?;
    let Some(path) = OutputPath::parse(&text.value) else {
        let problem = Diagnostic::error(
            "config::bad-name",
            format!("{what}: `{}` does not name an output", text.value),
        )
        .at(text.span.as_ref(), "expected `step` or `step.output`");
        problems.push(if what.starts_with("input") {
            problem.hint("a literal is written as `{ value = \"…\" }`, a file as `{ file = \"…\" }`")
        } else {
            problem.hint("write for example `clean.table`")
        });
        return None;
    };
    Some(Spanned::new(path, text.span))
}
