//! A whole job from its text to its plan, and the messages of a broken one.

use std::collections::BTreeMap;

use cofferdam_config::{Texts, read_definitions, read_run_config, render};
use cofferdam_model::{KeyedValue, LibraryDigest, LibrarySpec, Name, Plan, Source, ValueRef};
use cofferdam_plan::{FileForm, Files, Libraries, Request, World, check, compile, file_sources};

const GOOD: &str = r#"
[libraries.flights]
crate = "ops"
[jobs.delays.steps.report]
op = "flights.report"
inputs.stats = { collect = "clean.table" }
inputs.title = { value = "Delays" }
after = ["split"]
[jobs.delays.steps.clean]
op = "flights.clean"
inputs.month = { map = "split.months" }
config = { strict = true }
retry = { max_retries = 1, delay = "1s" }
resources = { GPU = 1.5 }
[jobs.delays.steps.split]
op = "flights.split"
inputs.months = { files = "data/*.csv" }
tags = { "dagster-dask/resource_requirements" = '{"GPU": 2}', "dagster/priority" = "7" }
"#;

fn libraries() -> Libraries {
    let port = |name: &str, schema: serde_json::Value, extra: serde_json::Value| {
        let mut port = serde_json::json!({"name": name, "doc": "", "media_type": "application/cbor",
            "schema": schema, "required": true, "many": false, "dynamic": false});
        for (key, value) in extra.as_object().unwrap() {
            port[key] = value.clone();
        }
        port
    };
    let none = serde_json::json!({});
    let row = |kind: &str| {
        serde_json::json!({"type": "array", "items": {"type": "object",
        "required": ["delay"], "properties": {"delay": {"type": kind}}}})
    };
    let any = serde_json::json!({"media_type": "*/*", "many": true});
    let spec: LibrarySpec = serde_json::from_value(serde_json::json!({"name": "flights", "version": "1", "ops": [
        {"name": "split", "doc": "", "config_schema": null, "inputs": [port("months", true.into(), any)],
         "outputs": [port("months", serde_json::json!({"type": "string"}), serde_json::json!({"dynamic": true}))]},
        {"name": "clean", "doc": "", "inputs": [port("month", serde_json::json!({"type": "string"}), none.clone())],
         "config_schema": {"type": "object", "additionalProperties": false, "required": ["strict"], "properties": {
            "strict": {"type": "boolean"}, "width": {"type": "integer", "format": "int32", "default": 7},
            "scale": {"type": "number", "default": 1}}},
         "outputs": [port("table", row("number"), none.clone())]},
        {"name": "report", "doc": "", "config_schema": null, "outputs": [],
         "inputs": [port("stats", row("number"), serde_json::json!({"many": true})),
                    port("title", serde_json::json!({"type": "string"}), none.clone())]},
        {"name": "strict", "doc": "", "config_schema": null, "outputs": [],
         "inputs": [port("table", row("integer"), none)]},
    ]}))
    .unwrap();
    BTreeMap::from([(Name::new("flights").unwrap(), (LibraryDigest([7; 32]), spec))])
}

fn files() -> Files {
    let value = KeyedValue {
        key: Some(Name::key("jan").unwrap()),
        value: ValueRef::inline("text/csv", b"x".to_vec()),
    };
    Files { values: BTreeMap::from([(("data/*.csv".to_owned(), true), vec![value])]), ..Files::default() }
}

fn try_compile(toml: &str, yaml: &str) -> Result<Plan, String> {
    let mut texts = Texts::default();
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", toml);
    let (run, more) = read_run_config(&mut texts, "run.yaml", yaml);
    let found = [found, more].concat();
    if !found.is_empty() {
        return Err(render(&texts, &found, false, 100));
    }
    let job = Name::new("delays").unwrap();
    let request = Request::job(&job, &run);
    let world = World { files: files(), ..World::default() };
    let libraries = libraries();
    let result = compile(&defs, &libraries, request, &world);
    result.map(|(plan, _)| plan).map_err(|found| render(&texts, &found, false, 100))
}

#[test]
fn a_mapped_step_gets_a_scope_and_a_collected_one_loses_it() {
    let plan = try_compile(GOOD, "").unwrap_or_else(|text| panic!("{text}"));
    let keys: Vec<&str> = plan.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["split", "clean", "report"]);
    assert_eq!(plan.steps[1].scope.len(), 1);
    assert!(plan.steps[2].scope.is_empty());
    assert!(matches!(plan.steps[2].inputs[0].source, Source::Collect(_)));
    let config: serde_json::Value = ciborium::from_reader(plan.steps[1].config.as_slice()).unwrap();
    assert_eq!(config, serde_json::json!({"strict": true, "width": 7, "scale": 1.0}));
}

#[test]
fn an_order_only_edge_is_planned_without_an_input() {
    let plan = try_compile(GOOD, "").unwrap();
    assert_eq!(plan.steps[2].after, [plan.find("split").unwrap()]);
}

#[test]
fn c6_resources_come_from_dagsters_tag_and_from_our_own_key() {
    let plan = try_compile(GOOD, "").unwrap();
    assert_eq!(plan.steps[0].resources["GPU"], 2.0);
    assert_eq!(plan.steps[1].resources["GPU"], 1.5);
    assert_eq!(plan.steps[0].priority, 7);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bytes = try_compile(GOOD, "").unwrap().encode();
    for _ in 0..5 {
        assert_eq!(try_compile(GOOD, "").unwrap().encode(), bytes);
    }
}

#[test]
fn a_type_mismatch_names_both_ports_and_the_field() {
    let bad =
        format!("{GOOD}\n[jobs.delays.steps.s]\nop = \"flights.strict\"\ninputs.table = \"clean.table\"\n");
    insta::assert_snapshot!(try_compile(&bad, "").unwrap_err());
}

#[test]
fn every_error_of_a_run_config_comes_with_its_place() {
    let yaml = "ops:\n  clean:\n    config: {stritc: 1, strict: 'yes', width: 3000000000}\n  claen: {}\n  split: {inputs: {monts: 1}}\n";
    insta::assert_snapshot!(try_compile(GOOD, yaml).unwrap_err());
}

#[test]
fn a_cycle_is_printed_with_its_edges() {
    let bad = GOOD.replace("inputs.months = { files = \"data/*.csv\" }", "inputs.months = [\"clean.table\"]");
    insta::assert_snapshot!(try_compile(&bad, "").unwrap_err());
}

#[test]
fn check_needs_no_files_and_file_sources_names_them() {
    let mut texts = Texts::default();
    let (defs, _) = read_definitions(&mut texts, "cofferdam.toml", GOOD);
    assert_eq!(check(&defs, &libraries(), &Default::default()), []);
    let (job, run_config) = (Name::new("delays").unwrap(), Default::default());
    let request = Request::job(&job, &run_config);
    let (sources, found) =
        file_sources(&defs, &libraries(), request, &Default::default(), &Default::default());
    assert_eq!(found, []);
    assert_eq!(sources.len(), 1);
    assert!(sources[0].form == FileForm::Many && sources[0].pattern == "data/*.csv");
}
