//! The kind `http`, against a server of its own on this machine.

use std::sync::{Arc, Mutex};

use crate::support::World;
use cofferdam_model::{HttpRequest, HttpResponse, ResourceAnswer, ResourceCall, ResourceKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that keeps what it was asked, and answers by the path.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let seen = Arc::clone(&asked);
        task.spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push(request);
                let _ = stream.write_all(&answer(&path, port)).await;
                if path.ends_with("/hang") {
                    // The connection stays open, and nothing more comes.
                    held.push(stream);
                }
            }
        });
        Server { port, asked, _task: task }
    }

    fn settings(&self) -> Value {
        json!({ "base_url": format!("http://127.0.0.1:{}/api", self.port) })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// One request, head and body, as it came.
async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n_read = stream.read(&mut buffer).await.unwrap_or(0);
        bytes.extend_from_slice(&buffer[..n_read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text.into_owned();
            }
        }
        if n_read == 0 {
            return text.into_owned();
        }
    }
}

fn answer(path: &str, port: u16) -> Vec<u8> {
    let body = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nx-kind: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let moved = |to: &str| {
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    };
    match path {
        "/api/here" => moved("/api/there"),
        "/api/circle" => moved("circle"),
        "/api/away" => moved(&format!("http://localhost:{port}/api/there")),
        "/api/up" => moved("/admin"),
        "/api/hang" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_owned(),
        "/api/broken" => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc".to_owned(),
        "/api/nonsense" => "what?\r\n\r\n".to_owned(),
        "/api/large" => body(&"x".repeat(33 * 1024 * 1024)),
        "/api/headers" => format!("HTTP/1.1 200 OK\r\n{}", "x-more: 1234567890\r\n".repeat(1_000_000)),
        "/api/teapot" => {
            "HTTP/1.1 418 I'm a teapot\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        path => body(path),
    }
    .into_bytes()
}

fn request(method: &str, path: &str) -> HttpRequest {
    HttpRequest { method: method.to_owned(), path: path.to_owned(), headers: vec![], body: vec![] }
}

fn get(path: &str) -> ResourceCall {
    ResourceCall::Http(request("GET", path))
}

async fn response(world: &World, settings: &Value, call: ResourceCall) -> HttpResponse {
    match world.call(ResourceKind::Http, settings, call).await.unwrap() {
        ResourceAnswer::Http(response) => response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_goes_below_the_base_url_and_its_answer_comes_back() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let found = response(&world, &server.settings(), get("users?id=1&x=..")).await;
    assert_eq!((found.status, found.body.as_slice()), (200, &b"/api/users?id=1&x=.."[..]));
    assert!(found.headers.contains(&("x-kind".to_owned(), "test".to_owned())));
    let found = response(&world, &server.settings(), get("/users")).await;
    assert_eq!(found.body, b"/api/users");
    assert_eq!(response(&world, &server.settings(), get("teapot")).await.status, 418);
}

#[tokio::test]
async fn h_071_the_resource_adds_its_headers_and_the_op_cannot_replace_them() {
    let server = Server::start().await;
    let world = World::new(&[("TOKEN", "Bearer hunter2-and-more")]);
    let mut settings = server.settings();
    settings["headers"] = json!({ "Authorization": { "env": "TOKEN" }, "accept": "text/plain" });
    settings["allow"] = json!(["POST"]);
    let mut post = request("POST", "users");
    post.headers.push(("X-Own".to_owned(), "1".to_owned()));
    post.body = b"the body".to_vec();
    response(&world, &settings, ResourceCall::Http(post)).await;
    let asked = server.asked().remove(0);
    for line in [
        "POST /api/users HTTP/1.1\r\n",
        "authorization: Bearer hunter2-and-more\r\n",
        "x-own: 1\r\n",
        "\r\n\r\nthe body",
    ] {
        assert!(asked.contains(line), "{line} is not in {asked}");
    }
    assert_eq!(asked.matches("host: ").count(), 1, "{asked}");
    let mut refused = Vec::new();
    for (name, value) in
        [("authorization", "mine"), ("Host", "evil"), ("Proxy-Foo", "x"), ("a b", "x"), ("x", "a\r\nb: c")]
    {
        let mut post = request("POST", "users");
        post.headers.push((name.to_owned(), value.to_owned()));
        refused.push(world.fault(ResourceKind::Http, &settings, ResourceCall::Http(post)).await);
    }
    insta::assert_snapshot!(refused.join("\n"), @r#"
Denied: resource `it` of kind `http`: the header `authorization` is set by the resource and cannot be replaced
Denied: resource `it` of kind `http`: the header `Host` is set by the client and cannot be given
Denied: resource `it` of kind `http`: the header `Proxy-Foo` is set by the client and cannot be given
Invalid: resource `it` of kind `http`: the header `a b` has a name that no header may have
Invalid: resource `it` of kind `http`: the header `x` has a value that no header may have
"#);
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn h_063_methods_that_are_not_listed_are_denied() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let fault = async |method| {
        world.fault(ResourceKind::Http, &server.settings(), ResourceCall::Http(request(method, "x"))).await
    };
    insta::assert_snapshot!(fault("DELETE").await, @"Denied: resource `it` of kind `http`: the method `DELETE` is not allowed; `allow` in its settings lists `GET`, `HEAD`");
    assert!(fault("get").await.starts_with("Denied"));
    assert!(fault("CONNECT").await.starts_with("Denied"));
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn h_063_a_path_cannot_leave_the_base_url() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let fault = async |path| world.fault(ResourceKind::Http, &server.settings(), get(path)).await;
    insta::assert_snapshot!(fault("../admin").await, @"Denied: resource `it` of kind `http`: the path `../admin` leads out of the resource's base URL");
    insta::assert_snapshot!(fault("a b").await, @"Invalid: resource `it` of kind `http`: the path `a b` holds a space, a `#` or a control character; write it percent-encoded");
    for path in [
        "a/../../admin",
        "%2e%2e/admin",
        ".%2E/admin",
        "..%2fadmin",
        "..\\admin",
        "a/..%5cadmin",
        "x\ty",
        "a#b",
    ] {
        let fault = fault(path).await;
        assert!(fault.starts_with("Denied") || fault.starts_with("Invalid"), "{path}: {fault}");
    }
    assert_eq!(server.asked(), [""; 0]);
    for (path, expected) in [
        ("//evil.example/x", "/api/evil.example/x"),
        ("@evil.example", "/api/@evil.example"),
        ("http://evil.example", "/api/http://evil.example"),
    ] {
        assert_eq!(response(&world, &server.settings(), get(path)).await.body, expected.as_bytes());
    }
}

#[tokio::test]
async fn h_070_redirects_are_followed_only_within_the_base_url() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let found = response(&world, &server.settings(), get("here")).await;
    assert_eq!((found.status, found.body.as_slice()), (200, &b"/api/there"[..]));
    server.asked();
    for path in ["away", "up"] {
        assert_eq!(response(&world, &server.settings(), get(path)).await.status, 302);
        assert_eq!(server.asked().len(), 1, "{path}");
    }
    assert_eq!(response(&world, &server.settings(), get("circle")).await.status, 302);
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn answers_that_end_too_late_too_early_or_never_are_told() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let mut settings = server.settings();
    insta::assert_snapshot!(world.fault(ResourceKind::Http, &settings, get("large")).await, @"TooLarge: resource `it` of kind `http`: the answer is larger than the 33554432 bytes that are allowed");
    insta::assert_snapshot!(world.fault(ResourceKind::Http, &settings, get("broken")).await, @"Unavailable: resource `it` of kind `http`: the request failed: error decoding response body: error reading a body from connection: end of file before message length reached");
    insta::assert_snapshot!(world.fault(ResourceKind::Http, &settings, get("nonsense")).await, @"Unavailable: resource `it` of kind `http`: the request failed: error sending request: client error (SendRequest): invalid HTTP version parsed");
    settings["timeout"] = "300ms".into();
    insta::assert_snapshot!(world.fault(ResourceKind::Http, &settings, get("hang")).await, @"Unavailable: resource `it` of kind `http`: it did not answer within 300ms; `timeout` in its settings says how long a call may take");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let settings = json!({ "base_url": format!("http://127.0.0.1:{nobody}") });
    insta::assert_snapshot!(world.fault(ResourceKind::Http, &settings, get("x")).await, @"Unavailable: resource `it` of kind `http`: the request failed: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)");
}

#[tokio::test]
async fn base_urls_that_cannot_be_meant_are_refused() {
    let world = World::new(&[("URL", "https://me:hunter2@host/")]);
    let mut faults = Vec::new();
    for base in [
        json!("api.example/v1"),
        json!("ftp://api.example"),
        json!({ "env": "URL" }),
        json!("https://api.example/?key=1"),
        json!("http://169.254.169.254/latest"),
        json!("http://[::ffff:169.254.169.254]/"),
        json!("http://0/"),
    ] {
        faults.push(world.fault(ResourceKind::Http, &json!({ "base_url": base }), get("x")).await);
    }
    let text = faults.join("\n");
    assert!(!text.contains("hunter2"));
    insta::assert_snapshot!(text, @r#"
Invalid: resource `it` of kind `http`: `base_url` is not a URL: relative URL without a base
Invalid: resource `it` of kind `http`: `base_url` is not of the form `https://host/path`
Invalid: resource `it` of kind `http`: `base_url` holds a user or a password; give them as the header `authorization` under `headers`
Invalid: resource `it` of kind `http`: `base_url` ends with a query or a fragment; an op adds its path to it
Denied: resource `it` of kind `http`: `169.254.169.254` leads to the address 169.254.169.254, which is where a cloud keeps a machine's credentials; no setting allows it
Denied: resource `it` of kind `http`: `[::ffff:a9fe:a9fe]` leads to the address ::ffff:169.254.169.254, which is where a cloud keeps a machine's credentials; no setting allows it
Denied: resource `it` of kind `http`: `0.0.0.0` leads to the address 0.0.0.0, which is unspecified; no setting allows it
"#);
}

#[tokio::test]
async fn h_072_a_connection_cannot_be_turned_into_something_else() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let mut settings = server.settings();
    settings["allow"] = json!(["GET", "POST"]);
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Upgrade", "h2c"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Proxy-Connection", "keep-alive"),
        ("Expect", "100-continue"),
    ] {
        let mut get = request("GET", "x");
        get.headers.push((name.to_owned(), value.to_owned()));
        let fault = world.fault(ResourceKind::Http, &settings, ResourceCall::Http(get)).await;
        assert!(fault.starts_with("Denied"), "{name}: {fault}");
    }
    for method in ["CONNECT", "PRI", "TRACE", "GET http://evil.example/ HTTP/1.1\r\nX: "] {
        let fault =
            world.fault(ResourceKind::Http, &settings, ResourceCall::Http(request(method, "x"))).await;
        assert!(fault.starts_with("Denied"), "{method}: {fault}");
    }
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn h_073_an_answer_has_bounds_of_bytes_of_headers_and_of_time() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let mut settings = server.settings();
    let fault = world.fault(ResourceKind::Http, &settings, get("large")).await;
    assert!(fault.starts_with("TooLarge"), "{fault}");
    let fault = world.fault(ResourceKind::Http, &settings, get("headers")).await;
    assert!(fault.starts_with("Unavailable"), "{fault}");
    settings["timeout"] = "200ms".into();
    let fault = world.fault(ResourceKind::Http, &settings, get("hang")).await;
    assert!(fault.contains("did not answer within 200ms"), "{fault}");
    let mut many = request("GET", "x");
    many.headers = (0..101).map(|n| (format!("x-{n}"), String::new())).collect();
    let fault = world.fault(ResourceKind::Http, &settings, ResourceCall::Http(many)).await;
    assert!(fault.starts_with("TooLarge"), "{fault}");
    let mut long = request("GET", "x");
    long.headers.push(("x".to_owned(), "x".repeat(32 * 1024)));
    let fault = world.fault(ResourceKind::Http, &settings, ResourceCall::Http(long)).await;
    assert!(fault.starts_with("TooLarge"), "{fault}");
}

#[tokio::test]
async fn h_075_a_secret_goes_to_the_base_url_and_to_no_place_that_an_answer_names() {
    let server = Server::start().await;
    let world = World::new(&[("TOKEN", "hunter2-and-more")]);
    let mut settings = server.settings();
    settings["headers"] = json!({ "authorization": { "env": "TOKEN" } });
    let within = response(&world, &settings, get("here")).await;
    assert_eq!(within.body, b"/api/there");
    let asked = server.asked();
    assert!(asked.len() == 2 && asked.iter().all(|asked| asked.contains("hunter2-and-more")), "{asked:?}");
    // To another origin, and out of the base path.
    for path in ["away", "up"] {
        let found = response(&world, &settings, get(path)).await;
        assert_eq!(found.status, 302, "the guest is told where, and cannot go there");
        assert!(found.headers.iter().all(|(_, value)| !value.contains("hunter2")));
        assert_eq!(server.asked().len(), 1);
    }
    // What stands for a secret elsewhere is a text as any other.
    for path in ["x?key=${TOKEN}", "x?key=%7B%22env%22:%22TOKEN%22%7D"] {
        response(&world, &settings, get(path)).await;
        let asked = server.asked().remove(0);
        assert!(!asked.lines().next().unwrap().contains("hunter2"), "{asked}");
    }
}

#[tokio::test]
async fn f7_nothing_is_reached_but_what_the_settings_list() {
    let (server, world) = (Server::start().await, World::new(&[]));
    let denied = async |settings: Value, method: &str, path: &str| {
        let fault =
            world.fault(ResourceKind::Http, &settings, ResourceCall::Http(request(method, path))).await;
        assert!(fault.starts_with("Denied"), "{settings} {method} {path}: {fault}");
    };
    let listed = server.settings();
    denied(listed.clone(), "POST", "x").await;
    denied(listed.clone(), "GET", "../admin").await;
    denied(listed.clone(), "GET", "%2e%2e/admin").await;
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(response(&world, &listed, get("x")).await.status, 200);
}

/// What a guest may write in the hope that the host takes it for another host.
const ELSEWHERE: [&str; 14] = [
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "localhost.",
    "127.0.0.1.nip.example",
    "127.0.0.1",
    "%31%32%37.0.0.1",
    "c2VjcmV0.evil.example",
    "user:password@evil.example",
];

/// Asks for paths that look like other hosts; what reaches the server must be below its base path, with its own name.
async fn asks_elsewhere(server: &Server, world: &World) -> usize {
    let settings = server.settings();
    let (own, mut n) = (format!("127.0.0.1:{}", server.port), 0);
    for host in ELSEWHERE {
        for path in [
            format!("http://{host}/x"),
            format!("//{host}/x"),
            format!("\\\\{host}\\x"),
            format!("@{host}/x"),
            format!(":80@{host}/x"),
            format!("x?http://{host}/"),
        ] {
            // What is refused has gone nowhere.
            let _ = world.call(ResourceKind::Http, &settings, get(&path)).await;
            for asked in server.asked() {
                let line = asked.lines().next().unwrap();
                let hosts: Vec<_> =
                    asked.lines().filter(|line| line.to_lowercase().starts_with("host:")).collect();
                assert!(line.starts_with("GET /api/"), "{path}: {line}");
                assert_eq!(hosts, [format!("host: {own}")], "{path}");
                n += 1;
            }
        }
    }
    n
}

#[tokio::test]
async fn h_065_no_spelling_of_this_machine_leads_a_guest_anywhere_but_to_its_base_url() {
    let (server, world) = (Server::start().await, World::new(&[]));
    assert!(asks_elsewhere(&server, &world).await > 0, "some of it is a path as any other");
}

#[tokio::test]
async fn h_064_where_clouds_keep_credentials_is_reached_by_no_spelling_and_no_setting() {
    let world = World::new(&[]);
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ] {
        let settings = json!({ "base_url": format!("http://{host}/"), "allow_private": true });
        let fault = world.fault(ResourceKind::Http, &settings, get("latest/meta-data")).await;
        assert!(fault.starts_with("Denied") && fault.contains("no setting allows it"), "{host}: {fault}");
    }
}
