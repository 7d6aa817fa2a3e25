//! Diagnostics: what is wrong with what a person wrote, where, and how to mend it. Made by `config` and
//! `plan`, rendered by `config`; the core returns them all instead of stopping at the first.

use std::ops::Range;

/// Names a text that a person wrote (a file). Who reads files keeps the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(pub u32);

/// A place in such a text. A definition that was made by a program has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    pub text: TextId,
    /// Bytes.
    pub range: Range<usize>,
}

/// A thing and where it was written.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Option<Span>,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Option<Span>) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// Equal where the things are equal: where they were written makes no difference to what they mean.
impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Spanned<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// `area::what`, such as `config::unknown-key`; documented, stable.
    pub code: &'static str,
    /// One line, lower case, no full stop.
    pub message: String,
    /// The first one is the place itself, others are its witnesses.
    pub labels: Vec<Label>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A marked place and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
    /// What stands there is not shown.
    pub secret: bool,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, code, message: message.into(), labels: vec![], hint: None }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// Marks a place, if it is known.
    pub fn at(mut self, span: Option<&Span>, text: impl Into<String>) -> Diagnostic {
        if let Some(span) = span {
            self.labels.push(Label { span: span.clone(), text: text.into(), secret: false });
        }
        self
    }

    /// Marks a place whose text must not be shown again, if it is known.
    pub fn at_secret(mut self, span: Option<&Span>, text: impl Into<String>) -> Diagnostic {
        if let Some(span) = span {
            self.labels.push(Label { span: span.clone(), text: text.into(), secret: true });
        }
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Adds to the hint that is there.
    pub fn hint_also(mut self, more: &str) -> Diagnostic {
        self.hint = Some(self.hint.map_or_else(|| more.to_owned(), |hint| format!("{hint}; {more}")));
        self
    }
}

/// The known word that is meant most likely, if one is near: what a hint offers as "did you mean".
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Damerau-Levenshtein distance; a third of the word may be wrong, so that short words do not match all.
    // Of a single letter nothing would be left.
    let n_chars = found.chars().count();
    let allowed = (n_chars / 3).max(1).min(n_chars.saturating_sub(1));
    let lower = found.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
