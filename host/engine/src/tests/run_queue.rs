//! The run queue: how many runs go on at once, which of those that wait comes next, and what a restart keeps.

use std::collections::BTreeMap;

use cofferdam_model::*;
use proptest::prelude::*;

use super::kit::*;
use crate::{Input, Quotas};

fn with(max_concurrent: Option<u32>, tag_limits: Vec<TagLimit>) -> World {
    let runs = RunQueue { max_concurrent, tag_limits };
    let mut world = World::under(Quotas { runs, ..Quotas::default() });
    world.join(WORKER, 10, &[]);
    world
}

fn limit(key: &str, value: TagValue, limit: u32) -> TagLimit {
    TagLimit { key: key.to_owned(), value, limit }
}

fn tagged(step_: &str, tags: &[(&str, &str)]) -> Plan {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Plan { tags, ..plan(vec![step(step_)]) }
}

/// Submits runs 1, 2, … of one step each, named `a`, `b`, …
fn submit_all(world: &mut World, tags: &[&[(&str, &str)]]) {
    for ((number, letter), tags) in (1..).zip('a'..).zip(tags) {
        world.submit(run_id(number), tagged(&letter.to_string(), tags));
    }
}

fn why(world: &World, run: u128, key: &str) -> String {
    world
        .engine
        .why(run_id(run), &StepKey::new(key), world.now)
        .map_or_else(String::new, |why| why.to_string())
}

#[test]
fn i7_at_most_so_many_runs_go_on_and_the_oldest_that_waits_is_next_at_once() {
    let mut world = with(Some(2), vec![]);
    submit_all(&mut world, &[&[], &[], &[], &[]]);
    assert_eq!(world.running(), ["a", "b"]);
    let (first, second) = (run_id(1), run_id(2));
    assert_eq!(
        why(&world, 4, "d"),
        format!(
            "its run waits in the run queue: 2 runs may go on at once, and these do: {first}, {second}; 1 run goes before it"
        )
    );
    assert_eq!(world.engine.census().waiting, [("run_queue", 2)].into());
    let queued: Vec<RunId> = world.engine.queues().runs.iter().map(|queued| queued.run).collect();
    assert_eq!(queued, [run_id(3), run_id(4)]);
    assert_eq!(world.engine.run(run_id(3)).unwrap().status(), RunStatus::Queued);
    world.done("b");
    assert_eq!(world.running(), ["a", "c"], "within the answer to the report");
    world.done("a");
    world.done("c");
    world.done("d");
    assert_eq!(world.running(), [""; 0]);
}

#[test]
fn i7_a_higher_priority_goes_first_and_equal_ones_in_order() {
    let mut world = with(Some(1), vec![]);
    let high: &[(&str, &str)] = &[(PRIORITY_TAG, "5")];
    let odd: &[(&str, &str)] = &[(PRIORITY_TAG, "soon")];
    submit_all(&mut world, &[&[], &[], high, odd, high]);
    let mut order = vec![];
    while let Some(next) = world.running().first().map(|next| (*next).to_owned()) {
        world.done(&next);
        order.push(next);
    }
    assert_eq!(order, ["a", "c", "e", "b", "d"]);
}

fn sorted(world: &World) -> Vec<&str> {
    let mut running = world.running();
    running.sort_unstable();
    running
}

#[test]
fn i7_tags_limit_all_runs_that_have_them_or_one_value_or_each_and_hold_up_no_others() {
    let limits = vec![
        limit("database", TagValue::Any, 1),
        limit("team", TagValue::Is("etl".to_owned()), 1),
        limit("customer", TagValue::Each, 1),
    ];
    let mut world = with(None, limits);
    submit_all(
        &mut world,
        &[
            &[("database", "x"), ("team", "etl")],
            &[("database", "y")],
            &[("team", "etl")],
            &[("team", "web")],
            &[("customer", "p")],
            &[("customer", "p")],
            &[("customer", "q")],
            &[],
        ],
    );
    assert_eq!(world.running(), ["a", "d", "e", "g", "h"]);
    let first = run_id(1);
    let waits = "its run waits in the run queue: 1 run with the tag";
    assert_eq!(why(&world, 2, "b"), format!("{waits} `database` may go on at once, and these do: {first}"));
    assert!(why(&world, 3, "c").starts_with(&format!("{waits} `team=etl`")));
    assert!(why(&world, 6, "f").starts_with(&format!("{waits} `customer=p`")));
    world.done("a");
    assert_eq!(sorted(&world), ["b", "c", "d", "e", "g", "h"]);
    world.done("e");
    assert_eq!(sorted(&world), ["b", "c", "d", "f", "g", "h"]);
}

#[test]
fn i7_none_begins_where_none_may_and_one_that_waits_can_be_cancelled() {
    let mut world = with(Some(0), vec![]);
    submit_all(&mut world, &[&[], &[]]);
    assert_eq!(world.running(), [""; 0]);
    assert_eq!(why(&world, 1, "a"), "its run waits in the run queue, which lets no run begin");
    world.input(Input::CancelRequested { run: run_id(1) });
    assert_eq!(world.engine.run(run_id(1)).map(|run| run.status()), Some(RunStatus::Cancelled));
    assert!(why(&world, 2, "b").ends_with("begin"), "{}", why(&world, 2, "b"));
}

#[test]
fn i7_a_run_that_waits_is_not_late_to_start_and_has_its_time_when_it_begins() {
    let mut world = with(Some(1), vec![]);
    submit_all(&mut world, &[&[], &[(START_TIMEOUT_TAG, "60")]]);
    world.now = Timestamp(3_600_000);
    world.input(Input::Tick);
    assert_eq!(world.engine.run(run_id(2)).unwrap().status(), RunStatus::Queued);
    world.done("a");
    assert_eq!(world.running(), ["b"]);
}

#[test]
fn i7_what_has_begun_keeps_its_place_over_a_restart_of_the_scheduler() {
    let mut world = with(Some(2), vec![]);
    submit_all(&mut world, &[&[], &[], &[]]);
    world.recover();
    assert!(why(&world, 3, "c").starts_with("its run waits in the run queue: 2 runs"));
    world.come_back(WORKER, 0);
    world.done("a");
    assert_eq!(sorted(&world), ["b", "c"]);
}

const MAX: usize = 3;

fn limits() -> Vec<TagLimit> {
    vec![
        limit("color", TagValue::Any, 2),
        limit("color", TagValue::Is("red".to_owned()), 1),
        limit("customer", TagValue::Each, 1),
    ]
}

/// Tags of a run, drawn from a byte.
fn drawn(byte: u8) -> Vec<(&'static str, &'static str)> {
    let mut tags = vec![];
    tags.extend([("color", "red"), ("color", "blue")].get(usize::from(byte % 4)));
    tags.extend([("customer", "p"), ("customer", "q")].get(usize::from(byte / 4 % 4)));
    tags.extend([(PRIORITY_TAG, "1"), (PRIORITY_TAG, "-1")].get(usize::from(byte / 16 % 4)));
    tags
}

/// No limit is exceeded, and no run waits that none of them holds back.
fn check(world: &World, n_runs: u128) {
    let runs: Vec<_> = (1..=n_runs).filter_map(|n| world.engine.run(run_id(n))).collect();
    let of = |status| runs.iter().filter(move |run| run.status() == status);
    let going_on = || of(RunStatus::Running).chain(of(RunStatus::Cancelling));
    let limits = limits();
    let mut counts: BTreeMap<(usize, Option<&str>), u32> = BTreeMap::new();
    for run in going_on() {
        for (at, limit) in limits.iter().enumerate() {
            if let Some(value) = limit.counts(&run.layout.plan.tags) {
                let n = counts.entry((at, value)).or_default();
                *n += 1;
                assert!(*n <= limit.limit, "{n} runs with the tag {}", limit.key);
            }
        }
    }
    assert!(going_on().count() <= MAX);
    for run in of(RunStatus::Queued) {
        let is_full = |(at, limit): (usize, &TagLimit)| {
            let value = limit.counts(&run.layout.plan.tags)?;
            Some(counts.get(&(at, value)).copied().unwrap_or(0) >= limit.limit)
        };
        let held = limits.iter().enumerate().filter_map(is_full).any(|full| full);
        assert!(held || going_on().count() == MAX, "run {} waits for nothing", run.id);
    }
}

proptest! {
    #[test]
    fn i7_whatever_happens_no_limit_is_exceeded_and_nothing_waits_without_a_reason(
        happens in prop::collection::vec(any::<(u8, u8)>(), 1..60)
    ) {
        let mut world = with(Some(MAX as u32), limits());
        let mut n_runs = 0;
        for (what, byte) in happens {
            match what % 8 {
                0..3 => {
                    n_runs += 1;
                    world.submit(run_id(n_runs), tagged(&format!("s{n_runs}"), &drawn(byte)));
                }
                3..6 => {
                    let running: Vec<String> = world.running().into_iter().map(str::to_owned).collect();
                    if let Some(key) = running.get(usize::from(byte) % running.len().max(1)) {
                        world.done(key);
                    }
                }
                6 => {
                    let run = run_id(u128::from(byte) % n_runs.max(1) + 1);
                    world.input(Input::CancelRequested { run });
                }
                _ => {
                    world.recover();
                    world.come_back(WORKER, 0);
                }
            }
            check(&world, n_runs);
        }
        while let Some(key) = world.running().first().map(|key| (*key).to_owned()) {
            world.done(&key);
        }
        prop_assert_eq!(world.ended.len() as u128, n_runs);
    }
}
