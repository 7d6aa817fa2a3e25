//! Every message of the reader of definitions, as a person sees it.

mod shown;

use cofferdam_config::{TEXT_BYTES_MAX, render, render_json};
use cofferdam_model::Diagnostic;
use shown::{below, found, shown};

/// Lines of a step `a` after its op.
fn step(lines: &[&str]) -> String {
    below("[jobs.j.steps.a]\nop = \"t.x\"", lines)
}

#[test]
fn messages_of_the_syntax_and_of_the_top_level() {
    let snippets = [
        "jobs = [",
        "a = 1\na = 2",
        "[job.j]",
        "jobs = 3",
        "[libraries]\nt = \"ops\"",
        "[libraries.t]",
        "[libraries.t]\ncrate = \"ops\"\nwasm = \"t.wasm\"",
        "[libraries.t]\ncrate = \"/ops\"",
        "[libraries.t]\ncrate = 3\npath = \"x\"",
        "[libraries.\"a b\"]\ncrate = \"ops\"",
        "[jobs.j]",
        "[jobs.j]\nsteps = {}\nmax_concurrent = 0\ndescription = 1\ntags = 1\nconfig = 1",
        "[jobs.1st]\nsteps = {}",
    ];
    insta::assert_snapshot!(shown(&snippets), @r#"
        error[config::syntax]: unclosed array, expected `]`
         --> cofferdam.toml:1:9
          |
        1 | jobs = [
          |         ^
          |
          = hint: what follows is not looked at until the syntax is right; text is written in quotes

        error[config::duplicate-key]: duplicate key
         --> cofferdam.toml:2:1
          |
        2 | a = 2
          | ^
          |
          = hint: keep one of them; every name is defined once

        error[config::unknown-key]: the file has no key `job`
         --> cofferdam.toml:1:2
          |
        1 | [job.j]
          |  ^^^ unknown key
          |
          = hint: did you mean `jobs`?

        error[config::wrong-type]: `jobs`: expected a table, found an integer
         --> cofferdam.toml:1:8
          |
        1 | jobs = 3
          |        ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::wrong-type]: library `t`: expected a table, found text
         --> cofferdam.toml:2:5
          |
        2 | t = "ops"
          |     ^^^^^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::missing-key]: library `t` has no `crate`
         --> cofferdam.toml:1:12
          |
        1 | [libraries.t]
          |            ^ `crate` is needed
          |
          = hint: add for example `crate = "ops"` or `wasm = "lib/ops.wasm"`

        error[config::contradiction]: library `t` has both `crate` and `wasm`
         --> cofferdam.toml:3:8
          |
        2 | crate = "ops"
          |         ----- a crate that is built
        3 | wasm = "t.wasm"
          |        ^^^^^^^^ a component that is there already
          |
          = hint: keep one of them

        error[config::bad-path]: `/ops` is not a relative path
         --> cofferdam.toml:2:9
          |
        2 | crate = "/ops"
          |         ^^^^^^ expected a path from the folder of this file
          |
          = hint: write for example `ops` or `../shared/ops`

        error[config::wrong-type]: `crate` of library `t`: expected text, found an integer
         --> cofferdam.toml:2:9
          |
        2 | crate = 3
          |         ^ expected text
          |
          = hint: put it in quotes

        error[config::unknown-key]: library `t` has no key `path`
         --> cofferdam.toml:3:1
          |
        3 | path = "x"
          | ^^^^ unknown key
          |
          = hint: known: `crate`, `wasm`

        error[config::bad-name]: `a b` cannot name a library
         --> cofferdam.toml:1:12
          |
        1 | [libraries."a b"]
          |            ^^^^^ ` ` is not allowed in a name; use letters, digits and `_`
          |
          = hint: write for example `clean_flights`

        error[config::missing-key]: job `j` has no `steps`
         --> cofferdam.toml:1:7
          |
        1 | [jobs.j]
          |       ^ `steps` is needed
          |
          = hint: add for example `[jobs.j.steps.first]`

        error[config::out-of-range]: `max_concurrent` of job `j` is 0, expected 1 to 4294967295
         --> cofferdam.toml:3:18
          |
        3 | max_concurrent = 0
          |                  ^
          |
          = hint: write for example `max_concurrent = 1`

        error[config::wrong-type]: `description` of job `j`: expected text, found an integer
         --> cofferdam.toml:4:15
          |
        4 | description = 1
          |               ^ expected text
          |
          = hint: put it in quotes

        error[config::wrong-type]: `tags` of job `j`: expected a table, found an integer
         --> cofferdam.toml:5:8
          |
        5 | tags = 1
          |        ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::wrong-type]: `config` of job `j`: expected a table, found an integer
         --> cofferdam.toml:6:10
          |
        6 | config = 1
          |          ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::bad-name]: `1st` cannot name a job
         --> cofferdam.toml:1:7
          |
        1 | [jobs.1st]
          |       ^^^ a name starts with a letter or `_`
          |
          = hint: write for example `clean_flights`
        "#);
}

#[test]
fn messages_of_a_step_and_of_its_inputs() {
    insta::assert_snapshot!(shown(&["[jobs.j.steps]\na = \"t.x\"\nb = {}\nc = { op = \"x\" }\nd = { op = 3 }"]), @r#"
        error[config::wrong-type]: step `a`: expected a table, found text
         --> cofferdam.toml:2:5
          |
        2 | a = "t.x"
          |     ^^^^^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::missing-key]: step `b` has neither `op` nor `graph`
         --> cofferdam.toml:3:5
          |
        3 | b = {}
          |     ^^ one of them is needed
          |
          = hint: add for example `op = "library.op"` or `graph = "name"`

        error[config::bad-name]: `x` does not name an op
         --> cofferdam.toml:4:12
          |
        4 | c = { op = "x" }
          |            ^^^ expected `library.op`
          |
          = hint: write for example `flights.clean`, with a name from `[libraries]`

        error[config::wrong-type]: `op` of step `d`: expected text, found an integer
         --> cofferdam.toml:5:12
          |
        5 | d = { op = 3 }
          |            ^ expected text
          |
          = hint: put it in quotes
        "#);
    let lines = [
        "inputs = 3",
        "inputs.x = 3",
        "inputs.x = \"no such thing\"",
        "inputs.x = []",
        "inputs.x = [\"b\", 1]",
        "inputs.x = {}",
        "inputs.x = { file = \"a\", map = \"b\" }",
        "inputs.x = { fil = \"a\" }",
        "inputs.x = { file = 1 }",
        "inputs.x = { value = [1, { y = inf }] }",
        "after = \"b\"",
        "after = [\"b c\"]",
        "config = 3",
        "config = { x = nan }",
        "priority = 3000000000",
        "tags = { x = nan }",
        "afterr = []",
    ];
    insta::assert_snapshot!(step(&lines), @r#"
        error[config::wrong-type]: `inputs` of step `a`: expected a table, found an integer
         --> cofferdam.toml:3:10
          |
        3 | inputs = 3
          |          ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::wrong-type]: input `x`: expected a source, found an integer
         --> cofferdam.toml:3:12
          |
        3 | inputs.x = 3
          |            ^ expected a source
          |
          = hint: text names a step; a literal is written as `{ value = 3 }`

        error[config::bad-name]: input `x`: `no such thing` does not name an output
         --> cofferdam.toml:3:12
          |
        3 | inputs.x = "no such thing"
          |            ^^^^^^^^^^^^^^^ expected `step` or `step.output`
          |
          = hint: a literal is written as `{ value = "…" }`, a file as `{ file = "…" }`

        error[config::bad-value]: input `x`: the list is empty
         --> cofferdam.toml:3:12
          |
        3 | inputs.x = []
          |            ^^ expected at least one step
          |
          = hint: name steps, as in `["a", "b.table"]`, or remove the input

        error[config::wrong-type]: input `x`: expected text, found an integer
         --> cofferdam.toml:3:18
          |
        3 | inputs.x = ["b", 1]
          |                  ^ expected text
          |
          = hint: put it in quotes

        error[config::bad-value]: input `x`: expected one key, found 0
         --> cofferdam.toml:3:12
          |
        3 | inputs.x = {}
          |            ^^ a source is one thing
          |
          = hint: write one of `value`, `file`, `files`, `map`, `collect`, `input`, `resource`, `asset`

        error[config::bad-value]: input `x`: expected one key, found 2
         --> cofferdam.toml:3:12
          |
        3 | inputs.x = { file = "a", map = "b" }
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^ a source is one thing
          |
          = hint: write one of `value`, `file`, `files`, `map`, `collect`, `input`, `resource`, `asset`

        error[config::unknown-key]: input `x` has no source `fil`
         --> cofferdam.toml:3:14
          |
        3 | inputs.x = { fil = "a" }
          |              ^^^ unknown key
          |
          = hint: did you mean `file`?

        error[config::wrong-type]: input `x`: expected text, found an integer
         --> cofferdam.toml:3:21
          |
        3 | inputs.x = { file = 1 }
          |                     ^ expected text
          |
          = hint: put it in quotes

        error[config::out-of-range]: `inf` is not a finite number
         --> cofferdam.toml:3:32
          |
        3 | inputs.x = { value = [1, { y = inf }] }
          |                                ^^^
          |
          = hint: leave the key out, or quote it if it is meant as text

        error[config::wrong-type]: `after` of step `a`: expected a list of names, found text
         --> cofferdam.toml:3:9
          |
        3 | after = "b"
          |         ^^^ expected a list of names
          |
          = hint: write for example `["first", "second"]`

        error[config::bad-name]: `b c` cannot name a step
         --> cofferdam.toml:3:10
          |
        3 | after = ["b c"]
          |          ^^^^^ ` ` is not allowed in a name; use letters, digits and `_`
          |
          = hint: write for example `clean_flights`

        error[config::wrong-type]: `config` of step `a`: expected a table, found an integer
         --> cofferdam.toml:3:10
          |
        3 | config = 3
          |          ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::out-of-range]: `NaN` is not a finite number
         --> cofferdam.toml:3:16
          |
        3 | config = { x = nan }
          |                ^^^
          |
          = hint: leave the key out, or quote it if it is meant as text

        error[config::out-of-range]: `priority` of step `a` is 3000000000, expected -2147483648 to 2147483647
         --> cofferdam.toml:3:12
          |
        3 | priority = 3000000000
          |            ^^^^^^^^^^
          |
          = hint: write for example `priority = 1`

        error[config::out-of-range]: `NaN` is not a finite number
         --> cofferdam.toml:3:14
          |
        3 | tags = { x = nan }
          |              ^^^
          |
          = hint: leave the key out, or quote it if it is meant as text

        error[config::unknown-key]: step `a` has no key `afterr`
         --> cofferdam.toml:3:1
          |
        3 | afterr = []
          | ^^^^^^ unknown key
          |
          = hint: did you mean `after`?
        "#);
}

#[test]
fn messages_of_retries_limits_and_resources() {
    let lines = [
        "retry = 3",
        "retry = {}",
        "retry = { max_retries = -1 }",
        "retry = { max_retries = 1, delay = 30 }",
        "retry = { max_retries = 1, delay = \"30\" }",
        "retry = { max_retries = 1, delay = \"25h\" }",
        "retry = { max_retries = 1, delay = \"a; b\" }",
        "retry = { max_retries = 1, backoff = \"linear\" }",
        "retry = { max_retries = 1, delay = \"1s\", backoff = \"exponental\", jitter = \"some\" }",
        "limits = { memory = 256, timeout = \"0s\", fuel = 0, output = \"1gb\", log = \"-1B\" }",
        "limits = { memory = \"0B\", timeout = \"9999999999d\", cpu = 1 }",
        "resources = 1",
        "resources = { GPU = 0, TPU = true }",
    ];
    insta::assert_snapshot!(step(&lines), @r#"
        error[config::wrong-type]: `retry` of step `a`: expected a table, found an integer
         --> cofferdam.toml:3:9
          |
        3 | retry = 3
          |         ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::missing-key]: `retry` of step `a` has no `max_retries`
         --> cofferdam.toml:3:9
          |
        3 | retry = {}
          |         ^^ `max_retries` is needed
          |
          = hint: add for example `max_retries = 2`

        error[config::out-of-range]: `max_retries` of `retry` of step `a` is -1, expected 0 to 1000
         --> cofferdam.toml:3:25
          |
        3 | retry = { max_retries = -1 }
          |                         ^^
          |
          = hint: write for example `max_retries = 1`

        error[config::wrong-type]: `delay` of `retry` of step `a`: expected text with a unit, found an integer
         --> cofferdam.toml:3:36
          |
        3 | retry = { max_retries = 1, delay = 30 }
          |                                    ^^ expected text with a unit
          |
          = hint: write for example `delay = "1s"`

        error[config::bad-value]: `delay` of `retry` of step `a`: `30` has no unit
         --> cofferdam.toml:3:36
          |
        3 | retry = { max_retries = 1, delay = "30" }
          |                                    ^^^^
          |
          = hint: write for example `30s`, `5m`, `250ms`, `2h` or `1d`

        error[config::bad-value]: `delay` of `retry` of step `a`: `25h` is too long
         --> cofferdam.toml:3:36
          |
        3 | retry = { max_retries = 1, delay = "25h" }
          |                                    ^^^^^
          |
          = hint: a retry waits at most 24h

        error[config::bad-value]: `delay` of `retry` of step `a`: `a; b` does not start with a number
         --> cofferdam.toml:3:36
          |
        3 | retry = { max_retries = 1, delay = "a; b" }
          |                                    ^^^^^^
          |
          = hint: write for example `30s`, `5m`, `250ms`, `2h` or `1d`

        error[config::contradiction]: `backoff` and `jitter` need a `delay` to work on
         --> cofferdam.toml:3:9
          |
        3 | retry = { max_retries = 1, backoff = "linear" }
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no `delay`
          |
          = hint: add for example `delay = "1s"`

        error[config::bad-value]: `backoff` of `retry` of step `a` is `exponental`
         --> cofferdam.toml:3:52
          |
        3 | retry = { max_retries = 1, delay = "1s", backoff = "exponental", jitter = "some" }
          |                                                    ^^^^^^^^^^^^ expected one of `none`, `linear`, `exponential`
          |
          = hint: did you mean `exponential`?

        error[config::bad-value]: `jitter` of `retry` of step `a` is `some`
         --> cofferdam.toml:3:75
          |
        3 | retry = { max_retries = 1, delay = "1s", backoff = "exponental", jitter = "some" }
          |                                                                           ^^^^^^ expected one of `none`, `full`, `plus_minus`
          |
          = hint: known: `none`, `full`, `plus_minus`

        error[config::wrong-type]: `memory` of `limits` of step `a`: expected text with a unit, found an integer
         --> cofferdam.toml:3:21
          |
        3 | limits = { memory = 256, timeout = "0s", fuel = 0, output = "1gb", log = "-1B" }
          |                     ^^^ expected text with a unit
          |
          = hint: write for example `memory = "256MiB"`

        error[config::bad-value]: `timeout` of `limits` of step `a`: a timeout of zero lets nothing run
         --> cofferdam.toml:3:36
          |
        3 | limits = { memory = 256, timeout = "0s", fuel = 0, output = "1gb", log = "-1B" }
          |                                    ^^^^
          |
          = hint: write for example `5m`

        error[config::out-of-range]: `fuel` of `limits` of step `a` is 0, expected 1 to 9223372036854775807
         --> cofferdam.toml:3:49
          |
        3 | limits = { memory = 256, timeout = "0s", fuel = 0, output = "1gb", log = "-1B" }
          |                                                 ^
          |
          = hint: write for example `fuel = 1`

        error[config::bad-value]: `output` of `limits` of step `a`: `1gb` has the unknown unit `gb`
         --> cofferdam.toml:3:61
          |
        3 | limits = { memory = 256, timeout = "0s", fuel = 0, output = "1gb", log = "-1B" }
          |                                                             ^^^^^
          |
          = hint: write for example `256MiB`, `64KiB`, `1GiB`, `1GB` or `512B`

        error[config::bad-value]: `log` of `limits` of step `a`: `-1B` is negative
         --> cofferdam.toml:3:74
          |
        3 | limits = { memory = 256, timeout = "0s", fuel = 0, output = "1gb", log = "-1B" }
          |                                                                          ^^^^^
          |
          = hint: write for example `256MiB`, `64KiB`, `1GiB`, `1GB` or `512B`

        error[config::bad-value]: `memory` of `limits` of step `a`: a limit of zero lets nothing run
         --> cofferdam.toml:3:21
          |
        3 | limits = { memory = "0B", timeout = "9999999999d", cpu = 1 }
          |                     ^^^^
          |
          = hint: write for example `256MiB`

        error[config::bad-value]: `timeout` of `limits` of step `a`: `9999999999d` is too long
         --> cofferdam.toml:3:37
          |
        3 | limits = { memory = "0B", timeout = "9999999999d", cpu = 1 }
          |                                     ^^^^^^^^^^^^^
          |
          = hint: at most 36600d

        error[config::unknown-key]: `limits` of step `a` has no key `cpu`
         --> cofferdam.toml:3:52
          |
        3 | limits = { memory = "0B", timeout = "9999999999d", cpu = 1 }
          |                                                    ^^^ unknown key
          |
          = hint: known: `memory`, `output`, `log`, `timeout`, `fuel`

        error[config::wrong-type]: `resources` of step `a`: expected a table, found an integer
         --> cofferdam.toml:3:13
          |
        3 | resources = 1
          |             ^ expected a table
          |
          = hint: write it as `{ key = … }`, or as lines below a `[heading]` of its own

        error[config::bad-value]: resource `GPU` of step `a` is not a number above zero
         --> cofferdam.toml:3:21
          |
        3 | resources = { GPU = 0, TPU = true }
          |                     ^ expected a number above zero
          |
          = hint: write for example `GPU = 1`, or leave it out

        error[config::bad-value]: resource `TPU` of step `a` is not a number above zero
         --> cofferdam.toml:3:30
          |
        3 | resources = { GPU = 0, TPU = true }
          |                              ^^^^ expected a number above zero
          |
          = hint: write for example `TPU = 1`, or leave it out
        "#);
}

#[test]
fn texts_that_are_none_are_refused_before_they_are_parsed() {
    let utf16 = b"\xff\xfe[\0".to_vec();
    let cases: [(Vec<u8>, &str); 5] = [
        (b"a = \"\xff\"".to_vec(), "byte 0xff is not UTF-8"),
        (utf16, "the file is UTF-16, expected UTF-8"),
        (b"a = 1\0".to_vec(), "the file holds a NUL character"),
        (b"a = 1\rb = 2\r".to_vec(), "the file holds a carriage return that ends no line"),
        (vec![b' '; TEXT_BYTES_MAX + 1], "the file has 1048577 bytes, at most 1048576 are read"),
    ];
    for (bytes, expect) in cases {
        let (_, found) = found(bytes);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, expect);
        assert!(found[0].hint.is_some(), "{expect}");
    }
}

#[test]
fn deep_nesting_ends_in_a_message_and_not_in_the_end_of_the_stack() {
    let deep = 20_000;
    let keys = vec!["a"; deep].join(".");
    let snippets = [
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "{ a = ".repeat(deep)),
        format!("{keys} = 1"),
        format!("[{keys}]"),
        format!("[jobs.j.steps.a]\nop = \"t.x\"\nconfig.{keys} = nan"),
    ];
    for snippet in snippets {
        let (texts, found) = found(&snippet);
        assert!(!found.is_empty(), "{}", &snippet[..20]);
        assert!(render(&texts, &found, false, 100).contains("error["));
    }
}

#[test]
fn machines_get_every_finding_with_its_place() {
    let (texts, mut found) = found("# 東京\nlibraries = { \"é\" = 1 }\n[jobs.j]\nsteps = {}\nmax = 1\n");
    found.push(Diagnostic::warning("plan::placeless", "nowhere"));
    let json: serde_json::Value = serde_json::from_str(&render_json(&texts, &found)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
        [
          {
            "code": "config::bad-name",
            "hint": "write for example `clean_flights`",
            "labels": [
              {
                "column": 15,
                "end": 27,
                "line": 2,
                "path": "cofferdam.toml",
                "start": 23,
                "text": "`é` is not allowed in a name; use letters, digits and `_`"
              }
            ],
            "message": "`é` cannot name a library",
            "severity": "error"
          },
          {
            "code": "config::unknown-key",
            "hint": "known: `description`, `max_concurrent`, `tags`, `retry`, `config`, `inputs`, `config_mapping`, `hooks`, `io_manager`, `partitions`, `run_retry`, `steps`",
            "labels": [
              {
                "column": 1,
                "end": 57,
                "line": 5,
                "path": "cofferdam.toml",
                "start": 54,
                "text": "unknown key"
              }
            ],
            "message": "job `j` has no key `max`",
            "severity": "error"
          },
          {
            "code": "plan::placeless",
            "hint": null,
            "labels": [],
            "message": "nowhere",
            "severity": "warning"
          }
        ]
        "#);
}

#[test]
fn wide_characters_keep_the_marks_under_what_they_mark() {
    let text = "[jobs.j.steps.a]\nop = \"t.x\"\ninputs.x = [\"東京\", 3]\ntags = { \"日本\" = \"ok\" }\n";
    insta::assert_snapshot!(shown(&[text]), @r#"
        error[config::bad-name]: input `x`: `東京` does not name an output
         --> cofferdam.toml:3:13
          |
        3 | inputs.x = ["東京", 3]
          |             ^^^^^^ expected `step` or `step.output`
          |
          = hint: a literal is written as `{ value = "…" }`, a file as `{ file = "…" }`

        error[config::wrong-type]: input `x`: expected text, found an integer
         --> cofferdam.toml:3:19
          |
        3 | inputs.x = ["東京", 3]
          |                     ^ expected text
          |
          = hint: put it in quotes
        "#);
}

#[test]
fn escape_sequences_of_a_terminal_are_not_passed_on() {
    let (texts, found) = found("[libraries.\"\\u001b[31mred\"]\ncrate = \"/\\u001b[2J\"\n# \u{1b}[2J");
    assert!(!found.is_empty());
    assert!(!render(&texts, &found, false, 100).contains('\u{1b}'));
}
