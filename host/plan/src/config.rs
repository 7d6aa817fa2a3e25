//! Config and literals against their schemas: merged, checked whole, completed with defaults.

use cofferdam_model::{Diagnostic, Node, NodeKind, nearest};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::schema::Schema;
use crate::types::{bound, bounds, describe};

/// How deep defaults are filled in: a recursive schema with recursive data ends somewhere.
const DEPTH_MAX: usize = 64;
/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;
/// Up to 2^53 a float holds every whole number; a larger one would silently become its neighbour.
const FLOAT_WHOLE_MAX: u64 = 1 << 53;
const FLOAT_WHOLE: (f64, f64) = (-9_007_199_254_740_992.0, 9_007_199_254_740_992.0);

/// The data completed: `default` of missing properties is filled in, in every object that is there, through
/// `$ref`, `items` and the one alternative that is not null. Whole numbers become floats where the schema
/// says `number` and not `integer`, so that each language's decoder gets the kind that it expects.
pub(crate) fn complete(value: &mut Value, schema: Schema<'_>, depth: usize) {
    let Some(schema) = schema.not_null().filter(|_| depth < DEPTH_MAX) else { return };
    match value {
        Value::Object(entries) => {
            for (name, property) in schema.properties().into_iter().flatten() {
                let property = schema.with(property);
                if !entries.contains_key(name) {
                    let default = property.get("default").or_else(|| property.resolved()?.get("default"));
                    if let Some(default) = default {
                        entries.insert(name.clone(), default.clone());
                    }
                }
                if let Some(inner) = entries.get_mut(name) {
                    complete(inner, property, depth + 1);
                }
            }
            if let Some(rest) = schema.sub("additionalProperties") {
                let known = schema.properties();
                for (name, inner) in entries {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        complete(inner, rest, depth + 1);
                    }
                }
            }
        }
        Value::Array(items) => {
            let prefix = schema.list("prefixItems").unwrap_or_default();
            for (at, item) in items.iter_mut().enumerate() {
                if let Some(schema) = prefix.get(at).copied().or_else(|| schema.sub("items")) {
                    complete(item, schema, depth + 1);
                }
            }
        }
        Value::Number(number) => {
            if only_float(schema) {
                let fits = number.as_i64().is_none_or(|whole| whole.unsigned_abs() <= FLOAT_WHOLE_MAX);
                if let Some(float) = number.as_f64().filter(|_| fits).and_then(serde_json::Number::from_f64) {
                    *number = float;
                }
            } else if schema.types() == ["integer"] && number.is_f64() {
                #[expect(clippy::cast_possible_truncation, reason = "only a float without fraction is taken")]
                if let Some(whole) = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15) {
                    *number = (whole as i64).into();
                }
            }
        }
        _ => {}
    }
}

/// All that is wrong with a value. `what` is its path in messages, `node` gives the places.
pub(crate) fn problems(
    validator: &Validator,
    schema: Schema<'_>,
    value: &Value,
    node: &Node,
    what: &str,
) -> Vec<Diagnostic> {
    let mut found = vec![];
    for error in validator.iter_errors(value) {
        explain(&error, schema, node, what, &mut found);
    }
    let mut path = vec![];
    check_ranges(value, schema, &mut path, &mut |path, number, (min, max)| {
        found.push(
            Diagnostic::error(
                "plan::bad-config",
                format!("`{what}{}` is {number}, expected {} to {}", dotted(path), bound(min), bound(max)),
            )
            .at(node.nearest(path).span.as_ref(), "out of range"),
        );
    });
    found
}

/// What a decoder of floats reads.
fn only_float(schema: Schema<'_>) -> bool {
    let types = schema.types();
    types.contains(&"number") && !types.contains(&"integer")
}

/// What the schema does not say: whole numbers that no float holds are still integers after [`complete`], and
/// there are integer formats that state no bounds of their own (schemars writes `int32` without a minimum).
fn check_ranges(
    value: &Value,
    schema: Schema<'_>,
    path: &mut Vec<String>,
    report: &mut impl FnMut(&[String], &serde_json::Number, (f64, f64)),
) {
    let Some(schema) = schema.not_null().filter(|_| path.len() < DEPTH_MAX) else { return };
    match value {
        Value::Number(number) if only_float(schema) && !number.is_f64() => report(path, number, FLOAT_WHOLE),
        Value::Number(number) if schema.get("format").is_some() => {
            let stated = schema.get("minimum").and_then(Value::as_f64).zip(schema.get("maximum"));
            let (min, max) = bounds(schema);
            if stated.is_none()
                && number.as_f64().is_some_and(|n| n < min.max(schema_min(schema, min)) || n > max)
                && !number.is_f64()
            {
                report(path, number, (min, max));
            }
        }
        Value::Object(entries) => {
            for (name, inner) in entries {
                if let Some(property) = schema.property(name).or_else(|| schema.sub("additionalProperties")) {
                    path.push(name.clone());
                    check_ranges(inner, property, path, report);
                    path.pop();
                }
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                if let Some(item) = schema.sub("items") {
                    path.push(at.to_string());
                    check_ranges(inner, item, path, report);
                    path.pop();
                }
            }
        }
        _ => {}
    }
}

/// A stated minimum was reported by the validator already; only the format's is ours.
fn schema_min(schema: Schema<'_>, min: f64) -> f64 {
    if schema.get("minimum").is_some() { f64::NEG_INFINITY } else { min }
}

fn dotted(path: &[String]) -> String {
    path.iter().map(|part| format!(".{part}")).collect()
}

fn explain(
    error: &ValidationError<'_>,
    schema: Schema<'_>,
    node: &Node,
    what: &str,
    found: &mut Vec<Diagnostic>,
) {
    let pointer = error.instance_path().to_string();
    let path: Vec<String> =
        pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let at = node.nearest(&path);
    let here = format!("`{what}{}`", dotted(&path));
    let place = schema_at(schema, &path);
    let problem = |message: String| Diagnostic::error("plan::bad-config", message);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known: Vec<&str> = place
                .and_then(Schema::properties)
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            for key in unexpected {
                let span = key_span(at, key);
                let mut one = problem(format!("{here} has no key `{key}`")).at(span, "unknown key");
                if let Some(near) = nearest(key, known.iter().copied()) {
                    one = one.hint(format!("did you mean `{near}`?"));
                } else if known.is_empty() {
                    one = one.hint("it takes no keys; remove it");
                } else {
                    one = one.hint(format!("known: `{}`", known.join("`, `")));
                }
                found.push(one);
            }
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let example = place.and_then(|place| place.property(name)).map(|inner| inner.example(2));
            let example = example.unwrap_or(Value::Null);
            found.push(
                Diagnostic::error("plan::missing-config", format!("{here} has no `{name}`"))
                    .at(at.span.as_ref(), format!("`{name}` is needed"))
                    .hint(format!("add for example `{name}: {example}`")),
            );
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(name) => name.to_string(),
                TypeKind::Multiple(names) => {
                    names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            let message = format!("{here}: expected {expected}, found {}", at.kind_word());
            let one = problem(message).at(at.span.as_ref(), format!("expected {expected}"));
            found.push(for_example(one, place));
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let list: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
            let mut one = problem(format!("{here} is {}", shown(error.instance())))
                .at(at.span.as_ref(), format!("expected one of {}", list.join(", ")));
            if let NodeKind::Text(text) = &at.kind
                && let Some(near) = nearest(text, options.iter().filter_map(Value::as_str))
            {
                one = one.hint(format!("did you mean `{near}`?"));
            }
            found.push(one);
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            if let Some(meant) = meant(context, &pointer) {
                meant.iter().for_each(|error| explain(error, schema, node, what, found));
                return;
            }
            let one = problem(format!(
                "{here}: {} fits none of the forms that are allowed",
                shown(error.instance())
            ));
            let expected = place.map_or(String::new(), |place| format!("expected {}", describe(place)));
            found.push(for_example(one.at(at.span.as_ref(), expected), place));
        }
        _ => {
            let message = error.masked_with("the value").to_string();
            let one = problem(format!("{here} is {}: {message}", shown(error.instance())));
            found.push(for_example(one.at(at.span.as_ref(), ""), place));
        }
    }
}

fn for_example(problem: Diagnostic, place: Option<Schema<'_>>) -> Diagnostic {
    match place {
        Some(place) => problem.hint(format!("write for example `{}`", place.example(2))),
        None => problem,
    }
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

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}

fn key_span<'a>(node: &'a Node, key: &str) -> Option<&'a cofferdam_model::Span> {
    match &node.kind {
        NodeKind::Map(entries) => {
            entries.iter().find(|(name, _)| name.value == key).and_then(|(name, _)| name.span.as_ref())
        }
        _ => node.span.as_ref(),
    }
}

/// The schema of the value at a path, as far as one alternative is meant.
fn schema_at<'a>(schema: Schema<'a>, path: &[String]) -> Option<Schema<'a>> {
    let Some((first, rest)) = path.split_first() else {
        return schema.not_null().or_else(|| schema.resolved());
    };
    let schema = schema.not_null()?;
    let place = first.parse::<usize>().ok();
    let child = schema
        .property(first)
        .or_else(|| schema.list("prefixItems")?.get(place?).copied())
        .or_else(|| schema.sub("items").filter(|_| place.is_some()))
        .or_else(|| schema.sub("additionalProperties"))?;
    schema_at(child, rest)
}
