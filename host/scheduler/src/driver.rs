//! The task that owns the engine.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use cofferdam_engine::{Engine, Input, InvalidHistory, Settings, Submission};
use cofferdam_model::{
    Memo, Order, Recorded, Report, RunId, RunStatus, StepKey, Term, Timestamp, ValueDigest, WorkerId,
};
use cofferdam_runlog::{AppendError, Batch, LogRecord, RunLog};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::handle::{Clock, WorkerOffer};
use crate::turn::{Turn, fold_starts};
use crate::updates::{LAG_MAX, Update};
use crate::worker::carry;

/// Messages that are taken as one batch at most, so that a flood delays no answer for long.
const BATCH_MESSAGES_MAX: usize = 512;
/// Workers that may register in one term; keeps the ids of one term together and short to read.
const WORKERS_PER_TERM: u64 = 1_000_000;

/// What the loop is told.
pub(crate) enum Message {
    Submit {
        submission: Box<Submission>,
        answer: oneshot::Sender<()>,
    },
    Resume {
        submission: Box<Submission>,
        events: Vec<Recorded>,
        answer: oneshot::Sender<Result<(), InvalidHistory>>,
    },
    Cancel {
        run: RunId,
        answer: oneshot::Sender<bool>,
    },
    Attach {
        offer: WorkerOffer,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
        answer: oneshot::Sender<WorkerId>,
    },
    Draining {
        worker: WorkerId,
        answer: oneshot::Sender<()>,
    },
    Left(WorkerId),
    Reports(Vec<Report>),
    Recalled(Vec<(RunId, StepKey, Option<Memo>)>),
    Watch {
        run: RunId,
        answer: oneshot::Sender<Option<(u64, broadcast::Receiver<Update>)>>,
    },
    Wait {
        run: RunId,
        answer: oneshot::Sender<Option<RunStatus>>,
    },
    Unservable {
        answer: oneshot::Sender<Vec<(Vec<String>, Vec<RunId>)>>,
    },
}

pub(crate) struct Loop {
    log: Arc<dyn RunLog>,
    clock: Clock,
    term: Term,
    engine: Engine,
    workers: HashMap<WorkerId, mpsc::UnboundedSender<Vec<Order>>>,
    n_workers: u64,
    watched: HashMap<RunId, broadcast::Sender<Update>>,
    waiters: HashMap<RunId, Vec<oneshot::Sender<Option<RunStatus>>>>,
    carriers: JoinSet<()>,
    /// For the carriers; weak, so that the loop ends when the last handle is dropped.
    messages: mpsc::WeakSender<Message>,
    stopped: Arc<OnceLock<String>>,
}

/// Orders that were sent are carried to their worker also when the loop goes: the last ones of a run publish its
/// outputs. Each carrier ends by itself, because its channel has lost its sender.
impl Drop for Loop {
    fn drop(&mut self) {
        self.carriers.detach_all();
    }
}

impl Loop {
    pub(crate) fn new(
        log: Arc<dyn RunLog>,
        clock: Clock,
        term: Term,
        messages: mpsc::WeakSender<Message>,
        stopped: Arc<OnceLock<String>>,
    ) -> Loop {
        Loop {
            log,
            clock,
            term,
            engine: Engine::new(Settings { term }),
            workers: HashMap::new(),
            n_workers: 0,
            watched: HashMap::new(),
            waiters: HashMap::new(),
            carriers: JoinSet::new(),
            messages,
            stopped,
        }
    }

    pub(crate) async fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut batch = Vec::new();
        loop {
            let deadline = self.deadline();
            tokio::select! {
                n = waiting.recv_many(&mut batch, BATCH_MESSAGES_MAX) => if n == 0 {
                    return;
                },
                () = deadline => {}
            }
            let mut turn = Turn::default();
            let now = (self.clock)();
            if batch.is_empty() {
                let actions = self.engine.handle(Input::Tick, now);
                turn.add(actions);
            }
            fold_starts(&mut batch);
            for message in batch.drain(..) {
                self.take(message, now, &mut turn);
            }
            if let Err(error) = self.carry_out(turn).await {
                self.stop(&error);
                return;
            }
            while self.carriers.try_join_next().is_some() {}
        }
    }

    /// Ends when the engine wants to be called again.
    fn deadline(&self) -> impl Future<Output = ()> + use<> {
        let now = (self.clock)();
        let wait = self.engine.next_deadline().map(|at| at.since(now));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self, message: Message, now: Timestamp, turn: &mut Turn) {
        match message {
            Message::Submit { submission, answer } => {
                self.watch(submission.run);
                turn.add(self.engine.handle(Input::RunSubmitted(submission), now));
                turn.answer(answer, ());
            }
            Message::Resume { submission, events, answer } => {
                self.resume(*submission, &events, answer, now, turn)
            }
            Message::Recalled(answers) => {
                for (run, step, found) in answers {
                    turn.add(self.engine.handle(Input::Recalled { run, step, found }, now));
                }
            }
            Message::Cancel { run, answer } => {
                let driven = self.engine.run(run).is_some();
                turn.add(self.engine.handle(Input::CancelRequested { run }, now));
                turn.answer(answer, driven);
            }
            Message::Attach { offer, orders, reports, answer } => {
                let worker = self.attach(orders, reports);
                let input = Input::WorkerJoined {
                    worker,
                    slots: offer.slots,
                    queue: offer.queue,
                    resources: offer.resources,
                };
                turn.add(self.engine.handle(input, now));
                turn.answer(answer, worker);
            }
            Message::Draining { worker, answer } => {
                turn.add(self.engine.handle(Input::WorkerDraining { worker }, now));
                turn.answer(answer, ());
            }
            Message::Left(worker) => {
                self.workers.remove(&worker);
                turn.add(self.engine.handle(Input::WorkerLeft { worker }, now));
            }
            Message::Reports(reports) => {
                for report in reports {
                    self.report(report, now, turn);
                }
            }
            Message::Watch { run, answer } => turn.answers.push(Box::new(move |this| {
                let live = this.engine.run(run).map(|driven| driven.seq());
                let live = live.and_then(|seq| Some((seq, this.watched.get(&run)?.subscribe())));
                let _ = answer.send(live);
            })),
            Message::Wait { run, answer } => turn.answers.push(Box::new(move |this| {
                if this.engine.run(run).is_some() {
                    this.waiters.entry(run).or_default().push(answer);
                } else {
                    let _ = answer.send(None);
                }
            })),
            Message::Unservable { answer } => turn.answer(answer, self.engine.unservable()),
        }
    }

    fn resume(
        &mut self,
        submission: Submission,
        events: &[Recorded],
        answer: oneshot::Sender<Result<(), InvalidHistory>>,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let run = submission.run;
        if self.engine.run(run).is_some() {
            turn.answer(answer, Ok(()));
            return;
        }
        match self.engine.recover(submission, events, now) {
            Ok(actions) => {
                if self.engine.run(run).is_some() {
                    self.watch(run);
                }
                turn.add(actions);
                turn.answer(answer, Ok(()));
            }
            Err(error) => turn.answer(answer, Err(error)),
        }
    }

    fn watch(&mut self, run: RunId) {
        self.watched.entry(run).or_insert_with(|| broadcast::Sender::new(LAG_MAX));
    }

    fn attach(&mut self, orders: mpsc::Sender<Vec<Order>>, reports: mpsc::Receiver<Vec<Report>>) -> WorkerId {
        self.n_workers += 1;
        assert!(self.n_workers < WORKERS_PER_TERM, "no scheduler sees a million workers");
        let id = WorkerId(self.term.0 * WORKERS_PER_TERM + self.n_workers);
        let (inner, inner_orders) = mpsc::unbounded_channel();
        self.workers.insert(id, inner);
        if let Some(messages) = self.messages.upgrade() {
            self.carriers.spawn(carry(id, inner_orders, orders, reports, messages));
        }
        id
    }

    fn report(&mut self, report: Report, now: Timestamp, turn: &mut Turn) {
        match report {
            Report::Logs { id, lines } => {
                if self.engine.run(id.run).is_none() {
                    return;
                }
                let records = lines.into_iter().map(|line| LogRecord {
                    run: id.run,
                    step: id.step.clone(),
                    attempt: id.attempt,
                    line,
                });
                turn.logs.extend(records);
            }
            Report::Progress { id, progress } => turn
                .progress
                .push((id.run, Update::Progress { step: id.step, attempt: id.attempt, progress })),
            report @ (Report::Started { .. } | Report::Finished { .. }) => {
                turn.add(self.engine.handle(Input::Report(report), now));
            }
        }
    }

    /// Makes a turn's decisions durable, then acts on them. After an error nothing of the turn has left.
    async fn carry_out(&mut self, mut turn: Turn) -> Result<(), AppendError> {
        let updates = self.updates(&mut turn);
        let events = std::mem::take(&mut turn.events).into_iter();
        let batches: Vec<Batch> = events.map(|(run, events)| self.batch(run, events)).collect();
        let logs = std::mem::take(&mut turn.logs);
        let n_lines = logs.len();
        let events_kept = async {
            if batches.is_empty() {
                return Ok(());
            }
            self.log.append(batches).await
        };
        let logs_kept = async {
            if logs.is_empty() {
                return Ok(());
            }
            self.log.append_logs(logs).await
        };
        // Asked at once, so that they share a transaction.
        let (events_kept, logs_kept) = tokio::join!(events_kept, logs_kept);
        events_kept?;
        if let Err(error) = logs_kept {
            tracing::warn!(%error, n_lines, "log lines are lost: the run log cannot keep them");
        }
        self.look_up(turn.recalls);
        for (worker, orders) in turn.orders {
            if let Some(channel) = self.workers.get(&worker) {
                // A worker that has just gone says so by its other channel.
                let _ = channel.send(orders);
            }
        }
        for (run, update) in updates {
            if let Some(watchers) = self.watched.get(&run) {
                // Who watched may have gone meanwhile.
                let _ = watchers.send(update);
            }
        }
        for (run, status) in turn.ended {
            self.engine.forget(run);
            self.watched.remove(&run);
            for waiter in self.waiters.remove(&run).unwrap_or_default() {
                let _ = waiter.send(Some(status));
            }
        }
        for answer in turn.answers {
            answer(self);
        }
        Ok(())
    }

    /// Looks for earlier results beside the loop.
    fn look_up(&mut self, recalls: Vec<(RunId, StepKey, ValueDigest)>) {
        let Some(messages) = self.messages.upgrade().filter(|_| !recalls.is_empty()) else {
            return;
        };
        let log = self.log.clone();
        self.carriers.spawn(async move {
            let memos: Vec<ValueDigest> = recalls.iter().map(|(_, _, memo)| *memo).collect();
            let n_memos = memos.len();
            let found = log.catalog().recall(memos).await.unwrap_or_else(|error| {
                tracing::warn!(%error, n_memos, "steps run anew: earlier results cannot be looked up");
                vec![None; n_memos]
            });
            let answers = recalls.into_iter().zip(found).map(|((run, step, _), found)| (run, step, found));
            // A loop that has ended needs no answer.
            let _ = messages.send(Message::Recalled(answers.collect())).await;
        });
    }

    fn batch(&self, run: RunId, events: Vec<Recorded>) -> Batch {
        let first = events.first().expect("a run is listed with its first event");
        Batch { run, expected_seq: first.seq - 1, term: self.term, events }
    }

    /// What watchers are to be told of a turn: copies, made only for runs that somebody watches. New watchers
    /// come by a turn's answers, so none comes between here and the sending.
    fn updates(&self, turn: &mut Turn) -> Vec<(RunId, Update)> {
        let is_watched =
            |run: &RunId| self.watched.get(run).is_some_and(|sender| sender.receiver_count() > 0);
        let mut logs: BTreeMap<RunId, Vec<LogRecord>> = BTreeMap::new();
        for record in turn.logs.iter().filter(|record| is_watched(&record.run)) {
            logs.entry(record.run).or_default().push(record.clone());
        }
        let logs = logs.into_iter().map(|(run, logs)| (run, Update::Logs(logs.into())));
        let events = turn.events.iter().filter(|(run, _)| is_watched(run));
        let events = events.map(|(run, events)| (*run, Update::Events(events.as_slice().into())));
        logs.chain(std::mem::take(&mut turn.progress)).chain(events).collect()
    }

    /// Nothing may be decided on a state that is not in the log.
    fn stop(&self, error: &AppendError) {
        let mut why = format!("it could not write to the run log: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        tracing::error!(%why, "the scheduler stops");
        self.stopped.get_or_init(|| why);
    }
}
