//! The reference in the README: its examples are read without a finding, and it names every key there is.

use cofferdam_config::{Texts, read_definitions, read_run_config, render};

const README: &str = include_str!("../README.md");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_reference_is_read_without_a_finding() {
    let (toml, yaml) = (blocks("toml"), blocks("yaml"));
    assert_eq!((toml.len(), yaml.len()), (4, 1));
    for block in &toml {
        let mut texts = Texts::default();
        let (defs, found) = read_definitions(&mut texts, "README.md", block);
        assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
        assert!(!defs.libraries.is_empty() || !defs.jobs.is_empty(), "{block}");
    }
    for block in &yaml {
        let mut texts = Texts::default();
        let (config, found) = read_run_config(&mut texts, "README.md", block);
        assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
        assert!(config.root.is_some(), "{block}");
    }
    // They are parts of one file as well.
    let mut texts = Texts::default();
    let (defs, found) = read_definitions(&mut texts, "README.md", toml.concat());
    assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
    assert_eq!((defs.libraries.len(), defs.jobs.len()), (2, 1));
}

#[test]
fn the_reference_names_every_key_that_the_reader_knows() {
    // A key that is surely unknown makes the reader list all that it knows there.
    let places = [
        "zzzzzzzz = 1",
        "[libraries.t]\nzzzzzzzz = 1",
        "[jobs.j]\nzzzzzzzz = 1",
        "[jobs.j.steps.a]\nzzzzzzzz = 1",
        "[jobs.j.steps.a]\nretry = { zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\nlimits = { zzzzzzzz = 1 }",
        "[jobs.j.steps.a]\ninputs.x = { zzzzzzzz = 1 }",
    ];
    for place in places {
        let (_, found) = read_definitions(&mut Texts::default(), "x.toml", place);
        let unknown = found.iter().find(|found| found.code == "config::unknown-key").expect(place);
        let known = unknown.hint.as_deref().unwrap().strip_prefix("known: ").expect(place);
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            let written = [format!("`{key}`"), format!("{key} = "), format!("[{key}.")];
            assert!(written.iter().any(|form| README.contains(form)), "the README does not name `{key}`");
        }
    }
}
