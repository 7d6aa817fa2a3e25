//! Run configs that are unusual: scalars, encodings, documents.

use cofferdam_config::{Texts, read_run_config};
use cofferdam_model::NodeKind;

fn code(content: impl AsRef<[u8]>) -> &'static str {
    let (_, found) = read_run_config(&mut Texts::default(), "run.yaml", content);
    found.first().map_or("", |problem| problem.code)
}

#[test]
fn c_16_scalars_follow_yaml_1_2_core() {
    let text = "a: [no, on, 1_000, 0o17, 012, 1e3, 2001-01-01]";
    let (config, found) = read_run_config(&mut Texts::default(), "run.yaml", text);
    assert_eq!(found, []);
    let root = config.root.unwrap();
    let NodeKind::List(items) = &root.get("a").unwrap().kind else { panic!() };
    let expect = serde_json::json!(["no", "on", "1_000", 15, 12, 1000.0, "2001-01-01"]);
    assert_eq!(items.iter().map(|item| item.to_json()).collect::<serde_json::Value>(), expect);
    for tagged in ["a: !!python/object x", "a: !!binary eA==", "a: !own x"] {
        assert_eq!(code(tagged), "config::tag", "{tagged}");
    }
    for number in ["a: .inf", "a: .nan", "a: 1e999", "a: 99999999999999999999"] {
        assert_eq!(code(number), "config::out-of-range", "{number}");
    }
}

#[test]
fn c_17_encodings_and_documents_are_accepted_or_refused_as_stated() {
    for good in ["", "# nothing", "\u{feff}tags: {a: b}", "tags:\r\n  a: b\r\n", "---\ntags: {}\n"] {
        assert_eq!(code(good), "", "{good:?}");
    }
    assert_eq!(code("tags:\n\ta: b\n"), "config::syntax");
    assert_eq!(code(b"\xff\xfea\0"), "config::not-text");
    assert_eq!(code(b"a: \xff"), "config::not-text");
    assert_eq!(code("a: \0"), "config::not-text");
    assert_eq!(code("a: 1\rb: 2\r"), "config::not-text");
    assert_eq!(code("a: 1\n---\nb: 2"), "config::several-documents");
    assert_eq!(code("a: 1\na: 2"), "config::duplicate-key");
}
