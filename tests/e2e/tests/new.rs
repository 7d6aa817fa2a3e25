//! A new project builds, runs and passes its own test at once.

use std::path::Path;
use std::process::Command;

use cofferdam_e2e::{program, workspace};

#[test]
fn a_new_project_runs_at_once_and_passes_its_test() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // Kept between test runs, because most of the time goes into the SDK's dependencies.
    let target = workspace().join("target/new-project");
    let run = |command: &mut Command| {
        let ended = command
            .env("CARGO_TARGET_DIR", &target)
            .env("NO_COLOR", "1")
            .output()
            .expect("it can be started");
        assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    run(Command::new(program()).args(["new", "weather"]).current_dir(folder.path()));
    let project = folder.path().join("weather");
    let ended = run(Command::new(program()).args(["run", "hello", "--export", "out"]).current_dir(&project));
    assert!(ended.starts_with("succeeded in "), "{ended}");
    let letter = std::fs::read_to_string(project.join("out/letter.json")).expect("the letter is exported");
    assert_eq!(letter.trim(), r#""Hello, Ada!\nHello, Grace!\nHello, Katherine!""#);
    let tests = run(Command::new("cargo").arg("test").current_dir(project.join("ops")));
    assert!(tests.contains("1 passed"), "{tests}");
}

/// Starts a project in that language, runs it and its tests; `passed` is what the tests say.
fn starts_at_once(language: &str, passed: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let run = |args: &[&str], place: &Path| {
        let mut command = Command::new(program());
        let ended = command.args(args).current_dir(place).env("NO_COLOR", "1").output();
        let ended = ended.expect("it can be started");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{args:?}: {said}");
        said
    };
    run(&["new", "weather", "--lang", language], folder.path());
    let project = folder.path().join("weather");
    run(&["run", "hello", "--export", "out"], &project);
    let letter = std::fs::read_to_string(project.join("out/letter.json")).expect("the letter is exported");
    assert_eq!(letter.trim(), r#""Hello, Ada!\nHello, Grace!\nHello, Katherine!""#);
    let tests = run(&["test"], &project);
    assert!(tests.contains(passed), "{tests}");
}

#[test]
fn a_new_project_in_javascript_does_so_too() {
    starts_at_once("javascript", "pass 1");
}

#[test]
fn a_new_project_in_c_does_so_too() {
    starts_at_once("c", "tests/ops.c ... ok");
}

#[test]
fn a_new_project_in_go_does_so_too() {
    starts_at_once("go", "ok  \tweather");
}

#[test]
fn a_new_python_project_runs_at_once_and_passes_its_test() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let project = folder.path().join("weather");
    let run = |args: &[&str], at: &std::path::Path| {
        let ended = Command::new(program()).args(args).current_dir(at).env("NO_COLOR", "1").output();
        let ended = ended.expect("it can be started");
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&ended.stdout), text(&ended.stderr))
    };
    run(&["new", "weather", "--lang", "python"], folder.path());
    let (ended, _) = run(&["run", "hello", "--export", "out"], &project);
    assert!(ended.starts_with("succeeded in "), "{ended}");
    let letter = std::fs::read_to_string(project.join("out/letter.json")).expect("the letter is exported");
    assert_eq!(letter.trim(), r#""Hello, Ada!\nHello, Grace!\nHello, Katherine!""#);
    let (passed, said) = run(&["test"], &project);
    assert!(passed.contains("tests pass: weather") && said.contains("2 passed"), "{said}");
    let (_, said) = run(&["run", "hello"], &project);
    assert!(!said.contains("building"), "nothing has changed: {said}");
}

/// What is wrong with an op in Python is said with its place, and the program says what to do.
#[test]
fn an_op_in_python_that_cannot_be_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |path: &str, text: &str| {
        std::fs::write(folder.path().join(path), text).expect("a file can be written");
    };
    std::fs::create_dir(folder.path().join("ops")).expect("a folder can be made");
    write("cofferdam.toml", "[libraries.stats]\npython = \"ops\"\n");
    write(
        "ops/ops.py",
        "from cofferdam_op import op\n\n\n@op\ndef mean(numbers: complex) -> float:\n    return 0.0\n",
    );
    let build = || {
        let ended =
            Command::new(program()).arg("build").current_dir(folder.path()).env("NO_COLOR", "1").output();
        let ended = ended.expect("it can be started");
        assert_eq!(ended.status.code(), Some(3));
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let said = build();
    assert!(said.contains("error: ops.py:4: op `mean`: parameter `numbers`: `complex` is no type"), "{said}");
    write("ops/requirements.txt", "numpy\n");
    let said = build();
    assert!(said.contains("`numpy` cannot be carried in a component") && said.contains("Rust op"), "{said}");
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(folder.path().join("weather")).expect("a folder can be made");
    let ended = Command::new(program()).args(["new", "weather"]).current_dir(folder.path()).output();
    let ended = ended.expect("the program can be started");
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path().join("weather")).expect("it is there").count(), 0);
}
