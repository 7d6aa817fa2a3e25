//! Texts in, an expression out.

use std::ops::Range;

use cofferdam_model::nearest;

use crate::clause::clause;
use crate::cursor::{Cursor, is_name, is_word};
use crate::expr::{Depth, End, Expr, Term, Value};
use crate::problem::{Place, Problem, ProblemKind, listed};
use crate::vocabulary::{Attribute, Vocabulary};

/// Bytes of all texts of one selection: room for ten thousand names, and still read in a moment.
pub const EXPRESSION_BYTES_MAX: usize = 256 * 1024;
/// Parentheses, `not`, `sinks` and `roots` within each other. Each takes a frame of the stack, also where the
/// expression is evaluated, printed and dropped.
pub const NESTING_MAX: usize = 64;
/// `+`, `sinks` and `roots` of one selection: each may walk the whole graph.
pub const WALKS_MAX: usize = 1000;

/// Reads texts as one selection: what any of them selects. Gives all that is wrong, at most one problem a text.
///
/// A text that holds a `:`, a parenthesis, a quote or a keyword between other words is an expression; any
/// other one is an old clause, in which `+` stands for one level and `*` for all.
pub fn parse<S: AsRef<str>>(texts: &[S], vocabulary: &'static Vocabulary) -> Result<Expr, Vec<Problem>> {
    let n_bytes: usize = texts.iter().map(|text| text.as_ref().len()).sum();
    if n_bytes > EXPRESSION_BYTES_MAX {
        return Err(vec![ProblemKind::TooLong(n_bytes).at(0, 0..0)]);
    }
    if texts.is_empty() {
        return Err(vec![ProblemKind::Empty.at(0, 0..0)]);
    }
    let mut n_walks = 0;
    let (mut parts, mut problems) = (vec![], vec![]);
    for (at, text) in texts.iter().enumerate() {
        match parse_text(text.as_ref(), at, vocabulary, &mut n_walks) {
            Ok(part) => parts.push(part),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(Expr::or(parts)) } else { Err(problems) }
}

fn parse_text(
    text: &str,
    at: usize,
    vocabulary: &'static Vocabulary,
    n_walks: &mut usize,
) -> Result<Expr, Problem> {
    let mut cursor = Cursor::new(text, at);
    if text.trim().is_empty() {
        return Err(ProblemKind::Empty.at(at, 0..text.len()));
    }
    if !is_expression(text) {
        let part = clause(&mut cursor, vocabulary)?;
        if matches!(part, Expr::Reach { .. }) {
            *n_walks += 1;
        }
        if *n_walks > WALKS_MAX {
            return Err(ProblemKind::TooManyWalks.at(at, 0..text.len()));
        }
        return Ok(part);
    }
    let mut parser = Parser { cursor, vocabulary, depth: 0, n_walks };
    let expr = parser.any_of()?;
    match parser.cursor.peek() {
        None => Ok(expr),
        Some(')') => Err(parser.cursor.expected("the end", Some("this closes nothing".to_owned()))),
        Some('+') => Err(parser.cursor.expected("`and`, `or` or the end", Some(levels_hint("x+2")))),
        Some('=') => Err(parser.cursor.expected("`and`, `or` or the end", Some(pairs_hint(vocabulary)))),
        Some(_) => Err(parser.cursor.expected("`and`, `or` or the end", None)),
    }
}

/// Nothing is both: a clause has neither signs nor blanks within.
fn is_expression(text: &str) -> bool {
    let mut words = text.split_whitespace();
    text.trim() == "*"
        || text.contains([':', '(', ')', '"'])
        || (words.clone().count() > 1 && words.any(|word| keyword(word).is_some()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    And,
    Or,
    Not,
}

/// In all-lower or all-upper case.
fn keyword(word: &str) -> Option<Keyword> {
    match word {
        "and" | "AND" => Some(Keyword::And),
        "or" | "OR" => Some(Keyword::Or),
        "not" | "NOT" => Some(Keyword::Not),
        _ => None,
    }
}

struct Parser<'a, 'n> {
    cursor: Cursor<'a>,
    vocabulary: &'static Vocabulary,
    depth: usize,
    n_walks: &'n mut usize,
}

impl<'a> Parser<'a, '_> {
    fn any_of(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.all_of()?];
        while self.take_keyword(Keyword::Or) {
            parts.push(self.all_of()?);
        }
        Ok(Expr::or(parts))
    }

    fn all_of(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.negated()?];
        while self.take_keyword(Keyword::And) {
            parts.push(self.negated()?);
        }
        Ok(Expr::and(parts))
    }

    fn negated(&mut self) -> Result<Expr, Problem> {
        if !self.take_keyword(Keyword::Not) {
            return self.reach();
        }
        let of = self.nested(Self::negated)?;
        Ok(Expr::Not(Box::new(of)))
    }

    fn reach(&mut self) -> Result<Expr, Problem> {
        if self.cursor.take('*') {
            self.cursor.skip_blanks();
            return match self.cursor.peek() {
                Some('+' | '*') => {
                    let hint = "`*` is everything already".to_owned();
                    Err(self.cursor.expected("`and`, `or` or the end", Some(hint)))
                }
                _ => Ok(Expr::All),
            };
        }
        let digits = self.cursor.at..self.digits_end();
        self.cursor.at = digits.end;
        self.cursor.skip_blanks();
        let up = if self.cursor.take('+') {
            self.walk()?;
            levels(&self.cursor.text[digits])
        } else {
            self.cursor.at = digits.start;
            Depth::NONE
        };
        self.cursor.skip_blanks();
        if self.cursor.peek() == Some('+') {
            return Err(self.cursor.expected("an attribute", Some(levels_hint("2+x"))));
        }
        let of = self.primary()?;
        let down = if self.cursor.take('+') {
            self.walk()?;
            self.cursor.skip_blanks();
            levels(self.cursor.take_while(|c| c.is_ascii_digit()))
        } else {
            Depth::NONE
        };
        self.cursor.skip_blanks();
        Ok(Expr::reach(of, up, down))
    }

    fn digits_end(&self) -> usize {
        let rest = self.cursor.rest();
        self.cursor.at + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
    }

    fn primary(&mut self) -> Result<Expr, Problem> {
        if self.cursor.peek() == Some('(') {
            return self.nested(Self::in_parentheses);
        }
        let start = self.cursor.at;
        let word = self.cursor.take_while(is_word);
        let range = start..self.cursor.at;
        if word.is_empty() || keyword(word).is_some() {
            self.cursor.at = start;
            if self.cursor.peek() == Some('"') {
                let name = self.quoted()?;
                let hint = Some(self.attribute_hint(&name));
                return Err(self.cursor.expected_at(start..self.cursor.at, "an attribute", hint));
            }
            return Err(self.cursor.expected("an attribute", None));
        }
        self.cursor.skip_blanks();
        let end = match word {
            "sinks" => Some(End::Sinks),
            "roots" => Some(End::Roots),
            _ => None,
        };
        if let (Some(end), Some('(')) = (end, self.cursor.peek()) {
            self.walk()?;
            let of = self.nested(Self::in_parentheses)?;
            return Ok(Expr::Ends { end, of: Box::new(of) });
        }
        if self.cursor.take(':') {
            return self.term(word, range).map(Expr::Term);
        }
        if end.is_some() {
            return Err(self.cursor.expected("`(`", Some(format!("write `{word}(…)`"))));
        }
        self.cursor.at = start;
        let name = self.cursor.take_while(is_name);
        let range = start..self.cursor.at;
        Err(self.cursor.expected_at(range, "an attribute", Some(self.attribute_hint(name))))
    }

    fn attribute_hint(&self, name: &str) -> String {
        format!("in an expression, write `{}:\"{name}\"`", self.vocabulary.name().name)
    }

    fn in_parentheses(&mut self) -> Result<Expr, Problem> {
        let opened = self.cursor.at..self.cursor.at + 1;
        self.cursor.take('(');
        let inner = self.any_of()?;
        if self.cursor.peek().is_none() {
            return Err(self.cursor.unclosed(opened, "a `)`"));
        }
        if !self.cursor.take(')') {
            return Err(self.cursor.expected("`and`, `or` or `)`", None));
        }
        self.cursor.skip_blanks();
        Ok(inner)
    }

    /// The value after `attribute:`.
    fn term(&mut self, word: &str, range: Range<usize>) -> Result<Term, Problem> {
        let attribute = self.attribute(word, range.clone())?;
        let value = self.value(attribute)?;
        let place = Place { clause: self.cursor.clause, range: range.start..self.cursor.at };
        self.cursor.skip_blanks();
        let Some(text) = value else {
            if !attribute.optional {
                return Err(
                    ProblemKind::NeverAbsent { attribute: attribute.name }.at(place.clause, place.range)
                );
            }
            return Ok(Term { attribute, value: Value::Null, place });
        };
        if !attribute.values.is_empty() && !attribute.values.contains(&text.as_str()) {
            let known = listed(attribute.values.iter().copied());
            let kind = ProblemKind::UnknownValue { attribute: attribute.name, found: text, known };
            return Err(kind.at(place.clause, place.range));
        }
        if !attribute.pairs {
            return Ok(Term { attribute, value: Value::Text(text), place });
        }
        let mut second = String::new();
        if self.cursor.take('=') {
            let at = self.cursor.at;
            match self.value(attribute)? {
                Some(value) => second = value,
                None => {
                    self.cursor.at = at;
                    return Err(self.cursor.expected("a value", Some("`<null>` has no key".to_owned())));
                }
            }
        }
        let place = Place { range: place.range.start..self.cursor.at, ..place };
        self.cursor.skip_blanks();
        Ok(Term { attribute, value: Value::Pair(text, second), place })
    }

    fn attribute(&self, word: &str, range: Range<usize>) -> Result<&'static Attribute, Problem> {
        let names = || self.vocabulary.attributes.iter().map(|attribute| attribute.name);
        self.vocabulary.find(word).ok_or_else(|| {
            let near = nearest(word, names()).map(str::to_owned);
            let (subject, known) = (self.vocabulary.subject, listed(names()));
            ProblemKind::UnknownAttribute { subject, found: word.to_owned(), near, known }
                .at(self.cursor.clause, range)
        })
    }

    /// None for `<null>`.
    fn value(&mut self, attribute: &Attribute) -> Result<Option<String>, Problem> {
        self.cursor.skip_blanks();
        if self.cursor.rest().starts_with("<null>") {
            self.cursor.at += "<null>".len();
            return Ok(None);
        }
        if self.cursor.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let word = self.cursor.take_while(|c| is_name(c) || matches!(c, '*' | '@'));
        if word.is_empty() {
            let hint = format!("write `{}:\"…\"`", attribute.name);
            return Err(self.cursor.expected("a value", Some(hint)));
        }
        Ok(Some(word.to_owned()))
    }

    fn quoted(&mut self) -> Result<String, Problem> {
        let start = self.cursor.at;
        let mut text = String::new();
        let mut chars = self.cursor.text[start..].char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.cursor.at = start + at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    other => {
                        let end = other.map_or(self.cursor.text.len(), |(at, c)| start + at + c.len_utf8());
                        let hint = Some("a `\\` itself is written `\\\\`".to_owned());
                        return Err(self.cursor.expected_at(start + at..end, "`\\\"` or `\\\\`", hint));
                    }
                },
                c => text.push(c),
            }
        }
        Err(self.cursor.unclosed(start..start + 1, "a second `\"`"))
    }

    /// Goes one deeper.
    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Expr, Problem>) -> Result<Expr, Problem> {
        if self.depth == NESTING_MAX {
            return Err(ProblemKind::TooDeep.at(self.cursor.clause, self.cursor.next_range()));
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn walk(&mut self) -> Result<(), Problem> {
        *self.n_walks += 1;
        if *self.n_walks > WALKS_MAX {
            return Err(ProblemKind::TooManyWalks.at(self.cursor.clause, self.cursor.next_range()));
        }
        Ok(())
    }

    fn take_keyword(&mut self, wanted: Keyword) -> bool {
        self.cursor.skip_blanks();
        let range = self.cursor.next_range();
        let found = keyword(&self.cursor.text[range.clone()]) == Some(wanted);
        if found {
            self.cursor.at = range.end;
            self.cursor.skip_blanks();
        }
        found
    }
}

/// No digits: all levels. More than fit: no graph has so many.
fn levels(digits: &str) -> Depth {
    if digits.is_empty() { Depth::ALL } else { Depth(digits.parse().unwrap_or(u32::MAX)) }
}

fn levels_hint(example: &str) -> String {
    format!("`+` alone is all levels; write a number for some: `{example}`")
}

fn pairs_hint(vocabulary: &'static Vocabulary) -> String {
    let pairs = vocabulary.attributes.iter().filter(|attribute| attribute.pairs);
    match listed(pairs.map(|attribute| attribute.name)) {
        none if none.is_empty() => "a value with `=` in it is written in quotes".to_owned(),
        known => format!("`=` comes after {known} only; a value with `=` in it is written in quotes"),
    }
}
