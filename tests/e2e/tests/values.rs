//! Values of runs, shown and written; steps run once more, with what comes out compared.

use cofferdam_e2e::look::{id, text};
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.numbers.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.numbers.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }
[jobs.numbers.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }
[jobs.numbers.steps.person]
op = "typed.person"

[jobs.bad.steps.refuse]
op = "typed.refuse"
[jobs.bad.steps.after]
op = "typed.double"
inputs.number = "refuse"

[jobs.lent.steps.count]
op = "resources.count"
inputs.name = { value = "x" }
[resources.counters]
kind = "keyvalue"
backend = "file"
"#;

fn project() -> Project {
    Project::with(JOBS, &["typed", "resources"])
}

fn run(project: &Project, job: &str) -> String {
    let (_, run) = project.json(["run", job]);
    run["run"].as_str().unwrap_or_else(|| panic!("{run:#}")).to_owned()
}

#[test]
fn e3_values_are_language_neutral_and_their_type_is_recorded() {
    let project = project();
    let id = run(&project, "numbers");
    let (exit, person) = project.json(["value", "show", &id, "person"]);
    assert_eq!(exit, 0, "{person:#}");
    assert_eq!(person["media_type"], "application/cbor");
    assert_eq!(person["value"], serde_json::json!({ "name": "Ada", "age": 36 }));
    let raw = project.command(["value", "show", &id, "person", "--raw"]).output().expect("it starts").stdout;
    // RFC 8949, deterministic: the shorter key first.
    assert_eq!(raw, b"\xa2\x63age\x18\x24\x64name\x63Ada");
    assert_eq!(person["size"], raw.len());
}

#[test]
fn h_049_size_and_digest_of_an_output_are_those_of_its_bytes_whatever_an_op_says() {
    let project = project();
    let id = run(&project, "numbers");
    let history = project.run(["show", &id, "--events"]).expect(0).stdout;
    let mut n_values = 0;
    for event in history.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event")) {
        let event = &event["event"];
        for output in event["outputs"].as_array().into_iter().flatten() {
            let mut asked = vec!["value", "show", &id, text(event, "step"), text(output, "name"), "--raw"];
            asked.extend(output["key"].as_str().into_iter().flat_map(|key| ["--key", key]));
            let raw = project.command(&asked).output().expect("it starts").stdout;
            let value = &output["value"];
            assert_eq!(value["size"], raw.len(), "{asked:?}");
            let digest = format!("blake3:{}", blake3::hash(&raw).to_hex());
            assert_eq!(text(value, "digest"), digest, "{asked:?}");
            n_values += 1;
        }
    }
    // Three numbers, each of them doubled, their sum and a person. The contract has no word for either: an op hands over bytes.
    assert!(n_values >= 8, "{n_values}");
}

#[test]
fn one_value_of_many_is_shown_by_its_key() {
    let project = project();
    let id = run(&project, "numbers");
    let shown = |args: &[&str]| -> Value { project.json(["value", "show", &id].iter().chain(args)).1 };
    assert_eq!(shown(&["numbers", "each", "--key", "n2"])["value"], 2);
    assert_eq!(shown(&["double[n2]"])["value"], 4);
    let text = project.run(["value", "show", &id, "sum"]).expect(0);
    assert_eq!(text.stdout, "6\n");
    assert!(text.stderr.contains("application/cbor, 1 B"), "{text:#?}");
}

/// The steps that made a value, the first one first, each with the run.
fn makers(lineage: &Value) -> Vec<(&str, &str)> {
    let makers = lineage["made_by"].as_array().expect("a list").iter();
    makers.map(|maker| (text(maker, "run"), text(maker, "step"))).collect()
}

#[test]
fn h10_lineage_names_the_run_code_config_and_values_of_a_value_and_who_read_it() {
    let project = project();
    project.write("four.yaml", "ops: {numbers: {config: {n: 3, offset: 4}}}\n");
    let (_, first) = project.json(["run", "numbers", "-c", "four.yaml"]);
    let id_1 = id(&first);
    let (_, sum) = project.json(["value", "lineage", id_1, "sum"]);
    let made = makers(&sum);
    assert_eq!(made.len(), 5, "{sum:#}");
    assert_eq!((made[0], made[4]), ((id_1, "sum"), (id_1, "numbers")), "{sum:#}");
    assert_eq!(sum["read_by"], serde_json::json!([]));
    let (of_sum, of_numbers) = (&sum["made_by"][0], &sum["made_by"][4]);
    assert_eq!((&of_sum["op"], &of_sum["library"]), (&"sum".into(), &"typed".into()));
    assert_eq!(of_sum["digest"], project.json(["show", id_1]).1["libraries"]["typed"]);
    assert_eq!(of_numbers["config"], serde_json::json!({ "n": 3, "offset": 4 }));
    for (n, input) in of_sum["inputs"].as_array().expect("a list").iter().enumerate() {
        let step = format!("double[n{n}]");
        assert_eq!(input["from"], serde_json::json!({ "step": step, "output": "result", "key": null }));
        let (_, value) = project.json(["value", "show", id_1, &step]);
        assert_eq!((&input["input"], &input["digest"]), (&"numbers".into(), &value["digest"]));
    }
    // Forwards: of one of many values, what it became.
    let (_, each) = project.json(["value", "lineage", id_1, "numbers", "--key", "n1"]);
    let read = each["read_by"].as_array().expect("a list").iter();
    let read: Vec<(&str, &Value)> = read.map(|reader| (text(reader, "step"), &reader["inputs"][0])).collect();
    assert_eq!(read, [("double[n1]", &"number".into()), ("sum", &"numbers".into())]);
    // What a run took over comes from the run that made it, and counts as read by both.
    let (_, second) = project.json(["rerun", id_1, "--select", "sum"]);
    let id_2 = id(&second);
    let (_, sum) = project.json(["value", "lineage", id_2, "sum"]);
    let made = makers(&sum);
    assert_eq!(made[0], (id_2, "sum"));
    assert!(made.contains(&(id_2, "double[n0]")) && made.contains(&(id_1, "double[n0]")), "{sum:#}");
    assert!(made.contains(&(id_1, "numbers")) && !made.contains(&(id_2, "numbers")), "{sum:#}");
    assert_eq!(sum["made_by"][1]["taken_over_from"]["run"], id_1);
    let (_, double) = project.json(["value", "lineage", id_1, "double[n0]"]);
    let read = double["read_by"].as_array().expect("a list").iter();
    assert_eq!(read.map(|reader| text(reader, "run")).collect::<Vec<_>>(), [id_1, id_2]);
    let told = project.run(["value", "lineage", id_2, "sum"]).expect(0).stdout;
    for said in ["made by\n  sum  typed.sum ", "    numbers ← double[n0].result", "read by no step"] {
        assert!(told.contains(said), "{said} in {told}");
    }
    assert!(told.contains(&format!("    taken over from double[n0] of run {id_1}")), "{told}");
    let wrong = project.run(["value", "lineage", id_2, "smu"]).expect(2);
    assert!(wrong.stderr.contains("did you mean `sum`?"), "{wrong:#?}");
}

#[test]
fn a_replayed_step_gives_the_same_outputs_and_records_nothing() {
    let project = project();
    let id = run(&project, "numbers");
    let (_, before) = project.json(["runs"]);
    let (exit, document) = project.json(["replay", &id, "double[n1]"]);
    assert_eq!(exit, 0, "{document:#}");
    assert_eq!(document["replay"]["status"], "succeeded");
    assert_eq!(document["replay"]["outputs"][0]["verdict"], "same");
    let text = project.run(["replay", &id, "sum"]).expect(0);
    assert!(text.stdout.contains("the same outputs as recorded"), "{text:#?}");
    assert_eq!(project.json(["runs"]).1, before);
}

#[test]
fn a_failure_is_replayed_as_the_same_failure() {
    let project = project();
    let id = run(&project, "bad");
    let text = project.run(["replay", &id, "refuse"]).expect(10);
    assert!(text.stdout.contains("the recorded attempt failed in the same way"), "{text:#?}");
}

#[test]
fn a_step_with_resources_is_replayed_only_if_that_is_said() {
    let project = project();
    let id = run(&project, "lent");
    let ended = project.run(["replay", &id, "count"]).expect(2);
    assert!(ended.stderr.contains("uses resources: counters"), "{ended:#?}");
    let text = project.run(["replay", &id, "count", "--with-resources"]);
    assert!(text.stdout.contains("not as recorded"), "the count goes on: {text:#?}");
}

/// What a person reads when a command refuses, without the run's id.
fn refused(project: &Project, id: &str, args: &[&str]) -> String {
    let Ended { stdout, stderr, .. } = project.run(args).expect(2);
    assert_eq!(stdout, "", "what is wrong is not an answer");
    format!("$ cofferdam {}\n{stderr}", args.join(" ")).replace(id, "<run>")
}

#[test]
fn value_and_replay_refuse_bad_input_with_a_way_out() {
    let project = project();
    let id = run(&project, "numbers");
    let failed = run(&project, "bad");
    let cases: [&[&str]; 8] = [
        &["value", "show", "zz", "sum"],
        &["value", "show", &id, "smu"],
        &["value", "show", &id, "double"],
        &["value", "show", &id, "sum", "table"],
        &["value", "show", &id, "sum", "--key", "n1"],
        &["value", "show", &id, "numbers"],
        &["value", "show", &id, "numbers", "each", "--key", "n9"],
        &["replay", &id, "double[n9]"],
    ];
    let mut messages: Vec<String> = cases.iter().map(|args| refused(&project, &id, args)).collect();
    messages.push(refused(&project, &failed, &["value", "show", &failed, "refuse"]));
    messages.push(refused(&project, &failed, &["replay", &failed, "after"]));
    insta::assert_snapshot!(messages.join("\n"));
}

/// Inputs that nothing feeds.
const OPEN: &str = "
[libraries.typed]
wasm = \"lib/typed.wasm\"
[jobs.twice.steps.double]
op = \"typed.double\"
[jobs.filed.steps.file]
op = \"typed.file\"
";

#[test]
fn a_run_config_gives_inputs_by_what_a_file_says_and_by_the_digest_of_a_value() {
    let project = Project::new(OPEN);
    let given = |form: &str| format!("ops: {{double: {{inputs: {{number: {form}}}}}}}\n");
    let twice = |form: &str| -> Value {
        project.write("run.yaml", given(form));
        let (exit, run) = project.json(["run", "twice", "-c", "run.yaml"]);
        assert_eq!(exit, 0, "{run:#}");
        let (_, shown) = project.json(["value", "show", id(&run), "double"]);
        shown
    };
    project.write("data/n.json", "21\n");
    let shown = twice("{json: {path: data/n.json}}");
    assert_eq!(shown["value"], 42);
    project.write("n.cbor", [0x18, 0x64]);
    assert_eq!(twice("{cbor: {path: n.cbor}}")["value"], 200);
    let digest = shown["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(twice(&format!("{{blob: '{digest}'}}"))["value"], 84);

    project.write("half", "{");
    project.write("words.json", "\"three\"");
    let mut messages = vec![];
    for form in [
        "{json: {path: words.json}}",
        "{json: {path: half}}",
        "{cbor: {path: absent}}",
        "{json: {path: ../n.json}}",
        "{json: data/n.json}",
        "{blob: 'blake3:00'}",
    ] {
        project.write("run.yaml", given(form));
        messages.push(project.message(&["run", "twice", "-c", "run.yaml"], 3));
    }
    // A number is no record.
    project.write("run.yaml", format!("ops: {{file: {{inputs: {{record: {{blob: '{digest}'}}}}}}}}\n"));
    messages.push(project.message(&["run", "filed", "-c", "run.yaml"], 3).replace(&digest, "blake3:…"));
    insta::assert_snapshot!(messages.join("\n"), @r#"
        error[plan::bad-config]: `ops.double.inputs.number`: expected integer, found text
         --> run.yaml:1:47
          |
        1 | ops: {double: {inputs: {number: {json: {path: words.json}}}}}
          |                                               ^^^^^^^^^^ expected integer
          |
          = hint: write for example `0`

        error[plan::bad-document]: `half` cannot be read as JSON: EOF while parsing an object at line 1 column 1
         --> run.yaml:1:47
          |
        1 | ops: {double: {inputs: {number: {json: {path: half}}}}}
          |                                               ^^^^ input `number` of step `double`
          |
          = hint: `{file: PATH}` gives the bytes of a file as they are

        error[plan::no-file]: there is no file `absent`
         --> run.yaml:1:47
          |
        1 | ops: {double: {inputs: {number: {cbor: {path: absent}}}}}
          |                                               ^^^^^^ input `number` of step `double`
          |
          = hint: paths are relative to the folder of `cofferdam.toml`

        error[plan::bad-path]: `../n.json` leaves the folder of the definitions
         --> run.yaml:1:47
          |
        1 | ops: {double: {inputs: {number: {json: {path: ../n.json}}}}}
          |                                               ^^^^^^^^^ expected a relative path without `..`
          |
          = hint: copy or link the file below that folder, and write for example `data/flights.csv`

        error[plan::missing-input]: input `double.number` has no source
         --> cofferdam.toml:4:19
          |
        4 | [jobs.twice.steps.double]
          |                   ^^^^^^ `number` is needed
          |
          = hint: add for example `inputs.number = "other_step"` or `inputs.number = { value = 0 }`

        error[plan::bad-run-config]: `ops.double.inputs.number` is no source
         --> run.yaml:1:33
          |
        1 | ops: {double: {inputs: {number: {json: data/n.json}}}}
          |                                 ^^^^^^^^^^^^^^^^^^^ expected `{value: …}`, `{file: PATH}`, `{files: PATTERN}`, `{json: {path: PATH}}`, `{cbor: {path: PATH}}` or `{blob: DIGEST}`
          |
          = hint: write a table as `number: {value: {…}}`

        error[plan::no-blob]: no run has made a value `blake3:00`
         --> run.yaml:1:40
          |
        1 | ops: {double: {inputs: {number: {blob: 'blake3:00'}}}}
          |                                        ^^^^^^^^^^^ input `number` of step `double`
          |
          = hint: `cofferdam value show RUN STEP` prints a value with its digest, `blake3:…`

        error[plan::bad-config]: `ops.file.inputs.record`: expected a table, found an integer
         --> run.yaml:1:38
          |
        1 | ...{blob: 'blake3:…'}}}}
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected {age: text, name: text, …}
          |
          = hint: write for example `{"age":"text","name":"text"}`
        "#);
}
