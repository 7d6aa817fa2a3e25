//! What differs between two run configs.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands for a value that must not be shown.
pub const MASK: &str = "********";

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Keys and positions from the root.
    pub path: Vec<String>,
    /// None if it is new.
    pub old: Option<Value>,
    /// None if it is gone.
    pub new: Option<Value>,
}

/// All differences, in the order of their paths; a part that is new or gone is one of them. `is_secret` is asked for
/// the path of every value that would be shown; if it says so, both sides of it are masked.
pub fn config_diff(parent: &Value, child: &Value, is_secret: impl Fn(&[String]) -> bool) -> Vec<Change> {
    let mut changes = vec![];
    compare(Some(parent), Some(child), &mut vec![], &is_secret, &mut changes);
    changes
}

fn compare(
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<String>,
    is_secret: &impl Fn(&[String]) -> bool,
    changes: &mut Vec<Change>,
) {
    if old == new {
        return;
    }
    let parts: Vec<(String, Option<&Value>, Option<&Value>)> = match (old, new) {
        _ if is_secret(path) => vec![],
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            keys.into_iter().map(|key| (key.clone(), old.get(key), new.get(key))).collect()
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            (0..old.len().max(new.len())).map(|at| (at.to_string(), old.get(at), new.get(at))).collect()
        }
        _ => vec![],
    };
    if parts.is_empty() {
        let old = old.map(|value| masked(value, path, is_secret));
        let new = new.map(|value| masked(value, path, is_secret));
        changes.push(Change { path: path.clone(), old, new });
        return;
    }
    for (part, old, new) in parts {
        path.push(part);
        compare(old, new, path, is_secret, changes);
        path.pop();
    }
}

/// A copy in which secrets are hidden.
fn masked(value: &Value, path: &mut Vec<String>, is_secret: &impl Fn(&[String]) -> bool) -> Value {
    if is_secret(path) {
        return Value::String(MASK.to_owned());
    }
    let mut inner = |part: String, value: &Value| {
        path.push(part);
        let shown = masked(value, path, is_secret);
        path.pop();
        shown
    };
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), inner(key.clone(), value))).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().map(|(at, value)| inner(at.to_string(), value)).collect()
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// One line a change.
    fn diff(old: &Value, new: &Value) -> Vec<String> {
        let secret = |path: &[String]| path.last().is_some_and(|last| last == "password");
        let side = |value: Option<Value>| value.map_or("–".to_owned(), |value| value.to_string());
        let changes = config_diff(old, new, secret).into_iter();
        changes.map(|c| format!("{}: {} → {}", c.path.join("."), side(c.old), side(c.new))).collect()
    }

    #[test]
    fn what_changed_is_told_by_path() {
        let old = json!({"ops": {"a": {"config": {"n": 1, "list": [1, 2], "gone": true}}}, "same": {"x": 1}});
        let new = json!({"ops": {"a": {"config": {"n": 2, "list": [1, 3, 4], "new": {"k": null}}}}, "same": {"x": 1}});
        assert_eq!(
            diff(&old, &new),
            [
                "ops.a.config.gone: true → –",
                "ops.a.config.list.1: 2 → 3",
                "ops.a.config.list.2: – → 4",
                "ops.a.config.n: 1 → 2",
                "ops.a.config.new: – → {\"k\":null}",
            ]
        );
        assert!(diff(&old, &old).is_empty());
        assert_eq!(diff(&json!(null), &json!({"a": 1})), [": null → {\"a\":1}"]);
    }

    #[test]
    fn a_secret_is_masked_wherever_it_would_show() {
        let old = json!({"db": {"password": "one", "user": "ann"}});
        let new = json!({"db": {"password": "two", "user": "ann"}, "other": {"db": [{"password": {"deep": "three"}}]}});
        assert_eq!(
            diff(&old, &new),
            ["db.password: \"********\" → \"********\"", "other: – → {\"db\":[{\"password\":\"********\"}]}",]
        );
        // From text to a part, and back.
        let flat = json!({"db": "none"});
        assert_eq!(diff(&old, &flat), ["db: {\"password\":\"********\",\"user\":\"ann\"} → \"none\""]);
    }
}
