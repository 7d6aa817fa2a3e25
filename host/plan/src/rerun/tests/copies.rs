//! Steps and mapped copies: which run, which do not.

use super::*;

const MAPPED: &str = "
    split: !
    work: split over split
    load: work over split
    sum: *load
    side:";

#[test]
fn the_measured_case_runs_exactly_what_failed_and_what_never_ran() {
    // Measured with Dagster: a and side succeeded, bad failed, d never ran.
    let plan = plan("a:\n side:\n bad: a\n d: bad");
    let words = "a ok, side ok, bad failed, d abandoned";
    assert_eq!(from_failure(&plan, words), both("bad d", "a=1"));
    let child = try_rerun(&plan, &[&Ended::new(1, &plan, words)], &Request::FromFailure).unwrap();
    let keys: Vec<&str> = child.plan.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["a", "bad", "d"], "side is neither run nor read");
    assert_eq!(
        child.plan.steps[1].inputs[0].source,
        Source::Output(OutputRef { step: idx(0), output: Name::result() })
    );
    let KnownStep::Reused { outputs, .. } = &child.known.0[&StepKey::new("a")] else { panic!() };
    assert_eq!(outputs[0].value, ValueRef::inline(CBOR, b"a".to_vec()));
}

#[test]
fn mapped_copies_are_judged_one_by_one() {
    let words = "split ok x y z, work[x] ok, work[y] failed, work[z] ok, load[x] ok, load[y] abandoned, \
                 load[z] running, sum abandoned, side ok";
    assert_eq!(
        from_failure(&plan(MAPPED), words),
        both("work[y] load[y] load[z] sum", "load[x]=1 split=1 work[x]=1 work[z]=1")
    );
}

#[test]
fn interrupted_and_cancelled_steps_and_those_that_never_started_run() {
    let plan = plan("a:\n b:\n c:\n d: a\n e: d");
    assert_eq!(from_failure(&plan, "a ok, b running, c cancelled, d cancelled"), both("b c d e", "a=1"));
    assert_eq!(from_failure(&plan, ""), both("a b c d e", ""));
}

#[test]
fn a_producer_of_keys_that_runs_again_takes_all_copies_with_it() {
    let plan = plan(MAPPED);
    let words = "split failed, work[?] abandoned, load[?] abandoned, sum abandoned, side ok";
    assert_eq!(from_failure(&plan, words), both("split work[?] load[?] sum", ""));
    // It had made keys in the run before; those are not the ones that it will make.
    let before = Ended::new(1, &plan, "split ok x y, work[x] ok, work[y] failed, side ok");
    let parent = Ended::new(2, &plan, "split failed, side ok");
    assert_eq!(
        told(&plan, &[&parent, &before], &Request::FromFailure),
        both("split work[?] load[?] sum", "")
    );
}

#[test]
fn without_copies_the_collector_still_comes_after_the_producer_of_keys() {
    let plan = plan("first:\n split: first !\n work: split over split\n sum: *work\n wait: ^work");
    let before = Ended::new(1, &plan, "first ok, split none, sum ok, wait ok");
    let request = steps(&["first*"]);
    assert_eq!(told(&plan, &[&before], &request), both("first split sum wait", ""));
    assert_eq!(told(&plan, &[&before], &steps(&["sum"])), both("sum", "split=1"));
}

#[test]
fn each_pair_of_a_product_is_judged_by_itself() {
    let plan = plan("a: !\n b: !\n pair: a b over a b\n row: *pair over a\n all: *row");
    let words = "a ok x y, b ok 1 2, pair[x][1] ok, pair[x][2] ok, pair[y][1] failed, pair[y][2] ok, row[x] ok, \
                 row[y] abandoned, all abandoned";
    assert_eq!(
        from_failure(&plan, words),
        both("pair[y][1] row[y] all", "a=1 b=1 pair[x][1]=1 pair[x][2]=1 pair[y][2]=1 row[x]=1")
    );
    // If the second of both runs again, every pair does.
    assert_eq!(
        from_failure(&plan, "a ok x y, b failed"),
        both("b pair[x][?] pair[y][?] row[x] row[y] all", "a=1")
    );
}

#[test]
fn nested_keys_are_made_anew_below_the_copy_that_runs_again_only() {
    let plan = plan(
        "days: !\n rows: days over days !\n cell: rows over days rows\n day: *cell over days\n all: *day",
    );
    let words = "days ok mon tue, rows[mon] ok 1 2, rows[tue] failed, cell[mon][1] ok, cell[mon][2] ok, \
                 day[mon] ok, cell[tue][?] abandoned, day[tue] abandoned, all abandoned";
    assert_eq!(
        from_failure(&plan, words),
        both(
            "rows[tue] cell[tue][?] day[tue] all",
            "cell[mon][1]=1 cell[mon][2]=1 day[mon]=1 days=1 rows[mon]=1"
        )
    );
    let one = "days ok mon tue, rows[mon] ok 1 2, rows[tue] ok 3, cell[mon][1] ok, cell[mon][2] failed, \
               cell[tue][3] ok, day[mon] abandoned, day[tue] ok, all abandoned";
    assert_eq!(from_failure(&plan, one).0, "cell[mon][2] day[mon] all");
}

#[test]
fn what_was_skipped_stays_skipped() {
    let plan = plan("choose:\n bad:\n left: choose\n right: choose\n join: ?left right bad\n last: left");
    let words = "choose ok, bad failed, left skipped, right ok, join abandoned, last skipped";
    assert_eq!(from_failure(&plan, words), both("bad join", "left=skipped right=1"));
}

#[test]
fn an_explicit_selection_runs_nothing_else() {
    let plan = plan(MAPPED);
    let words = "split ok x y, work[x] ok, work[y] ok, load[x] ok, load[y] ok, sum ok, side ok";
    let parent = Ended::new(1, &plan, words);
    let told = |texts: &[&str]| told(&plan, &[&parent], &steps(texts));
    assert_eq!(told(&["side"]), both("side", ""));
    assert_eq!(told(&["work[y]"]), both("work[y]", "split=1 work[x]=1"));
    assert_eq!(told(&["load"]), both("load[x] load[y]", "split=1 work[x]=1 work[y]=1"));
    assert_eq!(told(&["work[x]*"]), both("work[x] load[x] sum", "load[y]=1 split=1 work[y]=1"));
    assert_eq!(told(&["sum", "+load[y]"]).0, "work[y] load[y] sum");
    assert_eq!(told(&["split*"]), both("split work[?] load[?] sum", ""));
    assert_eq!(told(&["not name:split*"]).0, "work[x] work[y] load[x] load[y] sum side");
    assert_eq!(told(&["status:succeeded and name:*[x]"]).0, "work[x] load[x]");
}

#[test]
fn all_steps_run_as_if_nothing_had() {
    let plan = plan(MAPPED);
    let parent = Ended::new(1, &plan, "split ok x y, work[x] ok, work[y] failed");
    let child = try_rerun(&plan, &[&parent], &Request::AllSteps).unwrap();
    assert_eq!(child.plan, plan);
    assert_eq!(child.known, Known::default());
    let runs: Vec<&str> = child.runs.iter().map(StepKey::as_str).collect();
    assert_eq!(runs, ["split", "work[?]", "load[?]", "sum", "side"]);
}

#[test]
fn waiting_for_what_does_not_run_means_nothing() {
    let plan = plan("a:\n b:\n c: a ^b");
    let parent = Ended::new(1, &plan, "a ok, b failed, c abandoned");
    assert_eq!(told(&plan, &[&parent], &steps(&["c"])), both("c", "a=1"));
    let child = try_rerun(&plan, &[&parent], &steps(&["c"])).unwrap();
    assert!(child.plan.steps[1].after.is_empty());
    let child = try_rerun(&plan, &[&parent], &steps(&["b", "c"])).unwrap();
    assert_eq!(child.plan.steps[2].after, [idx(1)]);
}
