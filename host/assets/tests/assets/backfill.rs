//! Backfills: what goes into which run, and after which others.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::kit::{Assets, Kit, fixed, multi, name, offset, windows};
use cofferdam_assets::{
    AssetIdx, Backfill, BackfillPolicy, BackfillStatus, RunState, Targets, plan_backfill,
};
use cofferdam_model::{Cadence, PartitionMappingDef, PartitionsKind};
use proptest::prelude::*;

const EACH: BackfillPolicy = BackfillPolicy::PER_PARTITION;

fn at_most(n: u32) -> BackfillPolicy {
    BackfillPolicy::AtMost(NonZeroU32::new(n).unwrap())
}

/// One line a run: its number, round, assets, keys, and the runs it comes after.
fn plan(assets: &Assets, targets: &[(&str, &str)], policy: BackfillPolicy) -> String {
    let backfill = plan_backfill(&assets.graph, &assets.extents, &assets.targets(targets), policy).unwrap();
    let mut lines = String::new();
    for (at, run) in backfill.runs.iter().enumerate() {
        let keys: Vec<String> =
            run.assets.iter().map(|idx| assets.graph.asset(*idx).key.to_string()).collect();
        let extent = assets.extents.of_asset(&assets.graph, run.assets[0]);
        let partitions = match run.keys(extent) {
            None => String::new(),
            Some((first, last)) if first == last => format!(" {first}"),
            Some((first, last)) => format!(" {first}...{last}"),
        };
        let after: Vec<String> = run.after.ranges().iter().map(|range| format!("{range:?}")).collect();
        lines.push_str(&format!(
            "{at} round {}: {}{partitions} after [{}]\n",
            run.round,
            keys.join("+"),
            after.join(" ")
        ));
    }
    lines
}

/// The readings of a river, hour by hour; their mean a day; the trend, which needs the day before; a report of all.
fn river() -> Assets {
    let mut kit = Kit::default();
    kit.partitions("hours", windows(Cadence::Hourly, "2026-11-18"))
        .partitions("days", windows(Cadence::Daily, "2026-11-18"))
        .external("river", None)
        .asset("level", Some("hours"), &[("river", None)])
        .asset("mean", Some("days"), &[("level", None)])
        .asset("peak", Some("days"), &[("mean", None)])
        .asset("trend", Some("days"), &[("mean", None), ("trend", offset(-1, -1))])
        .asset("report", None, &[("trend", None), ("peak", Some(PartitionMappingDef::Last))]);
    kit.graph()
}

#[test]
fn assets_that_correspond_partition_by_partition_share_a_run() {
    insta::assert_snapshot!(plan(&river(), &[("mean", ""), ("peak", "")], EACH), @r#"
        0 round 0: mean+peak 2026-11-18 after []
        1 round 0: mean+peak 2026-11-19 after []
        2 round 0: mean+peak 2026-11-20 after []
        "#);
}

#[test]
fn runs_come_after_those_that_make_what_they_read() {
    let all = [("mean", ""), ("peak", ""), ("trend", ""), ("report", "")];
    insta::assert_snapshot!(plan(&river(), &all, EACH), @r#"
        0 round 0: mean+peak+trend 2026-11-18 after []
        1 round 0: mean+peak 2026-11-19 after []
        2 round 0: mean+peak 2026-11-20 after []
        3 round 1: trend 2026-11-19 after [0..2]
        4 round 2: trend 2026-11-20 after [2..4]
        5 round 3: report after [0..1 2..5]
        "#);
}

#[test]
fn hours_come_before_their_day() {
    insta::assert_snapshot!(plan(&river(), &[("level", "2026-11-18-22:00...2026-11-19-01:00"), ("mean", "")], at_most(24)), @r#"
        0 round 0: level 2026-11-18-22:00...2026-11-19-01:00 after []
        1 round 0: mean 2026-11-20 after []
        2 round 1: mean 2026-11-18...2026-11-19 after [0..1]
        "#);
}

#[test]
fn a_policy_bounds_the_partitions_of_a_run() {
    let river = river();
    insta::assert_snapshot!(plan(&river, &[("level", "2026-11-18-00:00...2026-11-18-06:00")], at_most(3)), @r#"
        0 round 0: level 2026-11-18-00:00...2026-11-18-02:00 after []
        1 round 0: level 2026-11-18-03:00...2026-11-18-05:00 after []
        2 round 0: level 2026-11-18-06:00 after []
        "#);
    insta::assert_snapshot!(plan(&river, &[("level", ""), ("mean", "")], BackfillPolicy::Single), @r#"
        0 round 0: level 2026-11-18-00:00...2026-11-21-11:00 after []
        1 round 1: mean 2026-11-18...2026-11-20 after [0..1]
        "#);
}

#[test]
fn what_is_made_from_its_own_past_is_made_in_order() {
    let river = river();
    insta::assert_snapshot!(plan(&river, &[("trend", "")], EACH), @r#"
        0 round 0: trend 2026-11-18 after []
        1 round 1: trend 2026-11-19 after [0..1]
        2 round 2: trend 2026-11-20 after [1..2]
        "#);
    insta::assert_snapshot!(plan(&river, &[("trend", "")], at_most(2)), @r#"
        0 round 0: trend 2026-11-18...2026-11-19 after []
        1 round 1: trend 2026-11-20 after [0..1]
        "#);
    insta::assert_snapshot!(plan(&river, &[("trend", "")], BackfillPolicy::Single), @"0 round 0: trend 2026-11-18...2026-11-20 after []");
    // Where runs of one stretch differ, the later one still waits for the earlier.
    insta::assert_snapshot!(plan(&river, &[("trend", ""), ("mean", "2026-11-19")], BackfillPolicy::Single), @r#"
        0 round 0: trend 2026-11-18 after []
        1 round 1: mean+trend 2026-11-19 after [0..1]
        2 round 2: trend 2026-11-20 after [1..2]
        "#);
}

#[test]
fn outputs_of_one_op_are_made_in_one_run() {
    let mut kit = Kit::default();
    kit.partitions("letters", fixed(&["a", "b", "c"]))
        .table("split", &[("x", "x"), ("y", "y")], Some("letters"), &[])
        .asset("z", Some("letters"), &[("y", None)]);
    insta::assert_snapshot!(plan(&kit.graph(), &[("x", ""), ("y", "a"), ("z", "...b")], at_most(9)), @r#"
        0 round 0: x+y+z a after []
        1 round 0: x+z b after []
        2 round 0: x c after []
        "#);
}

#[test]
fn reading_what_does_not_exist_is_refused_before_anything_runs() {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .partitions("later", windows(Cadence::Daily, "2026-11-19"))
        .asset("a", Some("later"), &[])
        .asset("b", Some("days"), &[("a", None)]);
    let assets = kit.graph();
    let refused =
        plan_backfill(&assets.graph, &assets.extents, &assets.targets(&[("b", "")]), EACH).unwrap_err();
    let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"`b` reads 18 partitions of `a` that do not exist: 2026-11-01, 2026-11-02, 2026-11-03, 2026-11-04, 2026-11-05, 2026-11-06, 2026-11-07, 2026-11-08, 2026-11-09, 2026-11-10, …");
    assert!(
        plan_backfill(&assets.graph, &assets.extents, &assets.targets(&[("b", "2026-11-19...")]), EACH)
            .is_ok()
    );
}

#[test]
fn a_backfill_goes_on_with_what_did_not_need_the_run_that_failed() {
    let assets = river();
    let targets = assets.targets(&[("trend", "")]);
    let backfill: Backfill = plan_backfill(&assets.graph, &assets.extents, &targets, EACH).unwrap();
    assert_eq!(backfill.runs.len(), 3, "three days, each after the one before");
    let look = |states: &[RunState], canceled| {
        let progress = backfill.progress(states, canceled);
        let indices = |set: &cofferdam_assets::Subset| set.iter().collect::<Vec<u32>>();
        (progress.status, indices(&progress.ready), indices(&progress.abandoned))
    };
    use BackfillStatus::{Canceled, Canceling, CompletedFailed, CompletedSuccess, Requested};
    use RunState::{Active, Failed, Succeeded, Waiting};
    assert_eq!(look(&[], false), (Requested, vec![0], vec![]));
    assert_eq!(look(&[Active], false), (Requested, vec![], vec![]));
    assert_eq!(look(&[Succeeded], false), (Requested, vec![1], vec![]));
    assert_eq!(look(&[Succeeded, Failed], false), (CompletedFailed, vec![], vec![2]));
    assert_eq!(look(&[Succeeded; 3], false), (CompletedSuccess, vec![], vec![]));
    assert_eq!(look(&[Succeeded, Active, Waiting], true), (Canceling, vec![], vec![]));
    assert_eq!(look(&[Succeeded, RunState::Canceled, Waiting], true), (Canceled, vec![], vec![2]));
}

/// Targets, reads and runs agree: each target is made once, by a run that comes after all that it reads.
fn check(assets: &Assets, targets: &Targets, policy: BackfillPolicy) {
    let (graph, extents) = (&assets.graph, &assets.extents);
    let backfill = plan_backfill(graph, extents, targets, policy).unwrap();
    let mut made: std::collections::BTreeMap<(AssetIdx, u32), u32> = std::collections::BTreeMap::new();
    for (at, run) in (0u32..).zip(&backfill.runs) {
        for asset in &run.assets {
            for partition in run.partitions.clone() {
                assert_eq!(made.insert((*asset, partition), at), None, "made once");
            }
        }
        assert!(run.after.iter().all(|before| before < at), "runs are in order");
        if let BackfillPolicy::AtMost(n) = policy {
            assert!(run.partitions.len() <= n.get() as usize);
        }
    }
    assert_eq!(made.len(), targets.len());
    for ((asset, partition), at) in &made {
        let maker = graph.asset(*asset).maker;
        for dep in &graph.maker(maker).upstream {
            let one: cofferdam_assets::Subset = [*partition].into_iter().collect();
            for read in extents.edge(graph, maker, dep).upstream(&one).partitions.iter() {
                let before = made.get(&(dep.asset, read));
                let after = &backfill.runs[*at as usize].after;
                assert!(
                    before.is_none_or(|before| before == at || after.contains(*before)),
                    "reads what is made"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_run_comes_after_all_that_it_reads(
        sets in proptest::collection::vec(0usize..4, 6),
        deps in proptest::collection::vec((0usize..6, 0usize..6, 0usize..6), 0..12),
        pasts in proptest::collection::vec(0i64..4, 6),
        picked in proptest::collection::vec((0usize..6, 0u32..40, 1u32..40), 1..8),
        most in 1u32..6,
    ) {
        let tables = [None, Some("days"), Some("weeks"), Some("letters")];
        let mut kit = Kit::default();
        kit.partitions("days", windows(Cadence::Daily, "2026-10-20"))
            .partitions("weeks", windows(Cadence::Weekly, "2026-10-01"))
            .partitions("letters", fixed(&["a", "b", "c", "d"]));
        let names = ["a", "b", "c", "d", "e", "f"];
        for (at, asset) in names.iter().enumerate() {
            let mut of: Vec<(&str, Option<PartitionMappingDef>)> = vec![];
            for (up, _, how) in deps.iter().filter(|(up, down, _)| *down == at && *up < at) {
                let mapping = match how {
                    0 => Some(PartitionMappingDef::All),
                    1 => Some(PartitionMappingDef::Last),
                    2 if sets[*up] == 1 && sets[at] == 1 => offset(-2, 0),
                    3 if sets[*up] == 1 && sets[at] == 1 => offset(-1, -1),
                    _ if (sets[*up] == 3) != (sets[at] == 3) => Some(PartitionMappingDef::All),
                    // Weeks from before the first day do not exist, nor days before the first week.
                    _ if sets[*up] != sets[at] => Some(PartitionMappingDef::All),
                    _ => None,
                };
                of.push((names[*up], mapping));
            }
            if pasts[at] > 0 && sets[at] == 1 {
                of.push((asset, offset(-pasts[at], -1)));
            }
            kit.asset(asset, tables[sets[at]], &of);
        }
        let assets = kit.graph();
        let mut targets = Targets::default();
        for (at, start, n) in picked {
            let idx = assets.idx(names[at]);
            let last = assets.extents.of_asset(&assets.graph, idx).len();
            let range = start.min(last)..(start + n).min(last);
            targets.add(idx, &cofferdam_assets::Subset::range(range));
        }
        for policy in [EACH, at_most(most), BackfillPolicy::Single] {
            check(&assets, &targets, policy);
        }
    }
}

/// How long a plan takes, best of three: other tests share the machine.
fn time(assets: &Assets, targets: &Targets, policy: BackfillPolicy) -> (Duration, usize) {
    let timed = |_| {
        let start = Instant::now();
        let backfill = plan_backfill(&assets.graph, &assets.extents, targets, policy).unwrap();
        (start.elapsed(), backfill.runs.len())
    };
    (0..3).map(timed).min().unwrap()
}

#[test]
fn a16_every_kind_of_partitions_has_tags_and_ranges_and_ten_thousand_are_planned_in_a_moment() {
    let mut kit = Kit::default();
    kit.dynamic.insert(name("stations"), ["cuxhaven", "hamburg"].map(Into::into).to_vec());
    kit.partitions("days", windows(Cadence::Daily, "1999-07-06"))
        .partitions("letters", fixed(&["a", "b", "c"]))
        .partitions("stations", PartitionsKind::Dynamic)
        .partitions("by_station", multi(&[("day", "days"), ("station", "stations")]))
        .asset("raw", Some("days"), &[])
        .asset("clean", Some("days"), &[("raw", None)])
        .asset("week", Some("days"), &[("clean", offset(-6, 0))])
        .asset("running", Some("days"), &[("week", None), ("running", offset(-1, -1))])
        .asset("all", None, &[("clean", None)])
        .asset("share", Some("days"), &[("clean", Some(PartitionMappingDef::All))])
        .asset("letter", Some("letters"), &[])
        .asset("station", Some("stations"), &[])
        .asset("gauge", Some("by_station"), &[("raw", None)]);
    let assets = kit.graph();

    let first_run = |asset: &str, partitions: &str, policy| {
        let targets = assets.targets(&[(asset, partitions)]);
        let backfill = plan_backfill(&assets.graph, &assets.extents, &targets, policy).unwrap();
        let tags = backfill.runs[0].tags(assets.extents.of_asset(&assets.graph, assets.idx(asset)));
        (tags.iter().map(|(tag, value)| format!("{tag}={value} ")).collect::<String>(), backfill.runs.len())
    };
    insta::assert_debug_snapshot!(
        [
            first_run("letter", "a...b", EACH),
            first_run("station", "hamburg", EACH),
            first_run("gauge", "2026-11-19|cuxhaven...2026-11-20|hamburg", EACH),
            first_run("raw", "2026-11-11...", at_most(4)),
            first_run("all", "", EACH),
        ],
        @r#"
        [
            (
                "dagster/partition=a ",
                2,
            ),
            (
                "dagster/partition=hamburg ",
                1,
            ),
            (
                "dagster/partition=2026-11-19|cuxhaven dagster/partition/day=2026-11-19 dagster/partition/station=cuxhaven ",
                4,
            ),
            (
                "dagster/asset_partition_range_start=2026-11-11 dagster/asset_partition_range_end=2026-11-14 ",
                3,
            ),
            (
                "",
                1,
            ),
        ]
        "#
    );

    let targets =
        Targets::all_of(&assets.graph, &assets.extents, ["raw", "clean"].map(|asset| assets.idx(asset)));
    assert_eq!(targets.len(), 20_000, "10,000 days of two assets");
    let (each, n_each) = time(&assets, &targets, EACH);
    let (ten, n_ten) = time(&assets, &targets, at_most(10));
    let hard = ["raw", "clean", "week", "running", "all", "share"].map(|asset| assets.idx(asset));
    let hard = Targets::all_of(&assets.graph, &assets.extents, hard);
    let (whole, n_whole) = time(&assets, &hard, EACH);
    eprintln!("10,000 partitions: {each:?} ({n_each} runs), ten a run {ten:?} ({n_ten} runs)");
    eprintln!("six assets with windows, past and all: {whole:?} ({n_whole} runs)");
    assert_eq!((n_each, n_ten), (10_000, 1_000));
    assert!(each < Duration::from_millis(200), "{each:?}");
    assert!(whole < Duration::from_secs(3), "60,000 partitions of six assets: {whole:?}");
}
