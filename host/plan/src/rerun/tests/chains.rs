//! Several runs one after the other, and code that has changed in between.

use cofferdam_model::{IoManagerKind, ManagedPlace, Place, PlanIoManager};

use super::*;

#[test]
fn outputs_come_from_the_nearest_run_that_made_them() {
    let plan = plan("a:\n b: a\n c: b\n d: c b a");
    let first = Ended::new(1, &plan, "a ok, b ok, c failed, d abandoned");
    let mut second = Ended::new(2, &plan, "b ok, c failed, d abandoned");
    second.known = Known(BTreeMap::from([known(&first, "a")]));
    assert_eq!(told(&plan, &[&second, &first], &Request::FromFailure), both("c d", "a=1 b=2"));
    let mut third = Ended::new(3, &plan, "c ok, d failed");
    third.known = Known(BTreeMap::from([known(&first, "a"), known(&second, "b")]));
    assert_eq!(told(&plan, &[&third, &second, &first], &Request::FromFailure), both("d", "a=1 b=2 c=3"));
}

/// What a child takes over from a run.
fn known(from: &Ended, key: &str) -> (StepKey, KnownStep) {
    let outputs = from.steps[&StepKey::new(key)].outputs.clone();
    (StepKey::new(key), KnownStep::Reused { run: from.run, outputs })
}

#[test]
fn who_made_a_value_is_remembered_through_a_run_that_only_handed_it_on() {
    let plan = plan("a:\n b: a");
    let mut parent = Ended::new(2, &plan, "a ok, b failed");
    parent.steps.get_mut(&StepKey::new("a")).unwrap().from = Some(run_id(1));
    assert_eq!(told(&plan, &[&parent], &Request::FromFailure), both("b", "a=1"));
}

#[test]
fn what_the_parent_was_not_asked_to_do_has_not_failed() {
    let plan = plan("split: !\n work: split over split\n sum: *work\n side:");
    let first =
        Ended::new(1, &plan, "split ok x y, work[x] failed, work[y] failed, sum abandoned, side failed");
    let child = try_rerun(&plan, &[&first], &steps(&["work[x]"])).unwrap();
    assert_eq!(
        child.known.0[&StepKey::new("work[y]")],
        KnownStep::Skipped,
        "it is not there and not selected"
    );
    let mut second = Ended::new(2, &child.plan, "split ok x y, work[x] failed, work[y] skipped");
    second.known = child.known;
    // Neither with the plan of the second run nor with the whole one do side, sum and work[y] come back.
    for plan in [&child.plan, &plan] {
        assert_eq!(
            told(plan, &[&second, &first], &Request::FromFailure),
            both("work[x]", "split=1 work[y]=skipped")
        );
    }
    // But they can be asked for.
    assert_eq!(told(&plan, &[&second, &first], &steps(&["work*"])).0, "work[x] work[y] sum");
}

#[test]
fn a_step_that_newer_code_has_added_runs_if_it_is_read() {
    let old = plan("a:\n b: a\n c: b");
    let new = plan("a:\n fresh: a\n unread: a\n b: a fresh\n c: b");
    let parent = Ended::new(1, &old, "a ok, b failed, c abandoned");
    assert_eq!(told(&new, &[&parent], &Request::FromFailure), both("fresh b c", "a=1"));
}

#[test]
fn a_step_runs_again_if_newer_code_asks_for_an_output_that_it_did_not_make() {
    let old = plan("a:\n b: a\n c:");
    let mut new = old.clone();
    new.steps[0].outputs.push(PlanOutput::new(name("more"), CBOR));
    let parent = Ended::new(1, &old, "a ok, b ok, c failed");
    assert_eq!(told(&new, &[&parent], &Request::FromFailure), both("a b c", ""));
    let problems = try_rerun(&new, &[&parent], &steps(&["b"])).unwrap_err();
    assert_eq!(problems, [RerunProblem::NotMade { step: StepKey::new("b"), needs: StepKey::new("a") }]);
}

#[test]
fn an_output_that_newer_code_does_not_declare_is_not_taken_over() {
    let mut old = plan("a:\n b: a");
    old.steps[0].outputs.push(PlanOutput::new(name("gone"), CBOR));
    let mut parent = Ended::new(1, &old, "a ok, b failed");
    let outputs = &mut parent.steps.get_mut(&StepKey::new("a")).unwrap().outputs;
    outputs.push(Output { name: name("gone"), ..outputs[0].clone() });
    let new = plan("a:\n b: a");
    let child = try_rerun(&new, &[&parent], &Request::FromFailure).unwrap();
    let KnownStep::Reused { outputs, .. } = &child.known.0[&StepKey::new("a")] else { panic!() };
    assert_eq!(outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>(), ["result"]);
}

/// What a step of a run made and workers kept until that had ended.
fn kept_with_workers(ended: &mut Ended, key: &str) {
    let manager = PlanIoManager { kind: IoManagerKind::Transient, settings: Default::default() };
    let place = ManagedPlace { name: name("scratch"), manager, key: key.to_owned() };
    for output in &mut ended.steps.get_mut(&StepKey::new(key)).unwrap().outputs {
        output.value.place = Place::Managed(Box::new(place.clone()));
    }
}

#[test]
fn what_workers_kept_is_made_anew_if_it_is_read_with_what_that_takes() {
    let plan = plan("a:\n b: a\n c: b\n d: c\n e: d\n f: e a");
    let mut parent = Ended::new(1, &plan, "a ok, b ok, c ok, d ok, e ok, f failed");
    for key in ["a", "b", "c", "e"] {
        kept_with_workers(&mut parent, key);
    }
    // `d` was kept for good, so nobody reads `b` and `c`.
    assert_eq!(told(&plan, &[&parent], &Request::FromFailure), both("a e f", "d=1"));
    let refused = try_rerun(&plan, &[&parent], &steps(&["b", "f"])).unwrap_err();
    let gone =
        |step: &str, needs: &str| RerunProblem::Gone { step: StepKey::new(step), needs: StepKey::new(needs) };
    assert_eq!(refused.len(), 3);
    for (step, needs) in [("b", "a"), ("f", "e"), ("f", "a")] {
        assert!(refused.contains(&gone(step, needs)), "{refused:?}");
    }
    let said = refused[0].to_string();
    assert_eq!(said, "`b` needs `a`, whose outputs workers kept until their run had ended");
}

#[test]
fn mapping_keys_that_are_made_anew_have_all_their_copies_run() {
    let plan = plan("split: !\n work: split over split\n sum: *work");
    let mut parent = Ended::new(1, &plan, "split ok x y, work[x] ok, work[y] failed, sum abandoned");
    kept_with_workers(&mut parent, "split");
    assert_eq!(told(&plan, &[&parent], &Request::FromFailure), both("split work[?] sum", ""));
}
