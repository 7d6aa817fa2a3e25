//! A run log at the other end of a connection: its calls as data, [`answer`] beside the log, [`Remote`] where they are
//! asked. Everything can be read from there; of what is written only the choices of people (pins, dynamic partitions, channels),
//! never histories. How questions travel is the business of [`Ask`].

mod alerts;
mod ticks;

use async_trait::async_trait;
use cofferdam_model::{
    AssetKey, Channel, Instigator, Known, LibraryDigest, Memo, Recorded, RunId, StepKey, Term, ValueDigest,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{
    Alerts, AppendError, Batch, By, Catalog, Checked, Error, FindError, LogFilter, LogRecord, Materialized,
    NewRun, PAGE_ROWS_MAX, Promotion, RunFilter, RunLog, RunSummary, StoredLog, Ticks,
};

/// Rows of one answer: an event holds up to some hundreds of KiB of values, and an answer is held whole.
const ANSWER_ROWS_MAX: usize = 1000;

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    Events {
        run: RunId,
        from_seq: u64,
        limit: usize,
    },
    Logs {
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    },
    Plan {
        run: RunId,
    },
    Known {
        run: RunId,
    },
    Summary {
        run: RunId,
    },
    Runs(RunFilter),
    Unfinished,
    Find {
        prefix: String,
    },
    Recall {
        memos: Vec<ValueDigest>,
    },
    MemoOfStep {
        step: StepKey,
    },
    Latest {
        asset: AssetKey,
        partition: Option<String>,
    },
    LatestAll {
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    },
    Materializations {
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    },
    PartitionsOf {
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    },
    Checks {
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    },
    AddPartitions {
        set: String,
        partitions: Vec<String>,
    },
    RemovePartitions {
        set: String,
        partitions: Vec<String>,
    },
    Partitions {
        set: String,
    },
    Pin {
        run: RunId,
    },
    Unpin {
        run: RunId,
    },
    Pins,
    /// Who asks is put there by who is asked.
    Promote {
        channel: Channel,
        library: LibraryDigest,
        by: By,
    },
    RollBack {
        channel: Channel,
        by: By,
    },
    Channels,
    Promotions {
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    },
    Instigators,
    Ticks {
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    },
}

impl Question {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a question can be written as JSON")
    }

    /// Reads what [`Question::encode`] wrote; a program of another version may have other questions.
    pub fn decode(bytes: &[u8]) -> Result<Question, Error> {
        serde_json::from_slice(bytes)
            .map_err(|source| Error::Damaged { what: "a question".to_owned(), source: source.into() })
    }
}

/// What a search for a run found: it, or those that are meant as well.
type Found = Result<RunId, Vec<RunId>>;

/// Answers a question from a log: JSON, or the stored form of a plan as it is.
pub async fn answer(log: &dyn RunLog, question: Question) -> Result<Vec<u8>, Error> {
    let catalog = log.catalog();
    let rows = |limit: usize| limit.min(ANSWER_ROWS_MAX);
    match question {
        Question::Events { run, from_seq, limit } => json(log.events(run, from_seq, rows(limit)).await?),
        Question::Logs { run, filter, from, limit } => json(log.logs(run, filter, from, rows(limit)).await?),
        Question::Plan { run } => log.plan(run).await,
        Question::Known { run } => json(log.known(run).await?),
        Question::Summary { run } => json(log.summary(run).await?),
        Question::Runs(filter) => json(log.runs(filter).await?),
        Question::Unfinished => json(log.unfinished().await?),
        Question::Find { prefix } => json(found(log.find(&prefix).await)?),
        Question::Recall { memos } => json(catalog.recall(memos).await?),
        Question::MemoOfStep { step } => json(catalog.memo_of_step(step).await?),
        Question::Latest { asset, partition } => json(catalog.latest(asset, partition).await?),
        Question::LatestAll { assets, after, limit } => json(catalog.latest_all(assets, after, limit).await?),
        Question::Materializations { asset, before, limit } => {
            json(catalog.materializations(asset, before, limit).await?)
        }
        Question::PartitionsOf { asset, after, limit } => {
            json(catalog.partitions_of(asset, after, limit).await?)
        }
        Question::Checks { asset, before, limit } => json(catalog.checks(asset, before, limit).await?),
        Question::AddPartitions { set, partitions } => json(catalog.add_partitions(set, partitions).await?),
        Question::RemovePartitions { set, partitions } => {
            json(catalog.remove_partitions(set, partitions).await?)
        }
        Question::Partitions { set } => json(catalog.partitions(set).await?),
        Question::Pin { run } => json(catalog.pin(run).await?),
        Question::Unpin { run } => json(catalog.unpin(run).await?),
        Question::Pins => json(catalog.pins().await?),
        Question::Promote { channel, library, by } => json(catalog.promote(channel, library, by).await?),
        Question::RollBack { channel, by } => json(catalog.roll_back(channel, by).await?),
        Question::Channels => json(catalog.channels().await?),
        Question::Promotions { channel, before, limit } => {
            json(catalog.promotions(channel, before, rows(limit)).await?)
        }
        Question::Instigators => json(log.automation().instigators().await?),
        Question::Ticks { instigator, before, limit } => {
            json(log.automation().ticks(instigator, before, rows(limit)).await?)
        }
    }
}

fn json<T: Serialize>(answer: T) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(&answer).expect("what the log holds can be written as JSON"))
}

fn found(found: Result<RunId, FindError>) -> Result<Found, Error> {
    match found {
        Ok(run) => Ok(Ok(run)),
        Err(FindError::None(_)) => Ok(Err(vec![])),
        Err(FindError::Ambiguous { runs, .. }) => Ok(Err(runs)),
        Err(FindError::Store(error)) => Err(error),
    }
}

/// Brings a question to where the log is.
#[async_trait]
pub trait Ask: Send + Sync {
    /// What [`answer`] gives there. A future that is dropped leaves open whether it was asked.
    async fn ask(&self, question: Question) -> Result<Vec<u8>, Error>;
}

/// The run log beyond `A`. What only a scheduler does is refused: [`Error::ReadOnly`].
#[derive(Debug)]
pub struct Remote<A>(pub A);

impl<A: Ask> Remote<A> {
    async fn get<T: DeserializeOwned>(&self, question: Question) -> Result<T, Error> {
        let bytes = self.0.ask(question).await?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Damaged { what: "an answer".to_owned(), source: source.into() })
    }
}

#[async_trait]
impl<A: Ask> RunLog for Remote<A> {
    async fn take_term(&self, _after: Term) -> Result<Term, Error> {
        Err(Error::ReadOnly)
    }

    async fn create_run(&self, _run: NewRun) -> Result<RunId, Error> {
        Err(Error::ReadOnly)
    }

    async fn append(&self, _batches: Vec<Batch>) -> Result<(), AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn append_logs(&self, _records: Vec<LogRecord>) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error> {
        let limit = limit.min(PAGE_ROWS_MAX);
        let mut events: Vec<Recorded> = vec![];
        loop {
            let from_seq = events.last().map_or(from_seq, |last| last.seq + 1);
            let limit = limit - events.len();
            let page: Vec<Recorded> = self.get(Question::Events { run, from_seq, limit }).await?;
            let full = page.len() == ANSWER_ROWS_MAX && page.len() < limit;
            events.extend(page);
            if !full {
                return Ok(events);
            }
        }
    }

    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        let limit = limit.min(PAGE_ROWS_MAX);
        let mut lines: Vec<StoredLog> = vec![];
        loop {
            let from = lines.last().map_or(from, |last| last.number + 1);
            let (filter, limit) = (filter.clone(), limit - lines.len());
            let page: Vec<StoredLog> = self.get(Question::Logs { run, filter, from, limit }).await?;
            let full = page.len() == ANSWER_ROWS_MAX && page.len() < limit;
            lines.extend(page);
            if !full {
                return Ok(lines);
            }
        }
    }

    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        self.0.ask(Question::Plan { run }).await
    }

    async fn known(&self, run: RunId) -> Result<Known, Error> {
        self.get(Question::Known { run }).await
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        self.get(Question::Summary { run }).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.get(Question::Runs(filter)).await
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        self.get(Question::Unfinished).await
    }

    async fn find(&self, prefix: &str) -> Result<RunId, FindError> {
        let question = Question::Find { prefix: prefix.to_owned() };
        self.get::<Found>(question).await?.or_else(|runs| FindError::decide(prefix, runs))
    }

    fn catalog(&self) -> &dyn Catalog {
        self
    }

    fn automation(&self) -> &dyn Ticks {
        self
    }

    fn alerts(&self) -> &dyn Alerts {
        self
    }
}

#[async_trait]
impl<A: Ask> Catalog for Remote<A> {
    async fn recall(&self, memos: Vec<ValueDigest>) -> Result<Vec<Option<Memo>>, Error> {
        self.get(Question::Recall { memos }).await
    }

    async fn memo_of_step(&self, step: StepKey) -> Result<Option<(ValueDigest, Memo)>, Error> {
        self.get(Question::MemoOfStep { step }).await
    }

    async fn forget_memos(&self, _run: RunId) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }

    async fn latest(
        &self,
        asset: AssetKey,
        partition: Option<String>,
    ) -> Result<Option<Materialized>, Error> {
        self.get(Question::Latest { asset, partition }).await
    }

    async fn latest_all(
        &self,
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        self.get(Question::LatestAll { assets, after, limit }).await
    }

    async fn materializations(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        self.get(Question::Materializations { asset, before, limit }).await
    }

    async fn partitions_of(
        &self,
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        self.get(Question::PartitionsOf { asset, after, limit }).await
    }

    async fn checks(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Checked>, Error> {
        self.get(Question::Checks { asset, before, limit }).await
    }

    async fn add_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.get(Question::AddPartitions { set, partitions }).await
    }

    async fn remove_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        self.get(Question::RemovePartitions { set, partitions }).await
    }

    async fn partitions(&self, set: String) -> Result<Vec<String>, Error> {
        self.get(Question::Partitions { set }).await
    }

    async fn pin(&self, run: RunId) -> Result<bool, Error> {
        self.get(Question::Pin { run }).await
    }

    async fn unpin(&self, run: RunId) -> Result<bool, Error> {
        self.get(Question::Unpin { run }).await
    }

    async fn pins(&self) -> Result<Vec<RunId>, Error> {
        self.get(Question::Pins).await
    }

    async fn promote(&self, channel: Channel, library: LibraryDigest, by: By) -> Result<bool, Error> {
        self.get(Question::Promote { channel, library, by }).await
    }

    async fn roll_back(&self, channel: Channel, by: By) -> Result<bool, Error> {
        self.get(Question::RollBack { channel, by }).await
    }

    async fn channels(&self) -> Result<Vec<Promotion>, Error> {
        self.get(Question::Channels).await
    }

    async fn promotions(
        &self,
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Promotion>, Error> {
        self.get(Question::Promotions { channel, before, limit }).await
    }
}
