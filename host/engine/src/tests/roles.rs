//! Hooks, set-up and tear-down of resources, checks.

use cofferdam_model::*;

use super::dynamic::{fan_out, parts};
use super::kit::*;
use crate::Input;

fn hook(key: &str, of: u32, on: HookOn, scope: &[OutputRef]) -> PlanStep {
    let event = PlanInput {
        name: name(HOOK_EVENT_INPUT),
        source: Source::Value(ValueRef::inline(CBOR, vec![])),
        required: true,
    };
    PlanStep {
        role: Role::Hook { of: StepIdx(of), on },
        inputs: vec![event],
        outputs: vec![],
        scope: scope.to_vec(),
        ..step(key)
    }
}

fn hooked() -> Plan {
    let retry = RetryPolicy { max_retries: 1, ..RetryPolicy::NEVER };
    plan(vec![
        PlanStep { retry, ..step("a") },
        reads("b", vec![of(0)]),
        hook("a.hooks.cheer", 0, HookOn::Success, &[]),
        hook("a.hooks.notify", 0, HookOn::Failure, &[]),
        hook("b.hooks.notify", 1, HookOn::Failure, &[]),
    ])
}

fn event(assignment: &Assignment) -> ValueRef {
    let AssignedValue::One(value) = &assignment.inputs[0].value else {
        panic!("the event is one value");
    };
    value.clone()
}

fn told(json: &serde_json::Value) -> ValueRef {
    ValueRef::inline(CBOR, cbor::encode(json))
}

#[test]
fn a_hook_runs_once_after_the_last_attempt_and_is_told_how_it_ended() {
    let mut world = World::with(hooked(), 4);
    world.finish("a", fail());
    world.input(Input::Tick);
    assert_eq!(world.running(), ["a"], "a retried attempt calls no hook");
    world.finish("a", fail());
    assert_eq!(world.running(), ["a.hooks.notify"]);
    assert_eq!(world.status("a.hooks.cheer"), StepStatus::Skipped);
    assert_eq!(world.status("b"), StepStatus::Abandoned);
    assert_eq!(world.status("b.hooks.notify"), StepStatus::Skipped, "what never ran calls no hook");
    let notify = world.finish("a.hooks.notify", ok(vec![]));
    let failure = serde_json::json!({ "kind": "op-failed", "message": "exceeded max_retries of 1: boom" });
    let expected = serde_json::json!({
        "run": RUN.to_string(), "step": "a", "op": "op", "status": "failed", "attempt": 2, "failure": failure,
    });
    assert_eq!(event(&notify), told(&expected));
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn the_failure_of_a_hook_does_not_fail_its_run() {
    let mut world = World::with(hooked(), 4);
    world.done("a");
    let cheer = world.finish("a.hooks.cheer", fail());
    let expected = serde_json::json!({
        "run": RUN.to_string(), "step": "a", "op": "op", "status": "succeeded", "attempt": 1, "failure": null,
    });
    assert_eq!(event(&cheer), told(&expected));
    assert_eq!(world.status("a.hooks.cheer"), StepStatus::Failed);
    world.done("b");
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.run().failures().count(), 0);
}

#[test]
fn hooks_are_called_for_each_copy() {
    let mut plan = fan_out(true);
    plan.steps.push(hook("clean.hooks.notify", 1, HookOn::Failure, &[output(0, "parts")]));
    let mut world = World::with(plan, 4);
    world.finish("split", parts(&["a", "b"]));
    world.finish("clean[a]", fail());
    world.done("clean[b]");
    world.finish("clean.hooks.notify[a]", ok(vec![]));
    assert_eq!(world.status("clean.hooks.notify[b]"), StepStatus::Skipped);
}

/// set_up -> user (mapped) -> other; tear_down
fn lent() -> Plan {
    let mut plan = fan_out(true);
    let set_up = PlanStep { role: Role::SetUp { resource: name("db") }, ..step("db.set_up") };
    plan.steps[0].after = vec![StepIdx(4)];
    plan.steps.push(set_up);
    // Every step comes after those that it refers to: set-up first.
    plan.steps.rotate_right(1);
    for step in &mut plan.steps[1..] {
        let shift = |output: &mut OutputRef| output.step.0 += 1;
        step.after = step.after.iter().map(|_| StepIdx(0)).collect();
        step.scope.iter_mut().for_each(shift);
        for input in &mut step.inputs {
            if let Source::Output(output) | Source::Collect(output) = &mut input.source {
                shift(output);
            }
        }
    }
    let users = vec![StepIdx(1), StepIdx(2)];
    let role = Role::TearDown { resource: name("db"), set_up: StepIdx(0), users };
    plan.steps.push(PlanStep { role, ..reads("db.tear_down", vec![of(0)]) });
    plan
}

#[test]
fn a_resource_ends_when_its_last_user_has_ended_however_that_was() {
    let mut world = World::with(lent(), 8);
    world.done("db.set_up");
    world.finish("split", parts(&["a", "b"]));
    world.finish("clean[a]", fail());
    assert_eq!(world.status("db.tear_down"), StepStatus::Waiting);
    world.done("clean[b]");
    assert_eq!(world.running(), ["load[b]", "db.tear_down"], "`load` does not use it");
    let tear_down = world.finish("db.tear_down", fail());
    assert_eq!(tear_down.inputs[0].value, AssignedValue::One(value(1)));
    world.done("load[b]");
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn a_tear_down_that_fails_does_not_fail_its_run() {
    let mut world = World::with(lent(), 8);
    world.done("db.set_up");
    world.finish("split", parts(&[]));
    world.finish("db.tear_down", fail());
    world.done("sum");
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn what_was_not_made_is_not_ended_and_its_users_are_abandoned() {
    let mut world = World::with(lent(), 8);
    world.finish("db.set_up", fail());
    assert_eq!(world.status("split"), StepStatus::Abandoned);
    assert_eq!(world.status("db.tear_down"), StepStatus::Skipped);
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn a_cancelled_run_ends_its_resources_also_after_a_lost_worker_and_a_restart() {
    let mut world = World::with(lent(), 8);
    world.done("db.set_up");
    world.finish("split", parts(&["a"]));
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!(world.status("db.tear_down"), StepStatus::Waiting);
    let cancelled = Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled")));
    world.finish("clean[a]", cancelled);
    assert_eq!(world.running(), ["db.tear_down"]);
    world.leave(WORKER);
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.running(), ["db.tear_down"]);
    world.input(Input::CancelRequested { run: RUN });
    world.restart();
    world.join(WorkerId(3), 1, &[]);
    assert_eq!(world.done("db.tear_down").id.attempt, 3);
    assert_eq!(ended(&world), RunStatus::Cancelled);
    assert_eq!(world.cancels.len(), 1, "a tear-down is not stopped");
}

/// a -> check -> b
fn checked(blocking: bool) -> Plan {
    let asset = AssetKey::parse("raw/table").unwrap();
    let role = Role::Check { check: name("not_empty"), asset, blocking };
    let after = vec![StepIdx(1)];
    plan(vec![
        step("a"),
        PlanStep { role, outputs: vec![], ..reads("check", vec![of(0)]) },
        PlanStep { after, ..reads("b", vec![of(0)]) },
    ])
}

pub(super) fn said(passed: Option<bool>, severity: Option<&str>) -> Outcome {
    let entry = |name: &str, value| MetadataEntry { name: name.to_owned(), value };
    let passed = passed.map(|passed| entry(CHECK_PASSED, MetadataValue::Truth(passed)));
    let severity = severity.map(|text| entry(CHECK_SEVERITY, MetadataValue::Text(text.to_owned())));
    let rows = entry("rows", MetadataValue::Integer(0));
    let metadata = passed.into_iter().chain(severity).chain([rows]).collect();
    Outcome::Succeeded { outputs: vec![], metadata }
}

#[test]
fn a_check_blocks_what_follows_only_if_it_is_blocking_and_fails_as_an_error() {
    let check = |blocking, outcome: Outcome, status, evaluated: Option<(bool, CheckSeverity)>| {
        let mut world = World::with(checked(blocking), 4);
        world.done("a");
        world.finish("check", outcome);
        assert_eq!(world.status("check"), status);
        let found = world.events(|event| matches!(event, Event::AssetChecked { .. }));
        let found = found.iter().map(|event| match event {
            Event::AssetChecked { evaluation, .. } => {
                assert_eq!(evaluation.check, name("not_empty"));
                assert_eq!(evaluation.metadata.len(), 1);
                (evaluation.passed, evaluation.severity)
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(found.collect::<Vec<_>>(), evaluated.into_iter().collect::<Vec<_>>());
        if status == StepStatus::Failed {
            let step = StepKey::new("check");
            let failure = world.run().step(&step).unwrap().failure().unwrap();
            assert_eq!(failure.kind, FailureKind::Check);
            assert_eq!(failure.message, "the check `not_empty` of asset `raw/table` did not pass");
            assert_eq!(world.status("b"), StepStatus::Abandoned);
        } else {
            world.done("b");
        }
    };
    use CheckSeverity::{Error, Warn};
    use StepStatus::{Failed, Succeeded};
    check(true, said(Some(true), None), Succeeded, Some((true, Error)));
    check(true, said(Some(false), None), Failed, Some((false, Error)));
    check(true, said(Some(false), Some("warn")), Succeeded, Some((false, Warn)));
    check(false, said(Some(false), Some("error")), Succeeded, Some((false, Error)));
    check(true, said(None, None), Succeeded, None);
}
