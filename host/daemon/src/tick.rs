//! One tick: opened, asked, concluded, its runs made. The order of the writes is that of `cofferdam_automation`.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_automation::{Evaluation, conclude, keys, run_tags};
use cofferdam_model::{InstigatorState, Known, ReservedRun, RunId, TickStatus, Timestamp};
use cofferdam_runlog::{Error as LogError, NewTick, TickEnd};
use cofferdam_scheduler::{Error as SchedulerError, Submission};

use crate::daemon::{Error, Inner};
use crate::defined::{Asked, Defined, NoPlan};

/// Bytes of what an op logged that are kept with a tick.
const LOGS_BYTES_MAX: usize = 16 * 1024;

impl Inner {
    /// Asks one of them at a time, if it has not been asked before.
    pub(crate) async fn tick(
        &self,
        one: &Defined,
        state: &InstigatorState,
        at: Timestamp,
    ) -> Result<(), Error> {
        let _turn = self.turns.take(one.instigator.kind).await;
        let ticks = self.log.automation();
        let term = self.scheduler.term();
        let now = (self.clock)();
        let tick = ticks.open_tick(NewTick { term, instigator: one.instigator.clone(), at, now }).await?;
        if tick.status != TickStatus::Started {
            return Ok(());
        }
        cofferdam_crash::reach("tick.opened");
        let Asked { evaluation, logs } = self.instigators.ask(one, state, at).await;
        let used = self.used(one, &evaluation).await?;
        let end = conclude(evaluation, one.instigator.kind, &one.jobs, &used, || RunId(uuid::Uuid::now_v7()));
        let end = TickEnd {
            term,
            number: tick.number,
            now: (self.clock)(),
            status: end.status,
            reason: end.reason,
            counts: end.counts,
            cursor: end.cursor,
            runs: end.runs,
            logs: cut(logs),
        };
        ticks.close_tick(end.clone()).await?;
        cofferdam_crash::reach("tick.closed");
        for run in end.runs {
            self.make(one, (tick.number, at), run).await?;
        }
        Ok(())
    }

    /// The keys among those asked for that an earlier run has had.
    async fn used(&self, one: &Defined, evaluation: &Evaluation) -> Result<BTreeSet<String>, Error> {
        let Evaluation::Answered { requests, .. } = evaluation else { return Ok(BTreeSet::new()) };
        let asked: Vec<String> = keys(requests).into_iter().collect();
        if asked.is_empty() {
            return Ok(BTreeSet::new());
        }
        let used = self.log.automation().used_run_keys(one.instigator.clone(), asked).await?;
        Ok(used.into_iter().collect())
    }

    /// Makes a run under its reserved id. One that was made before is as good as made; one that cannot be made now is made
    /// when definitions can be read again.
    pub(crate) async fn make(
        &self,
        one: &Defined,
        (number, at): (u64, Timestamp),
        ReservedRun { run, request }: ReservedRun,
    ) -> Result<(), Error> {
        let is_made = self.log.summary(run).await.is_ok();
        if !is_made {
            let mut plan = match self.instigators.plan(one, &request, at).await {
                Ok(plan) => plan,
                Err(NoPlan::Never(why)) => return self.refuse(run, &why).await,
                Err(NoPlan::NotNow(why)) => {
                    tracing::warn!(%run, why, "a run that a tick has asked for waits");
                    return Ok(());
                }
            };
            plan.tags.extend(run_tags(&one.tags, &request, &one.instigator, (number, at)));
            let submission = Submission {
                run,
                tags: plan.tags.clone(),
                plan: Arc::new(plan),
                idempotency_key: None,
                origin: None,
                known: Known::default(),
            };
            match self.scheduler.submit(submission).await {
                Ok(_) | Err(SchedulerError::Log(LogError::RunExists(_))) => {}
                Err(SchedulerError::Log(error)) => return Err(Error::Log(error)),
                Err(error @ SchedulerError::Stopped { .. }) => return Err(Error::Scheduler(error)),
                Err(error) => return self.refuse(run, &error.to_string()).await,
            }
            cofferdam_crash::reach("tick.run_made");
        }
        self.retries.take_care(run);
        self.log.automation().settle(self.scheduler.term(), run, None).await?;
        Ok(())
    }
}

/// The first lines, as many as are kept, and how many are not.
fn cut(logs: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let n_kept = logs
        .iter()
        .take_while(|line| {
            bytes += line.len();
            bytes <= LOGS_BYTES_MAX
        })
        .count();
    let n_cut = logs.len() - n_kept;
    let rest = (n_cut > 0).then(|| format!("and {n_cut} more, which are not kept"));
    logs.into_iter().take(n_kept).chain(rest).collect()
}
