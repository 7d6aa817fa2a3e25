//! The task that owns the engine.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use cofferdam_crash::{is_armed, reach};
use cofferdam_engine::{Census, Input, InvalidHistory, Present, Submission};
use cofferdam_model::{
    Event, Fence, Memo, Order, Plan, Queues, Reasons, Recorded, Report, Review, RunId, RunStatus, Standing,
    StepKey, Term, UsedUp, ValueDigest, WorkerId,
};
use cofferdam_runlog::{AppendError, Batch, LogRecord, RunLog};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ahead::Ahead;
use crate::core::{Core, Now, Settings};
use crate::handle::{Clock, Error, WorkerOffer};
use crate::observe::Observer;
use crate::sessions::{Attached, Connection, Visit};
use crate::turn::{Turn, fold_starts};
use crate::updates::{LAG_MAX, Update};
use crate::why;
use crate::worker::carry;

/// Messages that are taken as one batch at most, so that a flood delays no answer for long.
const BATCH_MESSAGES_MAX: usize = 512;

/// An answer that waits until what it says is durable.
type Answer = Box<dyn FnOnce(&mut Loop) + Send>;

/// What the loop is told.
pub(crate) enum Message {
    /// May a run of that plan be accepted?
    Admit {
        plan: Arc<Plan>,
        answer: oneshot::Sender<Option<UsedUp>>,
    },
    /// What namespaces have used, by what is on record.
    Standing(BTreeMap<String, Standing>),
    Submit {
        submission: Box<Submission>,
        answer: oneshot::Sender<()>,
    },
    Resume {
        submission: Box<Submission>,
        events: Vec<Recorded>,
        /// Lines that are kept of the attempts that are under way.
        lines: HashMap<Fence, u64>,
        answer: oneshot::Sender<Result<(), InvalidHistory>>,
    },
    Cancel {
        run: RunId,
        answer: oneshot::Sender<bool>,
    },
    Reviewed {
        run: RunId,
        step: StepKey,
        review: Review,
        answer: oneshot::Sender<Result<(), Error>>,
    },
    Attach {
        offer: WorkerOffer,
        /// Of a worker over the network.
        visit: Option<Visit>,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
        answer: oneshot::Sender<Attached>,
    },
    Draining {
        worker: WorkerId,
        answer: oneshot::Sender<()>,
    },
    Dismissed {
        worker: WorkerId,
        answer: oneshot::Sender<()>,
    },
    /// A connection has ended.
    Left {
        worker: WorkerId,
        connection: Connection,
    },
    Reports {
        worker: WorkerId,
        connection: Connection,
        reports: Vec<Report>,
    },
    Recalled(Vec<(RunId, StepKey, Option<Memo>)>),
    Watch {
        run: RunId,
        answer: oneshot::Sender<Option<(u64, broadcast::Receiver<Update>)>>,
    },
    Wait {
        run: RunId,
        answer: oneshot::Sender<Option<RunStatus>>,
    },
    Census {
        answer: oneshot::Sender<Census>,
    },
    Roster {
        answer: oneshot::Sender<Vec<Present>>,
    },
    Queues {
        answer: oneshot::Sender<Queues>,
    },
    Why {
        run: RunId,
        step: Option<StepKey>,
        answer: oneshot::Sender<Option<Result<Reasons, Error>>>,
    },
}

pub(crate) struct Loop {
    log: Arc<dyn RunLog>,
    clock: Clock,
    core: Core,
    observer: Option<Arc<dyn Observer>>,
    channels: HashMap<WorkerId, mpsc::UnboundedSender<Vec<Order>>>,
    ahead: Ahead,
    /// What was asked in this turn and waits until the turn is durable.
    answers: Vec<Answer>,
    watched: HashMap<RunId, broadcast::Sender<Update>>,
    waiters: HashMap<RunId, Vec<oneshot::Sender<Option<RunStatus>>>>,
    carriers: JoinSet<()>,
    /// What ends with the loop.
    aside: JoinSet<()>,
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
        settings: Settings,
        messages: mpsc::WeakSender<Message>,
        stopped: Arc<OnceLock<String>>,
    ) -> Loop {
        Loop {
            log,
            clock,
            observer: settings.observer.clone(),
            core: Core::new(term, settings),
            channels: HashMap::new(),
            ahead: Ahead::default(),
            answers: vec![],
            watched: HashMap::new(),
            waiters: HashMap::new(),
            carriers: JoinSet::new(),
            aside: JoinSet::new(),
            messages,
            stopped,
        }
    }

    /// Does something else for as long as the loop is there.
    pub(crate) fn beside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.aside.spawn(task);
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
            let now = self.now();
            if batch.is_empty() {
                self.core.handle(Input::Tick, now, &mut turn);
            }
            fold_starts(&mut batch);
            for message in batch.drain(..) {
                self.take(message, now, &mut turn);
            }
            self.core.give_up(now, &mut turn);
            if let Err(error) = self.carry_out(turn).await {
                self.stop(&error);
                return;
            }
            while self.carriers.try_join_next().is_some() {}
        }
    }

    fn now(&self) -> Now {
        Now { wall: (self.clock)(), steady: Instant::now() }
    }

    /// Ends when the core wants to be called again.
    fn deadline(&self) -> impl Future<Output = ()> + use<> {
        let next = self.core.deadline(self.now());
        async move {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self, message: Message, now: Now, turn: &mut Turn) {
        match message {
            Message::Admit { plan, answer } => {
                let refused = self.core.refuses(&plan, now);
                self.answer(answer, refused);
            }
            Message::Standing(of) => self.core.handle(Input::Standing(of), now, turn),
            Message::Submit { submission, answer } => {
                self.watch(submission.run);
                self.announce(submission.run, submission.layout.plan(), turn);
                self.core.handle(Input::RunSubmitted(submission), now, turn);
                self.answer(answer, ());
            }
            Message::Resume { submission, events, lines, answer } => {
                let run = submission.run;
                let plan = submission.layout.plan().clone();
                let resumed = self.core.resume(*submission, &events, lines, now, turn);
                if self.core.engine().run(run).is_some() {
                    self.watch(run);
                    self.announce(run, &plan, turn);
                }
                self.answer(answer, resumed);
            }
            Message::Recalled(answers) => self.core.recalled(answers, now, turn),
            Message::Cancel { run, answer } => {
                reach("cancel.requested");
                let driven = self.core.engine().run(run).is_some();
                self.core.handle(Input::CancelRequested { run }, now, turn);
                self.answer(answer, driven);
            }
            Message::Reviewed { run, step, review, answer } => {
                let waited = why::waits_for_review(self.core.engine(), run, &step, now.wall);
                if waited.is_ok() {
                    self.core.handle(Input::Reviewed { run, step, review }, now, turn);
                }
                self.answer(answer, waited);
            }
            Message::Attach { offer, visit, orders, reports, answer } => {
                let (attached, connection) = self.core.attach(offer, visit, now, turn);
                self.connect(attached.worker, connection, orders, reports);
                let needed = self.ahead.all();
                if !needed.is_empty() {
                    turn.order(attached.worker, Order::Prepare(needed));
                }
                self.answer(answer, attached);
            }
            Message::Draining { worker, answer } => {
                self.core.handle(Input::WorkerDraining { worker }, now, turn);
                self.answer(answer, ());
            }
            Message::Dismissed { worker, answer } => {
                self.channels.remove(&worker);
                self.core.dismiss(worker, now, turn);
                self.answer(answer, ());
            }
            Message::Left { worker, connection } => self.core.disconnected(worker, connection, now, turn),
            Message::Reports { worker, connection, reports } => {
                if is_armed() && reports.iter().any(|report| matches!(report, Report::Finished { .. })) {
                    reach("result.received");
                }
                self.core.reported(worker, connection, reports, now, turn)
            }
            Message::Watch { run, answer } => self.answers.push(Box::new(move |this| {
                let live = this.core.engine().run(run).map(|driven| driven.seq());
                let live = live.and_then(|seq| Some((seq, this.watched.get(&run)?.subscribe())));
                let _ = answer.send(live);
            })),
            Message::Wait { run, answer } => self.answers.push(Box::new(move |this| {
                if this.core.engine().run(run).is_some() {
                    this.waiters.entry(run).or_default().push(answer);
                } else {
                    let _ = answer.send(None);
                }
            })),
            Message::Census { answer } => {
                let census = self.core.engine().census();
                self.answer(answer, census);
            }
            Message::Roster { answer } => {
                let roster = self.core.engine().roster();
                self.answer(answer, roster);
            }
            Message::Queues { answer } => {
                let queues = self.core.engine().queues();
                self.answer(answer, queues);
            }
            Message::Why { run, step, answer } => {
                let reasons = why::of_driven(self.core.engine(), run, step.as_ref(), now.wall);
                self.answer(answer, reasons);
            }
        }
    }

    fn answer<T: Send + 'static>(&mut self, channel: oneshot::Sender<T>, answer: T) {
        // Who asked may have gone away; what it asked for is done all the same.
        self.answers.push(Box::new(move |_| drop(channel.send(answer))));
    }

    /// Tells every worker which libraries a run needs, and who looks on that it is there.
    fn announce(&mut self, run: RunId, plan: &Plan, turn: &mut Turn) {
        if let Some(observer) = &self.observer {
            observer.run(run, plan);
        }
        let needed = self.ahead.begin(run, plan);
        for worker in self.channels.keys() {
            turn.order(*worker, Order::Prepare(needed.clone()));
        }
    }

    fn watch(&mut self, run: RunId) {
        self.watched.entry(run).or_insert_with(|| broadcast::Sender::new(LAG_MAX));
    }

    fn connect(
        &mut self,
        worker: WorkerId,
        connection: Connection,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
    ) {
        let (inner, inner_orders) = mpsc::unbounded_channel();
        self.channels.insert(worker, inner);
        if let Some(messages) = self.messages.upgrade() {
            let carry = carry(worker, connection, inner_orders, orders, reports, messages);
            self.carriers.spawn(carry);
        }
    }

    /// Makes a turn's decisions durable, then acts on them. After an error nothing of the turn has left.
    async fn carry_out(&mut self, mut turn: Turn) -> Result<(), AppendError> {
        let updates = self.updates(&mut turn);
        let points = crash_points(&turn);
        let batches = self.core.batches(&mut turn);
        points.iter().for_each(|(before, _)| reach(before));
        let logs = std::mem::take(&mut turn.logs);
        let n_lines = logs.len();
        let events_kept = async {
            if batches.is_empty() {
                return Ok(());
            }
            append(&*self.log, self.observer.as_deref(), batches).await
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
        points.iter().for_each(|(_, after)| reach(after));
        if let Err(error) = logs_kept {
            tracing::warn!(%error, n_lines, "log lines are lost: the run log cannot keep them");
            self.tell_lines(n_lines, false);
        } else {
            self.tell_lines(n_lines, true);
        }
        self.look_up(std::mem::take(&mut turn.recalls));
        for (worker, orders) in self.core.orders(&mut turn) {
            if let Some(channel) = self.channels.get(&worker)
                && channel.send(orders).is_err()
            {
                // It has gone, which it says by its other channel; what it missed it gets when it comes back.
                self.channels.remove(&worker);
            }
        }
        reach("orders.sent");
        for (run, update) in updates {
            if let Some(watchers) = self.watched.get(&run) {
                // Who watched may have gone meanwhile.
                let _ = watchers.send(update);
            }
        }
        for (run, status) in turn.ended {
            self.core.forget(run);
            self.ahead.end(run);
            self.watched.remove(&run);
            for waiter in self.waiters.remove(&run).unwrap_or_default() {
                let _ = waiter.send(Some(status));
            }
        }
        for answer in std::mem::take(&mut self.answers) {
            answer(self);
        }
        Ok(())
    }

    fn tell_lines(&self, n_lines: usize, kept: bool) {
        if let Some(observer) = self.observer.as_ref().filter(|_| n_lines > 0) {
            observer.lines(n_lines, kept);
        }
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

/// Before and after the commit of each event that a test may want to come between.
fn crash_points(turn: &Turn) -> Vec<(&'static str, &'static str)> {
    if !is_armed() {
        return vec![];
    }
    let points = turn.events.values().flatten().filter_map(|recorded| match recorded.event {
        Event::RunAccepted { .. } => Some(("submit.before_commit", "submit.after_commit")),
        Event::StepDispatched { .. } => Some(("claim.before_commit", "claim.after_commit")),
        Event::StepSucceeded { .. } => Some(("result.before_commit", "result.after_commit")),
        Event::StepFailed { retry_at: Some(_), .. } => Some(("retry.before_commit", "retry.after_commit")),
        Event::RunCancelRequested { .. } => Some(("cancel.before_commit", "cancel.after_commit")),
        Event::WaitEnded { .. } => Some(("wait.before_commit", "wait.after_commit")),
        Event::RunFinished { .. } => Some(("end.before_commit", "end.after_commit")),
        _ => None,
    });
    points.collect()
}

async fn append(
    log: &dyn RunLog,
    observer: Option<&dyn Observer>,
    batches: Vec<Batch>,
) -> Result<(), AppendError> {
    let Some(observer) = observer else { return log.append(batches).await };
    batches.iter().for_each(|batch| observer.events(batch.run, &batch.events));
    let n_events = batches.iter().map(|batch| batch.events.len()).sum();
    let since = Instant::now();
    log.append(batches).await?;
    observer.appended(n_events, since.elapsed());
    Ok(())
}
