//! Memoization: a step whose code, config and inputs are those of an earlier one is not run again.

use cofferdam_e2e::{Project, guest};
use serde_json::Value;

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.j.steps.work]
op = "typed.work"
inputs.number = { value = 4 }
config = { rounds = 1 }
memoize = true
[jobs.j.steps.twice]
op = "typed.double"
inputs.number = "work"
memoize = true
[jobs.j.steps.pure]
op = "resources.add"
inputs.a = { value = 1 }
inputs.b = { value = 2 }
[jobs.j.steps.always]
op = "typed.double"
inputs.number = "work"
"#;

/// Which steps ran, and of which runs and steps the results of the others come.
fn ran_and_cached(project: &Project) -> (Vec<String>, Vec<(String, String, String)>) {
    let (exit, run) = project.json(["run", "j"]);
    assert_eq!(exit, 0, "{run:#}");
    let ended = project.run(["show", "--events"]).expect(0);
    let (mut ran, mut cached) = (vec![], vec![]);
    for line in ended.stdout.lines() {
        let event: Value = serde_json::from_str(line).expect("a line is an event");
        let text = |field: &str| event["event"][field].as_str().unwrap_or_default().to_owned();
        match event["event"]["type"].as_str() {
            Some("step_dispatched") => ran.push(text("step")),
            Some("step_cached") => cached.push((text("step"), text("from"), text("source"))),
            _ => {}
        }
    }
    ran.sort();
    cached.sort();
    (ran, cached)
}

fn ran(project: &Project) -> Vec<String> {
    ran_and_cached(project).0
}

/// The same component with an empty custom section more: it does the same, and its digest is another.
fn changed(mut component: Vec<u8>) -> Vec<u8> {
    component.extend([0, 2, 1, b'x']);
    component
}

#[test]
fn e5_a_step_runs_again_if_its_code_config_or_input_has_changed_and_else_takes_the_earlier_result() {
    let project = Project::with(JOB, &["typed", "resources"]);
    let (all, cached) = ran_and_cached(&project);
    assert_eq!(
        (all, cached.len()),
        (vec!["always", "pure", "twice", "work"].into_iter().map(str::to_owned).collect(), 0)
    );
    let (_, runs) = project.json(["runs"]);
    let first = runs["runs"][0]["run"].as_str().expect("an id").to_owned();

    // Nothing has changed: what does not want to be taken from earlier runs as it is not pure runs all the same.
    let (again, cached) = ran_and_cached(&project);
    assert_eq!(again, ["always"]);
    let from = |step: &str| (step.to_owned(), first.clone(), step.to_owned());
    assert_eq!(cached, ["pure", "twice", "work"].map(from));
    assert!(project.run(["show"]).expect(0).stdout.contains("succeeded"));

    // Its config; the value is the same, so what reads it need not run.
    project.write("cofferdam.toml", JOB.replace("rounds = 1", "rounds = 2"));
    assert_eq!(ran(&project), ["always", "work"]);
    // Its input.
    project.write("cofferdam.toml", JOB.replace("value = 4", "value = 5"));
    assert_eq!(ran(&project), ["always", "twice", "work"]);
    project.write("cofferdam.toml", JOB.replace("inputs.b = { value = 2 }", "inputs.b = { value = 3 }"));
    assert_eq!(ran(&project), ["always", "pure"]);
    // Its code.
    project.write("cofferdam.toml", JOB);
    let typed = std::fs::read(guest("typed")).expect("the guest can be read");
    project.write("lib/typed.wasm", changed(typed.clone()));
    assert_eq!(ran(&project), ["always", "twice", "work"]);
    assert_eq!(ran(&project), ["always"]);
    // The old code is known still.
    project.write("lib/typed.wasm", typed);
    assert_eq!(ran(&project), ["always"]);
}
