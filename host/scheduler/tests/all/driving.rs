//! How runs are driven, watched, cancelled, resumed and explained.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cofferdam_model::*;
use cofferdam_runlog::*;
use cofferdam_scheduler::{Explanation, Submission, Update, WorkerOffer, explain};
use tokio::sync::mpsc;

use crate::kit::*;

#[tokio::test]
async fn workers_hear_of_the_libraries_of_a_run_when_it_is_accepted_and_when_they_join() {
    let scheduler = start(&memory()).await;
    let mut early = Worker::attach(&scheduler, 1).await;
    let limits = Limits { fuel: Some(1), ..Limits::default() };
    let counting = PlanStep { limits, ..step("b", &[0]) };
    let library = counting.library;
    scheduler.submit(submission(1, vec![step("a", &[]), counting, step("c", &[1])])).await.unwrap();
    let needed = [false, true].map(|fuel| NeededLibrary { library, fuel });
    let assignment = early.assignment().await;
    assert_eq!(early.announced, needed);
    drop(early);
    let mut late = Worker::attach(&scheduler, 1).await;
    assert_eq!(late.assignment().await.id.step, assignment.id.step);
    assert_eq!(late.announced, needed);
}

#[tokio::test]
async fn a_run_is_driven_to_its_end_and_watched_from_its_first_event() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 2).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[]), step("b", &[0])])).await.unwrap();
    let mut updates = scheduler.updates(run).await.unwrap();
    let a = worker.assignment().await;
    let line = LogLine {
        at: Timestamp(1),
        level: LogLevel::Info,
        source: LogSource::Op,
        message: "hello".to_owned(),
        fields: vec![],
    };
    let logs = Report::Logs { id: a.id.clone(), first: 0, lines: vec![line] };
    worker.reports.send(vec![logs]).await.unwrap();
    worker.finish(a.id, success()).await;
    worker.work(1).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded, "also after the end");
    let (mut events, mut lines) = (vec![], 0);
    while let Some(update) = updates.next().await {
        match update {
            Update::Events(more) => events.extend(more.iter().cloned()),
            Update::Logs(more) => lines += more.len(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events, log.history(run, 1).await.unwrap(), "no event is missed or told twice");
    assert_eq!(lines, 1);
    assert_eq!(log.logs(run, LogFilter::default(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn g3_the_result_of_a_worker_that_was_given_up_is_refused() {
    let log = memory();
    let scheduler = start(&log).await;
    let first = {
        let mut first = Worker::attach(&scheduler, 1).await;
        let run = scheduler.submit(submission(1, vec![step("a", &[])])).await.unwrap();
        let assignment = first.assignment().await;
        drop(first);
        (run, assignment)
    };
    let (run, old) = first;
    let mut second = Worker::attach(&scheduler, 1).await;
    let new = second.assignment().await;
    assert!(new.id.fence > old.id.fence);
    assert_eq!(new.id.attempt, 2);
    second.finish(old.id, failure()).await;
    second.finish(new.id, success()).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    assert!(!events.iter().any(|recorded| matches!(recorded.event, Event::StepFailed { .. })));
}

#[tokio::test]
async fn another_scheduler_resumes_from_the_log_and_re_runs_no_committed_step() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let steps = vec![step("a", &[]), step("b", &[0]), step("c", &[1])];
    let run = scheduler.submit(submission(1, steps)).await.unwrap();
    worker.work(1).await;
    let under_way = worker.assignment().await;
    assert_eq!(under_way.id.step.as_str(), "b");
    drop(scheduler);

    let scheduler = start(&log).await;
    assert_eq!(log.unfinished().await.unwrap(), [run]);
    scheduler.resume(run).await.unwrap();
    scheduler.resume(run).await.unwrap();
    let mut worker = Worker::attach(&scheduler, 1).await;
    let b = worker.assignment().await;
    assert!(b.id.fence > under_way.id.fence, "I-06: fences grow across restarts");
    worker.finish(under_way.id, failure()).await;
    worker.finish(b.id, success()).await;
    worker.work(1).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    assert_eq!([claims(&events, "a"), claims(&events, "b"), claims(&events, "c")], [1, 2, 1]);
    let lost = events.iter().filter(|recorded| matches!(recorded.event, Event::StepLost { .. }));
    assert_eq!(lost.count(), 1);
}

#[tokio::test]
async fn c8_a_retry_comes_when_its_time_has_come() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[])])).await.unwrap();
    let first = worker.assignment().await;
    worker.finish(first.id, failure()).await;
    let second = worker.assignment().await;
    assert_eq!(second.id.attempt, 2);
    worker.finish(second.id, failure()).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Failed);
}

#[tokio::test]
async fn cancel_reaches_the_worker_and_the_run_ends_with_its_last_attempt() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[]), step("b", &[])])).await.unwrap();
    let a = worker.assignment().await;
    scheduler.cancel(run).await.unwrap();
    let Some(Order::Cancel(id)) = worker.order().await else {
        panic!("expected an order to cancel");
    };
    assert_eq!(id, a.id);
    assert_eq!(log.summary(run).await.unwrap().status, RunStatus::Cancelling);
    let cancelled = Outcome::Failed(Box::new(Failure::new(FailureKind::Cancelled, "cancelled")));
    worker.finish(id, cancelled).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Cancelled);
    assert_eq!(log.summary(run).await.unwrap().steps.cancelled, 2);
}

#[tokio::test]
async fn a_worker_that_hangs_delays_no_cancel_and_its_run_ends_with_the_next_scheduler() {
    let log = memory();
    let scheduler = start(&log).await;
    let (send_orders, _never_read) = mpsc::channel(1);
    let (_never_used, reports) = mpsc::channel(1);
    let offer = WorkerOffer { slots: 4, ..WorkerOffer::default() };
    scheduler.attach_worker(offer, send_orders, reports).await.unwrap();
    let run = scheduler.submit(submission(1, vec![step("a", &[]), step("b", &[0])])).await.unwrap();
    // More orders than the worker's channel takes.
    for n in 2..5 {
        scheduler.submit(submission(n, vec![step("a", &[])])).await.unwrap();
    }
    scheduler.cancel(run).await.unwrap();
    // Without leases nobody knows that the attempt will not end: the run waits until its scheduler goes.
    assert_eq!(log.summary(run).await.unwrap().status, RunStatus::Cancelling);
    drop(scheduler);
    let scheduler = start(&log).await;
    scheduler.resume(run).await.unwrap();
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Cancelled);
}

#[tokio::test]
async fn a_start_is_recorded_only_if_it_is_reported_before_the_end() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let run = scheduler.submit(submission(1, vec![step("short", &[]), step("long", &[0])])).await.unwrap();
    let started = |id: &AttemptId| Report::Started { id: id.clone(), at: Timestamp(1) };
    let ended = |id| Report::Finished { id, outcome: success(), usage: Usage::default() };
    let short = worker.assignment().await.id;
    worker.reports.send(vec![started(&short), ended(short)]).await.unwrap();
    let long = worker.assignment().await.id;
    let mut updates = scheduler.updates(run).await.unwrap();
    worker.reports.send(vec![started(&long)]).await.unwrap();
    let is_start = |recorded: &Recorded| matches!(recorded.event, Event::StepStarted { .. });
    while !matches!(updates.next().await.unwrap(), Update::Events(events) if events.iter().any(is_start)) {}
    worker.finish(long, success()).await;
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    let started = events.iter().filter_map(|recorded| match &recorded.event {
        Event::StepStarted { step, .. } => Some(step.as_str()),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), ["long"]);
    assert_eq!(events.len(), 7, "accepted, 2 + 3 of the steps, finished: {events:?}");
}

#[tokio::test]
async fn g9_a_second_submission_with_the_same_key_starts_nothing() {
    let log = memory();
    let scheduler = start(&log).await;
    let keyed =
        |n| Submission { idempotency_key: Some("tick-1".to_owned()), ..submission(n, vec![step("a", &[])]) };
    let first = scheduler.submit(keyed(1)).await.unwrap();
    assert_eq!(scheduler.submit(keyed(2)).await.unwrap(), first);
    let mut worker = Worker::attach(&scheduler, 4).await;
    worker.work(1).await;
    scheduler.wait(first).await.unwrap();
    // The same client once more, because it was not answered.
    assert_eq!(scheduler.submit(keyed(1)).await.unwrap(), first);
    assert_eq!(scheduler.wait(first).await.unwrap(), RunStatus::Succeeded);
    assert_eq!(log.runs(RunFilter::default()).await.unwrap().len(), 1);
}

/// A log whose appends fail on command.
struct Failing {
    inner: Memory,
    broken: AtomicBool,
}

#[async_trait]
impl RunLog for Failing {
    async fn take_term(&self, after: Term) -> Result<Term, Error> {
        self.inner.take_term(after).await
    }
    async fn create_run(&self, run: NewRun) -> Result<RunId, Error> {
        self.inner.create_run(run).await
    }
    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::Closed.into());
        }
        self.inner.append(batches).await
    }
    async fn append_logs(&self, records: Vec<LogRecord>) -> Result<(), Error> {
        self.inner.append_logs(records).await
    }
    async fn events(&self, run: RunId, from_seq: u64, limit: usize) -> Result<Vec<Recorded>, Error> {
        self.inner.events(run, from_seq, limit).await
    }
    async fn logs(
        &self,
        run: RunId,
        filter: LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        self.inner.logs(run, filter, from, limit).await
    }
    async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        self.inner.plan(run).await
    }
    async fn known(&self, run: RunId) -> Result<Known, Error> {
        self.inner.known(run).await
    }
    async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        self.inner.summary(run).await
    }
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.inner.runs(filter).await
    }
    async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        self.inner.unfinished().await
    }
    async fn find(&self, prefix: &str) -> Result<RunId, FindError> {
        self.inner.find(prefix).await
    }
    fn catalog(&self) -> &dyn Catalog {
        &self.inner
    }
    fn automation(&self) -> &dyn Ticks {
        &self.inner
    }
    fn alerts(&self) -> &dyn Alerts {
        &self.inner
    }
}

#[tokio::test]
async fn nothing_is_dispatched_that_is_not_durable() {
    let failing = Arc::new(Failing { inner: Memory::new(), broken: AtomicBool::new(false) });
    let log: Arc<dyn RunLog> = failing.clone();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let run = scheduler.submit(submission(1, vec![step("a", &[]), step("b", &[0])])).await.unwrap();
    let a = worker.assignment().await;
    failing.broken.store(true, Ordering::SeqCst);
    worker.finish(a.id, success()).await;
    let stopped = scheduler.wait(run).await.unwrap_err();
    insta::assert_snapshot!(stopped, @"the scheduler has stopped: it could not write to the run log: the run log's writer has ended");
    assert!(worker.order().await.is_none(), "`b` must not be dispatched");
    let events = log.history(run, 1).await.unwrap();
    assert!(!events.iter().any(|recorded| matches!(recorded.event, Event::StepSucceeded { .. })));
}

#[tokio::test]
async fn i_21_a_scheduler_that_was_replaced_stops_and_changes_nothing() {
    let log = memory();
    let old = start(&log).await;
    let mut worker = Worker::attach(&old, 1).await;
    let run = old.submit(submission(1, vec![step("a", &[]), step("b", &[0])])).await.unwrap();
    let a = worker.assignment().await;
    let new = start(&log).await;
    worker.finish(a.id, success()).await;
    let stopped = old.wait(run).await.unwrap_err();
    insta::assert_snapshot!(stopped, @"the scheduler has stopped: it could not write to the run log: term 1 has passed, the store is in term 2: another scheduler has taken over");
    let mut other = Worker::attach(&new, 1).await;
    assert_ne!(worker.id, other.id, "worker ids are not used again");
    new.resume(run).await.unwrap();
    let again = other.assignment().await;
    assert_eq!(again.id.attempt, 2);
}

fn emit(byte: u8) -> Outcome {
    let value = ValueRef::inline(CBOR, vec![byte]);
    let output = Output { name: Name::result(), key: None, value, metadata: vec![] };
    Outcome::Succeeded { outputs: vec![output], metadata: vec![] }
}

fn makes(key: &str, after: &[u32]) -> PlanStep {
    PlanStep { outputs: vec![PlanOutput::new(Name::result(), CBOR)], ..step(key, after) }
}

#[tokio::test]
async fn a_result_is_found_again_by_the_next_run_and_no_longer_when_it_is_forgotten() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let memoized = |n| submission(n, vec![PlanStep { memoize: true, ..makes("a", &[]) }]);
    let first = scheduler.submit(memoized(1)).await.unwrap();
    let a = worker.assignment().await;
    worker.finish(a.id, emit(1)).await;
    scheduler.wait(first).await.unwrap();
    let second = scheduler.submit(memoized(2)).await.unwrap();
    assert_eq!(scheduler.wait(second).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(second, 1).await.unwrap();
    assert_eq!(claims(&events, "a"), 0, "nothing ran");
    let cached = |event: &Event| matches!(event, Event::StepCached { from, .. } if *from == first);
    assert!(events.iter().any(|recorded| cached(&recorded.event)));
    log.catalog().forget_memos(first).await.unwrap();
    let third = scheduler.submit(memoized(3)).await.unwrap();
    let a = worker.assignment().await;
    assert_eq!(a.id.run, third);
}

#[tokio::test]
async fn a_re_execution_is_resumed_with_what_it_takes_over() {
    let log = memory();
    let scheduler = start(&log).await;
    let parent = RunId(uuid::Uuid::from_u128(1));
    let origin = Origin { parent, root: parent, how: Reexecution::FromFailure, automatic: false };
    let Outcome::Succeeded { outputs, .. } = emit(7) else { unreachable!() };
    // `b` comes after a step that is run again, and is taken over all the same.
    let reused = KnownStep::Reused { run: parent, outputs };
    let known = Known([(StepKey::new("b"), reused)].into());
    let steps = vec![makes("a", &[]), makes("b", &[0]), makes("c", &[1])];
    let child = Submission { origin: Some(origin.clone()), known, ..submission(2, steps) };
    let run = scheduler.submit(child).await.unwrap();
    drop(scheduler);
    let scheduler = start(&log).await;
    scheduler.resume(run).await.unwrap();
    let mut worker = Worker::attach(&scheduler, 2).await;
    for _ in 0..2 {
        let next = worker.assignment().await;
        worker.finish(next.id, emit(1)).await;
    }
    assert_eq!(scheduler.wait(run).await.unwrap(), RunStatus::Succeeded);
    let events = log.history(run, 1).await.unwrap();
    assert_eq!([claims(&events, "a"), claims(&events, "b"), claims(&events, "c")], [1, 0, 1]);
    assert_eq!(log.summary(run).await.unwrap().origin, Some(origin));
}

#[tokio::test]
async fn an_order_to_publish_leaves_after_the_commit() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let lake = Name::new("lake").unwrap();
    let mut plan = Plan::new(Name::new("job").unwrap(), vec![makes("a", &[])]);
    let settings = serde_json::json!({ "base_dir": "/lake" });
    plan.io_managers.insert(lake.clone(), PlanIoManager { kind: IoManagerKind::Filesystem, settings });
    plan.steps[0].outputs[0].io_manager = Some(lake.clone());
    let run = scheduler.submit(Submission { plan: Arc::new(plan), ..submission(1, vec![]) }).await.unwrap();
    let a = worker.assignment().await;
    worker.finish(a.id, emit(3)).await;
    let Some(Order::Publish(publication)) = worker.order().await else {
        panic!("expected an order to publish");
    };
    assert_eq!((publication.run, publication.manager_name), (run, lake));
    let events = log.history(run, 1).await.unwrap();
    assert!(events.iter().any(|recorded| matches!(recorded.event, Event::StepSucceeded { .. })));
}

#[tokio::test]
async fn it_is_explained_which_steps_would_take_an_earlier_result_and_what_differs() {
    let log = memory();
    let scheduler = start(&log).await;
    let mut worker = Worker::attach(&scheduler, 1).await;
    let reads = |from: u32| {
        let output = OutputRef { step: StepIdx(from), output: Name::result() };
        vec![PlanInput { name: Name::new("x").unwrap(), source: Source::Output(output), required: true }]
    };
    let steps = |config: u8| {
        let a = PlanStep { memoize: true, ..makes("a", &[]) };
        let b = PlanStep { memoize: true, inputs: reads(0), config: vec![config], ..makes("b", &[]) };
        let c = PlanStep { memoize: true, inputs: reads(1), ..makes("c", &[]) };
        vec![a, b, c]
    };
    let first = scheduler.submit(submission(1, steps(1))).await.unwrap();
    for byte in 0..3 {
        let next = worker.assignment().await;
        worker.finish(next.id, emit(byte)).await;
    }
    scheduler.wait(first).await.unwrap();
    let explained = |steps: Vec<PlanStep>| async {
        let Submission { run, plan, .. } = submission(9, steps);
        let found = explain(plan, run, Known::default(), log.as_ref()).await.unwrap();
        found.into_iter().map(|(step, why)| (step.to_string(), why)).collect::<Vec<_>>()
    };
    let hit = |step: &str| (step.to_owned(), Explanation::Hit { run: first, step: StepKey::new(step) });
    assert_eq!(explained(steps(1)).await, [hit("a"), hit("b"), hit("c")]);
    let differs = |parts: &[&str]| {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        Explanation::Differs { run: first, parts }
    };
    let unknown = ("c".to_owned(), Explanation::InputsUnknown);
    let changed = explained(steps(2)).await;
    assert_eq!(changed, [hit("a"), ("b".to_owned(), differs(&["config"])), unknown]);
    let mut renamed = steps(1);
    renamed[0].key = StepKey::new("new");
    renamed[0].library = LibraryDigest([8; 32]);
    renamed.truncate(1);
    assert_eq!(explained(renamed).await, [("new".to_owned(), Explanation::Never)]);
    assert_eq!(log.runs(RunFilter::default()).await.unwrap().len(), 1, "nothing is recorded");
}
