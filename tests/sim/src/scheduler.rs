//! A scheduler's process: what it is told waits for its next turn; a turn is made durable, and then leaves.

use std::collections::BTreeMap;

use cofferdam_engine::Input;
use cofferdam_model::*;
use cofferdam_runlog::{Batch, LogRecord};
use cofferdam_scheduler::{Connection, Core, Now, Patience, Recovery, Settings, Turn, Visit, WorkerOffer};

/// What it is told.
#[derive(Debug)]
pub(crate) enum Told {
    Submit(Box<cofferdam_engine::Submission>),
    Cancel(RunId),
    Attach { link: usize, offer: WorkerOffer, visit: Visit },
    Reports { worker: WorkerId, connection: Connection, reports: Vec<Report> },
    Left { worker: WorkerId, connection: Connection },
    Recalled(Vec<(RunId, StepKey, Option<Memo>)>),
}

/// A turn that is decided and not durable yet.
#[derive(Debug)]
pub(crate) struct Pending {
    turn: Turn,
    /// What the log is to take.
    pub(crate) batches: Vec<Batch>,
    pub(crate) logs: Vec<LogRecord>,
    /// Who is to be welcomed, on which link.
    pub(crate) welcomes: Vec<(usize, WorkerId, Connection, u64)>,
    pub(crate) answered: Vec<RunId>,
}

/// What leaves when a turn is durable.
pub(crate) struct Leaving {
    pub(crate) orders: BTreeMap<WorkerId, Vec<Order>>,
    pub(crate) recalls: Vec<(RunId, StepKey, ValueDigest)>,
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) life: u64,
    pub(crate) term: Term,
    core: Core,
    pub(crate) inbox: Vec<Told>,
    pub(crate) pending: Option<Pending>,
    /// Which link a worker's orders go to.
    pub(crate) links: BTreeMap<WorkerId, usize>,
}

impl Scheduler {
    pub(crate) fn new(life: u64, term: Term, patience: Patience) -> Scheduler {
        Scheduler {
            life,
            term,
            core: Core::new(term, Settings { patience, ..Settings::default() }),
            inbox: vec![],
            pending: None,
            links: BTreeMap::new(),
        }
    }

    /// Decides on all that it was told. Nothing may leave before what is pending is durable.
    pub(crate) fn decide(&mut self, taken_over: Vec<Recovery>, now: Now) {
        let mut turn = Turn::default();
        let (mut welcomes, mut answered) = (vec![], vec![]);
        for recovery in taken_over {
            let Recovery { submission, events, lines } = recovery;
            let resumed = self.core.resume(submission, &events, lines, now, &mut turn);
            resumed.expect("a run that was written can be read");
        }
        let told = std::mem::take(&mut self.inbox);
        if told.is_empty() {
            self.core.handle(Input::Tick, now, &mut turn);
        }
        for told in told {
            match told {
                Told::Submit(submission) => {
                    answered.push(submission.run);
                    self.core.handle(Input::RunSubmitted(submission), now, &mut turn);
                }
                Told::Cancel(run) => self.core.handle(Input::CancelRequested { run }, now, &mut turn),
                Told::Attach { link, offer, visit } => {
                    let (attached, connection) = self.core.attach(offer, Some(visit), now, &mut turn);
                    self.links.insert(attached.worker, link);
                    welcomes.push((link, attached.worker, connection, attached.received));
                }
                Told::Reports { worker, connection, reports } => {
                    self.core.reported(worker, connection, reports, now, &mut turn)
                }
                Told::Left { worker, connection } => {
                    self.core.disconnected(worker, connection, now, &mut turn)
                }
                Told::Recalled(answers) => self.core.recalled(answers, now, &mut turn),
            }
        }
        self.core.give_up(now, &mut turn);
        let batches = self.core.batches(&mut turn);
        let logs = std::mem::take(&mut turn.logs);
        self.pending = Some(Pending { turn, batches, logs, welcomes, answered });
    }

    /// What may leave, now that the pending turn is durable.
    pub(crate) fn leaving(&mut self, pending: &mut Pending) -> Leaving {
        let leaving = Leaving {
            recalls: std::mem::take(&mut pending.turn.recalls),
            orders: self.core.orders(&mut pending.turn).collect(),
        };
        for (run, _) in std::mem::take(&mut pending.turn.ended) {
            self.core.forget(run);
        }
        leaving
    }

    /// What workers would be told of their reports, if the pending turn were durable.
    pub(crate) fn receipts(&mut self, pending: &mut Pending) -> BTreeMap<WorkerId, Vec<Order>> {
        let orders = std::mem::take(&mut pending.turn.orders);
        let receipts = self.core.orders(&mut pending.turn).collect();
        pending.turn.orders = orders;
        receipts
    }

    /// When it wants to decide although nobody tells it anything, in milliseconds from now.
    pub(crate) fn deadline(&self, now: Now) -> Option<u64> {
        let at = self.core.deadline(now)?;
        let wait = at.saturating_duration_since(now.steady);
        // A millisecond is the least that this clock knows.
        Some(u64::try_from(wait.as_millis()).expect("waits are short") + 1)
    }
}
