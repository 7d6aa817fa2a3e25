//! YAML 1.2 (core schema) into the tree that all readers share, within budgets.
//!
//! Refused with a place: tags, merge keys, doubled keys, keys that are not plain text, several documents, tabs
//! as indentation, numbers that do not fit. Aliases are allowed as long as what they expand to fits the budget
//! for nodes. `no`, `on` and dates are text, as YAML 1.2 says.

use std::collections::HashMap;

use cofferdam_model::{Diagnostic, Node, NodeKind, Span, Spanned, TextId};
use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};

use crate::Texts;

/// Nodes of one document, those behind aliases counted each time: a large form has a few hundred.
const NODES_MAX: usize = 50_000;
/// How deep lists and mappings may nest: what people write stays below ten.
const DEPTH_MAX: usize = 32;

/// Parses a text with at most one document. None if it is empty or has only comments.
pub(crate) fn parse(texts: &Texts, text: TextId) -> Result<Option<Node>, Diagnostic> {
    let content = texts.content(text);
    check_depth(text, content)?;
    let mut builder = Builder::new(text, content);
    let mut parser = Parser::new_from_str(content);
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return Ok(builder.root),
            Some(Ok((event, span))) => builder.take(event, span)?,
            Some(Err(error)) => {
                let at = builder.byte(error.marker().index());
                let range = at..next_char(content, at);
                let message = format!("YAML: {}", error.info());
                return Err(Diagnostic::error("config::syntax", message)
                    .at(Some(&Span { text, range }), "")
                    .hint(syntax_hint(content, at)));
            }
        }
    }
}

/// The scanner keeps its own stack per open bracket; this bounds it before it sees the text.
fn check_depth(text: TextId, content: &str) -> Result<(), Diagnostic> {
    // Brackets in quotes or comments are counted as well, and closing ones are not taken off unless they are
    // met, so the bound is above what is allowed by far: it only has to stop bombs.
    const OPEN_MAX: usize = 2000;
    let mut open = 0_usize;
    for (at, byte) in content.bytes().enumerate() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > OPEN_MAX {
            return Err(too_deep(Span { text, range: at..at + 1 }));
        }
    }
    Ok(())
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("config::too-deep", format!("lists and mappings nest deeper than {DEPTH_MAX}"))
        .at(Some(&span), "")
        .hint("flatten the config, or give the value as a file")
}

fn syntax_hint(content: &str, at: usize) -> &'static str {
    let line_start = content[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = content[line_start..].lines().next().unwrap_or("");
    if line.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces; YAML does not allow tabs there"
    } else {
        "only the syntax is reported until it is right; quote text that holds `:`, `#`, `{` or `[`"
    }
}

fn next_char(content: &str, at: usize) -> usize {
    content[at..].chars().next().map_or(at, |c| at + c.len_utf8())
}

struct Builder<'a> {
    text: TextId,
    content: &'a str,
    /// Byte of each character; empty if all are ASCII. The scanner counts characters.
    bytes: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    n_nodes: usize,
    n_documents: usize,
    root: Option<Node>,
}

/// A list or mapping that has not ended yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Spanned<String>>,
    seen: HashMap<String, Option<Span>>,
    nodes_before: usize,
}

impl<'a> Builder<'a> {
    fn new(text: TextId, content: &'a str) -> Builder<'a> {
        let bytes =
            if content.is_ascii() { vec![] } else { content.char_indices().map(|(at, _)| at).collect() };
        Builder {
            text,
            content,
            bytes,
            open: vec![],
            anchors: HashMap::new(),
            n_nodes: 0,
            n_documents: 0,
            root: None,
        }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.content.len());
        }
        self.bytes.get(character).copied().unwrap_or(self.content.len())
    }

    fn span(&self, span: YamlSpan) -> Span {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index()).max(start);
        let trimmed = self.content[start..end].trim_end().len();
        Span { text: self.text, range: start..start + trimmed }
    }

    fn take(&mut self, event: Event<'_>, yaml_span: YamlSpan) -> Result<(), Diagnostic> {
        let span = self.span(yaml_span);
        match event {
            Event::DocumentStart(_) => {
                self.n_documents += 1;
                if self.n_documents > 1 {
                    return Err(Diagnostic::error(
                        "config::several-documents",
                        "a second document starts here",
                    )
                    .at(Some(&span), "")
                    .hint("one file holds one run config; start one run per document"));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), &span)?;
                self.count(&span, 1)?;
                if self.expects_key() {
                    // What is named may be a key, and its alias a value.
                    if anchor != 0 {
                        let kind = scalar(&value, style, &span)?;
                        self.anchors.insert(anchor, (Node { span: Some(span.clone()), kind }, 1));
                    }
                    return self.take_key(&value, style, span);
                }
                let kind = scalar(&value, style, &span)?;
                self.put(Node { span: Some(span), kind }, anchor, 1);
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), &span)?;
                self.open(NodeKind::List(vec![]), anchor, span)?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), &span)?;
                self.open(NodeKind::Map(vec![]), anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => self.take_alias(anchor, &span)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn count(&mut self, span: &Span, nodes: usize) -> Result<(), Diagnostic> {
        self.n_nodes = self.n_nodes.saturating_add(nodes);
        if self.n_nodes > NODES_MAX {
            return Err(Diagnostic::error(
                "config::too-large",
                format!(
                    "the document has more than {NODES_MAX} values, those behind aliases counted each time"
                ),
            )
            .at(Some(span), "the budget ends here")
            .hint("give large values as files"));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.node.kind, NodeKind::Map(_)) && open.key.is_none())
    }

    fn take_key(&mut self, key: &str, style: ScalarStyle, span: Span) -> Result<(), Diagnostic> {
        if key == "<<" && style == ScalarStyle::Plain {
            return Err(Diagnostic::error("config::merge-key", "merge keys are not a part of YAML 1.2")
                .at(Some(&span), "")
                .hint("write the keys out, or repeat a whole value with `*name`"));
        }
        let open = self.open.last_mut().expect("a key is expected only inside a mapping");
        if let Some(first) = open.seen.insert(key.to_owned(), Some(span.clone())) {
            return Err(Diagnostic::error("config::duplicate-key", format!("`{key}` is given twice"))
                .at(Some(&span), "again")
                .at(first.as_ref(), "first given here")
                .hint("keep one of them"));
        }
        open.key = Some(Spanned::new(key.to_owned(), Some(span)));
        Ok(())
    }

    fn open(&mut self, kind: NodeKind, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        if self.expects_key() {
            return Err(key_not_text(&span));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        let nodes_before = self.n_nodes;
        self.count(&span, 1)?;
        self.open.push(Open {
            node: Node { span: Some(span), kind },
            anchor,
            key: None,
            seen: HashMap::new(),
            nodes_before,
        });
        Ok(())
    }

    fn close(&mut self, end: &Span) {
        let mut open = self.open.pop().expect("the parser balances its events");
        if let Some(span) = &mut open.node.span {
            // A block is marked by its first line, a flow collection whole.
            let first_line = self.content[span.range.start..].lines().next().unwrap_or("").trim_end().len();
            span.range.end = end.range.end.min(span.range.start + first_line).max(span.range.start);
        }
        let nodes = self.n_nodes - open.nodes_before;
        self.put(open.node, open.anchor, nodes);
    }

    fn take_alias(&mut self, anchor: usize, span: &Span) -> Result<(), Diagnostic> {
        if self.expects_key() {
            return Err(key_not_text(span));
        }
        let Some((_, nodes)) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error("config::alias", "the alias stands inside of what it names")
                .at(Some(span), "")
                .hint("a value cannot hold itself"));
        };
        self.count(span, *nodes)?;
        let (mut node, nodes) = self.anchors[&anchor].clone();
        if self.open.len() + depth(&node) > DEPTH_MAX {
            return Err(too_deep(span.clone()));
        }
        node.span = Some(span.clone());
        self.put(node, 0, nodes);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, node: Node, anchor: usize, nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.node.kind {
            NodeKind::List(items) => items.push(node),
            NodeKind::Map(entries) => {
                let key = open.key.take().expect("a value follows its key");
                entries.push((key, node));
            }
            _ => unreachable!("only lists and mappings are open"),
        }
    }
}

fn depth(node: &Node) -> usize {
    match &node.kind {
        NodeKind::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        NodeKind::Map(entries) => 1 + entries.iter().map(|(_, node)| depth(node)).max().unwrap_or(0),
        _ => 0,
    }
}

fn key_not_text(span: &Span) -> Diagnostic {
    Diagnostic::error("config::wrong-type", "a key is text, not a list, mapping or alias")
        .at(Some(span), "")
        .hint(
            "quote the key if it is meant as text; `{{ x }}` of a template is taken literally only in quotes",
        )
}

fn refuse_tag(tag: Option<&saphyr_parser::Tag>, span: &Span) -> Result<(), Diagnostic> {
    let Some(tag) = tag else { return Ok(()) };
    let shown = if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else {
        format!("{}{}", tag.handle, tag.suffix)
    };
    Err(Diagnostic::error("config::tag", format!("the tag `{shown}` is not allowed"))
        .at(Some(span), "")
        .hint("write the value without a tag; quotes make text"))
}

fn scalar(text: &str, style: ScalarStyle, span: &Span) -> Result<NodeKind, Diagnostic> {
    match style {
        ScalarStyle::Plain => plain_scalar(text, span),
        _ => Ok(NodeKind::Text(text.to_owned())),
    }
}

/// What a plain scalar means in YAML 1.2's core schema.
fn plain_scalar(text: &str, span: &Span) -> Result<NodeKind, Diagnostic> {
    let too_large = || {
        Diagnostic::error("config::out-of-range", format!("`{text}` does not fit into 64 bits"))
            .at(Some(span), "")
            .hint("quote it if it is meant as text")
    };
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeKind::Null,
        "true" | "True" | "TRUE" => NodeKind::Bool(true),
        "false" | "False" | "FALSE" => NodeKind::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan"
        | ".NaN" | ".NAN" => {
            return Err(Diagnostic::error(
                "config::out-of-range",
                format!("`{text}` is not a finite number"),
            )
            .at(Some(span), "")
            .hint("leave the key out, or quote it if it is meant as text"));
        }
        _ => {
            let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
            if let Some(digits) =
                text.strip_prefix("0o").filter(|rest| is_all(rest, |c| matches!(c, '0'..='7')))
            {
                NodeKind::Int(i64::from_str_radix(digits, 8).map_err(|_| too_large())?)
            } else if let Some(digits) =
                text.strip_prefix("0x").filter(|rest| is_all(rest, |c| c.is_ascii_hexdigit()))
            {
                NodeKind::Int(i64::from_str_radix(digits, 16).map_err(|_| too_large())?)
            } else if is_all(unsigned, |c| c.is_ascii_digit()) {
                NodeKind::Int(text.parse().map_err(|_| too_large())?)
            } else if is_float(unsigned) {
                let number: f64 = text.parse().map_err(|_| too_large())?;
                if !number.is_finite() {
                    return Err(too_large());
                }
                NodeKind::Float(number)
            } else {
                NodeKind::Text(text.to_owned())
            }
        }
    })
}

fn is_all(text: &str, accepts: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(accepts)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => is_all(mantissa, |c| c.is_ascii_digit()),
    };
    let exponent_ok = exponent
        .is_none_or(|text| is_all(text.strip_prefix(['-', '+']).unwrap_or(text), |c| c.is_ascii_digit()));
    mantissa_ok && exponent_ok
}
