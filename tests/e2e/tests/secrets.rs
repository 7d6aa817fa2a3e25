//! Secrets of a config, through the real program: where they are not.

use std::path::Path;

use cofferdam_e2e::Project;
use serde_json::json;

/// Every file below a folder that holds these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if path.is_file() {
            let content = std::fs::read(&path).expect("the file can be read");
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_is_in_no_file_and_one_that_is_typed_in_clear_is_refused() {
    const SECRET: &str = "correct-horse-battery";
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.c]\nop = \"typed.configured\"\n",
    );
    let config = |secret: &str| {
        format!("ops: {{c: {{config: {{n: 1, source: {{file: {{path: a}}}}, secret: {secret}}}}}}}\n")
    };
    project.write("run.yaml", config(SECRET));
    for command in ["run", "plan"] {
        let ended = project.run([command, "-c", "run.yaml"]).expect(3);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(SECRET), "{ended:#?}");
        assert!(ended.stderr.contains("error[plan::secret-in-clear]"), "{ended:#?}");
        assert!(ended.stderr.contains("{env: SECRET}"), "{ended:#?}");
    }
    project.write("run.yaml", config("{env: LOGIN_SECRET}"));
    let mut command = project.command(["run", "-c", "run.yaml", "--export", "out"]);
    let ended = command.env("LOGIN_SECRET", SECRET).output().expect("the program can be started");
    assert!(ended.status.success(), "{ended:#?}");
    let told = format!("secret of {}", SECRET.len());
    assert!(
        project.result("c").as_array().is_some_and(|lines| lines.contains(&json!(told))),
        "the op has it"
    );
    let state = project.path().join(".cofferdam");
    assert!(!holding(&state, b"LOGIN_SECRET").is_empty(), "the plan names the variable");
    assert_eq!(holding(&state, SECRET.as_bytes()), Vec::<String>::new());
}
