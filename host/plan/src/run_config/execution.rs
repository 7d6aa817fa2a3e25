//! `execution` of a run config: how many steps run at once. The limits may stand in the section of an executor, as
//! Dagster's do; which of them it is makes no difference to a run.

use cofferdam_model::{Diagnostic, Node, NodeKind, read_tag_limits};
use serde_json::{Value, json};

use super::document::Reader;

/// What bounds the steps that run at once.
const LIMITS: [&str; 2] = ["max_concurrent", "tag_concurrency_limits"];
/// Sections in which Dagster has them.
const EXECUTORS: [&str; 3] = ["in_process", "multiprocess", "cluster"];
const KEYS: [&str; 5] = ["max_concurrent", "tag_concurrency_limits", "in_process", "multiprocess", "cluster"];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) {
    let place = ["execution".to_owned(), "config".to_owned()];
    for (key, node) in reader.entries(node, "`execution`") {
        if key.value == "config" {
            read_section(reader, node, &place);
        } else {
            reader.unknown_key(&place[..1], key, &["config"]);
        }
    }
}

/// `execution.config`, or the section of an executor in it.
fn read_section(reader: &mut Reader<'_>, node: &Node, place: &[String]) {
    let is_outer = place.len() == 2;
    let entries = reader.entries(node, &format!("`{}`", place.join(".")));
    let mut executor = None;
    for (key, node) in entries {
        match key.value.as_str() {
            "max_concurrent" => max_concurrent(reader, node, place),
            "tag_concurrency_limits" => {
                let limits = read_tag_limits(node, "plan::bad-run-config", &mut reader.problems.list);
                reader.resolved.tag_limits = Some(limits);
                reader.resolved.limits_at = place.to_vec();
            }
            word if is_outer && EXECUTORS.contains(&word) => {
                let inner = [place, &[word.to_owned()]].concat();
                read_section(reader, node, &inner);
                if let Some(first) = executor.replace(word) {
                    reader.problems.list.push(
                        Diagnostic::error(
                            "plan::bad-run-config",
                            format!("`execution.config` has two executors: `{first}` and `{word}`"),
                        )
                        .at(key.span.as_ref(), "another one")
                        .hint("keep one of them"),
                    );
                }
            }
            _ if is_outer => reader.unknown_key(place, key, &KEYS),
            _ => reader.unknown_key(place, key, &LIMITS),
        }
    }
}

fn max_concurrent(reader: &mut Reader<'_>, node: &Node, place: &[String]) {
    match node.kind {
        NodeKind::Int(n) if (1..=i64::from(u32::MAX)).contains(&n) => {
            reader.resolved.max_concurrent = u32::try_from(n).ok();
            reader.resolved.limits_at = place.to_vec();
        }
        _ => reader.problems.list.push(
            Diagnostic::error("plan::bad-run-config", "`max_concurrent` is not a whole number above zero")
                .at(node.span.as_ref(), "expected 1 or more")
                .hint("write for example `max_concurrent: 4`, or leave it out for no limit"),
        ),
    }
}

/// Schema of the section, for editors.
pub(super) fn schema() -> Value {
    let limits = || {
        json!({
            "max_concurrent": {"type": "integer", "minimum": 1, "description": "Steps that run at once, at most."},
            "tag_concurrency_limits": {
                "type": "array",
                "description": "Steps with a tag that run at once, at most.",
                "items": {
                    "type": "object", "additionalProperties": false, "required": ["key", "limit"],
                    "properties": {
                        "key": {"type": "string", "description": "Of the tag."},
                        "value": {
                            "description": "Which value counts; none: all together.",
                            "anyOf": [
                                {"type": ["string", "number", "boolean", "null"]},
                                {"type": "object", "additionalProperties": false,
                                    "required": ["applyLimitPerUniqueValue"],
                                    "properties": {"applyLimitPerUniqueValue": {
                                        "type": "boolean", "description": "Each value counts for itself."}}},
                            ],
                        },
                        "limit": {"type": "integer", "minimum": 1},
                    },
                },
            },
        })
    };
    let section = |properties: Value| json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties});
    let mut outer = limits();
    for executor in EXECUTORS {
        outer[executor] = section(limits());
        outer[executor]["description"] = "Limits, as Dagster has them here.".into();
    }
    section(json!({ "config": section(outer) }))
}
