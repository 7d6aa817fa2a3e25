//! Ops that keep to the rules: what they are given, what becomes of what they return.

mod kit;

use std::time::Duration;

use cofferdam_model::{FailureKind, Limits, LogLevel, LogSource, MetadataValue, RetryAdvice};
use cofferdam_sandbox::{Content, EmittedContent, Input, InputValue, Sandbox, Settings, Value};
use insta::assert_snapshot;
use kit::{Record, attempt, behaviours, bytes, counted, declared, name, one, run, run_with, stored};

#[test]
fn a_library_describes_its_ops() {
    let spec = behaviours().describe().unwrap();
    assert_eq!((spec.name.as_str(), spec.version.as_str()), ("behaviours", "0.1.0"));
    let echo = spec.op(&name("echo")).unwrap();
    assert_eq!(echo.input(&name("value")).unwrap().media_type, "*/*");
    assert!(!echo.output(&name("result")).unwrap().required);
}

#[test]
fn an_op_gets_its_config_and_returns_a_small_output_inline() {
    let ran = run(attempt("add_one", 41));
    assert_eq!(ran.number(), 42);
    assert_eq!((ran.usage.output_bytes, ran.usage.fuel), (8, None));
    assert!(ran.usage.memory_bytes_peak >= 64 * 1024, "{:?}", ran.usage);
}

#[test]
fn inputs_arrive_as_they_were_given() {
    let mut attempt = attempt("inputs", 0);
    let csv = Value { media_type: "text/csv".into(), content: Content::Bytes(vec![0; 3]) };
    let many = InputValue::Many(vec![(Some(name("jan")), csv), (None, stored(7, 9))]);
    attempt.inputs = vec![one("text", bytes(b"hello")), Input { name: name("tables"), value: many }];
    let ran = run(attempt);
    assert_snapshot!(ran.text(), @r#"
    text None application/octet-stream 5 bytes
    tables Some("jan") text/csv 3 bytes
    tables None application/octet-stream stored 7
    "#);
    assert_eq!(ran.usage.input_bytes, 8);
}

#[test]
fn a_large_input_is_read_in_chunks() {
    let mut attempt = attempt("read_large", 0);
    attempt.inputs = vec![one("value", stored(3, 1_000_000))];
    let record = Record { stored: [(3, vec![2; 1_000_000])].into(), ..Record::default() };
    let ran = run_with(behaviours(), attempt, record);
    assert_eq!(ran.number(), 2_000_000);
    assert_eq!((ran.usage.input_bytes, ran.record.largest_chunk), (1_000_000, 256 * 1024));
}

#[test]
fn an_input_that_cannot_be_read_fails_the_attempt_as_such() {
    let mut attempt = attempt("read_large", 0);
    attempt.inputs = vec![one("value", stored(3, 10))];
    let ran = run_with(behaviours(), attempt, Record { broken: true, ..Record::default() });
    assert_eq!(ran.failure().kind, FailureKind::Input);
    assert_eq!(ran.failure().causes, ["cannot read the input: the digest does not match"]);
}

#[test]
fn a_large_output_is_written_in_chunks_and_named() {
    let ran = run(attempt("write_large", 1_000_000));
    let outputs = &ran.result.as_ref().unwrap().outputs;
    let EmittedContent::Stored { writer } = outputs[0].content else { panic!("it is large") };
    assert_eq!(ran.record.written[&writer], (1_000_000, true));
    assert_eq!(ran.usage.output_bytes, 1_000_000);
}

#[test]
fn an_inline_output_that_is_too_large_to_stay_inline_is_stored() {
    let ran = run(attempt("output_bomb", 64 * 1024 + 1));
    let outputs = &ran.result.as_ref().unwrap().outputs;
    let EmittedContent::Stored { writer } = outputs[0].content else { panic!("it is large") };
    assert_eq!(ran.record.written[&writer], (64 * 1024 + 1, true));
    assert_eq!(run(attempt("output_bomb", 64 * 1024)).bytes().len(), 64 * 1024);
}

#[test]
fn dynamic_outputs_keep_their_order() {
    let ran = run(attempt("dynamic", 12));
    let outputs = &ran.result.as_ref().unwrap().outputs;
    let keys: Vec<String> = outputs.iter().map(|output| output.key.clone().unwrap().to_string()).collect();
    assert_eq!(keys, (0..12).map(|n| format!("k{n}")).collect::<Vec<_>>());
}

#[test]
fn an_optional_output_may_be_left_out() {
    assert!(run(attempt("nothing", 0)).result.unwrap().outputs.is_empty());
}

#[test]
fn a_failure_carries_its_advice() {
    let ran = run(attempt("fail", 0));
    let failure = ran.failure();
    assert_eq!((failure.kind, failure.retry), (FailureKind::Op, RetryAdvice::Policy));
    assert_eq!(
        (failure.message.as_str(), &failure.causes[..]),
        ("the file has no header", &["while reading line 1".to_owned()][..])
    );
    assert_eq!(failure.metadata[0].value, MetadataValue::Integer(1));
    assert_eq!(run(attempt("fail", 1)).failure().retry, RetryAdvice::Never);
    assert_eq!(run(attempt("fail", 1500)).failure().retry, RetryAdvice::After(Duration::from_millis(1500)));
}

#[test]
fn an_op_knows_which_attempt_it_is() {
    let mut second = attempt("flaky_until", 2);
    assert_eq!(run(second.clone()).words(), "op-failed: not yet: attempt 1");
    second.id.attempt = 2;
    assert_eq!(run(second).bytes(), 2_u32.to_le_bytes());
    let mut who = attempt("who", 0);
    who.tags.insert("team".into(), "dams".into());
    assert_snapshot!(run(who).text(), @r#"01890a5d-ac96-774b-bcce-b302099a8057 clean[jan] 1 01890a5d-ac96-774b-bcce-b302099a8057/clean[jan] None [("team", "dams")] true"#);
}

#[test]
fn what_an_op_says_comes_out_in_order_with_its_source() {
    let ran = run(attempt("say", 0));
    let lines: Vec<_> =
        ran.record.lines.iter().map(|line| (line.source, line.level, line.message.as_str())).collect();
    assert_eq!(
        lines,
        [
            (LogSource::Stdout, LogLevel::Info, "to stdout"),
            (LogSource::Stderr, LogLevel::Warn, "to stderr, in two pieces"),
            (LogSource::Op, LogLevel::Info, "to the log"),
            (LogSource::Stdout, LogLevel::Info, "without an end"),
        ]
    );
    assert_eq!(ran.record.lines[2].fields, [("rows".to_owned(), "5".to_owned())]);
    let done: Vec<u64> = ran.record.progress.iter().map(|progress| progress.done).collect();
    assert_eq!(done, [1, 3], "the first and the newest");
}

#[test]
fn metadata_keeps_the_later_value_of_a_name() {
    let metadata = run(attempt("metadata", 0)).result.unwrap().metadata;
    let entries: Vec<_> = metadata.iter().map(|entry| (entry.name.as_str(), &entry.value)).collect();
    assert_eq!(entries, [("rows", &MetadataValue::Integer(2)), ("rate", &MetadataValue::Text("NaN".into()))]);
}

#[test]
fn the_same_attempt_sees_the_same_time_and_chance() {
    let clock = run(attempt("read_clock", 0));
    assert_snapshot!(clock.text(), @"946684800001 [1000, 2000, 3000]");
    assert_eq!(run(attempt("sleep_a_year", 0)).text(), "31536000");
    let drawn = |seed| {
        let mut attempt = attempt("random", 0);
        attempt.seed = seed;
        run(attempt).bytes().to_vec()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

/// What an op does, what it says and what it costs, in one digest.
fn digest_of(ran: &kit::Ran) -> String {
    format!("{:?} {:?} {:?} {:?}", ran.result, ran.record.lines, ran.record.progress.last(), ran.usage.fuel)
}

#[test]
fn f15_a_hundred_runs_of_ops_that_ask_for_time_and_chance_are_the_same_to_the_last_unit_of_fuel() {
    for op in ["random", "read_clock", "say", "metadata", "who", "dynamic"] {
        let once = || {
            let mut attempt = attempt(op, 3);
            attempt.limits.fuel = Some(100_000_000);
            attempt.seed = 7;
            let ran = run_with(counted(), attempt, Record::default());
            assert!(ran.result.is_ok() && ran.usage.fuel > Some(0), "{op}: {:?}", ran.result);
            digest_of(&ran)
        };
        let first = once();
        for n in 1..100 {
            assert_eq!(once(), first, "{op}, run {n}");
        }
    }
}

#[test]
fn f1_no_state_is_left_for_the_next_attempt() {
    for _ in 0..200 {
        assert_eq!(run(attempt("scratch", 0)).bytes(), [0; 16]);
    }
}

#[test]
fn f5_the_same_work_uses_the_same_fuel_and_a_smaller_budget_stops_it() {
    let fuel = |n, budget| {
        let mut attempt = attempt("count", n);
        attempt.limits.fuel = Some(budget);
        run_with(counted(), attempt, Record::default())
    };
    let used = fuel(1000, 10_000_000).usage.fuel.unwrap();
    assert!(used > 1000, "{used}");
    assert_eq!(fuel(1000, 10_000_000).usage.fuel, Some(used));
    assert!(fuel(1000, used).result.is_ok(), "exactly enough");
    // Fuel is checked at loops and calls, so half is surely too little; it ends at the same place each time.
    let short = fuel(1000, used / 2);
    assert_eq!(short.words(), format!("fuel: used up its fuel of {}", used / 2));
    assert_eq!(short.usage.fuel, fuel(1000, used / 2).usage.fuel);
}

#[test]
fn a_fuel_limit_needs_a_sandbox_that_counts() {
    let mut attempt = attempt("count", 1);
    attempt.limits = Limits { fuel: Some(1), ..Limits::default() };
    assert_eq!(run(attempt).words(), "library: has a fuel limit, but this sandbox does not count fuel");
}

#[test]
fn a_fingerprint_follows_the_settings_that_change_code() {
    let print = |settings: &Settings| Sandbox::new(settings).unwrap().fingerprint();
    let plain = print(&Settings::default());
    assert_eq!(plain, print(&Settings { slots: 3, ..Settings::default() }));
    assert_ne!(plain, print(&Settings { fuel: true, ..Settings::default() }));
    assert!(plain.starts_with("wasmtime-48-"), "{plain}");
}

#[test]
fn an_artefact_of_another_engine_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let counting = Sandbox::new(&Settings { fuel: true, ..Settings::default() }).unwrap();
    std::fs::write(file.path(), counting.compile(&kit::guest("behaviours")).unwrap()).unwrap();
    let error = kit::sandbox().load(file.path()).err().unwrap().to_string();
    assert!(error.contains("fuel"), "{error}");
    assert!(kit::sandbox().load(std::path::Path::new("absent.cwasm")).is_err());
}

#[test]
fn f_72_what_an_earlier_wasmtime_has_compiled_is_not_loaded() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let compiled = kit::sandbox().compile(&kit::guest("behaviours")).unwrap();
    std::fs::write(file.path(), &compiled).unwrap();
    kit::sandbox().load(file.path()).unwrap();
    // As it would say it, with the length before it: everything else about it is right.
    let version = b"\x0248";
    let at =
        compiled.windows(version.len()).position(|window| window == version).expect("it says its version");
    let mut earlier = compiled;
    earlier[at + 2] = b'7';
    std::fs::write(file.path(), &earlier).unwrap();
    let error = kit::sandbox().load(file.path()).err().unwrap().to_string();
    assert!(error.contains("version"), "{error}");
}

#[test]
fn a_required_output_is_required() {
    let mut attempt = attempt("nothing", 0);
    attempt.outputs = vec![declared("result", true, false), declared("parts", true, true)];
    assert_snapshot!(run(attempt).words(), @"output-spec: did not return its required output `result`");
}
