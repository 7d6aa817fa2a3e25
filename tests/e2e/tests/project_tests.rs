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
