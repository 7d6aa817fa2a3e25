//! `[resources.NAME]`, `[io_managers.NAME]` and `[environments.NAME]`, which puts others in their places.

use std::collections::BTreeMap;

use cofferdam_model::{
    EnvironmentDef, IoManagerDef, IoManagerKind, IoManagerOpsDef, Name, Node, OpPath, ResourceDef,
    ResourceKind, ResourceOpsDef, Spanned,
};

use crate::policies::read_config;
use crate::reader::{Problems, Table};
use crate::steps::op_path;

pub(crate) fn read_resources(table: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<Name, ResourceDef> {
    table
        .children("resources", "resource", problems)
        .into_iter()
        .filter_map(|(name, node)| Some((name.value.clone(), read_resource(&name, node, problems)?)))
        .collect()
}

fn read_resource(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<ResourceDef> {
    let mut table = Table::new(node, format!("resource `{}`", name.value), problems)?;
    let kind = read_kind(&mut table, &ResourceKind::ALL.map(|kind| (kind.word(), kind)), problems)?;
    let span = table.span.cloned();
    if kind.value != ResourceKind::Op {
        return Some(ResourceDef { kind, settings: table.rest(problems), ops: None, span });
    }
    let set_up = read_op(&mut table, "set_up", Some("set_up = \"db.open\""), problems);
    let tear_down = read_op(&mut table, "tear_down", None, problems);
    let config = read_config(&mut table, problems);
    let settings = nothing(table, problems);
    let ops = ResourceOpsDef { set_up: set_up?, tear_down, config };
    Some(ResourceDef { kind, settings, ops: Some(ops), span })
}

pub(crate) fn read_io_managers(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> BTreeMap<Name, IoManagerDef> {
    table
        .children("io_managers", "IO manager", problems)
        .into_iter()
        .filter_map(|(name, node)| Some((name.value.clone(), read_io_manager(&name, node, problems)?)))
        .collect()
}

fn read_io_manager(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<IoManagerDef> {
    let mut table = Table::new(node, format!("IO manager `{}`", name.value), problems)?;
    let kind = read_kind(&mut table, &IoManagerKind::ALL.map(|kind| (kind.word(), kind)), problems)?;
    let span = table.span.cloned();
    if kind.value != IoManagerKind::Op {
        return Some(IoManagerDef { kind, settings: table.rest(problems), ops: None, span });
    }
    let store = read_op(&mut table, "store", Some("store = \"tables.put\""), problems);
    let load = read_op(&mut table, "load", Some("load = \"tables.get\""), problems);
    let config = read_config(&mut table, problems);
    let settings = nothing(table, problems);
    let ops = IoManagerOpsDef { store: store?, load: load?, config };
    Some(IoManagerDef { kind, settings, ops: Some(ops), span })
}

/// `kind`, which decides how the rest is read.
pub(crate) fn read_kind<T: Copy>(
    table: &mut Table<'_>,
    words: &[(&str, T)],
    problems: &mut Problems,
) -> Option<Spanned<T>> {
    if !table.has("kind") {
        let example = words.first().map_or(String::new(), |(word, _)| format!("kind = \"{word}\""));
        problems.push(table.missing("kind", &example));
    }
    let kind = table.word("kind", words, problems)?;
    let span = table.get("kind").and_then(|node| node.span.clone());
    Some(Spanned::new(kind, span))
}

/// An op under a key; with an `example` it has to be there.
fn read_op(
    table: &mut Table<'_>,
    key: &'static str,
    example: Option<&str>,
    problems: &mut Problems,
) -> Option<Spanned<OpPath>> {
    if let Some(example) = example
        && !table.has(key)
    {
        problems.push(table.missing(key, example));
    }
    let text = table.text(key, problems)?;
    op_path(&text, problems)
}

/// The settings of what is made of ops: none, so any other key is a mistake.
fn nothing(table: Table<'_>, problems: &mut Problems) -> Node {
    let span = table.span.cloned();
    table.finish(problems);
    Node { span, kind: cofferdam_model::NodeKind::Map(vec![]) }
}

pub(crate) fn read_environment(
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<EnvironmentDef> {
    let mut table = Table::new(node, format!("environment `{}`", name.value), problems)?;
    let environment = EnvironmentDef {
        resources: read_resources(&mut table, problems),
        io_managers: read_io_managers(&mut table, problems),
        config: read_config(&mut table, problems),
        span: table.span.cloned(),
    };
    table.finish(problems);
    Some(environment)
}
