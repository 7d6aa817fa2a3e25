//! Which ticks of a schedule are to be evaluated now.

use std::time::Duration;

use cofferdam_model::{CatchUp, InstigatorState, InstigatorStatus, Tick, TickStatus, Timestamp};

use crate::Timetable;

/// Ticks of a schedule with partitions that are made up for, if it does not say; Dagster's.
pub const CATCH_UP_PARTITIONED: u32 = 5;
/// How late a tick may come that must not be late: a loop that looks once a minute still meets it.
pub const LATE_MAX: Duration = Duration::from_secs(60);
/// Wait after a tick that failed and before it is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_secs(30);
/// Ticks that one look gives; the next look gives those after them.
pub const DUE_MAX: usize = 1000;
/// Missed ticks that are counted, so that a look at a schedule that slept for years stays short.
pub const MISSED_COUNTED_MAX: usize = 10_000;

/// What a schedule says about its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Until a person says otherwise.
    pub status: InstigatorStatus,
    pub catch_up: CatchUp,
    pub max_tick_retries: u32,
}

/// What a schedule that says nothing does about missed ticks: the newest one stands for all, unless each has a
/// partition of its own.
pub fn catch_up_default(by_partition: bool) -> CatchUp {
    CatchUp::Newest(if by_partition { CATCH_UP_PARTITIONED } else { 1 })
}

/// What becomes of missed ticks, for people.
pub fn catch_up_in_words(catch_up: CatchUp) -> String {
    match catch_up {
        CatchUp::None => "none comes late".to_owned(),
        CatchUp::Newest(1) => "the newest one stands for all".to_owned(),
        CatchUp::Newest(n) => format!("the {n} newest are made up for"),
        CatchUp::All => "all are made up for".to_owned(),
    }
}

/// What is to be done for a schedule at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// To be evaluated one after another, the oldest first.
    pub ticks: Vec<Timestamp>,
    /// Ticks that will never be evaluated; more than [`MISSED_COUNTED_MAX`] are not counted.
    pub missed: usize,
    /// When to look again, if these have been evaluated. None for a schedule that is stopped, or never ticks again.
    pub wake: Option<Timestamp>,
}

/// Looks at a schedule. `last` is its newest tick, by the time that it was due.
///
/// A tick that was started and not ended comes first, whatever the rules: nobody knows how far it came, and its runs
/// are recorded with its end, so evaluating it again starts none twice. One that failed comes again while it may
/// and nothing newer takes its place. After that, what has become due since the last tick, as the rules let it.
///
/// A clock that goes back makes no tick due again: only what is newer than the newest tick ever is.
pub fn due(
    timetable: &Timetable,
    rules: Rules,
    state: &InstigatorState,
    last: Option<&Tick>,
    now: Timestamp,
) -> Due {
    if !state.is_running(rules.status) {
        return Due::default();
    }
    let last = last.filter(|tick| tick.at >= state.since);
    let from = last.map_or(state.since, |tick| Timestamp(tick.at.0.saturating_add(1)));
    let (new, missed) = new_ticks(timetable, rules.catch_up, from, now);
    let next = timetable.from(Timestamp(now.0.saturating_add(1)).max(from)).next();
    let mut due = Due { ticks: new, missed, wake: next };
    match last {
        Some(tick) if tick.status == TickStatus::Started => due.ticks.insert(0, tick.at),
        Some(tick) if may_be_retried(tick, rules) => retry(&mut due, tick, rules.catch_up, now),
        _ => {}
    }
    due
}

/// Ticks that have become due and are kept, in order, and how many are not.
fn new_ticks(
    timetable: &Timetable,
    catch_up: CatchUp,
    from: Timestamp,
    now: Timestamp,
) -> (Vec<Timestamp>, usize) {
    let n = match catch_up {
        CatchUp::All => {
            return (timetable.from(from).take_while(|at| *at <= now).take(DUE_MAX).collect(), 0);
        }
        CatchUp::Newest(n) => usize::try_from(n).unwrap_or(DUE_MAX).min(DUE_MAX),
        CatchUp::None => 1,
    };
    let is_kept = |at: &Timestamp| catch_up != CatchUp::None || now.since(*at) <= LATE_MAX;
    let mut backwards = timetable.until(now).take_while(|at| *at >= from).peekable();
    let mut kept = vec![];
    while kept.len() < n
        && let Some(at) = backwards.next_if(is_kept)
    {
        kept.push(at);
    }
    kept.reverse();
    (kept, backwards.take(MISSED_COUNTED_MAX).count())
}

fn may_be_retried(tick: &Tick, rules: Rules) -> bool {
    tick.status == TickStatus::Failed && tick.failures <= rules.max_tick_retries
}

/// Puts a tick that failed before the others, if they leave it a place, or says when it comes.
fn retry(due: &mut Due, tick: &Tick, catch_up: CatchUp, now: Timestamp) {
    let has_place = match catch_up {
        CatchUp::All => true,
        CatchUp::Newest(n) => u32::try_from(due.ticks.len()).is_ok_and(|taken| taken < n),
        CatchUp::None => due.ticks.is_empty(),
    };
    if !has_place {
        due.missed += 1;
        return;
    }
    let at = tick.ended_at.unwrap_or(tick.started_at).min(now) + RETRY_PAUSE;
    if at <= now {
        due.ticks.insert(0, tick.at);
    } else {
        // What is newer waits for it, so that ticks are evaluated in order.
        *due = Due { wake: Some(at), ..Due::default() };
    }
}
