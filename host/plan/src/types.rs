//! Is every value of one schema acceptable to another? Structural and cautious: a definite mismatch is found
//! with the first differing field; what cannot be decided is accepted, because values are checked again
//! where they are read.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use crate::disjoint::disjoint;
use crate::schema::Schema;

/// Fields of an object that a message lists.
const FIELDS_SHOWN_MAX: usize = 4;

/// Why a value of the source may be refused by the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// From the value down: `[].delay`.
    pub(crate) path: String,
    pub(crate) gives: String,
    pub(crate) needs: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { path, gives, needs } = self;
        let place = if path.is_empty() { String::new() } else { format!("`{path}` ") };
        write!(f, "{place}gives {gives}, needed is {needs}")
    }
}

/// Where a value of the source may be refused by the target: the first place found, or none.
pub fn mismatch(source: &Value, target: &Value) -> Option<Mismatch> {
    if source == target {
        return None;
    }
    let mut comparison = Comparison { seen: HashSet::new() };
    comparison.compare(Schema::new(source), Schema::new(target), "").err()
}

struct Comparison {
    /// Pairs that are compared already: recursive types end here.
    seen: HashSet<(usize, usize)>,
}

type Verdict = Result<(), Mismatch>;

fn differ(path: &str, gives: impl Into<String>, needs: impl Into<String>) -> Verdict {
    Err(Mismatch { path: path.to_owned(), gives: gives.into(), needs: needs.into() })
}

impl Comparison {
    fn compare(&mut self, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        let (Some(source), Some(target)) = (source.resolved(), target.resolved()) else { return Ok(()) };
        if target.at == &Value::Bool(false) {
            return differ(path, describe(source), "nothing");
        }
        if !source.at.is_object() || !target.at.is_object() {
            return Ok(());
        }
        let pair = (std::ptr::from_ref(source.at).addr(), std::ptr::from_ref(target.at).addr());
        if !self.seen.insert(pair) {
            return Ok(());
        }
        let verdict = self.compare_objects(source, target, path);
        // Only a pair that is still open is assumed to fit; in another alternative it is compared again.
        if verdict.is_err() {
            self.seen.remove(&pair);
        }
        verdict
    }

    fn compare_objects(&mut self, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        if let Some(branches) = source.alternatives() {
            return branches.into_iter().try_for_each(|branch| self.compare(branch, target, path));
        }
        if let Some(parts) = source.list("allOf") {
            return match parts.as_slice() {
                [only] => self.compare(*only, target, path),
                _ => Ok(()),
            };
        }
        if let Some(values) = listed(source) {
            return values.into_iter().try_for_each(|value| fits(value, target, path));
        }
        if let Some(parts) = target.list("allOf") {
            parts.into_iter().try_for_each(|part| self.compare(source, part, path))?;
        }
        let types = source.types();
        if types.is_empty() {
            return Ok(());
        }
        types.into_iter().try_for_each(|name| self.compare_type(name, source, target, path))
    }

    /// Compares the part of the source that is of one type.
    fn compare_type(&mut self, name: &str, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        let Some(target) = target.resolved() else { return Ok(()) };
        if let Some(branches) = target.alternatives() {
            return self.compare_any(name, source, &branches, path);
        }
        let types = target.types();
        let allowed =
            types.is_empty() || types.contains(&name) || (name == "integer" && types.contains(&"number"));
        if !allowed {
            return differ(path, name, types.join(" or "));
        }
        if let Some(values) = listed(target) {
            if name == "boolean" {
                let both = [Value::Bool(true), Value::Bool(false)];
                return both.iter().try_for_each(|value| fits(value, target, path));
            }
            if name != "null" {
                return differ(path, format!("any {name}"), one_of(&values));
            }
        }
        match name {
            "integer" | "number" => compare_bounds(name, source, target, path),
            "string" => compare_formats(source, target, path),
            "array" => self.compare_lists(source, target, path),
            "object" => self.compare_records(source, target, path),
            _ => Ok(()),
        }
    }

    fn compare_any(
        &mut self,
        name: &str,
        source: Schema<'_>,
        branches: &[Schema<'_>],
        path: &str,
    ) -> Verdict {
        let mut found = vec![];
        for branch in branches {
            match self.compare_type(name, source, *branch, path) {
                Ok(()) => return Ok(()),
                Err(mismatch) => found.push((*branch, mismatch)),
            }
        }
        // Only the part of the source that is of this type is looked at here.
        let part = serde_json::json!({ "type": name });
        let meant = |branch| !disjoint(Schema::new(&part), branch) && !disjoint(source, branch);
        let possible: Vec<&Mismatch> =
            found.iter().filter(|(branch, _)| meant(*branch)).map(|(_, mismatch)| mismatch).collect();
        let deeper = |mismatch: &&Mismatch| mismatch.path.len() > path.len();
        match possible.as_slice() {
            [only] => return Err((*only).clone()),
            // Several alternatives may cover the source together: not definite.
            several if several.iter().any(deeper) => return Ok(()),
            _ => {}
        }
        let deep: Vec<&Mismatch> = found.iter().map(|(_, mismatch)| mismatch).filter(deeper).collect();
        if let [only] = deep.as_slice() {
            return Err((*only).clone());
        }
        let mut needs: Vec<String> = found.iter().map(|(_, mismatch)| mismatch.needs.clone()).collect();
        if !deep.is_empty() {
            needs = found.iter().map(|(branch, _)| describe(*branch)).collect();
            return differ(path, describe(source), needs.join(" or "));
        }
        needs.dedup();
        let gives = found.first().map_or(name, |(_, mismatch)| mismatch.gives.as_str());
        differ(path, gives, needs.join(" or "))
    }

    fn compare_lists<'a>(&mut self, source: Schema<'a>, target: Schema<'a>, path: &str) -> Verdict {
        let (given, wanted) = (lengths(source), lengths(target));
        let fixed = wanted.0 == wanted.1;
        let stated = given != (0, u64::MAX);
        if (stated || fixed) && (given.0 < wanted.0 || given.1 > wanted.1) {
            return differ(path, n_items(given), n_items(wanted));
        }
        let (first, other) = (source.list("prefixItems"), target.list("prefixItems"));
        let n_given = first.as_ref().map_or(0, Vec::len);
        let n_wanted = other.as_ref().map_or(0, Vec::len);
        let item = |schema: Schema<'a>, first: &Option<Vec<Schema<'a>>>, at: usize| {
            first.as_ref().and_then(|first| first.get(at).copied()).or_else(|| schema.sub("items"))
        };
        for at in 0..n_given.max(n_wanted) {
            if let (Some(given), Some(wanted)) = (item(source, &first, at), item(target, &other, at)) {
                self.compare(given, wanted, &format!("{path}[{at}]"))?;
            }
        }
        match (source.sub("items"), target.sub("items")) {
            (Some(given), Some(wanted)) if given.at.is_object() => {
                self.compare(given, wanted, &format!("{path}[]"))
            }
            _ => Ok(()),
        }
    }

    fn compare_records(&mut self, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        let given_rest = source.sub("additionalProperties");
        let required: Vec<&str> = source.required().collect();
        for name in target.required() {
            if required.contains(&name) {
                continue;
            }
            let known = source.property(name).is_some() || given_rest.is_some_and(|rest| !rest.is_never());
            let gives = if known { "a field that may be absent" } else { "no such field" };
            // A source that says nothing at all about its fields may well have it.
            if source.properties().is_some() || given_rest.is_some_and(|rest| rest.at != &Value::Bool(true)) {
                let needs = target.property(name).map_or("a value".to_owned(), describe);
                return differ(&format!("{path}.{name}"), gives, needs);
            }
        }
        let wanted_rest = target.sub("additionalProperties");
        for (name, given) in source.properties().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let given = source.with(given);
            if let Some(wanted) = target.property(name) {
                self.compare(given, wanted, &path)?;
            } else if let Some(rest) = wanted_rest.filter(|_| target.get("patternProperties").is_none()) {
                if rest.is_never() {
                    return differ(&path, describe(given), "no such field");
                }
                self.compare(given, rest, &path)?;
            }
        }
        let Some(given_rest) = given_rest.filter(|rest| rest.at.is_object()) else { return Ok(()) };
        for (name, wanted) in target.properties().into_iter().flatten() {
            if source.property(name).is_none() {
                self.compare(given_rest, target.with(wanted), &format!("{path}.{name}"))?;
            }
        }
        match wanted_rest {
            Some(rest) if rest.is_never() && target.get("patternProperties").is_none() => {
                differ(&format!("{path}.*"), "fields of any name", "only the fields that it knows")
            }
            Some(rest) => self.compare(given_rest, rest, &format!("{path}.*")),
            None => Ok(()),
        }
    }
}

/// Fewest and most items of a list; a tuple is closed by `items: false` or by `maxItems`.
pub(crate) fn lengths(schema: Schema<'_>) -> (u64, u64) {
    let number = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let closed = schema.get("items") == Some(&Value::Bool(false));
    let prefix = schema.get("prefixItems").and_then(Value::as_array).filter(|_| closed);
    let max = number("maxItems").or(prefix.map(|items| items.len() as u64));
    (number("minItems").unwrap_or(0), max.unwrap_or(u64::MAX))
}

fn n_items((min, max): (u64, u64)) -> String {
    match (min, max) {
        (0, u64::MAX) => "a list of any length".to_owned(),
        (min, u64::MAX) => format!("a list of at least {min} items"),
        (min, max) if min == max => format!("a list of {min} items"),
        (0, max) => format!("a list of at most {max} items"),
        (min, max) => format!("a list of {min} to {max} items"),
    }
}

/// The values that a schema lists one by one.
pub(crate) fn listed<'a>(schema: Schema<'a>) -> Option<Vec<&'a Value>> {
    if let Some(value) = schema.get("const") {
        return Some(vec![value]);
    }
    Some(schema.get("enum")?.as_array()?.iter().collect())
}

fn one_of(values: &[&Value]) -> String {
    let shown: Vec<String> = values.iter().take(8).map(ToString::to_string).collect();
    let more = if values.len() > 8 { ", …" } else { "" };
    if values.len() == 1 {
        return shown.concat();
    }
    format!("one of {}{more}", shown.join(", "))
}

/// One listed value against a schema; only type, list and alternatives are looked at.
pub(crate) fn fits(value: &Value, target: Schema<'_>, path: &str) -> Verdict {
    let Some(target) = target.resolved() else { return Ok(()) };
    if let Some(branches) = target.alternatives() {
        if branches.iter().any(|branch| fits(value, *branch, path).is_ok()) {
            return Ok(());
        }
        return differ(path, value.to_string(), describe(target));
    }
    if listed(target).is_some_and(|values| !values.contains(&value)) {
        return differ(path, value.to_string(), describe(target));
    }
    let types = target.types();
    let fits = types.is_empty()
        || types.iter().any(|name| match (*name, value) {
            ("null", Value::Null)
            | ("boolean", Value::Bool(_))
            | ("string", Value::String(_))
            | ("number", Value::Number(_))
            | ("array", Value::Array(_))
            | ("object", Value::Object(_)) => true,
            ("integer", Value::Number(number)) => !number.is_f64(),
            _ => false,
        });
    if fits {
        return Ok(());
    }
    differ(path, value.to_string(), types.join(" or "))
}

/// Bounds count only where the source states one: an integer of a language that has no widths fits.
fn compare_bounds(name: &str, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
    let range = |min: f64, max: f64| match (min.is_finite(), max.is_finite()) {
        (true, true) => format!("{name} from {} to {}", bound(min), bound(max)),
        (true, false) => format!("{name} from {}", bound(min)),
        (false, true) => format!("{name} up to {}", bound(max)),
        (false, false) => name.to_owned(),
    };
    let (given_min, given_max) = bounds(source);
    let (wanted_min, wanted_max) = bounds(target);
    let below = given_min.is_finite() && given_min < wanted_min;
    let above = given_max.is_finite() && given_max > wanted_max;
    if below || above {
        return differ(path, range(given_min, given_max), range(wanted_min, wanted_max));
    }
    Ok(())
}

/// A bound as people write it: the largest integers of 64 bits are no floats.
pub(crate) fn bound(value: f64) -> String {
    if value == 2f64.powi(63) {
        return i64::MAX.to_string();
    }
    if value == 2f64.powi(64) {
        return u64::MAX.to_string();
    }
    value.to_string()
}

/// Smallest and largest value, from the bounds and from the formats of schemars.
pub(crate) fn bounds(schema: Schema<'_>) -> (f64, f64) {
    let number = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let (min, max) = match schema.get("format").and_then(Value::as_str) {
        Some("int8") => (-128.0, 127.0),
        Some("int16") => (-32_768.0, 32_767.0),
        Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
        Some("int" | "int64") => (-(2f64.powi(63)), 2f64.powi(63)),
        Some("uint8") => (0.0, 255.0),
        Some("uint16") => (0.0, 65_535.0),
        Some("uint32") => (0.0, f64::from(u32::MAX)),
        Some("uint" | "uint64") => (0.0, 2f64.powi(64)),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let min = number("minimum").or(number("exclusiveMinimum")).map_or(min, |stated| stated.max(min));
    let max = number("maximum").or(number("exclusiveMaximum")).map_or(max, |stated| stated.min(max));
    (min, max)
}

fn compare_formats(source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
    let format = |schema: Schema<'_>| schema.get("format").and_then(Value::as_str).map(str::to_owned);
    match (format(source), format(target)) {
        (Some(given), Some(wanted)) if given != wanted => {
            differ(path, format!("string of format {given}"), format!("string of format {wanted}"))
        }
        _ => Ok(()),
    }
}

/// A schema in a few words.
pub(crate) fn describe(schema: Schema<'_>) -> String {
    let Some(schema) = schema.resolved() else { return "anything".to_owned() };
    if let Some(values) = listed(schema) {
        return one_of(&values);
    }
    if let Some(branches) = schema.alternatives() {
        let words: Vec<String> = branches.into_iter().take(8).map(describe).collect();
        return words.join(" or ");
    }
    let fields: Vec<String> =
        schema.required().take(FIELDS_SHOWN_MAX).map(|name| field(schema, name)).collect();
    match schema.types().as_slice() {
        [] => "anything".to_owned(),
        ["object"] if !fields.is_empty() => format!("an object with {}", fields.join(", ")),
        types => types.join(" or "),
    }
}

/// A field of an object by its name, with its value where that is fixed: the tag of an alternative.
fn field(schema: Schema<'_>, name: &str) -> String {
    match schema.property(name).and_then(|inner| inner.get("const")) {
        Some(value) => format!("`{name}` {value}"),
        None => format!("`{name}`"),
    }
}
