//! Retries of steps against the formulas of SEMANTICS.md, section 6.1, and of runs, section 6.2.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::*;

use super::kit::*;
use crate::{Input, MAX_RETRIES_TAG, RETRY_ON_FAILURE_TAG, RETRY_STRATEGY_TAG, RunRetry, retry, run_retry};

const DELAY: f64 = 0.7;

/// Section 6.1, word by word: base, then jitter, in seconds.
fn formula(backoff: Backoff, jitter: Jitter, n: i32, random: f64) -> f64 {
    let base = match backoff {
        Backoff::None => DELAY,
        Backoff::Linear => f64::from(n) * DELAY,
        Backoff::Exponential => (2_f64.powi(n) - 1.0) * DELAY,
    };
    match jitter {
        Jitter::None => base,
        Jitter::Full => random * base,
        Jitter::PlusMinus => base + (2.0 * random - 1.0) * DELAY,
    }
}

#[test]
fn c8_retries_wait_as_the_formulas_say_bit_for_bit() {
    use {Backoff as B, Jitter as J};
    for backoff in [B::None, B::Linear, B::Exponential] {
        for jitter in [J::None, J::Full, J::PlusMinus] {
            let policy = RetryPolicy { max_retries: 10, delay: DELAY, backoff, jitter };
            let retry = policy;
            let mut world = World::with(plan(vec![PlanStep { retry, ..step("a") }]), 1);
            for n in 1..=10 {
                let random = retry::random(RUN, &StepKey::new("a"), n);
                let expected = formula(backoff, jitter, i32::try_from(n).unwrap(), random).max(0.0);
                assert_eq!(
                    policy.wait(n, random),
                    Duration::from_secs_f64(expected),
                    "{policy:?}, retry {n}"
                );
                let failed_at = world.now;
                world.finish("a", fail());
                assert_eq!(world.engine.next_deadline(), Some(failed_at + Duration::from_secs_f64(expected)));
                world.now = failed_at + Duration::from_secs_f64(expected);
                world.input(Input::Tick);
                assert_eq!(world.running(), ["a"], "{policy:?}, retry {n}");
            }
            world.finish("a", fail());
            let run = world.run();
            let failure = run.step(&StepKey::new("a")).unwrap().failure().unwrap();
            assert_eq!(failure.message, "exceeded max_retries of 10: boom");
            assert_eq!(run.step(&StepKey::new("a")).unwrap().attempts().len(), 11);
            assert_eq!(ended(&world), RunStatus::Failed);
        }
    }
    // The jitter is a function of run, step and attempt: a history can be played again.
    let drawn = [1, 2, 3].map(|attempt| retry::random(RUN, &StepKey::new("a"), attempt).to_bits());
    assert_eq!(drawn, JITTER_OF_A);
    // Spread like a random number.
    let numbers = (0..10_000).map(|n| retry::random(RunId(uuid::Uuid::from_u128(n)), &StepKey::new("a"), 1));
    let mean = numbers.sum::<f64>() / 10_000.0;
    assert!((0.49..0.51).contains(&mean), "{mean}");
}

/// Drawn once; another version must draw the same.
const JITTER_OF_A: [u64; 3] =
    [4_603_730_301_749_908_516, 4_597_543_801_886_420_724, 4_597_481_958_860_230_088];

#[test]
fn a_permanent_failure_is_not_retried_and_not_called_exhausted() {
    let retry = RetryPolicy { max_retries: 5, ..RetryPolicy::NEVER };
    let mut world = World::with(plan(vec![PlanStep { retry, ..step("a") }]), 1);
    world.finish("a", fail());
    world.input(Input::Tick);
    world.finish("a", fail_with(RetryAdvice::Never));
    let failure = world.run().step(&StepKey::new("a")).unwrap().failure().unwrap().message.clone();
    assert_eq!(failure, "boom");
    assert_eq!(ended(&world), RunStatus::Failed);
}

#[test]
fn an_op_that_asks_for_a_retry_gets_one_without_a_policy_and_no_more_than_the_policy_with_one() {
    let wait = Duration::from_secs(5);
    for (max_retries, n_retries) in [(0, 1), (1, 1), (3, 3)] {
        let retry = RetryPolicy { max_retries, delay: 60.0, ..RetryPolicy::NEVER };
        let mut world = World::with(plan(vec![PlanStep { retry, ..step("a") }]), 1);
        for _ in 0..n_retries {
            world.finish("a", fail_with(RetryAdvice::After(wait)));
            assert_eq!(
                world.engine.next_deadline(),
                Some(world.now + wait),
                "the op's wait, not the policy's"
            );
            world.now = world.now + wait;
            world.input(Input::Tick);
        }
        world.finish("a", fail_with(RetryAdvice::After(wait)));
        let failure = world.run().step(&StepKey::new("a")).unwrap().failure().unwrap().message.clone();
        assert_eq!(failure, format!("exceeded max_retries of {n_retries}: boom"));
    }
}

#[test]
fn runs_are_retried_as_tags_and_definitions_say() {
    use {FailureKind as F, Reexecution as R};
    let declared = RunRetryDef { max_retries: 2, strategy: R::AllSteps, on_step_failure: true };
    let check = |declared, tags: &[(&str, &str)], n_group, failures: &[F], expected: Option<(R, u32)>| {
        let tags: BTreeMap<String, String> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let expected = expected.map(|(how, number)| RunRetry { how, number });
        assert_eq!(run_retry(declared, &tags, n_group, RunStatus::Failed, failures), expected, "{tags:?}");
        assert_eq!(run_retry(declared, &tags, n_group, RunStatus::Cancelled, failures), None);
        assert_eq!(run_retry(declared, &tags, n_group, RunStatus::Succeeded, failures), None);
    };
    check(None, &[], 1, &[F::Op], None);
    check(Some(declared), &[], 1, &[F::Op], Some((R::AllSteps, 1)));
    check(Some(declared), &[], 2, &[F::Op], Some((R::AllSteps, 2)));
    check(Some(declared), &[], 3, &[F::Op], None);
    check(None, &[(MAX_RETRIES_TAG, "1")], 1, &[F::Op], Some((R::FromFailure, 1)));
    check(None, &[(MAX_RETRIES_TAG, "often")], 1, &[F::Op], None);
    check(Some(declared), &[(MAX_RETRIES_TAG, "0")], 1, &[F::Op], None);
    check(Some(declared), &[(RETRY_STRATEGY_TAG, "FROM_FAILURE")], 1, &[F::Op], Some((R::FromFailure, 1)));
    check(None, &[(MAX_RETRIES_TAG, "5"), (RETRY_STRATEGY_TAG, "ALL_STEPS")], 4, &[], Some((R::AllSteps, 4)));
    let crashes_only = [(RETRY_ON_FAILURE_TAG, "false")];
    check(Some(declared), &crashes_only, 1, &[F::WorkerLost, F::CellDied], Some((R::AllSteps, 1)));
    check(Some(declared), &crashes_only, 1, &[F::WorkerLost, F::Op], None);
}
