//! Resources and environment variables on a worker, over the real providers and the guest `resources`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cofferdam_model::{
    AssignedInput, AssignedValue, Assignment, CBOR, EnvKind, EnvSource, FailureKind, LentResource,
    LibraryDigest, Limits, Name, Order, Outcome, Place, PlanOutput, PlanResource, ResourceKind, ValueRef,
    cbor,
};
use futures::TryStreamExt as _;
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

/// Keeps every core busy until it goes.
struct Load(Arc<AtomicBool>, Vec<std::thread::JoinHandle<()>>);

impl Load {
    fn start() -> Load {
        let goes_on = Arc::new(AtomicBool::new(true));
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let spin = |goes_on: Arc<AtomicBool>| move || while goes_on.load(Ordering::Relaxed) {};
        let threads = (0..2 * cores).map(|_| std::thread::spawn(spin(goes_on.clone()))).collect();
        Load(goes_on, threads)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        self.1.drain(..).for_each(|thread| drop(thread.join()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_time_is_over_in_a_loop_and_in_a_call_into_the_host_also_when_every_core_is_busy() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let mut lending = Lending::new().await;
    let (url, _task) = server("").await;
    let api = [("api", lent("slow", ResourceKind::Http, json!({ "base_url": url })))];
    let store = [("counters", lent("memory", ResourceKind::Keyvalue, json!({ "backend": "memory" })))];
    // Both libraries are compiled before the clock starts.
    assert_eq!(lending.run(1, "count", json!({"name": "a"}), &store).await, json!(1));
    lending.bench.order(lending.bench.assignment(2, "add_one", 1)).await;
    lending.bench.value(2).await;
    let load = Load::start();
    let limits = Limits { timeout: Some(TIMEOUT), ..Limits::default() };
    let mut late = vec![];
    for fence in (3..23).step_by(2) {
        let hangs = lending.attempt(fence, "fetch", json!({"path": "/"}), &api);
        let hangs = Assignment { limits: limits.clone(), ..hangs };
        let spins = lending.bench.with_limits(fence + 1, "spin", 0, limits.clone());
        for (fence, attempt) in [(fence, hangs), (fence + 1, spins)] {
            let since = Instant::now();
            lending.bench.order(attempt).await;
            assert_eq!(lending.bench.failure(fence).await.kind, FailureKind::Timeout);
            late.push(since.elapsed().saturating_sub(TIMEOUT));
        }
    }
    drop(load);
    late.sort_unstable();
    eprintln!("from the end of its time to the end of an attempt: p50 {:?}, last {:?}", late[10], late[19]);
    assert!(late[19] < Duration::from_secs(1), "{late:?}");
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
async fn h_112_a_secret_is_in_no_report_even_when_all_goes_wrong() {
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

/// Answers one request, and gives what it was asked.
async fn asked_once() -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nx-kind: test\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..n]).into_owned()
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    let task = tokio::spawn(serve);
    (url, task)
}

#[tokio::test]
async fn f8_a_secret_goes_where_it_is_for_and_the_guest_that_uses_it_has_it_nowhere() {
    let mut lending = Lending::new().await;
    let (url, asked) = asked_once().await;
    let settings = json!({ "base_url": url, "headers": {"authorization": {"env": "BENCH_SECRET"}} });
    let api = [("api", lent("weather", ResourceKind::Http, settings))];
    let attempt = Assignment {
        outputs: vec![PlanOutput::new(Name::result(), "application/octet-stream")],
        ..lending.attempt(1, "confess", json!({"path": "/a-path-that-it-knows"}), &api)
    };
    lending.bench.order(attempt).await;
    let value = lending.bench.value(1).await;
    let request = asked.await.unwrap();
    assert!(request.contains("authorization: hush hush"), "{request}");

    let parts: Vec<_> = lending.bench.store.get(&value).await.unwrap().try_collect().await.unwrap();
    let memory = parts.concat();
    let holds = |text: &str| memory.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(memory.len() > 1 << 16, "{}", memory.len());
    assert!(holds("x-kind") && holds("a-path-that-it-knows"), "it is its memory");
    let said = format!("{:?}", lending.bench.seen);
    assert!(said.contains("x-kind"), "{said}");
    // As it is, in base64 at each offset, and in hexadecimal digits.
    for form in ["hush hush", "aHVzaCBodXNo", "h1c2ggaHVza", "odXNoIGh1c2", "6875736820"] {
        assert!(!holds(form) && !said.contains(form), "{form}");
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
