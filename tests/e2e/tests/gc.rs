//! Retention over a real project: what `cofferdam gc` drops, what it keeps, and that it says so.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_crash::{CRASH_AT, GC};
use cofferdam_e2e::ask::beside;
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

/// Characters of a name that a definition can still hold and an output cannot be inline with.
const NAME_CHARS: usize = 62_000;
/// `NAME: x` in CBOR.
const VALUE_BYTES: u64 = NAME_CHARS as u64 + 6;

/// Counts lines of a file.
const DEFINITIONS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.count.steps.lines]
op = "typed.lines"
inputs.file = { file = "data.txt" }
"#;

/// A run whose library no other has.
const FAILING: &str = r#"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"

[jobs.fails.steps.s]
op = "behaviours.panic"
"#;

/// Jobs that count lines of a file and that write a value too large to be inline.
fn definitions() -> String {
    let name = "n".repeat(NAME_CHARS);
    format!(
        r#"{DEFINITIONS}
[jobs.big.steps.write]
op = "typed.file"
inputs.record = {{ value = {{ name = "{name}", age = "x" }} }}
"#
    )
}

fn project() -> Project {
    Project::new(&definitions())
}

fn run(project: &Project, job: &str) -> String {
    let (exit, run) = project.json(["run", job]);
    assert_eq!(exit, 0, "{run:#}");
    run["run"].as_str().expect("the run has an id").to_owned()
}

fn gc(project: &Project, args: &[&str]) -> Value {
    let (exit, report) = project.json([&["gc"], args].concat());
    assert_eq!(exit, 0, "{report:#}");
    report
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("it can be read").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn values(project: &Project) -> Vec<PathBuf> {
    files(&project.path().join(".cofferdam/values/v1"))
}

fn n_of(project: &Project, run: &str) -> usize {
    values(project).iter().filter(|path| path.to_string_lossy().contains(run)).count()
}

/// As if everything had been written two hours ago.
fn age(project: &Project) {
    for path in files(&project.path().join(".cofferdam")) {
        if !path.to_string_lossy().contains("runlog") {
            let file = File::open(path).expect("a file of the state");
            let written = file.metadata().and_then(|of| of.modified()).expect("a file has a time");
            file.set_modified(written - Duration::from_secs(2 * 3600)).expect("its time can be set");
        }
    }
}

#[test]
fn e10_what_no_rule_and_no_pin_keeps_goes_and_the_bytes_are_counted() {
    let project = project();
    let big: Vec<String> = (0..4).map(|_| run(&project, "big")).collect();
    project.write("data.txt", "one\ntwo\n".repeat(20_000));
    let old_count = run(&project, "count");
    project.write("data.txt", "three\n".repeat(20_000));
    let new_count = run(&project, "count");
    project.run(["runs", "pin", &big[0]]).expect(0);
    // What an attempt that died has left.
    let leftover = format!(".cofferdam/values/v1/local/{}/abc/9/w0.part#1", big[3]);
    project.write(&leftover, vec![0; 1000]);

    // Without rules no run goes, and what is young stays.
    let report = gc(&project, &[]);
    assert_eq!((report["bytes"].as_u64(), values(&project).len()), (Some(0), 7), "{report:#}");
    age(&project);
    let report = gc(&project, &["--dry-run"]);
    assert_eq!(report["values"]["unreferenced"], serde_json::json!({"n": 1, "bytes": 1000}), "{report:#}");
    assert!(project.path().join(&leftover).exists(), "a dry run changes nothing");

    // The newest of each job stays, and the pinned one.
    let dry = gc(&project, &["--dry-run", "--keep-last", "1"]);
    let report = gc(&project, &["--keep-last", "1"]);
    assert_eq!(report["runs"], serde_json::json!([big[1], big[2], old_count]), "{report:#}");
    assert_eq!(report["values"]["run"], serde_json::json!({"n": 2, "bytes": 2 * VALUE_BYTES}), "{report:#}");
    let unreferenced = 1000 + 2 * 4 * 20_000;
    assert_eq!(
        report["values"]["unreferenced"],
        serde_json::json!({"n": 2, "bytes": unreferenced}),
        "{report:#}"
    );
    assert_eq!((&dry["bytes"], &dry["runs"]), (&report["bytes"], &report["runs"]), "the dry run said so");
    let left: Vec<usize> = big.iter().map(|run| n_of(&project, run)).collect();
    assert_eq!(left, [1, 0, 0, 1]);
    assert_eq!(values(&project).len(), 3, "{:?}", values(&project));
    assert!(!project.path().join(&leftover).exists());

    // What stays can still be read, and what went is named.
    project.run(["show", &new_count, "--export", "out"]).expect(0);
    project.run(["show", &big[0], "--export", "kept"]).expect(0);
    assert!(project.read("kept/write.json").len() > NAME_CHARS);
    let gone = project.run(["show", &big[1], "--export", "gone"]);
    assert!(gone.exit != 0 && gone.stderr.contains("deleted"), "{gone:#?}");

    // A quota takes what the rules leave, but not what is pinned.
    let report = gc(&project, &["--max-size", "1B"]);
    assert_eq!(
        report["runs"],
        serde_json::json!([big[1], big[2], big[3], old_count, new_count]),
        "{report:#}"
    );
    assert_eq!(big.iter().map(|run| n_of(&project, run)).sum::<usize>(), 1);

    // Without its pin the run goes too; a second time there is nothing left to free.
    project.run(["runs", "unpin", &big[0]]).expect(0);
    let report = gc(&project, &["--keep-last", "1"]);
    assert_eq!(report["bytes"].as_u64(), Some(VALUE_BYTES), "{report:#}");
    assert_eq!(gc(&project, &["--keep-last", "1"])["bytes"].as_u64(), Some(0));
    let text = project.run(["gc", "--keep-last", "1"]).expect(0).stdout;
    assert!(text.starts_with("freed 0 B, "), "{text}");
}

#[test]
fn e10_libraries_and_compiled_code_go_with_the_last_run_that_used_them_and_come_back() {
    let project = project();
    project.write("data.txt", "one\n");
    run(&project, "count");
    age(&project);
    let libraries = || files(&project.path().join(".cofferdam/libraries")).len();
    let compiled = || {
        let files = files(&project.path().join(".cofferdam/artefacts"));
        files.iter().filter(|path| path.extension().is_some_and(|end| end == "cwasm")).count()
    };
    let before = (libraries(), compiled());
    assert!(before.0 == 1 && before.1 >= 1, "{before:?}");
    // Both runs ended within the last minute.
    assert_eq!(gc(&project, &["--max-age", "1h"])["bytes"].as_u64(), Some(0));
    let report = gc(&project, &["--keep-last", "0"]);
    assert_eq!(report["libraries"]["unreferenced"]["n"], 1, "{report:#}");
    assert_eq!((libraries(), compiled()), (0, 0), "{report:#}");
    run(&project, "big");
    assert!(libraries() >= 1 && compiled() >= 1);
}

#[test]
fn a_run_that_is_pinned_twice_or_not_known_is_said_to_be_so() {
    let project = project();
    let nothing = project.run(["runs", "pin", "0193"]).expect(2);
    assert!(nothing.stderr.contains("nothing has run here yet"), "{nothing:#?}");
    assert!(project.run(["gc"]).expect(0).stderr.contains("nothing to drop"));
    let id = run(&project, "big");
    assert!(project.run(["runs", "pin", &id]).expect(0).stdout.contains("is pinned"));
    assert!(project.run(["runs", "pin", &id]).expect(0).stdout.contains("pinned already"));
    assert!(project.run(["runs", "unpin", &id]).expect(0).stdout.contains("not pinned any more"));
    assert!(project.run(["runs", "unpin", &id]).expect(0).stdout.contains("was not pinned"));
    project.run(["runs", "pin", "ffff"]).expect(2);
    let bad = project.run(["gc", "--max-age", "30"]).expect(2);
    assert!(bad.stderr.contains("--max-age"), "{bad:#?}");
}

#[test]
fn f_65_a_collection_that_ends_at_any_point_drops_nothing_that_lives_and_the_next_one_drops_the_rest() {
    for point in GC {
        let project = Project::with("", &["typed", "behaviours"]);
        project.write("cofferdam.toml", definitions() + FAILING);
        project.write("data.txt", "one\n".repeat(20_000));
        let kept = run(&project, "count");
        run(&project, "big");
        project.run(["run", "fails", "--quiet"]).expect(10);
        project.run(["runs", "pin", &kept]).expect(0);
        age(&project);
        let mut doomed = project.command(["gc", "--keep-last", "0"]);
        let doomed: Ended = doomed.env(CRASH_AT, point).output().expect("the program can be started").into();
        assert_eq!((doomed.exit, doomed.stdout.as_str()), (-1, ""), "{point}: {doomed:#?}");
        let rest = gc(&project, &["--keep-last", "0"]);
        let nothing = gc(&project, &["--keep-last", "0"]);
        assert!(rest["bytes"].as_u64() > Some(0), "{point}: {rest:#}");
        assert_eq!(nothing["bytes"].as_u64(), Some(0), "{point}: {nothing:#}");
        project.run(["show", &kept, "--export", "kept"]).expect(0);
        assert_eq!(project.read("kept/lines.json").trim(), "20000", "{point}");
        assert_eq!(files(&project.path().join(".cofferdam/libraries")).len(), 1, "{point}");
    }
}

#[test]
fn f_65_nothing_is_collected_while_runs_may_run() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let refused = beside(&project, &cluster, &["gc"]);
    assert_ne!(refused.exit, 0, "{refused:#?}");
    assert!(refused.stderr.contains("in use"), "{refused:#?}");
}
