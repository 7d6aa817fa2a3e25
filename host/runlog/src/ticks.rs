//! What is known of schedules and sensors, and their ticks: what the loop that asks them writes, and everybody reads.
//!
//! The order of the loop's writes is told in `cofferdam_automation`. Here is what each of them does, for all stores.

use async_trait::async_trait;
use cofferdam_model::{
    Instigator, InstigatorState, InstigatorStatus, ReservedRun, RunId, RunRequest, Term, Tick, TickRun,
    TickStatus, Timestamp,
};

use crate::{AppendError, Error};

/// A tick that is about to be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTick {
    /// The writer's time in office.
    pub term: Term,
    pub instigator: Instigator,
    /// Of a schedule: when it was due. Of a sensor: now.
    pub at: Timestamp,
    pub now: Timestamp,
}

/// How an evaluation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TickEnd {
    /// The writer's time in office.
    pub term: Term,
    /// Of the tick.
    pub number: u64,
    pub now: Timestamp,
    /// Not [`TickStatus::Started`].
    pub status: TickStatus,
    pub reason: Option<String>,
    /// Whether it is a failure that counts.
    pub counts: bool,
    /// Where the cursor moves to; none leaves it where it is.
    pub cursor: Option<String>,
    /// Runs that are to be made.
    pub runs: Vec<ReservedRun>,
    /// What was logged.
    pub logs: Vec<String>,
}

/// A run that a tick has asked for and nobody has made yet, as far as is recorded.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reservation {
    /// Number of its tick.
    pub tick: u64,
    pub instigator: Instigator,
    /// Of its tick.
    pub at: Timestamp,
    pub run: RunId,
    pub request: RunRequest,
}

/// Every method is one transaction. Whoever writes as a scheduler does so under its term, and is refused once that has
/// passed. A page has at most `limit` entries and at most [`crate::PAGE_ROWS_MAX`].
#[async_trait]
pub trait Ticks: Send + Sync {
    /// Makes schedules and sensors known that are not yet, each with what it ticks by (the text of a schedule's times;
    /// empty for a sensor). One that is new, or that ticks by something else than before, is as it is since `at`, so that
    /// what it would have done before is not made up for. How many of them that were.
    async fn watch(&self, watched: Vec<(Instigator, String)>, at: Timestamp) -> Result<u64, Error>;

    /// Turns one on or off, or back to what its definition says (none). Whoever changes is as they are since `at`.
    /// False if it was so before, or is not known.
    async fn set_status(
        &self,
        instigator: Instigator,
        status: Option<InstigatorStatus>,
        at: Timestamp,
    ) -> Result<bool, Error>;

    /// Puts a cursor where a person wants it. False if there is no such instigator.
    async fn set_cursor(&self, instigator: Instigator, cursor: Option<String>) -> Result<bool, Error>;

    /// All that are known, by name.
    async fn instigators(&self) -> Result<Vec<InstigatorState>, Error>;

    /// Records that a tick is being evaluated, and answers it. If there is one of that instigator at that time, it is
    /// answered: one that failed is started again, any other stays as it is. So a tick that is answered with another
    /// status than [`TickStatus::Started`] has ended before, and is not to be evaluated. Fails for an instigator that
    /// is not known.
    async fn open_tick(&self, tick: NewTick) -> Result<Tick, AppendError>;

    /// Ends a tick, and answers it: status, reason, the cursor of its instigator, the run keys that are used from now on
    /// and the runs that are to be made, all or nothing. One that has ended stays as it is. Fails if a run key was used
    /// before: whoever ends a tick has looked.
    async fn close_tick(&self, end: TickEnd) -> Result<Tick, AppendError>;

    /// Ticks of one instigator, newest first; the next page is `before` the last number.
    async fn ticks(
        &self,
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Tick>, Error>;

    /// Ticks that were started and have not ended, oldest first.
    async fn open_ticks(&self) -> Result<Vec<Tick>, Error>;

    /// Those of the keys that runs of a sensor have used, ever, in their order.
    async fn used_run_keys(&self, instigator: Instigator, keys: Vec<String>) -> Result<Vec<String>, Error>;

    /// Runs that are still to be made, in the order in which they were asked for, at most `limit` of them.
    async fn reservations(&self, limit: usize) -> Result<Vec<Reservation>, Error>;

    /// Notes that a reserved run was made, or why it cannot be. False if that was noted before.
    async fn settle(&self, term: Term, run: RunId, refused: Option<String>) -> Result<bool, AppendError>;

    /// Drops ticks of sensors that were skipped and ended before an instant; how many. Run keys stay used.
    async fn forget_skipped(&self, before: Timestamp) -> Result<u64, Error>;
}

/// A write of a [`Ticks`].
#[derive(Debug)]
pub(crate) enum TickOp {
    Watch(Vec<(Instigator, String)>, Timestamp),
    SetStatus(Instigator, Option<InstigatorStatus>, Timestamp),
    SetCursor(Instigator, Option<String>),
    Open(NewTick),
    Close(TickEnd),
    Settle(Term, RunId, Option<String>),
    ForgetSkipped(Timestamp),
}

impl TickOp {
    /// The term under which it is written, if a scheduler writes it.
    pub(crate) fn term(&self) -> Option<Term> {
        match self {
            TickOp::Open(new) => Some(new.term),
            TickOp::Close(end) => Some(end.term),
            TickOp::Settle(term, ..) => Some(*term),
            TickOp::Watch(..) | TickOp::SetStatus(..) | TickOp::SetCursor(..) | TickOp::ForgetSkipped(_) => {
                None
            }
        }
    }
}

/// Refuses a scheduler whose term has passed.
pub(crate) fn check_term(term: Term, current: Term) -> Result<(), AppendError> {
    if term == current { Ok(()) } else { Err(AppendError::StaleTerm { term, current }) }
}

/// A tick that there was not before. Its number is given by the store.
pub(crate) fn started(new: &NewTick) -> Tick {
    Tick {
        number: 0,
        instigator: new.instigator.clone(),
        at: new.at,
        started_at: new.now,
        ended_at: None,
        status: TickStatus::Started,
        reason: None,
        failures: 0,
        runs: vec![],
        logs: vec![],
    }
}

/// Starts a tick again that failed; none if it is not to be.
pub(crate) fn restarted(tick: &Tick, now: Timestamp) -> Option<Tick> {
    let failed = tick.status == TickStatus::Failed;
    failed.then(|| Tick {
        status: TickStatus::Started,
        started_at: now,
        ended_at: None,
        reason: None,
        ..tick.clone()
    })
}

/// Ends a tick; none if it has ended.
pub(crate) fn ended(tick: &Tick, end: &TickEnd) -> Option<Tick> {
    let run = |reserved: &ReservedRun| TickRun {
        run: reserved.run,
        run_key: reserved.request.run_key.clone(),
        partition: reserved.request.partition.clone(),
        refused: None,
    };
    (tick.status == TickStatus::Started).then(|| Tick {
        status: end.status,
        ended_at: Some(end.now),
        reason: end.reason.clone(),
        failures: tick.failures + u32::from(end.counts),
        runs: end.runs.iter().map(run).collect(),
        logs: end.logs.clone(),
        ..tick.clone()
    })
}

/// The last run key of a tick that has one.
pub(crate) fn last_run_key(end: &TickEnd) -> Option<&str> {
    end.runs.iter().rev().find_map(|reserved| reserved.request.run_key.as_deref())
}

/// Notes in a tick why one of its runs cannot be made.
pub(crate) fn refused(mut tick: Tick, run: RunId, why: &str) -> Tick {
    for one in tick.runs.iter_mut().filter(|one| one.run == run) {
        one.refused = Some(why.to_owned());
    }
    tick
}

/// The stored form of a status.
pub(crate) fn status_word(status: InstigatorStatus) -> &'static str {
    match status {
        InstigatorStatus::Running => "running",
        InstigatorStatus::Stopped => "stopped",
    }
}
