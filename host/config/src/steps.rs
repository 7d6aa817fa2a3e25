//! `[jobs.NAME.steps.NAME]`: an op or a graph, placed.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, Name, Node, NodeDef, OpPath, OutputDef, Spanned, StepDef, Wait};

use crate::limits::{read_amounts, read_limits};
use crate::policies::{read_config, read_hooks, read_labels, read_retry, read_tags};
use crate::reader::{Problems, Table, name, names, text};
use crate::sources::read_source;
use crate::units::parse_duration;

pub(crate) fn read_step(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<StepDef> {
    let mut table = Table::new(node, format!("step `{}`", name.value), problems)?;
    let placed = read_node(&mut table, problems);
    let rest = read_placing(name, &mut table, "tags", problems);
    let outputs = table
        .children("outputs", "output", problems)
        .into_iter()
        .filter_map(|(output, node)| Some((output.value.clone(), read_output(&output, node, problems)?)))
        .collect();
    table.finish(problems);
    let placed = placed?;
    Some(StepDef { outputs, node: placed.clone(), ..rest(placed.value) })
}

/// `op = "library.op"` or `graph = "name"`.
pub(crate) fn read_node(table: &mut Table<'_>, problems: &mut Problems) -> Option<Spanned<NodeDef>> {
    let op = table.text("op", problems);
    let graph = table.name("graph", "graph", problems);
    match (op, graph) {
        (Some(op), None) => {
            op_path(&op, problems).map(|path| Spanned::new(NodeDef::Op(path.value), path.span))
        }
        (None, Some(graph)) => Some(Spanned::new(NodeDef::Graph(graph.value), graph.span)),
        (Some(op), Some(graph)) => {
            problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("{} has both `op` and `graph`", table.what()),
                )
                .at(graph.span.as_ref(), "a graph from `[graphs]`")
                .at(op.span.as_ref(), "an op of a library")
                .hint("keep one of them"),
            );
            None
        }
        (None, None) => {
            // A wrong one was reported already.
            if !table.has("op") && !table.has("graph") {
                problems.push(
                    Diagnostic::error(
                        "config::missing-key",
                        format!("{} has neither `op` nor `graph`", table.what()),
                    )
                    .at(table.span, "one of them is needed")
                    .hint("add for example `op = \"library.op\"` or `graph = \"name\"`"),
                );
            }
            None
        }
    }
}

/// All that a step says beside what is placed and its outputs. `tags` is the key of its tags.
pub(crate) fn read_placing(
    name: &Spanned<Name>,
    table: &mut Table<'_>,
    tags: &'static str,
    problems: &mut Problems,
) -> impl FnOnce(NodeDef) -> StepDef + use<> {
    let what = table.what().to_owned();
    let inputs = table
        .children("inputs", "input", problems)
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
    let config = read_config(table, problems);
    let retry = read_retry(table, problems);
    let limits = table.get("limits").map(|node| read_limits(node, &what, problems)).unwrap_or_default();
    let priority = table
        .int("priority", i64::from(i32::MIN)..=i64::from(i32::MAX), problems)
        .and_then(|value| i32::try_from(value).ok())
        .unwrap_or(0);
    let tags = read_tags(table, tags, problems);
    let resources =
        table.get("resources").map(|node| read_amounts(node, &what, problems)).unwrap_or_default();
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let labels = read_labels(table, problems);
    let pool = table.name("pool", "pool", problems);
    let bind = read_names(table, "bind", "resource", problems);
    let hooks = read_hooks(table, problems);
    let io_manager = table.name("io_manager", "IO manager", problems);
    let input_managers = read_names(table, "input_managers", "IO manager", problems);
    let memoize = table.truth("memoize", problems);
    let hedge = table.truth("hedge", problems).unwrap_or(false);
    let wait = read_wait(table, problems);
    let (name, span) = (name.clone(), table.span.cloned());
    move |node| StepDef {
        inputs,
        after,
        config,
        retry,
        limits,
        priority,
        tags,
        resources,
        labels,
        pool,
        description,
        bind,
        hooks,
        io_manager,
        input_managers,
        memoize,
        hedge,
        wait,
        span,
        name: name.clone(),
        ..StepDef::new(name.value, node)
    }
}

/// `wait = { for = "2h" }` or `wait = { approval = true, timeout = "3d" }`.
fn read_wait(table: &mut Table<'_>, problems: &mut Problems) -> Option<Wait> {
    let what = format!("`wait` of {}", table.what());
    let node = table.get("wait")?;
    let mut table = Table::new(node, what, problems)?;
    let time = |text: &str| match parse_duration(text) {
        Ok(time) if time.is_zero() => {
            Err("no time at all is no wait; write for example `2h`, or leave `wait` out".to_owned())
        }
        other => other,
    };
    let is_for = table.has("for");
    let elapsed = table.parsed("for", "2h", time, problems);
    let approval = table.truth("approval", problems);
    let timeout = table.parsed("timeout", "3d", time, problems);
    let ways = (is_for, table.has("approval"), table.has("timeout"));
    let span = table.span.cloned();
    table.finish(problems);
    match (ways, approval) {
        ((true, false, false), _) => elapsed.map(Wait::For),
        ((false, true, _), Some(true)) => Some(Wait::Approval { timeout }),
        // What is no truth value was reported.
        ((false, true, _), None) => None,
        _ => {
            problems.push(
                Diagnostic::error("config::bad-value", "a step waits either for a time or for an approval")
                    .at(span.as_ref(), "say one of the two")
                    .hint(
                        "write `wait = { for = \"2h\" }`, or `wait = { approval = true, timeout = \"3d\" }`",
                    ),
            );
            None
        }
    }
}

/// A table of names by name, as in `bind = { db = "warehouse" }`; `kind` is what its values name.
pub(crate) fn read_names(
    table: &mut Table<'_>,
    key: &'static str,
    kind: &str,
    problems: &mut Problems,
) -> BTreeMap<Name, Spanned<Name>> {
    let what = format!("`{key}` of {}", table.what());
    let of = if key == "bind" { "resource" } else { "input" };
    table
        .children(key, of, problems)
        .into_iter()
        .filter_map(|(own, node)| {
            let found = text(node, &format!("`{}` in {what}", own.value), problems)?;
            Some((own.value, name(&found, kind, problems)?))
        })
        .collect()
}

fn read_output(output: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<OutputDef> {
    let mut table = Table::new(node, format!("output `{}`", output.value), problems)?;
    let read = read_output_keys(&mut table, problems);
    table.finish(problems);
    Some(read)
}

/// What every output of a step may say.
pub(crate) fn read_output_keys(table: &mut Table<'_>, problems: &mut Problems) -> OutputDef {
    OutputDef {
        io_manager: table.name("io_manager", "IO manager", problems),
        metadata: read_tags(table, "metadata", problems),
        span: table.span.cloned(),
    }
}

pub(crate) fn op_path(path: &Spanned<String>, problems: &mut Problems) -> Option<Spanned<OpPath>> {
    let parts = OpPath::parse(&path.value);
    if parts.is_none() {
        problems.push(
            Diagnostic::error("config::bad-name", format!("`{}` does not name an op", path.value))
                .at(path.span.as_ref(), "expected `library.op`")
                .hint("write for example `flights.clean`, with a name from `[libraries]`"),
        );
    }
    Some(Spanned::new(parts?, path.span.clone()))
}
