//! A value for a place of a schema that a person is to fill in: the shortest one that fits, with a comment that says
//! what is expected. One rule per kind; what a person gives already stays as it is and is only added to.

use cofferdam_model::{Node, NodeKind};
use serde_json::{Number, Value, json};

use super::form::{Form, Kind, doc_of, is_required, is_secret, variable_name};
use super::merge::{field, has};
use super::yaml::{Draft, Entry};
use crate::schema::Schema;

/// Stands where exactly one of several keys has to be chosen.
pub(super) const SELECTOR: &str = "<selector>";
/// Stands where anything may be given.
const ANY: &str = "AnyType";
/// How deep a form is filled in.
const DEPTH_MAX: usize = 24;
/// Words that a comment lists.
const WORDS_MAX: usize = 20;

/// What is given, with what is needed and given neither there nor by `layer`. None: there is nothing to say.
pub(super) fn fill(place: Schema<'_>, layer: Option<&Node>, given: Option<&Node>) -> Option<Draft> {
    fill_within(place, layer, given, "", 0)
}

/// `name` is the field's, or that of the nearest field around it.
fn fill_within(
    place: Schema<'_>,
    layer: Option<&Node>,
    given: Option<&Node>,
    name: &str,
    depth: usize,
) -> Option<Draft> {
    let form = Form::of(place);
    let Some(node) = given.or(layer).filter(|_| depth < DEPTH_MAX) else {
        return given.is_none().then(|| blank_at(place, &form, name, depth));
    };
    match (&node.kind, given) {
        (NodeKind::Map(_), _) => match form.meant(|name, word| has(node, name, word)) {
            Some(table) if matches!(table.kind, Kind::Table) => {
                let draft = fill_table(table, layer, given, depth);
                (given.is_some() || !draft.is_empty_table()).then_some(draft)
            }
            Some(table) if matches!(table.kind, Kind::Selector(_)) => {
                fill_selector(table, layer, given, depth)
            }
            _ => given.map(|node| Draft::of(node.to_json())),
        },
        (NodeKind::List(items), Some(_)) => {
            let list = form.list().and_then(|list| list.schema.sub("items"));
            let each = |item: &Node| {
                let filled = list.and_then(|place| fill_within(place, None, Some(item), name, depth + 1));
                filled.unwrap_or_else(|| Draft::of(item.to_json()))
            };
            Some(Draft::List(items.iter().map(each).collect()))
        }
        (_, given) => given.map(|node| Draft::of(node.to_json())),
    }
}

fn fill_table(table: &Form<'_>, layer: Option<&Node>, given: Option<&Node>, depth: usize) -> Draft {
    let mut entries = vec![];
    for (key, inner) in given.into_iter().flat_map(entries_of) {
        let below = layer.and_then(|layer| layer.get(key));
        let filled =
            field(table, key).and_then(|place| fill_within(place, below, Some(inner), key, depth + 1));
        let value = filled.unwrap_or_else(|| Draft::of(inner.to_json()));
        entries.push(Entry { key: key.to_owned(), comment: String::new(), value });
    }
    let in_layer = layer.into_iter().flat_map(entries_of).map(|(name, _)| name);
    let in_layer = in_layer.filter(|name| !table.schema.required().any(|required| required == *name));
    for name in table.schema.required().chain(in_layer) {
        let Some(place) = table.schema.property(name) else { continue };
        if given.is_some_and(|given| given.get(name).is_some()) {
            continue;
        }
        let below = layer.and_then(|layer| layer.get(name));
        if below.is_none() && !is_required(place) {
            continue;
        }
        if let Some(value) = fill_within(place, below, None, name, depth + 1) {
            entries.push(Entry { key: name.to_owned(), comment: comment(place), value });
        }
    }
    Draft::Table(entries)
}

fn fill_selector(
    table: &Form<'_>,
    layer: Option<&Node>,
    given: Option<&Node>,
    depth: usize,
) -> Option<Draft> {
    let node = given.or(layer)?;
    let mut entries = entries_of(node);
    let (Some((key, inner)), None) = (entries.next(), entries.next()) else {
        return given.map(|node| Draft::of(node.to_json()));
    };
    let place = field(table, key)?;
    let below = layer.and_then(|layer| layer.get(key));
    let inner = given.map(|_| inner).filter(|inner| inner.kind != NodeKind::Null);
    let value = fill_within(place, below, inner, key, depth + 1).or_else(|| given.map(|_| Draft::empty()))?;
    Some(Draft::Table(vec![Entry { key: key.to_owned(), comment: String::new(), value }]))
}

fn entries_of(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match &node.kind {
        NodeKind::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().map(|(key, node)| (key.value.as_str(), node))
}

/// The value of a place of which nothing is known. A secret is never written down.
fn blank_at(place: Schema<'_>, form: &Form<'_>, name: &str, depth: usize) -> Draft {
    if !is_secret(place) || form.env_kind().is_none() {
        return blank(form, name, depth);
    }
    let variable = Draft::Value(variable_name(name).into());
    Draft::Table(vec![Entry { key: "env".to_owned(), comment: String::new(), value: variable }])
}

fn blank(form: &Form<'_>, name: &str, depth: usize) -> Draft {
    let schema = form.schema;
    if let Some(example) = schema.get("examples").and_then(|list| list.get(0)) {
        return Draft::of(example.clone());
    }
    let value = match &form.kind {
        Kind::Null => Value::Null,
        Kind::Any => ANY.into(),
        Kind::Truth => true.into(),
        Kind::Integer => whole(schema),
        Kind::Number => number(schema),
        Kind::Text => text(schema).into(),
        Kind::Choice(words) => words.first().map_or(Value::Null, |word| (*word).clone()),
        Kind::Selector(_) => SELECTOR.into(),
        Kind::Table => return fill_table(form, None, None, depth + 1),
        Kind::List => return Draft::List(items(schema, name, depth)),
        Kind::Union(forms) => {
            let scalar = forms.iter().find(|form| {
                !matches!(form.kind, Kind::Table | Kind::List | Kind::Selector(_) | Kind::Union(_))
            });
            return scalar
                .or(forms.first())
                .map_or(Draft::Value(Value::Null), |form| blank(form, name, depth + 1));
        }
    };
    Draft::Value(value)
}

/// As many as there have to be.
fn items(schema: Schema<'_>, name: &str, depth: usize) -> Vec<Draft> {
    let n_min = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let n_min = usize::try_from(n_min).unwrap_or(usize::MAX);
    let prefix = schema.list("prefixItems").unwrap_or_default();
    let places = prefix.into_iter().map(Some).chain(std::iter::repeat(schema.sub("items")));
    let places = places.take(if depth < DEPTH_MAX { n_min.min(WORDS_MAX) } else { 0 });
    places
        .map(|place| match place {
            Some(place) => blank_at(place, &Form::of(place), name, depth + 1),
            None => Draft::Value(ANY.into()),
        })
        .collect()
}

fn text(schema: Schema<'_>) -> String {
    let n_min = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    "x".repeat(usize::try_from(n_min).unwrap_or(0).min(256))
}

/// Zero, or the bound that is nearest to it.
#[expect(clippy::cast_possible_truncation, reason = "bounds of whole numbers beyond 64 bits are not met")]
fn whole(schema: Schema<'_>) -> Value {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let min = bound("minimum").map(f64::ceil).or(bound("exclusiveMinimum").map(|min| min.floor() + 1.0));
    let max = bound("maximum").map(f64::floor).or(bound("exclusiveMaximum").map(|max| max.ceil() - 1.0));
    let near = min.map_or(0.0, |min| min.max(0.0));
    let near = max.map_or(near, |max| max.min(near));
    json!(near as i64)
}

fn number(schema: Schema<'_>) -> Value {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let candidates = [Some(0.0), min, max, above.map(|n| n + 1.0), below.map(|n| n - 1.0)];
    let half = above.or(min).zip(below.or(max)).map(|(low, high)| low + (high - low) / 2.0);
    let fits = |n: &f64| {
        min.is_none_or(|min| *n >= min)
            && max.is_none_or(|max| *n <= max)
            && above.is_none_or(|above| *n > above)
            && below.is_none_or(|below| *n < below)
    };
    let found = candidates.into_iter().chain([half]).flatten().find(fits).unwrap_or(0.0);
    Number::from_f64(found).filter(|_| found != 0.0).map_or(json!(0), Value::Number)
}

/// What is expected at a place, and what its author says about it.
pub(super) fn comment(place: Schema<'_>) -> String {
    let form = Form::of(place);
    let mut kind = match &form.kind {
        Kind::Table if form.schema.properties().is_some() => "table".to_owned(),
        Kind::Selector(fields) => {
            let names: Vec<&str> = fields.iter().map(|(name, _)| *name).take(WORDS_MAX).collect();
            format!("exactly one of the keys {}", names.join(", "))
        }
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().take(WORDS_MAX).map(|word| plain(word)).collect();
            format!("one of {}", words.join(", "))
        }
        _ => form.words(),
    };
    if matches!(form.kind, Kind::Table | Kind::Selector(_) | Kind::Choice(_)) && form.nullable {
        kind.push_str(" | null");
    }
    if is_secret(place) {
        kind.push_str(", secret");
    }
    match doc_of(place).map(str::trim).filter(|doc| !doc.is_empty()) {
        Some(doc) => format!("{kind}: {doc}"),
        None => kind,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
