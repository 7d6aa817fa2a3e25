//! Every message of the reader of definitions about a step, as a person sees it.

use crate::shown::{below, shown};

/// Lines of a step `a` after its op.
fn step(lines: &[&str]) -> String {
    below("[jobs.j.steps.a]\nop = \"t.x\"", lines)
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
