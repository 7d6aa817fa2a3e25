//! News, and the deliveries that are made of it.

use std::sync::Arc;

use cofferdam_model::*;
use cofferdam_runlog::*;

fn run_id(n: u64) -> RunId {
    RunId(uuid::Uuid::from_u128(n.into()))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn delivery(key: &str, target: &str, next: u64) -> Delivery {
    let alert = Alert {
        rule: name("r"),
        on: AlertOn::RunFailed,
        at: Timestamp(5),
        text: "it failed".to_owned(),
        about: AlertAbout { run: Some(run_id(1)), ..AlertAbout::default() },
    };
    Delivery {
        number: 0,
        key: key.to_owned(),
        id: format!("id of {key}"),
        target: name(target),
        alert,
        attempts: 0,
        state: DeliveryState::Pending { next: Timestamp(next) },
        error: None,
    }
}

async fn run(log: &dyn RunLog, n: u64) {
    let plan = vec![1];
    let new = NewRun {
        run: run_id(n),
        job: name("job"),
        digest: ValueDigest::of(&plan),
        plan,
        tags: [].into(),
        created_at: Timestamp(1),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    };
    log.create_run(new).await.unwrap();
}

fn failed(retry_at: Option<Timestamp>) -> Event {
    Event::StepFailed {
        step: StepKey::new("a"),
        attempt: 1,
        fence: Fence::default(),
        failure: Failure::new(FailureKind::Op, "no").into(),
        usage: Usage::default(),
        retry_at,
        beside: false,
    }
}

async fn append(log: &dyn RunLog, term: Term, n: u64, events: Vec<Event>) {
    let recorded = (1..).zip(events).map(|(seq, event)| Recorded { seq, at: Timestamp(10 + seq), event });
    let batch = Batch { run: run_id(n), expected_seq: 0, term, events: recorded.collect() };
    log.append(vec![batch]).await.unwrap();
}

async fn keys(log: &dyn RunLog, target: &str) -> Vec<String> {
    let pending = log.alerts().pending(name(target), 10).await.unwrap();
    pending.into_iter().map(|delivery| delivery.key).collect()
}

pub(crate) async fn h11_news_waits_in_its_order_until_somebody_has_made_deliveries_of_it(
    log: Arc<dyn RunLog>,
) {
    let term = log.take_term(Term(0)).await.unwrap();
    for n in [1, 2] {
        run(&*log, n).await;
    }
    let finished = Event::RunFinished { status: RunStatus::Failed };
    append(&*log, term, 2, vec![failed(Some(Timestamp(9))), failed(None), finished.clone()]).await;
    append(&*log, term, 1, vec![finished]).await;
    let alerts = log.alerts();
    let news = alerts.news(10).await.unwrap();
    let places: Vec<(RunId, u64)> = news.iter().map(|one| (one.run, one.recorded.seq)).collect();
    assert_eq!(places, [(run_id(2), 2), (run_id(2), 3), (run_id(1), 1)]);
    assert_eq!(news[0].recorded, Recorded { seq: 2, at: Timestamp(12), event: failed(None) });
    assert!(news.is_sorted_by_key(|one| one.number));
    assert_eq!(alerts.news(1).await.unwrap(), news[..1]);

    let made = vec![delivery("x", "a", 3), delivery("y", "b", 3)];
    assert_eq!(alerts.raise(term, news[1].number, made).await.unwrap(), 2);
    assert_eq!(alerts.news(10).await.unwrap(), news[2..]);
    // Who has died before it knew that, raises them again.
    let again = vec![Delivery { id: "another".to_owned(), ..delivery("x", "a", 1) }, delivery("z", "a", 2)];
    assert_eq!(alerts.raise(term, news[2].number, again).await.unwrap(), 1);
    assert_eq!(alerts.news(10).await.unwrap(), []);
    let all = alerts.deliveries(None, 10).await.unwrap();
    assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["id of z", "id of y", "id of x"]);
}

pub(crate) async fn h11_a_delivery_is_pending_until_it_has_ended_and_is_forgotten_in_time(
    log: Arc<dyn RunLog>,
) {
    let term = log.take_term(Term(0)).await.unwrap();
    let alerts = log.alerts();
    let made = vec![delivery("x", "a", 30), delivery("y", "a", 10), delivery("z", "b", 20)];
    alerts.raise(term, 0, made).await.unwrap();
    assert_eq!(keys(&*log, "a").await, ["y", "x"]);
    assert_eq!(alerts.awaited().await.unwrap(), [name("a"), name("b")]);
    let first = alerts.pending(name("a"), 1).await.unwrap().pop().unwrap();
    let again = Delivery {
        attempts: 1,
        state: DeliveryState::Pending { next: Timestamp(40) },
        error: Some("it answered 500".to_owned()),
        ..first.clone()
    };
    alerts.note(term, again.clone()).await.unwrap();
    assert_eq!(alerts.pending(name("a"), 10).await.unwrap()[1], again);
    let sent =
        Delivery { attempts: 2, state: DeliveryState::Sent { at: Timestamp(50) }, error: None, ..again };
    alerts.note(term, sent.clone()).await.unwrap();
    assert_eq!(keys(&*log, "a").await, ["x"]);
    let given_up = Delivery { state: DeliveryState::GivenUp { at: Timestamp(60) }, ..delivery("z", "b", 0) };
    alerts.note(term, given_up).await.unwrap();
    assert_eq!(alerts.awaited().await.unwrap(), [name("a")]);

    let all = alerts.deliveries(None, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(alerts.deliveries(Some(all[0].number), 1).await.unwrap(), all[1..2]);
    assert!(all.contains(&sent));
    assert_eq!(alerts.forget_deliveries(Timestamp(60)).await.unwrap(), 1);
    let left: Vec<String> =
        alerts.deliveries(None, 10).await.unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(left, ["z", "x"]);
}

pub(crate) async fn i_21_a_scheduler_whose_term_has_passed_raises_and_notes_nothing(log: Arc<dyn RunLog>) {
    let passed = log.take_term(Term(0)).await.unwrap();
    let term = log.take_term(Term(0)).await.unwrap();
    let alerts = log.alerts();
    alerts.raise(term, 0, vec![delivery("x", "a", 1)]).await.unwrap();
    let refused = alerts.raise(passed, 9, vec![delivery("y", "a", 1)]).await.unwrap_err();
    assert!(matches!(refused, AppendError::StaleTerm { .. }), "{refused}");
    let sent = Delivery { state: DeliveryState::Sent { at: Timestamp(2) }, ..delivery("x", "a", 1) };
    let refused = alerts.note(passed, sent).await.unwrap_err();
    assert!(matches!(refused, AppendError::StaleTerm { .. }), "{refused}");
    assert_eq!(keys(&*log, "a").await, ["x"]);
}
