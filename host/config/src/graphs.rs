//! `[graphs.NAME]`, and what graphs and jobs have in common: inputs, steps, config mapping.

use cofferdam_model::{
    ConfigMapping, ConfigMappingDef, Diagnostic, GraphDef, Name, Node, NodeKind, Spanned, StepDef,
};

use crate::reader::{Problems, Table, check_data, distinct, names, wrong_type};
use crate::sources::output_path;
use crate::steps::{op_path, read_step};

pub(crate) fn read_graph(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<GraphDef> {
    let what = format!("graph `{}`", name.value);
    let mut table = Table::new(node, what.clone(), problems)?;
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let inputs = read_inputs(&mut table, problems);
    let outputs = table
        .children("outputs", "output", problems)
        .into_iter()
        .filter_map(|(output, node)| {
            let path = output_path(node, &format!("output `{}` of {what}", output.value), problems)?;
            Some((output, path))
        })
        .collect();
    let config_mapping = read_config_mapping(&mut table, problems);
    let steps = read_steps(&mut table, &format!("[graphs.{}.steps.first]", name.value), problems);
    let span = table.span.cloned();
    table.finish(problems);
    Some(GraphDef { description, inputs, steps, outputs, config_mapping, span })
}

/// `inputs = ["text"]`: the names of what comes from outside.
pub(crate) fn read_inputs(table: &mut Table<'_>, problems: &mut Problems) -> Vec<Spanned<Name>> {
    let Some(node) = table.get("inputs") else { return vec![] };
    let what = format!("`inputs` of {}", table.what());
    let inputs = names(node, &what, "input", problems);
    distinct(inputs, &what, problems)
}

/// `steps`, which have to be there; `example` is the heading of one.
pub(crate) fn read_steps(table: &mut Table<'_>, example: &str, problems: &mut Problems) -> Vec<StepDef> {
    if !table.has("steps") {
        // Asked for, so that it is among the keys that a hint names.
        table.get("steps");
        problems.push(table.missing("steps", example));
    }
    table
        .children("steps", "step", problems)
        .into_iter()
        .filter_map(|(step, node)| read_step(&step, node, problems))
        .collect()
}

/// `config_mapping = { schema = …, ops = … }`, or with `op = …` in place of `ops`.
pub(crate) fn read_config_mapping(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<ConfigMappingDef> {
    let node = table.get("config_mapping")?;
    let mut table = Table::new(node, format!("`config_mapping` of {}", table.what()), problems)?;
    let schema = table.get("schema");
    match schema {
        None => problems.push(table.missing("schema", "schema = { type = \"object\" }")),
        Some(schema) if matches!(schema.kind, NodeKind::Map(_)) => check_data(schema, problems),
        Some(schema) => {
            problems.push(wrong_type(&format!("`schema` of {}", table.what()), "a table", schema));
        }
    }
    let template = table.get("ops");
    let op = table.text("op", problems);
    let mapping = match (template, op) {
        (Some(template), None) if matches!(template.kind, NodeKind::Map(_)) => {
            check_data(template, problems);
            Some(ConfigMapping::Template(template.clone()))
        }
        (Some(template), None) => {
            problems.push(wrong_type(&format!("`ops` of {}", table.what()), "a table", template));
            None
        }
        (None, Some(op)) => op_path(&op, problems).map(ConfigMapping::Op),
        (Some(_), Some(_)) => {
            problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("{} has both `ops` and `op`", table.what()),
                )
                .at(table.key_span("op"), "an op that makes the inner config")
                .at(table.key_span("ops"), "a template of the inner config")
                .hint("keep one of them"),
            );
            None
        }
        (None, None) => {
            // A wrong type was reported already.
            if !table.has("op") {
                let example = "ops = { clean = { config = { word = \"$.word\" } } }` or `op = \"library.op\"";
                problems.push(table.missing("ops", example));
            }
            None
        }
    };
    let span = table.span.cloned();
    table.finish(problems);
    let schema = schema.filter(|schema| matches!(schema.kind, NodeKind::Map(_)))?.clone();
    Some(ConfigMappingDef { schema, mapping: mapping?, span })
}
