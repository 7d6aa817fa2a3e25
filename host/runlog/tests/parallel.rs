//! Many writers at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_model::*;
use cofferdam_runlog::*;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn parallel_writers_and_readers_never_find_the_database_locked() {
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn RunLog> = Arc::new(Sqlite::open(&folder.path().join("runs.db")).unwrap());
    let term = log.take_term().await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..32_u128 {
        let log = log.clone();
        tasks.spawn(async move {
            let run = RunId(uuid::Uuid::from_u128(n));
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
            for seq in 1..=20 {
                let event = Event::StepSkipped { step: StepKey::new("a"), input: Name::result() };
                let events = vec![Recorded { seq, at: Timestamp(seq), event }];
                let batch = Batch { run, expected_seq: seq - 1, term, events };
                log.append(vec![batch]).await.unwrap();
                assert_eq!(log.history(run, 1).await.unwrap().len() as u64, seq);
            }
        });
    }
    tasks.join_all().await;
}
