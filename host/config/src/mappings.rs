//! Asset keys and partition mappings, as people write them.

use std::collections::BTreeMap;

use cofferdam_model::{AssetKey, Diagnostic, Node, NodeKind, PartitionMappingDef, Spanned};

use crate::reader::{Problems, Table, did_you_mean, text, texts, wrong_type};

/// The mappings that are one word.
const WORDS: [(&str, PartitionMappingDef); 3] = [
    ("identity", PartitionMappingDef::Identity),
    ("all", PartitionMappingDef::All),
    ("last", PartitionMappingDef::Last),
];

/// Offsets of time windows at most, either way: more than a century of hours.
const OFFSET_MAX: i64 = 1_000_000;

pub(crate) fn asset_key(text: &Spanned<String>, problems: &mut Problems) -> Option<Spanned<AssetKey>> {
    match AssetKey::parse(&text.value) {
        Ok(key) => Some(Spanned::new(key, text.span.clone())),
        Err(error) => {
            problems.push(
                Diagnostic::error("config::bad-name", format!("`{}` is not an asset key", text.value))
                    .at(text.span.as_ref(), error.to_string())
                    .hint("write for example `raw/flights`"),
            );
            None
        }
    }
}

/// Which upstream partitions a partition needs. `what` is what reads the upstream.
pub(crate) fn read_mapping(node: &Node, what: &str, problems: &mut Problems) -> Option<PartitionMappingDef> {
    let what = format!("`partitions` of {what}");
    match &node.kind {
        NodeKind::Text(word) => read_word(word, node, &what, problems),
        NodeKind::Map(_) => read_table(node, &what, problems),
        _ => {
            problems.push(
                wrong_type(&what, "a mapping", node)
                    .hint("write for example `partitions = \"all\"` or `partitions = { offset = -1 }`"),
            );
            None
        }
    }
}

fn read_word(word: &str, node: &Node, what: &str, problems: &mut Problems) -> Option<PartitionMappingDef> {
    let found = WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, mapping)| mapping);
    if found.is_none() {
        let problem = Diagnostic::error("config::bad-value", format!("{what} is `{word}`"))
            .at(node.span.as_ref(), "expected `identity`, `all`, `last` or a table");
        problems.push(did_you_mean(problem, word, WORDS.iter().map(|(word, _)| *word)));
    }
    found
}

fn read_table(node: &Node, what: &str, problems: &mut Problems) -> Option<PartitionMappingDef> {
    let mut table = Table::new(node, what, problems)?;
    let found = [
        table.get("specific").map(Form::Specific),
        table.get("static").map(Form::Static),
        table.get("dimension").map(Form::Dimension),
        table.get("multi").map(Form::Multi),
        offsets(&mut table, problems),
    ];
    let mut forms = found.into_iter().flatten();
    let (first, second) = (forms.next(), forms.next());
    let (Some(form), None) = (first, second) else {
        let before = problems.len();
        table.finish(problems);
        if problems.len() == before {
            problems.push(
                Diagnostic::error("config::bad-value", format!("{what}: expected one mapping"))
                    .at(node.span.as_ref(), "a mapping is one thing")
                    .hint(
                        "write one of `specific`, `static`, `dimension`, `multi`, `offset`, or `start_offset` \
                         with `end_offset`",
                    ),
            );
        }
        return None;
    };
    table.finish(problems);
    match form {
        Form::Offsets(mapping) => mapping,
        Form::Specific(node) => Some(PartitionMappingDef::Specific(keys(node, what, problems)?)),
        Form::Dimension(node) => text(node, &format!("`dimension` of {what}"), problems)
            .map(|text| PartitionMappingDef::Dimension(text.value)),
        Form::Static(node) => {
            let NodeKind::Map(entries) = &node.kind else {
                problems.push(wrong_type(&format!("`static` of {what}"), "a table", node));
                return None;
            };
            let read = |(key, node): &(Spanned<String>, Node)| {
                Some((key.value.clone(), keys(node, &format!("`{}` of {what}", key.value), problems)?))
            };
            entries.iter().map(read).collect::<Option<_>>().map(PartitionMappingDef::Static)
        }
        Form::Multi(node) => read_multi(node, what, problems),
    }
}

/// What a table says, before it is known that it says one thing only.
enum Form<'a> {
    Specific(&'a Node),
    Static(&'a Node),
    Dimension(&'a Node),
    Multi(&'a Node),
    /// None: it is wrong, and that was reported.
    Offsets(Option<PartitionMappingDef>),
}

/// `{ offset = -1 }`, or `{ start_offset = -7, end_offset = 0 }` of which one may be left out.
fn offsets<'a>(table: &mut Table<'_>, problems: &mut Problems) -> Option<Form<'a>> {
    let bounds = -OFFSET_MAX..=OFFSET_MAX;
    let both = table.int("offset", bounds.clone(), problems);
    let start = table.int("start_offset", bounds.clone(), problems);
    let end = table.int("end_offset", bounds, problems);
    let ends = table.has("start_offset") || table.has("end_offset");
    if !table.has("offset") && !ends {
        return None;
    }
    if table.has("offset") && ends {
        problems.push(
            Diagnostic::error(
                "config::contradiction",
                format!("{} has `offset` and `start_offset` or `end_offset`", table.what()),
            )
            .at(table.span, "`offset` is both of them at once")
            .hint("keep `offset`, or both others"),
        );
        return Some(Form::Offsets(None));
    }
    let (start_offset, end_offset) = both.map_or((start.unwrap_or(0), end.unwrap_or(0)), |both| (both, both));
    if start_offset > end_offset {
        problems.push(
            Diagnostic::error(
                "config::bad-value",
                format!("{}: the windows end before they start", table.what()),
            )
            .at(table.span, format!("from {start_offset} to {end_offset}"))
            .hint("write for example `{ start_offset = -7, end_offset = 0 }`"),
        );
        return Some(Form::Offsets(None));
    }
    Some(Form::Offsets(Some(PartitionMappingDef::TimeWindow { start_offset, end_offset })))
}

/// One key or a list of them.
fn keys(node: &Node, what: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let found = match &node.kind {
        NodeKind::Text(key) => return Some(vec![key.clone()]),
        NodeKind::List(items) if !items.is_empty() => texts(node, what, problems),
        _ => {
            problems.push(
                wrong_type(what, "a key or a list of keys", node).hint("write for example `[\"a\", \"b\"]`"),
            );
            return None;
        }
    };
    Some(found.into_iter().map(|key| key.value).collect())
}

/// `{ date = { dimension = "date", mapping = "identity" } }`: by dimension of the downstream.
fn read_multi(node: &Node, what: &str, problems: &mut Problems) -> Option<PartitionMappingDef> {
    let what = format!("`multi` of {what}");
    let table = Table::new(node, what.clone(), problems)?;
    let mut dimensions = BTreeMap::new();
    for (downstream, node) in table.named("dimension", problems) {
        let what = format!("dimension `{}` in {what}", downstream.value);
        let Some(mut table) = Table::new(node, what.clone(), problems) else { continue };
        if !table.has("dimension") {
            problems.push(table.missing("dimension", "dimension = \"date\""));
        }
        let upstream = table.text("dimension", problems);
        let mapping = match table.get("mapping") {
            None => Some(PartitionMappingDef::Identity),
            Some(inner) if inner.get("multi").is_some() || inner.get("dimension").is_some() => {
                problems.push(
                    Diagnostic::error("config::bad-value", format!("{what}: a dimension has no dimensions"))
                        .at(inner.span.as_ref(), "a mapping between two single dimensions is expected")
                        .hint("list every dimension in the outer `multi`"),
                );
                None
            }
            Some(inner) => read_mapping(inner, &what, problems),
        };
        table.finish(problems);
        if let (Some(upstream), Some(mapping)) = (upstream, mapping) {
            dimensions.insert(downstream.value.as_str().to_owned(), (upstream.value, mapping));
        }
    }
    Some(PartitionMappingDef::Multi(dimensions))
}
