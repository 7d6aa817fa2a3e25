//! TOML into the tree that all readers share.

use cofferdam_model::{Diagnostic, Node, NodeKind, Span, Spanned, TextId};
use toml_edit::{Document, Item, TableLike, Value};

use crate::Texts;

/// Parses a text. After a syntax error there is nothing to look at, so it is the only finding.
pub(crate) fn parse(texts: &Texts, text: TextId) -> Result<Node, Diagnostic> {
    let document = Document::parse(texts.content(text)).map_err(|error| syntax_error(text, &error))?;
    let root = table(text, None, document.as_table());
    Ok(root)
}

fn syntax_error(text: TextId, error: &toml_edit::TomlError) -> Diagnostic {
    let span = error.span().map(|range| Span { text, range });
    let message = error.message();
    let (code, hint) = if message.contains("duplicate key") {
        ("config::duplicate-key", "keep one of them; every name is defined once")
    } else {
        (
            "config::syntax",
            "what follows is not looked at until the syntax is right; text is written in quotes",
        )
    };
    Diagnostic::error(code, message.lines().collect::<Vec<_>>().join(", ")).at(span.as_ref(), "").hint(hint)
}

fn table(text: TextId, span: Option<Span>, table: &dyn TableLike) -> Node {
    let entries = table
        .iter()
        .filter_map(|(name, item)| {
            let key_span = table.key(name).and_then(toml_edit::Key::span).map(|range| Span { text, range });
            let node = node(text, key_span.as_ref(), item)?;
            Some((Spanned::new(name.to_owned(), key_span), node))
        })
        .collect();
    Node { span, kind: NodeKind::Map(entries) }
}

/// A table that spans many lines is shown by its key: marking its first line tells more than marking all.
fn node(text: TextId, key: Option<&Span>, item: &Item) -> Option<Node> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(self::value(text, key, value)),
        Item::Table(inner) => Some(table(text, key.cloned(), inner)),
        Item::ArrayOfTables(tables) => Some(Node {
            span: key.cloned(),
            kind: NodeKind::List(
                tables
                    .iter()
                    .map(|inner| table(text, inner.span().map(|range| Span { text, range }), inner))
                    .collect(),
            ),
        }),
    }
}

fn value(text: TextId, key: Option<&Span>, value: &Value) -> Node {
    let span = value.span().map(|range| Span { text, range }).or_else(|| key.cloned());
    let kind = match value {
        Value::String(inner) => NodeKind::Text(inner.value().clone()),
        Value::Integer(inner) => NodeKind::Int(*inner.value()),
        Value::Float(inner) => NodeKind::Float(*inner.value()),
        Value::Boolean(inner) => NodeKind::Bool(*inner.value()),
        // JSON has no dates: they are text in RFC 3339 there, and here.
        Value::Datetime(inner) => NodeKind::Text(inner.value().to_string()),
        Value::Array(items) => {
            NodeKind::List(items.iter().map(|item| self::value(text, None, item)).collect())
        }
        Value::InlineTable(inner) => return table(text, span, inner),
    };
    Node { span, kind }
}
