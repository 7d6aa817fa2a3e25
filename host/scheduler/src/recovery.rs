//! What a scheduler reads from the run log to take over a run.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_engine::{Layout, Submission};
use cofferdam_model::{Event, Fence, Plan, Recorded, RunId, StepKey, ValueDigest};
use cofferdam_runlog::{LogFilter, PAGE_ROWS_MAX, RunLog};

use crate::handle::Error;

/// A run as the log has it.
#[derive(Debug)]
pub struct Recovery {
    pub submission: Submission,
    pub events: Vec<Recorded>,
    /// Lines that are kept of each attempt that is under way.
    pub lines: HashMap<Fence, u64>,
}

impl Recovery {
    pub async fn read(log: &dyn RunLog, run: RunId) -> Result<Recovery, Error> {
        let bytes = log.plan(run).await?;
        let plan = Plan::decode(&bytes).map_err(|source| Error::Plan { run, source })?;
        let layout = Layout::new(Arc::new(plan))?;
        let events = log.history(run, 1).await?;
        let submission = Submission {
            run,
            layout,
            plan: ValueDigest::of(&bytes),
            origin: log.summary(run).await?.origin.map(Box::new),
            known: Arc::new(log.known(run).await?),
        };
        let lines = kept_lines(log, run, &events).await?;
        Ok(Recovery { submission, events, lines })
    }
}

/// How many lines are kept of each attempt that these events leave open.
async fn kept_lines(log: &dyn RunLog, run: RunId, events: &[Recorded]) -> Result<HashMap<Fence, u64>, Error> {
    let mut open: HashMap<&StepKey, Vec<(u32, Fence)>> = HashMap::new();
    for recorded in events {
        match &recorded.event {
            Event::StepDispatched { step, attempt, fence, .. } => {
                open.insert(step, vec![(*attempt, *fence)]);
            }
            Event::StepHedged { step, attempt, fence, .. } => {
                open.entry(step).or_default().push((*attempt, *fence));
            }
            Event::AttemptDropped { step, fence, .. } => {
                open.entry(step).or_default().retain(|(_, other)| other != fence);
            }
            Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepLost { step, .. }
            | Event::StepReturned { step, .. }
            | Event::InputsLost { step, .. }
            | Event::StepCancelled { step, .. } => {
                open.remove(step);
            }
            _ => {}
        }
    }
    let mut kept = HashMap::new();
    let open = open.into_iter().flat_map(|(step, all)| all.into_iter().map(move |one| (step, one)));
    for (step, (attempt, fence)) in open {
        let filter = LogFilter { step: Some(step.clone()), attempt: Some(attempt), ..LogFilter::default() };
        let (mut next, mut count) = (0, 0);
        loop {
            let page = log.logs(run, filter.clone(), next, PAGE_ROWS_MAX).await?;
            count += page.iter().filter(|line| line.step == *step).count() as u64;
            match page.last() {
                Some(last) if page.len() == PAGE_ROWS_MAX => next = last.number + 1,
                _ => break,
            }
        }
        kept.insert(fence, count);
    }
    Ok(kept)
}
