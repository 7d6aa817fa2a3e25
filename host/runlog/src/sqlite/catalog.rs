//! The catalog in the file: projections of events, and what is not made of events.

use async_trait::async_trait;
use cofferdam_model::{
    AssetKey, Channel, LibraryDigest, Memo, Recorded, RunId, StepKey, Timestamp, ValueDigest,
};
use rusqlite::types::FromSql;
use rusqlite::{Connection, ToSql, params};
use serde_json::json;

use super::Sqlite;
use super::read::{ids, rows, sql, summary};
use crate::calls::{Change, Op, plain};
use crate::stored::{self, Meaning};
use crate::{By, Catalog, Checked, Error, Materialized, PAGE_ROWS_MAX, Promotion};

/// Writes what events mean for the catalog. `id` is the row of their run.
pub(super) fn project(db: &Connection, id: i64, events: &[Recorded]) -> Result<(), Error> {
    let write = |recorded: &Recorded| -> rusqlite::Result<()> {
        let seq = recorded.seq;
        match stored::meaning(&recorded.event) {
            Some(Meaning::Memo { memo, step }) => {
                let insert = "INSERT INTO memos VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
                db.prepare_cached(insert)?.execute(params![memo, id, seq, step.as_str()])?;
            }
            Some(Meaning::Made { asset, partition }) => {
                db.prepare_cached(
                    "INSERT INTO materializations (asset, partition, run_id, seq) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![asset, partition, id, seq])?;
                db.prepare_cached("INSERT OR REPLACE INTO latest_materializations VALUES (?1, ?2, ?3)")?
                    .execute(params![asset, partition, db.last_insert_rowid()])?;
            }
            Some(Meaning::Checked { asset }) => {
                db.prepare_cached("INSERT INTO checks (asset, run_id, seq) VALUES (?1, ?2, ?3)")?
                    .execute(params![asset, id, seq])?;
            }
            None => {}
        }
        Ok(())
    };
    events.iter().try_for_each(write).map_err(sql("keep what events mean across runs"))
}

/// Carries out a change; how many rows it touched.
pub(super) fn change(db: &Connection, change: &Change) -> Result<u64, Error> {
    let each = |query: &str, set: &str, names: &[String]| -> rusqlite::Result<usize> {
        let mut statement = db.prepare_cached(query)?;
        names.iter().map(|name| statement.execute([set, name])).sum()
    };
    let one = |query: &str, run: &RunId| db.execute(query, [run.to_string()]);
    let touched = match change {
        Change::ForgetMemos(run) => {
            one("DELETE FROM memos WHERE run_id = (SELECT id FROM runs WHERE run = ?1)", run)
        }
        Change::AddPartitions(set, names) => each(
            "INSERT INTO partitions (name, partition) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            set,
            names,
        ),
        Change::RemovePartitions(set, names) => {
            each("DELETE FROM partitions WHERE name = ?1 AND partition = ?2", set, names)
        }
        Change::Pin(run) => {
            summary(db, *run)?;
            one("INSERT INTO pins VALUES (?1) ON CONFLICT DO NOTHING", run)
        }
        Change::Unpin(run) => one("DELETE FROM pins WHERE run = ?1", run),
        Change::Promote(channel, library, by) => db.execute(
            "INSERT INTO promotions (channel, library, back, rolled_back, who, at)
            SELECT ?1, ?2, (SELECT max(number) FROM promotions WHERE channel = ?1), 0, ?3, ?4 WHERE ?2 IS NOT
                (SELECT library FROM promotions WHERE channel = ?1 ORDER BY number DESC LIMIT 1)",
            params![channel.as_str(), library.to_string(), by.who, by.at.0],
        ),
        Change::RollBack(channel, by) => db.execute(
            "INSERT INTO promotions (channel, library, back, rolled_back, who, at)
            SELECT b.channel, b.library, b.back, 1, ?2, ?3 FROM promotions p
            JOIN promotions b ON b.number = p.back
            WHERE p.number = (SELECT max(number) FROM promotions WHERE channel = ?1)",
            params![channel.as_str(), by.who, by.at.0],
        ),
    };
    touched.map(|touched| touched as u64).map_err(sql("be changed"))
}

/// Rows of a projection `p`, each with one column of it, its run and the event that it comes from.
fn with_events<K: FromSql>(
    db: &Connection,
    (column, table, condition): (&str, &str, &str),
    parameters: &[&dyn ToSql],
) -> Result<Vec<(K, RunId, Recorded)>, Error> {
    let query = format!(
        "SELECT {column}, runs.run, events.seq, events.at, events.version, events.event FROM {table} p
        JOIN runs ON runs.id = p.run_id JOIN events ON events.run_id = p.run_id AND events.seq = p.seq
        WHERE {condition}"
    );
    let found = rows(db, &query, parameters, |row| {
        let event = (row.get::<_, u64>(2)?, row.get::<_, u64>(3)?, row.get::<_, u32>(4)?, row.get(5)?);
        Ok((row.get(0)?, row.get(1)?, event))
    })?;
    let read = |(key, run, (seq, at, version, text)): (K, String, (u64, u64, u32, String))| {
        let run = ids(vec![run])?.pop().expect("one id in, one id out");
        Ok((key, run, stored::recorded(run, seq, at, version, &text)?))
    };
    found.into_iter().map(read).collect()
}

fn made(
    db: &Connection,
    source: (&str, &str, &str),
    parameters: &[&dyn ToSql],
) -> Result<Vec<Materialized>, Error> {
    let found = with_events(db, source, parameters)?.into_iter();
    Ok(found.filter_map(|(number, run, recorded)| stored::materialized(number, run, recorded)).collect())
}

fn promotions(db: &Connection, condition: &str, parameters: &[&dyn ToSql]) -> Result<Vec<Promotion>, Error> {
    let query = format!(
        "SELECT number, channel, library, back, rolled_back, who, at FROM promotions WHERE {condition}"
    );
    let found = rows(db, &query, parameters, |row| {
        let by = By { who: row.get(5)?, at: Timestamp(row.get(6)?) };
        let names: (String, String) = (row.get(1)?, row.get(2)?);
        Ok((row.get::<_, u64>(0)?, names, row.get(3)?, row.get(4)?, by))
    })?;
    let read =
        |(number, names, back, rolled_back, by)| stored::promotion(number, names, back, rolled_back, by);
    found.into_iter().map(read).collect()
}

/// Larger than every number of a row.
pub(super) const NUMBER_MAX: u64 = i64::MAX as u64;

#[async_trait]
impl Catalog for Sqlite {
    async fn recall(&self, memos: Vec<ValueDigest>) -> Result<Vec<Option<Memo>>, Error> {
        self.read(move |db| {
            let find = |wanted: ValueDigest| {
                let source = ("p.memo", "memos", "p.memo = ?1");
                let found = with_events::<String>(db, source, &[&wanted.to_string()])?.pop();
                Ok(found.and_then(|(_, run, recorded)| stored::memo(run, recorded)).map(|(_, memo)| memo))
            };
            memos.into_iter().map(find).collect()
        })
        .await
    }

    async fn memo_of_step(&self, step: StepKey) -> Result<Option<(ValueDigest, Memo)>, Error> {
        self.read(move |db| {
            let source = ("p.memo", "memos", "p.step = ?1 ORDER BY runs.run DESC LIMIT 1");
            let found = with_events::<String>(db, source, &[&step.as_str()])?.pop();
            Ok(found.and_then(|(_, run, recorded)| stored::memo(run, recorded)))
        })
        .await
    }

    async fn forget_memos(&self, run: RunId) -> Result<u64, Error> {
        self.change(Change::ForgetMemos(run)).await
    }

    async fn latest(
        &self,
        asset: AssetKey,
        partition: Option<String>,
    ) -> Result<Option<Materialized>, Error> {
        self.read(move |db| {
            let condition = "p.number =
                (SELECT number FROM latest_materializations WHERE asset = ?1 AND partition = ?2)";
            let partition = stored::partition(partition.as_deref());
            let source = ("p.number", "materializations", condition);
            Ok(made(db, source, &[&asset.to_string(), &partition])?.pop())
        })
        .await
    }

    async fn latest_all(
        &self,
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        self.read(move |db| {
            let condition = "p.number IN (SELECT number FROM latest_materializations
                WHERE asset IN (SELECT value FROM json_each(?1))) AND p.number > ?2 ORDER BY p.number LIMIT ?3";
            let assets = json!(assets).to_string();
            let source = ("p.number", "materializations", condition);
            made(db, source, &[&assets, &after.unwrap_or(0), &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }

    async fn materializations(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        self.read(move |db| {
            let condition = "p.asset = ?1 AND p.number < ?2 ORDER BY p.number DESC LIMIT ?3";
            let source = ("p.number", "materializations", condition);
            let before = before.unwrap_or(NUMBER_MAX);
            made(db, source, &[&asset.to_string(), &before, &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }

    async fn partitions_of(
        &self,
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        self.read(move |db| {
            let query = "SELECT partition FROM latest_materializations
                WHERE asset = ?1 AND partition > ?2 ORDER BY partition LIMIT ?3";
            let (asset, limit) = (asset.to_string(), limit.min(PAGE_ROWS_MAX));
            rows(db, query, &[&asset, &after.unwrap_or_default(), &limit], |row| row.get(0))
        })
        .await
    }

    async fn checks(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Checked>, Error> {
        self.read(move |db| {
            let condition = "p.asset = ?1 AND p.number < ?2 ORDER BY p.number DESC LIMIT ?3";
            let before = before.unwrap_or(NUMBER_MAX);
            let parameters: [&dyn ToSql; 3] = [&asset.to_string(), &before, &limit.min(PAGE_ROWS_MAX)];
            let found = with_events(db, ("p.number", "checks", condition), &parameters)?.into_iter();
            Ok(found.filter_map(|(number, run, recorded)| stored::checked(number, run, recorded)).collect())
        })
        .await
    }

    async fn add_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.change(Change::AddPartitions(set, partitions)).await
    }

    async fn remove_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.change(Change::RemovePartitions(set, partitions)).await
    }

    async fn partitions(&self, set: String) -> Result<Vec<String>, Error> {
        self.read(move |db| {
            let query = "SELECT partition FROM partitions WHERE name = ?1 ORDER BY number";
            rows(db, query, &[&set], |row| row.get(0))
        })
        .await
    }

    async fn pin(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.change(Change::Pin(run)).await? > 0)
    }

    async fn unpin(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.change(Change::Unpin(run)).await? > 0)
    }

    async fn pins(&self) -> Result<Vec<RunId>, Error> {
        self.read(|db| ids(rows(db, "SELECT run FROM pins ORDER BY run", &[], |row| row.get(0))?)).await
    }

    async fn promote(&self, channel: Channel, library: LibraryDigest, by: By) -> Result<bool, Error> {
        Ok(self.change(Change::Promote(channel, library, by)).await? > 0)
    }

    async fn roll_back(&self, channel: Channel, by: By) -> Result<bool, Error> {
        Ok(self.change(Change::RollBack(channel, by)).await? > 0)
    }

    async fn channels(&self) -> Result<Vec<Promotion>, Error> {
        self.read(|db| {
            let newest = "number IN (SELECT max(number) FROM promotions GROUP BY channel) ORDER BY channel";
            promotions(db, newest, &[])
        })
        .await
    }

    async fn promotions(
        &self,
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Promotion>, Error> {
        self.read(move |db| {
            let condition = "channel = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            let before = before.unwrap_or(NUMBER_MAX);
            promotions(db, condition, &[&channel.as_str(), &before, &limit.min(PAGE_ROWS_MAX)])
        })
        .await
    }
}

impl Sqlite {
    async fn change(&self, change: Change) -> Result<u64, Error> {
        Ok(self.write(Op::Change(change)).await.map_err(plain)?.count())
    }
}
