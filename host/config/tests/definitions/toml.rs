//! Every message of the reader of definitions, as a person sees it.

use crate::shown::{found, shown};
use cofferdam_config::{TEXT_BYTES_MAX, render, render_json};
use cofferdam_model::Diagnostic;

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
        "[libraries.t]\noci = \"registry.example/team/t:1\"",
        "[libraries.t]\nchannel = \"the prod\"",
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
          |         ----- source in Rust that is built
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
          = hint: known: `crate`, `python`, `javascript`, `c`, `go`, `wasm`, `oci`, `channel`

        error[config::bad-reference]: the reference does not end with a digest
         --> cofferdam.toml:2:7
          |
        2 | oci = "registry.example/team/t:1"
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected `HOST/NAME@sha256:` and 64 hexadecimal digits
          |
          = hint: `cofferdam library push` and `pull` print it; a tag may be on other bytes tomorrow

        error[config::bad-name]: `the prod` cannot name a channel
         --> cofferdam.toml:2:11
          |
        2 | channel = "the prod"
          |           ^^^^^^^^^^ a channel is named by up to 128 letters, digits, `.`, `_` and `-`, with `/` between parts, as in `stats/prod`

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
            "hint": "known: `description`, `max_concurrent`, `tag_concurrency_limits`, `labels`, `tags`, `retry`, `config`, `inputs`, `config_mapping`, `hooks`, `io_manager`, `partitions`, `run_retry`, `steps`",
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
