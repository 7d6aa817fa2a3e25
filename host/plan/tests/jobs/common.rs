//! Libraries without components, and the way from text to a plan or to rendered messages.

use std::collections::BTreeMap;

use cofferdam_config::{Texts, read_definitions, read_run_config, render};
use cofferdam_model::{LibraryDigest, LibrarySpec, Name, Plan};
use cofferdam_plan::{Libraries, Request, World, compile};
use serde_json::{Value, json};

/// Columns of rendered messages.
pub(crate) const WIDTH: usize = 110;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A port; a trailing `*` makes it many (an input) or dynamic (an output), a trailing `?` optional.
pub(crate) fn port(spelling: &str, schema: Value) -> Value {
    let name = spelling.trim_end_matches(['*', '?']);
    json!({"name": name, "doc": "", "media_type": "application/cbor", "schema": schema,
        "required": !spelling.ends_with('?'), "many": spelling.contains('*'), "dynamic": spelling.contains('*')})
}

pub(crate) fn op(name: &str, inputs: Vec<Value>, outputs: Vec<Value>, config: Value) -> Value {
    json!({"name": name, "doc": "", "inputs": inputs, "outputs": outputs, "config_schema": config})
}

/// Library `t`.
pub(crate) fn library(ops: Vec<Value>) -> Libraries {
    let spec: LibrarySpec = serde_json::from_value(json!({"name": "t", "version": "1", "ops": ops})).unwrap();
    BTreeMap::from([(name("t"), (LibraryDigest([7; 32]), spec))])
}

/// Ops that pass text on in all ways: `emit` and `spread` give a dynamic output `items`, `gather` takes many.
pub(crate) fn shapes() -> Libraries {
    let text = || json!({"type": "string"});
    library(vec![
        op("emit", vec![], vec![port("items*", text()), port("result?", text())], Value::Null),
        op("spread", vec![port("value", text())], vec![port("items*", text())], Value::Null),
        op("make", vec![], vec![port("result", text())], Value::Null),
        op("pass", vec![port("value", text())], vec![port("result", text())], Value::Null),
        op("join", vec![port("a", text()), port("b", text())], vec![port("result", text())], Value::Null),
        op(
            "gather",
            vec![port("all*", text()), port("value?", text())],
            vec![port("result", text())],
            Value::Null,
        ),
    ])
}

/// [`shapes`], and ops for hooks, resources and IO managers.
pub(crate) fn text_ops() -> Libraries {
    let text = || json!({"type": "string"});
    let any = |spelling: &str| port(spelling, Value::Bool(true));
    let (digest, mut spec) = shapes().remove(&name("t")).unwrap();
    let strings = |field: &str| {
        json!({"type": "object", "additionalProperties": false,
            "properties": {field: {"type": "string", "default": "all"}}})
    };
    let mut query = op("query", vec![], vec![port("result", text())], Value::Null);
    query["resources"] = json!([{"name": "db", "kind": "sql", "doc": ""}]);
    let more = vec![
        op("notify", vec![any("event?")], vec![], strings("channel")),
        op("open", vec![], vec![port("result", text())], strings("url")),
        op("close", vec![port("resource", text())], vec![], Value::Null),
        op("put", vec![any("value")], vec![port("result", text())], Value::Null),
        op("get", vec![port("stored", text())], vec![any("result")], Value::Null),
        query,
    ];
    spec.ops.extend(more.into_iter().map(|op| serde_json::from_value(op).unwrap()));
    BTreeMap::from([(name("t"), (digest, spec))])
}

/// The only job, `j`, of library `t` in `t.wasm`.
pub(crate) fn job(steps: &str) -> String {
    format!("[libraries.t]\nwasm = \"t.wasm\"\n{steps}")
}

/// The plan of job `j`, or all messages.
pub(crate) fn plan(libs: &Libraries, toml: &str, yaml: &str) -> Result<Plan, String> {
    let mut texts = Texts::default();
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", toml);
    let (run, more) = read_run_config(&mut texts, "run.yaml", yaml);
    let found = [found, more].concat();
    if !found.is_empty() {
        return Err(render(&texts, &found, false, WIDTH));
    }
    match compile(&defs, libs, Request::job(&name("j"), &run), &World::default()) {
        Ok((plan, warnings)) => {
            assert_eq!(warnings, []);
            Ok(plan)
        }
        Err(found) => Err(render(&texts, &found, false, WIDTH)),
    }
}
