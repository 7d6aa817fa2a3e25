//! Staleness: what a change of code, data or wiring makes stale, and what it leaves fresh.

use std::collections::BTreeMap;

use cofferdam_assets::{Catalog, Judge, RootCause, StaleStatus};
use cofferdam_model::{AssetKey, Cadence, Materialization, PartitionMappingDef, PlanAssetInput};

use crate::kit::{Assets, Kit, key, offset, windows};

/// A graph with what was recorded and the code as it is now.
struct Lab {
    assets: Assets,
    catalog: Catalog,
    code: BTreeMap<AssetKey, String>,
}

impl Lab {
    fn new(assets: Assets) -> Lab {
        let code = assets.graph.assets().iter().map(|asset| (asset.key.clone(), "v1".to_owned())).collect();
        Lab { assets, catalog: Catalog::default(), code }
    }

    fn judge(&self) -> Judge<'_> {
        let (graph, extents) = (&self.assets.graph, &self.assets.extents);
        Judge { graph, extents, catalog: &self.catalog, code_versions: &self.code }
    }

    /// Makes a partition as a run does: with the code of now, from the inputs as they are now.
    fn make(&mut self, asset: &str, partition: &str, data: &str) {
        let (graph, extents) = (&self.assets.graph, &self.assets.extents);
        let idx = self.assets.idx(asset);
        let maker = graph.asset(idx).maker;
        let own = extents.of(maker).all();
        let made = if partition.is_empty() { own } else { extents.of(maker).resolve(partition).unwrap() };
        let mut inputs = vec![];
        for dep in &graph.maker(maker).upstream {
            let (up, extent) = (&graph.asset(dep.asset).key, extents.of_asset(graph, dep.asset));
            for read in extents.edge(graph, maker, dep).upstream(&made).partitions.iter() {
                let partition = extent.key(read);
                let last = self.catalog.latest(up, partition.as_deref());
                let data_version = last.map(|last| last.data_version.clone());
                inputs.push(PlanAssetInput { key: up.clone(), partition, data_version });
            }
        }
        let code_version = self.code[&key(asset)].clone();
        self.catalog.record(Materialization {
            key: key(asset),
            partition: (!partition.is_empty()).then(|| partition.to_owned()),
            code_version,
            data_version: data.to_owned(),
            inputs,
            value: None,
            metadata: vec![],
        });
    }

    fn look(&self, asset: &str, partition: &str) -> String {
        let idx = self.assets.idx(asset);
        let extent = self.assets.extents.of_asset(&self.assets.graph, idx);
        let at = if partition.is_empty() { 0 } else { extent.find(partition).unwrap() };
        let staleness = self.judge().staleness(idx, at);
        let causes: Vec<String> =
            staleness.causes.iter().map(|cause| format!("{:?}: {cause}", cause.category())).collect();
        format!("{:?} {}", staleness.status, causes.join("; ")).trim_end().to_owned()
    }

    fn roots(&self, asset: &str) -> Vec<String> {
        let shown = |root: RootCause| format!("{:?} of {}", root.category, root.asset);
        self.judge().root_causes(self.assets.idx(asset), 0).into_iter().map(shown).collect()
    }
}

/// raw → clean → report, without partitions.
fn chain() -> Kit {
    let mut kit = Kit::default();
    kit.external("site", None)
        .asset("raw", None, &[("site", None)])
        .asset("clean", None, &[("raw", None)])
        .asset("report", None, &[("clean", None)]);
    kit
}

fn made() -> Lab {
    let mut lab = Lab::new(chain().graph());
    for asset in ["raw", "clean", "report"] {
        assert_eq!(lab.look(asset, ""), "Missing");
        lab.make(asset, "", &format!("{asset} 1"));
        assert_eq!(lab.look(asset, ""), "Fresh");
    }
    lab
}

#[test]
fn an_external_asset_is_fresh_whether_or_not_it_was_observed() {
    let mut lab = made();
    assert_eq!(lab.look("site", ""), "Fresh");
    assert_eq!(lab.look("raw", ""), "Fresh", "nothing was there then, nothing is now");
    lab.make("site", "", "observed");
    assert_eq!(lab.look("site", ""), "Fresh");
    assert_eq!(lab.look("raw", ""), "Stale Data: `site` has a new data version");
}

#[test]
fn new_code_makes_an_asset_stale_and_nothing_after_it() {
    let mut lab = made();
    lab.code.insert(key("clean"), "v2".to_owned());
    assert_eq!(lab.look("clean", ""), "Stale Code: has a new code version");
    assert_eq!(lab.look("report", ""), "Fresh");
    assert_eq!(lab.roots("clean"), ["Code of clean"]);
    let mut unknown = made();
    unknown.code.clear();
    assert_eq!(unknown.look("clean", ""), "Fresh", "code that is not known is not compared");
}

#[test]
fn new_data_makes_only_what_reads_it_stale() {
    let mut lab = made();
    lab.make("raw", "", "raw 2");
    assert_eq!(lab.look("clean", ""), "Stale Data: `raw` has a new data version");
    assert_eq!(lab.look("report", ""), "Fresh", "a parent that was not made again is as it was");
    assert_eq!(lab.roots("clean"), ["Data of raw"]);
    lab.code.insert(key("clean"), "v2".to_owned());
    assert_eq!(
        lab.look("clean", ""),
        "Stale Code: has a new code version; Data: `raw` has a new data version"
    );
    assert_eq!(lab.roots("clean"), ["Code of clean", "Data of raw"]);
}

#[test]
fn equal_bytes_leave_everything_after_them_fresh() {
    let mut lab = made();
    lab.make("raw", "", "raw 2");
    lab.make("clean", "", "clean 1");
    assert_eq!(lab.look("clean", ""), "Fresh");
    assert_eq!(lab.look("report", ""), "Fresh", "made again with the same result");
    lab.make("clean", "", "clean 2");
    assert_eq!(lab.look("report", ""), "Stale Data: `clean` has a new data version");
}

#[test]
fn new_and_removed_dependencies_are_told() {
    let mut lab = made();
    let mut rewired = Kit::default();
    rewired
        .external("site", None)
        .asset("raw", None, &[("site", None)])
        .asset("clean", None, &[("site", None)])
        .asset("report", None, &[("clean", None), ("raw", None)]);
    lab.assets = rewired.graph();
    assert_eq!(
        lab.look("clean", ""),
        "Stale Dependencies: has a new dependency on `site`; Dependencies: no longer depends on `raw`"
    );
    assert_eq!(lab.look("report", ""), "Stale Dependencies: has a new dependency on `raw`");
    assert_eq!(lab.roots("report"), ["Dependencies of report"]);
}

/// Hours, the mean of a day, the trend from the day before, the latest.
fn days() -> Lab {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-15"))
        .asset("mean", Some("days"), &[])
        .asset("trend", Some("days"), &[("mean", None), ("trend", offset(-1, -1))])
        .asset("latest", None, &[("mean", Some(PartitionMappingDef::Last))])
        .asset("all", None, &[("mean", None)]);
    let mut lab = Lab::new(kit.graph());
    for day in 15..=20 {
        lab.make("mean", &format!("2026-11-{day}"), "mean 1");
        lab.make("trend", &format!("2026-11-{day}"), "trend 1");
    }
    lab.make("latest", "", "latest 1");
    lab.make("all", "", "all 1");
    lab
}

#[test]
fn each_partition_is_judged_by_those_that_it_reads() {
    let mut lab = days();
    lab.make("mean", "2026-11-17", "mean 2");
    let trend: Vec<String> = (15..=20).map(|day| lab.look("trend", &format!("2026-11-{day}"))).collect();
    let stale = "Stale Data: `mean` has a new data version in partition `2026-11-17`";
    assert_eq!(trend, ["Fresh", "Fresh", stale, "Fresh", "Fresh", "Fresh"]);
    assert_eq!(lab.look("latest", ""), "Fresh");
    assert_eq!(lab.look("all", ""), stale);
    lab.make("trend", "2026-11-17", "trend 2");
    assert_eq!(
        lab.look("trend", "2026-11-18"),
        "Stale Data: `trend` has a new data version in partition `2026-11-17`"
    );
}

#[test]
fn a_run_for_stale_assets_only_is_narrowed_to_them() {
    let mut lab = days();
    lab.make("mean", "2026-11-17", "mean 2");
    let targets = lab.assets.targets(&[("mean", ""), ("trend", ""), ("latest", ""), ("all", "")]);
    let narrowed = lab.judge().stale_only(&targets);
    assert_eq!(narrowed, lab.assets.targets(&[("trend", "2026-11-17"), ("all", "")]));
}

#[test]
fn more_than_a_hundred_partitions_are_compared_too() {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "1999-07-06")).asset("mean", Some("days"), &[]).asset(
        "all",
        None,
        &[("mean", None)],
    );
    let mut lab = Lab::new(kit.graph());
    let extent = lab.assets.extents.of_asset(&lab.assets.graph, lab.assets.idx("mean")).clone();
    for at in 0..extent.len() {
        lab.make("mean", &extent.key(at).unwrap(), "mean 1");
    }
    lab.make("all", "", "all 1");
    assert_eq!((extent.len(), lab.look("all", "")), (10_000, "Fresh".to_owned()));
    lab.make("mean", "2013-02-28", "mean 2");
    assert_eq!(lab.look("all", ""), "Stale Data: `mean` has a new data version in partition `2013-02-28`");
    for at in 0..extent.len() {
        lab.make("mean", &extent.key(at).unwrap(), "mean 3");
    }
    let staleness = lab.judge().staleness(lab.assets.idx("all"), 0);
    assert_eq!(
        (staleness.status, staleness.causes.len()),
        (StaleStatus::Stale, cofferdam_assets::CAUSES_MAX)
    );
}
