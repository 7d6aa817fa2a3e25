//! The messages: each kind of mistake with its path, its place, what was expected and how to mend it.

use serde_json::json;

use crate::kit::{graph, messages, op, optional, record, resolve, tree};

#[test]
fn keys_that_are_not_known_come_with_the_expected_form() {
    let schema = record(json!({"width": {"type": "integer"}, "title": {"type": "string", "default": "x"},
        "size": record(json!({"w": {"type": "number"}}))}));
    let cases = [
        "{width: 1, size: {w: 1}, widht: 2}",
        "{width: 1, size: {w: 1}, a: 2, b: 3}",
        "{width: 1, size: {w: 1, h: 2}}",
    ];
    insta::assert_snapshot!(messages(&schema, &cases));
}

#[test]
fn what_is_missing_comes_with_a_ready_example() {
    let schema =
        record(json!({"width": {"type": "integer", "minimum": 16}, "mode": {"enum": ["fast", "exact"]},
        "out": record(json!({"dir": {"type": "string"}}))}));
    insta::assert_snapshot!(messages(
        &schema,
        &["{}", "{width: 20, mode: fast}", "{width: 20, mode: fast, out: {}}"]
    ));
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    let schema = optional(json!({
        "int": {"type": "integer"}, "num": {"type": "number"}, "flag": {"type": "boolean"}, "text": {"type": "string"},
        "list": {"type": "array", "items": {"type": "integer"}}, "table": record(json!({"a": {"type": "integer"}})),
        "maybe": {"type": ["integer", "null"]}, "word": {"enum": ["fast", "exact"]},
        "either": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    }));
    let cases = [
        "{int: true}",
        "{num: '1'}",
        "{flag: 'yes'}",
        "{text: 5}",
        "{list: 5}",
        "{list: [1, x]}",
        "{table: [1]}",
        "{maybe: x}",
        "{word: exakt}",
        "{either: 5}",
        "{int: {env: A, b: 1}}",
        "[1]",
    ];
    insta::assert_snapshot!(messages(&schema, &cases));
}

#[test]
fn null_is_not_the_default() {
    let schema = optional(json!({"n": {"type": "integer", "default": 3}, "t": {"type": "string"}}));
    insta::assert_snapshot!(messages(&schema, &["{n: null}", "{t: }", "null"]));
}

#[test]
fn a_selector_says_its_choices() {
    let schema = optional(json!({"x": {"oneOf": [record(json!({"csv": {"type": "integer"}})),
        record(json!({"parquet": {"type": "string"}}))]}}));
    insta::assert_snapshot!(messages(
        &schema,
        &["{x: {}}", "{x: {csv: 1, parquet: a}}", "{x: {cvs: 1}}", "{x: csv}"]
    ));
}

#[test]
fn a_variable_has_a_name() {
    let schema = optional(json!({"t": {"type": "string"}}));
    insta::assert_snapshot!(messages(&schema, &["{t: {env: 5}}", "{t: {env: 'A=B'}}"]));
}

#[test]
fn a_secret_is_in_no_message() {
    let secret = |mut schema: serde_json::Value| {
        schema["writeOnly"] = true.into();
        schema
    };
    let schema = optional(json!({
        "token": secret(json!({"type": "string", "maxLength": 4})), "pin": secret(json!({"type": "integer", "maximum": 9})),
        "word": secret(json!({"enum": ["a", "b"]})), "byte": secret(json!({"type": "integer", "format": "uint8"})),
        "either": {"anyOf": [secret(json!({"type": "string", "maxLength": 4})), {"type": "array"}]},
    }));
    let found = messages(
        &schema,
        &["{token: hunter2}", "{pin: 77777}", "{word: hunter2}", "{byte: 77777}", "{either: hunter2}"],
    );
    assert!(!found.contains("hunter2") && !found.contains("77777"), "{found}");
    insta::assert_snapshot!(found);
}

#[test]
fn a_secret_in_clear_is_refused_wherever_it_stands() {
    let secret = json!({"type": "string", "writeOnly": true});
    let schema = optional(json!({
        "token": secret, "list": {"type": "array", "items": secret}, "n": {"type": "integer"},
        "table": {"type": "object", "writeOnly": true, "additionalProperties": {"type": "string"}},
        "choice": {"enum": ["a", "b"], "writeOnly": true},
    }));
    let found = messages(
        &schema,
        &[
            "{token: hunter2, n: x}",
            "{list: [{env: A}, hunter2, '', hunter2]}",
            "{table: {a: hunter2, b: {env: B}}}",
            "{choice: a}",
        ],
    );
    assert!(!found.contains("hunter2"), "{found}");
    insta::assert_snapshot!(found, @r"
        error[plan::secret-in-clear]: `ops.s.config.token` is a secret, which stands here in clear
         --> run.yaml:1:27
          |
        1 | ops: {s: {config: {token: *******, n: x}}}
          |                           ^^^^^^^ a secret
          |
          = hint: write for example `{env: TOKEN}`, a variable of the worker

        error[plan::bad-config]: `ops.s.config.n`: expected integer, found text
         --> run.yaml:1:39
          |
        1 | ops: {s: {config: {token: *******, n: x}}}
          |                                       ^ expected integer
          |
          = hint: write for example `1` or `{env: NAME}`

        error[plan::secret-in-clear]: `ops.s.config.list.1` is a secret, which stands here in clear
         --> run.yaml:1:37
          |
        1 | ops: {s: {config: {list: [{env: A}, *******, '', *******]}}}
          |                                     ^^^^^^^ a secret
          |
          = hint: write for example `{env: SECRET_1}`, a variable of the worker

        error[plan::secret-in-clear]: `ops.s.config.list.3` is a secret, which stands here in clear
         --> run.yaml:1:50
          |
        1 | ops: {s: {config: {list: [{env: A}, *******, '', *******]}}}
          |                                                  ^^^^^^^ a secret
          |
          = hint: write for example `{env: SECRET_3}`, a variable of the worker

        error[plan::secret-in-clear]: `ops.s.config.table` is a secret, which stands here in clear
         --> run.yaml:1:31
          |
        1 | ops: {s: {config: {table: {a: *******, b: {env: B}}}}}
          |                               ^^^^^^^ a secret
          |
          = hint: write for example `{env: NAME}`, a variable of the worker

        error[plan::secret-in-clear]: `ops.s.config.choice` is a secret, which stands here in clear
         --> run.yaml:1:28
          |
        1 | ops: {s: {config: {choice: *}}}
          |                            ^ a secret
          |
          = hint: this is a mistake of the library: only text, numbers, true and false can be secret, since they can come from the environment
        ");
    // What the selection leaves out is ignored, and kept with the plan all the same.
    let mut left_out = op("left_out", &schema);
    left_out.selected = false;
    let tree = tree(vec![graph("g", vec![left_out])]);
    let yaml = "ops: {g: {ops: {left_out: {config: {n: x, token: hunter2}}}}}";
    insta::assert_snapshot!(resolve(&tree, yaml).unwrap_err(), @r"
        error[plan::secret-in-clear]: `ops.g.ops.left_out.config.token` is a secret, which stands here in clear
         --> run.yaml:1:50
          |
        1 | ops: {g: {ops: {left_out: {config: {n: x, token: *******}}}}}
          |                                                  ^^^^^^^ a secret
          |
          = hint: write for example `{env: TOKEN}`, a variable of the worker
        ");
}

#[test]
fn a_default_is_no_secret() {
    let schema = optional(json!({"token": {"type": "string", "writeOnly": true, "default": "hush"},
        "empty": {"type": "string", "writeOnly": true, "default": ""}}));
    insta::assert_snapshot!(messages(&schema, &["{}"]), @r"
        error[plan::secret-in-clear]: `ops.s.config.token` takes its default, a secret that everybody who has the library can read
         |
         = hint: write for example `{env: TOKEN}`, a variable of the worker
        ");
    assert!(resolve(&tree(vec![op("s", &schema)]), "ops: {s: {config: {token: {env: T}}}}").is_ok());
}

#[test]
fn all_errors_of_a_document_come_at_once() {
    let schema =
        record(json!({"n": {"type": "integer"}, "x": {"oneOf": [record(json!({"a": {"type": "integer"}})),
        record(json!({"b": {"type": "integer"}}))]}}));
    let tree = tree(vec![op("first", &schema), op("second", &schema), op("third", &schema)]);
    let yaml = "ops:\n  first: {config: {n: x, x: {}}}\n  second: {config: {m: 1, n: null}}\n  fourth: {}\nresource: {}\nexecution: {config: {max_concurrent: 0}}\nloggers: {console: {}}\n";
    insta::assert_snapshot!(resolve(&tree, yaml).unwrap_err());
}
