//! One turn's decisions, sorted into what has to be durable first and what follows from it.

use std::collections::BTreeMap;

use cofferdam_engine::Action;
use cofferdam_model::{Order, Recorded, RunId, RunStatus, Term, WorkerId};
use cofferdam_runlog::Batch;

/// What a turn of the loop leads to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Events by run, in order.
    events: BTreeMap<RunId, Vec<Recorded>>,
    /// Orders by worker, in order. They leave after the events are durable.
    pub(crate) orders: BTreeMap<WorkerId, Vec<Order>>,
    pub(crate) ended: Vec<(RunId, RunStatus)>,
}

impl Turn {
    pub(crate) fn add(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Append { run, event } => self.events.entry(run).or_default().push(event),
                Action::Dispatch { worker, assignment } => {
                    self.orders.entry(worker).or_default().push(Order::Run(assignment));
                }
                Action::CancelAttempt { worker, id } => {
                    self.orders.entry(worker).or_default().push(Order::Cancel(id));
                }
                Action::RunEnded { run, status } => self.ended.push((run, status)),
            }
        }
    }

    /// Takes the events, as the run log wants them.
    pub(crate) fn batches(&mut self, term: Term) -> Vec<Batch> {
        let batch = |(run, events): (RunId, Vec<Recorded>)| {
            let first = events.first().map_or(1, |first| first.seq);
            Batch { run, expected_seq: first - 1, term, events }
        };
        std::mem::take(&mut self.events).into_iter().map(batch).collect()
    }
}
