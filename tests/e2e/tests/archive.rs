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
    assert!(again.exit != 0 && again.stderr.contains("is there already"), "{again:#?}");
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

/// An entry of a tar file, whose header says what it likes.
fn entry(name: &str, size: u64, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000600\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].copy_from_slice(b"        ");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = bytes.len().next_multiple_of(512) - bytes.len();
    [&header[..], bytes, &vec![0; padding]].concat()
}

#[test]
fn c_38_a_file_that_is_no_run_or_was_changed_is_refused_or_read_and_nothing_else() {
    let project = Project::with(JOB, &["typed", "behaviours"]);
    project.run(["run", "j", "--quiet"]).expect(10);
    project
        .run(["runs", "export", project.json(["show"]).1["run"].as_str().expect("an id"), "run.tar"])
        .expect(0);
    let there = tempfile::tempdir().expect("a temporary folder can be made");
    let whole = std::fs::read(project.path().join("run.tar")).expect("it can be read");
    let read = |bytes: &[u8]| {
        std::fs::write(there.path().join("a.tar"), bytes).expect("it can be written");
        let ended = elsewhere(there.path(), &["show", "--file", "a.tar", "--all"]);
        let is_told = matches!(ended.exit, 0 | 3) && !ended.stderr.contains("panicked");
        assert!(is_told, "{ended:#?}");
        ended
    };
    let refused = |bytes: &[u8], why: &str| {
        let ended = read(bytes);
        assert!(ended.exit == 3 && ended.stderr.contains(why), "{why} in {ended:#?}");
    };
    assert_eq!(read(&whole).exit, 0);
    for n in 0..60 {
        refused(&whole[..whole.len().saturating_sub(1024) * n / 60], "is no run that can be read");
    }
    let text = |name: &str| {
        let mut tar = Command::new("tar");
        let unpacked = tar.args(["-xOf", "run.tar", name]).current_dir(project.path()).output();
        unpacked.expect("tar can be run").stdout
    };
    let part = |name: &str| (name.to_owned(), text(name));
    let parts = ["run.json", "plan.cbor", "events.jsonl", "logs.jsonl"].map(part);
    let pack = |parts: &[(String, Vec<u8>)]| {
        parts
            .iter()
            .flat_map(|(name, bytes)| entry(name, bytes.len() as u64, b'0', bytes))
            .collect::<Vec<u8>>()
    };
    let changed = |name: &str, from: &str, to: &str| {
        let change = |(part, bytes): &(String, Vec<u8>)| {
            let text = || String::from_utf8(bytes.clone()).expect("it is text");
            (part.clone(), if part == name { text().replace(from, to).into_bytes() } else { bytes.clone() })
        };
        pack(&parts.iter().map(change).collect::<Vec<_>>())
    };
    assert_eq!(read(&pack(&parts)).exit, 0);
    refused(
        &changed("run.json", "run-archive/v1", "run-archive/v2"),
        "this program reads `cofferdam.run-archive/v1`",
    );
    refused(&changed("run.json", "\"job\": \"j\"", "\"job\": \"../j\""), "run.json");
    refused(
        &changed("events.jsonl", "\"seq\":2,", "\"seq\":20000000000000000000000,"),
        "events.jsonl, line 2",
    );
    refused(&changed("events.jsonl", "\"seq\":2,", "\"seq\":9,"), "is no run that can be read");
    refused(&pack(&parts[..3]), "it lacks logs.jsonl");
    refused(&pack(&[&parts[..], &parts[..1]].concat()), "it has run.json twice");
    // Sizes that are not there are not believed, and names lead nowhere.
    refused(&entry("run.json", 8_000_000_000, b'0', b"{}"), "more bytes than there may be");
    let up = entry("../../escaped", 4, b'0', b"text");
    let link = entry("run.json", 0, b'2', b"");
    assert_eq!(read(&[up, pack(&parts)].concat()).exit, 0);
    refused(&[link, pack(&parts)].concat(), "it has run.json twice");
    assert_eq!(std::fs::read_dir(there.path()).expect("it can be listed").count(), 1);
    // Steps that the plan does not have, and bytes that are others.
    refused(&changed("events.jsonl", "numbers", "nmubers"), "there is no step `nmubers`");
    let mut state = 1_u64;
    for _ in 0..200 {
        let mut bytes = whole.clone();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (state % 8);
        read(&bytes);
    }
}
