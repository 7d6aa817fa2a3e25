//! The rules of dependencies, order, resources, retries, losses and cancelling, one case each.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::*;

use super::dynamic::{fan_out, parts};
use super::kit::*;
use crate::Input;

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
    assert!(why(&world, "gpu0").starts_with("it asks for GPU=1, which no worker offers"));
    world.join(WorkerId(2), 1, &[("GPU", 1.0)]);
    assert_eq!(world.running(), ["cpu", "gpu0"]);
    assert!(why(&world, "gpu1").starts_with("every worker that could run it is busy"));
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
fn a_worker_that_wants_to_leave_ends_what_it_has_gets_nothing_more_and_hears_so_once() {
    let other = WorkerId(2);
    let mut world = World::with(plan(vec![step("a"), step("b"), step("c")]), 1);
    assert_eq!(world.running(), ["a"]);
    world.input(Input::WorkerDraining { worker: WORKER });
    world.input(Input::WorkerDraining { worker: WORKER });
    assert_eq!(world.released, [WORKER]);
    world.done("a");
    assert_eq!(world.running(), Vec::<&str>::new(), "its slot is free, and nothing comes");
    assert_eq!(why(&world, "b"), "every worker that could run it wants to leave");
    world.join(other, 1, &[]);
    assert_eq!(world.under_way[0].0, other);
    world.leave(WORKER);
    world.done("b");
    world.done("c");
    assert_eq!(ended(&world), RunStatus::Succeeded);
    world.input(Input::WorkerDraining { worker: WORKER });
    assert_eq!(world.released, [WORKER], "who has left is told nothing");
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
    world.input(Input::Report { worker: WORKER, report: Report::Started { id: old.id, at: world.now } });
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
fn a_restart_re_runs_what_was_running_and_nothing_else() {
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
fn a_worker_that_was_silent_or_outlived_a_scheduler_keeps_its_attempts() {
    for restarts in [false, true] {
        let mut world = World::with(plan((0..6).map(|n| step(&format!("s{n}"))).collect()), 3);
        assert_eq!(world.running(), ["s0", "s1", "s2"]);
        if restarts {
            world.recover();
            assert_eq!(world.engine.absent(), [WORKER].into());
        } else {
            world.input(Input::WorkerSilent { worker: WORKER });
        }
        // Somebody else has room, and what the silent one has is not run twice.
        world.join(WorkerId(2), 1, &[]);
        assert_eq!(world.running(), ["s0", "s1", "s2", "s3"]);
        let stolen = world.under_way[1].1.id.clone();
        let report = Report::Finished { id: stolen, outcome: fail(), usage: Usage::default() };
        world.input(Input::Report { worker: WorkerId(2), report });
        assert_eq!(world.status("s1"), StepStatus::Running, "nobody reports for another's attempt");
        world.come_back(WORKER, 1);
        assert_eq!(world.running(), ["s1", "s2", "s3", "s0"], "what never arrived is ordered again");
        while let Some(key) = world.running().first().map(ToString::to_string) {
            assert_eq!(world.done(&key).id.attempt, 1, "I-05: nothing was lost");
        }
        assert_eq!(ended(&world), RunStatus::Succeeded);
    }
}

#[test]
fn a_worker_that_comes_back_too_late_is_told_to_drop_what_it_has() {
    let mut world = World::with(plan(vec![step("a")]), 1);
    let old = world.take("a").id;
    world.input(Input::WorkerSilent { worker: WORKER });
    world.input(Input::WorkerLeft { worker: WORKER });
    world.join(WorkerId(2), 1, &[]);
    let held = vec![old.clone()];
    let resources = BTreeMap::new();
    world.input(Input::WorkerJoined {
        worker: WORKER,
        slots: 1,
        queue: 0,
        resources,
        labels: [].into(),
        ends_at: None,
        held,
    });
    assert_eq!(world.cancels, std::slice::from_ref(&old));
    world.report_late(old, ok(vec![emit("result", None, 66)]));
    assert_eq!(world.done("a").id.attempt, 2);
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a_cancel_reaches_a_silent_worker_when_it_comes_back() {
    let mut world = World::with(plan(vec![step("a"), step("b")]), 2);
    world.input(Input::WorkerSilent { worker: WORKER });
    world.input(Input::CancelRequested { run: RUN });
    world.cancels.clear();
    world.come_back(WORKER, 1);
    assert_eq!(world.status("a"), StepStatus::Cancelled, "it never got there");
    assert_eq!(world.cancels.len(), 1);
    world.finish("b", Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled"))));
    assert_eq!(ended(&world), RunStatus::Cancelled);
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
    world.input(Input::WorkerJoined {
        worker: WORKER,
        slots: 2,
        queue: 8,
        resources: [].into(),
        held: vec![],
        labels: [].into(),
        ends_at: None,
    });
    assert_eq!(world.running(), ["s0", "s1"]);
    world.done("s0");
    assert_eq!(world.running(), ["s1", "s2"], "nothing is queued behind a step of unknown length");
    world.done("s1");
    world.done("s2");
    assert_eq!(world.running().len(), 10);
}
