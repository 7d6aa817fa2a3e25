//! Bad input, through the real program: every case ends with a message that says where, what was expected
//! and how to mend it, and with the exit code that the contract promises. The messages are kept as snapshots.

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

/// A job of one bad step, run; the failure card becomes a snapshot, and the run's state stays readable.
fn step_fails(name: &str, op: &str, limits: &str) {
    let jobs = format!(
        "[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n[jobs.j.steps.bad]\nop = \"behaviours.{op}\"\n{limits}"
    );
    let project = Project::new(&jobs);
    let text = project.message(&["run", "j", "--quiet"], 10);
    // Frames differ between compilers; that there are some is asserted by the sandbox's own tests.
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("  at ")).collect();
    insta::assert_snapshot!(name, text.join("\n"));
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
