//! The loop that tells people: it follows what is recorded, looks at what lasts, and tries each delivery until it has arrived
//! or was tried often enough. What is told, and when again, is decided in `cofferdam_automation::alerts`.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_automation::alerts::{
    DELIVERIES_KEPT, Newest, OfRun, Raised, after, of_asset, of_event, of_waiting,
};
use cofferdam_crash::reach;
use cofferdam_model::{AlertOn, AlertRule, Delivery, DeliveryState, Name, RunId, Timestamp};
use cofferdam_runlog::{News, RunLog, RunSummary};
use cofferdam_scheduler::{Clock, Scheduler};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use uuid::Uuid;

use crate::daemon::{Error, LOG_PAUSE, warn};

/// How often it is looked whether something was recorded.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked at what lasts.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often deliveries are looked for that need not be kept.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Longest wait of who sends to one target: the wall clock may be put forward while a timer runs.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// News, and deliveries to one target, that are taken at once.
const NEWS_PAGE: usize = 500;
const PENDING_PAGE: usize = 100;
/// Runs that have not ended, the oldest first, among which those are looked for that wait.
const RUNS_LOOKED_AT_MAX: usize = 1000;

/// Brings alerts to where they are to go.
#[async_trait]
pub trait Deliver: Send + Sync {
    /// One attempt. An error says why it failed, and holds no secret.
    async fn deliver(&self, delivery: &Delivery) -> Result<(), String>;

    /// An attempt has ended: the delivery as it is now.
    fn noted(&self, delivery: &Delivery);
}

/// Tells people.
pub struct Alerts {
    inner: Arc<Inner>,
    /// Deliveries to each of them are made one after the other, and wait for nobody else's.
    targets: BTreeSet<Name>,
}

struct Inner {
    log: Arc<dyn RunLog>,
    scheduler: Arc<Scheduler>,
    rules: Vec<AlertRule>,
    deliver: Arc<dyn Deliver>,
    clock: Clock,
    /// Counts up with each alert.
    raised: watch::Sender<u64>,
}

impl Alerts {
    pub fn new(
        log: Arc<dyn RunLog>,
        scheduler: Arc<Scheduler>,
        rules: Vec<AlertRule>,
        deliver: Arc<dyn Deliver>,
        clock: Clock,
    ) -> Alerts {
        let targets = rules.iter().flat_map(|rule| rule.to.iter().cloned()).collect();
        let (raised, _) = watch::channel(0);
        Alerts { inner: Arc::new(Inner { log, scheduler, rules, deliver, clock, raised }), targets }
    }

    /// Tells until the scheduler's time in office is over; gives why. Dropped, it stops at once: what was under way is taken
    /// up by the next one.
    pub async fn run(self) -> Error {
        let Alerts { inner, mut targets } = self;
        let mut senders = JoinSet::new();
        // Of an earlier process, whose rules may have been others.
        targets.extend(loop {
            match inner.log.alerts().awaited().await {
                Ok(awaited) => break awaited,
                Err(error) => pause(&error).await,
            }
        });
        for target in targets {
            senders.spawn(inner.clone().keep_sending(target));
        }
        let (mut follow, mut look) = (interval(FOLLOW_EVERY), interval(LOOK_EVERY));
        let mut forget = interval(FORGET_EVERY);
        loop {
            let done = tokio::select! {
                _ = follow.tick() => inner.follow().await,
                _ = look.tick() => inner.look().await,
                _ = forget.tick() => inner.forget().await,
                Some(ended) = senders.join_next() => {
                    return ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                }
            };
            match done {
                Ok(()) => {}
                Err(Error::Log(error)) => pause(&error).await,
                Err(error) => return error,
            }
        }
    }
}

impl Inner {
    /// Makes deliveries of what was recorded since it was looked last. Without rules too, so that one that is written later
    /// tells nothing of before.
    async fn follow(&self) -> Result<(), Error> {
        loop {
            let news = self.log.alerts().news(NEWS_PAGE).await?;
            let Some(upto) = news.last().map(|last| last.number) else { return Ok(()) };
            let mut raised = vec![];
            if !self.rules.is_empty() {
                for one in &news {
                    raised.extend(self.raised_by(one).await?);
                }
            }
            self.raise(upto, raised).await?;
        }
    }

    async fn raised_by(&self, news: &News) -> Result<Vec<Raised>, Error> {
        let summary = self.log.summary(news.run).await?;
        Ok(of_event(&self.rules, &of_run(&summary), &news.recorded, (self.clock)()))
    }

    async fn raise(&self, upto: u64, raised: Vec<Raised>) -> Result<(), Error> {
        let now = (self.clock)();
        let deliveries =
            raised.into_iter().flat_map(|one| one.deliveries(now, || Uuid::now_v7().to_string()));
        reach("alert.before_raise");
        let n_new = self.log.alerts().raise(self.scheduler.term(), upto, deliveries.collect()).await?;
        reach("alert.raised");
        self.raised.send_if_modified(|n| {
            *n += n_new;
            n_new > 0
        });
        Ok(())
    }

    /// Makes deliveries of what has lasted too long.
    async fn look(&self) -> Result<(), Error> {
        let mut raised = self.late().await?;
        raised.extend(self.waiting().await?);
        if raised.is_empty() { Ok(()) } else { self.raise(0, raised).await }
    }

    async fn late(&self) -> Result<Vec<Raised>, Error> {
        let mut raised = vec![];
        for rule in self.rules.iter().filter(|rule| rule.on == AlertOn::AssetLate) {
            for asset in rule.assets.iter().flatten() {
                let newest = self.log.catalog().materializations(asset.clone(), None, 1).await?.pop();
                let newest = newest.map(|made| Newest { number: made.number, run: made.run, at: made.at });
                raised.extend(newest.and_then(|newest| of_asset(rule, asset, newest, (self.clock)())));
            }
        }
        Ok(raised)
    }

    async fn waiting(&self) -> Result<Vec<Raised>, Error> {
        let rules = self.rules.iter().filter(|rule| rule.on == AlertOn::RunWaits);
        let Some(shortest) = rules.map(|rule| rule.lasting).min() else { return Ok(vec![]) };
        let roster = self.scheduler.roster().await.map_err(Error::Scheduler)?;
        let attempts = roster.iter().flat_map(|worker| &worker.attempts);
        let busy: HashSet<RunId> = attempts.map(|attempt| attempt.run).collect();
        let mut raised = vec![];
        let unfinished = self.log.unfinished().await?.into_iter().take(RUNS_LOOKED_AT_MAX);
        for run in unfinished.filter(|run| !busy.contains(run)) {
            let (summary, now) = (self.log.summary(run).await?, (self.clock)());
            let last = self.log.events(run, summary.last_seq, 1).await?.pop();
            if let Some(last) = last.filter(|last| now.since(last.at) > shortest) {
                let reasons = self.scheduler.why(run, None).await.map_err(Error::Scheduler)?;
                raised.extend(of_waiting(&self.rules, &of_run(&summary), &last, &reasons, now));
            }
        }
        Ok(raised)
    }

    async fn forget(&self) -> Result<(), Error> {
        let kept = u64::try_from(DELIVERIES_KEPT.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp((self.clock)().0.saturating_sub(kept));
        self.log.alerts().forget_deliveries(before).await?;
        Ok(())
    }

    /// Sends to one target; gives why it cannot go on.
    async fn keep_sending(self: Arc<Inner>, target: Name) -> Error {
        let mut raised = self.raised.subscribe();
        loop {
            raised.borrow_and_update();
            let wait = match self.send_due(&target).await {
                Ok(next) => next.map_or(WAIT_MAX, |at| at.since((self.clock)()).min(WAIT_MAX)),
                Err(Error::Log(error)) => {
                    warn(&error, "alerts wait");
                    LOG_PAUSE
                }
                Err(error) => return error,
            };
            tokio::select! {
                () = sleep(wait) => {}
                // It is as old as `self`.
                _ = raised.changed() => {}
            }
        }
    }

    /// Sends what is due to a target; gives when the next one is.
    async fn send_due(&self, target: &Name) -> Result<Option<Timestamp>, Error> {
        loop {
            let pending = self.log.alerts().pending(target.clone(), PENDING_PAGE).await?;
            let next = pending.first().and_then(|first| first.state.next());
            if next.is_none_or(|next| next > (self.clock)()) {
                return Ok(next);
            }
            for delivery in pending {
                if delivery.state.next().is_some_and(|next| next <= (self.clock)()) {
                    self.send(delivery).await?;
                }
            }
        }
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Error> {
        let error = self.deliver.deliver(&delivery).await.err();
        reach("alert.sent");
        let delivery = after(delivery, error, (self.clock)());
        self.log.alerts().note(self.scheduler.term(), delivery.clone()).await?;
        let Delivery { target, id, alert, attempts, .. } = &delivery;
        if let Some(why) = &delivery.error {
            match delivery.state {
                DeliveryState::GivenUp { .. } => {
                    tracing::error!(%target, rule = %alert.rule, id, attempts, why, "an alert is given up");
                }
                _ => {
                    tracing::warn!(%target, rule = %alert.rule, id, attempts, why, "an alert is sent again later")
                }
            }
        }
        self.deliver.noted(&delivery);
        Ok(())
    }
}

fn of_run(summary: &RunSummary) -> OfRun<'_> {
    OfRun {
        run: summary.run,
        job: &summary.job,
        tags: &summary.tags,
        first_error: summary.first_error.as_deref(),
    }
}

async fn pause(error: &cofferdam_runlog::Error) {
    warn(error, "alerts wait");
    sleep(LOG_PAUSE).await;
}
