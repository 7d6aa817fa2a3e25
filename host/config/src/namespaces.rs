//! What an operator decides about namespaces: a table for each thing, by the name of the namespace.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, Isolation, Node, NodeKind, OverQuota, Quota};

use crate::instance::COUNTS;
use crate::reader::{Problems, Table, did_you_mean, text, wrong_type};
use crate::units::{parse_bytes, parse_duration};

/// With whom attempts may share a process.
const ISOLATION: [(&str, Isolation); 3] =
    [("own", Isolation::Own), ("tenant", Isolation::Tenant), ("attempt", Isolation::Attempt)];

/// What becomes of runs for which there is no quota.
const OVER_QUOTA: [(&str, OverQuota); 2] = [("throttle", OverQuota::Throttle), ("reject", OverQuota::Reject)];

/// What namespaces share, and what each may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceSettings {
    pub weights: BTreeMap<String, u32>,
    /// Most steps at once.
    pub limits: BTreeMap<String, u32>,
    /// With whom attempts share a process at most.
    pub isolation: BTreeMap<String, Isolation>,
    /// What they may use over time.
    pub quotas: BTreeMap<String, Quota>,
}

pub(crate) fn read_namespaces(table: &mut Table<'_>, problems: &mut Problems) -> Option<NamespaceSettings> {
    let node = table.get("namespaces")?;
    let mut table = Table::new(node, "`namespaces`", problems)?;
    let (weights, limits) = (counts(&mut table, "weights", problems), counts(&mut table, "limits", problems));
    let isolation = each(&mut table, "isolation", "a table of words", problems, |node, of, problems| {
        word(node, of, &ISOLATION, problems)
    });
    let quotas = read_quotas(&mut table, problems);
    table.finish(problems);
    Some(NamespaceSettings { weights, limits, isolation, quotas })
}

fn read_quotas(table: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<String, Quota> {
    let mut quotas: BTreeMap<String, Quota> = BTreeMap::new();
    let cpu = each(table, "cpu_per_hour", "a table of times", problems, |node, of, problems| {
        parsed(node, of, "`90m`", parse_duration, problems)
    });
    for (name, cpu) in cpu {
        quotas.entry(name).or_default().cpu_per_hour = Some(cpu);
    }
    let bytes = each(table, "stored_bytes", "a table of sizes", problems, |node, of, problems| {
        parsed(node, of, "`100GiB`", parse_bytes, problems)
    });
    for (name, bytes) in bytes {
        quotas.entry(name).or_default().stored_bytes = Some(bytes);
    }
    for (name, count) in counts(table, "libraries", problems) {
        quotas.entry(name).or_default().libraries = Some(count);
    }
    let over = each(table, "over_quota", "a table of words", problems, |node, of, problems| {
        word(node, of, &OVER_QUOTA, problems)
    });
    for (name, over) in over {
        quotas.entry(name).or_default().over = over;
    }
    quotas
}

/// What stands under a key: names with something each.
fn each<T>(
    table: &mut Table<'_>,
    key: &'static str,
    expected: &str,
    problems: &mut Problems,
    read: impl FnMut(&Node, &str, &mut Problems) -> Option<T>,
) -> BTreeMap<String, T> {
    let what = format!("`{key}` of `namespaces`");
    table.get(key).map(|node| read_each(node, &what, expected, problems, read)).unwrap_or_default()
}

fn counts(table: &mut Table<'_>, key: &'static str, problems: &mut Problems) -> BTreeMap<String, u32> {
    let what = format!("`{key}` of `namespaces`");
    table.get(key).map(|node| read_counts(node, &what, problems)).unwrap_or_default()
}

/// Names with something each; `expected` is what the whole is a table of.
fn read_each<T>(
    node: &Node,
    what: &str,
    expected: &str,
    problems: &mut Problems,
    mut read: impl FnMut(&Node, &str, &mut Problems) -> Option<T>,
) -> BTreeMap<String, T> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(what, expected, node));
        return BTreeMap::new();
    };
    let mut each = BTreeMap::new();
    for (name, node) in entries {
        let of = format!("`{}` of {what}", name.value);
        each.extend(read(node, &of, problems).map(|value| (name.value.clone(), value)));
    }
    each
}

/// Names with a number each.
pub(crate) fn read_counts(node: &Node, what: &str, problems: &mut Problems) -> BTreeMap<String, u32> {
    read_each(node, what, "a table of numbers", problems, |node, of, problems| match node.kind {
        NodeKind::Int(count) if COUNTS.contains(&count) => u32::try_from(count).ok(),
        NodeKind::Int(count) => {
            let said = format!("{of} is {count}, expected {} to {}", COUNTS.start(), COUNTS.end());
            let problem = Diagnostic::error("config::out-of-range", said);
            problems.push(problem.at(node.span.as_ref(), "out of range"));
            None
        }
        _ => {
            problems.push(wrong_type(of, "a whole number", node));
            None
        }
    })
}

/// One of a few words.
fn word<T: Copy>(node: &Node, of: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let written = text(node, of, problems)?;
    let found = words.iter().find(|(known, _)| *known == written.value);
    if found.is_none() {
        let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let problem = Diagnostic::error("config::bad-value", format!("{of} is `{}`", written.value))
            .at(written.span.as_ref(), format!("expected one of {}", list.join(", ")));
        problems.push(did_you_mean(problem, &written.value, words.iter().map(|(known, _)| *known)));
    }
    found.map(|(_, value)| *value)
}

/// Text with a unit.
fn parsed<T>(
    node: &Node,
    of: &str,
    example: &str,
    parse: fn(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Option<T> {
    let written = text(node, of, problems)?;
    parse(&written.value)
        .map_err(|reason| {
            let problem = Diagnostic::error("config::bad-value", format!("{of}: {reason}"));
            problems.push(problem.at(written.span.as_ref(), format!("write for example {example}")));
        })
        .ok()
}
