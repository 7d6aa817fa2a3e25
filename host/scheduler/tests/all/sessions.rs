//! Workers over a network: they come back, keep what they have, and are heard once.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::*;
use cofferdam_runlog::*;
use cofferdam_scheduler::{Attached, Patience, Scheduler, Settings, Visit, WorkerOffer, system_clock};
use tokio::sync::mpsc;

use crate::kit::{claims, memory, step, submission, success};

/// Long enough for a worker of these tests to come back.
const PATIENCE: Patience = Patience { silent: Duration::from_secs(60), take_over: Duration::from_secs(60) };
/// Over at once.
const HASTE: Patience = Patience { silent: Duration::from_millis(1), take_over: Duration::from_millis(1) };

/// The worker's end of one connection.
struct Visitor {
    attached: Attached,
    orders: mpsc::Receiver<Vec<Order>>,
    reports: mpsc::Sender<Vec<Report>>,
}

async fn start(log: &Arc<dyn RunLog>, patience: Patience) -> Scheduler {
    let settings = Settings { patience, ..Settings::default() };
    Scheduler::start_with(log.clone(), system_clock(), settings).await.unwrap()
}

async fn visit(scheduler: &Scheduler, slots: u32, visit: Visit) -> Visitor {
    let (send_orders, orders) = mpsc::channel(8);
    let (reports, receive_reports) = mpsc::channel(8);
    let offer = WorkerOffer { slots, ..WorkerOffer::default() };
    let attached = scheduler.attach_visitor(offer, visit, send_orders, receive_reports).await.unwrap();
    Visitor { attached, orders, reports }
}

fn first() -> Visit {
    Visit { instance: 1, ..Visit::default() }
}

fn again(worker: WorkerId, held: &[&AttemptId], acknowledged: u64) -> Visit {
    let held = held.iter().map(|id| (*id).clone()).collect();
    Visit { previous: Some(worker), held, acknowledged, ..first() }
}

impl Visitor {
    /// The attempts of the next orders that hold any.
    async fn attempts(&mut self) -> Vec<AttemptId> {
        loop {
            let orders = self.orders.recv().await.expect("the connection stands");
            let attempts = orders.into_iter().filter_map(|order| match order {
                Order::Run(assignment) => Some(assignment.id),
                _ => None,
            });
            let attempts: Vec<AttemptId> = attempts.collect();
            if !attempts.is_empty() {
                return attempts;
            }
        }
    }

    /// Waits until so many batches are durable.
    async fn heard(&mut self, batches: u64) {
        loop {
            let orders = self.orders.recv().await.expect("the connection stands");
            if orders.contains(&Order::Received { batches }) {
                return;
            }
        }
    }

    async fn say(&self, reports: Vec<Report>) {
        self.reports.send(reports).await.unwrap();
    }
}

fn finished(id: &AttemptId) -> Report {
    Report::Finished { id: id.clone(), outcome: success(), usage: Usage::default() }
}

fn logs(id: &AttemptId, first: u64, messages: &[&str]) -> Report {
    let line = |message: &&str| LogLine {
        at: Timestamp(1),
        level: LogLevel::Info,
        source: LogSource::Op,
        message: (*message).to_owned(),
        fields: vec![],
    };
    Report::Logs { id: id.clone(), first, lines: messages.iter().map(line).collect() }
}

async fn kept(log: &Arc<dyn RunLog>, run: RunId) -> Vec<String> {
    let lines = log.logs(run, LogFilter::default(), 0, 100).await.unwrap();
    lines.into_iter().map(|stored| stored.line.message).collect()
}

#[tokio::test]
async fn an_attempt_goes_on_over_a_broken_connection_and_what_was_not_heard_is_said_again() {
    let log = memory();
    let scheduler = start(&log, PATIENCE).await;
    let mut before = visit(&scheduler, 3, first()).await;
    let steps = vec![step("a", &[]), step("b", &[]), step("c", &[])];
    let run = scheduler.submit(submission(1, steps)).await.unwrap();
    let ids = before.attempts().await;
    before.say(vec![logs(&ids[0], 0, &["one"])]).await;
    before.heard(1).await;
    let worker = before.attached.worker;
    // The end of `a` and the order of `c` are on their way when the connection breaks.
    drop(before);
    let mut after = visit(&scheduler, 3, again(worker, &[&ids[0], &ids[1]], 1)).await;
    assert_eq!(after.attached, Attached { worker, received: 1 });
    assert_eq!(after.attempts().await, [ids[2].clone()], "the same attempt, not another one");
    after.say(vec![logs(&ids[0], 1, &["two"]), finished(&ids[0])]).await;
    after.say(vec![finished(&ids[1]), finished(&ids[2])]).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    assert_eq!(["a", "b", "c"].map(|key| claims(&events, key)), [1, 1, 1]);
    assert_eq!(kept(&log, run).await, ["one", "two"]);
}

#[tokio::test]
async fn a_scheduler_that_takes_over_leaves_attempts_with_their_worker_and_keeps_each_line_once() {
    let log = memory();
    let scheduler = start(&log, PATIENCE).await;
    let mut before = visit(&scheduler, 2, first()).await;
    let steps = vec![step("a", &[]), step("a2", &[]), step("b", &[0])];
    let run = scheduler.submit(submission(1, steps)).await.unwrap();
    let ids = before.attempts().await;
    before.say(vec![logs(&ids[0], 0, &["one", "two"])]).await;
    before.say(vec![logs(&ids[1], 0, &["other"])]).await;
    before.heard(2).await;
    drop(scheduler);

    let scheduler = start(&log, PATIENCE).await;
    scheduler.resume(run).await.unwrap();
    // It was never told that its first batches are durable.
    let mut after = visit(&scheduler, 2, again(before.attached.worker, &[&ids[0], &ids[1]], 0)).await;
    assert_eq!(after.attached, Attached { worker: before.attached.worker, received: 0 });
    after.say(vec![logs(&ids[0], 0, &["one", "two"])]).await;
    after.say(vec![logs(&ids[1], 0, &["other"])]).await;
    after.say(vec![logs(&ids[0], 2, &["three"]), finished(&ids[0]), finished(&ids[1])]).await;
    let b = after.attempts().await;
    after.say(vec![finished(&b[0])]).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    assert_eq!(["a", "a2", "b"].map(|key| claims(&events, key)), [1, 1, 1], "a restart re-executes nothing");
    assert_eq!(kept(&log, run).await, ["one", "two", "other", "three"]);
}

#[tokio::test]
async fn who_does_not_come_back_loses_its_attempts_and_whoever_speaks_for_them_is_not_heard() {
    let log = memory();
    let scheduler = start(&log, HASTE).await;
    let mut silent = visit(&scheduler, 1, first()).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[])])).await.unwrap();
    let old = silent.attempts().await.remove(0);
    drop(silent);
    let mut other = visit(&scheduler, 1, Visit { instance: 2, ..Visit::default() }).await;
    let new = other.attempts().await.remove(0);
    assert_eq!(new.attempt, 2);
    // A worker that lies: it holds an attempt of somebody else, and reports for one that was given up.
    let mut liar =
        visit(&scheduler, 1, Visit { instance: 3, held: vec![new.clone(), old.clone()], ..first() }).await;
    let mut told = liar.orders.recv().await.unwrap();
    told.retain(|order| !matches!(order, Order::Prepare(_)));
    assert_eq!(told, [Order::Cancel(new.clone()), Order::Cancel(old.clone())]);
    liar.say(vec![logs(&new, 0, &["forged"]), finished(&new), finished(&old)]).await;
    liar.heard(1).await;
    assert_eq!(log.summary(run).await.unwrap().status, RunStatus::Running);
    other.say(vec![finished(&new)]).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    assert_eq!(kept(&log, run).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_worker_that_leaves_and_comes_back_ends_what_it_has_and_gets_nothing_more() {
    let log = memory();
    let scheduler = start(&log, PATIENCE).await;
    let mut before = visit(&scheduler, 1, first()).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[]), step("b", &[])])).await.unwrap();
    let ids = before.attempts().await;
    let worker = before.attached.worker;
    drop(before);
    let leaving = Visit { leaving: true, ..again(worker, &[&ids[0]], 0) };
    let mut after = visit(&scheduler, 1, leaving).await;
    after.say(vec![finished(&ids[0])]).await;
    let mut orders = vec![];
    while !orders.contains(&Order::Received { batches: 1 }) {
        orders.extend(after.orders.recv().await.expect("the connection stands"));
    }
    assert!(orders.contains(&Order::Last), "{orders:?}");
    assert!(!orders.iter().any(|order| matches!(order, Order::Run(_))), "{orders:?}");
    let mut other = visit(&scheduler, 1, Visit { instance: 2, ..Visit::default() }).await;
    let b = other.attempts().await;
    other.say(vec![finished(&b[0])]).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
}
