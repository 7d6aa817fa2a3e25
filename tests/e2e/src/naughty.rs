//! The Big List of Naughty Strings (Max Woolf, MIT; npm's `blns`), wherever people may write what they like: in what jobs
//! and steps are said to do, in tags, in a run config, in log lines and outputs.

use serde_json::{Value, json};

use crate::ask::until;
use crate::web::Pages;
use crate::{Project, workspace};

const LIST: &str = "tests/browser/node_modules/blns/resources/blns.json";

/// About 500, as `cargo xtask setup` installs them.
pub fn strings() -> Vec<String> {
    let text = std::fs::read(workspace().join(LIST)).expect("`cargo xtask setup` installs it");
    let all: Vec<String> = serde_json::from_slice(&text).expect("it is a list of strings");
    // Who is greeted has a name.
    all.into_iter().filter(|text| !text.is_empty()).collect()
}

/// As TOML writes it.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// A job `all` with a step `g0`, `g1`, … for each string, and a job `d0`, `d1`, … that each is the description and a tag of.
pub fn project(strings: &[String]) -> Project {
    let mut definitions = "[libraries.text]\nwasm = \"lib/text.wasm\"\n".to_owned();
    for (n, text) in strings.iter().enumerate() {
        let text = quoted(text);
        definitions.push_str(&format!(
            "[jobs.all.steps.g{n}]\nop = \"text.greet\"\n[jobs.d{n}]\ndescription = {text}\ntags = {{ odd = {text} }}\n\
             [jobs.d{n}.steps.greet]\nop = \"text.greet\"\nconfig = {{ name = \"x\" }}\n"
        ));
    }
    Project::with(&definitions, &["text"])
}

/// Runs `all`, which greets each of them and has each as the tag `t0`, `t1`, …; the run's id.
pub fn greeted(pages: &Pages, strings: &[String]) -> String {
    let named = |n: usize| format!("g{n}");
    let ops: serde_json::Map<String, Value> = strings
        .iter()
        .enumerate()
        .map(|(n, text)| (named(n), json!({ "config": { "name": text } })))
        .collect();
    let tags: Vec<Value> = strings
        .iter()
        .enumerate()
        .map(|(n, text)| json!({ "key": format!("t{n}"), "value": text }))
        .collect();
    let launch = "mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename \
        ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }";
    let config = json!({ "ops": ops }).to_string();
    let request = json!({ "jobName": "all", "runConfigYaml": config, "tags": tags });
    let launched = pages.ask(launch, json!({ "request": request }));
    let id = launched["launchRun"]["run"]["runId"].as_str().unwrap_or_else(|| panic!("{launched:.2000}"));
    let status = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }";
    until("the run succeeds", || pages.ask(status, json!({ "id": id }))["runOrError"]["status"] == "SUCCESS");
    id.to_owned()
}
