//! What one run makes and reads.

use cofferdam_assets::{AssetIdx, Scope, Subset, scope, targets_of};
use cofferdam_model::{Cadence, PartitionMappingDef};

use crate::kit::{Assets, Kit, fixed, name, offset, windows};

/// A river's levels by the day, what follows from them, and a report without partitions.
fn river() -> Kit {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-15"))
        .partitions("weeks", windows(Cadence::Weekly, "2026-11-01"))
        .external("site", None)
        .asset("level", Some("days"), &[("site", None)])
        .table("split", &[("high", "high"), ("low", "low")], Some("days"), &[("level", None)])
        .asset("week", Some("days"), &[("low", offset(-6, 0))])
        .asset("trend", Some("days"), &[("high", None), ("trend", offset(-1, -1))])
        .asset("weekly", Some("weeks"), &[])
        .asset("report", None, &[("trend", Some(PartitionMappingDef::Last))]);
    kit
}

fn keys(assets: &Assets, asset: AssetIdx, subset: &Subset) -> String {
    let extent = assets.extents.of_asset(&assets.graph, asset);
    let one = |range: &std::ops::Range<u32>| {
        let (first, last) = (extent.key(range.start).unwrap_or("all".to_owned()), extent.key(range.end - 1));
        last.filter(|last| *last != first).map_or(first.clone(), |last| format!("{first}...{last}"))
    };
    subset.ranges().iter().map(one).collect::<Vec<_>>().join(" ")
}

fn show(assets: &Assets, scope: &Scope) -> String {
    let mut shown = String::new();
    for scoped in &scope.makers {
        let made = scoped.assets.iter().map(|asset| assets.graph.asset(*asset).key.to_string());
        let made = made.collect::<Vec<_>>().join("+");
        shown.push_str(&format!("{made} {}\n", keys(assets, scoped.assets[0], &scoped.partitions)));
        for read in &scoped.reads {
            let of = |subset| keys(assets, read.asset, subset);
            let key = &assets.graph.asset(read.asset).key;
            shown.push_str(
                format!("  reads {key}: here {} before {}", of(&read.here), of(&read.before)).trim_end(),
            );
            shown.push('\n');
        }
    }
    shown
}

fn run(kit: &Kit, selection: &[&str], partition: Option<&str>) -> String {
    let assets = kit.graph();
    let selected = assets.graph.select(selection).unwrap();
    let targets = targets_of(&assets.graph, &assets.extents, &selected, partition);
    match targets.and_then(|targets| scope(&assets.graph, &assets.extents, &targets)) {
        Ok(scope) => show(&assets, &scope),
        Err(mistakes) => kit.show(&mistakes),
    }
}

#[test]
fn a_run_reads_what_it_makes_itself_and_what_was_made_before() {
    insta::assert_snapshot!(run(&river(), &["level", "high", "trend"], Some("2026-11-18")), @r#"
        level 2026-11-18
          reads site: here  before all
        high+low 2026-11-18
          reads level: here 2026-11-18 before
        trend 2026-11-18
          reads high: here 2026-11-18 before
          reads trend: here  before 2026-11-17
        "#);
    insta::assert_snapshot!(run(&river(), &["week", "low", "trend"], Some("2026-11-17...2026-11-18")), @r#"
        high+low 2026-11-17...2026-11-18
          reads level: here  before 2026-11-17...2026-11-18
        trend 2026-11-17...2026-11-18
          reads high: here 2026-11-17...2026-11-18 before
          reads trend: here 2026-11-17 before 2026-11-16
        week 2026-11-17...2026-11-18
          reads low: here 2026-11-17...2026-11-18 before 2026-11-15...2026-11-16
        "#);
}

#[test]
fn assets_without_partitions_go_along() {
    insta::assert_snapshot!(run(&river(), &["trend", "report"], Some("2026-11-20")), @r#"
        trend 2026-11-20
          reads high: here  before 2026-11-20
          reads trend: here  before 2026-11-19
        report all
          reads trend: here 2026-11-20 before
        "#);
    insta::assert_snapshot!(run(&river(), &["report"], None), @r#"
        report all
          reads trend: here  before 2026-11-20
        "#);
}

#[test]
fn a_maker_that_can_make_a_part_makes_what_was_asked_for() {
    let mut kit = river();
    kit.definitions.assets.get_mut(&name("split")).unwrap().can_subset = true;
    insta::assert_snapshot!(run(&kit, &["high", "week"], Some("2026-11-18")), @r#"
        high 2026-11-18
          reads level: here  before 2026-11-18
        week 2026-11-18
          reads low: here  before 2026-11-15...2026-11-18
        "#);
}

#[test]
fn partitions_that_do_not_fit_the_selection_are_told() {
    let said = |selection: &[&str], partition| run(&river(), selection, partition);
    insta::assert_snapshot!(said(&["level", "report"], None), @r#"
        [assets::no-partition] `level` has partitions, and none is given
          hint: the last one is `2026-11-20`
        "#);
    insta::assert_snapshot!(said(&["report"], Some("2026-11-18")), @r#"
        [assets::partition] none of these assets has partitions, so there is no `2026-11-18`
          hint: leave the partition out
        "#);
    insta::assert_snapshot!(said(&["level", "low"], Some("2026-11-31")), @r#"
        [assets::partition] `level` has other partitions: `2026-11-31` starts no window
          hint: keys look like this: `2026-11-20`
        "#);
    insta::assert_snapshot!(said(&["level", "weekly", "site"], Some("2026-11-15")), @r#"
        [assets::external] the asset `site` is external: it is made elsewhere
          hint: select it away: `is:materializable`
        [assets::unlike-partitions] `level` and `weekly` have different partitions
          hint: one run makes assets of the same partitions: select fewer, or start a backfill
        "#);
}

#[test]
fn what_would_be_read_but_does_not_exist_is_told() {
    let mut kit = Kit::default();
    kit.partitions("few", fixed(&["a"]))
        .partitions("more", fixed(&["a", "b"]))
        .asset("up", Some("few"), &[])
        .asset("down", Some("more"), &[("up", None)]);
    insta::assert_snapshot!(run(&kit, &["down"], Some("a...b")), @"[assets::missing-upstream] `down` reads 1 partitions of `up` that do not exist: b");
    insta::assert_snapshot!(run(&kit, &["down"], Some("a")), @r#"
        down a
          reads up: here  before a
        "#);
}
