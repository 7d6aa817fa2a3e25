//! Old clauses: `[*][+…] name [+…][*]`.

use crate::cursor::{Cursor, is_name};
use crate::expr::{Depth, Expr, Term, Value};
use crate::problem::{Place, Problem};
use crate::vocabulary::Vocabulary;

/// Reads a whole text as one clause.
pub(crate) fn clause(cursor: &mut Cursor<'_>, vocabulary: &'static Vocabulary) -> Result<Expr, Problem> {
    let name = vocabulary.name();
    cursor.skip_blanks();
    let star = cursor.take('*');
    let up = depth(star, cursor.take_while(|c| c == '+'));
    if cursor.peek() == Some('*') {
        let hint = if star {
            "one `*` stands for all levels"
        } else {
            "`*` comes before `+`, and stands for all levels alone"
        };
        return Err(cursor.expected("a name", Some(hint.to_owned())));
    }
    let start = cursor.at;
    let text = cursor.take_while(is_name);
    if text.is_empty() {
        let hint = star.then(|| "`*` selects everything alone".to_owned());
        return Err(cursor.expected("a name", hint));
    }
    let end = cursor.at;
    let pluses = cursor.take_while(|c| c == '+');
    let star = cursor.take('*');
    cursor.skip_blanks();
    if cursor.peek().is_some() {
        return Err(cursor.expected("the end", junk(cursor, text, pluses, star, name.name)));
    }
    let place = Place { clause: cursor.clause, range: start..end };
    let term = Term { attribute: name, value: Value::Text(text.to_owned()), place };
    Ok(Expr::reach(Expr::Term(term), up, depth(star, pluses)))
}

fn depth(star: bool, pluses: &str) -> Depth {
    // A text has at most `EXPRESSION_BYTES_MAX` bytes.
    if star { Depth::ALL } else { Depth(u32::try_from(pluses.len()).unwrap_or(u32::MAX)) }
}

/// What may be meant by what follows a clause.
fn junk(cursor: &Cursor<'_>, text: &str, pluses: &str, star: bool, attribute: &str) -> Option<String> {
    let rest = cursor.rest().trim_end();
    let is_one_name = rest.chars().all(is_name);
    let n_levels = text.parse::<u32>().ok().filter(|_| pluses.len() == 1 && !star);
    match n_levels {
        Some(n) if is_one_name => Some(format!("write `{n}+{attribute}:\"{rest}\"`")),
        _ if star => Some("`*` comes last, and stands for all levels alone".to_owned()),
        _ if pluses.is_empty() && is_one_name => {
            Some(format!("write two selections, or `{attribute}:\"{text}\" or {attribute}:\"{rest}\"`"))
        }
        _ => Some(format!("one clause holds one name; write others as `{attribute}:\"…\" or …`")),
    }
}
