//! News and deliveries in memory. The reference of the contract.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cofferdam_model::{Delivery, Name, Recorded, RunId, Term, Timestamp};

use super::Memory;
use crate::alerts::is_news;
use crate::ticks::check_term;
use crate::{Alerts, AppendError, Error, News, PAGE_ROWS_MAX};

#[derive(Debug, Default)]
pub(super) struct Told {
    news: Vec<News>,
    n_news: u64,
    deliveries: Vec<Delivery>,
    n_deliveries: u64,
}

impl Told {
    /// Takes note of an event.
    pub(super) fn apply(&mut self, run: RunId, recorded: &Recorded) {
        if is_news(&recorded.event) {
            self.n_news += 1;
            self.news.push(News { number: self.n_news, run, recorded: recorded.clone() });
        }
    }

    /// Whether it is new.
    fn raise(&mut self, delivery: Delivery) -> bool {
        let is_new = self.deliveries.iter().all(|known| known.key != delivery.key);
        if is_new {
            self.n_deliveries += 1;
            self.deliveries.push(Delivery { number: self.n_deliveries, ..delivery });
        }
        is_new
    }
}

#[async_trait]
impl Alerts for Memory {
    async fn news(&self, limit: usize) -> Result<Vec<News>, Error> {
        Ok(self.state().told.news.iter().take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn raise(&self, term: Term, upto: u64, deliveries: Vec<Delivery>) -> Result<u64, AppendError> {
        let mut state = self.state();
        check_term(term, state.term)?;
        state.told.news.retain(|news| news.number > upto);
        let raised = deliveries.into_iter().filter(|delivery| state.told.raise(delivery.clone()));
        Ok(raised.count() as u64)
    }

    async fn pending(&self, target: Name, limit: usize) -> Result<Vec<Delivery>, Error> {
        let state = self.state();
        let all = state.told.deliveries.iter().filter(|delivery| delivery.target == target);
        let mut pending: Vec<&Delivery> = all.filter(|delivery| delivery.state.next().is_some()).collect();
        pending.sort_by_key(|delivery| (delivery.state.next(), delivery.number));
        Ok(pending.into_iter().take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn awaited(&self) -> Result<Vec<Name>, Error> {
        let state = self.state();
        let pending = state.told.deliveries.iter().filter(|delivery| delivery.state.next().is_some());
        let targets: BTreeSet<&Name> = pending.map(|delivery| &delivery.target).collect();
        Ok(targets.into_iter().cloned().collect())
    }

    async fn note(&self, term: Term, delivery: Delivery) -> Result<(), AppendError> {
        let mut state = self.state();
        check_term(term, state.term)?;
        for known in state.told.deliveries.iter_mut().filter(|known| known.key == delivery.key) {
            *known = Delivery { number: known.number, ..delivery.clone() };
        }
        Ok(())
    }

    async fn deliveries(&self, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, Error> {
        let state = self.state();
        let all = state.told.deliveries.iter().rev();
        let wanted = all.filter(|delivery| before.is_none_or(|before| delivery.number < before));
        Ok(wanted.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Error> {
        let deliveries = &mut self.state().told.deliveries;
        let n_before = deliveries.len();
        deliveries.retain(|delivery| delivery.state.ended_at().is_none_or(|at| at >= before));
        Ok((n_before - deliveries.len()) as u64)
    }
}
