//! What holds for any windows in any zone, and for any mapping.

use std::collections::BTreeMap;

use cofferdam_assets::{
    DimensionMapping, Edge, Extent, Mapping, Partitions, Subset, TimeWindows, WindowOffsets,
};
use cofferdam_model::{Cadence, PartitionsKind, Spanned, TimeWindowsDef, Timestamp};
use proptest::prelude::*;

use crate::kit::{bare, name, windows};

/// Zones with rare habits: changes of half an hour or of a day, at midnight, twice around Ramadan, none.
const ZONES: [&str; 16] = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Europe/Dublin",
    "Europe/Berlin",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Antarctica/Troll",
];

fn cadences() -> impl Strategy<Value = Cadence> {
    let cron = prop_oneof![
        Just("*/20 * * * *"),
        Just("30 1-3 * * *"),
        Just("0 */6 * * 1-5"),
        Just("15 0 1,15 * *"),
        Just("59 23 29 2 *"),
    ];
    prop_oneof![
        3 => prop_oneof![Just(Cadence::Hourly), Just(Cadence::Daily), Just(Cadence::Weekly), Just(Cadence::Monthly)],
        1 => cron.prop_map(|text| Cadence::Cron(bare(text.to_owned()))),
    ]
}

prop_compose! {
    fn definitions()(
        cadence in cadences(),
        zone in proptest::sample::select(&ZONES[..]),
        (year, month, day) in (1999i32..2030, 1u32..13, 1u32..29),
        (hour, minute) in (0u32..24, prop_oneof![Just(0u32), Just(30), 0u32..60]),
        week_day in 0u32..7,
        end_offset in -3i64..4,
    ) -> TimeWindowsDef {
        let regular = !matches!(cadence, Cadence::Cron(_));
        let no_hours = matches!(cadence, Cadence::Hourly | Cadence::Cron(_));
        let day_offset = match cadence {
            Cadence::Weekly => Some(week_day),
            Cadence::Monthly => Some(day),
            Cadence::Hourly | Cadence::Daily | Cadence::Cron(_) => None,
        };
        TimeWindowsDef {
            cadence,
            start: bare(format!("{year}-{month:02}-{day:02}")),
            end: None,
            timezone: Some(bare(zone.to_owned())),
            end_offset,
            minute_offset: if regular { minute } else { 0 },
            hour_offset: if no_hours { 0 } else { hour },
            day_offset,
        }
    }
}

fn extent(def: &TimeWindowsDef, now: i64) -> Extent {
    let partitions = Partitions::Windows(TimeWindows::new(def).unwrap().into());
    partitions.at(Timestamp(u64::try_from(now).unwrap() * 1000), &BTreeMap::new()).unwrap()
}

/// When windows from a start on may be looked at: some weeks to some years later.
fn some_time_after(def: &TimeWindowsDef, days: i64) -> i64 {
    let start = def.start.value.parse::<jiff::civil::Date>().unwrap();
    start.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() + days * 86_400
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn windows_follow_each_other_and_keys_read_back(def in definitions(), days in 0i64..90, years in 0i64..3) {
        let long = matches!(def.cadence, Cadence::Monthly | Cadence::Weekly);
        let now = some_time_after(&def, if long { days + 365 * years } else { days });
        let extent = extent(&def, now);
        let windows: Vec<_> = (0..extent.len()).map(|at| extent.window(at).unwrap()).collect();
        for (at, window) in (0u32..).zip(&windows) {
            prop_assert!(window.start < window.end);
            let key = extent.key(at).unwrap();
            prop_assert_eq!(extent.index(&key), Some(at), "{}", key);
            prop_assert_eq!(extent.at_instant(window.start), Some(at));
            prop_assert_eq!(extent.at_instant(window.end - 1), Some(at));
        }
        prop_assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
        // What there is now is what there was before, and more.
        let earlier = self::extent(&def, now - 86_400);
        prop_assert!(earlier.len() <= extent.len());
        prop_assert!((0..earlier.len()).all(|at| earlier.window(at) == extent.window(at)));
        if def.end_offset == 0 {
            prop_assert!(windows.last().is_none_or(|last| last.end <= now));
        }
    }

    #[test]
    fn a_key_that_a_person_makes_up_never_panics(def in definitions(), key in "[0-9:|.+-]{0,20}|[0-9]{4}-[0-9]{2}-[0-9]{2}(-[0-9]{2}:[0-9]{2}([+-][0-9]{4})?)?") {
        let extent = extent(&def, some_time_after(&def, 40));
        if let Ok(found) = extent.resolve(&key) {
            prop_assert!(found.iter().all(|at| at < extent.len()));
        }
    }
}

fn fixed(keys: &[&str]) -> Partitions {
    Partitions::fixed(keys.iter().copied()).unwrap()
}

fn time(cadence: Cadence, start: &str, zone: &str) -> Partitions {
    let PartitionsKind::Time(mut def) = windows(cadence, start) else { unreachable!("windows are windows") };
    def.timezone = Some(Spanned::new(zone.to_owned(), None));
    Partitions::Windows(TimeWindows::new(&def).unwrap().into())
}

/// Sets that correspond somehow.
fn sets() -> Vec<Partitions> {
    let days = time(Cadence::Daily, "2026-10-20", "Europe/Berlin");
    let letters = fixed(&["a", "b", "c"]);
    let both = vec![(name("day"), days.clone()), (name("letter"), letters.clone())];
    vec![
        days,
        time(Cadence::Hourly, "2026-11-15", "Europe/Berlin"),
        time(Cadence::Weekly, "2026-10-01", "America/Havana"),
        time(Cadence::Monthly, "2026-08-01", "UTC"),
        letters,
        fixed(&["c", "b", "x", "y"]),
        Partitions::multi(both).unwrap(),
    ]
}

fn mappings() -> impl Strategy<Value = Mapping> {
    let of = |upstream: &str, downstream: &str, mapping| DimensionMapping {
        upstream: name(upstream),
        downstream: name(downstream),
        mapping,
    };
    let past = Mapping::Windows(WindowOffsets { start: -2, end: 0 });
    prop_oneof![
        Just(Mapping::Identity),
        Just(Mapping::All),
        Just(Mapping::Last),
        Just(Mapping::Specific(vec!["a".into(), "2026-11-01".into()])),
        Just(Mapping::Static(
            [("a".to_owned(), vec!["x".to_owned(), "c".to_owned()]), ("b".to_owned(), vec!["x".to_owned()])]
                .into()
        )),
        (prop_oneof![-3i64..2, -60i64..60], 0i64..3)
            .prop_map(|(start, n)| Mapping::Windows(WindowOffsets { start, end: start + n })),
        Just(Mapping::Dimension(None)),
        Just(Mapping::Dimensions(vec![of("day", "day", past)])),
        Just(Mapping::Dimensions(vec![of("letter", "letter", Mapping::Identity)])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// A partition is read by those that read it, and a set reads what its members read.
    #[test]
    fn both_directions_of_a_mapping_agree(up in 0usize..7, down in 0usize..7, mapping in mappings(), picks in proptest::collection::vec(0u32..2000, 1..6)) {
        let (up, down) = (&sets()[up], &sets()[down]);
        let mapping = if mapping.check(Some(up), Some(down)).is_empty() { mapping } else { Mapping::All };
        let at = |set: &Partitions| set.at(crate::kit::NOW, &BTreeMap::new()).unwrap();
        let (up, down) = (at(up), at(down));
        let edge = Edge::new(&mapping, &up, &down);
        let one = |at: u32| Subset::range(at..at + 1);
        let picks: Vec<u32> = picks.into_iter().map(|pick| pick % down.len()).collect();
        let mut reads = Subset::EMPTY;
        for pick in &picks {
            let read = edge.upstream(&one(*pick)).partitions;
            prop_assert!(read.iter().all(|at| at < up.len()));
            for at in read.iter() {
                prop_assert!(edge.downstream(&one(at)).contains(*pick), "{} reads {}", down.key(*pick).unwrap(), up.key(at).unwrap());
            }
            reads.extend(&read);
        }
        prop_assert_eq!(&edge.upstream(&picks.iter().copied().collect()).partitions, &reads);
        if edge.is_identity() {
            prop_assert_eq!(&reads, &picks.iter().copied().collect());
        }
        for at in picks.iter().map(|pick| pick % up.len()) {
            for reader in edge.downstream(&one(at)).iter() {
                prop_assert!(edge.upstream(&one(reader)).partitions.contains(at), "{} is read by {}", up.key(at).unwrap(), down.key(reader).unwrap());
            }
        }
    }
}
