//! An expression, and its normal form.

use std::fmt;

use crate::problem::Place;
use crate::vocabulary::Attribute;

/// What is selected. Made by [`crate::parse`], or by the constructors, which keep it in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// `*`
    All,
    Term(Term),
    /// What `of` selects, with what lies so many levels before and after it.
    Reach {
        of: Box<Expr>,
        up: Depth,
        down: Depth,
    },
    /// Those of `of` after which, or before which, no other of `of` comes.
    Ends {
        end: End,
        of: Box<Expr>,
    },
    Not(Box<Expr>),
    /// At least two; none of them is an `And`.
    And(Vec<Expr>),
    /// At least two; none of them is an `Or`.
    Or(Vec<Expr>),
}

/// `attribute:"value"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub attribute: &'static Attribute,
    pub value: Value,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The attribute is absent.
    Null,
    Text(String),
    Pair(String, String),
}

/// How many levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depth(pub u32);

impl Depth {
    pub const NONE: Depth = Depth(0);
    /// More than any graph has.
    pub const ALL: Depth = Depth(u32::MAX);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Sinks,
    Roots,
}

impl Expr {
    /// All of several.
    pub fn and(parts: Vec<Expr>) -> Expr {
        let mut flat = vec![];
        for part in parts {
            match part {
                Expr::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match <[Expr; 1]>::try_from(flat) {
            Ok([only]) => only,
            Err(many) => Expr::And(many),
        }
    }

    /// Any of several.
    pub fn or(parts: Vec<Expr>) -> Expr {
        let mut flat = vec![];
        for part in parts {
            match part {
                Expr::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match <[Expr; 1]>::try_from(flat) {
            Ok([only]) => only,
            Err(many) => Expr::Or(many),
        }
    }

    /// With levels before and after; without any, `of` itself.
    pub fn reach(of: Expr, up: Depth, down: Depth) -> Expr {
        if up == Depth::NONE && down == Depth::NONE { of } else { Expr::Reach { of: Box::new(of), up, down } }
    }

    /// Calls `each` with every term.
    pub(crate) fn terms<'a>(&'a self, each: &mut impl FnMut(&'a Term)) {
        match self {
            Expr::All => {}
            Expr::Term(term) => each(term),
            Expr::Reach { of, .. } | Expr::Ends { of, .. } | Expr::Not(of) => of.terms(each),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.terms(each)),
        }
    }
}

/// The normal form: it parses to the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::All => f.write_str("*"),
            Expr::Term(term) => term.fmt(f),
            Expr::Reach { of, up, down } => {
                match *up {
                    Depth::NONE => {}
                    Depth::ALL => f.write_str("+")?,
                    Depth(n) => write!(f, "{n}+")?,
                }
                match **of {
                    Expr::Term(_) | Expr::Ends { .. } => write!(f, "{of}")?,
                    _ => write!(f, "({of})")?,
                }
                match *down {
                    Depth::NONE => Ok(()),
                    Depth::ALL => f.write_str("+"),
                    Depth(n) => write!(f, "+{n}"),
                }
            }
            Expr::Ends { end: End::Sinks, of } => write!(f, "sinks({of})"),
            Expr::Ends { end: End::Roots, of } => write!(f, "roots({of})"),
            Expr::Not(of) => {
                f.write_str("not ")?;
                operand(of, f)
            }
            Expr::And(parts) => join(parts, " and ", f),
            Expr::Or(parts) => join(parts, " or ", f),
        }
    }
}

fn join(parts: &[Expr], word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(word)?;
        }
        operand(part, f)?;
    }
    Ok(())
}

/// In parentheses if it is made of several, so that nobody has to know what binds tighter.
fn operand(expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match expr {
        Expr::And(_) | Expr::Or(_) => write!(f, "({expr})"),
        _ => write!(f, "{expr}"),
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.attribute.name)?;
        match &self.value {
            Value::Null => f.write_str("<null>"),
            Value::Text(text) => quoted(text, f),
            Value::Pair(key, value) => {
                quoted(key, f)?;
                f.write_str("=")?;
                quoted(value, f)
            }
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
