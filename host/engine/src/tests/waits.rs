//! Steps that wait although they have all that they read.

use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::{Input, run_retry};

const DAY: Duration = Duration::from_secs(86_400);

fn approval(timeout: Option<Duration>) -> Option<Wait> {
    Some(Wait::Approval { timeout })
}

/// a -> deploy (waits) -> after
fn release(wait: Option<Wait>) -> Plan {
    let deploy = PlanStep { wait, ..reads("deploy", vec![of(0)]) };
    plan(vec![step("a"), deploy, reads("after", vec![of(1)])])
}

fn review(world: &mut World, key: &str, approved: bool) {
    let (by, note) = (Some("ana".to_owned()), Some("as agreed".to_owned()));
    let review = Review { approved, by, note };
    world.input(Input::Reviewed { run: RUN, step: StepKey::new(key), review });
}

fn failure(world: &World, key: &str) -> (FailureKind, String) {
    let failure = world.run().step(&StepKey::new(key)).unwrap().failure().unwrap().clone();
    (failure.kind, failure.message)
}

#[test]
fn g10_a_step_waits_for_an_approval_and_holds_no_slot_over_any_number_of_restarts() {
    let mut world = World::with(release(approval(None)), 1);
    assert_eq!(why(&world, "deploy"), "it waits for `a`");
    review(&mut world, "deploy", true);
    world.done("a");
    assert_eq!(world.running(), [""; 0], "what was said before it was asked counts for nothing");
    assert_eq!(why(&world, "deploy"), "it waits to be approved");
    assert_eq!(world.engine.census().waiting, [("dependency", 1), ("wait", 1)].into());
    // Its slot is free for others meanwhile.
    world.submit(run_id(2), plan(vec![step("other")]));
    assert_eq!(world.running(), ["other"]);
    world.done("other");
    for _ in 0..3 {
        world.restart();
        world.join(WorkerId(world.term * 1000), 1, &[]);
        world.now = world.now + 300 * DAY;
        world.input(Input::Tick);
        assert_eq!(world.status("deploy"), StepStatus::Waiting);
    }
    review(&mut world, "after", true);
    assert_eq!(world.running(), [""; 0], "another step was meant");
    review(&mut world, "deploy", true);
    assert_eq!(world.running(), ["deploy"]);
    review(&mut world, "deploy", false);
    world.done("deploy");
    world.done("after");
    assert_eq!(world.run().status(), RunStatus::Succeeded);
    let waits =
        world.events(|event| matches!(event, Event::WaitBegan { .. } | Event::WaitEnded { .. })).len();
    assert_eq!(waits, 2, "it waited once");
}

#[test]
fn a_step_that_waits_for_a_time_runs_when_it_is_over_also_after_a_restart() {
    let mut world = World::with(release(Some(Wait::For(2 * DAY))), 1);
    let asked = world.now;
    world.done("a");
    let until = asked + 2 * DAY;
    assert_eq!(world.engine.next_deadline(), Some(until));
    assert_eq!(why(&world, "deploy"), format!("it waits until {until}"));
    review(&mut world, "deploy", true);
    assert_eq!(world.running(), [""; 0], "it waits for the time alone");
    world.now = world.now + DAY;
    world.restart();
    world.join(WorkerId(9), 1, &[]);
    assert_eq!((world.running(), world.engine.next_deadline()), (vec![], Some(until)));
    world.now = until;
    world.input(Input::Tick);
    assert_eq!(world.running(), ["deploy"]);
}

#[test]
fn what_is_rejected_or_not_approved_in_time_has_failed_and_is_not_tried_again() {
    let mut world = World::with(release(approval(Some(DAY))), 1);
    world.done("a");
    review(&mut world, "deploy", false);
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(failure(&world, "deploy"), (FailureKind::Rejected, "rejected by ana: as agreed".to_owned()));
    assert_eq!(world.status("after"), StepStatus::Abandoned);
    let kinds: Vec<FailureKind> = world.run().failures().map(|(_, failure)| failure.kind).collect();
    let declared = RunRetryDef { max_retries: 3, strategy: Reexecution::FromFailure, on_step_failure: true };
    assert!(run_retry(Some(declared), &Default::default(), 1, RunStatus::Failed, &kinds).is_none());

    let mut world = World::with(release(approval(Some(DAY))), 1);
    world.done("a");
    world.now = world.now + DAY;
    world.input(Input::Tick);
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(failure(&world, "deploy"), (FailureKind::Rejected, "nobody approved it in time".to_owned()));
}

#[test]
fn a_hook_is_told_that_its_step_was_rejected() {
    let mut hook = reads("deploy.hooks.tell", vec![Source::Value(value(0))]);
    hook.inputs[0].name = name(HOOK_EVENT_INPUT);
    hook.role = Role::Hook { of: StepIdx(1), on: HookOn::Failure };
    let mut released = release(approval(None));
    released.steps.push(hook);
    let mut world = World::with(released, 1);
    world.done("a");
    review(&mut world, "deploy", false);
    let told = world.take("deploy.hooks.tell");
    let AssignedValue::One(ValueRef { place: Place::Inline(bytes), .. }) = &told.inputs[0].value else {
        panic!("the event is a value")
    };
    assert!(String::from_utf8_lossy(bytes).contains("rejected by ana: as agreed"));
}

#[test]
fn a_run_that_is_cancelled_ends_the_waits_of_its_steps() {
    let mut world = World::with(release(approval(Some(DAY))), 1);
    world.done("a");
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!((ended(&world), world.status("deploy")), (RunStatus::Cancelled, StepStatus::Cancelled));
    world.now = world.now + DAY;
    world.input(Input::Tick);
    review(&mut world, "deploy", true);
    assert_eq!(world.running(), [""; 0]);
}

#[test]
fn a_copy_waits_for_itself() {
    let parts = PlanStep {
        outputs: vec![declared("result", true, false), declared("parts", true, true)],
        ..step("a")
    };
    let scope = vec![output(0, "parts")];
    let each =
        PlanStep { scope, wait: approval(None), ..reads("each", vec![Source::Output(output(0, "parts"))]) };
    let mut world = World::with(plan(vec![parts, each]), 4);
    let parts = ["x", "y"].map(|key| emit("parts", Some(key), 1));
    world.finish("a", ok([emit("result", None, 0)].into_iter().chain(parts).collect()));
    review(&mut world, "each[y]", true);
    assert_eq!(world.running(), ["each[y]"]);
    assert_eq!(why(&world, "each[x]"), "it waits to be approved");
}

#[test]
fn a_step_that_lost_what_it_reads_while_it_waited_has_that_made_anew_and_is_asked_once() {
    let mut world = World::with(transient(release(approval(None)), &[0]), 1);
    let made = |world: &mut World, worker: WorkerId, key: &str| {
        world.held.entry(worker).or_default().insert(key.to_owned());
        world.finish("a", ok(vec![keep("result", None, key)]));
    };
    made(&mut world, WORKER, "k1");
    world.leave(WORKER);
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.running(), [""; 0], "nobody reads it yet");
    review(&mut world, "deploy", true);
    assert_eq!((world.running(), why(&world, "deploy")), (vec!["a"], "it waits for `a`".to_owned()));
    made(&mut world, WorkerId(2), "k2");
    assert_eq!(world.running(), ["deploy"]);
    assert_eq!(world.events(|event| matches!(event, Event::WaitBegan { .. })).len(), 1);
}
