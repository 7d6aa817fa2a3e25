//! Texts into names, paths and keys; what is wrong is kept until the end.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::{
    AssetKey, HookDef, HookOn, Name, Node, NodeKind, OpPath, OutputPath, Spanned, TagLimit, check_label,
};

/// One thing that is wrong with definitions that a program made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InvalidDefinition {
    /// What it is in, such as ``step `clean` ``.
    pub place: String,
    pub problem: String,
}

/// All that is wrong; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDefinitions(pub Vec<InvalidDefinition>);

impl fmt::Display for InvalidDefinitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidDefinitions {}

/// Collects what is wrong. After a problem it hands out a stand-in, which nobody gets to see: `finish` then fails.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<InvalidDefinition>);

impl Checks {
    pub(super) fn wrong(&mut self, place: String, problem: impl Into<String>) {
        self.0.push(InvalidDefinition { place, problem: problem.into() });
    }

    /// Takes over what another one found, as something in `place`.
    pub(super) fn take(&mut self, place: Option<&str>, inner: Checks) {
        self.0.extend(inner.0.into_iter().map(|mut found| {
            if let Some(outer) = place {
                found.place = format!("{outer}, {}", found.place);
            }
            found
        }));
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, InvalidDefinitions> {
        if self.0.is_empty() { Ok(value) } else { Err(InvalidDefinitions(self.0)) }
    }

    pub(super) fn name(&mut self, kind: &str, text: &str) -> Name {
        Name::new(text).unwrap_or_else(|error| {
            self.wrong(format!("{kind} `{text}`"), error.to_string());
            Name::result()
        })
    }

    pub(super) fn spanned(&mut self, kind: &str, text: &str) -> Spanned<Name> {
        Spanned::new(self.name(kind, text), None)
    }

    pub(super) fn label(&mut self, name: &str, value: &str) {
        for text in [name, value] {
            if let Err(why) = check_label(text) {
                self.wrong(format!("label `{name}`"), format!("`{text}` {why}"));
            }
        }
    }

    pub(super) fn tag_limit(&mut self, limit: &TagLimit) {
        if limit.limit == 0 {
            self.wrong(format!("limit on the tag `{}`", limit.key), "expected one or more");
        }
    }

    pub(super) fn op(&mut self, text: &str) -> Spanned<OpPath> {
        let path = OpPath::parse(text).unwrap_or_else(|| {
            self.wrong(format!("op `{text}`"), "expected `library.op`");
            OpPath { library: Name::result(), op: Name::result() }
        });
        Spanned::new(path, None)
    }

    pub(super) fn output(&mut self, text: &str) -> OutputPath {
        OutputPath::parse(text).unwrap_or_else(|| {
            self.wrong(format!("output `{text}`"), "expected `step` or `step.output`");
            OutputPath { step: Name::result(), output: Name::result() }
        })
    }

    pub(super) fn key(&mut self, text: &str) -> AssetKey {
        AssetKey::parse(text).unwrap_or_else(|error| {
            self.wrong(format!("asset key `{text}`"), error.to_string());
            AssetKey::from_parts(vec!["key".to_owned()]).expect("one plain part is a legal key")
        })
    }

    /// Data of an op.
    pub(super) fn node(&mut self, place: &str, value: &Value) -> Node {
        Node::bare(match value {
            Value::Null => NodeKind::Null,
            Value::Bool(truth) => NodeKind::Bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => NodeKind::Int(int),
                (None, Some(float)) if number.is_f64() => NodeKind::Float(float),
                _ => {
                    self.wrong(place.to_owned(), format!("`{number}` does not fit into 64 bits"));
                    NodeKind::Null
                }
            },
            Value::String(text) => NodeKind::Text(text.clone()),
            Value::Array(items) => NodeKind::List(items.iter().map(|item| self.node(place, item)).collect()),
            Value::Object(entries) => NodeKind::Map(
                entries
                    .iter()
                    .map(|(key, item)| (Spanned::new(key.clone(), None), self.node(place, item)))
                    .collect(),
            ),
        })
    }

    /// Config, settings or a schema: an object.
    pub(super) fn table(&mut self, place: &str, value: &Value) -> Node {
        if !value.is_object() {
            self.wrong(place.to_owned(), "expected an object");
        }
        self.node(place, value)
    }

    pub(super) fn hook(&mut self, on: HookOn, op: &str, config: Option<&Value>) -> HookDef {
        let config = config.map(|config| self.table("config of a hook", config));
        HookDef { on, op: self.op(op), config, span: None }
    }

    /// Puts a definition under its name, unless there is one whose name is too alike.
    pub(super) fn define<T>(&mut self, kind: &str, name: &str, value: T, all: &mut BTreeMap<Name, T>) {
        let name = self.name(kind, name);
        let folded = name.as_str().to_lowercase();
        if all.keys().any(|other| other.as_str().to_lowercase() == folded) {
            self.wrong(format!("{kind} `{name}`"), "there is another one whose name is too alike");
        } else {
            all.insert(name, value);
        }
    }

    /// The same for what is kept in the order of writing.
    pub(super) fn distinct<'a>(
        &mut self,
        kind: &str,
        name: &Name,
        others: impl IntoIterator<Item = &'a Name>,
    ) {
        let folded = name.as_str().to_lowercase();
        if others.into_iter().any(|other| other.as_str().to_lowercase() == folded) {
            self.wrong(format!("{kind} `{name}`"), "there is another one whose name is too alike");
        }
    }
}
