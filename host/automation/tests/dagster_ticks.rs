//! Ticks against what Dagster answered (`tests/dagster/ticks.py` made the table).

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_automation::Timetable;
use cofferdam_model::Timestamp;
use serde::Deserialize;

const TABLE: &str = include_str!("dagster/ticks.jsonl");

#[derive(Debug, Deserialize)]
struct Head {
    expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
struct Expression {
    crons: Vec<String>,
    /// Before the change, where its ticks begin.
    hours: u64,
    n: usize,
}

/// One change of the clocks of a zone.
#[derive(Debug, Deserialize)]
struct Change {
    zone: String,
    /// In minutes since 1970.
    change: u64,
    /// By expression: the minute of the first tick, and the minutes between them (`60*2 120`).
    /// None where Dagster itself fails.
    ticks: Vec<Option<String>>,
}

fn table() -> (Head, Vec<Change>) {
    let mut lines = TABLE.lines();
    let head = serde_json::from_str(lines.next().unwrap()).unwrap();
    (head, lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Ticks as minutes, from how the table writes them.
fn minutes(written: &str) -> Vec<u64> {
    let (first, between) = written.split_once(' ').unwrap();
    let mut minutes = vec![first.parse().unwrap()];
    for part in between.split(' ') {
        let (length, count) = part.split_once('*').unwrap_or((part, "1"));
        for _ in 0..count.parse().unwrap() {
            minutes.push(minutes.last().unwrap() + length.parse::<u64>().unwrap());
        }
    }
    minutes
}

/// What differs from Dagster in one case, for people.
fn difference(change: &Change, expression: &Expression, written: &str) -> Option<String> {
    let crons: Vec<&str> = expression.crons.iter().map(String::as_str).collect();
    let table = Timetable::new(&crons, Some(&change.zone)).unwrap();
    let start = Timestamp((change.change - expression.hours * 60) * 60_000);
    let ours: Vec<Timestamp> = table.from(start).take(expression.n).collect();
    let mut back: Vec<Timestamp> = table.until(*ours.last().unwrap()).take(expression.n).collect();
    back.reverse();
    assert_eq!(ours, back, "{} {crons:?}: both ways tick alike", change.zone);
    let dagsters: Vec<Timestamp> =
        minutes(written).into_iter().map(|minute| Timestamp(minute * 60_000)).collect();
    let only = |a: &[Timestamp], b: &[Timestamp]| {
        a.iter().filter(|at| !b.contains(at)).map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    (ours != dagsters).then(|| {
        format!(
            "{} {crons:?} at {}: only here {}; only Dagster {}\n",
            change.zone,
            Timestamp(change.change * 60_000),
            only(&ours, &dagsters),
            only(&dagsters, &ours)
        )
    })
}

/// Zones in which Dagster's own answer is wrong, in how many cases, and why; ours is what its documentation says.
const MISTAKEN: [(&str, usize, &str); 13] = [
    ("Africa/Casablanca", 6, WINTER_IS_THE_DEVIATION),
    ("Africa/El_Aaiun", 6, WINTER_IS_THE_DEVIATION),
    ("America/Caracas", 6, HALF_HOUR),
    ("America/St_Johns", 2, NOT_ON_THE_HOUR),
    ("Antarctica/Troll", 16, "clocks are taken to move by an hour at most"),
    ("Asia/Gaza", 2, NOT_ON_THE_HOUR),
    ("Asia/Pyongyang", 6, HALF_HOUR),
    ("Australia/Lord_Howe", 18, HALF_HOUR),
    ("Europe/Dublin", 6, WINTER_IS_THE_DEVIATION),
    ("Europe/Moscow", 3, "a change of the zone for good is taken for one that skips nothing"),
    ("Pacific/Apia", 3, "a day that is skipped ticks at the next day's times, but not all of them"),
    ("Pacific/Chatham", 6, NOT_ON_THE_HOUR),
    ("Pacific/Norfolk", 3, HALF_HOUR),
];
const WINTER_IS_THE_DEVIATION: &str = "a skipped time comes an hour early";
const NOT_ON_THE_HOUR: &str = "clocks are taken to change on the hour";
const HALF_HOUR: &str = "minutes are counted in UTC, with the offset of today";

#[test]
fn i1_ticks_are_dagsters_across_clock_changes_in_63_zones() {
    let (head, changes) = table();
    let mut zones = BTreeSet::new();
    let (mut n_cases, mut n_failed, mut mistakes, mut differences) = (0, 0, BTreeMap::new(), vec![]);
    for change in &changes {
        zones.insert(&change.zone);
        assert_eq!(change.ticks.len(), head.expressions.len(), "{} is whole", change.zone);
        for (expression, ticks) in head.expressions.iter().zip(&change.ticks) {
            n_cases += 1;
            let Some(ticks) = ticks else {
                n_failed += 1;
                continue;
            };
            let Some(difference) = difference(change, expression, ticks) else { continue };
            match MISTAKEN.iter().find(|(zone, ..)| *zone == change.zone) {
                Some((zone, ..)) => *mistakes.entry(*zone).or_insert(0) += 1,
                None => differences.push(difference),
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.concat());
    assert_eq!((zones.len(), changes.len(), n_cases, n_failed), (63, 324, 6156, 15), "the table is whole");
    let known: BTreeMap<&str, usize> = MISTAKEN.iter().map(|(zone, n, _)| (*zone, *n)).collect();
    assert_eq!(mistakes, known, "no more and no fewer than are known");
}
