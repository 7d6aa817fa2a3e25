//! What one transaction writes: calls are decided in memory, in their order, and then written with a statement per
//! table, however many calls there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_model::{EVENT_VERSION, Recorded, RunId, Term};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as SqlError, Row, Statement};
use uuid::Uuid;

use super::alerts;
use super::place::Place;
use super::read::int;
use super::ticks;
use crate::calls::{Change, Op, Outcome, Reply};
use crate::stored::{self, Meaning, json, level_number, parse};
use crate::summary::check_batches;
use crate::{AppendError, Batch, Error, LogRecord, NewRun, RunSummary};

/// A session and the statements that it knows already.
pub(super) struct Link {
    session: cofferdam_postgres::Session,
    statements: HashMap<&'static str, Statement>,
}

impl Link {
    pub(super) fn new(session: cofferdam_postgres::Session) -> Link {
        Link { session, statements: HashMap::new() }
    }

    pub(super) fn client(&self) -> &tokio_postgres::Client {
        &self.session.client
    }

    async fn prepared(&mut self, text: &'static str) -> Result<Statement, SqlError> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.session.client.prepare(text).await?;
        self.statements.insert(text, statement.clone());
        Ok(statement)
    }

    pub(super) async fn rows(
        &mut self,
        text: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, SqlError> {
        let statement = self.prepared(text).await?;
        self.session.client.query(&statement, parameters).await
    }

    pub(super) async fn execute(
        &mut self,
        text: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, SqlError> {
        let statement = self.prepared(text).await?;
        self.session.client.execute(&statement, parameters).await
    }
}

/// Whether a call can share a transaction with others of the kind.
pub(super) fn is_shared(op: &Op) -> bool {
    matches!(op, Op::CreateRun(_) | Op::Append(_) | Op::AppendLogs(_))
}

/// Summaries of the runs that are being written to, as they are in the database.
pub(super) type KnownRuns = HashMap<RunId, RunSummary>;

/// Carries out calls within the transaction that is under way, under the term that the store is in. A refused call
/// writes nothing, so that it does not touch the others.
pub(super) async fn carry_out(
    link: &mut Link,
    place: &Place,
    term: Term,
    known: &mut KnownRuns,
    ops: &[&Op],
) -> Result<Vec<Outcome>, Error> {
    match ops {
        [Op::TakeTerm(after)] => {
            let after = i64::try_from(after.0).unwrap_or(i64::MAX - 1);
            let query = "UPDATE office SET term = greatest(term, $1) + 1 RETURNING term";
            let taken = link.rows(query, &[&after]).await;
            let taken = taken.map_err(place.failed("take a term"))?;
            let term = taken.first().map_or(0, |row| row.get::<_, i64>(0));
            Ok(vec![Ok(Reply::Term(Term(term.unsigned_abs())))])
        }
        [Op::Change(change)] => Ok(vec![self::change(link, place, change).await?]),
        [Op::Tick(op)] => Ok(vec![ticks::write(link, place, term, op).await?]),
        [Op::Alert(op)] => Ok(vec![alerts::write(link, place, term, op).await?]),
        _ => {
            let keys = load(link, ops, known).await.map_err(place.failed("find runs"))??;
            let mut rows = Rows::default();
            let outcomes = ops.iter().map(|op| rows.decide(op, term, known, &keys)).collect();
            rows.write(link, known).await.map_err(place.failed("write"))?;
            Ok(outcomes)
        }
    }
}

/// Reads what the calls are about: summaries into `known`; gives the runs of the idempotency keys.
async fn load(
    link: &mut Link,
    ops: &[&Op],
    known: &mut KnownRuns,
) -> Result<Result<HashMap<String, RunId>, Error>, SqlError> {
    let mut runs = BTreeSet::new();
    let mut wanted: Vec<&str> = vec![];
    for op in ops {
        match op {
            Op::CreateRun(new) => {
                runs.insert(new.run);
                wanted.extend(new.idempotency_key.as_deref());
            }
            Op::Append(batches) => runs.extend(batches.iter().map(|batch| batch.run)),
            Op::AppendLogs(records) => runs.extend(records.iter().map(|record| record.run)),
            Op::TakeTerm(_) | Op::Change(_) | Op::Tick(_) | Op::Alert(_) => {}
        }
    }
    let missing: Vec<Uuid> = runs.iter().filter(|run| !known.contains_key(run)).map(|run| run.0).collect();
    if !missing.is_empty() {
        for row in link.rows("SELECT run, summary FROM runs WHERE run = ANY($1)", &[&missing]).await? {
            let run = RunId(row.get(0));
            match parse(row.get(1), format_args!("the summary of run `{run}`")) {
                Ok(summary) => known.insert(run, summary),
                Err(error) => return Ok(Err(error)),
            };
        }
    }
    let mut keys = HashMap::new();
    if !wanted.is_empty() {
        let query = "SELECT idempotency_key, run FROM runs WHERE idempotency_key = ANY($1)";
        let found = link.rows(query, &[&wanted]).await?;
        keys.extend(found.iter().map(|row| (row.get(0), RunId(row.get(1)))));
    }
    Ok(Ok(keys))
}

/// What a transaction is to write.
#[derive(Default)]
struct Rows<'a> {
    new: Vec<&'a NewRun>,
    /// Runs that were made by this transaction, by key.
    keys: BTreeMap<&'a str, RunId>,
    changed: BTreeSet<RunId>,
    events: Vec<(RunId, &'a Recorded)>,
    logs: Vec<&'a LogRecord>,
}

impl<'a> Rows<'a> {
    fn decide(
        &mut self,
        op: &'a Op,
        term: Term,
        known: &mut KnownRuns,
        keys: &HashMap<String, RunId>,
    ) -> Outcome {
        match op {
            Op::CreateRun(new) => Ok(Reply::Run(self.create_run(new, known, keys)?)),
            Op::Append(batches) => self.append(batches, term, known).map(|()| Reply::Done),
            Op::AppendLogs(records) => {
                let unknown = records.iter().find(|record| !known.contains_key(&record.run));
                if let Some(record) = unknown {
                    return Err(Error::UnknownRun(record.run).into());
                }
                self.logs.extend(records);
                Ok(Reply::Done)
            }
            Op::TakeTerm(_) | Op::Change(_) | Op::Tick(_) | Op::Alert(_) => {
                unreachable!("what cannot be shared is carried out alone")
            }
        }
    }

    fn create_run(
        &mut self,
        new: &'a NewRun,
        known: &mut KnownRuns,
        keys: &HashMap<String, RunId>,
    ) -> Result<RunId, Error> {
        if let Some(key) = new.idempotency_key.as_deref()
            && let Some(run) = keys.get(key).or_else(|| self.keys.get(key))
        {
            return Ok(*run);
        }
        if known.contains_key(&new.run) {
            return Err(Error::RunExists(new.run));
        }
        known.insert(new.run, RunSummary::new(new));
        self.keys.extend(new.idempotency_key.as_deref().map(|key| (key, new.run)));
        self.new.push(new);
        Ok(new.run)
    }

    fn append(&mut self, batches: &'a [Batch], term: Term, known: &mut KnownRuns) -> Result<(), AppendError> {
        check_batches(batches, term, |run| known.get(&run).cloned().ok_or(Error::UnknownRun(run)))?;
        for batch in batches {
            let summary = known.get_mut(&batch.run).expect("every batch names a run that was found");
            for recorded in &batch.events {
                summary.apply(recorded);
                self.events.push((batch.run, recorded));
            }
            self.changed.insert(batch.run);
        }
        Ok(())
    }

    async fn write(self, link: &mut Link, known: &KnownRuns) -> Result<(), SqlError> {
        for new in &self.new {
            write_run(link, new).await?;
        }
        if !self.events.is_empty() {
            self.write_events(link).await?;
            self.write_meanings(link).await?;
            alerts::project(link, &self.events).await?;
        }
        if !self.changed.is_empty() {
            let of = |run: &RunId| &known[run];
            let runs: Vec<Uuid> = self.changed.iter().map(|run| run.0).collect();
            let statuses: Vec<&str> = self.changed.iter().map(|run| of(run).status.word()).collect();
            let summaries: Vec<String> = self.changed.iter().map(|run| json(of(run))).collect();
            let update = "UPDATE runs SET status = n.status, summary = n.summary
                FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (run, status, summary) WHERE runs.run = n.run";
            link.execute(update, &[&runs, &statuses, &summaries]).await?;
        }
        if !self.logs.is_empty() {
            write_logs(link, &self.logs).await?;
        }
        Ok(())
    }

    async fn write_events(&self, link: &mut Link) -> Result<(), SqlError> {
        let runs: Vec<Uuid> = self.events.iter().map(|(run, _)| run.0).collect();
        let seqs: Vec<i64> = self.events.iter().map(|(_, recorded)| int(recorded.seq)).collect();
        let ats: Vec<i64> = self.events.iter().map(|(_, recorded)| int(recorded.at.0)).collect();
        let texts: Vec<String> = self.events.iter().map(|(_, recorded)| json(&recorded.event)).collect();
        let version = EVENT_VERSION.cast_signed();
        let insert =
            "INSERT INTO events (run, seq, at, version, event) SELECT run, seq, at, $5::integer, event
            FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS n (run, seq, at, event)";
        link.execute(insert, &[&runs, &seqs, &ats, &texts, &version]).await?;
        Ok(())
    }

    /// The rows of the catalog that the events mean.
    async fn write_meanings(&self, link: &mut Link) -> Result<(), SqlError> {
        let mut memos = Columns::default();
        let mut made = Columns::default();
        let mut checked = Columns::default();
        for (run, recorded) in &self.events {
            match stored::meaning(&recorded.event) {
                Some(Meaning::Memo { memo, step }) => memos.push(memo, step.as_str(), *run, recorded.seq),
                Some(Meaning::Made { asset, partition }) => made.push(asset, partition, *run, recorded.seq),
                Some(Meaning::Checked { asset }) => checked.push(asset, "", *run, recorded.seq),
                None => {}
            }
        }
        memos
            .write(
                link,
                "INSERT INTO memos (memo, step, run, seq)
                SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) ON CONFLICT DO NOTHING",
            )
            .await?;
        // Numbers are given in the order of the events, and the largest of a partition is its latest.
        made.write(
            link,
            "WITH made AS (
                INSERT INTO materializations (asset, partition, run, seq)
                SELECT asset, partition, run, seq FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
                WITH ORDINALITY AS n (asset, partition, run, seq, place) ORDER BY place
                RETURNING number, asset, partition)
            INSERT INTO latest_materializations (asset, partition, number)
            SELECT asset, partition, max(number) FROM made GROUP BY asset, partition
            ON CONFLICT (asset, partition) DO UPDATE SET number = excluded.number",
        )
        .await?;
        checked
            .write(
                link,
                "INSERT INTO checks (asset, run, seq) SELECT asset, run, seq
                FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
                WITH ORDINALITY AS n (asset, nothing, run, seq, place) ORDER BY place",
            )
            .await
    }
}

/// Rows of the catalog, by columns: two words, and the event that they come from.
#[derive(Default)]
struct Columns<'a> {
    keys: Vec<String>,
    words: Vec<&'a str>,
    runs: Vec<Uuid>,
    seqs: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, key: String, word: &'a str, run: RunId, seq: u64) {
        self.keys.push(key);
        self.words.push(word);
        self.runs.push(run.0);
        self.seqs.push(int(seq));
    }

    async fn write(self, link: &mut Link, insert: &'static str) -> Result<(), SqlError> {
        if !self.keys.is_empty() {
            link.execute(insert, &[&self.keys, &self.words, &self.runs, &self.seqs]).await?;
        }
        Ok(())
    }
}

async fn write_run(link: &mut Link, new: &NewRun) -> Result<(), SqlError> {
    let digest = new.digest.to_string();
    link.execute("INSERT INTO plans VALUES ($1, $2) ON CONFLICT DO NOTHING", &[&digest, &new.plan]).await?;
    let run = RunSummary::new(new);
    let parent = new.origin.as_ref().map(|origin| origin.parent.0);
    let root = new.origin.as_ref().map(|origin| origin.root.0);
    let known = (!new.known.0.is_empty()).then(|| json(&new.known));
    let insert = "INSERT INTO runs (run, idempotency_key, plan, job, status, summary, parent, root, known)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    link.execute(
        insert,
        &[
            &new.run.0,
            &new.idempotency_key,
            &digest,
            &new.job.as_str(),
            &run.status.word(),
            &json(&run),
            &parent,
            &root,
            &known,
        ],
    )
    .await?;
    Ok(())
}

async fn write_logs(link: &mut Link, logs: &[&LogRecord]) -> Result<(), SqlError> {
    let runs: Vec<Uuid> = logs.iter().map(|log| log.run.0).collect();
    let steps: Vec<&str> = logs.iter().map(|log| log.step.as_str()).collect();
    let attempts: Vec<i64> = logs.iter().map(|log| i64::from(log.attempt)).collect();
    let levels: Vec<i16> = logs.iter().map(|log| i16::from(level_number(log.line.level))).collect();
    let lines: Vec<String> = logs.iter().map(|log| json(&log.line)).collect();
    let insert = "INSERT INTO logs (run, step, attempt, level, line) SELECT run, step, attempt, level, line
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::smallint[], $5::text[])
        WITH ORDINALITY AS n (run, step, attempt, level, line, place) ORDER BY place";
    link.execute(insert, &[&runs, &steps, &attempts, &levels, &lines]).await?;
    Ok(())
}

async fn change(link: &mut Link, place: &Place, change: &Change) -> Result<Outcome, Error> {
    let touched = match change {
        Change::ForgetMemos(run) => link.execute("DELETE FROM memos WHERE run = $1", &[&run.0]).await,
        Change::AddPartitions(set, names) => {
            let insert = "INSERT INTO partitions (name, partition) SELECT $1, name
                FROM unnest($2::text[]) WITH ORDINALITY AS n (name, place) ORDER BY place ON CONFLICT DO NOTHING";
            link.execute(insert, &[set, names]).await
        }
        Change::RemovePartitions(set, names) => {
            let delete = "DELETE FROM partitions WHERE name = $1 AND partition = ANY($2)";
            link.execute(delete, &[set, names]).await
        }
        Change::Pin(run) => {
            let found = link.rows("SELECT 1 FROM runs WHERE run = $1", &[&run.0]).await;
            if found.map_err(place.failed("find a run"))?.is_empty() {
                return Ok(Err(Error::UnknownRun(*run).into()));
            }
            link.execute("INSERT INTO pins VALUES ($1) ON CONFLICT DO NOTHING", &[&run.0]).await
        }
        Change::Unpin(run) => link.execute("DELETE FROM pins WHERE run = $1", &[&run.0]).await,
        Change::Promote(channel, library, by) => {
            let insert = "INSERT INTO promotions (channel, library, back, rolled_back, who, at)
                SELECT $1, $2, (SELECT max(number) FROM promotions WHERE channel = $1), false, $3, $4::bigint
                WHERE $2 IS DISTINCT FROM
                    (SELECT library FROM promotions WHERE channel = $1 ORDER BY number DESC LIMIT 1)";
            link.execute(insert, &[&channel.as_str(), &library.to_string(), &by.who, &int(by.at.0)]).await
        }
        Change::RollBack(channel, by) => {
            let insert = "INSERT INTO promotions (channel, library, back, rolled_back, who, at)
                SELECT b.channel, b.library, b.back, true, $2, $3::bigint FROM promotions p
                JOIN promotions b ON b.number = p.back
                WHERE p.number = (SELECT max(number) FROM promotions WHERE channel = $1)";
            link.execute(insert, &[&channel.as_str(), &by.who, &int(by.at.0)]).await
        }
    };
    touched.map(|touched| Ok(Reply::Count(touched))).map_err(place.failed("be changed"))
}
