//! Jobs that cannot be: each ends with all its messages and without a plan.

use std::time::{Duration, Instant};

use cofferdam_config::{Texts, render};
use cofferdam_model::{
    Definitions, Diagnostic, JobDef, NodeDef, OpPath, OutputPath, RunConfig, SourceDef, Spanned, StepDef,
};
use cofferdam_plan::{Request, World, compile};
use serde_json::json;

use crate::common::{WIDTH, job, library, name, op, plan, port, shapes};

fn bad(steps: &str) -> String {
    plan(&shapes(), &job(steps), "").expect_err("a bad job")
}

/// Step `s{at}` as a program makes it, with one input.
fn pass(at: usize, from: Option<usize>) -> StepDef {
    let source = match from {
        Some(from) => SourceDef::From(OutputPath { step: name(&format!("s{from}")), output: name("result") }),
        None => {
            SourceDef::Value(cofferdam_model::Node::bare(cofferdam_model::NodeKind::Text("x".to_owned())))
        }
    };
    StepDef {
        inputs: vec![(Spanned::new(name("value"), None), Spanned::new(source, None))],
        ..StepDef::new(name(&format!("s{at}")), NodeDef::Op(OpPath { library: name("t"), op: name("pass") }))
    }
}

fn made(steps: Vec<StepDef>) -> Definitions {
    let job = JobDef { steps, ..JobDef::default() };
    Definitions { jobs: [(name("j"), job)].into(), ..Definitions::default() }
}

fn compile_made(defs: &Definitions) -> Result<usize, Vec<Diagnostic>> {
    let plan = compile(defs, &shapes(), Request::job(&name("j"), &RunConfig::default()), &World::default());
    plan.map(|(plan, _)| plan.steps.len())
}

#[test]
fn c_26_cycles_are_printed_a_long_one_shortened() {
    insta::assert_snapshot!(bad("[jobs.j.steps]\na = { op = \"t.pass\", inputs.value = \"a\" }"), @r#"
        error[plan::cycle]: steps need each other: a -[value]-> a
         --> cofferdam.toml:4:1
          |
        4 | a = { op = "t.pass", inputs.value = "a" }
          | ^ a step of the cycle
          |
          = hint: remove one of these inputs or `after` entries; a step cannot wait for itself
        "#);
    let two = "[jobs.j.steps]\na = { op = \"t.make\", after = [\"b\"] }\nb = { op = \"t.pass\", inputs.value = \"a\" }";
    insta::assert_snapshot!(bad(two), @r#"
        error[plan::cycle]: steps need each other: a -[value]-> b -[after]-> a
         --> cofferdam.toml:4:1
          |
        4 | a = { op = "t.make", after = ["b"] }
          | ^ a step of the cycle
          |
          = hint: remove one of these inputs or `after` entries; a step cannot wait for itself
        "#);
    let found =
        compile_made(&made((0..1000).map(|at| pass(at, Some((at + 999) % 1000))).collect())).unwrap_err();
    insta::assert_snapshot!(render(&Texts::default(), &found, false, WIDTH), @r"
        error[plan::cycle]: steps need each other: s0 -[value]-> s1 -[value]-> s2 -[value]-> s3 -[value]-> s4 -[value]-> … 990 more … s995 -[value]-> s996 -[value]-> s997 -[value]-> s998 -[value]-> s999 -[value]-> s0
         |
         = hint: remove one of these inputs or `after` entries; a step cannot wait for itself
        ");
    let two_knots = "[jobs.j.steps]
a = { op = \"t.pass\", inputs.value = \"b\" }
b = { op = \"t.pass\", inputs.value = \"a\" }
c = { op = \"t.pass\", inputs.value = \"b\" }
d = { op = \"t.make\", after = [\"d\"] }";
    assert_eq!(bad(two_knots).matches("error[plan::cycle]").count(), 2);
}

#[test]
fn c_26_unknown_names_missing_inputs_and_second_writers_are_refused_all_at_once() {
    let steps = r#"
[jobs.j.steps]
a = { op = "t.mak" }
b = { op = "tt.make" }
c = { op = "t.pass", inputs.valeu = "d" }
d = { op = "t.join", inputs.a = "b.rsult", inputs.b = "dd" }
e = { op = "t.make", after = ["f"] }
g = { op = "t.pass", inputs.value = "e.reslt" }
"#;
    insta::assert_snapshot!(bad(steps), @r#"
        error[plan::unknown-op]: library `t` has no op `mak`
         --> cofferdam.toml:5:12
          |
        5 | a = { op = "t.mak" }
          |            ^^^^^^^ op of step `a`
          |
          = hint: did you mean `make`? known: `emit`, `spread`, `make`, `pass`, `join`, `gather`

        error[plan::unknown-library]: there is no library `tt`
         --> cofferdam.toml:6:12
          |
        6 | b = { op = "tt.make" }
          |            ^^^^^^^^^ op of step `b`
          |
          = hint: did you mean `t`? known: `t`

        error[plan::missing-input]: input `c.value` has no source
         --> cofferdam.toml:7:1
          |
        7 | c = { op = "t.pass", inputs.valeu = "d" }
          | ^ `value` is needed
          |
          = hint: add for example `inputs.value = "other_step"` or `inputs.value = { value = "text" }`

        error[plan::unknown-input]: op `pass` has no input `valeu`
         --> cofferdam.toml:7:29
          |
        7 | c = { op = "t.pass", inputs.valeu = "d" }
          |                             ^^^^^ input of step `c`
          |
          = hint: did you mean `value`? known: `value`

        error[plan::unknown-step]: there is no step `dd`
         --> cofferdam.toml:8:55
          |
        8 | d = { op = "t.join", inputs.a = "b.rsult", inputs.b = "dd" }
          |                                                       ^^^^ source of `d.b`
          |
          = hint: did you mean `d`? known: `a`, `b`, `c`, `d`, `e`, `g`

        error[plan::unknown-step]: there is no step `f`
         --> cofferdam.toml:9:31
          |
        9 | e = { op = "t.make", after = ["f"] }
          |                               ^^^ `after` of step `e`
          |
          = hint: known: `a`, `b`, `c`, `d`, `e`, `g`

        error[plan::unknown-output]: step `e` (op `make`) has no output `reslt`
          --> cofferdam.toml:10:37
           |
        10 | g = { op = "t.pass", inputs.value = "e.reslt" }
           |                                     ^^^^^^^^^ source of `g.value`
           |
           = hint: did you mean `result`? known: `result`
        "#);
    let second = "[jobs.j.steps.a]\nop = \"t.pass\"\ninputs.value = { value = \"x\" }\ninputs.value = { value = \"y\" }";
    insta::assert_snapshot!(bad(second), @r#"
        error[config::duplicate-key]: duplicate key
         --> cofferdam.toml:6:8
          |
        6 | inputs.value = { value = "y" }
          |        ^^^^^
          |
          = hint: keep one of them; every name is defined once
        "#);
    let mut twice = pass(1, Some(0));
    twice.inputs.push(twice.inputs[0].clone());
    let found = compile_made(&made(vec![pass(0, None), twice])).unwrap_err();
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["plan::two-sources"]);
}

#[test]
fn c_26_a_job_of_a_hundred_thousand_steps_is_planned_in_time() {
    const N: usize = 100_000;
    // A heap: each step reads the one above it.
    let good = made((0..N).map(|at| pass(at, (at > 0).then(|| (at - 1) / 2))).collect());
    let chain = made((0..N).map(|at| pass(at, at.checked_sub(1))).collect());
    let cycle = made((0..N).map(|at| pass(at, Some((at + N - 1) % N))).collect());
    for (defs, expect) in [(good, Some(N)), (chain, Some(N)), (cycle, None)] {
        let start = Instant::now();
        assert_eq!(compile_made(&defs).ok(), expect);
        let took = start.elapsed();
        // The row says 1 s with a release build on a quiet machine.
        eprintln!("{N} steps: {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn c_27_names_given_twice_or_alike_are_refused() {
    let cases = [
        "[jobs.j]\nsteps = {}\n[jobs.j]\nsteps = {}",
        "[jobs.j.steps.a]\nop = \"t.make\"\n[jobs.J.steps.a]\nop = \"t.make\"",
        "[jobs.j-j.steps.a]\nop = \"t.make\"\n[jobs.j_j.steps.a]\nop = \"t.make\"",
        "[jobs.j.steps]\nstep = { op = \"t.make\" }\nStep = { op = \"t.make\" }",
        "[jobs.\"caf\u{e9}\".steps]\n[jobs.\"cafe\u{301}\".steps]",
    ];
    let shown: Vec<String> = cases.iter().map(|case| bad(case)).collect();
    insta::assert_snapshot!(shown.concat(), @r#"
        error[config::duplicate-key]: duplicate key
         --> cofferdam.toml:5:7
          |
        5 | [jobs.j]
          |       ^
          |
          = hint: keep one of them; every name is defined once

        error[config::duplicate-name]: job `j` and job `J` are too alike
         --> cofferdam.toml:5:7
          |
        3 | [jobs.j.steps.a]
          |       - first one
        4 | op = "t.make"
        5 | [jobs.J.steps.a]
          |       ^ differs only in case or in `-` and `_`
          |
          = hint: names differ in more than case, `-` and `_`; rename one of them

        error[config::duplicate-name]: job `j-j` and job `j_j` are too alike
         --> cofferdam.toml:5:7
          |
        3 | [jobs.j-j.steps.a]
          |       --- first one
        4 | op = "t.make"
        5 | [jobs.j_j.steps.a]
          |       ^^^ differs only in case or in `-` and `_`
          |
          = hint: names differ in more than case, `-` and `_`; rename one of them

        error[config::duplicate-name]: step `step` and step `Step` are too alike
         --> cofferdam.toml:5:1
          |
        4 | step = { op = "t.make" }
          | ---- first one
        5 | Step = { op = "t.make" }
          | ^^^^ differs only in case or in `-` and `_`
          |
          = hint: names differ in more than case, `-` and `_`; rename one of them

        error[config::bad-name]: `café` cannot name a job
         --> cofferdam.toml:3:7
          |
        3 | [jobs."café".steps]
          |       ^^^^^^ `é` is not allowed in a name; use letters, digits and `_`
          |
          = hint: write for example `clean_flights`

        error[config::bad-name]: `café` cannot name a job
         --> cofferdam.toml:4:7
          |
        4 | [jobs."café".steps]
          |       ^^^^^^ `́` is not allowed in a name; use letters, digits and `_`
          |
          = hint: write for example `clean_flights`
        "#);
    let mut other = pass(1, None);
    other.name.value = name("S0");
    let found = compile_made(&made(vec![pass(0, None), other])).unwrap_err();
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["plan::same-name"]);
}

#[test]
fn c_28_amounts_of_resources_are_above_zero_and_may_be_parts() {
    for amount in ["-1", "nan", "inf", "0", "\"two\"", "1e999"] {
        let text = bad(&format!("[jobs.j.steps.a]\nop = \"t.make\"\nresources = {{ GPU = {amount} }}"));
        assert!(text.contains("cofferdam.toml:5:21"), "{amount}: {text}");
        let tag = format!("{{ \"dagster-dask/resource_requirements\" = '{{\"GPU\": {amount}}}' }}");
        let text = bad(&format!("[jobs.j.steps.a]\nop = \"t.make\"\ntags = {tag}"));
        assert!(text.contains("error[plan::bad-"), "{amount}: {text}");
    }
    insta::assert_snapshot!(bad("[jobs.j.steps.a]\nop = \"t.make\"\nresources = { GPU = -1 }"), @r"
        error[config::bad-value]: resource `GPU` of step `a` is not a number above zero
         --> cofferdam.toml:5:21
          |
        5 | resources = { GPU = -1 }
          |                     ^^ expected a number above zero
          |
          = hint: write for example `GPU = 1`, or leave it out
        ");
    let part = job("[jobs.j.steps.a]\nop = \"t.make\"\nresources = { GPU = 1.5 }");
    assert_eq!(plan(&shapes(), &part, "").unwrap().steps[0].resources["GPU"], 1.5);
}

#[test]
fn literals_that_do_not_fit_their_input_are_refused() {
    let steps = |value: &str| format!("[jobs.j.steps.a]\nop = \"t.pass\"\ninputs.value = {value}");
    let large = format!("{{ value = \"{}\" }}", "x".repeat(70_000));
    let text = plan(&shapes(), &job(&steps(&large)), "").unwrap_err();
    assert!(
        text.starts_with("error[plan::literal-too-large]: `ops.a.inputs.value` has 70005 bytes"),
        "{text}"
    );
    assert!(text.contains("hint: put it into a file"));
    let cases = [
        "{ value = 3 }",
        "{ value = { env = \"HOME\" } }",
        "{ value = nan }",
        "{ file = \"../x\" }",
        "{ file = \"none.csv\" }",
        "{ files = \"*.csv\" }",
    ];
    let shown: Vec<String> = cases.iter().map(|case| bad(&steps(case))).collect();
    insta::assert_snapshot!(shown.concat(), @r#"
        error[plan::bad-config]: `ops.a.inputs.value`: expected text, found an integer
         --> cofferdam.toml:5:26
          |
        5 | inputs.value = { value = 3 }
          |                          ^ expected text
          |
          = hint: write for example `"text"`

        error[plan::variable-in-literal]: `ops.a.inputs.value`: the value of an input is not read from the environment
         --> cofferdam.toml:5:34
          |
        5 | inputs.value = { value = { env = "HOME" } }
          |                                  ^^^^^^ a variable
          |
          = hint: only config is: write the value itself, or let the op take it as config

        error[config::out-of-range]: `NaN` is not a finite number
         --> cofferdam.toml:5:26
          |
        5 | inputs.value = { value = nan }
          |                          ^^^
          |
          = hint: leave the key out, or quote it if it is meant as text

        error[plan::bad-path]: `../x` leaves the folder of the definitions
         --> cofferdam.toml:5:25
          |
        5 | inputs.value = { file = "../x" }
          |                         ^^^^^^ expected a relative path without `..`
          |
          = hint: copy or link the file below that folder, and write for example `data/flights.csv`

        error[plan::no-file]: there is no file `none.csv`
         --> cofferdam.toml:5:25
          |
        5 | inputs.value = { file = "none.csv" }
          |                         ^^^^^^^^^^ input `value` of step `a`
          |
          = hint: paths are relative to the folder of `cofferdam.toml`

        error[plan::not-many]: input `a.value` takes one value, not many files
         --> cofferdam.toml:5:16
          |
        5 | inputs.value = { files = "*.csv" }
          |                ^^^^^^^^^^^^^^^^^^^ many values
          |
          = hint: name one step or file; an op takes many by declaring its input as many (`Many<T>` in Rust)
        "#);
    let mut bytes = port("value", json!(true));
    bytes["media_type"] = "application/octet-stream".into();
    let libs = library(vec![op("pass", vec![bytes], vec![], json!(null))]);
    let text = plan(&libs, &job(&steps("{ value = \"x\" }")), "").unwrap_err();
    insta::assert_snapshot!(text, @r#"
        error[plan::bad-literal]: `ops.a.inputs.value` takes application/octet-stream, which no literal can give
         --> cofferdam.toml:5:26
          |
        5 | inputs.value = { value = "x" }
          |                          ^^^ a literal
          |
          = hint: give a file, as in `{ file = "data/input" }`
        "#);
}
