//! The whole document: graphs, inputs, resources, execution, tags, layers and what a selection left out.

use std::time::{Duration, Instant};

use cofferdam_model::SourceDef;
use cofferdam_plan::{ConfigTree, ResourceSection, settings_schema};
use serde_json::json;

use crate::kit::{graph, name, op, optional, read, record, resolve, section, tree};
use cofferdam_plan::ConfigBody;

#[test]
fn config_reaches_ops_in_graphs_of_any_depth() {
    let schema = record(json!({"n": {"type": "integer"}}));
    let tree =
        tree(vec![graph("outer", vec![graph("inner", vec![op("leaf", &schema)]), op("other", &schema)])]);
    let yaml = "ops: {outer: {ops: {inner: {ops: {leaf: {config: {n: 1}}}}, other: {config: {n: 2}}}}}";
    let resolved = resolve(&tree, yaml).unwrap();
    assert_eq!(resolved.steps["outer.inner.leaf"].value, json!({"n": 1}));
    assert_eq!(resolved.steps["outer.other"].value, json!({"n": 2}));
    let found =
        resolve(&tree, "ops: {outer: {config: {n: 1}, ops: {inner: {ops: {laef: {}}}}}}").unwrap_err();
    for part in [
        "`ops.outer` has no key `config`",
        "graph `outer.inner` has no step `laef`",
        "did you mean `leaf`?",
        "`ops.outer.ops.inner.ops.leaf.config` has no `n`",
        "`ops.outer.ops.other.config` has no `n`",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn inputs_of_steps_graphs_and_the_job_are_literals_or_files() {
    let tree = tree(vec![graph("g", vec![section("s", ConfigBody::Op)])]);
    let yaml = "inputs: {day: 5}\nops:\n  g:\n    inputs: {a: {file: x.csv}}\n    ops: {s: {inputs: {b: {files: '*.csv'}, c: {value: {k: 1}}, d: [1]}}}\n";
    let resolved = resolve(&tree, yaml).unwrap();
    let source = |path: &str, input: &str| resolved.inputs[path][&name(input)].source.value.clone();
    assert!(matches!(source("", "day"), SourceDef::Value(_)));
    assert!(matches!(source("g", "a"), SourceDef::File(path) if path.value == "x.csv"));
    assert!(matches!(source("g.s", "b"), SourceDef::Files(path) if path.value == "*.csv"));
    assert!(matches!(source("g.s", "c"), SourceDef::Value(node) if node.to_json() == json!({"k": 1})));
    assert!(matches!(source("g.s", "d"), SourceDef::Value(_)));
    assert_eq!(resolved.inputs.len(), 3);
}

#[test]
fn config_of_steps_that_are_not_selected_is_accepted_and_ignored() {
    let schema = record(json!({"n": {"type": "integer"}}));
    let mut left_out = op("b", &schema);
    left_out.selected = false;
    let tree = tree(vec![op("a", &schema), left_out]);
    let resolved =
        resolve(&tree, "ops: {a: {config: {n: 1}}, b: {config: {n: wrong}, whatever: 1}}").unwrap();
    assert_eq!(resolved.steps.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn the_run_lies_over_the_environment_the_job_and_the_step() {
    let schema = record(json!({"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"},
        "d": {"type": "integer"}}));
    let (_, of_step) = read("{a: 1, b: 1, c: 1, d: 1}");
    let (_, of_job) = read(
        "ops: {s: {config: {b: 2, c: 2, d: 2}}}\nexecution: {config: {max_concurrent: 2}}\ntags: {x: job, y: job}",
    );
    let (_, of_environment) = read("ops: {s: {config: {c: 3, d: 3}}}");
    let mut step = op("s", &schema);
    step.layer = of_step.as_ref();
    let tree = ConfigTree {
        layers: vec![of_job.as_ref().unwrap(), of_environment.as_ref().unwrap()],
        ..tree(vec![step])
    };
    let resolved = resolve(&tree, "ops: {s: {config: {d: 4}}}\ntags: {y: run, n: 1}").unwrap();
    assert_eq!(resolved.steps["s"].value, json!({"a": 1, "b": 2, "c": 3, "d": 4}));
    assert_eq!(resolved.max_concurrent, Some(2));
    let tags: Vec<String> = resolved.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(tags, ["n=1", "x=job", "y=run"]);
}

#[test]
fn a_resource_is_configured_over_its_settings_and_keeps_its_variables() {
    let http = settings_schema(cofferdam_model::ResourceKind::Http);
    let (_, settings) = read("{base_url: 'http://a', headers: {authorization: {env: TOKEN}}}");
    let resource = |used| ResourceSection {
        name: name("api"),
        doc: "".into(),
        span: None,
        schema: Some(std::borrow::Cow::Borrowed(&http)),
        layer: settings.as_ref(),
        keeps_env: true,
        used,
    };
    let with = |used| ConfigTree { resources: vec![resource(used)], ..tree(vec![]) };
    let resolved = resolve(&with(true), "resources: {api: {config: {base_url: {env: API_URL}}}}").unwrap();
    assert_eq!(
        resolved.resources[&name("api")].value,
        json!({"base_url": {"env": "API_URL"}, "headers": {"authorization": {"env": "TOKEN"}}})
    );
    assert!(resolve(&with(true), "resources: {api: {config: {base_url: 5}}}").is_err());
    assert!(resolve(&with(false), "resources: {api: {config: {base_url: 5}}}").is_ok());
    let found = resolve(&with(true), "resources: {apu: {}, api: {confg: {}}}").unwrap_err();
    assert!(found.contains("there is no resource `apu`") && found.contains("did you mean `api`"), "{found}");
    assert!(found.contains("`resources.api` has no key `confg`"), "{found}");
}

#[test]
fn a_section_that_holds_nothing_but_comments_is_an_empty_one() {
    let schema = optional(json!({"n": {"type": "integer", "default": 1}}));
    let resolved =
        resolve(&tree(vec![op("s", &schema)]), "ops:\n  s:\n    # config: {}\nresources:\ntags:\n").unwrap();
    assert_eq!(resolved.steps["s"].value, json!({"n": 1}));
}

#[test]
fn b4_a_megabyte_of_config_is_checked_whole_within_ten_milliseconds() {
    let item =
        record(json!({"name": {"type": "string"}, "size": {"type": "number"}, "tag": {"type": "string"}}));
    let schema = record(json!({"items": {"type": "array", "items": item}}));
    let line = format!("{{name: {}, size: 7, tag: {}}}", "n".repeat(80), "t".repeat(40));
    let items: Vec<&str> = std::iter::repeat_n(line.as_str(), 7_000).collect();
    let yaml = format!("ops: {{s: {{config: {{items: [{}]}}}}}}", items.join(", "));
    assert!(yaml.len() >= 1_000_000, "{}", yaml.len());
    let (_, root) = read(&yaml);
    let tree = tree(vec![op("s", &schema)]);
    let took = (0..10)
        .map(|_| {
            let start = Instant::now();
            let (resolved, found) = cofferdam_plan::validate(&tree, root.as_ref(), &Default::default());
            let took = start.elapsed();
            assert_eq!(found, []);
            assert_eq!(resolved.steps["s"].value["items"].as_array().unwrap().len(), 7_000);
            took
        })
        .min()
        .unwrap();
    eprintln!("{} bytes of config were checked in {took:?}", yaml.len());
    // Not a release build, on a machine that does other things as well: the budget is 10 ms, the margin sixfold.
    assert!(took < Duration::from_millis(60), "{took:?}");
}

#[test]
fn a_hundred_thousand_steps_without_config_are_quick() {
    let schema = optional(json!({"n": {"type": "integer", "default": 1}}));
    let steps = (0..100_000).map(|at| op(&format!("s{at}"), &schema)).collect();
    let tree = tree(steps);
    let start = Instant::now();
    let resolved = resolve(&tree, "ops: {s5: {config: {n: 2}}}").unwrap();
    let took = start.elapsed();
    eprintln!("100,000 steps in {took:?}");
    assert_eq!(resolved.steps["s5"].value, json!({"n": 2}));
    assert_eq!(resolved.steps["s99999"].value, json!({"n": 1}));
    assert!(took < Duration::from_secs(3), "{took:?}");
}
