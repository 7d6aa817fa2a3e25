//! Histories of runs, their summaries and log lines; and random calls on which all stores must agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cofferdam_kit::postgres::Server;
use cofferdam_model::*;
use cofferdam_runlog::*;
use proptest::prelude::*;

use crate::PATIENCE;

fn run_id(n: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(n << 64))
}

fn new_run(n: u128, key: Option<&str>) -> NewRun {
    let plan = format!("plan {}", n % 2).into_bytes();
    NewRun {
        run: run_id(n),
        job: Name::key(if n.is_multiple_of(2) { "even" } else { "odd" }).unwrap(),
        digest: ValueDigest::of(&plan),
        plan,
        tags: BTreeMap::from([("n".to_owned(), n.to_string())]),
        created_at: Timestamp(5),
        idempotency_key: key.map(str::to_owned),
        origin: None,
        known: Known::default(),
    }
}

fn recorded(seq: u64, event: Event) -> Recorded {
    Recorded { seq, at: Timestamp(100 + seq), event }
}

fn dispatched(seq: u64) -> Recorded {
    let event = Event::StepDispatched {
        step: StepKey::new("a[x]"),
        attempt: 1,
        fence: Fence(seq),
        worker: WorkerId(1),
    };
    recorded(seq, event)
}

fn failed(seq: u64, again: bool) -> Recorded {
    let event = Event::StepFailed {
        step: StepKey::new("a[x]"),
        attempt: 1,
        fence: Fence(seq),
        failure: Box::new(Failure::new(FailureKind::Op, "bad\nluck")),
        usage: Usage::default(),
        retry_at: again.then_some(Timestamp(9)),
        beside: false,
    };
    recorded(seq, event)
}

/// A hook failed.
fn failed_beside(seq: u64) -> Recorded {
    let mut failed = failed(seq, false);
    if let Event::StepFailed { beside, failure, .. } = &mut failed.event {
        *beside = true;
        "nobody is there".clone_into(&mut failure.message);
    }
    failed
}

fn finished(seq: u64, status: RunStatus) -> Recorded {
    recorded(seq, Event::RunFinished { status })
}

fn batch(n: u128, term: Term, expected_seq: u64, events: Vec<Recorded>) -> Batch {
    Batch { run: run_id(n), expected_seq, term, events }
}

fn line(n: u128, step: &str, level: LogLevel, message: &str) -> LogRecord {
    LogRecord {
        run: run_id(n),
        step: StepKey::new(step),
        attempt: 1,
        line: LogLine {
            at: Timestamp(1),
            level,
            source: LogSource::Op,
            message: message.to_owned(),
            fields: vec![("k".to_owned(), "v".to_owned())],
        },
    }
}

pub(crate) async fn events_come_back_in_order_and_in_pages(log: Arc<dyn RunLog>) {
    let term = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1, None)).await.unwrap();
    let events = vec![dispatched(1), failed(2, true), dispatched(3), failed(4, false)];
    log.append(vec![batch(1, term, 0, events.clone())]).await.unwrap();
    assert_eq!(log.events(run_id(1), 1, 100).await.unwrap(), events);
    assert_eq!(log.events(run_id(1), 2, 2).await.unwrap(), events[1..3]);
    assert_eq!(log.history(run_id(1), 1).await.unwrap(), events);
    assert!(matches!(log.events(run_id(2), 1, 1).await, Err(Error::UnknownRun(_))));
}

pub(crate) async fn an_append_that_somebody_else_has_overtaken_writes_nothing(log: Arc<dyn RunLog>) {
    let term = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1, None)).await.unwrap();
    log.create_run(new_run(2, None)).await.unwrap();
    log.append(vec![batch(1, term, 0, vec![dispatched(1)])]).await.unwrap();
    let both = vec![batch(2, term, 0, vec![dispatched(1)]), batch(1, term, 0, vec![dispatched(1)])];
    let error = log.append(both).await.unwrap_err();
    assert!(matches!(error, AppendError::Conflict { expected: 0, found: 1, .. }), "{error}");
    assert_eq!(log.events(run_id(2), 1, 10).await.unwrap(), []);
    let gap = log.append(vec![batch(1, term, 1, vec![dispatched(3)])]).await.unwrap_err();
    assert!(matches!(gap, AppendError::Numbering { expected: 2, .. }), "{gap}");
    let unknown = log.append(vec![batch(9, term, 0, vec![dispatched(1)])]).await.unwrap_err();
    assert!(matches!(unknown, AppendError::Store(Error::UnknownRun(_))), "{unknown}");
    log.append(vec![batch(1, term, 1, vec![dispatched(2)])]).await.unwrap();
}

pub(crate) async fn i_21_a_scheduler_whose_term_has_passed_writes_nothing(log: Arc<dyn RunLog>) {
    let old = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1, None)).await.unwrap();
    let new = log.take_term(Term(0)).await.unwrap();
    assert!(new > old);
    let error = log.append(vec![batch(1, old, 0, vec![dispatched(1)])]).await.unwrap_err();
    assert!(matches!(error, AppendError::StaleTerm { .. }), "{error}");
    assert_eq!(log.events(run_id(1), 1, 10).await.unwrap(), []);
    log.append(vec![batch(1, new, 0, vec![dispatched(1)])]).await.unwrap();
}

pub(crate) async fn a_term_comes_after_all_before_and_after_what_is_known_from_elsewhere(
    log: Arc<dyn RunLog>,
) {
    let first = log.take_term(Term(0)).await.unwrap();
    assert_eq!(log.take_term(Term(first.0 + 40)).await.unwrap(), Term(first.0 + 41));
    assert_eq!(log.take_term(first).await.unwrap(), Term(first.0 + 42), "an older one changes nothing");
}

pub(crate) async fn i_11_a_run_that_has_ended_takes_no_more_events(log: Arc<dyn RunLog>) {
    let term = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1, None)).await.unwrap();
    let last = finished(1, RunStatus::Succeeded);
    log.append(vec![batch(1, term, 0, vec![last])]).await.unwrap();
    let error = log.append(vec![batch(1, term, 1, vec![dispatched(2)])]).await.unwrap_err();
    assert!(matches!(error, AppendError::Ended { .. }), "{error}");
}

pub(crate) async fn g9_one_idempotency_key_makes_one_run(log: Arc<dyn RunLog>) {
    assert_eq!(log.create_run(new_run(1, Some("k"))).await.unwrap(), run_id(1));
    assert_eq!(log.create_run(new_run(2, Some("k"))).await.unwrap(), run_id(1));
    assert_eq!(log.create_run(new_run(3, Some("l"))).await.unwrap(), run_id(3));
    assert_eq!(log.create_run(new_run(4, None)).await.unwrap(), run_id(4));
    assert!(matches!(log.create_run(new_run(4, None)).await, Err(Error::RunExists(_))));
    assert_eq!(log.runs(RunFilter::default()).await.unwrap().len(), 3);
}

pub(crate) async fn b1_two_runs_of_one_plan_share_it_and_each_can_be_read(log: Arc<dyn RunLog>) {
    for n in [1, 3] {
        log.create_run(new_run(n, None)).await.unwrap();
    }
    assert_eq!(log.plan(run_id(1)).await.unwrap(), b"plan 1");
    assert_eq!(log.plan(run_id(3)).await.unwrap(), b"plan 1");
    assert!(matches!(log.plan(run_id(2)).await, Err(Error::UnknownRun(_))));
}

#[tokio::test]
async fn a_plan_is_kept_once_for_all_runs_that_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let log = Sqlite::open(&path).unwrap();
    for n in [1, 3, 4] {
        log.create_run(new_run(n, None)).await.unwrap();
    }
    let db = rusqlite::Connection::open(&path).unwrap();
    let plans: u32 = db.query_row("SELECT count(*) FROM plans", [], |row| row.get(0)).unwrap();
    assert_eq!(plans, 2);
}

pub(crate) async fn summaries_are_listed_newest_first_and_are_the_fold_of_the_events(log: Arc<dyn RunLog>) {
    let term = log.take_term(Term(0)).await.unwrap();
    for n in 1..=4 {
        log.create_run(new_run(n, None)).await.unwrap();
    }
    let events = vec![dispatched(1), failed(2, true), failed_beside(3), failed(4, false)];
    log.append(vec![batch(2, term, 0, events)]).await.unwrap();
    let last = vec![finished(5, RunStatus::Failed)];
    log.append(vec![batch(2, term, 4, last), batch(3, term, 0, vec![dispatched(1)])]).await.unwrap();
    for summary in log.runs(RunFilter::default()).await.unwrap() {
        let n = summary.run.0.as_u128() >> 64;
        let mut folded = RunSummary::new(&new_run(n, None));
        for event in log.history(summary.run, 1).await.unwrap() {
            folded.apply(&event);
        }
        assert_eq!(folded, summary);
    }
    let summary = log.summary(run_id(2)).await.unwrap();
    assert_eq!(summary.first_error.as_deref(), Some("a[x]: bad"));
    let steps = summary.steps;
    assert_eq!((steps.failed, steps.failed_beside, steps.retries), (1, 1, 1));
    assert_eq!((summary.started_at, summary.ended_at), (Some(Timestamp(101)), Some(Timestamp(105))));
    let list = |filter| {
        let log = log.clone();
        async move {
            let runs = log.runs(filter).await.unwrap();
            runs.iter().map(|run| run.run.0.as_u128() >> 64).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(RunFilter::default()).await, [4, 3, 2, 1]);
    let even = Some(Name::key("even").unwrap());
    assert_eq!(list(RunFilter { job: even, ..RunFilter::default() }).await, [4, 2]);
    let failed = Some(RunStatus::Failed);
    assert_eq!(list(RunFilter { status: failed, ..RunFilter::default() }).await, [2]);
    let page = RunFilter { before: Some(run_id(4)), limit: Some(2), ..RunFilter::default() };
    assert_eq!(list(page).await, [3, 2]);
    assert_eq!(log.unfinished().await.unwrap(), [1, 3, 4].map(run_id));
}

pub(crate) async fn c_08_a_prefix_names_one_run_or_says_which_it_may_be(log: Arc<dyn RunLog>) {
    for n in [0xab00_0000_0000_0001, 0xab00_0000_0000_0002, 0xcd00_0000_0000_0000] {
        log.create_run(new_run(n, None)).await.unwrap();
    }
    assert_eq!(log.find("CD").await.unwrap(), run_id(0xcd00_0000_0000_0000));
    assert!(matches!(log.find("ab").await, Err(FindError::Ambiguous { runs, .. }) if runs.len() == 2));
    assert!(matches!(log.find("ef").await, Err(FindError::None(_))));
    assert!(matches!(log.find("%").await, Err(FindError::None(_))));
}

pub(crate) async fn log_lines_are_filtered_and_paged(log: Arc<dyn RunLog>) {
    log.create_run(new_run(1, None)).await.unwrap();
    log.create_run(new_run(2, None)).await.unwrap();
    let lines = vec![
        line(1, "a[x]", LogLevel::Info, "one"),
        line(2, "a[x]", LogLevel::Info, "other run"),
        line(1, "ab", LogLevel::Error, "two"),
        line(1, "a[y]", LogLevel::Warn, "three"),
    ];
    log.append_logs(lines).await.unwrap();
    let read = |filter: LogFilter, from, limit| {
        let log = log.clone();
        async move { log.logs(run_id(1), filter, from, limit).await.unwrap() }
    };
    let words = |logs: &[StoredLog]| logs.iter().map(|log| log.line.message.clone()).collect::<Vec<_>>();
    let all = read(LogFilter::default(), 0, 100).await;
    assert_eq!(words(&all), ["one", "two", "three"]);
    assert_eq!(read(LogFilter::default(), all[0].number + 1, 1).await, all[1..2]);
    let step = |key| LogFilter { step: Some(StepKey::new(key)), ..LogFilter::default() };
    assert_eq!(words(&read(step("a"), 0, 100).await), ["one", "three"]);
    assert_eq!(words(&read(step("a[y]"), 0, 100).await), ["three"]);
    let level = LogFilter { level: Some(LogLevel::Warn), ..LogFilter::default() };
    assert_eq!(words(&read(level, 0, 100).await), ["two", "three"]);
    let unknown = log.append_logs(vec![line(9, "a", LogLevel::Info, "x")]).await;
    assert!(matches!(unknown, Err(Error::UnknownRun(_))));
}

pub(crate) async fn c_37_what_is_looked_for_is_taken_letter_by_letter(log: Arc<dyn RunLog>) {
    log.create_run(new_run(0xab00_0000_0000_0001, None)).await.unwrap();
    let run = run_id(0xab00_0000_0000_0001);
    let keys = ["a_b[x]", "aXb[x]", "a%b", "a\\b", "a'b", "a\"b", "ab"];
    let lines = keys.iter().map(|key| line(0xab00_0000_0000_0001, key, LogLevel::Info, key));
    log.append_logs(lines.collect()).await.unwrap();
    for key in keys {
        let filter = LogFilter { step: Some(StepKey::new(key)), ..LogFilter::default() };
        let found = log.logs(run, filter, 0, 100).await.unwrap();
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!(found[0].line.message, key);
    }
    let hostile = [
        "%",
        "_",
        "a%",
        "a_b[%",
        "a_b[_]",
        "*",
        "a?b",
        "a[^x]b",
        "(a+)+$",
        "'; DROP TABLE runs; --",
        "a' OR '1'='1",
        "\\",
    ];
    for key in hostile {
        let filter = LogFilter { step: Some(StepKey::new(key)), ..LogFilter::default() };
        assert_eq!(log.logs(run, filter, 0, 100).await.unwrap(), [], "{key}");
        assert!(log.catalog().memo_of_step(StepKey::new(key)).await.unwrap().is_none(), "{key}");
        assert!(matches!(log.find(key).await, Err(FindError::None(_))), "{key}");
    }
    assert_eq!(log.runs(RunFilter::default()).await.unwrap().len(), 1);
}

#[derive(Debug, Clone)]
enum Call {
    Create(u128, Option<u8>),
    Term,
    Append(Vec<(u128, i8, u8)>, bool),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        (0..5_u128, proptest::option::of(0..3_u8)).prop_map(|(n, key)| Call::Create(n, key)),
        Just(Call::Term),
        (proptest::collection::vec((0..5_u128, -1..2_i8, 0..5_u8), 1..4), prop::bool::weighted(0.9))
            .prop_map(|(batches, current)| Call::Append(batches, current)),
    ];
    proptest::collection::vec(call, 1..30)
}

/// Carries out the calls and tells everything that can be seen from outside.
async fn transcript(log: &dyn RunLog, calls: &[Call]) -> Vec<String> {
    let mut seen = vec![];
    let mut term = Term(0);
    for call in calls {
        seen.push(match call {
            Call::Create(n, key) => {
                let key = key.map(|key| key.to_string());
                format!("{:?}", log.create_run(new_run(*n, key.as_deref())).await)
            }
            Call::Term => {
                term = log.take_term(Term(0)).await.unwrap();
                format!("{term:?}")
            }
            Call::Append(batches, current) => {
                let term = if *current { term } else { Term(term.0 + 1) };
                let mut made = vec![];
                for (n, off, kind) in batches {
                    let last = log.summary(run_id(*n)).await.map_or(0, |summary| summary.last_seq);
                    let expected = last.saturating_add_signed(i64::from(*off).min(0));
                    let seq = expected + 1 + u64::from(*off == 1);
                    let event = match kind {
                        0 => finished(seq, RunStatus::Failed),
                        1 => failed(seq, true),
                        2 => failed(seq, false),
                        3 => recorded(seq, Event::RunCancelRequested { limit: None }),
                        _ => dispatched(seq),
                    };
                    made.push(batch(*n, term, expected, vec![event]));
                }
                format!("{:?}", log.append(made).await)
            }
        });
    }
    for n in 0..5 {
        seen.push(format!("{:?}", log.history(run_id(n), 1).await));
        seen.push(format!("{:?}", log.plan(run_id(n)).await));
    }
    seen.push(format!("{:?}", log.runs(RunFilter::default()).await));
    seen.push(format!("{:?}", log.unfinished().await));
    seen
}

#[test]
fn all_stores_answer_the_same_to_the_same_calls() {
    let server = Server::start();
    let databases = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(24), |(calls in calls())| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = Sqlite::open(&folder.path().join("runs.db")).unwrap();
            let database = server.database(&format!("case_{}", databases.fetch_add(1, Ordering::Relaxed)));
            let postgres = Postgres::open(&database, PATIENCE).await.unwrap();
            let expected = transcript(&Memory::new(), &calls).await;
            prop_assert_eq!(&expected, &transcript(&sqlite, &calls).await);
            prop_assert_eq!(&expected, &transcript(&postgres, &calls).await);
            Ok(())
        })?;
    });
}
