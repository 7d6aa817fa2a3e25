//! A place in a text that moves on.

use std::ops::Range;

use crate::problem::{Problem, ProblemKind};

/// One of the texts, and how far it is read.
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    pub(crate) clause: usize,
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, clause: usize) -> Cursor<'a> {
        Cursor { text, clause, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes a character if it comes next.
    pub(crate) fn take(&mut self, c: char) -> bool {
        let comes = self.peek() == Some(c);
        if comes {
            self.at += c.len_utf8();
        }
        comes
    }

    /// Takes characters as long as they pass.
    pub(crate) fn take_while(&mut self, pass: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !pass(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(crate) fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// What comes next: a word, a character, or the end.
    pub(crate) fn next_range(&self) -> Range<usize> {
        let word = self.rest().find(|c: char| !is_word(c)).unwrap_or(self.rest().len());
        let length = if word > 0 { word } else { self.peek().map_or(0, char::len_utf8) };
        self.at..self.at + length
    }

    /// What comes next is not what was expected.
    pub(crate) fn expected(&self, expected: &'static str, hint: Option<String>) -> Problem {
        self.expected_at(self.next_range(), expected, hint)
    }

    /// What was opened there is never closed.
    pub(crate) fn unclosed(&self, opened: Range<usize>, expected: &'static str) -> Problem {
        let (found, hint) = ("the end".to_owned(), Some("this is not closed".to_owned()));
        ProblemKind::Syntax { expected, found, hint }.at(self.clause, opened)
    }

    pub(crate) fn expected_at(
        &self,
        range: Range<usize>,
        expected: &'static str,
        hint: Option<String>,
    ) -> Problem {
        /// Characters of a long word that are shown.
        const SHOWN_MAX: usize = 40;
        let found = &self.text[range.clone()];
        let found = match found.chars().nth(SHOWN_MAX) {
            _ if found.is_empty() => "the end".to_owned(),
            Some(_) => format!("`{}…`", found.chars().take(SHOWN_MAX).collect::<String>()),
            None => format!("`{found}`"),
        };
        ProblemKind::Syntax { expected, found, hint }.at(self.clause, range)
    }
}

/// What keywords, attributes and depths are made of.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What names are made of, and values that need no quotes.
pub(crate) fn is_name(c: char) -> bool {
    is_word(c) || matches!(c, '.' | '/' | '[' | ']' | '?' | '-')
}
