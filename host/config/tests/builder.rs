//! Definitions made by a program are those that a file says.

use std::time::Duration;

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::builder::{
    AssetBuilder, AssetCheckBuilder, AssetJobBuilder, DefinitionsBuilder, EnvironmentBuilder, GraphBuilder,
    InvalidDefinitions, JobBuilder, ScheduleBuilder, SensorBuilder, StepBuilder, Windows,
};
use cofferdam_model::{
    Backoff, CatchUp, DataVersionRule, Definitions, HookOn, IoManagerKind, Jitter, Language, Limits,
    PartitionMappingDef, Reexecution, ResourceKind, RetryPolicy, RunRetryDef, Wait,
};
use serde_json::{Value, json};

const FILE: &str = include_str!("large.toml");

/// What the definitions say, places forgotten.
fn said(definitions: &Definitions) -> String {
    let mut text = format!("{definitions:?}");
    while let Some(start) = text.find("Some(Span {") {
        let end = start + text[start..].find("})").expect("a place ends") + 2;
        text.replace_range(start..end, "None");
    }
    text
}

fn retries(max_retries: u32) -> RetryPolicy {
    RetryPolicy { max_retries, ..RetryPolicy::NEVER }
}

fn tidy() -> GraphBuilder {
    GraphBuilder::new("tidy")
        .description("Two passes")
        .input("text")
        .output("result", "second.table")
        .config_template(
            json!({ "type": "object", "properties": { "word": { "type": "string" } }, "required": ["word"] }),
            json!({ "first": { "config": { "word": "$.word" } } }),
        )
        .step("first", "flights.first", |s| s.outer("text", "text"))
        .step("second", "flights.second", |s| s.input("text", "first"))
}

fn clean(step: StepBuilder) -> StepBuilder {
    step.description("Throws out what cannot be")
        .map("month", "split.months")
        .after("prepare")
        .config(json!({ "strict": true, "width": 80, "part": 0.5, "none": [] }))
        .retry(RetryPolicy {
            max_retries: 3,
            delay: 0.5,
            backoff: Backoff::Exponential,
            jitter: Jitter::Full,
        })
        .limits(Limits {
            memory_bytes_max: 256 << 20,
            timeout: Some(Duration::from_secs(300)),
            fuel: Some(1_000_000_000),
            output_bytes_max: 1 << 30,
            log_bytes_max: 8 << 20,
            ..Limits::default()
        })
        .priority(3)
        .tag("tier", "gold")
        .needs("GPU", 1.0)
        .needs("licence", 0.5)
        .bind("db", "warehouse")
        .hook(HookOn::Success, "alerts.notify", None)
        .memoize(true)
        .hedge(true)
        .wait(Wait::Approval { timeout: Some(Duration::from_secs(3 * 86_400)) })
        .io_manager("lake")
        .output_manager("table", "tables")
        .metadata("table", "owner", "ada")
        .input_manager("month", "tables")
}

fn report(step: StepBuilder) -> StepBuilder {
    step.collect("stats", "clean.stats")
        .fan_in("extra", ["prepare", "clean.rows"])
        .file("airlines", "data/airlines.csv")
        .files("months", "data/flights-2013-*.csv.gz")
        .value("title", json!({ "text": "Delays", "size": 3 }))
        .input("table", "tidy")
        .outer("names", "airlines")
        .resource("session", "session")
        .asset("raw", "raw/flights", Some(PartitionMappingDef::All))
        .asset("ref", "ref/airports", None)
}

fn delays() -> JobBuilder {
    JobBuilder::new("delays")
        .description("Delays per airline and month")
        .input("airlines")
        .max_concurrent(4)
        .tag("team", "data")
        .retry(RetryPolicy { max_retries: 2, delay: 1.0, ..RetryPolicy::NEVER })
        .run_retry(RunRetryDef { max_retries: 1, strategy: Reexecution::AllSteps, on_step_failure: false })
        .config(json!({ "ops": { "clean": { "config": { "strict": true } } } }))
        .hook(HookOn::Failure, "alerts.notify", Some(json!({ "channel": "data" })))
        .io_manager("lake")
        .partitions("daily")
        .step("split", "flights.split", |s| s.outer("airlines", "airlines"))
        .step("prepare", "flights.prepare", |s| s)
        .step("clean", "flights.clean", clean)
        .graph("tidy", "tidy", |s| s.input("text", "prepare.text").config(json!({ "word": "x" })))
        .step("report", "flights.report", report)
}

fn daily_delays() -> AssetBuilder {
    AssetBuilder::new("daily_delays", "flights.delays", |s| {
        s.asset(
            "raw",
            "raw/flights",
            Some(PartitionMappingDef::TimeWindow { start_offset: -1, end_offset: -1 }),
        )
        .tag("dagster/priority", "3")
    })
    .key("flights/daily_delays")
    .facts(|f| {
        f.description("Delays of one day")
            .group("flights")
            .owner("team:data")
            .owner("ada@example.org")
            .kind("arrow")
            .tag("tier", "gold")
            .code_version("3")
            .data_version(DataVersionRule::Provenance)
    })
    .io_manager("lake")
    .dep("ref/airlines", None)
    .dep("ref/weather", Some(PartitionMappingDef::Last))
    .partitions("daily")
}

fn week() -> AssetBuilder {
    let text = |text: &str| text.to_owned();
    let by_key = [(text("north"), vec![text("n1"), text("n2")]), (text("south"), vec![text("s")])];
    let grid = [(text("date"), (text("day"), PartitionMappingDef::Identity))];
    AssetBuilder::new("week", "flights.week", |s| {
        s.asset(
            "days",
            "flights/daily_delays",
            Some(PartitionMappingDef::TimeWindow { start_offset: -6, end_offset: 0 }),
        )
        .asset("regions", "ref/regions", Some(PartitionMappingDef::Static(by_key.into())))
        .asset("two", "ref/two", Some(PartitionMappingDef::Specific(vec![text("a"), text("b")])))
        .asset("grid", "ref/grid", Some(PartitionMappingDef::Multi(grid.into())))
    })
    .dep("ref/by_date", Some(PartitionMappingDef::Dimension(text("date"))))
    .dep(r"ref/a\/b", Some(PartitionMappingDef::Identity))
}

fn with_assets(definitions: DefinitionsBuilder) -> DefinitionsBuilder {
    definitions
        .windows(
            "daily",
            Windows::daily("2013-01-01")
                .end("2014-01-01")
                .timezone("America/New_York")
                .end_offset(-1)
                .hour(5)
                .minute(30),
        )
        .windows("hourly", Windows::hourly("2013-01-01T05:00"))
        .windows("weekly", Windows::weekly("2013-01-01").day(3))
        .windows("monthly", Windows::monthly("2013-01-01").day(2))
        .windows("six_hours", Windows::cron("0 */6 * * *", "2013-01-01"))
        .keys("regions", ["north", "south"])
        .dynamic_keys("customers")
        .dimensions("grid", [("date", "daily"), ("region", "regions")])
        .asset(
            AssetBuilder::external("raw_flights")
                .key("raw/flights")
                .partitions("daily")
                .facts(|f| f.kind("csv")),
        )
        .asset(daily_delays())
        .asset(week())
        .asset(
            AssetBuilder::of_graph("splits", "split_all", |s| {
                s.output_manager("late", "lake").metadata("late", "unit", "min")
            })
            .facts(|f| f.group("flights").tag("a", "1"))
            .output("late", "flights/late", |o| o.group("late").tag("b", "2").description("Late ones"))
            .output("early", "flights/early", |o| o)
            .can_subset(),
        )
        .asset_check(
            AssetCheckBuilder::new("not_empty", "flights/daily_delays", "flights.check_rows", |s| {
                s.config(json!({ "at_least": 1 })).description("There are rows")
            })
            .blocking(),
        )
        .asset_job(
            AssetJobBuilder::new("refresh", "group:flights")
                .description("All of the flights")
                .tag("team", "data")
                .retry(retries(1))
                .max_concurrent(8)
                .config(json!({ "ops": { "daily_delays": { "config": { "strict": true } } } }))
                .hook(HookOn::Failure, "alerts.notify", None),
        )
}

fn with_automation(definitions: DefinitionsBuilder) -> DefinitionsBuilder {
    definitions
        .schedule(
            ScheduleBuilder::new("nightly", "delays", "30 2 * * *")
                .cron("@weekly")
                .timezone("America/New_York")
                .config(json!({ "ops": { "clean": { "config": { "strict": true } } } }))
                .tag("team", "data")
                .running()
                .catch_up(CatchUp::All)
                .max_tick_retries(2)
                .description("Delays of the day before"),
        )
        .schedule(
            ScheduleBuilder::of_assets("north", "group:flights", "@hourly")
                .partition("north")
                .catch_up(CatchUp::Newest(3)),
        )
        .sensor(
            SensorBuilder::new("new_files", "flights.new_files", ["delays", "refresh"])
                .minimum_interval(Duration::from_secs(60))
                .timeout(Duration::from_secs(20))
                .config(json!({ "prefix": "incoming/" }))
                .tag("team", "data")
                .running()
                .description("A run for each new file"),
        )
}

fn built() -> Result<Definitions, InvalidDefinitions> {
    let prod = EnvironmentBuilder::new()
        .config(json!({ "execution": { "config": { "max_concurrent": 16 } } }))
        .resource("warehouse", ResourceKind::Sql, json!({ "url": { "env": "PROD_WAREHOUSE_URL" } }))
        .io_manager("lake", IoManagerKind::S3, json!({ "bucket": "lake" }));
    let definitions = DefinitionsBuilder::new()
        .library_source("flights", Language::Rust, "ops")
        .library_wasm("alerts", "lib/alerts.wasm")
        .graph(tidy())
        .graph(GraphBuilder::new("chosen").config_op(json!({ "type": "object" }), "flights.choose").graph(
            "inner",
            "tidy",
            |s| s.value("text", json!("some words")),
        ))
        .job(delays())
        .job(
            JobBuilder::new("mapped")
                .config_template(json!({ "type": "object" }), json!({ "a": { "config": "$" } }))
                .step("a", "flights.a", |s| s),
        )
        .resource("warehouse", ResourceKind::Sql, json!({ "url": { "env": "WAREHOUSE_URL" } }))
        .resource_of_ops("session", "db.open", Some("db.close"), Some(json!({ "pool": 4 })))
        .io_manager("lake", IoManagerKind::Filesystem, json!({ "base_dir": "lake" }))
        .io_manager_of_ops("tables", "tables.put", "tables.get", Some(json!({ "schema": "public" })))
        .environment("prod", prod);
    with_automation(with_assets(definitions)).build()
}

#[test]
fn a_program_and_a_file_give_equal_definitions() {
    let mut texts = Texts::default();
    let (read, found) = read_definitions(&mut texts, "large.toml", FILE);
    assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
    let built = built().unwrap();
    let (built, read) = (said(&built), said(&read));
    // Piece by piece: a difference of the whole is hard to read.
    let mut last = String::new();
    for (built, read) in built.split("}, ").zip(read.split("}, ")) {
        assert_eq!(built, read, "after {last}");
        built.clone_into(&mut last);
    }
    assert_eq!(built, read);
}

#[test]
fn a_job_can_be_built_by_itself() {
    let (name, job) = JobBuilder::new("by-month")
        .step("clean", "flights.clean", |s| s.map("month", "split.months").config(json!({ "strict": true })))
        .build()
        .unwrap();
    assert_eq!((name.as_str(), job.steps.len()), ("by_month", 1));
}

#[test]
fn a_program_is_told_everything_that_is_wrong_at_once() {
    let job = JobBuilder::new("1st")
        .input("a b")
        .max_concurrent(0)
        .config(json!(3))
        .step("a", "flights", |s| s.input("x", "a.b.c").input("x", "b").needs("GPU", 0.0).fan_in("y", []))
        .step("a", "t.x", |s| s.asset("x", "a//b", None).config(json!({ "n": u64::MAX })).bind("d b", "w h"));
    let error = DefinitionsBuilder::new()
        .job(job)
        .graph(GraphBuilder::new("tidy-up").output("r", ""))
        .graph(GraphBuilder::new("Tidy_up"))
        .resource("db", ResourceKind::Op, json!({}))
        .io_manager("lake", IoManagerKind::S3, Value::Null)
        .resource_of_ops("session", "open", None, None)
        .asset(AssetBuilder::new("a", "t.x", |s| s).key("k").output("o", "k/o", |o| o.group("my group")))
        .asset(AssetBuilder::external("b").key("c"))
        .asset(AssetBuilder::external("c"))
        .asset_job(AssetJobBuilder::new("refresh", "*"))
        .job(JobBuilder::new("Refresh"))
        .environment("prod", EnvironmentBuilder::new().config(json!([])))
        .schedule(
            ScheduleBuilder::new("nightly", "a b", "@daily")
                .cron("@daily")
                .config(json!(1))
                .catch_up(CatchUp::Newest(0))
                .max_tick_retries(101),
        )
        .sensor(
            SensorBuilder::new("new_files", "watch", ["j", "J"])
                .minimum_interval(Duration::from_millis(999))
                .timeout(Duration::ZERO),
        )
        .sensor(SensorBuilder::new("new-files", "t.watch", []))
        .build()
        .unwrap_err();
    insta::assert_snapshot!(error);
}
