//! Whatever stands under whatever key: the reader ends, and each finding has a place and a way to mend it.

use cofferdam_config::{Texts, read_definitions, render};
use proptest::prelude::*;

/// Headings below which everything is read in its own way.
const HEADINGS: [&str; 17] = [
    "libraries.x",
    "graphs.x",
    "graphs.x.steps.y",
    "jobs.x",
    "jobs.x.steps.y",
    "jobs.x.steps.y.inputs",
    "resources.x",
    "io_managers.x",
    "environments.x",
    "environments.x.resources.y",
    "partitions.x",
    "assets.x",
    "asset_checks.x",
    "asset_jobs.x",
    "schedules.x",
    "sensors.x",
    "tests.x",
];

/// Every key that the reader knows somewhere, and two that it does not.
const KEYS: &str = "crate wasm description inputs outputs steps tags retry run_retry max_retries strategy on_step_failure delay \
     backoff jitter config config_mapping schema ops op graph hooks on io_manager partitions after limits memory timeout \
     fuel output log priority resources bind memoize hedge wait for approval input_managers metadata max_concurrent value file files map collect \
     input resource asset identity static specific offset start_offset end_offset dimension multi mapping kind set_up \
     tear_down store load io_managers start end timezone minute_offset hour_offset day_offset cron keys dimensions key \
     group owners kinds step_tags code_version data_version deps can_subset external blocking select expect fails \
     job jobs partition status catch_up max_tick_retries minimum_interval unknown 1-x";

/// Words that mean something somewhere.
const WORDS: &str = "a.b a a/b a//b op sql http store s3 daily cron static dynamic multi all last identity failure success \
     from_failure content provenance none full 5m 1GiB 2013-01-01 team:x x@y";

fn word(words: &'static str) -> impl Strategy<Value = String> {
    prop::sample::select(words.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => word(WORDS).prop_map(|word| format!("\"{word}\"")),
        1 => any::<i64>().prop_map(|int| int.to_string()),
        1 => (-3..70_i64).prop_map(|int| int.to_string()),
        1 => prop::sample::select(vec!["1.5", "nan", "-inf", "2013-01-01", "\"\"", "\"東京\""]).prop_map(str::to_owned),
        1 => any::<bool>().prop_map(|truth| truth.to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(word(KEYS), inner, 0..4).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_table_holds_the_findings_have_a_place_and_a_hint(
        heading in prop::sample::select(HEADINGS.to_vec()),
        entries in prop::collection::btree_map(word(KEYS), value(), 0..6),
    ) {
        let lines: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let text = format!("[{heading}]\n{}", lines.concat());
        let mut texts = Texts::default();
        let (_, found) = read_definitions(&mut texts, "cofferdam.toml", &text);
        for problem in &found {
            prop_assert!(!problem.labels.is_empty() && problem.hint.is_some(), "{problem:?}");
            prop_assert!(problem.code != "config::syntax", "{text}");
        }
        prop_assert_eq!(render(&texts, &found, false, 100).is_empty(), found.is_empty());
    }
}
