//! Limits of whole runs.

use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::Input;

fn limited(tag: &str, seconds: u64, keys: &[&str]) -> Plan {
    let steps = keys.iter().map(|key| step(key)).collect();
    Plan { tags: [(tag.to_owned(), seconds.to_string())].into(), ..plan(steps) }
}

impl World {
    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.input(Input::Tick);
    }

    /// When it wants to be called again, in seconds from now.
    fn next(&self) -> Option<u64> {
        self.engine.next_deadline().map(|at| at.since(self.now).as_secs())
    }
}

#[test]
fn g6_a_run_that_nobody_starts_fails_when_its_time_to_start_is_over() {
    let mut world = World::new();
    world.submit(RUN, limited(START_TIMEOUT_TAG, 10, &["a", "b"]));
    world.pass(9);
    assert_eq!(world.run().limit(), None);
    world.pass(1);
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.run().limit(), Some(RunLimit::Start { seconds: 10 }));
    assert_eq!(world.status("a"), StepStatus::Cancelled);
    assert_eq!(world.next(), None);
}

#[test]
fn g6_a_run_that_has_started_in_time_may_take_its_time() {
    let mut world = World::with(limited(START_TIMEOUT_TAG, 10, &["a"]), 1);
    world.pass(1000);
    assert_eq!(world.next(), None);
    world.done("a");
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn g6_a_run_is_ended_when_it_has_run_for_too_long_and_ends_when_its_workers_have_said_so() {
    let mut world = World::new();
    world.submit(RUN, limited(MAX_RUNTIME_TAG, 10, &["a", "b"]));
    // Waiting is not running.
    world.pass(25);
    assert_eq!(world.ended, []);
    world.join(WORKER, 1, &[]);
    world.pass(5);
    assert_eq!((world.cancels.len(), world.next()), (0, Some(5)));
    world.pass(5);
    assert_eq!((world.cancels.len(), world.next()), (1, None));
    assert_eq!((world.run().status(), world.status("b")), (RunStatus::Cancelling, StepStatus::Cancelled));
    world.finish("a", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.run().limit(), Some(RunLimit::Runtime { seconds: 10 }));
}

#[test]
fn g6_a_limit_is_watched_also_after_a_restart_and_its_reason_survives_one() {
    let mut world = World::with(limited(MAX_RUNTIME_TAG, 10, &["a"]), 1);
    world.pass(4);
    world.recover();
    assert_eq!(world.next(), Some(6));
    world.pass(7);
    assert_eq!(world.run().status(), RunStatus::Cancelling, "its worker may still have it");
    world.recover();
    assert_eq!(world.next(), None);
    world.leave(WORKER);
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.run().limit(), Some(RunLimit::Runtime { seconds: 10 }));
}

#[test]
fn g6_a_cancelled_run_is_not_failed_by_a_limit_that_passes_meanwhile() {
    let mut world = World::with(limited(MAX_RUNTIME_TAG, 10, &["a"]), 1);
    world.input(Input::CancelRequested { run: RUN });
    world.pass(11);
    world.finish("a", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    assert_eq!(ended(&world), RunStatus::Cancelled);
    assert_eq!(world.run().limit(), None);
}

#[test]
fn b7_a_run_that_no_worker_could_end_fails_when_its_time_to_wait_for_one_is_over() {
    let gpu = |step| PlanStep { resources: [("GPU".to_owned(), 2.0)].into(), ..step };
    let waits =
        |steps| Plan { tags: [(WORKER_TIMEOUT_TAG.to_owned(), "10".to_owned())].into(), ..plan(steps) };
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    world.submit(RUN, waits(vec![step("a"), gpu(reads("b", vec![of(0)]))]));
    world.pass(9);
    // The time begins anew when such a worker was there meanwhile.
    world.join(WorkerId(2), 1, &[("GPU", 2.0)]);
    world.leave(WorkerId(2));
    world.pass(9);
    assert_eq!(world.run().limit(), None);
    world.pass(1);
    assert_eq!(world.run().limit(), Some(RunLimit::Worker { seconds: 10 }));
    world.finish("a", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    assert_eq!(ended(&world), RunStatus::Failed);

    // Of a run that has such a worker the tag says nothing.
    let other = RunId(uuid::Uuid::from_u128(2));
    world.join(WorkerId(3), 1, &[("GPU", 2.0)]);
    world.submit(other, waits(vec![gpu(step("b"))]));
    world.pass(100);
    assert_eq!(world.engine.run(other).unwrap().limit(), None);
}
