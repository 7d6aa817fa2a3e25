//! The scheduler without its channels and clocks: what is told goes in, what is to be made durable and sent comes out.
//! The loop is a shell around it, and so is the simulation that tests it.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_engine::{self as engine, Action, Engine, Input, InvalidHistory, Quotas, Submission};
use cofferdam_model::{
    Event, FailureKind, Fence, LogLevel, LogLine, LogSource, Memo, Order, Plan, Recorded, Report, RunId,
    StepKey, Term, Timestamp, UsedUp, WorkerId,
};
use cofferdam_runlog::{Batch, LogRecord};
use tokio::time::Instant;

use crate::handle::WorkerOffer;
use crate::observe::Observer;
use crate::sessions::{Attached, Connection, Ended, Patience, Sessions, Visit};
use crate::turn::Turn;
use crate::updates::Update;

/// The time, twice.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// As people read it; goes into events.
    pub wall: Timestamp,
    /// As it passes for this process; decides how long is waited for workers.
    pub steady: Instant,
}

/// What an operator decides for all runs.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The last time in office that is known from elsewhere than the log.
    pub after: Term,
    pub patience: Patience,
    pub quotas: Quotas,
    /// Told of everything, if there is somebody.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Decides for one term. Everything is added to a [`Turn`], which must be durable before any of it leaves.
#[derive(Debug)]
pub struct Core {
    term: Term,
    engine: Engine,
    sessions: Sessions,
    /// Lines that were kept, of attempts that an earlier scheduler ordered; their worker may say some of them again.
    kept_lines: HashMap<Fence, u64>,
}

impl Core {
    pub fn new(term: Term, settings: Settings) -> Core {
        let Settings { after: _, patience, quotas, observer: _ } = settings;
        let engine = Engine::new(engine::Settings { term, quotas });
        Core { term, engine, sessions: Sessions::new(term, patience), kept_lines: HashMap::new() }
    }

    /// The runs that are driven, and what they wait for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes one input that needs nothing but the engine.
    pub fn handle(&mut self, input: Input, now: Now, turn: &mut Turn) {
        let actions = self.engine.handle(input, now.wall);
        turn.logs.extend(actions.iter().filter_map(|action| self.cut_mark(action, now)));
        turn.add(actions);
    }

    /// Which quota does not let a run of that plan be accepted now.
    pub fn refuses(&mut self, plan: &Plan, now: Now) -> Option<UsedUp> {
        self.engine.refuses(plan, now.wall)
    }

    /// The last line of an attempt whose worker is lost: what it had said last may have gone with that.
    fn cut_mark(&self, action: &Action, now: Now) -> Option<LogRecord> {
        let Action::Append { run, event } = action else { return None };
        let (step, attempt) = match &event.event {
            Event::StepLost { step, attempt, .. } => (step, attempt),
            Event::AttemptDropped { step, attempt, failure: Some(failure), .. }
                if failure.kind == FailureKind::WorkerLost =>
            {
                (step, attempt)
            }
            _ => return None,
        };
        let lost = self.engine.run(*run)?.step(step)?.attempts().find(|one| one.number == *attempt)?;
        lost.started_at?;
        let message = "the log of this attempt is cut here: its worker was lost".to_owned();
        let line =
            LogLine { at: now.wall, level: LogLevel::Warn, source: LogSource::Host, message, fields: vec![] };
        Some(LogRecord { run: *run, step: step.clone(), attempt: *attempt, line })
    }

    /// Takes over a run from its log. `lines` says how many lines are kept of each attempt that is under way.
    pub fn resume(
        &mut self,
        submission: Submission,
        events: &[Recorded],
        lines: HashMap<Fence, u64>,
        now: Now,
        turn: &mut Turn,
    ) -> Result<(), InvalidHistory> {
        if self.engine.run(submission.run).is_some() {
            return Ok(());
        }
        turn.add(self.engine.recover(submission, events, now.wall)?);
        self.kept_lines.extend(lines);
        for worker in self.sessions.expect(self.engine.absent(), now.steady) {
            self.handle(Input::WorkerLeft { worker }, now, turn);
        }
        Ok(())
    }

    /// A worker has connected, for the first time or again.
    pub fn attach(
        &mut self,
        offer: WorkerOffer,
        visit: Option<Visit>,
        now: Now,
        turn: &mut Turn,
    ) -> (Attached, Connection) {
        let (attached, connection) = self.sessions.attach(visit.as_ref());
        // What this turn had for its last connection is decided anew from what it has: else it would come twice.
        turn.withdraw(attached.worker);
        let leaving = visit.as_ref().is_some_and(|visit| visit.leaving);
        let input = Input::WorkerJoined {
            worker: attached.worker,
            // There is no room at one that leaves, not even until that is said.
            slots: if leaving { 0 } else { offer.slots },
            queue: if leaving { 0 } else { offer.queue },
            resources: offer.resources,
            labels: offer.labels,
            ends_at: offer.lifetime.map(|lifetime| now.wall + lifetime),
            held: visit.map(|visit| visit.held).unwrap_or_default(),
        };
        self.handle(input, now, turn);
        if leaving {
            self.handle(Input::WorkerDraining { worker: attached.worker }, now, turn);
        }
        (attached, connection)
    }

    /// A connection has ended.
    pub fn disconnected(&mut self, worker: WorkerId, connection: Connection, now: Now, turn: &mut Turn) {
        match self.sessions.ended(worker, connection, now.steady) {
            Ended::Replaced => {}
            Ended::Silent => self.handle(Input::WorkerSilent { worker }, now, turn),
            Ended::Gone => self.handle(Input::WorkerLeft { worker }, now, turn),
        }
    }

    /// A worker is cut off: nothing that it still says counts.
    pub fn dismiss(&mut self, worker: WorkerId, now: Now, turn: &mut Turn) {
        self.sessions.close(worker);
        self.handle(Input::WorkerLeft { worker }, now, turn);
    }

    /// Takes a batch of reports; nothing of it, if it came over a connection that was replaced.
    pub fn reported(
        &mut self,
        worker: WorkerId,
        connection: Connection,
        reports: Vec<Report>,
        now: Now,
        turn: &mut Turn,
    ) {
        if self.sessions.received(worker, connection) {
            turn.heard.insert(worker);
            for report in reports {
                self.report(worker, report, now, turn);
            }
        }
    }

    /// Takes what a worker says of an attempt that is its own.
    fn report(&mut self, worker: WorkerId, report: Report, now: Now, turn: &mut Turn) {
        match report {
            Report::Logs { id, first, lines } => {
                if !self.engine.holds(worker, &id) {
                    return;
                }
                let kept = self.kept_lines.get(&id.fence).copied().unwrap_or(0);
                let new = (first..).zip(lines).filter(|(number, _)| *number >= kept);
                let records = new.map(|(_, line)| LogRecord {
                    run: id.run,
                    step: id.step.clone(),
                    attempt: id.attempt,
                    line,
                });
                turn.logs.extend(records);
            }
            Report::Progress { id, progress } => {
                if self.engine.holds(worker, &id) {
                    let update = Update::Progress { step: id.step, attempt: id.attempt, progress };
                    turn.progress.push((id.run, update));
                }
            }
            report @ (Report::Started { .. }
            | Report::Returned { .. }
            | Report::Lacks { .. }
            | Report::Finished { .. }) => {
                if let Report::Finished { id, .. } | Report::Lacks { id, .. } = &report {
                    self.kept_lines.remove(&id.fence);
                }
                self.handle(Input::Report { worker, report }, now, turn);
            }
        }
    }

    /// The answers to what a turn looked for.
    pub fn recalled(&mut self, answers: Vec<(RunId, StepKey, Option<Memo>)>, now: Now, turn: &mut Turn) {
        for (run, step, found) in answers {
            self.handle(Input::Recalled { run, step, found }, now, turn);
        }
    }

    /// Gives up workers that did not come back in time. To be called after what was told meanwhile: who has just come
    /// back is not given up.
    pub fn give_up(&mut self, now: Now, turn: &mut Turn) {
        for worker in self.sessions.give_up(now.steady) {
            tracing::info!(worker = worker.0, "a worker is given up: it did not come back");
            self.handle(Input::WorkerLeft { worker }, now, turn);
        }
    }

    /// When to call again if nothing happens before: [`Core::handle`] with a tick, and [`Core::give_up`].
    pub fn deadline(&self, now: Now) -> Option<Instant> {
        let engine = self.engine.next_deadline().map(|at| now.steady + at.since(now.wall));
        engine.into_iter().chain(self.sessions.deadline()).min()
    }

    /// What a turn wants to be appended.
    pub fn batches(&self, turn: &mut Turn) -> Vec<Batch> {
        let batch = |(run, events): (RunId, Vec<Recorded>)| {
            let first = events.first().expect("a run is listed with its first event");
            Batch { run, expected_seq: first.seq - 1, term: self.term, events }
        };
        std::mem::take(&mut turn.events).into_iter().map(batch).collect()
    }

    /// The orders of a turn that is durable.
    pub fn orders(&self, turn: &mut Turn) -> impl Iterator<Item = (WorkerId, Vec<Order>)> + use<> {
        let mut orders = std::mem::take(&mut turn.orders);
        for worker in std::mem::take(&mut turn.heard) {
            orders.entry(worker).or_default().extend(self.sessions.receipt(worker));
        }
        orders.into_iter().filter(|(_, orders)| !orders.is_empty())
    }

    /// Drops a run that has ended.
    pub fn forget(&mut self, run: RunId) {
        self.engine.forget(run);
    }
}
