//! A tick that is only tried: asked as any other, and nothing of it is kept, started or moved.

use std::collections::BTreeSet;

use cofferdam_automation::{Evaluation, check_answer, keys};
use cofferdam_model::{InstigatorState, InstigatorStatus, RunRequest, Timestamp};
use cofferdam_runlog::{Error, Ticks};

use crate::defined::{Asked, Defined, Instigators, When};

/// How to try one.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// None: a schedule's next tick; of a sensor, now.
    pub at: Option<Timestamp>,
    /// None: where a sensor's is.
    pub cursor: Option<String>,
}

/// What a tick would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    pub at: Timestamp,
    /// What it asks for, and why there would be no new run of it.
    pub requests: Vec<(RunRequest, Option<String>)>,
    pub skip_reason: Option<String>,
    pub error: Option<String>,
    /// Where the cursor would move to; none if it stays.
    pub cursor: Option<String>,
    pub logs: Vec<String>,
}

/// Tries one. Without `ticks` nothing is known of earlier ones.
pub async fn try_tick(
    instigators: &dyn Instigators,
    ticks: Option<&dyn Ticks>,
    one: &Defined,
    trial: Trial,
    now: Timestamp,
) -> Result<Tried, Error> {
    let mut state = state(ticks, one, now).await?;
    state.cursor = trial.cursor.or(state.cursor);
    let next = || match &one.when {
        When::Schedule { timetable, .. } => timetable.from(Timestamp(now.0.saturating_add(1))).next(),
        When::Sensor { .. } => None,
    };
    let at = trial.at.or_else(next).unwrap_or(now);
    let Asked { evaluation, logs } = instigators.ask(one, &state, at).await;
    let tried = Tried { at, requests: vec![], skip_reason: None, error: None, cursor: None, logs };
    match evaluation {
        Evaluation::Answered { requests, skip_reason, cursor } => {
            // What a real tick would refuse as a whole, this one does too.
            if let Err(error) = check_answer(&requests, cursor.as_deref(), &one.jobs) {
                return Ok(Tried { error: Some(error), ..tried });
            }
            let asked: Vec<String> = keys(&requests).into_iter().collect();
            let used = match ticks.filter(|_| !asked.is_empty()) {
                Some(ticks) => ticks.used_run_keys(one.instigator.clone(), asked).await?,
                None => vec![],
            };
            Ok(Tried { requests: told(requests, used), skip_reason, cursor, ..tried })
        }
        Evaluation::Failed { error, .. } | Evaluation::Unreachable { error } => {
            Ok(Tried { error: Some(error), ..tried })
        }
    }
}

/// What is known of one, or what would be at its first tick.
async fn state(ticks: Option<&dyn Ticks>, one: &Defined, now: Timestamp) -> Result<InstigatorState, Error> {
    let states = match ticks {
        Some(ticks) => ticks.instigators().await?,
        None => vec![],
    };
    let found = states.into_iter().find(|state| state.instigator == one.instigator);
    Ok(found.unwrap_or_else(|| InstigatorState {
        instigator: one.instigator.clone(),
        status: Some(InstigatorStatus::Stopped),
        since: now,
        cursor: None,
        last_run_key: None,
        last_tick: None,
    }))
}

fn told(requests: Vec<RunRequest>, used: Vec<String>) -> Vec<(RunRequest, Option<String>)> {
    let used: BTreeSet<String> = used.into_iter().collect();
    let mut taken = BTreeSet::new();
    let why = |request: &RunRequest| match &request.run_key {
        Some(key) if used.contains(key) => Some("an earlier run had this run key"),
        Some(key) if !taken.insert(key.clone()) => Some("another run of this tick has this run key"),
        _ => None,
    };
    let skipped: Vec<_> = requests.iter().map(why).map(|why| why.map(str::to_owned)).collect();
    requests.into_iter().zip(skipped).collect()
}
