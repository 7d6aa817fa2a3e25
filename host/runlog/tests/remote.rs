//! A log that is asked from afar says what the log itself says.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_model::*;
use cofferdam_runlog::*;

/// Carries questions and answers as a network does: as bytes.
struct Wire(Arc<Memory>);

#[async_trait]
impl Ask for Wire {
    async fn ask(&self, question: Question) -> Result<Vec<u8>, Error> {
        let received = Question::decode(&question.encode()).unwrap();
        assert_eq!(received, question);
        answer(&*self.0, received).await
    }
}

fn run_id(n: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(n << 64))
}

fn new_run(n: u128) -> NewRun {
    let plan = vec![0, 159, 146, 150, 255];
    let output = Output {
        name: Name::new("out").unwrap(),
        key: None,
        value: ValueRef {
            media_type: CBOR.to_owned(),
            size: 1,
            digest: ValueDigest([7; 32]),
            place: Place::Inline(vec![7]),
        },
        metadata: vec![],
    };
    let known = KnownStep::Reused { run: run_id(9), outputs: vec![output] };
    NewRun {
        run: run_id(n),
        job: Name::new("job").unwrap(),
        digest: ValueDigest::of(&plan),
        plan,
        tags: BTreeMap::from([("n".to_owned(), n.to_string())]),
        created_at: Timestamp(5),
        idempotency_key: None,
        origin: None,
        known: Known(BTreeMap::from([(StepKey::new("a[x]"), known)])),
    }
}

fn made(seq: u64, partition: &str) -> Recorded {
    let materialization = Materialization {
        key: AssetKey::parse("group/asset").unwrap(),
        partition: Some(partition.to_owned()),
        code_version: "1".to_owned(),
        data_version: "2".to_owned(),
        inputs: vec![],
        value: None,
        metadata: vec![],
    };
    let event = Event::AssetMaterialized {
        step: StepKey::new("a[x]"),
        output: Name::new("out").unwrap(),
        materialization: Box::new(materialization),
    };
    Recorded { seq, at: Timestamp(100 + seq), event }
}

async fn story() -> (Arc<Memory>, Remote<Wire>) {
    let log = Arc::new(Memory::new());
    (log.clone(), Remote(Wire(log)))
}

#[tokio::test]
async fn everything_that_is_recorded_reads_the_same_from_afar() {
    let (log, remote) = story().await;
    let term = log.take_term(Term(0)).await.unwrap();
    for n in [1, 2] {
        log.create_run(new_run(n)).await.unwrap();
    }
    let (run, asset) = (run_id(1), AssetKey::parse("group/asset").unwrap());
    let events = vec![made(1, "a"), made(2, "b"), made(3, "a")];
    log.append(vec![Batch { run, expected_seq: 0, term, events }]).await.unwrap();
    assert_eq!(remote.plan(run).await.unwrap(), log.plan(run).await.unwrap());
    assert_eq!(remote.known(run).await.unwrap(), log.known(run).await.unwrap());
    assert_eq!(remote.summary(run).await.unwrap(), log.summary(run).await.unwrap());
    let filter = RunFilter { job: Some(Name::new("job").unwrap()), limit: Some(1), ..RunFilter::default() };
    assert_eq!(remote.runs(filter.clone()).await.unwrap(), log.runs(filter).await.unwrap());
    assert_eq!(remote.unfinished().await.unwrap(), [run_id(1), run_id(2)]);
    assert_eq!(remote.history(run, 2).await.unwrap(), log.history(run, 2).await.unwrap());
    let (far, near) = (remote.catalog(), log.catalog());
    let all = near.latest_all(vec![asset.clone()], None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(far.latest_all(vec![asset.clone()], None, 10).await.unwrap(), all);
    assert_eq!(far.latest(asset.clone(), Some("a".to_owned())).await.unwrap().as_ref(), all.last());
    let history = near.materializations(asset.clone(), Some(3), 1).await.unwrap();
    assert_eq!(far.materializations(asset.clone(), Some(3), 1).await.unwrap(), history);
    assert_eq!(far.partitions_of(asset.clone(), None, 10).await.unwrap(), ["a", "b"]);
    assert_eq!(far.checks(asset, None, 10).await.unwrap(), []);
    assert_eq!(far.recall(vec![ValueDigest([1; 32])]).await.unwrap(), [None]);
    assert_eq!(far.memo_of_step(StepKey::new("a[x]")).await.unwrap(), None);
}

#[tokio::test]
async fn long_histories_and_logs_come_whole_although_answers_are_bounded() {
    const N: u64 = 2500;
    let (log, remote) = story().await;
    let term = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1)).await.unwrap();
    let run = run_id(1);
    let events: Vec<Recorded> = (1..=N).map(|seq| made(seq, "a")).collect();
    log.append(vec![Batch { run, expected_seq: 0, term, events: events.clone() }]).await.unwrap();
    let line = |n: u64| LogLine {
        at: Timestamp(n),
        level: LogLevel::Info,
        source: LogSource::Stdout,
        message: n.to_string(),
        fields: vec![("k".to_owned(), "v".to_owned())],
    };
    let step = StepKey::new("a[x]");
    let records = (0..N).map(|n| LogRecord { run, step: step.clone(), attempt: 1, line: line(n) });
    log.append_logs(records.collect()).await.unwrap();
    assert_eq!(remote.history(run, 1).await.unwrap(), events);
    assert_eq!(remote.events(run, 3, 2000).await.unwrap(), events[2..2002]);
    assert_eq!(remote.events(run, N, 5).await.unwrap().len(), 1);
    assert_eq!(remote.events(run, N + 1, 5).await.unwrap(), []);
    let filter = LogFilter { step: Some(StepKey::new("a")), attempt: Some(1), level: Some(LogLevel::Info) };
    let all = log.logs(run, filter.clone(), 0, PAGE_ROWS_MAX).await.unwrap();
    assert_eq!(all.len() as u64, N);
    assert_eq!(remote.logs(run, filter.clone(), 0, PAGE_ROWS_MAX).await.unwrap(), all);
    assert_eq!(remote.logs(run, filter, all[10].number, 1990).await.unwrap(), all[10..2000]);
}

#[tokio::test]
async fn i2_ticks_are_read_from_afar_and_written_by_nobody_there() {
    let (log, remote) = story().await;
    let term = log.take_term(Term(0)).await.unwrap();
    let sensor = || "sensor/main/files".parse::<Instigator>().unwrap();
    let (near, far) = (log.automation(), remote.automation());
    near.watch(vec![(sensor(), String::new())], Timestamp(1)).await.unwrap();
    let opening = |at| NewTick { term, instigator: sensor(), at: Timestamp(at), now: Timestamp(at) };
    let tick = near.open_tick(opening(5)).await.unwrap();
    let request = RunRequest { run_key: Some("a".to_owned()), ..RunRequest::default() };
    let end = TickEnd {
        term,
        number: tick.number,
        now: Timestamp(6),
        status: TickStatus::Succeeded,
        reason: None,
        counts: false,
        cursor: Some("7".to_owned()),
        runs: vec![ReservedRun { run: run_id(1), request }],
        logs: vec!["looking".to_owned()],
    };
    near.close_tick(end.clone()).await.unwrap();
    near.open_tick(opening(8)).await.unwrap();
    assert_eq!(far.instigators().await.unwrap(), near.instigators().await.unwrap());
    let all = near.ticks(sensor(), None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(far.ticks(sensor(), None, 10).await.unwrap(), all);
    assert_eq!(far.ticks(sensor(), Some(all[0].number), 10).await.unwrap(), all[1..]);
    assert!(matches!(far.set_cursor(sensor(), None).await, Err(Error::ReadOnly)));
    assert!(matches!(far.close_tick(end).await, Err(AppendError::Store(Error::ReadOnly))));
}

#[tokio::test]
async fn what_is_not_there_is_an_error_from_afar_too() {
    let (log, remote) = story().await;
    for n in [0xab00_0000_0000_0001, 0xab00_0000_0000_0002, 0xcd00_0000_0000_0000] {
        log.create_run(new_run(n)).await.unwrap();
    }
    assert_eq!(remote.find("cd").await.unwrap(), run_id(0xcd00_0000_0000_0000));
    assert!(matches!(remote.find("ef").await, Err(FindError::None(_))));
    let ambiguous = remote.find("ab").await.unwrap_err().to_string();
    assert_eq!(ambiguous, log.find("ab").await.unwrap_err().to_string());
    assert!(matches!(remote.summary(run_id(1)).await, Err(Error::UnknownRun(_))));
}

#[tokio::test]
async fn people_change_partitions_and_pins_from_afar_but_nobody_writes_history() {
    let (log, remote) = story().await;
    log.create_run(new_run(1)).await.unwrap();
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let catalog = remote.catalog();
    assert_eq!(catalog.add_partitions("set".to_owned(), keys(&["x", "y", "z"])).await.unwrap(), 3);
    assert_eq!(catalog.remove_partitions("set".to_owned(), keys(&["y"])).await.unwrap(), 1);
    assert_eq!(log.catalog().partitions("set".to_owned()).await.unwrap(), ["x", "z"]);
    assert_eq!(catalog.partitions("set".to_owned()).await.unwrap(), ["x", "z"]);
    assert!(catalog.pin(run_id(1)).await.unwrap() && !catalog.pin(run_id(1)).await.unwrap());
    assert_eq!(catalog.pins().await.unwrap(), [run_id(1)]);
    assert!(catalog.unpin(run_id(1)).await.unwrap());
    let by = By { who: "me".to_owned(), at: Timestamp(1) };
    let channel: Channel = "prod".parse().unwrap();
    assert!(catalog.promote(channel.clone(), LibraryDigest([1; 32]), by.clone()).await.unwrap());
    assert!(!catalog.roll_back(channel.clone(), by.clone()).await.unwrap());
    let promoted = log.catalog().channels().await.unwrap();
    assert_eq!((promoted.len(), &promoted[0].by), (1, &by));
    assert_eq!(catalog.channels().await.unwrap(), promoted);
    assert_eq!(catalog.promotions(channel, None, 10).await.unwrap(), promoted);
    assert!(matches!(remote.take_term(Term(0)).await, Err(Error::ReadOnly)));
    assert!(matches!(remote.create_run(new_run(2)).await, Err(Error::ReadOnly)));
    assert!(matches!(remote.append(vec![]).await, Err(AppendError::Store(Error::ReadOnly))));
    assert!(matches!(remote.append_logs(vec![]).await, Err(Error::ReadOnly)));
    assert!(matches!(catalog.forget_memos(run_id(1)).await, Err(Error::ReadOnly)));
}
