//! What one batch of messages led to, before it is durable.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cofferdam_engine::Action;
use cofferdam_model::{
    Event, Fence, Order, Recorded, Report, RunId, RunStatus, StepKey, ValueDigest, WorkerId,
};
use cofferdam_runlog::LogRecord;

use crate::driver::Message;
use crate::updates::Update;

/// What one batch of messages led to.
#[derive(Debug, Default)]
pub struct Turn {
    pub(crate) events: BTreeMap<RunId, Vec<Recorded>>,
    pub orders: BTreeMap<WorkerId, Vec<Order>>,
    /// Workers whose reports this turn holds; they are told when it is durable.
    pub(crate) heard: BTreeSet<WorkerId>,
    pub logs: Vec<LogRecord>,
    pub(crate) progress: Vec<(RunId, Update)>,
    pub ended: Vec<(RunId, RunStatus)>,
    /// Earlier results that are looked for.
    pub recalls: Vec<(RunId, StepKey, ValueDigest)>,
}

/// Drops the start of every attempt whose end is in the same batch: it carries no news, and a short step then
/// costs two events instead of three.
pub(crate) fn fold_starts(batch: &mut [Message]) {
    let reports = batch.iter().filter_map(|message| match message {
        Message::Reports { reports, .. } => Some(reports),
        _ => None,
    });
    let ends = reports.flatten().filter_map(|report| match report {
        Report::Finished { id, .. } => Some(id.fence),
        _ => None,
    });
    let ends: HashSet<Fence> = ends.collect();
    if ends.is_empty() {
        return;
    }
    for message in batch {
        if let Message::Reports { reports, .. } = message {
            reports
                .retain(|report| !matches!(report, Report::Started { id, .. } if ends.contains(&id.fence)));
        }
    }
}

impl Turn {
    pub(crate) fn add(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Append { run, event } => {
                    debug_assert!(!matches!(event.event, Event::RunAccepted { .. }) || event.seq == 1);
                    self.events.entry(run).or_default().push(event);
                }
                Action::Dispatch { worker, assignment } => self.order(worker, Order::Run(assignment)),
                Action::CancelAttempt { worker, id } => self.order(worker, Order::Cancel(id)),
                Action::Publish { worker, publication } => self.order(worker, Order::Publish(publication)),
                Action::Release { worker } => self.order(worker, Order::Last),
                Action::Forget { worker, run } => self.order(worker, Order::Forget { run }),
                Action::Recall { run, step, memo } => self.recalls.push((run, step, memo)),
                Action::Waits { run, step, why } => self.progress.push((run, Update::Waits { step, why })),
                Action::RunEnded { run, status } => self.ended.push((run, status)),
            }
        }
    }

    /// Takes back what a worker was to be told of its attempts.
    pub(crate) fn withdraw(&mut self, worker: WorkerId) {
        if let Some(orders) = self.orders.get_mut(&worker) {
            orders.retain(|order| matches!(order, Order::Publish(_) | Order::Forget { .. }));
        }
    }

    pub(crate) fn order(&mut self, worker: WorkerId, order: Order) {
        self.orders.entry(worker).or_default().push(order);
    }
}
