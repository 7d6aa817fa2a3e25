//! What a person may type next: missing config, defaults, and what is too much.

use cofferdam_plan::{ConfigBody, ConfigTree, InputPoint, expand_defaults, remove_extra, scaffold};
use serde_json::json;

use crate::kit::{graph, name, op, optional, read, record, resolve, section, tree};

#[test]
fn a_scaffold_has_every_kind_with_a_comment_that_tells_what_is_expected() {
    let described = |mut schema: serde_json::Value, doc: &str| {
        schema["description"] = doc.into();
        schema
    };
    let mut schema = record(json!({
        "shape": record(json!({"inner": {"type": "integer"}})),
        "selector": {"oneOf": [record(json!({"csv": {"type": "object"}})), record(json!({"parquet": {"type": "object"}}))]},
        "list": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "nullable": {"type": ["integer", "null"]},
        "enum": described(json!({"enum": ["fast", "exact"]}), "How well it is done.\nFast is fine."),
        "union": {"anyOf": [{"type": "string"}, {"type": "object"}]},
        "text": described(json!({"type": "string"}), "Words to count"),
        "int": {"type": "integer"},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
        "any": true,
        "token": described(json!({"type": "string", "writeOnly": true}), "Of the service"),
        "width": {"type": "integer", "minimum": 16},
    }));
    schema["properties"]["extra"] = json!({"type": "integer", "default": 3});
    let mut step = op("count", &schema);
    step.doc = "Counts words.".into();
    let text = scaffold(&tree(vec![step]), None);
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_given_stays_and_only_what_is_missing_is_added() {
    let schema = record(json!({"a": {"type": "integer"}, "b": record(json!({"c": {"type": "string"},
        "d": {"type": "array"}})), "s": {"oneOf": [record(json!({"x": record(json!({"y": {"type": "integer"}}))})),
        record(json!({"z": {"type": "integer"}}))]}, "l": {"type": "array", "items": record(json!({"m": {"type": "string"}}))}}));
    let (_, layer) = read("{a: 1, b: {d: [x]}}");
    let mut step = op("one", &schema);
    step.layer = layer.as_ref();
    let mut input = section("two", ConfigBody::Op);
    let anything = json!(true);
    let point = |text: &str, media: &'static str| InputPoint {
        name: name(text),
        doc: "".into(),
        media_type: media.into(),
        schema: &anything,
        many: false,
        required: true,
    };
    input.inputs =
        vec![point("table", "text/csv"), point("any", "application/cbor"), point("given", "text/csv")];
    let tree = tree(vec![step, graph("g", vec![input])]);
    let yaml = "tags: {team: me}\nops:\n  one: {config: {s: {x: {}}, l: [{}, {m: k}], extra: 5}}\n  g: {ops: {two: {inputs: {given: {file: a.csv}}}}}\n";
    let (_, root) = read(yaml);
    insta::assert_snapshot!(scaffold(&tree, root.as_ref()));
}

#[test]
fn defaults_are_written_out_and_mean_the_same() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["n", "token"], "properties": {
        "n": {"type": "integer"}, "scale": {"type": "number", "default": 1}, "token": {"type": "string", "writeOnly": true},
        "old": {"type": "string", "writeOnly": true, "default": "hush"}, "host": {"type": "string"},
        "nested": optional(json!({"deep": {"type": "string", "default": "yes"}, "deeper": optional(json!({}))})),
        "labels": {"type": "object", "default": {}}, "maybe": {"type": ["string", "null"]},
    }});
    let mut step = op("by_month", &schema);
    let (_, layer) = read("{host: {env: HOST}, token: {env: DEFINED}}");
    step.layer = layer.as_ref();
    let (_, of_job) = read("execution: {config: {max_concurrent: 4}}");
    let tree = ConfigTree { layers: vec![of_job.as_ref().unwrap()], ..tree(vec![step]) };
    let (_, root) = read("tags: {a: b}\nops: {by-month: {config: {n: 5}}}");
    let text = expand_defaults(&tree, root.as_ref());
    insta::assert_snapshot!(text);
    let (_, root) = read("ops: {by-month: {config: {n: 5, token: {env: MINE}, old: {env: OLD}}}}");
    let text = expand_defaults(&tree, root.as_ref());
    assert!(text.contains("env: MINE") && text.contains("env: OLD"), "{text}");
    let yaml = "ops: {by-month: {config: {n: 5, token: {env: MINE}, old: {env: OLD}}}}";
    assert_eq!(resolve(&tree, &text).unwrap().steps, resolve(&tree, yaml).unwrap().steps);
}

#[test]
fn what_nothing_asks_for_is_removed_and_told() {
    let schema =
        optional(json!({"n": {"type": "integer"}, "l": {"type": "array", "items": optional(json!({}))}}));
    let tree = tree(vec![op("a", &schema), graph("g", vec![section("b", ConfigBody::Op)])]);
    let yaml = "opps: 1\nops:\n  a: {config: {n: 1, m: 2, l: [{x: 1}]}, confg: 3}\n  c: {config: {}}\n  g: {config: {}, ops: {b: {config: {x: 1}}, d: {}}}\nresources: {r: {}}\n";
    let (_, root) = read(yaml);
    let (text, removed) = remove_extra(&tree, root.as_ref());
    assert_eq!(
        removed,
        [
            "opps",
            "ops.a.confg",
            "ops.a.config.l.0.x",
            "ops.a.config.m",
            "ops.c",
            "ops.g.config",
            "ops.g.ops.b.config",
            "ops.g.ops.d",
            "resources.r"
        ]
    );
    insta::assert_snapshot!(text);
    assert!(resolve(&tree, &text).is_ok());
    let (again, removed) = remove_extra(&tree, read(&text).1.as_ref());
    assert_eq!((again, removed), (text, vec![]));
}
