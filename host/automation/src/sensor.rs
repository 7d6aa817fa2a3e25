//! When a sensor is asked again.

use std::time::Duration;

use cofferdam_model::{InstigatorState, InstigatorStatus, Timestamp};

/// When the next tick of a sensor is due, now or later. None if it is stopped. The interval counts from the start
/// of one tick to the next one's; a clock that went back makes nobody wait for longer than an interval.
pub fn next_tick(
    interval: Duration,
    default: InstigatorStatus,
    state: &InstigatorState,
    now: Timestamp,
) -> Option<Timestamp> {
    if !state.is_running(default) {
        return None;
    }
    // Started or changed since its last tick, it is asked at once.
    let last = state.last_tick.filter(|last| *last >= state.since);
    Some(last.map_or(now, |last| (last.min(now) + interval).max(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn next(since: u64, last: Option<u64>, now: u64) -> Option<u64> {
        let state = InstigatorState {
            instigator: "sensor/main/s".parse().unwrap(),
            status: Some(InstigatorStatus::Running),
            since: Timestamp(since),
            cursor: None,
            last_run_key: None,
            last_tick: last.map(Timestamp),
        };
        next_tick(INTERVAL, InstigatorStatus::Stopped, &state, Timestamp(now)).map(|at| at.0)
    }

    #[test]
    fn i4_a_sensor_is_asked_no_sooner_than_its_interval_after_the_start_of_its_last_tick() {
        assert_eq!(next(0, None, 5), Some(5));
        assert_eq!(next(0, Some(10_000), 11_000), Some(40_000));
        assert_eq!(next(0, Some(10_000), 90_000), Some(90_000));
        assert_eq!(next(20_000, Some(10_000), 21_000), Some(21_000), "it was started again");
        assert_eq!(next(0, Some(900_000), 1_000), Some(31_000), "the clock went back");
    }

    #[test]
    fn i4_a_stopped_sensor_is_not_asked() {
        let state = InstigatorState {
            instigator: "sensor/main/s".parse().unwrap(),
            status: None,
            since: Timestamp(0),
            cursor: None,
            last_run_key: None,
            last_tick: None,
        };
        assert_eq!(next_tick(INTERVAL, InstigatorStatus::Stopped, &state, Timestamp(1)), None);
        assert_eq!(next_tick(INTERVAL, InstigatorStatus::Running, &state, Timestamp(1)), Some(Timestamp(1)));
    }
}
