//! Values of runs, shown and written; steps run once more, with what comes out compared.

use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.numbers.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.numbers.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }
[jobs.numbers.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
[jobs.numbers.steps.person]
op = "typed.person"

[jobs.bad.steps.refuse]
op = "typed.refuse"
[jobs.bad.steps.after]
op = "typed.double"
inputs.number = "refuse"

[jobs.lent.steps.count]
op = "resources.count"
inputs.name = { value = "x" }
[resources.counters]
kind = "keyvalue"
backend = "file"
"#;

fn project() -> Project {
    Project::with(JOBS, &["typed", "resources"])
}

fn run(project: &Project, job: &str) -> String {
    let (_, run) = project.json(["run", job]);
    run["run"].as_str().unwrap_or_else(|| panic!("{run:#}")).to_owned()
}

#[test]
fn e3_values_are_language_neutral_and_their_type_is_recorded() {
    let project = project();
    let id = run(&project, "numbers");
    let (exit, person) = project.json(["value", "show", &id, "person"]);
    assert_eq!(exit, 0, "{person:#}");
    assert_eq!(person["media_type"], "application/cbor");
    assert_eq!(person["value"], serde_json::json!({ "name": "Ada", "age": 36 }));
    let raw = project.command(["value", "show", &id, "person", "--raw"]).output().expect("it starts").stdout;
    // RFC 8949, deterministic: the shorter key first.
    assert_eq!(raw, b"\xa2\x63age\x18\x24\x64name\x63Ada");
    assert_eq!(person["size"], raw.len());
}

#[test]
fn one_value_of_many_is_shown_by_its_key() {
    let project = project();
    let id = run(&project, "numbers");
    let shown = |args: &[&str]| -> Value { project.json(["value", "show", &id].iter().chain(args)).1 };
    assert_eq!(shown(&["numbers", "each", "--key", "n2"])["value"], 2);
    assert_eq!(shown(&["double[n2]"])["value"], 4);
    let text = project.run(["value", "show", &id, "sum"]).expect(0);
    assert_eq!(text.stdout, "6\n");
    assert!(text.stderr.contains("application/cbor, 1 B"), "{text:#?}");
}

#[test]
fn a_replayed_step_gives_the_same_outputs_and_records_nothing() {
    let project = project();
    let id = run(&project, "numbers");
    let (_, before) = project.json(["runs"]);
    let (exit, document) = project.json(["replay", &id, "double[n1]"]);
    assert_eq!(exit, 0, "{document:#}");
    assert_eq!(document["replay"]["status"], "succeeded");
    assert_eq!(document["replay"]["outputs"][0]["verdict"], "same");
    let text = project.run(["replay", &id, "sum"]).expect(0);
    assert!(text.stdout.contains("the same outputs as recorded"), "{text:#?}");
    assert_eq!(project.json(["runs"]).1, before);
}

#[test]
fn a_failure_is_replayed_as_the_same_failure() {
    let project = project();
    let id = run(&project, "bad");
    let text = project.run(["replay", &id, "refuse"]).expect(10);
    assert!(text.stdout.contains("the recorded attempt failed in the same way"), "{text:#?}");
}

#[test]
fn a_step_with_resources_is_replayed_only_if_that_is_said() {
    let project = project();
    let id = run(&project, "lent");
    let ended = project.run(["replay", &id, "count"]).expect(2);
    assert!(ended.stderr.contains("uses resources: counters"), "{ended:#?}");
    let text = project.run(["replay", &id, "count", "--with-resources"]);
    assert!(text.stdout.contains("not as recorded"), "the count goes on: {text:#?}");
}

/// What a person reads when a command refuses, without the run's id.
fn refused(project: &Project, id: &str, args: &[&str]) -> String {
    let Ended { stdout, stderr, .. } = project.run(args).expect(2);
    assert_eq!(stdout, "", "what is wrong is not an answer");
    format!("$ cofferdam {}\n{stderr}", args.join(" ")).replace(id, "<run>")
}

#[test]
fn value_and_replay_refuse_bad_input_with_a_way_out() {
    let project = project();
    let id = run(&project, "numbers");
    let failed = run(&project, "bad");
    let cases: [&[&str]; 8] = [
        &["value", "show", "zz", "sum"],
        &["value", "show", &id, "smu"],
        &["value", "show", &id, "double"],
        &["value", "show", &id, "sum", "table"],
        &["value", "show", &id, "sum", "--key", "n1"],
        &["value", "show", &id, "numbers"],
        &["value", "show", &id, "numbers", "each", "--key", "n9"],
        &["replay", &id, "double[n9]"],
    ];
    let mut messages: Vec<String> = cases.iter().map(|args| refused(&project, &id, args)).collect();
    messages.push(refused(&project, &failed, &["value", "show", &failed, "refuse"]));
    messages.push(refused(&project, &failed, &["replay", &failed, "after"]));
    insta::assert_snapshot!(messages.join("\n"));
}
