//! Trying again: a scheduler that is away for a while fails nothing.

use std::time::{Duration, Instant};

use tonic::{Code, Status};

use crate::Error;

/// How long the scheduler may be away before what waits for it fails: a host that starts again takes one minute or two.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// First wait before another try; doubled from try to try.
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait: a scheduler that comes back is found this soon.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The tries of one operation.
pub(crate) struct Again {
    /// When it first failed since something came through.
    failing: Option<Instant>,
    wait: Duration,
    damaged: bool,
}

impl Default for Again {
    fn default() -> Again {
        Again { failing: None, wait: WAIT_FIRST, damaged: false }
    }
}

impl Again {
    /// Something came through.
    pub(crate) fn advanced(&mut self) {
        self.failing = None;
        self.wait = WAIT_FIRST;
    }

    /// Waits before the next try; gives the status back if no further one is due.
    pub(crate) async fn after(&mut self, status: Status) -> Result<(), Status> {
        tracing::debug!(%status, "once more");
        tokio::time::sleep(self.wait_after(status, Instant::now())?).await;
        Ok(())
    }

    /// How long to wait before the next try. What came damaged is tried once more, at once: damage by accident does
    /// not strike twice.
    fn wait_after(&mut self, status: Status, now: Instant) -> Result<Duration, Status> {
        if status.code() == Code::DataLoss && !self.damaged {
            self.damaged = true;
            return Ok(Duration::ZERO);
        }
        let since = *self.failing.get_or_insert(now);
        let may_pass = Error::of("reach the scheduler", "", "", &status).may_pass();
        if !may_pass || now.duration_since(since) >= PATIENCE {
            return Err(status);
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(WAIT_MAX);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_away_is_waited_for_and_not_for_ever() {
        let mut again = Again::default();
        let start = Instant::now();
        let mut now = start;
        while let Ok(wait) = again.wait_after(Status::unavailable("away"), now) {
            assert!((WAIT_FIRST..=WAIT_MAX).contains(&wait));
            now += wait;
        }
        assert!(now - start >= PATIENCE && now - start < PATIENCE + WAIT_MAX);
        again.advanced();
        assert_eq!(again.wait_after(Status::unavailable("away"), now).ok(), Some(WAIT_FIRST));
    }

    #[test]
    fn a_refusal_is_not_waited_for_and_damage_is_tried_once_more() {
        let (mut again, now) = (Again::default(), Instant::now());
        for status in [
            Status::unauthenticated("no"),
            Status::not_found("no"),
            Status::resource_exhausted("no"),
            Status::already_exists("no"),
        ] {
            assert!(again.wait_after(status, now).is_err());
        }
        assert_eq!(again.wait_after(Status::data_loss("damaged"), now).ok(), Some(Duration::ZERO));
        again.advanced();
        assert!(again.wait_after(Status::data_loss("damaged"), now).is_err());
    }
}
