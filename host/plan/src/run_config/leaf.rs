//! The config of one op against its schema: laid over one another, walked through, then given to the validator.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use cofferdam_model::{Diagnostic, Node, NodeKind, Span};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::explain::explain_all;
use super::form::Form;
use super::merge::merge;
use super::tree::{ConfigBody, ConfigSection, ResolvedConfig};
use super::walk::Walk;
use super::{Places, Problems, Variables};
use crate::schema::Schema;

/// Schemas that are compiled already, by address: many steps share one op.
#[derive(Default)]
pub(super) struct Schemas {
    validators: HashMap<usize, Option<Rc<Validator>>>,
    /// What nothing at all gives, where that is fine.
    empty: HashMap<usize, ResolvedConfig>,
}

/// What a config is called, and where it is written if it is not given at all.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) places: Places<'a>,
    pub(super) span: Option<&'a Span>,
    pub(super) variables: Variables,
    /// Places in the whole run config that hold what came from secret fields.
    pub(super) secrets: &'a [Vec<String>],
}

impl Schemas {
    /// The config of a selected op for which nobody gives anything, if that is known to be fine.
    pub(super) fn by_nothing(&self, section: &ConfigSection<'_>) -> Option<ResolvedConfig> {
        let plain = section.selected && section.layer.is_none() && matches!(section.body, ConfigBody::Op);
        match section.schema.as_deref().filter(|_| plain) {
            Some(schema) => self.empty.get(&std::ptr::from_ref(schema).addr()).cloned(),
            None => plain.then(ResolvedConfig::default),
        }
    }

    /// The layers (lowest first) laid over one another, checked and completed.
    pub(super) fn resolve(
        &mut self,
        schema: Option<&Value>,
        layers: &[&Node],
        at: At<'_>,
        problems: &mut Problems,
    ) -> ResolvedConfig {
        let Some(raw) = schema else {
            refuse_any(layers, at, problems);
            return ResolvedConfig::default();
        };
        let address = std::ptr::from_ref(raw).addr();
        if layers.is_empty()
            && let Some(known) = self.empty.get(&address)
        {
            return known.clone();
        }
        let schema = Schema::new(raw);
        let merged = laid_over(schema, layers);
        let absent;
        let node = match &merged {
            Some(node) => node.as_ref(),
            None => {
                // A config that may be null is null unless something is given.
                let kind =
                    if Form::of(schema).defaults_to_null() { NodeKind::Null } else { NodeKind::Map(vec![]) };
                absent = Node { span: at.span.cloned(), kind };
                &absent
            }
        };
        let n_before = problems.list.len();
        let mut walk = Walk::new(at, problems);
        let mut value = walk.build(node, schema, 0);
        let Walk { mut env, mut secrets, reported, .. } = walk;
        // In no order of typing.
        env.sort_by(|a, b| a.path.cmp(&b.path));
        secrets.sort();
        secrets.dedup();
        if let Some(validator) = self.validator(raw, at, problems)
            && !validator.is_valid(&value)
        {
            explain_all(&validator, schema, &value, node, at, (&reported, &env, &secrets), problems);
        }
        for source in &env {
            let kept = at.variables == Variables::Kept;
            let marker = if kept { json!({ "env": source.name }) } else { Value::Null };
            put(&mut value, &source.path, marker);
        }
        let resolved = ResolvedConfig { value, env, secrets };
        if layers.is_empty() && problems.list.len() == n_before {
            self.empty.insert(address, resolved.clone());
        }
        resolved
    }

    /// The compiled schema; a schema that is none is reported once.
    fn validator(&mut self, schema: &Value, at: At<'_>, problems: &mut Problems) -> Option<Rc<Validator>> {
        let compiled = self.validators.entry(std::ptr::from_ref(schema).addr()).or_insert_with(|| {
            match jsonschema::draft202012::options().build(schema) {
                Ok(validator) => Some(Rc::new(validator)),
                Err(error) => {
                    problems.list.push(
                        Diagnostic::error(
                            "plan::bad-schema",
                            format!("the schema of `{}` is not valid: {error}", at.places.dotted(&[])),
                        )
                        .hint("this is a mistake of the library; tell its author"),
                    );
                    None
                }
            }
        });
        compiled.clone()
    }
}

fn refuse_any(layers: &[&Node], at: At<'_>, problems: &mut Problems) {
    for node in layers {
        if matches!(&node.kind, NodeKind::Map(entries) if entries.is_empty()) || node.kind == NodeKind::Null {
            continue;
        }
        problems.extra(at.places.all(&[]));
        problems.list.push(
            Diagnostic::error(
                "plan::unknown-key",
                format!("`{}`: there is nothing to configure", at.places.dotted(&[])),
            )
            .at(node.span.as_ref(), "its op takes no config")
            .hint("remove it"),
        );
    }
}

/// The layers laid over one another; none if there is none.
pub(super) fn laid_over<'a>(schema: Schema<'_>, layers: &[&'a Node]) -> Option<Cow<'a, Node>> {
    let (first, rest) = layers.split_first()?;
    let merged =
        rest.iter().fold(Cow::Borrowed(*first), |under, over| Cow::Owned(merge(Some(schema), &under, over)));
    Some(merged)
}

/// Replaces the value at a path; every part of it exists.
fn put(value: &mut Value, path: &[String], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    let inner = match value {
        Value::Object(entries) => entries.get_mut(first),
        Value::Array(items) => first.parse::<usize>().ok().and_then(|at| items.get_mut(at)),
        _ => None,
    };
    if let Some(inner) = inner {
        put(inner, rest, new);
    }
}
