//! Some hundred seeds; `cofferdam-sim` plays as many as one likes.

use std::collections::BTreeMap;

use cofferdam_sim::{Bug, Settings, simulate};

/// Seeds of one run of the tests.
const SEEDS: u64 = 600;
/// Seeds within which a bug must be found.
const SEEDED: u64 = 100;
/// How often each kind of fault must come; what did not happen was not tested.
const FAULTS_MIN: usize = 50;

#[test]
fn f_80_every_rule_holds_whatever_dies_breaks_or_falls_silent() {
    let mut faults = BTreeMap::new();
    let (mut lost, mut returned, mut again, mut hedged) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let outcome = simulate(Settings { seed, bug: None, trace: false });
        let outcome =
            outcome.unwrap_or_else(|rule| panic!("{rule}\n  cargo run -p cofferdam-sim -- {seed} 1"));
        lost += outcome.lost;
        returned += outcome.returned;
        again += outcome.again;
        hedged += outcome.hedged;
        for (fault, count) in outcome.faults {
            *faults.entry(fault).or_insert(0) += count;
        }
    }
    assert_eq!(faults.len(), 9, "{faults:?}");
    assert!(faults.values().all(|count| *count >= FAULTS_MIN), "{faults:?}");
    assert!(lost > 0, "workers died and nothing was lost");
    assert!(returned > 0, "nothing was given back");
    assert!(hedged > SEEDS as usize / 10, "{hedged} attempts were made beside another");
    assert!(again > SEEDS as usize / 10, "{again} steps were opened again");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..20 {
        let once = simulate(Settings { seed, bug: None, trace: false }).unwrap();
        assert_eq!(once, simulate(Settings { seed, bug: None, trace: false }).unwrap());
    }
}

/// The bug is found, and by a rule that it breaks.
fn check_found(bug: Bug, rules: &[&str]) {
    let found = (0..SEEDED).find_map(|seed| simulate(Settings { seed, bug: Some(bug), trace: false }).err());
    let found = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDED} seeds"));
    assert!(rules.iter().any(|rule| found.contains(rule)), "{bug:?} was found by another rule: {found}");
}

#[test]
fn orders_that_leave_before_the_claim_is_durable_are_found() {
    check_found(Bug::OrdersBeforeAppend, &["claims are durable", "once per attempt", "I-06", "I-08"]);
}

#[test]
fn receipts_that_leave_before_the_report_is_durable_are_found() {
    check_found(Bug::ReceiptBeforeAppend, &["F-03", "I-16", "a line of", "I-08", "once per attempt"]);
}

#[test]
fn a_worker_that_does_not_say_what_it_has_is_found() {
    check_found(Bug::HeldNotTold, &["once per attempt"]);
}

#[test]
fn a_worker_that_does_not_repeat_itself_is_found() {
    check_found(Bug::UnheardForgotten, &["I-16", "a line of"]);
}

#[test]
fn a_scheduler_without_patience_is_found() {
    check_found(Bug::NoPatience, &["F-03"]);
}
