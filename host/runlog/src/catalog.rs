//! What is known across runs: earlier results, assets, partitions that were added, runs that are pinned, channels.

use async_trait::async_trait;
use cofferdam_model::{
    AssetKey, Channel, CheckEvaluation, LibraryDigest, Materialization, Memo, Name, RunId, StepKey,
    Timestamp, ValueDigest,
};

use crate::Error;

/// A materialisation with its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Materialized {
    /// Grows with every materialisation of any asset.
    pub number: u64,
    pub run: RunId,
    /// Of its event.
    pub seq: u64,
    pub at: Timestamp,
    pub step: StepKey,
    pub output: Name,
    pub materialization: Materialization,
}

/// An evaluation of an asset check with its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checked {
    /// Grows with every evaluation of any check.
    pub number: u64,
    pub run: RunId,
    /// Of its event.
    pub seq: u64,
    pub at: Timestamp,
    pub step: StepKey,
    pub evaluation: CheckEvaluation,
}

/// Who did something that is no event, and when.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct By {
    pub who: String,
    pub at: Timestamp,
}

/// A library that was put on a channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Promotion {
    /// Grows with every promotion on any channel.
    pub number: u64,
    pub channel: Channel,
    pub library: LibraryDigest,
    /// The promotion whose library a rollback puts on the channel again.
    pub back: Option<u64>,
    /// It is itself one of a rollback.
    pub rolled_back: bool,
    pub by: By,
}

/// Memos, materialisations and evaluations are projections of events, written with them; partitions, pins and channels
/// are what they were set to. Every method is one transaction. A page has at most `limit` entries and at most
/// [`crate::PAGE_ROWS_MAX`].
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The earlier result of each memo. The first one that was recorded stays.
    async fn recall(&self, memos: Vec<ValueDigest>) -> Result<Vec<Option<Memo>>, Error>;

    /// The newest result that a step of that key has recorded, whatever its memo.
    async fn memo_of_step(&self, step: StepKey) -> Result<Option<(ValueDigest, Memo)>, Error>;

    /// Forgets the results of a run, because their values are dropped; how many they were.
    async fn forget_memos(&self, run: RunId) -> Result<u64, Error>;

    /// The newest materialisation of an asset for a partition (none: of an asset without partitions).
    async fn latest(&self, asset: AssetKey, partition: Option<String>)
    -> Result<Option<Materialized>, Error>;

    /// The newest materialisation of each partition of each of these assets, oldest first; the next page is
    /// `after` the last number.
    async fn latest_all(
        &self,
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error>;

    /// All materialisations of an asset, newest first; the next page is `before` the last number.
    async fn materializations(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error>;

    /// Partitions of an asset that were materialised, sorted; the next page is `after` the last one.
    async fn partitions_of(
        &self,
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Error>;

    /// All evaluations of an asset's checks, newest first; the next page is `before` the last number.
    async fn checks(&self, asset: AssetKey, before: Option<u64>, limit: usize)
    -> Result<Vec<Checked>, Error>;

    /// Adds partitions to a dynamic set; how many of them are new.
    async fn add_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error>;

    /// Removes partitions from a dynamic set; how many of them were there. What was materialised stays.
    async fn remove_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error>;

    /// Partitions of a dynamic set, in the order in which they were added.
    async fn partitions(&self, set: String) -> Result<Vec<String>, Error>;

    /// Keeps a run from being dropped; false if it was pinned before. Fails if there is no such run.
    async fn pin(&self, run: RunId) -> Result<bool, Error>;

    /// Takes a pin off; false if there was none.
    async fn unpin(&self, run: RunId) -> Result<bool, Error>;

    /// Pinned runs, oldest first.
    async fn pins(&self) -> Result<Vec<RunId>, Error>;

    /// Puts a library on a channel; false if it is on it.
    async fn promote(&self, channel: Channel, library: LibraryDigest, by: By) -> Result<bool, Error>;

    /// Puts the library on a channel that was on it before; again, the one before that. False if there was none.
    async fn roll_back(&self, channel: Channel, by: By) -> Result<bool, Error>;

    /// The newest promotion on each channel, by its name.
    async fn channels(&self) -> Result<Vec<Promotion>, Error>;

    /// All promotions on a channel, newest first; the next page is `before` the last number.
    async fn promotions(
        &self,
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Promotion>, Error>;
}
