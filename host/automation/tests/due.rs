//! Schedules that are looked at again and again, by a loop that is late, dies, and sees evaluations fail.

use cofferdam_automation::{Due, RETRY_PAUSE, Rules, Timetable, due};
use cofferdam_model::{CatchUp, InstigatorState, InstigatorStatus, Tick, TickStatus, Timestamp};
use proptest::prelude::*;

const HOUR: u64 = 3_600_000;
const SINCE: Timestamp = Timestamp(1_700_000_000_000);

fn state(since: Timestamp) -> InstigatorState {
    InstigatorState {
        instigator: "schedule/main/s".parse().unwrap(),
        status: Some(InstigatorStatus::Running),
        since,
        cursor: None,
        last_run_key: None,
        last_tick: None,
    }
}

fn tick(at: Timestamp, status: TickStatus, failures: u32, now: Timestamp) -> Tick {
    Tick {
        number: 1,
        instigator: "schedule/main/s".parse().unwrap(),
        at,
        started_at: now,
        ended_at: (status != TickStatus::Started).then_some(now),
        status,
        reason: None,
        failures,
        runs: vec![],
        logs: vec![],
    }
}

fn rules(catch_up: CatchUp, max_tick_retries: u32) -> Rules {
    Rules { status: InstigatorStatus::Stopped, catch_up, max_tick_retries }
}

fn hourly() -> Timetable {
    Timetable::new(&["0 * * * *"], Some("Europe/Berlin")).unwrap()
}

fn at(text: &str) -> Timestamp {
    // The first tick of that minute: the times of a table are the only calendar here.
    let table = Timetable::new(&["* * * * *"], None).unwrap();
    let all =
        |from: u64| table.from(Timestamp(from)).take(60 * 48).find(|at| at.to_string().starts_with(text));
    all(1_711_756_800_000).or_else(|| all(1_700_000_000_000)).unwrap()
}

fn times(due: &Due) -> Vec<String> {
    due.ticks.iter().map(|at| at.to_string()[11..16].to_owned()).collect()
}

#[test]
fn i3_of_missed_ticks_the_newest_is_made_up_for_or_so_many_or_all_or_none() {
    let (since, now) = (at("2024-03-30T00:30"), at("2024-03-30T09:20"));
    let look = |catch_up| due(&hourly(), rules(catch_up, 0), &state(since), None, now);
    let newest = look(CatchUp::Newest(1));
    assert_eq!((times(&newest), newest.missed), (vec!["09:00".to_owned()], 8));
    assert_eq!(newest.wake, Some(at("2024-03-30T10:00")));
    let five = look(CatchUp::Newest(5));
    assert_eq!((times(&five).join(" ").as_str(), five.missed), ("05:00 06:00 07:00 08:00 09:00", 4));
    assert_eq!(look(CatchUp::All).ticks.len(), 9);
    let none = look(CatchUp::None);
    assert_eq!((none.ticks.len(), none.missed), (0, 9));
    let in_time = due(&hourly(), rules(CatchUp::None, 0), &state(since), None, at("2024-03-30T09:01"));
    assert_eq!(times(&in_time), ["09:00"]);
}

#[test]
fn c_31_a_million_missed_ticks_are_bounded() {
    let every_minute = Timetable::new(&["* * * * *"], None).unwrap();
    let now = Timestamp(SINCE.0 + 1_000_000 * 60_000);
    let look = |catch_up| due(&every_minute, rules(catch_up, 0), &state(SINCE), None, now);
    assert_eq!(look(CatchUp::All).ticks.len(), cofferdam_automation::DUE_MAX);
    let newest = look(CatchUp::Newest(u32::MAX));
    assert_eq!(newest.ticks.len(), cofferdam_automation::DUE_MAX);
    assert_eq!(newest.missed, cofferdam_automation::MISSED_COUNTED_MAX);
}

#[test]
fn i2_a_tick_that_was_started_and_not_ended_comes_first_whatever_the_rules() {
    let (began, now) = (at("2024-03-30T03:00"), at("2024-03-30T09:20"));
    let open = tick(began, TickStatus::Started, 0, began);
    for catch_up in [CatchUp::None, CatchUp::Newest(1), CatchUp::All] {
        let found = due(&hourly(), rules(catch_up, 0), &state(at("2024-03-30T00:30")), Some(&open), now);
        assert_eq!(found.ticks.first(), Some(&began), "{catch_up:?}");
        assert_eq!(found.ticks.iter().filter(|at| **at == began).count(), 1);
    }
    let later = due(&hourly(), rules(CatchUp::All, 0), &state(at("2024-03-30T05:30")), Some(&open), now);
    assert_eq!(times(&later)[0], "06:00", "it was stopped and started since");
}

#[test]
fn i2_a_failed_tick_is_retried_as_often_as_allowed_and_not_at_once() {
    let (due_at, failed_at) = (at("2024-03-30T03:00"), at("2024-03-30T03:05"));
    let look = |failures, retries, now| {
        let failed = tick(due_at, TickStatus::Failed, failures, failed_at);
        due(&hourly(), rules(CatchUp::Newest(1), retries), &state(SINCE), Some(&failed), now)
    };
    let soon = look(1, 1, failed_at);
    assert_eq!((soon.ticks.len(), soon.wake), (0, Some(failed_at + RETRY_PAUSE)));
    assert_eq!(times(&look(1, 1, failed_at + RETRY_PAUSE)), ["03:00"]);
    assert!(look(2, 1, failed_at + RETRY_PAUSE).ticks.is_empty());
    assert_eq!(times(&look(0, 0, failed_at + RETRY_PAUSE)), ["03:00"], "a failure that was not counted");
    let newer = look(1, 1, at("2024-03-30T04:00"));
    assert_eq!((times(&newer), newer.missed), (vec!["04:00".to_owned()], 1));
}

#[test]
fn i2_a_clock_that_goes_back_makes_no_tick_due_again() {
    let done = tick(at("2024-03-30T09:00"), TickStatus::Succeeded, 0, at("2024-03-30T09:00"));
    let back = at("2024-03-30T06:10");
    let found = due(&hourly(), rules(CatchUp::All, 0), &state(SINCE), Some(&done), back);
    assert_eq!((found.ticks.len(), found.wake), (0, Some(at("2024-03-30T10:00"))));
}

#[test]
fn a_stopped_schedule_has_nothing_due_and_no_time_to_wake() {
    let stopped = InstigatorState { status: Some(InstigatorStatus::Stopped), ..state(SINCE) };
    let running = Rules { status: InstigatorStatus::Running, ..rules(CatchUp::All, 3) };
    assert_eq!(due(&hourly(), running, &stopped, None, Timestamp(SINCE.0 + 9 * HOUR)), Due::default());
    let unset = InstigatorState { status: None, ..state(SINCE) };
    assert!(!due(&hourly(), running, &unset, None, Timestamp(SINCE.0 + 9 * HOUR)).ticks.is_empty());
}

/// What happens at one look: how much time has passed since the one before, and how the evaluations end.
#[derive(Debug, Clone)]
struct Look {
    pause: u64,
    ends: Vec<TickStatus>,
}

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let end = prop_oneof![
        5 => Just(TickStatus::Succeeded),
        2 => Just(TickStatus::Skipped),
        2 => Just(TickStatus::Failed),
        1 => Just(TickStatus::Started),
    ];
    let pause = prop_oneof![0..120_000u64, 0..20 * HOUR];
    let look = (pause, prop::collection::vec(end, 1..4)).prop_map(|(pause, ends)| Look { pause, ends });
    prop::collection::vec(look, 1..25)
}

fn catch_ups() -> impl Strategy<Value = CatchUp> {
    prop_oneof![Just(CatchUp::None), (1..6u32).prop_map(CatchUp::Newest), Just(CatchUp::All)]
}

/// Plays a loop: evaluates what is due in order, and dies where an evaluation ends with nothing.
fn play(catch_up: CatchUp, retries: u32, looks: &[Look]) -> (Vec<(Timestamp, TickStatus)>, Timestamp) {
    let (table, state) = (hourly(), state(SINCE));
    let (mut now, mut last): (Timestamp, Option<Tick>) = (SINCE, None);
    let mut evaluated = vec![];
    for look in looks {
        now = Timestamp(now.0 + look.pause);
        let found = due(&table, rules(catch_up, retries), &state, last.as_ref(), now);
        assert!(found.ticks.is_sorted() && found.ticks.iter().all(|at| (SINCE..=now).contains(at)));
        assert!(found.wake.is_none_or(|wake| wake > now));
        for (n, at) in found.ticks.into_iter().enumerate() {
            let end = look.ends[n % look.ends.len()];
            let failures = last.as_ref().filter(|tick| tick.at == at).map_or(0, |tick| tick.failures);
            last = Some(tick(at, end, failures + u32::from(end == TickStatus::Failed), now));
            evaluated.push((at, end));
            if end == TickStatus::Started {
                break;
            }
        }
    }
    (evaluated, now)
}

proptest! {
    #[test]
    fn i2_no_tick_is_evaluated_again_once_it_has_ended_well_nor_an_older_one(
        catch_up in catch_ups(), retries in 0..3u32, looks in looks(),
    ) {
        let (evaluated, _) = play(catch_up, retries, &looks);
        for pair in evaluated.windows(2) {
            let [(before, end), (at, _)] = [pair[0], pair[1]];
            let again = matches!(end, TickStatus::Started | TickStatus::Failed);
            prop_assert!(at > before || (again && at == before), "{evaluated:?}");
        }
        for (at, _) in &evaluated {
            let failed = evaluated.iter().filter(|(other, end)| other == at && *end == TickStatus::Failed).count();
            prop_assert!(failed <= retries as usize + 1);
        }
    }

    #[test]
    fn i3_with_the_policy_all_every_tick_is_evaluated(retries in 0..3u32, looks in looks()) {
        // The loop lives on and looks until all is quiet.
        let calm = Look { pause: 60_000, ends: vec![TickStatus::Succeeded] };
        let looks: Vec<Look> = looks.into_iter().chain(vec![calm; 8]).collect();
        let (evaluated, now) = play(CatchUp::All, retries, &looks);
        let mut times: Vec<Timestamp> = evaluated.into_iter().map(|(at, _)| at).collect();
        times.dedup();
        let all: Vec<Timestamp> = hourly().from(SINCE).take_while(|at| *at <= now).collect();
        prop_assert_eq!(times, all);
    }

    #[test]
    fn i3_the_newest_tick_is_never_left_out(n in 1..6u32, looks in looks()) {
        let well: Vec<Look> =
            looks.into_iter().map(|look| Look { ends: vec![TickStatus::Succeeded], ..look }).collect();
        let (evaluated, now) = play(CatchUp::Newest(n), 0, &well);
        let newest = hourly().until(now).next().filter(|at| *at >= SINCE);
        prop_assert_eq!(evaluated.last().map(|(at, _)| *at), newest);
    }
}
