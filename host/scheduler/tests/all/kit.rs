//! Runs and workers for the tests: a worker is two channels, and the test makes its every move.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_model::*;
use cofferdam_runlog::*;
use cofferdam_scheduler::{Scheduler, Submission, WorkerOffer, system_clock};
use tokio::sync::mpsc;

pub(crate) fn step(key: &str, after: &[u32]) -> PlanStep {
    PlanStep {
        after: after.iter().copied().map(StepIdx).collect(),
        retry: RetryPolicy { max_retries: 1, delay: 0.02, ..RetryPolicy::NEVER },
        ..PlanStep::new(StepKey::new(key), LibraryDigest([7; 32]), Name::new("op").unwrap())
    }
}

pub(crate) fn submission(n: u128, steps: Vec<PlanStep>) -> Submission {
    let plan = Plan::new(Name::new("job").unwrap(), steps);
    Submission {
        run: RunId(uuid::Uuid::from_u128(n)),
        plan: Arc::new(plan),
        tags: BTreeMap::new(),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    }
}

/// A worker whose every move the test makes.
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) orders: mpsc::Receiver<Vec<Order>>,
    pub(crate) reports: mpsc::Sender<Vec<Report>>,
    taken: Vec<Order>,
    /// Libraries that it heard of.
    pub(crate) announced: Vec<NeededLibrary>,
}

impl Worker {
    pub(crate) async fn attach(scheduler: &Scheduler, slots: u32) -> Worker {
        let (send_orders, orders) = mpsc::channel(8);
        let (reports, receive_reports) = mpsc::channel(8);
        let offer = WorkerOffer { slots, ..WorkerOffer::default() };
        let id = scheduler.attach_worker(offer, send_orders, receive_reports).await.unwrap();
        Worker { id, orders, reports, taken: vec![], announced: vec![] }
    }

    pub(crate) async fn order(&mut self) -> Option<Order> {
        loop {
            while self.taken.is_empty() {
                self.taken = self.orders.recv().await?;
                self.taken.reverse();
            }
            match self.taken.pop() {
                Some(Order::Prepare(needed)) => self.announced.extend(needed),
                order => return order,
            }
        }
    }

    pub(crate) async fn assignment(&mut self) -> Assignment {
        match self.order().await {
            Some(Order::Run(assignment)) => *assignment,
            other => panic!("expected an assignment, got {other:?}"),
        }
    }

    pub(crate) async fn finish(&self, id: AttemptId, outcome: Outcome) {
        let usage = Usage::default();
        self.reports.send(vec![Report::Finished { id, outcome, usage }]).await.unwrap();
    }

    /// Succeeds with everything until `steps` have been done.
    pub(crate) async fn work(&mut self, steps: usize) -> Vec<String> {
        let mut done = vec![];
        while done.len() < steps {
            let assignment = self.assignment().await;
            done.push(assignment.id.step.to_string());
            self.finish(assignment.id, success()).await;
        }
        done
    }
}

pub(crate) fn success() -> Outcome {
    Outcome::Succeeded { outputs: vec![], metadata: vec![] }
}

pub(crate) fn failure() -> Outcome {
    Outcome::Failed(Box::new(Failure::new(FailureKind::Op, "boom")))
}

pub(crate) async fn start(log: &Arc<dyn RunLog>) -> Scheduler {
    Scheduler::start(log.clone(), system_clock()).await.unwrap()
}

pub(crate) fn memory() -> Arc<dyn RunLog> {
    Arc::new(Memory::new())
}

pub(crate) fn claims(events: &[Recorded], key: &str) -> usize {
    let is = |event: &Event| matches!(event, Event::StepDispatched { step, .. } if step.as_str() == key);
    events.iter().filter(|recorded| is(&recorded.event)).count()
}
