//! Why a step waits, in words.

use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::{Input, Quotas};

#[test]
fn a_step_that_waits_for_others_a_retry_or_nothing_says_so() {
    let retrying = PlanStep {
        retry: RetryPolicy { max_retries: 1, delay: 60.0, ..RetryPolicy::NEVER },
        ..step("again")
    };
    let steps = vec![step("a"), step("b"), reads("both", vec![of(0), of(1)]), retrying];
    let mut world = World::with(plan(steps), 4);
    assert_eq!(why(&world, "both"), "it waits for `a`, `b`");
    world.done("b");
    assert_eq!(why(&world, "both"), "it waits for `a`");
    assert_eq!(why(&world, "a"), "it does not wait: worker 1 has it");
    assert_eq!(why(&world, "b"), "it does not wait: it has ended, succeeded");
    world.finish("again", fail());
    assert_eq!(why(&world, "again"), "its last attempt failed, and the next one is not due yet");
    world.now = world.now + Duration::from_secs(60);
    world.input(Input::Tick);
    assert_eq!(why(&world, "again"), "it does not wait: worker 1 has it");
    assert_eq!(why(&world, "nobody"), "none");
}

#[test]
fn a_step_that_is_held_back_by_a_limit_says_which_and_by_whom() {
    let tagged = |key: &str| PlanStep { tags: [("db".to_owned(), "main".to_owned())].into(), ..step(key) };
    let pooled = |key: &str| PlanStep { pool: Some(name("api")), ..step(key) };
    let limit = TagLimit { key: "db".to_owned(), value: TagValue::Each, limit: 1 };
    let plan = Plan {
        tag_limits: vec![limit],
        max_concurrent: Some(3),
        ..plan(vec![tagged("t1"), tagged("t2"), pooled("p1"), pooled("p2"), step("x"), step("y")])
    };
    let mut world = World::under(Quotas { pools: [("api".to_owned(), 1)].into(), ..Quotas::default() });
    world.join(WORKER, 9, &[]);
    world.submit(RUN, plan);
    assert_eq!(world.running(), ["t1", "p1", "x"]);
    assert_eq!(why(&world, "y"), "3 steps of its run are under way, as many as `max_concurrent` lets");
    world.done("x");
    world.done("y");
    assert_eq!(
        why(&world, "t2"),
        "1 step with the tag `db=main` is under way, as many as its limit lets: `t1`"
    );
    assert_eq!(why(&world, "p2"), format!("all slots of the pool `api` are taken (1), by `p1` of run {RUN}"));
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!(why(&world, "t2"), "it does not wait: it has ended, cancelled");
}

#[test]
fn a_step_that_no_worker_takes_says_what_they_lack() {
    let gpu =
        |key: &str, amount: f64| PlanStep { resources: [("GPU".to_owned(), amount)].into(), ..step(key) };
    let mut world = World::new();
    world.submit(RUN, plan(vec![gpu("g1", 1.0), gpu("g2", 1.0), gpu("big", 2.0), gpu("g3", 1.0)]));
    assert_eq!(why(&world, "g1"), "no worker has joined");
    world.join(WORKER, 4, &[("GPU", 1.0)]);
    assert_eq!(
        why(&world, "big"),
        "it asks for GPU=2, which no worker offers; the nearest, worker 1, lacks GPU=2"
    );
    assert_eq!(why(&world, "g2"), "every worker that could run it is busy; it asks for GPU=1");
    assert_eq!(
        why(&world, "g3"),
        "every worker that could run it is busy; it asks for GPU=1; 2 steps go before it in order"
    );
    world.input(Input::WorkerDraining { worker: WORKER });
    assert_eq!(why(&world, "g2"), "every worker that could run it wants to leave");
}
