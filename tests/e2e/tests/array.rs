//! The array example: its sums, made in sandboxes with vector instructions, are those of an independent computation.

use std::path::Path;
use std::process::{Command, Stdio};

use cofferdam_e2e::{Ended, program, workspace};
use serde_json::{Value, json};

/// Sums of doubles are taken in another order by the example and by who checks it.
const TOLERANCE: f64 = 1e-12;

fn run(state: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(program());
    command.current_dir(workspace().join("examples/array")).args(args);
    command.arg("--json").arg("--state-dir").arg(state).env("NO_COLOR", "1");
    command.env("CARGO_TARGET_DIR", workspace().join("target/guests-build"));
    let ended: Ended = command.stdin(Stdio::null()).output().expect("the program can be started").into();
    let ended = ended.expect(0);
    serde_json::from_str(&ended.stdout).expect("one JSON document")
}

#[test]
fn the_sums_of_the_array_program_are_those_of_an_independent_computation() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let expected = std::fs::read_to_string(workspace().join("examples/array/expected/sums.json"));
    let expected: Value = serde_json::from_str(&expected.expect("it is there")).expect("it is JSON");
    let config = folder.path().join("run.json");
    let text = json!({ "ops": { "chunks": { "config": expected["arrays"] } } }).to_string();
    std::fs::write(&config, text).expect("it can be written");

    let state = folder.path().join("state");
    let done = run(&state, &["run", "sums", "--config", config.to_str().expect("a path in UTF-8")]);
    assert_eq!(done["status"], "succeeded");
    let id = done["run"].as_str().expect("a run has an id");
    // 3 × 3 × 2 chunks, what cuts them and what adds them up.
    assert_eq!(done["steps"].as_array().map(Vec::len), Some(20));

    let found = run(&state, &["value", "show", id, "row_sums", "sums"])["value"].clone();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().into_iter().flatten().map(|number| number.as_f64().expect("a number")).collect()
    };
    let (found, expected) = (numbers(&found), numbers(&expected["sums"]));
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= TOLERANCE * expected, "row {row}: {found} is not {expected}");
    }
}
