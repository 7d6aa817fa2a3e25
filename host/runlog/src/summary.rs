//! The projection that lists of runs are made of: a fold of the run's events.

use std::collections::BTreeMap;

use cofferdam_model::{
    Event, Name, Origin, Recorded, RunId, RunStatus, Term, Timestamp, ValueDigest, stored_bytes, told,
};
use serde::{Deserialize, Serialize};

use crate::{AppendError, Batch, Error, NewRun};

/// Bytes of [`RunSummary::first_error`] that are kept: one line of a terminal and some more.
const FIRST_ERROR_BYTES_MAX: usize = 500;

/// A run in one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    pub run: RunId,
    pub job: Name,
    pub tags: BTreeMap<String, String>,
    pub plan: ValueDigest,
    /// Of a re-execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub created_at: Timestamp,
    pub status: RunStatus,
    /// When the first step was dispatched.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub steps: StepCounts,
    /// `step: message` of the first step that failed for good, or the limit that the run has reached.
    pub first_error: Option<String>,
    /// Time of cores that its attempts have spent, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_us: u64,
    /// Size of the values that it has stored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stored_bytes: u64,
    /// Sequence number of the last event; 0 if there is none.
    pub last_seq: u64,
}

/// Steps by how they ended, and what happened on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    pub succeeded: u64,
    pub failed: u64,
    /// Hooks and tear-downs that failed, which no run fails by.
    #[serde(default)]
    pub failed_beside: u64,
    pub skipped: u64,
    pub abandoned: u64,
    pub cancelled: u64,
    /// Attempts that failed and were followed by a wait for the next one.
    pub retries: u64,
    /// Attempts whose worker was lost.
    pub lost: u64,
}

impl RunSummary {
    /// The summary of a run without events.
    pub fn new(run: &NewRun) -> RunSummary {
        RunSummary {
            run: run.run,
            job: run.job.clone(),
            tags: run.tags.clone(),
            plan: run.digest,
            origin: run.origin.clone(),
            created_at: run.created_at,
            status: RunStatus::Queued,
            started_at: None,
            ended_at: None,
            steps: StepCounts::default(),
            first_error: None,
            cpu_us: 0,
            stored_bytes: 0,
            last_seq: 0,
        }
    }

    /// Adds what an attempt has used.
    fn count(&mut self, event: &Event) {
        let usage = match event {
            Event::StepSucceeded { outputs, usage, .. } => {
                self.stored_bytes = self.stored_bytes.saturating_add(stored_bytes(outputs));
                usage
            }
            Event::StepFailed { usage, .. } | Event::AttemptDropped { usage, .. } => usage,
            Event::StepCancelled { usage: Some(usage), .. } => &**usage,
            _ => return,
        };
        self.cpu_us = self.cpu_us.saturating_add(usage.cpu_us);
    }

    /// Folds one event.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.last_seq = recorded.seq;
        self.count(&recorded.event);
        match &recorded.event {
            Event::RunAccepted { .. }
            | Event::StepStarted { .. }
            | Event::StepReturned { .. }
            | Event::StepHedged { .. }
            | Event::AttemptDropped { .. }
            | Event::InputsLost { .. }
            | Event::WaitBegan { .. }
            | Event::AssetMaterialized { .. }
            | Event::AssetChecked { .. } => {}
            Event::StepDispatched { .. } => {
                self.started_at.get_or_insert(recorded.at);
                if self.status == RunStatus::Queued {
                    self.status = RunStatus::Running;
                }
            }
            Event::StepSucceeded { .. } | Event::StepReused { .. } | Event::StepCached { .. } => {
                self.steps.succeeded += 1
            }
            Event::StepFailed { retry_at: Some(_), .. } => self.steps.retries += 1,
            Event::StepFailed { beside: true, .. } => self.steps.failed_beside += 1,
            Event::StepFailed { step, failure, .. } => {
                self.steps.failed += 1;
                self.first_error.get_or_insert_with(|| one_line(&format!("{step}: {}", failure.message)));
            }
            Event::WaitEnded { end, .. } if end.goes_on() => {}
            Event::WaitEnded { step, end, by, note } => {
                self.steps.failed += 1;
                let why = told(*end, by.as_deref(), note.as_deref());
                self.first_error.get_or_insert_with(|| one_line(&format!("{step}: {why}")));
            }
            Event::StepLost { .. } => self.steps.lost += 1,
            // It is open again, and ends once more.
            Event::OutputsLost { .. } => self.steps.succeeded -= 1,
            Event::StepSkipped { .. } => self.steps.skipped += 1,
            Event::StepAbandoned { .. } => self.steps.abandoned += 1,
            Event::StepCancelled { .. } => self.steps.cancelled += 1,
            Event::RunCancelRequested { limit } => {
                self.status = RunStatus::Cancelling;
                if let Some(limit) = limit {
                    self.first_error.get_or_insert_with(|| limit.phrase());
                }
            }
            Event::RunFinished { status } => {
                self.status = *status;
                self.ended_at = Some(recorded.at);
            }
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The first line, cut at a character.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(FIRST_ERROR_BYTES_MAX)].to_owned()
}

/// Checks batches against the summaries of their runs, before any of them is written.
pub(crate) fn check_batches(
    batches: &[Batch],
    current: Term,
    mut summary: impl FnMut(RunId) -> Result<RunSummary, Error>,
) -> Result<(), AppendError> {
    for (n, batch) in batches.iter().enumerate() {
        let run = batch.run;
        if batch.term != current {
            return Err(AppendError::StaleTerm { term: batch.term, current });
        }
        let summary = summary(run)?;
        // An earlier batch of the same call may already have moved this run on.
        let earlier = batches[..n].iter().rev().find(|earlier| earlier.run == run);
        let found =
            earlier.map_or(summary.last_seq, |earlier| earlier.expected_seq + earlier.events.len() as u64);
        if found != batch.expected_seq {
            return Err(AppendError::Conflict { run, expected: batch.expected_seq, found });
        }
        if summary.status.is_terminal() && !batch.events.is_empty() {
            return Err(AppendError::Ended { run });
        }
        let numbers = batch.events.iter().map(|recorded| recorded.seq);
        if !numbers.eq(batch.expected_seq + 1..=batch.expected_seq + batch.events.len() as u64) {
            return Err(AppendError::Numbering { run, expected: batch.expected_seq + 1 });
        }
    }
    Ok(())
}
