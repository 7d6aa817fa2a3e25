//! What a validator finds, in words: one finding per place, with the expected form and a ready example. Values of
//! secret fields are never shown.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, EnvSource, Node, NodeKind, Span, nearest};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::form::{Form, Kind, is_secret, variable_name};
use super::leaf::At;
use super::{Problems, Variables};
use crate::schema::Schema;

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;
/// Characters of a form in words, and names that a message lists.
const FORM_CHARS_MAX: usize = 200;
const NAMES_SHOWN_MAX: usize = 12;

/// What the walk found before the validator: places that are reported already, variables, secret fields.
pub(super) type Known<'a> = (&'a [Vec<String>], &'a [EnvSource], &'a [Vec<String>]);

/// All that is wrong with a value.
pub(super) fn explain_all(
    validator: &Validator,
    schema: Schema<'_>,
    value: &Value,
    node: &Node,
    at: At<'_>,
    known: Known<'_>,
    problems: &mut Problems,
) {
    let mut explain = Explain { schema, node, at, known, missing: BTreeMap::new(), chosen: vec![], problems };
    for error in validator.iter_errors(value) {
        explain.one(&error);
    }
    explain.all_missing();
}

struct Explain<'a, 'p> {
    schema: Schema<'a>,
    node: &'a Node,
    at: At<'a>,
    known: Known<'a>,
    /// Names of required fields that are not there, by the path of their table.
    missing: BTreeMap<Vec<String>, Vec<String>>,
    /// Paths of words that are none of those that are listed: told once, whatever else they are not.
    chosen: Vec<Vec<String>>,
    problems: &'p mut Problems,
}

impl Explain<'_, '_> {
    fn one(&mut self, error: &ValidationError<'_>) {
        let pointer = error.instance_path().to_string();
        let path: Vec<String> =
            pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        let alternatives = match error.kind() {
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                Some(context)
            }
            _ => None,
        };
        if self.is_known(&path, alternatives.is_some()) {
            return;
        }
        if let Some(context) = alternatives
            && let Some(meant) = self.tagged(&path, context).or_else(|| meant(context, &pointer))
        {
            meant.iter().for_each(|error| self.one(error));
            return;
        }
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => self.unknown(&path, unexpected),
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default().to_owned();
                self.missing.entry(path).or_default().push(name);
            }
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().cloned().unwrap_or_default();
                self.not_a_choice(&path, &options, error.instance());
            }
            ValidationErrorKind::Constant { expected_value } => {
                self.not_a_choice(&path, std::slice::from_ref(expected_value), error.instance());
            }
            ValidationErrorKind::Type { .. }
            | ValidationErrorKind::AnyOf { .. }
            | ValidationErrorKind::OneOfNotValid { .. } => self.other_form(&path, error.instance()),
            _ => self.other(&path, error),
        }
    }

    /// What is wrong with the alternative that a table is by its tag.
    fn tagged<'c, 'e>(
        &self,
        path: &[String],
        context: &'c [Vec<ValidationError<'e>>],
    ) -> Option<&'c [ValidationError<'e>]> {
        let form = self.place(path)?;
        let node = self.node.nearest(path);
        let meant = form.meant(|name, word| super::merge::has(node, name, word))?.schema.at;
        let all = form.schema.alternatives()?;
        let is_meant = |one: &Schema<'_>| one.resolved().is_some_and(|one| std::ptr::eq(one.at, meant));
        let at = all.iter().position(is_meant).filter(|_| matches!(node.kind, NodeKind::Map(_)))?;
        context.get(at).map(Vec::as_slice)
    }

    /// Reported by the walk, or a variable stands there.
    fn is_known(&self, path: &[String], alternatives: bool) -> bool {
        let (reported, env, _) = self.known;
        env.iter().any(|source| source.path == path)
            || reported
                .iter()
                .any(|place| path.starts_with(place) || (alternatives && place.starts_with(path)))
    }

    fn is_secret(&self, path: &[String]) -> bool {
        self.known.2.iter().any(|secret| path.starts_with(secret) || secret.starts_with(path))
    }

    /// A value for a message.
    fn shown(&self, path: &[String], value: &Value) -> String {
        if self.is_secret(path) {
            return "a value that is not shown".to_owned();
        }
        cut(&value.to_string(), SHOWN_CHARS_MAX)
    }

    fn place(&self, path: &[String]) -> Option<Form<'_>> {
        schema_at(self.schema, self.node, path).map(Form::of)
    }

    fn push(&mut self, one: Diagnostic) {
        self.problems.list.push(one);
    }

    fn unknown(&mut self, path: &[String], unexpected: &[String]) {
        let here = self.at.places.dotted(path);
        let at = self.node.nearest(path);
        let names: Vec<String> =
            unexpected.iter().take(NAMES_SHOWN_MAX).map(|key| format!("`{key}`")).collect();
        let n_more = unexpected.len().saturating_sub(NAMES_SHOWN_MAX);
        let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
        let keys = if unexpected.len() == 1 { "key" } else { "keys" };
        let message = format!("`{here}` has no {keys} {}{more}", names.join(", "));
        let mut one = Diagnostic::error("plan::unknown-key", message);
        for key in unexpected.iter().take(NAMES_SHOWN_MAX) {
            one = one.at(key_span(at, key), "unknown key");
        }
        let hint = match self.place(path) {
            Some(form) => {
                let known: Vec<&str> =
                    form.schema.properties().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let near = unexpected.iter().find_map(|key| nearest(key, known.iter().copied()));
                let expected = cut(&form.words(), FORM_CHARS_MAX);
                match near {
                    _ if known.is_empty() => "it takes no keys; remove what is given".to_owned(),
                    Some(near) => format!("did you mean `{near}`? expected {expected}"),
                    None => format!("expected {expected}"),
                }
            }
            None => "remove what is not known".to_owned(),
        };
        for key in unexpected {
            let mut path = path.to_vec();
            path.push(key.clone());
            self.problems.extra(self.at.places.all(&path));
        }
        self.push(one.hint(hint));
    }

    fn all_missing(&mut self) {
        for (path, names) in std::mem::take(&mut self.missing) {
            let here = self.at.places.dotted(&path);
            let list = format!("`{}`", names.join("`, `"));
            let message = match names.as_slice() {
                [_] => format!("`{here}` has no {list}"),
                _ => format!("`{here}` has none of {list}"),
            };
            let needed = if names.len() == 1 { "is needed" } else { "are needed" };
            let form = self.place(&path);
            let example: Map<String, Value> = names
                .iter()
                .map(|name| {
                    let place = form.as_ref().and_then(|form| form.schema.property(name));
                    let example = |place: Schema<'_>| {
                        let variable = is_secret(place) && Form::of(place).env_kind().is_some();
                        if variable { json!({ "env": variable_name(name) }) } else { place.example(2) }
                    };
                    (name.clone(), place.map_or(Value::Null, example))
                })
                .collect();
            let example: Vec<String> =
                example.iter().map(|(name, example)| format!("{name}: {example}")).collect();
            let at = self.node.nearest(&path);
            let one = Diagnostic::error("plan::missing-config", message)
                .at(at.span.as_ref(), format!("{list} {needed}"))
                .hint(format!("add for example `{}`", cut(&example.join(", "), FORM_CHARS_MAX)));
            self.push(one);
        }
    }

    fn not_a_choice(&mut self, path: &[String], options: &[Value], value: &Value) {
        if self.chosen.iter().any(|told| told == path) {
            return;
        }
        self.chosen.push(path.to_vec());
        let at = self.node.nearest(path);
        let list: Vec<String> =
            options.iter().take(NAMES_SHOWN_MAX).map(|option| format!("`{}`", plain(option))).collect();
        let more = if options.len() > NAMES_SHOWN_MAX { ", …" } else { "" };
        let message = format!("`{}` is {}", self.at.places.dotted(path), self.shown(path, value));
        let of = if options.len() == 1 { "" } else { "one of " };
        let mut one = Diagnostic::error("plan::bad-config", message)
            .at(at.span.as_ref(), format!("expected {of}{}{more}", list.join(", ")));
        if let NodeKind::Text(text) = &at.kind
            && let Some(near) = nearest(text, options.iter().filter_map(Value::as_str))
        {
            one = one.hint(format!("did you mean `{near}`?"));
        }
        self.push(one);
    }

    /// Another type, or none of several forms.
    fn other_form(&mut self, path: &[String], value: &Value) {
        let here = self.at.places.dotted(path);
        let at = self.node.nearest(path);
        let form = self.place(path);
        if let Some(Kind::Choice(words)) = form.as_ref().map(|form| &form.kind) {
            let words: Vec<Value> = words.iter().map(|word| (*word).clone()).collect();
            self.not_a_choice(path, &words, value);
            return;
        }
        let Some(form) = form else {
            let message = format!("`{here}`: {} does not fit", self.shown(path, value));
            self.push(Diagnostic::error("plan::bad-config", message).at(at.span.as_ref(), ""));
            return;
        };
        let words = cut(&form.words(), FORM_CHARS_MAX);
        let found = at.kind_word();
        let same = matches!((&form.kind, &at.kind), (Kind::Union(_), NodeKind::Map(_) | NodeKind::List(_)));
        let message = if same {
            format!("`{here}`: {} fits none of the forms that are allowed", self.shown(path, value))
        } else {
            format!("`{here}`: expected {}, found {found}", short(&form))
        };
        let takes_env = self.at.variables != Variables::Refused && form.env_kind().is_some();
        let env = if takes_env { " or `{env: NAME}`" } else { "" };
        let example = form.schema.example(2);
        self.push(
            Diagnostic::error("plan::bad-config", message)
                .at(at.span.as_ref(), format!("expected {words}"))
                .hint(format!("write for example `{example}`{env}")),
        );
    }

    fn other(&mut self, path: &[String], error: &ValidationError<'_>) {
        let at = self.node.nearest(path);
        let why = error.masked_with("the value").to_string();
        let shown = self.shown(path, error.instance());
        let message = format!("`{}` is {shown}: {why}", self.at.places.dotted(path));
        let mut one = Diagnostic::error("plan::bad-config", message).at(at.span.as_ref(), "");
        if let Some(form) = self.place(path) {
            one = one.hint(format!("write for example `{}`", form.schema.example(2)));
        }
        self.push(one);
    }
}

/// The kind of thing, without its parts.
fn short(form: &Form<'_>) -> String {
    let word = match &form.kind {
        Kind::Table => "a table".to_owned(),
        Kind::Selector(_) => "a table with one key".to_owned(),
        Kind::List => "a list".to_owned(),
        _ => return cut(&form.words(), FORM_CHARS_MAX),
    };
    if form.nullable { format!("{word} or null") } else { word }
}

/// Text without its quotes, all else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max).chain(['…']).collect()
}

/// The one alternative that a value was meant to be: the only one whose type fits, or else the only one whose
/// fields and tag do.
fn meant<'a, 'e>(
    context: &'a [Vec<ValidationError<'e>>],
    pointer: &str,
) -> Option<&'a [ValidationError<'e>]> {
    let depth = pointer.matches('/').count();
    let by_type = |error: &ValidationError<'_>| {
        matches!(error.kind(), ValidationErrorKind::Type { .. })
            && error.instance_path().to_string() == pointer
    };
    let by_fields = |error: &ValidationError<'_>| match error.instance_path().to_string().matches('/').count()
    {
        at if at == depth => true,
        at => at == depth + 1 && matches!(error.kind(), ValidationErrorKind::Constant { .. }),
    };
    let only = |other: &dyn Fn(&ValidationError<'_>) -> bool| {
        let mut left = context.iter().filter(|errors| !errors.iter().any(other));
        left.next().filter(|_| left.next().is_none()).map(Vec::as_slice)
    };
    only(&by_type).or_else(|| only(&by_fields))
}

fn key_span<'a>(node: &'a Node, key: &str) -> Option<&'a Span> {
    match &node.kind {
        NodeKind::Map(entries) => {
            entries.iter().find(|(name, _)| name.value == key).and_then(|(name, _)| name.span.as_ref())
        }
        _ => node.span.as_ref(),
    }
}

/// The schema of the value at a path, as far as one alternative is meant.
pub(super) fn schema_at<'a>(schema: Schema<'a>, node: &Node, path: &[String]) -> Option<Schema<'a>> {
    let Some((first, rest)) = path.split_first() else { return Some(schema) };
    let form = Form::of(schema);
    let place = first.parse::<usize>().ok();
    let in_list = form.list().and_then(|list| {
        let fixed = list.schema.list("prefixItems").and_then(|items| items.get(place?).copied());
        fixed.or_else(|| list.schema.sub("items").filter(|_| place.is_some()))
    });
    let child = in_list.or_else(|| {
        let table = form.meant(|name, word| super::merge::has(node, name, word))?;
        super::merge::field(table, first)
    })?;
    let inner = match &node.kind {
        NodeKind::Map(_) => node.get(first),
        NodeKind::List(items) => items.get(place?),
        _ => None,
    };
    schema_at(child, inner.unwrap_or(node), rest)
}
