//! The pages' server, asked by who means it ill: each row of bad requests, and that others are served meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{PATIENCE, until};
use cofferdam_e2e::served::http;
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.count.steps.numbers]
op = "typed.numbers"
config = { n = 2 }
[jobs.count.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
"#;

const JSON: (&str, &str) = ("content-type", "application/json");
/// What a refusal may take: it costs less than what is refused.
const SOON: Duration = Duration::from_secs(5);
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn pages() -> (Project, Pages) {
    let project = Project::with(JOB, &["typed"]);
    let pages = Pages::loaded(&project);
    (project, pages)
}

/// All that is answered until the connection is closed; what cannot be sent any more is not.
fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the pages listen");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let _ = stream.write_all(request);
    read(&mut stream)
}

fn read(stream: &mut TcpStream) -> String {
    let (mut answered, mut piece) = (vec![], [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        answered.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&answered).into_owned()
}

/// The code of the answer; 0 for a connection that is closed without one.
fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.map_or(0, |code| code.parse().expect("a number"))
}

/// The answer to a question, as a program sends it.
fn asked(pages: &Pages, request: &Value) -> Value {
    let (head, body) = http(&pages.address, "POST /graphql", &[JSON], request.to_string());
    assert_eq!(status(&head), 200, "{head}\n{body}");
    serde_json::from_str(&body).expect("it is JSON")
}

/// Why a question is refused: without an answer to any part of it.
fn refused(pages: &Pages, query: &str) -> String {
    let since = Instant::now();
    let answer = asked(pages, &json!({ "query": query }));
    assert!(answer["data"].is_null(), "{answer:.300}");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    answer["errors"][0]["message"].as_str().expect("a reason").to_owned()
}

fn is_served(pages: &Pages) {
    let answer = asked(pages, &json!({ "query": "{ version }" }));
    assert!(answer["data"]["version"].is_string(), "{answer:#}");
}

fn finished(pages: &Pages) -> String {
    let launch = "mutation { launchRun(request: { jobName: \"count\" }) { ... on LaunchRunSuccess { run { runId } } } }";
    let launched = pages.ask(launch, json!({}));
    let id = launched["launchRun"]["run"]["runId"].as_str().expect("it is launched").to_owned();
    let status = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }";
    until("the run succeeds", || pages.ask(status, json!({ "id": id }))["runOrError"]["status"] == "SUCCESS");
    id
}

fn n_runs(pages: &Pages) -> usize {
    let runs = pages.ask("{ runsOrError { ... on Runs { results { runId } } } }", json!({}));
    runs["runsOrError"]["results"].as_array().expect("a list").len()
}

#[test]
fn c_36_a_page_a_time_or_a_cursor_that_is_none_is_refused() {
    let (_project, pages) = pages();
    let run = finished(&pages);
    let runs = |arguments: &str| refused(&pages, &format!("{{ runsOrError({arguments}) {{ __typename }} }}"));
    for limit in ["0", "1000000000"] {
        assert!(runs(&format!("limit: {limit}")).contains("is from 1 to 500"), "{limit}");
    }
    for arguments in ["limit: -1", "limit: 1.5", "filter: { createdAfter: \"yesterday\" }"] {
        assert!(!runs(arguments).is_empty());
    }
    let reversed = runs("filter: { createdAfter: 2, createdBefore: 1 }");
    assert!(reversed.contains("the one is not earlier than the other"), "{reversed}");
    for cursor in ["-1", "1", "", "' OR 1=1", "99999999999999999999999999"] {
        assert!(runs(&format!("cursor: \"{cursor}\"")).contains("no cursor of ours"), "{cursor}");
        if cursor == "1" {
            continue;
        }
        let events =
            format!("{{ logsForRun(runId: \"{run}\", afterCursor: \"{cursor}\") {{ __typename }} }}");
        assert!(refused(&pages, &events).contains("no cursor of ours"), "{cursor}");
    }
    // A time far away is one: there is nothing there.
    let far = pages.ask(
        "{ runsOrError(filter: { createdAfter: 1e18 }) { ... on Runs { results { runId } } } }",
        json!({}),
    );
    assert_eq!(far["runsOrError"]["results"], json!([]));
}

#[test]
fn c_40_no_path_leads_to_a_file_that_is_none_of_the_pages() {
    let (project, pages) = pages();
    let run = finished(&pages);
    project.write("canary.txt", "canary-of-the-project");
    project.write(".cofferdam/canary.txt", "canary-of-the-project");
    std::os::unix::fs::symlink(
        project.path().join("canary.txt"),
        project.path().join(".cofferdam/values/link"),
    )
    .expect("a link can be made");
    let long = "a/".repeat(4000);
    let names = ["canary.txt", "cofferdam.toml", ".cofferdam/canary.txt", "values/link", "etc/passwd"];
    let ups = ["..", "%2e%2e", "%252e%252e", "..%2f..", "..\\..", "%00", ".%2e", "//", "....//", &long];
    let roots = ["", "built/", "values/", &format!("values/{run}/"), &format!("values/{run}/sum/")];
    let paths = roots.iter().flat_map(|root| {
        let below = ups.iter().flat_map(|up| [format!("{up}/"), format!("{up}/{up}/{up}/")]);
        below.flat_map(move |up| names.iter().map(|name| format!("/{root}{up}{name}")).collect::<Vec<_>>())
    });
    for path in paths {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", pages.address);
        let answer = raw(&pages.address, request.as_bytes());
        assert!(matches!(status(&answer), 200 | 400 | 404 | 414), "{path}: {answer:.200}");
        let is_told = ["canary-of", "jobs.count", "root:"].iter().any(|secret| answer.contains(secret));
        assert!(!is_told, "{path}: {answer:.2000}");
        // What is no value and no file is what every page begins with, or not there.
        let is_page = status(&answer) != 200 || answer.contains("text/html; charset=utf-8");
        assert!(is_page, "{path}: {answer:.500}");
    }
    for path in ["values/x/y/z", &format!("values/{NOBODY}/sum/result"), &format!("values/{run}/sum/nothing")]
    {
        let (head, _) = http(&pages.address, &format!("GET /{path}"), &[], "");
        assert_eq!(status(&head), 404, "{path}");
    }
}

#[test]
fn c_41_what_is_no_request_is_closed_and_others_are_served_meanwhile() {
    let (_project, pages) = pages();
    let address = pages.address.as_str();
    let process = pages.process.as_ref().expect("it is this one's");
    // Callers that say nothing, or a letter now and then.
    let mut slow: Vec<TcpStream> = (0..300)
        .map(|n| {
            let mut stream = TcpStream::connect(address).expect("the pages listen");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            stream.write_all(&b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "[..n % 30]).expect("it can be sent");
            stream
        })
        .collect();
    let before = process.resident_mib();
    let head = |more: &str| format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
    let post = |more: &str, body: &str| {
        let json = "Content-Type: application/json\r\nConnection: close\r\n";
        format!("POST /graphql HTTP/1.1\r\nHost: {address}\r\n{json}{more}\r\n{body}")
    };
    let question = r#"{"query":"{ version }"}"#;
    let length = format!("Content-Length: {}\r\n", question.len());
    let cases = [
        ("no method", "\r\n\r\n\r\n".to_owned()),
        ("a method of its own", head("").replacen("GET", "BREW", 1)),
        ("a method too long", head("").replacen("GET", &"G".repeat(100_000), 1)),
        ("another version", head("").replacen("HTTP/1.1", "HTTP/9.9", 1)),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("a header of a megabyte", head(&format!("X-Large: {}\r\n", "x".repeat(1 << 20)))),
        ("ten thousand headers", head(&(0..10_000).map(|n| format!("X-{n}: 1\r\n")).collect::<String>())),
        ("a header that is folded", head("X-Fold: a\r\n b\r\n")),
        ("a header without a name", head(": a\r\n")),
        ("a length that is none", post("Content-Length: many\r\n", question)),
        ("a length below nothing", post("Content-Length: -1\r\n", question)),
        ("two lengths", post(&format!("{length}Content-Length: 3\r\n"), question)),
        ("chunks that are none", post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n")),
        ("an encoding of its own", post("Transfer-Encoding: gzip\r\n", question)),
    ];
    for (what, request) in &cases {
        let answer = raw(address, request.as_bytes());
        assert!(matches!(status(&answer), 0 | 400..=499 | 501 | 505), "{what}: {answer:.300}");
        is_served(&pages);
    }
    // A length beside chunks counts for nothing: what follows it is no second request.
    let smuggled = format!("{:x}\r\n{question}\r\n0\r\n\r\n", question.len());
    let both = raw(address, post(&format!("{length}Transfer-Encoding: chunked\r\n"), &smuggled).as_bytes());
    assert!(both.matches("HTTP/1.1 ").count() <= 1, "{both:.500}");
    // Many at once in one connection are answered in order.
    let stay = format!("GET /nowhere HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(200) + &head("");
    assert_eq!(raw(address, stay.as_bytes()).matches("HTTP/1.1 200").count(), 201);
    for stream in &mut slow {
        assert!(matches!(status(&read(stream)), 0 | 408 | 400..=431), "they are closed");
    }
    is_served(&pages);
    let grown = process.resident_mib() - before;
    assert!(grown < 64.0, "{grown} MiB more");
}

#[test]
fn c_42_a_body_that_is_too_large_or_of_another_kind_is_refused() {
    let (_project, pages) = pages();
    let address = pages.address.as_str();
    let post = |kind: &str, more: &str| {
        format!("POST /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}{more}\r\n")
    };
    let json = "Content-Type: application/json\r\n";
    let before = pages.process.as_ref().expect("it is this one's").resident_mib();
    let large = format!("{{\"query\":\"{}\"}}", "x".repeat(64 << 20));
    let told =
        raw(address, (post(json, &format!("Content-Length: {}\r\n", large.len())) + &large).as_bytes());
    assert!(matches!(status(&told), 413 | 0), "{told:.300}");
    // One that has no end is read as far as its limit, however long it goes on.
    let mut stream = TcpStream::connect(address).expect("the pages listen");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(post(json, "Transfer-Encoding: chunked\r\n").as_bytes()).expect("it can be sent");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let n_taken = (0..4096).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(n_taken < 4096, "256 MiB were taken");
    assert!(matches!(status(&read(&mut stream)), 413 | 0));
    let grown = pages.process.as_ref().expect("it is this one's").resident_mib() - before;
    assert!(grown < 64.0, "{grown} MiB more");

    let question = r#"{"query":"{ version }"}"#;
    let kinds = [
        "",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
    ];
    for kind in kinds {
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let answer = raw(
            address,
            (post(&kind, &format!("Content-Length: {}\r\n", question.len())) + question).as_bytes(),
        );
        assert_eq!(status(&answer), 415, "{kind}");
    }
    let deep = format!(
        "{{\"query\":\"{{ version }}\",\"variables\":{{\"a\":{}1{}}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let many = |body: &[u8]| {
        let head = post(json, &format!("Content-Length: {}\r\n", body.len()));
        raw(address, &[head.as_bytes(), body].concat())
    };
    for body in
        ["", "{", "null", "{\"query\": 1}", "{\"query\":\"{ version }\"} x", "{\"query\":\"\\ud800\"}", &deep]
    {
        let answer = many(body.as_bytes());
        assert!(matches!(status(&answer), 400 | 422), "{body:.60}: {answer:.300}");
    }
    assert!(matches!(status(&many(b"{\"query\":\"{ version \xff }\"}")), 400));
    is_served(&pages);
}

#[test]
fn c_43_a_value_is_given_whole_whatever_ranges_are_asked_for() {
    let (_project, pages) = pages();
    let path = format!("GET /values/{}/sum/result", finished(&pages));
    let (_, whole) = http(&pages.address, &path, &[], "");
    let many = (0..2000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    for range in
        ["bytes=0-0", "bytes=-1", "bytes=5-2", "bytes=99999999999-", "lines=1-2", &format!("bytes={many}")]
    {
        let (head, body) = http(&pages.address, &path, &[("range", range)], "");
        assert_eq!((status(&head), &body), (200, &whole), "{range:.40}");
        assert!(!head.to_lowercase().contains("content-range"), "{head}");
    }
}

#[test]
fn c_44_what_an_op_has_made_is_kept_as_a_file_and_runs_nowhere() {
    let (_project, pages) = pages();
    let (head, _) = http(&pages.address, &format!("GET /values/{}/sum/result", finished(&pages)), &[], "");
    for header in [
        "content-type: application/octet-stream",
        "content-disposition: attachment; filename*=UTF-8''sum.result",
        "x-content-type-options: nosniff",
        "; sandbox",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert_eq!(head.matches("content-security-policy").count(), 1, "{head}");
}

#[test]
fn c_45_what_is_about_runs_is_kept_by_no_cache() {
    let (_project, pages) = pages();
    let value = format!("GET /values/{}/sum/result", finished(&pages));
    let question = r#"{"query":"{ version }"}"#;
    let no_such = format!("GET /values/{NOBODY}/sum/result");
    for (what, body) in [("POST /graphql", question), (&value, ""), (&no_such, ""), ("POST /session", "{}")] {
        let (head, _) = http(&pages.address, what, &[JSON], body);
        assert!(head.contains("cache-control: no-store"), "{what}: {head}");
    }
    let (head, page) = http(&pages.address, "GET /", &[], "");
    assert!(head.contains("cache-control: no-cache") && head.contains("vary: accept-encoding"), "{head}");
    let built =
        page.split('"').find(|part| part.starts_with("/built/") && part.ends_with(".js")).expect("a script");
    let asked = |more: &str| {
        let host = &pages.address;
        raw(
            host,
            format!("GET {built} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n").as_bytes(),
        )
    };
    let head = asked("");
    assert!(head.contains("cache-control: public, max-age=31536000, immutable"), "{head:.500}");
    assert!(head.contains("content-encoding: gzip"), "{head:.500}");
    for (taken, status) in [("gzip, br", 200), ("*", 200), ("br", 406), ("gzip;q=0", 406), ("", 406)] {
        let asked = asked(&format!("Accept-Encoding: {taken}\r\n"));
        assert_eq!(self::status(&asked), status, "{taken}: {asked:.300}");
    }
}

#[test]
fn c_46_a_socket_of_another_site_is_refused_and_none_holds_more_than_it_may() {
    let (_project, pages) = pages();
    let address = pages.address.as_str();
    let upgrade = |origin: &str| {
        let socket = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n";
        format!("GET /graphql/ws HTTP/1.1\r\nHost: {address}\r\n{socket}Origin: {origin}\r\n\r\n")
    };
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        let closing = upgrade(origin).replace("upgrade\r\n", "upgrade, close\r\n");
        assert_eq!(status(&raw(address, closing.as_bytes())), 403, "{origin}");
    }
    // A frame that says to be of a gigabyte is not waited for.
    let mut stream = TcpStream::connect(address).expect("the pages listen");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(upgrade(&format!("http://{address}")).as_bytes()).expect("it can be sent");
    let frame = [&[0x81, 0xFF][..], &(1_u64 << 30).to_be_bytes(), &[0; 4], &[b' '; 1000]].concat();
    stream.write_all(&frame).expect("it can be sent");
    let answer = read(&mut stream);
    assert_eq!(status(&answer), 101, "and then it is closed: {answer:.300}");
    // As many questions as one connection may have, and none more until one of them has ended.
    let follow = "subscription { locationStateChangeEvents { version } }";
    let mut socket = pages.socket();
    for n in 0..50 {
        socket.follow_as(&n.to_string(), follow, json!({}));
        assert_eq!(socket.message()["type"], "next");
    }
    socket.follow_as("more", follow, json!({}));
    let told = socket.message();
    assert!(told.to_string().contains("as many questions under way as it may"), "{told:#}");
    socket.end("7");
    until("there is room again", || {
        socket.follow_as("again", follow, json!({}));
        loop {
            let told = socket.message();
            match (told["type"].as_str(), told["id"].as_str()) {
                (Some("next"), Some("again")) => break told["payload"]["errors"].is_null(),
                (Some("next" | "complete" | "error"), _) => {}
                other => panic!("what is {other:?}?"),
            }
        }
    });
    // Sockets that are never read hold up nobody.
    let unread: Vec<_> = (0..200)
        .map(|_| {
            let mut socket = pages.socket();
            socket.follow("subscription { runsChanged { runIds } }", json!({}));
            socket
        })
        .collect();
    finished(&pages);
    drop(unread);
    is_served(&pages);
}

/// A text of that many levels, each with two of the next.
fn bomb(levels: usize) -> String {
    let fragments = (0..levels).map(|n| format!(" fragment f{n} on Run {{ ...f{0} ...f{0} }}", n + 1));
    let last = format!(" fragment f{levels} on Run {{ status }}");
    let first = "{ runsOrError { ... on Runs { results { ...f0 } } } }".to_owned();
    first + &fragments.collect::<String>() + &last
}

#[test]
fn c_50_a_question_that_is_too_deep_is_refused_before_it_is_answered() {
    let (_project, pages) = pages();
    let parents = "__type(name: \"Run\") { fields { type { fields { type { fields { type { fields { type { fields { type { \
        fields { type { name } } } } } } } } } } } } }";
    let deep = [
        format!("{{ {parents} }}"),
        "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned(),
        "{ ...a } fragment a on Query { ...a }".to_owned(),
        bomb(28),
        format!("{}version{}", "{ a ".repeat(1000), "}".repeat(1000)),
        format!("{{ runsOrError(cursor: {}1{}) {{ __typename }} }}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("{{ runsOrError(cursor: {}1 {{ __typename }} }}", "{a:".repeat(20_000)),
        format!("query($a: {}Int{}) {{ version }}", "[".repeat(30_000), "]".repeat(30_000)),
    ];
    for query in &deep {
        let why = refused(&pages, query);
        assert!(!why.is_empty(), "{query:.100}");
        // Over a socket as well.
        let mut socket = pages.socket();
        socket.follow(query, json!({}));
        let told = socket.message();
        assert!(told.to_string().contains("errors") || told["type"] == "error", "{told:.300}");
    }
    is_served(&pages);
}

#[test]
fn c_51_more_names_questions_directives_or_text_than_a_page_has_use_for_are_refused() {
    let (_project, pages) = pages();
    let many = |n: usize, one: &dyn Fn(usize) -> String| (0..n).map(one).collect::<String>();
    let aliases = many(2000, &|n| format!(" a{n}: jobName"));
    let aliases = format!("{{ runsOrError {{ ... on Runs {{ results {{ {aliases} }} }} }} }}");
    assert!(refused(&pages, &aliases).contains("at most 30 aliases"));
    let roots = many(3000, &|_| " version".to_owned());
    assert!(refused(&pages, &format!("{{ {roots} }}")).contains("at most 20 questions"));
    let directives = many(3000, &|_| " @skip(if: false)".to_owned());
    assert!(refused(&pages, &format!("{{ version {directives} }}")).contains("directives"));
    let directives = many(9, &|_| " @include(if: true)".to_owned());
    assert!(refused(&pages, &format!("{{ version {directives} }}")).contains("directives"));
    let text = format!("{{ version }} #{}", "x".repeat(1 << 20));
    assert!(refused(&pages, &text).contains("at most 65536 bytes"));
    let batch = json!(vec![json!({ "query": "{ version }" }); 1000]).to_string();
    let (head, _) = http(&pages.address, "POST /graphql", &[JSON], &batch);
    assert!(matches!(status(&head), 400 | 422), "{head}");
}

#[test]
fn c_52_a_question_that_costs_too_much_is_refused() {
    let (_project, pages) = pages();
    let fields = "runId status jobName startTime endTime creationTime ".repeat(200);
    let costly = format!("{{ runsOrError {{ ... on Runs {{ results {{ {fields} }} }} }} }}");
    assert!(refused(&pages, &costly).to_lowercase().contains("complex"), "{}", refused(&pages, &costly));
    let long = "{ runsOrError(limit: 1000000000) { __typename } }";
    assert!(refused(&pages, long).contains("is from 1 to 500"));
    let nested = "{ workspaceOrError { ... on Workspace { locationEntries { jobs { runs(limit: 1000000000) { runId } } } } } }";
    let answer = asked(&pages, &json!({ "query": nested }));
    assert!(
        answer["errors"][0]["message"].as_str().expect("a reason").contains("is from 1 to 100"),
        "{answer:#}"
    );
}

#[test]
fn c_53_an_error_tells_nothing_of_what_is_behind_it() {
    let (project, pages) = pages();
    let wrong = refused(&pages, "{ verison runsOrEror { a } }");
    assert!(!wrong.contains("Did you mean") && !wrong.contains("runsOrError"), "{wrong}");
    let folder = project.path().display().to_string();
    for query in ["{", "{ version(", "query Q { version } query Q { version }", "mutation { launchRun }"] {
        let answer = asked(&pages, &json!({ "query": query })).to_string();
        let internals = ["/src/", ".rs:", "panicked", "async_graphql", "extensions\":{\"t", folder.as_str()];
        assert!(!internals.iter().any(|internal| answer.contains(internal)), "{answer}");
    }
}

#[test]
fn c_54_a_question_with_wrong_variables_is_refused_and_nothing_is_done() {
    let (_project, pages) = pages();
    let launch = "mutation L($request: LaunchRequest!) { launchRun(request: $request) { __typename } }";
    let requests = [
        json!({ "query": launch }),
        json!({ "query": launch, "variables": { "request": null } }),
        json!({ "query": launch, "variables": { "request": "count" } }),
        json!({ "query": launch, "variables": { "request": { "jobName": 7 } } }),
        json!({ "query": launch, "variables": { "request": { "jobName": "count", "jobNam": "x" } } }),
        json!({ "query": launch, "variables": { "request": { "jobName": ["count"] } }, "operationName": "L" }),
        json!({ "query": launch, "variables": { "request": { "jobName": "count" } }, "operationName": "M" }),
        json!({ "query": "{ runsOrError(limit: 99999999999999999999999) { __typename } }" }),
        json!({ "query": "query($id: ID!) { runOrError(runId: $id) { __typename } }", "variables": { "id": {} } }),
    ];
    for request in &requests {
        let answer = asked(&pages, request);
        assert!(
            answer["errors"][0]["message"].is_string() && answer["data"].is_null(),
            "{request}: {answer}"
        );
    }
    assert_eq!(n_runs(&pages), 0);
}

/// What graphql-cop (github.com/dolevf/graphql-cop) looks for, one by one.
#[test]
fn c_55_nothing_of_graphql_cops_list_is_found() {
    let (_project, pages) = pages();
    let address = pages.address.as_str();
    let aliases: String = (0..101).map(|n| format!(" alias{n}: __typename")).collect();
    refused(&pages, &format!("query cop {{ {aliases} }}"));
    refused(&pages, &format!("query cop {{ {} }}", "__typename ".repeat(500)));
    refused(&pages, &format!("query cop {{ __typename {} }}", "@aa".repeat(10)));
    let parts = "fields { type { ".repeat(4) + "name" + &" } }".repeat(4);
    let circle =
        asked(&pages, &json!({ "query": format!("query cop {{ __schema {{ types {{ {parts} }} }} }}") }));
    assert!(circle.to_string().len() < 1 << 20, "a circle through the schema ends soon");
    refused(&pages, "query cop { ...A } fragment A on Query { ...B } fragment B on Query { ...A }");
    let batch = json!(vec![json!({ "query": "query cop { __typename }" }); 10]).to_string();
    assert!(matches!(status(&http(address, "POST /graphql", &[JSON], &batch).0), 400 | 422));
    let said = refused(&pages, "query cop { __schema { directive } }");
    assert!(!said.contains("Did you mean"), "{said}");
    let traced = asked(&pages, &json!({ "query": "query cop { __typename }" }));
    assert!(traced["extensions"].is_null() && traced["errors"].is_null(), "{traced}");
    for path in ["/graphiql", "/playground", "/console", "/graphql"] {
        let (_, page) = http(address, &format!("GET {path}?query={{__typename}}"), &[], "");
        let is_offered =
            ["graphiql", "GraphiQL", "playground", "\"data\""].iter().any(|word| page.contains(word));
        assert!(!is_offered, "{path}: {page:.500}");
    }
    for what in ["GET /graphql?query=%7B__typename%7D", "GET /graphql?query=mutation%7B__typename%7D"] {
        assert_eq!(status(&http(address, what, &[], "").0), 405, "{what}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(status(&http(address, "POST /graphql", &form, "query=%7B__typename%7D").0), 415);
}

const LAUNCH: &str = r#"{"query":"mutation { launchRun(request: { jobName: \"count\" }) { __typename } }"}"#;

#[test]
fn c_60_nothing_is_done_by_what_a_form_or_a_link_can_send() {
    let (_project, pages) = pages();
    let link =
        "/graphql?query=mutation%7BlaunchRun(request%3A%7BjobName%3A%22count%22%7D)%7B__typename%7D%7D";
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(status(&http(&pages.address, &format!("{method} {link}"), &[], "").0), 405, "{method}");
    }
    let forms = [
        ("text/plain", LAUNCH),
        (
            "application/x-www-form-urlencoded",
            "query=mutation{launchRun(request:{jobName:\"count\"}){__typename}}",
        ),
        ("application/graphql", "mutation { launchRun(request: { jobName: \"count\" }) { __typename } }"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=operations\r\n\r\n{}\r\n--x--",
        ),
    ];
    for (kind, body) in forms {
        let (head, _) = http(&pages.address, "POST /graphql", &[("content-type", kind)], body);
        assert_eq!(status(&head), 415, "{kind}");
    }
    assert_eq!(status(&http(&pages.address, "POST /graphql", &[], LAUNCH).0), 415, "of no kind");
    assert_eq!(status(&http(&pages.address, &format!("POST {link}"), &[], "").0), 415, "in the address");
    assert_eq!(n_runs(&pages), 0);
}

#[test]
fn c_61_a_page_of_another_site_cannot_have_anything_done() {
    let (_project, pages) = pages();
    let own = format!("http://{}", pages.address);
    let foreign: [&[(&str, &str)]; 6] = [
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", &format!("{own}.evil.example"))],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ];
    for headers in foreign {
        let (head, _) = http(&pages.address, "POST /graphql", &[&[JSON][..], headers].concat(), LAUNCH);
        assert_eq!(status(&head), 403, "{headers:?}");
    }
    assert_eq!(n_runs(&pages), 0);
    let ours = [JSON, ("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(status(&http(&pages.address, "POST /graphql", &ours, LAUNCH).0), 200);
    assert_eq!(n_runs(&pages), 1);
}

#[test]
fn c_62_another_name_for_this_address_is_refused() {
    let (_project, pages) = pages();
    let (_, port) = pages.address.rsplit_once(':').expect("a port");
    let ask = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let body = LAUNCH.len();
        let head = format!(
            "{hosts}Content-Type: application/json\r\nConnection: close\r\nContent-Length: {body}\r\n"
        );
        status(&raw(&pages.address, format!("POST {target} HTTP/1.1\r\n{head}\r\n{LAUNCH}").as_bytes()))
    };
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        &format!("127.0.0.1.nip.io:{port}"),
        "localhost:1",
        "127.0.0.1",
        "",
    ] {
        assert_eq!(ask("/graphql", &[host]), 421, "{host}");
    }
    let own = pages.address.as_str();
    assert_eq!(ask("/graphql", &[]), 421, "of no name");
    assert_eq!(ask("/graphql", &[own, &format!("evil.example:{port}")]), 421, "of two");
    assert_eq!(ask(&format!("http://evil.example:{port}/graphql"), &[own]), 421, "in the address");
    assert_eq!(n_runs(&pages), 0);
    assert_eq!(ask("/graphql", &[&format!("localhost:{port}")]), 200);
}

#[test]
fn c_63_no_page_of_another_site_is_let_in_by_a_header() {
    let (_project, pages) = pages();
    let asks = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    for what in ["OPTIONS /graphql", "GET /", "POST /graphql", "OPTIONS /session", "GET /values/x/y/z"] {
        for headers in [&asks[..], &[]] {
            let (head, _) = http(&pages.address, what, headers, "");
            assert!(!head.to_lowercase().contains("access-control-"), "{what}: {head}");
        }
    }
}

#[test]
fn c_66_the_pages_are_in_nobodys_frame() {
    let (_project, pages) = pages();
    for what in ["GET /", "GET /runs", "POST /graphql", "GET /values/x/y/z"] {
        let (head, _) = http(&pages.address, what, &[], "");
        assert!(head.contains("frame-ancestors 'none'"), "{what}: {head}");
    }
}

/// Live pages of as many people as a server may have, while others ask it.
/// The other half, hooks that lead inside, is a test of `host/notify`.
#[test]
fn c_68_a_link_to_the_pages_sends_nobody_on_to_where_it_says() {
    let (_project, pages) = pages();
    for to in
        ["//evil.example", "https://evil.example", "/\\evil.example", "%2f%2fevil.example", "%5cevil.example"]
    {
        let names = ["next", "return_to", "redirect", "url"].map(|name| format!("{name}={to}"));
        let paths = ["/", "/signin", "/session", "/runs"].map(|path| format!("{path}?{}", names.join("&")));
        for path in paths.into_iter().chain([to.to_owned(), format!("/{to}"), format!("/runs/{to}")]) {
            for method in ["GET", "HEAD", "POST"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                    pages.address
                );
                let answer = raw(&pages.address, request.as_bytes());
                let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
                assert!(!(300..400).contains(&status(head)), "{request}{head}");
                let named = |name: &str| head.to_lowercase().contains(&format!("\r\n{name}:"));
                assert!(!named("location") && !named("refresh"), "{request}{head}");
                assert!(!body.contains("evil.example"), "{request}{body}");
            }
        }
    }
    is_served(&pages);
}

#[test]
fn f_62_a_thousand_sockets_that_are_never_read_cost_little_and_hold_up_nobody() {
    let (_project, pages) = pages();
    let process = pages.process.as_ref().expect("it is this one's");
    let before = process.resident_mib();
    let unread: Vec<_> = (0..900)
        .map(|_| {
            let mut socket = pages.socket();
            socket.follow("subscription { runsChanged { runIds } }", json!({}));
            socket
        })
        .collect();
    let goes_on = AtomicBool::new(true);
    let other = Pages { process: None, address: pages.address.clone(), token: None };
    let slowest = std::thread::scope(|scope| {
        let goes_on = &goes_on;
        let asking = scope.spawn(move || {
            let mut slowest = Duration::ZERO;
            while goes_on.load(Ordering::Relaxed) {
                let since = Instant::now();
                is_served(&other);
                slowest = slowest.max(since.elapsed());
            }
            slowest
        });
        for _ in 0..5 {
            finished(&pages);
        }
        goes_on.store(false, Ordering::Relaxed);
        asking.join().expect("it is served")
    });
    let grown = process.resident_mib() - before;
    eprintln!("{} sockets: {grown:.0} MiB more, the slowest answer {slowest:?}", unread.len());
    assert!(grown < 256.0 && slowest < SOON, "{grown} MiB, {slowest:?}");
}
