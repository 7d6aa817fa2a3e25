//! `execution` of a run config: where the run goes, and how many steps run at once. The limits may stand in the section of
//! an executor, as Dagster's do. The section of a cluster may say where that is, as dagster-dask's does.

use cofferdam_model::{Diagnostic, Node, NodeKind, read_tag_limits};
use serde_json::{Value, json};

use super::document::Reader;

/// Where a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executor {
    /// The process that is asked drives it.
    Here,
    /// The cluster whose scheduler has that address.
    Cluster(Address),
}

/// `HOST:PORT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Text(String),
    /// The variable that holds it.
    Env(String),
}

/// Where these documents, the lowest first, send a run; none if they do not say. What is malformed says nothing here: it
/// is an error of the plan.
pub(crate) fn executor<'n>(documents: impl IntoIterator<Item = &'n Node>) -> Option<Executor> {
    let of_one = |document: &'n Node| {
        let config = document.get("execution")?.get("config")?;
        let address = |cluster: &'n Node| address(cluster.get("existing")?.get("address")?);
        match config.get("cluster").and_then(address) {
            Some(address) => Some(Executor::Cluster(address)),
            None => EXECUTORS[..2].iter().find_map(|word| config.get(word)).map(|_| Executor::Here),
        }
    };
    documents.into_iter().filter_map(of_one).last()
}

fn address(node: &Node) -> Option<Address> {
    match &node.kind {
        NodeKind::Text(text) if !text.is_empty() => Some(Address::Text(text.clone())),
        NodeKind::Map(entries) => match &entries[..] {
            [(key, Node { kind: NodeKind::Text(name), .. })] if key.value == "env" && !name.is_empty() => {
                Some(Address::Env(name.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What bounds the steps that run at once.
const LIMITS: [&str; 2] = ["max_concurrent", "tag_concurrency_limits"];
/// Sections in which Dagster has them.
const EXECUTORS: [&str; 3] = ["in_process", "multiprocess", CLUSTER];
const CLUSTER: &str = "cluster";
/// Where a cluster is that runs already.
const EXISTING: &str = "existing";
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
            EXISTING if place.last().is_some_and(|executor| executor == CLUSTER) => {
                existing(reader, node, &[place, &[EXISTING.to_owned()]].concat());
            }
            _ if is_outer => reader.unknown_key(place, key, &KEYS),
            _ if place.last().is_some_and(|executor| executor == CLUSTER) => {
                reader.unknown_key(place, key, &[&LIMITS[..], &[EXISTING]].concat());
            }
            _ => reader.unknown_key(place, key, &LIMITS),
        }
    }
}

fn existing(reader: &mut Reader<'_>, node: &Node, place: &[String]) {
    let mut said = None;
    for (key, node) in reader.entries(node, &format!("`{}`", place.join("."))) {
        match key.value.as_str() {
            "address" => said = Some((address(node), node.span.as_ref())),
            _ => reader.unknown_key(place, key, &["address"]),
        }
    }
    let span = match said {
        Some((Some(_), _)) => return,
        Some((None, span)) => span,
        None => node.span.as_ref(),
    };
    reader.problems.list.push(
        Diagnostic::error("plan::bad-run-config", "an existing cluster has no address")
            .at(span, "expected the address of a scheduler")
            .hint("write `existing: {address: \"HOST:PORT\"}`, or `address: {env: NAME}` for a variable that holds it"),
    );
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
    let mut existing = section(json!({"address": {
        "description": "Of its scheduler, HOST:PORT.",
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "object", "additionalProperties": false, "required": ["env"],
                "properties": {"env": {"type": "string", "minLength": 1}}},
        ],
    }}));
    existing["type"] = "object".into();
    existing["required"] = json!(["address"]);
    outer[CLUSTER]["properties"][EXISTING] = existing;
    section(json!({ "config": section(outer) }))
}
