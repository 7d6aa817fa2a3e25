//! Workers and tenants that do not keep to the rules.

use cofferdam_model::*;

use super::kit::*;
use crate::{Input, Quotas};

/// What a worker can say of an attempt.
fn reports(id: &AttemptId) -> Vec<Report> {
    let usage = Usage::default();
    let outcome = ok(vec![emit("result", None, 9)]);
    vec![
        Report::Started { id: id.clone(), at: Timestamp(1) },
        Report::Returned { id: id.clone() },
        Report::Lacks { id: id.clone(), values: vec!["x".to_owned()] },
        Report::Finished { id: id.clone(), outcome, usage },
        Report::Finished { id: id.clone(), outcome: fail(), usage },
    ]
}

/// Says it, and checks that nothing follows from it.
fn says_in_vain(world: &mut World, worker: WorkerId, report: Report) {
    let before = (world.log.clone(), world.under_way.clone());
    world.input(Input::Report { worker, report: report.clone() });
    assert_eq!((world.log.clone(), world.under_way.clone()), before, "{worker:?} {report:?}");
}

#[test]
fn h_101_what_a_worker_says_of_attempts_that_are_not_its_own_changes_nothing() {
    let mut world = World::with(plan(vec![step("a"), reads("b", vec![of(0)])]), 2);
    let rogue = WorkerId(666);
    world.join(rogue, 0, &[]);
    let id = world.under_way[0].1.id.clone();
    let guesses = [
        id.clone(),
        AttemptId { fence: Fence(id.fence.0 + 1), ..id.clone() },
        AttemptId { step: StepKey::new("b"), ..id.clone() },
        AttemptId { attempt: 2, ..id.clone() },
        AttemptId { run: run_id(9), ..id.clone() },
    ];
    for guess in &guesses {
        for report in reports(guess) {
            says_in_vain(&mut world, rogue, report);
        }
    }
    // Nor what the right worker says of what it was not given.
    for guess in &guesses[1..] {
        for report in reports(guess) {
            says_in_vain(&mut world, WORKER, report);
        }
    }
    world.done("a");
    assert_eq!(world.running(), ["b"]);
    for report in reports(&id) {
        says_in_vain(&mut world, rogue, report);
    }
}

#[test]
fn h_102_what_is_said_again_changes_nothing_however_often_and_whoever_hears_it() {
    let retry = RetryPolicy { max_retries: 1, delay: 0.0, ..RetryPolicy::NEVER };
    let steps = vec![PlanStep { retry, ..step("a") }, reads("b", vec![of(0)])];
    let mut world = World::with(plan(steps), 1);
    let first = world.finish("a", fail()).id;
    world.input(Input::Tick);
    let second = world.done("a").id;
    for _ in 0..3 {
        for id in [&first, &second] {
            for report in reports(id) {
                says_in_vain(&mut world, WORKER, report);
            }
        }
    }
    // The next scheduler has heard none of it, and knows better all the same.
    world.recover();
    world.come_back(WORKER, 0);
    for id in [&first, &second] {
        for report in reports(id) {
            says_in_vain(&mut world, WORKER, report);
        }
    }
    world.done("b");
    assert_eq!(world.ended.len(), 1);
}

#[test]
fn h_110_a_tenant_with_all_slots_and_ten_thousand_steps_waiting_holds_another_up_for_its_share_only() {
    let mut world = World::under(Quotas::default());
    let slots = 4;
    world.join(WORKER, slots, &[]);
    let of = |namespace: &str, count: usize| Plan {
        tags: [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into(),
        ..plan((0..count).map(|n| step(&format!("{namespace}{n}"))).collect())
    };
    for n in 0..10 {
        world.submit(run_id(100 + n), of("greedy", 1000));
    }
    let n_of = |world: &World, namespace: &str| {
        world.running().iter().filter(|key| key.starts_with(namespace)).count()
    };
    assert_eq!(n_of(&world, "greedy"), slots as usize);
    world.submit(run_id(1), of("small", 8));
    // Each end of the greedy one's steps goes to the small one, until it has its half.
    for n in 1..=2 {
        let id = world
            .under_way
            .iter()
            .find(|(_, one)| one.id.step.as_str().starts_with("greedy"))
            .unwrap()
            .1
            .id
            .clone();
        world.under_way.retain(|(_, one)| one.id != id);
        world.report(id, ok(vec![emit("result", None, 1)]));
        assert_eq!(n_of(&world, "small"), n);
    }
    // Priorities count within a namespace only.
    assert_eq!(n_of(&world, "greedy"), 2);
}
