//! `[partitions.NAME]`: how an asset or a job is cut into parts. What times, zones and cron expressions mean is
//! checked by whoever computes with them.

use std::collections::BTreeMap;

use cofferdam_model::{
    Cadence, Diagnostic, Name, Node, PartitionsDef, PartitionsKind, Spanned, TimeWindowsDef,
};

use crate::reader::{Problems, Table, distinct, name, text};
use crate::resources::read_kind;

/// Windows past the present, or kept back, at most.
const END_OFFSET_MAX: i64 = 1_000_000;

/// The word of a kind, before the rest is read.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Cron,
    Static,
    Dynamic,
    Multi,
}

const WORDS: [(&str, Word); 8] = [
    ("daily", Word::Daily),
    ("hourly", Word::Hourly),
    ("weekly", Word::Weekly),
    ("monthly", Word::Monthly),
    ("cron", Word::Cron),
    ("static", Word::Static),
    ("dynamic", Word::Dynamic),
    ("multi", Word::Multi),
];

pub(crate) fn read_partitions(
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<PartitionsDef> {
    let mut table = Table::new(node, format!("partitions `{}`", name.value), problems)?;
    let word = read_kind(&mut table, &WORDS, problems)?;
    let kind = match word.value {
        Word::Static => read_static(&mut table, problems),
        Word::Dynamic => Some(PartitionsKind::Dynamic),
        Word::Multi => read_dimensions(&mut table, problems),
        windows => read_windows(windows, &mut table, problems),
    };
    let span = table.span.cloned();
    table.finish(problems);
    Some(PartitionsDef { kind: Spanned::new(kind?, word.span), span })
}

fn read_static(table: &mut Table<'_>, problems: &mut Problems) -> Option<PartitionsKind> {
    if !table.has("keys") {
        problems.push(table.missing("keys", "keys = [\"north\", \"south\"]"));
    }
    let keys = table.texts("keys", problems);
    let node = table.get("keys")?;
    let keys = distinct(keys, &format!("`keys` of {}", table.what()), problems);
    if matches!(&node.kind, cofferdam_model::NodeKind::List(items) if items.is_empty()) {
        problems.push(
            Diagnostic::error("config::bad-value", format!("{} has no keys", table.what()))
                .at(node.span.as_ref(), "expected at least one")
                .hint(
                    "write for example `keys = [\"north\", \"south\"]`, or `kind = \"dynamic\"` without keys",
                ),
        );
        return None;
    }
    Some(PartitionsKind::Static { keys })
}

fn read_dimensions(table: &mut Table<'_>, problems: &mut Problems) -> Option<PartitionsKind> {
    const EXAMPLE: &str = "dimensions = { date = \"daily\", region = \"regions\" }";
    if !table.has("dimensions") {
        // Asked for, so that it is among the keys that a hint names.
        table.get("dimensions");
        problems.push(table.missing("dimensions", EXAMPLE));
        return None;
    }
    let n_before = problems.len();
    let found = table.children("dimensions", "dimension", problems);
    let mut dimensions = BTreeMap::new();
    for (dimension, node) in found {
        let what = format!("dimension `{}` of {}", dimension.value, table.what());
        if let Some(set) =
            text(node, &what, problems).and_then(|text| name(&text, "set of partitions", problems))
        {
            dimensions.insert(dimension.value, set);
        }
    }
    if dimensions.len() < 2 && problems.len() == n_before {
        problems.push(
            Diagnostic::error("config::bad-value", format!("{} has fewer than two dimensions", table.what()))
                .at(table.key_span("dimensions"), "expected two or more")
                .hint(format!("write for example `{EXAMPLE}`")),
        );
    }
    (problems.len() == n_before).then_some(PartitionsKind::Multi { dimensions })
}

/// Time windows. Only the offsets that a cadence has are among its keys.
fn read_windows(word: Word, table: &mut Table<'_>, problems: &mut Problems) -> Option<PartitionsKind> {
    if !table.has("start") {
        problems.push(table.missing("start", "start = \"2013-01-01\""));
    }
    let start = table.text("start", problems);
    let cadence = match word {
        Word::Hourly => Some(Cadence::Hourly),
        Word::Weekly => Some(Cadence::Weekly),
        Word::Monthly => Some(Cadence::Monthly),
        Word::Cron => {
            if !table.has("cron") {
                problems.push(table.missing("cron", "cron = \"0 */6 * * *\""));
            }
            table.text("cron", problems).map(Cadence::Cron)
        }
        _ => Some(Cadence::Daily),
    };
    let end = table.text("end", problems);
    let timezone = table.text("timezone", problems);
    let end_offset = table.int("end_offset", -END_OFFSET_MAX..=END_OFFSET_MAX, problems).unwrap_or(0);
    let mut offset = |there: bool, key: &'static str, bounds| {
        let value = if there { table.int(key, bounds, problems) } else { None };
        value.and_then(|value| u32::try_from(value).ok())
    };
    let minute_offset = offset(word != Word::Cron, "minute_offset", 0..=59).unwrap_or(0);
    let by_day = !matches!(word, Word::Cron | Word::Hourly);
    let hour_offset = offset(by_day, "hour_offset", 0..=23).unwrap_or(0);
    let day_offset = match word {
        Word::Weekly => offset(true, "day_offset", 0..=6),
        Word::Monthly => offset(true, "day_offset", 1..=31),
        _ => None,
    };
    Some(PartitionsKind::Time(TimeWindowsDef {
        cadence: cadence?,
        start: start?,
        end,
        timezone,
        end_offset,
        minute_offset,
        hour_offset,
        day_offset,
    }))
}
