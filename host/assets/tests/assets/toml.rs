//! From the text of `cofferdam.toml`: what people write, and what they see when it makes no sense.

use std::collections::BTreeMap;

use cofferdam_assets::{AssetGraph, BackfillPolicy, Targets, plan_backfill, scope, targets_of};
use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::Definitions;

use crate::kit::{NOW, key, name};

/// Reads a text that `config` finds nothing wrong with.
fn read(text: &str) -> (Texts, Definitions) {
    let mut texts = Texts::default();
    let (definitions, problems) = read_definitions(&mut texts, "cofferdam.toml", text);
    assert_eq!(problems, [], "{}", render(&texts, &problems, false, 120));
    (texts, definitions)
}

const RIVER: &str = r#"
[partitions.hours]
kind = "hourly"
start = "2026-11-18"
timezone = "Europe/Berlin"

[partitions.days]
kind = "daily"
start = "2026-11-18"
timezone = "Europe/Berlin"

[partitions.gauges]
kind = "dynamic"

[partitions.by_gauge]
kind = "multi"
dimensions = { day = "days", gauge = "gauges" }

[assets.site]
external = true

[assets.level]
op = "river.read"
key = "river/level"
deps = ["site"]
partitions = "hours"

[assets.mean]
op = "river.mean"
key = "river/mean"
group = "daily"
inputs.levels = { asset = "river/level" }
partitions = "days"

[assets.trend]
op = "river.trend"
key = "river/trend"
group = "daily"
inputs.mean = { asset = "river/mean" }
inputs.before = { asset = "river/trend", partitions = { offset = -1 } }
partitions = "days"

[assets.flood]
op = "river.flood"
key = "river/flood"
partitions = "by_gauge"
inputs.mean = { asset = "river/mean", partitions = { dimension = "day" } }

[asset_jobs.daily]
select = "group:daily"

[asset_checks.plausible]
asset = "river/mean"
op = "river.check"
"#;

#[test]
fn a_project_with_every_kind_of_partitions_is_resolved() {
    let (_, definitions) = read(RIVER);
    let (graph, mistakes) = AssetGraph::new(&definitions);
    assert_eq!(mistakes, []);
    let (jobs, mistakes) = graph.jobs(&definitions);
    assert_eq!(mistakes, []);
    assert_eq!(graph.checks(&definitions).1, []);
    let dynamic = BTreeMap::from([(name("gauges"), vec!["hamburg".to_owned(), "cuxhaven".to_owned()])]);
    let extents = graph.extents(NOW, &dynamic).unwrap();
    let counted: Vec<String> = graph
        .indices()
        .map(|asset| format!("{} {}", graph.asset(asset).key, extents.of_asset(&graph, asset).len()))
        .collect();
    assert_eq!(counted, ["river/flood 6", "river/level 85", "river/mean 3", "site 1", "river/trend 3"]);

    let daily = &jobs[&name("daily")].assets;
    let targets = targets_of(&graph, &extents, daily, Some("2026-11-19")).unwrap();
    let scope = scope(&graph, &extents, &targets).unwrap();
    let levels = &scope.makers[0].reads[0];
    assert_eq!((levels.asset, levels.before.len()), (graph.find(&key("river/level")).unwrap(), 24));

    let all = Targets::all_of(&graph, &extents, graph.indices());
    let backfill = plan_backfill(&graph, &extents, &all, BackfillPolicy::PER_PARTITION).unwrap();
    let rounds: Vec<u32> = backfill.runs.iter().map(|run| run.round).collect();
    assert_eq!((backfill.runs.len(), rounds.iter().max()), (85 + 3 + 2 + 6, Some(&3)));
}

#[test]
fn mistakes_are_shown_where_they_were_written() {
    let wrong = RIVER
        .replacen("Europe/Berlin", "Europe/Berlim", 1)
        .replace("river/mean\", partitions", "river/meen\", partitions")
        .replace("{ offset = -1 }", "\"last\"")
        .replace("group:daily", "group:daily and key:river/tend")
        .replace("asset = \"river/mean\"\nop", "asset = \"river/maen\"\nop");
    let (texts, definitions) = read(&wrong);
    let (graph, mut mistakes) = AssetGraph::new(&definitions);
    mistakes.extend(graph.jobs(&definitions).1);
    mistakes.extend(graph.checks(&definitions).1);
    insta::assert_snapshot!(render(&texts, &mistakes, false, 120), @r#"
        error[assets::timezone]: `Europe/Berlim` is no time zone of the IANA database
         --> cofferdam.toml:5:12
          |
        5 | timezone = "Europe/Berlim"
          |            ^^^^^^^^^^^^^^^
          |
          = hint: did you mean `Europe/Berlin`?

        error[assets::self-dependency]: `river/trend` is made from itself
          --> cofferdam.toml:40:17
           |
        40 | inputs.before = { asset = "river/trend", partitions = "last" }
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = hint: an asset can be made from its own earlier windows: give the mapping a negative offset

        error[assets::unknown-asset]: there is no asset `river/meen`
          --> cofferdam.toml:47:15
           |
        47 | inputs.mean = { asset = "river/meen", partitions = { dimension = "day" } }
           |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = hint: did you mean `river/mean`?

        error[select::unknown-name]: there is no asset `river/tend`
          --> cofferdam.toml:50:27
           |
        50 | select = "group:daily and key:river/tend"
           |                           ^^^^^^^^^^^^^^ unknown name
           |
           = hint: did you mean `river/trend`?

        error[assets::unknown-asset]: there is no asset `river/maen`
          --> cofferdam.toml:53:9
           |
        53 | asset = "river/maen"
           |         ^^^^^^^^^^^^
           |
           = hint: did you mean `river/mean`?
        "#);
}
