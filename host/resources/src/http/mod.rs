//! The kind `http`: requests to one origin, below one path. The op names a method, a path and headers; where the
//! request goes, and with which credentials, is the operator's.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_egress::{Guard, client, refused};
use cofferdam_model::{FaultKind, HttpRequest, HttpResponse, ResourceAnswer, ResourceFault, TRACEPARENT_TAG};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use serde::Deserialize;
use url::Url;

use crate::fault::{fault, told};
use crate::settings::{Resolver, Span, Text, parse};

/// Bytes of a body, either way; it is held in memory.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Headers of one request, and their bytes, as SAFETY.md bounds them.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Redirects within the base URL that are followed for one request.
const REDIRECTS_MAX: usize = 5;

/// Headers that say how a message travels, which is the client's to say, or where it goes.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    base_url: Text,
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    allow: Option<Vec<String>>,
    #[serde(default)]
    allow_private: bool,
    timeout: Option<Span>,
}

pub(crate) struct Http {
    client: reqwest::Client,
    /// Its path ends with `/`.
    base: Url,
    headers: HeaderMap,
    allow: Vec<Method>,
    pub(crate) timeout: Option<Duration>,
}

impl Http {
    /// Connects to nothing yet.
    pub(crate) fn open(settings: &serde_json::Value, resolver: &mut Resolver) -> Result<Http, ResourceFault> {
        let settings: Settings = parse(settings)?;
        let base = base_url(&resolver.text("base_url", settings.base_url)?)?;
        let mut headers = HeaderMap::new();
        for (name, value) in resolver.map("headers", settings.headers)? {
            let wrong = |what: &str| fault(FaultKind::Invalid, format!("`headers.{name}` {what}"));
            let header: HeaderName = name.parse().map_err(|_| wrong("is not the name of a header"))?;
            if OWN_HEADERS.contains(&header.as_str()) {
                return Err(wrong("cannot be set: the client itself says it"));
            }
            let mut value: HeaderValue = value.parse().map_err(|_| wrong("holds what no header may hold"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let allow = settings.allow.unwrap_or_else(|| vec!["GET".to_owned(), "HEAD".to_owned()]);
        let allow = allow.iter().map(|method| {
            Method::from_bytes(method.as_bytes()).map_err(|_| {
                fault(FaultKind::Invalid, format!("`{method}` in `allow` is not a method of HTTP"))
            })
        });
        let allow = allow.collect::<Result<Vec<_>, _>>()?;
        let guard = Guard::new(&base, settings.allow_private);
        let guard = guard.map_err(|refused| fault(FaultKind::Denied, refused.to_string()))?;
        let failed = |error| fault(FaultKind::Failed, format!("failed to make the client: {}", told(&error)));
        let client = client(guard).map_err(failed)?;
        Ok(Http { client, base, headers, allow, timeout: settings.timeout.map(|span| span.0) })
    }

    pub(crate) async fn request(&self, request: HttpRequest) -> Result<ResourceAnswer, ResourceFault> {
        let method = self.method(&request.method)?;
        let headers = self.headers(&request.headers)?;
        if request.body.len() > BODY_BYTES_MAX {
            let message = format!(
                "the body of a request has at most {BODY_BYTES_MAX} bytes, this one has {}",
                request.body.len()
            );
            return Err(fault(FaultKind::TooLarge, message));
        }
        let mut url = self.url(&request.path)?;
        let repeatable = [Method::GET, Method::HEAD].contains(&method);
        let body = bytes::Bytes::from(request.body);
        let mut redirects = 0;
        loop {
            let sent =
                self.client.request(method.clone(), url.clone()).headers(headers.clone()).body(body.clone());
            let response = sent.send().await.map_err(|error| unreached(&error.without_url()))?;
            match self.redirect(&url, &response) {
                Some(next) if repeatable && redirects < REDIRECTS_MAX => {
                    url = next;
                    redirects += 1;
                }
                _ => return read(response).await.map(ResourceAnswer::Http),
            }
        }
    }

    fn method(&self, method: &str) -> Result<Method, ResourceFault> {
        if let Some(method) = self.allow.iter().find(|allowed| allowed.as_str() == method) {
            return Ok(method.clone());
        }
        let allowed = self.allow.iter().map(Method::as_str).collect::<Vec<_>>().join("`, `");
        let message =
            format!("the method `{}` is not allowed; `allow` in its settings lists `{allowed}`", cut(method));
        Err(fault(FaultKind::Denied, message))
    }

    fn headers(&self, given: &[(String, String)]) -> Result<HeaderMap, ResourceFault> {
        let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
        if given.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
            let message = format!(
                "a request has at most {HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes together, this one has {} of {bytes}",
                given.len()
            );
            return Err(fault(FaultKind::TooLarge, message));
        }
        let mut headers = self.headers.clone();
        for (name, value) in given {
            let wrong = |kind, what: &str| fault(kind, format!("the header `{}` {what}", cut(name)));
            let header: HeaderName =
                name.parse().map_err(|_| wrong(FaultKind::Invalid, "has a name that no header may have"))?;
            if OWN_HEADERS.contains(&header.as_str()) || header.as_str().starts_with("proxy-") {
                return Err(wrong(FaultKind::Denied, "is set by the client and cannot be given"));
            }
            // An op need not know that it is traced: what the operator says of the trace holds.
            if header.as_str() == TRACEPARENT_TAG && self.headers.contains_key(&header) {
                continue;
            }
            if self.headers.contains_key(&header) {
                return Err(wrong(FaultKind::Denied, "is set by the resource and cannot be replaced"));
            }
            let value: HeaderValue = value
                .parse()
                .map_err(|_| wrong(FaultKind::Invalid, "has a value that no header may have"))?;
            headers.append(header, value);
        }
        Ok(headers)
    }

    /// The address of a path below the base URL.
    fn url(&self, path: &str) -> Result<Url, ResourceFault> {
        let wrong = |kind, what: &str| fault(kind, format!("the path `{}` {what}", cut(path)));
        if path.chars().any(|c| c.is_control() || c == ' ' || c == '#') {
            let what = "holds a space, a `#` or a control character; write it percent-encoded";
            return Err(wrong(FaultKind::Invalid, what));
        }
        let only_path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
        let plain = only_path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
        if plain.split('/').any(|part| part == "..") {
            return Err(wrong(FaultKind::Denied, "leads out of the resource's base URL"));
        }
        let text = format!("{}{}", self.base, path.trim_start_matches(['/', '\\']));
        let url = Url::parse(&text).map_err(|_| wrong(FaultKind::Invalid, "is not the path of a URL"))?;
        match self.holds(&url) {
            true => Ok(url),
            false => Err(wrong(FaultKind::Denied, "leads out of the resource's base URL")),
        }
    }

    fn holds(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
            && url.path().starts_with(self.base.path())
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// Where a response sends us, if that is within the base URL.
    fn redirect(&self, from: &Url, response: &reqwest::Response) -> Option<Url> {
        if ![301, 302, 303, 307, 308].contains(&response.status().as_u16()) {
            return None;
        }
        let to = from.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
        self.holds(&to).then_some(to)
    }
}

fn base_url(text: &str) -> Result<Url, ResourceFault> {
    let wrong = |what: String| fault(FaultKind::Invalid, format!("`base_url` {what}"));
    let mut url = Url::parse(text).map_err(|error| wrong(format!("is not a URL: {error}")))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong("is not of the form `https://host/path`".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let what = "holds a user or a password; give them as the header `authorization` under `headers`";
        return Err(wrong(what.to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("ends with a query or a fragment; an op adds its path to it".to_owned()));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

async fn read(mut response: reqwest::Response) -> Result<HttpResponse, ResourceFault> {
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreached(&error.without_url()))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            let message = format!("the answer is larger than the {BODY_BYTES_MAX} bytes that are allowed");
            return Err(fault(FaultKind::TooLarge, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

fn unreached(error: &reqwest::Error) -> ResourceFault {
    if let Some(refused) = refused(error) {
        return fault(FaultKind::Denied, refused.to_string());
    }
    fault(FaultKind::Unavailable, format!("the request failed: {}", told(error)))
}

/// What a guest wrote, short enough for a message.
fn cut(text: &str) -> &str {
    const SHOWN_BYTES: usize = 200;
    &text[..text.floor_char_boundary(SHOWN_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn get(path: &str) -> HttpRequest {
        HttpRequest { method: "GET".into(), path: path.into(), headers: vec![], body: vec![] }
    }

    /// A server that answers every request; how many connections were made to it.
    async fn server(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                all.spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        (port, connections)
    }

    /// A resource whose names are looked up by a server that gives these addresses, one after the other; and what it was
    /// asked for.
    fn under(port: u16, answers: &'static [&'static str]) -> (Http, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(vec![]));
        let names = asked.clone();
        let lookup = move |name: String| {
            let mut names = names.lock().unwrap();
            let address = answers[names.len().min(answers.len() - 1)];
            names.push(name);
            async move { Ok(vec![SocketAddr::new(address.parse().unwrap(), 0)]) }.boxed()
        };
        let guard = Guard::over(Arc::new(lookup), true);
        let http = Http {
            client: client(guard).unwrap(),
            base: base_url(&format!("http://api.example:{port}/v1/")).unwrap(),
            headers: HeaderMap::new(),
            allow: vec![Method::GET],
            timeout: None,
        };
        (http, asked)
    }

    const CLOSES: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    const STAYS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn h_069_an_answer_that_changes_after_it_was_checked_gains_nothing() {
        const GOOD_THEN_BAD: &[&str] = &["127.0.0.1", "169.254.169.254"];
        // Each connection is looked up once, and goes to what was checked.
        let (port, connections) = server(CLOSES).await;
        let (http, asked) = under(port, GOOD_THEN_BAD);
        http.request(get("x")).await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 1);
        let fault = http.request(get("x")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
        assert_eq!((asked.lock().unwrap().len(), connections.load(Ordering::Relaxed)), (2, 1));
        // One that is used again is not looked up again.
        let (port, connections) = server(STAYS).await;
        let (http, asked) = under(port, GOOD_THEN_BAD);
        for _ in 0..3 {
            http.request(get("x")).await.unwrap();
        }
        assert_eq!((asked.lock().unwrap().len(), connections.load(Ordering::Relaxed)), (1, 1));
    }

    #[tokio::test]
    async fn h_074_no_name_is_looked_up_that_a_guest_has_chosen() {
        let (port, _) = server(CLOSES).await;
        let (http, asked) = under(port, &["127.0.0.1"]);
        let host = "c2VjcmV0.evil.example";
        for path in
            ["http://HOST/", "//HOST/", "\\\\HOST\\", "@HOST/", ":1@HOST/", "x@HOST", "?//HOST", ".HOST"]
        {
            // What is refused has asked nobody.
            let _ = http.request(get(&path.replace("HOST", host))).await;
        }
        let mut request = get("x");
        request.headers = vec![("host".into(), host.into())];
        assert_eq!(http.request(request).await.unwrap_err().kind, FaultKind::Denied);
        let asked = asked.lock().unwrap();
        assert!(!asked.is_empty() && asked.iter().all(|name| name == "api.example"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused_before_any_connection() {
        let lookup = |_| async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 9))]) }.boxed();
        let http = Http {
            client: client(Guard::over(Arc::new(lookup), false)).unwrap(),
            base: base_url("http://localhost:9/").unwrap(),
            headers: HeaderMap::new(),
            allow: vec![Method::GET],
            timeout: None,
        };
        let fault = http.request(get("")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.message.contains("`allow_private = true`"), "{fault}");
    }
}
