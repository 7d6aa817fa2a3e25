//! The log in memory: for tests, and for runs that nobody wants to keep. The reference of the contract.

mod alerts;
mod catalog;
mod ticks;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use cofferdam_model::{Known, Recorded, RunId, Term, ValueDigest};

use crate::summary::check_batches;
use crate::{
    Alerts, AppendError, Batch, Catalog, Error, FindError, LogFilter, LogRecord, NewRun, PAGE_ROWS_MAX,
    RunFilter, RunLog, RunSummary, StoredLog, Ticks,
};

/// A [`RunLog`] that ends with the process.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    term: Term,
    runs: BTreeMap<RunId, Run>,
    plans: HashMap<ValueDigest, Vec<u8>>,
    keys: HashMap<String, RunId>,
    logs: u64,
    shared: catalog::Shared,
    automation: ticks::Automation,
    told: alerts::Told,
}

#[derive(Debug)]
struct Run {
    summary: RunSummary,
    known: Known,
    events: Vec<Recorded>,
    logs: Vec<StoredLog>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no call panics while it holds the state")
    }
}

impl State {
    fn run(&self, run: RunId) -> Result<&Run, Error> {
        self.runs.get(&run).ok_or(Error::UnknownRun(run))
    }
}

#[async_trait]
impl RunLog for Memory {
    async fn take_term(&self, after: Term) -> Result<Term, Error> {
        let mut state = self.state();
        state.term = Term(state.term.max(after).0 + 1);
        Ok(state.term)
    }

    async fn create_run(&self, new: NewRun) -> Result<RunId, Error> {
        let mut state = self.state();
        if let Some(run) = new.idempotency_key.as_ref().and_then(|key| state.keys.get(key)) {
            return Ok(*run);
        }
        if state.runs.contains_key(&new.run) {
            return Err(Error::RunExists(new.run));
        }
        let run = Run { summary: RunSummary::new(&new), known: new.known, events: vec![], logs: vec![] };
        state.runs.insert(new.run, run);
        state.plans.entry(new.digest).or_insert(new.plan);
        if let Some(key) = new.idempotency_key {
            state.keys.insert(key, new.run);
        }
        Ok(new.run)
    }

    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        let mut state = self.state();
        let state = &mut *state;
        let current = state.term;
        check_batches(&batches, current, |run| Ok(state.run(run)?.summary.clone()))?;
        for batch in batches {
            let run = state.runs.get_mut(&batch.run).expect("every batch names a run that was found");
            for recorded in batch.events {
                run.summary.apply(&recorded);
                state.shared.apply(batch.run, &recorded);
                state.told.apply(batch.run, &recorded);
                run.events.push(recorded);
            }
        }
        Ok(())
    }

    async fn append_logs(&self, records: Vec<LogRecord>) -> Result<(), Error> {
        let mut state = self.state();
        for record in &records {
            state.run(record.run)?;
        }
        for record in records {
            state.logs += 1;
            let number = state.logs;
            let run = state.runs.get_mut(&record.run).expect("every record names a run that was found");
            run.logs.push(StoredLog {
                number,
                step: record.step,
                attempt: record.attempt,
                line: record.line,
            });
        }
        Ok(())
    }

    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error> {
        let state = self.state();
        let events = state.run(run)?.events.iter();
        let wanted = events.filter(|recorded| recorded.seq >= from_seq);
        Ok(wanted.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        let state = self.state();
        let logs = state.run(run)?.logs.iter();
        let wanted = logs
            .filter(|log| log.number >= from)
            .filter(|log| filter.accepts(&log.step, log.attempt, log.line.level));
        Ok(wanted.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        let state = self.state();
        let digest = state.run(run)?.summary.plan;
        Ok(state.plans[&digest].clone())
    }

    async fn known(&self, run: RunId) -> Result<Known, Error> {
        Ok(self.state().run(run)?.known.clone())
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        Ok(self.state().run(run)?.summary.clone())
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error> {
        let state = self.state();
        let limit = filter.limit.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
        let wanted = state.runs.values().rev().map(|run| &run.summary).filter(|run| filter.accepts(run));
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        let state = self.state();
        let runs = state.runs.iter();
        let unfinished = runs.filter(|(_, run)| !run.summary.status.is_terminal());
        Ok(unfinished.map(|(id, _)| *id).collect())
    }

    async fn find(&self, prefix: &str) -> Result<RunId, FindError> {
        let wanted = prefix.to_ascii_lowercase();
        let state = self.state();
        let found = state.runs.keys().filter(|run| run.to_string().starts_with(&wanted));
        FindError::decide(prefix, found.take(FindError::SHOWN_MAX + 1).copied().collect())
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
