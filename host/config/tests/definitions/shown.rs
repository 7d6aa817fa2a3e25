//! What a person sees of the findings in definitions.

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::Diagnostic;

pub(crate) fn found(content: impl AsRef<[u8]>) -> (Texts, Vec<Diagnostic>) {
    let mut texts = Texts::default();
    let (_, found) = read_definitions(&mut texts, "cofferdam.toml", content);
    (texts, found)
}

/// The messages of all snippets, each of which must have one.
pub(crate) fn shown(snippets: &[&str]) -> String {
    let show = |snippet: &&str| {
        let (texts, found) = found(snippet);
        assert!(!found.is_empty(), "{snippet}");
        render(&texts, &found, false, 100)
    };
    snippets.iter().map(show).collect()
}

/// The messages of lines below a heading, each in a file of its own.
pub(crate) fn below(heading: &str, lines: &[&str]) -> String {
    let snippets: Vec<String> = lines.iter().map(|line| format!("{heading}\n{line}")).collect();
    shown(&snippets.iter().map(String::as_str).collect::<Vec<_>>())
}
