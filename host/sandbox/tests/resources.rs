//! What a guest may do with resources, with a guest that uses each kind and a host that answers as a test says.

mod kit;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cofferdam_model::{
    CommandResult, FaultKind, HttpResponse, Limits, ResourceAnswer, ResourceCall, ResourceFault,
    ResourceKind, SqlValue,
};
use cofferdam_sandbox::{Attempt, Library, RESOURCE_BYTES_MAX, admit};
use kit::{Answer, Ran, Record, attempt, cbor, guest, load, name, one, run_with, sandbox};

fn resources() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| load(sandbox(), &guest("resources")))
}

/// An attempt that binds one resource.
fn lent(op: &str, resource: &str, kind: ResourceKind) -> Attempt {
    Attempt { resources: [(name(resource), kind)].into(), ..attempt(op, 0) }
}

fn with<T: serde::Serialize>(mut attempt: Attempt, input: &str, value: T) -> Attempt {
    attempt.inputs.push(one(input, cbor(value)));
    attempt
}

fn run(
    attempt: Attempt,
    answer: impl FnMut(&ResourceCall) -> Result<ResourceAnswer, ResourceFault> + Send + 'static,
) -> Ran {
    let answer: Answer = Box::new(answer);
    run_with(resources(), attempt, Record { answer: Some(answer), ..Record::default() })
}

fn text(ran: &Ran) -> String {
    ciborium::from_reader(ran.bytes()).unwrap()
}

fn fetch() -> Attempt {
    with(lent("fetch", "api", ResourceKind::Http), "path", "/x")
}

fn answered(body: &[u8]) -> Result<ResourceAnswer, ResourceFault> {
    Ok(ResourceAnswer::Http(HttpResponse { status: 200, headers: vec![], body: body.to_vec() }))
}

#[test]
fn a_library_describes_what_its_ops_use_and_which_are_pure() {
    let spec = resources().describe().unwrap();
    let op = |op: &str| spec.op(&name(op)).unwrap();
    let needs = |op: &str| -> Vec<(String, ResourceKind)> {
        self::resources()
            .describe()
            .unwrap()
            .op(&name(op))
            .unwrap()
            .resources
            .iter()
            .map(|need| (need.name.to_string(), need.kind))
            .collect()
    };
    assert_eq!(needs("fetch"), [("api".to_owned(), ResourceKind::Http)]);
    assert_eq!(op("fetch").resources[0].doc, "Where to ask.");
    assert_eq!(needs("copy").len(), 2);
    assert_eq!(needs("secret_length"), [("site".to_owned(), ResourceKind::Config)]);
    assert_eq!(op("fetch").inputs.len(), 1);
    assert!(op("add").pure && !op("fetch").pure);
}

#[test]
fn a_library_imports_the_kinds_that_its_ops_use_and_no_others() {
    let kinds = |package: &str| -> Vec<String> {
        let ours = ["http", "keyvalue", "blob", "sql", "settings", "command"];
        let imports = admit(&guest(package)).unwrap().imports;
        let kind = |import: &String| {
            let rest = import.strip_prefix("cofferdam:op/")?;
            let (interface, _) = rest.split_once('@')?;
            ours.contains(&interface).then(|| interface.to_owned())
        };
        let mut kinds: Vec<String> = imports.iter().filter_map(kind).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds("resources"), ["blob", "command", "http", "keyvalue", "settings", "sql"]);
    assert!(kinds("typed").is_empty());
}

#[test]
fn a_call_goes_out_under_the_ops_own_name_and_its_answer_comes_back() {
    let ran = run(fetch(), |_| answered(b"cold"));
    assert_eq!(text(&ran), "200 cold");
    let (resource, call, within) = &ran.record.calls[0];
    assert_eq!(resource, &name("api"));
    let ResourceCall::Http(request) = call else { panic!("{call:?}") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/x"));
    let within = within.unwrap();
    assert!(within > Duration::from_secs(1) && within <= Duration::from_secs(20), "{within:?}");
}

#[test]
fn each_kind_has_its_calls() {
    let ran = run(with(lent("count", "counters", ResourceKind::Keyvalue), "name", "a"), |call| match call {
        ResourceCall::KeyGet { .. } => Ok(ResourceAnswer::Bytes(Some(b"41".to_vec().into()))),
        ResourceCall::KeySet { value, .. } if value == b"42" => Ok(ResourceAnswer::Done),
        other => panic!("{other:?}"),
    });
    assert_eq!(ciborium::from_reader::<u64, _>(ran.bytes()).unwrap(), 42);

    let ran = run(with(lent("query", "db", ResourceKind::Sql), "text", "select"), |call| {
        assert!(matches!(call, ResourceCall::SqlQuery { statement, .. } if statement == "select"));
        let row =
            vec![SqlValue::Null, SqlValue::Truth(true), SqlValue::Number(0.5), SqlValue::Bytes(vec![1])];
        Ok(ResourceAnswer::Rows { columns: ["a", "b", "c", "d"].map(String::from).into(), rows: vec![row] })
    });
    assert_eq!(
        text(&ran),
        r#"["a", "b", "c", "d"] 1 rows, 1 bytes values: Some([Null, Truth(true), Number(0.5), Bytes([1])])"#
    );

    let ran = run(with(lent("secret_length", "site", ResourceKind::Config), "key", "token"), |call| {
        assert_eq!(call, &ResourceCall::ConfigGet { key: "token".to_owned() });
        Ok(ResourceAnswer::Text(Some("hush".to_owned())))
    });
    assert_eq!(ciborium::from_reader::<u64, _>(ran.bytes()).unwrap(), 4);

    let ran = run(with(lent("pipe", "program", ResourceKind::Command), "text", "in"), |call| {
        assert_eq!(call, &ResourceCall::Command { arguments: vec![], stdin: b"in".to_vec() });
        let result = CommandResult { exit_code: None, stdout: b"out".to_vec(), stderr: b"err".to_vec() };
        Ok(ResourceAnswer::Command(result))
    });
    assert_eq!(text(&ran), "None out err");

    let mut stored = vec![];
    let ran = run(with(lent("archive", "lake", ResourceKind::Blob), "lines", 50_000), move |call| {
        Ok(match call {
            ResourceCall::BlobWrite { bytes, .. } => {
                stored = bytes.clone();
                ResourceAnswer::Done
            }
            ResourceCall::BlobRead { offset, length, .. } => {
                assert!(*length <= 256 * 1024);
                let start = usize::try_from(*offset).unwrap();
                let end = (start + *length as usize).min(stored.len());
                ResourceAnswer::Bytes(Some(stored[start..end].to_vec().into()))
            }
            ResourceCall::BlobSize { .. } => ResourceAnswer::Size(None),
            ResourceCall::BlobList { .. } => ResourceAnswer::Keys { keys: vec!["k".to_owned()], more: false },
            ResourceCall::BlobDelete { .. } => ResourceAnswer::Done,
            other => panic!("{other:?}"),
        })
    });
    assert_eq!(ciborium::from_reader::<Vec<String>, _>(ran.bytes()).unwrap(), ["k", "None", "None"]);
    assert!(ran.record.calls.len() > 6, "read in chunks");
}

#[test]
fn h_062_what_the_step_does_not_bind_is_denied_and_no_call_is_made() {
    let complain = |resources: &[(&str, ResourceKind)]| {
        let resources = resources.iter().map(|(lent, kind)| (name(lent), *kind)).collect();
        let ran = run(Attempt { resources, ..attempt("complain", 0) }, |_| answered(b""));
        assert!(ran.record.calls.is_empty());
        text(&ran)
    };
    assert_eq!(complain(&[]), "Denied: the step binds no resource `api`; it has none");
    let others = [("other", ResourceKind::Http), ("db", ResourceKind::Sql)];
    assert_eq!(complain(&others), "Denied: the step binds no resource `api`; it has `db`, `other`");
    assert_eq!(
        complain(&[("api", ResourceKind::Keyvalue)]),
        "Denied: the resource `api` is of kind `keyvalue`, and this is a call for `http`"
    );
}

#[test]
fn a_denied_call_fails_the_op_for_good() {
    let ran = run(with(attempt("fetch", 0), "path", "/"), |_| answered(b""));
    assert_eq!(ran.failure().retry, cofferdam_model::RetryAdvice::Never);
    assert_eq!(ran.words(), "op-failed: the step binds no resource `api`; it has none");
}

#[test]
fn an_answer_that_is_too_large_is_a_fault_and_not_the_end() {
    let complain = |bytes: usize| {
        text(&run(lent("complain", "api", ResourceKind::Http), move |_| answered(&vec![0; bytes])))
    };
    assert_eq!(complain(RESOURCE_BYTES_MAX), "status 200");
    assert_eq!(
        complain(RESOURCE_BYTES_MAX + 1),
        "TooLarge: the answer of `api` has 16 MiB, at most 16 MiB are allowed; ask for less at a time"
    );
}

#[test]
fn many_small_values_are_not_a_small_answer() {
    let attempt = with(lent("query", "db", ResourceKind::Sql), "text", "select");
    let ran = run(attempt, |_| {
        let row = vec![SqlValue::Null; 1000];
        Ok(ResourceAnswer::Rows { columns: vec![], rows: vec![row; 2000] })
    });
    assert!(ran.words().contains("the answer of `db` has 31 MiB"), "{}", ran.words());
}

#[test]
fn a_call_that_carries_too_much_ends_the_attempt() {
    let ran =
        run(with(lent("heavy", "lake", ResourceKind::Blob), "bytes", 17 << 20), |_| Ok(ResourceAnswer::Done));
    assert_eq!(ran.words(), "host-calls: handed over more than 16 MiB in one call into the host");
    assert!(ran.record.calls.is_empty());
}

#[test]
fn calls_on_resources_count_as_calls_into_the_host() {
    let limits = Limits { host_calls_max: 500, ..attempt("pester", 0).limits };
    let attempt = Attempt { limits, ..lent("pester", "counters", ResourceKind::Keyvalue) };
    let ran = run(attempt, |_| Ok(ResourceAnswer::Bytes(None)));
    assert_eq!(ran.words(), "host-calls: made more than 500 calls into the host");
    assert!(ran.record.calls.len() <= 500);
}

#[test]
fn a_call_that_takes_all_the_time_is_the_end_of_the_attempt() {
    let limits = Limits { timeout: Some(Duration::from_millis(200)), ..Limits::default() };
    let attempt = Attempt { limits, ..lent("complain", "api", ResourceKind::Http) };
    let started = Instant::now();
    // The resource takes what it was given, as the contract of the way out asks.
    let ran = run(attempt, |_| {
        std::thread::sleep(Duration::from_millis(200));
        Err(ResourceFault { kind: FaultKind::Unavailable, message: "no time left".into() })
    });
    assert_eq!(ran.words(), "timeout: ran longer than its timeout of 200 ms");
    assert!(ran.record.calls[0].2.unwrap() <= Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_answer_to_another_question_is_told_as_a_failure_of_the_resource() {
    let ran = run(lent("complain", "api", ResourceKind::Http), |_| Ok(ResourceAnswer::Done));
    assert_eq!(text(&ran), "Failed: the resource `api` gave an answer of another kind");
}

#[test]
fn the_words_of_a_fault_reach_the_op_cut() {
    let ran = run(lent("complain", "api", ResourceKind::Http), |_| {
        Err(ResourceFault { kind: FaultKind::Failed, message: "x".repeat(100_000) })
    });
    assert!(text(&ran).len() < 5_000);
    assert!(text(&ran).ends_with("bytes cut]"));
}

#[test]
fn facts_about_outputs_come_out_with_them() {
    let ran = run_with(
        resources(),
        {
            let mut attempt = with(attempt("split", 0), "text", "to be");
            attempt.outputs = vec![kit::declared("words", true, true), kit::declared("n", true, false)];
            attempt
        },
        Record::default(),
    );
    let facts = ran.result.unwrap().outputs.into_iter().map(|output| match &output.metadata[..] {
        [fact] => format!("{} {:?}", fact.name, fact.value),
        other => panic!("{other:?}"),
    });
    assert_eq!(facts.collect::<Vec<_>>(), ["length Integer(2)", "length Integer(2)", "counted Truth(true)"]);
}

#[test]
fn a_check_gives_its_verdict_as_facts_about_the_step() {
    let ran = run(with(attempt("has_rows", 0), "rows", [1_u64, 2]), |_| Ok(ResourceAnswer::Done));
    let facts = ran.result.unwrap().metadata;
    let facts: Vec<String> = facts.iter().map(|fact| format!("{} {:?}", fact.name, fact.value)).collect();
    assert_eq!(
        facts,
        [
            "passed Truth(false)",
            "severity Text(\"warn\")",
            "description Text(\"there are few rows\")",
            "rows Integer(2)"
        ]
    );
}
