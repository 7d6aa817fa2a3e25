//! Strings that break what is careless with text: kept to the byte, and doing nothing in a terminal.

use cofferdam_e2e::naughty::{greeted, project, strings};
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

#[test]
fn c_33_naughty_strings_are_kept_to_the_byte_and_do_nothing_in_a_terminal() {
    let strings = strings();
    assert!(strings.len() > 450, "{}", strings.len());
    let project = project(&strings);
    let pages = Pages::loaded(&project);
    let id = greeted(&pages, &strings);
    let run = "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }";
    let run = pages.ask(run, json!({ "id": id }))["runOrError"].clone();
    let jobs = "{ workspaceOrError { ... on Workspace { locationEntries { jobs { name description tags { key value } } } } } }";
    let jobs = pages.ask(jobs, json!({}))["workspaceOrError"]["locationEntries"][0]["jobs"].clone();
    let lines = "query($id: ID!) { capturedLogs(runId: $id) { hasMore lines { stepKey message } } }";
    let lines = pages.ask(lines, json!({ "id": id }))["capturedLogs"].clone();
    assert_eq!(lines["hasMore"], false);
    let of = |list: &Value, field: &str, name: &str| {
        let found = list.as_array().expect("a list").iter().find(|one| one[field] == name);
        found.unwrap_or_else(|| panic!("{name} is not there")).clone()
    };
    project.run(["show", &id, "--export", "out"]).expect(0);
    let (_, listed) = project.json(["runs"]);
    for (n, text) in strings.iter().enumerate() {
        assert_eq!(of(&run["tags"], "key", &format!("t{n}"))["value"], json!(text));
        assert_eq!(listed["runs"][0]["tags"][format!("t{n}")], json!(text));
        let job = of(&jobs, "name", &format!("d{n}"));
        assert_eq!(of(&job["tags"], "key", "odd")["value"], json!(text));
        assert_eq!(job["description"], json!(text));
        let line = of(&lines["lines"], "stepKey", &format!("g{n}"));
        assert_eq!(line["message"], json!(format!("greeting {text} 遅延を計算中 ✈️")));
        let made: String = serde_json::from_str(&project.read(&format!("out/g{n}.json"))).expect("a text");
        assert!(made.starts_with(&format!("Hello, {text}, ")), "{made:?}");
    }
    // No letter of theirs moves the cursor, changes a colour or turns the direction of what is written.
    for command in [&["show", &id, "--all"][..], &["logs", &id], &["runs"], &["plan", "d0"], &["check"]] {
        let told = project.run(command);
        let text = format!("{}{}", told.stdout, told.stderr);
        let acts = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
        let found: Vec<String> = text.chars().filter(acts).map(|c| c.escape_unicode().to_string()).collect();
        assert!(found.is_empty(), "{command:?}: {found:?}");
    }
}
