//! News and deliveries in the file.

use async_trait::async_trait;
use cofferdam_model::{Delivery, Name, Recorded, Term, Timestamp};
use rusqlite::{Connection, ToSql, params};

use super::Sqlite;
use super::catalog::NUMBER_MAX;
use super::read::{ids, rows, sql};
use crate::alerts::{AlertOp, is_news};
use crate::calls::{Op, Reply, plain};
use crate::stored::{self, json};
use crate::ticks::check_term;
use crate::{Alerts, AppendError, Error, News, PAGE_ROWS_MAX};

/// Notes which events are news. `id` is the row of their run.
pub(super) fn project(db: &Connection, id: i64, events: &[Recorded]) -> Result<(), Error> {
    let mut news = events.iter().filter(|recorded| is_news(&recorded.event));
    let write = |recorded: &Recorded| {
        db.prepare_cached("INSERT INTO news (run_id, seq) VALUES (?1, ?2)")?
            .execute(params![id, recorded.seq])
    };
    news.try_for_each(|recorded| write(recorded).map(|_| ())).map_err(sql("note news"))
}

/// Carries out a write.
pub(super) fn write(db: &Connection, op: &AlertOp) -> Result<Reply, AppendError> {
    if let Some(term) = op.term() {
        let current = db.query_row("SELECT term FROM term", [], |row| row.get(0));
        check_term(term, Term(current.map_err(sql("read the term"))?))?;
    }
    let changed = match op {
        AlertOp::Raise(_, upto, deliveries) => raise(db, *upto, deliveries),
        AlertOp::Note(_, delivery) => note(db, delivery),
        AlertOp::Forget(before) => db.execute("DELETE FROM deliveries WHERE ended_at < ?1", [before.0]),
    };
    Ok(Reply::Count(changed.map_err(sql("be changed"))? as u64))
}

fn raise(db: &Connection, upto: u64, deliveries: &[Delivery]) -> rusqlite::Result<usize> {
    db.prepare_cached("DELETE FROM news WHERE number <= ?1")?.execute([upto])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO deliveries (key, target, next, ended_at, delivery) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (key) DO NOTHING",
    )?;
    let mut raised = 0;
    for delivery in deliveries {
        raised += insert.execute(params![
            delivery.key,
            delivery.target.as_str(),
            delivery.state.next().map(|at| at.0),
            delivery.state.ended_at().map(|at| at.0),
            json(delivery),
        ])?;
    }
    Ok(raised)
}

fn note(db: &Connection, delivery: &Delivery) -> rusqlite::Result<usize> {
    let update = "UPDATE deliveries SET next = ?2, ended_at = ?3, delivery = ?4 WHERE key = ?1";
    let (next, ended_at) = (delivery.state.next(), delivery.state.ended_at());
    db.execute(update, params![delivery.key, next.map(|at| at.0), ended_at.map(|at| at.0), json(delivery)])
}

fn news(db: &Connection, limit: usize) -> Result<Vec<News>, Error> {
    let query = "SELECT news.number, runs.run, events.seq, events.at, events.version, events.event FROM news
        JOIN runs ON runs.id = news.run_id
        JOIN events ON events.run_id = news.run_id AND events.seq = news.seq ORDER BY news.number LIMIT ?1";
    type Columns = (u64, String, u64, u64, u32, String);
    let found = rows(db, query, &[&limit.min(PAGE_ROWS_MAX)], |row| -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let read = |(number, run, seq, at, version, event): Columns| {
        let run = ids(vec![run])?.pop().expect("one id in, one id out");
        Ok(News { number, run, recorded: stored::recorded(run, seq, at, version, &event)? })
    };
    found.into_iter().map(read).collect()
}

fn deliveries(db: &Connection, rest: &str, parameters: &[&dyn ToSql]) -> Result<Vec<Delivery>, Error> {
    let query = format!("SELECT number, delivery FROM deliveries {rest}");
    let found = rows(db, &query, parameters, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
    found.into_iter().map(|(number, text)| stored::delivery(number, &text)).collect()
}

#[async_trait]
impl Alerts for Sqlite {
    async fn news(&self, limit: usize) -> Result<Vec<News>, Error> {
        self.read(move |db| news(db, limit)).await
    }

    async fn raise(&self, term: Term, upto: u64, deliveries: Vec<Delivery>) -> Result<u64, AppendError> {
        Ok(self.write(Op::Alert(AlertOp::Raise(term, upto, deliveries))).await?.count())
    }

    async fn pending(&self, target: Name, limit: usize) -> Result<Vec<Delivery>, Error> {
        self.read(move |db| {
            let rest = "WHERE target = ?1 AND next IS NOT NULL ORDER BY next, number LIMIT ?2";
            deliveries(db, rest, &[&target.as_str(), &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }

    async fn awaited(&self) -> Result<Vec<Name>, Error> {
        self.read(|db| {
            let query = "SELECT DISTINCT target FROM deliveries WHERE next IS NOT NULL ORDER BY target";
            let found = rows(db, query, &[], |row| row.get::<_, String>(0))?;
            found.iter().map(|name| stored::target(name)).collect()
        })
        .await
    }

    async fn note(&self, term: Term, delivery: Delivery) -> Result<(), AppendError> {
        self.write(Op::Alert(AlertOp::Note(term, delivery.into()))).await.map(|_| ())
    }

    async fn deliveries(&self, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, Error> {
        self.read(move |db| {
            let rest = "WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
            deliveries(db, rest, &[&before.unwrap_or(NUMBER_MAX), &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Error> {
        Ok(self.write(Op::Alert(AlertOp::Forget(before))).await.map_err(plain)?.count())
    }
}
