//! Components without the contract: what their functions become, and what goes through them.

mod kit;

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use cofferdam_model::{FailureKind, Limits};
use cofferdam_sandbox::{Attempt, EmittedContent, Library, admit};
use insta::assert_snapshot;
use kit::{Ran, Record, attempt, bytes, cbor, declared, guest, load, one, run_with, sandbox, stored};
use serde_json::{Value, json};

fn plain() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| load(sandbox(), &guest("plain")))
}

fn call(op: &str, inputs: &[(&str, Value)]) -> Attempt {
    let inputs = inputs.iter().map(|(name, value)| one(name, cbor(value))).collect();
    Attempt { inputs, outputs: vec![declared("result", false, false)], config: vec![0xf6], ..attempt(op, 0) }
}

fn ran(attempt: Attempt) -> Ran {
    run_with(plain(), attempt, Record::default())
}

/// What the op makes of its inputs, as JSON; how it failed, as text.
fn made(op: &str, inputs: &[(&str, Value)]) -> Value {
    match ran(call(op, inputs)).result {
        Ok(completion) => match completion.outputs.as_slice() {
            [] => json!("no output"),
            [one] => match &one.content {
                EmittedContent::Bytes(bytes) => ciborium::from_reader(bytes.as_slice()).unwrap(),
                EmittedContent::Stored { .. } => panic!("it is small"),
            },
            more => panic!("{} outputs", more.len()),
        },
        Err(failure) => json!(failure.to_string()),
    }
}

#[test]
fn functions_become_ops_with_the_types_of_their_wit() {
    let spec = plain().describe().unwrap();
    let mut text = format!("{} {}\n", spec.name, spec.version);
    for op in &spec.ops {
        writeln!(text, "{}  {}", op.name, op.doc).unwrap();
        for input in &op.inputs {
            let optional = if input.required { "" } else { "?" };
            writeln!(text, "  in  {}{optional} {} {}", input.name, input.media_type, input.schema).unwrap();
        }
        for output in &op.outputs {
            let optional = if output.required { "" } else { "?" };
            writeln!(text, "  out {}{optional} {} {}", output.name, output.media_type, output.schema)
                .unwrap();
        }
        assert!(!op.pure, "it imports clocks and the like");
    }
    assert_snapshot!(text);
}

#[test]
fn values_go_in_and_out_as_their_schemas_say() {
    let rows = json!([{ "carrier": "AA", "dep_delay": -3 }, { "carrier": "UA" }, { "carrier": "B6", "dep_delay": null }]);
    let cells = json!(["missing", { "whole": 9_007_199_254_740_993_i64 }, { "words": "äö" }]);
    assert_eq!(made("stats_mean", &[("values", json!([1, 2.5]))]), json!(1.75));
    assert_eq!(made("stats_delays", &[("flights", rows)]), json!([-3]));
    let down = [("values", json!([1, 3, 2])), ("order", json!("straight-down"))];
    assert_eq!(made("stats_sort", &down), json!([3, 2, 1]));
    assert_eq!(made("stats_swap", &[("pair", json!(["x", 7]))]), json!([7, "x"]));
    assert_eq!(made("stats_cells", &[("cells", cells.clone())]), cells);
    assert_eq!(made("stats_other_days", &[("days", json!(["monday"]))]), json!(["tuesday"]));
    let outcomes = made("stats_outcomes", &[("texts", json!(["7", "x"]))]);
    assert_eq!(outcomes, json!([{ "ok": 7 }, { "err": "x" }]));
    assert_eq!(made("shout", &[("text", json!("grüße"))]), json!("GRÜSSE"));
    assert_eq!(made("things_count", &[]), json!(u64::MAX));
}

#[test]
fn an_option_may_be_absent_on_both_sides() {
    assert_eq!(made("greet", &[]), json!("Hello, nobody!"));
    assert_eq!(made("greet", &[("name", json!("Ada"))]), json!("Hello, Ada!"));
    assert_eq!(made("initial", &[("text", json!("Ada"))]), json!("A"));
    assert_eq!(made("initial", &[("text", json!(""))]), json!("no output"));
    assert_eq!(made("nothing", &[]), json!("no output"));
    assert_eq!(made("judge", &[("n", json!(1))]), json!("no output"));
}

#[test]
fn the_error_of_a_result_fails_the_attempt_with_its_words() {
    let failure = |op: &str, inputs: &[(&str, Value)]| {
        let failure = ran(call(op, inputs)).result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Op);
        failure.message
    };
    assert_eq!(failure("stats_mean", &[("values", json!([]))]), "there is nothing to take the mean of");
    assert_eq!(failure("judge", &[("n", json!(-1))]), "-1 is below zero");
}

#[test]
fn bytes_go_through_as_they_are_inline_and_stored() {
    let attempt = Attempt { inputs: vec![one("bytes", bytes(b"abc"))], ..call("reverse", &[]) };
    let result = ran(attempt).result.unwrap();
    assert_eq!(result.outputs[0].media_type, "application/octet-stream");
    assert_eq!(result.outputs[0].content, EmittedContent::Bytes(b"cba".to_vec()));

    let attempt = Attempt { inputs: vec![one("bytes", stored(3, 1_000_000))], ..call("reverse", &[]) };
    let record = Record { stored: [(3, vec![2; 1_000_000])].into(), ..Record::default() };
    let ran = run_with(plain(), attempt, record);
    assert!(matches!(ran.result.unwrap().outputs[0].content, EmittedContent::Stored { .. }));
    assert_eq!((ran.usage.input_bytes, ran.usage.output_bytes), (1_000_000, 1_000_000));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let cases: [(&str, &[(&str, Value)]); 10] = [
        ("stats_mean", &[("values", json!([1, "x"]))]),
        ("stats_delays", &[("flights", json!([{ "dep_delay": 1 }]))]),
        ("stats_delays", &[("flights", json!([{ "carrier": "AA", "dep_delay": 4_000_000_000_u32 }]))]),
        ("stats_sort", &[("values", json!([])), ("order", json!("sideways"))]),
        ("stats_swap", &[("pair", json!(["x"]))]),
        ("stats_cells", &[("cells", json!([{ "whole": 1.5 }]))]),
        ("stats_cells", &[("cells", json!(["half"]))]),
        ("stats_other_days", &[("days", json!(["sunday"]))]),
        ("judge", &[("n", json!(null))]),
        ("elsewhere", &[]),
    ];
    let mut text = String::new();
    for (op, inputs) in cases {
        writeln!(text, "{op}: {}", ran(call(op, inputs)).result.unwrap_err()).unwrap();
    }
    assert_snapshot!(text);
}

#[test]
fn limits_hold_for_functions_too() {
    let limits = Limits { timeout: Some(Duration::from_millis(200)), ..Limits::default() };
    let failure = ran(Attempt { limits, ..call("endless", &[]) }).result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);

    let large = Attempt { inputs: vec![one("bytes", stored(3, 5_000_000))], ..call("reverse", &[]) };
    let failure = ran(large).result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Input);
    assert_snapshot!(failure, @"input `bytes` is too large: a component without an SDK takes at most 4 MiB of inputs in all");

    let limits = Limits { output_bytes_max: 2, ..Limits::default() };
    let attempt = Attempt { limits, inputs: vec![one("bytes", bytes(b"abc"))], ..call("reverse", &[]) };
    assert_eq!(ran(attempt).result.unwrap_err().kind, FailureKind::OutputLimit);
}

/// Functions of core module `$m`, lifted with that type and exported as `f`.
fn lifted(module: &str, ty: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m {module})
            (core instance $i (instantiate $m))
            (func $f {ty} (canon lift (core func $i "f")))
            (export "f" (func $f)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_component_that_imports_nothing_is_pure() {
    let twice = lifted(
        r#"(func (export "f") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))"#,
        r#"(param "n" s64) (result s64)"#,
    );
    let library = load(sandbox(), &twice);
    let spec = library.describe().unwrap();
    assert!(spec.ops[0].pure);
    let result = run_with(&library, call("f", &[("n", json!(21))]), Record::default()).result.unwrap();
    assert_eq!(result.outputs[0].content, EmittedContent::Bytes(vec![0x18, 42]));
}

#[test]
fn a_component_with_nothing_to_call_is_refused() {
    let empty = admit(&wat::parse_str("(component)").unwrap()).unwrap_err().to_string();
    assert!(empty.contains("does not export the world `cofferdam:op/library`"), "{empty}");
    let handles = r#"(component
        (type $t (resource (rep i32)))
        (core module $m (func (export "f") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (export $e "thing" (type $t))
        (func $f (result (own $e)) (canon lift (core func $i "f")))
        (export "make" (func $f)))"#;
    let library = load(sandbox(), &wat::parse_str(handles).unwrap());
    assert_snapshot!(library.describe().unwrap_err(), @"exports no function that takes and returns values only, and not the world `cofferdam:op/library`");
}

#[test]
fn a_number_that_json_lacks_is_refused() {
    let nan = lifted(r#"(func (export "f") (result f64) (f64.const nan))"#, "(result f64)");
    let library = load(sandbox(), &nan);
    let failure = run_with(&library, call("f", &[]), Record::default()).result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::OutputSpec);
    assert_snapshot!(failure, @"output `result`: NaN is no number that JSON has");
}

/// Machines have other instructions for these, with other results; all give those of the deterministic profile.
#[test]
fn relaxed_simd_gives_the_same_everywhere() {
    let text = r#"(component
        (core module $m
            (func (export "fused") (param f64 f64 f64) (result f64)
                (f64x2.extract_lane 0 (f64x2.relaxed_madd
                    (f64x2.splat (local.get 0)) (f64x2.splat (local.get 1)) (f64x2.splat (local.get 2)))))
            (func (export "truncated") (param f64) (result i32)
                (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f64x2_s_zero (f64x2.splat (local.get 0))))))
        (core instance $i (instantiate $m))
        (func (export "fused") (param "a" f64) (param "b" f64) (param "c" f64) (result f64)
            (canon lift (core func $i "fused")))
        (func (export "truncated") (param "a" f64) (result s32) (canon lift (core func $i "truncated"))))"#;
    let library = load(sandbox(), &wat::parse_str(text).unwrap());
    let made = |op: &str, inputs: &[(&str, f64)]| {
        let inputs: Vec<_> = inputs.iter().map(|(name, value)| (*name, json!(value))).collect();
        let completion = run_with(&library, call(op, &inputs), Record::default()).result.unwrap();
        let EmittedContent::Bytes(bytes) = &completion.outputs[0].content else { panic!("it is small") };
        ciborium::from_reader::<Value, _>(bytes.as_slice()).unwrap()
    };
    // (1 + e)² - (1 + 2e) is e², which two roundings lose.
    let e = 2_f64.powi(-30);
    assert_eq!(made("fused", &[("a", 1.0 + e), ("b", 1.0 + e), ("c", -1.0 - 2.0 * e)]), json!(e * e));
    assert_eq!(made("truncated", &[("a", 1e300)]), json!(i32::MAX));
}

/// How the op `go` of a component ends, the last time of many.
fn ends(component: &str) -> Ran {
    let library = load(sandbox(), &wat::parse_str(component).unwrap());
    let attempt = || run_with(&library, call("go", &[]), Record::default());
    for _ in 1..100 {
        attempt();
    }
    attempt()
}

/// `go` lends a thing to a component beside it, which does this with it.
fn lent(kept: &str) -> Ran {
    ends(&format!(
        r#"(component
        (component $owner
            (type $own (resource (rep i32)))
            (export $thing "thing" (type $own))
            (core func $new (canon resource.new $own))
            (core module $m
                (import "" "new" (func $new (param i32) (result i32)))
                (func (export "make") (result i32) (call $new (i32.const 1))))
            (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
            (func (export "make") (result (own $thing)) (canon lift (core func $i "make"))))
        (component $keeper
            (import "thing" (type $thing (sub resource)))
            (core func $drop (canon resource.drop $thing))
            (core module $m (import "" "drop" (func $drop (param i32))) (func (export "keep") (param i32) {kept}))
            (core instance $i (instantiate $m (with "" (instance (export "drop" (func $drop))))))
            (func (export "keep") (param "thing" (borrow $thing)) (canon lift (core func $i "keep"))))
        (component $lender
            (import "thing" (type $thing (sub resource)))
            (import "make" (func $make (result (own $thing))))
            (import "keep" (func $keep (param "thing" (borrow $thing))))
            (core func $made (canon lower (func $make)))
            (core func $kept (canon lower (func $keep)))
            (core module $m
                (import "" "make" (func $make (result i32)))
                (import "" "keep" (func $keep (param i32)))
                (func (export "go") (result i32) (call $keep (call $make)) (i32.const 7)))
            (core instance $i (instantiate $m (with "" (instance
                (export "make" (func $made)) (export "keep" (func $kept))))))
            (func (export "go") (result u32) (canon lift (core func $i "go"))))
        (instance $owner (instantiate $owner))
        (alias export $owner "thing" (type $thing))
        (instance $keeper (instantiate $keeper (with "thing" (type $thing))))
        (instance $lender (instantiate $lender
            (with "thing" (type $thing)) (with "make" (func $owner "make")) (with "keep" (func $keeper "keep"))))
        (export "go" (func $lender "go")))"#
    ))
}

#[test]
fn h_031_a_borrow_that_is_kept_past_its_call_ends_the_attempt() {
    let given_back = lent("(call $drop (local.get 0))");
    assert!(given_back.result.is_ok(), "{}", given_back.words());
    let kept = lent("");
    assert_eq!(kept.failure().kind, FailureKind::Trap, "{}", kept.words());
    assert!(kept.words().contains("borrow"), "{}", kept.words());
    kit::assert_serves();
}

/// `go` does this with things of its own, at whose end that is done.
fn owned(at_the_end: &str, body: &str) -> Ran {
    ends(&format!(
        r#"(component
        (core module $end
            (table (export "late") 2 funcref)
            (type $drop (func (param i32)))
            (type $new (func (param i32) (result i32)))
            (func (export "end") (param i32) {at_the_end}))
        (core instance $end (instantiate $end))
        (type $thing (resource (rep i32) (dtor (core func $end "end"))))
        (core func $new (canon resource.new $thing))
        (core func $drop (canon resource.drop $thing))
        (core module $late
            (import "" "new" (func $new (param i32) (result i32)))
            (import "" "drop" (func $drop (param i32)))
            (import "" "late" (table 2 funcref))
            (elem (i32.const 0) func $new $drop))
        (core instance (instantiate $late (with "" (instance
            (export "new" (func $new)) (export "drop" (func $drop)) (export "late" (table $end "late"))))))
        (core module $go
            (import "" "new" (func $new (param i32) (result i32)))
            (import "" "drop" (func $drop (param i32)))
            (func (export "go") (result i32) {body} (i32.const 7)))
        (core instance $go (instantiate $go (with "" (instance
            (export "new" (func $new)) (export "drop" (func $drop))))))
        (func (export "go") (result u32) (canon lift (core func $go "go"))))"#
    ))
}

const DROPPED: &str = "(call $drop (call $new (i32.const 1)))";

#[test]
fn h_032_a_destructor_that_traps_or_ends_others_in_a_circle_ends_its_attempt_alone() {
    assert!(owned("", DROPPED).result.is_ok());
    let traps = owned("unreachable", DROPPED);
    assert_eq!(traps.failure().kind, FailureKind::Trap, "{}", traps.words());
    assert!(traps.words().contains("unreachable"), "{}", traps.words());
    // Each makes another one and ends that.
    let another = "(call_indirect (type $drop) \
        (call_indirect (type $new) (i32.const 1) (i32.const 0)) (i32.const 1))";
    let circle = owned(another, DROPPED);
    assert_eq!(circle.failure().kind, FailureKind::Trap, "{}", circle.words());
    // It ends the one that is ending, by a number that is free already.
    let itself = owned("(call_indirect (type $drop) (i32.const 1) (i32.const 1))", DROPPED);
    assert_eq!(itself.failure().kind, FailureKind::Trap, "{}", itself.words());
    // What traps when nobody ends it does so after the call as well, or never.
    let left = owned("unreachable", "(drop (call $new (i32.const 1)))");
    assert!(left.result.is_ok(), "{}", left.words());
    kit::assert_serves();
}
