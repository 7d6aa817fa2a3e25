//! A new project builds, runs and passes its own test at once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cofferdam_e2e::{program, workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A new project in some language, that has run and passed its tests.
struct Started {
    folder: TempDir,
}

impl Started {
    /// `passed` is what the tests of the language say.
    fn new(language: &str, passed: &str) -> Started {
        let started = Started { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        started.run_in(started.folder.path(), &["new", "weather", "--lang", language]);
        let (ended, _) = started.run(&["run", "hello", "--export", "out"]);
        assert!(ended.starts_with("succeeded in "), "{ended}");
        let letter = started.project().join("out/letter.json");
        let letter = std::fs::read_to_string(letter).expect("the letter is exported");
        assert_eq!(letter.trim(), r#""Hello, Ada!\nHello, Grace!\nHello, Katherine!""#);
        let (answer, said) = started.run(&["test"]);
        assert_eq!(answer, "tests pass: weather, 2 tests of the project\n");
        assert!(said.contains(passed) && said.contains("pass  greets_by_name"), "{said}");
        let (_, said) = started.run(&["run", "hello"]);
        assert!(!said.contains("building"), "nothing has changed: {said}");
        started
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("weather")
    }

    /// What the program answers and what it says.
    fn run(&self, args: &[&str]) -> (String, String) {
        self.run_in(&self.project(), args)
    }

    fn run_in(&self, place: &Path, args: &[&str]) -> (String, String) {
        let mut command = Command::new(program());
        command.args(args).current_dir(place).env("NO_COLOR", "1");
        // Of Rust: kept between test runs, because most of the time goes into the SDK's dependencies.
        command.env("CARGO_TARGET_DIR", workspace().join("target/new-project"));
        let ended = command.output().expect("it can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(ended.status.success(), "{args:?}: {}", text(&ended.stderr));
        (text(&ended.stdout), text(&ended.stderr))
    }
}

#[test]
fn l4_a_new_project_in_rust_runs_at_once_and_passes_its_tests() {
    Started::new("rust", "1 passed");
}

#[test]
fn l4_a_new_project_in_javascript_does_so_too() {
    Started::new("javascript", "pass 1");
}

#[test]
fn l4_a_new_project_in_c_does_so_too() {
    Started::new("c", "tests/ops.c ... ok");
}

#[test]
fn l4_a_new_project_in_go_does_so_too() {
    Started::new("go", "ok  \tweather");
}

/// FEATURES.md, row L5: other programs load a component of this kind for two seconds at each call.
#[test]
fn l5_a_new_project_in_python_does_so_too_and_its_steps_start_hot_in_less_than_50_ms() {
    const HOT: Duration = Duration::from_millis(50);
    const N_STEPS: usize = 40;
    let started = Started::new("python", "2 passed");
    let names: Vec<String> = (0..N_STEPS).map(|n| format!("n{n}")).collect();
    let config = json!({ "ops": { "people": { "config": { "names": names } } } });
    std::fs::write(started.project().join("many.json"), config.to_string()).expect("it can be written");
    let (run, _) = started.run(&["run", "hello", "--config", "many.json", "--json"]);
    let run: Value = serde_json::from_str(&run).expect("one JSON document");
    let mut walls: Vec<u64> = vec![];
    for step in run["steps"].as_array().expect("a list") {
        if step["step"].as_str().is_some_and(|key| key.starts_with("greet[")) {
            let attempt = step["attempts"].as_array().and_then(|attempts| attempts.last());
            walls.push(attempt.expect("it ran")["usage"]["wall_us"].as_u64().expect("a number"));
        }
    }
    assert_eq!(walls.len(), N_STEPS);
    walls.sort_unstable();
    let median = Duration::from_micros(walls[N_STEPS / 2]);
    assert!(median < HOT, "a step takes {median:?}");
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
