//! Layers of config laid over one another, and data without places turned into a tree.

use std::collections::HashMap;

use cofferdam_model::{Node, NodeKind, Spanned};
use serde_json::Value;

use super::form::{Form, Kind};
use crate::schema::Schema;

type Entries = Vec<(Spanned<String>, Node)>;

/// The second lies over the first: tables are merged, everything else is replaced. So is the choice of a selector,
/// of a tagged alternative, and a variable: a table there is one value.
pub(super) fn merge(place: Option<Schema<'_>>, under: &Node, over: &Node) -> Node {
    let (NodeKind::Map(below), NodeKind::Map(above)) = (&under.kind, &over.kind) else {
        return over.clone();
    };
    let form = place.map(Form::of);
    if form.as_ref().is_some_and(|form| replaces(form, under, over)) {
        return over.clone();
    }
    let table = form.as_ref().and_then(|form| form.meant(|name, word| has(over, name, word)));
    let mut entries: Entries = below.clone();
    let at: HashMap<&str, usize> =
        below.iter().enumerate().map(|(at, (key, _))| (key.value.as_str(), at)).collect();
    for (key, node) in above {
        match at.get(key.value.as_str()) {
            Some(at) => {
                let (name, old) = &mut entries[*at];
                *old = merge(table.and_then(|form| field(form, &key.value)), old, node);
                name.span.clone_from(&key.span);
            }
            None => entries.push((key.clone(), node.clone())),
        }
    }
    Node { span: over.span.clone().or_else(|| under.span.clone()), kind: NodeKind::Map(entries) }
}

fn replaces(form: &Form<'_>, under: &Node, over: &Node) -> bool {
    let is_env = |node| env_name(node).is_some();
    if form.env_kind().is_some() && (is_env(under) || is_env(over)) {
        return true;
    }
    match &form.kind {
        Kind::Selector(_) => keys(over).next().is_some() && keys(under).ne(keys(over)),
        Kind::Union(_) => {
            let meant = |node| form.meant(|name, word| has(node, name, word)).map(|form| form.schema.at);
            // An upper layer that leaves the tag out means what lies below it.
            meant(over).is_some_and(|over| meant(under).is_some_and(|under| !std::ptr::eq(over, under)))
        }
        _ => false,
    }
}

/// The schema of a field of a table.
pub(super) fn field<'a>(form: &Form<'a>, name: &str) -> Option<Schema<'a>> {
    if let Kind::Selector(fields) = &form.kind {
        return fields.iter().find(|(field, _)| *field == name).map(|(_, at)| *at);
    }
    form.schema.property(name).or_else(|| form.schema.sub("additionalProperties"))
}

/// Whether a table has this word under this key.
pub(super) fn has(node: &Node, name: &str, word: &Value) -> bool {
    match node.get(name).map(|node| &node.kind) {
        Some(NodeKind::Text(text)) => word.as_str() == Some(text),
        Some(NodeKind::Bool(truth)) => word.as_bool() == Some(*truth),
        Some(NodeKind::Int(number)) => word.as_i64() == Some(*number),
        _ => false,
    }
}

/// The variable of `{env: NAME}`.
pub(super) fn env_name(node: &Node) -> Option<&Node> {
    match &node.kind {
        NodeKind::Map(entries) => match entries.as_slice() {
            [(key, name)] if key.value == "env" => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn keys(node: &Node) -> impl Iterator<Item = &str> {
    let entries = match &node.kind {
        NodeKind::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().map(|(key, _)| key.value.as_str())
}

/// Data as a tree that no text shows. None if it holds a whole number above those of a tree.
pub(super) fn bare(value: &Value) -> Option<Node> {
    let kind = match value {
        Value::Null => NodeKind::Null,
        Value::Bool(truth) => NodeKind::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => NodeKind::Int(whole),
            None if number.is_u64() => return None,
            None => NodeKind::Float(number.as_f64()?),
        },
        Value::String(text) => NodeKind::Text(text.clone()),
        Value::Array(items) => NodeKind::List(items.iter().map(bare).collect::<Option<_>>()?),
        Value::Object(fields) => NodeKind::Map(
            fields
                .iter()
                .map(|(key, value)| Some((Spanned::new(key.clone(), None), bare(value)?)))
                .collect::<Option<_>>()?,
        ),
    };
    Some(Node::bare(kind))
}
