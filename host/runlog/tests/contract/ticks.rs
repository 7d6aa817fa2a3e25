//! Schedules and sensors, their ticks, and the runs that these ask for.

use std::sync::Arc;

use cofferdam_model::*;
use cofferdam_runlog::*;

fn run_id(n: u64) -> RunId {
    RunId(uuid::Uuid::from_u128(n.into()))
}

fn files() -> Instigator {
    "sensor/main/files".parse().unwrap()
}

fn nightly() -> Instigator {
    "schedule/main/nightly".parse().unwrap()
}

fn reserved(n: u64, run_key: Option<&str>) -> ReservedRun {
    let request = RunRequest {
        run_key: run_key.map(str::to_owned),
        job: Some(Name::new("job").unwrap()),
        config: serde_json::json!({ "ops": { "a": { "config": n } } }),
        tags: [("n".to_owned(), n.to_string())].into(),
        partition: Some(format!("p{n}")),
    };
    ReservedRun { run: run_id(n), request }
}

/// A log under test, with a schedule and a sensor that are watched.
struct Story {
    log: Arc<dyn RunLog>,
    term: Term,
}

impl Story {
    async fn new(log: Arc<dyn RunLog>) -> Story {
        let term = log.take_term(Term(0)).await.unwrap();
        let watched = vec![(nightly(), "@daily".to_owned()), (files(), String::new())];
        assert_eq!(log.automation().watch(watched, Timestamp(10)).await.unwrap(), 2);
        Story { log, term }
    }

    fn ticks(&self) -> &dyn Ticks {
        self.log.automation()
    }

    async fn open(&self, instigator: Instigator, at: u64) -> Tick {
        let (at, now) = (Timestamp(at), Timestamp(at + 1));
        self.ticks().open_tick(NewTick { term: self.term, instigator, at, now }).await.unwrap()
    }

    fn end(&self, tick: &Tick, status: TickStatus) -> TickEnd {
        TickEnd {
            term: self.term,
            number: tick.number,
            now: Timestamp(tick.at.0 + 2),
            status,
            reason: None,
            counts: status == TickStatus::Failed,
            cursor: None,
            runs: vec![],
            logs: vec![],
        }
    }

    async fn close(&self, end: TickEnd) -> Tick {
        self.ticks().close_tick(end).await.unwrap()
    }

    async fn state(&self, instigator: Instigator) -> InstigatorState {
        let all = self.ticks().instigators().await.unwrap();
        all.into_iter().find(|state| state.instigator == instigator).unwrap()
    }

    async fn reservations(&self) -> Vec<RunId> {
        let all = self.ticks().reservations(10).await.unwrap();
        all.into_iter().map(|reservation| reservation.run).collect()
    }
}

pub(crate) async fn i2_there_is_one_tick_at_one_time_and_it_ends_once(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let tick = story.open(nightly(), 100).await;
    assert_eq!((tick.status, tick.started_at, tick.ended_at), (TickStatus::Started, Timestamp(101), None));
    assert_eq!(story.open(nightly(), 100).await, tick, "it is resumed");
    assert_eq!(story.ticks().open_ticks().await.unwrap(), std::slice::from_ref(&tick));
    let runs = vec![reserved(2, None), reserved(1, None)];
    let ended = story.close(TickEnd { runs, ..story.end(&tick, TickStatus::Succeeded) }).await;
    assert_eq!((ended.status, ended.ended_at), (TickStatus::Succeeded, Some(Timestamp(102))));
    assert_eq!(ended.runs.iter().map(|run| run.run).collect::<Vec<_>>(), [run_id(2), run_id(1)]);
    assert_eq!(ended.runs[0].partition.as_deref(), Some("p2"));
    let late = TickEnd { runs: vec![reserved(3, None)], ..story.end(&tick, TickStatus::Skipped) };
    assert_eq!(story.close(late).await, ended, "a second end changes nothing");
    assert_eq!(story.open(nightly(), 100).await, ended, "it is not evaluated again");
    assert_eq!(story.ticks().open_ticks().await.unwrap(), []);
    assert_eq!(story.reservations().await, [run_id(2), run_id(1)]);
    let later = story.open(nightly(), 200).await;
    assert!(later.number > tick.number);
    let same_time = story.open(files(), 200).await;
    assert_ne!(same_time.number, later.number);
    assert_eq!(story.state(nightly()).await.last_tick, Some(Timestamp(200)));
}

pub(crate) async fn i2_a_tick_ends_with_its_cursor_its_keys_and_its_runs_or_not_at_all(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let first = story.open(files(), 100).await;
    let runs = vec![reserved(1, Some("a")), reserved(2, None), reserved(3, Some("b"))];
    let end = TickEnd { runs, cursor: Some("7".to_owned()), ..story.end(&first, TickStatus::Succeeded) };
    story.close(end).await;
    let state = story.state(files()).await;
    assert_eq!((state.cursor.as_deref(), state.last_run_key.as_deref()), (Some("7"), Some("b")));
    let second = story.open(files(), 200).await;
    for keys in [[Some("c"), Some("a")], [Some("d"), Some("d")]] {
        let runs = vec![reserved(4, keys[0]), reserved(5, keys[1])];
        let end = TickEnd { runs, cursor: Some("8".to_owned()), ..story.end(&second, TickStatus::Succeeded) };
        let refused = story.ticks().close_tick(end).await.unwrap_err();
        assert!(matches!(refused, AppendError::Store(Error::UsedRunKey { .. })), "{refused:?}");
    }
    assert_eq!(story.ticks().open_ticks().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(story.state(files()).await, InstigatorState { last_tick: Some(Timestamp(200)), ..state });
    assert_eq!(story.reservations().await, [run_id(1), run_id(2), run_id(3)]);
    let keys = ["c", "b", "d", "a"].map(str::to_owned);
    assert_eq!(story.ticks().used_run_keys(files(), keys.to_vec()).await.unwrap(), ["b", "a"]);
    story.close(story.end(&second, TickStatus::Skipped)).await;
    assert_eq!(story.state(files()).await.cursor.as_deref(), Some("7"), "nothing moved it");
}

pub(crate) async fn i_13_a_run_key_is_used_for_ever_by_its_sensor_and_by_no_other(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let other: Instigator = "sensor/other/files".parse().unwrap();
    story.ticks().watch(vec![(other.clone(), String::new())], Timestamp(10)).await.unwrap();
    let tick = story.open(files(), 100).await;
    let runs = vec![reserved(1, Some("a")), reserved(2, Some("é%_'"))];
    story.close(TickEnd { runs, ..story.end(&tick, TickStatus::Succeeded) }).await;
    assert!(story.ticks().settle(story.term, run_id(1), None).await.unwrap());
    story.ticks().forget_skipped(Timestamp(u64::MAX >> 1)).await.unwrap();
    let keys = vec!["a".to_owned(), "é%_'".to_owned(), "A".to_owned()];
    assert_eq!(story.ticks().used_run_keys(files(), keys.clone()).await.unwrap(), keys[..2]);
    assert_eq!(story.ticks().used_run_keys(other.clone(), keys).await.unwrap(), [""; 0]);
    let tick = story.open(other, 100).await;
    let runs = vec![reserved(3, Some("a"))];
    story.close(TickEnd { runs, ..story.end(&tick, TickStatus::Succeeded) }).await;
}

pub(crate) async fn i2_reserved_runs_wait_until_they_are_made_or_refused(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let tick = story.open(nightly(), 100).await;
    let runs = vec![reserved(9, Some("a")), reserved(2, None), reserved(5, None)];
    story.close(TickEnd { runs: runs.clone(), ..story.end(&tick, TickStatus::Succeeded) }).await;
    let waiting = story.ticks().reservations(2).await.unwrap();
    let expected = runs[..2].iter().map(|one| Reservation {
        tick: tick.number,
        instigator: nightly(),
        at: Timestamp(100),
        run: one.run,
        request: one.request.clone(),
    });
    assert_eq!(waiting, expected.collect::<Vec<_>>());
    assert!(story.ticks().settle(story.term, run_id(9), None).await.unwrap());
    assert!(!story.ticks().settle(story.term, run_id(9), None).await.unwrap());
    let why = || Some("there is no job `job`".to_owned());
    assert!(story.ticks().settle(story.term, run_id(5), why()).await.unwrap());
    assert_eq!(story.reservations().await, [run_id(2)]);
    let kept = story.ticks().ticks(nightly(), None, 1).await.unwrap().remove(0);
    let refused: Vec<Option<String>> = kept.runs.into_iter().map(|run| run.refused).collect();
    assert_eq!(refused, [None, None, why()]);
    assert_eq!(kept.status, TickStatus::Succeeded);
}

pub(crate) async fn i2_a_tick_that_failed_is_started_again_and_its_failures_are_counted(
    log: Arc<dyn RunLog>,
) {
    let story = Story::new(log).await;
    let tick = story.open(nightly(), 100).await;
    let reason = Some("boom".to_owned());
    let failed = story.close(TickEnd { reason, ..story.end(&tick, TickStatus::Failed) }).await;
    assert_eq!((failed.failures, failed.reason.as_deref()), (1, Some("boom")));
    let again = story.open(nightly(), 100).await;
    assert_eq!((again.number, again.status, again.reason), (tick.number, TickStatus::Started, None));
    let uncounted = TickEnd { counts: false, ..story.end(&tick, TickStatus::Failed) };
    assert_eq!(story.close(uncounted).await.failures, 1);
    story.open(nightly(), 100).await;
    assert_eq!(story.close(story.end(&tick, TickStatus::Failed)).await.failures, 2);
    story.open(nightly(), 100).await;
    let reason = Some("nothing new".to_owned());
    let skipped = story.close(TickEnd { reason, ..story.end(&tick, TickStatus::Skipped) }).await;
    assert_eq!((skipped.status, skipped.failures), (TickStatus::Skipped, 2));
    assert_eq!(story.ticks().ticks(nightly(), None, 9).await.unwrap(), [skipped]);
}

pub(crate) async fn i2_ticks_are_paged_newest_first_and_skipped_ones_of_sensors_are_forgotten(
    log: Arc<dyn RunLog>,
) {
    let story = Story::new(log).await;
    let statuses = [TickStatus::Skipped, TickStatus::Succeeded, TickStatus::Failed, TickStatus::Skipped];
    for (at, status) in (1..).zip(statuses) {
        for instigator in [files(), nightly()] {
            let tick = story.open(instigator, at * 100).await;
            story.close(story.end(&tick, status)).await;
        }
    }
    let open = story.open(files(), 500).await;
    let ticks = |before, limit| story.ticks().ticks(files(), before, limit);
    let all = ticks(None, 10).await.unwrap();
    assert_eq!(all.iter().map(|tick| tick.at.0).collect::<Vec<_>>(), [500, 400, 300, 200, 100]);
    assert_eq!(ticks(None, 2).await.unwrap(), all[..2]);
    assert_eq!(ticks(Some(all[1].number), 2).await.unwrap(), all[2..4]);
    assert_eq!(story.ticks().forget_skipped(Timestamp(102)).await.unwrap(), 0, "it ended then");
    assert_eq!(story.ticks().forget_skipped(Timestamp(103)).await.unwrap(), 1);
    assert_eq!(ticks(None, 10).await.unwrap(), all[..4]);
    assert_eq!(story.ticks().forget_skipped(Timestamp(9000)).await.unwrap(), 1);
    let left: Vec<u64> = ticks(None, 10).await.unwrap().iter().map(|tick| tick.at.0).collect();
    assert_eq!(left, [500, 300, 200]);
    assert_eq!(story.ticks().ticks(nightly(), None, 10).await.unwrap().len(), 4);
    assert_eq!(story.ticks().open_ticks().await.unwrap(), [open]);
}

pub(crate) async fn i_21_a_scheduler_whose_term_has_passed_neither_opens_nor_ends_a_tick(
    log: Arc<dyn RunLog>,
) {
    let old = Story::new(log.clone()).await;
    let tick = old.open(nightly(), 100).await;
    let end = TickEnd { runs: vec![reserved(1, None)], ..old.end(&tick, TickStatus::Succeeded) };
    let new = Story { term: log.take_term(Term(0)).await.unwrap(), log };
    let at = Timestamp(200);
    let opening = NewTick { term: old.term, instigator: nightly(), at, now: at };
    let refusals = [
        old.ticks().open_tick(opening).await.unwrap_err(),
        old.ticks().close_tick(end.clone()).await.unwrap_err(),
        old.ticks().settle(old.term, run_id(1), None).await.unwrap_err(),
    ];
    assert!(refusals.iter().all(|error| matches!(error, AppendError::StaleTerm { .. })), "{refusals:?}");
    assert_eq!(new.ticks().open_ticks().await.unwrap(), std::slice::from_ref(&tick));
    assert_eq!(new.reservations().await, []);
    new.close(TickEnd { term: new.term, ..end }).await;
    assert_eq!(new.reservations().await, [run_id(1)]);
}

pub(crate) async fn i10_what_a_person_sets_holds_until_it_is_set_back(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let ticks = story.ticks();
    let names: Vec<String> =
        ticks.instigators().await.unwrap().iter().map(|state| state.instigator.to_string()).collect();
    assert_eq!(names, ["schedule/main/nightly", "sensor/main/files"]);
    let new = story.state(nightly()).await;
    assert_eq!((new.status, new.since, new.last_tick, new.cursor), (None, Timestamp(10), None, None));
    let running = Some(InstigatorStatus::Running);
    assert!(ticks.set_status(nightly(), running, Timestamp(20)).await.unwrap());
    assert!(!ticks.set_status(nightly(), running, Timestamp(30)).await.unwrap(), "it was so before");
    let state = story.state(nightly()).await;
    assert_eq!((state.status, state.since), (running, Timestamp(20)));
    assert!(ticks.set_status(nightly(), Some(InstigatorStatus::Stopped), Timestamp(40)).await.unwrap());
    assert!(ticks.set_status(nightly(), None, Timestamp(50)).await.unwrap());
    assert!(!ticks.set_status(nightly(), None, Timestamp(60)).await.unwrap());
    assert_eq!(
        (story.state(nightly()).await.status, story.state(nightly()).await.since),
        (None, Timestamp(50))
    );
    assert!(ticks.set_cursor(files(), Some("9".to_owned())).await.unwrap());
    assert_eq!(story.state(files()).await.cursor.as_deref(), Some("9"));
    assert!(ticks.set_cursor(files(), None).await.unwrap());
    assert_eq!(story.state(files()).await.cursor, None);
    let unknown: Instigator = "sensor/main/none".parse().unwrap();
    assert!(!ticks.set_cursor(unknown.clone(), None).await.unwrap());
    assert!(!ticks.set_status(unknown.clone(), running, Timestamp(1)).await.unwrap());
    let at = Timestamp(1);
    let opened = ticks.open_tick(NewTick { term: story.term, instigator: unknown, at, now: at }).await;
    assert!(matches!(opened, Err(AppendError::Store(Error::UnknownInstigator(_)))), "{opened:?}");
    let end = TickEnd { number: 99, ..story.end(&story.open(files(), 100).await, TickStatus::Skipped) };
    let closed = ticks.close_tick(end).await;
    assert!(matches!(closed, Err(AppendError::Store(Error::UnknownTick(99)))), "{closed:?}");
}

pub(crate) async fn i2_a_schedule_that_is_watched_again_goes_on_and_one_with_other_times_begins_anew(
    log: Arc<dyn RunLog>,
) {
    let story = Story::new(log).await;
    story.open(nightly(), 100).await;
    let watch = |times: &str, at| story.ticks().watch(vec![(nightly(), times.to_owned())], Timestamp(at));
    assert_eq!(watch("@daily", 200).await.unwrap(), 0);
    assert_eq!(story.state(nightly()).await.since, Timestamp(10));
    assert_eq!(watch("@hourly", 300).await.unwrap(), 1);
    let state = story.state(nightly()).await;
    assert_eq!((state.since, state.last_tick), (Timestamp(300), Some(Timestamp(100))));
}
