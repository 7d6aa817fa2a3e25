//! Rows: what Cofferdam promises (`tests/rows.toml`) and which promises the last test run showed.
//!
//! A test that shows a row starts its name with the row's id: `a8_...` for A8, `h_015_...` for H-015.

use crate::shell::{self, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where nextest writes its report, as `.config/nextest.toml` says.
const REPORT: &str = "target/nextest/default/junit.xml";

/// An area of rows, in the order of the file.
#[derive(Debug)]
pub(crate) struct Area {
    key: String,
    name: String,
    rows: Vec<String>,
}

/// Prints, by area, how many rows have a test that ran and passed, and which.
pub(crate) fn command(root: &Path) -> Result<(), Failure> {
    let areas = load(root)?;
    let report = root.join(REPORT);
    if !report.is_file() {
        let text = format!(
            "failed to find the report of a test run at {}\nhint: cargo xtask test",
            report.display()
        );
        return Err(Failure::Prerequisite(text));
    }
    shell::print(&render(&areas, &verdicts(&shell::read(&report)?)))
}

/// All ids of `tests/rows.toml`.
pub(crate) fn ids(root: &Path) -> Result<BTreeSet<String>, Failure> {
    Ok(load(root)?.into_iter().flat_map(|area| area.rows).collect())
}

/// The id that a test's name starts with, if any.
pub(crate) fn id_of(test: &str) -> Option<String> {
    let letter = test.chars().next()?;
    let rest = &test[letter.len_utf8()..];
    let (number, dashed) = match rest.strip_prefix('_') {
        Some(rest) => (rest.split_once('_')?.0, true),
        None => (rest.split_once('_')?.0, false),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let upper = letter.to_ascii_uppercase();
    match (dashed, letter, number.len()) {
        (true, 'c' | 'f' | 'h' | 'i', 2..=3) if digits => Some(format!("{upper}-{number}")),
        (false, 'a'..='l', 1..=2) if digits => Some(format!("{upper}{number}")),
        _ => None,
    }
}

fn load(root: &Path) -> Result<Vec<Area>, Failure> {
    let path = root.join("tests/rows.toml");
    parse(&shell::read(&path)?)
        .map_err(|reason| Failure::Step(format!("failed to read {}: {reason}", path.display())))
}

fn parse(text: &str) -> Result<Vec<Area>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let part = |table: &toml::Table, key: &str| {
        table
            .get(key)
            .and_then(toml::Value::as_table)
            .cloned()
            .ok_or_else(|| format!("the table `{key}` is missing"))
    };
    let rows = part(&table, "rows")?;
    let mut areas = Vec::new();
    for (key, name) in part(&table, "areas")? {
        let mut ids: Vec<String> = part(&rows, &key)?.keys().cloned().collect();
        ids.sort_by_key(|id| order(id));
        areas.push(Area { name: name.as_str().unwrap_or_default().to_owned(), key, rows: ids });
    }
    // FEATURES' areas (`A`) before SAFETY's (`F-`), each in their own order.
    areas.sort_by_key(|area| (area.key.len(), area.key.clone()));
    Ok(areas)
}

/// A2 before A10.
fn order(id: &str) -> u32 {
    let number: String = id.chars().filter(char::is_ascii_digit).collect();
    number.parse().unwrap_or(u32::MAX)
}

/// Per id, whether all of its tests passed.
fn verdicts(report: &str) -> BTreeMap<String, bool> {
    let mut verdicts = BTreeMap::new();
    for case in report.split("<testcase ").skip(1) {
        let Some((_, name)) = case.split_once("name=\"") else { continue };
        let name = name.split('"').next().unwrap_or_default();
        let Some(id) = id_of(name.rsplit("::").next().unwrap_or(name)) else { continue };
        let body = case.split("</testcase>").next().unwrap_or(case);
        let passed = !["<failure", "<error", "<skipped"].iter().any(|mark| body.contains(mark));
        *verdicts.entry(id).or_insert(true) &= passed;
    }
    verdicts
}

fn render(areas: &[Area], verdicts: &BTreeMap<String, bool>) -> String {
    let mut text = String::new();
    let (mut n_shown, mut n_rows) = (0, 0);
    for area in areas {
        let with = |passed: bool| -> Vec<&str> {
            let rows = area.rows.iter().filter(|id| verdicts.get(*id) == Some(&passed));
            rows.map(String::as_str).collect()
        };
        let (shown, failed) = (with(true), with(false));
        n_shown += shown.len();
        n_rows += area.rows.len();
        let failed =
            if failed.is_empty() { String::new() } else { format!("  FAILED: {}", failed.join(" ")) };
        let line = format!(
            "{:<3}{:<40}{:>3} / {:<4} {}{failed}",
            area.key,
            area.name,
            shown.len(),
            area.rows.len(),
            shown.join(" ")
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("{:<43}{n_shown:>3} / {n_rows}\n", "all"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_the_front_of_a_name_only() {
        let cases = [
            ("a8_dynamic_fan_out", Some("A8")),
            ("l12_x", Some("L12")),
            ("h_015_memory_bomb", Some("H-015")),
            ("f_12_poison", Some("F-12")),
            ("c_26_cycle", Some("C-26")),
            ("c1_branches", Some("C1")),
            ("a_component_that_traps", None),
            ("f_1_short", None),
            ("m3_outside", None),
            ("a123_long", None),
            ("a8", None),
            ("é1_x", None),
        ];
        for (name, id) in cases {
            assert_eq!(id_of(name).as_deref(), id, "{name}");
        }
    }

    #[test]
    fn a_row_counts_as_shown_only_if_each_of_its_tests_passed() {
        let report = r#"<testsuites><testsuite name="x">
            <testcase name="tests::a1_one" classname="x" time="0.1"/>
            <testcase name="tests::a1_two" classname="x"><failure message="no"/></testcase>
            <testcase name="a2_fine" classname="x"><system-out>ok</system-out></testcase>
            <testcase name="h_015_bomb"></testcase>
        </testsuite></testsuites>"#;
        let verdicts = verdicts(report);
        assert_eq!(verdicts.get("A1"), Some(&false));
        assert_eq!(verdicts.get("A2"), Some(&true));
        assert_eq!(verdicts.get("H-015"), Some(&true));

        let rows = "[areas]\nH- = 'Hostile'\nA = 'Model'\n[rows.A]\nA10 = ''\nA2 = ''\nA1 = ''\n[rows.H-]\nH-015 = ''\n";
        let lines = render(&parse(rows).unwrap(), &verdicts);
        let words: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["A", "Model", "1", "/", "3", "A2", "FAILED:", "A1"]);
        assert_eq!(words[1], ["H-", "Hostile", "1", "/", "1", "H-015"]);
        assert_eq!(words[2], ["all", "2", "/", "4"]);
    }

    #[test]
    fn the_rows_of_this_workspace_are_all_there() {
        let areas = load(&shell::root()).unwrap();
        assert_eq!(areas.len(), 16);
        let n_features: usize =
            areas.iter().filter(|area| area.key.len() == 1).map(|area| area.rows.len()).sum();
        assert_eq!(n_features, 142);
        for area in &areas {
            assert!(area.rows.iter().all(|id| id.starts_with(&area.key)), "{area:?}");
        }
    }
}
