//! What definitions can say, through the real program: one op under many names, ports, config of every kind, parts that
//! are selected.

use std::time::{Duration, Instant};

use cofferdam_e2e::look::{n_attempts, statuses, text};
use cofferdam_e2e::{Ended, Project};
use serde_json::{Value, json};

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.behaviours]
wasm = "lib/behaviours.wasm"
"#;

fn project(definitions: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{definitions}"), &["typed", "behaviours"])
}

/// The steps of a job's plan.
fn planned(project: &Project, job: &str) -> Vec<Value> {
    let (exit, plan) = project.json(["plan", job]);
    assert_eq!(exit, 0, "{plan:#}");
    plan["plan"]["steps"].as_array().expect("steps").clone()
}

#[test]
fn a4_one_op_under_many_names_has_config_tags_and_retries_of_each() {
    let project = project(
        r#"
[graphs.pair]
outputs.result = "second"
[graphs.pair.steps.first]
op = "typed.double"
inputs.number = { value = 1 }
[graphs.pair.steps.second]
op = "typed.double"
inputs.number = "first"

[jobs.j]
retry = { max_retries = 1, delay = "1ms" }
tags = { team = "data" }
[jobs.j.steps.patient]
op = "typed.flaky"
retry = { max_retries = 2, delay = "1ms" }
tags = { tier = "gold" }
[jobs.j.steps.hasty]
op = "typed.flaky"
[jobs.j.steps.few]
op = "typed.numbers"
config = { n = 2 }
[jobs.j.steps.many]
op = "typed.numbers"
config = { n = 3, offset = 10 }
[jobs.j.steps.few_sum]
op = "typed.sum"
inputs.numbers = { collect = "few.each" }
[jobs.j.steps.many_sum]
op = "typed.sum"
inputs.numbers = { collect = "many.each" }
[jobs.j.steps.left]
graph = "pair"
[jobs.j.steps.right]
graph = "pair"
"#,
    );
    let steps = planned(&project, "j");
    let of = |key: &str| steps.iter().find(|step| step["key"] == key).unwrap_or_else(|| panic!("{key}"));
    assert_eq!((&of("patient")["op"], &of("hasty")["op"]), (&"flaky".into(), &"flaky".into()));
    assert_eq!((&of("patient")["tags"], &of("hasty")["tags"]), (&json!({ "tier": "gold" }), &json!({})));
    assert_eq!(of("left.second")["library"], of("right.second")["library"]);

    // The retries of a step lie over those of its job; its config is its own, also that of the run.
    project.write("run.yaml", "ops: {few: {config: {offset: 100}}}\n");
    let run = project.run_job(&["-c", "run.yaml"], 10);
    assert_eq!((n_attempts(&run, "patient"), n_attempts(&run, "hasty")), (3, 2));
    let succeeded: Vec<&str> =
        statuses(&run).into_iter().filter(|(_, status)| *status == "succeeded").map(|(key, _)| key).collect();
    assert!(!succeeded.contains(&"hasty") && succeeded.len() == statuses(&run).len() - 1, "{succeeded:?}");
    let value = |step: &str| project.json(["value", "show", text(&run, "run"), step]).1["value"].clone();
    assert_eq!((value("few_sum"), value("many_sum")), (json!(100 + 101), json!(10 + 11 + 12)));
    assert_eq!((value("left.second"), value("right.second")), (json!(4), json!(4)));
}

#[test]
fn the_ports_of_a_library_are_printed_whoever_wrote_it_and_no_op_runs() {
    let project = project("");
    // One is written with the SDK, the other on the bindings of the contract alone.
    let inspect = |name: &str| {
        let text = project.run(["library", "inspect", name]).expect(0).stdout;
        let ports = text.split_once("\n\n").expect("what it is, then its ops").1;
        ports.to_owned()
    };
    insta::assert_snapshot!("ports_of_typed", inspect("typed"));
    let raw = inspect("behaviours");
    assert!(raw.starts_with("echo\n  in   value: */*, optional\n  out  result: optional */*\n"), "{raw}");
    let (_, document) = project.json(["library", "inspect", "typed"]);
    let ops = document["library"]["ops"].as_array().expect("ops");
    assert_eq!(ops.len(), inspect("typed").split("\n\n").count());
    assert!(!project.path().join(".cofferdam/runlog.sqlite").exists(), "nothing ran");
}

const CONFIGURED: &str = "[jobs.j.steps.c]\nop = \"typed.configured\"\n";

/// Runs the job of one configured step with variables that its config names.
fn configured(project: &Project, yaml: &str, variables: &[(&str, &str)]) -> Ended {
    project.write("run.yaml", yaml);
    let mut command = project.command(["run", "-c", "run.yaml", "--export", "out", "--force", "--quiet"]);
    command.envs(variables.iter().copied()).output().expect("the program can be started").into()
}

#[test]
fn a10_config_of_every_kind_is_checked_completed_and_read_from_variables() {
    let project = project(CONFIGURED);
    let least = "ops: {c: {config: {n: 1, source: {file: {path: a.csv}}}}}\n";
    configured(&project, least, &[]).expect(0);
    let defaults = [
        "n 1",
        "share 0.5",
        "strict false",
        "title untitled",
        "any null",
        "at_most None",
        "list []",
        "map {}",
        "page 60",
        "open 0 {}",
        "source file a.csv",
        "level Low",
        "width Name(\"auto\")",
        "secret of 0",
    ];
    assert_eq!(project.result("c"), json!(defaults));

    let all = r#"
ops:
  c:
    config:
      n: {env: KINDS_N}
      share: 2
      strict: {env: KINDS_STRICT}
      title: {env: KINDS_TITLE}
      any: [1, {two: null}]
      at_most: 9
      list: [1, 2]
      map: {one: 1}
      page: {lines: 3}
      open: {known: 3, more: [x]}
      source: {url: {address: example.org, port: 80}}
      level: high
      width: {columns: 3}
      secret: {env: KINDS_SECRET}
"#;
    let variables =
        [("KINDS_N", "7"), ("KINDS_STRICT", "true"), ("KINDS_TITLE", "7"), ("KINDS_SECRET", "hush")];
    configured(&project, all, &variables).expect(0);
    let given = [
        "n 7",
        "share 2.0",
        "strict true",
        "title 7",
        "any [1,{\"two\":null}]",
        "at_most Some(9)",
        "list [1, 2]",
        "map {\"one\": 1}",
        "page 3",
        "open 3 {\"more\":[\"x\"]}",
        "source example.org:80",
        "level High",
        "width Columns { columns: 3 }",
        "secret of 4",
    ];
    assert_eq!(project.result("c"), json!(given));

    // What is not set is named, and what does not fit is not shown.
    let unset = configured(&project, all, &variables[..3]).expect(10);
    assert!(unset.stdout.contains("`KINDS_SECRET` is not set where the worker runs"), "{unset:#?}");
    let wrong = configured(&project, all, &[&variables[1..], &[("KINDS_N", "se7en")]].concat()).expect(10);
    assert!(wrong.stdout.contains("KINDS_N") && !wrong.stdout.contains("se7en"), "{wrong:#?}");
}

#[test]
fn config_that_is_wrong_in_every_kind_is_refused_all_at_once() {
    let project = project(CONFIGURED);
    let bad = r#"ops:
  c:
    config:
      share: much
      strict: 1
      title: [a]
      at_most: soon
      list: [1, null]
      map: {one: x}
      page: {lnes: 3}
      open: {known: x}
      source: {file: {path: a}, url: {address: b, port: 1}}
      level: middle
      width: 7
      extra: 1
"#;
    project.write("run.yaml", bad);
    insta::assert_snapshot!("config_of_every_kind", project.message(&["run", "-c", "run.yaml"], 3));
    assert!(!project.path().join(".cofferdam/runlog.sqlite").exists(), "nothing was recorded");
}

/// Longest time that a mapping which never ends may take until it is refused, on a loaded machine.
const MAPPING_TIME_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_config_mapping_that_loops_eats_memory_fails_or_gives_no_config_is_ended_within_its_cap_and_named() {
    let graph = |name: &str, op: &str| {
        format!(
            "[graphs.{name}]\nconfig_mapping = {{ schema = {{ type = \"object\" }}, op = \"behaviours.{op}\" }}\n\
             [graphs.{name}.steps.x]\nop = \"typed.numbers\"\n[jobs.{name}.steps.g]\ngraph = \"{name}\"\n"
        )
    };
    let cases = [
        ("loops", "spin"),
        ("eats", "memory_bomb"),
        ("fails", "fail"),
        ("panics", "panic"),
        ("says", "nothing"),
    ];
    let all: Vec<String> = cases.iter().map(|(name, op)| graph(name, op)).collect();
    let project = project(&all.concat());
    let mut messages = vec![];
    for (job, _) in cases {
        // The first time it is also compiled.
        messages.push(project.message(&["run", job], 3));
        let begun = Instant::now();
        project.run(["run", job]).expect(3);
        let took = begun.elapsed();
        eprintln!("the mapping that {job} was ended after {} ms", took.as_millis());
        assert!(took < MAPPING_TIME_MAX, "{took:?}");
    }
    insta::assert_snapshot!("config_mappings", messages.join("\n\n"));
    assert!(!project.path().join(".cofferdam/runlog.sqlite").exists(), "nothing was recorded");
}

const PARTS: &str = r#"
[jobs.j.steps.a]
op = "typed.double"
inputs.number = { value = 1 }
[jobs.j.steps.b]
op = "typed.double"
inputs.number = "a"
[jobs.j.steps.c]
op = "typed.double"
inputs.number = "b"
[jobs.j.steps.d]
op = "typed.double"
inputs.number = "b"

[assets.raw]
op = "typed.double"
group = "early"
inputs.number = { value = 1 }
[assets.made]
op = "typed.double"
group = "late"
inputs.number = { asset = "raw" }

[asset_jobs.late]
select = "sinks(*) and not group:early"
"#;

#[test]
fn one_boolean_language_selects_ops_steps_and_assets_and_its_normal_form_is_echoed() {
    let project = project(PARTS);
    let run = project.run_job(&["j"], 0);
    let selected = |args: &[&str], field: &str| -> Vec<String> {
        let (exit, document) = project.json(args);
        assert_eq!(exit, 0, "{document:#}");
        let list =
            ["steps", "assets"].map(|name| document[name].as_array().cloned().unwrap_or_default()).concat();
        list.iter().map(|one| text(one, field).to_owned()).collect()
    };
    let ops = "(name:b+1 or name:\"a\") and not sinks(name:c or name:d)";
    assert_eq!(selected(&["run", "j", "--select", ops], "step"), ["a", "b"]);
    let steps = selected(&["rerun", text(&run, "run"), "--select", "1+name:d or roots(*)"], "step");
    assert_eq!(steps, ["a", "b", "d"]);
    assert_eq!(selected(&["asset", "list", "group:early or key:\"mad*\""], "asset"), ["made", "raw"]);
    project.run(["asset", "materialize", "*"]).expect(0);
    assert_eq!(selected(&["run", "late"], "step"), ["made"]);

    let echoes = [
        (vec!["plan", "j", "--select", "+b"], "selected: 1+name:\"b\"\n"),
        (vec!["run", "j", "--select", "*b"], "selected: +name:\"b\"\n"),
        (vec!["rerun", "--select", "not name:b"], "selected: not name:\"b\"\n"),
        (vec!["asset", "list", "raw+"], "selected: key:\"raw\"+1\n"),
        (vec!["asset", "materialize", "+made"], "selected: 1+key:\"made\"\n"),
    ];
    for (args, echo) in echoes {
        let ended = project.run(&args);
        assert!(ended.stderr.contains(echo), "{args:?}: {ended:#?}");
    }
}
