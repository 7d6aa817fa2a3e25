//! The reference beside the sources: its examples are read without a finding, and it names every key there is.

use cofferdam_config::{InstanceSettings, Texts, read_definitions, read_instance, read_run_config, render};
use cofferdam_model::Definitions;

const README: &str = include_str!("../README.md");
const SERVICES: &str = include_str!("../SERVICES.md");
const ASSETS: &str = include_str!("../ASSETS.md");
const AUTOMATION: &str = include_str!("../AUTOMATION.md");
const INSTANCE: &str = include_str!("../INSTANCE.md");

/// The fenced blocks of a language.
fn blocks(page: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Reads a text that has no mistake.
fn read(text: &str) -> Definitions {
    let mut texts = Texts::default();
    let (definitions, found) = read_definitions(&mut texts, "README.md", text);
    assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
    definitions
}

#[test]
fn every_example_of_the_reference_is_read_without_a_finding() {
    let toml: Vec<_> = [README, SERVICES, ASSETS, AUTOMATION].map(|page| blocks(page, "toml")).concat();
    let yaml = blocks(README, "yaml");
    assert_eq!((toml.len(), yaml.len()), (17, 1));
    for block in &toml {
        assert_ne!(read(block), Definitions::default(), "{block}");
    }
    for block in &yaml {
        let mut texts = Texts::default();
        let (config, found) = read_run_config(&mut texts, "README.md", block);
        assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
        assert!(config.root.is_some(), "{block}");
    }
    // They are parts of one file as well.
    let all = read(&toml.concat());
    assert_eq!((all.libraries.len(), all.jobs.len(), all.graphs.len()), (3, 2, 2));
    assert_eq!((all.resources.len(), all.io_managers.len(), all.environments.len()), (2, 2, 1));
    assert_eq!((all.partitions.len(), all.assets.len()), (6, 4));
    assert_eq!((all.asset_checks.len(), all.asset_jobs.len()), (1, 1));
    assert_eq!((all.schedules.len(), all.sensors.len()), (3, 1));
    assert_eq!(all.tests.len(), 3);
}

#[test]
fn the_reference_names_every_key_that_the_reader_knows() {
    // A key that is surely unknown makes the reader list all that it knows there.
    let places = [
        "zzzzzzzz = 1",
        "[libraries.t]\nzzzzzzzz = 1",
        "[jobs.j]\nzzzzzzzz = 1",
        "[jobs.j]\nrun_retry = { zzzzzzzz = 1 }",
        "[jobs.j]\nhooks = [{ zzzzzzzz = 1 }]",
        "[jobs.j.steps.a]\nzzzzzzzz = 1",
        "[jobs.j.steps.a]\nretry = { zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\nlimits = { zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\ninputs.x = { zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\ninputs.x = { asset = \"a\", zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\ninputs.x = { asset = \"a\", partitions = { zzzzzzzz = 1 } }",
        "[jobs.j.steps.a]\noutputs.x = { zzzzzzzz = 1 }",
        "[graphs.g]\nzzzzzzzz = 1",
        "[graphs.g]\nconfig_mapping = { zzzzzzzz = 1 }",
        "[resources.r]\nkind = \"op\"\nzzzzzzzz = 1",
        "[io_managers.m]\nkind = \"op\"\nzzzzzzzz = 1",
        "[environments.e]\nzzzzzzzz = 1",
        "[partitions.p]\nkind = \"monthly\"\nzzzzzzzz = 1",
        "[partitions.p]\nkind = \"cron\"\nzzzzzzzz = 1",
        "[partitions.p]\nkind = \"static\"\nzzzzzzzz = 1",
        "[partitions.p]\nkind = \"multi\"\nzzzzzzzz = 1",
        "[assets.a]\nzzzzzzzz = 1",
        "[assets.a]\nexternal = true\nzzzzzzzz = 1",
        "[assets.a]\noutputs.x = { zzzzzzzz = 1 }",
        "[assets.a]\ndeps = [{ zzzzzzzz = 1 }]",
        "[asset_checks.c]\nzzzzzzzz = 1",
        "[asset_jobs.j]\nzzzzzzzz = 1",
        "[schedules.s]\nzzzzzzzz = 1",
        "[sensors.s]\nzzzzzzzz = 1",
        "[tests.t]\nzzzzzzzz = 1",
        "[jobs.j]\n[tests.t]\njob = \"j\"\nzzzzzzzz = 1",
    ];
    for place in places {
        let (_, found) = read_definitions(&mut Texts::default(), "x.toml", place);
        let unknown = found.iter().find(|found| found.code == "config::unknown-key").expect(place);
        let known = unknown.hint.as_deref().unwrap().strip_prefix("known: ").expect(place);
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            let written = [format!("`{key}`"), format!("{key} = "), format!("[{key}.")];
            let is_named = |page: &str| written.iter().any(|form| page.contains(form));
            assert!(
                [README, SERVICES, ASSETS, AUTOMATION].into_iter().any(is_named),
                "the reference does not name `{key}`"
            );
        }
    }
}

#[test]
fn the_reference_of_an_instance_has_examples_that_are_read_and_names_every_key() {
    let all = blocks(INSTANCE, "toml").concat();
    let mut texts = Texts::default();
    let (settings, found) = read_instance(&mut texts, "INSTANCE.md", &all);
    assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
    assert_ne!(settings, InstanceSettings::default());
    for place in [
        "zzzzzzzz = 1",
        "run_log = { zzzzzzzz = 1 }",
        "run_log = { postgres = { zzzzzzzz = 1 } }",
        "pools = { zzzzzzzz = 1 }",
        "namespaces = { zzzzzzzz = 1 }",
        "grants = [{ zzzzzzzz = 1 }]",
        "signers = [{ keys = [], zzzzzzzz = 1 }]",
        "alerts = { a = { on = \"run_failed\", to = [], zzzzzzzz = 1 } }",
        "alert_targets = { a = { webhook = \"https://x\", secret = { env = \"A\" }, zzzzzzzz = 1 } }",
        "alert_targets = { a = { email = [], from = \"a\", smtp = \"smtp://a\", zzzzzzzz = 1 } }",
    ] {
        let (_, found) = read_instance(&mut Texts::default(), "x.toml", place);
        let known = found[0].hint.as_deref().unwrap().strip_prefix("known: ").expect(place);
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            let written = [format!("`{key}`"), format!("{key} = "), format!("[{key}]"), format!("[{key}.")];
            assert!(
                written.iter().any(|form| INSTANCE.contains(form)),
                "the reference does not name `{key}`"
            );
        }
    }
}

#[test]
fn the_reference_names_every_kind() {
    let kinds = cofferdam_model::ResourceKind::ALL.map(cofferdam_model::ResourceKind::word);
    let managers = cofferdam_model::IoManagerKind::ALL.map(cofferdam_model::IoManagerKind::word);
    for word in kinds.iter().chain(&managers) {
        assert!(SERVICES.contains(&format!("`{word}`")), "the reference does not name the kind `{word}`");
    }
}
