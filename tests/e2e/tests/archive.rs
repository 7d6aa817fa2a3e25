//! Runs in files: written anywhere, read without the instance that they are of.

use cofferdam_e2e::ask::{detach, gate, joined, run, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::{Ended, Project, program};
use std::path::Path;
use std::process::Command;

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 1 }
[jobs.j.steps.bad]
op = "behaviours.panic"
"#;

/// The program where there is no project.
fn elsewhere(folder: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.args(args).current_dir(folder).env("NO_COLOR", "1").env_remove("COFFERDAM_STATE_DIR");
    command.output().expect("the program can be started").into()
}

#[test]
fn g11_a_run_in_a_file_is_read_anywhere_as_in_its_instance_and_cannot_be_changed() {
    let project = Project::with(JOB, &["typed", "behaviours"]);
    project.run(["run", "j", "--tag", "team=data", "--quiet"]).expect(10);
    let (_, run) = project.json(["show"]);
    let id = run["run"].as_str().expect("the run has an id");
    let said = project.run(["runs", "export", &id[..18], "run.tar"]).expect(0);
    assert_eq!(said.stdout, format!("run {id} in run.tar\n"));
    let there = tempfile::tempdir().expect("a temporary folder can be made");
    let file = there.path().join("run.tar");
    std::fs::rename(project.path().join("run.tar"), &file).expect("the file can be carried away");
    for command in [
        &["show", "--json"][..],
        &["show", "--events"],
        &["show", "--dagster-events"],
        &["logs", "--json"],
        &["logs", "--step", "bad"],
    ] {
        let here = project.run(command).expect(0);
        let read = elsewhere(there.path(), &[command, &["--file", "run.tar"]].concat()).expect(0);
        assert_eq!(read.stdout, here.stdout, "{command:?}");
        assert!(!here.stdout.is_empty(), "{command:?}");
    }
    let listed = Command::new("tar").args(["-tf"]).arg(&file).output().expect("tar can be run");
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "run.json\nplan.cbor\nevents.jsonl\nlogs.jsonl\n");
    for changing in
        [&["show", "--file", "run.tar", "--export", "out"][..], &["logs", "--file", "run.tar", "--follow"]]
    {
        assert_eq!(elsewhere(there.path(), changing).exit, 2, "{changing:?}");
    }
}

#[test]
fn g11_a_run_that_goes_on_is_written_as_it_is_and_what_is_no_run_is_refused_in_words() {
    let project = Project::with("", &["resources"]);
    project.write(
        "cofferdam.toml",
        format!(
            "{}[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[jobs.j.steps.gate]\nop = \"resources.announce\"\nbind = {{ program = \"gate\" }}\ninputs.arguments = {{ value = [] }}\n",
            gate(&project)
        ),
    );
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let id = detach(&project, &cluster, &["j"]);
    until("the step runs", || run(&project, &cluster, &["show", &id]).stdout.contains("running"));
    run(&project, &cluster, &["runs", "export", &id, "run.tar"]).expect(0);
    let again = run(&project, &cluster, &["runs", "export", &id, "run.tar"]);
    assert!(again.exit != 0 && again.stderr.contains("exists"), "{again:#?}");
    let shown = project.run(["show", "--file", "run.tar", "--json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("a document");
    assert_eq!((shown["run"].as_str(), &shown["status"]), (Some(id.as_str()), &"running".into()));

    let whole = std::fs::read(project.path().join("run.tar")).expect("it can be read");
    project.write("short.tar", &whole[..700]);
    project.write("text.tar", "no archive");
    for (file, why) in [
        ("none.tar", "none.tar"),
        ("short.tar", "no run that can be read"),
        ("text.tar", "no run that can be read"),
        (".", "it is no file"),
    ] {
        let refused = project.run(["show", "--file", file]);
        assert!(refused.exit != 0 && refused.stderr.contains(why), "{file}: {refused:#?}");
        assert!(!refused.stderr.contains("panicked"), "{refused:#?}");
    }
}
