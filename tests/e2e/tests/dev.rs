//! `cofferdam dev`: what is saved is run.

use std::process::Command;
use std::time::{Duration, Instant};

use cofferdam_e2e::cluster::Process;
use cofferdam_e2e::{Project, program, workspace};

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
"#;
/// What it says when it waits.
const WAITS: &str = "runs again when";

fn interrupt(mut process: Process) -> Option<i32> {
    let kill = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(kill.expect("kill can be started").success());
    process.wait()
}

#[test]
fn a_save_runs_the_job_again_and_a_mistake_is_shown_and_waited_out() {
    let project = Project::new(JOB);
    let dev = Process::start_as_is(&mut project.command(["dev", "j", "--export", "out"]));
    dev.wait_for(WAITS);
    assert_eq!(project.read("out/sum.json").trim(), "3");
    project.write("cofferdam.toml", JOB.replace("n = 3", "n = 5"));
    dev.wait_for(WAITS);
    assert_eq!(project.read("out/sum.json").trim(), "10");
    project.write("cofferdam.toml", JOB.replace("n = 3", "n = \"many\""));
    dev.wait_for("expected integer, found text");
    dev.wait_for(WAITS);
    project.write("cofferdam.toml", JOB.replace("n = 3", "n = 4"));
    dev.wait_for(WAITS);
    assert_eq!(project.read("out/sum.json").trim(), "6");
    assert_eq!(interrupt(dev), Some(0));
}

/// From the save of a small op in Rust to the result of its job.
const SAVE_MAX: Duration = Duration::from_secs(2);
/// How many saves have to be that fast, and among how many: what else the machine does makes some of them slow.
const FAST_SAVES: usize = 5;
const SAVES_MAX: usize = 25;

#[test]
fn d10_a_small_op_in_rust_is_built_and_run_within_two_seconds_of_its_save() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let new = Command::new(program()).args(["new", "weather"]).current_dir(folder.path()).output();
    assert!(new.expect("the program can be started").status.success());
    let project = folder.path().join("weather");
    let mut command = Command::new(program());
    // Kept between test runs, because most of the time goes into the SDK's dependencies.
    command.env("CARGO_TARGET_DIR", workspace().join("target/new-project"));
    let dev = Process::start_as_is(command.args(["dev", "hello", "--export", "out"]).current_dir(&project));
    let letter = || std::fs::read_to_string(project.join("out/letter.json")).expect("the letter is exported");
    dev.wait_for(WAITS);
    assert!(letter().contains("Hello, Ada!"));
    let source = project.join("ops/src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("the ops are there");
    let mut took = vec![];
    while took.iter().filter(|took| **took < SAVE_MAX).count() < FAST_SAVES {
        assert!(took.len() < SAVES_MAX, "the saves took {took:.1?}");
        let word = format!("Good day {}", took.len());
        let saved = Instant::now();
        std::fs::write(&source, text.replace("Hello, {name}", &format!("{word}, {{name}}")))
            .expect("it can be saved");
        dev.wait_for(WAITS);
        took.push(saved.elapsed());
        assert!(letter().contains(&format!("{word}, Ada!")), "{}", letter());
    }
    assert_eq!(interrupt(dev), Some(0));
}
