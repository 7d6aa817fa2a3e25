//! The task that writes: it takes whatever is waiting, writes it in one transaction, answers after the commit. It holds
//! the lock of the only writer on its session, waits for a database that is away, and finds out what became of a
//! COMMIT that nobody answered.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::Term;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::group::{self, KnownRuns, Link};
use super::place::{Place, is_refusal, passes};
use super::schema;
use crate::Error;
use crate::calls::{Call, GROUP_CALLS_MAX, Op, Outcome};

/// Key of the advisory lock of the only writer, in each database: "cofferda" in ASCII.
const LOCK: i64 = 0x636f_6666_6572_6461;
/// How long opening waits for the lock: the server may still be finding out that the process before is gone.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);
/// How long one try may take: more than the server waits for another one's lock, less than anybody's patience.
const TRY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the server has to undo a transaction before its session is given up.
const UNDO_TIME_MAX: Duration = Duration::from_secs(2);
/// The wait after the first try that failed; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest wait between two tries: how late it is noticed that the database is back.
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    place: Arc<Place>,
    patience: Duration,
    link: Option<Link>,
    /// The number that the last transaction of this writer left in the store; none before its first look.
    turn: Option<i64>,
    /// The number that a transaction leaves whose COMMIT nobody has answered yet.
    uncertain: Option<i64>,
    known: KnownRuns,
}

/// A transaction that was not carried out, as far as is known.
struct Undone {
    error: Error,
    /// Of a session that goes on.
    alive: bool,
}

impl Writer {
    /// Connects, takes the lock and brings the tables up to date.
    pub(super) async fn open(place: Arc<Place>, patience: Duration) -> Result<Writer, Error> {
        let since = Instant::now();
        let mut writer =
            Writer { place, patience, link: None, turn: None, uncertain: None, known: KnownRuns::new() };
        loop {
            match writer.connect().await {
                Ok(()) => return Ok(writer),
                Err(Error::InUse { .. }) if since.elapsed() < OPEN_PATIENCE => sleep(PAUSE_FIRST).await,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn serve(mut self, mut waiting: mpsc::Receiver<Call>) {
        let mut calls = Vec::new();
        while waiting.recv_many(&mut calls, GROUP_CALLS_MAX).await > 0 {
            let mut rest = calls.drain(..).peekable();
            while let Some(first) = rest.next() {
                let mut together = vec![first];
                if group::is_shared(&together[0].op) {
                    together.extend(std::iter::from_fn(|| rest.next_if(|call| group::is_shared(&call.op))));
                }
                let ops: Vec<&Op> = together.iter().map(|call| &call.op).collect();
                let outcomes = self.group(&ops).await;
                for (call, outcome) in together.into_iter().zip(outcomes) {
                    // Who asked may have gone away; what it asked for is done all the same.
                    let _ = call.answer.send(outcome);
                }
            }
        }
    }

    async fn group(&mut self, ops: &[&Op]) -> Vec<Outcome> {
        match self.durably(ops).await {
            Ok(outcomes) => outcomes,
            // One call that the database refuses must not fail its neighbours: each by itself.
            Err(Error::Postgres { .. }) if ops.len() > 1 => {
                let mut outcomes = Vec::with_capacity(ops.len());
                for op in ops {
                    let outcome = self.durably(&[op]).await;
                    outcomes.push(
                        outcome
                            .map_err(Into::into)
                            .and_then(|mut outcomes| outcomes.pop().expect("one call has one outcome")),
                    );
                }
                outcomes
            }
            Err(error) if ops.len() == 1 => vec![Err(error.into())],
            Err(error) => {
                // All have the same error, and an error cannot be copied.
                let error = Arc::new(error);
                ops.iter().map(|_| Err(Error::Group(error.clone()).into())).collect()
            }
        }
    }

    /// Carries out a transaction, again and again while it fails for what passes by itself.
    async fn durably(&mut self, ops: &[&Op]) -> Result<Vec<Outcome>, Error> {
        let since = Instant::now();
        let mut pause = PAUSE_FIRST;
        // What to answer if the COMMIT that is uncertain turns out to have happened.
        let mut prepared = None;
        loop {
            let tried = timeout(TRY_TIME_MAX, self.attempt(ops, &mut prepared)).await;
            let undone = match tried {
                Ok(Ok(outcomes)) => {
                    if pause > PAUSE_FIRST {
                        tracing::warn!(waited = ?since.elapsed(), "the run log can be written to again");
                    }
                    return Ok(outcomes);
                }
                Ok(Err(undone)) => undone,
                Err(_) => {
                    let (store, what) = (self.place.to_string(), "carry out a transaction");
                    let error = Error::TooSlow { store, what, after: TRY_TIME_MAX };
                    Undone { error, alive: false }
                }
            };
            self.undo(undone.alive).await;
            let waited = since.elapsed();
            if !passes(&undone.error) {
                return Err(undone.error);
            }
            if waited + pause > self.patience {
                return Err(Error::Waited { waited, source: Box::new(undone.error) });
            }
            if pause == PAUSE_FIRST {
                let error = told(&undone.error);
                tracing::warn!(%error, patience = ?self.patience, "the run log cannot be written to; waiting for it");
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Leaves nothing of a transaction that failed: neither here nor on the session.
    async fn undo(&mut self, alive: bool) {
        self.known.clear();
        let Some(link) = self.link.take() else { return };
        if !alive || link.client().is_closed() {
            return;
        }
        let undone = timeout(UNDO_TIME_MAX, link.client().batch_execute("ROLLBACK")).await;
        if matches!(undone, Ok(Ok(()))) {
            self.link = Some(link);
        }
    }

    /// One transaction. `prepared` is what an earlier try would have answered after its COMMIT.
    async fn attempt(
        &mut self,
        ops: &[&Op],
        prepared: &mut Option<Vec<Outcome>>,
    ) -> Result<Vec<Outcome>, Undone> {
        if self.link.is_none() {
            self.connect().await.map_err(|error| Undone { error, alive: false })?;
            if self.settle()
                && let Some(outcomes) = prepared.take()
            {
                return Ok(outcomes);
            }
        }
        let failed = |error| Undone { error, alive: true };
        let place = self.place.clone();
        let link = self.link.as_mut().expect("it was connected");
        let turn = self.turn.expect("whoever is connected has looked");
        link.client().batch_execute("BEGIN").await.map_err(|error| failed(place.failed("begin")(error)))?;
        let next = turn + 1;
        let take = "UPDATE office SET turn = $2 WHERE turn = $1 RETURNING term";
        let row =
            link.rows(take, &[&turn, &next]).await.map_err(|error| failed(place.failed("write")(error)))?;
        let Some(row) = row.first() else {
            return Err(failed(Error::Replaced { store: place.to_string() }));
        };
        let term = Term(row.get::<_, i64>(0).unsigned_abs());
        let outcomes = group::carry_out(link, &place, term, &mut self.known, ops).await.map_err(failed)?;
        self.uncertain = Some(next);
        *prepared = Some(outcomes);
        if let Err(error) = link.client().batch_execute("COMMIT").await {
            let alive = is_refusal(&error);
            if alive {
                // The server says that it did not happen.
                self.uncertain = None;
            }
            return Err(Undone { error: place.failed("commit")(error), alive });
        }
        (self.turn, self.uncertain) = (Some(next), None);
        self.known.retain(|_, summary| !summary.status.is_terminal());
        Ok(prepared.take().expect("it was put there before the COMMIT"))
    }

    /// After a look at the store: whether the COMMIT that was uncertain has happened.
    fn settle(&mut self) -> bool {
        let happened = self.uncertain.is_some() && self.uncertain == self.turn;
        if let Some(turn) = self.uncertain.take() {
            tracing::warn!(turn, happened, "the connection was lost in a COMMIT; looked it up");
        }
        happened
    }

    /// Connects, takes the lock, looks whether the store is as this writer left it.
    async fn connect(&mut self) -> Result<(), Error> {
        let link = Link::new(self.place.writer().await?);
        let lock = link.client().query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await;
        let locked = lock.map_err(self.place.failed("be locked"))?.get::<_, bool>(0);
        if locked {
            schema::migrate(link.client(), &self.place).await?;
        } else if self.turn.is_none() {
            return Err(Error::InUse { store: self.place.to_string() });
        }
        let row = link.client().query_one("SELECT turn FROM office", &[]).await;
        let found = row.map_err(self.place.failed("be read"))?.get(0);
        let is_ours = self.turn.is_none_or(|turn| turn == found) || self.uncertain == Some(found);
        if !is_ours {
            return Err(Error::Replaced { store: self.place.to_string() });
        }
        if !locked {
            // Most likely an own session that the server has not given up yet.
            return Err(Error::InUse { store: self.place.to_string() });
        }
        (self.turn, self.link) = (Some(found), Some(link));
        Ok(())
    }
}

/// An error with its causes, on one line.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
