//! Assets as the pages of `cofferdam dev` have them.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::until;
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

const ASSETS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[partitions.days]
kind = "static"
keys = ["mon", "tue", "wed"]

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

[assets.daily]
op = "typed.double"
inputs.number = { value = 3 }
partitions = "days"
"#;

const NODES: &str = "{ assetNodes { __typename ... on Error { message } ... on AssetNodes { nodes { \
    assetKey { path } location groupName owners kinds isPartitioned staleStatus staleCauses { category reason } \
    partitionStats { numPartitions numFresh numStale numMissing } dependencyKeys { path } dependedByKeys { path } \
    latestMaterialization { runId partition dataVersion } assetMaterializations { runId stepKey cursor } } } } }";

const PARTITIONS: &str = "query($key: [String!]!) { assetPartitions(assetKey: { path: $key }) { __typename \
    ... on Error { message } ... on AssetPartitions { results { partition staleStatus staleCauses { category } \
    staleRoots { assetKey { path } category } } } } }";

fn node(pages: &Pages, key: &[&str]) -> Value {
    let answer = pages.ask(NODES, json!({}));
    let nodes = answer["assetNodes"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer:#}")).clone();
    let is_it = |node: &&Value| node["assetKey"]["path"] == json!(key);
    nodes.iter().find(is_it).unwrap_or_else(|| panic!("no {key:?} in {answer:#}")).clone()
}

fn partitions(pages: &Pages, key: &[&str]) -> Vec<Value> {
    let answer = pages.ask(PARTITIONS, json!({ "key": key }));
    let found = &answer["assetPartitions"]["results"];
    found.as_array().unwrap_or_else(|| panic!("{answer:#}")).clone()
}

/// Makes what is selected; the id of the run, which succeeds.
fn make(pages: &Pages, selection: &[&str], partition: Option<&str>) -> String {
    let launch = "mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename \
        ... on Error { message } ... on LaunchRunSuccess { run { runId } } } }";
    let request = json!({ "assetSelection": selection, "partition": partition });
    let answer = pages.ask(launch, json!({ "request": request }));
    let id = answer["launchRun"]["run"]["runId"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned();
    let status = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }";
    until("the run succeeds", || pages.ask(status, json!({ "id": id }))["runOrError"]["status"] == "SUCCESS");
    id
}

#[test]
fn assets_are_told_with_why_they_are_stale_and_are_made_on_demand() {
    let project = Project::with(ASSETS, &["typed"]);
    let pages = Pages::loaded(&project);
    let base = node(&pages, &["raw", "base"]);
    assert_eq!((&base["groupName"], &base["staleStatus"]), (&json!("raw"), &json!("MISSING")));
    assert_eq!((&base["owners"], &base["kinds"]), (&json!(["team:data"]), &json!(["number"])));
    assert_eq!(base["dependedByKeys"], json!([{ "path": ["made", "twice"] }]));

    let first = make(&pages, &["key:\"raw/base\"", "key:\"made/twice\""], None);
    let twice = node(&pages, &["made", "twice"]);
    assert_eq!(twice["staleStatus"], "FRESH", "{twice:#}");
    assert_eq!(twice["dependencyKeys"], json!([{ "path": ["raw", "base"] }]));
    assert_eq!(twice["latestMaterialization"]["runId"], json!(first));

    // Made again, in another way and of another number: what is made from it is stale, and says since what.
    project.write(
        "cofferdam.toml",
        ASSETS.replace("rounds = 1", "rounds = 2").replace("value = 4", "value = 5"),
    );
    let base = node(&pages, &["raw", "base"]);
    assert_eq!(
        (&base["staleStatus"], &base["staleCauses"][0]["category"]),
        (&json!("STALE"), &json!("CODE"))
    );
    let second = make(&pages, &["key:\"raw/base\""], None);
    let twice = node(&pages, &["made", "twice"]);
    assert_eq!(twice["staleStatus"], "STALE", "{twice:#}");
    assert_eq!(twice["staleCauses"][0]["category"], "DATA");
    let judged = partitions(&pages, &["made", "twice"]);
    assert_eq!((judged.len(), &judged[0]["partition"]), (1, &Value::Null));
    assert_eq!(judged[0]["staleRoots"][0]["assetKey"]["path"], json!(["raw", "base"]), "{judged:#?}");
    let history = node(&pages, &["raw", "base"])["assetMaterializations"].clone();
    let runs: Vec<&Value> = history.as_array().expect("a list").iter().map(|made| &made["runId"]).collect();
    assert_eq!(runs, [&json!(second), &json!(first)], "the newest first");
}

#[test]
fn partitions_of_an_asset_are_made_one_by_one_or_in_a_range() {
    let project = Project::with(ASSETS, &["typed"]);
    let pages = Pages::loaded(&project);
    make(&pages, &["daily"], Some("tue"));
    let status = |of: &[Value]| of.iter().map(|one| one["staleStatus"].clone()).collect::<Vec<_>>();
    let judged = partitions(&pages, &["daily"]);
    assert_eq!(judged.iter().map(|one| one["partition"].clone()).collect::<Vec<_>>(), ["mon", "tue", "wed"]);
    assert_eq!(status(&judged), ["MISSING", "FRESH", "MISSING"]);
    let daily = node(&pages, &["daily"]);
    assert_eq!(daily["partitionStats"]["numMissing"], 2, "{daily:#}");
    make(&pages, &["daily"], Some("mon...wed"));
    assert_eq!(status(&partitions(&pages, &["daily"])), ["FRESH", "FRESH", "FRESH"]);
    let nothing = pages.ask(PARTITIONS, json!({ "key": ["nope"] }));
    assert_eq!(nothing["assetPartitions"]["__typename"], "AssetNotFoundError", "{nothing:#}");
}

#[test]
fn a_selection_of_assets_that_means_nothing_is_refused_in_words() {
    let project = Project::with(ASSETS, &["typed"]);
    let pages = Pages::loaded(&project);
    let launch = "mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename \
        ... on Error { message } ... on RunConfigValidationInvalid { diagnostics { message } } } }";
    let answer = pages.ask(launch, json!({ "request": { "assetSelection": ["key:\"nope\""] } }));
    let said = &answer["launchRun"];
    assert_eq!(said["__typename"], "RunConfigValidationInvalid", "{said:#}");
    assert!(said["diagnostics"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{said:#}");
}
