//! The rules of dynamic outputs, one case each.

use cofferdam_model::*;

use super::kit::*;

pub(super) fn mapped(key: &str, scope: &[OutputRef], sources: Vec<Source>) -> PlanStep {
    PlanStep { scope: scope.to_vec(), ..reads(key, sources) }
}

pub(super) fn splitter(key: &str, required: bool) -> PlanStep {
    PlanStep { outputs: vec![declared("parts", required, true)], ..step(key) }
}

pub(super) fn parts(keys: &[&str]) -> Outcome {
    let outputs = keys.iter().zip(10..).map(|(key, byte)| emit("parts", Some(key), byte));
    ok(outputs.collect())
}

/// split -> clean (mapped) -> load (mapped) -> sum (collects)
pub(super) fn fan_out(required: bool) -> Plan {
    let scope = [output(0, "parts")];
    plan(vec![
        splitter("split", required),
        mapped("clean", &scope, vec![Source::Output(output(0, "parts"))]),
        mapped("load", &scope, vec![of(1)]),
        reads("sum", vec![Source::Collect(output(2, "result"))]),
    ])
}

#[test]
fn a8_dynamic_fan_out_copies_by_key_and_collects_in_the_order_of_emission() {
    let mut world = World::with(fan_out(true), 4);
    world.finish("split", parts(&["jan", "feb"]));
    assert_eq!(world.running(), ["clean[jan]", "clean[feb]"]);
    let clean = world.finish("clean[feb]", ok(vec![emit("result", None, 21)]));
    assert_eq!(clean.inputs[0].value, AssignedValue::One(value(11)));
    world.finish("clean[jan]", ok(vec![emit("result", None, 20)]));
    world.finish("load[feb]", ok(vec![emit("result", None, 31)]));
    world.finish("load[jan]", ok(vec![emit("result", None, 30)]));
    let sum = world.done("sum");
    let keyed = |key, byte| KeyedValue { key: Some(name(key)), value: value(byte) };
    assert_eq!(sum.inputs[0].value, AssignedValue::Many(vec![keyed("jan", 30), keyed("feb", 31)]));
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.run().n_steps(), 6);
}

#[test]
fn a8_zero_items_collect_to_an_empty_list_or_skip() {
    let mut world = World::with(fan_out(true), 4);
    world.finish("split", parts(&[]));
    assert_eq!(world.done("sum").inputs[0].value, AssignedValue::Many(vec![]));
    assert_eq!(ended(&world), RunStatus::Succeeded);

    let mut world = World::with(fan_out(false), 4);
    world.finish("split", parts(&[]));
    assert_eq!(world.status("sum"), StepStatus::Skipped);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a8_a_failed_copy_abandons_the_collector_and_a_failed_producer_all() {
    let mut world = World::with(fan_out(true), 4);
    world.finish("split", parts(&["a", "b"]));
    world.finish("clean[a]", fail());
    world.done("clean[b]");
    world.done("load[b]");
    assert_eq!(world.status("load[a]"), StepStatus::Abandoned);
    assert_eq!(world.status("sum"), StepStatus::Abandoned);
    assert_eq!(ended(&world), RunStatus::Failed);

    let mut world = World::with(fan_out(true), 4);
    world.finish("split", fail());
    for key in ["clean[?]", "load[?]", "sum"] {
        assert_eq!(world.status(key), StepStatus::Abandoned, "{key}");
    }
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn a8_skipped_copies_are_left_out_of_the_list() {
    let mut plan = fan_out(true);
    plan.steps[1].outputs = vec![declared("result", false, false)];
    let mut world = World::with(plan, 4);
    world.finish("split", parts(&["a", "b"]));
    world.finish("clean[a]", ok(vec![]));
    world.done("clean[b]");
    world.done("load[b]");
    let AssignedValue::Many(values) = world.done("sum").inputs[0].value.clone() else {
        panic!("a collected input is a list");
    };
    assert_eq!(values.len(), 1);
    assert_eq!(values[0].key, Some(name("b")));
}

#[test]
fn a8_too_many_or_doubled_keys_fail_the_producer_in_words() {
    let mut world = World::with(fan_out(true), 4);
    world.finish("split", parts(&["a", "a"]));
    let split = StepKey::new("split");
    let failure = |world: &World| world.run().step(&split).unwrap().failure().unwrap().message.clone();
    assert_eq!(failure(&world), "the output `parts` with the key `a` came twice");
    assert_eq!(ended(&world), RunStatus::Failed);
}

/// Shown by a row in `products`.
pub(super) fn nested_to_any_depth() {
    // split -> inner (mapped, splits again) -> leaf (mapped twice) -> row (collects) -> table (collects)
    let outer = output(0, "parts");
    let inner = output(1, "parts");
    let one = std::slice::from_ref(&outer);
    let two = [outer.clone(), inner.clone()];
    let steps = vec![
        splitter("split", true),
        PlanStep {
            outputs: vec![declared("parts", true, true)],
            ..mapped("inner", one, vec![Source::Output(outer.clone())])
        },
        mapped("leaf", &two, vec![Source::Output(inner.clone()), Source::Output(outer.clone())]),
        mapped("row", one, vec![Source::Collect(output(2, "result"))]),
        reads("table", vec![Source::Collect(output(3, "result"))]),
        PlanStep { after: vec![StepIdx(2)], ..step("epilogue") },
    ];
    let mut world = World::with(plan(steps), 8);
    world.finish("split", parts(&["a", "b"]));
    world.finish("inner[b]", parts(&["x"]));
    assert_eq!(world.finish("leaf[b][x]", fail_with(RetryAdvice::Policy)).inputs.len(), 2);
    assert_eq!(world.status("row[b]"), StepStatus::Abandoned);
    world.finish("inner[a]", parts(&["x", "y"]));
    world.done("leaf[a][y]");
    world.done("leaf[a][x]");
    let row = world.done("row[a]");
    assert!(matches!(&row.inputs[0].value, AssignedValue::Many(values) if values.len() == 2));
    assert_eq!(world.status("table"), StepStatus::Abandoned);
    assert_eq!(world.status("epilogue"), StepStatus::Abandoned);
    assert_eq!(ended(&world), RunStatus::Failed);
}

/// Shown by a row in `products`.
pub(super) fn three_levels_of_ten() {
    let scopes = [output(0, "parts"), output(1, "parts"), output(2, "parts")];
    let split = |key: &str, depth: usize| PlanStep {
        outputs: vec![declared("parts", true, true)],
        ..mapped(
            key,
            &scopes[..depth],
            scopes[..depth].last().cloned().map(Source::Output).into_iter().collect(),
        )
    };
    let leaf = PlanStep {
        outputs: vec![declared("result", false, false)],
        retry: RetryPolicy { max_retries: 1, ..RetryPolicy::NEVER },
        ..mapped("leaf", &scopes, vec![Source::Output(scopes[2].clone())])
    };
    let steps = vec![
        split("one", 0),
        split("two", 1),
        split("three", 2),
        leaf,
        mapped("next", &scopes, vec![of(3)]),
        mapped("sum3", &scopes[..2], vec![Source::Collect(output(4, "result"))]),
        mapped("sum2", &scopes[..1], vec![Source::Collect(output(5, "result"))]),
        reads("sum1", vec![Source::Collect(output(6, "result"))]),
    ];
    let mut world = World::with(plan(steps), 16);
    let keys = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    while let Some((_, assignment)) = world.under_way.last() {
        let (key, attempt) = (assignment.id.step.to_string(), assignment.id.attempt);
        let outcome = if key.starts_with("one") || key.starts_with("two") || key.starts_with("three") {
            parts(&keys)
        } else if key.starts_with("leaf") && key.ends_with("[3]") && attempt == 1 {
            fail()
        } else if key.starts_with("leaf") && key.ends_with("[7]") {
            ok(vec![])
        } else {
            ok(vec![emit("result", None, 1)])
        };
        world.finish(&key, outcome);
    }
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.run().n_steps(), 1 + 10 + 100 + 1000 + 1000 + 100 + 10 + 1);
    assert_eq!(world.run().count(StepStatus::Skipped), 100);
}

#[test]
fn a8_a_started_chain_is_finished_before_the_next_copy_starts() {
    let mut world = World::with(fan_out(true), 1);
    world.finish("split", parts(&["a", "b", "c"]));
    let mut order = vec![];
    while let Some(key) = world.running().first().map(ToString::to_string) {
        world.done(&key);
        order.push(key);
    }
    assert_eq!(order, ["clean[a]", "load[a]", "clean[b]", "load[b]", "clean[c]", "load[c]", "sum"]);
}
