//! Libraries without components, and the way from text to a plan or to rendered messages.

use std::collections::BTreeMap;

use cofferdam_config::{Texts, read_definitions, read_run_config, render};
use cofferdam_model::{LibraryDigest, LibrarySpec, Name, Plan};
use cofferdam_plan::{Files, Libraries, compile};
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
    match compile(&defs, libs, &name("j"), &run, &Files::default()) {
        Ok((plan, warnings)) => {
            assert_eq!(warnings, []);
            Ok(plan)
        }
        Err(found) => Err(render(&texts, &found, false, WIDTH)),
    }
}
