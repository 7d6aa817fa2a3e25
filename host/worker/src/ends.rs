//! What cells say, and how attempts end: frames into reports, deaths into failures.

use std::time::Instant;

use cofferdam_cell::{Cell, CellCompletion, CellEvent, CellUsage, FromCell, Ticket};
use cofferdam_model::{Assignment, Failure, FailureKind, MetadataEntry, Outcome, Output, Report, Usage};
use tokio::sync::mpsc;

use crate::job::Job;
use crate::lent::Lent;
use crate::outputs::{self, Destination};
use crate::slot::Why;
use crate::supervisor::{Settling, Supervisor};
use crate::values::{self, Ask, Served, Settled};

/// Deaths of cells without anybody to blame that an attempt may sit through before it is failed too.
const RESENT_MAX: u32 = 3;

impl Supervisor {
    pub(crate) fn on_event(&mut self, number: u64, event: CellEvent) {
        let Some(at) = self.slots.iter().position(|slot| slot.number == number && slot.cell.is_some()) else {
            return;
        };
        match event {
            CellEvent::Frames(frames) => frames.into_iter().for_each(|frame| self.on_frame(at, frame)),
            CellEvent::Exited(how) => self.on_exit(at, &how),
        }
    }

    fn on_frame(&mut self, at: usize, frame: FromCell) {
        let slot = &mut self.slots[at];
        slot.silent = 0;
        match frame {
            FromCell::Hello { fingerprint, wall, .. } => {
                slot.ready = true;
                self.wall = wall;
                self.start_failures = 0;
                self.fingerprint.get_or_insert(fingerprint);
                std::mem::take(&mut self.early).into_iter().for_each(|job| self.prepare(job));
            }
            FromCell::Ended { ticket, result, usage } => self.on_ended(at, ticket, result, usage),
            FromCell::Log { ticket, line } => {
                let Some(job) = slot.given.front_mut().filter(|job| job.ticket == ticket) else { return };
                // The sandbox cuts at its limit and says so in one more; a cell that was taken over has none.
                if job.n_lines > u64::from(job.assignment.limits.log_lines_max) {
                    return;
                }
                job.n_lines += 1;
                if let Some(Report::Logs { id, lines, .. }) = self.reports.last_mut()
                    && *id == job.assignment.id
                {
                    lines.push(line);
                } else {
                    let id = job.assignment.id.clone();
                    let first = job.n_lines - 1;
                    self.reports.push(Report::Logs { id, first, lines: vec![line] });
                }
            }
            FromCell::Progress { ticket, progress } => {
                if let Some(job) = slot.given.front().filter(|job| job.ticket == ticket) {
                    let id = job.assignment.id.clone();
                    self.reports.push(Report::Progress { id, progress });
                }
            }
            FromCell::Returned { tickets } => self.on_returned(at, &tickets),
            FromCell::Refused { library, failure } => {
                // It speaks for no library that it was not given.
                if let Some(at) = slot.loaded.iter().position(|loaded| *loaded == library) {
                    slot.loaded.remove(at);
                    self.on_refused(library, failure);
                }
            }
            FromCell::Read { ticket, .. }
            | FromCell::Create { ticket, .. }
            | FromCell::Write { ticket, .. }
            | FromCell::Finish { ticket, .. }
            | FromCell::Call { ticket, .. } => self.ask_values(at, ticket, frame),
            FromCell::Described { .. } | FromCell::Beat => {}
        }
    }

    fn on_returned(&mut self, at: usize, tickets: &[Ticket]) {
        let slot = &mut self.slots[at];
        let first = slot.given.front().map(|job| job.ticket);
        let mut returned = vec![];
        for ticket in tickets.iter().rev() {
            if let Some(place) = slot.given.iter().rposition(|job| job.ticket == *ticket) {
                returned.extend(slot.given.remove(place));
            }
        }
        if slot.given.front().map(|job| job.ticket) == first {
            slot.slow = true;
        } else {
            // Its library could not be loaded.
            self.begin(at);
        }
        returned.into_iter().for_each(|job| self.requeue(job));
    }

    fn ask_values(&mut self, at: usize, ticket: Ticket, frame: FromCell) {
        let slot = &self.slots[at];
        if slot.given.front().is_none_or(|job| job.ticket != ticket) {
            return;
        }
        if slot.values.as_ref().is_none_or(|(of, _)| *of != ticket) {
            self.serve(at);
        }
        if let Some((_, asks)) = &self.slots[at].values {
            let _ = asks.send(Ask::Frame(frame));
        }
    }

    /// Starts the task that answers what the first attempt of that slot asks.
    fn serve(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let (Some(job), Some(cell)) = (slot.given.front(), &slot.cell) else { return };
        let served = Served {
            stores: self.stores.clone(),
            attempt: job.assignment.id.clone(),
            inputs: job.readable.clone(),
            lent: Lent::new(self.resources.clone(), job.assignment.resources.clone(), job.guest_span()),
            destination: Destination::new(self.stores.clone(), &job.assignment),
            limits: job.assignment.limits.clone(),
        };
        let (ticket, replies) = (job.ticket, cell.replies());
        let (asks, asked) = mpsc::unbounded_channel();
        slot.values = Some((ticket, asks));
        self.serving.spawn(async move { (ticket, values::serve(served, replies, asked).await) });
    }

    fn on_ended(
        &mut self,
        at: usize,
        ticket: Ticket,
        result: Result<CellCompletion, Failure>,
        used: CellUsage,
    ) {
        let slot = &self.slots[at];
        let Some(job) = slot.given.front().filter(|job| job.ticket == ticket) else {
            // Cells end attempts in the order in which they got them. This one is broken.
            tracing::error!(ticket, "a cell ended an attempt that it was not running");
            return self.slots[at].kill(None, Why::Broken);
        };
        if slot.values.is_none()
            && let Ok((outputs, _)) = &result
            && !Destination::new(self.stores.clone(), &job.assignment).is_plain(outputs)
        {
            self.serve(at);
        }
        let slot = &mut self.slots[at];
        let job = slot.given.pop_front().expect("just seen");
        slot.slow = false;
        let values = slot.values.take();
        self.begin(at);
        let result = result.map(|(mut outputs, metadata)| {
            outputs::add_declared(&mut outputs, &job.assignment);
            (outputs, metadata)
        });
        let Job { assignment, spent, .. } = job;
        let now = Instant::now();
        let Some((_, asks)) = values else {
            let result = result.and_then(|(outputs, metadata)| Ok((outputs::plain(outputs)?, metadata)));
            return self.finish(&assignment, result, spent.usage(Some(used), None, now));
        };
        let result = result.map(|(outputs, metadata)| {
            let _ = asks.send(Ask::Keep(outputs));
            metadata
        });
        // Without its sender the task removes what was written, if it was not told what to keep.
        self.settling.insert(ticket, Settling::Finish { assignment, result, used, spent, since: now });
    }

    /// The values of an attempt are kept or removed.
    pub(crate) fn on_settled(&mut self, (ticket, settled): (Ticket, Settled)) {
        match self.settling.remove(&ticket) {
            Some(Settling::Finish { assignment, .. }) if !settled.lacks.is_empty() => {
                self.lacks(&assignment, settled.lacks);
            }
            Some(Settling::Finish { assignment, result, used, spent, since }) => {
                let settled = settled.outputs;
                let result = result.and_then(|metadata| Ok((settled?, metadata)));
                self.finish(&assignment, result, spent.usage(Some(used), Some(since), Instant::now()));
            }
            Some(Settling::Again(job)) => self.requeue(job),
            None => {}
        }
    }

    /// Settles what the cell held: the attempt to blame fails, the others run again elsewhere.
    fn on_exit(&mut self, at: usize, how: &str) {
        let slot = std::mem::take(&mut self.slots[at]);
        self.tell(|observer| observer.cell_died());
        if !slot.ready {
            self.start_failures += 1;
        }
        let begun = slot.cell.as_ref().and_then(Cell::last_begun);
        let to_blame = slot.killed.and_then(|killed| killed.ticket).or(begun);
        let why = slot.killed.map(|killed| killed.why);
        let on_purpose = matches!(why, Some(Why::Cancelled | Why::Late));
        let nobody = !on_purpose && !slot.given.iter().any(|job| Some(job.ticket) == to_blame);
        // Without its sender the task that serves values removes what was written.
        let unsettled = slot.values.map(|(ticket, _)| ticket);
        for mut job in slot.given.into_iter().rev() {
            if Some(job.ticket) == to_blame {
                self.fail(job, ended_by(why, how));
                continue;
            }
            job.resent += u32::from(nobody);
            if job.resent > RESENT_MAX {
                self.fail(job, ended_by(None, how));
                continue;
            }
            job.spent.restarts();
            let before = std::mem::replace(&mut job.ticket, self.ticket());
            if unsettled == Some(before) {
                self.settling.insert(before, Settling::Again(job));
            } else {
                self.requeue(job);
            }
        }
    }

    pub(crate) fn fail(&mut self, job: Job, failure: Failure) {
        let usage = job.spent.usage(None, None, Instant::now());
        self.finish(&job.assignment, Err(failure), usage);
    }

    /// Nobody has what the attempt reads: it has not ended well or badly.
    pub(crate) fn lacks(&mut self, assignment: &Assignment, values: Vec<String>) {
        // They were verified once, and are here no more.
        self.verified
            .retain(|_, value| value.place.key().is_none_or(|key| !values.iter().any(|gone| gone == key)));
        self.open -= 1;
        self.reports.push(Report::Lacks { id: assignment.id.clone(), values });
    }

    fn finish(&mut self, assignment: &Assignment, result: Result<Completed, Failure>, usage: Usage) {
        let outcome = match result {
            Ok((outputs, metadata)) => Outcome::Succeeded { outputs, metadata },
            Err(failure) => Outcome::Failed(Box::new(failure)),
        };
        self.open -= 1;
        self.tell(|observer| observer.ended(assignment, &outcome, &usage));
        let id = assignment.id.clone();
        self.reports.push(Report::Finished { id, outcome, usage });
    }
}

/// Outputs in their places, and facts about the step.
type Completed = (Vec<Output>, Vec<MetadataEntry>);

pub(crate) fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "the attempt was cancelled")
}

fn ended_by(why: Option<Why>, how: &str) -> Failure {
    match why {
        Some(Why::Cancelled) => cancelled(),
        Some(Why::Late) => {
            let message = "the attempt ran longer than its timeout and did not stop";
            Failure::new(FailureKind::Timeout, message).because(how)
        }
        Some(Why::Silent) => {
            let message = "the cell fell silent and was killed: it neither answered nor ended its attempt";
            Failure::new(FailureKind::CellDied, message).because(how)
        }
        Some(Why::Broken) | None => {
            Failure::new(FailureKind::CellDied, "the process that ran the attempt died").because(how)
        }
    }
}

#[cfg(test)]
mod tests;
