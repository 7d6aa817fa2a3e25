//! `[tests]` of a project: each is an attempt in a sandbox, and nothing of them is kept.

use cofferdam_e2e::Project;
use serde_json::json;

const LIBRARY: &str = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n";

const PASSING: &str = r#"
[tests.doubles]
op = "typed.double"
inputs.number = { value = 21 }
expect.result = 42

[tests.counts_lines]
op = "typed.lines"
inputs.file = { file = "lines.txt" }
expect.result = 2

[tests.counts_from_an_offset]
op = "typed.numbers"
config = { n = 2, offset = 7 }
expect.each = { n0 = 7, n1 = 8 }

[tests.takes_one_branch]
op = "typed.branch"
config = { left = true }
expect.left = 1

[tests.refuses]
op = "typed.refuse"
fails = "stays wrong"
"#;

fn project(tests: &str) -> Project {
    let project = Project::new(&format!("{LIBRARY}{tests}"));
    project.write("lines.txt", "one\ntwo\n");
    project
}

#[test]
fn tests_of_a_project_run_in_a_sandbox_and_leave_no_run_behind() {
    let project = project(PASSING);
    let ended = project.run(["test"]).expect(0);
    assert_eq!(ended.stdout, "tests pass: 5 tests of the project\n", "{}", ended.stderr);
    for test in ["doubles", "counts_lines", "counts_from_an_offset", "takes_one_branch", "refuses"] {
        assert!(ended.stderr.contains(&format!("pass  {test}")), "{}", ended.stderr);
    }
    let (exit, document) = project.json(["test"]);
    assert_eq!((exit, document["tests"].as_array().map(Vec::len)), (0, Some(5)));
    let (_, runs) = project.json(["runs"]);
    assert_eq!(runs["runs"], json!([]));
}

#[test]
fn a_test_that_does_not_pass_says_what_was_expected_and_where() {
    let project = project(
        r#"
[tests.doubles]
op = "typed.double"
inputs.number = { value = 21 }
expect.result = 43

[tests.counts]
op = "typed.numbers"
config = { n = 2 }
expect.each = { n0 = 0, n1 = 2 }

[tests.refuses_otherwise]
op = "typed.refuse"
fails = "something else"

[tests.does_not_refuse]
op = "typed.double"
inputs.number = { value = 21 }
fails = "too large"

[tests.is_no_output]
op = "typed.branch"
config = { left = true }
expect.right = 1

[tests.panics]
op = "typed.panics"
inputs.number = { value = 21 }
"#,
    );
    insta::assert_snapshot!(project.message(&["test"], 3));
}

#[test]
fn a_test_of_what_is_not_there_is_refused_with_its_line() {
    let project = project("[tests.t]\nop = \"typed.duoble\"\ninputs.number = { value = 21 }\n");
    insta::assert_snapshot!(project.message(&["test"], 3));
    assert_eq!(project.message(&["check"], 3), project.message(&["test"], 3));
    let component = Project::new(LIBRARY);
    insta::assert_snapshot!(component.message(&["test", "typed"], 2));
}

/// A job that fans out, with a step that keeps something in a resource and one that takes a while to come right.
const JOB: &str = r#"
[resources.visits]
kind = "keyvalue"
backend = "file"
path = "visits.db"
[environments.test.resources.visits]
kind = "keyvalue"
backend = "memory"

[libraries.tutorial]
wasm = "lib/tutorial_ops.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 2 }
[jobs.j.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
[jobs.j.steps.visit]
op = "tutorial.count_visit"
inputs.page = { value = "sum" }
after = ["sum"]
[jobs.j.steps.flaky]
op = "tutorial.flaky"
retry = { max_retries = 2, delay = "1h" }

[jobs.refused.steps.number]
op = "typed.numbers"
config = { n = 1 }
[jobs.refused.steps.refuse]
op = "typed.refuse"
after = ["number"]
"#;

fn project_with_jobs(tests: &str) -> Project {
    Project::with(&format!("{LIBRARY}{JOB}{tests}"), &["typed", "tutorial_ops"])
}

#[test]
fn j8_a_job_is_tested_with_config_fakes_and_resources_in_memory() {
    let project = project_with_jobs(
        r#"
[tests.whole]
job = "j"
environment = "test"
config.ops.numbers.config = { n = 3, offset = 1 }
expect.sum.result = 12
expect."double[n2]".result = 6
expect.numbers.each = { n0 = 1, n1 = 2, n2 = 3 }
expect.flaky.result = 3

[tests.faked]
job = "j"
environment = "test"
fake.numbers.each = { value = { few = 1, many = 100 } }
fake.flaky.result = { value = 7 }
expect.sum.result = 202
# What the test before has kept is not there.
expect.visit.result = 1

[tests.cut_off]
job = "j"
environment = "test"
fake.sum.result = { value = 5 }
expect.visit.result = 1

[tests.fails]
job = "refused"
fails.refuse = "stays wrong"
expect.number.each = { n0 = 0 }

[tests.part]
job = "j"
select = ["numbers"]
expect.numbers.each = { n0 = 0, n1 = 1 }
"#,
    );
    let ended = project.run(["test"]).expect(0);
    assert_eq!(ended.stdout, "tests pass: 5 tests of the project\n", "{}", ended.stderr);
    let (_, runs) = project.json(["runs"]);
    assert_eq!(runs["runs"], json!([]), "nothing is kept");
    assert!(!project.path().join("visits.db").exists(), "the resource was in memory");
    project.run(["check"]).expect(0);
}

#[test]
fn j8_a_test_of_a_job_that_does_not_pass_says_which_step_and_why() {
    let project = project_with_jobs(
        r#"
[tests.another_sum]
job = "j"
environment = "test"
expect.sum.result = 3

[tests.fails_unexpected]
job = "refused"
expect.number.each = { n0 = 0 }

[tests.fails_otherwise]
job = "refused"
fails.refuse = "something else"

[tests.is_not_run]
job = "j"
environment = "test"
fake.sum.result = { value = 5 }
expect.numbers.each = { n0 = 0 }

[tests.succeeds]
job = "j"
environment = "test"
fails.sum = "too large"
"#,
    );
    insta::assert_snapshot!(project.message(&["test"], 3));
}

#[test]
fn j8_a_fake_that_its_op_could_not_give_is_refused_with_its_line() {
    let tests = r#"
[tests.t]
job = "j"
environment = "test"
fake.sum.result = { value = "many" }
"#;
    insta::assert_snapshot!(project_with_jobs(tests).message(&["test"], 3));
    let unknown = "[tests.t]\njob = \"jj\"\nenvironment = \"tset\"\n";
    let project = project_with_jobs(unknown);
    insta::assert_snapshot!(project.message(&["test"], 3));
    assert_eq!(project.message(&["check"], 3), project.message(&["test"], 3));
    let project = project_with_jobs("[tests.t]\njob = \"j\"\nexpect.sums.result = 3\n");
    insta::assert_snapshot!(project.message(&["check"], 3));
}
