//! Schedules and sensors: what they run is there and takes what they give, and a tick knows its partition.

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::{Definitions, Timestamp};
use cofferdam_plan::{Libraries, Present, TickPartition, check, partition_of_tick, timetable};
use serde_json::{Value, json};

use crate::common::{WIDTH, job, library, name, op, port};

/// What the schedules and sensors below it are checked with.
const PROJECT: &str = r#"
[jobs.plain.steps.a]
op = "t.make"

[jobs.windows]
partitions = "daily"
steps.a = { op = "t.make", config = { size = 1 } }

[partitions.daily]
kind = "daily"
start = "2026-01-01"
timezone = "Europe/Berlin"

[partitions.regions]
kind = "static"
keys = ["north", "south"]

[assets.region]
op = "t.make"
config = { size = 1 }
partitions = "regions"

[asset_jobs.refresh]
select = "region"
"#;

/// `make` needs a config; `watch`, `gather` and `mute` may be sensors or not.
fn ops() -> Libraries {
    let any = |spelling: &str| port(spelling, Value::Bool(true));
    let size = json!({"type": "object", "additionalProperties": false, "required": ["size"],
        "properties": {"size": {"type": "integer"}}});
    let prefix = json!({"type": "object", "additionalProperties": false,
        "properties": {"prefix": {"type": "string", "default": ""}}});
    library(vec![
        op("make", vec![], vec![any("result")], size),
        op("watch", vec![any("tick")], vec![any("result")], prefix),
        op("gather", vec![any("files")], vec![any("result")], Value::Null),
        op("mute", vec![], vec![any("other")], Value::Null),
        op("stream", vec![], vec![any("result*")], Value::Null),
    ])
}

fn read(automation: &str) -> (Texts, Definitions) {
    let mut texts = Texts::default();
    let toml = job(&format!("{PROJECT}{automation}"));
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", &toml);
    assert_eq!(found, [], "{}", render(&texts, &found, false, WIDTH));
    (texts, defs)
}

/// What `check` says of it beyond what it says of the project by itself.
fn told(automation: &str) -> String {
    let (texts, defs) = read(automation);
    let alone = Definitions { schedules: [].into(), sensors: [].into(), ..defs.clone() };
    let present = Present { now: Timestamp(1_780_000_000_000), ..Present::default() };
    let known = check(&alone, &ops(), &present);
    let mut found = check(&defs, &ops(), &present);
    found.retain(|problem| !known.contains(problem));
    render(&texts, &found, false, WIDTH)
}

const SIZE: &str = "config = { ops = { a = { config = { size = 3 } } } }";

#[test]
fn a_schedule_or_sensor_that_fits_is_accepted() {
    assert_eq!(told(&format!("[schedules.s]\njob = \"plain\"\ncron = \"@daily\"\n{SIZE}")), "");
    assert_eq!(told("[schedules.s]\njob = \"windows\"\ncron = [\"@daily\", \"0 12 * * *\"]"), "");
    assert_eq!(told("[schedules.s]\njob = \"refresh\"\ncron = \"@daily\"\npartition = \"north\""), "");
    assert_eq!(told("[schedules.s]\nselect = \"region\"\ncron = \"@daily\"\npartition = \"south\""), "");
    let sensor =
        "[sensors.s]\nop = \"t.watch\"\njobs = [\"plain\", \"refresh\"]\nconfig = { prefix = \"in/\" }";
    assert_eq!(told(sensor), "");
}

#[test]
fn what_is_wrong_with_a_schedule_is_told_with_its_place() {
    let mistakes = [
        "[schedules.s]\njob = \"plane\"\ncron = \"@daily\"",
        "[schedules.s]\njob = \"plain\"\ncron = \"@daily\"",
        "[schedules.s]\njob = \"plain\"\ncron = \"@daily\"\nconfig = { ops = { a = { config = { size = \"x\" } } } }",
        "[schedules.s]\njob = \"windows\"\ncron = [\"0 0 30 2 *\", \"61 * * * *\"]\ntimezone = \"Europe/Berlim\"",
        "[schedules.s]\njob = \"windows\"\ncron = \"@daily\"\npartition = \"2026-01-01\"",
        "[schedules.s]\njob = \"refresh\"\ncron = \"@daily\"",
        "[schedules.s]\njob = \"refresh\"\ncron = \"@daily\"\npartition = \"nord\"",
        "[schedules.s]\nselect = \"regio\"\ncron = \"@daily\"\npartition = \"north\"",
    ];
    insta::assert_snapshot!(mistakes.map(told).join("\n"));
    let plain = format!("[schedules.s]\njob = \"plain\"\ncron = \"@daily\"\npartition = \"x\"\n{SIZE}");
    insta::assert_snapshot!(told(&plain));
}

#[test]
fn what_is_wrong_with_a_sensor_is_told_with_its_place() {
    let mistakes = [
        "op = \"t.watsh\"\njobs = [\"plain\", \"refres\"]",
        "op = \"u.watch\"\njobs = [\"plain\"]",
        "op = \"t.gather\"\njobs = [\"plain\"]",
        "op = \"t.mute\"\njobs = [\"plain\"]",
        "op = \"t.stream\"\njobs = [\"plain\"]",
        "op = \"t.watch\"\njobs = [\"plain\"]\nconfig = { prefix = 1, suffix = 2 }",
    ];
    insta::assert_snapshot!(mistakes.map(|lines| told(&format!("[sensors.s]\n{lines}"))).join("\n"));
}

#[test]
fn i3_a_tick_is_for_the_last_window_that_had_ended() {
    let (_, defs) = read("[schedules.s]\njob = \"windows\"\ncron = \"@daily\"\ntimezone = \"Europe/Berlin\"");
    let schedule = &defs.schedules[&name("s")];
    let partition = |now| {
        let present = Present { now, ..Present::default() };
        partition_of_tick(&defs, schedule, &present).unwrap()
    };
    let ticks: Vec<Timestamp> =
        timetable(schedule).unwrap().from(Timestamp(1_774_600_000_000)).take(3).collect();
    assert_eq!(ticks[0].to_string(), "2026-03-27T23:00:00.000Z");
    let partitions: Vec<_> = ticks.into_iter().map(partition).collect();
    let expected = ["2026-03-27", "2026-03-28", "2026-03-29"].map(|day| TickPartition::Of(day.to_owned()));
    assert_eq!(partitions, expected, "across the change of the clocks");
    assert_eq!(partition(Timestamp(0)), TickPartition::NoneYet);
    let (_, defs) = read("[schedules.s]\njob = \"refresh\"\ncron = \"@daily\"\npartition = \"north\"");
    let named = partition_of_tick(&defs, &defs.schedules[&name("s")], &Present::default());
    assert_eq!(named, Ok(TickPartition::Of("north".to_owned())));
    let (_, defs) = read(&format!("[schedules.s]\njob = \"plain\"\ncron = \"@daily\"\n{SIZE}"));
    let none = partition_of_tick(&defs, &defs.schedules[&name("s")], &Present::default());
    assert_eq!(none, Ok(TickPartition::Unpartitioned));
}
