//! Schedules, sensors and ticks in the database.

use async_trait::async_trait;
use cofferdam_model::{
    Instigator, InstigatorState, InstigatorStatus, RunId, Term, Tick, TickStatus, Timestamp,
};
use tokio_postgres::{Error as SqlError, Row};
use uuid::Uuid;

use super::Postgres;
use super::group::Link;
use super::place::Place;
use super::read::{Parameters, int, natural, page};
use crate::calls::{Op, Outcome, Reply, plain};
use crate::stored::{self, json, parse};
use crate::ticks::{TickOp, check_term, ended, last_run_key, refused, restarted, started, status_word};
use crate::{AppendError, Error, NewTick, Reservation, TickEnd, Ticks};

/// Carries out a write within the transaction that is under way, under the term that the store is in. `Err` for what
/// the database refuses, `Ok(Err)` for what the contract refuses, which then has written nothing.
pub(super) async fn write(link: &mut Link, place: &Place, term: Term, op: &TickOp) -> Result<Outcome, Error> {
    if let Some(Err(stale)) = op.term().map(|of| check_term(of, term)) {
        return Ok(Err(stale));
    }
    let written = match op {
        TickOp::Watch(watched, at) => watch(link, watched, *at).await.map(Reply::Count),
        TickOp::SetStatus(instigator, status, at) => {
            let update = "UPDATE instigators SET status = $2, since = $3
                WHERE instigator = $1 AND status IS DISTINCT FROM $2";
            let status = status.map(status_word);
            link.execute(update, &[&instigator.to_string(), &status, &int(at.0)]).await.map(Reply::Count)
        }
        TickOp::SetCursor(instigator, cursor) => {
            let update = "UPDATE instigators SET cursor = $2 WHERE instigator = $1";
            link.execute(update, &[&instigator.to_string(), cursor]).await.map(Reply::Count)
        }
        TickOp::Open(new) => return open(link, place, new).await,
        TickOp::Close(end) => return close(link, place, end).await,
        TickOp::Settle(_, run, why) => return settle(link, place, *run, why.as_deref()).await,
        TickOp::ForgetSkipped(before) => {
            let delete = "DELETE FROM ticks WHERE status = 'skipped' AND ended_at < $1
                AND starts_with(instigator, 'sensor/')";
            link.execute(delete, &[&int(before.0)]).await.map(Reply::Count)
        }
    };
    written.map(Ok).map_err(place.failed("be changed"))
}

async fn watch(link: &mut Link, watched: &[(Instigator, String)], at: Timestamp) -> Result<u64, SqlError> {
    let insert = "INSERT INTO instigators (instigator, ticks_by, since) VALUES ($1, $2, $3)
        ON CONFLICT (instigator) DO UPDATE SET ticks_by = excluded.ticks_by, since = excluded.since
        WHERE instigators.ticks_by != excluded.ticks_by";
    let mut changed = 0;
    for (instigator, ticks_by) in watched {
        changed += link.execute(insert, &[&instigator.to_string(), ticks_by, &int(at.0)]).await?;
    }
    Ok(changed)
}

async fn open(link: &mut Link, place: &Place, new: &NewTick) -> Result<Outcome, Error> {
    let (instigator, at) = (new.instigator.to_string(), int(new.at.0));
    let known = "UPDATE instigators SET last_tick = greatest(last_tick, $2) WHERE instigator = $1";
    let known = link.execute(known, &[&instigator, &at]).await.map_err(place.failed("note a tick"))?;
    if known == 0 {
        return Ok(Err(Error::UnknownInstigator(new.instigator.clone()).into()));
    }
    let query = "SELECT number, tick FROM ticks WHERE instigator = $1 AND at = $2";
    if let Some(tick) = found(link, place, query, &[&instigator, &at]).await? {
        let Some(again) = restarted(&tick, new.now) else { return Ok(Ok(Reply::Tick(tick.into()))) };
        update(link, place, &again).await?;
        return Ok(Ok(Reply::Tick(again.into())));
    }
    let tick = started(new);
    let insert = "INSERT INTO ticks (instigator, at, status, tick) VALUES ($1, $2, $3, $4) RETURNING number";
    let rows = link.rows(insert, &[&instigator, &at, &tick.status.word(), &json(&tick)]).await;
    let rows = rows.map_err(place.failed("record a tick"))?;
    let number = rows.first().map_or(0, |row| natural(row.get(0)));
    Ok(Ok(Reply::Tick(Tick { number, ..tick }.into())))
}

async fn close(link: &mut Link, place: &Place, end: &TickEnd) -> Result<Outcome, Error> {
    let query = "SELECT number, tick FROM ticks WHERE number = $1";
    let Some(tick) = found(link, place, query, &[&int(end.number)]).await? else {
        return Ok(Err(Error::UnknownTick(end.number).into()));
    };
    let Some(tick) = ended(&tick, end) else { return Ok(Ok(Reply::Tick(tick.into()))) };
    let instigator = tick.instigator.to_string();
    if let Some(key) = used(link, place, &instigator, end).await? {
        return Ok(Err(Error::UsedRunKey { instigator: tick.instigator, key }.into()));
    }
    update(link, place, &tick).await?;
    record(link, &tick, end).await.map_err(place.failed("record the end of a tick"))?;
    Ok(Ok(Reply::Tick(tick.into())))
}

/// A run key of a tick's runs that is there twice or was used before.
async fn used(
    link: &mut Link,
    place: &Place,
    instigator: &str,
    end: &TickEnd,
) -> Result<Option<String>, Error> {
    let keys: Vec<&str> =
        end.runs.iter().filter_map(|reserved| reserved.request.run_key.as_deref()).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = keys.iter().find(|key| !seen.insert(**key)) {
        return Ok(Some((*twice).to_owned()));
    }
    let rows = link.rows(USED, &[&instigator, &keys]).await.map_err(place.failed("look up run keys"))?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Those of the keys that were used, in their order.
const USED: &str = "SELECT n.run_key FROM unnest($2::text[]) WITH ORDINALITY AS n (run_key, place)
    JOIN run_keys k ON k.instigator = $1 AND k.run_key = n.run_key ORDER BY n.place";

async fn record(link: &mut Link, tick: &Tick, end: &TickEnd) -> Result<(), SqlError> {
    let instigator = tick.instigator.to_string();
    let update = "UPDATE instigators SET cursor = coalesce($2, cursor),
        last_run_key = coalesce($3, last_run_key) WHERE instigator = $1";
    link.execute(update, &[&instigator, &end.cursor, &last_run_key(end)]).await?;
    if end.runs.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = end.runs.iter().map(|reserved| reserved.run.0).collect();
    let keys: Vec<Option<&str>> =
        end.runs.iter().map(|reserved| reserved.request.run_key.as_deref()).collect();
    let requests: Vec<String> = end.runs.iter().map(|reserved| json(&reserved.request)).collect();
    let used =
        "INSERT INTO run_keys SELECT $1, run_key, run FROM unnest($2::text[], $3::uuid[]) AS n (run_key, run)
        WHERE run_key IS NOT NULL";
    link.execute(used, &[&instigator, &keys, &runs]).await?;
    let reserve = "INSERT INTO reservations (run, tick, instigator, at, request)
        SELECT run, $1::bigint, $2, $3::bigint, request FROM unnest($4::uuid[], $5::text[])
        WITH ORDINALITY AS n (run, request, place) ORDER BY place";
    let (number, at) = (int(tick.number), int(tick.at.0));
    link.execute(reserve, &[&number, &instigator, &at, &runs, &requests]).await?;
    Ok(())
}

async fn settle(link: &mut Link, place: &Place, run: RunId, why: Option<&str>) -> Result<Outcome, Error> {
    let delete = "DELETE FROM reservations WHERE run = $1 RETURNING tick";
    let taken = link.rows(delete, &[&run.0]).await.map_err(place.failed("settle a run"))?;
    let Some(row) = taken.first() else { return Ok(Ok(Reply::Count(0))) };
    let number: i64 = row.get(0);
    let query = "SELECT number, tick FROM ticks WHERE number = $1";
    if let Some(why) = why
        && let Some(tick) = found(link, place, query, &[&number]).await?
    {
        update(link, place, &refused(tick, run, why)).await?;
    }
    Ok(Ok(Reply::Count(1)))
}

async fn update(link: &mut Link, place: &Place, tick: &Tick) -> Result<(), Error> {
    let update = "UPDATE ticks SET status = $2, ended_at = $3, tick = $4 WHERE number = $1";
    let ended_at = tick.ended_at.map(|at| int(at.0));
    let written =
        link.execute(update, &[&int(tick.number), &tick.status.word(), &ended_at, &json(tick)]).await;
    written.map(|_| ()).map_err(place.failed("record a tick"))
}

async fn found(
    link: &mut Link,
    place: &Place,
    query: &'static str,
    parameters: Parameters<'_>,
) -> Result<Option<Tick>, Error> {
    let rows = link.rows(query, parameters).await.map_err(place.failed("find a tick"))?;
    rows.first().map(tick).transpose()
}

fn tick(row: &Row) -> Result<Tick, Error> {
    stored::tick(natural(row.get(0)), row.get(1))
}

fn state(row: &Row) -> Result<InstigatorState, Error> {
    Ok(InstigatorState {
        instigator: stored::instigator(row.get(0))?,
        status: stored::status(row.get(1))?,
        since: Timestamp(natural(row.get(2))),
        cursor: row.get(3),
        last_run_key: row.get(4),
        last_tick: row.get::<_, Option<i64>>(5).map(|at| Timestamp(natural(at))),
    })
}

fn reservation(row: &Row) -> Result<Reservation, Error> {
    Ok(Reservation {
        run: RunId(row.get(0)),
        tick: natural(row.get(1)),
        instigator: stored::instigator(row.get(2))?,
        at: Timestamp(natural(row.get(3))),
        request: parse(row.get(4), "a run request")?,
    })
}

#[async_trait]
impl Ticks for Postgres {
    async fn watch(&self, watched: Vec<(Instigator, String)>, at: Timestamp) -> Result<u64, Error> {
        self.steer(TickOp::Watch(watched, at)).await
    }

    async fn set_status(
        &self,
        instigator: Instigator,
        status: Option<InstigatorStatus>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        Ok(self.steer(TickOp::SetStatus(instigator, status, at)).await? > 0)
    }

    async fn set_cursor(&self, instigator: Instigator, cursor: Option<String>) -> Result<bool, Error> {
        Ok(self.steer(TickOp::SetCursor(instigator, cursor)).await? > 0)
    }

    async fn instigators(&self) -> Result<Vec<InstigatorState>, Error> {
        let query = "SELECT instigator, status, since, cursor, last_run_key, last_tick FROM instigators
            ORDER BY instigator";
        self.readers.rows(query, &[]).await?.iter().map(state).collect()
    }

    async fn open_tick(&self, tick: NewTick) -> Result<Tick, AppendError> {
        Ok(self.write(Op::Tick(TickOp::Open(tick))).await?.tick())
    }

    async fn close_tick(&self, end: TickEnd) -> Result<Tick, AppendError> {
        Ok(self.write(Op::Tick(TickOp::Close(end))).await?.tick())
    }

    async fn ticks(
        &self,
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Tick>, Error> {
        let query = "SELECT number, tick FROM ticks WHERE instigator = $1 AND number < $2
            ORDER BY number DESC LIMIT $3";
        let before = int(before.unwrap_or(u64::MAX));
        let rows = self.readers.rows(query, &[&instigator.to_string(), &before, &page(limit)]).await?;
        rows.iter().map(tick).collect()
    }

    async fn open_ticks(&self) -> Result<Vec<Tick>, Error> {
        let word = TickStatus::Started.word();
        let query = format!("SELECT number, tick FROM ticks WHERE status = '{word}' ORDER BY number");
        self.readers.rows(&query, &[]).await?.iter().map(tick).collect()
    }

    async fn used_run_keys(&self, instigator: Instigator, keys: Vec<String>) -> Result<Vec<String>, Error> {
        let rows = self.readers.rows(USED, &[&instigator.to_string(), &keys]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn reservations(&self, limit: usize) -> Result<Vec<Reservation>, Error> {
        let query = "SELECT run, tick, instigator, at, request FROM reservations ORDER BY number LIMIT $1";
        self.readers.rows(query, &[&page(limit)]).await?.iter().map(reservation).collect()
    }

    async fn settle(&self, term: Term, run: RunId, refused: Option<String>) -> Result<bool, AppendError> {
        Ok(self.write(Op::Tick(TickOp::Settle(term, run, refused))).await?.count() > 0)
    }

    async fn forget_skipped(&self, before: Timestamp) -> Result<u64, Error> {
        self.steer(TickOp::ForgetSkipped(before)).await
    }
}

impl Postgres {
    /// A write that no term is needed for.
    async fn steer(&self, op: TickOp) -> Result<u64, Error> {
        Ok(self.write(Op::Tick(op)).await.map_err(plain)?.count())
    }
}
