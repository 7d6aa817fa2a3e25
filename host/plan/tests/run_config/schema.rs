//! The run config of a job as a JSON Schema for editors.

use cofferdam_plan::{ConfigSection, run_config_schema};
use serde_json::{Value, json};

use crate::kit::{graph, op, optional, read, record, tree};

fn fits(schema: &Value, yaml: &str) -> bool {
    let document = read(yaml).1.map_or(json!({}), |root| root.to_json());
    jsonschema::draft202012::new(schema).expect("the schema is one").is_valid(&document)
}

#[test]
fn an_editor_sees_what_is_needed_what_may_be_and_what_is_wrong() {
    let schema: Value = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
    let tree = tree(vec![op("clean", &schema), graph("g", vec![op("inner", &schema)])]);
    let exported = run_config_schema(&tree);
    let whole = "{source: {path: a}, width: 5}";
    let doc = |clean: &str, inner: &str| {
        format!("ops: {{clean: {{config: {clean}}}, g: {{ops: {{inner: {{config: {inner}}}}}}}}}")
    };
    assert!(fits(&exported, &doc(whole, whole)));
    assert!(fits(&exported, &doc("{source: {path: {env: P}}, width: {env: W}, strict: true}", whole)));
    for wrong in [
        "{}",
        "{source: {path: 5}, width: 5}",
        "{source: {path: a}, width: 5, x: 1}",
        "{source: {pth: a}, width: 5}",
    ] {
        assert!(!fits(&exported, &doc(wrong, whole)), "{wrong}");
        assert!(!fits(&exported, &doc(whole, wrong)), "{wrong}");
    }
    assert!(!fits(&exported, ""), "config is needed");
    assert!(!fits(&exported, &format!("{}\nother: 1", doc(whole, whole))));
    insta::assert_snapshot!(serde_json::to_string_pretty(&exported).unwrap());
}

/// What a library author writes.
#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Settings {
    /// Where it reads.
    source: Source,
    width: u32,
    #[schemars(default)]
    strict: bool,
    note: Option<String>,
}

#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Source {
    path: String,
}

#[test]
fn what_the_definitions_give_is_not_needed_again() {
    let schema = record(
        json!({"a": {"type": "integer"}, "b": record(json!({"c": {"type": "string"}, "d": {"type": "string"}}))}),
    );
    let with = |layer: &str| {
        let (_, layer) = read(layer);
        let step = ConfigSection { layer: layer.as_ref(), ..op("s", &schema) };
        run_config_schema(&tree(vec![step]))
    };
    let some = with("{a: 1, b: {c: x}}");
    assert!(fits(&some, "ops: {s: {config: {b: {d: y}}}}"));
    assert!(!fits(&some, "ops: {s: {config: {b: {}}}}"));
    assert!(!fits(&some, ""));
    let all = with("{a: 1, b: {c: x, d: y}}");
    assert!(fits(&all, ""));
    assert!(fits(&all, "ops:\n  s:\n"));
}

#[test]
fn a_thousand_steps_of_one_op_share_its_schema() {
    let fields: Vec<(String, Value)> =
        (0..50).map(|at| (format!("field_{at}"), json!({"type": "string"}))).collect();
    let schema = optional(Value::Object(fields.into_iter().collect()));
    let steps = (0..1_000).map(|at| op(&format!("s{at}"), &schema)).collect();
    let text = run_config_schema(&tree(steps)).to_string();
    assert!(text.len() < 60_000, "{} bytes", text.len());
}
