//! What a worker remembers while it has no stream, and forgets when the scheduler says that it is durable. It does
//! nothing itself.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cofferdam_model::{AttemptId, Fence, Order, Report};
use cofferdam_wire::v1::{Hello, Welcome};
use cofferdam_wire::{PROTOCOL, WORLD, encode};

use crate::give::Giving;
use crate::worker::{Offer, left_ms};

/// What must outlive a stream: attempts until their end is durable, and what was said until it is.
#[derive(Debug, Default)]
pub struct Held {
    /// The number under which it was welcomed last.
    worker: Option<u64>,
    /// Shows that the number is its own.
    proof: Bytes,
    /// Attempts that were ordered and whose end is not durable yet.
    open: BTreeMap<Fence, AttemptId>,
    /// Batches of reports, until they are durable, oldest first.
    unheard: VecDeque<Batch>,
    /// Number of the last one that is durable.
    n_durable: u64,
    /// Nothing follows on this stream.
    last: bool,
    /// It wants to leave, or was told to: over another stream it says so at once.
    leaves: bool,
}

#[derive(Debug)]
struct Batch {
    encoded: Bytes,
    /// Attempts whose end it tells.
    ends: Vec<Fence>,
}

impl Held {
    /// The scheduler has opened the stream.
    pub fn welcomed(&mut self, welcome: &Welcome) {
        self.worker = Some(welcome.worker);
        self.proof = welcome.proof.clone();
        self.last = false;
        self.heard(welcome.received);
    }

    /// Orders have arrived.
    pub fn ordered(&mut self, orders: &[Order]) {
        for order in orders {
            match order {
                Order::Run(assignment) => {
                    self.open.insert(assignment.id.fence, assignment.id.clone());
                }
                Order::Received { batches } => self.heard(*batches),
                Order::Last => {
                    self.last = true;
                    self.leaves = true;
                }
                Order::Cancel(_) | Order::Publish(_) | Order::Prepare(_) | Order::Forget { .. } => {}
            }
        }
    }

    /// Keeps a batch until it is durable; answers it as it travels.
    pub fn reported(&mut self, reports: &[Report]) -> Bytes {
        let ends = reports.iter().filter_map(|report| match report {
            Report::Finished { id, .. } | Report::Returned { id } | Report::Lacks { id, .. } => {
                Some(id.fence)
            }
            Report::Started { .. } | Report::Logs { .. } | Report::Progress { .. } => None,
        });
        let batch = Batch { encoded: encode(&reports), ends: ends.collect() };
        let encoded = batch.encoded.clone();
        self.unheard.push_back(batch);
        encoded
    }

    /// What is to be said again over a new stream, before anything else.
    pub fn unheard(&self) -> Vec<Bytes> {
        self.unheard.iter().map(|batch| batch.encoded.clone()).collect()
    }

    /// How many attempts it has.
    pub fn n_attempts(&self) -> usize {
        self.open.len()
    }

    /// Forgets batches up to this number: they are durable.
    fn heard(&mut self, number: u64) {
        while self.n_durable < number
            && let Some(batch) = self.unheard.pop_front()
        {
            self.n_durable += 1;
            for fence in batch.ends {
                self.open.remove(&fence);
            }
        }
    }

    /// Whether nothing would be lost if the worker went.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.unheard.is_empty()
    }

    /// Whether a worker that wants to leave may.
    pub fn is_done(&self) -> bool {
        self.last && self.is_empty()
    }

    /// Somebody here has asked it to leave.
    pub(crate) fn leave(&mut self) {
        self.leaves = true;
    }

    /// Whether it is to leave, whoever has asked for it.
    pub fn leaves(&self) -> bool {
        self.leaves
    }

    /// How the worker introduces itself over a new stream.
    pub fn hello(&self, offer: &Offer, instance: u128) -> Hello {
        let attempts: Vec<&AttemptId> = self.open.values().collect();
        Hello {
            protocol: PROTOCOL,
            world: WORLD.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: offer.name.clone(),
            slots: offer.slots,
            queue: offer.queue,
            resources: offer.resources.clone().into_iter().collect(),
            labels: offer.labels.clone().into_iter().collect(),
            lifetime_ms: offer.ends_at.map(left_ms),
            instance: instance.to_be_bytes().to_vec().into(),
            previous: self.worker,
            proof: self.proof.clone(),
            held: encode(&attempts),
            acknowledged: self.n_durable,
            gives: offer.gives.as_ref().map(Giving::told),
            leaving: self.leaves,
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{Assignment, LibraryDigest, Name, RunId, StepKey};

    use super::*;

    fn attempt(fence: u64) -> AttemptId {
        let run: RunId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
        AttemptId { run, step: StepKey::new("a"), attempt: 1, fence: Fence(fence) }
    }

    fn finished(fence: u64) -> Report {
        let outcome = cofferdam_model::Outcome::Succeeded { outputs: vec![], metadata: vec![] };
        Report::Finished { id: attempt(fence), outcome, usage: Default::default() }
    }

    fn run(fence: u64) -> Order {
        Order::Run(Box::new(Assignment::new(
            attempt(fence),
            LibraryDigest([0; 32]),
            Name::new("op").unwrap(),
        )))
    }

    #[test]
    fn an_attempt_is_held_until_its_end_is_durable() {
        let mut held = Held::default();
        held.ordered(&[run(1), run(2)]);
        held.reported(&[finished(1)]);
        held.reported(&[finished(2)]);
        assert_eq!(held.open.len(), 2, "nobody has heard of their end");
        held.ordered(&[Order::Received { batches: 1 }]);
        assert_eq!(held.open.keys().collect::<Vec<_>>(), [&Fence(2)]);
        held.welcomed(&Welcome { worker: 7, term: 1, received: 1, ..Welcome::default() });
        assert_eq!((held.worker, held.unheard.len(), held.n_durable), (Some(7), 1, 1));
        held.welcomed(&Welcome { worker: 7, term: 1, received: 2, ..Welcome::default() });
        assert!(held.is_empty());
    }

    #[test]
    fn a_worker_leaves_when_it_was_told_that_nothing_follows_and_all_is_durable() {
        let mut held = Held::default();
        held.ordered(&[run(1), Order::Last]);
        assert!(!held.is_done());
        held.reported(&[finished(1)]);
        assert!(!held.is_done());
        held.ordered(&[Order::Received { batches: 1 }]);
        assert!(held.is_done());
        held.welcomed(&Welcome::default());
        assert!(!held.is_done(), "a new stream may bring more");
        assert!(held.leaves(), "a break or another scheduler does not make it stay");
        assert!(held.hello(&Offer::default(), 1).leaving, "and it says so in its first word");
    }
}
