//! Time windows against what Dagster answered (`tests/dagster/windows.py` made the table).

use std::collections::BTreeMap;

use cofferdam_assets::{Extent, Partitions, TimeWindows};
use cofferdam_model::{Cadence, Spanned, TimeWindowsDef, Timestamp};
use serde::Deserialize;

const TABLE: &str = include_str!("../dagster/windows.jsonl");

#[derive(Debug, Deserialize)]
struct Case {
    cadence: String,
    #[serde(default)]
    day: Option<u32>,
    #[serde(default)]
    hour: u32,
    #[serde(default)]
    minute: u32,
    zone: String,
    start: String,
    end: Option<String>,
    #[serde(default)]
    end_offset: i64,
    now: u64,
    keys: Vec<String>,
    first: Option<i64>,
    minutes: String,
}

impl Case {
    fn extent(&self) -> Extent {
        let bare = |text: &String| Spanned::new(text.clone(), None);
        let windows = TimeWindows::new(&TimeWindowsDef {
            cadence: match self.cadence.as_str() {
                "hourly" => Cadence::Hourly,
                "daily" => Cadence::Daily,
                "weekly" => Cadence::Weekly,
                "monthly" => Cadence::Monthly,
                _ => Cadence::Cron(bare(&self.cadence)),
            },
            start: bare(&self.start),
            end: self.end.as_ref().map(bare),
            timezone: Some(bare(&self.zone)),
            end_offset: self.end_offset,
            minute_offset: self.minute,
            hour_offset: self.hour,
            day_offset: self.day,
        });
        let windows = windows.unwrap_or_else(|wrong| panic!("{self:?}: {wrong:?}"));
        let partitions = Partitions::Windows(windows.into());
        partitions.at(Timestamp(self.now * 1000), &BTreeMap::new()).unwrap()
    }
}

/// `60*2 120` for windows of one, one and two hours.
fn lengths(minutes: impl Iterator<Item = i64>) -> String {
    let mut runs: Vec<(i64, usize)> = vec![];
    for n in minutes {
        match runs.last_mut() {
            Some((last, count)) if *last == n => *count += 1,
            _ => runs.push((n, 1)),
        }
    }
    let shown = |(n, count): (i64, usize)| if count == 1 { n.to_string() } else { format!("{n}*{count}") };
    runs.into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn cases() -> Vec<Case> {
    TABLE.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What differs from Dagster in a case, for people.
fn difference(case: &Case) -> Option<String> {
    let extent = case.extent();
    let keys: Vec<String> = (0..extent.len()).map(|index| extent.key(index).unwrap()).collect();
    let windows: Vec<_> = (0..extent.len()).map(|index| extent.window(index).unwrap()).collect();
    let first = windows.first().map(|window| window.start);
    let minutes = lengths(windows.iter().map(|window| (window.end - window.start) / 60));
    if (&keys, first, &minutes) == (&case.keys, case.first, &case.minutes) {
        for (index, key) in (0..).zip(&keys) {
            assert_eq!(extent.index(key), Some(index), "{case:?}: {key} reads back");
        }
        return None;
    }
    let only =
        |a: &[String], b: &[String]| a.iter().filter(|key| !b.contains(key)).cloned().collect::<Vec<_>>();
    Some(format!(
        "{} {} {:02}:{:02} from {} end {:?} offset {} now {}:\n  first {first:?}, dagster {:?}\n  minutes {minutes}\n  dagster {}\n  \
         only here {:?}\n  only dagster {:?}\n",
        case.zone,
        case.cadence,
        case.hour,
        case.minute,
        case.start,
        case.end,
        case.end_offset,
        case.now,
        case.first,
        case.minutes,
        only(&keys, &case.keys),
        only(&case.keys, &keys),
    ))
}

/// Where Dagster's own answer is wrong, and why; ours is what its documentation says.
fn dagsters_mistake(case: &Case) -> Option<&'static str> {
    let wall = (case.hour, case.minute);
    match (case.zone.as_str(), case.cadence.as_str(), wall, &case.start[..7]) {
        (_, "0 0 29 2 *", ..) => Some("a window starts where the one after it does"),
        ("Europe/Dublin", "daily", (1, 30), "2023-03" | "2024-03")
        | ("Africa/Casablanca", "daily", (2, 30), "2023-04")
        | ("Africa/Casablanca", "weekly", (2, 30), "2023-04")
        | ("Africa/Casablanca", "monthly", (2, 0), "2023-01") => {
            Some("where winter time is the deviation, a skipped time comes an hour early")
        }
        ("Pacific/Chatham", "daily", (3, 0), "2023-09") => Some("clocks are taken to change on the hour"),
        _ => None,
    }
}

#[test]
fn windows_and_keys_are_dagsters_across_clock_changes_in_20_zones() {
    let cases = cases();
    let zones: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.zone.as_str()).collect();
    assert_eq!((cases.len(), zones.len()), (681, 20), "the table is whole");
    let (mistaken, others): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| dagsters_mistake(case).is_some());
    let differences: Vec<String> = others.into_iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.concat());
    let agreeing: Vec<&&Case> = mistaken.iter().filter(|case| difference(case).is_none()).collect();
    assert!(agreeing.is_empty(), "Dagster is right here after all: {agreeing:?}");
    assert_eq!(mistaken.len(), 26);
}
