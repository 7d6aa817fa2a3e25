//! What a namespace may use over time, and what becomes of what is over it.

use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::{Input, Quotas};

const HOUR: Duration = Duration::from_secs(3600);

fn under(quota: Quota) -> World {
    let mut world = World::under(Quotas { quotas: [("lab".to_owned(), quota)].into(), ..Quotas::default() });
    world.join(WORKER, 1, &[]);
    world
}

fn of(namespace: &str, keys: &[&str]) -> Plan {
    let tags = [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into();
    Plan { tags, ..plan(keys.iter().map(|key| step(key)).collect()) }
}

/// Ends the running attempt of a step that has spent so much time of a core and has stored so many bytes.
fn end(world: &mut World, key: &str, cpu: Duration, stored: u64) {
    let id = world.take(key).id;
    let mut output = emit("result", None, 1);
    output.value.size = stored;
    output.value.place = Place::Stored(format!("stored/{key}"));
    let usage = Usage { cpu_us: cpu.as_micros() as u64, ..Usage::default() };
    let report = Report::Finished { id, outcome: ok(vec![output]), usage };
    world.input(Input::Report { worker: WORKER, report });
}

fn why(world: &World, key: &str) -> String {
    let found = world.engine.why(RUN, &StepKey::new(key), world.now);
    found.map_or_else(|| "none".to_owned(), |why| why.to_string())
}

#[test]
fn f14_a_namespace_that_has_used_up_its_cpu_time_waits_for_the_next_hour_and_others_do_not() {
    let mut world = under(Quota { cpu_per_hour: Some(Duration::from_secs(60)), ..Quota::default() });
    world.submit(RUN, of("lab", &["a", "b", "c"]));
    world.submit(run_id(2), of("other", &["x"]));
    end(&mut world, "a", Duration::from_secs(59), 0);
    // The other namespace's turn, and then its own again: it has a second left.
    end(&mut world, "x", Duration::from_secs(3000), 0);
    end(&mut world, "b", Duration::from_secs(1), 0);
    assert_eq!(world.running(), [""; 0]);
    let hour = Timestamp(HOUR.as_millis() as u64);
    assert_eq!(
        why(&world, "c"),
        format!("the namespace `lab` has a quota of 60 s of CPU time an hour, used up until {hour}")
    );
    assert_eq!(world.engine.census().waiting, [("quota", 1)].into());
    assert_eq!(world.engine.next_deadline(), Some(hour));
    world.submit(run_id(3), of("other", &["y"]));
    assert_eq!(world.running(), ["y"]);
    world.done("y");
    world.now = hour;
    world.input(Input::Tick);
    assert_eq!(world.running(), ["c"]);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn f14_a_namespace_that_has_stored_all_it_may_waits_until_some_of_it_is_freed() {
    let mut world = under(Quota { stored_bytes: Some(1000), ..Quota::default() });
    world.submit(RUN, of("lab", &["a", "b", "c"]));
    end(&mut world, "a", Duration::ZERO, 999);
    end(&mut world, "b", Duration::ZERO, 2);
    assert_eq!(world.running(), [""; 0]);
    let said = why(&world, "c");
    assert!(said.contains("a quota of 1000 bytes of stored values, of which 1001 are used"), "{said}");
    let freed = Standing { stored_bytes: 999, ..Standing::default() };
    world.input(Input::Standing([("lab".to_owned(), freed)].into()));
    assert_eq!(world.running(), ["c"]);
}

#[test]
fn f14_runs_over_a_quota_are_refused_where_the_operator_wants_that() {
    let quota = Quota { stored_bytes: Some(1), ..Quota::default() };
    for over in [OverQuota::Throttle, OverQuota::Reject] {
        let mut world = under(Quota { over, ..quota.clone() });
        world.submit(RUN, of("lab", &["a"]));
        let lab = of("lab", &["b"]);
        assert_eq!(world.engine.refuses(&lab, world.now), None);
        end(&mut world, "a", Duration::ZERO, 2);
        let used_up = UsedUp::StoredBytes { max: 1, used: 2 };
        let expected = (over == OverQuota::Reject).then_some(used_up);
        assert_eq!(world.engine.refuses(&lab, world.now), expected);
        assert_eq!(world.engine.refuses(&of("other", &["b"]), world.now), None);
    }
}

#[test]
fn f14_a_run_that_needs_one_library_more_than_its_namespace_may_have_is_refused() {
    let mut world = under(Quota { libraries: Some(2), ..Quota::default() });
    let with = |names: &[u8]| {
        let libraries = names.iter().map(|byte| (name(&format!("l{byte}")), LibraryDigest([*byte; 32])));
        Plan { libraries: libraries.collect(), ..of("lab", &["a"]) }
    };
    world.submit(RUN, with(&[1, 2]));
    let now = world.now;
    assert_eq!(world.engine.refuses(&with(&[2, 1]), now), None, "they are there already");
    let refused = world.engine.refuses(&with(&[1, 3]), now);
    assert_eq!(refused, Some(UsedUp::Libraries { max: 2 }));
    // When the runs that needed them are on record no more, there is room.
    world.input(Input::Standing([("lab".to_owned(), Standing::default())].into()));
    assert_eq!(world.engine.refuses(&with(&[1, 3]), now), None);
}

#[test]
fn f14_what_was_used_before_a_restart_counts_after_it() {
    let mut world = under(Quota { cpu_per_hour: Some(Duration::from_secs(60)), ..Quota::default() });
    world.submit(RUN, of("lab", &["a", "b"]));
    end(&mut world, "a", Duration::from_secs(60), 0);
    world.restart();
    let standing = Standing { cpu: Duration::from_secs(60), ..Standing::default() };
    world.input(Input::Standing([("lab".to_owned(), standing)].into()));
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.running(), [""; 0]);
    // A record that is behind what was counted since takes nothing away.
    world.input(Input::Standing([("lab".to_owned(), Standing::default())].into()));
    assert_eq!(world.running(), [""; 0]);
}
