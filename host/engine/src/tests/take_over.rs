//! Steps that end without being run: re-executions and earlier results.

use std::sync::Arc;

use cofferdam_model::*;

use super::dynamic::{fan_out, parts};
use super::kit::*;
use crate::{Input, TakenOver, memo_key};

const PARENT: RunId = RunId(uuid::Uuid::from_u128(7));

fn reused(outputs: Vec<Output>) -> KnownStep {
    KnownStep::Reused { run: PARENT, outputs }
}

fn submit(plan: Plan, known: Vec<(&str, KnownStep)>) -> World {
    let mut world = World::new();
    let known = known.into_iter().map(|(key, step)| (StepKey::new(key), step));
    world.known = Arc::new(Known(known.collect()));
    world.join(WORKER, 8, &[]);
    world.submit(RUN, plan);
    world
}

fn keyed(keys: &[&str]) -> Vec<Output> {
    match parts(keys) {
        Outcome::Succeeded { outputs, .. } => outputs,
        Outcome::Failed(_) => unreachable!(),
    }
}

fn result(byte: u8) -> Vec<Output> {
    vec![emit("result", None, byte)]
}

#[test]
fn a_re_execution_takes_over_what_succeeded_copy_by_copy_and_runs_the_rest() {
    let known = || {
        vec![
            ("split", reused(keyed(&["a", "b"]))),
            ("clean[a]", reused(result(20))),
            ("load[a]", reused(result(30))),
            ("clean[b]", reused(result(21))),
        ]
    };
    for restart in [false, true] {
        let mut world = submit(fan_out(true), known());
        if restart {
            world.restart();
            world.join(WorkerId(9), 8, &[]);
        }
        assert_eq!(world.running(), ["load[b]"]);
        let load = world.finish("load[b]", ok(result(31)));
        assert_eq!(load.inputs[0].value, AssignedValue::One(value(21)));
        assert_eq!(load.id.attempt, if restart { 2 } else { 1 });
        let values = [("a", 30), ("b", 31)];
        let values = values.map(|(key, byte)| KeyedValue { key: Some(name(key)), value: value(byte) });
        assert_eq!(world.done("sum").inputs[0].value, AssignedValue::Many(values.to_vec()));
        assert_eq!(ended(&world), RunStatus::Succeeded);
        let n_reused = world.events(|event| matches!(event, Event::StepReused { from: PARENT, .. })).len();
        assert_eq!(n_reused, 4);
        let fold = world.fold(RUN);
        let clean = fold.step(&StepKey::new("clean[a]")).unwrap();
        assert_eq!(clean.taken_over(), Some(&TakenOver::Reused { run: PARENT }));
        assert_eq!(fold.count(StepStatus::Succeeded), 6, "the log alone tells the same");
    }
}

#[test]
fn what_is_known_waits_for_nobody_and_what_was_skipped_stays_skipped() {
    let steps = vec![step("a"), reads("b", vec![of(0)]), reads("c", vec![of(1)]), reads("d", vec![of(0)])];
    let mut world = submit(plan(steps), vec![("b", reused(result(1))), ("d", KnownStep::Skipped)]);
    assert_eq!(world.running(), ["a", "c"], "`c` has all that it reads");
    world.finish("a", fail());
    world.done("c");
    assert_eq!(world.status("b"), StepStatus::Succeeded);
    assert_eq!(world.status("d"), StepStatus::Skipped);
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn outputs_that_the_plan_does_not_allow_are_not_taken_over() {
    let mut world = submit(plan(vec![step("a")]), vec![("a", reused(vec![emit("other", None, 1)]))]);
    world.restart();
    world.join(WorkerId(9), 1, &[]);
    world.done("a");
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn hooks_of_what_was_taken_over_are_skipped_and_a_cancel_ends_all() {
    let hook = Role::Hook { of: StepIdx(0), on: HookOn::Success };
    let steps = vec![step("a"), PlanStep { role: hook, ..step("a.hooks.h") }, step("b")];
    let mut world = submit(plan(steps), vec![("a", reused(result(1)))]);
    assert_eq!(world.status("a.hooks.h"), StepStatus::Skipped);
    world.input(Input::CancelRequested { run: RUN });
    world.finish("b", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    assert_eq!(ended(&world), RunStatus::Cancelled);
}

#[test]
fn the_origin_of_a_re_execution_is_in_its_first_event() {
    let mut world = World::new();
    let layout = crate::Layout::new(Arc::new(plan(vec![]))).unwrap();
    let origin = Origin { parent: PARENT, root: PARENT, how: Reexecution::FromFailure, automatic: false };
    let submission = crate::Submission {
        run: RUN,
        layout: layout.clone(),
        plan: layout.plan().digest(),
        origin: Some(Box::new(origin.clone())),
        known: Arc::default(),
    };
    world.layouts.insert(RUN, layout);
    world.input(Input::RunSubmitted(Box::new(submission)));
    let accepted = world.events(|event| matches!(event, Event::RunAccepted { .. }));
    assert!(matches!(accepted[0], Event::RunAccepted { origin: Some(found), .. } if **found == origin));
}

/// a (memoize) -> b
fn memoized() -> Plan {
    plan(vec![PlanStep { memoize: true, ..step("a") }, reads("b", vec![of(0)])])
}

fn memo(step: &str, outputs: Vec<Output>) -> Memo {
    Memo { run: PARENT, step: StepKey::new(step), outputs }
}

#[test]
fn an_earlier_result_is_taken_instead_of_running() {
    let mut world = World::with(memoized(), 4);
    assert_eq!(world.running(), [""; 0], "the step waits for the answer");
    let key = world.recalls[0].1;
    world.recalled("a", Some(memo("x", result(5))));
    assert_eq!(world.done("b").inputs[0].value, AssignedValue::One(value(5)));
    assert_eq!(ended(&world), RunStatus::Succeeded);
    let cached = world.events(|event| matches!(event, Event::StepCached { .. }));
    assert!(matches!(cached[..], [Event::StepCached { memo, from: PARENT, .. }] if *memo == key));
    let fold = world.fold(RUN);
    let expected = TakenOver::Cached { run: PARENT, step: StepKey::new("x"), memo: key };
    assert_eq!(fold.step(&StepKey::new("a")).unwrap().taken_over(), Some(&expected));
}

#[test]
fn a_step_without_an_earlier_result_runs_and_records_its_own() {
    let mut world = World::with(memoized(), 4);
    let key = world.recalls[0].1;
    let parts = world.run().memo_parts(&StepKey::new("a")).unwrap();
    assert_eq!(memo_key(&parts), key);
    let mut other = parts.clone();
    other.iter_mut().find(|part| part.name == "profile").unwrap().digest = ValueDigest::of(b"another");
    assert_ne!(memo_key(&other), key, "what a guest sees of the host is a part");
    world.recalled("a", None);
    world.leave(WORKER);
    world.join(WorkerId(2), 4, &[]);
    assert_eq!(world.recalls, [], "asked once");
    world.done("a");
    let succeeded = |key: &str| {
        let is = |event: &Event| matches!(event, Event::StepSucceeded { step, .. } if step.as_str() == key);
        match world.events(is)[..] {
            [Event::StepSucceeded { memo, .. }] => *memo,
            _ => panic!("`{key}` succeeded once"),
        }
    };
    assert_eq!(succeeded("a"), Some(key));
    world.done("b");
    let fold = world.fold(RUN);
    assert_eq!(fold.memo_parts(&StepKey::new("a")), Some(parts), "the parts can be made again from the log");
    assert_eq!(fold.memo_parts(&StepKey::new("b")), None);
}

#[test]
fn an_earlier_result_that_does_not_fit_is_no_result_and_a_late_answer_changes_nothing() {
    let mut world = World::with(memoized(), 4);
    world.recalled("a", Some(memo("x", vec![emit("other", None, 1)])));
    assert_eq!(world.running(), ["a"]);
    let before = world.log[&RUN].len();
    let late = |found| Input::Recalled { run: RUN, step: StepKey::new("a"), found };
    world.input(late(Some(memo("x", result(5)))));
    world.input(Input::Recalled { run: PARENT, step: StepKey::new("a"), found: None });
    assert_eq!(world.log[&RUN].len(), before);

    let mut world = World::with(memoized(), 4);
    world.input(Input::CancelRequested { run: RUN });
    assert_eq!(ended(&world), RunStatus::Cancelled);
    world.input(late(Some(memo("x", result(5)))));
    assert_eq!(world.status("a"), StepStatus::Cancelled);
}

#[test]
fn a_search_for_an_earlier_result_is_made_again_after_a_restart() {
    let mut world = World::with(memoized(), 4);
    world.restart();
    world.join(WorkerId(9), 4, &[]);
    assert_eq!(world.running(), [""; 0]);
    world.recalled("a", Some(memo("x", result(5))));
    assert_eq!(world.running(), ["b"]);
}

#[test]
fn h_087_every_part_of_a_memo_counts_and_a_step_that_reaches_outside_has_none() {
    let key = |change: &dyn Fn(&mut Plan)| {
        let mut changed = memoized();
        changed.steps[0].inputs = reads("x", vec![Source::Value(value(3))]).inputs;
        change(&mut changed);
        World::with(changed, 4).recalls.first().map(|(_, key)| *key)
    };
    let same = key(&|_| {});
    assert!(same.is_some());
    assert_eq!(key(&|plan| plan.steps[0].retry.max_retries = 9), same, "how often it is tried is no part");
    assert_eq!(key(&|plan| plan.steps[0].key = StepKey::new("renamed")), same);
    type Change = fn(&mut Plan);
    let different: [Change; 11] = [
        |plan| plan.steps[0].library = LibraryDigest([8; 32]),
        |plan| plan.steps[0].op = name("other"),
        |plan| plan.steps[0].config = vec![1],
        |plan| plan.steps[0].inputs[0].source = Source::Value(value(4)),
        |plan| plan.steps[0].inputs[0].name = name("z"),
        |plan| {
            let keyed = KeyedValue { key: None, value: value(3) };
            plan.steps[0].inputs[0].source = Source::Values(vec![keyed]);
        },
        |plan| plan.steps[0].outputs[0].required = false,
        |plan| plan.partition = Some("2026-01".to_owned()),
        |plan| drop(plan.tags.insert(NAMESPACE_TAG.to_owned(), "lab".to_owned())),
        |plan| drop(plan.tags.insert(NAMESPACE_TAG.to_owned(), "other".to_owned())),
        |plan| drop(plan.steps[0].tags.insert("k".to_owned(), "v".to_owned())),
    ];
    let mut keys: Vec<_> = different.iter().map(|change| key(change)).collect();
    keys.push(same);
    let n = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), n);
    let outside: [Change; 3] = [
        |plan| drop(plan.steps[0].bind.insert(name("db"), name("db"))),
        |plan| {
            let path = vec!["token".to_owned()];
            plan.steps[0].env.push(EnvSource { path, name: "TOKEN".to_owned(), kind: EnvKind::Text });
        },
        |plan| {
            let manager = PlanIoManager { kind: IoManagerKind::Memory, settings: serde_json::json!({}) };
            plan.io_managers.insert(name("ram"), manager);
            plan.steps[0].outputs[0].io_manager = Some(name("ram"));
        },
    ];
    for change in outside {
        assert_eq!(key(&change), None);
    }
}
