//! Whether and when a failed step is tried again: SEMANTICS.md, section 6.

use cofferdam_model::{Failure, RETRY_DELAY_MAX, RetryAdvice, RetryPolicy, RunId, StepKey, Timestamp};

/// When the step is tried again after its `n`th failure that counts (1 for the first); none if it has failed
/// for good.
pub(crate) fn retry_at(
    policy: &RetryPolicy,
    failure: &Failure,
    n: u32,
    random: f64,
    now: Timestamp,
) -> Option<Timestamp> {
    if n > most(policy, failure) {
        return None;
    }
    let wait = match failure.retry {
        RetryAdvice::Never => return None,
        RetryAdvice::Policy => policy.wait(n, random),
        RetryAdvice::After(wait) => wait.min(RETRY_DELAY_MAX),
    };
    Some(now + wait)
}

/// Retries that a step may have. An op may ask for one where nothing is declared.
fn most(policy: &RetryPolicy, failure: &Failure) -> u32 {
    match failure.retry {
        RetryAdvice::Never => 0,
        RetryAdvice::Policy => policy.max_retries,
        RetryAdvice::After(_) => policy.max_retries.max(1),
    }
}

/// The failure that ends a step, its `n`th that counts: if it had retries, it says that there are no more,
/// and then what the last one failed with.
pub(crate) fn exhausted(policy: &RetryPolicy, mut failure: Box<Failure>, n: u32) -> Box<Failure> {
    let most = most(policy, &failure);
    if most > 0 && n > most {
        failure.message = format!("exceeded max_retries of {most}: {}", failure.message);
    }
    failure
}

/// A number in `0..1` that is the same for the same attempt, so that a history can be replayed, and spread
/// like a random one over different attempts.
pub(crate) fn random(run: RunId, step: &StepKey, attempt: u32) -> f64 {
    // FNV-1a over the name, then the finisher of SplitMix64, because FNV leaves the high bits poor.
    let bytes = run.0.as_bytes().iter().chain(step.as_str().as_bytes());
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes.chain(&attempt.to_le_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
    let fraction = (hash >> 11) as f64 / (1_u64 << 53) as f64;
    fraction
}
