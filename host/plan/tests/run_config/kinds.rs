//! Every kind of config that people know from Dagster, as a table: what is accepted and what it becomes, and what
//! is refused.

use cofferdam_model::EnvKind;
use serde_json::{Value, json};

use crate::kit::{configured, optional, record};

/// The field `x` of this schema: every text on the left is accepted and becomes the right side.
fn accepts(schema: &Value, cases: &[(&str, Value)]) {
    let schema = record(json!({ "x": schema }));
    for (text, expected) in cases {
        let found = configured(&schema, &format!("{{x: {text}}}")).unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(found.value, json!({ "x": expected }), "{text}");
        // Equal is not enough: 1 and 1.0 are different to a decoder.
        assert_eq!(found.value.to_string(), json!({ "x": expected }).to_string());
    }
}

/// And every one of these is refused under a code.
fn refuses(schema: &Value, cases: &[(&str, &str)]) {
    let schema = record(json!({ "x": schema }));
    for (text, code) in cases {
        let found = configured(&schema, &format!("{{x: {text}}}")).expect_err(text);
        assert!(found.starts_with(&format!("error[plan::{code}]")), "{text}: {found}");
        assert_eq!(found.matches("error[").count(), 1, "{text} is told once: {found}");
    }
}

#[test]
fn an_integer_is_no_bool_no_text_and_no_fraction() {
    let int = json!({"type": "integer"});
    accepts(
        &int,
        &[("5", json!(5)), ("-3", json!(-3)), ("4.0", json!(4)), ("9223372036854775807", json!(i64::MAX))],
    );
    let no = "bad-config";
    refuses(
        &int,
        &[("true", no), ("'5'", no), ("5.5", no), ("[5]", no), ("{a: 5}", no), ("null", "null-config")],
    );
    let byte = json!({"type": "integer", "format": "uint8"});
    accepts(&byte, &[("255", json!(255))]);
    refuses(&byte, &[("256", no), ("-1", no)]);
    let bounded = json!({"type": "integer", "minimum": 1, "maximum": 9});
    accepts(&bounded, &[("9", json!(9))]);
    refuses(&bounded, &[("0", no), ("10", no)]);
}

#[test]
fn a_number_takes_whole_ones_which_become_floats() {
    let float = json!({"type": "number"});
    accepts(&float, &[("1", json!(1.0)), ("1.5", json!(1.5)), ("-2e3", json!(-2000.0))]);
    refuses(&float, &[("true", "bad-config"), ("'1'", "bad-config"), ("9007199254740993", "bad-config")]);
}

#[test]
fn a_bool_is_true_or_false_and_nothing_else() {
    let truth = json!({"type": "boolean"});
    accepts(&truth, &[("true", json!(true)), ("false", json!(false))]);
    refuses(&truth, &[("1", "bad-config"), ("yes", "bad-config"), ("'true'", "bad-config")]);
}

#[test]
fn text_is_text() {
    let text = json!({"type": "string"});
    accepts(&text, &[("abc", json!("abc")), ("''", json!("")), ("'5'", json!("5")), ("no", json!("no"))]);
    refuses(&text, &[("5", "bad-config"), ("true", "bad-config"), ("null", "null-config")]);
}

#[test]
fn anything_goes_where_nothing_is_said_null_too() {
    accepts(
        &json!(true),
        &[("null", Value::Null), ("{env: HOME}", json!({"env": "HOME"})), ("[1, a]", json!([1, "a"]))],
    );
}

#[test]
fn a_nullable_field_is_null_unless_it_is_given() {
    for schema in
        [json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), json!({"type": ["integer", "null"]})]
    {
        accepts(&schema, &[("null", Value::Null), ("5", json!(5))]);
        refuses(&schema, &[("a", "bad-config")]);
        assert_eq!(configured(&record(json!({ "x": schema })), "{}").unwrap().value, json!({"x": null}));
        assert_eq!(configured(&optional(json!({ "x": schema })), "{}").unwrap().value, json!({"x": null}));
    }
}

#[test]
fn a_list_refuses_null_elements_unless_they_are_nullable() {
    let ints = json!({"type": "array", "items": {"type": "integer"}});
    accepts(&ints, &[("[]", json!([])), ("[1, 2]", json!([1, 2]))]);
    refuses(
        &ints,
        &[("[1, null]", "null-config"), ("[a]", "bad-config"), ("1", "bad-config"), ("{}", "bad-config")],
    );
    let maybe = json!({"type": "array", "items": {"type": ["integer", "null"]}});
    accepts(&maybe, &[("[1, null]", json!([1, null]))]);
    let pair = json!({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}], "items": false,
        "minItems": 2});
    accepts(&pair, &[("[1, a]", json!([1.0, "a"]))]);
    refuses(&pair, &[("[1]", "bad-config"), ("[1, 2]", "bad-config"), ("[1, a, 3]", "bad-config")]);
}

#[test]
fn a_map_has_keys_that_people_choose_and_values_of_one_type() {
    let map = json!({"type": "object", "additionalProperties": {"type": "number"}});
    accepts(&map, &[("{}", json!({})), ("{a: 1, 2: 3.5}", json!({"a": 1.0, "2": 3.5}))]);
    refuses(&map, &[("{a: b}", "bad-config"), ("[1]", "bad-config"), ("{a: null}", "null-config")]);
    let keyed = json!({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}});
    refuses(&keyed, &[("{A: 1}", "bad-config")]);
}

#[test]
fn a_shape_is_closed_and_a_permissive_one_passes_the_rest_through() {
    let fields = json!({"a": {"type": "integer"}, "b": {"type": "number", "default": 2}});
    let shape =
        json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": fields});
    accepts(&shape, &[("{a: 1}", json!({"a": 1, "b": 2.0})), ("{a: 1, b: 3}", json!({"a": 1, "b": 3.0}))]);
    refuses(
        &shape,
        &[("{a: 1, c: 2}", "unknown-key"), ("{}", "missing-config"), ("{a: null}", "null-config")],
    );
    let open = json!({"type": "object", "required": ["a"], "properties": fields});
    accepts(&open, &[("{a: 1, c: {d: null}}", json!({"a": 1, "b": 2.0, "c": {"d": null}}))]);
    refuses(&open, &[("{c: 1}", "missing-config"), ("{a: x, c: 1}", "bad-config")]);
}

#[test]
fn a_table_of_which_all_is_optional_need_not_be_given() {
    let inner = optional(json!({"n": {"type": "integer", "default": 3}, "m": {"type": "integer"}}));
    assert_eq!(configured(&record(json!({ "x": inner })), "{}").unwrap().value, json!({"x": {"n": 3}}));
    assert_eq!(configured(&optional(json!({ "x": inner })), "{}").unwrap().value, json!({"x": {"n": 3}}));
    let needed = record(json!({"n": {"type": "integer"}}));
    assert!(configured(&record(json!({ "x": needed })), "{}").unwrap_err().contains("plan::missing-config"));
    assert_eq!(configured(&optional(json!({ "x": needed })), "{}").unwrap().value, json!({}));
}

#[test]
fn a_selector_has_exactly_one_of_its_keys() {
    let csv = json!({"type": "object", "additionalProperties": false,
        "properties": {"separator": {"type": "string", "default": ","}}});
    let path = record(json!({"path": {"type": "string"}}));
    let one_of = json!({"oneOf": [record(json!({ "csv": csv })), record(json!({ "file": path }))]});
    let one_key = json!({"type": "object", "additionalProperties": false, "minProperties": 1,
        "maxProperties": 1, "properties": {"csv": csv, "file": path}});
    for selector in [one_of, one_key] {
        accepts(
            &selector,
            &[
                ("{csv: {separator: ;}}", json!({"csv": {"separator": ";"}})),
                ("{csv: {}}", json!({"csv": {"separator": ","}})),
                ("{csv: null}", json!({"csv": {"separator": ","}})),
                ("{file: {path: a}}", json!({"file": {"path": "a"}})),
            ],
        );
        refuses(
            &selector,
            &[
                ("{}", "selector"),
                ("{csv: {}, file: {path: a}}", "selector"),
                ("{json: {}}", "selector"),
                ("{file: null}", "missing-config"),
                ("{file: {pth: a, path: b}}", "unknown-key"),
                ("csv", "bad-config"),
                ("null", "null-config"),
            ],
        );
    }
    let only = json!({"oneOf": [record(json!({ "csv": csv }))]});
    accepts(&only, &[("{csv: {}}", json!({"csv": {"separator": ","}}))]);
    let only = json!({"type": "object", "minProperties": 1, "maxProperties": 1, "properties": {"csv": csv}});
    accepts(&only, &[("{}", json!({"csv": {"separator": ","}}))]);
}

#[test]
fn a_later_choice_of_a_selector_takes_the_place_of_an_earlier_one() {
    use crate::kit::{op, read, resolve, tree};
    let schema = record(json!({"x": {"oneOf": [record(json!({"a": {"type": "integer"}})),
        record(json!({"b": {"type": "integer"}}))]}, "t": {"type": "string"}}));
    let (_, layer) = read("{x: {a: 1}, t: {env: T}}");
    let mut step = op("s", &schema);
    step.layer = layer.as_ref();
    let tree = tree(vec![step]);
    let resolved = resolve(&tree, "ops: {s: {config: {x: {b: 2}, t: {env: U}}}}").unwrap();
    assert_eq!(resolved.steps["s"].value, json!({"x": {"b": 2}, "t": null}));
    assert_eq!(resolved.steps["s"].env[0].name, "U");
}

#[test]
fn an_enum_is_one_of_the_listed_words() {
    for schema in [
        json!({"type": "string", "enum": ["fast", "exact"]}),
        json!({"oneOf": [{"const": "fast", "description": "Quick"}, {"const": "exact"}]}),
    ] {
        accepts(&schema, &[("fast", json!("fast"))]);
        refuses(&schema, &[("exakt", "bad-config"), ("1", "bad-config"), ("{env: MODE}", "bad-config")]);
    }
    let maybe = json!({"enum": ["fast", null]});
    accepts(&maybe, &[("null", Value::Null), ("fast", json!("fast"))]);
}

#[test]
fn a_scalar_or_a_table_is_told_by_what_is_given() {
    let table = optional(json!({"n": {"type": "integer", "default": 1}}));
    let union = json!({"anyOf": [{"type": "string"}, table]});
    accepts(&union, &[("a", json!("a")), ("{}", json!({"n": 1})), ("{n: 2}", json!({"n": 2}))]);
    refuses(&union, &[("1", "bad-config"), ("{m: 2}", "unknown-key"), ("{n: a}", "bad-config")]);
    let found = configured(&record(json!({ "x": union })), "{x: {env: A}}").unwrap();
    assert_eq!((found.value, found.env[0].name.as_str()), (json!({"x": null}), "A"));
}

#[test]
fn tagged_alternatives_are_completed_by_their_tag() {
    let schema = json!({"oneOf": [
        record(json!({"kind": {"const": "box"}, "side": {"type": "number"}})),
        record(json!({"kind": {"const": "ball"}, "radius": {"type": "number"}})),
    ]});
    accepts(&schema, &[("{kind: ball, radius: 2}", json!({"kind": "ball", "radius": 2.0}))]);
    let found = configured(&record(json!({ "x": schema })), "{x: {kind: ball, side: 2}}").unwrap_err();
    assert!(found.contains("`side`") && found.contains("`radius`"), "{found}");
}

#[test]
fn variables_stand_where_scalars_do_and_are_not_read() {
    let schema = record(json!({
        "t": {"type": "string", "minLength": 40}, "i": {"type": "integer", "minimum": 5}, "f": {"type": "number"},
        "b": {"type": "boolean"}, "n": {"type": ["string", "null"]}, "l": {"type": "array", "items": {"type": "string"}},
    }));
    // PATH is set everywhere, and its value must not be here.
    let text = "{t: {env: PATH}, i: {env: I}, f: {env: F}, b: {env: B}, n: {env: N}, l: [a, {env: L}]}";
    let found = configured(&schema, text).unwrap();
    assert_eq!(found.value, json!({"t": null, "i": null, "f": null, "b": null, "n": null, "l": ["a", null]}));
    let mut env: Vec<(String, &str, EnvKind)> =
        found.env.iter().map(|source| (source.path.join("."), source.name.as_str(), source.kind)).collect();
    env.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("b", "B", EnvKind::Truth),
        ("f", "F", EnvKind::Number),
        ("i", "I", EnvKind::Integer),
        ("l.1", "L", EnvKind::Text),
        ("n", "N", EnvKind::Text),
        ("t", "PATH", EnvKind::Text),
    ];
    assert_eq!(env, expected.map(|(path, name, kind)| (path.to_owned(), name, kind)));
    refuses(
        &json!({"type": "string"}),
        &[("{env: 5}", "bad-config"), ("{env: ''}", "bad-config"), ("{env: A, default: b}", "bad-config")],
    );
}

#[test]
fn secret_fields_are_known_by_their_paths() {
    let schema = record(json!({
        "token": {"type": "string", "writeOnly": true},
        "db": record(json!({"url": {"type": "string"}, "password": {"type": "string", "writeOnly": true}})),
        "spare": {"anyOf": [{"type": "string", "writeOnly": true}, {"type": "null"}]},
    }));
    let found =
        configured(&schema, "{token: {env: T}, db: {url: u, password: {env: P}}, spare: {env: S}}").unwrap();
    let mut secrets: Vec<String> = found.secrets.iter().map(|path| path.join(".")).collect();
    secrets.sort();
    assert_eq!(secrets, ["db.password", "spare", "token"]);
}
