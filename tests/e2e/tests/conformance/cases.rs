//! The cases: steps of one job, and what is expected of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guest::{Guest, Seen, pattern, time_of_day};

/// A case: its steps in the job of all cases, and what they must have left.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) steps: &'static str,
    pub(crate) check: fn(&Seen),
}

macro_rules! case {
    ($name:ident, $steps:literal, $check:expr) => {
        Case { name: stringify!($name), steps: concat!("\n", $steps, "\n"), check: $check }
    };
}

/// A case of one step that gives back what it was given.
macro_rules! echo {
    ($name:ident, $op:literal, $toml:literal, $value:expr) => {
        Case {
            name: stringify!($name),
            steps: concat!(
                "\n[jobs.cases.steps.",
                stringify!($name),
                "]\nop = \"ops.",
                $op,
                "\"\ninputs.value = { value = ",
                $toml,
                " }\n"
            ),
            check: |seen| assert_eq!(seen.result(stringify!($name)), $value),
        }
    };
}

pub(crate) const CASES: &[Case] = &[
    echo!(text, "echo_text", "'Grüße, 世界 👋🏽 \"quoted\"'", json!("Grüße, 世界 👋🏽 \"quoted\"")),
    echo!(text_empty, "echo_text", "''", json!("")),
    echo!(text_control, "echo_text", "\"line\\nline\\ttab\\u0000nul\"", json!("line\nline\ttab\0nul")),
    echo!(integer, "echo_integer", "-7", json!(-7)),
    echo!(integer_past_53_bits, "echo_integer", "9007199254740993", json!(9_007_199_254_740_993_i64)),
    echo!(integer_smallest, "echo_integer", "-9223372036854775808", json!(i64::MIN)),
    echo!(integer_largest, "echo_integer", "9223372036854775807", json!(i64::MAX)),
    echo!(number, "echo_number", "0.1", json!(0.1)),
    echo!(number_large, "echo_number", "1e300", json!(1e300)),
    case!(
        number_whole,
        "[jobs.cases.steps.number_whole]\nop = \"ops.echo_number\"\ninputs.value = { value = 2.0 }",
        |seen| {
            assert_eq!(seen.result("number_whole").as_f64(), Some(2.0));
        }
    ),
    echo!(flag, "echo_flag", "true", json!(true)),
    echo!(list, "echo_list", "[3, -1, 2]", json!([3, -1, 2])),
    echo!(list_empty, "echo_list", "[]", json!([])),
    echo!(map, "echo_map", "{ b = 1, a = 2, 'ключ' = 3 }", json!({ "a": 2, "b": 1, "ключ": 3 })),
    echo!(map_empty, "echo_map", "{}", json!({})),
    echo!(nullable_text, "echo_nullable", "'x'", json!("x")),
    case!(nullable_null, "[jobs.cases.steps.nullable_null]\nop = \"ops.echo_nullable\"", |seen| {
        assert_eq!(seen.result("nullable_null"), Value::Null);
    }),
    echo!(choice, "echo_choice", "'green'", json!("green")),
    case!(
        record,
        r#"[jobs.cases.steps.record]
op = "ops.echo_record"
inputs.value = { value = { name = "Ada", age = 36, tags = ["x", "y"], home = { lat = 51.5, lon = -0.25 } } }"#,
        |seen| {
            let home = json!({ "lat": 51.5, "lon": -0.25 });
            let ada = json!({ "name": "Ada", "age": 36, "tags": ["x", "y"], "home": home });
            assert_eq!(seen.result("record"), ada);
        }
    ),
    case!(
        record_defaults,
        "[jobs.cases.steps.record_defaults]\nop = \"ops.echo_record\"\ninputs.value = { value = { name = \"Ada\", age = 36 } }",
        |seen| {
            let ada = seen.result("record_defaults");
            assert_eq!((&ada["name"], &ada["age"], &ada["tags"]), (&json!("Ada"), &json!(36), &json!([])));
            assert!(ada["home"].is_null(), "{ada}");
        }
    ),
    case!(
        record_of_another_language,
        r#"[jobs.cases.steps.record_again]
op = "ops.echo_record"
inputs.value = "record""#,
        |seen| assert_eq!(seen.result("record_again"), seen.result("record"))
    ),
    case!(
        bytes,
        "[jobs.cases.steps.bytes]\nop = \"ops.echo_bytes\"\ninputs.value = { file = \"large.bin\" }",
        |seen| {
            assert_eq!(seen.shown("bytes", "result")["media_type"], "application/octet-stream");
            assert_eq!(seen.bytes("bytes", "result"), pattern(1_000_000));
        }
    ),
    case!(nothing, "[jobs.cases.steps.nothing]\nop = \"ops.nothing\"", |seen| {
        assert_eq!(seen.outputs("nothing").len(), 0);
    }),
    case!(
        several_outputs,
        "[jobs.cases.steps.several]\nop = \"ops.split_name\"\ninputs.name = { value = \"Zoë Lovelace King\" }",
        |seen| {
            assert_eq!(seen.output("several", "first"), "Zoë");
            assert_eq!(seen.output("several", "last"), "Lovelace King");
        }
    ),
    case!(metadata_of_an_output, "", |seen| {
        let outputs = seen.outputs("several");
        let first =
            outputs.iter().find(|output| output["name"] == "first").expect("it has the output `first`");
        assert_eq!(first["metadata"], json!([{ "name": "letters", "value": { "integer": 3 } }]));
    }),
    case!(
        optional_output,
        r#"[jobs.cases.steps.optional]
op = "ops.maybe"
config = { emit = true }
[jobs.cases.steps.optional_read]
op = "ops.echo_integer"
inputs.value = "optional.value""#,
        |seen| assert_eq!(seen.result("optional_read"), 42)
    ),
    case!(
        optional_output_left_out,
        r#"[jobs.cases.steps.left_out]
op = "ops.maybe"
config = { emit = false }
[jobs.cases.steps.left_out_read]
op = "ops.echo_integer"
inputs.value = "left_out.value""#,
        |seen| {
            assert_eq!(seen.outputs("left_out").len(), 0);
            assert_eq!(seen.status("left_out_read"), "skipped");
        }
    ),
    case!(
        optional_input,
        "[jobs.cases.steps.greeted]\nop = \"ops.greet\"\ninputs.name = { value = \"Ada\" }",
        |seen| {
            assert_eq!(seen.result("greeted"), "Hello, Ada!");
        }
    ),
    case!(optional_input_absent, "[jobs.cases.steps.ungreeted]\nop = \"ops.greet\"", |seen| {
        assert_eq!(seen.result("ungreeted"), "Hello, nobody!");
    }),
    case!(
        dynamic_outputs,
        r#"[jobs.cases.steps.spread]
op = "ops.numbers"
config = { n = 4 }
[jobs.cases.steps.doubled]
op = "ops.pure_double"
inputs.value = { map = "spread.each" }
[jobs.cases.steps.summed]
op = "ops.total"
inputs.numbers = { collect = "doubled" }"#,
        |seen| {
            assert_eq!(seen.outputs("spread").len(), 4);
            assert_eq!(seen.result("doubled[n3]"), 6);
            assert_eq!(seen.result("summed"), 12);
        }
    ),
    case!(
        dynamic_outputs_none,
        r#"[jobs.cases.steps.none]
op = "ops.numbers"
config = { n = 0 }
[jobs.cases.steps.none_summed]
op = "ops.total"
inputs.numbers = { collect = "none.each" }"#,
        |seen| {
            assert_eq!(seen.outputs("none").len(), 0);
            assert_eq!(seen.result("none_summed"), 0);
        }
    ),
    case!(
        many_with_keys,
        "[jobs.cases.steps.many_keys]\nop = \"ops.keyed\"\ninputs.numbers = { collect = \"spread.each\" }",
        |seen| assert_eq!(seen.result("many_keys"), json!(["n0=0", "n1=1", "n2=2", "n3=3"]))
    ),
    case!(
        many_without_keys,
        "[jobs.cases.steps.many_list]\nop = \"ops.keyed\"\ninputs.numbers = [\"summed\", \"optional.value\"]",
        |seen| assert_eq!(seen.result("many_list"), json!(["-=12", "-=42"]))
    ),
    case!(dynamic_key_twice, "[jobs.cases.steps.twins]\nop = \"ops.twins\"", |seen| {
        assert_eq!(seen.status("twins"), "failed");
        assert!(seen.failure("twins").to_string().contains("`twin`"), "{}", seen.failure("twins"));
    }),
    case!(
        config_defaults,
        "[jobs.cases.steps.defaults]\nop = \"ops.configured\"\nconfig = { names = [\"Ada\", \"Zoë\"] }",
        |seen| assert_eq!(seen.result("defaults"), "Hello, Ada!\nHello, Zoë!\nHello, Ada!\nHello, Zoë!")
    ),
    case!(
        config_given,
        "[jobs.cases.steps.given]\nop = \"ops.configured\"\nconfig = { names = [\"Ada\"], greeting = \"Bye\", times = 1, loud = true }",
        |seen| assert_eq!(seen.result("given"), "BYE, ADA!")
    ),
    case!(
        large_written_and_read,
        r#"[jobs.cases.steps.produced]
op = "ops.produce"
config = { size = 3000001 }
[jobs.cases.steps.consumed]
op = "ops.consume"
inputs.file = "produced""#,
        |seen| {
            let bytes = pattern(3_000_001);
            assert_eq!(seen.bytes("produced", "result"), bytes);
            let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(seen.result("consumed"), json!({ "size": 3_000_001, "sum": sum }));
        }
    ),
    case!(
        large_of_no_bytes,
        r#"[jobs.cases.steps.produced_none]
op = "ops.produce"
config = { size = 0 }
[jobs.cases.steps.consumed_none]
op = "ops.consume"
inputs.file = "produced_none""#,
        |seen| assert_eq!(seen.result("consumed_none"), json!({ "size": 0, "sum": 0 }))
    ),
    case!(
        large_read_from_the_middle,
        r#"[jobs.cases.steps.slice]
op = "ops.slice"
inputs.file = "produced"
config = { offset = 2900000, length = 1000 }"#,
        |seen| assert_eq!(seen.bytes("slice", "result"), pattern(3_000_001)[2_900_000..2_901_000])
    ),
    case!(
        large_structured,
        r#"[jobs.cases.steps.repeated]
op = "ops.repeat"
config = { text = "häß", times = 100000 }
[jobs.cases.steps.counted]
op = "ops.length"
inputs.value = "repeated""#,
        |seen| {
            let size = seen.shown("repeated", "result")["size"].as_u64().expect("it has a size");
            assert!(size > 500_000, "{size}");
            assert_eq!(seen.result("counted"), 300_000);
        }
    ),
    case!(media_type, "[jobs.cases.steps.page]\nop = \"ops.page\"\nconfig = { title = \"Ü\" }", |seen| {
        assert_eq!(seen.shown("page", "result")["media_type"], "text/html");
        assert_eq!(seen.bytes("page", "result"), "<h1>Ü</h1>".as_bytes());
    }),
    case!(failure, "[jobs.cases.steps.fail]\nop = \"ops.fail\"\nconfig = { message = \"nö\" }", |seen| {
        let failure = seen.failure("fail");
        assert_eq!(failure["kind"], "op");
        assert_eq!(failure["message"], "nö");
        assert!(failure["causes"].to_string().contains("the disk is full"), "{failure}");
        assert_eq!(failure["metadata"], json!([{ "name": "tried", "value": { "integer": 3 } }]));
    }),
    case!(
        failure_for_good,
        "[jobs.cases.steps.permanent]\nop = \"ops.fail_permanent\"\nretry = { max_retries = 3 }",
        |seen| {
            assert_eq!(seen.attempts("permanent").len(), 1);
            assert_eq!(seen.failure("permanent")["message"], "it stays wrong");
        }
    ),
    case!(
        retry_later,
        "[jobs.cases.steps.later]\nop = \"ops.fail_later\"\nconfig = { milliseconds = 300 }\nretry = { max_retries = 1 }",
        |seen| {
            assert_eq!(seen.result("later"), 2);
            let attempts = seen.attempts("later");
            let [ended, again] = [&attempts[0]["ended_at"], &attempts[1]["dispatched_at"]].map(time_of_day);
            // Past midnight the difference is negative, and nothing is known.
            assert!(again < ended || again - ended >= Duration::from_millis(300), "{ended:?} to {again:?}");
        }
    ),
    case!(
        retry_by_policy,
        "[jobs.cases.steps.flaky]\nop = \"ops.flaky\"\nconfig = { attempts = 3 }\nretry = { max_retries = 5 }",
        |seen| {
            assert_eq!(seen.result("flaky"), 3);
            let messages: Vec<_> = seen.attempts("flaky")[..2]
                .iter()
                .map(|attempt| attempt["failure"]["message"].clone())
                .collect();
            assert_eq!(messages, ["attempt 1", "attempt 2"]);
        }
    ),
    case!(
        crash,
        r#"[jobs.cases.steps.crash]
op = "ops.crash"
[jobs.cases.steps.crash_read]
op = "ops.echo_integer"
inputs.value = "crash""#,
        |seen| {
            assert_eq!(seen.status("crash"), "failed");
            assert_eq!(seen.failure("crash")["retry"], "policy");
            assert!(!seen.failure("crash")["message"].as_str().expect("it has a message").is_empty());
            assert_ne!(seen.status("crash_read"), "succeeded");
        }
    ),
    case!(logs, "[jobs.cases.steps.log]\nop = \"ops.log\"", |seen| {
        let lines: Vec<_> =
            seen.logs("log").map(|line| (line["level"].clone(), line["message"].clone())).collect();
        let expected = ["trace", "debug", "info", "warn", "error"].map(|word| (json!(word), json!(word)));
        assert_eq!(lines, expected);
        assert!(seen.logs("log").all(|line| line["fields"]["colour"] == "blue" && line["source"] == "op"));
    }),
    case!(printed, "[jobs.cases.steps.print]\nop = \"ops.print\"", |seen| {
        let line = |source: &str| {
            let found = seen.logs("print").find(|line| line["source"] == source);
            found.unwrap_or_else(|| panic!("no line from {source}"))["message"].clone()
        };
        assert_eq!([line("stdout"), line("stderr")], ["to stdout", "to stderr"]);
    }),
    case!(
        logs_bounded,
        "[jobs.cases.steps.chatter]\nop = \"ops.chatter\"\nconfig = { lines = 20000 }\nlimits = { log = \"64KiB\" }",
        |seen| {
            seen.outputs("chatter");
            let kept = seen
                .logs("chatter")
                .filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with("line ")));
            let (kept, dropped) =
                (kept.count() as u64, seen.attempts("chatter")[0]["usage"]["log_lines_dropped"].as_u64());
            assert_eq!(kept + dropped.expect("drops are counted"), 20_000);
            assert!(kept < 20_000);
        }
    ),
    case!(progress, "[jobs.cases.steps.progress]\nop = \"ops.progress\"", |seen| {
        seen.outputs("progress");
    }),
    case!(facts, "[jobs.cases.steps.facts]\nop = \"ops.facts\"", |seen| {
        let expected = json!([
            { "name": "text", "value": { "text": "words" } },
            { "name": "integer", "value": { "integer": 7 } },
            { "name": "number", "value": { "number": 0.5 } },
            { "name": "truth", "value": { "truth": true } },
            { "name": "url", "value": { "url": "https://example.org/a" } },
            { "name": "path", "value": { "path": "/a/b" } },
            { "name": "json", "value": { "json": "{\"a\": 1}" } },
            { "name": "markdown", "value": { "markdown": "*b*" } },
            { "name": "table", "value": { "table": "[{\"a\": 1}]" } },
            { "name": "timestamp", "value": { "timestamp": "2026-01-02T03:04:05Z" } },
        ]);
        assert_eq!(seen.metadata("facts"), &expected);
    }),
    case!(who, "[jobs.cases.steps.who]\nop = \"ops.who\"\ntags = { team = \"data\" }", |seen| {
        let who = seen.result("who");
        assert_eq!(&who["run_id"], seen.run_id());
        assert_eq!((&who["step_key"], &who["attempt"]), (&json!("who"), &json!(1)));
        assert!(who["idempotency_key"].as_str().is_some_and(|key| !key.is_empty()), "{who}");
        assert!(who["partition"].is_null(), "{who}");
        assert_eq!(who["tags"]["team"], "data");
    }),
    case!(
        time_left,
        "[jobs.cases.steps.hurried]\nop = \"ops.remaining\"\nlimits = { timeout = \"60s\" }",
        |seen| {
            assert_eq!(seen.result("hurried"), true);
        }
    ),
    case!(
        limit_of_time,
        "[jobs.cases.steps.spin]\nop = \"ops.spin\"\nlimits = { timeout = \"1s\" }",
        |seen| {
            assert_eq!(seen.failure("spin")["kind"], "timeout");
        }
    ),
    case!(memory, "[jobs.cases.steps.modest]\nop = \"ops.hog\"\nconfig = { megabytes = 20 }", |seen| {
        assert_eq!(seen.result("modest"), 20);
    }),
    case!(
        limit_of_memory,
        "[jobs.cases.steps.hog]\nop = \"ops.hog\"\nconfig = { megabytes = 400 }\nlimits = { memory = \"128MiB\" }",
        |seen| {
            assert_eq!(seen.status("hog"), "failed");
            assert!(seen.failure("hog").to_string().contains("memory"), "{}", seen.failure("hog"));
        }
    ),
    case!(
        resource_keyvalue,
        r#"[jobs.cases.steps.count]
op = "ops.count"
[jobs.cases.steps.count_again]
op = "ops.count"
after = ["count"]"#,
        |seen| assert_eq!((seen.result("count"), seen.result("count_again")), (json!(1), json!(2)))
    ),
    case!(resource_config, "[jobs.cases.steps.setting]\nop = \"ops.setting\"", |seen| {
        assert_eq!(seen.result("setting"), "green");
    }),
];

/// Jobs of cases that are runs of their own.
pub(crate) const APART_JOBS: &str = r#"
[jobs.configured.steps.configured]
op = "ops.configured"
[jobs.chosen.steps.chosen]
op = "ops.echo_choice"
[jobs.pure.steps.double]
op = "ops.pure_double"
inputs.value = { value = 21 }
memoize = true
[jobs.forever.steps.spin]
op = "ops.spin"
"#;

/// A case with its name.
type Apart = (&'static str, fn(&Guest));

/// Cases that are runs of their own, or no run at all.
pub(crate) const APART: &[Apart] = &[
    ("described", described),
    ("config_unknown_key", |guest| {
        refused(guest, "configured", "{ names: [], colour: red }", "colour");
    }),
    ("config_out_of_bounds", |guest| refused(guest, "configured", "{ names: [], times: 11 }", "10")),
    ("config_missing", |guest| refused(guest, "configured", "{}", "names")),
    ("config_of_another_type", |guest| refused(guest, "configured", "{ names: Ada }", "names")),
    ("choice_unknown", |guest| {
        let ended = guest.run_with("chosen", "ops: { chosen: { inputs: { value: pink } } }");
        assert_ne!(ended.exit, 0);
        assert!(ended.stderr.contains("red") && ended.stderr.contains("green"), "{ended:#?}");
    }),
    ("pure_results_are_taken_again", |guest| {
        let first = guest.json(&["run", "pure"]);
        let again = guest.json(&["run", "pure"]);
        let value = |run: &Value| run["steps"][0]["outputs"][0]["value"]["digest"].clone();
        assert_eq!(value(&first), value(&again));
        assert_eq!(again["steps"][0]["attempts"], json!([]), "{again:#}");
    }),
    ("deterministic", |guest| {
        let digest = |run: Value| run["steps"][0]["outputs"][0]["value"]["digest"].clone();
        let runs = [0, 1]
            .map(|_| guest.run_with("configured", "ops: { configured: { config: { names: [b, a] } } }"));
        let digests =
            runs.map(|ended| digest(serde_json::from_str(&ended.stdout).expect("a run is a document")));
        assert!(digests[0].is_string());
        assert_eq!(digests[0], digests[1]);
    }),
    ("cancelled", cancelled),
];

fn refused(guest: &Guest, step: &str, config: &str, named: &str) {
    let ended = guest.run_with(step, &format!("ops: {{ {step}: {{ config: {config} }} }}"));
    assert_ne!(ended.exit, 0);
    assert!(ended.stderr.contains(named), "{ended:#?}");
}

/// The description says what the table of the README says.
fn described(guest: &Guest) {
    let inspected = guest.json(&["library", "inspect", "ops"]);
    let ops = inspected["library"]["ops"].as_array().expect("a library has ops");
    let op = |name: &str| {
        ops.iter().find(|op| op["name"] == name).unwrap_or_else(|| panic!("there is no op `{name}`"))
    };
    assert_eq!(ops.len(), 42);
    assert!(ops.iter().all(|op| op["doc"].as_str().is_some_and(|doc| !doc.is_empty())));
    let port = |op: &Value, side: &str, field: &str| op[side][0][field].clone();
    assert_eq!(port(op("echo_text"), "inputs", "required"), true);
    assert_eq!(port(op("greet"), "inputs", "required"), false);
    assert_eq!(port(op("total"), "inputs", "many"), true);
    assert_eq!(port(op("numbers"), "outputs", "dynamic"), true);
    assert_eq!(port(op("maybe"), "outputs", "required"), false);
    assert_eq!(port(op("maybe"), "outputs", "name"), "value");
    assert_eq!(port(op("echo_text"), "outputs", "name"), "result");
    assert_eq!(port(op("echo_text"), "outputs", "media_type"), "application/cbor");
    assert_eq!(port(op("echo_bytes"), "outputs", "media_type"), "application/octet-stream");
    assert_eq!(op("nothing")["outputs"], json!([]));
    assert_eq!(op("nothing")["config_schema"], Value::Null);
    assert!(op("pure_double")["pure"] == true && op("echo_text")["pure"] != true);
    assert_eq!(op("count")["resources"][0]["kind"], "keyvalue");
    assert_eq!(op("configured")["config_schema"]["additionalProperties"], false);
}

/// A run that is interrupted while its guest spins ends at once.
fn cancelled(guest: &Guest) {
    let ended = guest.interrupt("forever", "spin");
    assert_eq!(ended.exit, 11, "{ended:#?}");
    assert_eq!(guest.json(&["show"])["status"], "cancelled");
}
