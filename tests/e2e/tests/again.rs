//! Runs that are executed again: by hand, and by the instance itself when they fail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::until;
use cofferdam_e2e::look::id;
use serde_json::Value;

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

/// A query per word of a text, each in a graph of its own, then a gate that is closed until there is a file `open`.
const QUERIES: &str = r#"
[resources.db]
kind = "sql"
url = "sqlite:flights.sqlite"

[resources.gate]
kind = "command"
program = "sh"
arguments = ["-c", "test -e open"]
folder = "."
env = { PATH = { env = "PATH" } }

[graphs.look]
inputs = ["text"]
outputs.n = "words.n"
[graphs.look.steps.ask]
op = "resources.query"
inputs.text = { input = "text" }
[graphs.look.steps.words]
op = "resources.split"
inputs.text = "ask"

[graphs.part]
inputs = ["text"]
outputs.n = "look.n"
[graphs.part.steps.look]
graph = "look"
inputs.text = { input = "text" }

[jobs.queries.steps.split]
op = "resources.split"
inputs.text = { value = "select(1) select*from(flights) select(3)" }
[jobs.queries.steps.part]
graph = "part"
inputs.text = { map = "split.words" }
[jobs.queries.steps.total]
op = "resources.total"
inputs.numbers = { collect = "part.n" }
[jobs.queries.steps.apart]
op = "typed.double"
inputs.number = { value = 20 }
[jobs.queries.steps.gate]
op = "resources.execute"
bind = { program = "gate" }
inputs.arguments = { value = [] }
after = ["total"]
[jobs.queries.steps.last]
op = "typed.sum"
inputs.numbers = ["apart", "total"]
after = ["gate"]

[jobs.mend.steps.keep]
op = "resources.keep"
inputs.flights = { value = [{ carrier = "LH", delay = 4 }] }
"#;

fn project(definitions: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{definitions}"), &["typed", "resources"])
}

/// Which steps of a run were run, and of which runs the others were taken over.
fn ran_and_taken(project: &Project, run: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let ended = project.run(["show", "--events", run]).expect(0);
    let (mut ran, mut taken) = (vec![], BTreeMap::new());
    for line in ended.stdout.lines() {
        let event: Value = serde_json::from_str(line).expect("a line is an event");
        let text = |field: &str| event["event"][field].as_str().unwrap_or_default().to_owned();
        match event["event"]["type"].as_str() {
            Some("step_dispatched") => ran.push(text("step")),
            Some("step_reused") => {
                taken.insert(text("step"), text("from"));
            }
            _ => {}
        }
    }
    ran.sort();
    (ran, taken)
}

fn value(project: &Project, run: &str, step: &str) -> Value {
    let (exit, shown) = project.json(["value", "show", run, step]);
    assert_eq!(exit, 0, "{shown:#}");
    shown["value"].clone()
}

#[test]
fn g4_from_the_failure_runs_exactly_what_is_left_over_two_generations() {
    let project = project(QUERIES);
    let (exit, first) = project.json(["run", "queries"]);
    assert_eq!(exit, 10, "{first:#}");
    let first = id(&first).to_owned();

    // One query fails again: the other copies, their producer and what stands apart are taken over.
    let (exit, again) = project.json(["rerun", "--from-failure"]);
    assert_eq!(exit, 10, "{again:#}");
    let (ran, taken) = ran_and_taken(&project, id(&again));
    assert_eq!(ran, ["part.look.ask[w1]"]);
    let kept = ["apart", "part.look.ask[w0]", "part.look.ask[w2]", "part.look.words[w0]"];
    assert!(kept.iter().all(|step| taken[*step] == first), "{taken:#?}");

    project.run(["run", "mend"]).expect(0);
    let (exit, second) = project.json(["rerun", id(&again), "--from-failure"]);
    assert_eq!(exit, 10, "the gate is closed: {second:#}");
    let (ran, taken) = ran_and_taken(&project, id(&second));
    assert_eq!(ran, ["gate", "part.look.ask[w1]", "part.look.words[w1]", "total"]);
    assert!(taken.values().all(|from| *from == first), "the run between them made nothing: {taken:#?}");

    project.write("open", "");
    let (exit, third) = project.json(["rerun", id(&second), "--from-failure"]);
    assert_eq!(exit, 0, "{third:#}");
    let (ran, taken) = ran_and_taken(&project, id(&third));
    assert_eq!(ran, ["gate", "last"]);
    assert_eq!(taken["apart"], first, "from the nearest run that made it");
    assert_eq!(taken["total"], id(&second));
    assert_eq!(
        (&third["origin"]["parent"], &third["origin"]["root"]),
        (&second["run"], &first.clone().into())
    );

    let (exit, all) = project.json(["rerun", id(&third)]);
    assert_eq!(exit, 0, "{all:#}");
    let (ran, taken) = ran_and_taken(&project, id(&all));
    assert_eq!((ran.len(), taken.len()), (11, 0), "{ran:?}");
    assert_eq!(value(&project, id(&all), "last"), value(&project, id(&third), "last"));

    let (_, shown) = project.json(["show", &first]);
    assert_eq!(shown["executed_again_by"], serde_json::json!([again["run"]]));
    let text = project.run(["show", id(&second)]).expect(0).stdout;
    assert!(text.contains(&format!("re-execution of run {}, from the failure", id(&again))), "{text}");
    assert!(text.contains(&format!("the first was run {first}")), "{text}");
    let (_, runs) = project.json(["runs"]);
    assert_eq!(runs["runs"][0]["origin"]["parent"], third["run"]);
    assert!(project.run(["runs"]).expect(0).stdout.contains("OF RUN"));
}

const NUMBERS: &str = r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.twice]
op = "typed.double"
inputs.number = { map = "numbers.each" }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "twice" }
[jobs.j.steps.beside]
op = "typed.work"
inputs.number = { value = 5 }
config = { rounds = 1 }
"#;

/// A gate that is closed the first time.
const SECOND_TIME: &str = r#"
[resources.gate]
kind = "command"
program = "sh"
arguments = ["-c", "test -e seen || { touch seen; exit 1; }"]
folder = "."
env = { PATH = { env = "PATH" } }

[jobs.j.steps.before]
op = "typed.double"
inputs.number = { value = 2 }
[jobs.j.steps.gate]
op = "resources.execute"
bind = { program = "gate" }
inputs.arguments = { value = [] }
after = ["before"]
[jobs.j.steps.after]
op = "typed.double"
inputs.number = "before"
after = ["gate"]
"#;

#[test]
fn g5_any_steps_run_again_with_other_config_and_a_failed_run_is_retried_by_itself() {
    let numbers = project(NUMBERS);
    let (_, first) = numbers.json(["run", "j"]);
    let (exit, some) = numbers.json(["rerun", "--select", "twice[n1]+"]);
    assert_eq!(exit, 0, "{some:#}");
    let (ran, taken) = ran_and_taken(&numbers, id(&some));
    assert_eq!(ran, ["sum", "twice[n1]"]);
    assert_eq!(taken.keys().collect::<Vec<_>>(), ["numbers", "twice[n0]", "twice[n2]"]);

    numbers.write("other.yaml", "ops: {numbers: {config: {n: 4, offset: 10}}}\n");
    let ended = numbers.run(["rerun", id(&first), "--select", "numbers+", "-c", "other.yaml"]).expect(0);
    // The shape in which a selected producer is named covers its copies and their collector as well.
    assert!(ended.stderr.contains("config "), "what has changed is shown: {ended:#?}");
    let (_, changed) = numbers.json(["show"]);
    let (ran, _) = ran_and_taken(&numbers, id(&changed));
    assert!(ran.contains(&"twice[n3]".to_owned()) && !ran.contains(&"beside".to_owned()), "{ran:?}");

    let declared = "[jobs.j]\nrun_retry = { max_retries = 2 }\n";
    let retried = project(&format!("{declared}{SECOND_TIME}"));
    let mut command = retried.command(["run", "j", "--json", "--export", "out"]);
    let ended: cofferdam_e2e::Ended = command.output().expect("the program can be started").into();
    let ended = ended.expect(0);
    let last: Value = serde_json::from_str(&ended.stdout).expect("one document");
    assert!(ended.stderr.contains("retry 1 of the run, from the failure"), "{ended:#?}");
    assert_eq!(retried.read("out/after.json").trim(), "8");
    let (_, runs) = retried.json(["runs"]);
    let runs = runs["runs"].as_array().expect("a list");
    let statuses: Vec<&str> = runs.iter().filter_map(|run| run["status"].as_str()).collect();
    assert_eq!(statuses, ["succeeded", "failed"]);
    assert_eq!((&last["origin"]["parent"], &last["origin"]["automatic"]), (&runs[1]["run"], &true.into()));
    let tags = &runs[0]["tags"];
    let wanted = [("parent_run_id", id(&runs[1])), ("root_run_id", id(&runs[1])), ("retry_number", "1")];
    for (tag, expected) in wanted {
        assert_eq!(tags[&format!("dagster/{tag}")], expected, "{tags:#}");
    }
    assert_eq!(tags["dagster/is_resume_retry"], "true");
    let (ran, taken) = ran_and_taken(&retried, id(&last));
    assert_eq!((ran, taken.len()), (vec!["after".to_owned(), "gate".to_owned()], 1));
}

#[test]
fn the_tags_of_a_run_say_how_it_is_retried_and_the_last_retry_is_the_answer() {
    let shut = SECOND_TIME.replace("test -e seen || { touch seen; exit 1; }", "exit 1");
    let tags = "[jobs.j]\nrun_retry = { max_retries = 5 }\n\
        tags = { \"dagster/max_retries\" = \"2\", \"dagster/retry_strategy\" = \"ALL_STEPS\" }\n";
    let project = project(&format!("{tags}{shut}"));
    let (exit, last) = project.json(["run", "j", "--idempotency-key", "today"]);
    assert_eq!(exit, 10, "{last:#}");
    let (ran, taken) = ran_and_taken(&project, id(&last));
    assert_eq!((ran, taken.len()), (vec!["before".to_owned(), "gate".to_owned()], 0));
    let (_, runs) = project.json(["runs"]);
    let runs = runs["runs"].as_array().expect("a list");
    let numbers: Vec<&Value> = runs.iter().map(|run| &run["tags"]["dagster/retry_number"]).collect();
    assert_eq!(numbers, [&Value::from("2"), &Value::from("1"), &Value::Null]);
    assert_eq!(last["origin"]["root"], runs[2]["run"]);
    assert_eq!((&last["origin"]["parent"], &last["run"]), (&runs[1]["run"], &runs[0]["run"]));

    // Neither the same key nor `resume` starts anything: the last retry is what became of the run.
    let (exit, same) = project.json(["run", "j", "--idempotency-key", "today"]);
    assert_eq!((exit, &same["run"]), (10, &last["run"]));
    project.run(["resume"]).expect(2);
    let (_, after) = project.json(["runs"]);
    assert_eq!(after["runs"].as_array().map(Vec::len), Some(3));
    // The tag of one run comes before those of its job.
    project.run(["run", "j", "--tag", "dagster/max_retries=0"]).expect(10);
    let (_, after) = project.json(["runs"]);
    assert_eq!(after["runs"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_retry_is_neither_lost_nor_started_twice_if_the_program_is_killed() {
    // The retry takes a while, so that the kill comes before its end.
    let slow = SECOND_TIME.replace("exit 1; }", "exit 1; } && sleep 1");
    let definitions = format!("[jobs.j]\nrun_retry = {{ max_retries = 1 }}\n{slow}");
    for wait in [0, 30, 80] {
        let project = project(&definitions);
        let mut child = project.start(["run", "j", "--quiet"]);
        let failed = || {
            let (_, runs) = project.json(["runs"]);
            runs["runs"].as_array().is_some_and(|runs| runs.iter().any(|run| run["status"] == "failed"))
        };
        until("the run fails", failed);
        // The kill falls at another place each time: before the retry is recorded, or after.
        let spread = Instant::now();
        while spread.elapsed() < Duration::from_millis(wait) {
            std::hint::spin_loop();
        }
        child.kill().expect("the child can be killed");
        child.wait().expect("the child can be waited for");
        let resumed = project.run(["resume", "--json"]).expect(0);
        let last: Value = serde_json::from_str(&resumed.stdout).expect("one document");
        assert_eq!((&last["status"], &last["origin"]["automatic"]), (&"succeeded".into(), &true.into()));
        let (_, runs) = project.json(["runs"]);
        assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2), "{runs:#}");
        project.run(["resume"]).expect(2);
    }
}

#[test]
fn relative_paths_start_at_the_project_wherever_the_state_is() {
    let project = project(QUERIES);
    let elsewhere = tempfile::tempdir().expect("a temporary folder can be made");
    let state = elsewhere.path().join("deep/state");
    let state = state.to_str().expect("the path is text");
    project.run(["run", "mend", "--state-dir", state]).expect(0);
    assert!(project.path().join("flights.sqlite").is_file());
    project.write("open", "");
    let (exit, run) = project.json(["run", "queries", "--state-dir", state]);
    assert_eq!(exit, 0, "{run:#}");
}
