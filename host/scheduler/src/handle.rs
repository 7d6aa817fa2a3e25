//! What others see of the scheduler.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use cofferdam_engine::{self as engine, Census, InvalidHistory, InvalidLayout, Layout, Present};
use cofferdam_model::{
    InvalidPlan, Known, Order, Origin, Plan, Queues, Report, Review, RunId, RunStatus, StepKey, Term,
    Timestamp, UsedUp, ValueDigest, Why, WorkerId, namespace,
};
use cofferdam_runlog::{NewRun, RunLog};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::core::Settings;
use crate::driver::{Loop, Message};
use crate::recovery::Recovery;
use crate::sessions::{Attached, Visit};
use crate::standing::Standings;
use crate::updates::{Update, Updates};

/// Messages that wait for the loop; who sends more waits.
const MESSAGES_WAITING_MAX: usize = 1024;

/// Reads the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's time. The one place where this program reads the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(system_time)
}

/// A run to be driven.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Made by the caller; version 7, so that runs sort by creation.
    pub run: RunId,
    pub plan: Arc<Plan>,
    pub tags: BTreeMap<String, String>,
    /// A second submission with the same key answers the first one's run and starts nothing.
    pub idempotency_key: Option<String>,
    /// Of a re-execution.
    pub origin: Option<Origin>,
    /// Steps whose end is known: they end so without being run.
    pub known: Known,
}

/// What a worker can do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerOffer {
    /// Attempts that it runs at once.
    pub slots: u32,
    /// Attempts that it is ready to hold beyond those, so that no slot waits for a round trip. Only short
    /// steps are sent ahead. 0 is fine.
    pub queue: u32,
    /// Abstract resources: `GPU: 2`.
    pub resources: BTreeMap<String, f64>,
    /// What steps may ask for beside them: `zone: eu`.
    pub labels: BTreeMap<String, String>,
    /// How long it will be there, if it knows.
    pub lifetime: Option<Duration>,
}

/// Why the scheduler could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the plan cannot be run")]
    Layout(#[from] InvalidLayout),
    #[error("the plan of run `{run}` cannot be read")]
    Plan {
        run: RunId,
        #[source]
        source: InvalidPlan,
    },
    #[error("the history of run `{run}` cannot be continued")]
    History {
        run: RunId,
        #[source]
        source: InvalidHistory,
    },
    #[error("the run `{0}` is not driven by this scheduler")]
    NotDriven(RunId),
    #[error("run `{run}` has no step `{step}`{}", did_you_mean(.nearest.as_deref()))]
    NoStep { run: RunId, step: StepKey, nearest: Option<String> },
    #[error("step `{step}` of run `{run}` cannot be reviewed now: {why}")]
    NotInReview { run: RunId, step: StepKey, why: Box<Why> },
    #[error("the namespace `{namespace}` has a quota of {used_up}")]
    OverQuota { namespace: String, used_up: UsedUp },
    #[error("the run log failed")]
    Log(#[from] cofferdam_runlog::Error),
    #[error("the scheduler has stopped: {why}")]
    Stopped { why: String },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

/// Drives runs over workers. Dropped, it stops at once: runs stay as the log has them and can be resumed.
pub struct Scheduler {
    pub(crate) log: Arc<dyn RunLog>,
    clock: Clock,
    term: Term,
    messages: mpsc::Sender<Message>,
    stopped: Arc<OnceLock<String>>,
    task: JoinHandle<()>,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scheduler {
    /// Takes a new term in the log and starts the loop on the current runtime. Workers live and die with this process.
    pub async fn start(log: Arc<dyn RunLog>, clock: Clock) -> Result<Scheduler, Error> {
        Scheduler::start_with(log, clock, Settings::default()).await
    }

    /// The same with settings of its own: for workers that come and go over a network, and with limits.
    pub async fn start_with(
        log: Arc<dyn RunLog>,
        clock: Clock,
        settings: Settings,
    ) -> Result<Scheduler, Error> {
        let term = log.take_term(settings.after).await?;
        let (messages, waiting) = mpsc::channel(MESSAGES_WAITING_MAX);
        let stopped = Arc::new(OnceLock::new());
        let weak = messages.downgrade();
        let standings = Standings::new(log.clone(), clock.clone(), &settings.quotas);
        if let Some(standings) = &standings {
            let read = standings.read().await?;
            messages.try_send(Message::Standing(read)).expect("it is the first message");
        }
        let mut driver = Loop::new(log.clone(), clock.clone(), term, settings, weak.clone(), stopped.clone());
        if let Some(standings) = standings {
            driver.beside(standings.keep(weak));
        }
        #[expect(clippy::disallowed_methods, reason = "the handle is kept and aborts the task when dropped")]
        let task = tokio::spawn(driver.run(waiting));
        Ok(Scheduler { log, clock, term, messages, stopped, task })
    }

    /// The time in office.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Records a run and starts to drive it. When this answers, the run is accepted durably and will reach a
    /// terminal status, if need be by [`Scheduler::resume`].
    pub async fn submit(&self, submission: Submission) -> Result<RunId, Error> {
        let layout = Layout::new(submission.plan.clone())?;
        self.admit(&submission).await?;
        let plan = submission.plan.encode();
        let digest = ValueDigest::of(&plan);
        let new = NewRun {
            run: submission.run,
            job: submission.plan.job.clone(),
            plan,
            digest,
            tags: submission.tags,
            created_at: (self.clock)(),
            idempotency_key: submission.idempotency_key,
            origin: submission.origin.clone(),
            known: submission.known.clone(),
        };
        // A client that was not answered says the same once more, maybe after the run has begun or even ended.
        let run = match self.log.create_run(new).await {
            Err(cofferdam_runlog::Error::RunExists(run)) if self.log.summary(run).await?.plan == digest => {
                run
            }
            created => created?,
        };
        let is_new = run == submission.run && self.log.events(run, 1, 1).await?.is_empty();
        if is_new {
            let submission = engine::Submission {
                run,
                layout,
                plan: digest,
                origin: submission.origin.map(Box::new),
                known: Arc::new(submission.known),
            };
            self.ask(|answer| Message::Submit { submission: Box::new(submission), answer }).await?;
        }
        Ok(run)
    }

    /// Refuses a run for which its namespace has no quota left. One that was accepted before is accepted again.
    async fn admit(&self, submission: &Submission) -> Result<(), Error> {
        let plan = submission.plan.clone();
        match self.ask(|answer| Message::Admit { plan, answer }).await? {
            Some(used_up) if self.log.summary(submission.run).await.is_err() => {
                let namespace = namespace(&submission.plan.tags).to_owned();
                Err(Error::OverQuota { namespace, used_up })
            }
            _ => Ok(()),
        }
    }

    /// Takes over a run from the log. Committed steps do not run again; attempts that were under way go on if their
    /// worker comes back in time, and else are recorded as lost and run again. Does nothing for a run that is driven already or has ended.
    pub async fn resume(&self, run: RunId) -> Result<(), Error> {
        let Recovery { submission, events, lines } = Recovery::read(&*self.log, run).await?;
        let submission = Box::new(submission);
        let resumed = self.ask(|answer| Message::Resume { submission, events, lines, answer }).await?;
        resumed.map_err(|source| Error::History { run, source })
    }

    /// Asks for the end of a run. Answers when the request is durable: nothing new starts from then on. The
    /// run is `Cancelled` when all of its attempts have ended.
    pub async fn cancel(&self, run: RunId) -> Result<(), Error> {
        let driven = self.ask(|answer| Message::Cancel { run, answer }).await?;
        if driven { Ok(()) } else { Err(Error::NotDriven(run)) }
    }

    /// Takes the review of a step that waits for one. Answers when it is durable.
    pub async fn review(&self, run: RunId, step: StepKey, review: Review) -> Result<(), Error> {
        self.ask(|answer| Message::Reviewed { run, step, review, answer }).await?
    }

    /// Adds a worker. It leaves by closing its end of either channel; its attempts are then lost.
    pub async fn attach_worker(
        &self,
        offer: WorkerOffer,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
    ) -> Result<WorkerId, Error> {
        let visit = None;
        let attached = self.ask(|answer| Message::Attach { offer, visit, orders, reports, answer }).await?;
        Ok(attached.worker)
    }

    /// Adds a worker over a network, or takes it back. When its channels are closed it has time to come back. It is told
    /// by [`Order::Received`] what it has said durably, and says again what it was not told of.
    pub async fn attach_visitor(
        &self,
        offer: WorkerOffer,
        visit: Visit,
        orders: mpsc::Sender<Vec<Order>>,
        reports: mpsc::Receiver<Vec<Report>>,
    ) -> Result<Attached, Error> {
        let visit = Some(visit);
        self.ask(|answer| Message::Attach { offer, visit, orders, reports, answer }).await
    }

    /// A worker wants to leave. It gets nothing more, hears so by [`Order::Last`], and may go when it has done what it
    /// was given before.
    pub async fn drain_worker(&self, worker: WorkerId) -> Result<(), Error> {
        self.ask(|answer| Message::Draining { worker, answer }).await
    }

    /// A worker is cut off: its attempts are lost now, and it is a stranger if it comes back.
    pub async fn dismiss_worker(&self, worker: WorkerId) -> Result<(), Error> {
        self.ask(|answer| Message::Dismissed { worker, answer }).await
    }

    /// All updates of a run, from its first event on.
    pub async fn updates(&self, run: RunId) -> Result<Updates, Error> {
        let live = self.ask(|answer| Message::Watch { run, answer }).await?;
        let mut events = self.log.history(run, 1).await?;
        let live = live.map(|(seq, live)| {
            // What came later is on its way through the channel.
            events.retain(|recorded| recorded.seq <= seq);
            live
        });
        let past = (!events.is_empty()).then(|| Update::Events(events.into()));
        Ok(Updates { past: past.into_iter().collect(), live })
    }

    /// Waits until a run has ended.
    pub async fn wait(&self, run: RunId) -> Result<RunStatus, Error> {
        match self.ask(|answer| Message::Wait { run, answer }).await? {
            Some(status) => Ok(status),
            None => {
                let status = self.log.summary(run).await?.status;
                if status.is_terminal() { Ok(status) } else { Err(Error::NotDriven(run)) }
            }
        }
    }

    /// Ends when the scheduler can go on no more, with the reason: nothing may be decided on a state that is not in the
    /// log.
    pub async fn stopped(&self) -> Error {
        self.messages.closed().await;
        self.why_stopped()
    }

    /// How things stand, in numbers.
    pub async fn census(&self) -> Result<Census, Error> {
        self.ask(|answer| Message::Census { answer }).await
    }

    /// Who is there, and what each does.
    pub async fn roster(&self) -> Result<Vec<Present>, Error> {
        self.ask(|answer| Message::Roster { answer }).await
    }

    /// What waits for its turn over all runs, and who has the places.
    pub async fn queues(&self) -> Result<Queues, Error> {
        self.ask(|answer| Message::Queues { answer }).await
    }

    pub(crate) async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        // Whether it was never taken or never answered, the loop has ended and said why.
        let sent = self.messages.send(message(answer)).await;
        match (sent, answered.await) {
            (Ok(()), Ok(answer)) => Ok(answer),
            _ => Err(self.why_stopped()),
        }
    }

    fn why_stopped(&self) -> Error {
        let why = self.stopped.get().cloned();
        Error::Stopped { why: why.unwrap_or_else(|| "its task was ended".to_owned()) }
    }
}
