//! A tree of data that a person wrote (config), format forgotten, places kept.

use crate::{Span, Spanned};

/// One node, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Option<Span>,
    pub kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of writing; keys are unique (the parser refuses doubles).
    Map(Vec<(Spanned<String>, Node)>),
}

impl Node {
    /// A node that no text shows.
    pub fn bare(kind: NodeKind) -> Node {
        Node { span: None, kind }
    }

    /// Data that a program read or made; `span` is what stands for it in a text that a person wrote.
    pub fn of_json(value: &serde_json::Value, span: Option<&Span>) -> Node {
        use serde_json::Value;
        let kind = match value {
            Value::Null => NodeKind::Null,
            Value::Bool(truth) => NodeKind::Bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => NodeKind::Int(whole),
                (None, float) => NodeKind::Float(float.unwrap_or_default()),
            },
            Value::String(text) => NodeKind::Text(text.clone()),
            Value::Array(items) => {
                NodeKind::List(items.iter().map(|item| Node::of_json(item, span)).collect())
            }
            Value::Object(entries) => {
                let entry = |(key, value): (&String, &Value)| {
                    (Spanned::new(key.clone(), span.cloned()), Node::of_json(value, span))
                };
                NodeKind::Map(entries.iter().map(entry).collect())
            }
        };
        Node { span: span.cloned(), kind }
    }

    /// The child under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|(k, _)| k.value == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Follows a JSON pointer's segments as far as they go; the last node reached.
    pub fn nearest<'a>(&'a self, path: &[String]) -> &'a Node {
        let Some((first, rest)) = path.split_first() else {
            return self;
        };
        let child = match &self.kind {
            NodeKind::List(items) => first.parse::<usize>().ok().and_then(|at| items.get(at)),
            NodeKind::Map(_) => self.get(first),
            _ => None,
        };
        child.map_or(self, |child| child.nearest(rest))
    }

    /// What the data is called in messages.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) => "an integer",
            NodeKind::Float(_) => "a number",
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a table",
        }
    }

    /// The data without places. A float that JSON cannot say (infinite, NaN) becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            NodeKind::Null => serde_json::Value::Null,
            NodeKind::Bool(b) => (*b).into(),
            NodeKind::Int(i) => (*i).into(),
            NodeKind::Float(f) => {
                serde_json::Number::from_f64(*f).map_or(serde_json::Value::Null, Into::into)
            }
            NodeKind::Text(text) => text.clone().into(),
            NodeKind::List(items) => items.iter().map(Node::to_json).collect(),
            NodeKind::Map(entries) => {
                entries.iter().map(|(key, node)| (key.value.clone(), node.to_json())).collect()
            }
        }
    }
}
