//! The catalog in the database: projections of events, and what is not made of events.

use async_trait::async_trait;
use cofferdam_model::{
    AssetKey, Channel, LibraryDigest, Memo, Recorded, RunId, StepKey, Timestamp, ValueDigest,
};
use tokio_postgres::types::FromSqlOwned;

use super::Postgres;
use super::read::{Parameters, event, ids, int, natural, page};
use crate::calls::{Change, Op, plain};
use crate::stored;
use crate::{By, Catalog, Checked, Error, Materialized, Promotion};

impl Postgres {
    /// Rows of a projection `p`, each with one column of it, its run and the event that it comes from.
    async fn with_events<K: FromSqlOwned>(
        &self,
        (column, table, condition): (&str, &str, &str),
        parameters: Parameters<'_>,
    ) -> Result<Vec<(K, RunId, Recorded)>, Error> {
        let query = format!(
            "SELECT {column}, p.run, e.seq, e.at, e.version, e.event FROM {table} p
            JOIN events e ON e.run = p.run AND e.seq = p.seq WHERE {condition}"
        );
        let rows = self.readers.rows(&query, parameters).await?;
        let read = |row: &tokio_postgres::Row| {
            let run = RunId(row.get(1));
            Ok((row.get(0), run, event(run, row, 2)?))
        };
        rows.iter().map(read).collect()
    }

    async fn made(&self, condition: &str, parameters: Parameters<'_>) -> Result<Vec<Materialized>, Error> {
        let source = ("p.number", "materializations", condition);
        let found = self.with_events::<i64>(source, parameters).await?.into_iter();
        Ok(found
            .filter_map(|(number, run, recorded)| stored::materialized(natural(number), run, recorded))
            .collect())
    }

    async fn promoted(&self, condition: &str, parameters: Parameters<'_>) -> Result<Vec<Promotion>, Error> {
        let query = format!(
            "SELECT number, channel, library, back, rolled_back, who, at FROM promotions WHERE {condition}"
        );
        let rows = self.readers.rows(&query, parameters).await?;
        let read = |row: &tokio_postgres::Row| {
            let by = By { who: row.get(5), at: Timestamp(natural(row.get(6))) };
            let back = row.get::<_, Option<i64>>(3).map(natural);
            stored::promotion(natural(row.get(0)), (row.get(1), row.get(2)), back, row.get(4), by)
        };
        rows.iter().map(read).collect()
    }

    async fn change(&self, change: Change) -> Result<u64, Error> {
        Ok(self.write(Op::Change(change)).await.map_err(plain)?.count())
    }
}

#[async_trait]
impl Catalog for Postgres {
    async fn recall(&self, memos: Vec<ValueDigest>) -> Result<Vec<Option<Memo>>, Error> {
        let wanted: Vec<String> = memos.iter().map(ToString::to_string).collect();
        let found = self.with_events::<String>(("p.memo", "memos", "p.memo = ANY($1)"), &[&wanted]).await?;
        let found: std::collections::HashMap<ValueDigest, Memo> =
            found.into_iter().filter_map(|(_, run, recorded)| stored::memo(run, recorded)).collect();
        Ok(memos.iter().map(|memo| found.get(memo).cloned()).collect())
    }

    async fn memo_of_step(&self, step: StepKey) -> Result<Option<(ValueDigest, Memo)>, Error> {
        let source = ("p.memo", "memos", "p.step = $1 ORDER BY p.run DESC LIMIT 1");
        let found = self.with_events::<String>(source, &[&step.as_str()]).await?.pop();
        Ok(found.and_then(|(_, run, recorded)| stored::memo(run, recorded)))
    }

    async fn forget_memos(&self, run: RunId) -> Result<u64, Error> {
        self.change(Change::ForgetMemos(run)).await
    }

    async fn latest(
        &self,
        asset: AssetKey,
        partition: Option<String>,
    ) -> Result<Option<Materialized>, Error> {
        let condition =
            "p.number = (SELECT number FROM latest_materializations WHERE asset = $1 AND partition = $2)";
        let partition = stored::partition(partition.as_deref());
        Ok(self.made(condition, &[&asset.to_string(), &partition]).await?.pop())
    }

    async fn latest_all(
        &self,
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        let condition = "p.number IN (SELECT number FROM latest_materializations WHERE asset = ANY($1))
            AND p.number > $2 ORDER BY p.number LIMIT $3";
        let assets: Vec<String> = assets.iter().map(ToString::to_string).collect();
        self.made(condition, &[&assets, &int(after.unwrap_or(0)), &page(limit)]).await
    }

    async fn materializations(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        let condition = "p.asset = $1 AND p.number < $2 ORDER BY p.number DESC LIMIT $3";
        self.made(condition, &[&asset.to_string(), &int(before.unwrap_or(u64::MAX)), &page(limit)]).await
    }

    async fn partitions_of(
        &self,
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let query = "SELECT partition FROM latest_materializations
            WHERE asset = $1 AND partition > $2 ORDER BY partition LIMIT $3";
        let after = after.unwrap_or_default();
        let rows = self.readers.rows(query, &[&asset.to_string(), &after, &page(limit)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn checks(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Checked>, Error> {
        let source = ("p.number", "checks", "p.asset = $1 AND p.number < $2 ORDER BY p.number DESC LIMIT $3");
        let before = int(before.unwrap_or(u64::MAX));
        let found = self.with_events::<i64>(source, &[&asset.to_string(), &before, &page(limit)]).await?;
        let found = found.into_iter();
        Ok(found
            .filter_map(|(number, run, recorded)| stored::checked(natural(number), run, recorded))
            .collect())
    }

    async fn add_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.change(Change::AddPartitions(set, partitions)).await
    }

    async fn remove_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.change(Change::RemovePartitions(set, partitions)).await
    }

    async fn partitions(&self, set: String) -> Result<Vec<String>, Error> {
        let query = "SELECT partition FROM partitions WHERE name = $1 ORDER BY number";
        let rows = self.readers.rows(query, &[&set]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn pin(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.change(Change::Pin(run)).await? > 0)
    }

    async fn unpin(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.change(Change::Unpin(run)).await? > 0)
    }

    async fn pins(&self) -> Result<Vec<RunId>, Error> {
        Ok(ids(&self.readers.rows("SELECT run FROM pins ORDER BY run", &[]).await?))
    }

    async fn promote(&self, channel: Channel, library: LibraryDigest, by: By) -> Result<bool, Error> {
        Ok(self.change(Change::Promote(channel, library, by)).await? > 0)
    }

    async fn roll_back(&self, channel: Channel, by: By) -> Result<bool, Error> {
        Ok(self.change(Change::RollBack(channel, by)).await? > 0)
    }

    async fn channels(&self) -> Result<Vec<Promotion>, Error> {
        let newest = "number IN (SELECT max(number) FROM promotions GROUP BY channel) ORDER BY channel";
        self.promoted(newest, &[]).await
    }

    async fn promotions(
        &self,
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Promotion>, Error> {
        let condition = "channel = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
        self.promoted(condition, &[&channel.as_str(), &int(before.unwrap_or(u64::MAX)), &page(limit)]).await
    }
}
