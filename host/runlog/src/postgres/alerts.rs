//! News and deliveries in the database.

use async_trait::async_trait;
use cofferdam_model::{Delivery, Name, Recorded, RunId, Term, Timestamp};
use tokio_postgres::{Error as SqlError, Row};
use uuid::Uuid;

use super::Postgres;
use super::group::Link;
use super::place::Place;
use super::read::{event, int, natural, page};
use crate::alerts::{AlertOp, is_news};
use crate::calls::{Op, Outcome, Reply, plain};
use crate::stored::{self, json};
use crate::ticks::check_term;
use crate::{Alerts, AppendError, Error, News};

/// Notes which events are news.
pub(super) async fn project(link: &mut Link, events: &[(RunId, &Recorded)]) -> Result<(), SqlError> {
    let news = events.iter().filter(|(_, recorded)| is_news(&recorded.event));
    let (runs, seqs): (Vec<Uuid>, Vec<i64>) = news.map(|(run, recorded)| (run.0, int(recorded.seq))).unzip();
    if !runs.is_empty() {
        let insert = "INSERT INTO news (run, seq) SELECT run, seq FROM unnest($1::uuid[], $2::bigint[])
            WITH ORDINALITY AS n (run, seq, place) ORDER BY place";
        link.execute(insert, &[&runs, &seqs]).await?;
    }
    Ok(())
}

/// Carries out a write within the transaction that is under way, under the term that the store is in. `Err` for what
/// the database refuses, `Ok(Err)` for what the contract refuses, which then has written nothing.
pub(super) async fn write(
    link: &mut Link,
    place: &Place,
    term: Term,
    op: &AlertOp,
) -> Result<Outcome, Error> {
    if let Some(Err(stale)) = op.term().map(|of| check_term(of, term)) {
        return Ok(Err(stale));
    }
    let changed = match op {
        AlertOp::Raise(_, upto, deliveries) => raise(link, *upto, deliveries).await,
        AlertOp::Note(_, delivery) => {
            let update = "UPDATE deliveries SET next = $2, ended_at = $3, delivery = $4 WHERE key = $1";
            let [next, ended_at] = instants(delivery);
            link.execute(update, &[&delivery.key, &next, &ended_at, &json(delivery)]).await
        }
        AlertOp::Forget(before) => {
            link.execute("DELETE FROM deliveries WHERE ended_at < $1", &[&int(before.0)]).await
        }
    };
    changed.map(|changed| Ok(Reply::Count(changed))).map_err(place.failed("be changed"))
}

async fn raise(link: &mut Link, upto: u64, deliveries: &[Delivery]) -> Result<u64, SqlError> {
    link.execute("DELETE FROM news WHERE number <= $1", &[&int(upto)]).await?;
    let insert = "INSERT INTO deliveries (key, target, next, ended_at, delivery) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO NOTHING";
    let mut raised = 0;
    for delivery in deliveries {
        let [next, ended_at] = instants(delivery);
        let (target, text) = (delivery.target.as_str(), json(delivery));
        raised += link.execute(insert, &[&delivery.key, &target, &next, &ended_at, &text]).await?;
    }
    Ok(raised)
}

/// When it is to be tried, and when it ended.
fn instants(delivery: &Delivery) -> [Option<i64>; 2] {
    [delivery.state.next(), delivery.state.ended_at()].map(|at| at.map(|at| int(at.0)))
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    stored::delivery(natural(row.get(0)), row.get(1))
}

#[async_trait]
impl Alerts for Postgres {
    async fn news(&self, limit: usize) -> Result<Vec<News>, Error> {
        let query =
            "SELECT news.number, news.run, events.seq, events.at, events.version, events.event FROM news
            JOIN events ON events.run = news.run AND events.seq = news.seq ORDER BY news.number LIMIT $1";
        let rows = self.readers.rows(query, &[&page(limit)]).await?;
        let read = |row: &Row| {
            let run = RunId(row.get(1));
            Ok(News { number: natural(row.get(0)), run, recorded: event(run, row, 2)? })
        };
        rows.iter().map(read).collect()
    }

    async fn raise(&self, term: Term, upto: u64, deliveries: Vec<Delivery>) -> Result<u64, AppendError> {
        Ok(self.write(Op::Alert(AlertOp::Raise(term, upto, deliveries))).await?.count())
    }

    async fn pending(&self, target: Name, limit: usize) -> Result<Vec<Delivery>, Error> {
        let query = "SELECT number, delivery FROM deliveries WHERE target = $1 AND next IS NOT NULL
            ORDER BY next, number LIMIT $2";
        let rows = self.readers.rows(query, &[&target.as_str(), &page(limit)]).await?;
        rows.iter().map(delivery).collect()
    }

    async fn awaited(&self) -> Result<Vec<Name>, Error> {
        let query = "SELECT DISTINCT target FROM deliveries WHERE next IS NOT NULL ORDER BY target";
        self.readers.rows(query, &[]).await?.iter().map(|row| stored::target(row.get(0))).collect()
    }

    async fn note(&self, term: Term, delivery: Delivery) -> Result<(), AppendError> {
        self.write(Op::Alert(AlertOp::Note(term, delivery.into()))).await.map(|_| ())
    }

    async fn deliveries(&self, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, Error> {
        let query = "SELECT number, delivery FROM deliveries WHERE number < $1 ORDER BY number DESC LIMIT $2";
        let before = int(before.unwrap_or(u64::MAX));
        let rows = self.readers.rows(query, &[&before, &page(limit)]).await?;
        rows.iter().map(delivery).collect()
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Error> {
        Ok(self.write(Op::Alert(AlertOp::Forget(before))).await.map_err(plain)?.count())
    }
}
