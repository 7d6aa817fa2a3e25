//! A selection as it was understood, told to who typed it.

use cofferdam_select::{Vocabulary, parse};

use crate::output::{DIM, Output};

/// Says the normal form. Nothing if there is no selection, or one that whoever evaluates it will refuse.
pub(crate) fn say(selection: &[String], vocabulary: &'static Vocabulary, output: Output) {
    if !selection.is_empty()
        && let Ok(expr) = parse(selection, vocabulary)
    {
        output.say(&format!("{DIM}selected:{DIM:#} {expr}"));
    }
}
