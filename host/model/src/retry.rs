//! Retry policies, with Dagster's formulas (SEMANTICS.md, section 6.1).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Most retries that a policy may ask for.
pub const RETRIES_MAX: u32 = 1000;
/// Longest wait before a retry, whoever asks for it.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(24 * 3600);

/// How often a step is tried again, and after how long. `max_retries: k` means at most k+1 attempts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub max_retries: u32,
    /// Seconds; what backoff and jitter work on.
    #[serde(default)]
    pub delay: f64,
    #[serde(default)]
    pub backoff: Backoff,
    #[serde(default)]
    pub jitter: Jitter,
}

impl Eq for RetryPolicy {}

/// How the delay grows with the number of the retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    #[default]
    None,
    /// `n * delay`
    Linear,
    /// `(2^n - 1) * delay`
    Exponential,
}

/// How the delay is spread, so that many steps do not come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    #[default]
    None,
    /// Between zero and the whole delay.
    Full,
    /// Up to one unmultiplied `delay` earlier or later.
    PlusMinus,
}

impl RetryPolicy {
    /// No second try.
    pub const NEVER: RetryPolicy =
        RetryPolicy { max_retries: 0, delay: 0.0, backoff: Backoff::None, jitter: Jitter::None };

    /// Wait before retry `n` (1 for the first). `random` is a number in `0..1` that the caller drew or
    /// derived; the same number gives the same wait.
    pub fn wait(&self, n: u32, random: f64) -> Duration {
        let base = match self.backoff {
            Backoff::None => self.delay,
            Backoff::Linear => f64::from(n) * self.delay,
            Backoff::Exponential => (f64::from(n).exp2() - 1.0) * self.delay,
        };
        let seconds = match self.jitter {
            Jitter::None => base,
            Jitter::Full => random * base,
            Jitter::PlusMinus => base + (2.0 * random - 1.0) * self.delay,
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(RETRY_DELAY_MAX).min(RETRY_DELAY_MAX)
    }
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy::NEVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_retry_waits_follow_dagsters_formulas() {
        let policy = |backoff, jitter| RetryPolicy { max_retries: 5, delay: 1.0, backoff, jitter };
        let waits = |p: RetryPolicy, random| [1, 2, 3].map(|n| p.wait(n, random).as_secs_f64());
        assert_eq!(waits(policy(Backoff::None, Jitter::None), 0.0), [1.0, 1.0, 1.0]);
        assert_eq!(waits(policy(Backoff::Linear, Jitter::None), 0.0), [1.0, 2.0, 3.0]);
        assert_eq!(waits(policy(Backoff::Exponential, Jitter::None), 0.0), [1.0, 3.0, 7.0]);
        assert_eq!(waits(policy(Backoff::Exponential, Jitter::Full), 0.5), [0.5, 1.5, 3.5]);
        assert_eq!(waits(policy(Backoff::Linear, Jitter::PlusMinus), 0.0), [0.0, 1.0, 2.0]);
        assert_eq!(waits(policy(Backoff::None, Jitter::PlusMinus), 0.75), [1.5, 1.5, 1.5]);
    }

    #[test]
    fn h_052_a_wait_is_bounded() {
        let policy =
            RetryPolicy { max_retries: 1, delay: 1e300, backoff: Backoff::Exponential, jitter: Jitter::None };
        assert_eq!(policy.wait(1000, 0.0), RETRY_DELAY_MAX);
    }
}
