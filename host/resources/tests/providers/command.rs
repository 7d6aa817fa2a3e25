//! The kind `command`, with real programs.

use std::time::Duration;

use crate::support::World;
use cofferdam_model::{CommandResult, Name, PlanResource, ResourceAnswer, ResourceCall, ResourceKind};
use serde_json::{Value, json};
use tokio::time::Instant;

fn run(arguments: &[&str], stdin: &str) -> ResourceCall {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    ResourceCall::Command { arguments, stdin: stdin.as_bytes().to_vec() }
}

fn shell(script: &str) -> Value {
    json!({ "program": "/bin/sh", "arguments": ["-c", script] })
}

async fn result(world: &World, settings: &Value, call: ResourceCall) -> CommandResult {
    match world.call(ResourceKind::Command, settings, call).await.unwrap() {
        ResourceAnswer::Command(result) => result,
        other => panic!("{other:?}"),
    }
}

async fn stdout(world: &World, settings: &Value, call: ResourceCall) -> String {
    let result = result(world, settings, call).await;
    assert_eq!(result.exit_code, Some(0), "{}", String::from_utf8_lossy(&result.stderr));
    String::from_utf8(result.stdout).unwrap()
}

/// Waits until a process is gone, which its killer does not wait for.
async fn gone(pid: &str) {
    let until = Instant::now() + crate::support::LONG;
    let alive =
        || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while alive() {
        assert!(Instant::now() < until, "process {pid} is still running");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a file that a program writes.
async fn written(path: &std::path::Path) -> String {
    let until = Instant::now() + crate::support::LONG;
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(Instant::now() < until, "nothing was written"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn code_output_and_errors_of_a_program_come_back() {
    let world = World::new(&[]);
    let found = result(&world, &shell("cat; echo trouble >&2; exit 3"), run(&[], "input")).await;
    let expected =
        CommandResult { exit_code: Some(3), stdout: b"input".to_vec(), stderr: b"trouble\n".to_vec() };
    assert_eq!(found, expected);
    assert_eq!(result(&world, &shell("kill -9 $$"), run(&[], "")).await.exit_code, None);
}

#[tokio::test]
async fn a_program_has_the_environment_that_its_settings_say_and_no_more() {
    let world = World::new(&[("SECRET", "hunter2-and-more"), ("PATH", "/usr/bin:/bin")]);
    let settings = json!({
        "program": "env",
        "env": { "TOKEN": { "env": "SECRET" }, "PATH": { "env": "PATH" }, "LEVEL": "3" },
    });
    let mut lines: Vec<String> =
        stdout(&world, &settings, run(&[], "")).await.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["LEVEL=3", "PATH=/usr/bin:/bin", "TOKEN=hunter2-and-more"]);
}

#[tokio::test]
async fn it_runs_in_its_folder() {
    let world = World::new(&[]);
    let project = world.folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let settings = json!({ "program": "/bin/pwd", "folder": "project" });
    assert_eq!(
        stdout(&world, &settings, run(&[], "")).await.trim(),
        project.canonicalize().unwrap().to_str().unwrap()
    );
    let fault = world
        .fault(ResourceKind::Command, &json!({ "program": "/bin/pwd", "folder": "nowhere" }), run(&[], ""))
        .await;
    insta::assert_snapshot!(fault, @"Failed: resource `it` of kind `command`: the folder `FOLDER/nowhere`, in which the program is to run, is not there");
}

#[tokio::test]
async fn an_op_adds_only_arguments_that_are_listed() {
    let world = World::new(&[]);
    let settings =
        json!({ "program": "/bin/echo", "arguments": ["fixed"], "allow_arguments": ["run", "--select=*"] });
    assert_eq!(
        stdout(&world, &settings, run(&["run", "--select=a b; $(id)"], "")).await,
        "fixed run --select=a b; $(id)\n"
    );
    let fault = world.fault(ResourceKind::Command, &settings, run(&["run", "--profiles-dir=/etc"], "")).await;
    insta::assert_snapshot!(fault, @"Denied: resource `it` of kind `command`: the argument `--profiles-dir=/etc` is not allowed: `allow_arguments` in its settings lists `run`, `--select=*`");
    let closed = json!({ "program": "/bin/echo" });
    assert_eq!(stdout(&world, &closed, run(&[], "")).await, "\n");
    insta::assert_snapshot!(world.fault(ResourceKind::Command, &closed, run(&["x"], "")).await, @"Denied: resource `it` of kind `command`: the argument `x` is not allowed: it lets ops add no arguments; `allow_arguments` in its settings would list them");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let world = World::new(&[("PATH", "/usr/bin:/bin")]);
    let fault = async |program: &str| {
        world.fault(ResourceKind::Command, &json!({ "program": program }), run(&[], "")).await
    };
    insta::assert_snapshot!(fault("dbt-of-nobody").await, @"Failed: resource `it` of kind `command`: the program `dbt-of-nobody` is not in the PATH of the worker; install it there, or name it by its absolute path");
    insta::assert_snapshot!(fault("/opt/nowhere/dbt").await, @"Failed: resource `it` of kind `command`: there is no program at `/opt/nowhere/dbt` that may be run");
    insta::assert_snapshot!(fault("bin/dbt").await, @"Invalid: resource `it` of kind `command`: `program` is `bin/dbt`; write an absolute path, or a name that is looked up in PATH");
    let file = world.folder.path().join("notes.txt");
    std::fs::write(&file, "no program").unwrap();
    insta::assert_snapshot!(fault(file.to_str().unwrap()).await, @"Failed: resource `it` of kind `command`: there is no program at `FOLDER/notes.txt` that may be run");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let world = World::new(&[]);
    let script = "sleep 600 & echo $! > child; echo $$ > parent; wait";
    let mut settings = shell(script);
    settings["timeout"] = "1s".into();
    settings["env"] = json!({ "PATH": "/usr/bin:/bin" });
    let fault = world.fault(ResourceKind::Command, &settings, run(&[], "")).await;
    insta::assert_snapshot!(fault, @"Unavailable: resource `it` of kind `command`: it did not answer within 1s; `timeout` in its settings says how long a call may take");
    for name in ["child", "parent"] {
        gone(&written(&world.folder.path().join(name)).await).await;
    }
}

#[tokio::test]
async fn a_dropped_call_kills_the_program_with_its_children() {
    let world = World::new(&[]);
    let script = "sleep 600 & echo $! > child; echo $$ > parent; wait";
    let mut settings = shell(script);
    settings["env"] = json!({ "PATH": "/usr/bin:/bin" });
    let paths = ["child", "parent"].map(|name| world.folder.path().join(name));
    let mut pids = Vec::new();
    tokio::select! {
        answer = world.call(ResourceKind::Command, &settings, run(&[], "")) => panic!("{answer:?}"),
        () = async { for path in &paths { pids.push(written(path).await) } } => {}
    }
    for pid in &pids {
        gone(pid).await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_ends_with_it() {
    let world = World::new(&[]);
    let mut settings = shell("sleep 600 & echo $!");
    settings["env"] = json!({ "PATH": "/usr/bin:/bin" });
    let started = Instant::now();
    let pid = stdout(&world, &settings, run(&[], "")).await;
    gone(pid.trim()).await;
    assert!(started.elapsed() < crate::support::LONG, "its pipes were waited for");
}

#[tokio::test]
async fn the_deadline_of_the_step_holds_as_well() {
    let world = World::new(&[]);
    let resource = PlanResource {
        kind: ResourceKind::Command,
        settings: json!({ "program": "/bin/sleep", "arguments": ["600"] }),
    };
    let deadline = Some(Instant::now() + Duration::from_millis(100));
    let fault =
        world.resources.call(&Name::new("it").unwrap(), &resource, run(&[], ""), deadline).await.unwrap_err();
    insta::assert_snapshot!(fault, @"resource `it` of kind `command`: the step's time was up before it answered");
}

#[tokio::test]
async fn output_has_a_bound() {
    let world = World::new(&[]);
    let fault = world.fault(ResourceKind::Command, &json!({ "program": "/usr/bin/yes" }), run(&[], "")).await;
    insta::assert_snapshot!(fault, @"TooLarge: resource `it` of kind `command`: the program was killed: it wrote more than 16777216 bytes to standard output");
    let ended = result(&world, &shell("exit 0"), run(&[], &"x".repeat(1 << 20))).await;
    assert_eq!(ended.exit_code, Some(0), "input that nobody reads is no fault");
}
