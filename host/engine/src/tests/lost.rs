//! Values that workers keep: what is made anew, when, and what is not.

use cofferdam_model::*;

use super::kit::*;
use crate::{INPUTS_LOST_MAX, Input};

const OTHER: WorkerId = WorkerId(2);

/// `a` → `b` → `c`; all but the last leave what they make with workers.
fn chain() -> Plan {
    transient(plan(vec![step("a"), reads("b", vec![of(0)]), reads("c", vec![of(1)])]), &[0, 1])
}

impl World {
    /// Ends the running attempt of a step; its worker keeps what it made under that key, and what it has read.
    fn keeps(&mut self, key: &str, at: &str) -> Assignment {
        let assignment = self.take(key);
        let worker = self.owner(&assignment);
        let read = kept_keys(read_by(&assignment));
        self.held.entry(worker).or_default().extend(read.into_iter().chain([at.to_owned()]));
        self.report(assignment.id.clone(), ok(vec![keep("result", None, at)]));
        assignment
    }

    fn lacks(&mut self, key: &str, values: &[&str]) {
        let assignment = self.take(key);
        let worker = self.owner(&assignment);
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.input(Input::Report { worker, report: Report::Lacks { id: assignment.id, values } });
    }

    /// What was lost, for which step, and why.
    fn lost(&self) -> Vec<(String, String, WhyLost)> {
        let lost = self.log[&RUN].iter().filter_map(|recorded| match &recorded.event {
            Event::OutputsLost { step, needed_by, why, .. } => {
                Some((step.to_string(), needed_by.to_string(), *why))
            }
            _ => None,
        });
        lost.collect()
    }

    fn dispatches(&self, key: &str) -> usize {
        self.events(|event| matches!(event, Event::StepDispatched { step, .. } if step.as_str() == key)).len()
    }
}

#[test]
fn what_went_with_its_worker_is_made_anew_with_all_that_it_takes_and_nothing_else() {
    // `d` has ended, so nobody needs what it has read.
    let steps = vec![
        step("a"),
        reads("b", vec![of(0)]),
        step("x"),
        reads("d", vec![of(2)]),
        reads("c", vec![of(1), of(4)]),
    ];
    let mut steps = steps;
    steps.insert(4, step("slow"));
    let mut world = World::new();
    world.join(WORKER, 9, &[]);
    world.submit(RUN, transient(plan(steps), &[0, 1, 2]));
    world.join(OTHER, 9, &[]);
    world.keeps("a", "a1");
    world.keeps("x", "x1");
    world.keeps("b", "b1");
    world.done("d");
    assert_eq!(world.running(), ["slow"]);
    world.leave(WORKER);
    assert_eq!(world.lost(), [], "`c` cannot run yet, and may never run");
    world.done("slow");
    assert_eq!(
        world.lost(),
        [
            ("b".to_owned(), "c".to_owned(), WhyLost::WorkerGone),
            ("a".to_owned(), "b".to_owned(), WhyLost::WorkerGone),
        ]
    );
    assert_eq!(world.running(), ["a"]);
    assert_eq!((world.status("b"), world.status("c")), (StepStatus::Waiting, StepStatus::Waiting));
    world.keeps("a", "a2");
    let again = world.keeps("b", "b2");
    assert_eq!(kept_keys(read_by(&again)), ["a2"]);
    let read = world.done("c");
    assert_eq!(kept_keys(read_by(&read)), ["b2"]);
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(["a", "b", "c", "d", "x"].map(|key| world.dispatches(key)), [2, 2, 1, 1, 1]);
    assert_eq!(world.forgotten, [(OTHER, RUN)]);
}

#[test]
fn what_another_worker_has_read_is_not_lost_with_the_one_that_made_it() {
    let steps = vec![step("a"), reads("b", vec![of(0)]), reads("c", vec![of(0), of(1)])];
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    world.submit(RUN, transient(plan(steps), &[0]));
    world.keeps("a", "a1");
    let first = world.take("b");
    world.under_way.push((WORKER, first));
    world.input(Input::WorkerDraining { worker: WORKER });
    let returned = world.take("b").id;
    world.input(Input::Report { worker: WORKER, report: Report::Returned { id: returned } });
    world.join(OTHER, 1, &[]);
    world.keeps("b", "b1");
    world.leave(WORKER);
    world.done("c");
    assert_eq!((ended(&world), world.lost()), (RunStatus::Succeeded, vec![]));
}

#[test]
fn who_has_read_the_first_of_two_values_does_not_have_the_second() {
    let mut world = World::new();
    world.join(WORKER, 1, &[]);
    world.submit(
        RUN,
        transient(plan(vec![step("a"), reads("b", vec![of(0)]), reads("c", vec![of(0)])]), &[0]),
    );
    world.keeps("a", "a1");
    world.join(OTHER, 1, &[]);
    assert_eq!(world.running(), ["b", "c"]);
    world.held.clear();
    world.evicted.insert("a1".to_owned());
    world.lacks("c", &["a1"]);
    // It has read what the other one was not given any more, and ends after that was made anew.
    world.keeps("a", "a2");
    world.done("b");
    world.leave(OTHER);
    assert_eq!(world.running(), ["a"], "the only one that had it has left");
    world.keeps("a", "a3");
    world.done("c");
    assert_eq!((ended(&world), world.lost().len()), (RunStatus::Succeeded, 2));
}

#[test]
fn what_no_worker_gives_is_made_anew_and_costs_no_retry() {
    let mut world = World::with(chain(), 1);
    world.keeps("a", "a1");
    world.keeps("b", "b1");
    world.held.clear();
    world.evicted.extend(["a1".to_owned(), "b1".to_owned()]);
    world.lacks("c", &["b1"]);
    assert_eq!(world.lost(), [("b".to_owned(), "c".to_owned(), WhyLost::NotGiven)]);
    world.lacks("b", &["a1"]);
    world.keeps("a", "a2");
    world.keeps("b", "b2");
    world.done("c");
    assert_eq!(ended(&world), RunStatus::Succeeded);
    let why = world.run().step(&StepKey::new("a")).unwrap().lost().to_vec();
    assert_eq!((why.len(), why[0].why, why[0].needed_by.as_str()), (1, WhyLost::NotGiven, "b"));
}

#[test]
fn a_step_that_never_finds_what_it_reads_is_given_up_by_name() {
    let mut world = World::with(chain(), 1);
    world.keeps("a", "a");
    world.evicted.insert("a".to_owned());
    for n in 0..INPUTS_LOST_MAX {
        world.keeps("b", &format!("b{n}"));
        // There was no room for it.
        world.held.clear();
        world.lacks("c", &[&format!("b{n}")]);
    }
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.dispatches("b"), INPUTS_LOST_MAX as usize, "nobody reads it any more");
    let run = world.run();
    let failure = run.step(&StepKey::new("c")).unwrap().failure().unwrap();
    assert_eq!(
        failure.message,
        "`c` could not read what it was given 10 times, because no worker had it any more; give the workers more room (`--cache-bytes`), or those outputs another IO manager"
    );
}

#[test]
fn who_cannot_be_heard_is_waited_for_before_anything_is_made_anew() {
    let mut world = World::with(chain(), 1);
    world.keeps("a", "a1");
    let b = world.take("b");
    world.input(Input::WorkerSilent { worker: WORKER });
    world.join(OTHER, 1, &[]);
    // It was heard until it had said this.
    world.input(Input::Report { worker: WORKER, report: Report::Returned { id: b.id } });
    assert_eq!(world.running(), [""; 0]);
    let why = world.engine.why(RUN, &StepKey::new("b"), world.now).unwrap();
    assert_eq!(why.to_string(), "what it reads is with worker 1, which cannot be heard");
    assert_eq!(world.engine.census().waiting["holder"], 1);
    world.come_back(WORKER, 0);
    world.keeps("b", "b1");
    world.done("c");
    assert_eq!((ended(&world), world.lost()), (RunStatus::Succeeded, vec![]));
}

#[test]
fn a_scheduler_that_takes_over_waits_for_who_has_what_is_read() {
    let mut world = World::with(chain(), 1);
    world.keeps("a", "a1");
    let b = world.take("b");
    world.report(b.id, fail_with(RetryAdvice::After(std::time::Duration::from_secs(1))));
    world.now = world.now + std::time::Duration::from_secs(5);
    world.recover();
    assert_eq!(world.engine.absent(), [WORKER].into());
    world.join(OTHER, 1, &[]);
    assert_eq!(world.running(), [""; 0]);
    world.leave(WORKER);
    assert_eq!(world.lost(), [("a".to_owned(), "b".to_owned(), WhyLost::WorkerGone)]);
    assert_eq!(world.running(), ["a"]);
}

/// A step that emits a value that is kept for good, one that stays with its worker, and copies.
fn mixed() -> Plan {
    let mut made = step("a");
    made.outputs =
        vec![declared("result", true, false), declared("kept", true, false), declared("parts", true, true)];
    let mut after = reads("c", vec![of(0), Source::Output(output(0, "kept"))]);
    after.after = vec![StepIdx(1)];
    let hook = PlanStep { role: Role::Hook { of: StepIdx(0), on: HookOn::Success }, ..step("a.hooks.h") };
    let copies =
        PlanStep { scope: vec![output(0, "parts")], ..reads("p", vec![Source::Output(output(0, "parts"))]) };
    let mut plan = transient(plan(vec![made, step("slow"), after, hook, copies]), &[0]);
    plan.steps[0].outputs[1].io_manager = None;
    plan.steps[0].outputs[2].io_manager = None;
    plan
}

#[test]
fn what_followed_from_the_first_end_is_not_done_again_and_what_was_kept_stays() {
    let mut world = World::with(mixed(), 5);
    let made = |at: &str, byte, keys: &[&str]| {
        let parts = keys.iter().map(|key| emit("parts", Some(key), byte));
        ok([keep("result", None, at), emit("kept", None, byte)].into_iter().chain(parts).collect())
    };
    world.held.entry(WORKER).or_default().insert("a1".to_owned());
    world.finish("a", made("a1", 1, &["x", "y"]));
    world.done("a.hooks.h");
    world.done("p[x]");
    let y = world.take("p[y]");
    world.under_way.push((WORKER, y));
    world.leave(WORKER);
    world.join(OTHER, 5, &[]);
    world.done("slow");
    assert_eq!(world.lost().len(), 1);
    // Other copies, and another value, than the first time.
    world.held.entry(OTHER).or_default().insert("a2".to_owned());
    world.finish("a", made("a2", 2, &["z"]));
    let read = world.done("c");
    let AssignedValue::One(kept) = &read.inputs[1].value else { panic!() };
    assert_eq!((kept_keys(read_by(&read)), kept), (vec!["a2".to_owned()], &value(1)));
    world.done("p[y]");
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.dispatches("a.hooks.h"), 1);
    let last =
        world.events(|event| matches!(event, Event::StepSucceeded { step, .. } if step.as_str() == "a"));
    let Event::StepSucceeded { outputs, .. } = last[1] else { panic!() };
    assert_eq!(outputs, &[keep("result", None, "a2")], "the second commit names what it replaces");
}

#[test]
fn a_step_that_does_not_make_again_what_was_lost_fails_in_words() {
    let mut plan = chain();
    plan.steps[0].outputs[0].required = false;
    let mut world = World::with(plan, 1);
    world.keeps("a", "a1");
    world.evicted.insert("a1".to_owned());
    world.held.clear();
    world.lacks("b", &["a1"]);
    world.finish("a", ok(vec![]));
    assert_eq!(ended(&world), RunStatus::Failed);
    assert_eq!(world.status("c"), StepStatus::Abandoned);
    let failure = world.run().step(&StepKey::new("a")).unwrap().failure().unwrap();
    assert_eq!(
        failure.message,
        "the output `result` was lost and did not come when it was made anew; what makes other outputs each time needs an IO manager that keeps them"
    );
}

#[test]
fn a_cancelled_run_makes_nothing_anew() {
    let mut world = World::with(chain(), 1);
    world.keeps("a", "a1");
    world.evicted.insert("a1".to_owned());
    world.held.clear();
    world.input(Input::CancelRequested { run: RUN });
    world.lacks("b", &["a1"]);
    assert_eq!((ended(&world), world.lost()), (RunStatus::Cancelled, vec![]));
}
