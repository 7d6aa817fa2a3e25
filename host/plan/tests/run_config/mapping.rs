//! Config mappings: templates and ops, secrets and variables on their way inside.

use std::borrow::Cow;

use cofferdam_config::{Texts, read_run_config};
use cofferdam_model::{ConfigMapping, ConfigMappingDef, EnvKind, Node, NodeKind, OpPath, Spanned};
use cofferdam_plan::{ConfigBody, ConfigSection, ConfigTree, MappingResults, validate};
use serde_json::{Value, json};

use crate::kit::{graph, name, op, optional, read, record, resolve, resolve_with, section, shown, tree};

fn template(yaml: &str) -> ConfigMappingDef {
    let node = read(yaml).1.unwrap();
    ConfigMappingDef {
        schema: Node::bare(NodeKind::Null),
        mapping: ConfigMapping::Template(node),
        span: None,
    }
}

fn mapped<'a>(
    text: &str,
    schema: &'a Value,
    mapping: &'a ConfigMappingDef,
    steps: Vec<ConfigSection<'a>>,
) -> ConfigSection<'a> {
    let body = ConfigBody::Mapped(mapping, steps);
    ConfigSection { schema: Some(Cow::Borrowed(schema)), ..section(text, body) }
}

/// Graph `g` with the steps `a` and `b`, whose ops take anything of this inner schema.
fn inside(inner: &Value, outer: &Value, mapping: &str, config: &str) -> Result<Value, String> {
    let mut texts = Texts::default();
    let (written, _) = read_run_config(&mut texts, "mapping.yaml", mapping);
    let mapping =
        ConfigMappingDef { mapping: ConfigMapping::Template(written.root.unwrap()), ..template("{}") };
    let tree = tree(vec![mapped("g", outer, &mapping, vec![op("a", inner)])]);
    let (given, _) = read_run_config(&mut texts, "run.yaml", format!("ops: {{g: {{config: {config}}}}}"));
    let (resolved, found) = validate(&tree, given.root.as_ref(), &MappingResults::new());
    if found.is_empty() { Ok(resolved.steps["g.a"].value.clone()) } else { Err(shown(&texts, &found)) }
}

#[test]
fn a_template_hands_parts_on_whatever_they_are() {
    let outer = optional(json!({
        "word": {"type": "string"}, "n": {"type": "integer", "default": 3}, "list": {"type": "array"},
        "deep": {"type": "object"},
    }));
    let any = json!({"type": "object"});
    let check = |mapping: &str, config: &str, expected: Value| {
        assert_eq!(inside(&any, &outer, mapping, config).unwrap(), expected, "{mapping}");
    };
    check("{a: {config: {x: $.word}}}", "{word: hi}", json!({"x": "hi"}));
    check("{a: {config: {x: $.n}}}", "{}", json!({"x": 3}));
    check("{a: {config: {x: $.list.1}}}", "{list: [1, {k: 2}]}", json!({"x": {"k": 2}}));
    check("{a: {config: $}}", "{word: hi}", json!({"word": "hi", "n": 3}));
    check("{a: {config: {x: [$.n, b, $.word]}}}", "{}", json!({"x": [3, "b"]}));
    check("{a: {config: {x: $.word, y: 1}}}", "{}", json!({"y": 1}));
    check("{a: {config: {x: 's3://${$.word}/${$.n}.csv'}}}", "{word: b}", json!({"x": "s3://b/3.csv"}));
    check(
        "{a: {config: {x: $$.word, y: 'a $$ b', z: costs $5}}}",
        "{}",
        json!({"x": "$.word", "y": "a $ b", "z": "costs $5"}),
    );
    check("{a: {config: {x: $.deep.k}}}", "{deep: {k: null}}", json!({"x": null}));
}

#[test]
fn a11_an_outer_config_becomes_the_config_inside_and_hides_it() {
    let outer = record(json!({"word": {"type": "string"}}));
    let inner = record(json!({"text": {"type": "string"}, "times": {"type": "integer", "default": 2}}));
    let mapping =
        template("{a: {config: {text: $.word}}, sub: {ops: {b: {config: {text: 'say ${$.word}'}}}}}");
    let steps = vec![op("a", &inner), graph("sub", vec![op("b", &inner)])];
    let tree = tree(vec![mapped("g", &outer, &mapping, steps)]);
    let resolved = resolve(&tree, "ops: {g: {config: {word: hi}}}").unwrap();
    assert_eq!(resolved.steps["g.a"].value, json!({"text": "hi", "times": 2}));
    assert_eq!(resolved.steps["g.sub.b"].value, json!({"text": "say hi", "times": 2}));
    let found = resolve(&tree, "ops: {g: {config: {word: hi}, ops: {a: {config: {text: b}}}}}").unwrap_err();
    insta::assert_snapshot!(found);
    let found = resolve(&tree, "ops: {g: {config: {wrod: hi}}}").unwrap_err();
    insta::assert_snapshot!("a11_outer", found);

    // The same as an op that the shell runs: first its config is told, then its result is taken.
    let by_op = ConfigMappingDef {
        mapping: ConfigMapping::Op(Spanned::new(OpPath { library: name("lib"), op: name("map") }, None)),
        ..mapping
    };
    let steps = vec![op("a", &inner), graph("sub", vec![op("b", &inner)])];
    let tree = crate::kit::tree(vec![mapped("g", &outer, &by_op, steps)]);
    let yaml = "ops: {g: {config: {word: hi}}}";
    let resolved = resolve(&tree, yaml).unwrap();
    assert_eq!(resolved.pending.len(), 1);
    assert_eq!(resolved.pending[0].path, "g");
    assert_eq!(resolved.pending[0].config, json!({"word": "hi"}));
    let result = json!({"a": {"config": {"text": "HI"}}, "sub": {"ops": {"b": {"config": {"text": "x"}}}}});
    let results = MappingResults::from([("g".to_owned(), result)]);
    let resolved = resolve_with(&tree, yaml, &results).unwrap();
    assert_eq!(resolved.pending, []);
    assert_eq!(resolved.steps["g.a"].value, json!({"text": "HI", "times": 2}));
    let wrong = MappingResults::from([("g".to_owned(), json!({"a": {"config": {"text": 5}}, "c": {}}))]);
    insta::assert_snapshot!("a11_result", resolve_with(&tree, yaml, &wrong).unwrap_err());
}

#[test]
fn a_job_with_a_mapping_takes_its_config_under_ops() {
    let outer = record(json!({"word": {"type": "string"}}));
    let inner = record(json!({"text": {"type": "string"}}));
    let mapping = template("{a: {config: {text: $.word}}}");
    let tree = ConfigTree {
        job: mapped("j", &outer, &mapping, vec![op("a", &inner)]),
        resources: vec![],
        layers: vec![],
    };
    let resolved = resolve(&tree, "ops: {config: {word: hi}}").unwrap();
    assert_eq!(resolved.steps["a"].value, json!({"text": "hi"}));
    let found = resolve(&tree, "ops: {config: {word: hi}, a: {config: {text: b}}}").unwrap_err();
    assert!(found.contains("a config mapping sets the config inside of `ops`"), "{found}");
}

#[test]
fn mappings_nest() {
    let outer = record(json!({"n": {"type": "integer"}}));
    let middle = record(json!({"m": {"type": "integer"}}));
    let inner = record(json!({"i": {"type": "integer"}}));
    let first = template("{mid: {config: {m: $.n}}}");
    let second = template("{leaf: {config: {i: $.m}}}");
    let mid = mapped("mid", &middle, &second, vec![op("leaf", &inner)]);
    let tree = tree(vec![mapped("top", &outer, &first, vec![mid])]);
    let resolved = resolve(&tree, "ops: {top: {config: {n: 7}}}").unwrap();
    assert_eq!(resolved.steps["top.mid.leaf"].value, json!({"i": 7}));
}

#[test]
fn secrets_stay_secret_and_variables_variables_on_their_way_inside() {
    let outer = record(json!({
        "token": {"type": "string", "writeOnly": true}, "port": {"type": "integer"}, "host": {"type": "string"},
    }));
    let inner = optional(json!({"auth": {"type": "string"}, "port": {"type": "integer"}, "any": true,
        "all": {"type": "object"}}));
    let mapping = template("{a: {config: {auth: $.token, port: $.port, any: $.host, all: $}}}");
    let tree = tree(vec![mapped("g", &outer, &mapping, vec![op("a", &inner)])]);
    let yaml = "ops: {g: {config: {token: {env: TOKEN}, port: {env: PORT}, host: {env: HOST}}}}";
    let step = resolve(&tree, yaml).unwrap().steps.remove("g.a").unwrap();
    assert_eq!((&step.value["auth"], &step.value["any"]), (&Value::Null, &Value::Null));
    let mut secrets: Vec<String> = step.secrets.iter().map(|path| path.join(".")).collect();
    secrets.sort();
    assert_eq!(secrets, ["all.token", "auth"]);
    let env: Vec<_> = step.env.iter().map(|source| (source.path.join("."), source.kind)).collect();
    for place in [("auth", EnvKind::Text), ("port", EnvKind::Integer), ("any", EnvKind::Text)] {
        assert!(env.contains(&(place.0.to_owned(), place.1)), "{env:?}");
    }
}

#[test]
fn a_template_takes_no_secret_in_clear_and_puts_none_into_a_text() {
    let outer = record(json!({"token": {"type": "string", "writeOnly": true}}));
    let inner = optional(json!({"auth": {"type": "string"}}));
    let spliced = template("{a: {config: {auth: 'Bearer ${$.token}'}}}");
    let tree = tree(vec![mapped("g", &outer, &spliced, vec![op("a", &inner)])]);
    let clear = resolve(&tree, "ops: {g: {config: {token: s3cr3t}}}").unwrap_err();
    let variable = resolve(&tree, "ops: {g: {config: {token: {env: TOKEN}}}}").unwrap_err();
    insta::assert_snapshot!(clear + &variable, @r"
        error[plan::secret-in-clear]: `ops.g.config.token` is a secret, which stands here in clear
         --> run.yaml:1:27
          |
        1 | ops: {g: {config: {token: ******}}}
          |                           ^^^^^^ a secret
          |
          = hint: write for example `{env: TOKEN}`, a variable of the worker

        error[plan::bad-mapping]: the config mapping of graph `g`: variable `TOKEN` cannot be a part of a longer text
         --> run.yaml:1:21
          |
        1 | ops: {g: {config: {token: {env: TOKEN}}}}
          |                     ^^^^^^^^^^^^^^^^^^^ in this template
          |
          = hint: let `$.token` be the whole value, so that it is filled in where the step runs
        ");
}

#[test]
fn an_op_that_maps_config_never_sees_a_secret() {
    let outer = record(json!({"token": {"type": "string", "writeOnly": true}}));
    let inner = optional(json!({"auth": {"type": "string"}, "n": {"type": "string"}}));
    let by_op = ConfigMappingDef {
        mapping: ConfigMapping::Op(Spanned::new(OpPath { library: name("lib"), op: name("map") }, None)),
        ..template("{}")
    };
    let tree = tree(vec![mapped("g", &outer, &by_op, vec![op("a", &inner)])]);
    for config in ["{token: s3cr3t}", "{token: {env: T}}"] {
        let (_, root) = read(&format!("ops: {{g: {{config: {config}}}}}"));
        let (resolved, found) = validate(&tree, root.as_ref(), &MappingResults::new());
        assert_eq!((resolved.pending, found.len()), (vec![], 1), "{config}");
    }
    let found = resolve(&tree, "ops: {g: {config: {token: {env: T}}}}").unwrap_err();
    insta::assert_snapshot!(found);
}

#[test]
fn a_template_that_names_nothing_says_what_there_is() {
    let outer =
        record(json!({"word": {"type": "string"}, "list": {"type": "array", "items": {"type": "integer"}}}));
    let any = json!({"type": "object"});
    let cases = [
        "{a: {config: {x: $.wrod}}}",
        "{a: {config: {x: 'a ${word} b'}}}",
        "{a: {config: {x: 'a ${$.list} b'}}}",
        "{a: {config: {x: 'a ${$.word b'}}}",
        "{b: {config: {}}}",
    ];
    let found: Vec<String> = cases
        .iter()
        .map(|case| inside(&any, &outer, case, "{word: w, list: [1]}").expect_err(case))
        .collect();
    insta::assert_snapshot!(found.concat());
}
