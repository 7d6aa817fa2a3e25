//! Diagnostics as text for people (in the manner of rustc) and as JSON for machines. What a finding marks as secret is
//! hidden in the lines of all of them.

use std::collections::BTreeMap;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use cofferdam_model::{Diagnostic, Severity, TextId};

use crate::Texts;
use crate::texts::floor_char_boundary;

/// Errors that are shown; the others are counted. More than a person mends in one go.
pub const ERRORS_SHOWN_MAX: usize = 20;

/// Renders diagnostics sorted by place, errors before warnings at one place; at most [`ERRORS_SHOWN_MAX`]
/// and a count of what is left out. Ends with a line break unless there is nothing to say.
pub fn render(texts: &Texts, diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width).decor_style(DecorStyle::Ascii);
    let sorted = sorted(diagnostics);
    let hidden = hidden(texts, diagnostics);
    let mut out = String::new();
    for diagnostic in sorted.iter().take(ERRORS_SHOWN_MAX) {
        out.push_str(&renderer.render(&[group(texts, &hidden, diagnostic)]));
        out.push_str("\n\n");
    }
    if sorted.len() > ERRORS_SHOWN_MAX {
        let n_hidden = sorted.len() - ERRORS_SHOWN_MAX;
        out.push_str(&format!("... and {n_hidden} more, {} in all\n", sorted.len()));
    }
    out
}

/// The texts that hold secrets, with an asterisk for each of their bytes, so that all places stay where they are.
fn hidden(texts: &Texts, diagnostics: &[Diagnostic]) -> BTreeMap<TextId, String> {
    let mut hidden: BTreeMap<TextId, String> = BTreeMap::new();
    for label in diagnostics.iter().flat_map(|one| &one.labels).filter(|label| label.secret) {
        let content =
            hidden.entry(label.span.text).or_insert_with(|| texts.content(label.span.text).to_owned());
        let start = floor_char_boundary(content, label.span.range.start);
        let end = floor_char_boundary(content, label.span.range.end.max(start));
        let stars = |c: char| if c == '\n' { "\n".to_owned() } else { "*".repeat(c.len_utf8()) };
        let stars: String = content[start..end].chars().map(stars).collect();
        content.replace_range(start..end, &stars);
    }
    hidden
}

fn group<'a>(
    texts: &'a Texts,
    hidden: &'a BTreeMap<TextId, String>,
    diagnostic: &'a Diagnostic,
) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    // One snippet per text, in the order of the labels.
    let mut shown: Vec<TextId> = vec![];
    for label in &diagnostic.labels {
        if shown.contains(&label.span.text) {
            continue;
        }
        let text = label.span.text;
        shown.push(text);
        let content = hidden.get(&text).map_or_else(|| texts.content(text), String::as_str);
        let annotations =
            diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.text == text).map(
                |(at, label)| {
                    let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                    let start = floor_char_boundary(content, label.span.range.start);
                    let end = floor_char_boundary(content, label.span.range.end.max(start));
                    let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
                    kind.span(start..end).label(text)
                },
            );
        group = group.element(Snippet::source(content).path(texts.path(text)).annotations(annotations));
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    group
}

/// One JSON document: a list of `{severity, code, message, hint, labels: [{path, line, column, start, end,
/// text}]}`; lines and columns from 1, `start` and `end` in bytes. All of them: machines do not tire.
pub fn render_json(texts: &Texts, diagnostics: &[Diagnostic]) -> String {
    let list: Vec<serde_json::Value> = sorted(diagnostics)
        .into_iter()
        .map(|diagnostic| {
            let labels: Vec<serde_json::Value> = diagnostic
                .labels
                .iter()
                .map(|label| {
                    let (line, column) = texts.line_column(label.span.text, label.span.range.start);
                    serde_json::json!({
                        "path": texts.path(label.span.text),
                        "line": line,
                        "column": column,
                        "start": label.span.range.start,
                        "end": label.span.range.end,
                        "text": label.text,
                    })
                })
                .collect();
            serde_json::json!({
                "severity": match diagnostic.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                "code": diagnostic.code,
                "message": diagnostic.message,
                "hint": diagnostic.hint,
                "labels": labels,
            })
        })
        .collect();
    serde_json::Value::from(list).to_string()
}

fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    // Stable: what has no place keeps its order, and comes last.
    sorted.sort_by_key(|diagnostic| match diagnostic.labels.first() {
        Some(label) => (0, label.span.text, label.span.range.start, diagnostic.severity),
        None => (1, TextId(0), 0, diagnostic.severity),
    });
    sorted
}
