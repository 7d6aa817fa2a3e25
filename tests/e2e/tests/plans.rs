//! Plans through the real program: what a run would do with each step, and why.

use cofferdam_e2e::look::{id, step, text};
use cofferdam_e2e::{Project, guest};
use serde_json::{Value, json};

const MEMOIZED: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.a]
op = "typed.work"
memoize = true
inputs.number = { value = 4 }
config = { rounds = 1 }

[jobs.j.steps.b]
op = "typed.double"
memoize = true
inputs.number = "a"

[jobs.j.steps.c]
op = "typed.double"
inputs.number = "b"
"#;

/// What would become of each step: the outcome, and what it says more.
fn explained(project: &Project, args: &[&str]) -> Vec<(String, String, Value)> {
    let (exit, document) = project.json([&["plan", "--explain"], args].concat());
    assert_eq!(exit, 0, "{document:#}");
    let steps = document["explained"]["steps"].as_array().expect("steps").iter();
    let said = |step: &Value| match text(step, "outcome") {
        "hit" => json!([step["run"], step["of"]]),
        "miss" => json!([step["run"], step["differs"]]),
        "always" => step["why"].clone(),
        _ => Value::Null,
    };
    steps.map(|step| (text(step, "step").to_owned(), text(step, "outcome").to_owned(), said(step))).collect()
}

fn outcome(step: &str, outcome: &str, said: Value) -> (String, String, Value) {
    (step.to_owned(), outcome.to_owned(), said)
}

/// A component of another digest that does the same: one with a section that nobody reads.
fn changed(component: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guest(component)).expect("the guest can be read");
    bytes.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    bytes
}

#[test]
fn e5_a_step_that_is_unchanged_is_not_run_again_and_a_miss_says_what_differs() {
    let project = Project::new(MEMOIZED);
    let never = outcome("c", "always", json!("it is not memoized"));
    let unknown = outcome("b", "unknown", Value::Null);
    let first = [outcome("a", "new", Value::Null), unknown.clone(), never.clone()];
    assert_eq!(explained(&project, &[]), first);
    let run = project.run_job(&["j"], 0);
    let run = id(&run);
    let hits =
        [outcome("a", "hit", json!([run, "a"])), outcome("b", "hit", json!([run, "b"])), never.clone()];
    assert_eq!(explained(&project, &[]), hits);

    // What was foretold comes true, and the log says where the results are from.
    let again = project.run_job(&["j"], 0);
    let cached: Vec<(String, String)> = project
        .events()
        .iter()
        .filter(|event| event["event"]["type"] == "step_cached")
        .map(|event| (text(&event["event"], "step").to_owned(), event["event"]["from"].to_string()))
        .collect();
    assert_eq!(cached.len(), 2, "{:#?}", project.events());
    assert!(cached.iter().all(|(_, from)| from.contains(run)), "{cached:?}");
    assert_eq!(step(&again, "c")["attempts"].as_array().map(Vec::len), Some(1));

    let differs = |part: &str| [outcome("a", "miss", json!([run, [part]])), unknown.clone(), never.clone()];
    project.write("run.yaml", "ops: {a: {config: {rounds: 2}}}");
    assert_eq!(explained(&project, &["-c", "run.yaml"]), differs("config"));
    project.write("run.yaml", "ops: {a: {inputs: {number: {value: 5}}}}");
    assert_eq!(explained(&project, &["-c", "run.yaml"]), differs("input number"));
    project.write("lib/typed.wasm", changed("typed"));
    assert_eq!(explained(&project, &[]), differs("library"));
}

#[test]
fn b9_a_dry_run_shows_steps_the_hosts_that_fit_and_which_results_are_taken() {
    let project = Project::new(&format!(
        "{MEMOIZED}\n[jobs.j.steps.d]\nop = \"typed.double\"\nmemoize = true\ninputs.number = {{ value = 1 }}\n"
    ));
    project.run_job(&["j"], 0);
    let definitions = project.read("cofferdam.toml");
    project.write("cofferdam.toml", format!("{definitions}resources = {{ GPU = 1 }}\n"));
    let (exit, document) = project.json(["plan", "j", "--explain"]);
    assert_eq!(exit, 0, "{document:#}");
    assert_eq!(document["plan"]["steps"].as_array().map(Vec::len), Some(4));
    let [host] = document["explained"]["hosts"].as_array().expect("hosts").as_slice() else {
        panic!("one process is one host: {document:#}")
    };
    assert!(host["slots"].as_u64().is_some_and(|slots| slots > 0), "{host}");
    let steps = document["explained"]["steps"].as_array().expect("steps");
    let of = |key: &str| steps.iter().find(|step| step["step"] == key).expect("a step");
    assert_eq!((&of("a")["hosts"], &of("a")["outcome"]), (&json!([host["name"]]), &json!("hit")));
    // What a step needs is no part of what it makes: the result can be taken, but no host could make it.
    assert_eq!((&of("d")["hosts"], &of("d")["lacks"]), (&json!([]), &json!({ "GPU": 1.0 })));
    assert_eq!(project.json(["plan", "j", "--explain"]).1, document, "nothing is recorded, nothing changes");
    let said = project.message(&["plan", "j", "--explain"], 0);
    let said = said.lines().filter(|line| !line.starts_with("host:")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(said, @r"
        a  hit: taken from run <run>
        b  hit: taken from run <run>
        c  runs: it is not memoized
        d  hit: taken from run <run> (no host has GPU = 1)
        ");
}

#[test]
fn what_is_run_needs_only_the_libraries_that_it_uses() {
    let project = Project::new(
        r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.absent]
crate = "absent"

[jobs.now.steps.branch]
op = "typed.branch"
config = { left = true }
[jobs.later.steps.go]
op = "absent.go"
[tests.now]
op = "typed.branch"
config = { left = true }
"#,
    );
    for args in
        [["run", "now"].as_slice(), &["plan", "now"], &["scaffold", "now"], &["config", "schema", "now"]]
    {
        project.run(args).expect(0);
    }
    project.run(["test", "typed"]).expect(0);
    for args in [["run", "later"].as_slice(), &["check"], &["build"]] {
        let refused = project.run(args).expect(3);
        assert!(refused.stderr.contains("library `absent`"), "{refused:#?}");
    }
}
