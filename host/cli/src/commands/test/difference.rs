//! Where a value is not what was expected.

use serde_json::{Map, Value};

/// The first place where they differ, in words; `path` names the value. Numbers are compared by what they are, however
/// they are written; what is null may be left out of what is expected, for which TOML has no word.
pub(super) fn first(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => first_in_map(path, expected, found),
        (Value::Array(expected), Value::Array(found)) => {
            let pairs = expected.iter().zip(found).enumerate();
            let differs =
                pairs.into_iter().find_map(|(at, (one, other))| first(&format!("{path}[{at}]"), one, other));
            differs.or_else(|| {
                let (found, expected) = (found.len(), expected.len());
                (found != expected).then(|| format!("{path} has {found} elements, expected {expected}"))
            })
        }
        (Value::Number(one), Value::Number(other)) if is_same(one, other) => None,
        (one, other) if one == other => None,
        _ => Some(format!("{path} is {}, expected {}", shortened(found), shortened(expected))),
    }
}

fn first_in_map(path: &str, expected: &Map<String, Value>, found: &Map<String, Value>) -> Option<String> {
    for (key, one) in expected {
        let Some(other) = found.get(key) else {
            return Some(format!("{path}.{key} is not there, expected {}", shortened(one)));
        };
        if let Some(differs) = first(&format!("{path}.{key}"), one, other) {
            return Some(differs);
        }
    }
    let more = found.iter().find(|(key, value)| !expected.contains_key(*key) && !value.is_null());
    more.map(|(key, value)| format!("{path}.{key} is {}, and was not expected", shortened(value)))
}

fn is_same(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 200;

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differs(expected: Value, found: Value) -> String {
        first("x", &expected, &found).unwrap_or_default()
    }

    #[test]
    fn equal_values_do_not_differ_however_numbers_are_written() {
        assert_eq!(differs(json!({"a": [1, 2.0, "x"]}), json!({"a": [1.0, 2, "x"], "b": null})), "");
        assert_eq!(differs(json!(u64::MAX), json!(u64::MAX)), "");
        assert_eq!(differs(json!(0.1), json!(0.1)), "");
    }

    #[test]
    fn the_first_place_that_differs_is_named() {
        let found = json!({"a": [{"b": 1}, {"b": 2}], "c": true});
        assert_eq!(
            differs(json!({"a": [{"b": 1}, {"b": 3}], "c": true}), found.clone()),
            "x.a[1].b is 2, expected 3"
        );
        assert_eq!(
            differs(json!({"a": [{"b": 1}], "c": true}), found.clone()),
            "x.a has 2 elements, expected 1"
        );
        assert_eq!(differs(json!({"a": found["a"]}), found.clone()), "x.c is true, and was not expected");
        assert_eq!(differs(json!({"d": 1}), found), "x.d is not there, expected 1");
        assert_eq!(
            differs(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)),
            "x is 9007199254740992, expected 9007199254740993"
        );
        assert_eq!(differs(json!("a"), json!(1)), "x is 1, expected \"a\"");
        assert_eq!(differs(json!(1), json!("ä".repeat(300))).chars().count(), 5 + 1 + 199 + 1 + 12);
    }
}
