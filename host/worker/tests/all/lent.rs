//! Resources and environment variables on a worker, over the real providers and the guest `resources`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cofferdam_model::{
    AssignedInput, AssignedValue, Assignment, CBOR, EnvKind, EnvSource, FailureKind, LentResource,
    LibraryDigest, Limits, Name, Order, Outcome, Place, PlanOutput, PlanResource, ResourceKind, ValueRef,
    cbor,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bench::{Bench, guest};

struct Lending {
    bench: Bench,
    library: LibraryDigest,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn lent(plan_name: &str, kind: ResourceKind, settings: Value) -> LentResource {
    LentResource { name: name(plan_name), resource: PlanResource { kind, settings } }
}

impl Lending {
    async fn new() -> Lending {
        let bench = Bench::in_memory(1).await;
        let library = bench.depot.put(guest("resources")).await.unwrap();
        Lending { bench, library }
    }

    fn attempt(&self, fence: u64, op: &str, inputs: Value, resources: &[(&str, LentResource)]) -> Assignment {
        let input = |(name, value): (&String, &Value)| AssignedInput {
            name: self::name(name),
            value: AssignedValue::One(ValueRef::inline(CBOR, cbor::encode(value))),
        };
        Assignment {
            library: self.library,
            op: name(op),
            config: cbor::encode(&Value::Null),
            inputs: inputs.as_object().unwrap().iter().map(input).collect(),
            outputs: vec![PlanOutput::new(Name::result(), CBOR)],
            resources: resources.iter().map(|(own, lent)| (name(own), lent.clone())).collect(),
            ..self.bench.assignment(fence, op, 0)
        }
    }

    async fn run(
        &mut self,
        fence: u64,
        op: &str,
        inputs: Value,
        resources: &[(&str, LentResource)],
    ) -> Value {
        self.bench.order(self.attempt(fence, op, inputs, resources)).await;
        self.result(fence).await
    }

    async fn result(&mut self, fence: u64) -> Value {
        let Place::Inline(bytes) = self.bench.value(fence).await.place else { panic!("the value is small") };
        ciborium::from_reader(&bytes[..]).unwrap()
    }
}

#[tokio::test]
async fn two_ops_share_a_resource_under_names_of_their_own() {
    let mut lending = Lending::new().await;
    let store = || lent("memory", ResourceKind::Keyvalue, json!({ "backend": "memory" }));
    let other = || lent("other", ResourceKind::Keyvalue, json!({ "backend": "memory" }));
    for (fence, expected) in [(1, 1), (2, 2), (3, 3)] {
        let counted = lending.run(fence, "count", json!({"name": "a"}), &[("counters", store())]).await;
        assert_eq!(counted, json!(expected));
    }
    let both = [("from", store()), ("to", other())];
    assert_eq!(lending.run(4, "copy", json!({"key": "a"}), &both).await, json!(true));
    assert_eq!(lending.run(5, "copy", json!({"key": "b"}), &both).await, json!(false));
    assert_eq!(lending.run(6, "count", json!({"name": "a"}), &[("counters", other())]).await, json!(4));
}

#[tokio::test]
async fn each_kind_works_through_a_cell() {
    let mut lending = Lending::new().await;
    let db = || [("db", lent("db", ResourceKind::Sql, json!({ "url": "sqlite:flights.db" })))];
    let flights = json!([{"carrier": "B6", "delay": null}, {"carrier": "AA", "delay": -5}]);
    let kept = lending.run(1, "keep", json!({ "flights": flights }), &db()).await;
    assert_eq!(kept, json!([{"carrier": "AA", "delay": -5}, {"carrier": "B6", "delay": null}]));
    assert!(lending.bench.folder.path().join("flights.db").exists());

    let site = [(
        "site",
        lent("site", ResourceKind::Config, json!({"entries": {"token": {"env": "BENCH_SECRET"}}})),
    )];
    assert_eq!(lending.run(2, "secret_length", json!({"key": "token"}), &site).await, json!(9));

    let lake = [("lake", lent("lake", ResourceKind::Blob, json!({ "url": "memory:" })))];
    let found = lending.run(3, "archive", json!({"lines": 40_000}), &lake).await;
    assert_eq!(found, json!(["texts/numbers.txt", "Some(428890)", "None"]));

    let program = [(
        "program",
        lent(
            "sh",
            ResourceKind::Command,
            json!({"program": "/bin/sh", "arguments": ["-c", "/bin/cat; exit 3"]}),
        ),
    )];
    assert_eq!(lending.run(4, "pipe", json!({"text": "hello"}), &program).await, json!("Some(3) hello "));
}

/// A server that takes one connection at a time and answers as told.
async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            if answer.is_empty() {
                // Says nothing until the other side goes.
                let _ = stream.read(&mut request).await;
                continue;
            }
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all((head + answer).as_bytes()).await.unwrap();
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    let task = tokio::spawn(serve);
    (url, task)
}

#[tokio::test]
async fn an_op_asks_a_server() {
    let mut lending = Lending::new().await;
    let (url, _task) = server("cold").await;
    let api = [("api", lent("weather", ResourceKind::Http, json!({ "base_url": url })))];
    assert_eq!(lending.run(1, "fetch", json!({"path": "/today"}), &api).await, json!("200 cold"));
}

#[tokio::test]
async fn a_call_that_hangs_ends_with_the_attempts_time() {
    let mut lending = Lending::new().await;
    let (url, _task) = server("").await;
    let api = [("api", lent("slow", ResourceKind::Http, json!({ "base_url": url })))];
    let limits = Limits { timeout: Some(Duration::from_millis(400)), ..Limits::default() };
    let attempt = Assignment { limits, ..lending.attempt(1, "fetch", json!({"path": "/"}), &api) };
    lending.bench.order(attempt).await;
    let failure = lending.bench.failure(1).await;
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Timeout, "ran longer than its timeout of 400 ms")
    );
    // The sandbox ended it, so the cell lives and takes the next one.
    let store = [("counters", lent("memory", ResourceKind::Keyvalue, json!({ "backend": "memory" })))];
    assert_eq!(lending.run(2, "count", json!({"name": "a"}), &store).await, json!(1));
}

#[tokio::test]
async fn a_cancel_ends_a_call_that_is_under_way() {
    let mut lending = Lending::new().await;
    // Leaves a trace unless it is killed.
    let script = "echo > begun; /bin/sleep 30; echo > trace";
    let settings = json!({ "program": "/bin/sh", "arguments": ["-c", script], "folder": "." });
    let program = [("program", lent("sh", ResourceKind::Command, settings))];
    let attempt = lending.attempt(1, "pipe", json!({"text": ""}), &program);
    let id = attempt.id.clone();
    lending.bench.order(attempt).await;
    let begun = lending.bench.folder.path().join("begun");
    let waiting = Instant::now();
    while !begun.exists() {
        assert!(waiting.elapsed() < Duration::from_secs(60), "the program begins");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cancelled = Instant::now();
    lending.bench.orders.send(vec![Order::Cancel(id)]).await.unwrap();
    assert_eq!(lending.bench.failure(1).await.kind, FailureKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_secs(10));
    // What the worker had to wait for is over when it has ended.
    let Bench { orders, worker, folder, reports: _reports, .. } = lending.bench;
    drop(orders);
    worker.join().await;
    assert!(cancelled.elapsed() < Duration::from_secs(20), "nobody waited for the program");
    assert!(!folder.path().join("trace").exists());
}

#[tokio::test]
async fn a_secret_is_in_no_report_even_when_all_goes_wrong() {
    let mut lending = Lending::new().await;
    let refused =
        json!({ "base_url": "http://127.0.0.1:1", "headers": {"authorization": {"env": "BENCH_SECRET"}} });
    let unset =
        json!({ "base_url": "http://127.0.0.1:1", "headers": {"authorization": {"env": "BENCH_UNSET"}} });
    for (fence, settings) in [(1, refused), (2, unset)] {
        let api = [("api", lent("weather", ResourceKind::Http, settings))];
        lending.bench.order(lending.attempt(fence, "fetch", json!({"path": "/"}), &api)).await;
        let failure = format!("{:?}", lending.bench.failure(fence).await);
        assert!(!failure.contains("hush"), "{failure}");
        assert!(failure.contains("weather"), "{failure}");
        assert_eq!(failure.contains("BENCH_UNSET"), fence == 2, "{failure}");
    }
}

fn login(lending: &Lending, fence: u64, variable: &str) -> Assignment {
    let source = EnvSource { path: vec!["user".into()], name: variable.into(), kind: EnvKind::Text };
    Assignment {
        config: cbor::encode(&json!({"user": null, "retries": 2})),
        env: vec![source],
        ..lending.attempt(fence, "login", json!({}), &[])
    }
}

#[tokio::test]
async fn config_takes_values_from_the_workers_environment() {
    let mut lending = Lending::new().await;
    lending.bench.order(login(&lending, 1, "BENCH_USER")).await;
    assert_eq!(lending.result(1).await, json!("ada 2 false"));
    lending.bench.order(login(&lending, 2, "BENCH_UNSET")).await;
    let failure = lending.bench.failure(2).await;
    assert_eq!(failure.kind, FailureKind::Config);
    insta::assert_snapshot!(failure.message, @"the environment variable `BENCH_UNSET` is not set where the worker runs; config `user` takes its value from it");
}

#[tokio::test]
async fn an_attempt_without_resources_has_none() {
    let mut lending = Lending::new().await;
    let attempt = Assignment { resources: BTreeMap::new(), ..lending.attempt(1, "complain", json!({}), &[]) };
    lending.bench.order(attempt).await;
    match lending.bench.finished(1).await {
        Outcome::Succeeded { .. } => {}
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}
