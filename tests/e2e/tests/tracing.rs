//! Traces of a cluster of real processes, taken by a collector that reads the protocol by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::{command, joined};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::id;
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SECRET: &str = "hush-hush-7c1f";

/// A server on loopback: a collector of spans at `/v1/traces`, and something to ask elsewhere.
struct Collector {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Debug, Clone)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let requests = Arc::new(Mutex::new(vec![]));
        let taken = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let taken = taken.clone();
                std::thread::spawn(move || serve(stream, &taken));
            }
        });
        Collector { address, requests }
    }

    fn all(&self) -> Vec<Request> {
        self.requests.lock().expect("nobody panics while holding it").clone()
    }

    fn spans(&self) -> Vec<Span> {
        self.all()
            .iter()
            .filter(|request| request.path == "/v1/traces")
            .flat_map(|request| spans(&request.body))
            .collect()
    }

    /// Waits until a span of each of these names has come: processes send by themselves, a moment later.
    fn wait_for(&self, names: &[&str]) -> Vec<Span> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let spans = self.spans();
            let found: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
            let missing: Vec<_> = names.iter().filter(|name| !found.contains(**name)).collect();
            if missing.is_empty() {
                return spans;
            }
            assert!(Instant::now() < until, "{missing:?} did not come, but {spans:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Answers requests on one connection until it ends.
fn serve(stream: TcpStream, taken: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(n) if n > 0) {
            return;
        }
        let path = line.split(' ').nth(1).expect("a request has a path").to_owned();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line).expect("the head comes whole");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body comes whole");
        taken.lock().expect("nobody panics while holding it").push(Request { path, headers, body });
        let answered = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        if answered.is_err() {
            return;
        }
    }
}

#[derive(Debug, Clone)]
struct Span {
    service: String,
    trace: String,
    id: String,
    parent: String,
    name: String,
    start: u64,
    end: u64,
    attributes: BTreeMap<String, String>,
}

/// A field of a message of protobuf: a number, or bytes.
#[derive(Debug, Clone)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// Reads the fields of one message, as the encoding of protobuf says.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a varint ends");
            *bytes = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return number;
            }
        }
        panic!("a varint has at most ten bytes");
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (eight, rest) = bytes.split_first_chunk().expect("eight bytes");
                bytes = rest;
                Field::Number(u64::from_le_bytes(*eight))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (inner, rest) = bytes.split_at_checked(length).expect("as many bytes as it says");
                bytes = rest;
                Field::Bytes(inner.to_vec())
            }
            form => panic!("form {form} is not used here"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn inner(message: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let of = |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    };
    fields(message).into_iter().filter_map(of).collect()
}

fn number(message: &[u8], wanted: u64) -> u64 {
    let of = |(number, field): &(u64, Field)| match field {
        Field::Number(value) if *number == wanted => Some(*value),
        _ => None,
    };
    fields(message).iter().find_map(of).unwrap_or(0)
}

fn text(message: &[u8], wanted: u64) -> String {
    inner(message, wanted).pop().map(|bytes| String::from_utf8(bytes).expect("text")).unwrap_or_default()
}

fn hex(message: &[u8], wanted: u64) -> String {
    let bytes = inner(message, wanted).pop().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(message: &[u8], wanted: u64) -> BTreeMap<String, String> {
    let pairs = inner(message, wanted).into_iter().map(|pair| {
        let value = inner(&pair, 2).pop().expect("a value");
        let shown = text(&value, 1);
        (text(&pair, 1), if shown.is_empty() { number(&value, 3).to_string() } else { shown })
    });
    pairs.collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Span> {
    let mut found = vec![];
    for of_resource in inner(body, 1) {
        let resource = inner(&of_resource, 1).pop().expect("a resource");
        let service = attributes(&resource, 1)["service.name"].clone();
        for span in inner(&of_resource, 2).iter().flat_map(|scope| inner(scope, 2)) {
            found.push(Span {
                service: service.clone(),
                trace: hex(&span, 1),
                id: hex(&span, 2),
                parent: hex(&span, 4),
                name: text(&span, 5),
                start: number(&span, 7),
                end: number(&span, 8),
                attributes: attributes(&span, 9),
            });
        }
    }
    found
}

fn job(collector: &str) -> String {
    format!(
        "[libraries.resources]\nwasm = \"lib/resources.wasm\"\n\
         [resources.api]\nkind = \"http\"\nbase_url = \"http://{collector}/api/\"\nallow_private = true\n\
         headers = {{ authorization = {{ env = \"API_SECRET\" }} }}\n\
         [jobs.j.steps.ask]\nop = \"resources.fetch\"\ninputs.path = {{ value = \"thing\" }}\n"
    )
}

fn variables(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address)),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("x-token={SECRET}")),
        ("API_SECRET", SECRET.to_owned()),
    ]
}

/// The only span of that name.
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "one span `{name}`, not {found:#?}");
    found[0]
}

#[test]
fn h7_one_trace_goes_from_the_caller_through_client_scheduler_and_worker_into_what_the_guest_asks() {
    let collector = Collector::start();
    let project = Project::with(&job(&collector.address), &["resources"]);
    let traced = variables(&collector);
    let (cluster, serving) = Cluster::start_within(&traced);
    let worker = joined(cluster.worker("one", &[]));
    let mut run = command(&project, &cluster, &["run", "j", "--json"]);
    run.envs(traced.iter().map(|(name, value)| (name, value))).env("TRACEPARENT", CALLER);
    let ended: Ended = run.output().expect("the program can be started").into();
    let ended = ended.expect(0);
    let document: Value = serde_json::from_str(&ended.stdout).expect("one document");

    // From each: what it tells, and the parent of that.
    let expected = [
        ("cofferdam", "submit", ""),
        ("cofferdam", "plan", "submit"),
        ("cofferdam-scheduler", "run", "submit"),
        ("cofferdam-scheduler", "step", "run"),
        ("cofferdam-scheduler", "queue", "step"),
        ("cofferdam-scheduler", "dispatch", "step"),
        ("cofferdam-scheduler", "commit", "step"),
        ("cofferdam-worker", "attempt", "step"),
        ("cofferdam-worker", "fetch", "attempt"),
        ("cofferdam-worker", "compile", "attempt"),
        ("cofferdam-worker", "guest", "attempt"),
        ("cofferdam-worker", "instantiate", "guest"),
        ("cofferdam-worker", "store", "attempt"),
    ];
    let spans = collector.wait_for(&expected.map(|(_, name, _)| name));
    for (service, name, parent) in expected {
        let span = only(&spans, name);
        assert_eq!(span.service, service, "{span:#?}");
        assert_eq!(span.trace, "0af7651916cd43dd8448eb211c80319c", "{span:#?}");
        assert!(span.start <= span.end && span.start > 0, "{span:#?}");
        match parent {
            "" => assert_eq!(span.parent, "b7ad6b7169203331", "the caller's"),
            parent => assert_eq!(span.parent, only(&spans, parent).id, "{name} is part of {parent}"),
        }
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len());
    let step = only(&spans, "step");
    assert_eq!(
        (step.attributes["cofferdam.step"].as_str(), step.attributes["cofferdam.run"].as_str()),
        ("ask", id(&document))
    );

    // What the guest asked belongs to its span.
    let requests = collector.all();
    let asked = requests.iter().find(|request| request.path == "/api/thing").expect("the guest asked");
    let guest = &only(&spans, "guest").id;
    assert_eq!(asked.headers["traceparent"], format!("00-0af7651916cd43dd8448eb211c80319c-{guest}-01"));

    // Secrets go where they belong, and into no span.
    assert_eq!(asked.headers["authorization"], SECRET);
    for request in requests.iter().filter(|request| request.path == "/v1/traces") {
        assert_eq!(request.headers["x-token"], SECRET);
        assert_eq!(request.headers["content-type"], "application/x-protobuf");
        let secret = SECRET.as_bytes();
        assert!(
            !request.body.windows(secret.len()).any(|window| window == secret),
            "{:#?}",
            self::spans(&request.body)
        );
    }
    drop((worker, serving));
}

#[test]
fn without_a_collector_nothing_is_sent_and_the_callers_trace_is_passed_on_all_the_same() {
    let collector = Collector::start();
    let project = Project::with(&job(&collector.address), &["resources"]);
    let run = |parent: Option<&str>| {
        let mut command = project.command(["run", "j"]);
        command.env("API_SECRET", SECRET).env_remove("TRACEPARENT");
        command.envs(parent.map(|parent| ("TRACEPARENT", parent)));
        let ended: Ended = command.output().expect("the program can be started").into();
        ended.expect(0);
    };
    run(None);
    run(Some(CALLER));
    let requests = collector.all();
    assert!(requests.iter().all(|request| request.path == "/api/thing"), "{requests:#?}");
    let parents: Vec<_> =
        requests.iter().map(|request| request.headers.get("traceparent").cloned()).collect();
    assert_eq!((parents.len(), &parents[0]), (2, &None));
    let passed = parents[1].as_deref().expect("the second run is part of a trace");
    assert!(passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && passed != CALLER, "{passed}");
}

#[test]
fn a_collector_that_is_away_or_a_variable_that_cannot_be_followed_keeps_nobody_from_working() {
    let collector = Collector::start();
    let project = Project::with(&job(&collector.address), &["resources"]);
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "spans were dropped"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hush", "`OTEL_EXPORTER_OTLP_ENDPOINT` is not a URL"),
    ] {
        let mut command = project.command(["run", "j"]);
        command.env("API_SECRET", SECRET).env(name, value);
        let ended: Ended = command.output().expect("the program can be started").into();
        let ended = ended.expect(0);
        assert!(ended.stderr.contains(said), "{ended:#?}");
    }
}
