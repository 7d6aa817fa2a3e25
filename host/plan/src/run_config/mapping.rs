//! Config mappings: an outer config becomes the `ops` section of the config inside, by a template or by an op that
//! the shell runs. Secrets stay secret on the way, and variables stay variables.
//!
//! A template is the `ops` section itself. A text that is `$` or `$.a.b` stands for that part of the outer config,
//! whatever it is; `${$.a}` inside of a longer text for a scalar; `$$` for a dollar sign. A part that is optional
//! and not given leaves its key out.

use std::fmt::Write;

use cofferdam_model::{ConfigMapping, ConfigMappingDef, Diagnostic, Node, NodeKind, Spanned};
use serde_json::Value;

use super::document::Reader;
use super::explain::schema_at;
use super::form::Form;
use super::leaf::laid_over;
use super::merge::bare;
use super::tree::{ConfigSection, PendingMapping, ResolvedConfig};
use crate::schema::Schema;

/// A graph, or the job, whose config inside is made by a mapping.
pub(super) struct Mapped<'a> {
    pub(super) section: &'a ConfigSection<'a>,
    pub(super) def: &'a ConfigMappingDef,
    pub(super) layers: &'a [&'a Node],
    pub(super) path: &'a str,
    pub(super) place: &'a [String],
}

impl Mapped<'_> {
    /// Its name in messages.
    pub(super) fn what(&self) -> String {
        if self.path.is_empty() { "the job".to_owned() } else { format!("graph `{}`", self.path) }
    }

    /// Where the steps inside would be addressed if they could be.
    pub(super) fn inner_place(&self) -> Vec<String> {
        let mut place = self.place.to_vec();
        if !self.path.is_empty() {
            place.push("ops".to_owned());
        }
        place
    }
}

/// The `ops` section of the config inside. None if the outer config is wrong, or an op has still to be asked.
pub(super) fn map_config(reader: &mut Reader<'_>, mapped: &Mapped<'_>) -> Option<Node> {
    let n_before = reader.problems.list.len();
    let outer = reader.config(mapped.section, mapped.layers, mapped.place);
    reader.resolved.outer.insert(mapped.path.to_owned(), outer.clone());
    if reader.problems.list.len() > n_before {
        return None;
    }
    match &mapped.def.mapping {
        ConfigMapping::Template(template) => {
            let schema = mapped.section.schema.as_deref()?;
            let node = laid_over(Schema::new(schema), mapped.layers);
            let mut apply = Apply {
                outer: &outer,
                schema: Schema::new(schema),
                node: node.as_deref(),
                path: mapped.inner_place(),
                secrets: vec![],
                problems: vec![],
            };
            let inner = apply.node(template);
            let Apply { secrets, problems, .. } = apply;
            let failed = !problems.is_empty();
            for mut problem in problems {
                problem.message = format!("the config mapping of {}: {}", mapped.what(), problem.message);
                reader.problems.list.push(problem);
            }
            reader.secrets.extend(secrets);
            inner.filter(|_| !failed)
        }
        ConfigMapping::Op(op) => {
            if let Some(source) = outer.env.first() {
                reader.problems.list.push(
                    Diagnostic::error(
                        "plan::bad-mapping",
                        format!(
                            "the config mapping of {} is an op, which cannot see variable `{}`",
                            mapped.what(),
                            source.name
                        ),
                    )
                    .at(mapped.layers.last().and_then(|node| node.span.as_ref()), "given here")
                    .hint(
                        "let the mapping be a template; a value that is no secret can also be given itself",
                    ),
                );
                return None;
            }
            let Some(result) = reader.results.get(mapped.path) else {
                reader.resolved.pending.push(PendingMapping {
                    path: mapped.path.to_owned(),
                    op: op.clone(),
                    config: outer.value,
                });
                return None;
            };
            bare(result)
        }
    }
}

/// The part of a value at a path.
fn part<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A template being filled in.
struct Apply<'a> {
    outer: &'a ResolvedConfig,
    schema: Schema<'a>,
    /// What was given, for places.
    node: Option<&'a Node>,
    /// Where it stands inside.
    path: Vec<String>,
    secrets: Vec<Vec<String>>,
    problems: Vec<Diagnostic>,
}

/// A path in a template, and what it stands for.
enum Part<'a> {
    Here(&'a Value),
    /// Optional and not given.
    Absent,
    /// Reported.
    Unknown,
}

impl<'a> Apply<'a> {
    /// None: the part is not given, and its key is left out.
    fn node(&mut self, template: &Node) -> Option<Node> {
        let kind = match &template.kind {
            NodeKind::Text(text) => return self.text(text, template),
            NodeKind::List(items) => {
                let mut built = vec![];
                for (at, item) in items.iter().enumerate() {
                    self.path.push(at.to_string());
                    built.extend(self.node(item));
                    self.path.pop();
                }
                NodeKind::List(built)
            }
            NodeKind::Map(entries) => {
                let mut built = Vec::with_capacity(entries.len());
                for (key, inner) in entries {
                    self.path.push(key.value.clone());
                    built.extend(self.node(inner).map(|node| (key.clone(), node)));
                    self.path.pop();
                }
                NodeKind::Map(built)
            }
            other => other.clone(),
        };
        Some(Node { span: template.span.clone(), kind })
    }

    fn text(&mut self, text: &str, template: &Node) -> Option<Node> {
        if text == "$" || text.starts_with("$.") {
            let path = segments(text);
            return match self.part(text, &path, template) {
                Part::Here(value) => {
                    self.note_secrets(&path);
                    Some(self.spanned(value, &path, self.node.map(|node| node.nearest(&path))))
                }
                Part::Absent | Part::Unknown => None,
            };
        }
        let filled = if text.contains('$') { self.fill(text, template)? } else { text.to_owned() };
        Some(Node { span: template.span.clone(), kind: NodeKind::Text(filled) })
    }

    /// Puts scalars into a longer text.
    fn fill(&mut self, text: &str, template: &Node) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(inside) = after.strip_prefix('{') {
                let Some((path, after)) = inside.split_once('}') else {
                    self.report(
                        template,
                        format!("`{text}` has no `}}` after `${{`"),
                        "write for example `${$.word}`, or `$$` for a dollar sign".to_owned(),
                    );
                    return None;
                };
                self.splice(path, template, &mut out)?;
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Some(out)
    }

    fn splice(&mut self, text: &str, template: &Node, out: &mut String) -> Option<()> {
        if !(text == "$" || text.starts_with("$.")) {
            let hint = format!("write `${{$.{text}}}`; for the characters themselves write `$${{{text}}}`");
            self.report(template, format!("`${{{text}}}` names no part of the outer config"), hint);
            return None;
        }
        let path = segments(text);
        let variable = self.outer.env.iter().find(|source| source.path == path);
        if let Some(source) = variable {
            let hint =
                format!("let `{text}` be the whole value, so that it is filled in where the step runs");
            let message = format!("variable `{}` cannot be a part of a longer text", source.name);
            self.report(template, message, hint);
            return None;
        }
        match self.part(text, &path, template) {
            Part::Here(Value::String(value)) => out.push_str(value),
            Part::Here(value @ (Value::Bool(_) | Value::Number(_))) => {
                write!(out, "{value}").expect("text can be written to");
            }
            Part::Here(_) | Part::Absent => {
                let hint = "only text, numbers, true and false can be put into a longer text".to_owned();
                self.report(template, format!("`{text}` is no scalar, or is not given"), hint);
                return None;
            }
            Part::Unknown => return None,
        }
        self.note_secrets(&path);
        Some(())
    }

    fn part(&mut self, text: &str, path: &[String], template: &Node) -> Part<'a> {
        if let Some(value) = part(&self.outer.value, path) {
            return Part::Here(value);
        }
        let nothing = Node::bare(NodeKind::Null);
        if schema_at(self.schema, self.node.unwrap_or(&nothing), path).is_some_and(|place| !place.is_never())
        {
            return Part::Absent;
        }
        let form = Form::of(self.schema).words();
        self.report(
            template,
            format!("`{text}` names no part of the outer config"),
            format!("the outer config is {form}"),
        );
        Part::Unknown
    }

    fn note_secrets(&mut self, from: &[String]) {
        for secret in &self.outer.secrets {
            // The whole part lies in a secret, or holds one.
            if from.starts_with(secret) {
                self.secrets.push(self.path.clone());
            } else if let Some(below) = secret.strip_prefix(from) {
                self.secrets.push(self.path.iter().chain(below).cloned().collect());
            }
        }
    }

    /// A part of the outer config with the places where it was given, and with its variables.
    fn spanned(&self, value: &Value, path: &[String], node: Option<&Node>) -> Node {
        let span = node.and_then(|node| node.span.clone());
        if let Some(source) = self.outer.env.iter().find(|source| source.path == path) {
            let name = Node { span: span.clone(), kind: NodeKind::Text(source.name.clone()) };
            return Node { span, kind: NodeKind::Map(vec![(Spanned::new("env".to_owned(), None), name)]) };
        }
        let inner = |key: &str, value: &Value| {
            let path: Vec<String> = path.iter().cloned().chain([key.to_owned()]).collect();
            let below = node.map(|node| node.nearest(std::slice::from_ref(&path[path.len() - 1])));
            self.spanned(value, &path, below)
        };
        let kind = match value {
            Value::Array(items) => NodeKind::List(
                items.iter().enumerate().map(|(at, item)| inner(&at.to_string(), item)).collect(),
            ),
            Value::Object(fields) => NodeKind::Map(
                fields
                    .iter()
                    .map(|(key, value)| {
                        let place = node.and_then(|node| node.get(key)).and_then(|node| node.span.clone());
                        (Spanned::new(key.clone(), place), inner(key, value))
                    })
                    .collect(),
            ),
            scalar => bare(scalar).map_or(NodeKind::Null, |node| node.kind),
        };
        Node { span, kind }
    }

    fn report(&mut self, template: &Node, message: String, hint: String) {
        self.problems.push(
            Diagnostic::error("plan::bad-mapping", message)
                .at(template.span.as_ref(), "in this template")
                .hint(hint),
        );
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('.').skip(1).map(str::to_owned).collect()
}
