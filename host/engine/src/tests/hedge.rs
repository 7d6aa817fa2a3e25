//! Two attempts of one step at once.

use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::Input;

const OTHER: WorkerId = WorkerId(2);

/// Two copies of a pure op, of which each worker has one.
fn two() -> World {
    let pure = |key| PlanStep { hedge: true, ..step(key) };
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    world.join(OTHER, 1, &[]);
    world.submit(RUN, plan(vec![pure("a"), pure("b")]));
    for key in ["a", "b"] {
        started(&mut world, key);
    }
    world
}

fn attempt(world: &World, key: &str, number: u32) -> (WorkerId, AttemptId) {
    let mut found = world.under_way.iter();
    let found = found.find(|(_, one)| one.id.step.as_str() == key && one.id.attempt == number);
    let (worker, assignment) =
        found.unwrap_or_else(|| panic!("{key}, attempt {number}: {:?}", world.running()));
    (*worker, assignment.id.clone())
}

fn started(world: &mut World, key: &str) {
    let (worker, id) = attempt(world, key, 1);
    world.input(Input::Report { worker, report: Report::Started { id, at: world.now } });
}

/// Ends an attempt, which took so long.
fn ends(world: &mut World, key: &str, number: u32, outcome: Outcome, wall: Duration) {
    let (worker, id) = attempt(world, key, number);
    world.under_way.retain(|(_, other)| other.id != id);
    let usage = Usage { wall_us: u64::try_from(wall.as_micros()).unwrap(), cpu_us: 7, ..Usage::default() };
    world.input(Input::Report { worker, report: Report::Finished { id, outcome, usage } });
}

fn pass(world: &mut World, time: Duration) {
    world.now = world.now + time;
    world.input(Input::Tick);
}

/// `a` is done after two seconds, and `b` has another attempt beside it after six.
fn hedged() -> World {
    let mut world = two();
    pass(&mut world, Duration::from_secs(2));
    ends(&mut world, "a", 1, made(), Duration::from_secs(2));
    pass(&mut world, Duration::from_millis(3900));
    assert_eq!(world.running(), ["b"], "it has not run three times as long as its like");
    pass(&mut world, Duration::from_millis(100));
    assert_eq!(world.running(), ["b", "b"]);
    world
}

fn made() -> Outcome {
    ok(vec![emit("result", None, 1)])
}

#[test]
fn c19_a_pure_straggler_has_one_more_attempt_elsewhere_and_the_first_commit_wins() {
    for first in [1, 2] {
        let mut world = hedged();
        let ((one, _), (two, _)) = (attempt(&world, "b", 1), attempt(&world, "b", 2));
        assert_ne!(one, two);
        let (_, late) = attempt(&world, "b", 3 - first);
        ends(&mut world, "b", first, made(), Duration::from_secs(1));
        assert_eq!(ended(&world), RunStatus::Succeeded);
        assert_eq!(world.cancels, std::slice::from_ref(&late), "the other is stopped");
        let run = world.fold(RUN);
        let step = run.step(&StepKey::new("b")).unwrap();
        assert_eq!(step.attempts().last().unwrap().number, first, "who won stands last");
        assert!(step.attempts().all(|attempt| attempt.ended_at.is_some()));
        world.under_way.clear();
        world.report_late(late, made());
    }
}

#[test]
fn c19_what_ends_badly_beside_another_decides_nothing_and_counts_for_nothing() {
    for failing in [1, 2] {
        let mut world = hedged();
        ends(&mut world, "b", failing, fail(), Duration::from_secs(1));
        assert_eq!(world.status("b"), StepStatus::Running);
        ends(&mut world, "b", 3 - failing, made(), Duration::from_secs(1));
        assert_eq!(ended(&world), RunStatus::Succeeded);
    }
    // Alone it decides again.
    let mut world = hedged();
    ends(&mut world, "b", 1, fail(), Duration::from_secs(1));
    ends(&mut world, "b", 2, fail(), Duration::from_secs(1));
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn c19_a_worker_that_is_lost_takes_one_of_both_along_and_a_new_scheduler_knows_both() {
    let mut world = hedged();
    world.recover();
    for worker in [WORKER, OTHER] {
        world.come_back(worker, 0);
    }
    assert_eq!(world.running(), ["b", "b"]);
    let (worker, _) = attempt(&world, "b", 1);
    world.leave(worker);
    assert_eq!(world.running(), ["b"], "nothing is dispatched for it");
    ends(&mut world, "b", 2, made(), Duration::from_secs(1));
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.events(|event| matches!(event, Event::StepLost { .. })).len(), 0);
}

#[test]
fn c19_what_another_has_outrun_keeps_its_room_and_is_accounted_for() {
    let mut world = two();
    world.submit(run_id(2), plan(vec![PlanStep { hedge: true, ..step("c") }]));
    pass(&mut world, Duration::from_secs(2));
    ends(&mut world, "a", 1, made(), Duration::from_secs(2));
    assert_eq!(world.running(), ["b", "c"], "whoever is ready goes before one more attempt");
    pass(&mut world, Duration::from_secs(10));
    assert_eq!(world.running(), ["b", "c"], "and there is no slot for it");

    let mut world = hedged();
    world.submit(run_id(2), plan(vec![step("c"), step("d")]));
    let (free, _) = attempt(&world, "b", 2);
    ends(&mut world, "b", 2, made(), Duration::from_secs(1));
    assert_eq!(world.running(), ["b", "c"], "the slot of the one that is being stopped is not free");
    assert_eq!(attempt(&world, "c", 1).0, free);
    ends(&mut world, "b", 1, fail(), Duration::from_secs(9));
    assert_eq!(world.running(), ["c", "d"]);
}

#[test]
fn c19_limits_of_the_run_count_both_attempts_and_a_cancelled_one_ends_both() {
    let mut plan = plan(vec![
        PlanStep { hedge: true, ..step("a") },
        PlanStep { hedge: true, ..step("b") },
        reads("c", vec![of(0)]),
    ]);
    plan.max_concurrent = Some(2);
    let mut world = World::new();
    world.join(WORKER, 2, &[]);
    world.join(OTHER, 2, &[]);
    world.submit(RUN, plan);
    started(&mut world, "a");
    started(&mut world, "b");
    ends(&mut world, "a", 1, made(), Duration::from_millis(1));
    assert_eq!(world.running(), ["b", "c"]);
    pass(&mut world, Duration::from_secs(5));
    assert_eq!(world.running(), ["b", "c"], "two attempts run, and two may");
    ends(&mut world, "c", 1, made(), Duration::from_millis(1));
    pass(&mut world, Duration::from_secs(5));
    assert_eq!(world.running(), ["b", "b"]);
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!(world.cancels.len(), 2);
    let stopped = || Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "stopped")));
    ends(&mut world, "b", 1, stopped(), Duration::from_secs(1));
    assert_eq!(ended(&world), RunStatus::Cancelled);
    ends(&mut world, "b", 2, stopped(), Duration::from_secs(1));
}
