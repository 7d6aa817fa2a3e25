//! The project of one language's library, and what the run of all cases left.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use cofferdam_e2e::ask::{ended, until};
use cofferdam_e2e::{Ended, program, workspace};
use serde_json::Value;

use crate::cases::Case;

/// Definitions that every language's project has beside the cases.
const COMMON: &str = r#"
[resources.store]
kind = "keyvalue"
backend = "file"
[resources.settings]
kind = "config"
entries = { colour = "green" }
"#;

/// What is given to the run as YAML, because TOML has no null.
const RUN_CONFIG: &str = r#"
ops:
  nullable_null: { inputs: { value: { value: null } } }
"#;

/// The library in one language, built.
pub(crate) struct Guest {
    folder: PathBuf,
}

/// A run that has ended.
pub(crate) struct Seen {
    run: Value,
    logs: Vec<Value>,
    guest: Guest,
}

impl Guest {
    /// Writes the project and builds the library. The folder stays between tests, so that a library that has not changed
    /// is neither built nor compiled again; what runs left is removed.
    pub(crate) fn build(language: &str, key: &str, cases: &[Case]) -> Guest {
        let folder = workspace().join("target/conformance").join(language);
        let state = folder.join(".cofferdam");
        std::fs::create_dir_all(&state).expect("a folder can be made");
        for entry in std::fs::read_dir(&state).expect("the folder can be listed").flatten() {
            let name = entry.file_name();
            let kept = ["artefacts", "builds", "descriptions", "libraries"];
            match (kept.iter().any(|kept| *kept == name), entry.path().is_dir()) {
                (true, _) => {}
                (false, true) => std::fs::remove_dir_all(entry.path()).expect("a folder can be removed"),
                (false, false) => std::fs::remove_file(entry.path()).expect("a file can be removed"),
            }
        }
        let source = format!("../../../tests/conformance/guests/{language}");
        let steps: String = cases.iter().map(|case| case.steps).collect();
        let guest = Guest { folder };
        guest.write(
            "cofferdam.toml",
            format!("[libraries.ops]\n{key} = \"{source}\"\n{COMMON}\n{steps}\n{}", crate::cases::APART_JOBS),
        );
        guest.write("config.yaml", RUN_CONFIG);
        guest.write("large.bin", pattern(1_000_000));
        guest.run(&["build"]).expect(0);
        guest
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(path), content).expect("a file can be written");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(&self.folder).stdin(Stdio::null()).env("NO_COLOR", "1");
        // With the other guests, whose dependencies it shares.
        command.env("CARGO_TARGET_DIR", workspace().join("target/guests-build"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("the program can be started").into()
    }

    /// What a command says with `--json`.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {ended:#?}"))
    }

    /// Runs a job with that run config; how it ended.
    pub(crate) fn run_with(&self, job: &str, config: &str) -> Ended {
        self.write("apart.yaml", config);
        self.run(&["run", job, "-c", "apart.yaml", "--json"])
    }

    /// Starts a run and interrupts it when its step `step` runs.
    pub(crate) fn interrupt(&self, job: &str, step: &str) -> Ended {
        let mut command = self.command(&["run", job]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        until("the step runs", || {
            let shown = self.run(&["show", "--json"]);
            let run: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
            let steps = run["steps"].as_array().into_iter().flatten();
            run["job"] == job
                && steps.filter(|found| found["step"] == step).any(|found| found["status"] == "running")
        });
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(kill.expect("kill can be started").success());
        ended(child)
    }

    /// Runs the job of all cases.
    pub(crate) fn run_all(&self) -> Seen {
        let run = self.json(&["run", "cases", "-c", "config.yaml"]);
        let id = run["run"].as_str().unwrap_or_else(|| panic!("{run:#}")).to_owned();
        let logs = self.json(&["logs", &id])["lines"].as_array().cloned().expect("logs are a list");
        Seen { run, logs, guest: Guest { folder: self.folder.clone() } }
    }
}

impl Seen {
    pub(crate) fn step(&self, step: &str) -> &Value {
        let steps = self.run["steps"].as_array().expect("a run has steps");
        steps.iter().find(|found| found["step"] == step).unwrap_or_else(|| panic!("no step `{step}`"))
    }

    pub(crate) fn status(&self, step: &str) -> &str {
        self.step(step)["status"].as_str().expect("a step has a status")
    }

    /// How the last attempt of a step failed.
    pub(crate) fn failure(&self, step: &str) -> &Value {
        &self.attempts(step).last().expect("it was attempted")["failure"]
    }

    pub(crate) fn attempts(&self, step: &str) -> &Vec<Value> {
        self.step(step)["attempts"].as_array().expect("a step has attempts")
    }

    /// The outputs of a step that succeeded.
    pub(crate) fn outputs(&self, step: &str) -> &Vec<Value> {
        assert_eq!(self.status(step), "succeeded", "{:#}", self.step(step));
        self.step(step)["outputs"].as_array().expect("a step has outputs")
    }

    /// The structured value of an output.
    pub(crate) fn output(&self, step: &str, name: &str) -> Value {
        let shown = self.shown(step, name);
        assert_eq!(shown["media_type"], "application/cbor", "{shown:#}");
        shown["value"].clone()
    }

    /// The structured value of the output `result`.
    pub(crate) fn result(&self, step: &str) -> Value {
        self.output(step, "result")
    }

    /// What the program shows of an output.
    pub(crate) fn shown(&self, step: &str, name: &str) -> Value {
        assert_eq!(self.status(step), "succeeded", "{:#}", self.step(step));
        let id = self.run["run"].as_str().expect("a run has an id");
        self.guest.json(&["value", "show", id, step, name])
    }

    /// The bytes of an output.
    pub(crate) fn bytes(&self, step: &str, name: &str) -> Vec<u8> {
        assert_eq!(self.status(step), "succeeded", "{:#}", self.step(step));
        let id = self.run["run"].as_str().expect("a run has an id");
        let output = self.guest.command(&["value", "show", id, step, name, "--raw"]).output();
        output.expect("the program can be started").stdout
    }

    pub(crate) fn metadata(&self, step: &str) -> &Value {
        &self.step(step)["metadata"]
    }

    pub(crate) fn logs<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a Value> {
        self.logs.iter().filter(move |line| line["step"] == step)
    }

    pub(crate) fn run_id(&self) -> &Value {
        &self.run["run"]
    }
}

/// The bytes that the op `produce` writes.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 256) as u8).collect()
}

/// The time of day that a timestamp has.
pub(crate) fn time_of_day(timestamp: &Value) -> Duration {
    let text = timestamp.as_str().expect("a timestamp is text");
    let time = text.split_once('T').expect("a timestamp has a time").1.trim_end_matches('Z');
    let seconds = time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"));
    Duration::from_secs_f64(seconds)
}
