//! The rules of dependencies, fan-out, retries, losses and cancelling, one case each.

use std::time::Duration;

use super::kit::*;
use crate::Input;
use cofferdam_model::*;

fn mapped(key: &str, scope: &[OutputRef], sources: Vec<Source>) -> PlanStep {
    PlanStep { scope: scope.to_vec(), ..reads(key, sources) }
}

fn splitter(key: &str, required: bool) -> PlanStep {
    PlanStep { outputs: vec![declared("parts", required, true)], ..step(key) }
}

fn parts(keys: &[&str]) -> Outcome {
    let outputs = keys.iter().zip(10..).map(|(key, byte)| emit("parts", Some(key), byte));
    ok(outputs.collect())
}

/// split -> clean (mapped) -> load (mapped) -> sum (collects)
fn fan_out(required: bool) -> Plan {
    let scope = [output(0, "parts")];
    plan(vec![
        splitter("split", required),
        mapped("clean", &scope, vec![Source::Output(output(0, "parts"))]),
        mapped("load", &scope, vec![of(1)]),
        reads("sum", vec![Source::Collect(output(2, "result"))]),
    ])
}

fn ended(world: &World) -> RunStatus {
    assert_eq!(world.ended.len(), 1, "{:?}", world.statuses());
    let terminal =
        world.log[&RUN].iter().filter(|recorded| matches!(recorded.event, Event::RunFinished { .. }));
    assert_eq!(terminal.count(), 1, "I-11: one terminal event");
    world.ended[0].1
}

#[test]
fn i_14_a_step_starts_when_its_inputs_are_committed() {
    let mut world = World::with(plan(vec![step("a"), step("b"), reads("c", vec![of(0), of(1)])]), 4);
    assert_eq!(world.running(), ["a", "b"]);
    world.done("a");
    assert_eq!(world.status("c"), StepStatus::Waiting);
    world.done("b");
    let c = world.done("c");
    assert_eq!(c.inputs.len(), 2);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a5_a_missing_optional_output_skips_its_branch_and_the_run_succeeds() {
    let branch = PlanStep {
        outputs: vec![declared("left", false, false), declared("right", false, false)],
        ..step("branch")
    };
    let left = reads("left", vec![Source::Output(output(0, "left"))]);
    let right = reads("right", vec![Source::Output(output(0, "right"))]);
    let mut world = World::with(plan(vec![branch, left, right, reads("after_right", vec![of(2)])]), 4);
    world.finish("branch", ok(vec![emit("left", None, 1)]));
    world.done("left");
    assert_eq!(world.status("right"), StepStatus::Skipped);
    assert_eq!(world.status("after_right"), StepStatus::Skipped);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a6_fan_in_keeps_the_order_and_drops_what_is_missing() {
    let optional = |key| PlanStep { outputs: vec![declared("result", false, false)], ..step(key) };
    let all = Source::FanIn((0..3).map(|n| output(n, "result")).collect());
    let steps = || vec![optional("a"), optional("b"), optional("c"), reads("join", vec![all.clone()])];
    let mut world = World::with(plan(steps()), 4);
    world.finish("c", ok(vec![emit("result", None, 3)]));
    world.finish("b", ok(vec![]));
    world.finish("a", ok(vec![emit("result", None, 1)]));
    let join = world.done("join");
    let values = [1, 3].map(|byte| KeyedValue { key: None, value: value(byte) });
    assert_eq!(join.inputs[0].value, AssignedValue::Many(values.to_vec()));

    let mut world = World::with(plan(steps()), 4);
    for key in ["a", "b", "c"] {
        world.finish(key, ok(vec![]));
    }
    assert_eq!(world.status("join"), StepStatus::Skipped);
}

#[test]
fn an_input_that_may_be_absent_does_not_skip_its_step() {
    let optional = PlanStep { outputs: vec![declared("result", false, false)], ..step("a") };
    let mut reader = reads("b", vec![of(0)]);
    reader.inputs[0].required = false;
    let mut world = World::with(plan(vec![optional, reader]), 4);
    world.finish("a", ok(vec![]));
    assert_eq!(world.done("b").inputs, []);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a7_an_order_only_dependency_waits_and_moves_no_bytes() {
    let second = PlanStep { after: vec![StepIdx(0)], ..step("second") };
    let mut world = World::with(plan(vec![step("first"), second]), 4);
    assert_eq!(world.running(), ["first"]);
    world.done("first");
    assert_eq!(world.done("second").inputs, []);
}

#[test]
fn c1_a_failed_branch_abandons_its_dependants_and_no_others() {
    let steps = vec![
        step("bad"),
        step("good"),
        reads("d", vec![of(0), of(1)]),
        reads("e", vec![of(2)]),
        reads("side", vec![of(1)]),
    ];
    let mut world = World::with(plan(steps), 4);
    world.finish("bad", fail());
    world.done("good");
    world.done("side");
    assert_eq!(world.status("d"), StepStatus::Abandoned);
    let run = world.run();
    assert_eq!(run.step(&StepKey::new("e")).unwrap().root().unwrap().as_str(), "bad");
    assert_eq!(ended(&world), RunStatus::Failed);
    let started = |key| {
        let is = |event: &Event| matches!(event, Event::StepDispatched { step, .. } if step.as_str() == key);
        world.log[&RUN].iter().any(|recorded| is(&recorded.event))
    };
    assert!(!started("d") && !started("e"), "I-15: dependants of a failure never run");
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

#[test]
fn a9_nested_fan_out_goes_to_any_depth() {
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

#[test]
fn a9_three_levels_of_ten_with_skips_and_retries() {
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

#[test]
fn c2_max_concurrent_bounds_a_run() {
    let mut plan = plan((0..5).map(|n| step(&format!("s{n}"))).collect());
    plan.max_concurrent = Some(2);
    let mut world = World::with(plan, 8);
    assert_eq!(world.running(), ["s0", "s1"]);
    world.done("s1");
    assert_eq!(world.running(), ["s0", "s2"]);
}

#[test]
fn c5_priority_comes_first_then_plan_order() {
    let urgent = PlanStep { priority: 5, ..step("urgent") };
    let mut world = World::with(plan(vec![step("a"), step("b"), urgent]), 1);
    let mut order = vec![];
    while let Some(key) = world.running().first().map(ToString::to_string) {
        world.done(&key);
        order.push(key);
    }
    assert_eq!(order, ["urgent", "a", "b"]);
}

fn needs(key: &str, resource: &str, amount: f64) -> PlanStep {
    PlanStep { resources: [(resource.to_owned(), amount)].into(), ..step(key) }
}

#[test]
fn c6_resources_are_counted_and_given_back() {
    let mut world = World::new();
    world.join(WORKER, 8, &[("GPU", 1.0)]);
    let steps = vec![needs("a", "GPU", 0.5), needs("b", "GPU", 0.5), needs("c", "GPU", 0.1)];
    world.submit(RUN, plan(steps));
    assert_eq!(world.running(), ["a", "b"]);
    world.finish("a", fail());
    assert_eq!(world.running(), ["b", "c"]);
    world.done("b");
    world.done("c");
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn c7_a_step_that_waits_for_a_resource_blocks_no_other() {
    let mut steps: Vec<PlanStep> = (0..1000).map(|n| needs(&format!("gpu{n}"), "GPU", 1.0)).collect();
    steps.push(step("cpu"));
    let mut world = World::with(plan(steps), 1);
    assert_eq!(world.running(), ["cpu"]);
    assert_eq!(world.engine.unservable(), [(vec!["GPU".to_owned()], vec![RUN])]);
    world.join(WorkerId(2), 1, &[("GPU", 1.0)]);
    assert_eq!(world.running(), ["cpu", "gpu0"]);
    assert_eq!(world.engine.unservable(), []);
}

fn retrying(max_retries: u32, delay: f64) -> PlanStep {
    PlanStep { retry: RetryPolicy { max_retries, delay, ..RetryPolicy::NEVER }, ..step("a") }
}

#[test]
fn c8_a_step_is_retried_after_its_delay_and_at_most_so_often() {
    let mut world = World::with(plan(vec![retrying(2, 3.0)]), 1);
    for attempt in 1..=2 {
        assert_eq!(world.finish("a", fail()).id.attempt, attempt);
        assert_eq!(world.status("a"), StepStatus::Retrying);
        assert_eq!(world.engine.next_deadline(), Some(world.now + Duration::from_secs(3)));
        world.now = world.now + Duration::from_millis(2999);
        world.input(Input::Tick);
        assert_eq!(world.running(), [""; 0]);
        world.now = world.now + Duration::from_millis(1);
        world.input(Input::Tick);
    }
    world.finish("a", fail());
    assert_eq!(world.status("a"), StepStatus::Failed);
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn c9_a_permanent_failure_is_not_retried_and_an_op_may_ask_for_its_own_delay() {
    let mut world = World::with(plan(vec![retrying(5, 1.0)]), 1);
    let after = Duration::from_secs(60);
    world.finish("a", fail_with(RetryAdvice::After(after)));
    assert_eq!(world.engine.next_deadline(), Some(world.now + after));
    world.now = world.now + after;
    world.input(Input::Tick);
    world.finish("a", fail_with(RetryAdvice::Never));
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn h_052_an_op_cannot_ask_for_a_wait_without_end() {
    let mut world = World::with(plan(vec![retrying(1, 0.0)]), 1);
    world.finish("a", fail_with(RetryAdvice::After(Duration::from_secs(1_000_000_000))));
    assert_eq!(world.engine.next_deadline(), Some(world.now + RETRY_DELAY_MAX));
}

#[test]
fn c10_a_lost_worker_is_recorded_and_not_counted_against_the_retries() {
    let mut world = World::with(plan(vec![step("a")]), 1);
    world.take("a");
    world.input(Input::WorkerLeft { worker: WORKER });
    assert_eq!(world.status("a"), StepStatus::Ready);
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.done("a").id.attempt, 2);
    assert_eq!(ended(&world), RunStatus::Succeeded);
    let lost = |event: &Event| matches!(event, Event::StepLost { worker: WORKER, attempt: 1, .. });
    assert!(world.log[&RUN].iter().any(|recorded| lost(&recorded.event)));
}

#[test]
fn i_10_a_step_that_loses_three_workers_is_given_up() {
    let mut world = World::with(plan(vec![step("a"), step("b")]), 2);
    world.done("b");
    for worker in 1..=3 {
        world.take("a");
        world.input(Input::WorkerLeft { worker: WorkerId(worker) });
        world.join(WorkerId(worker + 1), 2, &[]);
    }
    assert_eq!(world.status("a"), StepStatus::Failed);
    let step = world.run().step(&StepKey::new("a")).unwrap();
    assert_eq!(step.failure().unwrap().kind, FailureKind::WorkerLost);
    assert_eq!(step.attempts().len(), 3);
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn g3_a_late_report_changes_nothing() {
    let mut world = World::with(plan(vec![step("a"), reads("b", vec![of(0)])]), 1);
    let old = world.take("a");
    world.input(Input::WorkerLeft { worker: WORKER });
    world.join(WorkerId(2), 1, &[]);
    let before = world.log[&RUN].len();
    world.report(old.id.clone(), ok(vec![emit("result", None, 66)]));
    world.input(Input::Report(Report::Started { id: old.id, at: world.now }));
    assert_eq!(world.log[&RUN].len(), before, "I-08: an older fence changes nothing");
    let winner = world.done("a");
    world.report(winner.id.clone(), fail());
    let mut forged = winner.id;
    forged.fence = Fence(forged.fence.0 + 1);
    world.report(forged, fail());
    let commits = world.log[&RUN].iter().filter(
        |recorded| matches!(&recorded.event, Event::StepSucceeded { step, .. } if step.as_str() == "a"),
    );
    assert_eq!(commits.count(), 1, "I-01: one commit per step");
    world.done("b");
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn cancel_ends_what_waits_at_once_and_the_run_when_the_last_attempt_has_ended() {
    let steps = vec![step("a"), step("b"), reads("c", vec![of(0)]), step("d")];
    let mut world = World::with(plan(steps), 2);
    world.done("a");
    assert_eq!(world.running(), ["b", "c"]);
    world.input(Input::CancelRequested { run: RUN });
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!(world.cancels.len(), 2);
    assert_eq!(world.status("d"), StepStatus::Cancelled);
    assert_eq!(world.run().status(), RunStatus::Cancelling);
    let cancelled = Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled")));
    world.finish("b", cancelled);
    assert_eq!(world.ended, []);
    world.done("c");
    assert_eq!(ended(&world), RunStatus::Cancelled);
    let statuses = ["a", "b", "c", "d"].map(|key| world.status(key));
    use StepStatus::{Cancelled, Succeeded};
    assert_eq!(statuses, [Succeeded, Cancelled, Succeeded, Cancelled]);
}

#[test]
fn c13_fifty_runs_of_one_plan_are_independent() {
    let mut world = World::new();
    world.join(WORKER, 7, &[]);
    let runs: Vec<RunId> = (1..=50).map(|n| RunId(uuid::Uuid::from_u128(n))).collect();
    for run in &runs {
        world.submit(*run, fan_out(true));
    }
    while let Some((_, assignment)) = world.under_way.first().cloned() {
        world.under_way.remove(0);
        let outcome = match assignment.id.step.as_str() {
            "split" => parts(&["a", "b"]),
            "load[a]" if assignment.id.run == runs[3] => fail(),
            _ => ok(vec![emit("result", None, 1)]),
        };
        world.report(assignment.id, outcome);
    }
    assert_eq!(world.ended.len(), 50);
    for (run, status) in &world.ended {
        let expected = if *run == runs[3] { RunStatus::Failed } else { RunStatus::Succeeded };
        assert_eq!(*status, expected);
    }
}

#[test]
fn g1_a_restart_re_runs_what_was_running_and_nothing_else() {
    let mut world = World::with(fan_out(true), 2);
    world.finish("split", parts(&["a", "b", "c"]));
    world.done("clean[a]");
    assert_eq!(world.running(), ["clean[b]", "load[a]"]);
    for _ in 0..5 {
        world.restart();
        assert_eq!(world.running(), [""; 0]);
        world.join(WorkerId(world.term * 10), 2, &[]);
        assert_eq!(world.running(), ["load[a]", "clean[b]"]);
    }
    while let Some(key) = world.running().first().map(ToString::to_string) {
        world.done(&key);
    }
    assert_eq!(ended(&world), RunStatus::Succeeded);
    let claims = |key| {
        let is = |event: &Event| matches!(event, Event::StepDispatched { step, .. } if step.as_str() == key);
        world.log[&RUN].iter().filter(|recorded| is(&recorded.event)).count()
    };
    assert_eq!((claims("split"), claims("clean[a]"), claims("clean[c]")), (1, 1, 1));
    assert_eq!(claims("load[a]"), 6, "I-05: one more for each recorded loss");
}

#[test]
fn a_wait_for_a_retry_survives_a_restart() {
    let mut world = World::with(plan(vec![retrying(1, 100.0)]), 1);
    world.finish("a", fail());
    world.restart();
    world.join(WorkerId(9), 1, &[]);
    assert_eq!(world.running(), [""; 0]);
    assert_eq!(world.engine.next_deadline(), Some(world.now + Duration::from_secs(100)));
    world.now = world.now + Duration::from_secs(100);
    world.input(Input::Tick);
    assert_eq!(world.done("a").id.attempt, 2);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn short_steps_are_sent_ahead_and_steps_of_unknown_length_are_not() {
    let mut world = World::new();
    world.submit(RUN, plan((0..20).map(|n| step(&format!("s{n}"))).collect()));
    world.input(Input::WorkerJoined { worker: WORKER, slots: 2, queue: 8, resources: [].into() });
    assert_eq!(world.running(), ["s0", "s1"]);
    world.done("s0");
    assert_eq!(world.running(), ["s1", "s2"], "nothing is queued behind a step of unknown length");
    world.done("s1");
    world.done("s2");
    assert_eq!(world.running().len(), 10);
}
