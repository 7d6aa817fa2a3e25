//! Writes YAML that every reader takes for the same: the small part of it that a run config needs, in blocks, with
//! comments. Text is plain only where neither YAML 1.1 nor 1.2 reads anything else into it.

use serde_json::Value;

/// Data with comments.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Draft {
    Value(Value),
    List(Vec<Draft>),
    Table(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Lines above the key.
    pub(super) comment: String,
    pub(super) value: Draft,
}

impl Draft {
    pub(super) fn empty() -> Draft {
        Draft::Table(vec![])
    }

    pub(super) fn is_empty_table(&self) -> bool {
        matches!(self, Draft::Table(entries) if entries.is_empty())
    }

    pub(super) fn of(value: Value) -> Draft {
        match value {
            Value::Object(fields) => Draft::Table(
                fields
                    .into_iter()
                    .map(|(key, value)| Entry { key, comment: String::new(), value: Draft::of(value) })
                    .collect(),
            ),
            Value::Array(items) => Draft::List(items.into_iter().map(Draft::of).collect()),
            scalar => Draft::Value(scalar),
        }
    }
}

/// A document; an empty table gives an empty text.
pub(super) fn write(draft: &Draft) -> String {
    let mut out = String::new();
    match draft {
        Draft::Table(entries) => write_table(entries, 0, &mut out),
        other => {
            write_after_key(other, 0, &mut out);
        }
    }
    out
}

fn write_table(entries: &[Entry], indent: usize, out: &mut String) {
    for entry in entries {
        for line in entry.comment.lines() {
            pad(indent, out);
            out.push_str("# ");
            out.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
            out.push('\n');
        }
        pad(indent, out);
        write_text(&entry.key, out);
        out.push(':');
        write_after_key(&entry.value, indent + 2, out);
    }
}

/// What follows `key:` or `-`, with its line break.
fn write_after_key(draft: &Draft, indent: usize, out: &mut String) {
    match draft {
        Draft::Table(entries) if !entries.is_empty() => {
            out.push('\n');
            write_table(entries, indent, out);
        }
        Draft::List(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                pad(indent, out);
                out.push('-');
                match item {
                    Draft::Table(entries)
                        if entries.first().is_some_and(|entry| entry.comment.is_empty()) =>
                    {
                        let start = out.len();
                        write_table(entries, indent + 2, out);
                        // The first key stands beside the dash.
                        out.replace_range(start..start + indent + 2, " ");
                    }
                    _ => write_after_key(item, indent + 2, out),
                }
            }
        }
        Draft::Table(_) => out.push_str(" {}\n"),
        Draft::List(_) => out.push_str(" []\n"),
        Draft::Value(value) => {
            out.push(' ');
            match value {
                Value::String(text) => write_text(text, out),
                other => out.push_str(&other.to_string()),
            }
            out.push('\n');
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What is no printable character of YAML, and what some readers take for a line break.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Letters first, then nothing that means anything; and no word that YAML 1.1 takes for a truth or for nothing.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(inner)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}
