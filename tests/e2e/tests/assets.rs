//! Assets from definitions to materialisations, through the real program: lists, runs, checks, staleness, backfills.

use cofferdam_e2e::look::step;
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

const CHAIN: &str = r#"
[assets.base]
op = "typed.work"
key = "raw/base"
description = "A number."
group = "raw"
owners = ["team:data"]
kinds = ["number"]
inputs.number = { value = 4 }
config = { rounds = 1 }

[assets.twice]
op = "typed.double"
key = "made/twice"
group = "made"
inputs.number = { asset = "raw/base" }

[assets.apart]
op = "typed.double"
group = "made"
inputs.number = { value = 1 }

[asset_jobs.made]
select = "group:made"
"#;

const PARTITIONED: &str = r#"
[partitions.days]
kind = "static"
keys = ["mon", "tue", "wed"]

[partitions.customers]
kind = "dynamic"

[assets.daily]
op = "typed.double"
inputs.number = { value = 3 }
partitions = "days"

[assets.total]
op = "typed.sum"
inputs.numbers = { asset = "daily", partitions = "all" }

[assets.bad]
op = "typed.refuse"
partitions = "days"

[assets.after_bad]
op = "typed.sum"
inputs.numbers = { asset = "bad", partitions = "all" }

[assets.invoices]
op = "typed.double"
inputs.number = { value = 1 }
partitions = "customers"
"#;

fn project(assets: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{assets}"), &["typed", "resources"])
}

fn assets(project: &Project) -> Vec<Value> {
    let (exit, document) = project.json(["asset", "list"]);
    assert_eq!(exit, 0, "{document:#}");
    document["assets"].as_array().expect("a list").clone()
}

fn asset(project: &Project, key: &str) -> Value {
    let all = assets(project);
    all.iter().find(|asset| asset["asset"] == key).unwrap_or_else(|| panic!("{key} in {all:#?}")).clone()
}

fn status(project: &Project, key: &str) -> String {
    asset(project, key)["status"].as_str().expect("a word").to_owned()
}

#[test]
fn a15_assets_have_keys_groups_owners_and_dependencies_and_jobs_make_them() {
    let project = project(CHAIN);
    let base = asset(&project, "raw/base");
    assert_eq!(base["status"], "missing");
    assert_eq!((&base["group"], &base["owners"][0]), (&"raw".into(), &"team:data".into()));
    assert_eq!(asset(&project, "made/twice")["upstream"][0], "raw/base");

    // The job needs a value of an asset that it does not make itself.
    let ended = project.run(["run", "made"]).expect(3);
    assert!(ended.stderr.contains("`raw/base` has never been materialized"), "{ended:#?}");

    let (exit, run) = project.json(["asset", "materialize", "raw/base"]);
    assert_eq!(exit, 0, "{run:#}");
    let (exit, run) = project.json(["run", "made", "--export", "out"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(project.read("out/twice.json").trim(), "8");
    assert!(assets(&project).iter().all(|asset| asset["status"] == "fresh"), "{:#?}", assets(&project));

    let (_, shown) = project.json(["asset", "show", "made/twice"]);
    assert_eq!(shown["history"].as_array().map(Vec::len), Some(1), "{shown:#}");
    assert_eq!(shown["history"][0]["inputs"][0]["key"], "raw/base");
    assert_eq!(shown["history"][0]["inputs"][0]["data_version"], base_version(&project));
    let (_, shown) = project.json(["asset", "show", "raw/base"]);
    assert_eq!(shown["downstream"][0], "made/twice");
}

fn base_version(project: &Project) -> Value {
    asset(project, "raw/base")["latest"]["data_version"].clone()
}

#[test]
fn what_is_stale_says_why_and_equal_bytes_keep_what_is_downstream_fresh() {
    let project = project(CHAIN);
    let (exit, run) = project.json(["asset", "materialize", "*"]);
    assert_eq!(exit, 0, "{run:#}");

    project.write("cofferdam.toml", format!("{LIBRARIES}{CHAIN}").replace("rounds = 1", "rounds = 2"));
    let base = asset(&project, "raw/base");
    assert_eq!((&base["status"], &base["causes"][0]["category"]), (&"stale".into(), &"code".into()));
    assert_eq!(status(&project, "made/twice"), "fresh", "nothing that it was made from has changed yet");

    let (exit, run) = project.json(["asset", "materialize", "*", "--stale-only"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(run["steps"].as_array().map(Vec::len), Some(1), "{run:#}");
    assert_eq!(status(&project, "made/twice"), "fresh", "the new code gave equal bytes");

    project.write("cofferdam.toml", format!("{LIBRARIES}{CHAIN}").replace("value = 4", "value = 5"));
    project.run(["asset", "materialize", "raw/base"]).expect(0);
    let (_, twice) = project.json(["asset", "show", "made/twice"]);
    assert_eq!(twice["status"], "stale", "{twice:#}");
    assert_eq!(twice["causes"][0]["text"], "`raw/base` has a new data version");
    assert_eq!(twice["root_causes"][0]["asset"], "raw/base");
    let text = project.run(["asset", "show", "made/twice"]).expect(0);
    assert!(text.stdout.contains("why it is stale"), "{text:#?}");

    project.run(["asset", "materialize", "*", "--stale-only"]).expect(0);
    let ended = project.run(["asset", "materialize", "*", "--stale-only"]).expect(0);
    assert!(ended.stderr.contains("up to date"), "{ended:#?}");
    assert_eq!(ended.stdout, "", "nothing ran");
}

#[test]
fn a17_a_blocking_check_that_fails_stops_what_is_downstream_and_nothing_else() {
    let check = r#"
[asset_checks.rows]
asset = "raw/base"
op = "resources.has_rows"
inputs.rows = { value = [] }
blocking = true
"#;
    let blocked = project(&format!("{CHAIN}{check}"));
    let (exit, run) = blocked.json(["asset", "materialize", "*"]);
    assert_eq!(exit, 10, "{run:#}");
    assert_eq!(step(&run, "base")["status"], "succeeded");
    assert_eq!(step(&run, "twice")["status"], "abandoned");
    assert_eq!(step(&run, "apart")["status"], "succeeded");
    let (_, shown) = blocked.json(["asset", "show", "raw/base"]);
    let evaluation = &shown["checks"][0];
    assert_eq!((&evaluation["check"], &evaluation["passed"]), (&"rows".into(), &false.into()), "{shown:#}");
    assert_eq!(evaluation["severity"], "error");
    let text = blocked.run(["asset", "show", "raw/base"]).expect(0);
    assert!(text.stdout.contains("failed  rows"), "{text:#?}");

    // Few rows are a warning: the check does not pass, and stops nothing.
    let warned = project(&format!("{CHAIN}{check}").replace("value = []", "value = [1]"));
    let (exit, run) = warned.json(["asset", "materialize", "*"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(step(&run, "twice")["status"], "succeeded");
    let (_, shown) = warned.json(["asset", "show", "raw/base"]);
    assert_eq!(
        (&shown["checks"][0]["passed"], &shown["checks"][0]["severity"]),
        (&false.into(), &"warn".into())
    );

    // Without `blocking` even an error stops nothing.
    let open = project(&format!("{CHAIN}{check}").replace("blocking = true", ""));
    let (exit, run) = open.json(["asset", "materialize", "*"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(step(&run, "twice")["status"], "succeeded");
}

#[test]
fn a_backfill_makes_all_partitions_and_then_what_reads_them() {
    let project = project(PARTITIONED);
    let selection = ["daily", "total"];
    let (exit, plan) = project.json(["asset", "backfill"].iter().chain(&selection).chain(&[
        "--partitions",
        "all",
        "--dry-run",
    ]));
    assert_eq!(exit, 0, "{plan:#}");
    let rounds: Vec<u64> =
        plan["runs"].as_array().expect("runs").iter().filter_map(|run| run["round"].as_u64()).collect();
    assert_eq!(rounds, [0, 0, 0, 1]);
    assert_eq!(status(&project, "daily"), "missing", "a dry run makes nothing");

    let (exit, ended) =
        project.json(["asset", "backfill"].iter().chain(&selection).chain(&["--partitions", "all"]));
    assert_eq!(exit, 0, "{ended:#}");
    assert_eq!(ended["status"], "succeeded");
    let (_, total) = project.json(["value", "show", run_of(&ended, 3), "total"]);
    assert_eq!(total["value"], 18);
    assert_eq!((status(&project, "daily"), status(&project, "total")), ("fresh".into(), "fresh".into()));

    let ended =
        project.run(["asset", "backfill", "daily", "total", "--partitions", "all", "--stale-only"]).expect(0);
    assert!(ended.stderr.contains("up to date"), "{ended:#?}");
}

#[test]
fn a_run_of_many_partitions_makes_each_of_them_for_those_that_read_one() {
    let readers = r#"
[assets.next]
op = "typed.double"
inputs.number = { asset = "daily" }
partitions = "days"

[assets.each]
op = "typed.sum"
inputs.numbers = { asset = "daily" }
partitions = "days"
"#;
    let project = project(&format!("{PARTITIONED}{readers}"));
    let backfill = ["asset", "backfill", "daily", "--partitions", "all", "--max-per-run", "3"];
    let (exit, ended) = project.json(backfill);
    assert_eq!(exit, 0, "{ended:#}");
    assert_eq!(ended["runs"].as_array().map(Vec::len), Some(1), "{ended:#}");
    assert_eq!(
        statuses(&project, "daily"),
        [("mon", "fresh"), ("tue", "fresh"), ("wed", "fresh")].map(texts)
    );

    let (exit, run) = project.json(["asset", "materialize", "next", "--partition", "tue"]);
    assert_eq!(exit, 0, "{run:#}");
    let (_, shown) = project.json(["asset", "show", "next", "--partition", "tue"]);
    assert_eq!(shown["history"][0]["inputs"][0]["partition"], "tue", "{shown:#}");
    let (_, shown) = project.json(["asset", "show", "daily"]);
    let history = shown["history"].as_array().expect("a list");
    let of = |field: &str| history.iter().map(|made| made[field].clone()).collect::<Vec<Value>>();
    assert_eq!(of("partition"), ["wed", "tue", "mon"]);
    assert!(of("run").iter().all(|run| *run == ended["runs"][0]["run"]), "{shown:#}");
    assert_eq!(of("data_version")[0], of("data_version")[2]);
    let wanted = [("mon", "missing"), ("tue", "fresh"), ("wed", "missing")].map(texts);
    assert_eq!(statuses(&project, "next"), wanted);

    // A range reads a range, each partition its own.
    project.run(["asset", "backfill", "each", "--partitions", "all", "--single"]).expect(0);
    let (_, shown) = project.json(["asset", "show", "each", "--partition", "wed"]);
    let inputs = shown["history"][0]["inputs"].as_array().expect("a list");
    assert_eq!((inputs.len(), &inputs[0]["partition"]), (1, &"wed".into()), "{shown:#}");
    let (exit, run) = project.json(["asset", "materialize", "daily", "next", "--partition", "mon...wed"]);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(status(&project, "next"), "fresh", "versions within one run are known partition by partition");
}

fn texts((key, status): (&str, &str)) -> (String, String) {
    (key.to_owned(), status.to_owned())
}

/// Partitions with their status, as `asset partitions` has them.
fn statuses(project: &Project, asset: &str) -> Vec<(String, String)> {
    let (_, listed) = project.json(["asset", "partitions", asset]);
    let all = listed["partitions"].as_array().expect("partitions").iter();
    all.filter_map(|one| Some(texts((one["partition"].as_str()?, one["status"].as_str()?)))).collect()
}

fn run_of(backfill: &Value, at: usize) -> &str {
    backfill["runs"][at]["run"].as_str().expect("an id")
}

#[test]
fn what_needs_a_failed_partition_is_not_run() {
    let project = project(PARTITIONED);
    let (exit, ended) =
        project.json(["asset", "backfill", "bad", "after_bad", "daily", "--partitions", "mon...tue"]);
    assert_eq!(exit, 10, "{ended:#}");
    assert_eq!(ended["status"], "failed");
    let of = |key: &str| -> Vec<&str> {
        let runs = ended["runs"].as_array().expect("runs").iter();
        let runs = runs.filter(|run| run["assets"].as_array().is_some_and(|all| all.contains(&key.into())));
        runs.filter_map(|run| run["status"].as_str()).collect()
    };
    assert_eq!(of("after_bad"), ["not run"], "{ended:#}");
    assert!(of("bad").iter().all(|status| *status == "failed"), "{ended:#}");
    let text = project.run(["asset", "backfill", "bad", "--partitions", "wed"]).expect(10);
    assert!(text.stdout.starts_with("failed: 1 run, 0 succeeded, 1 failed, 0 not run"), "{text:#?}");
}

#[test]
fn dynamic_partitions_are_added_and_removed() {
    let project = project(PARTITIONED);
    let text = project.run(["asset", "partitions", "add", "customers", "acme", "initech", "acme"]).expect(0);
    assert!(text.stdout.contains("`customers` has 2 now"), "{text:#?}");
    let (exit, run) = project.json(["asset", "materialize", "invoices", "--partition", "acme"]);
    assert_eq!(exit, 0, "{run:#}");
    let (_, listed) = project.json(["asset", "partitions", "invoices"]);
    let statuses: Vec<(&str, &str)> = listed["partitions"]
        .as_array()
        .expect("partitions")
        .iter()
        .filter_map(|one| Some((one["partition"].as_str()?, one["status"].as_str()?)))
        .collect();
    assert_eq!(statuses, [("acme", "fresh"), ("initech", "missing")]);
    project.run(["asset", "partitions", "remove", "customers", "initech"]).expect(0);
    let text = project.run(["asset", "partitions", "invoices"]).expect(0);
    assert_eq!(text.stdout, "fresh   acme\n");
}

/// What a person reads when a command refuses.
fn refused(project: &Project, args: &[&str], exit: i32) -> String {
    let Ended { stdout, stderr, .. } = project.run(args).expect(exit);
    assert_eq!(stdout, "", "what is wrong is not an answer");
    format!("$ cofferdam {}\n{stderr}", args.join(" "))
}

#[test]
fn asset_commands_refuse_bad_input_with_a_way_out() {
    let project = project(PARTITIONED);
    let cases: [(&[&str], i32); 9] = [
        (&["asset", "show", "dayly"], 2),
        (&["asset", "show", "a//b"], 2),
        (&["asset", "show", "daily", "--partition", "mno"], 2),
        (&["asset", "list", "group:nothing"], 3),
        (&["asset", "backfill", "daily", "--partitions", "wed...mon"], 3),
        (&["asset", "backfill", "daily", "--partitions", "sun"], 3),
        (&["asset", "partitions", "total"], 2),
        (&["asset", "partitions", "add", "days", "sun"], 2),
        (&["asset", "partitions", "add", "customer", "acme"], 2),
    ];
    let messages: Vec<String> = cases.iter().map(|(args, exit)| refused(&project, args, *exit)).collect();
    insta::assert_snapshot!(messages.join("\n"));
    let empty = Project::new("");
    insta::assert_snapshot!("no_assets", refused(&empty, &["asset", "list"], 3));
}

#[test]
fn a_job_over_time_windows_is_checked_scaffolded_and_run_for_one_of_them() {
    let project = project(
        r#"
[partitions.months]
kind = "monthly"
start = "2020-01-01"

[assets.base]
op = "typed.work"
partitions = "months"
inputs.number = { file = "data/number.cbor" }

[assets.twice]
op = "typed.double"
partitions = "months"
inputs.number = { asset = "base" }

[asset_jobs.monthly]
select = "*"
"#,
    );
    // CBOR: 4.
    project.write("data/number.cbor", [0x04]);
    assert!(!project.path().join(".cofferdam").exists(), "nothing was ever run here");
    let (exit, checked) = project.json(["check"]);
    assert_eq!(exit, 0, "{checked:#}");
    let written = project.run(["scaffold", "monthly"]).expect(0);
    assert!(written.stdout.contains("rounds: "), "{written:#?}");
    project.write("run.yaml", &written.stdout);
    let (exit, schema) = project.json(["config", "schema", "monthly"]);
    assert_eq!(exit, 0, "{schema:#}");
    let run = ["run", "monthly", "--partition", "2020-02-01", "--config", "run.yaml", "--export", "out"];
    let (exit, run) = project.json(run);
    assert_eq!(exit, 0, "{run:#}");
    assert_eq!(project.read("out/twice.json").trim(), "8");
}
