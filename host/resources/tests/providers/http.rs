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
async fn the_resource_adds_its_headers_and_the_op_cannot_replace_them() {
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
async fn methods_that_are_not_listed_are_denied() {
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
async fn a_path_cannot_leave_the_base_url() {
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
async fn redirects_are_followed_only_within_the_base_url() {
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
