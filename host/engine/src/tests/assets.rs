//! Assets: what is recorded when their outputs are committed, and what is published.

use std::sync::Arc;

use cofferdam_model::*;

use super::kit::*;

pub(super) fn asset(key: &str, rule: DataVersionRule, inputs: Vec<PlanAssetInput>) -> PlanAsset {
    PlanAsset {
        key: AssetKey::parse(key).unwrap(),
        partition: Some("jan".to_owned()),
        partitions: vec![],
        code_version: "v1".to_owned(),
        data_version: rule,
        inputs,
    }
}

fn input(key: &str, partition: Option<&str>, data_version: Option<&str>) -> PlanAssetInput {
    PlanAssetInput {
        key: AssetKey::parse(key).unwrap(),
        partition: partition.map(str::to_owned),
        data_version: data_version.map(str::to_owned),
    }
}

pub(super) fn makes(mut step: PlanStep, asset: PlanAsset) -> PlanStep {
    step.outputs[0].asset = Some(asset);
    step
}

/// raw -> clean, which also reads `names` of an earlier run
fn pipeline(rule: DataVersionRule) -> Plan {
    let inputs = vec![input("raw", Some("jan"), None), input("names", None, Some("n7"))];
    plan(vec![
        makes(step("raw"), asset("raw", DataVersionRule::Content, vec![])),
        makes(reads("clean", vec![of(0)]), asset("lake/clean", rule, inputs)),
    ])
}

fn made(world: &World) -> Vec<Materialization> {
    let events = world.events(|event| matches!(event, Event::AssetMaterialized { .. }));
    let made = events.into_iter().map(|event| match event {
        Event::AssetMaterialized { materialization, .. } => (**materialization).clone(),
        other => panic!("{other:?}"),
    });
    made.collect()
}

fn versions(world: &World) -> Vec<String> {
    made(world).into_iter().map(|made| made.data_version).collect()
}

#[test]
fn a_materialisation_follows_the_commit_of_its_output_with_the_versions_that_were_read() {
    let mut world = World::with(pipeline(DataVersionRule::Content), 1);
    world.done("raw");
    let kinds = world.log[&RUN].iter().rev().take(3).map(|recorded| match recorded.event {
        Event::StepDispatched { .. } => "dispatched",
        Event::AssetMaterialized { .. } => "materialized",
        Event::StepSucceeded { .. } => "succeeded",
        _ => "other",
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["dispatched", "materialized", "succeeded"]);
    world.done("clean");
    let clean = made(&world).pop().unwrap();
    assert_eq!(clean.key.to_string(), "lake/clean");
    assert_eq!(clean.partition.as_deref(), Some("jan"));
    assert_eq!(clean.data_version, value(1).digest.hex(), "equal bytes are the same version");
    let raw = value(1).digest.hex();
    assert_eq!(clean.inputs, [input("raw", Some("jan"), Some(&raw)), input("names", None, Some("n7"))]);
    assert_eq!(clean.value, Some(value(1)));
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn an_op_may_give_the_data_version_and_else_the_rule_does() {
    let mut world = World::with(pipeline(DataVersionRule::Provenance), 1);
    let mut raw = emit("result", None, 1);
    let value = MetadataValue::Text("2026-11-21".to_owned());
    raw.metadata.push(MetadataEntry { name: DATA_VERSION.to_owned(), value });
    world.finish("raw", ok(vec![raw]));
    world.done("clean");
    let first = versions(&world);
    assert_eq!(first[0], "2026-11-21");
    // Code and inputs are the same, the bytes are not.
    let mut again = World::with(pipeline(DataVersionRule::Provenance), 1);
    again.done("raw");
    again.finish("clean", ok(vec![emit("result", None, 9)]));
    assert_ne!(versions(&again)[1], first[1], "another version was read");
    let mut third = World::with(pipeline(DataVersionRule::Provenance), 1);
    third.done("raw");
    third.done("clean");
    assert_eq!(versions(&third)[1], versions(&again)[1], "bytes do not count");
}

#[test]
fn what_was_taken_over_is_read_with_its_version_and_not_recorded_again() {
    let mut world = World::new();
    let reused =
        KnownStep::Reused { run: RunId(uuid::Uuid::from_u128(7)), outputs: vec![emit("result", None, 1)] };
    world.known = Arc::new(Known([(StepKey::new("raw"), reused)].into()));
    world.join(WORKER, 1, &[]);
    world.submit(RUN, pipeline(DataVersionRule::Content));
    world.done("clean");
    let made = made(&world);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].inputs[0].data_version, Some(value(1).digest.hex()));
}

#[test]
fn an_earlier_result_materialises_its_asset() {
    let mut plan = pipeline(DataVersionRule::Content);
    plan.steps[0].memoize = true;
    let mut world = World::with(plan, 1);
    let found = Memo {
        run: RunId(uuid::Uuid::from_u128(7)),
        step: StepKey::new("raw"),
        outputs: vec![emit("result", None, 4)],
    };
    world.recalled("raw", Some(found));
    assert_eq!(versions(&world), [value(4).digest.hex()]);
}

/// raw -> clean, both for the partitions `jan` to `mar`; each partition of `clean` reads the same one of `raw`.
fn range() -> Plan {
    let mut plan = pipeline(DataVersionRule::Content);
    let partition = |(key, at): (&str, u32), n_inputs: u32| PlanAssetPartition {
        key: key.to_owned(),
        inputs: (at..at + n_inputs).collect(),
    };
    for (step, n_inputs) in [(0, 0), (1, 1)] {
        let asset = plan.steps[step].outputs[0].asset.as_mut().unwrap();
        asset.partition = Some("jan...mar".to_owned());
        let keys = ["jan", "feb", "mar"].into_iter().zip(0..);
        asset.partitions = keys.map(|place| partition(place, n_inputs)).collect();
    }
    let months = ["jan", "feb", "mar"].map(|month| input("raw", Some(month), None));
    plan.steps[1].outputs[0].asset.as_mut().unwrap().inputs = months.to_vec();
    plan
}

#[test]
fn a_range_of_partitions_is_recorded_partition_by_partition() {
    let mut plan = range();
    plan.io_managers.insert(
        name("lake"),
        PlanIoManager { kind: IoManagerKind::Filesystem, settings: serde_json::json!({ "base": "/lake" }) },
    );
    plan.steps[1].outputs[0].io_manager = Some(name("lake"));
    let mut world = World::with(plan, 1);
    world.done("raw");
    world.done("clean");
    let made = made(&world);
    let raw = value(1).digest.hex();
    for (clean, month) in made[3..].iter().zip(["jan", "feb", "mar"]) {
        assert_eq!(clean.partition.as_deref(), Some(month));
        assert_eq!(
            clean.inputs,
            [input("raw", Some(month), Some(&raw))],
            "only what it was made from itself"
        );
        assert_eq!((&clean.data_version, &clean.value), (&value(1).digest.hex(), &Some(value(1))));
    }
    assert_eq!(made.len(), 6);
    let places: Vec<Option<String>> =
        world.published.iter().map(|(_, published)| published.asset.clone().unwrap().1).collect();
    assert_eq!(places, ["jan", "feb", "mar"].map(|month| Some(month.to_owned())));
}

#[test]
fn a_value_that_many_partitions_would_repeat_is_refused() {
    let mut plan = range();
    let asset = plan.steps[0].outputs[0].asset.as_mut().unwrap();
    let partition = |n: u32| PlanAssetPartition { key: n.to_string(), inputs: vec![] };
    asset.partitions = (0..2000).map(partition).collect();
    let mut world = World::with(plan, 1);
    let mut large = emit("result", None, 1);
    large.value = ValueRef::inline(CBOR, vec![0; INLINE_BYTES_MAX]);
    world.finish("raw", ok(vec![large]));
    assert_eq!(made(&world), []);
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn a_failed_attempt_makes_nothing() {
    let mut world = World::with(pipeline(DataVersionRule::Content), 1);
    world.finish("raw", fail());
    assert_eq!(made(&world), []);
}

fn managed(kind: IoManagerKind) -> Plan {
    let mut plan = pipeline(DataVersionRule::Content);
    let settings = serde_json::json!({ "base": "/lake" });
    plan.io_managers.insert(name("lake"), PlanIoManager { kind, settings });
    plan.steps[1].outputs[0].io_manager = Some(name("lake"));
    plan.steps[1].memoize = true;
    plan
}

#[test]
fn a_committed_output_is_published_by_the_worker_that_made_it_and_again_after_a_restart() {
    let mut world = World::with(managed(IoManagerKind::Filesystem), 1);
    world.done("raw");
    world.recalled("clean", None);
    assert_eq!(world.take("clean").io_managers.len(), 1);
    assert_eq!(world.published, []);
    world.restart();
    world.join(WorkerId(5), 1, &[]);
    world.recalls.clear();
    world.done("clean");
    let (worker, publication) = world.published.pop().unwrap();
    assert_eq!(worker, WorkerId(5));
    assert_eq!(publication.step, StepKey::new("clean"));
    assert_eq!(publication.asset, Some((AssetKey::parse("lake/clean").unwrap(), Some("jan".to_owned()))));
    assert_eq!((publication.manager_name, publication.value), (name("lake"), value(1)));
    for kind in [IoManagerKind::Store, IoManagerKind::Memory, IoManagerKind::Op] {
        let mut plan = managed(kind);
        plan.steps[1].memoize = false;
        let mut world = World::with(plan, 1);
        world.done("raw");
        world.done("clean");
        assert_eq!(world.published, [], "{kind}");
    }
}

#[test]
fn an_unsure_publication_waits_for_a_worker() {
    let mut plan = managed(IoManagerKind::S3);
    plan.steps.push(step("last"));
    let mut world = World::with(plan, 3);
    world.done("raw");
    world.recalled("clean", None);
    world.done("clean");
    assert_eq!(world.published.len(), 1);
    world.restart();
    assert_eq!(world.published.len(), 1, "nobody is there to do it");
    world.join(WorkerId(5), 3, &[]);
    assert_eq!(world.published[1], (WorkerId(5), world.published[0].1.clone()));
}
