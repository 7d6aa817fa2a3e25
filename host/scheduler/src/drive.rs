//! The loop: one task that owns the engine, the workers' channels and the watchers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_engine::{Engine, Input, Layout};
use cofferdam_model::{
    AttemptId, LogLine, Order, Plan, Report, RunId, RunStatus, Term, Timestamp, ValueDigest, WorkerId,
};
use cofferdam_runlog::{LogRecord, NewRun, RunLog};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::commit::Turn;
use crate::handle::{Error, Offer, text};
use crate::watch::{Update, Watch, Watchers};
use crate::{Clock, TURN_MESSAGES_MAX};

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Message {
    Submit {
        new_run: Box<NewRun>,
        plan: Arc<Plan>,
        reply: oneshot::Sender<Result<RunId, Error>>,
    },
    Resume {
        run: RunId,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Cancel {
        run: RunId,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Attach {
        offer: Offer,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
        reply: oneshot::Sender<WorkerId>,
    },
    Watch {
        run: RunId,
        reply: oneshot::Sender<Watch>,
    },
    Wait {
        run: RunId,
        reply: oneshot::Sender<Result<RunStatus, Error>>,
    },
    Reports(Vec<Report>),
    Left {
        worker: WorkerId,
    },
}

/// A yes that is only given once the turn is durable.
#[derive(Debug)]
enum Yes {
    Submitted(oneshot::Sender<Result<RunId, Error>>, RunId),
    Done(oneshot::Sender<Result<(), Error>>),
}

pub(crate) struct Loop {
    engine: Engine,
    term: Term,
    log: Arc<dyn RunLog>,
    clock: Clock,
    /// For the tasks that forward reports; weak, so that the loop ends with its last handle.
    inbox: mpsc::WeakSender<Message>,
    workers: HashMap<WorkerId, mpsc::Sender<Vec<Order>>>,
    forwarders: JoinSet<()>,
    last_worker: u64,
    watchers: Watchers,
    turn: Turn,
    logs: Vec<LogRecord>,
    yes: Vec<Yes>,
}

impl Loop {
    pub(crate) fn new(
        engine: Engine,
        term: Term,
        log: Arc<dyn RunLog>,
        clock: Clock,
        inbox: mpsc::WeakSender<Message>,
    ) -> Loop {
        Loop {
            engine,
            term,
            log,
            clock,
            inbox,
            workers: HashMap::new(),
            forwarders: JoinSet::new(),
            last_worker: 0,
            watchers: Watchers::default(),
            turn: Turn::default(),
            logs: vec![],
            yes: vec![],
        }
    }

    /// Until the last handle is dropped, or the log refuses a write.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(mut next) = self.wake(&mut messages).await {
            let now = (self.clock)();
            for _ in 0..TURN_MESSAGES_MAX {
                let Some(message) = next else { break };
                self.take(message, now).await;
                next = messages.try_recv().ok();
            }
            if let Some(message) = next {
                self.take(message, now).await;
            }
            let actions = self.engine.handle(Input::Tick, now);
            self.turn.add(actions);
            if let Err(error) = self.commit().await {
                tracing::error!(%error, "the scheduler stops");
                self.watchers.stopped(&error);
                return;
            }
        }
    }

    /// Waits for a message or for the engine's next deadline. `None` ends the loop.
    async fn wake(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Option<Message>> {
        let Some(deadline) = self.engine.next_deadline() else {
            return messages.recv().await.map(Some);
        };
        // A millisecond more, because the deadline is in whole ones.
        let wait = deadline.since((self.clock)()) + Duration::from_millis(1);
        match tokio::time::timeout(wait, messages.recv()).await {
            Ok(message) => message.map(Some),
            Err(_) => Some(None),
        }
    }

    async fn take(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Submit { new_run, plan, reply } => self.submit(*new_run, plan, reply, now).await,
            Message::Resume { run, reply } => self.resume(run, reply, now).await,
            Message::Cancel { run, reply } => {
                if self.engine.run(run).is_some() {
                    self.handle(Input::CancelRequested { run }, now);
                    self.yes.push(Yes::Done(reply));
                } else {
                    let _ = reply.send(Err(Error::UnknownRun(run)));
                }
            }
            Message::Attach { offer, orders, reports, reply } => {
                self.attach(offer, orders, reports, reply, now);
            }
            Message::Watch { run, reply } => {
                let _ = reply.send(self.watchers.watch(run));
            }
            Message::Wait { run, reply } => self.wait(run, reply).await,
            Message::Reports(reports) => {
                for report in reports {
                    self.report(report, now);
                }
            }
            Message::Left { worker } => {
                self.workers.remove(&worker);
                self.handle(Input::WorkerLeft { worker }, now);
            }
        }
    }

    fn handle(&mut self, input: Input, now: Timestamp) {
        let actions = self.engine.handle(input, now);
        self.turn.add(actions);
    }

    async fn submit(
        &mut self,
        new_run: NewRun,
        plan: Arc<Plan>,
        reply: oneshot::Sender<Result<RunId, Error>>,
        now: Timestamp,
    ) {
        let (asked, digest) = (new_run.run, new_run.digest);
        let layout = match Layout::new(plan) {
            Ok(layout) => layout,
            Err(error) => {
                let _ = reply.send(Err(Error::Plan(error.to_string())));
                return;
            }
        };
        match self.log.create_run(new_run).await {
            Err(error) => {
                let _ = reply.send(Err(Error::Log(text(&error))));
            }
            Ok(run) if run != asked => {
                let _ = reply.send(Ok(run));
            }
            Ok(run) => {
                self.handle(Input::RunSubmitted { run, layout, plan: digest }, now);
                self.yes.push(Yes::Submitted(reply, run));
            }
        }
    }

    async fn resume(&mut self, run: RunId, reply: oneshot::Sender<Result<(), Error>>, now: Timestamp) {
        match self.recover(run, now).await {
            Ok(()) => self.yes.push(Yes::Done(reply)),
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn recover(&mut self, run: RunId, now: Timestamp) -> Result<(), Error> {
        if self.engine.run(run).is_some() {
            return Ok(());
        }
        let stored = self.log.plan(run).await.map_err(|error| Error::Log(text(&error)))?;
        let events = self.log.history(run, 1).await.map_err(|error| Error::Log(text(&error)))?;
        let refused = |error: &dyn std::error::Error| Error::Resume { run, reason: text(error) };
        let plan = Plan::decode(&stored).map_err(|error| refused(&error))?;
        let layout = Layout::new(Arc::new(plan)).map_err(|error| refused(&error))?;
        let digest = ValueDigest::of(&stored);
        let actions = self.engine.recover(run, layout, digest, &events, now);
        self.turn.add(actions.map_err(|error| refused(&error))?);
        Ok(())
    }

    fn attach(
        &mut self,
        offer: Offer,
        orders: mpsc::Sender<Vec<Order>>,
        mut reports: mpsc::Receiver<Vec<Report>>,
        reply: oneshot::Sender<WorkerId>,
        now: Timestamp,
    ) {
        self.last_worker += 1;
        let worker = WorkerId(self.last_worker);
        self.workers.insert(worker, orders);
        let inbox = self.inbox.clone();
        self.forwarders.spawn(async move {
            while let Some(reports) = reports.recv().await {
                let Some(inbox) = inbox.upgrade() else { return };
                if inbox.send(Message::Reports(reports)).await.is_err() {
                    return;
                }
            }
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Message::Left { worker }).await;
            }
        });
        let Offer { slots, queue, resources } = offer;
        let _ = reply.send(worker);
        self.handle(Input::WorkerJoined { worker, slots, queue, resources }, now);
    }

    async fn wait(&mut self, run: RunId, reply: oneshot::Sender<Result<RunStatus, Error>>) {
        if self.engine.run(run).is_some() {
            self.watchers.wait(run, reply);
            return;
        }
        let status = match self.log.summary(run).await {
            Ok(summary) if summary.status.is_terminal() => Ok(summary.status),
            Ok(_) => Err(Error::UnknownRun(run)),
            Err(error) => Err(Error::Log(text(&error))),
        };
        let _ = reply.send(status);
    }

    /// Log lines and progress are passed on; what changes the run goes to the engine.
    fn report(&mut self, report: Report, now: Timestamp) {
        match report {
            Report::Logs { id, lines } => self.keep_logs(id, lines),
            Report::Progress { id, progress } => {
                self.watchers.tell(id.run, &Update::Progress { step: id.step, progress });
            }
            report @ (Report::Started { .. } | Report::Finished { .. }) => {
                self.handle(Input::Report(report), now);
            }
        }
    }

    fn keep_logs(&mut self, id: AttemptId, lines: Vec<LogLine>) {
        let AttemptId { run, step, attempt, .. } = id;
        if self.watchers.any(run) {
            let update = Update::Logs { step: step.clone(), attempt, lines: lines.clone() };
            self.watchers.tell(run, &update);
        }
        self.logs.extend(lines.into_iter().map(|line| LogRecord { run, step: step.clone(), attempt, line }));
    }

    /// Makes the turn durable, then carries it out. After an error nothing of it has been carried out.
    async fn commit(&mut self) -> Result<(), Error> {
        let batches = self.turn.batches(self.term);
        if !batches.is_empty() {
            let watched: Vec<_> =
                batches.iter().filter(|batch| self.watchers.any(batch.run)).cloned().collect();
            self.log.append(batches).await.map_err(|error| Error::Stopped(text(&error)))?;
            for batch in watched {
                self.watchers.tell(batch.run, &Update::Events(batch.events));
            }
        }
        if !self.logs.is_empty() {
            let logs = std::mem::take(&mut self.logs);
            self.log.append_logs(logs).await.map_err(|error| Error::Stopped(text(&error)))?;
        }
        for yes in self.yes.drain(..) {
            match yes {
                Yes::Submitted(reply, run) => drop(reply.send(Ok(run))),
                Yes::Done(reply) => drop(reply.send(Ok(()))),
            }
        }
        self.send_orders();
        for (run, status) in std::mem::take(&mut self.turn.ended) {
            self.engine.forget(run);
            self.watchers.ended(run, status);
        }
        Ok(())
    }

    /// The engine bounds what a worker has in hand, so a full channel means a worker that does not read: it
    /// is let go, and what it held is dispatched anew.
    fn send_orders(&mut self) {
        for (worker, orders) in std::mem::take(&mut self.turn.orders) {
            let Some(sender) = self.workers.get(&worker) else {
                continue;
            };
            if sender.try_send(orders).is_err() {
                tracing::warn!(worker = worker.0, "a worker takes no orders");
                self.workers.remove(&worker);
                let inbox = self.inbox.clone();
                self.forwarders.spawn(async move {
                    if let Some(inbox) = inbox.upgrade() {
                        let _ = inbox.send(Message::Left { worker }).await;
                    }
                });
            }
        }
    }
}
