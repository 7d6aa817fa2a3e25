//! Hooks, tags and facts, through the real program.

use cofferdam_e2e::Project;
use cofferdam_e2e::look::{id, step, text};
use serde_json::{Value, json};

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

fn project(definitions: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{definitions}"), &["typed", "resources"])
}

fn newest(project: &Project) -> Value {
    let (_, runs) = project.json(["runs", "--limit", "1"]);
    runs["runs"][0].clone()
}

const HOOKS: &str = r#"
[jobs.good]
hooks = [
    { on = "success", op = "resources.notify" },
    { on = "success", op = "typed.refuse" },
    { on = "failure", op = "resources.notify" },
]
[jobs.good.steps.a]
op = "typed.double"
inputs.number = { value = 4 }
hooks = [{ on = "success", op = "typed.mutter" }]
[jobs.good.steps.b]
op = "typed.double"
inputs.number = "a"

[jobs.bad]
hooks = [{ on = "failure", op = "resources.notify" }]
[jobs.bad.steps.a]
op = "typed.refuse"
hooks = [{ on = "failure", op = "typed.refuse" }, { on = "success", op = "typed.mutter" }]
[jobs.bad.steps.b]
op = "typed.double"
inputs.number = "a"
[jobs.bad.steps.c]
op = "typed.double"
inputs.number = { value = 1 }
"#;

#[test]
fn a13_hooks_of_ops_and_jobs_tell_of_success_and_failure_and_their_own_failure_is_none_of_the_run() {
    let project = project(HOOKS);
    let (exit, run) = project.json(["run", "good"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(run["status"], "succeeded");
    let status = |run: &Value, key: &str| text(step(run, key), "status").to_owned();
    for (hook, expected) in [
        ("a.hooks.mutter", "succeeded"),
        ("a.hooks.notify_2", "succeeded"),
        ("a.hooks.refuse_3", "failed"),
        ("a.hooks.notify_4", "skipped"),
        ("b.hooks.notify", "succeeded"),
        ("b.hooks.refuse_2", "failed"),
    ] {
        assert_eq!(status(&run, hook), expected, "{hook} in {run:#}");
    }
    let (_, told) = project.json(["value", "show", id(&run), "a.hooks.notify_2"]);
    assert_eq!(told["value"], "a succeeded at try 1");
    let listed = newest(&project);
    let steps = &listed["steps"];
    assert_eq!((&steps["failed"], &steps["failed_beside"]), (&0.into(), &2.into()), "{listed:#}");
    assert_eq!(listed["first_error"], Value::Null);
    let summary = project.run(["run", "good"]).expect(0).stdout;
    assert!(summary.contains("2 failed beside it (hooks, tear-downs)"), "{summary}");

    let (exit, run) = project.json(["run", "bad"]);
    assert_eq!(exit, 10, "{run:#}");
    assert_eq!(status(&run, "a.hooks.refuse"), "failed");
    assert_eq!(status(&run, "a.hooks.mutter_2"), "skipped");
    assert_eq!(status(&run, "b.hooks.notify"), "skipped", "what did not run calls no hook");
    assert_eq!(status(&run, "c.hooks.notify"), "skipped");
    let (_, told) = project.json(["value", "show", id(&run), "a.hooks.notify_3"]);
    let told = text(&told, "value");
    assert!(told.starts_with("a failed at try 1: ") && told.ends_with("(op-failed)"), "{told}");
    let listed = newest(&project);
    assert_eq!(listed["steps"]["failed"], 1, "{listed:#}");
    assert!(listed["first_error"].as_str().is_some_and(|error| error.starts_with("a: ")), "{listed:#}");
}

const FACTS: &str = r#"
[jobs.facts]
tags = { team = "data" }
[jobs.facts.steps.split]
op = "resources.split"
inputs.text = { value = "one two" }
tags = { tier = "gold" }
outputs.words = { metadata = { unit = "words", length = "of the definitions" } }
outputs.n = { metadata = { owner = "ada" } }
[jobs.facts.steps.check]
op = "resources.has_rows"
inputs.rows = { value = [1, 2, 3] }
"#;

#[test]
fn tags_of_job_and_run_and_facts_of_steps_and_outputs_are_kept() {
    let project = project(FACTS);
    let (exit, run) = project.json(["run", "facts", "--tag", "why=test"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(newest(&project)["tags"], json!({ "team": "data", "why": "test" }));
    assert!(step(&run, "check")["metadata"].to_string().contains("rows"), "{run:#}");

    let outputs = step(&run, "split")["outputs"].as_array().expect("outputs").clone();
    let facts = |output: &Value| -> Vec<(String, Value)> {
        let entries = output["metadata"].as_array().expect("facts").iter();
        entries.map(|entry| (text(entry, "name").to_owned(), entry["value"].clone())).collect()
    };
    let of =
        |name: &str| outputs.iter().filter(|output| output["name"] == name).map(facts).collect::<Vec<_>>();
    let fact = |name: &str, value: Value| (name.to_owned(), value);
    let words = of("words");
    assert_eq!(words.len(), 2, "{outputs:#?}");
    for word in words {
        // What the op says of its output stays, typed, where the definitions say something else.
        assert_eq!(word, [fact("length", json!({ "integer": 3 })), fact("unit", json!({ "text": "words" }))]);
    }
    assert_eq!(
        of("n"),
        [vec![fact("counted", json!({ "truth": true })), fact("owner", json!({ "text": "ada" }))]]
    );
    let shown = project.run(["show"]).expect(0).stdout;
    assert!(shown.contains("owner = ada"), "{shown}");
}

#[test]
fn a_failed_export_is_the_one_document() {
    let project = project(FACTS);
    // A file where the folder should be.
    project.write("taken", "");
    let (exit, document) = project.json(["run", "facts", "--export", "taken"]);
    assert_eq!((exit, &document["schema"]), (2, &"cofferdam.error/v1".into()), "{document:#}");
    project.run(["run", "facts"]).expect(0);
    let (exit, document) = project.json(["show", "--export", "taken"]);
    assert_eq!((exit, &document["schema"]), (2, &"cofferdam.error/v1".into()), "{document:#}");
    let (exit, document) = project.json(["show", "--export", "out"]);
    assert_eq!((exit, &document["status"]), (0, &"succeeded".into()), "the run itself is not touched");
}
