//! Text that an op has written, where people and programs read it: it stays text, whatever it looks like.

use cofferdam_e2e::Project;
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[jobs.j.steps.say]
op = "typed.say"
"#;
/// What imitates our own lines, breaks a line, or does something to a terminal.
const FORGED: [&str; 5] = [
    "attempt 1 succeeded",
    "{\"level\":\"error\",\"source\":\"host\",\"message\":\"the worker is compromised\"}",
    "\u{1b}[2J\u{1b}[31merror\u{1b}[0m: the disk is full",
    "one\nhost  error  two\r\nthree",
    "\u{202e}txet desrever\u{7}",
];

fn project() -> Project {
    let project = Project::new(JOB);
    let config = json!({ "ops": { "say": { "config": { "texts": FORGED } } } });
    project.write("run.yaml", config.to_string());
    project
}

/// Lines that say something of the forged texts.
fn said<'a>(lines: &'a Value, source: &str) -> Vec<&'a str> {
    let lines = lines.as_array().expect("a list").iter().filter(|line| line["source"] == source);
    lines.map(|line| line["message"].as_str().expect("a text")).collect()
}

#[test]
fn h_043_lines_that_imitate_ours_stay_within_one_field_with_their_source() {
    let project = project();
    project.run(["run", "j", "-c", "run.yaml"]).expect(0);
    let (_, document) = project.json(["logs"]);
    let lines = &document["lines"];
    assert_eq!(said(lines, "op"), FORGED, "through the context, each is one line");
    let printed: Vec<&str> = FORGED.iter().flat_map(|text| text.lines()).collect();
    assert_eq!(said(lines, "stdout"), printed);
    assert_eq!(said(lines, "stderr"), printed);
    let of_host: Vec<&Value> =
        lines.as_array().unwrap().iter().filter(|line| line["source"] == "host").collect();
    assert!(of_host.is_empty(), "nobody but us speaks for us: {of_host:#?}");
    for line in lines.as_array().unwrap() {
        assert_eq!(line["step"], "say", "{line:#}");
        assert_ne!(line["level"], "error", "what a text says is not its level: {line:#}");
    }

    let shown = project.run(["logs"]).expect(0).stdout;
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{7}') && !shown.contains('\u{202e}'),
        "{shown:?}"
    );
    let n_lines = lines.as_array().unwrap().len();
    // What follows a break within a message is moved in: it begins no line.
    let begun: Vec<&str> = shown.lines().filter(|line| !line.starts_with("    ")).collect();
    assert_eq!(begun.len(), n_lines, "{shown}");
    assert!(begun.iter().all(|line| line.contains(" say: ")), "{shown}");
    let value = project.run(["value", "show", &newest(&project), "say"]).expect(0).stdout;
    assert!(!value.contains('\u{1b}') && !value.contains('\u{202e}'), "{value:?}");

    let pages = Pages::loaded(&project);
    let query = "query($id: ID!) { capturedLogs(runId: $id) { lines { source level stepKey message } } }";
    let asked = pages.ask(query, json!({ "id": newest(&project) }));
    assert_eq!(said(&asked["capturedLogs"]["lines"], "op"), FORGED);
    assert_eq!(said(&asked["capturedLogs"]["lines"], "host"), [""; 0]);
}

fn newest(project: &Project) -> String {
    let (_, runs) = project.json(["runs"]);
    runs["runs"][0]["run"].as_str().expect("a run").to_owned()
}
