//! Where spans go: the standard variables of OpenTelemetry. Without an endpoint nothing is made and nothing is sent.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Time of one request, as the standard says, unless a variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where spans go, and what is said of who tells them.
#[derive(Debug)]
pub struct Settings {
    pub(crate) endpoint: Url,
    pub(crate) resource: Vec<(String, String)>,
    headers: HeaderMap,
    timeout: Duration,
}

/// A variable that cannot be followed. Its value is not in the text: headers hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the variable `{name}` {what}")]
    Variable { name: &'static str, what: &'static str },
    #[error("the client for traces cannot be made")]
    Client(#[source] reqwest::Error),
}

impl Settings {
    /// What the environment asks for; none if it asks for nothing. `service` is how this process is called unless a
    /// variable says otherwise.
    pub fn read(service: &str, read: impl Fn(&str) -> Option<String>) -> Result<Option<Settings>, Unusable> {
        let set = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let (base, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let endpoint = match (set(own), set(base)) {
            _ if off => return Ok(None),
            (Some(own_value), _) => (own, own_value),
            (None, Some(value)) => (base, format!("{}/v1/traces", value.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let url = Url::parse(endpoint.1.trim()).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let wrong = |name, what| Unusable::Variable { name, what };
        let endpoint = url.ok_or(wrong(endpoint.0, "is not a URL such as `http://127.0.0.1:4318`"))?;
        let protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
        if set(protocol).is_some_and(|value| value != "http/protobuf") {
            return Err(wrong(
                protocol,
                "asks for something else than `http/protobuf`, which is what is spoken here; collectors take it at port 4318",
            ));
        }
        let timeout = "OTEL_EXPORTER_OTLP_TIMEOUT";
        let millis = set(timeout)
            .map(|value| value.trim().parse().map_err(|_| wrong(timeout, "is not a number of milliseconds")));
        let headers = pairs("OTEL_EXPORTER_OTLP_HEADERS", set("OTEL_EXPORTER_OTLP_HEADERS"))?;
        let mut resource = pairs("OTEL_RESOURCE_ATTRIBUTES", set("OTEL_RESOURCE_ATTRIBUTES"))?;
        let named = set("OTEL_SERVICE_NAME");
        let name =
            named.or_else(|| value_of(&resource, "service.name")).unwrap_or_else(|| service.to_owned());
        resource.retain(|(key, _)| key != "service.name");
        resource.push(("service.name".to_owned(), name));
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        Ok(Some(Settings {
            endpoint,
            resource,
            headers: header_map(headers)?,
            timeout: millis.transpose()?.map_or(TIMEOUT, Duration::from_millis),
        }))
    }

    pub(crate) fn client(&self) -> Result<reqwest::Client, Unusable> {
        // It fails if another provider was installed before, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .default_headers(self.headers.clone())
            .timeout(self.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map_err(Unusable::Client)
    }
}

fn value_of(pairs: &[(String, String)], wanted: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
}

/// `key=value,key=value`
fn pairs(name: &'static str, text: Option<String>) -> Result<Vec<(String, String)>, Unusable> {
    let text = text.unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        Some((key.trim().to_owned(), unescape(value.trim())?))
    };
    let read: Option<Vec<_>> = parts.map(pair).collect();
    read.ok_or(Unusable::Variable { name, what: "is not a list such as `key=value,other=value`" })
}

/// Takes `%20` for what it stands for, as the standard says of these lists.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn header_map(pairs: Vec<(String, String)>) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let wrong =
            Unusable::Variable { name: "OTEL_EXPORTER_OTLP_HEADERS", what: "holds what no header may hold" };
        let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) else {
            return Err(wrong);
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, Unusable> {
        let found = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read("cofferdam", found)
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().is_none());
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        assert_eq!(read(&[base]).unwrap().unwrap().endpoint.as_str(), "http://collector:4318/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/x");
        assert_eq!(read(&[base, own]).unwrap().unwrap().endpoint.as_str(), "https://collector/x");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(read(&[base, off]).unwrap().is_none());
        }
    }

    #[test]
    fn what_is_said_of_the_process_and_its_headers_come_from_the_environment() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a, zone=eu%20west"),
            ("OTEL_SERVICE_NAME", "b"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(value_of(&settings.resource, "service.name").as_deref(), Some("b"));
        assert_eq!(value_of(&settings.resource, "zone").as_deref(), Some("eu west"));
        assert_eq!(settings.headers["authorization"], "Bearer hush");
        assert!(!format!("{settings:?}").contains("hush"), "{settings:?}");
    }

    #[test]
    fn a_variable_that_cannot_be_followed_is_named_and_its_value_is_not() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let cases = [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "hush:1",
                "the variable `OTEL_EXPORTER_OTLP_ENDPOINT` is not a URL such as `http://127.0.0.1:4318`",
            ),
            (
                "OTEL_EXPORTER_OTLP_TIMEOUT",
                "hush",
                "the variable `OTEL_EXPORTER_OTLP_TIMEOUT` is not a number of milliseconds",
            ),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "hush",
                "the variable `OTEL_EXPORTER_OTLP_HEADERS` is not a list such as `key=value,other=value`",
            ),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "a=hu\nsh",
                "the variable `OTEL_EXPORTER_OTLP_HEADERS` holds what no header may hold",
            ),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "grpc",
                "the variable `OTEL_EXPORTER_OTLP_PROTOCOL` asks for something else than `http/protobuf`, which is what is spoken here; collectors take it at port 4318",
            ),
        ];
        for (name, value, message) in cases {
            assert_eq!(read(&[(name, value), base]).unwrap_err().to_string(), message);
        }
    }
}
