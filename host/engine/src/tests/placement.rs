//! What runs where and when: limits by tag, pools, labels, lifetimes, priority, and where values are.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::*;

use super::bug::{self, Bug};
use super::dynamic::{mapped, splitter};
use super::kit::*;
use crate::place::{AGED_AFTER, AGED_EVERY};
use crate::{Input, Quotas};

fn tagged(key: &str, value: &str) -> PlanStep {
    PlanStep { tags: [("db".to_owned(), value.to_owned())].into(), ..step(key) }
}

fn limit(value: TagValue, limit: u32) -> TagLimit {
    TagLimit { key: "db".to_owned(), value, limit }
}

/// Steps with a tag, in the order in which they come to run on a worker with room for all.
fn limited(limits: Vec<TagLimit>) -> World {
    let steps =
        vec![tagged("a1", "a"), tagged("a2", "a"), tagged("b1", "b"), tagged("b2", "b"), step("free")];
    World::with(Plan { tag_limits: limits, ..plan(steps) }, 10)
}

#[test]
fn c3_steps_of_a_run_are_limited_by_tag_by_value_and_by_each_value() {
    let mut all = limited(vec![limit(TagValue::Any, 2)]);
    assert_eq!(all.running(), ["a1", "a2", "free"]);
    all.done("a2");
    assert_eq!(all.running(), ["a1", "free", "b1"]);

    let mut one = limited(vec![limit(TagValue::Is("b".to_owned()), 1)]);
    assert_eq!(one.running(), ["a1", "a2", "b1", "free"]);
    one.finish("b1", fail());
    assert_eq!(one.running(), ["a1", "a2", "free", "b2"]);

    let mut each = limited(vec![limit(TagValue::Each, 1)]);
    assert_eq!(each.running(), ["a1", "b1", "free"]);
    each.done("b1");
    assert_eq!(each.running(), ["a1", "free", "b2"]);

    // Every limit that is for a step counts.
    let mut both = limited(vec![limit(TagValue::Any, 3), limit(TagValue::Is("a".to_owned()), 1)]);
    assert_eq!(both.running(), ["a1", "b1", "b2", "free"]);
    both.done("b1");
    assert_eq!(both.running(), ["a1", "b2", "free"], "a2 waits for a1");
    both.done("a1");
    assert_eq!(both.running(), ["b2", "free", "a2"]);
}

#[test]
fn limits_by_tag_hold_after_a_restart_and_for_copies_made_at_run_time() {
    let mut world = limited(vec![limit(TagValue::Any, 1)]);
    assert_eq!(world.running(), ["a1", "free"]);
    world.restart();
    world.join(WorkerId(7), 10, &[]);
    assert_eq!(world.running(), ["a1", "free"]);
    for key in ["a1", "a2", "b1", "b2", "free"] {
        world.done(key);
    }
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

fn pooled(key: &str, pool: &str) -> PlanStep {
    PlanStep { pool: Some(name(pool)), ..step(key) }
}

#[test]
fn c4_a_pool_bounds_steps_of_all_runs_and_its_slots_are_right_after_everything_died() {
    let quotas = Quotas { pools: [("api".to_owned(), 2)].into(), ..Quotas::default() };
    let mut world = World::under(quotas);
    world.join(WORKER, 20, &[]);
    let steps = |of: &str| {
        plan(vec![
            pooled(&format!("{of}1"), "api"),
            pooled(&format!("{of}2"), "api"),
            step(&format!("{of}_free")),
        ])
    };
    world.submit(RUN, steps("a"));
    world.submit(run_id(2), steps("b"));
    assert_eq!(world.running(), ["a1", "a2", "a_free", "b_free"]);
    let held = |key: &str| (RUN, StepKey::new(key));
    let used = PoolUse {
        name: "api".into(),
        limit: Some(2),
        taken: 2,
        waiting: 2,
        holders: vec![held("a1"), held("a2")],
    };
    assert_eq!(world.engine.queues().pools, [used]);
    world.finish("a1", fail());
    assert_eq!(world.running(), ["a2", "a_free", "b_free", "b1"], "a slot is free when its step has ended");
    world.leave(WORKER);
    world.join(WorkerId(2), 20, &[]);
    assert_eq!(world.running(), ["a2", "a_free", "b1", "b_free"], "and when its worker has gone");
    world.restart();
    world.join(WorkerId(3), 20, &[]);
    let pooled = world.running().iter().filter(|key| !key.ends_with("free")).count();
    assert_eq!(pooled, 2, "{:?}", world.running());
    assert_eq!(order(&mut world).len(), 5);
    assert_eq!(world.ended.len(), 2);
}

#[test]
fn pools_that_are_not_named_have_the_default_and_one_of_zero_holds_all() {
    let quotas =
        Quotas { pools: [("shut".to_owned(), 0)].into(), pool_default: Some(1), ..Quotas::default() };
    let mut world = World::under(quotas);
    world.join(WORKER, 20, &[]);
    world.submit(RUN, plan(vec![pooled("a", "x"), pooled("b", "x"), pooled("c", "y"), pooled("d", "shut")]));
    assert_eq!(world.running(), ["a", "c"]);
}

#[test]
fn a_namespace_has_at_most_as_many_steps_at_once_as_it_may_over_all_its_runs() {
    let quotas = Quotas { namespaces: [("small".to_owned(), 2)].into(), ..Quotas::default() };
    let mut world = World::under(quotas);
    world.join(WORKER, 20, &[]);
    let of = |namespace: &str, keys: [&str; 2]| Plan {
        tags: [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into(),
        ..plan(keys.map(step).into())
    };
    world.submit(RUN, of("small", ["a", "b"]));
    world.submit(run_id(2), of("small", ["c", "d"]));
    world.submit(run_id(3), of("large", ["e", "f"]));
    assert_eq!(world.running(), ["a", "b", "e", "f"]);
    let why = world.engine.why(run_id(2), &StepKey::new("c"), world.now);
    assert_eq!(why, Some(Why::Namespace { namespace: "small".into(), max: 2 }));
    world.finish("a", fail());
    assert_eq!(world.running(), ["b", "e", "f", "c"], "a place is free when its step has ended");
    world.leave(WORKER);
    world.restart();
    world.join(WorkerId(2), 20, &[]);
    let small = world.running().iter().filter(|key| ["b", "c", "d"].contains(*key)).count();
    assert_eq!(small, 2, "and after everything died: {:?}", world.running());
}

fn labelled(key: &str, value: &str) -> PlanStep {
    PlanStep { labels: [("zone".to_owned(), value.to_owned())].into(), ..step(key) }
}

fn join_with(world: &mut World, worker: WorkerId, zone: &str, ends_at: Option<Timestamp>) {
    let labels = BTreeMap::from([("zone".to_owned(), zone.to_owned())]);
    world.input(Input::WorkerJoined {
        worker,
        slots: 4,
        queue: 0,
        resources: [].into(),
        labels,
        ends_at,
        held: vec![],
    });
}

#[test]
fn a_step_goes_to_a_worker_with_its_labels_only() {
    let mut world = World::new();
    world.submit(RUN, plan(vec![labelled("us", "us"), labelled("eu", "eu"), step("anywhere")]));
    join_with(&mut world, WorkerId(1), "eu", None);
    assert_eq!(world.running(), ["eu", "anywhere"]);
    assert_eq!(
        why(&world, "us"),
        "it asks for zone=us, which no worker offers; the nearest, worker 1, lacks zone=us"
    );
    join_with(&mut world, WorkerId(2), "us", None);
    assert_eq!(world.under_way[2].0, WorkerId(2));
}

#[test]
fn nothing_is_placed_that_could_outlast_its_worker() {
    let timed = |key: &str, seconds: Option<u64>| {
        let mut step = step(key);
        step.limits.timeout = seconds.map(Duration::from_secs);
        step
    };
    let mut world = World::new();
    let steps = vec![
        timed("long", Some(100)),
        timed("endless", None),
        timed("short", Some(10)),
        timed("short2", Some(10)),
    ];
    world.submit(RUN, plan(steps));
    let end = world.now + Duration::from_secs(15);
    join_with(&mut world, WorkerId(1), "eu", Some(end));
    assert_eq!(world.running(), ["short", "short2"]);
    world.now = world.now + Duration::from_secs(6);
    world.finish("short", fail_with(RetryAdvice::Never));
    world.take("short2");
    world.leave(WorkerId(1));
    join_with(&mut world, WorkerId(2), "eu", Some(end));
    assert_eq!(world.running(), [""; 0], "ten seconds are not left");
    join_with(&mut world, WorkerId(3), "eu", None);
    assert_eq!(world.running(), ["long", "endless", "short2"]);
}

fn urgent(key: &str, priority: i32) -> PlanStep {
    PlanStep { priority, ..step(key) }
}

fn of_priority(steps: Vec<PlanStep>, priority: &str) -> Plan {
    Plan { tags: [(PRIORITY_TAG.to_owned(), priority.to_owned())].into(), ..plan(steps) }
}

/// The steps that run one after another on one slot until nothing is left.
fn order(world: &mut World) -> Vec<String> {
    let mut order = vec![];
    while let [(_, assignment), ..] = &world.under_way[..] {
        let key = assignment.id.step.to_string();
        world.done(&key);
        order.push(key);
    }
    order
}

#[test]
fn priority_of_run_and_step_add_up_and_equal_ones_go_in_the_order_of_their_runs() {
    let mut world = World::new();
    world.submit(run_id(1), of_priority(vec![step("a0"), urgent("a1", 1)], "0"));
    world.submit(run_id(2), of_priority(vec![step("b2"), urgent("b7", 5)], "2"));
    world.submit(run_id(3), of_priority(vec![step("c0"), urgent("c1", 1)], "no number"));
    world.submit(run_id(4), of_priority(vec![urgent("d-3", -4)], "1"));
    world.join(WORKER, 1, &[]);
    assert_eq!(order(&mut world), ["b7", "b2", "a1", "c1", "a0", "c0", "d-3"]);
}

/// Serves a low step under ever new high ones, one slot and a second for each; how many went before it.
fn before_the_low_one(limit: u32) -> u32 {
    let mut world = World::new();
    world.submit(run_id(1), of_priority(vec![step("low")], "-100"));
    let high = |n: u32| of_priority(vec![step(&format!("h{n}"))], "100");
    world.submit(run_id(2), high(0));
    world.join(WORKER, 1, &[]);
    for n in 0..limit {
        if world.running() == ["low"] {
            return n;
        }
        world.now = world.now + Duration::from_secs(1);
        world.submit(run_id(u128::from(n) + 3), high(n + 1));
        world.done(&format!("h{n}"));
    }
    limit
}

#[test]
fn c5_higher_priority_goes_first_and_a_low_one_is_served_in_bounded_time() {
    let waited = before_the_low_one(1000);
    let bound = u32::try_from(AGED_AFTER.as_secs()).unwrap() + AGED_EVERY;
    assert!(waited > bound / 2, "it waits as long as others are more urgent: {waited}");
    assert!(waited <= bound, "and not for ever: {waited}");
    let waited = bug::with(Bug::NothingAges, || before_the_low_one(1000));
    assert_eq!(waited, 1000, "without ageing it is never served");
}

#[test]
fn what_has_aged_gets_a_share_and_not_everything() {
    let mut world = World::new();
    for (run, prefix, priority) in [(1, "low", "0"), (2, "high", "9")] {
        let steps = (0..160).map(|n| step(&format!("{prefix}{n}"))).collect();
        world.submit(run_id(run), of_priority(steps, priority));
    }
    world.now = world.now + AGED_AFTER * 2;
    world.join(WORKER, 1, &[]);
    let mut n_low = 0;
    for _ in 0..160 {
        // Both have waited too long all the time; the one that was served waits anew.
        let key = world.running()[0].to_owned();
        n_low += u32::from(key.starts_with("low"));
        world.now = world.now + AGED_AFTER / 4;
        world.done(&key);
    }
    assert_eq!(n_low, 160 / AGED_EVERY);
}

#[test]
fn c6_amounts_are_exact_and_a_step_that_asks_for_more_than_any_worker_has_is_told() {
    let needs = |key: &str, gpu: f64| PlanStep { resources: [("GPU".to_owned(), gpu)].into(), ..step(key) };
    let mut world = World::new();
    world.join(WORKER, 100, &[("GPU", 1.0)]);
    let mut steps: Vec<PlanStep> = (0..12).map(|n| needs(&format!("tenth{n}"), 0.1)).collect();
    steps.push(needs("two", 2.0));
    world.submit(RUN, plan(steps));
    assert_eq!(world.running().len(), 10, "ten tenths are one");
    assert_eq!(
        why(&world, "two"),
        "it asks for GPU=2, which no worker offers; the nearest, worker 1, lacks GPU=2"
    );
    world.join(WorkerId(2), 1, &[("GPU", 2.0)]);
    assert_eq!(world.under_way.last().unwrap().0, WorkerId(2));
}

#[test]
fn c7_a_queue_that_waits_for_a_resource_costs_the_steps_behind_it_nothing() {
    let gpu = |n: u32| PlanStep { resources: [("GPU".to_owned(), 1.0)].into(), ..step(&format!("gpu{n}")) };
    let mut world = World::new();
    world.join(WORKER, 4, &[("GPU", 1.0)]);
    world.submit(run_id(1), of_priority((0..1000).map(gpu).collect(), "10"));
    assert_eq!(world.running(), ["gpu0"]);
    // Whatever waits in front of them: they start in the very answer that accepts them.
    world.submit(run_id(2), plan((0..3).map(|n| step(&format!("cpu{n}"))).collect()));
    assert_eq!(world.running(), ["gpu0", "cpu0", "cpu1", "cpu2"]);
    for n in 0..500 {
        world.done(&format!("gpu{n}"));
        assert_eq!(world.running().len(), 4);
    }
}

/// Shares of two namespaces in what ran, in percent of the first, while both had work.
fn share(weights: &[(&str, u32)], slots: u32, n_steps: [u32; 2]) -> u32 {
    let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    let mut world = World::under(Quotas { weights, ..Quotas::default() });
    for (run, (namespace, n)) in (1..).zip([("a", n_steps[0]), ("b", n_steps[1])]) {
        let steps = (0..n).map(|at| step(&format!("{namespace}{at}"))).collect();
        let tags = [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into();
        world.submit(run_id(run), Plan { tags, ..plan(steps) });
    }
    world.join(WORKER, slots, &[]);
    let (mut n_a, mut n_all, mut seed) = (0, 0, u64::from(slots));
    // What runs ends in an order that has nothing to do with whose it is.
    while n_all < 2 * n_steps[0].min(n_steps[1]) * 8 / 10 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = usize::try_from(seed >> 33).unwrap() % world.under_way.len();
        let key = world.under_way[at].1.id.step.to_string();
        n_a += u32::from(key.starts_with('a'));
        n_all += 1;
        world.done(&key);
    }
    n_a * 100 / n_all
}

#[test]
fn c18_two_namespaces_get_their_shares_whatever_they_have_waiting() {
    for slots in [1, 2, 3, 16] {
        let of_a = share(&[], slots, [100, 1000]);
        assert!((45..=55).contains(&of_a), "{of_a} % with {slots} slots");
    }
    for slots in [1, 8] {
        let of_a = share(&[("a", 3)], slots, [600, 400]);
        assert!((70..=80).contains(&of_a), "weight 3 of 4: {of_a} % with {slots} slots");
    }
}

#[test]
fn a_namespace_that_was_away_has_saved_next_to_nothing_up() {
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    let of = |namespace: &str, n: u32| {
        let steps = (0..n).map(|at| step(&format!("{namespace}{at}"))).collect();
        Plan { tags: [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into(), ..plan(steps) }
    };
    world.submit(run_id(1), of("b", 1));
    world.done("b0");
    world.submit(run_id(2), of("a", 300));
    for n in 0..200 {
        world.done(&format!("a{n}"));
    }
    world.submit(run_id(3), of("b", 50));
    let ran: String = (0..20)
        .map(|_| {
            let key = world.running()[0].to_owned();
            world.done(&key);
            key.chars().next().unwrap()
        })
        .collect();
    let of_b = ran.matches('b').count();
    assert!((9..=12).contains(&of_b), "{ran}");
}

fn on_gpu(step: PlanStep) -> PlanStep {
    PlanStep { resources: [("GPU".to_owned(), 2.0)].into(), ..step }
}

/// What was said since the last call: the step, and why it waits, or nothing where it does no more.
fn said(world: &mut World) -> Vec<String> {
    let said = std::mem::take(&mut world.waits).into_iter();
    said.map(|(step, why)| why.map_or(format!("{step}"), |why| format!("{step}: {why}"))).collect()
}

#[test]
fn b7_each_change_of_the_fleet_tells_what_no_worker_offers_any_more_and_what_one_does_again() {
    let (plain, gpu) = (WORKER, WorkerId(2));
    let none = "it asks for GPU=2, which no worker offers; the nearest, worker 1, lacks GPU=2";
    let mut world = World::new();
    world.join(plain, 8, &[]);
    // Two that ask for the same, one of them after another step: said once, and before either is ready.
    let steps = vec![step("a"), on_gpu(reads("b", vec![of(0)])), on_gpu(reads("c", vec![of(1)])), step("d")];
    world.submit(RUN, plan(steps));
    assert_eq!(said(&mut world), [""; 0], "who submits is answered");
    world.join(gpu, 1, &[("GPU", 2.0)]);
    assert_eq!(said(&mut world), ["b"]);
    world.join(WorkerId(3), 1, &[("GPU", 4.0)]);
    world.leave(WorkerId(3));
    assert_eq!(said(&mut world), [""; 0], "another one offers it still");
    world.input(Input::WorkerSilent { worker: gpu });
    assert_eq!(said(&mut world), [format!("b: {none}")]);
    world.join(gpu, 1, &[("GPU", 2.0)]);
    world.done("a");
    world.done("b");
    assert_eq!(world.running(), ["d", "c"]);
    world.input(Input::WorkerDraining { worker: gpu });
    assert_eq!(said(&mut world), ["b"], "what it has it ends, and nothing else asks for it");
    world.leave(gpu);
    assert_eq!(said(&mut world), [format!("c: {none}")]);
    world.leave(plain);
    assert_eq!(said(&mut world), ["d: no worker has joined"]);
}

#[test]
fn b7_a_mapped_step_is_told_of_before_its_copies_are_there_and_not_when_there_are_none() {
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    let scope = [output(0, "parts")];
    let each = mapped("each", &scope, vec![Source::Output(output(0, "parts"))]);
    world.submit(RUN, plan(vec![splitter("split", true), on_gpu(each)]));
    let gpu = WorkerId(2);
    world.join(gpu, 1, &[("GPU", 2.0)]);
    world.leave(gpu);
    assert_eq!(said(&mut world).len(), 2);
    world.finish("split", ok(vec![]));
    world.join(gpu, 1, &[("GPU", 2.0)]);
    assert_eq!(said(&mut world), [""; 0]);
}
