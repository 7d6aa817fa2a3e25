//! The loop: one task for each schedule and sensor, as long as it is defined, and what a person may do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cofferdam_automation::{Open, SKIPPED_KEPT, due, next_tick, open_tick};
use cofferdam_model::{
    Instigator, InstigatorKind, InstigatorState, InstigatorStatus, Name, ReservedRun, RunId, Tick,
    TickStatus, Timestamp,
};
use cofferdam_runlog::{AppendError, RunLog, TickEnd, Ticks};
use cofferdam_scheduler::{Clock, Retries, Scheduler};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::defined::{Defined, Instigators, When, ticks_by};

/// Longest wait between two looks: the wall clock may be put forward while a timer runs.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Wait after the run log has failed and before it is tried again.
pub(crate) const LOG_PAUSE: Duration = Duration::from_secs(5);
/// Evaluations at once on a machine that does not say how many it can do.
const EVALUATIONS_DEFAULT: usize = 2;
/// How often skipped ticks are looked for that need not be kept.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// How often the loop shows that it goes on.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// A loop that was not heard for so long hangs.
const HEARTBEAT_MISSED: Duration = Duration::from_secs(30);
/// Runs that are made in one go.
const RESERVATIONS_PAGE: usize = 1000;

/// Asks schedules and sensors. Clones share it.
#[derive(Clone)]
pub struct Daemon(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) log: Arc<dyn RunLog>,
    pub(crate) scheduler: Arc<Scheduler>,
    /// Told of each run that is made here.
    pub(crate) retries: Retries,
    pub(crate) instigators: Arc<dyn Instigators>,
    pub(crate) clock: Clock,
    pub(crate) turns: Turns,
    /// Counts up with each change that a person makes.
    told: watch::Sender<u64>,
    /// When the loop was last heard, in milliseconds; 0 before it begins.
    heard: AtomicU64,
}

/// Evaluations at once: each of them may compile a plan or run an op. Sensors may take long, and schedules do not wait for them.
pub(crate) struct Turns {
    schedules: Semaphore,
    sensors: Semaphore,
}

impl Turns {
    fn new() -> Turns {
        let n = std::thread::available_parallelism().map_or(EVALUATIONS_DEFAULT, NonZero::get);
        Turns { schedules: Semaphore::new(n), sensors: Semaphore::new(n) }
    }

    pub(crate) async fn take(&self, kind: InstigatorKind) -> SemaphorePermit<'_> {
        let turns = match kind {
            InstigatorKind::Schedule => &self.schedules,
            InstigatorKind::Sensor => &self.sensors,
        };
        turns.acquire().await.expect("it is never closed")
    }
}

/// One that is defined, and what is known of it. Without a state until the daemon has seen it.
#[derive(Debug, Clone)]
pub struct Known {
    pub defined: Arc<Defined>,
    pub state: Option<InstigatorState>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another scheduler has taken over")]
    Over,
    #[error("the scheduler has stopped")]
    Scheduler(#[source] cofferdam_scheduler::Error),
    #[error("the run log failed")]
    Log(#[from] cofferdam_runlog::Error),
    #[error("a tick was refused")]
    Append(#[source] AppendError),
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Error {
        match error {
            AppendError::StaleTerm { .. } => Error::Over,
            AppendError::Store(error) => Error::Log(error),
            other => Error::Append(other),
        }
    }
}

impl Daemon {
    pub fn new(
        log: Arc<dyn RunLog>,
        scheduler: Arc<Scheduler>,
        retries: Retries,
        instigators: Arc<dyn Instigators>,
        clock: Clock,
    ) -> Daemon {
        let (told, _) = watch::channel(0);
        let turns = Turns::new();
        Daemon(Arc::new(Inner {
            log,
            scheduler,
            retries,
            instigators,
            clock,
            turns,
            told,
            heard: AtomicU64::new(0),
        }))
    }

    /// Asks them until the scheduler's time in office is over; gives why. Dropped, it stops at once: what was under way is
    /// taken up by the next one.
    pub async fn run(&self) -> Error {
        let mut changes = self.0.instigators.changes();
        let mut tasks = JoinSet::new();
        let mut kept: BTreeMap<tokio::task::Id, Instigator> = BTreeMap::new();
        // Locations whose ticks of an earlier process are sorted out.
        let mut begun = BTreeSet::new();
        let mut is_changed = true;
        let mut cleaning = interval(FORGET_EVERY);
        let mut heartbeat = interval(HEARTBEAT_EVERY);
        loop {
            self.0.heard.store(self.now().0, Ordering::Relaxed);
            is_changed |= changes.has_changed().unwrap_or(false);
            changes.borrow_and_update();
            if let Some(defined) = self.0.instigators.defined().filter(|_| is_changed) {
                match self.0.take_up(&defined, &mut begun).await {
                    Ok(()) => {}
                    Err(Error::Log(error)) => {
                        warn(&error, "schedules and sensors wait");
                        sleep(LOG_PAUSE).await;
                        continue;
                    }
                    Err(error) => return error,
                }
                for one in defined {
                    if !kept.values().any(|kept| *kept == one.instigator) {
                        let task = tasks.spawn(self.0.clone().keep(one.instigator.clone()));
                        kept.insert(task.id(), one.instigator.clone());
                    }
                }
            }
            is_changed = true;
            tokio::select! {
                Ok(()) = changes.changed() => {}
                _ = heartbeat.tick() => is_changed = false,
                _ = cleaning.tick() => {
                    let before = Timestamp(self.now().0.saturating_sub(millis(SKIPPED_KEPT)));
                    if let Err(error) = self.ticks().forget_skipped(before).await {
                        warn(&error, "skipped ticks are kept for longer");
                    }
                }
                Some(ended) = tasks.join_next_with_id() => {
                    let (task, why) = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                    kept.remove(&task);
                    if let Err(error) = why {
                        return error;
                    }
                }
            }
        }
    }

    /// All that are defined, by name.
    pub async fn known(&self) -> Result<Vec<Known>, Error> {
        let mut states = self.0.states().await?;
        let defined = self.0.instigators.defined().unwrap_or_default();
        let known = defined.into_iter().map(|defined| {
            let state = states.remove(&defined.instigator);
            Known { defined, state }
        });
        Ok(known.collect())
    }

    /// Turns one on or off, or back to what its definition says (none). False if it was so before.
    pub async fn set_status(
        &self,
        instigator: Instigator,
        status: Option<InstigatorStatus>,
    ) -> Result<bool, Error> {
        self.make_known(&instigator).await?;
        let changed = self.ticks().set_status(instigator, status, (self.0.clock)()).await?;
        self.0.told.send_modify(|n| *n += 1);
        Ok(changed)
    }

    /// Puts the cursor of a sensor where a person wants it. False if it was there.
    pub async fn set_cursor(&self, instigator: Instigator, cursor: Option<String>) -> Result<bool, Error> {
        self.make_known(&instigator).await?;
        let changed = self.ticks().set_cursor(instigator, cursor).await?;
        self.0.told.send_modify(|n| *n += 1);
        Ok(changed)
    }

    /// A person may be faster than the loop, which makes known what is defined.
    async fn make_known(&self, instigator: &Instigator) -> Result<(), Error> {
        let defined = self.0.instigators.defined().unwrap_or_default();
        let one = defined.iter().find(|one| one.instigator == *instigator);
        let watched = one.map(|one| (instigator.clone(), ticks_by(one))).into_iter().collect();
        self.ticks().watch(watched, (self.0.clock)()).await?;
        Ok(())
    }

    /// Ticks of one, newest first; the next page is `before` the last number.
    pub async fn ticks_of(
        &self,
        instigator: Instigator,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Tick>, Error> {
        Ok(self.ticks().ticks(instigator, before, limit).await?)
    }

    pub fn instigators(&self) -> &dyn Instigators {
        &*self.0.instigators
    }

    pub fn ticks(&self) -> &dyn Ticks {
        self.0.log.automation()
    }

    /// When the loop was last heard; none before it begins.
    pub fn last_heartbeat(&self) -> Option<Timestamp> {
        let heard = self.0.heard.load(Ordering::Relaxed);
        (heard > 0).then_some(Timestamp(heard))
    }

    /// Whether the loop goes on.
    pub fn is_healthy(&self) -> bool {
        self.last_heartbeat().is_some_and(|heard| self.now().since(heard) < HEARTBEAT_MISSED)
    }

    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}

/// What comes of a look at one of them.
enum Look {
    /// There was something to do: look again at once.
    Again,
    /// None: not before something changes.
    At(Option<Timestamp>),
}

impl Inner {
    /// Makes definitions known, and ends what an earlier process left and nobody goes on with.
    async fn take_up(&self, defined: &[Arc<Defined>], begun: &mut BTreeSet<Name>) -> Result<(), Error> {
        let ticks = self.log.automation();
        let now = (self.clock)();
        let watched = defined.iter().map(|one| (one.instigator.clone(), ticks_by(one))).collect();
        ticks.watch(watched, now).await?;
        let left = ticks.open_ticks().await?.into_iter();
        for tick in left.filter(|tick| !begun.contains(&tick.instigator.location)) {
            if self.instigators.has_read(&tick.instigator.location) {
                self.sort_out(defined, &tick, now).await?;
            }
        }
        begun.extend(defined.iter().map(|one| one.instigator.location.clone()));
        // Also those that could not be made because definitions could not be read.
        for reserved in ticks.reservations(RESERVATIONS_PAGE).await? {
            if let Some(one) = defined.iter().find(|one| one.instigator == reserved.instigator) {
                let run = ReservedRun { run: reserved.run, request: reserved.request };
                self.make(one, (reserved.tick, reserved.at), run).await?;
            } else if self.instigators.has_read(&reserved.instigator.location) {
                self.refuse(reserved.run, "its definition was removed before it was made").await?;
            }
        }
        Ok(())
    }

    /// Ends a tick that nobody goes on with. Those to be resumed are seen by their tasks.
    async fn sort_out(&self, defined: &[Arc<Defined>], tick: &Tick, now: Timestamp) -> Result<(), Error> {
        let one = defined.iter().find(|one| one.instigator == tick.instigator);
        let state = self.states().await?.remove(&tick.instigator).filter(|_| one.is_some());
        let default = one.map_or(InstigatorStatus::Stopped, |one| one.status);
        if let Open::Abandon(reason) = open_tick(tick, state.as_ref(), default, now) {
            let end = TickEnd {
                term: self.scheduler.term(),
                number: tick.number,
                now,
                status: TickStatus::Skipped,
                reason: Some(reason.to_owned()),
                counts: false,
                cursor: None,
                runs: vec![],
                logs: vec![],
            };
            self.log.automation().close_tick(end).await?;
        }
        Ok(())
    }

    /// Asks one of them, again and again, until it is defined no longer.
    async fn keep(self: Arc<Inner>, instigator: Instigator) -> Result<(), Error> {
        let (mut changes, mut told) = (self.instigators.changes(), self.told.subscribe());
        loop {
            changes.borrow_and_update();
            told.borrow_and_update();
            let defined = self.instigators.defined().unwrap_or_default();
            let Some(one) = defined.iter().find(|one| one.instigator == instigator) else { return Ok(()) };
            let wake = match self.look(one).await {
                Ok(Look::Again) => continue,
                Ok(Look::At(wake)) => wake.map(|at| at.since((self.clock)())),
                Err(Error::Log(error)) => {
                    warn(&error, "a schedule or a sensor waits");
                    Some(LOG_PAUSE)
                }
                Err(error) => return Err(error),
            };
            let wait = wake.unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            tokio::select! {
                () = sleep(wait) => {}
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                _ = told.changed() => {}
            }
        }
    }

    async fn look(&self, one: &Defined) -> Result<Look, Error> {
        let Some(state) = self.states().await?.remove(&one.instigator) else { return Ok(Look::At(None)) };
        let last = self.log.automation().ticks(one.instigator.clone(), None, 1).await?.pop();
        let now = (self.clock)();
        let at = match &one.when {
            When::Schedule { timetable, rules, .. } => {
                let due = due(timetable, *rules, &state, last.as_ref(), now);
                match due.ticks.first() {
                    Some(at) => *at,
                    None => return Ok(Look::At(due.wake)),
                }
            }
            When::Sensor { minimum_interval, .. } => {
                let open = last.filter(|tick| tick.status == TickStatus::Started);
                let resumed =
                    open.filter(|tick| open_tick(tick, Some(&state), one.status, now) == Open::Resume);
                match (resumed, next_tick(*minimum_interval, one.status, &state, now)) {
                    (Some(tick), _) => tick.at,
                    (None, Some(at)) if at <= now => now,
                    (None, wake) => return Ok(Look::At(wake)),
                }
            }
        };
        self.tick(one, &state, at).await?;
        Ok(Look::Again)
    }

    pub(crate) async fn states(&self) -> Result<BTreeMap<Instigator, InstigatorState>, Error> {
        let states = self.log.automation().instigators().await?;
        Ok(states.into_iter().map(|state| (state.instigator.clone(), state)).collect())
    }

    pub(crate) async fn refuse(&self, run: RunId, why: &str) -> Result<(), Error> {
        let ticks = self.log.automation();
        ticks.settle(self.scheduler.term(), run, Some(why.to_owned())).await?;
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn warn(error: &dyn std::error::Error, what: &str) {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let why = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    tracing::warn!(why, "{what}");
}
