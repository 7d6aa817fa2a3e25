//! The loop over a log in memory and a scheduler without workers: what it makes of answers that the test gives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_automation::{Evaluation, Rules, Timetable};
use cofferdam_daemon::{Asked, Daemon, Defined, Instigators, NoPlan, Trial, When, ticks_by, try_tick};
use cofferdam_model::*;
use cofferdam_runlog::{Memory, NewTick, RunFilter, RunLog, RunSummary, TickEnd};
use cofferdam_scheduler::{Retries, Scheduler, system_time};
use tokio::sync::watch;
use tokio::task::JoinSet;

const MINUTE: u64 = 60_000;
/// 2026-03-01T12:00:00Z
const NOON: Timestamp = Timestamp(1_772_366_400_000);
/// How long something may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

type Ask = Box<dyn Fn(&InstigatorState, Timestamp) -> Evaluation + Send + Sync>;

/// Definitions of a test, and its answers.
struct Story {
    defined: Mutex<Option<Vec<Arc<Defined>>>>,
    changes: watch::Sender<u64>,
    answers: BTreeMap<Instigator, Ask>,
    /// Whether plans can be made now.
    readable: AtomicBool,
    /// A code location that cannot be read.
    unread: Mutex<Option<Name>>,
}

#[async_trait]
impl Instigators for Story {
    fn defined(&self) -> Option<Vec<Arc<Defined>>> {
        self.defined.lock().unwrap().clone()
    }

    fn has_read(&self, location: &Name) -> bool {
        self.unread.lock().unwrap().as_ref() != Some(location)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn ask(&self, defined: &Defined, state: &InstigatorState, at: Timestamp) -> Asked {
        if defined.instigator.name.as_str() == "hangs" {
            std::future::pending::<()>().await;
        }
        Asked { evaluation: self.answers[&defined.instigator](state, at), logs: vec!["asked".to_owned()] }
    }

    async fn plan(&self, defined: &Defined, request: &RunRequest, _: Timestamp) -> Result<Plan, NoPlan> {
        if !self.readable.load(Ordering::SeqCst) {
            return Err(NoPlan::NotNow("definitions cannot be read".to_owned()));
        }
        if request.partition.as_deref() == Some("nowhere") {
            return Err(NoPlan::Never("there is no partition `nowhere`".to_owned()));
        }
        let job = request.job.clone().unwrap_or_else(|| defined.jobs[0].clone());
        let op = Name::new("op").unwrap();
        Ok(Plan::new(job, vec![PlanStep::new(StepKey::new("a"), LibraryDigest([7; 32]), op)]))
    }
}

fn defined(instigator: &str, when: When) -> Arc<Defined> {
    Arc::new(Defined {
        instigator: instigator.parse().unwrap(),
        description: String::new(),
        tags: BTreeMap::from([("team".to_owned(), "data".to_owned())]),
        status: InstigatorStatus::Running,
        jobs: vec![Name::new("job").unwrap()],
        when,
    })
}

fn schedule(name: &str, catch_up: CatchUp) -> Arc<Defined> {
    let when = When::Schedule {
        timetable: Timetable::new(&["* * * * *"], None).unwrap(),
        rules: Rules { status: InstigatorStatus::Running, catch_up, max_tick_retries: 0 },
        cron: vec!["* * * * *".to_owned()],
        timezone: "UTC".to_owned(),
        select: None,
        partition: None,
        config: serde_json::Value::Null,
    };
    defined(&format!("schedule/local/{name}"), when)
}

fn sensor(name: &str) -> Arc<Defined> {
    let when = When::Sensor {
        op: OpPath::parse("text.look").unwrap(),
        minimum_interval: Duration::from_millis(10),
        timeout: Duration::from_secs(1),
    };
    defined(&format!("sensor/local/{name}"), when)
}

fn answer(ask: impl Fn(&InstigatorState, Timestamp) -> Evaluation + Send + Sync + 'static) -> Ask {
    Box::new(ask)
}

fn one_run() -> Evaluation {
    asks(vec![RunRequest::default()], None)
}

fn asks(requests: Vec<RunRequest>, cursor: Option<&str>) -> Evaluation {
    Evaluation::Answered { requests, skip_reason: None, cursor: cursor.map(str::to_owned) }
}

fn with_key(key: &str) -> RunRequest {
    RunRequest { run_key: Some(key.to_owned()), ..RunRequest::default() }
}

/// An instance that a test has, with a clock of its own: so many milliseconds after [`NOON`], and going on.
struct Room {
    log: Arc<dyn RunLog>,
    story: Arc<Story>,
    shift: Arc<AtomicU64>,
}

impl Room {
    fn new(answers: Vec<(Arc<Defined>, Ask)>) -> Room {
        let (changes, _) = watch::channel(0);
        let all = answers.iter().map(|(one, _)| one.clone()).collect();
        let answers = answers.into_iter().map(|(one, ask)| (one.instigator.clone(), ask)).collect();
        let (defined, readable) = (Mutex::new(Some(all)), AtomicBool::new(true));
        let story = Story { defined, changes, answers, readable, unread: Mutex::default() };
        Room { log: Arc::new(Memory::new()), story: Arc::new(story), shift: Arc::default() }
    }

    fn now(&self) -> Timestamp {
        Timestamp(NOON.0 + self.shift.load(Ordering::SeqCst))
    }

    /// As if all were known since noon.
    async fn known_since_noon(&self) {
        let all = self.story.defined().unwrap();
        let watched = all.iter().map(|one| (one.instigator.clone(), ticks_by(one))).collect();
        self.log.automation().watch(watched, NOON).await.unwrap();
    }

    async fn open(&self) -> (Daemon, Arc<Scheduler>, JoinSet<()>) {
        let (base, shift) = (system_time(), self.shift.clone());
        let clock = Arc::new(move || {
            Timestamp(NOON.0 + shift.load(Ordering::SeqCst) + system_time().0.saturating_sub(base.0))
        });
        let scheduler = Arc::new(Scheduler::start(self.log.clone(), clock.clone()).await.unwrap());
        let retries = Retries::new(scheduler.clone());
        let daemon = Daemon::new(self.log.clone(), scheduler.clone(), retries, self.story.clone(), clock);
        let running = daemon.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { drop(running.run().await) });
        (daemon, scheduler, task)
    }

    async fn runs(&self) -> Vec<RunSummary> {
        let mut runs = self.log.runs(RunFilter::default()).await.unwrap();
        runs.reverse();
        runs
    }

    async fn ticks(&self, one: &Arc<Defined>) -> Vec<Tick> {
        let mut ticks = self.log.automation().ticks(one.instigator.clone(), None, 1000).await.unwrap();
        ticks.reverse();
        ticks
    }

    async fn until_ticks(&self, one: &Arc<Defined>, n: usize) -> Vec<Tick> {
        let ended = async {
            loop {
                let ticks = self.ticks(one).await;
                if ticks.iter().filter(|tick| tick.ended_at.is_some()).count() >= n {
                    return ticks;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the ticks come")
    }

    async fn until_runs(&self, n: usize) -> Vec<RunSummary> {
        let made = async {
            loop {
                let runs = self.runs().await;
                if runs.len() >= n {
                    return runs;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, made).await.expect("the runs are made")
    }
}

fn scheduled(runs: &[RunSummary]) -> Vec<String> {
    runs.iter().map(|run| run.tags[".dagster/scheduled_execution_time"][11..16].to_owned()).collect()
}

#[tokio::test]
async fn i3_ticks_that_were_missed_are_made_up_for_as_the_schedule_says() {
    for (catch_up, expected) in [
        (CatchUp::Newest(1), vec!["12:05"]),
        (CatchUp::Newest(3), vec!["12:03", "12:04", "12:05"]),
        (CatchUp::All, vec!["12:00", "12:01", "12:02", "12:03", "12:04", "12:05"]),
    ] {
        let one = schedule("s", catch_up);
        let room = Room::new(vec![(one.clone(), answer(|_, _| one_run()))]);
        room.known_since_noon().await;
        room.shift.store(5 * MINUTE + 2000, Ordering::SeqCst);
        let (_daemon, _scheduler, task) = room.open().await;
        let runs = room.until_runs(expected.len()).await;
        assert_eq!(scheduled(&runs), expected, "{catch_up:?}");
        assert_eq!(room.ticks(&one).await.len(), expected.len(), "{catch_up:?}");
        drop(task);
    }
}

#[tokio::test]
async fn i2_a_tick_is_recorded_with_the_run_that_it_made_and_its_tags() {
    let one = schedule("s", CatchUp::Newest(1));
    let room = Room::new(vec![(one.clone(), answer(|_, _| one_run()))]);
    room.known_since_noon().await;
    room.shift.store(2000, Ordering::SeqCst);
    let (_daemon, _scheduler, task) = room.open().await;
    let run = room.until_runs(1).await.remove(0);
    let tick = room.until_ticks(&one, 1).await.remove(0);
    assert_eq!((tick.status, tick.at, tick.logs), (TickStatus::Succeeded, NOON, vec!["asked".to_owned()]));
    assert_eq!((tick.runs[0].run, tick.runs[0].refused.clone()), (run.run, None));
    let tags: Vec<(&str, &str)> =
        run.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        tags,
        [
            (".dagster/scheduled_execution_time", "2026-03-01T12:00:00.000Z"),
            ("dagster/schedule_name", "s"),
            ("dagster/tick", "1"),
            ("team", "data")
        ]
    );
    drop(task);
}

#[tokio::test]
async fn i4_a_sensor_is_asked_again_with_what_it_left_and_a_key_is_used_once() {
    let one = sensor("s");
    let ask = |state: &InstigatorState, _| match state.cursor.as_deref() {
        None => asks(vec![with_key("a"), with_key("b"), with_key("a")], Some("1")),
        Some("1") => asks(vec![with_key("b"), with_key("c"), RunRequest::default()], Some("2")),
        Some(_) => asks(vec![with_key("a")], None),
    };
    let room = Room::new(vec![(one.clone(), answer(ask))]);
    let (_daemon, _scheduler, task) = room.open().await;
    let ticks = room.until_ticks(&one, 4).await;
    let keys =
        |tick: &Tick| -> Vec<Option<String>> { tick.runs.iter().map(|run| run.run_key.clone()).collect() };
    let key = |key: &str| Some(key.to_owned());
    assert_eq!(keys(&ticks[0]), [key("a"), key("b")]);
    assert_eq!(keys(&ticks[1]), [key("c"), None]);
    assert_eq!((ticks[2].status, ticks[2].runs.len()), (TickStatus::Skipped, 0));
    assert_eq!(ticks[2].reason.as_deref(), Some("no new run for run keys that had one before: `a`"));
    assert!(ticks[1].at.since(ticks[0].at) >= Duration::from_millis(10), "{ticks:?}");
    assert_eq!(room.runs().await.len(), 4);
    drop(task);
}

#[tokio::test]
async fn a_sensor_that_hangs_holds_up_neither_schedules_nor_its_own_definition() {
    let (hangs, one) = (sensor("hangs"), schedule("s", CatchUp::Newest(1)));
    let never = answer(|_, _| unreachable!("it hangs before"));
    let room = Room::new(vec![(hangs.clone(), never), (one.clone(), answer(|_, _| one_run()))]);
    room.known_since_noon().await;
    room.shift.store(2000, Ordering::SeqCst);
    let (_daemon, _scheduler, task) = room.open().await;
    room.until_runs(1).await;
    assert_eq!(room.ticks(&hangs).await[0].status, TickStatus::Started);
    drop(task);
}

#[tokio::test]
async fn what_was_asked_for_before_a_death_is_made_once_under_its_id() {
    let one = sensor("s");
    let room = Room::new(vec![(one.clone(), answer(|_, _| asks(vec![], Some("x"))))]);
    room.known_since_noon().await;
    let ticks = room.log.automation();
    let term = room.log.take_term(Term(0)).await.unwrap();
    let (instigator, at) = (one.instigator.clone(), room.now());
    let tick = ticks.open_tick(NewTick { term, instigator, at, now: at }).await.unwrap();
    let run = RunId(uuid::Uuid::now_v7());
    let reserved = |run, request| ReservedRun { run, request };
    let refused = RunRequest { partition: Some("nowhere".to_owned()), ..RunRequest::default() };
    let end = TickEnd {
        term,
        number: tick.number,
        now: at,
        status: TickStatus::Succeeded,
        reason: None,
        counts: false,
        cursor: None,
        runs: vec![reserved(run, with_key("k")), reserved(RunId(uuid::Uuid::now_v7()), refused)],
        logs: vec![],
    };
    ticks.close_tick(end).await.unwrap();
    // Twice: the second one finds it made.
    for _ in 0..2 {
        let (_daemon, _scheduler, task) = room.open().await;
        let runs = room.until_runs(1).await;
        assert_eq!(runs.iter().map(|run| run.run).collect::<Vec<_>>(), [run]);
        room.until_ticks(&one, room.ticks(&one).await.len() + 1).await;
        drop(task);
    }
    assert_eq!(ticks.reservations(10).await.unwrap(), []);
    let tick = room.ticks(&one).await.remove(0);
    assert_eq!(tick.runs[1].refused.as_deref(), Some("there is no partition `nowhere`"));
}

#[tokio::test]
async fn a_run_that_cannot_be_made_now_is_made_when_definitions_can_be_read() {
    let one = schedule("s", CatchUp::Newest(1));
    let room = Room::new(vec![(one.clone(), answer(|_, _| one_run()))]);
    room.known_since_noon().await;
    room.story.readable.store(false, Ordering::SeqCst);
    room.shift.store(2000, Ordering::SeqCst);
    let (_daemon, _scheduler, task) = room.open().await;
    let tick = room.until_ticks(&one, 1).await.remove(0);
    assert_eq!((tick.status, room.runs().await.len()), (TickStatus::Succeeded, 0));
    room.story.readable.store(true, Ordering::SeqCst);
    room.story.changes.send_modify(|n| *n += 1);
    assert_eq!(room.until_runs(1).await[0].run, tick.runs[0].run);
    drop(task);
}

#[tokio::test]
async fn what_is_left_of_a_location_that_cannot_be_read_waits_until_it_can_be() {
    let here = schedule("s", CatchUp::Newest(1));
    let there = Arc::new(Defined { instigator: "schedule/there/s".parse().unwrap(), ..(*here).clone() });
    let room = Room::new(vec![
        (here.clone(), answer(|_, _| one_run())),
        (there.clone(), answer(|_, _| asks(vec![], None))),
    ]);
    room.known_since_noon().await;
    let ticks = room.log.automation();
    let term = room.log.take_term(Term(0)).await.unwrap();
    // An earlier process has closed one tick with a run that is to be made, and opened another.
    let run = RunId(uuid::Uuid::now_v7());
    let before = Timestamp(NOON.0 - MINUTE);
    let at = |at| NewTick { term, instigator: there.instigator.clone(), at, now: at };
    let number = ticks.open_tick(at(before)).await.unwrap().number;
    let runs = vec![ReservedRun { run, request: RunRequest::default() }];
    let (status, now) = (TickStatus::Succeeded, NOON);
    let end =
        TickEnd { term, number, now, status, reason: None, counts: false, cursor: None, runs, logs: vec![] };
    ticks.close_tick(end).await.unwrap();
    ticks.open_tick(at(NOON)).await.unwrap();
    *room.story.defined.lock().unwrap() = Some(vec![here.clone()]);
    *room.story.unread.lock().unwrap() = Some(there.instigator.location.clone());
    room.shift.store(2000, Ordering::SeqCst);
    let (daemon, _scheduler, task) = room.open().await;
    room.until_ticks(&here, 1).await;
    assert!(daemon.is_healthy());
    assert_eq!(ticks.reservations(10).await.unwrap().len(), 1, "it is not refused");
    assert_eq!(ticks.open_ticks().await.unwrap().len(), 1, "nor is the tick given up");
    *room.story.unread.lock().unwrap() = None;
    *room.story.defined.lock().unwrap() = Some(vec![here, there.clone()]);
    room.story.changes.send_modify(|n| *n += 1);
    let ended = room.until_ticks(&there, 2).await;
    assert_eq!(ended.iter().map(|tick| tick.at).collect::<Vec<_>>(), [before, NOON]);
    assert!(room.until_runs(2).await.iter().any(|made| made.run == run));
    drop(task);
}

#[tokio::test]
async fn ticks_that_nobody_goes_on_with_are_ended_and_others_are_asked_again() {
    let (kept, stopped) = (schedule("kept", CatchUp::Newest(1)), schedule("stopped", CatchUp::Newest(1)));
    let room = Room::new(vec![
        (kept.clone(), answer(|_, _| one_run())),
        (stopped.clone(), answer(|_, _| one_run())),
    ]);
    room.known_since_noon().await;
    let ticks = room.log.automation();
    let gone: Instigator = "schedule/local/gone".parse().unwrap();
    ticks.watch(vec![(gone.clone(), "x".to_owned())], NOON).await.unwrap();
    let term = room.log.take_term(Term(0)).await.unwrap();
    for instigator in [kept.instigator.clone(), stopped.instigator.clone(), gone.clone()] {
        ticks.open_tick(NewTick { term, instigator, at: NOON, now: NOON }).await.unwrap();
    }
    let off = Some(InstigatorStatus::Stopped);
    ticks.set_status(stopped.instigator.clone(), off, Timestamp(NOON.0 + 1)).await.unwrap();
    room.shift.store(2000, Ordering::SeqCst);
    let (_daemon, _scheduler, task) = room.open().await;
    let ended = room.until_ticks(&kept, 1).await.remove(0);
    assert_eq!((ended.status, ended.at), (TickStatus::Succeeded, NOON));
    let told = |tick: &Tick| (tick.status, tick.reason.clone().unwrap());
    let of_gone = ticks.ticks(gone, None, 1).await.unwrap().remove(0);
    assert_eq!(told(&of_gone).1, "its definition was removed before it was evaluated");
    let of_stopped = room.ticks(&stopped).await.remove(0);
    assert_eq!(
        told(&of_stopped),
        (TickStatus::Skipped, "it was stopped or changed before it was evaluated".to_owned())
    );
    drop(task);
}

#[tokio::test]
async fn i10_it_is_turned_off_and_on_and_its_cursor_put_elsewhere_at_once() {
    let one = sensor("s");
    let ask = |state: &InstigatorState, _| {
        let n: u64 = state.cursor.as_deref().unwrap_or("0").parse().unwrap();
        asks(vec![], Some(&(n + 1).to_string()))
    };
    let room = Room::new(vec![(one.clone(), answer(ask))]);
    let (daemon, _scheduler, task) = room.open().await;
    room.until_ticks(&one, 2).await;
    assert!(daemon.set_status(one.instigator.clone(), Some(InstigatorStatus::Stopped)).await.unwrap());
    assert!(!daemon.set_status(one.instigator.clone(), Some(InstigatorStatus::Stopped)).await.unwrap());
    // One may be under way.
    let settled = async {
        while room.ticks(&one).await.iter().any(|tick| tick.status == TickStatus::Started) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it ends");
    assert!(daemon.set_cursor(one.instigator.clone(), Some("1000".to_owned())).await.unwrap());
    let n = room.ticks(&one).await.len();
    assert!(daemon.known().await.unwrap()[0].state.as_ref().unwrap().cursor.as_deref() == Some("1000"));
    daemon.set_status(one.instigator.clone(), None).await.unwrap();
    room.until_ticks(&one, n + 1).await;
    let cursor = daemon.known().await.unwrap()[0].state.clone().unwrap().cursor.unwrap();
    assert!(cursor.parse::<u64>().unwrap() > 1000, "{cursor}");
    drop(task);
}

#[tokio::test]
async fn i10_who_is_faster_than_the_loop_is_heard_too() {
    let one = sensor("s");
    let room = Room::new(vec![(one.clone(), answer(|_, _| asks(vec![], None)))]);
    let (daemon, _scheduler, mut task) = room.open().await;
    task.shutdown().await;
    let instigator = &one.instigator;
    assert!(daemon.set_status(instigator.clone(), Some(InstigatorStatus::Stopped)).await.unwrap());
    assert!(daemon.set_cursor(instigator.clone(), Some("x".to_owned())).await.unwrap());
    let state = daemon.known().await.unwrap().remove(0).state.expect("it is known");
    assert_eq!((state.status, state.cursor.as_deref()), (Some(InstigatorStatus::Stopped), Some("x")));
}

#[tokio::test]
async fn i10_a_trial_tells_what_would_be_and_leaves_nothing() {
    let one = sensor("s");
    let ask = |state: &InstigatorState, _| {
        asks(vec![with_key("a"), with_key("a"), with_key("b")], state.cursor.as_deref())
    };
    let room = Room::new(vec![(one.clone(), answer(ask))]);
    let trial = Trial { at: None, cursor: Some("here".to_owned()) };
    let ticks = room.log.automation();
    let tried = try_tick(&*room.story, Some(ticks), &one, trial, NOON).await.unwrap();
    let told: Vec<_> =
        tried.requests.iter().map(|(request, why)| (request.run_key.as_deref(), why.as_deref())).collect();
    let twice = Some("another run of this tick has this run key");
    assert_eq!(told, [(Some("a"), None), (Some("a"), twice), (Some("b"), None)]);
    assert_eq!((tried.at, tried.cursor.as_deref()), (NOON, Some("here")));
    assert!(room.runs().await.is_empty() && ticks.instigators().await.unwrap().is_empty());
    let next = try_tick(&*room.story, None, &schedule_of(&room), Trial::default(), NOON).await;
    assert_eq!(next.unwrap().at, Timestamp(NOON.0 + MINUTE));
}

/// A schedule with the answers of the room's sensor.
fn schedule_of(room: &Room) -> Defined {
    let sensor = room.story.defined().unwrap().remove(0);
    Defined { when: schedule("s", CatchUp::Newest(1)).when.clone(), ..(*sensor).clone() }
}

#[tokio::test]
async fn what_is_defined_no_longer_is_not_asked_and_what_is_new_is() {
    let (old, new) = (sensor("old"), sensor("new"));
    let room = Room::new(vec![
        (old.clone(), answer(|_, _| asks(vec![], None))),
        (new.clone(), answer(|_, _| asks(vec![], None))),
    ]);
    let set = |all: Vec<Arc<Defined>>| {
        *room.story.defined.lock().unwrap() = Some(all);
        room.story.changes.send_modify(|n| *n += 1);
    };
    set(vec![old.clone()]);
    let (_daemon, _scheduler, task) = room.open().await;
    room.until_ticks(&old, 1).await;
    assert!(room.ticks(&new).await.is_empty());
    set(vec![new.clone()]);
    room.until_ticks(&new, 1).await;
    let n = room.ticks(&old).await.len();
    room.until_ticks(&new, 5).await;
    assert!(room.ticks(&old).await.len() <= n + 1, "one may have been under way");
    drop(task);
}
