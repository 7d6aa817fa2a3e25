//! Quotas of namespaces over a scheduler's life and the next one's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::*;
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Error, Quotas, Scheduler, Settings, Submission};

use crate::kit::{Worker, memory, step, submission, success};

/// Well within an hour, so that none ends in a test.
const NOON: Timestamp = Timestamp(43_200_000);

async fn start(log: &Arc<dyn RunLog>, quota: Quota) -> Scheduler {
    let quotas = Quotas { quotas: [("lab".to_owned(), quota)].into(), ..Quotas::default() };
    let settings = Settings { quotas, ..Settings::default() };
    Scheduler::start_with(log.clone(), Arc::new(|| NOON), settings).await.unwrap()
}

fn of(namespace: &str, n: u128, steps: Vec<PlanStep>) -> Submission {
    let tags: BTreeMap<String, String> = [(NAMESPACE_TAG.to_owned(), namespace.to_owned())].into();
    let submission = submission(n, steps);
    let plan = Plan { tags: tags.clone(), ..(*submission.plan).clone() };
    Submission { plan: Arc::new(plan), tags, ..submission }
}

#[tokio::test]
async fn f14_the_next_scheduler_knows_what_a_namespace_has_used() {
    let log = memory();
    let minute = Some(Duration::from_secs(60));
    let quota = |over| Quota { cpu_per_hour: minute, over, ..Quota::default() };
    let first = start(&log, quota(OverQuota::Reject)).await;
    let mut worker = Worker::attach(&first, 1).await;
    let keyed =
        || Submission { idempotency_key: Some("the first".to_owned()), ..of("lab", 1, vec![step("a", &[])]) };
    let run = first.submit(keyed()).await.unwrap();
    let id = worker.assignment().await.id;
    let usage = Usage { cpu_us: 60_000_000, ..Usage::default() };
    worker.reports.send(vec![Report::Finished { id, outcome: success(), usage }]).await.unwrap();
    first.wait(run).await.unwrap();
    drop(first);

    let second = start(&log, quota(OverQuota::Reject)).await;
    let refused = second.submit(of("lab", 2, vec![step("a", &[])])).await.unwrap_err();
    assert!(matches!(&refused, Error::OverQuota { namespace, .. } if namespace == "lab"), "{refused}");
    assert!(refused.to_string().contains("60 s of CPU time an hour, used up until"), "{refused}");
    assert!(log.summary(RunId(uuid::Uuid::from_u128(2))).await.is_err(), "it leaves nothing behind");
    second.submit(of("other", 3, vec![step("a", &[])])).await.unwrap();
    // A client that was not answered says the same once more, and hears what it would have heard.
    assert_eq!(second.submit(keyed()).await.unwrap(), run);
    drop(second);

    let third = start(&log, quota(OverQuota::Throttle)).await;
    let waits = third.submit(of("lab", 4, vec![step("a", &[])])).await.unwrap();
    let why = third.why(waits, Some(StepKey::new("a"))).await.unwrap();
    assert!(matches!(&why.steps[..], [(_, Why::Quota { .. })]), "{why:?}");
}

#[tokio::test]
async fn f14_libraries_of_runs_on_record_count_and_one_more_is_refused() {
    let log = memory();
    let quota = Quota { libraries: Some(1), ..Quota::default() };
    let with = |n: u128, byte: u8| {
        let submission = of("lab", n, vec![step("a", &[])]);
        let libraries = [(Name::new("l").unwrap(), LibraryDigest([byte; 32]))].into();
        let plan = Plan { libraries, ..(*submission.plan).clone() };
        Submission { plan: Arc::new(plan), ..submission }
    };
    let first = start(&log, quota.clone()).await;
    first.submit(with(1, 1)).await.unwrap();
    first.submit(with(2, 1)).await.unwrap();
    assert!(matches!(first.submit(with(3, 2)).await, Err(Error::OverQuota { .. })));
    drop(first);
    let second = start(&log, quota).await;
    second.submit(with(4, 1)).await.unwrap();
    assert!(matches!(second.submit(with(5, 2)).await, Err(Error::OverQuota { .. })));
}
