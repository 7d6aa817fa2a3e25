//! Is every value of one schema acceptable to another? Structural and cautious: a definite mismatch is found
//! with the first differing field; what cannot be decided is accepted, because values are checked again
//! where they are read.

use std::collections::HashSet;

use serde_json::Value;

use crate::schema::Schema;

/// Why a value of the source may be refused by the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// From the value down: `[].delay`.
    pub(crate) path: String,
    pub(crate) gives: String,
    pub(crate) needs: String,
}

/// The first mismatch, or none.
pub(crate) fn mismatch(source: &Value, target: &Value) -> Option<Mismatch> {
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
                Err(mismatch) => found.push((branch.is_null(), mismatch)),
            }
        }
        // The branch that went deepest is the one that was meant; null is never meant.
        let likely = found.iter().filter(|(null, _)| !null).max_by_key(|(_, mismatch)| mismatch.path.len());
        let Some((_, likely)) = likely else {
            return differ(path, name, "null");
        };
        if likely.path.len() > path.len() {
            let deep = found.iter().filter(|(_, mismatch)| mismatch.path.len() > path.len()).count();
            // Several alternatives may cover the source together: not definite.
            return if deep > 1 { Ok(()) } else { Err(likely.clone()) };
        }
        let needs: Vec<&str> = found.iter().map(|(_, mismatch)| mismatch.needs.as_str()).collect();
        differ(path, likely.gives.clone(), needs.join(" or "))
    }

    fn compare_lists(&mut self, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        let given = source.list("prefixItems");
        let wanted = target.list("prefixItems");
        match (given, wanted) {
            (Some(given), Some(wanted)) => {
                if given.len() != wanted.len() && is_tuple(source) && is_tuple(target) {
                    let items = |n: usize| format!("a list of {n} items");
                    return differ(path, items(given.len()), items(wanted.len()));
                }
                let mut pairs = given.into_iter().zip(wanted).enumerate();
                pairs.try_for_each(|(at, (given, wanted))| {
                    self.compare(given, wanted, &format!("{path}[{at}]"))
                })
            }
            (Some(given), None) => {
                let Some(items) = target.sub("items") else { return Ok(()) };
                let mut given = given.into_iter().enumerate();
                given.try_for_each(|(at, given)| self.compare(given, items, &format!("{path}[{at}]")))
            }
            (None, Some(wanted)) if is_tuple(target) && source.get("minItems").is_none() => {
                differ(path, "a list of any length", format!("a list of {} items", wanted.len()))
            }
            (None, Some(_)) => Ok(()),
            (None, None) => match (source.sub("items"), target.sub("items")) {
                (Some(given), Some(wanted)) => self.compare(given, wanted, &format!("{path}[]")),
                _ => Ok(()),
            },
        }
    }

    fn compare_records(&mut self, source: Schema<'_>, target: Schema<'_>, path: &str) -> Verdict {
        let given_rest = source.sub("additionalProperties");
        let required: Vec<&str> = source.required().collect();
        for name in target.required() {
            if required.contains(&name) {
                continue;
            }
            let gives = match source.property(name) {
                Some(_) => "may be absent",
                None => "no such field",
            };
            // A source that says nothing at all about its fields may well have it.
            if source.properties().is_some() || given_rest.is_some() {
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
                if rest.at == &Value::Bool(false) {
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
            Some(rest) if rest.at == &Value::Bool(false) && target.get("patternProperties").is_none() => {
                differ(&format!("{path}.*"), "fields of any name", "only the fields that it knows")
            }
            Some(rest) => self.compare(given_rest, rest, &format!("{path}.*")),
            None => Ok(()),
        }
    }
}

fn is_tuple(schema: Schema<'_>) -> bool {
    let n_items = schema.get("prefixItems").and_then(Value::as_array).map(Vec::len);
    let is_n = |keyword| schema.get(keyword).and_then(Value::as_u64).map(|n| n as usize) == n_items;
    is_n("minItems") && (is_n("maxItems") || schema.get("items") == Some(&Value::Bool(false)))
}

/// The values that a schema lists one by one.
fn listed(schema: Schema<'_>) -> Option<Vec<&Value>> {
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
fn fits(value: &Value, target: Schema<'_>, path: &str) -> Verdict {
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
        (true, true) => format!("{name} from {min} to {max}"),
        (true, false) => format!("{name} from {min}"),
        (false, true) => format!("{name} up to {max}"),
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
fn describe(schema: Schema<'_>) -> String {
    let Some(schema) = schema.resolved() else { return "anything".to_owned() };
    if let Some(values) = listed(schema) {
        return one_of(&values);
    }
    if let Some(branches) = schema.alternatives() {
        let words: Vec<String> = branches.into_iter().take(8).map(describe).collect();
        return words.join(" or ");
    }
    let types = schema.types();
    if types.is_empty() { "anything".to_owned() } else { types.join(" or ") }
}
