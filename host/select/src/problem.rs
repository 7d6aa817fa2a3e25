//! What is wrong with a selection, where, and how to mend it.

use std::ops::Range;

use cofferdam_model::{Diagnostic, Span};

use crate::parse::{EXPRESSION_BYTES_MAX, NESTING_MAX, WALKS_MAX};

/// A place in the texts of a selection.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Which of the texts.
    pub clause: usize,
    /// Bytes of that text.
    pub range: Range<usize>,
}

/// Equal always: where a thing was written makes no difference to what it means.
impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

impl Place {
    /// The same place within a larger text, in which the clause starts at `start`.
    pub fn within(&self, start: &Span) -> Span {
        let offset = start.range.start;
        Span { text: start.text, range: self.range.start + offset..self.range.end + offset }
    }
}

/// One finding. Its text says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    pub place: Place,
    pub kind: ProblemKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    #[error("a selection has at most {EXPRESSION_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    #[error("a selection nests at most {NESTING_MAX} deep")]
    TooDeep,
    #[error("a selection has at most {WALKS_MAX} `+`, `sinks` and `roots`")]
    TooManyWalks,
    #[error("an empty selection selects nothing")]
    Empty,
    /// The text does not parse there.
    #[error("expected {expected}, found {found}")]
    Syntax { expected: &'static str, found: String, hint: Option<String> },
    #[error("`{found}` is no attribute of {}", plural(.subject))]
    UnknownAttribute { subject: &'static str, found: String, near: Option<String>, known: String },
    #[error("there is no `{attribute}:{found}`")]
    UnknownValue { attribute: &'static str, found: String, known: String },
    #[error("`{attribute}` is never absent, so `{attribute}:<null>` selects nothing")]
    NeverAbsent { attribute: &'static str },
    #[error("there is no {subject} `{name}`")]
    UnknownName { subject: &'static str, name: String, near: Option<String> },
    /// The graph does not say this of its nodes.
    #[error("`{attribute}` of {} is not known here", plural(.subject))]
    Unanswerable { subject: &'static str, attribute: &'static str, known: String },
    /// All is right, but nothing bears all that was asked for.
    #[error("nothing is selected by `{normal}`")]
    Nothing { normal: String },
}

impl ProblemKind {
    pub(crate) fn at(self, clause: usize, range: Range<usize>) -> Problem {
        Problem { place: Place { clause, range }, kind: self }
    }
}

impl Problem {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            ProblemKind::TooLong(_) | ProblemKind::TooManyWalks => {
                Some("select a graph, a group or a tag instead of many names".to_owned())
            }
            ProblemKind::TooDeep => Some("leave out parentheses that change nothing".to_owned()),
            ProblemKind::Empty => Some("write `*` to select everything".to_owned()),
            ProblemKind::Syntax { hint, .. } => hint.clone(),
            ProblemKind::UnknownAttribute { near, known, .. } => Some(match near {
                Some(near) => format!("did you mean `{near}`? known: {known}"),
                None => format!("known: {known}"),
            }),
            ProblemKind::UnknownValue { known, .. } | ProblemKind::Unanswerable { known, .. } => {
                Some(format!("known: {known}"))
            }
            ProblemKind::NeverAbsent { attribute } => Some(format!("write a value: `{attribute}:\"…\"`")),
            ProblemKind::UnknownName { near, .. } => {
                near.as_ref().map(|near| format!("did you mean `{near}`?"))
            }
            ProblemKind::Nothing { .. } => Some("write `*` to select everything".to_owned()),
        }
    }

    /// For those who render. `span` is where [`Problem::place`] lies in a text that a person wrote.
    pub fn diagnostic(&self, span: Option<&Span>) -> Diagnostic {
        let (code, label) = match &self.kind {
            ProblemKind::TooLong(_) | ProblemKind::TooDeep | ProblemKind::TooManyWalks => {
                ("select::too-large", "too large")
            }
            ProblemKind::Empty => ("select::empty", "nothing is written here"),
            ProblemKind::Syntax { expected, .. } => ("select::syntax", *expected),
            ProblemKind::UnknownAttribute { .. } => ("select::unknown-attribute", "unknown attribute"),
            ProblemKind::UnknownValue { .. } => ("select::unknown-value", "unknown value"),
            ProblemKind::NeverAbsent { .. } => ("select::never-absent", "never absent"),
            ProblemKind::UnknownName { .. } => ("select::unknown-name", "unknown name"),
            ProblemKind::Unanswerable { .. } => ("select::unanswerable", "not known here"),
            ProblemKind::Nothing { .. } => ("select::nothing", "selects nothing"),
        };
        let label = if code == "select::syntax" { format!("expected {label}") } else { label.to_owned() };
        let found = Diagnostic::error(code, self.to_string()).at(span, label);
        match self.hint() {
            Some(hint) => found.hint(hint),
            None => found,
        }
    }
}

fn plural(subject: &str) -> String {
    format!("{subject}s")
}

pub(crate) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
