//! What namespaces have used, read from the run log: at the start, because the engine remembers nothing of a scheduler before
//! it; and again and again, because `cofferdam gc` drops runs while it works.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_engine::{Quotas, hour_began};
use cofferdam_model::{LibraryDigest, Plan, Quota, RunId, Standing, Timestamp, ValueDigest, namespace};
use cofferdam_runlog::{PAGE_ROWS_MAX, RunFilter, RunLog, RunSummary};
use tokio::sync::mpsc::WeakSender;

use crate::driver::Message;
use crate::handle::{Clock, Error};

/// How often it is read again: what was freed may be used as soon as that.
const READ_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Standings {
    log: Arc<dyn RunLog>,
    clock: Clock,
    quotas: BTreeMap<String, Quota>,
}

impl Standings {
    /// None if no namespace has a quota.
    pub(crate) fn new(log: Arc<dyn RunLog>, clock: Clock, quotas: &Quotas) -> Option<Standings> {
        let quotas = quotas.quotas.clone();
        (!quotas.is_empty()).then_some(Standings { log, clock, quotas })
    }

    /// Reads it for as long as somebody listens.
    pub(crate) async fn keep(self, messages: WeakSender<Message>) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let Some(messages) = messages.upgrade() else { return };
            match self.read().await {
                Ok(read) => drop(messages.send(Message::Standing(read)).await),
                Err(error) => tracing::warn!(%error, "what namespaces have used cannot be read; counting on"),
            }
        }
    }

    /// Of each namespace that has a quota.
    pub(crate) async fn read(&self) -> Result<BTreeMap<String, Standing>, Error> {
        let hour = hour_began((self.clock)());
        let mut standings: BTreeMap<String, Standing> =
            self.quotas.keys().map(|name| (name.clone(), Standing::default())).collect();
        let mut plans = HashMap::new();
        let mut filter = RunFilter { limit: Some(PAGE_ROWS_MAX), ..RunFilter::default() };
        loop {
            let page = self.log.runs(filter.clone()).await?;
            let Some(last) = page.last() else { return Ok(standings) };
            filter.before = Some(last.run);
            for run in &page {
                let Some(standing) = standings.get_mut(namespace(&run.tags)) else { continue };
                standing.stored_bytes = standing.stored_bytes.saturating_add(run.stored_bytes);
                standing.cpu += cpu_since(run, hour);
                standing.libraries.extend(self.libraries(run.run, run.plan, &mut plans).await?);
            }
        }
    }

    /// The libraries of a plan, which many runs may have.
    async fn libraries(
        &self,
        run: RunId,
        plan: ValueDigest,
        known: &mut HashMap<ValueDigest, BTreeSet<LibraryDigest>>,
    ) -> Result<BTreeSet<LibraryDigest>, Error> {
        if let Some(libraries) = known.get(&plan) {
            return Ok(libraries.clone());
        }
        let decoded =
            Plan::decode(&self.log.plan(run).await?).map_err(|source| Error::Plan { run, source })?;
        let libraries: BTreeSet<LibraryDigest> = decoded.libraries.into_values().collect();
        known.insert(plan, libraries.clone());
        Ok(libraries)
    }
}

/// The record does not say when within a run the time was spent: of one that has not ended before, all of it counts.
fn cpu_since(run: &RunSummary, hour: Timestamp) -> Duration {
    let counts = run.ended_at.is_none_or(|ended| ended >= hour);
    if counts { Duration::from_micros(run.cpu_us) } else { Duration::ZERO }
}
