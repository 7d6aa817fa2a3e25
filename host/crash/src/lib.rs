//! Moments at which a test can end a process: those between two writes, which a kill at random meets too seldom. Builds
//! with debug assertions have them; in others nothing is left of them.

/// Environment variable of a process that is to end: `result.after_commit`, or `result.after_commit:3` for the third
/// time that it gets there.
pub const CRASH_AT: &str = "COFFERDAM_CRASH_AT";

/// Where a scheduler can be ended.
pub const SCHEDULER: &[&str] = &[
    "library.before_put",
    "library.after_put",
    "certificate.issued",
    "submit.before_commit",
    "submit.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "orders.sent",
    "result.received",
    "result.before_commit",
    "result.after_commit",
    "retry.before_commit",
    "retry.after_commit",
    "cancel.requested",
    "cancel.before_commit",
    "cancel.after_commit",
    "wait.before_commit",
    "wait.after_commit",
    "end.before_commit",
    "end.after_commit",
];

/// Where a worker can be ended.
pub const WORKER: &[&str] = &[
    "join.before_keep",
    "library.fetched",
    "artefact.written",
    "attempt.received",
    "output.before_put",
    "output.mid_put",
    "output.after_put",
    "reports.before_send",
    "reports.after_send",
];

/// Where what asks schedules and sensors can be ended.
pub const DAEMON: &[&str] = &["tick.opened", "tick.closed", "tick.run_made"];

/// Where what tells people can be ended.
pub const ALERTS: &[&str] = &["alert.before_raise", "alert.raised", "alert.sent"];

/// Where a collection of garbage can be ended.
pub const GC: &[&str] = &["gc.marked", "gc.value_dropped", "gc.library_dropped"];

/// Whether this process is one that is to end: what is only said for [`reach`] can be left out elsewhere.
#[inline]
pub fn is_armed() -> bool {
    #[cfg(debug_assertions)]
    return armed::armed().is_some();
    #[cfg(not(debug_assertions))]
    false
}

/// Ends the process without any cleaning up, if [`CRASH_AT`] asks for this point.
#[inline]
pub fn reach(point: &'static str) {
    #[cfg(debug_assertions)]
    armed::reach(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{ALERTS, CRASH_AT, DAEMON, GC, SCHEDULER, WORKER};

    pub(super) struct Armed {
        point: String,
        /// How often it may still be passed.
        left: AtomicU32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn armed() -> Option<&'static Armed> {
        ARMED.get_or_init(|| std::env::var(CRASH_AT).ok().map(|text| Armed::of(&text))).as_ref()
    }

    pub(super) fn reach(point: &'static str) {
        let Some(armed) = armed() else { return };
        let known = [SCHEDULER, WORKER, DAEMON, ALERTS, GC].iter().any(|points| points.contains(&point));
        assert!(known, "`{point}` is in none of the lists of this crate");
        if armed.point == point && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }

    impl Armed {
        fn of(text: &str) -> Armed {
            let (point, nth) = text.split_once(':').unwrap_or((text, "1"));
            let nth = nth.parse().unwrap_or_else(|_| panic!("{CRASH_AT}: `{nth}` is no count"));
            Armed { point: point.to_owned(), left: AtomicU32::new(nth) }
        }
    }
}
