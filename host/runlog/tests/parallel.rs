//! Many writers at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_model::*;
use cofferdam_runlog::*;
use tokio::task::JoinSet;

const N_WRITERS: u64 = 32;
const N_BATCHES: u64 = 20;
const BATCH_EVENTS: u64 = 50;
/// What a store must take at least, also of a busy machine.
const EVENTS_PER_SECOND: u64 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn g8_parallel_writers_and_readers_never_find_the_database_locked_and_ten_thousand_events_take_a_second()
 {
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn RunLog> = Arc::new(Sqlite::open(&folder.path().join("runs.db")).unwrap());
    let term = log.take_term(Term(0)).await.unwrap();
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for n in 0..N_WRITERS {
        let log = log.clone();
        tasks.spawn(async move {
            let run = RunId(uuid::Uuid::from_u128(n.into()));
            let new = NewRun {
                run,
                job: Name::key("job").unwrap(),
                plan: vec![],
                digest: ValueDigest::of(b""),
                tags: BTreeMap::new(),
                created_at: Timestamp(0),
                idempotency_key: None,
                origin: None,
                known: Known::default(),
            };
            log.create_run(new).await.unwrap();
            for before in (0..N_BATCHES).map(|batch| batch * BATCH_EVENTS) {
                let event = || Event::StepSkipped { step: StepKey::new("a"), input: Name::result() };
                let last = before + BATCH_EVENTS;
                let events =
                    (before + 1..=last).map(|seq| Recorded { seq, at: Timestamp(seq), event: event() });
                let batch = Batch { run, expected_seq: before, term, events: events.collect() };
                log.append(vec![batch]).await.unwrap();
                assert_eq!(log.summary(run).await.unwrap().last_seq, last);
                assert_eq!(log.events(run, last, 10).await.unwrap().len(), 1);
            }
        });
    }
    tasks.join_all().await;
    let (n_events, took) = (N_WRITERS * N_BATCHES * BATCH_EVENTS, begin.elapsed());
    assert!(
        took.as_secs_f64() * EVENTS_PER_SECOND as f64 <= n_events as f64,
        "{n_events} events took {took:?}"
    );
}
