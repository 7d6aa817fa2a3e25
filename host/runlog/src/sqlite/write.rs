//! The writer thread: takes whatever is waiting, writes it in one transaction, answers after the commit.

use std::collections::HashMap;
use std::fs::File;
use std::sync::mpsc;
use std::thread::JoinHandle;

use cofferdam_model::{EVENT_VERSION, RunId, Term};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::alerts;
use super::catalog;
use super::read::{sql, summary};
use super::ticks;
use crate::calls::{Call, GROUP_CALLS_MAX, Op, Outcome, Reply};
use crate::stored::{json, level_number, parse};
use crate::summary::check_batches;
use crate::{AppendError, Batch, Error, LogRecord, NewRun, RunSummary};

/// Handle of the thread. Dropped, it waits until the calls that are under way are written.
pub(super) struct Writer {
    calls: Option<mpsc::Sender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `lock` is held for as long as the thread lives.
    pub(super) fn start(connection: Connection, lock: File) -> Writer {
        let (calls, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("runlog-writer".to_owned())
            .spawn(move || {
                Store { db: connection, known: HashMap::new(), text: vec![] }.serve(&waiting);
                drop(lock);
            })
            .expect("a thread can be started when a store is opened");
        Writer { calls: Some(calls), thread: Some(thread) }
    }

    pub(super) async fn call(&self, op: Op) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let calls = self.calls.as_ref().expect("the channel is there until drop");
        calls.send(Call { op, answer }).map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}

struct Store {
    db: Connection,
    /// Row number and summary of the runs that are being written to, as they are in the file.
    known: HashMap<RunId, (i64, RunSummary)>,
    /// Where rows are encoded, one after another.
    text: Vec<u8>,
}

impl Store {
    fn serve(&mut self, waiting: &mpsc::Receiver<Call>) {
        while let Ok(first) = waiting.recv() {
            let mut group = vec![first];
            group.extend(waiting.try_iter().take(GROUP_CALLS_MAX - 1));
            let ops: Vec<&Op> = group.iter().map(|call| &call.op).collect();
            let outcomes = match self.transaction(&ops) {
                Ok(outcomes) => outcomes,
                // One call that the database refuses must not fail its neighbours: each by itself.
                Err(_) if ops.len() > 1 => ops.iter().map(|op| self.single(op)).collect(),
                Err(error) => vec![Err(error.into())],
            };
            for (call, outcome) in group.into_iter().zip(outcomes) {
                // Who asked may have gone away; what it asked for is done all the same.
                let _ = call.answer.send(outcome);
            }
        }
    }

    fn single(&mut self, op: &Op) -> Outcome {
        let mut outcomes = self.transaction(&[op])?;
        outcomes.pop().expect("one call has one outcome")
    }

    /// Writes a group. An error of the database undoes all of it; a refused call writes nothing, so that it
    /// does not touch the others.
    fn transaction(&mut self, ops: &[&Op]) -> Result<Vec<Outcome>, Error> {
        let begun = self.db.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(sql("begin a transaction"))?;
        let written = ops.iter().map(|op| self.perform(op)).collect::<Result<Vec<_>, _>>();
        let committed = written.and_then(|outcomes| {
            let commit = self.db.execute_batch("COMMIT");
            commit.map_err(sql("commit")).map(|()| outcomes)
        });
        if committed.is_err() {
            self.known.clear();
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the run log cannot roll back");
            }
        }
        self.known.retain(|_, (_, summary)| !summary.status.is_terminal());
        committed
    }

    /// `Err` for what the database refuses, `Ok(Err)` for what the contract refuses.
    fn perform(&mut self, op: &Op) -> Result<Outcome, Error> {
        let outcome = match op {
            Op::TakeTerm(after) => self.take_term(*after).map(Reply::Term).map_err(AppendError::from),
            Op::CreateRun(run) => self.create_run(run).map(Reply::Run).map_err(AppendError::from),
            Op::Append(batches) => self.append(batches).map(|()| Reply::Done),
            Op::AppendLogs(records) => {
                self.append_logs(records).map(|()| Reply::Done).map_err(AppendError::from)
            }
            Op::Change(change) => {
                catalog::change(&self.db, change).map(Reply::Count).map_err(AppendError::from)
            }
            Op::Tick(op) => ticks::write(&self.db, op),
            Op::Alert(op) => alerts::write(&self.db, op),
        };
        match outcome {
            Err(AppendError::Store(error @ Error::Sql { .. })) => Err(error),
            outcome => Ok(outcome),
        }
    }

    fn take_term(&self, after: Term) -> Result<Term, Error> {
        let query = "UPDATE term SET term = max(term, ?1) + 1 RETURNING term";
        let term = self.db.query_row(query, [after.0], |row| row.get(0));
        term.map(Term).map_err(sql("take a term"))
    }

    fn create_run(&self, new: &NewRun) -> Result<RunId, Error> {
        if let Some(key) = &new.idempotency_key {
            let query = "SELECT summary FROM runs WHERE idempotency_key = ?1";
            let known: Option<String> = self
                .db
                .query_row(query, [key], |row| row.get(0))
                .optional()
                .map_err(sql("look up an idempotency key"))?;
            if let Some(text) = known {
                return parse::<RunSummary>(&text, "the summary of a run").map(|summary| summary.run);
            }
        }
        if summary(&self.db, new.run).is_ok() {
            return Err(Error::RunExists(new.run));
        }
        let run = RunSummary::new(new);
        let insert = || {
            let digest = new.digest.to_string();
            self.db
                .prepare_cached("INSERT INTO plans VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![digest, new.plan])?;
            self.db
                .prepare_cached(
                    "INSERT INTO runs (run, idempotency_key, plan, job, status, summary, parent, root, known)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    new.run.to_string(),
                    new.idempotency_key,
                    digest,
                    new.job.as_str(),
                    run.status.word(),
                    json(&run),
                    new.origin.as_ref().map(|origin| origin.parent.to_string()),
                    new.origin.as_ref().map(|origin| origin.root.to_string()),
                    (!new.known.0.is_empty()).then(|| json(&new.known)),
                ])
        };
        insert().map_err(sql("record a run"))?;
        Ok(new.run)
    }

    /// Row number and summary of a run, from memory if it has been written to before.
    fn known(&mut self, run: RunId) -> Result<&mut (i64, RunSummary), Error> {
        match self.known.entry(run) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => Ok(entry.insert(summary(&self.db, run)?)),
        }
    }

    fn append(&mut self, batches: &[Batch]) -> Result<(), AppendError> {
        let current = self.db.query_row("SELECT term FROM term", [], |row| row.get(0));
        let current = current.map(Term).map_err(sql("read the term"))?;
        check_batches(batches, current, |run| self.known(run).map(|(_, summary)| summary.clone()))?;
        for batch in batches {
            self.append_batch(batch)?;
        }
        Ok(())
    }

    fn append_batch(&mut self, batch: &Batch) -> Result<(), Error> {
        let (id, summary) = self.known(batch.run)?;
        for recorded in &batch.events {
            summary.apply(recorded);
        }
        let (id, status, text) = (*id, summary.status.word(), json(summary));
        let buffer = &mut self.text;
        let mut insert = || {
            let mut statement = self.db.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for recorded in &batch.events {
                statement.execute(params![
                    id,
                    recorded.seq,
                    recorded.at.0,
                    EVENT_VERSION,
                    encode(&recorded.event, buffer)
                ])?;
            }
            self.db
                .prepare_cached("UPDATE runs SET status = ?2, summary = ?3 WHERE id = ?1")?
                .execute(params![id, status, text])
        };
        insert().map_err(sql("append events"))?;
        alerts::project(&self.db, id, &batch.events)?;
        catalog::project(&self.db, id, &batch.events)
    }

    fn append_logs(&mut self, records: &[LogRecord]) -> Result<(), Error> {
        let mut ids = HashMap::new();
        for record in records {
            if let std::collections::hash_map::Entry::Vacant(entry) = ids.entry(record.run) {
                entry.insert(self.known(record.run)?.0);
            }
        }
        let buffer = &mut self.text;
        let mut insert = || {
            let mut statement = self.db.prepare_cached(
                "INSERT INTO logs (run_id, step, attempt, level, line) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for record in records {
                statement.execute(params![
                    ids[&record.run],
                    record.step.as_str(),
                    record.attempt,
                    level_number(record.line.level),
                    encode(&record.line, buffer),
                ])?;
            }
            Ok(())
        };
        insert().map_err(sql("keep log lines"))
    }
}

/// JSON in a buffer that is used again for every row.
fn encode<'a>(value: &impl serde::Serialize, buffer: &'a mut Vec<u8>) -> &'a str {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, value)
        .expect("the model's types have no maps with keys other than text");
    std::str::from_utf8(buffer).expect("JSON is UTF-8")
}
