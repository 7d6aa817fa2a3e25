//! The tutorial's jobs and assets, each with the commands of its README.

use std::process::Command;

use cofferdam_e2e::look::{self, n_attempts, statuses, step};
use cofferdam_e2e::s3::{self, S3};
use cofferdam_e2e::{Ended, Project, guest, workspace};
use serde_json::Value;

/// The tutorial in a folder of the test's own, with its ops built already.
fn tutorial() -> Project {
    let original = workspace().join("examples/tutorial");
    let definitions = std::fs::read_to_string(original.join("cofferdam.toml")).expect("the definitions");
    assert!(definitions.contains("crate = \"ops\""), "the tutorial builds its ops");
    let project = Project::new(&definitions.replace("crate = \"ops\"", "wasm = \"lib/tutorial.wasm\""));
    project.write("lib/tutorial.wasm", std::fs::read(guest("tutorial_ops")).expect("the ops are built"));
    let orders = std::fs::read(original.join("data/orders.txt")).expect("the orders");
    project.write("data/orders.txt", orders);
    project
}

#[test]
fn the_whole_tutorial_passes_its_check() {
    tutorial().run(["check"]).expect(0);
}

#[test]
fn two_numbers_from_the_run_config_are_added() {
    let project = tutorial();
    project.write("numbers.yaml", "inputs: {a: 2, b: 3}\n");
    project.run_job(&["add_numbers", "-c", "numbers.yaml"], 0);
    assert_eq!(project.result("add"), 5);
}

#[test]
fn a_number_out_of_bounds_is_refused_before_anything_runs() {
    let project = tutorial();
    project.write("numbers.yaml", "inputs: {a: 12, b: three}\n");
    let ended = project.run(["run", "add_numbers", "-c", "numbers.yaml"]).expect(3);
    assert!(ended.stderr.contains("numbers.yaml:1:13"), "the first number is marked: {ended:#?}");
    assert!(ended.stderr.contains("three"), "the second one as well: {ended:#?}");
    let (_, runs) = project.json(["runs"]);
    assert_eq!(runs["runs"], Value::Array(vec![]), "there is no run");
}

#[test]
fn a_text_is_generated_and_consumed() {
    let project = tutorial();
    let run = project.run_job(&["strings"], 0);
    assert_eq!(project.result("consume"), 17);
    assert_eq!(project.logged(), [("consume".to_owned(), "got `a text to pass on`".to_owned())]);
    assert!(step(&run, "consume")["metadata"].to_string().contains("characters"));
}

#[test]
fn lines_of_every_level_are_logged_with_their_fields() {
    let project = tutorial();
    project.run_job(&["logging"], 0);
    let (_, logs) = project.json(["logs", "--level", "info"]);
    let lines: Vec<(&str, &str)> = logs["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["source"] == "op")
        .map(|line| (line["level"].as_str().expect("a level"), line["message"].as_str().expect("text")))
        .collect();
    let expected =
        [("info", "running"), ("warn", "this is only a tutorial"), ("error", "nothing went wrong")];
    assert_eq!(lines, expected);
    assert!(logs["lines"].to_string().contains("talk"), "fields are kept: {logs:#}");
}

#[test]
fn the_setting_of_a_graph_reaches_its_steps_and_theirs_are_hidden() {
    let project = tutorial();
    project.run_job(&["greeting"], 0);
    assert_eq!(project.result("hello.shout"), "HELLO HELLO!");
    assert_eq!(project.result("bye.shout"), "BYE!");

    project.write("run.yaml", "ops: {bye: {config: {word: so long}}}\n");
    project.run_job(&["greeting", "-c", "run.yaml"], 0);
    assert_eq!(project.result("bye.shout"), "SO LONG!");

    project.write("run.yaml", "ops: {bye: {ops: {repeat: {config: {word: adieu}}}}}\n");
    let ended = project.run(["run", "greeting", "-c", "run.yaml"]).expect(3);
    assert!(ended.stderr.contains("run.yaml:1"), "{ended:#?}");
}

#[test]
fn an_output_lies_where_its_io_manager_puts_it() {
    let project = tutorial();
    let run = project.run_job(&["keep"], 0);
    let kept = project.path().join("lake").join(look::id(&run)).join("generate/result");
    let kept = std::fs::read(kept);
    let kept = kept.expect("it lies under run, step and output");
    assert!(kept.ends_with(b"a text to pass on"), "{kept:?}");
    assert_eq!(project.result("consume"), 17);
}

#[test]
fn the_same_job_keeps_its_output_in_a_bucket_in_another_environment() {
    let server = S3::start(&["tutorial"]);
    let project = tutorial();
    let mut command = project.command(["run", "keep", "--env", "s3", "--json", "--export", "out"]);
    command.env("TUTORIAL_S3_ENDPOINT", server.endpoint());
    command.env("TUTORIAL_S3_KEY", s3::ACCESS_KEY).env("TUTORIAL_S3_SECRET", s3::SECRET_KEY);
    let ended = Ended::from(command.output().expect("the program can be started")).expect(0);
    let run: Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
    let key = format!("dagster/storage/{}/generate/result", look::id(&run));
    let kept = server.object("tutorial", &key).unwrap_or_else(|| panic!("there is no object {key}"));
    assert!(kept.ends_with(b"a text to pass on"), "{kept:?}");
    assert!(!project.path().join("lake").exists(), "nothing lies in the folder");
    assert_eq!(project.result("consume"), 17, "the next step read it from the bucket");
}

#[test]
fn without_its_variables_the_environment_says_which_one_is_missing() {
    let project = tutorial();
    let mut command = project.command(["run", "keep", "--env", "s3"]);
    command.env("TUTORIAL_S3_ENDPOINT", "http://127.0.0.1:9").env("TUTORIAL_S3_KEY", s3::ACCESS_KEY);
    let ended = Ended::from(command.output().expect("the program can be started")).expect(10);
    assert!(ended.stdout.contains("TUTORIAL_S3_SECRET"), "{ended:#?}");
}

#[test]
fn visits_are_counted_in_what_is_lent() {
    let project = tutorial();
    for expected in [1, 2] {
        project.run_job(&["visit"], 0);
        assert_eq!(project.result("count"), expected);
    }
    for _ in 0..2 {
        project.run_job(&["visit", "--env", "test"], 0);
        assert_eq!(project.result("count"), 1, "memory is gone with its process");
    }
}

#[test]
fn a_secret_signs_and_is_kept_nowhere() {
    let project = tutorial();
    let secret = "open-sesame";
    let mut command = project.command(["run", "signed", "--export", "out"]);
    let ended = command.env("TUTORIAL_SIGNING_KEY", secret).output().expect("the program can be started");
    Ended::from(ended).expect(0);
    let signed = project.result("sign").to_string();
    assert!(signed.contains("a text to pass on -- Ada ") && !signed.contains(secret), "{signed}");
    let mut search = Command::new("grep");
    let found = search.args(["-r", "-l", secret, "."]).current_dir(project.path()).output();
    let found = found.expect("grep is there");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "no file holds it");
}

#[test]
fn the_branch_that_gets_nothing_is_skipped() {
    let project = tutorial();
    let chosen = project.run_job(&["branches"], 0);
    let expected =
        [("choose", "succeeded"), ("left", "succeeded"), ("right", "skipped"), ("merge", "succeeded")];
    assert_eq!(statuses(&chosen), expected);
    assert_eq!(project.result("merge").to_string(), r#"["left 1"]"#);
    project.write("run.yaml", "ops: {choose: {config: {way: right}}}\n");
    project.run_job(&["branches", "-c", "run.yaml"], 0);
    assert_eq!(project.result("merge").to_string(), r#"["right 2"]"#);
}

#[test]
fn as_many_squares_are_made_as_there_are_numbers() {
    let project = tutorial();
    project.run_job(&["squares"], 0);
    assert_eq!(project.result("total"), 1 + 4 + 9 + 16);
}

#[test]
fn a9_a_product_has_a_copy_for_each_pair_and_is_collected_in_two_rounds() {
    let project = tutorial();
    let run = project.run_job(&["products"], 0);
    let copies: Vec<&str> =
        statuses(&run).iter().map(|(key, _)| *key).filter(|key| key.starts_with("multiply")).collect();
    assert_eq!(copies.len(), 6, "{copies:?}");
    assert!(copies.contains(&"multiply[r2][c3]"), "{copies:?}");
    // (1 + 2) * (1 + 2 + 3)
    assert_eq!(project.result("total"), 18);
}

#[test]
fn hooks_tell_of_successes_and_failures() {
    let project = tutorial();
    let (exit, run) = project.json(["run", "trouble"]);
    assert_eq!(exit, 10, "{run:#}");
    assert_eq!(n_attempts(&run, "flaky"), 3);
    assert_eq!(n_attempts(&run, "refuse"), 1, "it was permanent");
    assert_eq!(step(&run, "never")["status"], "abandoned");
    let told: Vec<String> = project.logged().into_iter().map(|(_, message)| message).collect();
    let mut expected = ["#alarm: refuse failed: the order has no address", "#relief: flaky succeeded"];
    let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn an_asset_job_makes_its_assets_and_lays_out_the_report() {
    let project = tutorial();
    project.run(["run", "shop"]).expect(0);
    assert_eq!(project.read("lake/shop/reports/ranking"), "country,amount\nch,800\nde,750\nfr,120\n");
}

#[test]
fn a_blocking_check_stops_what_depends_on_the_asset() {
    let project = tutorial();
    project.write("data/orders.txt", "ch, 500\n");
    let (exit, run) = project.json(["run", "shop"]);
    assert_eq!(exit, 10, "{run:#}");
    assert_eq!(step(&run, "by_country")["status"], "abandoned");
    assert_eq!(step(&run, "clean")["status"], "succeeded");
}

#[test]
fn a_job_of_one_asset_takes_what_was_made_before() {
    let project = tutorial();
    project.run(["run", "shop"]).expect(0);
    let run = project.run_job(&["count"], 0);
    assert_eq!(statuses(&run), [("by_country", "succeeded")]);
    assert_eq!(project.result("by_country"), serde_json::json!({ "ch": 800, "de": 750, "fr": 120 }));
}

#[test]
fn a_selection_runs_some_ops_of_a_job() {
    let project = tutorial();
    let run = project.run_job(&["branches", "--select", "*left"], 0);
    assert_eq!(statuses(&run), [("choose", "succeeded"), ("left", "succeeded")]);
}

#[test]
fn what_starts_by_itself_is_off_and_can_be_tried() {
    let project = tutorial();
    project.write("incoming/first.txt", "ahoy\n");
    let (_, tried) = project.json(["sensor", "try", "inbox"]);
    let asked = &tried["runs"][0];
    assert_eq!(
        (&asked["run_key"], &tried["cursor"]),
        (&"first.txt".into(), &"first.txt".into()),
        "{tried:#}"
    );
    assert_eq!(asked["config"]["ops"]["hello"]["config"]["word"], "ahoy");
    let (_, schedules) = project.json(["schedule", "list"]);
    assert_eq!(schedules["schedules"][0]["status"], "stopped");
}
