//! Schedules, sensors and ticks in memory. The reference of the contract.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cofferdam_model::{
    Instigator, InstigatorKind, InstigatorState, InstigatorStatus, RunId, Term, Tick, TickStatus, Timestamp,
};

use super::Memory;
use crate::ticks::{check_term, ended, last_run_key, refused, restarted, started};
use crate::{AppendError, Error, NewTick, PAGE_ROWS_MAX, Reservation, TickEnd, Ticks};

#[derive(Debug, Default)]
pub(super) struct Automation {
    /// With what each of them ticks by.
    instigators: BTreeMap<Instigator, (InstigatorState, String)>,
    ticks: BTreeMap<u64, Tick>,
    n_ticks: u64,
    run_keys: BTreeSet<(Instigator, String)>,
    reservations: Vec<Reservation>,
}

impl Automation {
    fn watch(&mut self, (instigator, ticks_by): (Instigator, String), at: Timestamp) -> bool {
        let known = self.instigators.get_mut(&instigator);
        match known {
            Some((_, before)) if *before == ticks_by => return false,
            Some((state, before)) => (state.since, *before) = (at, ticks_by),
            None => {
                let state = InstigatorState {
                    instigator: instigator.clone(),
                    status: None,
                    since: at,
                    cursor: None,
                    last_run_key: None,
                    last_tick: None,
                };
                self.instigators.insert(instigator, (state, ticks_by));
            }
        }
        true
    }

    fn open(&mut self, new: &NewTick) -> Result<Tick, Error> {
        let unknown = || Error::UnknownInstigator(new.instigator.clone());
        let (state, _) = self.instigators.get_mut(&new.instigator).ok_or_else(unknown)?;
        let found = self.ticks.values().find(|tick| tick.instigator == new.instigator && tick.at == new.at);
        let tick = match found {
            Some(tick) => restarted(tick, new.now).unwrap_or_else(|| tick.clone()),
            None => {
                state.last_tick = state.last_tick.max(Some(new.at));
                self.n_ticks += 1;
                Tick { number: self.n_ticks, ..started(new) }
            }
        };
        self.ticks.insert(tick.number, tick.clone());
        Ok(tick)
    }

    fn close(&mut self, end: &TickEnd) -> Result<Tick, Error> {
        let tick = self.ticks.get(&end.number).ok_or(Error::UnknownTick(end.number))?;
        let Some(tick) = ended(tick, end) else { return Ok(tick.clone()) };
        let instigator = &tick.instigator;
        let keys = end.runs.iter().filter_map(|reserved| reserved.request.run_key.clone());
        let mut run_keys = self.run_keys.clone();
        for key in keys {
            if !run_keys.insert((instigator.clone(), key.clone())) {
                return Err(Error::UsedRunKey { instigator: instigator.clone(), key });
            }
        }
        self.run_keys = run_keys;
        if let Some((state, _)) = self.instigators.get_mut(instigator) {
            state.cursor = end.cursor.clone().or(state.cursor.take());
            state.last_run_key = last_run_key(end).map(str::to_owned).or(state.last_run_key.take());
        }
        self.reservations.extend(end.runs.iter().map(|reserved| Reservation {
            tick: tick.number,
            instigator: instigator.clone(),
            at: tick.at,
            run: reserved.run,
            request: reserved.request.clone(),
        }));
        self.ticks.insert(tick.number, tick.clone());
        Ok(tick)
    }

    fn settle(&mut self, run: RunId, why: Option<&str>) -> bool {
        let Some(at) = self.reservations.iter().position(|reserved| reserved.run == run) else {
            return false;
        };
        let reserved = self.reservations.remove(at);
        if let (Some(why), Some(tick)) = (why, self.ticks.get_mut(&reserved.tick)) {
            *tick = refused(tick.clone(), run, why);
        }
        true
    }
}

#[async_trait]
impl Ticks for Memory {
    async fn watch(&self, watched: Vec<(Instigator, String)>, at: Timestamp) -> Result<u64, Error> {
        let mut state = self.state();
        let changed = watched.into_iter().filter(|one| state.automation.watch(one.clone(), at));
        Ok(changed.count() as u64)
    }

    async fn set_status(
        &self,
        instigator: Instigator,
        status: Option<InstigatorStatus>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let mut state = self.state();
        let known = state.automation.instigators.get_mut(&instigator);
        let Some((known, _)) = known.filter(|(known, _)| known.status != status) else { return Ok(false) };
        (known.status, known.since) = (status, at);
        Ok(true)
    }

    async fn set_cursor(&self, instigator: Instigator, cursor: Option<String>) -> Result<bool, Error> {
        let mut state = self.state();
        let known = state.automation.instigators.get_mut(&instigator);
        Ok(known.map(|(known, _)| known.cursor = cursor).is_some())
    }

    async fn instigators(&self) -> Result<Vec<InstigatorState>, Error> {
        let mut states: Vec<InstigatorState> =
            self.state().automation.instigators.values().map(|(state, _)| state.clone()).collect();
        states.sort_by_key(|state| state.instigator.to_string());
        Ok(states)
    }

    async fn open_tick(&self, tick: NewTick) -> Result<Tick, AppendError> {
        let mut state = self.state();
        check_term(tick.term, state.term)?;
        Ok(state.automation.open(&tick)?)
    }

    async fn close_tick(&self, end: TickEnd) -> Result<Tick, AppendError> {
        let mut state = self.state();
        check_term(end.term, state.term)?;
        Ok(state.automation.close(&end)?)
    }

    async fn ticks(
        &self,
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Tick>, Error> {
        let state = self.state();
        let ticks = state.automation.ticks.values().rev().filter(|tick| tick.instigator == instigator);
        let ticks = ticks.filter(|tick| before.is_none_or(|before| tick.number < before));
        Ok(ticks.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn open_ticks(&self) -> Result<Vec<Tick>, Error> {
        let state = self.state();
        let open = state.automation.ticks.values().filter(|tick| tick.status == TickStatus::Started);
        Ok(open.cloned().collect())
    }

    async fn used_run_keys(&self, instigator: Instigator, keys: Vec<String>) -> Result<Vec<String>, Error> {
        let state = self.state();
        let is_used = |key: &String| state.automation.run_keys.contains(&(instigator.clone(), key.clone()));
        Ok(keys.into_iter().filter(is_used).collect())
    }

    async fn reservations(&self, limit: usize) -> Result<Vec<Reservation>, Error> {
        let state = self.state();
        Ok(state.automation.reservations.iter().take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn settle(&self, term: Term, run: RunId, refused: Option<String>) -> Result<bool, AppendError> {
        let mut state = self.state();
        check_term(term, state.term)?;
        Ok(state.automation.settle(run, refused.as_deref()))
    }

    async fn forget_skipped(&self, before: Timestamp) -> Result<u64, Error> {
        let mut state = self.state();
        let ticks = &mut state.automation.ticks;
        let n = ticks.len();
        ticks.retain(|_, tick| {
            tick.instigator.kind != InstigatorKind::Sensor
                || tick.status != TickStatus::Skipped
                || tick.ended_at.is_none_or(|ended| ended >= before)
        });
        Ok((n - ticks.len()) as u64)
    }
}
