//! One plan, whether a file or a program made the definitions.

use cofferdam_config::{Texts, read_definitions, read_run_config, render};
use cofferdam_model::builder::{
    AssetBuilder, AssetCheckBuilder, AssetJobBuilder, DefinitionsBuilder, EnvironmentBuilder, GraphBuilder,
    JobBuilder, StepBuilder, Windows,
};
use cofferdam_model::{
    Definitions, HookOn, IoManagerKind, Limits, ResourceKind, RetryPolicy, RunConfig, Timestamp, ValueDigest,
};
use cofferdam_plan::{Present, Request, World, check, compile};
use serde_json::json;

use crate::common::{WIDTH, name, text_ops};

/// 2026-01-04T00:00:00Z
const NOW: Timestamp = Timestamp(1_767_484_800_000);

const FILE: &str = r#"
[libraries.t]
wasm = "t.wasm"

[graphs.twice]
inputs = ["text"]
outputs.result = "second"
steps.first = { op = "t.pass", inputs.value = { input = "text" } }
steps.second = { op = "t.pass", inputs.value = "first" }

[graphs.told]
steps.tell = { op = "t.notify" }
[graphs.told.config_mapping]
schema = { properties = { whom = { type = "string" } }, required = ["whom"], type = "object" }
ops = { tell = { config = { channel = "$.whom" } } }

[jobs.j]
description = "Says it twice"
max_concurrent = 4
tags = { team = "data" }
retry = { max_retries = 2, delay = "1s" }
hooks = [{ on = "failure", op = "t.notify", config = { channel = "data" } }]

[jobs.j.steps.emit]
op = "t.emit"
priority = 3
tags = { tier = "gold" }
resources = { GPU = 1 }
limits = { memory = "256MiB", fuel = 1000 }
outputs.result = { io_manager = "lake", metadata = { owner = "ada" } }
[jobs.j.steps.each]
graph = "twice"
inputs.text = { map = "emit.items" }
[jobs.j.steps.all]
op = "t.gather"
inputs.all = { collect = "each" }
inputs.value = { value = "x" }
memoize = true
[jobs.j.steps.some]
op = "t.gather"
inputs.all = ["all", "emit.result"]
io_manager = "shelf"
[jobs.j.steps.ask]
op = "t.query"
after = ["some"]
bind = { db = "warehouse" }
[jobs.j.steps.use]
op = "t.pass"
inputs.value = { resource = "session" }
[jobs.j.steps.told]
graph = "told"

[resources.warehouse]
kind = "sql"
url = { env = "URL" }
[resources.session]
kind = "op"
set_up = "t.open"
tear_down = "t.close"
config = { url = "here" }
[io_managers.lake]
kind = "filesystem"
base_dir = "lake"
[io_managers.shelf]
kind = "op"
store = "t.put"
load = "t.get"

[environments.prod]
config = { execution = { config = { max_concurrent = 16 } } }
[environments.prod.resources.warehouse]
kind = "sql"
url = { env = "PROD_URL" }

[partitions.daily]
kind = "daily"
start = 2026-01-01

[assets.raw]
op = "t.make"
key = "raw/text"
partitions = "daily"
group = "texts"
[assets.clean]
op = "t.pass"
inputs.value = { asset = "raw/text" }
partitions = "daily"
group = "texts"
code_version = "3"
[asset_checks.not_empty]
asset = "raw/text"
op = "t.pass"
blocking = true
[asset_jobs.refresh]
select = "group:texts"
tags = { team = "data" }
"#;

fn emit(step: StepBuilder) -> StepBuilder {
    let limits = Limits { memory_bytes_max: 256 << 20, fuel: Some(1000), ..Limits::default() };
    step.priority(3)
        .tag("tier", "gold")
        .needs("GPU", 1.0)
        .limits(limits)
        .output_manager("result", "lake")
        .metadata("result", "owner", "ada")
}

fn job() -> JobBuilder {
    JobBuilder::new("j")
        .description("Says it twice")
        .max_concurrent(4)
        .tag("team", "data")
        .retry(RetryPolicy { max_retries: 2, delay: 1.0, ..RetryPolicy::NEVER })
        .hook(HookOn::Failure, "t.notify", Some(json!({ "channel": "data" })))
        .step("emit", "t.emit", emit)
        .graph("each", "twice", |s| s.map("text", "emit.items"))
        .step("all", "t.gather", |s| s.collect("all", "each").value("value", json!("x")).memoize(true))
        .step("some", "t.gather", |s| s.fan_in("all", ["all", "emit.result"]).io_manager("shelf"))
        .step("ask", "t.query", |s| s.after("some").bind("db", "warehouse"))
        .step("use", "t.pass", |s| s.resource("value", "session"))
        .graph("told", "told", |s| s)
}

fn built() -> Definitions {
    let prod = EnvironmentBuilder::new()
        .config(json!({ "execution": { "config": { "max_concurrent": 16 } } }))
        .resource("warehouse", ResourceKind::Sql, json!({ "url": { "env": "PROD_URL" } }));
    let whom =
        json!({ "properties": { "whom": { "type": "string" } }, "required": ["whom"], "type": "object" });
    let built = DefinitionsBuilder::new()
        .library_wasm("t", "t.wasm")
        .graph(
            GraphBuilder::new("twice")
                .input("text")
                .output("result", "second")
                .step("first", "t.pass", |s| s.outer("value", "text"))
                .step("second", "t.pass", |s| s.input("value", "first")),
        )
        .graph(
            GraphBuilder::new("told")
                .step("tell", "t.notify", |s| s)
                .config_template(whom, json!({ "tell": { "config": { "channel": "$.whom" } } })),
        )
        .job(job())
        .resource("warehouse", ResourceKind::Sql, json!({ "url": { "env": "URL" } }))
        .resource_of_ops("session", "t.open", Some("t.close"), Some(json!({ "url": "here" })))
        .io_manager("lake", IoManagerKind::Filesystem, json!({ "base_dir": "lake" }))
        .io_manager_of_ops("shelf", "t.put", "t.get", None)
        .environment("prod", prod)
        .windows("daily", Windows::daily("2026-01-01"))
        .asset(
            AssetBuilder::new("raw", "t.make", |s| s)
                .key("raw/text")
                .facts(|f| f.group("texts"))
                .partitions("daily"),
        )
        .asset(
            AssetBuilder::new("clean", "t.pass", |s| s.asset("value", "raw/text", None))
                .facts(|f| f.group("texts").code_version("3"))
                .partitions("daily"),
        )
        .asset_check(AssetCheckBuilder::new("not_empty", "raw/text", "t.pass", |s| s).blocking())
        .asset_job(AssetJobBuilder::new("refresh", "group:texts").tag("team", "data"));
    built.build().unwrap_or_else(|found| panic!("{found}"))
}

/// How many steps the plan has, and its digest.
fn digest(definitions: &Definitions, request: Request<'_>) -> (usize, ValueDigest) {
    let world = World { present: Present { now: NOW, ..Present::default() }, ..World::default() };
    let (plan, _) =
        compile(definitions, &text_ops(), request, &world).unwrap_or_else(|found| panic!("{found:#?}"));
    (plan.steps.len(), plan.digest())
}

#[test]
fn a18_a_file_and_a_program_are_checked_and_planned_alike_without_server_or_network() {
    let mut texts = Texts::default();
    let (read, found) = read_definitions(&mut texts, "cofferdam.toml", FILE);
    assert!(found.is_empty(), "{}", render(&texts, &found, false, WIDTH));
    let built = built();
    let present = Present { now: NOW, ..Present::default() };
    for definitions in [&read, &built] {
        // What is checked and planned here is all that `cofferdam check` and `cofferdam plan` have to go by.
        let found = check(definitions, &text_ops(), &present);
        assert_eq!(
            found.iter().map(|one| one.code).collect::<Vec<_>>(),
            ["plan::missing-config"],
            "{found:#?}"
        );
    }
    let yaml = "ops: {told: {config: {whom: ada}}, all: {inputs: {value: {value: y}}}}";
    let (given, found) = read_run_config(&mut texts, "run.yaml", yaml);
    assert_eq!(found, []);
    let (j, refresh, prod, nothing) = (name("j"), name("refresh"), name("prod"), RunConfig::default());
    let requests = [
        Request::job(&j, &given),
        Request { environment: Some(&prod), ..Request::job(&j, &given) },
        Request { selection: &["*some".to_owned()], ..Request::job(&j, &nothing) },
        Request { partition: Some("2026-01-02"), ..Request::job(&refresh, &nothing) },
    ];
    let mut digests = vec![];
    for request in requests {
        let (n_steps, digest_of_file) = digest(&read, request);
        assert_eq!((n_steps, digest_of_file), digest(&built, request), "{request:?}");
        digests.push((n_steps, digest_of_file));
    }
    let n_steps: Vec<usize> = digests.iter().map(|(n_steps, _)| *n_steps).collect();
    assert_eq!(n_steps, [19, 19, 11, 3]);
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 4, "other requests give other plans");
}
