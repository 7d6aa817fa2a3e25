//! `[jobs.NAME.steps.NAME]`: a step, its inputs and its limits.

use std::collections::BTreeMap;

use cofferdam_model::{
    Diagnostic, Limits, Name, Node, NodeDef, NodeKind, OpPath, OutputPath, SourceDef, Spanned, StepDef,
};

use crate::jobs::{config_table, read_retry, read_tags};
use crate::reader::{Problems, Table, check_data, did_you_mean, names, text, wrong_type};
use crate::units::{parse_bytes, parse_duration};

/// The forms of a source that are tables with one key.
const SOURCE_KEYS: [&str; 5] = ["value", "file", "files", "map", "collect"];

pub(crate) fn read_step(name: Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<StepDef> {
    let what = format!("step `{}`", name.value);
    let mut table = Table::new(node, what.clone(), problems)?;
    let op = table.text("op", problems).and_then(|text| read_op(&text, problems));
    if node.get("op").is_none() {
        problems.push(table.missing("op", "op = \"library.op\""));
    }
    let inputs = table
        .get("inputs")
        .and_then(|node| Table::new(node, format!("`inputs` of {what}"), problems))
        .map(|inputs| inputs.named("input", problems))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(input, node)| {
            let source = read_source(&input, node, problems)?;
            Some((input, Spanned::new(source, node.span.clone())))
        })
        .collect();
    let after = table
        .get("after")
        .map(|node| names(node, &format!("`after` of {what}"), "step", problems))
        .unwrap_or_default();
    let config = table.get("config").and_then(|node| config_table(node, &what, problems));
    let retry = table.get("retry").and_then(|node| read_retry(node, &what, problems));
    let limits = table.get("limits").map(|node| read_limits(node, &what, problems)).unwrap_or_default();
    let priority = table
        .int("priority", i64::from(i32::MIN)..=i64::from(i32::MAX), problems)
        .and_then(|value| i32::try_from(value).ok())
        .unwrap_or(0);
    let tags = table.get("tags").map(|node| read_tags(node, &what, problems)).unwrap_or_default();
    let resources =
        table.get("resources").map(|node| read_resources(node, &what, problems)).unwrap_or_default();
    let span = table.span.cloned();
    table.finish(problems);
    let op = op?;
    Some(StepDef {
        inputs,
        after,
        config,
        retry,
        limits,
        priority,
        tags,
        resources,
        span,
        name: name.clone(),
        node: Spanned::new(NodeDef::Op(op.value.clone()), op.span),
        ..StepDef::new(name.value, NodeDef::Op(op.value))
    })
}

fn read_op(path: &Spanned<String>, problems: &mut Problems) -> Option<Spanned<OpPath>> {
    let parts = path.value.split_once('.').and_then(|(library, op)| {
        Some(OpPath { library: Name::new(library).ok()?, op: Name::new(op).ok()? })
    });
    if parts.is_none() {
        problems.push(
            Diagnostic::error("config::bad-name", format!("`{}` does not name an op", path.value))
                .at(path.span.as_ref(), "expected `library.op`")
                .hint("write for example `op = \"flights.clean\"`, with a name from `[libraries]`"),
        );
    }
    Some(Spanned::new(parts?, path.span.clone()))
}

fn read_source(input: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<SourceDef> {
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
        NodeKind::Map(_) => read_source_table(&what, node, problems),
        _ => {
            problems.push(
                wrong_type(&what, "a source", node)
                    .hint("text names a step; a literal is written as `{ value = 3 }`"),
            );
            None
        }
    }
}

fn read_source_table(what: &str, node: &Node, problems: &mut Problems) -> Option<SourceDef> {
    let NodeKind::Map(entries) = &node.kind else {
        return None;
    };
    let [(key, value)] = entries.as_slice() else {
        problems.push(
            Diagnostic::error(
                "config::bad-value",
                format!("{what}: expected one key, found {}", entries.len()),
            )
            .at(node.span.as_ref(), "a source is one thing")
            .hint("write one of `value`, `file`, `files`, `map`, `collect`"),
        );
        return None;
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
fn output_path(node: &Node, what: &str, problems: &mut Problems) -> Option<Spanned<OutputPath>> {
    let text = text(node, what, problems)?;
    let (step, output) = match text.value.split_once('.') {
        Some((step, output)) => (Name::new(step), Name::new(output)),
        None => (Name::new(&text.value), Ok(Name::result())),
    };
    let (Ok(step), Ok(output)) = (step, output) else {
        problems.push(
            Diagnostic::error(
                "config::bad-name",
                format!("{what}: `{}` does not name an output", text.value),
            )
            .at(text.span.as_ref(), "expected `step` or `step.output`")
            .hint("a literal is written as `{ value = \"…\" }`, a file as `{ file = \"…\" }`"),
        );
        return None;
    };
    Some(Spanned::new(OutputPath { step, output }, text.span))
}

fn read_limits(node: &Node, what: &str, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = Table::new(node, format!("`limits` of {what}"), problems) else {
        return limits;
    };
    let size = |text: &str| match parse_bytes(text) {
        Ok(0) => Err("a limit of zero lets nothing run; write for example `256MiB`".to_owned()),
        other => other,
    };
    if let Some(bytes) = table.parsed("memory", "256MiB", size, problems) {
        limits.memory_bytes_max = bytes;
    }
    if let Some(bytes) = table.parsed("output", "1GiB", size, problems) {
        limits.output_bytes_max = bytes;
    }
    if let Some(bytes) = table.parsed("log", "8MiB", size, problems) {
        limits.log_bytes_max = bytes;
    }
    let timeout = |text: &str| match parse_duration(text) {
        Ok(time) if time.is_zero() => {
            Err("a timeout of zero lets nothing run; write for example `5m`".to_owned())
        }
        other => other,
    };
    if let Some(timeout) = table.parsed("timeout", "5m", timeout, problems) {
        limits.timeout = Some(timeout);
    }
    if let Some(fuel) = table.int("fuel", 1..=i64::MAX, problems) {
        limits.fuel = u64::try_from(fuel).ok();
    }
    table.finish(problems);
    limits
}

fn read_resources(node: &Node, what: &str, problems: &mut Problems) -> BTreeMap<String, f64> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(&format!("`resources` of {what}"), "a table", node));
        return BTreeMap::new();
    };
    let mut resources = BTreeMap::new();
    for (key, node) in entries {
        let amount = match node.kind {
            #[expect(clippy::cast_precision_loss, reason = "amounts are small or approximate")]
            NodeKind::Int(amount) => Some(amount as f64),
            NodeKind::Float(amount) => Some(amount),
            _ => None,
        };
        match amount {
            Some(amount) if amount.is_finite() && amount > 0.0 => {
                resources.insert(key.value.clone(), amount);
            }
            _ => problems.push(
                Diagnostic::error(
                    "config::bad-value",
                    format!("resource `{}` of {what} is not a number above zero", key.value),
                )
                .at(node.span.as_ref(), "expected a number above zero")
                .hint(format!("write for example `{} = 1`, or leave it out", key.value)),
            ),
        }
    }
    resources
}
