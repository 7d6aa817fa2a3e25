//! What becomes of ticks that were started and not ended, and for how long ticks are kept.

use std::time::Duration;

use cofferdam_model::{InstigatorKind, InstigatorState, InstigatorStatus, Tick, Timestamp};

/// A sensor's tick that has waited for longer than this since its start is not evaluated again: what it would have
/// seen is seen by the next one.
pub const SENSOR_RESUME_MAX: Duration = Duration::from_secs(24 * 3600);
/// For how long skipped ticks of sensors are kept; all others are kept for ever.
pub const SKIPPED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What to do with a started tick that nobody evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Evaluate it again, as at its time.
    Resume,
    /// End it as skipped, with this reason.
    Abandon(&'static str),
}

/// Decides on a tick that a scheduler finds when it takes over. `state` is that of its instigator, none if there is no
/// such definition any more; `default` what the definition says.
pub fn open_tick(
    tick: &Tick,
    state: Option<&InstigatorState>,
    default: InstigatorStatus,
    now: Timestamp,
) -> Open {
    let Some(state) = state else {
        return Open::Abandon("its definition was removed before it was evaluated");
    };
    if !state.is_running(default) || tick.at < state.since {
        return Open::Abandon("it was stopped or changed before it was evaluated");
    }
    if tick.instigator.kind == InstigatorKind::Sensor && now.since(tick.started_at) > SENSOR_RESUME_MAX {
        return Open::Abandon("it was started more than a day ago and never evaluated");
    }
    Open::Resume
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_model::TickStatus;

    const DAY: u64 = 24 * 3_600_000;

    fn found(kind: &str, state: Option<(InstigatorStatus, u64)>, now: u64) -> Open {
        let instigator = format!("{kind}/main/x").parse().unwrap();
        let tick = Tick {
            number: 1,
            instigator,
            at: Timestamp(1000),
            started_at: Timestamp(1000),
            ended_at: None,
            status: TickStatus::Started,
            reason: None,
            failures: 0,
            runs: vec![],
            logs: vec![],
        };
        let state = state.map(|(status, since)| InstigatorState {
            instigator: tick.instigator.clone(),
            status: Some(status),
            since: Timestamp(since),
            cursor: None,
            last_run_key: None,
            last_tick: Some(tick.at),
        });
        open_tick(&tick, state.as_ref(), InstigatorStatus::Running, Timestamp(now))
    }

    #[test]
    fn i2_a_tick_that_was_started_and_not_ended_is_resumed_unless_nobody_wants_it_any_more() {
        use InstigatorStatus::{Running, Stopped};
        assert_eq!(found("schedule", Some((Running, 0)), 9 * DAY), Open::Resume);
        assert_eq!(found("sensor", Some((Running, 0)), DAY), Open::Resume);
        let gone = [
            found("sensor", Some((Running, 0)), DAY + 1001),
            found("schedule", Some((Stopped, 0)), 2000),
            found("schedule", Some((Running, 1500)), 2000),
            found("schedule", None, 2000),
        ];
        assert!(gone.iter().all(|open| matches!(open, Open::Abandon(_))), "{gone:?}");
    }
}
