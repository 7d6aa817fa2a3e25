//! Ops as the host sees them: described and run through the same code as in a component.

use cofferdam_op::__private::{CBOR, Content, InputValue, Invocation, Op, Output, Value};
use cofferdam_op::sql::{Rows, Statement};
use cofferdam_op::{
    Bytes, Check, Command, Context, Dynamic, Error, Fault, FaultKind, Keyvalue, Many, Outputs, Reader,
    Result, Severity, Sql, Stored, WithMetadata, command, http, library, op, params,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// Splits a text into words.
///
/// Spaces only.
#[op]
fn tokenize(
    /// What to split.
    text: String,
) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[derive(Deserialize, JsonSchema)]
struct CleanConfig {
    /// Fail on bad rows.
    #[serde(default)]
    strict: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Row {
    name: String,
}

#[derive(Outputs)]
struct Cleaned {
    /// Rows that could be read.
    table: Vec<Row>,
    rejects: Option<Vec<String>>,
    #[output(media_type = "text/csv")]
    csv: Bytes,
    #[output(media_type = "text/plain")]
    log: Stored,
    parts: Dynamic<Row>,
}

#[op]
fn clean(
    ctx: &Context,
    mut month: Reader,
    names: Option<Vec<String>>,
    tables: Many<Vec<Row>>,
    config: CleanConfig,
) -> Result<Cleaned> {
    if config.strict {
        return Err(Error::permanent("strict"));
    }
    let mut csv = vec![];
    month.read_to_end(&mut csv)?;
    let mut log = ctx.create_writer()?;
    log.write_all(month.media_type().as_bytes())?;
    let mut parts = Dynamic::new();
    for table in &tables {
        let key = table.key.clone().unwrap_or_default();
        parts.push(key, Row { name: table.value.len().to_string() })?;
    }
    Ok(Cleaned {
        table: tables.into_values().flatten().collect(),
        rejects: names,
        csv: Bytes(csv),
        log: log.finish()?,
        parts,
    })
}

#[op]
fn large(n: u32) -> Vec<String> {
    (0..n).map(|n| format!("row {n}")).collect()
}

#[op]
fn nothing() {}

#[op]
fn maybe(give: bool) -> Result<Option<u8>, String> {
    give.then_some(Some(1)).ok_or_else(|| "nothing to give".to_owned())
}

mod inner {
    #[cofferdam_op::op]
    pub(crate) fn twice(r#type: u32) -> u32 {
        r#type * 2
    }
}

/// Keeps a name.
#[op(pure)]
fn keep(
    /// Where to.
    db: Sql,
    cache: Keyvalue,
    name: String,
) -> Result<WithMetadata<u64>> {
    cache.set("last", &name)?;
    Ok(WithMetadata::new(db.execute("insert into names values (?)", params![name])?).with("kept", true))
}

#[op]
fn check(n: u32) -> Check {
    if n > 0 { Check::passed() } else { Check::failed("nothing").severity(Severity::Warn).with("n", n) }
}

library!(tokenize, clean, large, nothing, maybe, inner::twice, keep, check);

fn value(media_type: &str, bytes: &[u8]) -> Value {
    Value { media_type: media_type.to_owned(), content: Content::Bytes(bytes.to_vec()) }
}

fn cbor<T: Serialize>(content: T) -> Value {
    let mut bytes = vec![];
    ciborium::into_writer(&content, &mut bytes).unwrap();
    value(CBOR, &bytes)
}

fn invoke<O: Op>(inputs: Vec<(&str, InputValue)>) -> Result<Vec<Output>> {
    O::run(
        &Context::test(),
        Invocation {
            config: vec![0xa0],
            inputs: inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        },
    )
}

#[test]
fn an_op_describes_its_ports_without_running() {
    insta::assert_debug_snapshot!(tokenize::spec(), @r##"
    OpSpec {
        name: "tokenize",
        doc: "Splits a text into words.\n\nSpaces only.",
        inputs: [
            InputSpec {
                name: "text",
                doc: "What to split.",
                media_type: "application/cbor",
                schema: "{\"title\":\"string\",\"type\":\"string\"}",
                required: true,
                many: false,
            },
        ],
        outputs: [
            OutputSpec {
                name: "result",
                doc: "",
                media_type: "application/cbor",
                schema: "{\"items\":{\"type\":\"string\"},\"title\":\"Array_of_string\",\"type\":\"array\"}",
                required: true,
                dynamic: false,
            },
        ],
        config_schema: None,
        resources: [],
        pure: false,
    }
    "##);
    insta::assert_debug_snapshot!(clean::spec(), @r##"
    OpSpec {
        name: "clean",
        doc: "",
        inputs: [
            InputSpec {
                name: "month",
                doc: "",
                media_type: "*/*",
                schema: "true",
                required: true,
                many: false,
            },
            InputSpec {
                name: "names",
                doc: "",
                media_type: "application/cbor",
                schema: "{\"items\":{\"type\":\"string\"},\"title\":\"Array_of_string\",\"type\":\"array\"}",
                required: false,
                many: false,
            },
            InputSpec {
                name: "tables",
                doc: "",
                media_type: "application/cbor",
                schema: "{\"$defs\":{\"Row\":{\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"],\"type\":\"object\"}},\"items\":{\"$ref\":\"#/$defs/Row\"},\"title\":\"Array_of_Row\",\"type\":\"array\"}",
                required: true,
                many: true,
            },
        ],
        outputs: [
            OutputSpec {
                name: "table",
                doc: "Rows that could be read.",
                media_type: "application/cbor",
                schema: "{\"$defs\":{\"Row\":{\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"],\"type\":\"object\"}},\"items\":{\"$ref\":\"#/$defs/Row\"},\"title\":\"Array_of_Row\",\"type\":\"array\"}",
                required: true,
                dynamic: false,
            },
            OutputSpec {
                name: "rejects",
                doc: "",
                media_type: "application/cbor",
                schema: "{\"items\":{\"type\":\"string\"},\"title\":\"Array_of_string\",\"type\":\"array\"}",
                required: false,
                dynamic: false,
            },
            OutputSpec {
                name: "csv",
                doc: "",
                media_type: "text/csv",
                schema: "true",
                required: true,
                dynamic: false,
            },
            OutputSpec {
                name: "log",
                doc: "",
                media_type: "text/plain",
                schema: "true",
                required: true,
                dynamic: false,
            },
            OutputSpec {
                name: "parts",
                doc: "",
                media_type: "application/cbor",
                schema: "{\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"],\"title\":\"Row\",\"type\":\"object\"}",
                required: true,
                dynamic: true,
            },
        ],
        config_schema: Some(
            "{\"properties\":{\"strict\":{\"default\":false,\"description\":\"Fail on bad rows.\",\"type\":\"boolean\"}},\"title\":\"CleanConfig\",\"type\":\"object\"}",
        ),
        resources: [],
        pure: false,
    }
    "##);
    assert_eq!(inner::twice::spec().inputs[0].name, "type");
    assert!(nothing::spec().outputs.is_empty());
    assert!(!maybe::spec().outputs[0].required);
}

#[test]
fn an_op_stays_a_function() {
    assert_eq!(tokenize("a b".to_owned()), ["a", "b"]);
    assert_eq!(inner::twice(2), 4);
}

#[test]
fn inputs_come_as_cbor_or_json() {
    for given in [cbor("a b"), value("application/json", b"\"a b\"")] {
        let outputs = invoke::<tokenize>(vec![("text", InputValue::One(given))]).unwrap();
        assert_eq!(outputs[0].name, "result");
        assert_eq!(outputs[0].value, value(CBOR, b"\x82\x61a\x61b"));
    }
}

#[test]
fn optional_many_and_dynamic_ports_pass_through() {
    let row = |name: &str| Row { name: name.to_owned() };
    let tables = InputValue::Many(vec![
        (Some("jan".to_owned()), cbor([row("x")])),
        (Some("feb".to_owned()), cbor(Vec::<Row>::new())),
    ]);
    let month = InputValue::One(value("text/csv", b"1,2"));
    let outputs = invoke::<clean>(vec![("month", month), ("tables", tables)]).unwrap();
    let shown: Vec<String> = outputs
        .iter()
        .map(|output| format!("{} {:?} {}", output.name, output.key, output.value.media_type))
        .collect();
    insta::assert_debug_snapshot!(shown, @r##"
    [
        "table None application/cbor",
        "csv None text/csv",
        "log None text/plain",
        "parts Some(\"jan\") application/cbor",
        "parts Some(\"feb\") application/cbor",
    ]
    "##);
    assert_eq!(outputs[1].value, value("text/csv", b"1,2"));
    assert_eq!(outputs[2].value, value("text/plain", b"text/csv"));
}

#[test]
fn a_large_output_is_stored_and_a_small_one_is_not() {
    let content = |n: u32| {
        let outputs = invoke::<large>(vec![("n", InputValue::One(cbor(n)))]).unwrap();
        outputs.into_iter().next().unwrap().value.content
    };
    assert!(matches!(content(10), Content::Bytes(_)));
    assert!(matches!(content(10_000), Content::Stored(_)));
    assert!(matches!(content(100_000), Content::Stored(_)));
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let error = |given: Vec<(&str, InputValue)>| {
        let error = invoke::<clean>(given).unwrap_err();
        assert!(error.is_permanent());
        error.to_string()
    };
    let month = || ("month", InputValue::One(value("text/csv", b"")));
    let one = |given: Value| vec![month(), ("tables", InputValue::One(given))];
    insta::assert_snapshot!(error(vec![]), @"input `month` of op `clean` has no value; connect it, or make it an `Option`");
    insta::assert_snapshot!(error(one(cbor([[("name", 5)]]))), @"input `tables` of op `clean`, element 0, cannot be read at `[0][0]`: invalid type: sequence, expected a string");
    insta::assert_snapshot!(error(one(value("application/json", b"[{\"name\": 5}]"))), @"input `tables` of op `clean`, element 0, cannot be read at `[0].name`: invalid type: integer `5`, expected a string");
    insta::assert_snapshot!(error(one(value("application/json", b"[{\"name\": \"x\""))), @"input `tables` of op `clean`, element 0, cannot be read: it is not JSON: EOF while parsing an object at line 1 column 13");
    insta::assert_snapshot!(error(one(value("text/csv", b"name"))), @"input `tables` of op `clean`, element 0, cannot be read: it is `text/csv`, expected `application/cbor` or `application/json`");
    let keyed = InputValue::Many(vec![(Some("jan".to_owned()), cbor([1]))]);
    insta::assert_snapshot!(error(vec![month(), ("tables", keyed)]), @"input `tables` of op `clean`, element `jan`, cannot be read at `[0]`: invalid type: integer `1`, expected struct Row");
    insta::assert_snapshot!(error(vec![("month", InputValue::Many(vec![]))]), @"input `month` of op `clean` takes one value, 0 were given; declare it as `Many<..>` to take a list");
}

#[test]
fn config_that_does_not_fit_says_what_misses() {
    #[op]
    fn strict(config: Strict) -> u32 {
        config.n
    }
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        n: u32,
    }
    let error = |config: &[u8]| {
        let invocation = Invocation { config: config.to_vec(), inputs: vec![] };
        strict::run(&Context::test(), invocation).unwrap_err().to_string()
    };
    insta::assert_snapshot!(error(&[0xa0]), @"the config of op `strict` cannot be read: missing field `n`");
    insta::assert_snapshot!(error(&[0xa1, 0x61, b'n', 0x61, b'x']), @r#"the config of op `strict` cannot be read at `n`: invalid type: string "x", expected u32"#);
    insta::assert_snapshot!(error(&[0xa1, 0x61, b'm', 0x01]), @"the config of op `strict` cannot be read: unknown field `m`, expected `n`");
    insta::assert_snapshot!(error(&[]), @"the config of op `strict` cannot be read: invalid type: unit value, expected struct Strict");
}

#[test]
fn a_mapping_key_is_checked() {
    let mut parts = Dynamic::new();
    parts.push("jan", 1).unwrap();
    insta::assert_snapshot!(parts.push("jan", 2).unwrap_err(), @"the mapping key `jan` is used twice");
    insta::assert_snapshot!(parts.push("a/b", 2).unwrap_err(), @"the mapping key `a/b` holds `/`; use letters, digits and `_`");
    insta::assert_snapshot!(parts.push("", 2).unwrap_err(), @"a mapping key has 1 to 128 bytes, this one has 0");
    assert_eq!(parts.len(), 1);
}

#[test]
fn an_error_of_the_op_is_its_failure() {
    let error = invoke::<maybe>(vec![("give", InputValue::One(cbor(false)))]).unwrap_err();
    assert_eq!(error.to_string(), "nothing to give");
}

#[test]
fn compile_errors_point_at_the_authors_code() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn an_op_names_the_resources_that_it_uses() {
    let spec = keep::spec();
    let names: Vec<(&str, &str)> =
        spec.resources.iter().map(|need| (need.name.as_str(), need.doc.as_str())).collect();
    assert_eq!(names, [("db", "Where to."), ("cache", "")]);
    assert_eq!(spec.inputs.len(), 1);
    assert!(spec.pure && !check::spec().pure);
}

#[test]
fn an_op_with_resources_is_tested_with_doubles() {
    let db = Sql::test(|statement| {
        assert_eq!(statement, Statement::new("insert into names values (?)", params!["Ada"]));
        Ok(Rows { columns: vec![], values: vec![vec![]] })
    });
    let cache = Keyvalue::test();
    let kept = keep(db, cache.clone(), "Ada".to_owned()).unwrap();
    assert_eq!((kept.value, kept.metadata), (1, vec![("kept".to_owned(), true.into())]));
    assert_eq!(cache.keys("la").unwrap(), ["last"]);
}

#[test]
fn a_resource_without_a_host_says_how_to_test() {
    let error = invoke::<keep>(vec![("name", InputValue::One(cbor("Ada")))]).unwrap_err();
    insta::assert_snapshot!(error.message(), @"the resource `db` is lent by the host; in a native test, call the op's function with `Sql::test(..)`");
}

#[test]
fn a_fault_says_whether_another_try_makes_sense() {
    let failed = |kind| Error::from(Fault::new(kind, "no"));
    assert!(failed(FaultKind::Denied).is_permanent());
    assert!(failed(FaultKind::TooLarge).is_permanent());
    assert!(!failed(FaultKind::Unavailable).is_permanent());
    let status =
        |status| http::Response::new(status, "").ok().map(|_| ()).map_err(|error| error.is_permanent());
    assert_eq!([status(204), status(404), status(503)], [Ok(()), Err(true), Err(false)]);
    let waits =
        http::Response { headers: vec![("Retry-After".into(), "7".into())], ..http::Response::new(429, "") };
    assert_eq!(waits.ok().unwrap_err().retry_delay(), Some(std::time::Duration::from_secs(7)));
}

#[test]
fn a_program_that_failed_says_its_last_words() {
    let program = Command::test(|_, _| Ok(command::Outcome::exited(2, "", "no such model\n")));
    let error = program.run(&["build"]).unwrap().ok().unwrap_err();
    assert_eq!(error.to_string(), "the program ended with code 2: no such model");
}

#[test]
fn rows_are_read_as_structs_and_tuples() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Month {
        name: String,
        hot: bool,
        rain: Option<f64>,
    }
    let rows = Rows {
        columns: vec!["name".into(), "hot".into(), "rain".into()],
        values: vec![params!["jan", 0, 1.5], params!["jul", true, None::<f64>]],
    };
    let months: Vec<Month> = rows.clone().read().unwrap();
    assert_eq!(months[0], Month { name: "jan".to_owned(), hot: false, rain: Some(1.5) });
    assert_eq!(months[1], Month { name: "jul".to_owned(), hot: true, rain: None });
    let tuples: Vec<(String, i64, Option<f64>)> =
        Rows { values: rows.values[..1].to_vec(), ..rows }.read().unwrap();
    assert_eq!(tuples, [("jan".to_owned(), 0, Some(1.5))]);
    let wrong = Rows { columns: vec!["name".into()], values: vec![params!["jan"]] };
    let error = wrong.read::<Month>().unwrap_err();
    assert_eq!(error.message(), "row 0 is not what is expected: missing field `hot`");
    assert!(error.is_permanent());
}

#[test]
fn a_check_states_its_verdict_as_metadata_and_as_a_value() {
    let ctx = Context::test();
    let invocation = Invocation { config: vec![], inputs: vec![("n".to_owned(), InputValue::One(cbor(0)))] };
    let outputs = check::run(&ctx, invocation).unwrap();
    let metadata: Vec<(String, String)> =
        ctx.recorded().metadata.into_iter().map(|(name, value)| (name, format!("{value:?}"))).collect();
    let metadata: Vec<String> = metadata.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(
        metadata,
        ["passed Truth(false)", "severity Text(\"warn\")", "description Text(\"nothing\")", "n Integer(0)"]
    );
    let Content::Bytes(bytes) = &outputs[0].value.content else { panic!("it is small") };
    let verdict: serde_json::Value = ciborium::from_reader(&bytes[..]).unwrap();
    assert_eq!(verdict, serde_json::json!({"passed": false, "severity": "warn", "description": "nothing"}));
}

#[test]
fn facts_about_a_value_travel_with_it() {
    #[op]
    fn counted(n: u32) -> Dynamic<WithMetadata<u32>> {
        let mut all = Dynamic::new();
        all.push("only", WithMetadata::new(n).with("even", n.is_multiple_of(2))).expect("the key is legal");
        all
    }
    let outputs = invoke::<counted>(vec![("n", InputValue::One(cbor(4)))]).unwrap();
    assert_eq!(outputs[0].metadata, [("even".to_owned(), true.into())]);
}
