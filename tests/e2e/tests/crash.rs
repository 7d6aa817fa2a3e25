//! The program is killed with SIGKILL in the middle of a run, and resumed.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use cofferdam_e2e::ask::until;
use cofferdam_e2e::look::{n_given_out, of_type, steps, steps_of_type};
use cofferdam_e2e::{Project, program};
use serde_json::Value;

const STEPS: u64 = 60;

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 60 }

[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 20_000_000 }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;

fn project() -> Project {
    Project::new(JOB)
}

/// Waits until so many steps are committed, then kills the program.
fn kill_after(project: &Project, mut child: Child, committed: usize) -> Vec<Value> {
    until("the run comes so far", || {
        assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended before the kill");
        steps_of_type(&project.events(), "step_succeeded").len() >= committed
    });
    child.kill().expect("the child can be killed");
    child.wait().expect("the child can be waited for");
    project.events()
}

/// A history with one kill in it: what was recorded before, and everything after the run was resumed.
fn killed_and_resumed(committed: usize) -> (Vec<Value>, Vec<Value>) {
    let project = project();
    let child = project.start(["run", "j", "--quiet"]);
    let before = kill_after(&project, child, committed);
    assert_eq!(of_type(&before, "run_finished").count(), 0, "the kill came in the middle");
    let (exit, resumed) = project.json(["resume", "--export", "out"]);
    assert_eq!(exit, 0, "{resumed:#}");
    assert_eq!(project.read("out/sum.json").trim(), (STEPS * (STEPS - 1) / 2).to_string());
    (before, project.events())
}

#[test]
fn after_kill_9_resume_finishes_and_reruns_no_committed_step() {
    for committed in [1, 20, 45] {
        let (before, after) = killed_and_resumed(committed);
        let committed_before: BTreeSet<&str> = steps_of_type(&before, "step_succeeded").into_iter().collect();
        let dispatched_later = steps_of_type(&after[before.len()..], "step_dispatched");
        let again: Vec<_> = dispatched_later.iter().filter(|step| committed_before.contains(*step)).collect();
        assert_eq!(again, Vec::<&&str>::new(), "steps that were committed before the kill");
        assert_eq!(after[..before.len()], before[..], "history is not rewritten");
    }
}

#[test]
fn i_11_the_history_of_a_killed_run_is_dense_and_ends_once() {
    let (_, after) = killed_and_resumed(10);
    let numbers: Vec<u64> = after.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=after.len() as u64).collect::<Vec<_>>());
    assert_eq!(of_type(&after, "run_finished").count(), 1);
    assert_eq!(after.last().expect("events")["event"]["type"], "run_finished");
    let succeeded = steps_of_type(&after, "step_succeeded");
    let distinct: BTreeSet<_> = succeeded.iter().collect();
    assert_eq!((succeeded.len(), distinct.len()), (62, 62), "each step is committed once");
}

#[test]
fn i_06_fences_grow_across_a_kill() {
    let (_, after) = killed_and_resumed(10);
    let fences: Vec<u64> = of_type(&after, "step_dispatched")
        .map(|event| event["event"]["fence"].as_u64().expect("a fence"))
        .collect();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
}

#[test]
fn i_05_every_attempt_beyond_the_first_has_a_recorded_cause() {
    let (_, after) = killed_and_resumed(10);
    let attempts = n_given_out(&after);
    let causes = steps_of_type(&after, "step_lost").len();
    assert!(causes > 0, "something was under way when the kill came");
    assert_eq!(attempts, 62 + causes);
}

#[test]
fn a_second_program_on_the_same_state_is_refused_and_a_kill_leaves_no_lock() {
    let project = project();
    let child = project.start(["run", "j", "--quiet"]);
    until("the run starts", || !project.events().is_empty());
    let second = project.run(["run", "j"]).expect(5);
    assert!(second.stderr.contains("in use by another cofferdam process"), "{second:#?}");
    kill_after(&project, child, 1);
    project.run(["resume", "--quiet"]).expect(0);
}

#[test]
fn a_run_goes_on_when_the_file_of_the_program_is_replaced() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n\
         [jobs.j.steps.first]\nop = \"typed.work\"\ninputs.number = { value = 1 }\nconfig = { rounds = 2_000_000_000 }\n\
         [jobs.j.steps.second]\nop = \"behaviours.nothing\"\nafter = [\"first\"]\nlimits = { fuel = 1000000000 }\n",
    );
    let copy = project.path().join("cofferdam");
    std::fs::copy(program(), &copy).expect("the program can be copied");
    let ours = project.command(["run", "j", "--quiet", "--json"]);
    let mut command = std::process::Command::new(&copy);
    command.args(ours.get_args()).current_dir(project.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the copy can be started");
    until("the run starts", || !steps_of_type(&project.events(), "step_dispatched").is_empty());
    // From here on the library of the second step is compiled for the engine that counts fuel, by a child of its own.
    std::fs::remove_file(&copy).expect("the copy can be removed");
    assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended before the removal");
    let ended = child.wait_with_output().expect("the child can be waited for");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[test]
fn an_interrupt_cancels_the_run() {
    let project = project();
    let mut child = project.start(["run", "j", "--quiet"]);
    until("the run comes so far", || steps_of_type(&project.events(), "step_succeeded").len() >= 3);
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill can be started").success());
    let status = child.wait().expect("the child can be waited for");
    assert_eq!(status.code(), Some(11));
    let (_, shown) = project.json(["show"]);
    assert_eq!(shown["status"], "cancelled");
    let committed = steps_of_type(&project.events(), "step_succeeded").len();
    let kept = steps(&shown).iter().filter(|step| step["status"] == "succeeded");
    assert_eq!(kept.count(), committed, "what was committed before stays succeeded");
}
