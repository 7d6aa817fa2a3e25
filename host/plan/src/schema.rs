//! Small things that everybody asks of a JSON Schema: references, types, examples.

use serde_json::{Map, Value, json};

/// References that are followed one after another before it counts as a circle.
const REFERENCES_MAX: usize = 32;

/// A place in a schema, and the document that its references point into.
#[derive(Clone, Copy)]
pub(crate) struct Schema<'a> {
    pub(crate) root: &'a Value,
    pub(crate) at: &'a Value,
}

impl<'a> Schema<'a> {
    pub(crate) fn new(root: &'a Value) -> Schema<'a> {
        Schema { root, at: root }
    }

    pub(crate) fn with(self, at: &'a Value) -> Schema<'a> {
        Schema { at, ..self }
    }

    /// Follows local references. None if one leads nowhere.
    pub(crate) fn resolved(mut self) -> Option<Schema<'a>> {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = self.get("$ref") else { return Some(self) };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            self.at = self.root.pointer(pointer)?;
        }
        None
    }

    pub(crate) fn get(self, keyword: &str) -> Option<&'a Value> {
        self.at.get(keyword)
    }

    /// The schema under a keyword.
    pub(crate) fn sub(self, keyword: &str) -> Option<Schema<'a>> {
        self.get(keyword).map(|at| self.with(at))
    }

    /// Subschemas of `anyOf`, `oneOf`, `allOf`, `prefixItems`.
    pub(crate) fn list(self, keyword: &str) -> Option<Vec<Schema<'a>>> {
        let items = self.get(keyword)?.as_array()?;
        Some(items.iter().map(|at| self.with(at)).collect())
    }

    /// Alternatives of `anyOf` or `oneOf`.
    pub(crate) fn alternatives(self) -> Option<Vec<Schema<'a>>> {
        self.list("anyOf").or_else(|| self.list("oneOf"))
    }

    pub(crate) fn properties(self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    pub(crate) fn property(self, name: &str) -> Option<Schema<'a>> {
        self.properties()?.get(name).map(|at| self.with(at))
    }

    pub(crate) fn required(self) -> impl Iterator<Item = &'a str> {
        self.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The types that are named, or that follow from the other keywords; empty if any is possible.
    pub(crate) fn types(self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        }
    }

    /// Accepts nothing.
    pub(crate) fn is_never(self) -> bool {
        self.at == &Value::Bool(false)
    }

    pub(crate) fn is_null(self) -> bool {
        self.resolved().is_some_and(|schema| schema.types() == ["null"])
    }

    /// A value that shows the form, for hints. Short: only what is required.
    pub(crate) fn example(self, depth: usize) -> Value {
        let Some(schema) = self.resolved() else { return Value::Null };
        if let Some(value) = schema.get("default").or_else(|| schema.get("const")) {
            return value.clone();
        }
        for list in ["examples", "enum"] {
            if let Some(first) = schema.get(list).and_then(|list| list.get(0)) {
                return first.clone();
            }
        }
        if let Some(inner) = schema.alternatives() {
            let first = inner.into_iter().find(|schema| !schema.is_null());
            return first.map_or(Value::Null, |schema| schema.example(depth));
        }
        match schema.types().into_iter().find(|name| *name != "null") {
            Some("boolean") => json!(true),
            Some("integer") => schema.get("minimum").filter(|n| !n.is_f64()).cloned().unwrap_or(json!(1)),
            Some("number") => json!(1.5),
            Some("string") => json!("text"),
            Some("array") if schema.get("prefixItems").is_some() => {
                let items = schema.list("prefixItems").unwrap_or_default();
                items.into_iter().map(|item| item.example(depth.saturating_sub(1))).collect()
            }
            Some("array") => match schema.sub("items") {
                Some(items) if depth > 0 => json!([items.example(depth - 1)]),
                _ => json!([]),
            },
            Some("object") => {
                let required = schema.required().filter(|_| depth > 0);
                Value::Object(
                    required
                        .map(|name| {
                            let inner =
                                schema.property(name).map_or(Value::Null, |inner| inner.example(depth - 1));
                            (name.to_owned(), inner)
                        })
                        .collect(),
                )
            }
            _ => json!("…"),
        }
    }
}
