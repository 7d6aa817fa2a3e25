//! Metrics as a program of somebody else reads them: a strict reader of OpenMetrics text, and the request for it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::cluster::Process;

/// Where a process says that its metrics are.
pub fn exposed(process: &Process) -> String {
    let line = process.wait_for("metrics at ");
    line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned()
}

/// What was read: every sample by its name with its labels, `name{label="value"}`, and the type of every family.
#[derive(Debug, Default)]
pub struct Exposition {
    pub samples: BTreeMap<String, f64>,
    pub types: BTreeMap<String, String>,
}

impl Exposition {
    /// Asks for the metrics at that address.
    pub fn of(address: &str) -> Exposition {
        let (head, body) = get(address, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(
            head.to_lowercase().contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        Exposition::parse(&body)
    }

    /// Reads the text; panics at whatever the format does not allow.
    pub fn parse(text: &str) -> Exposition {
        let mut found = Exposition::default();
        let body = text.strip_suffix("# EOF\n").expect("the last line is # EOF");
        let mut family = String::new();
        for line in body.lines() {
            if let Some(described) = line.strip_prefix("# ") {
                let mut words = described.splitn(3, ' ');
                let (what, name) = (words.next().expect("a word"), words.next().expect("a name"));
                let rest = words.next().expect("a text");
                assert!(is_name(name), "{line}");
                match what {
                    "HELP" | "UNIT" => {}
                    "TYPE" => {
                        assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                        assert!(
                            found.types.insert(name.to_owned(), rest.to_owned()).is_none(),
                            "{line}, twice"
                        );
                        family = name.to_owned();
                    }
                    _ => panic!("what is `{line}`?"),
                }
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect("a name and a value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("`{line}` has no number"));
            let name = series.split('{').next().expect("a name");
            let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("`{line}` is not of {family}"));
            let suffixes: &[&str] = match found.types[&family].as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                _ => &["_sum", "_count", "_bucket"],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                check_labels(labels);
            }
            assert!(found.samples.insert(series.to_owned(), value).is_none(), "{line}, twice");
        }
        found
    }

    /// One sample; 0 if it has not been counted yet.
    pub fn get(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or(0.0)
    }
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !name.is_empty()
}

/// `{name="value",other="value"}`
fn check_labels(labels: &str) {
    let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.unwrap_or_else(|| panic!("`{labels}` are no labels"));
    for pair in inner.split(',') {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("`{pair}` is no label"));
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        assert!(is_name(name) && quoted && !value[1..value.len() - 1].contains('"'), "`{pair}`");
    }
}

/// Head and body of the answer to a request.
pub fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("it can be sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}
