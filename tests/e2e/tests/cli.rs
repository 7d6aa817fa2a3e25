//! Manners of the program: streams, exit codes, JSON, and the commands that look at things.

use std::process::Command;

use cofferdam_e2e::{Project, program};

const NUMBERS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.total]
description = "Doubles numbers and adds them up."

[jobs.total.steps.numbers]
op = "typed.numbers"
config = { n = 5 }

[jobs.total.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }

[jobs.total.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
"#;

fn numbers() -> Project {
    Project::new(NUMBERS)
}

#[test]
fn the_run_config_changes_what_the_definitions_say() {
    let project = numbers();
    project.write("run.yaml", "ops:\n  numbers:\n    config: {n: 3, offset: 10}\n");
    let (exit, run) = project.json(["run", "total", "-c", "run.yaml", "--export", "out"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(project.read("out/sum.json").trim(), "66");
}

#[test]
fn zero_keys_collect_into_an_empty_list() {
    let project = numbers();
    project.write("run.yaml", "ops: {numbers: {config: {n: 0}}}\n");
    let (exit, run) = project.json(["run", "total", "-c", "run.yaml", "--export", "out"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(project.read("out/sum.json").trim(), "0");
}

#[test]
fn g9_the_same_idempotency_key_gives_the_same_run() {
    let project = numbers();
    let (_, first) = project.json(["run", "total", "--idempotency-key", "today"]);
    let (exit, second) = project.json(["run", "total", "--idempotency-key", "today"]);
    assert_eq!((exit, &first["run"]), (0, &second["run"]));
    let (_, runs) = project.json(["runs"]);
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn logs_show_what_an_op_wrote_with_its_step_and_level() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.w]\nop = \"typed.work\"\ninputs.number = { value = 7 }\nconfig = { rounds = 10 }\n",
    );
    project.run(["run"]).expect(0);
    let (_, logs) = project.json(["logs", "--step", "w", "--level", "info"]);
    assert_eq!(logs["lines"][0]["message"], "working on 7");
    assert_eq!(logs["lines"][0]["source"], "op");
    let text = project.run(["logs"]).expect(0);
    assert!(text.stdout.contains("info") && text.stdout.contains("w: working on 7"), "{text:#?}");
}

#[test]
fn what_an_op_prints_is_logged_to_its_last_character() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.m]\nop = \"typed.mutter\"\n",
    );
    project.run(["run", "-q"]).expect(0);
    let (_, logs) = project.json(["logs"]);
    let lines: Vec<&str> = logs["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["source"] == "stdout")
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert_eq!(lines, ["a whole line", "half a line"]);
}

#[test]
fn the_answer_is_on_stdout_and_talk_on_stderr() {
    let project = numbers();
    let ended = project.run(["run", "total"]).expect(0);
    assert!(ended.stdout.starts_with("succeeded in "), "{ended:#?}");
    assert!(ended.stderr.contains("done  sum"), "{ended:#?}");
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{ended:#?}");
    let quiet = project.run(["run", "total", "--quiet"]).expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a1_library_inspect_prints_ports_without_running_an_op() {
    let project = numbers();
    let (exit, document) = project.json(["library", "inspect", "lib/typed.wasm"]);
    assert_eq!(exit, 0, "{document:#}");
    let ops = document["library"]["ops"].as_array().expect("ops");
    let double = ops.iter().find(|op| op["name"] == "double").expect("the op double");
    assert_eq!(double["inputs"][0]["name"], "number");
    assert_eq!(double["inputs"][0]["schema"]["type"], "integer");
    assert_eq!(double["outputs"][0]["name"], "result");
    let by_name = project.run(["library", "inspect", "typed"]).expect(0);
    assert!(by_name.stdout.contains("in   numbers: many uint64"), "{by_name:#?}");
}

#[test]
fn b1_two_runs_of_one_job_share_one_plan() {
    let project = numbers();
    let (_, plan) = project.json(["plan", "total"]);
    let (_, first) = project.json(["run", "total"]);
    let (_, second) = project.json(["run", "total"]);
    assert_eq!(first["plan"], second["plan"]);
    assert_eq!(first["plan"], plan["digest"]);
    assert_ne!(first["run"], second["run"]);
    // A run stays viewable after its job is gone.
    project.write("cofferdam.toml", "");
    let (exit, shown) = project.json(["show", first["run"].as_str().expect("an id")]);
    assert_eq!((exit, &shown["status"]), (0, &"succeeded".into()));
}

#[test]
fn c_01_wrong_arguments_end_with_usage_and_a_suggestion() {
    let ended = Command::new(program()).arg("lunch").output().expect("the program can be started");
    assert_eq!(ended.status.code(), Some(2));
    let ended = Command::new(program()).arg("rnu").output().expect("the program can be started");
    assert!(
        String::from_utf8_lossy(&ended.stderr).contains("a similar subcommand exists: 'runs'"),
        "{ended:?}"
    );
    let ended = Command::new(program()).output().expect("the program can be started");
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn outside_a_project_the_message_says_how_to_start_one() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(folder.path().join(".git")).expect("a folder can be made");
    let ended = Command::new(program()).arg("check").current_dir(folder.path()).output();
    let ended = ended.expect("the program can be started");
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cofferdam new"), "{ended:?}");
}

#[test]
fn an_ambiguous_or_unknown_run_is_refused_in_words() {
    let project = numbers();
    project.run(["run", "total", "-q"]).expect(0);
    project.run(["run", "total", "-q"]).expect(0);
    let ended = project.run(["show", "ffff"]).expect(2);
    assert!(ended.stderr.contains("no run starts with `ffff`"), "{ended:#?}");
    let ended = project.run(["show", "0"]).expect(2);
    assert!(ended.stderr.contains("may be any of"), "{ended:#?}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Command::new(program()).args(["completions", shell]).output().expect("it can be started");
        assert!(ended.status.success() && !ended.stdout.is_empty(), "{shell}: {ended:?}");
    }
}
