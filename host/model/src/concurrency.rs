//! How many steps of a run may run at once, by their tags, and what tags say about a run as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Diagnostic, Node, NodeKind};

/// Tag with the priority of a run or step: a whole number, larger first.
pub const PRIORITY_TAG: &str = "dagster/priority";
/// Tag with the namespace of a run: namespaces share a cluster fairly.
pub const NAMESPACE_TAG: &str = "cofferdam/namespace";
/// The namespace of runs that have no such tag.
pub const NAMESPACE_DEFAULT: &str = "default";

/// The namespace of a run with these tags.
pub fn namespace(tags: &BTreeMap<String, String>) -> &str {
    tags.get(NAMESPACE_TAG).map_or(NAMESPACE_DEFAULT, String::as_str)
}

/// A limit on steps of a run that run at once and carry a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagLimit {
    pub key: String,
    pub value: TagValue,
    /// One or more.
    pub limit: u32,
}

/// Which values of a tag count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagValue {
    /// All, together.
    Any,
    Is(String),
    /// All, each for itself.
    Each,
}

impl TagLimit {
    /// What a step with these tags counts against: the value that is counted for itself, if values are. None: the
    /// limit is not for it.
    pub fn counts<'a>(&self, tags: &'a BTreeMap<String, String>) -> Option<Option<&'a str>> {
        let found = tags.get(&self.key)?;
        match &self.value {
            TagValue::Any => Some(None),
            TagValue::Is(value) => (value == found).then_some(None),
            TagValue::Each => Some(Some(found)),
        }
    }
}

/// How many runs of an instance go on at once. The others wait, by priority and in the order in which they were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQueue {
    /// None is no limit; 0 lets none begin.
    pub max_concurrent: Option<u32>,
    /// Of runs that carry a tag; each of them must let a run.
    pub tag_limits: Vec<TagLimit>,
}

impl RunQueue {
    /// Whether it holds nothing up, ever.
    pub fn is_open(&self) -> bool {
        self.max_concurrent.is_none() && self.tag_limits.is_empty()
    }
}

/// What such limits look like, for hints.
const EXAMPLE: &str = "[{key: database, limit: 2}]";
/// Key of the table that stands for [`TagValue::Each`], as Dagster writes it.
const EACH_KEY: &str = "applyLimitPerUniqueValue";

/// Reads `tag_concurrency_limits` as Dagster writes them: `{key, limit}`, `{key, value, limit}` and
/// `{key, value: {applyLimitPerUniqueValue: true}, limit}`. What is wrong is reported under `code` and left out.
pub fn read_tag_limits(node: &Node, code: &'static str, problems: &mut Vec<Diagnostic>) -> Vec<TagLimit> {
    let NodeKind::List(items) = &node.kind else {
        let message = format!("`tag_concurrency_limits`: expected a list, found {}", node.kind_word());
        problems.push(
            Diagnostic::error(code, message)
                .at(node.span.as_ref(), "expected a list of limits")
                .hint(format!("write for example `{EXAMPLE}`")),
        );
        return vec![];
    };
    items.iter().filter_map(|item| read_tag_limit(item, code, problems)).collect()
}

fn read_tag_limit(node: &Node, code: &'static str, problems: &mut Vec<Diagnostic>) -> Option<TagLimit> {
    let mut wrong = |message: String, at: &Node, label: &str| {
        let problem = Diagnostic::error(code, message).at(at.span.as_ref().or(node.span.as_ref()), label);
        problems.push(problem.hint(format!("write for example `{EXAMPLE}`")));
    };
    let NodeKind::Map(entries) = &node.kind else {
        let message = format!("a tag limit: expected a table, found {}", node.kind_word());
        wrong(message, node, "expected `key` and `limit`");
        return None;
    };
    let (mut key, mut value, mut limit) = (None, Some(TagValue::Any), None);
    for (name, inner) in entries {
        match (name.value.as_str(), &inner.kind) {
            ("key", NodeKind::Text(text)) => key = Some(text.clone()),
            ("value", NodeKind::Null) => {}
            ("value", NodeKind::Map(_)) => {
                value = read_each(inner);
                if value.is_none() {
                    let message = "`value` of a tag limit is no value".to_owned();
                    wrong(message, inner, "expected text or `{applyLimitPerUniqueValue: true}`");
                }
            }
            ("value", NodeKind::Text(text)) => value = Some(TagValue::Is(text.clone())),
            // Tags are text: other values of them are kept as JSON.
            ("value", NodeKind::Int(_) | NodeKind::Bool(_) | NodeKind::Float(_)) => {
                value = Some(TagValue::Is(inner.to_json().to_string()));
            }
            ("limit", NodeKind::Int(n)) if (1..=i64::from(u32::MAX)).contains(n) => {
                limit = u32::try_from(*n).ok()
            }
            ("limit", _) => {
                wrong(
                    "`limit` of a tag limit is not a whole number above zero".to_owned(),
                    inner,
                    "expected 1 or more",
                );
                return None;
            }
            ("key" | "value", _) => {
                let message =
                    format!("`{}` of a tag limit: expected text, found {}", name.value, inner.kind_word());
                wrong(message, inner, "expected text");
                return None;
            }
            (other, _) => {
                let message = format!("a tag limit has no key `{other}`");
                wrong(message, inner, "expected `key`, `value` or `limit`");
                return None;
            }
        }
    }
    for (name, missing) in [("key", key.is_none()), ("limit", limit.is_none())] {
        if missing {
            wrong(format!("a tag limit has no `{name}`"), node, "one limit");
        }
    }
    Some(TagLimit { key: key?, value: value?, limit: limit? })
}

/// `{applyLimitPerUniqueValue: true}`; with `false` all values count together.
fn read_each(node: &Node) -> Option<TagValue> {
    let NodeKind::Map(entries) = &node.kind else { return None };
    match entries.as_slice() {
        [(key, Node { kind: NodeKind::Bool(each), .. })] if key.value == EACH_KEY => {
            Some(if *each { TagValue::Each } else { TagValue::Any })
        }
        _ => None,
    }
}

impl TagLimit {
    /// As [`read_tag_limits`] reads it.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({ "key": self.key, "limit": self.limit });
        match &self.value {
            TagValue::Any => {}
            TagValue::Is(value) => json["value"] = value.as_str().into(),
            TagValue::Each => json["value"] = serde_json::json!({ EACH_KEY: true }),
        }
        json
    }
}
