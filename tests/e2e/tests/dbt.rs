//! The dbt example, with the dbt that `cargo xtask setup` installs.

use std::path::{Path, PathBuf};

use cofferdam_e2e::{Ended, Project, guest, workspace};
use cofferdam_kit::tools;
use serde_json::json;

/// The folder of the program dbt.
fn programs() -> PathBuf {
    tools::installed("test-servers", "tests/requirements.txt")
}

/// The example in a folder of the test's own, with its ops built already.
fn example() -> Project {
    let original = workspace().join("examples/dbt");
    let definitions = std::fs::read_to_string(original.join("cofferdam.toml")).expect("the definitions");
    let project = Project::new(&definitions.replace("crate = \"ops\"", "wasm = \"lib/dbt.wasm\""));
    project.write("lib/dbt.wasm", std::fs::read(guest("dbt_ops")).expect("the ops are built"));
    for file in [
        "dbt_project.yml",
        "profiles.yml",
        "seeds/orders.csv",
        "models/models.yml",
        "models/sums_by_country.sql",
    ] {
        let path = Path::new("shop").join(file);
        let content = std::fs::read(original.join(&path)).expect("the example is whole");
        project.write(path.to_str().expect("a path is text"), content);
    }
    project
}

fn run(project: &Project) -> Ended {
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{path}", programs().display());
    let database = project.path().join("shop.duckdb");
    let mut command = project.command(["run", "shop", "--export", "out"]);
    command.env("PATH", path).env("SHOP_DATABASE", database);
    command.output().expect("the program can be started").into()
}

#[test]
fn dbt_builds_and_tests_its_models_as_a_step_and_the_next_step_reads_them() {
    let project = example();
    run(&project).expect(0);
    let sums: serde_json::Value = serde_json::from_str(&project.read("out/sums.json")).expect("JSON");
    let expected = json!([
        { "country": "ch", "amount": 800 },
        { "country": "de", "amount": 750 },
        { "country": "fr", "amount": 120 },
    ]);
    assert_eq!(sums, expected);
    let built: serde_json::Value = serde_json::from_str(&project.read("out/build.json")).expect("JSON");
    let kinds: Vec<&str> =
        built.as_array().expect("a list").iter().filter_map(|node| node["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "test").count(), 3, "{built:#}");
    let (_, logs) = project.json(["logs", "--step", "build"]);
    assert!(logs.to_string().contains("Running with dbt="), "dbt's lines are the step's: {logs:#}");
}

#[test]
fn a_test_of_dbt_that_fails_is_the_failure_of_the_step() {
    let project = example();
    project.write("shop/seeds/orders.csv", "country,amount\nch,500\n,300\n");
    let ended = run(&project).expect(10);
    assert!(ended.stdout.contains("dbt could not build not_null_sums_by_country_country"), "{ended:#?}");
}
