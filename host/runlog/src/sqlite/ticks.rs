//! Schedules, sensors and ticks in the file.

use async_trait::async_trait;
use cofferdam_model::{
    Instigator, InstigatorState, InstigatorStatus, RunId, Term, Tick, TickStatus, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde_json::json;

use super::Sqlite;
use super::catalog::NUMBER_MAX;
use super::read::{ids, rows, sql};
use crate::calls::{Op, Reply, plain};
use crate::stored::{self, json, parse};
use crate::ticks::{TickOp, check_term, ended, last_run_key, refused, restarted, started, status_word};
use crate::{AppendError, Error, NewTick, PAGE_ROWS_MAX, Reservation, TickEnd, Ticks};

/// Carries out a write.
pub(super) fn write(db: &Connection, op: &TickOp) -> Result<Reply, AppendError> {
    if let Some(term) = op.term() {
        let current = db.query_row("SELECT term FROM term", [], |row| row.get(0));
        check_term(term, Term(current.map_err(sql("read the term"))?))?;
    }
    let count = |changed: rusqlite::Result<usize>| {
        let count = changed.map(|changed| Reply::Count(changed as u64));
        count.map_err(|source| AppendError::from(sql("be changed")(source)))
    };
    match op {
        TickOp::Watch(watched, at) => count(watch(db, watched, *at)),
        TickOp::SetStatus(instigator, status, at) => count(db.execute(
            "UPDATE instigators SET status = ?2, since = ?3 WHERE instigator = ?1 AND status IS NOT ?2",
            params![instigator.to_string(), status.map(status_word), at.0],
        )),
        TickOp::SetCursor(instigator, cursor) => count(db.execute(
            "UPDATE instigators SET cursor = ?2 WHERE instigator = ?1",
            params![instigator.to_string(), cursor],
        )),
        TickOp::Open(new) => Ok(Reply::Tick(open(db, new)?.into())),
        TickOp::Close(end) => Ok(Reply::Tick(close(db, end)?.into())),
        TickOp::Settle(_, run, why) => Ok(Reply::Count(settle(db, *run, why.as_deref())?)),
        TickOp::ForgetSkipped(before) => count(db.execute(
            "DELETE FROM ticks WHERE status = 'skipped' AND ended_at < ?1 AND instigator LIKE 'sensor/%'",
            [before.0],
        )),
    }
}

fn watch(db: &Connection, watched: &[(Instigator, String)], at: Timestamp) -> rusqlite::Result<usize> {
    let mut statement = db.prepare_cached(
        "INSERT INTO instigators (instigator, ticks_by, since) VALUES (?1, ?2, ?3)
        ON CONFLICT (instigator) DO UPDATE SET ticks_by = ?2, since = ?3 WHERE ticks_by != ?2",
    )?;
    watched.iter().map(|(one, ticks_by)| statement.execute(params![one.to_string(), ticks_by, at.0])).sum()
}

fn open(db: &Connection, new: &NewTick) -> Result<Tick, Error> {
    let instigator = new.instigator.to_string();
    let known = "UPDATE instigators SET last_tick = max(ifnull(last_tick, ?2), ?2) WHERE instigator = ?1";
    if db.execute(known, params![instigator, new.at.0]).map_err(sql("note a tick"))? == 0 {
        return Err(Error::UnknownInstigator(new.instigator.clone()));
    }
    let found = ticks(db, "instigator = ?1 AND at = ?2", &[&instigator, &new.at.0])?.pop();
    if let Some(tick) = found {
        let Some(again) = restarted(&tick, new.now) else { return Ok(tick) };
        update(db, &again)?;
        return Ok(again);
    }
    let tick = started(new);
    let insert = "INSERT INTO ticks (instigator, at, status, tick) VALUES (?1, ?2, ?3, ?4)";
    let written = db.execute(insert, params![instigator, new.at.0, tick.status.word(), json(&tick)]);
    written.map_err(sql("record a tick"))?;
    Ok(Tick { number: db.last_insert_rowid().unsigned_abs(), ..tick })
}

fn close(db: &Connection, end: &TickEnd) -> Result<Tick, Error> {
    let tick = ticks(db, "number = ?1", &[&end.number])?.pop().ok_or(Error::UnknownTick(end.number))?;
    let Some(tick) = ended(&tick, end) else { return Ok(tick) };
    refuse_used(db, &tick, end)?;
    update(db, &tick)?;
    let instigator = tick.instigator.to_string();
    let write = || -> rusqlite::Result<()> {
        db.prepare_cached(
            "UPDATE instigators SET cursor = ifnull(?2, cursor), last_run_key = ifnull(?3, last_run_key)
            WHERE instigator = ?1",
        )?
        .execute(params![instigator, end.cursor, last_run_key(end)])?;
        let mut key = db.prepare_cached("INSERT INTO run_keys VALUES (?1, ?2, ?3)")?;
        let mut reserve = db.prepare_cached(
            "INSERT INTO reservations (run, tick, instigator, at, request) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for reserved in &end.runs {
            let run = reserved.run.to_string();
            if let Some(run_key) = &reserved.request.run_key {
                key.execute(params![instigator, run_key, run])?;
            }
            reserve.execute(params![run, tick.number, instigator, tick.at.0, json(&reserved.request)])?;
        }
        Ok(())
    };
    write().map_err(sql("record the end of a tick"))?;
    Ok(tick)
}

/// Looks before anything is written: a call that is refused leaves nothing in a transaction that others share.
fn refuse_used(db: &Connection, tick: &Tick, end: &TickEnd) -> Result<(), Error> {
    let keys: Vec<&str> =
        end.runs.iter().filter_map(|reserved| reserved.request.run_key.as_deref()).collect();
    let mut seen = std::collections::HashSet::new();
    let twice = keys.iter().find(|key| !seen.insert(**key)).map(|key| (*key).to_owned());
    let used = used(db, &tick.instigator, &keys)?.into_iter().next();
    match twice.or(used) {
        Some(key) => Err(Error::UsedRunKey { instigator: tick.instigator.clone(), key }),
        None => Ok(()),
    }
}

fn settle(db: &Connection, run: RunId, why: Option<&str>) -> Result<u64, Error> {
    let taken = db
        .query_row("DELETE FROM reservations WHERE run = ?1 RETURNING tick", [run.to_string()], |row| {
            row.get::<_, u64>(0)
        })
        .optional();
    let Some(number) = taken.map_err(sql("settle a run"))? else { return Ok(0) };
    if let Some(why) = why
        && let Some(tick) = ticks(db, "number = ?1", &[&number])?.pop()
    {
        update(db, &refused(tick, run, why))?;
    }
    Ok(1)
}

fn update(db: &Connection, tick: &Tick) -> Result<(), Error> {
    let update = "UPDATE ticks SET status = ?2, ended_at = ?3, tick = ?4 WHERE number = ?1";
    let ended_at = tick.ended_at.map(|at| at.0);
    let written = db.execute(update, params![tick.number, tick.status.word(), ended_at, json(tick)]);
    written.map(|_| ()).map_err(sql("record a tick"))
}

fn ticks(db: &Connection, condition: &str, parameters: &[&dyn ToSql]) -> Result<Vec<Tick>, Error> {
    let query = format!("SELECT number, tick FROM ticks WHERE {condition}");
    let found = rows(db, &query, parameters, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
    found.into_iter().map(|(number, text)| stored::tick(number, &text)).collect()
}

/// Those of the keys that were used, in their order.
fn used(db: &Connection, instigator: &Instigator, keys: &[&str]) -> Result<Vec<String>, Error> {
    let query = "SELECT value FROM json_each(?2) WHERE EXISTS
        (SELECT 1 FROM run_keys WHERE instigator = ?1 AND run_key = value) ORDER BY key";
    rows(db, query, &[&instigator.to_string(), &json!(keys).to_string()], |row| row.get(0))
}

fn states(db: &Connection) -> Result<Vec<InstigatorState>, Error> {
    let query = "SELECT instigator, status, since, cursor, last_run_key, last_tick FROM instigators
        ORDER BY instigator";
    type Columns = (String, Option<String>, u64, Option<String>, Option<String>, Option<u64>);
    let found = rows(db, query, &[], |row| -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let read = |(instigator, status, since, cursor, last_run_key, last_tick): Columns| {
        Ok(InstigatorState {
            instigator: stored::instigator(&instigator)?,
            status: stored::status(status.as_deref())?,
            since: Timestamp(since),
            cursor,
            last_run_key,
            last_tick: last_tick.map(Timestamp),
        })
    };
    found.into_iter().map(read).collect()
}

fn reservations(db: &Connection, limit: usize) -> Result<Vec<Reservation>, Error> {
    let query = "SELECT run, tick, instigator, at, request FROM reservations ORDER BY number LIMIT ?1";
    type Columns = (String, u64, String, u64, String);
    let found = rows(db, query, &[&limit.min(PAGE_ROWS_MAX)], |row| -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let read = |(run, tick, instigator, at, request): Columns| {
        Ok(Reservation {
            run: ids(vec![run])?.pop().expect("one id in, one id out"),
            tick,
            instigator: stored::instigator(&instigator)?,
            at: Timestamp(at),
            request: parse(&request, "a run request")?,
        })
    };
    found.into_iter().map(read).collect()
}

#[async_trait]
impl Ticks for Sqlite {
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
        self.read(states).await
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
        self.read(move |db| {
            let condition = "instigator = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            let before = before.unwrap_or(NUMBER_MAX);
            ticks(db, condition, &[&instigator.to_string(), &before, &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }

    async fn open_ticks(&self) -> Result<Vec<Tick>, Error> {
        let word = TickStatus::Started.word();
        self.read(move |db| ticks(db, &format!("status = '{word}' ORDER BY number"), &[])).await
    }

    async fn used_run_keys(&self, instigator: Instigator, keys: Vec<String>) -> Result<Vec<String>, Error> {
        self.read(move |db| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            used(db, &instigator, &keys)
        })
        .await
    }

    async fn reservations(&self, limit: usize) -> Result<Vec<Reservation>, Error> {
        self.read(move |db| reservations(db, limit)).await
    }

    async fn settle(&self, term: Term, run: RunId, refused: Option<String>) -> Result<bool, AppendError> {
        Ok(self.write(Op::Tick(TickOp::Settle(term, run, refused))).await?.count() > 0)
    }

    async fn forget_skipped(&self, before: Timestamp) -> Result<u64, Error> {
        self.steer(TickOp::ForgetSkipped(before)).await
    }
}

impl Sqlite {
    /// A write that no term is needed for.
    async fn steer(&self, op: TickOp) -> Result<u64, Error> {
        Ok(self.write(Op::Tick(op)).await.map_err(plain)?.count())
    }
}
