//! Against a server that answers as it is told: what registries do that the one of the other tests does not, and what none
//! should.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use cofferdam_oci::{Reference, Registry};

/// The component `abc`, as other tools pack it.
const MANIFEST: &str = r#"{
    "schemaVersion": 2,
    "config": {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2
    },
    "layers": [{
        "mediaType": "application/wasm",
        "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "size": 3
    }]
}"#;

#[derive(Debug, Clone)]
struct Request {
    /// Method and path.
    line: String,
    authorization: Option<String>,
}

/// What is answered: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, &'static str);

struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers until the test has ended.
    fn start(answer: impl Fn(&Request, SocketAddr) -> Answer + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                write(stream, answer(&request, address));
            }
        });
        Server { address, asked }
    }

    fn reference(&self) -> Reference {
        format!("{}/team/clean:1", self.address).parse().unwrap()
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut pairs = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut vec![]).ok()?;
    let line = lines.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, authorization: header("authorization") })
}

fn write(mut stream: TcpStream, (status, headers, body): Answer) {
    let headers: String = headers.iter().map(|(key, value)| format!("{key}: {value}\r\n")).collect();
    let length = body.len();
    // Who does not wait for the answer has what it wants.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
}

fn open(server: &Server, login: Option<&str>) -> Registry {
    let login = login.map(|text| text.parse().ok().unwrap());
    Registry::open(&server.reference(), login, false).unwrap()
}

/// An error with the errors behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map_or_else(String::new, |source| format!(": {}", chain(source)));
    format!("{error}{source}")
}

/// What is there for who may read it.
fn repository(request: &Request) -> Answer {
    match request.line.as_str() {
        "GET /v2/team/clean/manifests/1" => (200, vec![], MANIFEST),
        line if line.starts_with("GET /v2/team/clean/blobs/sha256:ba78") => (200, vec![], "abc"),
        _ => (404, vec![], ""),
    }
}

#[tokio::test]
async fn the_password_goes_to_whom_the_registry_names_for_tokens_and_the_registry_sees_tokens_only() {
    let server = Server::start(|request, address| {
        let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"here\"");
        match &request.authorization {
            _ if request.line.starts_with("GET /token?") => (200, vec![], r#"{"token":"t0ken"}"#),
            Some(given) if given == "Bearer t0ken" => repository(request),
            _ => (401, vec![("www-authenticate", challenge)], ""),
        }
    });
    let held = open(&server, Some("me:secret")).pull().await.unwrap();
    assert_eq!(held.component, "abc");
    for Request { line, authorization } in server.asked() {
        let expected = match line.starts_with("GET /token?") {
            true => Some("Basic bWU6c2VjcmV0"),
            false => authorization.as_deref().and(Some("Bearer t0ken")),
        };
        assert_eq!(authorization.as_deref(), expected, "{line}");
    }
    let asked = server.asked();
    let tokens: Vec<_> = asked.iter().filter(|request| request.line.starts_with("GET /token?")).collect();
    assert_eq!(tokens.len(), 1, "the token is used again: {asked:?}");
    let expected = "GET /token?scope=repository%3Ateam%2Fclean%3Apull%2Cpush&service=here";
    assert_eq!(tokens[0].line, expected);
}

#[tokio::test]
async fn a_registry_that_wants_a_password_where_nothing_is_encrypted_does_not_get_it() {
    let server = Server::start(|_, _| {
        let challenge = "Bearer realm=\"http://tokens.example/\"".to_owned();
        (401, vec![("www-authenticate", challenge)], "")
    });
    let refused = open(&server, Some("me:secret")).pull().await.unwrap_err();
    let expected = "talk to tokens.example: nothing would be encrypted, and it is not on this host";
    assert_eq!(refused.to_string(), expected);
    assert!(server.asked().iter().all(|request| request.authorization.is_none()));
}

#[tokio::test]
async fn a_registry_that_sends_on_is_followed_without_the_login_and_never_to_where_nothing_is_encrypted() {
    let blobs = Server::start(|_, _| (200, vec![], "abc"));
    let elsewhere = blobs.address;
    let server = Server::start(move |request, _| match &request.authorization {
        None => (401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], ""),
        _ if request.line.contains("/blobs/") => {
            (307, vec![("location", format!("http://{elsewhere}/abc"))], "")
        }
        _ => repository(request),
    });
    assert_eq!(open(&server, Some("me:secret")).pull().await.unwrap().component, "abc");
    let asked = blobs.asked();
    assert!(asked.len() == 1 && asked[0].authorization.is_none(), "{asked:?}");

    let server = Server::start(|request, _| match request.line.contains("/blobs/") {
        true => (307, vec![("location", "http://blobs.example/abc".to_owned())], ""),
        false => repository(request),
    });
    let refused = chain(&open(&server, None).pull().await.unwrap_err());
    assert!(refused.contains("it sends on to where nothing is encrypted"), "{refused}");
}

#[tokio::test]
async fn d6_other_bytes_than_were_announced_are_refused_and_no_more_of_them_are_read_than_that() {
    let pull = async |body: &'static str| {
        let server = Server::start(move |request, _| match request.line.contains("/blobs/") {
            true => (200, vec![], body),
            false => repository(request),
        });
        open(&server, None).pull().await.unwrap_err().to_string()
    };
    assert!(pull("abcd").await.ends_with("it has 4 bytes, 3 are allowed"));
    assert!(
        pull("ab").await.ends_with("it breaks off, or goes on, after 3 bytes, which is what was announced")
    );
    assert!(pull("abd").await.contains("it is damaged, and has the digest sha256:"));
}

#[tokio::test]
async fn what_a_registry_says_when_it_refuses_is_told() {
    let server = Server::start(|_, _| (503, vec![], "{\"errors\":[{\"message\":\"back\nsoon\"}]}"));
    let refused = open(&server, None).pull().await.unwrap_err().to_string();
    let expected = "the registry answers 503: {\"errors\":[{\"message\":\"back soon\"}]}";
    assert!(refused.ends_with(expected), "{refused}");
    let server = Server::start(|_, _| (200, vec![], "<html>"));
    let refused = open(&server, None).pull().await.unwrap_err().to_string();
    assert!(refused.contains("it is no document of OCI that is known here"), "{refused}");
}
