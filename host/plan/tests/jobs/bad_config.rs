//! Config and run config that do not fit: every mistake with its path, its place and an example.

use std::time::{Duration, Instant};

use cofferdam_plan::Libraries;
use serde_json::{Value, json};

use crate::common::{job, library, op, plan};

/// Library `t` with the op `conf`.
fn with_config(schema: Value) -> Libraries {
    library(vec![op("conf", vec![], vec![], schema)])
}

fn step() -> String {
    job("[jobs.j.steps.resize]\nop = \"t.conf\"")
}

/// The planned config, or the messages.
fn configured(schema: &Value, yaml: &str) -> Result<Value, String> {
    let plan = plan(&with_config(schema.clone()), &step(), yaml)?;
    Ok(ciborium::from_reader(plan.steps[0].config.as_slice()).unwrap())
}

fn record(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// The messages of `ops.resize.config` being each of these.
fn messages(schema: &Value, configs: &[&str]) -> String {
    let yaml = |config: &&str| format!("ops: {{resize: {{config: {config}}}}}");
    configs.iter().map(|config| configured(schema, &yaml(config)).expect_err(config)).collect()
}

#[test]
fn c_15_doubled_and_unknown_keys_wrong_types_and_null_show_line_column_and_the_nearest_key() {
    let schema = record(json!({"width": {"type": "integer"}, "title": {"type": "string"}}));
    let cases = [
        "ops:\n  resize:\n    config:\n      width: 1\n      width: 2\n      title: x\n",
        "ops:\n  resize:\n    config: {widht: 1, title: null}\n",
        "ops:\n  resize:\n    config: {width: [1], title: x}\n    confg: 1\n",
        "opps: {}\nops: [1]\nexecution: {config: {max_concurrent: 0, max: 1}, n: 1}\n",
        "[]",
    ];
    let shown: Vec<String> = cases.iter().map(|yaml| configured(&schema, yaml).expect_err(yaml)).collect();
    insta::assert_snapshot!(shown.concat(), @r#"
        error[config::duplicate-key]: `width` is given twice
         --> run.yaml:5:7
          |
        4 |       width: 1
          |       ----- first given here
        5 |       width: 2
          |       ^^^^^ again
          |
          = hint: keep one of them

        error[plan::missing-config]: `ops.resize.config` has no `width`
         --> run.yaml:3:13
          |
        3 |     config: {widht: 1, title: null}
          |             ^^^^^^^^^^^^^^^^^^^^^^^ `width` is needed
          |
          = hint: add for example `width: 1`

        error[plan::unknown-key]: `ops.resize.config` has no key `widht`
         --> run.yaml:3:14
          |
        3 |     config: {widht: 1, title: null}
          |              ^^^^^ unknown key
          |
          = hint: did you mean `width`? expected {title: text, width: integer}

        error[plan::null-config]: `ops.resize.config.title` is null, which is not allowed here
         --> run.yaml:3:31
          |
        3 |     config: {widht: 1, title: null}
          |                               ^^^^ expected text
          |
          = hint: write for example `"text"`

        error[plan::bad-config]: `ops.resize.config.width`: expected integer, found a list
         --> run.yaml:3:21
          |
        3 |     config: {width: [1], title: x}
          |                     ^^^ expected integer
          |
          = hint: write for example `1` or `{env: NAME}`

        error[plan::unknown-key]: `ops.resize` has no key `confg`
         --> run.yaml:4:5
          |
        4 |     confg: 1
          |     ^^^^^ unknown key
          |
          = hint: did you mean `config`? known: `config`, `inputs`

        error[plan::missing-config]: `ops.resize.config` has none of `title`, `width`
         --> cofferdam.toml:3:15
          |
        3 | [jobs.j.steps.resize]
          |               ^^^^^^ `title`, `width` are needed
          |
          = hint: add for example `title: "text", width: 1`

        error[plan::unknown-key]: the run config has no key `opps`
         --> run.yaml:1:1
          |
        1 | opps: {}
          | ^^^^ unknown key
          |
          = hint: did you mean `ops`? known: `ops`, `inputs`, `resources`, `execution`, `tags`

        error[plan::bad-run-config]: `ops`: expected a table, found a list
         --> run.yaml:2:6
          |
        2 | ops: [1]
          |      ^^^ expected a table

        error[plan::bad-run-config]: `max_concurrent` is not a whole number above zero
         --> run.yaml:3:38
          |
        3 | execution: {config: {max_concurrent: 0, max: 1}, n: 1}
          |                                      ^ expected 1 or more
          |
          = hint: write for example `max_concurrent: 4`, or leave it out for no limit

        error[plan::unknown-key]: `execution.config` has no key `max`
         --> run.yaml:3:41
          |
        3 | execution: {config: {max_concurrent: 0, max: 1}, n: 1}
          |                                         ^^^ unknown key
          |
          = hint: known: `max_concurrent`, `tag_concurrency_limits`, `in_process`, `multiprocess`, `cluster`

        error[plan::unknown-key]: `execution` has no key `n`
         --> run.yaml:3:50
          |
        3 | execution: {config: {max_concurrent: 0, max: 1}, n: 1}
          |                                                  ^ unknown key
          |
          = hint: known: `config`

        error[config::wrong-type]: a run config is a mapping, found a list
         --> run.yaml:1:1
          |
        1 | []
          | ^^ expected `ops`, `execution` or `tags`
          |
          = hint: write for example `ops: {clean: {config: {strict: true}}}`
        "#);
}

#[test]
fn c_19_numbers_and_texts_out_of_range_are_refused_with_their_path() {
    let schema = record(json!({
        "width": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
        "depth": {"type": "integer", "format": "int32"},
        "scale": {"type": "number", "format": "double"},
        "title": {"type": "string", "maxLength": 20},
    }));
    let bad = [
        "{width: 256, depth: 3000000000, scale: 9007199254740993, title: x}",
        "{width: -1, depth: 1.5, scale: '1', title: x}",
        "{width: 1, depth: 1, scale: 1, title: \"\\ud800\"}",
        "{width: 1, depth: 99999999999999999999, scale: 1, title: x}",
    ];
    insta::assert_snapshot!(messages(&schema, &bad), @r#"
        error[plan::bad-config]: `ops.resize.config.width` is 256: the value is greater than the maximum of 255
         --> run.yaml:1:32
          |
        1 | ops: {resize: {config: {width: 256, depth: 3000000000, scale: 9007199254740993, title: x}}}
          |                                ^^^
          |
          = hint: write for example `0`

        error[plan::bad-config]: `ops.resize.config.depth` is 3000000000, expected -2147483648 to 2147483647
         --> run.yaml:1:44
          |
        1 | ops: {resize: {config: {width: 256, depth: 3000000000, scale: 9007199254740993, title: x}}}
          |                                            ^^^^^^^^^^ out of range

        error[plan::bad-config]: `ops.resize.config.scale` is 9007199254740993, expected -9007199254740992 to 9007199254740992
         --> run.yaml:1:63
          |
        1 | ops: {resize: {config: {width: 256, depth: 3000000000, scale: 9007199254740993, title: x}}}
          |                                                               ^^^^^^^^^^^^^^^^ out of range

        error[plan::bad-config]: `ops.resize.config.width` is -1: the value is less than the minimum of 0
         --> run.yaml:1:32
          |
        1 | ops: {resize: {config: {width: -1, depth: 1.5, scale: '1', title: x}}}
          |                                ^^
          |
          = hint: write for example `0`

        error[plan::bad-config]: `ops.resize.config.depth`: expected integer, found a number
         --> run.yaml:1:43
          |
        1 | ops: {resize: {config: {width: -1, depth: 1.5, scale: '1', title: x}}}
          |                                           ^^^ expected integer
          |
          = hint: write for example `1` or `{env: NAME}`

        error[plan::bad-config]: `ops.resize.config.scale`: expected number, found text
         --> run.yaml:1:55
          |
        1 | ops: {resize: {config: {width: -1, depth: 1.5, scale: '1', title: x}}}
          |                                                       ^^^ expected number
          |
          = hint: write for example `1.5` or `{env: NAME}`

        error[config::syntax]: YAML: while parsing a quoted scalar, found invalid Unicode character escape code
         --> run.yaml:1:62
          |
        1 | ops: {resize: {config: {width: 1, depth: 1, scale: 1, title: "\ud800"}}}
          |                                                              ^
          |
          = hint: only the syntax is reported until it is right; quote text that holds `:`, `#`, `{` or `[`

        error[config::out-of-range]: `99999999999999999999` does not fit into 64 bits
         --> run.yaml:1:42
          |
        1 | ops: {resize: {config: {width: 1, depth: 99999999999999999999, scale: 1, title: x}}}
          |                                          ^^^^^^^^^^^^^^^^^^^^
          |
          = hint: quote it if it is meant as text
        "#);
    let long = format!("{{width: 1, depth: 1, scale: 1, title: {}}}", "x".repeat(100_000));
    let text = messages(&schema, &[long.as_str()]);
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("error[plan::bad-config]: `ops.resize.config.title` is \"xxx"), "{first}");
    assert!(text.len() < 2_000, "a long value is cut: {} bytes", text.len());
    let zero =
        "ops: {resize: {config: {width: -0, depth: 1.0, scale: 9007199254740992, title: \"\\u00e9\"}}}";
    let planned = json!({"width": 0, "depth": 1, "scale": 9_007_199_254_740_992.0, "title": "é"});
    assert_eq!(configured(&schema, zero), Ok(planned));
}

#[test]
fn c_20_mistakes_in_every_kind_of_type_name_the_expected_shape_with_an_example() {
    let circle = record(json!({"circle": record(json!({"r": {"type": "number"}}))}));
    let square = record(json!({"square": {"type": "number"}}));
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {
        "variant": {"oneOf": [circle, square]},
        "option": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "result": {"oneOf": [record(json!({"Ok": {"type": "integer"}})), record(json!({"Err": {"type": "string"}}))]},
        "flags": {"type": "array", "uniqueItems": true, "items": {"type": "string", "enum": ["read", "write"]}},
        "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        "record": record(json!({"a": {"type": "integer"}, "b": {"type": "string"}})),
        "choice": {"type": "string", "enum": ["fast", "exact"]},
    }});
    let bad = [
        "{variant: {triangle: 1}}",
        "{variant: {circle: {r: wide}}}",
        "{option: none}",
        "{result: {Ok: 1, Err: x}}",
        "{flags: [read, wriet]}",
        "{flags: [read, read]}",
        "{tuple: [1]}",
        "{tuple: [1, 2]}",
        "{record: {a: 1, c: 2}}",
        "{choice: exakt}",
    ];
    insta::assert_snapshot!(messages(&schema, &bad), @r#"
        error[plan::selector]: `ops.resize.config.variant` has no choice `triangle`
         --> run.yaml:1:35
          |
        1 | ops: {resize: {config: {variant: {triangle: 1}}}}
          |                                   ^^^^^^^^ expected one of `circle`, `square`
          |
          = hint: write for example `{"circle":{"r":1.5}}`

        error[plan::bad-config]: `ops.resize.config.variant.circle.r`: expected number, found text
         --> run.yaml:1:47
          |
        1 | ops: {resize: {config: {variant: {circle: {r: wide}}}}}
          |                                               ^^^^ expected number
          |
          = hint: write for example `1.5` or `{env: NAME}`

        error[plan::bad-config]: `ops.resize.config.option`: expected integer | null, found text
         --> run.yaml:1:33
          |
        1 | ops: {resize: {config: {option: none}}}
          |                                 ^^^^ expected integer | null
          |
          = hint: write for example `1` or `{env: NAME}`

        error[plan::selector]: `ops.resize.config.result` makes 2 choices: `Ok`, `Err`
         --> run.yaml:1:33
          |
        1 | ops: {resize: {config: {result: {Ok: 1, Err: x}}}}
          |                                 ^^^^^^^^^^^^^^^ expected exactly one of `Ok`, `Err`
          |
          = hint: write for example `{"Ok":1}`

        error[plan::bad-config]: `ops.resize.config.flags.1` is "wriet"
         --> run.yaml:1:39
          |
        1 | ops: {resize: {config: {flags: [read, wriet]}}}
          |                                       ^^^^^ expected one of `read`, `write`
          |
          = hint: did you mean `write`?

        error[plan::bad-config]: `ops.resize.config.flags` is ["read","read"]: the value has non-unique elements
         --> run.yaml:1:32
          |
        1 | ops: {resize: {config: {flags: [read, read]}}}
          |                                ^^^^^^^^^^^^
          |
          = hint: write for example `["read"]`

        error[plan::bad-config]: `ops.resize.config.tuple` is [1]: the value has less than 2 items
         --> run.yaml:1:32
          |
        1 | ops: {resize: {config: {tuple: [1]}}}
          |                                ^^^
          |
          = hint: write for example `[1,"text"]`

        error[plan::bad-config]: `ops.resize.config.tuple.1`: expected text, found an integer
         --> run.yaml:1:36
          |
        1 | ops: {resize: {config: {tuple: [1, 2]}}}
          |                                    ^ expected text
          |
          = hint: write for example `"text"` or `{env: NAME}`

        error[plan::missing-config]: `ops.resize.config.record` has no `b`
         --> run.yaml:1:33
          |
        1 | ops: {resize: {config: {record: {a: 1, c: 2}}}}
          |                                 ^^^^^^^^^^^^ `b` is needed
          |
          = hint: add for example `b: "text"`

        error[plan::unknown-key]: `ops.resize.config.record` has no key `c`
         --> run.yaml:1:40
          |
        1 | ops: {resize: {config: {record: {a: 1, c: 2}}}}
          |                                        ^ unknown key
          |
          = hint: expected {a: integer, b: text}

        error[plan::bad-config]: `ops.resize.config.choice` is "exakt"
         --> run.yaml:1:33
          |
        1 | ops: {resize: {config: {choice: exakt}}}
          |                                 ^^^^^ expected one of `fast`, `exact`
          |
          = hint: did you mean `exact`?
        "#);
}

#[test]
fn c_21_of_ten_thousand_errors_twenty_are_shown_and_all_are_counted() {
    use std::fmt::Write;
    let steps = (0..10_000).fold(job("[jobs.j.steps]\n"), |mut out, at| {
        writeln!(out, "step_{at:05} = {{ op = \"t.conf\" }}").unwrap();
        out
    });
    let unknown = (0..10_000).fold("ops:\n".to_owned(), |mut out, at| {
        writeln!(out, "  stepp_{at:05}: {{}}").unwrap();
        out
    });
    let wrong = (0..10_000).fold("ops:\n".to_owned(), |mut out, at| {
        writeln!(out, "  step_{at:05}: {{k{at}: 1}}").unwrap();
        out
    });
    for yaml in [unknown, wrong] {
        let start = Instant::now();
        let text = plan(&with_config(record(json!({}))), &steps, &yaml).unwrap_err();
        let took = start.elapsed();
        assert_eq!(text.matches("error[").count(), 20);
        assert!(text.ends_with("... and 9980 more, 10000 in all\n"), "{}", &text[text.len() - 60..]);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn c_22_variables_and_includes_of_other_tools_are_taken_literally() {
    let schema = record(json!({"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}));
    let yaml = "ops: {resize: {config: {a: '${HOME}', b: \"$(id)\", c: '{{ env.HOME }}'}}}";
    let planned = json!({"a": "${HOME}", "b": "$(id)", "c": "{{ env.HOME }}"});
    assert_eq!(configured(&schema, yaml), Ok(planned));
    let toml = format!("{}\nconfig = {{ a = \"${{HOME}}\", b = \"!include x\", c = \"~\" }}", step());
    let plan = plan(&with_config(schema.clone()), &toml, "").unwrap();
    let config: Value = ciborium::from_reader(plan.steps[0].config.as_slice()).unwrap();
    assert_eq!(config, json!({"a": "${HOME}", "b": "!include x", "c": "~"}));
    assert!(configured(&schema, "ops: !include other.yaml").unwrap_err().contains("config::tag"));
}

#[test]
fn a_missing_key_comes_with_its_path_and_an_example() {
    let schema = record(
        json!({"width": {"type": "integer", "minimum": 16}, "out": record(json!({"dir": {"type": "string"}}))}),
    );
    insta::assert_snapshot!(messages(&schema, &["{}", "{width: 20, out: {}}"]), @r#"
        error[plan::missing-config]: `ops.resize.config` has none of `out`, `width`
         --> run.yaml:1:24
          |
        1 | ops: {resize: {config: {}}}
          |                        ^^ `out`, `width` are needed
          |
          = hint: add for example `out: {"dir":"text"}, width: 16`

        error[plan::missing-config]: `ops.resize.config.out` has no `dir`
         --> run.yaml:1:41
          |
        1 | ops: {resize: {config: {width: 20, out: {}}}}
          |                                         ^^ `dir` is needed
          |
          = hint: add for example `dir: "text"`
        "#);
}

#[test]
fn a_wide_mistake_is_shown_under_its_characters() {
    let schema = record(json!({"title": {"type": "string"}, "width": {"type": "integer"}}));
    insta::assert_snapshot!(messages(&schema, &["{title: 東京の遅延, width: 広い}"]), @r"
        error[plan::bad-config]: `ops.resize.config.width`: expected integer, found text
         --> run.yaml:1:46
          |
        1 | ops: {resize: {config: {title: 東京の遅延, width: 広い}}}
          |                                                   ^^^^ expected integer
          |
          = hint: write for example `1` or `{env: NAME}`
        ");
}
