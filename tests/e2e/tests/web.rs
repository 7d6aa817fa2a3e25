//! The pages of `cofferdam dev`, by what they ask.

use std::time::{Duration, Instant};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{gate, n_at_the_gate, until};
use cofferdam_e2e::exposition::get;
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"

[jobs.count]
description = "Counts"
[jobs.count.steps.numbers]
op = "typed.numbers"
[jobs.count.steps.speak]
op = "typed.chatter"
config = { lines = 300, rounds = 1000 }
[jobs.count.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 1 }
[jobs.count.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }

[jobs.fails.steps.first]
op = "typed.person"
[jobs.fails.steps.bad]
op = "behaviours.panic"
after = ["first"]
[jobs.fails.steps.later]
op = "typed.mutter"
after = ["bad"]
"#;

/// A step that goes on until it is cancelled.
const HELD: &str = r#"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.held.steps.hold]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
"#;

const LAUNCH: &str = "mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename \
    ... on LaunchRunSuccess { run { runId } } ... on Error { message } \
    ... on RunConfigValidationInvalid { diagnostics { message line column } } } }";
const RUN: &str = "query($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status jobName firstError \
    parentRunId childRunIds stepCounts { succeeded failed abandoned } steps { key template status becauseOf \
    attempts { number usage { wall } failure { kind message } } outputs { name mappingKey } } \
    failure { stepKey failure { kind message backtrace } } } } }";

fn project() -> Project {
    Project::with(JOBS, &["typed", "behaviours"])
}

fn launch(pages: &Pages, request: Value) -> String {
    let launched = pages.ask(LAUNCH, json!({ "request": request }));
    let id = launched["launchRun"]["run"]["runId"].as_str();
    id.unwrap_or_else(|| panic!("{launched:#}")).to_owned()
}

fn run(pages: &Pages, id: &str) -> Value {
    pages.ask(RUN, json!({ "id": id }))["runOrError"].clone()
}

fn ended(pages: &Pages, id: &str) -> Value {
    let is_over = |status: &Value| ["SUCCESS", "FAILURE", "CANCELED"].iter().any(|over| status == over);
    until("the run ends", || is_over(&run(pages, id)["status"]));
    run(pages, id)
}

/// Events with their cursors until the run has ended, or as many messages.
fn follow(pages: &Pages, id: &str, cursor: Option<String>, n_max: usize) -> (Vec<Value>, Option<String>) {
    let mut socket = pages.socket();
    let query = "subscription($id: ID!, $cursor: String) { pipelineRunLogs(runId: $id, cursor: $cursor) { \
        cursor events { seq eventType stepKey about message } } }";
    socket.follow(query, json!({ "id": id, "cursor": cursor }));
    let (mut events, mut cursor) = (vec![], cursor);
    for _ in 0..n_max {
        let Some(next) = socket.next_data() else { break };
        let next = &next["pipelineRunLogs"];
        events.extend(next["events"].as_array().expect("a list").iter().cloned());
        cursor = next["cursor"].as_str().map(str::to_owned);
    }
    (events, cursor)
}

#[test]
fn j7_one_command_shows_a_project_and_runs_its_jobs() {
    let project = project();
    let since = Instant::now();
    let pages = Pages::of(&project);
    let listening = since.elapsed();
    until("the jobs are there", || jobs(&pages).len() == 2);
    assert_eq!(jobs(&pages), ["count", "fails"]);
    let id =
        launch(&pages, json!({ "jobName": "count", "runConfigYaml": "ops: {numbers: {config: {n: 4}}}" }));
    let run = ended(&pages, &id);
    assert_eq!(run["status"], "SUCCESS", "{run:#}");
    let keys: Vec<&str> =
        run["steps"].as_array().unwrap().iter().filter_map(|step| step["key"].as_str()).collect();
    assert!(keys.contains(&"work[n3]") && keys.contains(&"sum"), "{keys:?}");
    let preview = "query($id: ID!) { valuePreview(runId: $id, stepKey: \"sum\", output: \"result\") \
        { kind json url } }";
    let preview = &pages.ask(preview, json!({ "id": id }))["valuePreview"];
    assert_eq!(preview["kind"], "json");
    let (head, _) = get(&pages.address, preview["url"].as_str().expect("an address"));
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-disposition: attachment"), "{head}");
    eprintln!("listening {} ms after the command", listening.as_millis());
    assert!(listening < Duration::from_secs(5), "{listening:?}");
    // The same project serves one `dev` at a time, and says so.
    let second = project.run(["dev", "--listen", "127.0.0.1:0"]);
    assert_ne!(second.exit, 0);
    assert!(second.stderr.contains("in use"), "{second:#?}");
}

fn jobs(pages: &Pages) -> Vec<String> {
    let query = "{ workspaceOrError { ... on Workspace { locationEntries { jobs { name } } } } }";
    let found = pages.ask(query, json!({}));
    let jobs =
        found["workspaceOrError"]["locationEntries"][0]["jobs"].as_array().cloned().unwrap_or_default();
    jobs.iter().filter_map(|job| job["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn j2_events_and_lines_go_on_from_a_cursor_and_none_is_lost_or_repeated() {
    let project = project();
    let pages = Pages::loaded(&project);
    let config = "ops: {numbers: {config: {n: 60}}}";
    let id = launch(&pages, json!({ "jobName": "count", "runConfigYaml": config }));
    // A socket that is dropped again and again, each time after what has come.
    let (mut seen, mut cursor) = follow(&pages, &id, None, 1);
    for _ in 0..5 {
        let (more, next) = follow(&pages, &id, cursor, 2);
        seen.extend(more);
        cursor = next;
    }
    seen.extend(follow(&pages, &id, cursor, usize::MAX).0);
    assert_eq!(ended(&pages, &id)["status"], "SUCCESS");
    let query = "query($id: ID!, $cursor: String) { logsForRun(runId: $id, afterCursor: $cursor, limit: 50) { \
        ... on EventConnection { cursor hasMore events { seq eventType stepKey about message } } } }";
    let (mut kept, mut cursor) = (vec![], Value::Null);
    loop {
        let page = &pages.ask(query, json!({ "id": id, "cursor": cursor }))["logsForRun"];
        kept.extend(page["events"].as_array().expect("a list").iter().cloned());
        cursor = page["cursor"].clone();
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seen, kept);
    assert_eq!(kept.last().expect("there are events")["eventType"], "RUN_SUCCESS");

    let lines = "subscription($id: ID!, $cursor: String) { capturedLogs(runId: $id, cursor: $cursor) { \
        cursor lines { number message } } }";
    let (mut numbers, mut cursor) = (vec![], Value::Null);
    for _ in 0..2 {
        let mut socket = pages.socket();
        socket.follow(lines, json!({ "id": id, "cursor": cursor }));
        while let Some(page) = socket.next_data() {
            let page = &page["capturedLogs"];
            numbers.extend(page["lines"].as_array().expect("a list").iter().filter_map(|line| {
                line["number"].as_u64().or_else(|| line["number"].as_f64().map(|n| n as u64))
            }));
            cursor = page["cursor"].clone();
        }
    }
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(numbers, sorted, "each once, in order");
    assert!(numbers.len() >= 300, "{}", numbers.len());
}

#[test]
fn a_failed_run_is_explained_and_executed_again_from_its_failure() {
    let project = project();
    let pages = Pages::loaded(&project);
    let id = launch(&pages, json!({ "jobName": "fails" }));
    let run_of = ended(&pages, &id);
    assert_eq!(run_of["status"], "FAILURE");
    assert_eq!(run_of["failure"]["stepKey"], "bad");
    assert_eq!(run_of["failure"]["failure"]["kind"], "trap");
    let later =
        run_of["steps"].as_array().unwrap().iter().find(|step| step["key"] == "later").expect("it is told");
    assert_eq!((&later["status"], &later["becauseOf"]), (&json!("ABANDONED"), &json!("bad")));
    let again = "mutation($id: ID!, $strategy: ReexecutionStrategy!, $steps: [String!]! = []) { \
        launchRunReexecution(parentRunId: $id, strategy: $strategy, stepSelection: $steps) { __typename \
        ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }";
    let answer = pages.ask(again, json!({ "id": id, "strategy": "FROM_FAILURE" }));
    let child = answer["launchRunReexecution"]["run"]["runId"].as_str().expect("it is launched").to_owned();
    let child_run = ended(&pages, &child);
    assert_eq!(child_run["parentRunId"], json!(id));
    let steps = child_run["steps"].as_array().expect("a list").iter();
    let mut keys: Vec<&str> = steps.filter_map(|step| step["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["bad", "later"], "what `first` made is taken over");
    assert_eq!(run(&pages, &id)["childRunIds"], json!([child]));
    let wrong = pages.ask(again, json!({ "id": id, "strategy": "SELECTION", "steps": ["nope"] }));
    assert_eq!(wrong["launchRunReexecution"]["__typename"], "RunConfigValidationInvalid", "{wrong:#}");
    let nobody = "00000000-0000-7000-8000-000000000000";
    assert_eq!(run(&pages, nobody)["__typename"], "RunNotFoundError");
    let none = pages.ask(again, json!({ "id": nobody, "strategy": "ALL_STEPS" }));
    let none = &none["launchRunReexecution"];
    let said = none["message"].as_str().unwrap_or_default();
    assert!(none["__typename"] == "RunNotFoundError" && said.contains("no run"), "{none:#}");
}

#[test]
fn a_run_is_cancelled_while_it_runs_and_workers_show_what_they_have() {
    let project = Project::with("", &["resources"]);
    let job = "[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[jobs.j.steps.gate]\nop = \"resources.announce\"\nbind = { program = \"gate\" }\ninputs.arguments = { value = [] }\n";
    project.write("cofferdam.toml", format!("{}{job}", gate(&project)));
    let pages = Pages::loaded(&project);
    let id = launch(&pages, json!({ "jobName": "j" }));
    until("the step runs", || n_at_the_gate(&project) == 1);
    let workers = pages.ask("{ workers { slots running { runId stepKey } } queue { running } }", json!({}));
    assert_eq!(workers["workers"][0]["running"], json!([{ "runId": id, "stepKey": "gate" }]), "{workers:#}");
    let cancel = "mutation($id: ID!) { terminateRun(runId: $id) { __typename ... on Error { message } } }";
    assert_eq!(pages.ask(cancel, json!({ "id": id }))["terminateRun"]["__typename"], "TerminateRunSuccess");
    assert_eq!(ended(&pages, &id)["status"], "CANCELED");
    let late = pages.ask(cancel, json!({ "id": id }));
    assert_eq!(late["terminateRun"]["__typename"], "TerminateRunFailure", "{late:#}");
}

#[test]
fn a_run_config_is_checked_as_it_is_written() {
    let project = project();
    let pages = Pages::loaded(&project);
    let query = "query($request: LaunchRequest!) { isPipelineConfigValid(request: $request) { isValid error \
        diagnostics { message line column hint } steps { key } } }";
    let check = |yaml: &str| {
        let request = json!({ "jobName": "count", "runConfigYaml": yaml });
        pages.ask(query, json!({ "request": request }))["isPipelineConfigValid"].clone()
    };
    let good = check("ops:\n  numbers:\n    config: {n: 2}\n");
    assert_eq!(good["isValid"], true, "{good:#}");
    assert_eq!(good["steps"].as_array().map(Vec::len), Some(4));
    let bad = check("ops:\n  numbers:\n    config:\n      n: many\n  nmbers: {}\n");
    assert_eq!(bad["isValid"], false);
    let places: Vec<_> =
        bad["diagnostics"].as_array().unwrap().iter().map(|one| one["line"].clone()).collect();
    assert_eq!(places.len(), 2, "{bad:#}");
    assert!(places.contains(&json!(4)) && places.contains(&json!(5)), "{bad:#}");
    let broken = check("ops: [\n");
    assert_eq!(
        broken["diagnostics"].as_array().map(Vec::len),
        Some(1),
        "only what is wrong with the text: {broken:#}"
    );
    let launched = pages.ask(LAUNCH, json!({ "request": { "jobName": "count", "runConfigYaml": "x: 1" } }));
    assert_eq!(launched["launchRun"]["__typename"], "RunConfigValidationInvalid");
    let scaffold = "query($request: LaunchRequest!) { scaffoldRunConfig(request: $request, how: SCAFFOLD) \
        { yaml error diagnostics { message } } }";
    let text = pages.ask(scaffold, json!({ "request": { "jobName": "count" } }));
    let text = text["scaffoldRunConfig"]["yaml"].as_str().expect("a text").to_owned();
    assert!(text.contains("# integer: How many.") && check(&text)["isValid"] == true, "{text}");
    let schema = pages
        .ask("{ runConfigSchemaOrError(job: \"count\") { ... on RunConfigSchema { schema } } }", json!({}));
    assert_eq!(schema["runConfigSchemaOrError"]["schema"]["type"], "object", "{schema:#}");
    let none = pages.ask("{ jobOrError(name: \"cuont\") { __typename } }", json!({}));
    assert_eq!(none["jobOrError"]["__typename"], "PipelineNotFoundError");
}

#[test]
fn a_mistake_in_the_definitions_is_shown_with_its_place_and_goes_when_it_is_mended() {
    let project = project();
    let pages = Pages::loaded(&project);
    let query = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus jobs { name } \
        diagnostics { severity message file line } } } } }";
    let location = || pages.ask(query, json!({}))["workspaceOrError"]["locationEntries"][0].clone();
    let mut socket = pages.socket();
    socket.follow("subscription { locationStateChangeEvents { version } }", json!({}));
    let first = socket.next_data().expect("how it is now");
    project.write("cofferdam.toml", JOBS.replace("typed.sum", "typed.smu"));
    let changed = socket.next_data().expect("it changes");
    assert_ne!(first, changed);
    until("the mistake is shown", || location()["loadStatus"] == "FAILED");
    let found = location();
    assert_eq!(found["jobs"].as_array().map(Vec::len), Some(2), "the jobs stay: {found:#}");
    let line = JOBS.lines().position(|line| line.contains("typed.sum")).expect("a line") + 1;
    let errors: Vec<&Value> = found["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["severity"] == "ERROR")
        .collect();
    assert_eq!(errors.iter().map(|one| &one["line"]).collect::<Vec<_>>(), [&json!(line)], "{found:#}");
    project.write("cofferdam.toml", JOBS);
    until("it is mended", || location()["loadStatus"] == "LOADED");
    let mended = location();
    let is_error = |found: &Value| found["severity"] == "ERROR";
    assert!(!mended["diagnostics"].as_array().expect("a list").iter().any(is_error), "{mended:#}");
}

#[test]
fn the_graph_of_a_job_is_known_before_its_config() {
    let project = project();
    let pages = Pages::loaded(&project);
    let query = "{ jobOrError(name: \"count\") { ... on Job { description graph { error graph { \
        steps { key mapped inputs { name schema } } edges { from output to input } } } } } }";
    let job = &pages.ask(query, json!({}))["jobOrError"];
    assert_eq!(job["description"], "Counts");
    let edges = job["graph"]["graph"]["edges"].as_array().expect("edges");
    assert!(
        edges.contains(&json!({ "from": "numbers", "output": "each", "to": "work", "input": "number" })),
        "{job:#}"
    );
    let steps = job["graph"]["graph"]["steps"].as_array().expect("steps");
    let work = steps.iter().find(|step| step["key"] == "work").expect("a step");
    assert_eq!(
        (&work["mapped"], &work["inputs"][0]["schema"]["type"]),
        (&json!(true), &json!("integer")),
        "{work:#}"
    );
}

#[test]
fn c_65_the_pages_of_a_project_are_for_this_machine_only() {
    let project = project();
    let refused = project.run(["dev", "--listen", "0.0.0.0:0"]).expect(2);
    assert!(refused.stderr.contains("can be reached from other machines"), "{refused:#?}");
    let refused = project.run(["serve", "--listen", "127.0.0.1:0", "--pages", "0.0.0.0:0"]).expect(2);
    assert!(refused.stderr.contains("the pages encrypt nothing"), "{refused:#?}");
    let pages = Pages::of(&project);
    let (head, _) = get(&pages.address, "/");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    let help = project.run(["dev", "--help"]).expect(0).stdout;
    let words: Vec<&str> = help.split_whitespace().collect();
    assert!(words.join(" ").contains("[default: 127.0.0.1:"), "{help}");
}

#[test]
fn the_list_of_runs_is_told_at_once_and_with_each_change() {
    let project = project();
    let pages = Pages::loaded(&project);
    let first = launch(&pages, json!({ "jobName": "fails" }));
    ended(&pages, &first);
    let mut socket = pages.socket();
    socket.follow("subscription { runsChanged { runIds } }", json!({}));
    let mut told = || socket.next_data().expect("it goes on")["runsChanged"]["runIds"].clone();
    assert_eq!(told(), json!([first]), "what was there before it was asked");
    let second = launch(&pages, json!({ "jobName": "fails" }));
    assert_eq!(told(), json!([second]));
}

#[test]
fn j6_commands_beside_the_pages_are_done_by_the_scheduler_behind_them() {
    let project = Project::with(JOBS, &["typed", "behaviours", "resources"]);
    project.write("cofferdam.toml", format!("{JOBS}{HELD}{}", gate(&project)));
    let pages = Pages::loaded(&project);
    project.write("three.yaml", "ops: {numbers: {config: {n: 3}}}\n");
    let done = project.run(["run", "count", "-c", "three.yaml", "--export", "out"]).expect(0);
    assert!(done.stderr.contains("sum") || done.stdout.contains("succeeded"), "{done:#?}");
    assert!(!project.read("out/sum.json").is_empty());
    project.run(["run", "fails"]).expect(10);
    let held = project.run(["run", "held", "--detach"]).expect(0).stdout.trim().to_owned();
    until("it is at the gate", || n_at_the_gate(&project) == 1);
    assert_eq!(run(&pages, &held)["status"], "STARTED");
    let why = project.run(["why", &held, "hold"]).expect(0).stdout;
    assert!(why.contains("it does not wait"), "{why}");
    assert!(project.run(["workers"]).expect(0).stdout.contains("1"));
    project.run(["cancel", &held]).expect(0);
    assert_eq!(ended(&pages, &held)["status"], "CANCELED");
    let (_, listed) = project.json(["runs"]);
    let jobs: Vec<&str> =
        listed["runs"].as_array().expect("a list").iter().filter_map(|run| run["job"].as_str()).collect();
    assert_eq!(jobs, ["held", "fails", "count"]);
    // What must have the state for itself says who has it.
    let refused = project.run(["gc"]).expect(5);
    let hint = format!("who serves the pages at http://{} has it: end that first", pages.address);
    assert!(refused.stderr.contains(&hint), "{refused:#?}");
    // A sign that a kill has left is nobody's.
    pages.process.expect("it is this one's").kill();
    project.run(["run", "fails"]).expect(10);
}
