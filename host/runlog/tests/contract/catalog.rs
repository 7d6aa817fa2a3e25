//! What is known across runs: results, assets, partitions, pins.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_model::*;
use cofferdam_runlog::*;

fn run_id(n: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(n))
}

fn new_run(n: u128) -> NewRun {
    NewRun {
        run: run_id(n),
        job: Name::key("job").unwrap(),
        plan: b"plan".to_vec(),
        digest: ValueDigest::of(b"plan"),
        tags: BTreeMap::new(),
        created_at: Timestamp(5),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    }
}

/// A log under test, and what it has been told.
struct Story {
    log: Arc<dyn RunLog>,
    term: Term,
}

impl Story {
    /// With three runs.
    async fn new(log: Arc<dyn RunLog>) -> Story {
        let term = log.take_term(Term(0)).await.unwrap();
        for n in 1..=3 {
            log.create_run(new_run(n)).await.unwrap();
        }
        Story { log, term }
    }

    async fn append(&self, n: u128, events: Vec<Event>) {
        let from = self.log.summary(run_id(n)).await.unwrap().last_seq;
        let recorded =
            (from + 1..).zip(events).map(|(seq, event)| Recorded { seq, at: Timestamp(seq), event });
        let events = recorded.collect();
        let batch = Batch { run: run_id(n), expected_seq: from, term: self.term, events };
        self.log.append(vec![batch]).await.unwrap();
    }
}

fn output(byte: u8) -> Output {
    Output { name: Name::result(), key: None, value: ValueRef::inline(CBOR, vec![byte]), metadata: vec![] }
}

fn succeeded(step: &str, byte: u8, memo: Option<&str>) -> Event {
    Event::StepSucceeded {
        step: StepKey::new(step),
        attempt: 1,
        fence: Fence(1),
        outputs: vec![output(byte)],
        metadata: vec![],
        usage: Usage::default(),
        memo: memo.map(|memo| ValueDigest::of(memo.as_bytes())),
    }
}

fn key(text: &str) -> AssetKey {
    AssetKey::parse(text).unwrap()
}

fn made(asset: &str, partition: Option<&str>, version: &str) -> Event {
    let materialization = Box::new(Materialization {
        key: key(asset),
        partition: partition.map(str::to_owned),
        code_version: "c".to_owned(),
        data_version: version.to_owned(),
        inputs: vec![],
        value: Some(output(1).value),
        metadata: vec![],
    });
    Event::AssetMaterialized { step: StepKey::new("make"), output: Name::result(), materialization }
}

fn versions(made: &[Materialized]) -> Vec<&str> {
    made.iter().map(|made| made.materialization.data_version.as_str()).collect()
}

pub(crate) async fn the_first_result_of_a_memo_is_found_until_its_run_is_forgotten(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    story.append(1, vec![succeeded("a", 1, Some("x")), succeeded("b", 2, None)]).await;
    story.append(2, vec![succeeded("a", 3, Some("x")), succeeded("a[k]", 4, Some("y"))]).await;
    story.append(3, vec![succeeded("a", 5, Some("z"))]).await;
    let catalog = story.log.catalog();
    let memo = |text: &str| ValueDigest::of(text.as_bytes());
    let found = catalog.recall(vec![memo("x"), memo("none"), memo("y")]).await.unwrap();
    let result =
        |n, step, byte| Memo { run: run_id(n), step: StepKey::new(step), outputs: vec![output(byte)] };
    assert_eq!(found, [Some(result(1, "a", 1)), None, Some(result(2, "a[k]", 4))]);
    let newest = catalog.memo_of_step(StepKey::new("a")).await.unwrap();
    assert_eq!(newest, Some((memo("z"), result(3, "a", 5))));
    assert_eq!(catalog.memo_of_step(StepKey::new("b")).await.unwrap(), None);
    assert_eq!(catalog.forget_memos(run_id(1)).await.unwrap(), 1);
    assert_eq!(catalog.recall(vec![memo("x")]).await.unwrap(), [None]);
    story.append(2, vec![succeeded("a", 6, Some("x"))]).await;
    assert_eq!(catalog.recall(vec![memo("x")]).await.unwrap(), [Some(result(2, "a", 6))]);
}

pub(crate) async fn the_newest_materialisation_of_each_partition_is_found_and_the_history_is_paged(
    log: Arc<dyn RunLog>,
) {
    let story = Story::new(log).await;
    story.append(1, vec![made("raw", Some("jan"), "1"), made("raw", Some("feb"), "2")]).await;
    story.append(2, vec![made("raw", Some("jan"), "3"), made("a/b", None, "4")]).await;
    story.append(1, vec![made("raw", None, "5"), made("other", None, "6")]).await;
    let catalog = story.log.catalog();
    let latest =
        |asset: &str, partition: Option<&str>| catalog.latest(key(asset), partition.map(str::to_owned));
    let jan = latest("raw", Some("jan")).await.unwrap().unwrap();
    assert_eq!((jan.run, jan.seq, jan.at), (run_id(2), 1, Timestamp(1)));
    assert_eq!((jan.step.as_str(), &jan.output), ("make", &Name::result()));
    assert_eq!(jan.materialization.data_version, "3");
    assert_eq!(versions(&[latest("raw", None).await.unwrap().unwrap()]), ["5"]);
    assert_eq!(latest("raw", Some("mar")).await.unwrap(), None);
    assert_eq!(latest("a/c", None).await.unwrap(), None);
    let assets = || vec![key("raw"), key("a/b")];
    let all = catalog.latest_all(assets(), None, 10).await.unwrap();
    assert_eq!(versions(&all), ["2", "3", "4", "5"]);
    assert_eq!(catalog.latest_all(assets(), None, 2).await.unwrap(), all[..2]);
    assert_eq!(catalog.latest_all(assets(), Some(all[1].number), 10).await.unwrap(), all[2..]);
    let history = catalog.materializations(key("raw"), None, 10).await.unwrap();
    assert_eq!(versions(&history), ["5", "3", "2", "1"]);
    let page = catalog.materializations(key("raw"), Some(history[0].number), 2).await.unwrap();
    assert_eq!(page, history[1..3]);
    let partitions =
        |after: Option<&str>, limit| catalog.partitions_of(key("raw"), after.map(str::to_owned), limit);
    assert_eq!(partitions(None, 10).await.unwrap(), ["feb", "jan"]);
    assert_eq!(partitions(None, 1).await.unwrap(), ["feb"]);
    assert_eq!(partitions(Some("feb"), 10).await.unwrap(), ["jan"]);
}

pub(crate) async fn evaluations_of_checks_come_newest_first(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let checked = |asset: &str, passed| {
        let evaluation = CheckEvaluation {
            check: Name::new("not_empty").unwrap(),
            asset: key(asset),
            partition: None,
            passed,
            severity: CheckSeverity::Warn,
            metadata: vec![],
        };
        Event::AssetChecked { step: StepKey::new("check"), evaluation: Box::new(evaluation) }
    };
    story.append(1, vec![checked("raw", true), checked("other", true), checked("raw", false)]).await;
    let catalog = story.log.catalog();
    let found = catalog.checks(key("raw"), None, 10).await.unwrap();
    assert_eq!(found.iter().map(|checked| checked.evaluation.passed).collect::<Vec<_>>(), [false, true]);
    assert_eq!((found[0].run, found[0].seq, found[0].step.as_str()), (run_id(1), 3, "check"));
    assert_eq!(catalog.checks(key("raw"), Some(found[0].number), 10).await.unwrap(), found[1..]);
    assert_eq!(catalog.checks(key("raw"), None, 1).await.unwrap(), found[..1]);
}

pub(crate) async fn dynamic_partitions_keep_the_order_in_which_they_were_added(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let catalog = story.log.catalog();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let set = || "customers".to_owned();
    assert_eq!(catalog.add_partitions(set(), names(&["b", "a", "b"])).await.unwrap(), 2);
    assert_eq!(catalog.add_partitions(set(), names(&["c", "a"])).await.unwrap(), 1);
    assert_eq!(catalog.add_partitions("other".to_owned(), names(&["b"])).await.unwrap(), 1);
    assert_eq!(catalog.partitions(set()).await.unwrap(), ["b", "a", "c"]);
    assert_eq!(catalog.remove_partitions(set(), names(&["a", "x"])).await.unwrap(), 1);
    assert_eq!(catalog.partitions(set()).await.unwrap(), ["b", "c"]);
    assert_eq!(catalog.partitions("none".to_owned()).await.unwrap(), [""; 0]);
}

pub(crate) async fn pins_are_put_on_runs_that_exist_and_taken_off(log: Arc<dyn RunLog>) {
    let story = Story::new(log).await;
    let catalog = story.log.catalog();
    assert!(catalog.pin(run_id(3)).await.unwrap());
    assert!(catalog.pin(run_id(1)).await.unwrap());
    assert!(!catalog.pin(run_id(1)).await.unwrap());
    assert!(matches!(catalog.pin(run_id(9)).await, Err(Error::UnknownRun(_))));
    assert_eq!(catalog.pins().await.unwrap(), [run_id(1), run_id(3)]);
    assert!(catalog.unpin(run_id(1)).await.unwrap());
    assert!(!catalog.unpin(run_id(1)).await.unwrap());
    assert_eq!(catalog.pins().await.unwrap(), [run_id(3)]);
}

pub(crate) async fn d5_a_channel_goes_to_a_library_and_back_as_often_as_it_went_and_keeps_who_and_when(
    log: Arc<dyn RunLog>,
) {
    let catalog = log.catalog();
    let channel = |text: &str| text.parse::<Channel>().unwrap();
    let prod = || channel("prod");
    let library = |byte| LibraryDigest([byte; 32]);
    let by = |at| By { who: format!("token `{at}`"), at: Timestamp(at) };
    assert!(!catalog.roll_back(prod(), by(1)).await.unwrap(), "nothing was ever on it");
    assert!(catalog.promote(prod(), library(1), by(2)).await.unwrap());
    assert!(!catalog.promote(prod(), library(1), by(3)).await.unwrap(), "it is on it");
    assert!(!catalog.roll_back(prod(), by(4)).await.unwrap(), "nothing was on it before");
    assert!(catalog.promote(channel("a/lab"), library(9), by(5)).await.unwrap());
    assert!(catalog.promote(prod(), library(2), by(6)).await.unwrap());
    assert!(catalog.promote(prod(), library(3), by(7)).await.unwrap());
    assert!(catalog.roll_back(prod(), by(8)).await.unwrap());
    assert!(catalog.roll_back(prod(), by(9)).await.unwrap());
    assert!(!catalog.roll_back(prod(), by(10)).await.unwrap(), "it is where it began");
    assert!(catalog.promote(prod(), library(3), by(11)).await.unwrap());
    assert!(catalog.roll_back(prod(), by(12)).await.unwrap());
    let all = catalog.promotions(prod(), None, 100).await.unwrap();
    let told: Vec<_> = all.iter().rev().map(|one| (one.library.0[0], one.rolled_back, one.by.at.0)).collect();
    let expected = [
        (1, false, 2),
        (2, false, 6),
        (3, false, 7),
        (2, true, 8),
        (1, true, 9),
        (3, false, 11),
        (1, true, 12),
    ];
    assert_eq!(told, expected);
    assert_eq!(all[0].by, by(12));
    assert_eq!(catalog.promotions(prod(), Some(all[1].number), 2).await.unwrap(), all[2..4]);
    let now = catalog.channels().await.unwrap();
    assert_eq!(now.iter().map(|one| one.channel.as_str()).collect::<Vec<_>>(), ["a/lab", "prod"]);
    assert_eq!((&now[1], now[0].library), (&all[0], library(9)));
}

pub(crate) async fn re_executions_are_listed_by_parent_and_root_and_keep_what_they_take_over(
    log: Arc<dyn RunLog>,
) {
    let story = Story::new(log).await;
    let log = &story.log;
    let origin = |parent, root| Origin {
        parent: run_id(parent),
        root: run_id(root),
        how: Reexecution::FromFailure,
        automatic: false,
    };
    let reused = KnownStep::Reused { run: run_id(1), outputs: vec![output(1)] };
    let known =
        Known(BTreeMap::from([(StepKey::new("a[x]"), reused), (StepKey::new("b"), KnownStep::Skipped)]));
    let child = NewRun { origin: Some(origin(1, 1)), known: known.clone(), ..new_run(4) };
    log.create_run(child).await.unwrap();
    log.create_run(NewRun { origin: Some(origin(4, 1)), ..new_run(5) }).await.unwrap();
    assert_eq!(log.known(run_id(4)).await.unwrap(), known);
    assert_eq!(log.known(run_id(5)).await.unwrap(), Known::default());
    assert_eq!(log.summary(run_id(4)).await.unwrap().origin, Some(origin(1, 1)));
    let list = |filter: RunFilter| async move {
        let runs = log.runs(filter).await.unwrap();
        runs.iter().map(|run| run.run.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(list(RunFilter { parent: Some(run_id(1)), ..RunFilter::default() }).await, [4]);
    assert_eq!(list(RunFilter { root: Some(run_id(1)), ..RunFilter::default() }).await, [5, 4, 1]);
    assert_eq!(list(RunFilter { root: Some(run_id(2)), ..RunFilter::default() }).await, [2]);
}
