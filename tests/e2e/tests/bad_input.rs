//! Bad input, through the real program: every case ends with a message that says where, what was expected
//! and how to mend it, and with the exit code that the contract promises. The messages are kept as snapshots.

use std::collections::BTreeSet;

use cofferdam_e2e::{Project, guest};

const LIBRARIES: &str = "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n\n";

/// A project over the typed ops.
fn project(jobs: &str) -> Project {
    Project::new(&format!("{LIBRARIES}{jobs}"))
}

/// `check` refuses these definitions; the message becomes a snapshot.
fn check_refuses(name: &str, jobs: &str) {
    let project = project(jobs);
    assert_eq!(project.run(["check"]).stdout, "", "what is wrong is not an answer");
    insta::assert_snapshot!(name, project.message(&["check"], 3));
}

#[test]
fn an_unknown_op_is_refused_with_the_near_name() {
    check_refuses("unknown_op", "[jobs.j.steps.a]\nop = \"typed.nubmers\"\nconfig = { n = 3 }\n");
}

#[test]
fn an_unknown_output_is_refused_with_those_that_exist() {
    check_refuses(
        "unknown_output",
        "[jobs.j.steps.a]\nop = \"typed.person\"\n\n[jobs.j.steps.b]\nop = \"typed.file\"\ninputs.record = \"a.person\"\n",
    );
}

#[test]
fn an_unknown_input_is_refused_with_those_that_exist() {
    check_refuses(
        "unknown_input",
        "[jobs.j.steps.a]\nop = \"typed.double\"\ninputs.numbr = { value = 1 }\ninputs.number = { value = 1 }\n",
    );
}

#[test]
fn a_type_mismatch_on_an_edge_names_the_field_that_differs() {
    check_refuses(
        "type_mismatch",
        "[jobs.j.steps.a]\nop = \"typed.person\"\n\n[jobs.j.steps.b]\nop = \"typed.file\"\ninputs.record = \"a\"\n",
    );
}

#[test]
fn a_cycle_is_printed() {
    check_refuses(
        "cycle",
        "[jobs.j.steps.a]\nop = \"typed.double\"\ninputs.number = \"b\"\n\n[jobs.j.steps.b]\nop = \"typed.double\"\ninputs.number = \"a\"\n",
    );
}

#[test]
fn all_errors_of_a_file_are_shown_at_once() {
    check_refuses(
        "many_errors",
        "[jobs.j]\nmax_concurent = 2\n\n[jobs.j.steps.a]\nop = \"typed.numbers\"\nconfig = { n = \"three\", m = 1 }\ntimeout = 5\n",
    );
}

#[test]
fn a_syntax_error_in_the_definitions_shows_its_place() {
    check_refuses("toml_syntax", "[jobs.j.steps.a\nop = \"typed.person\"\n");
}

#[test]
fn a_config_that_misses_a_key_is_refused_before_anything_runs() {
    let project = project("[jobs.j.steps.a]\nop = \"typed.numbers\"\n");
    insta::assert_snapshot!("missing_config_key", project.message(&["run", "j"], 3));
    assert!(!project.path().join(".cofferdam/runlog.sqlite").exists(), "nothing was recorded");
}

#[test]
fn a_run_config_with_an_unknown_key_is_refused_with_its_place() {
    let project = project("[jobs.j.steps.a]\nop = \"typed.numbers\"\n");
    project.write("run.yaml", "ops:\n  a:\n    config:\n      n: 2\n      ofset: 1\n");
    insta::assert_snapshot!("unknown_config_key", project.message(&["run", "j", "-c", "run.yaml"], 3));
}

#[test]
fn a_syntax_error_in_the_run_config_is_the_only_thing_reported() {
    let project = project("[jobs.j.steps.a]\nop = \"typed.numbers\"\n");
    project.write("run.yaml", "ops:\n  a: [1, 2\n  b: 3\n");
    insta::assert_snapshot!("yaml_syntax", project.message(&["run", "j", "-c", "run.yaml"], 3));
}

#[test]
fn an_absent_input_file_is_named() {
    let project =
        project("[jobs.j.steps.a]\nop = \"typed.lines\"\ninputs.file = { file = \"data/none.csv\" }\n");
    insta::assert_snapshot!("absent_file", project.message(&["run", "j"], 3));
}

#[test]
fn an_input_file_that_is_broken_in_the_middle_fails_its_step() {
    let project = project("[jobs.j.steps.a]\nop = \"typed.lines\"\ninputs.file = { file = \"data.txt\" }\n");
    project.write("data.txt", b"one\ntwo\n\xff\xfe\nfour\n");
    insta::assert_snapshot!("broken_file", project.message(&["run", "j"], 10));
    let (_, shown) = project.json(["show"]);
    assert_eq!(shown["status"], "failed");
}

/// Libraries that are none, by what stands in the file.
fn library_refused(name: &str, bytes: &[u8]) {
    let project = Project::new("[libraries.bad]\nwasm = \"lib/bad.wasm\"\n");
    project.write("lib/bad.wasm", bytes);
    insta::assert_snapshot!(name, project.message(&["check"], 3));
}

#[test]
fn h_079_what_is_no_component_is_refused_by_what_it_is() {
    library_refused("library_text", b"(component)");
    library_refused("library_empty", b"");
    library_refused("library_core_module", b"\0asm\x01\0\0\0");
    library_refused("library_elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    library_refused("library_gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
}

#[test]
fn a_truncated_component_is_refused() {
    let bytes = std::fs::read(guest("typed")).expect("the guest can be read");
    let project = Project::new("[libraries.bad]\nwasm = \"lib/bad.wasm\"\n");
    project.write("lib/bad.wasm", &bytes[..bytes.len() / 2]);
    let ended = project.run(["check"]).expect(3);
    assert!(ended.stderr.contains("library `bad`"), "{ended:#?}");
    assert!(ended.stderr.contains("cut short") || ended.stderr.contains("end"), "{ended:#?}");
}

#[test]
fn h_037_a_component_of_another_world_is_refused_with_what_it_lacks() {
    let bytes = std::fs::read(guest("other_world")).expect("the guest can be read");
    library_refused("library_other_world", &bytes);
}

#[test]
fn a_missing_library_file_is_named() {
    let project = Project::new("[libraries.bad]\nwasm = \"lib/none.wasm\"\n");
    insta::assert_snapshot!("library_missing", project.message(&["check"], 3));
}

/// What is said of a run that fails, without the frames: they differ between compilers, and that there are some, with
/// lines of the source, is asserted by the sandbox's own tests.
fn failure(project: &Project, args: &[&str]) -> String {
    let text = project.message(args, 10);
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("  at ")).collect();
    text.join("\n")
}

/// A job of one bad step, run; the failure card becomes a snapshot, and the run's state stays readable.
fn step_fails(name: &str, op: &str, limits: &str) {
    let jobs = format!(
        "[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n[jobs.j.steps.bad]\nop = \"behaviours.{op}\"\n{limits}"
    );
    let project = Project::new(&jobs);
    insta::assert_snapshot!(name, failure(&project, &["run", "j", "--quiet"]));
    let (_, shown) = project.json(["show"]);
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["steps"][0]["status"], "failed");
}

#[test]
fn a_step_that_traps_is_named_with_its_cause() {
    step_fails("step_traps", "panic", "");
}

#[test]
fn h_001_a_step_that_loops_for_ever_is_stopped_at_its_timeout() {
    step_fails("step_loops", "spin", "limits = { timeout = \"300ms\" }\n");
}

#[test]
fn h_015_a_step_that_eats_memory_is_stopped_at_its_limit() {
    step_fails("step_eats_memory", "memory_bomb", "limits = { memory = \"32MiB\" }\n");
}

/// Ways to fail, each a job of one step.
const WAYS: &str = r#"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.op.steps.s]
op = "behaviours.fail"
[jobs.trap.steps.s]
op = "behaviours.panic"
[jobs.timeout.steps.s]
op = "behaviours.spin"
limits = { timeout = "200ms" }
[jobs.fuel.steps.s]
op = "behaviours.spin"
limits = { fuel = 1000000 }
[jobs.memory.steps.s]
op = "behaviours.memory_bomb"
limits = { memory = "32MiB" }
[jobs.output-limit.steps.s]
op = "behaviours.output_stream_bomb"
limits = { output = "1MiB" }
[jobs.host-calls.steps.s]
op = "behaviours.calls_flood"
[jobs.output-spec.steps.s]
op = "behaviours.undeclared_output"
[jobs.config.steps.s]
op = "typed.numbers"
config = { n = { env = "COFFERDAM_TEST_NOT_SET" } }
[jobs.input.steps.made]
op = "typed.flood"
config = { bytes = 100000 }
[jobs.input.steps.s]
op = "typed.weigh"
inputs.file = "made"

[assets.base]
op = "typed.double"
inputs.number = { value = 4 }
[asset_checks.rows]
asset = "base"
op = "resources.has_rows"
inputs.rows = { value = [] }
blocking = true
"#;

#[test]
fn h4_twelve_ways_to_fail_explain_themselves_by_name() {
    let project = Project::with(&format!("{LIBRARIES}{WAYS}"), &["typed", "behaviours", "resources"]);
    let mut said = vec![];
    let jobs = ["op", "trap", "timeout", "fuel", "memory", "output-limit", "host-calls", "output-spec"];
    for job in jobs.into_iter().chain(["config"]) {
        said.push(failure(&project, &["run", job, "--quiet"]));
    }
    said.push(failure(&project, &["asset", "materialize", "base", "--quiet"]));
    project.run(["run", "input", "--quiet"]).expect(0);
    let lose = |folder: &str| {
        let kept = project.path().join(".cofferdam").join(folder);
        std::fs::remove_dir_all(kept).expect("there is such a folder");
    };
    lose("values");
    let gone = failure(&project, &["rerun", "--select", "s", "--quiet"]);
    // Its key has the run in it.
    let (before, key) = gone.split_once("`v1/").expect("the value is named");
    said.push(format!("{before}`v1/…`{}", key.split_once('`').expect("its name ends").1));
    lose("libraries");
    lose("artefacts");
    said.push(failure(&project, &["rerun", "--select", "s", "--quiet"]));
    let kinds =
        said.iter().map(|said| said.lines().find_map(|line| line.strip_suffix(']')?.rsplit_once('[')));
    let kinds: BTreeSet<&str> = kinds.map(|kind| kind.expect("a failure has a kind").1).collect();
    assert_eq!((said.len(), kinds.len()), (12, 12), "{said:#?}");
    insta::assert_snapshot!("twelve_failures", said.join("\n\n"));
}
