//! Tests of jobs: what still runs where steps are faked, and what is wrong with a fake.

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::{KnownStep, RunConfig, RunId, TestDef};
use cofferdam_plan::{Files, Present, World, check, compile, test_request, with_fakes};

use crate::common::{WIDTH, job, name, shapes};
use crate::mapping::drawn;

/// `emit` gives a key per item, which are passed on, joined, and passed on again beside something of its own.
const STEPS: &str = r#"
[jobs.j.steps]
before = { op = "t.make" }
spread = { op = "t.spread", inputs.value = "before" }
each = { op = "t.pass", inputs.value = { map = "spread.items" } }
all = { op = "t.gather", inputs.all = { collect = "each" } }
aside = { op = "t.make", after = ["before"] }
last = { op = "t.join", inputs.a = "all", inputs.b = "aside" }
"#;

/// What runs and what is known of the rest, or all messages.
fn tested(test: &str) -> String {
    let mut texts = Texts::default();
    let toml = job(&format!("{STEPS}[tests.t]\njob = \"j\"\n{test}"));
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", &toml);
    assert_eq!(found, [], "{}", render(&texts, &found, false, WIDTH));
    let Some(TestDef::Job(test)) = defs.tests.get(&name("t")) else { panic!("it is the test of a job") };
    let (run_config, libs) = (RunConfig { root: test.config.clone() }, shapes());
    let (plan, _) = compile(&defs, &libs, test_request(test, &run_config), &World::default()).unwrap();
    match with_fakes(&plan, &libs, test, &Files::default(), RunId("0".repeat(32).parse().unwrap())) {
        Ok(faked) => {
            let known = faked.known.0.iter().map(|(key, end)| match end {
                KnownStep::Reused { outputs, .. } => format!("{key} gave {} values", outputs.len()),
                KnownStep::Skipped => format!("{key} gave nothing"),
            });
            drawn(&faked.plan) + &known.collect::<Vec<_>>().join("\n")
        }
        Err(found) => render(&texts, &found, false, WIDTH),
    }
}

#[test]
fn j8_a_faked_step_is_not_run_and_neither_is_what_only_it_reads() {
    insta::assert_snapshot!(tested(r#"fake.all.result = { value = "x" }"#));
    let both = "fake.all.result = { value = \"x\" }\nfake.aside.result = { value = \"y\" }";
    insta::assert_snapshot!(tested(both));
}

#[test]
fn j8_keys_that_are_faked_have_copies() {
    insta::assert_snapshot!(tested(r#"fake.spread.items = { value = { m01 = "a", m02 = "b" } }"#));
    insta::assert_snapshot!(tested(
        "fake.spread.items = { value = { m01 = \"a\", m02 = \"b\" } }\nfake.\"each[m01]\".result = { value = \"c\" }"
    ));
}

#[test]
fn j8_what_is_wrong_with_a_fake_is_told_with_its_place() {
    let mistakes = [
        r#"fake.al.result = { value = "x" }"#,
        r#"fake.all.rows = { value = "x" }"#,
        r#"fake.all.result = { value = 3 }"#,
        r#"fake.all.result = { file = "absent.txt" }"#,
        r#"fake.all.result = { file = "../absent.txt" }"#,
        r#"fake.spread.items = { value = "x" }"#,
        r#"fake.spread.items = { value = { "m 1" = "a" } }"#,
        r#"fake.each.result = { value = "x" }"#,
        r#"fake."each[m03]".result = { value = "x" }"#,
        "expect.all.row = 1\nfails.lost = \"why\"",
    ];
    insta::assert_snapshot!(mistakes.map(tested).join("\n"));
}

#[test]
fn j8_a_check_of_the_project_looks_at_what_tests_name() {
    let mut texts = Texts::default();
    let toml = job(&format!("{STEPS}[tests.t]\njob = \"j\"\nexpect.all.row = 1\nconfig.ops.al = {{}}"));
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", &toml);
    assert_eq!(found, []);
    insta::assert_snapshot!(render(&texts, &check(&defs, &shapes(), &Present::default()), false, WIDTH));
    let toml = job(&format!("{STEPS}[tests.t]\njob = \"j\"\nexpect.all.row = 1"));
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", &toml);
    assert_eq!(found, []);
    insta::assert_snapshot!(render(&texts, &check(&defs, &shapes(), &Present::default()), false, WIDTH));
}
