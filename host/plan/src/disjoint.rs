//! Do two schemas have no value in common? Only what is certain counts: of the alternatives of a target, those
//! that no value of the source can mean are out of the question.

use serde_json::Value;

use crate::schema::Schema;
use crate::types::{fits, lengths, listed};

/// How deep it looks: what tells alternatives apart (a tag, a type) lies near the top.
const DEPTH_MAX: usize = 8;

/// True if it is certain that no value is of both schemas.
pub(crate) fn disjoint(one: Schema<'_>, other: Schema<'_>) -> bool {
    apart(one, other, 0)
}

fn apart(one: Schema<'_>, other: Schema<'_>, depth: usize) -> bool {
    let (Some(one), Some(other)) = (one.resolved(), other.resolved()) else { return false };
    if one.is_never() || other.is_never() {
        return true;
    }
    if depth > DEPTH_MAX {
        return false;
    }
    for (branching, rest) in [(one, other), (other, one)] {
        let all_apart =
            |branches: Vec<Schema<'_>>| branches.iter().all(|inner| apart(*inner, rest, depth + 1));
        if branching.alternatives().is_some_and(all_apart) {
            return true;
        }
        let parts = branching.list("allOf").unwrap_or_default();
        if parts.iter().any(|part| apart(*part, rest, depth + 1)) {
            return true;
        }
        let values = listed(branching);
        if values.is_some_and(|values| values.iter().all(|value| fits(value, rest, "").is_err())) {
            return true;
        }
    }
    let (types, others) = (one.types(), other.types());
    let common: Vec<&str> = types.iter().copied().filter(|name| takes(&others, name)).collect();
    let common_back = others.iter().any(|name| takes(&types, name));
    match common.as_slice() {
        _ if types.is_empty() || others.is_empty() => false,
        [] => !common_back,
        ["object"] => records_apart(one, other, depth),
        ["array"] => lists_apart(one, other, depth),
        _ => false,
    }
}

fn takes(types: &[&str], name: &str) -> bool {
    types.contains(&name) || (name == "integer" && types.contains(&"number"))
}

/// A field that both must have and that cannot be the same, or that one must have and the other never has.
fn records_apart(one: Schema<'_>, other: Schema<'_>, depth: usize) -> bool {
    let lacks = |needs: Schema<'_>, has: Schema<'_>| {
        let closed = has.get("additionalProperties") == Some(&Value::Bool(false))
            && has.get("patternProperties").is_none();
        closed && needs.required().any(|name| has.property(name).is_none())
    };
    if lacks(one, other) || lacks(other, one) {
        return true;
    }
    one.required().filter(|name| other.required().any(|wanted| wanted == *name)).any(|name| {
        let both = one.property(name).zip(other.property(name));
        both.is_some_and(|(one, other)| apart(one, other, depth + 1))
    })
}

/// Lengths that do not overlap, or a place that both have and where the items cannot be the same.
fn lists_apart(one: Schema<'_>, other: Schema<'_>, depth: usize) -> bool {
    let ((min, max), (other_min, other_max)) = (lengths(one), lengths(other));
    if max < other_min || other_max < min {
        return true;
    }
    let (Some(items), Some(others)) = (one.list("prefixItems"), other.list("prefixItems")) else {
        return false;
    };
    let shared = usize::try_from(min.max(other_min)).unwrap_or(usize::MAX);
    items.into_iter().zip(others).take(shared).any(|(one, other)| apart(one, other, depth + 1))
}
