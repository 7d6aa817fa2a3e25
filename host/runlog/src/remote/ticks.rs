//! Schedules, sensors and ticks from afar: they are read. What a scheduler writes, and needs to go on, is for those who
//! stand beside the log.

use async_trait::async_trait;
use cofferdam_model::{Instigator, InstigatorState, InstigatorStatus, RunId, Term, Tick, Timestamp};

use super::{Ask, Question, Remote};
use crate::{AppendError, Error, NewTick, Reservation, TickEnd, Ticks};

#[async_trait]
impl<A: Ask> Ticks for Remote<A> {
    async fn watch(&self, _watched: Vec<(Instigator, String)>, _at: Timestamp) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }

    async fn set_status(
        &self,
        _instigator: Instigator,
        _status: Option<InstigatorStatus>,
        _at: Timestamp,
    ) -> Result<bool, Error> {
        Err(Error::ReadOnly)
    }

    async fn set_cursor(&self, _instigator: Instigator, _cursor: Option<String>) -> Result<bool, Error> {
        Err(Error::ReadOnly)
    }

    async fn instigators(&self) -> Result<Vec<InstigatorState>, Error> {
        self.get(Question::Instigators).await
    }

    async fn open_tick(&self, _tick: NewTick) -> Result<Tick, AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn close_tick(&self, _end: TickEnd) -> Result<Tick, AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn ticks(
        &self,
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Tick>, Error> {
        self.get(Question::Ticks { instigator, before, limit }).await
    }

    async fn open_ticks(&self) -> Result<Vec<Tick>, Error> {
        Err(Error::ReadOnly)
    }

    async fn used_run_keys(&self, _instigator: Instigator, _keys: Vec<String>) -> Result<Vec<String>, Error> {
        Err(Error::ReadOnly)
    }

    async fn reservations(&self, _limit: usize) -> Result<Vec<Reservation>, Error> {
        Err(Error::ReadOnly)
    }

    async fn settle(&self, _term: Term, _run: RunId, _refused: Option<String>) -> Result<bool, AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn forget_skipped(&self, _before: Timestamp) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }
}
