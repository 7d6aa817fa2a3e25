//! Invariants of SAFETY.md, each read off the histories of random runs alone.

use std::collections::BTreeMap;

use cofferdam_model::*;
use proptest::test_runner::Config;

use super::kit::*;
use super::random::{Game, search_with};

/// Random cases for each.
const CASES: u32 = 600;

fn in_every_case(look: impl Fn(&Game)) -> BTreeMap<&'static str, u32> {
    let config = Config { cases: CASES, max_shrink_iters: 2000, ..Config::default() };
    search_with(config, look).unwrap_or_else(|error| panic!("{error}")).0
}

/// What a step made, by the event that committed it.
struct Commit<'a> {
    step: &'a StepKey,
    /// None if it was taken over.
    fence: Option<Fence>,
    outputs: &'a [Output],
}

fn commit(event: &Event) -> Option<Commit<'_>> {
    match event {
        Event::StepSucceeded { step, fence, outputs, .. } => {
            Some(Commit { step, fence: Some(*fence), outputs })
        }
        Event::StepReused { step, outputs, .. } | Event::StepCached { step, outputs, .. } => {
            Some(Commit { step, fence: None, outputs })
        }
        _ => None,
    }
}

#[test]
fn i_01_a_step_that_succeeded_has_one_winner_with_each_output_once() {
    let seen = in_every_case(|game| {
        let log = &game.world.log[&RUN];
        let mut claimed: BTreeMap<&StepKey, Vec<Fence>> = BTreeMap::new();
        // How often a step was committed and has not been opened again since.
        let mut winners: BTreeMap<&StepKey, u32> = BTreeMap::new();
        for recorded in log {
            match &recorded.event {
                Event::StepDispatched { step, fence, .. } => drop(claimed.insert(step, vec![*fence])),
                Event::StepHedged { step, fence, .. } => claimed.get_mut(step).unwrap().push(*fence),
                Event::AttemptDropped { step, fence, .. } => {
                    claimed.get_mut(step).unwrap().retain(|other| other != fence);
                }
                _ => {}
            }
            if let Event::OutputsLost { step, .. } = &recorded.event {
                *winners.get_mut(step).unwrap() -= 1;
            }
            let Some(Commit { step, fence, outputs }) = commit(&recorded.event) else { continue };
            let current = fence.is_none_or(|fence| claimed[step].contains(&fence));
            assert!(current, "I-01: a claim of {step} wins that is under way");
            *winners.entry(step).or_default() += 1;
            for (at, output) in outputs.iter().enumerate() {
                let again =
                    outputs[..at].iter().any(|other| other.name == output.name && other.key == output.key);
                assert!(!again, "I-01: {step} made {} twice", output.name);
            }
        }
        for step in game.world.fold(RUN).steps() {
            let won = winners.get(step.key()).copied().unwrap_or(0);
            assert_eq!(won, u32::from(step.status() == StepStatus::Succeeded), "I-01: {}", step.key());
        }
    });
    assert!(seen["outputs that are lost and made anew"] > 0 && seen["restart"] > 0, "{seen:?}");
}

#[test]
fn i_04_what_an_attempt_read_is_what_was_committed_before_its_claim() {
    let seen = in_every_case(|game| {
        let log = &game.world.log[&RUN];
        let run = game.world.fold(RUN);
        for (at, recorded) in log.iter().enumerate() {
            let (Event::StepDispatched { step, .. } | Event::StepHedged { step, .. }) = &recorded.event
            else {
                continue;
            };
            let before = crate::Run::fold(RUN, game.world.layouts[&RUN].clone(), &log[..at]).unwrap();
            let reads = before.step(step).unwrap().reads();
            for read in reads {
                let from = read.from.key();
                let commits = log[..at].iter().filter_map(|recorded| commit(&recorded.event));
                let mut made = commits.filter(|commit| commit.step == from).flat_map(|commit| commit.outputs);
                assert!(
                    made.any(|made| made == read.output),
                    "I-04: {step} read what {from} had not committed"
                );
            }
        }
        assert!(run.status().is_terminal());
    });
    assert!(seen["loss"] > 0 && seen["nested copy"] > 0, "{seen:?}");
}

#[test]
fn i_08_no_report_of_a_claim_that_is_over_changes_anything() {
    // That each one changes nothing is checked where it is sent.
    let seen = in_every_case(|game| {
        let log = &game.world.log[&RUN];
        // The last claim, and those beside it.
        let mut open: BTreeMap<&StepKey, Vec<Fence>> = BTreeMap::new();
        for recorded in log {
            match &recorded.event {
                Event::StepDispatched { step, fence, .. } => {
                    let before = open.insert(step, vec![*fence]).unwrap_or_default();
                    assert!(before.iter().all(|before| before < fence), "I-08: {step}");
                }
                Event::StepHedged { step, fence, .. } => open.get_mut(step).unwrap().push(*fence),
                Event::StepStarted { step, fence, .. }
                | Event::StepSucceeded { step, fence, .. }
                | Event::StepFailed { step, fence, .. }
                | Event::StepLost { step, fence, .. }
                | Event::StepReturned { step, fence, .. }
                | Event::InputsLost { step, fence, .. } => {
                    assert!(open[step].contains(fence), "I-08: an old claim of {step} changed it");
                    // It decides the step, or is alone.
                    if !matches!(recorded.event, Event::StepStarted { .. }) {
                        open.insert(step, vec![*fence]);
                    }
                }
                Event::AttemptDropped { step, fence, .. } => {
                    open.get_mut(step).unwrap().retain(|other| other != fence);
                }
                _ => {}
            }
        }
    });
    assert!(seen["late report"] > CASES / 10, "{seen:?}");
}

#[test]
fn i_19_a_result_is_taken_within_its_namespace_only_and_says_where_it_is_from() {
    let named = |namespace: Option<&str>, grants: Option<f64>| {
        let mut plan = plan(vec![PlanStep { memoize: true, ..step("a") }]);
        plan.tags.extend(namespace.map(|namespace| (NAMESPACE_TAG.to_owned(), namespace.to_owned())));
        // What it runs on is no part of what it makes.
        plan.steps[0].resources.extend(grants.map(|amount| ("GPU".to_owned(), amount)));
        World::with(plan, 1).recalls.pop().expect("an earlier result is looked for").1
    };
    let keys = [named(None, None), named(Some("a"), None), named(Some("b"), None)];
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert_eq!(named(Some("a"), Some(1.0)), keys[1]);
    in_every_case(|game| {
        let log = &game.world.log[&RUN];
        for (at, recorded) in log.iter().enumerate() {
            let Event::StepCached { step, memo, from, .. } = &recorded.event else { continue };
            assert_eq!(*from, RunId(uuid::Uuid::from_u128(99)), "I-19: {step}");
            // What it reads may be made anew later, with other bytes.
            let run = crate::Run::fold(RUN, game.world.layouts[&RUN].clone(), &log[..at]).unwrap();
            assert_eq!(crate::memo_key(&run.memo_parts(step).unwrap()), *memo, "I-19: {step}");
        }
    });
}
